//! Registries that cases push to: Debian's docker-registry as a process, and the testkit's in this one.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;

use super::wire::{self, Answer};
use crate::peers::Peers;
use crate::process::{self, Service};

/// Name and password of a registry's user.
pub(crate) type Login<'a> = Option<(&'a str, &'a str)>;

/// A running docker-registry (distribution 2.8, which has no referrers API).
#[derive(Debug)]
pub(crate) struct DockerRegistry {
    host: String,
    service: Service,
}

impl DockerRegistry {
    /// Starts one with its data under `folder`; with a line for `htpasswd` it asks everyone for that login.
    pub(crate) fn start(peers: &Peers, folder: &Path, htpasswd: Option<&str>) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let host = format!("127.0.0.1:{}", process::free_port()?);
        let mut config = json!({
            "version": "0.1",
            "log": { "level": "info" },
            "storage": { "filesystem": { "rootdirectory": folder.join("data") }, "delete": { "enabled": true } },
            "http": { "addr": host },
        });
        if let Some(line) = htpasswd {
            fs::write(folder.join("htpasswd"), line)?;
            let auth = json!({ "htpasswd": { "realm": "test", "path": folder.join("htpasswd") } });
            if let Some(object) = config.as_object_mut() {
                object.insert("auth".to_owned(), auth);
            }
        }
        // JSON is YAML, and the registry reads YAML.
        let path = folder.join("config.yml");
        fs::write(&path, config.to_string())?;
        let mut command = Command::new(peers.program("docker-registry")?);
        command.arg("serve").arg(&path).env_remove("OTEL_TRACES_EXPORTER");
        let mut service = Service::start("docker-registry", &mut command, folder)?;
        service.wait_until(Duration::from_secs(30), || {
            wire::send(&host, "GET", "/v2/", &[], b"").is_ok()
        })?;
        Ok(Self { host, service })
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// How many requests it has logged so far.
    pub(crate) fn requests(&self) -> usize {
        self.service
            .said()
            .lines()
            .filter(|line| line.contains("http.response.status=") || line.contains("\" HTTP/1.1"))
            .count()
    }
}

/// An image that was pushed.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// `127.0.0.1:PORT`.
    pub(crate) host: String,
    pub(crate) repository: String,
    pub(crate) tag: String,
    /// `sha256:…` of its manifest.
    pub(crate) digest: String,
}

impl Image {
    pub(crate) fn by_tag(&self) -> String {
        format!("{}/{}:{}", self.host, self.repository, self.tag)
    }

    pub(crate) fn by_digest(&self) -> String {
        format!("{}/{}@{}", self.host, self.repository, self.digest)
    }
}

/// Makes every image's bytes different from all others of this run.
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// Pushes a fresh tiny image through the registry's API; no two have the same digest.
pub(crate) fn push(host: &str, repository: &str, tag: &str, login: Login<'_>) -> Result<Image> {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": { "Labels": { "serial": format!("{serial}-{}", std::process::id()) } },
        "rootfs": { "type": "layers", "diff_ids": [] },
    })
    .to_string();
    let config_digest = push_blob(host, repository, config.as_bytes(), login)?;
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config_digest,
            "size": config.len(),
        },
        "layers": [],
    })
    .to_string();
    let answer = send(
        host,
        "PUT",
        &format!("/v2/{repository}/manifests/{tag}"),
        media_type,
        manifest.as_bytes(),
        login,
    )?;
    ensure!(answer.status == 201, "the registry refused a manifest: {}", said(&answer));
    Ok(Image {
        host: host.to_owned(),
        repository: repository.to_owned(),
        tag: tag.to_owned(),
        digest: sha256(manifest.as_bytes()),
    })
}

/// Lets a tag point to another image that the registry has already.
pub(crate) fn move_tag(image: &Image, tag: &str, login: Login<'_>) -> Result<Image> {
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let path = format!("/v2/{}/manifests/{}", image.repository, image.digest);
    let authorization = authorization(login);
    let mut headers = vec![("Accept", media_type)];
    headers.extend(authorization.as_deref().map(|value| ("Authorization", value)));
    let manifest = wire::send(&image.host, "GET", &path, &headers, b"")?;
    ensure!(manifest.status == 200, "the registry does not give a manifest: {}", said(&manifest));
    let path = format!("/v2/{}/manifests/{tag}", image.repository);
    let answer = send(&image.host, "PUT", &path, media_type, &manifest.body, login)?;
    ensure!(answer.status == 201, "the registry does not move a tag: {}", said(&answer));
    Ok(Image { tag: tag.to_owned(), ..image.clone() })
}

fn push_blob(host: &str, repository: &str, bytes: &[u8], login: Login<'_>) -> Result<String> {
    let digest = sha256(bytes);
    let start = send(host, "POST", &format!("/v2/{repository}/blobs/uploads/"), "", b"", login)?;
    ensure!(start.status == 202, "the registry takes no upload: {}", said(&start));
    let location = start.header("location").context("an upload without a location")?;
    // The location may be a path or a whole address.
    let path = match location.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => location,
    };
    let joint = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{joint}digest={digest}");
    let done = send(host, "PUT", &path, "application/octet-stream", bytes, login)?;
    ensure!(done.status == 201, "the registry refused a blob: {}", said(&done));
    Ok(digest)
}

fn send(
    host: &str,
    method: &str,
    path: &str,
    media_type: &str,
    body: &[u8],
    login: Login<'_>,
) -> Result<Answer> {
    let authorization = authorization(login);
    let mut headers = Vec::new();
    if !media_type.is_empty() {
        headers.push(("Content-Type", media_type));
    }
    headers.extend(authorization.as_deref().map(|value| ("Authorization", value)));
    wire::send(host, method, path, &headers, body)
}

fn authorization(login: Login<'_>) -> Option<String> {
    use base64::Engine as _;
    let (user, password) = login?;
    Some(format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
    ))
}

fn said(answer: &Answer) -> String {
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
