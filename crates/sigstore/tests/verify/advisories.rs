//! What was wrong in other verifiers, each by the number under which it became known: it cannot happen here.
//! Those that need certificates or logs are with the tests of these.
use crate::world::{REPOSITORY, World, by, fresh, key, manifest, public, stating};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use sigward_sigstore::{
    Check,
    blob::{Artifact, BlobError, verify_blob_attestation},
    bundle::{Bundle, BundleError, MAX_ENTRIES},
    dsse::{Envelope, pae},
    outcome::{CauseKind, Outcome, Verdict},
    prover::Ask,
    timestamp::{self, MAX_TIMESTAMP, TimestampError},
};
use sigward_testkit::{
    artifact::OCI_MANIFEST,
    signing::{Knobs, legacy},
};
use std::collections::BTreeMap;

const SCAN: &str = "urn:scan";

/// Puts a manifest under the tag of signatures.
fn put(world: &World, bytes: Vec<u8>) {
    let Ask::Attached { tag, .. } = world.attached("sig") else { panic!("a tag") };
    world.registry.put_blob(REPOSITORY, b"{}".to_vec());
    world.registry.put_manifest(REPOSITORY, &tag, OCI_MANIFEST, bytes);
}

/// `verify-attestation --type` was content when there was no attestation of the type at all.
#[test]
fn cve_2022_35929_no_attestation_of_the_type_is_failure() {
    let world = World::new();
    assert!(world.refusal(&stating(&key(), SCAN)).nothing_found());
    world.place().attest_legacy(&key(), "urn:other", &json!({}), &Knobs::default()).unwrap();
    world.place().attest_bundle(&key(), "urn:third", &json!({}), &Knobs::default()).unwrap();
    assert!(world.refusal(&stating(&key(), SCAN)).only_other_types());
    // And it is of no help that one is announced as what it is not.
    let lie = Knobs { announced_predicate_type: Some(SCAN.into()), ..Knobs::default() };
    world.place().attest_legacy(&key(), "urn:other", &json!({}), &lie).unwrap();
    world.refusal(&stating(&key(), SCAN));
}

/// A registry without end of attestations: more than are examined is "could not tell".
#[test]
fn cve_2023_46737_attestations_without_end_are_not_examined() {
    let mut world = World::new();
    world.limits.candidates = 3;
    for n in 0..5 {
        world.place().attest_bundle(&fresh(), SCAN, &json!({"n": n}), &Knobs::default()).unwrap();
    }
    let (proof, asked) = world.prove_one(&stating(&key(), SCAN));
    let Outcome::Undetermined(cause) = proof.outcome else { panic!("undetermined") };
    assert_eq!(cause.kind, CauseKind::TooLarge);
    assert!(asked.len() < 12, "{}", asked.len());
}

/// A layer of a terabyte is not fetched.
#[test]
fn cve_2024_29902_a_huge_layer_is_not_fetched() {
    let world = World::new();
    let text = STANDARD.encode(key().sign(b"payload").unwrap());
    let annotations = BTreeMap::from([(legacy::SIGNATURE_ANNOTATION.to_owned(), text)]);
    let bytes = manifest(&[(legacy::SIMPLE_SIGNING, b"payload", annotations)], false);
    let mut json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    json["layers"][0]["size"] = (1_u64 << 40).into();
    put(&world, json.to_string().into_bytes());
    let (proof, asked) = world.prove_one(&by(&key()));
    let Outcome::Undetermined(cause) = proof.outcome else { panic!("undetermined") };
    assert_eq!(cause.kind, CauseKind::TooLarge);
    assert!(!asked.iter().any(|ask| matches!(ask, Ask::Blob { .. })), "{asked:?}");
}

/// Numbers in a manifest do not become memory: as many layers as fit are looked at, few are asked for.
#[test]
fn cve_2024_29903_a_manifest_of_very_many_layers_is_bounded() {
    let world = World::new();
    let layer = json!({
        "mediaType": legacy::SIMPLE_SIGNING, "size": 7,
        "digest": format!("sha256:{}", "1".repeat(64)),
        "annotations": {legacy::SIGNATURE_ANNOTATION: "MAYCAQECAQE="},
    });
    let bytes = manifest(&[], false);
    let mut json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    json["layers"] = vec![layer; 10_000].into();
    put(&world, json.to_string().into_bytes());
    let (proof, asked) = world.prove_one(&by(&key()));
    assert_ne!(proof.outcome.verdict(), Verdict::Verified);
    assert!(asked.len() <= 60, "{}", asked.len());
}

/// `verify-blob-attestation` said OK where the payload could not be read, or was of another type.
#[test]
fn cve_2026_39395_a_payload_that_cannot_be_read_is_refused() {
    let signer = key();
    let sign = |payload: &[u8]| {
        let kind = "application/vnd.in-toto+json";
        let signature = signer.sign(&pae(kind, payload)).unwrap();
        let envelope = Envelope {
            payload_type: kind.to_owned(),
            payload: payload.to_vec(),
            signatures: vec![sigward_sigstore::dsse::EnvelopeSignature {
                key_id: String::new(),
                signature,
            }],
        };
        envelope.to_json().into_bytes()
    };
    let check = |payload: &[u8], artifact: Option<Artifact<'_>>| {
        verify_blob_attestation(artifact, &sign(payload), Some(SCAN), &public(&signer))
    };
    for payload in [&b"not json"[..], b"", b"[]", b"null"] {
        for artifact in [None, Some(Artifact::Bytes(b"file"))] {
            let error = check(payload, artifact).unwrap_err();
            assert!(matches!(error, BlobError::Statement(_)), "{error}");
        }
    }
    let other = check(br#"{"predicateType":"urn:other","subject":[]}"#, None).unwrap_err();
    assert!(matches!(other, BlobError::PredicateType { .. }), "{other}");
    check(br#"{"predicateType":"urn:scan","subject":[]}"#, None).unwrap();
}

/// A bundle with very many entries kept a verifier busy for ever.
#[test]
fn cve_2024_45395_a_bundle_of_very_many_entries_is_refused_unread() {
    let entry = json!({"logId": {"keyId": "AAAA"}, "canonicalizedBody": "e30="});
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "publicKey": {"hint": "x"}, "tlogEntries": vec![entry; MAX_ENTRIES + 1],
        },
        "messageSignature": {"signature": "AAAA"},
    });
    let error = Bundle::parse(bundle.to_string().as_bytes()).unwrap_err();
    assert_eq!(error, BundleError::TooMany);
}

/// A timestamp of very many bytes, or of identifiers without end, is not worked on.
#[test]
fn cve_2025_66564_a_timestamp_is_bounded() {
    let long = vec![0x30; MAX_TIMESTAMP + 1];
    assert_eq!(timestamp::verify(&long, b"", &[]).unwrap_err(), TimestampError::TooLarge);
    let nested = [0x30, 0x84, 0x7f, 0xff, 0xff, 0xff].repeat(10_000);
    assert!(matches!(
        timestamp::verify(&nested, b"", &[]).unwrap_err(),
        TimestampError::Malformed(_)
    ));
}

/// Entries and bundles that made verifiers panic (fixed in cosign 3.0.5): refused with a reason.
#[test]
fn cosign_3_0_5_malformed_entries_are_refused() {
    use sigward_sigstore::tlog::{Checkpoint, LogEntry};
    for text in ["{}", "[]", "null", "", r#"{"uuid":{}}"#, r#"{"uuid":null}"#, r#"[{"uuid":null}]"#]
    {
        assert!(LogEntry::parse_rekor_v1(text.as_bytes()).is_err(), "{text}");
        assert!(LogEntry::parse_rekor_v2(text.as_bytes()).is_err(), "{text}");
        assert!(LogEntry::parse_annotation(text).is_err(), "{text}");
        assert!(Checkpoint::parse(text).is_err(), "{text}");
    }
    let world = World::new();
    let sound =
        sigward_testkit::signing::bundle::signature(&key(), &world.digest, &Knobs::default());
    let mut json: serde_json::Value = serde_json::from_slice(&sound.unwrap()).unwrap();
    json["verificationMaterial"]["tlogEntries"] = json!([{}]);
    let referrer = sigward_testkit::signing::bundle::referrer(
        json.to_string().into_bytes(),
        world.place().subject(),
        Some(sigward_sigstore::statement::COSIGN_SIGN),
        &Knobs::default(),
    );
    world.place().attach(&referrer, &Knobs::default()).unwrap();
    assert_eq!(world.reason(&by(&key())).check(), Check::Shape);
}
