//! The public conformance suite's bundles, as far as keys go. Read from `SIGWARD_SHARED`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

use sigward_oci::Digest;
use sigward_sigstore::{
    blob::{Artifact, verify_blob_bundle},
    bundle::Bundle,
    keys::{PrivateKey, PublicKey, Signer as _},
};
use std::path::{Path, PathBuf};

/// The folders of the suite, or nothing and a line that says so.
fn cases() -> Vec<PathBuf> {
    let shared = std::env::var_os("SIGWARD_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("conformance/sigstore/bundle-verify");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: {} is not there", folder.display());
        return Vec::new();
    };
    let mut cases: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}

fn name(case: &Path) -> &str {
    case.file_name().unwrap().to_str().unwrap()
}

fn artifact(case: &Path) -> Vec<u8> {
    std::fs::read(case.join("artifact"))
        .or_else(|_| std::fs::read(case.parent().unwrap().join("a.txt")))
        .unwrap()
}

fn bundle(case: &Path) -> Vec<u8> {
    std::fs::read(case.join("bundle.sigstore.json")).unwrap()
}

/// A key that has signed nothing.
fn stranger() -> PublicKey {
    struct Fixed;
    impl sigward_sigstore::keys::Entropy for Fixed {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), sigward_sigstore::keys::EntropyError> {
            out.fill(7);
            Ok(())
        }
    }
    PrivateKey::generate(&mut Fixed).unwrap().public_key().clone()
}

#[test]
fn bundles_of_managed_keys_verify_or_fail_as_their_folder_says() {
    let mut tried = 0;
    for case in cases() {
        let Ok(key) = std::fs::read_to_string(case.join("key.pub")) else { continue };
        let (artifact, bundle) = (artifact(&case), bundle(&case));
        let expected = !name(&case).ends_with("_fail");
        tried += 1;
        let key = match PublicKey::parse_pem(&key) {
            Ok(key) => key,
            // One of the wrong keys is not even on its curve.
            Err(error) => {
                assert!(!expected, "{}: {error}", name(&case));
                continue;
            }
        };
        let verified = verify_blob_bundle(Artifact::Bytes(&artifact), &bundle, &key);
        assert_eq!(verified.is_ok(), expected, "{}: {:?}", name(&case), verified.err());
        if expected {
            let digest = Digest::parse(&sigward_testkit::digest::sha256(&artifact)).unwrap();
            let by_digest = verify_blob_bundle(Artifact::Digest(&digest), &bundle, &key);
            assert!(by_digest.is_ok(), "{}: {:?}", name(&case), by_digest.err());
            let other = verify_blob_bundle(Artifact::Bytes(b"other"), &bundle, &key);
            assert!(other.is_err(), "{}", name(&case));
        }
    }
    assert!(tried == 0 || tried >= 3, "only {tried} cases have a key");
}

#[test]
fn every_bundle_that_ought_to_verify_can_be_read_and_none_is_a_strangers() {
    for case in cases() {
        let bytes = bundle(&case);
        let parsed = Bundle::parse(&bytes);
        if !name(&case).ends_with("_fail") {
            assert!(parsed.is_ok(), "{}: {:?}", name(&case), parsed.err());
        }
        let artifact = artifact(&case);
        let answer = verify_blob_bundle(Artifact::Bytes(&artifact), &bytes, &stranger());
        assert!(answer.is_err(), "{}", name(&case));
    }
}
