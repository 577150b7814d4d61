//! A valid set of signatures, with one element of it changed: none may verify.
use crate::world::{REPOSITORY, World, by, fresh, key, one, stating};
use serde_json::{Value, json};
use sigward_sigstore::{
    outcome::Verdict,
    prover::Ask,
    requirement::{Attestor, Stores},
};
use sigward_testkit::signing::{Knobs, legacy};

/// Proves once soundly, then again and again with one answer of the registry replaced.
struct Story {
    world: World,
    attestor: Attestor,
    asks: Vec<Ask>,
}

impl Story {
    fn new(world: World, attestor: Attestor) -> Self {
        let (proof, asks) = world.prove(&one(&attestor));
        assert_eq!(proof.outcome.verdict(), Verdict::Verified);
        Self { world, attestor, asks }
    }

    fn bytes(&self, ask: &Ask) -> Vec<u8> {
        self.world.answer(ask).unwrap().unwrap()
    }

    /// With other bytes in one place, whose digest nobody has to check (a tag), or whose digest is
    /// corrected all the way up.
    #[track_caller]
    fn must_not_verify(&mut self, ask: &Ask, bytes: Vec<u8>, what: &str) {
        self.world.overrides.insert(ask.clone(), Ok(Some(bytes)));
        let (proof, _) = self.world.prove(&one(&self.attestor));
        assert_ne!(proof.outcome.verdict(), Verdict::Verified, "{what} of {ask:?}");
        self.world.overrides.clear();
    }
}

fn stories() -> Vec<Story> {
    let scan = "urn:scan";
    let world = || World::new();
    let legacy_signature = {
        let world = world();
        world.place().sign_legacy(&key(), &Knobs::default()).unwrap();
        Story::new(world, Attestor { order: Stores::LegacyOnly, ..by(&key()) })
    };
    let legacy_attestation = {
        let world = world();
        world.place().attest_legacy(&key(), scan, &json!({"a": 1}), &Knobs::default()).unwrap();
        Story::new(world, Attestor { order: Stores::LegacyOnly, ..stating(&key(), scan) })
    };
    let bundle = {
        let world = world();
        world.place().sign_bundle(&key(), &Knobs::default()).unwrap();
        Story::new(world, Attestor { order: Stores::BundleOnly, ..by(&key()) })
    };
    let bundle_attestation = {
        let world = world();
        world.place().attest_bundle(&key(), scan, &json!({"a": 1}), &Knobs::default()).unwrap();
        Story::new(world, Attestor { order: Stores::BundleOnly, ..stating(&key(), scan) })
    };
    let message = {
        let world = world();
        world.place().sign_message_bundle(&key(), &Knobs::default()).unwrap();
        Story::new(world, Attestor { order: Stores::BundleOnly, ..by(&key()) })
    };
    vec![legacy_signature, legacy_attestation, bundle, bundle_attestation, message]
}

#[test]
fn no_byte_of_an_element_by_digest_can_be_changed() {
    for mut story in stories() {
        for ask in story.asks.clone() {
            if matches!(ask, Ask::Referrers { .. } | Ask::Attached { .. }) {
                continue;
            }
            let sound = story.bytes(&ask);
            for at in (0..sound.len()).step_by(11) {
                let mut bytes = sound.clone();
                bytes[at] ^= 1;
                story.must_not_verify(&ask, bytes, "a flipped bit");
            }
            story.must_not_verify(&ask, Vec::new(), "nothing");
            story.must_not_verify(&ask, [sound.clone(), sound].concat(), "twice the bytes");
        }
    }
}

/// Every leaf of a document, changed one at a time.
fn edits(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(map) => {
            let mut all = Vec::new();
            for (name, inner) in map {
                let mut without = map.clone();
                without.remove(name);
                all.push(Value::Object(without));
                for edit in edits(inner) {
                    let mut with = map.clone();
                    with.insert(name.clone(), edit);
                    all.push(Value::Object(with));
                }
            }
            all
        }
        Value::Array(list) => {
            let mut all = vec![Value::Array(Vec::new())];
            for (i, inner) in list.iter().enumerate() {
                for edit in edits(inner) {
                    let mut with = list.clone();
                    with[i] = edit;
                    all.push(Value::Array(with));
                }
            }
            all
        }
        Value::String(text) => {
            let mut chars: Vec<char> = text.chars().collect();
            let middle = chars.len() / 2;
            if let Some(c) = chars.get_mut(middle) {
                *c = if *c == 'A' { 'B' } else { 'A' };
            }
            vec![Value::String(chars.into_iter().collect()), Value::String(String::new())]
        }
        _ => vec![Value::Null],
    }
}

/// What a signature does not cover, and which may change without harm.
fn is_free(edited: &Value, sound: &Value) -> bool {
    let mut a = edited.clone();
    let mut b = sound.clone();
    for value in [&mut a, &mut b] {
        // The hint is for finding keys; the digest of a message is beside its signature.
        if let Some(material) = value.get_mut("verificationMaterial")
            && material.get("publicKey").is_some_and(Value::is_object)
        {
            *material = Value::Null;
        }
        if let Some(signatures) = value.pointer_mut("/signatures").and_then(Value::as_array_mut) {
            for signature in signatures {
                if let Some(map) = signature.as_object_mut() {
                    map.remove("keyid");
                }
            }
        }
        if let Some(message) = value.get_mut("messageSignature").and_then(Value::as_object_mut) {
            let absent = message
                .get("messageDigest")
                .is_none_or(|d| d.as_object().is_some_and(serde_json::Map::is_empty));
            if absent {
                message.insert("messageDigest".into(), Value::Null);
            }
        }
    }
    a == b
        || a.pointer("/messageSignature/messageDigest") == Some(&Value::Null)
            && a.pointer("/messageSignature/signature") == b.pointer("/messageSignature/signature")
            && a.get("mediaType") == b.get("mediaType")
            && a.get("verificationMaterial") == b.get("verificationMaterial")
}

#[test]
fn no_signed_field_of_an_envelope_or_bundle_can_be_changed() {
    for story in stories() {
        let Some(Ask::Blob { digest, .. }) =
            story.asks.iter().rev().find(|ask| matches!(ask, Ask::Blob { .. }))
        else {
            panic!("a blob")
        };
        let sound = story.world.registry.blob(REPOSITORY, digest.as_str()).unwrap();
        let sound: Value = serde_json::from_slice(&sound).unwrap();
        let mut tried = 0;
        for edited in edits(&sound) {
            if is_free(&edited, &sound) {
                continue;
            }
            tried += 1;
            let bytes = edited.to_string().into_bytes();
            let verdict = stored_anew(&story, digest.as_str(), &bytes);
            assert_ne!(verdict, Verdict::Verified, "{edited}");
        }
        assert!(tried >= 6, "only {tried} edits of {sound}");
    }
}

/// The same store, with other bytes in the blob and every digest above it corrected.
fn stored_anew(story: &Story, blob: &str, bytes: &[u8]) -> Verdict {
    let mut world = World::new();
    let new = world.registry.put_blob(REPOSITORY, bytes.to_vec());
    let mut renamed = vec![(blob.to_owned(), new)];
    for ask in &story.asks {
        let Some(text) = String::from_utf8(story.bytes(ask)).ok() else { continue };
        let (mut text, mut ask) = (text, ask.clone());
        for (old, new) in &renamed {
            text = text.replace(old, new);
        }
        let length = story.world.registry.blob(REPOSITORY, blob).unwrap().len();
        text = text.replace(&format!("\"size\":{length}"), &format!("\"size\":{}", bytes.len()));
        if let Ask::Blob { .. } = ask {
            continue;
        }
        if let Ask::Manifest { digest, .. } = &mut ask {
            let new = sigward_oci::Digest::parse(&sigward_testkit::digest::sha256(text.as_bytes()))
                .unwrap();
            renamed.push((digest.to_string(), new.to_string()));
            *digest = new;
        }
        world.overrides.insert(ask, Ok(Some(text.into_bytes())));
    }
    // The listing came first and names the manifest by its old digest.
    for (ask, evidence) in &mut world.overrides {
        if let (Ask::Referrers { .. }, Ok(Some(bytes))) = (ask, evidence) {
            let mut text = String::from_utf8(bytes.clone()).unwrap();
            for (old, new) in &renamed {
                text = text.replace(old, new);
            }
            *bytes = text.into_bytes();
        }
    }
    world.prove(&one(&story.attestor)).0.outcome.verdict()
}

#[test]
fn an_unchanged_store_made_anew_still_verifies() {
    for story in stories() {
        let Some(Ask::Blob { digest, .. }) =
            story.asks.iter().rev().find(|ask| matches!(ask, Ask::Blob { .. }))
        else {
            panic!("a blob")
        };
        let sound = story.world.registry.blob(REPOSITORY, digest.as_str()).unwrap();
        // Only white space: another digest, the same meaning. A payload's bytes are signed.
        let mut bytes = sound.to_vec();
        bytes.push(b'\n');
        let signed_bytes = story
            .asks
            .iter()
            .any(|a| matches!(a, Ask::Attached { tag, .. } if tag.ends_with(".sig")));
        let expected = if signed_bytes { Verdict::Refuted } else { Verdict::Verified };
        assert_eq!(stored_anew(&story, digest.as_str(), &bytes), expected);
    }
}

#[test]
fn signatures_cannot_be_swapped_between_payloads() {
    let world = World::new();
    let knobs = |n: &str| Knobs {
        annotations: [("n".to_owned(), n.to_owned())].into(),
        ..Knobs::default()
    };
    let reference = world.place().reference();
    let mut one_layer =
        legacy::signature_layer(&key(), &reference, &world.digest, &knobs("1")).unwrap();
    let mut other =
        legacy::signature_layer(&key(), &reference, &world.digest, &knobs("2")).unwrap();
    std::mem::swap(&mut one_layer.annotations, &mut other.annotations);
    for layer in [one_layer, other] {
        world.place().add_layer("sig", layer).unwrap();
    }
    assert_eq!(world.refusal(&by(&key())).candidates.len(), 2);
}

#[test]
fn a_signature_cannot_be_dropped_or_doubled_into_another_count() {
    let world = World::new();
    world.place().sign_legacy(&key(), &Knobs::default()).unwrap();
    world.place().sign_legacy(&key(), &Knobs::default()).unwrap();
    let both = crate::world::at_least(2, vec![one(&by(&key())), one(&by(&fresh()))]);
    assert_eq!(world.prove(&both).0.outcome.verdict(), Verdict::Refuted);
}
