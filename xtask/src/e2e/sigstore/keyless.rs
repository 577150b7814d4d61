//! The command lines of signing and verifying with an identity, for each tool, place and format.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::super::scratch::Scratch;
use super::super::tools::{Format, Tool};
use super::super::world::World;
use super::instances::{Place, SIGNER, Sigstore, Urls};

/// What was signed, where, how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct How {
    pub(super) signer: Tool,
    pub(super) place: Place,
    pub(super) format: Format,
}

impl How {
    pub(super) fn name(self) -> String {
        format!("{}_{}_{}", self.signer.name(), self.place.name(), self.format.name())
    }
}

/// A command of a tool that knows the private certificate authority, logs and timestamp authority by the environment, as
/// the older format wants it.
pub(super) fn command(
    world: &World,
    scratch: &Scratch,
    sigstore: &Sigstore,
    tool: Tool,
    place: Place,
    verb: &str,
) -> Result<Command> {
    let mut command = scratch.command(tool.program(world, &[verb])?);
    command
        .arg(verb)
        .env("SIGSTORE_ROOT_FILE", sigstore.pem(place, "fulcio"))
        .env("SIGSTORE_REKOR_PUBLIC_KEY", sigstore.pem(place, "rekor"))
        .env("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", sigstore.pem(place, "ct"))
        .env("SIGSTORE_TSA_CERTIFICATE_FILE", sigstore.pem(place, "timestamps"));
    Ok(command)
}

/// The flags by which a tool signs at a place with a token.
pub(super) fn sign_at(command: &mut Command, sigstore: &Sigstore, how: How, token: &str) {
    command.args(["--yes", "--identity-token", token]);
    let How { signer, place, format } = how;
    if format == Format::Bundle {
        let (config, root) = (sigstore.signing_config(place), sigstore.trusted_root(place));
        command.arg("--signing-config").arg(config).arg("--trusted-root").arg(root);
        if signer == Tool::Cosign2 {
            command.arg("--new-bundle-format");
        }
        if (signer, place) == (Tool::Sigward, Place::Real) {
            // What the real authority issues names no certificate log, and ours checks before it stores.
            command.arg("--insecure-skip-verify");
        }
        return;
    }
    let Urls { fulcio, rekor, timestamps } = sigstore.urls(place);
    command.args(["--fulcio-url", &fulcio, "--timestamp-server-url", &timestamps]);
    if place == Place::Real {
        // Rekor v2 takes nothing from clients of the older format: the timestamp alone tells when.
        command.args(["--tlog-upload=false", "--insecure-skip-verify"]);
    } else {
        command.args(["--rekor-url", &rekor]);
    }
    if signer != Tool::Cosign2 {
        command.args(["--use-signing-config=false", "--new-bundle-format=false"]);
    }
}

/// Who is expected to have signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity<'a> {
    pub(super) name: &'a str,
    pub(super) issuer: &'a str,
}

/// The flags by which a tool verifies what was signed at a place.
pub(super) fn verify_at(
    command: &mut Command,
    sigstore: &Sigstore,
    verifier: Tool,
    how: How,
    identity: Identity<'_>,
) {
    let How { place, format, .. } = how;
    command
        .args(["--certificate-identity", identity.name])
        .args(["--certificate-oidc-issuer", identity.issuer]);
    // cosign 2 reads the older format by its environment alone.
    if format == Format::Bundle || verifier != Tool::Cosign2 {
        command.arg("--trusted-root").arg(sigstore.trusted_root(place));
    }
    if verifier == Tool::Cosign2 && format == Format::Bundle {
        command.arg("--new-bundle-format");
    }
    if verifier == Tool::Cosign2 && place != Place::DoublesV1 {
        // Rekor v2 tells no time, and cosign 2 looks at timestamps only when told.
        command.arg("--use-signed-timestamps");
    }
    if place == Place::Real {
        command.arg("--insecure-ignore-sct");
    }
    if place == Place::Real && format == Format::Legacy {
        command.arg("--insecure-ignore-tlog");
        if verifier != Tool::Cosign2 {
            command.arg("--use-signed-timestamps");
        }
    }
}

/// Signs or attests an image as [`SIGNER`].
pub(super) fn sign_image(
    world: &World,
    scratch: &Scratch,
    sigstore: &Sigstore,
    how: How,
    predicate: Option<(&str, &Path)>,
    image: &str,
) -> Result<()> {
    sign_image_as(world, scratch, sigstore, how, predicate, image, &sigstore.token()?)
}

/// The same with the token of somebody.
pub(super) fn sign_image_as(
    world: &World,
    scratch: &Scratch,
    sigstore: &Sigstore,
    how: How,
    predicate: Option<(&str, &Path)>,
    image: &str,
    token: &str,
) -> Result<()> {
    let verb = if predicate.is_some() { "attest" } else { "sign" };
    let mut command = command(world, scratch, sigstore, how.signer, how.place, verb)?;
    sign_at(&mut command, sigstore, how, token);
    if let Some((kind, file)) = predicate {
        command.args(["--type", kind, "--predicate"]).arg(file);
    }
    scratch.succeed(command.arg(image))?;
    Ok(())
}

/// The one who really signed.
pub(super) fn signer(issuer: &str) -> Identity<'_> {
    Identity { name: SIGNER, issuer }
}

/// Two who did not: somebody else, and the same name told by somebody else.
pub(super) fn others(issuer: &str) -> [Identity<'_>; 2] {
    [
        Identity { name: "other@example.test", issuer },
        Identity { name: SIGNER, issuer: "https://other.example.test" },
    ]
}
