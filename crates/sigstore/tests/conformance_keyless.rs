//! The public conformance suite's bundles with certificates, logs and timestamps, each with the reason
//! for which it is refused. Read from `SIGWARD_SHARED`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "test code"
)]

use serde_json::Value;
use sigward_oci::Digest;
use sigward_sigstore::{
    blob::{Artifact, BlobError, Demand, VerifiedBlob, verify_blob_bundle_by},
    certificate::Identity,
    keys::PublicKey,
    requirement::{Attestor, Keyless, LogRule, SctRule, TimeRule, Timestamp, Who},
    trust::{TrustStore, TrustedRoot},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

const SUBJECT: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";
/// Long after every bundle was made: nothing may depend on the present.
const NOW: Timestamp = Timestamp(1_900_000_000);

fn shared() -> PathBuf {
    std::env::var_os("SIGWARD_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    )
}

struct Case {
    name: String,
    artifact: Vec<u8>,
    bundle: Vec<u8>,
    attestor: Attestor,
    trust: TrustStore,
}

impl Case {
    fn read(folder: &Path) -> Option<Self> {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let text = |file: &str| std::fs::read_to_string(folder.join(file)).ok();
        let artifact = std::fs::read(folder.join("artifact"))
            .or_else(|_| std::fs::read(folder.parent().unwrap().join("a.txt")))
            .unwrap();
        let root = std::fs::read(folder.join("trusted_root.json"))
            .or_else(|_| std::fs::read(shared().join("reference/trust/trusted_root.json")))
            .unwrap();
        let root = Arc::new(TrustedRoot::parse(&root).unwrap());
        let trust = root.id();
        let who = match text("key.pub") {
            // A wrong key is not even on its curve: nobody can be meant by it.
            Some(pem) => Who::Key(PublicKey::parse_pem(&pem).ok()?),
            None => Who::Keyless(Keyless {
                trust,
                identities: vec![Identity::exact(
                    text("issuer").as_deref().map_or(ISSUER, str::trim),
                    text("identity").as_deref().map_or(SUBJECT, str::trim),
                )],
                sct: SctRule::Demanded,
            }),
        };
        let attestor = Attestor {
            time: TimeRule::Observed { timestamps: Some(trust) },
            ..Attestor::new(who, LogRule::EntryDemanded { trust, online: None })
        };
        Some(Self {
            name,
            artifact,
            bundle: std::fs::read(folder.join("bundle.sigstore.json")).unwrap(),
            attestor,
            trust: [root].into_iter().collect(),
        })
    }

    fn demand(&self) -> Demand<'_> {
        Demand { attestor: &self.attestor, trust: &self.trust, now: NOW }
    }

    fn verify(&self) -> Result<VerifiedBlob, BlobError> {
        verify_blob_bundle_by(Artifact::Bytes(&self.artifact), &self.bundle, &self.demand())
    }

    fn expected(&self) -> bool {
        !self.name.ends_with("_fail")
    }
}

fn cases() -> Vec<Case> {
    let folder = shared().join("conformance/sigstore/bundle-verify");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: {} is not there", folder.display());
        return Vec::new();
    };
    let mut folders: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.iter().filter_map(|folder| Case::read(folder)).collect()
}

/// The words of each refusal that is known; a case that is not listed only has to be refused.
const REASONS: [(&str, &str); 31] = [
    ("bundle-empty-certificate-chain", "exactly one of a key, a certificate and a chain"),
    ("bundle-malformed-json", "malformed bundle"),
    ("bundle-negative-log-index", "negative log index"),
    ("bundle-unknown-version", "unsupported bundle version"),
    ("bundle-with-root-cert", "chain holds a root certificate"),
    ("checkpoint-bad-keyhint", "no signature by the log"),
    ("checkpoint-wrong-roothash", "checkpoint is of another tree"),
    ("dsse-mismatch-sig", "does not match the signature"),
    ("inclusion-proof-corrupted-hash", "inclusion proof does not lead to its root"),
    ("incorrect-public-key", "unable to verify SET"),
    ("intoto-expired-certificate", "integrated time outside certificate validity"),
    ("intoto-log-entry-mismatch", "log entry does not match"),
    ("intoto-missing-inclusion-proof", "log entry without inclusion proof"),
    ("intoto-set-outside-signing-cert-validity", "outside certificate validity"),
    ("invalid-checkpoint-signature", "checkpoint: invalid signature"),
    ("managed-key-no-key", "no certificate found"),
    ("message-digest-mismatch", "artifact digest does not match"),
    ("rekor2-checkpoint-missing-log-signature", "checkpoint: malformed"),
    ("rekor2-checkpoint-missing-origin", "checkpoint: malformed"),
    ("rekor2-checkpoint-missing-root-hash", "checkpoint: malformed"),
    ("rekor2-dsse-mismatch-envelope", "does not match the payload"),
    ("rekor2-timestamp-outside-trust-root-tsa-validity", "validity of its authority"),
    ("rekor2-timestamp-outside-tsa-cert-validity", "certificate was not valid at that time"),
    ("rekor2-timestamp-payload-mismatch", "timestamp is of another message"),
    ("rekor2-timestamp-untrusted-tsa-without-embedded-cert", "by no trusted authority"),
    ("rekor2-timestamp-with-incorrect-time", "certificate was not valid at that time"),
    ("set-invalid-signature", "unable to verify SET"),
    ("signature-mismatch", "invalid signature"),
    ("wrong-hashedrekord-artifact", "does not match the payload"),
    ("wrong-hashedrekord-cert-and-sig", "does not match the signature"),
    ("wrong-material", "artifact digest does not match"),
];

/// An error with its causes.
fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}

#[test]
fn each_bundle_verifies_or_is_refused_as_its_folder_says_and_for_its_reason() {
    let mut wrong = Vec::new();
    for case in cases() {
        match (case.verify(), case.expected()) {
            (Ok(_), true) => {}
            (Ok(_), false) => wrong.push(format!("{}: accepted", case.name)),
            (Err(error), true) => wrong.push(format!("{}: {error:?}", case.name)),
            (Err(error), false) => {
                let words = words(&error);
                let name = case.name.trim_end_matches("_fail");
                let reason = REASONS.iter().find(|(known, _)| *known == name);
                if !reason.is_none_or(|(_, reason)| words.contains(reason)) {
                    wrong.push(format!("{}: refused because {words}", case.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_bundle_that_verifies_verifies_by_digest() {
    for case in cases().iter().filter(|case| case.expected()) {
        let digest = Digest::parse(&sigward_testkit::digest::sha256(&case.artifact)).unwrap();
        let answer = verify_blob_bundle_by(Artifact::Digest(&digest), &case.bundle, &case.demand());
        assert!(answer.is_ok(), "{}: {:?}", case.name, answer.err());
    }
}

/// One change of a document: what was done at which path, and what came of it.
struct Edit {
    what: String,
    json: Value,
}

fn push(out: &mut Vec<Edit>, what: String, json: Value) {
    out.push(Edit { what, json });
}

/// Every leaf turned over and dropped, every member dropped, every element dropped and doubled.
fn edits(value: &Value, path: &str, out: &mut Vec<Edit>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                let path = format!("{path}.{name}");
                let mut without = map.clone();
                without.remove(name);
                push(out, format!("drop {path}"), Value::Object(without));
                let mut inside = Vec::new();
                edits(inner, &path, &mut inside);
                for edit in inside {
                    let mut with = map.clone();
                    with.insert(name.clone(), edit.json);
                    out.push(Edit { what: edit.what, json: Value::Object(with) });
                }
            }
        }
        Value::Array(list) => {
            for (i, inner) in list.iter().enumerate() {
                let path = format!("{path}[{i}]");
                let (mut without, mut doubled) = (list.clone(), list.clone());
                without.remove(i);
                doubled.insert(i, inner.clone());
                push(out, format!("drop {path}"), Value::Array(without));
                push(out, format!("double {path}"), Value::Array(doubled));
                let mut inside = Vec::new();
                edits(inner, &path, &mut inside);
                for edit in inside {
                    let mut with = list.clone();
                    with[i] = edit.json;
                    out.push(Edit { what: edit.what, json: Value::Array(with) });
                }
            }
        }
        Value::String(text) if !text.is_empty() => {
            let chars: Vec<char> = text.chars().collect();
            // A few places, so that every part of a longer structure is met in some fixture.
            for tenth in [0, 3, 5, 8] {
                let mut chars = chars.clone();
                let at = chars.len() * tenth / 10;
                chars[at] = match chars[at] {
                    'A' => 'B',
                    '1' => '2',
                    c if c.is_ascii_digit() => '1',
                    _ => 'A',
                };
                push(out, format!("flip {path}"), Value::String(chars.into_iter().collect()));
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The elements at which two documents can be crossed.
fn leaves(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                let path = format!("{path}/{name}");
                out.push(path.clone());
                leaves(inner, &path, out);
            }
        }
        Value::Array(list) => {
            for (i, inner) in list.iter().enumerate() {
                let path = format!("{path}/{i}");
                out.push(path.clone());
                leaves(inner, &path, out);
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What may change without changing what is proved; each with its reason.
fn is_equivalent(case: &Case, what: &str) -> bool {
    let sound: Value = serde_json::from_slice(&case.bundle).unwrap();
    let material = &sound["verificationMaterial"];
    let entry = &material["tlogEntries"][0];
    let promised = entry["inclusionPromise"].is_object();
    let stamped = material["timestampVerificationData"].is_object();
    let is_key = material["publicKey"].is_object();
    let v01 = sound["mediaType"].as_str().unwrap().ends_with("0.1");
    let has = |part: &str| what.contains(part);
    let pointer =
        what.strip_prefix("drop ").map(|path| path.replace(['.', '['], "/").replace(']', ""));
    let dropped = pointer.and_then(|pointer| sound.pointer(&pointer).cloned());
    // What is not written is zero or empty.
    dropped.is_some_and(|value| value == "0" || value == serde_json::json!([]))
        // A hint that nobody has to believe, and an unchecked name of a key.
        || (has("publicKey.hint") || has("keyid"))
        // Unauthenticated, by its specification; only a contradiction is refused.
        || what.starts_with("drop") && has("messageDigest")
        // Said again inside the entry, where the log signed it.
        || what.starts_with("drop") && has("kindVersion")
        // The promise alone is a proof in the first version, and the proof alone in the later ones
        // where something else proves the time.
        || v01 && what.starts_with("drop") && (has("inclusionProof") && !has("inclusionProof."))
        || v01 && what.starts_with("drop") && has("inclusionProof.checkpoint")
        || !v01 && (stamped || is_key) && what.starts_with("drop") && has("inclusionPromise")
        // Without a promise nobody signed the time, and so nobody believes it.
        || !promised && has("integratedTime")
        // The log's promise proves the time, or a key needs none.
        || (promised || is_key) && has("timestampVerificationData")
        // One authority is counted once.
        || what.starts_with("double") && has("rfc3161Timestamps")
        // Certificates inside a token are not believed: the trusted root has the authority's own.
        || what.starts_with("flip") && has("signedTimestamp")
        // Above the leaf only certificates that lead to a trusted root are used.
        || has("x509CertificateChain.certificates[") && !has("certificates[0]")
        || what.starts_with("double") && has("x509CertificateChain.certificates[0]")
        // Signatures of witnesses are passed over.
        || case.name.contains("cosigs") && what.starts_with("flip") && has("checkpoint.envelope")
        || case.name.contains("rekor2") && what.starts_with("flip") && has("checkpoint.envelope")
        || case.name.contains("tlog-validity") && what.starts_with("flip") && has("checkpoint")
        || case.name.contains("tsa-validity") && what.starts_with("flip") && has("checkpoint")
}

#[test]
fn no_element_of_a_valid_bundle_can_be_flipped_dropped_or_doubled() {
    let (mut tried, mut equivalent, mut accepted) = (0, 0, Vec::new());
    for mut case in cases().into_iter().filter(Case::expected) {
        let sound: Value = serde_json::from_slice(&case.bundle).unwrap();
        let mut all = Vec::new();
        edits(&sound, "", &mut all);
        let original = case.bundle.clone();
        for edit in all {
            tried += 1;
            case.bundle = edit.json.to_string().into_bytes();
            let verified = case.verify().is_ok();
            case.bundle.clone_from(&original);
            match (verified, verified && is_equivalent(&case, &edit.what)) {
                (true, true) => equivalent += 1,
                (true, false) => accepted.push(format!("{}: {}", case.name, edit.what)),
                (false, _) => {}
            }
        }
    }
    println!("{tried} edits, {equivalent} of them equivalent, {} accepted", accepted.len());
    assert!(accepted.is_empty(), "{accepted:#?}");
}

#[test]
fn no_element_of_a_valid_bundle_can_be_swapped_for_anothers() {
    let all: Vec<Case> = cases().into_iter().filter(Case::expected).collect();
    let (mut tried, mut equivalent, mut accepted) = (0, 0, Vec::new());
    for case in &all {
        let sound: Value = serde_json::from_slice(&case.bundle).unwrap();
        let mut paths = Vec::new();
        leaves(&sound, "", &mut paths);
        for other in &all {
            let theirs: Value = serde_json::from_slice(&other.bundle).unwrap();
            // The same signature, with other signatures of witnesses: all of it belongs together.
            if sound["messageSignature"].is_object()
                && sound["messageSignature"] == theirs["messageSignature"]
            {
                continue;
            }
            for path in &paths {
                let Some(part) = theirs.pointer(path) else { continue };
                if sound.pointer(path) == Some(part) {
                    continue;
                }
                let mut crossed = sound.clone();
                *crossed.pointer_mut(path).unwrap() = part.clone();
                tried += 1;
                let bytes = crossed.to_string().into_bytes();
                let artifact = Artifact::Bytes(&case.artifact);
                if verify_blob_bundle_by(artifact, &bytes, &case.demand()).is_err() {
                    continue;
                }
                let what = path.replace('/', ".");
                let what = what.replace(".certificates.", ".certificates[");
                if is_equivalent(case, &format!("flip {what}")) || harmless(path, &sound, part) {
                    equivalent += 1;
                } else {
                    accepted.push(format!("{} takes {path} of {}", case.name, other.name));
                }
            }
        }
    }
    println!("{tried} swaps, {equivalent} of them equivalent, {} accepted", accepted.len());
    assert!(accepted.is_empty(), "{accepted:#?}");
}

/// Swaps that leave the document what it was: another spelling of a version that demands no less.
fn harmless(path: &str, sound: &Value, theirs: &Value) -> bool {
    let certificate = |value: &Value| value["verificationMaterial"]["certificate"].is_object();
    path == "/mediaType" && (certificate(sound) || theirs.is_string())
}
