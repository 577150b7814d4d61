//! Every form in which cosign stores what it signed.
use crate::world::{NOW, REPOSITORY, World, by, fresh, key, stating};
use serde_json::json;
use sigward_document::{Root as _, View};
use sigward_sigstore::{
    prover::Ask,
    requirement::{Attestor, ClaimRule, Stores},
    statement::COSIGN_SIGN,
    verified::{RefusedBecause, Store},
};
use sigward_testkit::{
    artifact::{OCI_INDEX, OCI_MANIFEST},
    keys::{Algorithm, KeyPair, Scheme},
    signing::{Damage, Knobs, legacy},
};

const KINDS: [Algorithm; 5] = [
    Algorithm::EcdsaP256,
    Algorithm::EcdsaP384,
    Algorithm::EcdsaP521,
    Algorithm::Rsa2048,
    Algorithm::Ed25519,
];
const SCAN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";

#[test]
fn cosign_legacy_signatures_verify() {
    for kind in KINDS {
        let (world, pair) = (World::new(), KeyPair::shared(kind).unwrap());
        world.place().sign_legacy(&pair, &Knobs::default()).unwrap();
        let verified = world.verified(&by(&pair));
        assert_eq!(verified.digest().as_str(), world.digest, "{kind:?}");
        assert_eq!(verified.signer(), pair.fingerprint());
        assert!(verified.claims_checked() && !verified.log_checked());
        assert_eq!(verified.seen(), NOW);
        let [signed] = verified.signed() else { panic!("one signature") };
        assert_eq!(signed.store(), Store::Legacy);
        let payload = legacy::payload(&world.place().reference(), &world.digest, &Knobs::default());
        assert_eq!(signed.bytes(), payload);
    }
}

#[test]
fn cosign_bundles_verify() {
    for (kind, api) in KINDS.into_iter().flat_map(|kind| [(kind, true), (kind, false)]) {
        let (world, pair) = (World::with(api), KeyPair::shared(kind).unwrap());
        world.place().sign_bundle(&pair, &Knobs::default()).unwrap();
        let verified = world.verified(&by(&pair));
        assert_eq!(verified.signed()[0].store(), Store::Bundle, "{kind:?}");
        assert_eq!(verified.signed()[0].predicate_type(), Some(COSIGN_SIGN));
        assert!(verified.predicates().is_empty());
    }
}

#[test]
fn signatures_of_other_schemes_verify() {
    for (kind, scheme) in [
        (Algorithm::EcdsaP256, Scheme::EcdsaRaw),
        (Algorithm::EcdsaP521, Scheme::Sha256),
        (Algorithm::Rsa2048, Scheme::RsaPssSha256),
        (Algorithm::Ed25519, Scheme::Ed25519ph),
    ] {
        let pair = KeyPair::shared(kind).unwrap();
        let knobs = Knobs { scheme, ..Knobs::default() };
        let world = World::new();
        world.place().sign_legacy(&pair, &knobs).unwrap();
        world.verified(&Attestor { order: Stores::LegacyOnly, ..by(&pair) });
        world.place().sign_bundle(&pair, &knobs).unwrap();
        world.verified(&Attestor { order: Stores::BundleOnly, ..by(&pair) });
    }
}

#[test]
fn a_message_signature_over_the_manifest_verifies() {
    for kind in KINDS {
        let (world, pair) = (World::new(), KeyPair::shared(kind).unwrap());
        world.place().sign_message_bundle(&pair, &Knobs::default()).unwrap();
        let verified = world.verified(&by(&pair));
        assert_eq!(verified.signed()[0].predicate_type(), None, "{kind:?}");
        assert_eq!(world.reason(&by(&fresh())).check(), sigward_sigstore::Check::Signature);
    }
}

#[test]
fn a_fallback_index_without_types_is_examined() {
    let world = World::with(false);
    let empty = Some("application/vnd.oci.empty.v1+json".to_owned());
    let knobs = Knobs { fallback_artifact_type: empty, ..Knobs::default() };
    world.place().sign_bundle(&key(), &knobs).unwrap();
    world.verified(&by(&key()));
}

#[test]
fn a_fallback_tag_that_is_no_index_is_empty() {
    let world = World::with(false);
    let image = world.registry.manifest(REPOSITORY, &world.digest).unwrap();
    let tag = world.digest.replacen(':', "-", 1);
    world.registry.put_manifest(REPOSITORY, &tag, &image.media_type, image.bytes.clone());
    assert!(world.refusal(&by(&key())).nothing_found());
    world.place().sign_legacy(&key(), &Knobs::default()).unwrap();
    world.verified(&by(&key()));
}

#[test]
fn an_old_bundle_in_a_registry_does_not_count() {
    for version in ["0.1", "0.2"] {
        let world = World::new();
        let media_type = format!("application/vnd.dev.sigstore.bundle+json;version={version}");
        let knobs = Knobs { bundle_media_type: Some(media_type), ..Knobs::default() };
        world.place().sign_bundle(&key(), &knobs).unwrap();
        assert!(matches!(world.reason(&by(&key())), RefusedBecause::Malformed { .. }));
    }
}

#[test]
fn line_breaks_in_a_signature_do_not_matter() {
    let world = World::new();
    let knobs = Knobs { damage: Damage::LineBreaks, ..Knobs::default() };
    world.place().sign_legacy(&key(), &knobs).unwrap();
    world.verified(&by(&key()));
}

#[test]
fn attestations_of_both_stores_are_one_set() {
    for kind in KINDS {
        let (world, pair) = (World::new(), KeyPair::shared(kind).unwrap());
        let place = world.place();
        place.attest_legacy(&pair, SCAN, &json!({"n": 1}), &Knobs::default()).unwrap();
        place.attest_bundle(&pair, SCAN, &json!({"n": 2}), &Knobs::default()).unwrap();
        place.attest_bundle(&pair, SCAN, &json!({"n": 3}), &Knobs::default()).unwrap();
        place.attest_bundle(&fresh(), SCAN, &json!({"n": 4}), &Knobs::default()).unwrap();
        place.attest_bundle(&pair, "urn:other", &json!({"n": 5}), &Knobs::default()).unwrap();
        place.sign_bundle(&pair, &Knobs::default()).unwrap();
        for (order, expected) in [
            (Stores::LegacyFirst, vec![1, 2, 3]),
            (Stores::BundleFirst, vec![2, 3, 1]),
            (Stores::BundleOnly, vec![2, 3]),
            (Stores::LegacyOnly, vec![1]),
        ] {
            let verified = world.verified(&Attestor { order, ..stating(&pair, SCAN) });
            let mut found: Vec<i64> = verified
                .predicates()
                .iter()
                .map(|predicate| match predicate.member("n").unwrap().view() {
                    View::Int(n) => n,
                    other => panic!("a number: {other:?}"),
                })
                .collect();
            let mut expected = expected;
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{order:?}");
            assert_eq!(verified.signed().len(), found.len());
        }
    }
}

#[test]
fn one_valid_signature_of_an_envelope_suffices() {
    let world = World::new();
    let knobs = Knobs { further_signers: vec![key()], ..Knobs::default() };
    world.place().attest_legacy(&fresh(), SCAN, &json!({}), &knobs).unwrap();
    world.verified(&stating(&key(), SCAN));
}

#[test]
fn an_attestation_is_never_a_signature() {
    for api in [true, false] {
        let world = World::with(api);
        world.place().attest_bundle(&key(), SCAN, &json!({}), &Knobs::default()).unwrap();
        world.place().attest_legacy(&key(), SCAN, &json!({}), &Knobs::default()).unwrap();
        // Nor one that is announced as a signature and is none.
        let knobs =
            Knobs { announced_predicate_type: Some(COSIGN_SIGN.into()), ..Knobs::default() };
        world.place().attest_bundle(&key(), SCAN, &json!({}), &knobs).unwrap();
        let refusal = world.refusal(&by(&key()));
        assert!(refusal.nothing_found(), "{refusal:?}");
        assert_eq!(refusal.to_string(), "no signatures found");
    }
}

#[test]
fn signatures_may_lie_in_another_repository_and_under_a_prefix() {
    let world = World::new();
    world.place().stored_in("sigs/here").sign_legacy(&key(), &Knobs::default()).unwrap();
    assert!(world.refusal(&by(&key())).nothing_found());
    world.verified(&Attestor { store: Some("sigs/here".into()), ..by(&key()) });

    let manifest = world.attached("sig");
    let Ask::Attached { tag, .. } = manifest else { panic!("a tag") };
    let stored = world.registry.manifest("sigs/here", &tag).unwrap();
    let attestor =
        Attestor { store: Some("sigs/here".into()), tag_prefix: "dev-".into(), ..by(&key()) };
    assert!(world.refusal(&attestor).nothing_found());
    let prefixed = format!("dev-{tag}");
    world.registry.put_manifest("sigs/here", &prefixed, &stored.media_type, stored.bytes.clone());
    world.verified(&attestor);
}

#[test]
fn annotations_are_met_by_one_signature() {
    for bundle in [false, true] {
        let world = World::new();
        let sign = |pairs: &[(&str, &str)]| {
            let annotations =
                pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let knobs = Knobs { annotations, ..Knobs::default() };
            let place = world.place();
            if bundle {
                place.sign_bundle(&key(), &knobs)
            } else {
                place.sign_legacy(&key(), &knobs)
            }
            .unwrap();
        };
        let wanting = |pairs: &[(&str, &str)]| Attestor {
            annotations: pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            ..by(&key())
        };
        sign(&[("a", "1")]);
        sign(&[("b", "2")]);
        world.verified(&wanting(&[("a", "1")]));
        world.verified(&wanting(&[("b", "2")]));
        let both = wanting(&[("a", "1"), ("b", "2")]);
        let refusal = world.refusal(&both);
        assert!(
            refusal
                .candidates
                .iter()
                .all(|(_, why)| matches!(why, RefusedBecause::WrongAnnotation { .. })),
            "{refusal:?}"
        );
        sign(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let verified = world.verified(&both);
        assert_eq!(verified.signed()[0].claims().len(), 3);
        world.refusal(&wanting(&[("a", "2")]));
    }
}

#[test]
fn without_claims_a_signature_of_another_image_is_shown_as_such() {
    let world = World::new();
    let other = format!("sha256:{}", "0".repeat(64));
    let knobs = Knobs { digest: Some(other), ..Knobs::default() };
    world.place().sign_legacy(&key(), &knobs).unwrap();
    world.refusal(&by(&key()));
    let verified = world.verified(&Attestor { claims: ClaimRule::InsecureIgnored, ..by(&key()) });
    assert!(!verified.claims_checked());
    // A bundle is bound to its image all the same.
    let world = World::new();
    world.place().sign_bundle(&key(), &knobs).unwrap();
    world.refusal(&Attestor { claims: ClaimRule::InsecureIgnored, ..by(&key()) });
}

#[test]
fn signatures_in_referrers_of_oci_1_1_count() {
    for referrers_api in [true, false] {
        let world = World::with(referrers_api);
        world.place().sign_legacy(&fresh(), &Knobs::default()).unwrap();
        world.place().sign_legacy(&key(), &Knobs::default()).unwrap();
        // The same layers, as a referrer instead of under a tag.
        let Ask::Attached { tag, .. } = world.attached("sig") else { panic!("a tag") };
        let attached = world.registry.manifest(REPOSITORY, &tag).unwrap();
        let mut manifest: serde_json::Value = serde_json::from_slice(&attached.bytes).unwrap();
        let kind = "application/vnd.dev.cosign.artifact.sig.v1+json";
        manifest["config"]["mediaType"] = kind.into();
        let image = world.registry.manifest(REPOSITORY, &world.digest).unwrap();
        manifest["subject"] = json!({
            "mediaType": OCI_MANIFEST, "digest": world.digest, "size": image.bytes.len(),
        });
        let bytes = manifest.to_string().into_bytes();
        let digest = sigward_testkit::digest::sha256(&bytes);
        let size = bytes.len();
        assert!(world.registry.remove_tag(REPOSITORY, &tag));
        world.registry.put_manifest(REPOSITORY, &digest, OCI_MANIFEST, bytes);
        if !referrers_api {
            let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{
                "mediaType": OCI_MANIFEST, "digest": digest, "size": size, "artifactType": kind,
            }]});
            let fallback = world.digest.replacen(':', "-", 1);
            let index = index.to_string().into_bytes();
            world.registry.put_manifest(REPOSITORY, &fallback, OCI_INDEX, index);
        }
        world.verified(&by(&key()));
        assert_eq!(
            world.refusal(&by(&KeyPair::generate(Algorithm::EcdsaP256).unwrap())).candidates.len(),
            2
        );
        let bundles = Attestor { order: Stores::BundleOnly, ..by(&key()) };
        assert!(world.refusal(&bundles).nothing_found());
    }
}
