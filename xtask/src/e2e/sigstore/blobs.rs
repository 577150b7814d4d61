//! Files signed and attested with an identity, verified by everyone, and refused when anything about them was changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::Case;
use super::super::scratch::Scratch;
use super::super::tools::{Format, Tool};
use super::super::world::World;
use super::instances::Place;
use super::keyless::{self, How, Identity};
use super::matrix::{self, SIGNERS};

const TEXT: &str = "what was released\n";
const STATEMENT_TYPE: &str = "slsaprovenance";
const PREDICATE: &str =
    r#"{"builder":{"id":"https://builder.example"},"buildType":"t","invocation":{}}"#;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for signer in SIGNERS {
        for place in Place::ALL {
            let how = How { signer, place, format: Format::Bundle };
            cases.push(Case::new(
                format!("sigstore_blob_{}", how.name()),
                "a signed file is verified by everyone, and by nobody as somebody else's",
                move |world, scratch| a_signed_file(world, scratch, how),
            ));
            if !matrix::logs_envelopes(how) {
                continue;
            }
            cases.push(Case::new(
                format!("sigstore_blob_attestation_{}", how.name()),
                "an attestation of a file is verified by everyone, and by nobody for another file",
                move |world, scratch| an_attested_file(world, scratch, how),
            ));
        }
    }
    for place in Place::ALL {
        cases.push(Case::new(
            format!("sigstore_tampering_is_refused_{}", place.name()),
            "whatever is changed, dropped or swapped in a bundle of the services, it is refused",
            move |world, scratch| tampering_is_refused(world, scratch, place),
        ));
    }
    cases
}

/// Signs a file; gives the bundle's path.
fn sign(world: &World, scratch: &Scratch, how: How, file: &Path, name: &str) -> Result<PathBuf> {
    let sigstore = world.sigstore()?;
    let bundle = scratch.path(name);
    let mut command =
        keyless::command(world, scratch, sigstore, how.signer, how.place, "sign-blob")?;
    keyless::sign_at(&mut command, sigstore, how, &sigstore.token()?);
    scratch.succeed(command.arg("--bundle").arg(&bundle).arg(file))?;
    Ok(bundle)
}

fn verification(
    world: &World,
    scratch: &Scratch,
    verifier: Tool,
    how: How,
    verb: &str,
    bundle: &Path,
    identity: Identity<'_>,
) -> Result<Command> {
    let sigstore = world.sigstore()?;
    let mut command = keyless::command(world, scratch, sigstore, verifier, how.place, verb)?;
    keyless::verify_at(&mut command, sigstore, verifier, how, identity);
    command.arg("--bundle").arg(bundle);
    Ok(command)
}

fn a_signed_file(world: &World, scratch: &Scratch, how: How) -> Result<()> {
    let issuer = world.sigstore()?.issuer();
    let right = keyless::signer(&issuer);
    let file = scratch.write("release.txt", TEXT)?;
    let other = scratch.write("other.txt", "something else\n")?;
    let bundle = sign(world, scratch, how, &file, "release.bundle")?;
    for verifier in Tool::ALL {
        let ask = |identity: Identity<'_>, file: &Path| {
            let mut command =
                verification(world, scratch, verifier, how, "verify-blob", &bundle, identity)?;
            scratch.run(command.arg(file))
        };
        ask(right, &file)?.succeeded()?.says(&["Verified OK"])?;
        ask(right, &other)?.refused(&[])?;
        for wrong in keyless::others(&issuer) {
            ask(wrong, &file)?.refused(&[])?;
        }
    }
    Ok(())
}

fn an_attested_file(world: &World, scratch: &Scratch, how: How) -> Result<()> {
    let sigstore = world.sigstore()?;
    let issuer = sigstore.issuer();
    let right = keyless::signer(&issuer);
    let file = scratch.write("release.txt", TEXT)?;
    let other = scratch.write("other.txt", "something else\n")?;
    let predicate = scratch.write("predicate.json", PREDICATE)?;
    let bundle = scratch.path("release.bundle");
    let mut command =
        keyless::command(world, scratch, sigstore, how.signer, how.place, "attest-blob")?;
    keyless::sign_at(&mut command, sigstore, how, &sigstore.token()?);
    command.args(["--type", STATEMENT_TYPE, "--predicate"]).arg(predicate);
    scratch.succeed(command.arg("--bundle").arg(&bundle).arg(&file))?;
    for verifier in Tool::ALL {
        let ask = |identity: Identity<'_>, kind: &str, file: &Path| {
            let verb = "verify-blob-attestation";
            let mut command = verification(world, scratch, verifier, how, verb, &bundle, identity)?;
            scratch.run(command.args(["--type", kind]).arg(file))
        };
        if !matrix::reads(verifier, how) {
            ask(right, STATEMENT_TYPE, &file)?
                .refused(&["only supported with --new-bundle-format"])?;
            continue;
        }
        ask(right, STATEMENT_TYPE, &file)?.succeeded()?;
        ask(right, STATEMENT_TYPE, &other)?.refused(&[])?;
        ask(right, "vuln", &file)?.refused(&[])?;
        for wrong in keyless::others(&issuer) {
            ask(wrong, STATEMENT_TYPE, &file)?.refused(&[])?;
        }
    }
    Ok(())
}

/// What is done to a bundle, and words that our refusal has to hold.
struct Change {
    what: &'static str,
    /// The change, with the bundle of another file at hand; nothing if the bundle has no such part.
    make: fn(&Value, &Value) -> Option<Value>,
    says: &'static [&'static str],
}

const ENTRY: &str = "/verificationMaterial/tlogEntries/0";
const PROOF: &str = "/verificationMaterial/tlogEntries/0/inclusionProof";
const STAMPS: &str = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps";

/// What every place's bundles have to show.
const CHANGES: &[Change] = &[
    Change {
        what: "no log entry",
        make: |bundle, _| without(bundle, "/verificationMaterial", "tlogEntries"),
        says: &["not enough verified log entries from transparency log: 0 < 1"],
    },
    Change {
        what: "the log entry of another file",
        make: |bundle, other| swapped(bundle, other, ENTRY),
        says: &[],
    },
    Change {
        what: "the signature of another file",
        make: |bundle, other| swapped(bundle, other, "/messageSignature/signature"),
        says: &[],
    },
    Change {
        what: "the certificate of another signature",
        make: |bundle, other| swapped(bundle, other, "/verificationMaterial/certificate"),
        says: &[],
    },
    Change {
        what: "a bit of the signature",
        make: |bundle, _| flipped(bundle, "/messageSignature/signature"),
        says: &[],
    },
    Change {
        what: "a bit of the certificate",
        make: |bundle, _| flipped(bundle, "/verificationMaterial/certificate/rawBytes"),
        says: &[],
    },
    Change {
        what: "a bit of the entry's body",
        make: |bundle, _| flipped(bundle, &format!("{ENTRY}/canonicalizedBody")),
        says: &[],
    },
    Change {
        what: "no inclusion proof",
        make: |bundle, _| without(bundle, ENTRY, "inclusionProof"),
        says: &[],
    },
    Change {
        what: "a bit of the tree's root",
        make: |bundle, _| flipped(bundle, &format!("{PROOF}/rootHash")),
        says: &[],
    },
    Change {
        what: "the checkpoint of another entry",
        make: |bundle, other| swapped(bundle, other, &format!("{PROOF}/checkpoint/envelope")),
        says: &[],
    },
];

/// Rekor v2 tells no time: there the timestamp is a proof that counts.
const CHANGES_OF_TIME: &[Change] = &[
    Change {
        what: "no timestamp",
        make: |bundle, _| without(bundle, "/verificationMaterial", "timestampVerificationData"),
        says: &[],
    },
    Change {
        what: "the timestamp of another signature",
        make: |bundle, other| swapped(bundle, other, STAMPS),
        says: &[],
    },
    Change {
        what: "a bit of the timestamp",
        make: |bundle, _| flipped(bundle, &format!("{STAMPS}/0/signedTimestamp")),
        says: &[],
    },
];

fn tampering_is_refused(world: &World, scratch: &Scratch, place: Place) -> Result<()> {
    let issuer = world.sigstore()?.issuer();
    let right = keyless::signer(&issuer);
    let how = How { signer: Tool::Cosign3, place, format: Format::Bundle };
    let file = scratch.write("release.txt", TEXT)?;
    let another = scratch.write("other.txt", "something else\n")?;
    let read = |path: PathBuf| -> Result<Value> { Ok(serde_json::from_slice(&fs::read(path)?)?) };
    let bundle = read(sign(world, scratch, how, &file, "release.bundle")?)?;
    let other = read(sign(world, scratch, how, &another, "other.bundle")?)?;
    let ask = |bundle: &Value| {
        let path = scratch.write("changed.bundle", &bundle.to_string())?;
        let verifier = Tool::Sigward;
        let mut command = verification(world, scratch, verifier, how, "verify-blob", &path, right)?;
        scratch.run(command.arg(&file))
    };
    ask(&bundle)?.succeeded()?;
    let of_time = if place == Place::DoublesV1 { &[] } else { CHANGES_OF_TIME };
    for Change { what, make, says } in CHANGES.iter().chain(of_time) {
        let changed =
            make(&bundle, &other).with_context(|| format!("nothing to change: {what}"))?;
        ask(&changed)?.refused(says).with_context(|| format!("changed: {what}"))?;
    }
    Ok(())
}

fn without(bundle: &Value, parent: &str, field: &str) -> Option<Value> {
    let mut changed = bundle.clone();
    changed.pointer_mut(parent)?.as_object_mut()?.remove(field)?;
    Some(changed)
}

fn swapped(bundle: &Value, other: &Value, place: &str) -> Option<Value> {
    let mut changed = bundle.clone();
    *changed.pointer_mut(place)? = other.pointer(place)?.clone();
    Some(changed)
}

/// One bit in the middle of base64 bytes.
fn flipped(bundle: &Value, place: &str) -> Option<Value> {
    let mut changed = bundle.clone();
    let text = changed.pointer_mut(place)?;
    let mut bytes = STANDARD.decode(text.as_str()?).ok()?;
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle)? ^= 1;
    *text = Value::String(STANDARD.encode(bytes));
    Some(changed)
}
