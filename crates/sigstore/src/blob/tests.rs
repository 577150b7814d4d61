//! Files, by key: bare signatures and both kinds of bundle.
use super::*;
use crate::{
    keys::{Ed25519Form, PrivateKey, Signer as _},
    sign::{PredicateType, attestation_bundle, attestation_statement, sign_blob, sign_blob_bundle},
};
use serde_json::json;
use sigward_testkit::{
    keys::{Algorithm as Kind, KeyPair},
    signing::{Knobs, bundle},
};

const FILE: &[u8] = b"the file";
const OTHER: &[u8] = b"another file";
const KINDS: [Kind; 5] =
    [Kind::EcdsaP256, Kind::EcdsaP384, Kind::EcdsaP521, Kind::Rsa2048, Kind::Ed25519];

fn pair(kind: Kind) -> KeyPair {
    KeyPair::shared(kind).unwrap()
}

fn public(pair: &KeyPair) -> PublicKey {
    PublicKey::parse_der(pair.spki_der()).unwrap()
}

fn private(kind: Kind) -> PrivateKey {
    PrivateKey::parse_pem(&pair(kind).private_pem()).unwrap()
}

fn stranger() -> PublicKey {
    public(&KeyPair::generate(Kind::EcdsaP256).unwrap())
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::sha256(&sha256(bytes))
}

#[track_caller]
fn check(answer: Result<VerifiedBlob, BlobError>, expected: &BlobError) {
    assert_eq!(answer.err().as_ref(), Some(expected));
}

#[test]
fn a_signature_may_be_raw_or_base64() {
    for kind in KINDS {
        let key = public(&pair(kind));
        let raw = pair(kind).sign(FILE).unwrap();
        verify_blob(FILE, &raw, &key).unwrap();
        let text = sign_blob(FILE, &private(kind)).unwrap();
        verify_blob(FILE, text.as_bytes(), &key).unwrap();
        verify_blob(FILE, format!("{text}\n").as_bytes(), &key).unwrap();
        check(verify_blob(OTHER, text.as_bytes(), &key), &BlobError::Signature);
        check(verify_blob(FILE, text.as_bytes(), &stranger()), &BlobError::Signature);
        check(verify_blob(FILE, b"", &key), &BlobError::Signature);
    }
}

#[test]
fn a_bundle_over_a_file_verifies_by_bytes_and_where_possible_by_digest() {
    for kind in KINDS {
        let key = public(&pair(kind));
        let theirs = bundle::message(&pair(kind), FILE, &Knobs::default()).unwrap();
        let ours = sign_blob_bundle(FILE, &private(kind), Ed25519Form::Pure).unwrap();
        for bundle in [theirs, ours] {
            verify_blob_bundle(Artifact::Bytes(FILE), &bundle, &key).unwrap();
            check(
                verify_blob_bundle(Artifact::Bytes(OTHER), &bundle, &key),
                &BlobError::WrongDigest,
            );
            check(
                verify_blob_bundle(Artifact::Bytes(FILE), &bundle, &stranger()),
                &BlobError::Signature,
            );
            let by_digest = verify_blob_bundle(Artifact::Digest(&digest(FILE)), &bundle, &key);
            match kind {
                Kind::EcdsaP256 | Kind::Rsa2048 => assert!(by_digest.is_ok()),
                Kind::EcdsaP384
                | Kind::EcdsaP521
                | Kind::Rsa3072
                | Kind::Rsa4096
                | Kind::Ed25519 => check(by_digest, &BlobError::NeedsBytes),
            }
        }
    }
    let prehashed = private(Kind::Ed25519).with_ed25519_form(Ed25519Form::Prehashed);
    let bundle = sign_blob_bundle(FILE, &prehashed, Ed25519Form::Prehashed).unwrap();
    verify_blob_bundle(Artifact::Bytes(FILE), &bundle, prehashed.public_key()).unwrap();
}

#[test]
fn a_missing_message_digest_is_no_obstacle() {
    let key = pair(Kind::Ed25519);
    let signature = crate::encoding::encode_base64(&key.sign(FILE).unwrap());
    let bundle = json!({
        "mediaType": crate::bundle::MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": ""}},
        "messageSignature": {"messageDigest": {}, "signature": signature},
    })
    .to_string();
    verify_blob_bundle(Artifact::Bytes(FILE), bundle.as_bytes(), &public(&key)).unwrap();
    check(
        verify_blob_bundle(Artifact::Bytes(OTHER), bundle.as_bytes(), &public(&key)),
        &BlobError::Signature,
    );
}

#[test]
fn a_certificate_in_a_bundle_is_no_key() {
    let bundle = json!({
        "mediaType": crate::bundle::MEDIA_TYPE,
        "verificationMaterial": {"certificate": {"rawBytes": "AAAA"}},
        "messageSignature": {"signature": ""},
    })
    .to_string();
    check(
        verify_blob_bundle(Artifact::Bytes(FILE), bundle.as_bytes(), &stranger()),
        &BlobError::CertificateForKey,
    );
}

fn old_bundle(signer: &KeyPair, cert: Option<&str>) -> Vec<u8> {
    let signature = crate::encoding::encode_base64(&signer.sign(FILE).unwrap());
    let mut json = json!({"base64Signature": signature});
    if let Some(cert) = cert {
        json["cert"] = crate::encoding::encode_base64(cert.as_bytes()).into();
    }
    json.to_string().into_bytes()
}

#[test]
fn r_fx35_mq7g_6g98_a_bundle_cannot_bring_its_own_key() {
    // https://github.com/advisories/GHSA-fx35-mq7g-6g98
    let (attacker, trusted) = (KeyPair::generate(Kind::EcdsaP256).unwrap(), pair(Kind::EcdsaP256));
    let trusted_key = public(&trusted);
    let certificate = attacker.certificate_pem("attacker").unwrap();
    for cert in [attacker.public_pem(), certificate, "not a key".to_owned()] {
        let bundle = old_bundle(&attacker, Some(&cert));
        check(verify_blob_legacy_bundle(FILE, &bundle, &trusted_key), &BlobError::ForeignKey);
    }
    let bundle = old_bundle(&attacker, None);
    check(verify_blob_legacy_bundle(FILE, &bundle, &trusted_key), &BlobError::Signature);
    // The caller's own key, or a certificate over it, is no foreign key.
    for cert in [trusted.public_pem(), trusted.certificate_pem("me").unwrap()] {
        let bundle = old_bundle(&trusted, Some(&cert));
        verify_blob_legacy_bundle(FILE, &bundle, &trusted_key).unwrap();
    }
    // Nor may it claim the caller's key and be signed by another.
    let bundle = old_bundle(&attacker, Some(&trusted.public_pem()));
    check(verify_blob_legacy_bundle(FILE, &bundle, &trusted_key), &BlobError::Signature);
}

#[test]
fn an_attestation_about_a_file_is_bound_to_file_type_and_key() {
    let key = private(Kind::EcdsaP256);
    let kind = PredicateType::parse("urn:scan").unwrap();
    let statement = attestation_statement("file", &digest(FILE), &kind, r#"{"a":1}"#);
    let bundle = attestation_bundle(statement.clone(), &key).unwrap();
    let envelope = Envelope::sign(PAYLOAD_TYPE, statement, &key).unwrap().to_json();
    let old = json!({"base64Signature": crate::encoding::encode_base64(envelope.as_bytes())});
    for attestation in [bundle, envelope.into_bytes(), old.to_string().into_bytes()] {
        let by_digest = digest(FILE);
        let verify = |artifact, kind, key: &PublicKey| {
            verify_blob_attestation(artifact, &attestation, kind, key)
        };
        let verified =
            verify(Some(Artifact::Bytes(FILE)), Some("urn:scan"), key.public_key()).unwrap();
        assert_eq!(verified.statement().unwrap().predicate_type, "urn:scan");
        verify(Some(Artifact::Digest(&by_digest)), None, key.public_key()).unwrap();
        verify(None, Some("urn:scan"), key.public_key()).unwrap();
        check(
            verify(Some(Artifact::Bytes(OTHER)), None, key.public_key()),
            &BlobError::WrongDigest,
        );
        check(
            verify(Some(Artifact::Bytes(FILE)), Some("urn:other"), key.public_key()),
            &BlobError::PredicateType { expected: "urn:other".into(), found: "urn:scan".into() },
        );
        check(verify(Some(Artifact::Bytes(FILE)), None, &stranger()), &BlobError::Signature);
    }
}

#[test]
fn a_message_signature_is_no_attestation() {
    let key = private(Kind::EcdsaP256);
    let bundle = sign_blob_bundle(FILE, &key, Ed25519Form::Pure).unwrap();
    check(
        verify_blob_attestation(Some(Artifact::Bytes(FILE)), &bundle, None, key.public_key()),
        &BlobError::Content("a message signature"),
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let key = public(&pair(Kind::EcdsaP256));
        let _ = verify_blob(FILE, &bytes, &key);
        let _ = verify_blob_bundle(Artifact::Bytes(FILE), &bytes, &key);
        let _ = verify_blob_legacy_bundle(FILE, &bytes, &key);
        let _ = verify_blob_attestation(None, &bytes, None, &key);
    }
}
