//! Many images, each seen for the first time: what a truly cold admission costs, and what is remembered of it.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::json;
use sigward_testkit::registry::{Options, Registry};

use super::contestants::Contestant;
use super::load;
use crate::e2e::scratch::Scratch;

const REPOSITORY: &str = "bench/many";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// A registry full of signed images, one tag each, and the key that signed them.
pub(super) struct Images {
    registry: Registry,
    key: EcdsaKeyPair,
    /// PEM of the public key.
    pub(super) public: String,
    count: usize,
}

/// What the images cost one webhook.
#[derive(Debug, Clone, Copy)]
pub(super) struct Distinct {
    /// How many were admitted.
    pub(super) images: u32,
    /// Seconds from request to answer, on average, one after the other.
    pub(super) wall: f64,
    /// Seconds of CPU of the webhook for each.
    pub(super) cpu: f64,
    /// Requests to the registry for each.
    pub(super) requests: f64,
    /// Resident memory afterwards, in MiB.
    pub(super) resident: f64,
}

impl Images {
    /// Signs so many images, the way cosign stores a signature as a tag.
    pub(super) fn make(count: usize) -> Result<Self> {
        let registry = Registry::start(Options { referrers_api: false, ..Options::default() })?;
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pair.serialize_der())
            .map_err(|error| anyhow!("the key cannot be used: {error}"))?;
        let images = Self { registry, key, public: pair.public_key_pem(), count };
        for serial in 0..count {
            images.make_one(serial)?;
        }
        Ok(images)
    }

    fn make_one(&self, serial: usize) -> Result<()> {
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": { "Labels": { "serial": serial.to_string() } },
            "rootfs": { "type": "layers", "diff_ids": [] },
        });
        let digest = self.put(&config.to_string(), CONFIG, &json!({}), &tag(serial));
        let payload = json!({
            "critical": {
                "identity": { "docker-reference": format!("{}/{REPOSITORY}", self.host()) },
                "image": { "docker-manifest-digest": digest },
                "type": "cosign container image signature",
            },
            "optional": null,
        })
        .to_string();
        let signature = self
            .key
            .sign(&SystemRandom::new(), payload.as_bytes())
            .map_err(|_| anyhow!("the payload cannot be signed"))?;
        let annotations =
            json!({ "dev.cosignproject.cosign/signature": STANDARD.encode(signature) });
        let at = format!("{}.sig", digest.replace(':', "-"));
        self.put(&payload, PAYLOAD, &annotations, &at);
        Ok(())
    }

    /// Puts a manifest: of an image with this configuration, or of a signature with this payload. Gives its digest.
    fn put(
        &self,
        content: &str,
        media_type: &str,
        annotations: &serde_json::Value,
        tag: &str,
    ) -> String {
        let digest = self.registry.put_blob(REPOSITORY, content.to_owned());
        let descriptor = json!({
            "mediaType": media_type,
            "digest": digest,
            "size": content.len(),
            "annotations": annotations,
        });
        let is_image = media_type == CONFIG;
        let empty = self.registry.put_blob(REPOSITORY, "{}");
        let config = if is_image {
            descriptor.clone()
        } else {
            json!({ "mediaType": CONFIG, "digest": empty, "size": 2 })
        };
        let layers = if is_image { json!([]) } else { json!([descriptor]) };
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
        });
        let text = manifest.to_string();
        self.registry.put_manifest(REPOSITORY, tag, MANIFEST, text)
    }

    /// `127.0.0.1:PORT`.
    pub(super) fn host(&self) -> String {
        self.registry.host()
    }

    /// Asks the webhook about the first `most` images, one after the other on one connection.
    pub(super) fn admit(
        &self,
        contestant: &Contestant,
        scratch: &Scratch,
        most: usize,
    ) -> Result<Distinct> {
        let count = most.min(self.count);
        let config = self.requests(contestant, scratch, count)?;
        let (requests, cpu) = (self.registry.request_count(), load::cpu(contestant.pid())?);
        let answers = scratch.path("many.answers");
        let started = Instant::now();
        let status = Command::new("curl")
            .args(["--silent", "--config"])
            .arg(&config)
            .stdout(fs::File::create(&answers)?)
            .status()
            .context("cannot start curl")?;
        let wall = started.elapsed().as_secs_f64();
        let cpu = load::cpu(contestant.pid())? - cpu;
        let requests = u32::try_from(self.registry.request_count() - requests)?;
        let text = fs::read_to_string(&answers)?;
        let admitted = text.matches("\"allowed\":true").count();
        let tail: String = text.chars().take(2_000).collect();
        ensure!(
            status.success() && admitted == count,
            "{admitted} of {count} images were admitted, {status}:\n{tail}"
        );
        let images = u32::try_from(count)?;
        let each = f64::from(images);
        Ok(Distinct {
            images,
            wall: wall / each,
            cpu: cpu / each,
            requests: f64::from(requests) / each,
            resident: load::resident(contestant.pid())?,
        })
    }

    /// The requests as curl reads them; it keeps its connection from one to the next.
    fn requests(
        &self,
        contestant: &Contestant,
        scratch: &Scratch,
        count: usize,
    ) -> Result<PathBuf> {
        let mut config = String::new();
        for serial in 0..count {
            let image = format!("{}/{REPOSITORY}:{}", self.host(), tag(serial));
            let body = super::review(&super::pod(super::NAMESPACES[3], &image)).to_string();
            let body = body.replace('\\', "\\\\").replace('"', "\\\"");
            writeln!(
                config,
                "url = \"{}{}\"\ninsecure\nheader = \"Content-Type: application/json\"\ndata-binary = \"{body}\"",
                contestant.url,
                super::MUTATE
            )?;
            if serial + 1 < count {
                config.push_str("next\nsilent\n");
            }
        }
        scratch.write("many.curl", &config)
    }
}

fn tag(serial: usize) -> String {
    format!("v{serial}")
}
