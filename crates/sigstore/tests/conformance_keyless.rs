//! The public conformance suite's bundles with certificates, logs and timestamps, each with the reason
//! for which it is refused. Read from `SIGWARD_SHARED`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

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
