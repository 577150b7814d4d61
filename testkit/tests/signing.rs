//! What the signers write is what cosign was seen to write, and each knob breaks what it says.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::collections::BTreeMap;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sigward_testkit::{
    digest, image,
    keys::{Algorithm, KeyPair},
    registry::{Options, Registry},
    signing::{
        Damage, Knobs, Place, SignError,
        bundle::{self, BUNDLE, EMPTY},
        legacy::{self, SIGNATURE_ANNOTATION},
        statement::{self, IN_TOTO, SIGN},
    },
};

fn key() -> KeyPair {
    KeyPair::generate(Algorithm::EcdsaP256).unwrap()
}

fn registry(referrers_api: bool) -> Registry {
    let registry = Registry::start(Options { referrers_api, ..Options::default() }).unwrap();
    image::build(1).push(&registry, "shop/web", "v1");
    registry
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn manifest(registry: &Registry, reference: &str) -> Value {
    json_of(&registry.manifest("shop/web", reference).unwrap().bytes)
}

/// Whether `signature` (base64) is one of `key` over `message`.
fn check(key: &KeyPair, message: &[u8], signature: &str) -> bool {
    let Ok(signature) = STANDARD.decode(signature.replace("\r\n", "")) else { return false };
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.spki_der())
        .verify(message, &signature)
        .is_ok()
}

/// Whether an envelope holds a signature of `key` over what it shows.
fn check_envelope(key: &KeyPair, envelope: &Value, signature: usize) -> bool {
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let encoding =
        statement::pre_authentication_encoding(envelope["payloadType"].as_str().unwrap(), &payload);
    check(key, &encoding, envelope["signatures"][signature]["sig"].as_str().unwrap())
}

fn payload_of(envelope: &Value) -> Value {
    json_of(&STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap())
}

#[test]
fn a_legacy_signature_is_stored_as_cosign_2_stores_it() {
    let (registry, key) = (registry(true), key());
    let place = Place::of(&registry, "shop/web", "v1").unwrap();
    place.sign_legacy(&key, &Knobs::default()).unwrap();
    let stored = manifest(&registry, &legacy::tag(place.digest(), "sig"));
    let layer = &stored["layers"][0];
    assert_eq!(layer["mediaType"], legacy::SIMPLE_SIGNING);
    let payload = registry.blob("shop/web", layer["digest"].as_str().unwrap()).unwrap();
    let expected = format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{}/shop/web"}},"image":{{"docker-manifest-digest":"{}"}},"type":"cosign container image signature"}},"optional":null}}"#,
        registry.host(),
        place.digest()
    );
    assert_eq!(payload, expected);
    assert!(check(&key, &payload, layer["annotations"][SIGNATURE_ANNOTATION].as_str().unwrap()));
    let config =
        json_of(&registry.blob("shop/web", stored["config"]["digest"].as_str().unwrap()).unwrap());
    assert_eq!(config["rootfs"]["diff_ids"], json!([layer["digest"]]));
}

#[test]
fn further_signatures_are_further_layers() {
    let (registry, first, second) = (registry(true), key(), key());
    let place = Place::of(&registry, "shop/web", "v1").unwrap();
    place.sign_legacy(&first, &Knobs::default()).unwrap();
    place.sign_legacy(&second, &Knobs::default()).unwrap();
    let stored = manifest(&registry, &legacy::tag(place.digest(), "sig"));
    let payload = legacy::payload(&place.reference(), place.digest(), &Knobs::default());
    for (layer, key) in stored["layers"].as_array().unwrap().iter().zip([&first, &second]) {
        assert!(check(key, &payload, layer["annotations"][SIGNATURE_ANNOTATION].as_str().unwrap()));
    }
    assert_eq!(stored["layers"].as_array().unwrap().len(), 2);
}

#[test]
fn a_legacy_attestation_is_stored_as_cosign_2_stores_it() {
    let (registry, key) = (registry(true), key());
    let place = Place::of(&registry, "shop/web", "v1").unwrap();
    place
        .attest_legacy(&key, "https://example.test/p", &json!({ "a": "<1>" }), &Knobs::default())
        .unwrap();
    let stored = manifest(&registry, &legacy::tag(place.digest(), "att"));
    let layer = &stored["layers"][0];
    assert_eq!(
        layer["annotations"],
        json!({ SIGNATURE_ANNOTATION: "", "predicateType": "https://example.test/p" })
    );
    let envelope = json_of(&registry.blob("shop/web", layer["digest"].as_str().unwrap()).unwrap());
    assert!(check_envelope(&key, &envelope, 0));
    assert_eq!(envelope["signatures"][0]["keyid"], "");
    let hex = place.digest().strip_prefix("sha256:").unwrap();
    let expected = json!({
        "_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://example.test/p", "predicate": { "a": "<1>" },
        "subject": [{ "name": place.reference(), "digest": { "sha256": hex } }],
    });
    assert_eq!(payload_of(&envelope), expected);
}

#[test]
fn a_bundle_is_a_referrer_as_cosign_3_writes_it() {
    let (registry, key) = (registry(true), key());
    let place = Place::of(&registry, "shop/web", "v1").unwrap();
    let knobs = Knobs {
        annotations: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
        ..Knobs::default()
    };
    let digest = place.sign_bundle(&key, &knobs).unwrap();
    assert_eq!(registry.referrers("shop/web", place.digest())[0].digest, digest);
    assert!(registry.manifest("shop/web", &bundle::fallback_tag(place.digest())).is_none());
    let stored = manifest(&registry, &digest);
    assert_eq!(
        (&stored["artifactType"], &stored["config"]["mediaType"]),
        (&json!(BUNDLE), &json!(EMPTY))
    );
    assert_eq!(stored["subject"], json!(place.subject()));
    assert_eq!(stored["annotations"]["dev.sigstore.bundle.predicateType"], SIGN);
    let bundle = json_of(
        &registry.blob("shop/web", stored["layers"][0]["digest"].as_str().unwrap()).unwrap(),
    );
    assert_eq!(bundle["verificationMaterial"]["publicKey"]["hint"], key.hint());
    assert!(check_envelope(&key, &bundle["dsseEnvelope"], 0));
    let statement = payload_of(&bundle["dsseEnvelope"]);
    assert_eq!(statement["subject"][0]["annotations"]["team"], "shop");
    assert_eq!((&statement["predicateType"], &statement["predicate"]), (&json!(SIGN), &json!({})));
}

#[test]
fn without_the_referrers_api_bundles_are_listed_under_the_fallback_tag() {
    let (registry, key) = (registry(false), key());
    let place = Place::of(&registry, "shop/web", "v1").unwrap();
    let first = place.sign_bundle(&key, &Knobs::default()).unwrap();
    let quirk = Knobs { fallback_artifact_type: Some(EMPTY.to_owned()), ..Knobs::default() };
    let second = place.attest_bundle(&key, "https://example.test/p", &json!({}), &quirk).unwrap();
    let index = manifest(&registry, &bundle::fallback_tag(place.digest()));
    let entries: Vec<(&str, &str)> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["digest"].as_str().unwrap(), entry["artifactType"].as_str().unwrap()))
        .collect();
    assert_eq!(entries, [(first.as_str(), BUNDLE), (second.as_str(), EMPTY)]);
}

#[test]
fn a_message_bundle_signs_the_manifest_itself() {
    let (registry, key) = (registry(true), key());
    let place = Place::of(&registry, "shop/web", "v1").unwrap();
    let digest = place.sign_message_bundle(&key, &Knobs::default()).unwrap();
    let stored = manifest(&registry, &digest);
    let bundle = json_of(
        &registry.blob("shop/web", stored["layers"][0]["digest"].as_str().unwrap()).unwrap(),
    );
    let message = registry.manifest("shop/web", "v1").unwrap().bytes;
    assert!(check(&key, &message, bundle["messageSignature"]["signature"].as_str().unwrap()));
    let hash = STANDARD
        .decode(bundle["messageSignature"]["messageDigest"]["digest"].as_str().unwrap())
        .unwrap();
    assert_eq!(format!("sha256:{}", digest::hex(&hash)), place.digest());
    assert_eq!(stored["annotations"]["dev.sigstore.bundle.content"], "message-signature");
}

#[test]
fn signatures_can_be_stored_in_another_repository() {
    let (registry, key) = (registry(false), key());
    let place = Place::of(&registry, "shop/web", "v1").unwrap().stored_in("sigs/here");
    place.sign_legacy(&key, &Knobs::default()).unwrap();
    place.sign_bundle(&key, &Knobs::default()).unwrap();
    let mut tags = vec![legacy::tag(place.digest(), "sig"), bundle::fallback_tag(place.digest())];
    tags.sort();
    assert_eq!(registry.tags("sigs/here"), tags);
    assert_eq!(registry.tags("shop/web"), ["v1"]);
}

#[test]
fn nothing_is_signed_that_is_not_there() {
    let registry = registry(true);
    let error = Place::of(&registry, "shop/web", "v2").unwrap_err();
    assert_eq!(error, SignError::NoSubject { reference: "shop/web:v2".to_owned() });
    let place = Place::of(&registry, "shop/web", "v1").unwrap();
    let tag = legacy::tag(place.digest(), "sig");
    registry.put_manifest("shop/web", &tag, "text/plain", "nonsense");
    assert_eq!(
        place.sign_legacy(&key(), &Knobs::default()).unwrap_err(),
        SignError::NotOurs { tag }
    );
}

mod knobs {
    use super::*;

    const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn layer(key: &KeyPair, knobs: &Knobs) -> (Vec<u8>, String) {
        let layer = legacy::signature_layer(key, "reg/shop", DIGEST, knobs).unwrap();
        (layer.bytes.to_vec(), layer.annotations[SIGNATURE_ANNOTATION].clone())
    }

    fn envelope(key: &KeyPair, knobs: &Knobs) -> Value {
        json_of(&bundle::signature(key, DIGEST, knobs).unwrap())["dsseEnvelope"].clone()
    }

    #[test]
    fn damage_spoils_the_signature_and_nothing_else() {
        let key = key();
        let (sound, _) = layer(&key, &Knobs::default());
        for damage in [
            Damage::FlippedBit,
            Damage::Half,
            Damage::TruncatedBase64,
            Damage::NotBase64,
            Damage::Empty,
        ] {
            let (payload, signature) = layer(&key, &Knobs { damage, ..Knobs::default() });
            assert_eq!(payload, sound, "{damage:?}");
            assert!(!check(&key, &payload, &signature), "{damage:?}");
        }
        let (payload, signature) =
            layer(&key, &Knobs { damage: Damage::LineBreaks, ..Knobs::default() });
        assert!(signature.contains("\r\n") && check(&key, &payload, &signature));
    }

    #[test]
    fn another_key_signs_under_the_first_ones_hint() {
        let (key, other) = (key(), key());
        let knobs = Knobs { signed_by: Some(other.clone()), ..Knobs::default() };
        let envelope = envelope(&key, &knobs);
        assert!(!check_envelope(&key, &envelope, 0) && check_envelope(&other, &envelope, 0));
        let bundle = json_of(&bundle::signature(&key, DIGEST, &knobs).unwrap());
        assert_eq!(bundle["verificationMaterial"]["publicKey"]["hint"], key.hint());
    }

    #[test]
    fn a_sound_signature_can_be_about_something_else() {
        let key = key();
        let other = digest::sha256(b"other");
        let knobs = Knobs {
            digest: Some(other.clone()),
            reference: Some("else/where".to_owned()),
            ..Knobs::default()
        };
        let (payload, signature) = layer(&key, &knobs);
        assert!(check(&key, &payload, &signature));
        let payload = json_of(&payload);
        assert_eq!(payload["critical"]["image"]["docker-manifest-digest"], other);
        assert_eq!(payload["critical"]["identity"]["docker-reference"], "else/where");
        let envelope = envelope(&key, &knobs);
        assert!(check_envelope(&key, &envelope, 0));
        assert_eq!(
            format!(
                "sha256:{}",
                payload_of(&envelope)["subject"][0]["digest"]["sha256"].as_str().unwrap()
            ),
            other
        );
    }

    #[test]
    fn a_stored_payload_can_differ_from_the_signed_one() {
        let key = key();
        let knobs = Knobs { payload: Some(b"{}".to_vec()), ..Knobs::default() };
        let (payload, signature) = layer(&key, &knobs);
        assert_eq!(payload, b"{}");
        assert!(!check(&key, &payload, &signature));
        assert!(!check_envelope(&key, &envelope(&key, &knobs), 0));
    }

    #[test]
    fn payload_types_can_be_wrong_soundly_and_unsoundly() {
        let key = key();
        let wrong =
            envelope(&key, &Knobs { kind: Some("text/plain".to_owned()), ..Knobs::default() });
        assert!(check_envelope(&key, &wrong, 0) && wrong["payloadType"] == "text/plain");
        let mixed = envelope(
            &key,
            &Knobs { signed_kind: Some("text/plain".to_owned()), ..Knobs::default() },
        );
        assert!(!check_envelope(&key, &mixed, 0) && mixed["payloadType"] == IN_TOTO);
    }

    #[test]
    fn an_envelope_can_have_several_signatures() {
        let (key, other) = (key(), key());
        let knobs = Knobs { further_signers: vec![other.clone()], ..Knobs::default() };
        let envelope = envelope(&key, &knobs);
        assert!(check_envelope(&key, &envelope, 0) && check_envelope(&other, &envelope, 1));
    }

    #[test]
    fn annotations_are_escaped_as_go_escapes_them() {
        let annotations = BTreeMap::from([("a".to_owned(), "<&>\u{2028}".to_owned())]);
        let text = String::from_utf8(legacy::payload(
            "r",
            DIGEST,
            &Knobs { annotations, ..Knobs::default() },
        ))
        .unwrap();
        assert!(text.ends_with(r#""optional":{"a":"\u003c\u0026\u003e\u2028"}}"#), "{text}");
    }
}
