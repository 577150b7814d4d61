//! The three signing tools, driven with the flags that work with no network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};

use super::scratch::{Ran, Scratch};
use super::world::World;

/// Who signs or verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    Cosign2,
    Cosign3,
    Sigward,
}

/// The kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Algorithm {
    P256,
    P384,
    Rsa,
    Ed25519,
}

/// How a signature is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Format {
    /// A Sigstore bundle that refers to the image.
    Bundle,
    /// A tag derived from the image's digest.
    Legacy,
}

/// What is said about the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Statement {
    Signature,
    Attestation,
}

impl Tool {
    pub(crate) const ALL: [Self; 3] = [Self::Cosign2, Self::Cosign3, Self::Sigward];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cosign2 => "cosign2",
            Self::Cosign3 => "cosign3",
            Self::Sigward => "sigward",
        }
    }

    /// The program; ours only when it has all of the commands.
    pub(crate) fn program(self, world: &World, commands: &[&str]) -> Result<PathBuf> {
        match self {
            Self::Cosign2 | Self::Cosign3 => world.peers().program(self.name()),
            Self::Sigward => world.sigward(commands),
        }
    }
}

impl Algorithm {
    pub(crate) const ALL: [Self; 4] = [Self::P256, Self::P384, Self::Rsa, Self::Ed25519];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

impl Format {
    pub(crate) const ALL: [Self; 2] = [Self::Bundle, Self::Legacy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Legacy => "legacy",
        }
    }
}

impl Statement {
    pub(crate) const ALL: [Self; 2] = [Self::Signature, Self::Attestation];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Attestation => "attestation",
        }
    }
}

/// A key pair as cosign keeps it: an encrypted private key and a PEM public key.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) private: PathBuf,
    pub(crate) public: PathBuf,
}

impl Keys {
    /// The public key's PEM.
    pub(crate) fn pem(&self) -> Result<String> {
        fs::read_to_string(&self.public)
            .with_context(|| format!("cannot read {}", self.public.display()))
    }
}

/// Makes a key pair with the tool itself: generated where it can (P-256), else imported.
pub(crate) fn make_keys(
    world: &World,
    scratch: &Scratch,
    tool: Tool,
    algorithm: Algorithm,
    name: &str,
) -> Result<Keys> {
    let prefix = scratch.path(name);
    let keys = Keys { private: prefix.with_extension("key"), public: prefix.with_extension("pub") };
    let verb = if algorithm == Algorithm::P256 { "generate-key-pair" } else { "import-key-pair" };
    let mut command = scratch.command(tool.program(world, &[verb])?);
    command.args([verb, "--output-key-prefix", name]);
    if algorithm != Algorithm::P256 {
        let pem = match algorithm {
            Algorithm::P256 | Algorithm::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?,
            Algorithm::Ed25519 => KeyPair::generate_for(&PKCS_ED25519)?,
            Algorithm::Rsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?,
        };
        command.arg("--key").arg(scratch.write(&format!("{name}.pem"), &pem.serialize_pem())?);
    }
    scratch.succeed(&mut command)?;
    ensure!(keys.private.is_file() && keys.public.is_file(), "{} left no key pair", tool.name());
    Ok(keys)
}

/// One signing job.
#[derive(Debug, Clone)]
pub(crate) struct Signing<'a> {
    pub(crate) tool: Tool,
    pub(crate) key: &'a Path,
    pub(crate) format: Format,
    pub(crate) statement: Statement,
    /// For attestations: the type as typed, and the predicate's file.
    pub(crate) predicate: Option<(&'a str, &'a Path)>,
    pub(crate) image: &'a str,
}

/// Signs or attests with a key and no log.
pub(crate) fn sign(world: &World, scratch: &Scratch, job: &Signing<'_>) -> Result<Ran> {
    scratch.run(&mut signature(world, scratch, job)?)
}

/// The command of a signing job.
pub(crate) fn signature(world: &World, scratch: &Scratch, job: &Signing<'_>) -> Result<Command> {
    let verb = match job.statement {
        Statement::Signature => "sign",
        Statement::Attestation => "attest",
    };
    let mut command = scratch.command(job.tool.program(world, &[verb])?);
    command.arg(verb).arg("--key").arg(job.key).args(["--tlog-upload=false", "--yes"]);
    let flags: &[&str] = match (job.tool, job.format) {
        (Tool::Cosign2, Format::Bundle) => &["--new-bundle-format"],
        (Tool::Cosign2, Format::Legacy) => &[],
        (Tool::Cosign3 | Tool::Sigward, Format::Bundle) => &["--use-signing-config=false"],
        (Tool::Cosign3 | Tool::Sigward, Format::Legacy) => {
            &["--use-signing-config=false", "--new-bundle-format=false"]
        }
    };
    command.args(flags);
    if let Some((kind, file)) = job.predicate {
        command.args(["--type", kind, "--predicate"]).arg(file);
    }
    command.arg(job.image);
    Ok(command)
}

/// One verification.
#[derive(Debug, Clone)]
pub(crate) struct Verifying<'a> {
    pub(crate) tool: Tool,
    pub(crate) key: &'a Path,
    /// cosign 2 wants to be told; the others find out.
    pub(crate) format: Format,
    /// The predicate type, when an attestation is verified.
    pub(crate) attestation: Option<&'a str>,
    pub(crate) image: &'a str,
}

/// Verifies with a key and no log.
pub(crate) fn verify(world: &World, scratch: &Scratch, job: &Verifying<'_>) -> Result<Ran> {
    scratch.run(&mut verification(world, scratch, job)?)
}

/// The command of a verification.
pub(crate) fn verification(
    world: &World,
    scratch: &Scratch,
    job: &Verifying<'_>,
) -> Result<Command> {
    let verb = if job.attestation.is_some() { "verify-attestation" } else { "verify" };
    let mut command = scratch.command(job.tool.program(world, &[verb])?);
    command.arg(verb).arg("--key").arg(job.key).arg("--insecure-ignore-tlog");
    if let (Tool::Cosign2, Format::Bundle) = (job.tool, job.format) {
        // It asks for a trusted root even when the key is all it needs; an empty one will do.
        let empty = scratch.write(
            "trusted-root.json",
            r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#,
        )?;
        command.arg("--new-bundle-format").arg("--trusted-root").arg(empty);
    }
    if let Some(kind) = job.attestation {
        command.args(["--type", kind]);
    }
    command.arg(job.image);
    Ok(command)
}
