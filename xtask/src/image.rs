//! `cargo xtask image`: the container image, as an OCI layout, made without a container engine.
//!
//! The image stands on nothing: one static program, a few files that a C library looks for, and the certificates of the
//! machine that builds. The same inputs give the same bytes, and so the same digest.

mod archive;
mod elf;
mod layout;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use self::archive::Archive;
pub(crate) use self::layout::{Layout, digest_of};
use crate::workspace;

/// Who runs in the container: nobody that a machine knows.
const USER: u32 = 65532;
/// Where the program is.
const PROGRAM: &str = "usr/bin/sigward";
/// Names under which it answers as somebody else.
const NAMES: [&str; 3] = ["cosign", "kyverno", "kubectl-kyverno"];
/// Certificates of public authorities, where the build finds them and where the program looks for them.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// How to build.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of the layout; an older layout in it is taken away first, anything else is left and an error.
    pub out: PathBuf,
    /// A tar archive of the layout too.
    pub tar: Option<PathBuf>,
    /// A static program that is there already.
    pub program: Option<PathBuf>,
    /// PEM file of the authorities to trust.
    pub authorities: PathBuf,
    /// Build without optimisation: to try the image, not to ship it.
    pub debug: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            out: workspace::root().join("target/image/layout"),
            tar: None,
            program: None,
            authorities: Path::new("/").join(AUTHORITIES),
            debug: false,
        }
    }
}

/// What goes into an image.
#[derive(Debug, Clone)]
pub(crate) struct Contents {
    /// The static program.
    pub(crate) program: Vec<u8>,
    /// PEM of the authorities.
    pub(crate) authorities: Vec<u8>,
    /// The version of the project.
    pub(crate) version: String,
    /// The commit; empty when it is not known.
    pub(crate) revision: String,
}

/// Builds the program and the image, and prints where it is and its digest.
pub fn run(options: &Options) -> Result<String> {
    let program = match &options.program {
        Some(program) => program.clone(),
        None => build(options.debug)?,
    };
    let contents = Contents {
        program: fs::read(&program)
            .with_context(|| format!("cannot read {}", program.display()))?,
        authorities: fs::read(&options.authorities).with_context(|| {
            format!(
                "cannot read {}: install the certificates of public authorities (Debian: ca-certificates), or name a PEM file with --authorities",
                options.authorities.display()
            )
        })?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: revision(),
    };
    let image = assemble(&contents)?;
    image.write(&options.out)?;
    if let Some(tar) = &options.tar {
        fs::write(tar, image.archive()?)
            .with_context(|| format!("cannot write {}", tar.display()))?;
    }
    Ok(image.digest().to_owned())
}

/// The image of these contents.
pub(crate) fn assemble(contents: &Contents) -> Result<Layout> {
    let elf = elf::read(&contents.program).context("the program is no ELF file")?;
    if let Some(interpreter) = &elf.interpreter {
        bail!(
            "the program is not static: it wants {interpreter}, and there is nothing in the image beside it (cargo xtask image builds one that is)"
        );
    }
    ensure!(
        contents.authorities.windows(27).any(|part| part == b"-----BEGIN CERTIFICATE-----"),
        "the file of authorities holds no certificate in PEM"
    );
    let layer = layer(contents)?;
    let (plain, packed) = (digest_of(&layer), archive::gzip(&layer)?);
    let mut layout = Layout::new();
    let layer = layout.add("application/vnd.oci.image.layer.v1.tar+gzip", packed);
    let config = configuration(contents, elf.architecture, &plain);
    let config =
        layout.add("application/vnd.oci.image.config.v1+json", serde_json::to_vec(&config)?);
    layout.manifest(&config, &[layer], &annotations(contents), elf.architecture)?;
    Ok(layout)
}

/// The only layer, as a tar archive.
fn layer(contents: &Contents) -> Result<Vec<u8>> {
    let mut archive = Archive::new();
    for folder in ["etc", "etc/ssl", "etc/ssl/certs", "home", "usr", "usr/bin"] {
        archive.folder(folder, 0o755, 0)?;
    }
    archive.folder("home/nonroot", 0o700, USER)?;
    archive.folder("tmp", 0o1777, 0)?;
    archive.file(
        "etc/passwd",
        0o644,
        format!("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:{USER}:{USER}:nonroot:/home/nonroot:/sbin/nologin\n").as_bytes(),
    )?;
    archive.file("etc/group", 0o644, format!("root:x:0:\nnonroot:x:{USER}:\n").as_bytes())?;
    // A static C library resolves names by itself, in this order.
    archive.file("etc/nsswitch.conf", 0o644, b"hosts: files dns\n")?;
    archive.file(AUTHORITIES, 0o644, &contents.authorities)?;
    archive.file(PROGRAM, 0o755, &contents.program)?;
    for name in NAMES {
        archive.link(&format!("usr/bin/{name}"), "sigward")?;
    }
    Ok(archive.finish())
}

/// SPEC: OCI image specification 1.1, "OCI Image Configuration".
fn configuration(contents: &Contents, architecture: &str, layer: &str) -> Value {
    json!({
        "architecture": architecture,
        "os": "linux",
        // The same image at any time: when it was made says nothing about what it is.
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": format!("{USER}:{USER}"),
            "Entrypoint": [format!("/{PROGRAM}")],
            "Cmd": ["serve"],
            "Env": ["PATH=/usr/bin", "HOME=/home/nonroot", format!("SSL_CERT_FILE=/{AUTHORITIES}")],
            "ExposedPorts": { "8000/tcp": {}, "9443/tcp": {} },
            "WorkingDir": "/home/nonroot",
            "Labels": annotations(contents),
        },
        "rootfs": { "type": "layers", "diff_ids": [layer] },
        "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "cargo xtask image" }],
    })
}

fn annotations(contents: &Contents) -> Value {
    let all = [
        ("title", "sigward"),
        (
            "description",
            "Decides which container images may run in a Kubernetes cluster, and proves why",
        ),
        ("licenses", "Apache-2.0"),
        ("version", &contents.version),
        ("revision", &contents.revision),
    ];
    let known = all.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(name, value)| (format!("org.opencontainers.image.{name}"), json!(value))).collect()
}

/// A static program: the C library is linked in, and `quickstart` with its registry is left out.
fn build(debug: bool) -> Result<PathBuf> {
    let target = host()?;
    ensure!(
        target.contains("-linux-"),
        "an image is made of a program for Linux; this is {target}"
    );
    let folder = workspace::root().join("target/image");
    let root = workspace::root();
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    // Where it was built is nobody's business, and no reason for another digest.
    flags.push(format!("--remap-path-prefix={}=/sigward", root.display()));
    if let Some(home) = cargo_home() {
        flags.push(format!("--remap-path-prefix={}=/cargo", home.display()));
    }
    let mut command = workspace::cargo();
    command
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("CARGO_TARGET_DIR", &folder)
        .args(["build", "--locked", "--package", "sigward", "--no-default-features"])
        // With a target named, the flags are not for build scripts and macros.
        .args(["--target", &target]);
    if !debug {
        command.arg("--release");
    }
    workspace::run(&mut command)?;
    Ok(folder.join(target).join(if debug { "debug" } else { "release" }).join("sigward"))
}

fn cargo_home() -> Option<PathBuf> {
    let named = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
}

/// The platform of this machine, as the compiler calls it.
fn host() -> Result<String> {
    let mut command =
        std::process::Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let said = workspace::output(command.arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("the compiler does not say what it builds for")?.to_owned())
}

/// The commit, where there is one and nothing was changed since.
fn revision() -> String {
    let git = |words: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(words).current_dir(workspace::root());
        workspace::output(&mut command).ok()
    };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.trim().is_empty() => {
            git(&["rev-parse", "HEAD"]).map(|id| id.trim().to_owned()).unwrap_or_default()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
