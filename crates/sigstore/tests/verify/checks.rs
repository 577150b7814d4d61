//! For each check a story in which exactly that check fails, beside the same story in which it holds.
use crate::certified::{CERTIFICATE, Certified, ISSUER, Story, log_of, put};
use crate::world::{REPOSITORY, World, by, down, fresh, key, manifest, one, public, stating};
use serde_json::json;
use sigward_sigstore::{
    Check,
    certificate::Identity,
    keys::Signer as _,
    outcome::{CauseKind, Outcome},
    prover::{Ask, Limits},
    requirement::{Attestor, Keyless, LogRule, SctRule, Stores, TimeRule, TrustId, Who},
    verified::RefusedBecause,
};
use sigward_testkit::signing::{Knobs, bundle, legacy};
use std::collections::BTreeMap;

const SCAN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";

/// What the failure looks like.
enum Fails {
    Refused,
    Untold(CauseKind, &'static str),
}

fn signed(knobs: &Knobs) -> World {
    let world = World::new();
    world.place().sign_legacy(&key(), knobs).unwrap();
    world
}

/// The story of a check: the world in which it fails, and for whom.
fn story(check: Check) -> (World, Attestor, Fails) {
    let sound = || signed(&Knobs::default());
    match check {
        Check::Found => {
            let world = sound();
            let blob = Knobs::default();
            let payload = legacy::payload(&world.place().reference(), &world.digest, &blob);
            let digest = sigward_testkit::digest::sha256(&payload);
            assert!(world.registry.remove_blob(REPOSITORY, &digest));
            (world, by(&key()), Fails::Refused)
        }
        Check::Signature => (sound(), by(&fresh()), Fails::Refused),
        Check::ImageDigest => {
            let digest = Some(format!("sha256:{}", "0".repeat(64)));
            (signed(&Knobs { digest, ..Knobs::default() }), by(&key()), Fails::Refused)
        }
        Check::NamesImage => {
            let digest = Some(String::new());
            (signed(&Knobs { digest, ..Knobs::default() }), by(&key()), Fails::Refused)
        }
        Check::Annotations => {
            let annotations = vec![("env".into(), "prod".into())];
            (sound(), Attestor { annotations, ..by(&key()) }, Fails::Refused)
        }
        Check::PredicateType => {
            let world = World::new();
            let knobs = Knobs { announced_predicate_type: Some(SCAN.into()), ..Knobs::default() };
            world.place().attest_legacy(&key(), "urn:other", &json!({}), &knobs).unwrap();
            (world, stating(&key(), SCAN), Fails::Refused)
        }
        Check::PayloadType => {
            let world = World::new();
            let knobs = Knobs { kind: Some("text/plain".into()), ..Knobs::default() };
            world.place().attest_legacy(&key(), SCAN, &json!({}), &knobs).unwrap();
            (world, stating(&key(), SCAN), Fails::Refused)
        }
        Check::KeyMaterial => {
            let world = World::new();
            let sound = bundle::signature(&key(), &world.digest, &Knobs::default()).unwrap();
            let text = String::from_utf8(sound).unwrap();
            let at = text.find(r#""publicKey":{"hint":""#).unwrap();
            let end = at + text[at..].find('}').unwrap() + 1;
            let with_certificate =
                format!(r#"{}"certificate":{{"rawBytes":"AAAA"}}{}"#, &text[..at], &text[end..]);
            attach(&world, with_certificate.into_bytes());
            (world, by(&key()), Fails::Refused)
        }
        Check::Shape => {
            let payload = b"[\"not an object\"]".to_vec();
            let world = World::new();
            let signature = key().sign(&payload).unwrap();
            put_layer(&world, &payload, &signature);
            (world, by(&key()), Fails::Refused)
        }
        Check::LogEntry => {
            let mut world = sound();
            let root = log_of(&public(&key()));
            let log = LogRule::EntryDemanded { trust: root.id(), online: None };
            world.trust.insert(root);
            (world, Attestor { log, ..by(&key()) }, Fails::Refused)
        }
        Check::LogProof => {
            let certified = Certified::new(&Story::default());
            let mut world = World::new();
            let root = log_of(certified.key.public_key());
            let log_id = certified.key.public_key().id();
            let entry = format!(
                r#"{{"SignedEntryTimestamp":"AAAA","Payload":{{"body":"e30=","integratedTime":1700000000,"logIndex":1,"logID":"{log_id}"}}}}"#
            );
            put(&world, &certified.key, [("dev.sigstore.cosign/bundle".into(), entry)].into());
            let log = LogRule::EntryDemanded { trust: root.id(), online: None };
            world.trust.insert(root);
            let who = Who::Key(certified.key.public_key().clone());
            (world, Attestor::new(who, log), Fails::Refused)
        }
        Check::SignerCertificate => {
            let certified = Certified::new(&Story::default());
            let mut world = sound();
            world.trust.insert(certified.root.clone());
            (world, certified.anyone(), Fails::Refused)
        }
        Check::CertificatePath => {
            let certified = Certified::new(&Story { years: (2020, 2021), ..Story::default() });
            (certified.world(), certified.anyone(), Fails::Refused)
        }
        Check::CertificateLog => {
            let certified = Certified::new(&Story::default());
            let keyless = Keyless {
                trust: certified.root.id(),
                identities: Vec::new(),
                sct: SctRule::Demanded,
            };
            let attestor = Attestor { who: Who::Keyless(keyless), ..certified.anyone() };
            (certified.world(), attestor, Fails::Refused)
        }
        Check::Identity => {
            let certified = Certified::new(&Story::default());
            let attestor = certified.named(Identity::exact(ISSUER, "someone else"));
            (certified.world(), attestor, Fails::Refused)
        }
        Check::ProvenTime => {
            let certified = Certified::new(&Story::default());
            let attestor = Attestor { time: TimeRule::default(), ..certified.anyone() };
            (certified.world(), attestor, Fails::Refused)
        }
        Check::Timestamp => {
            let certified = Certified::new(&Story::default());
            let time = TimeRule::TimestampDemanded { timestamps: certified.root.id() };
            (certified.world(), Attestor { time, ..certified.anyone() }, Fails::Refused)
        }
        Check::TimestampProof => {
            let certified = Certified::new(&Story::default());
            let mut world = World::new();
            world.trust.insert(certified.root.clone());
            let annotations = [
                (CERTIFICATE.to_owned(), certified.certificate.clone()),
                (
                    "dev.sigstore.cosign/rfc3161timestamp".to_owned(),
                    r#"{"SignedRFC3161Timestamp":"MAMCAQA="}"#.to_owned(),
                ),
            ];
            put(&world, &certified.key, annotations.into());
            let time = TimeRule::TimestampDemanded { timestamps: certified.root.id() };
            (world, Attestor { time, ..certified.anyone() }, Fails::Refused)
        }
        Check::TrustMaterial => {
            let who = Who::Keyless(Keyless {
                trust: TrustId([0; 32]),
                identities: Vec::new(),
                sct: SctRule::Demanded,
            });
            let fails =
                Fails::Untold(CauseKind::TrustUnavailable, "trusted root 00000000 is not at hand");
            (sound(), Attestor { who, order: Stores::LegacyOnly, ..by(&key()) }, fails)
        }
        Check::ContentDigest => {
            let mut world = sound();
            let blob = world.prove(&one(&by(&key()))).1.pop().unwrap();
            assert!(matches!(blob, Ask::Blob { .. }));
            // The payload that was signed, with one byte changed.
            let Ask::Blob { digest, .. } = &blob else { panic!("a blob") };
            let mut bytes = world.registry.blob(REPOSITORY, digest.as_str()).unwrap().to_vec();
            let at = bytes.iter().position(|byte| *byte == b'{').unwrap();
            bytes[at] = b' ';
            world.overrides.insert(blob, Ok(Some(bytes)));
            (
                world,
                by(&key()),
                Fails::Untold(CauseKind::Malformed, "content does not match its digest"),
            )
        }
        Check::Listing => {
            let mut world = sound();
            world.overrides.insert(world.attached("sig"), Ok(Some(b"<html>".to_vec())));
            (world, by(&key()), Fails::Untold(CauseKind::Malformed, "malformed manifest"))
        }
        Check::CandidateCount => {
            let mut world = sound();
            world.limits = Limits { candidates: 2, ..Limits::default() };
            for _ in 0..2 {
                // Newer, and not by the key: the good one is the third.
                world.place().sign_legacy(&fresh(), &Knobs::default()).unwrap();
            }
            (
                world,
                by(&key()),
                Fails::Untold(CauseKind::TooLarge, "more candidates than are examined"),
            )
        }
        Check::LayerSize => {
            let mut world = sound();
            world.limits = Limits { layer_bytes: 100, ..Limits::default() };
            (world, by(&key()), Fails::Untold(CauseKind::TooLarge, "layer is too large"))
        }
        Check::ManifestSize => {
            let mut world = sound();
            world.limits = Limits { manifest_bytes: 300, ..Limits::default() };
            (world, by(&key()), Fails::Untold(CauseKind::TooLarge, "manifest is too large"))
        }
        Check::BundleVersion => {
            let world = World::new();
            let media_type = "application/vnd.dev.sigstore.bundle.v0.4+json";
            let knobs = Knobs { bundle_media_type: Some(media_type.into()), ..Knobs::default() };
            world.place().sign_bundle(&key(), &knobs).unwrap();
            (
                world,
                by(&key()),
                Fails::Untold(
                    CauseKind::Malformed,
                    "unsupported bundle version \"application/vnd.dev.sigstore.bundle.v0.4+json\"",
                ),
            )
        }
        Check::Answered => {
            let mut world = sound();
            world.overrides.insert(world.attached("sig"), down());
            (world, by(&key()), Fails::Untold(CauseKind::Unavailable, "503 away"))
        }
    }
}

/// Attaches a bundle of these bytes.
fn attach(world: &World, bundle: Vec<u8>) {
    let referrer = bundle::referrer(
        bundle,
        world.place().subject(),
        Some(sigward_sigstore::statement::COSIGN_SIGN),
        &Knobs::default(),
    );
    world.place().attach(&referrer, &Knobs::default()).unwrap();
}

/// A signature over a payload of one's own.
fn put_layer(world: &World, payload: &[u8], signature: &[u8]) {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(signature);
    let annotations = BTreeMap::from([(legacy::SIGNATURE_ANNOTATION.to_owned(), text)]);
    let bytes = manifest(&[(legacy::SIMPLE_SIGNING, payload, annotations)], false);
    let Ask::Attached { tag, .. } = world.attached("sig") else { panic!("a tag") };
    world.registry.put_blob(REPOSITORY, payload.to_vec());
    world.registry.put_blob(REPOSITORY, b"{}".to_vec());
    world.registry.put_manifest(REPOSITORY, &tag, sigward_testkit::artifact::OCI_MANIFEST, bytes);
}

#[test]
fn each_check_can_fail_alone() {
    for check in Check::ALL {
        let (world, attestor, fails) = story(check);
        let (proof, _) = world.prove_one(&attestor);
        match (fails, proof.outcome) {
            (Fails::Refused, Outcome::Refuted(refusal)) => {
                let checks: Vec<_> =
                    refusal.candidates.iter().map(|(_, why)| why.check()).collect();
                assert_eq!(checks, [check], "{refusal:?}");
            }
            (Fails::Untold(kind, said), Outcome::Undetermined(cause)) => {
                assert_eq!(cause.kind, kind, "{check:?}: {cause}");
                assert_eq!(cause.said.as_deref(), Some(said), "{check:?}");
            }
            (_, other) => panic!("{check:?}: {other:?}"),
        }
    }
}

#[test]
fn a_layer_is_as_long_as_its_descriptor_says() {
    let mut world = signed(&Knobs::default());
    let blob = world.prove(&one(&by(&key()))).1.pop().unwrap();
    for bytes in [Vec::new(), vec![b' '; 5000]] {
        world.overrides.insert(blob.clone(), Ok(Some(bytes)));
        let Outcome::Undetermined(cause) = world.prove_one(&by(&key())).0.outcome else {
            panic!("undetermined")
        };
        assert_eq!(cause.said.as_deref(), Some("content is not as long as its descriptor says"));
    }
}

#[test]
fn no_more_bytes_are_read_in_all_than_a_few_layers_take() {
    let mut world = World::new();
    for n in 0..30 {
        let annotations = [("n".to_owned(), format!("{n:0200}"))].into();
        let knobs = Knobs { annotations, ..Knobs::default() };
        world.place().sign_legacy(&fresh(), &knobs).unwrap();
    }
    assert!(world.refusal(&by(&key())).candidates.len() == 30);
    // Each layer fits, some of them together, and not all.
    world.limits = Limits { layer_bytes: 600, ..Limits::default() };
    let (proof, asked) = world.prove_one(&by(&key()));
    let Outcome::Undetermined(cause) = proof.outcome else { panic!("undetermined") };
    assert_eq!(cause.kind, CauseKind::TooLarge);
    assert_eq!(cause.said.as_deref(), Some("more bytes in all than are read"));
    let read: u64 =
        asked.iter().map(|ask| if let Ask::Blob { size, .. } = ask { *size } else { 0 }).sum();
    assert!(read > 600 && read <= world.limits.total_bytes(), "{read}");
}

#[test]
fn the_same_stories_hold_without_their_fault() {
    signed(&Knobs::default()).verified(&by(&key()));
    let world = World::new();
    world.place().attest_legacy(&key(), SCAN, &json!({}), &Knobs::default()).unwrap();
    world.verified(&stating(&key(), SCAN));
    let world = World::new();
    attach(&world, bundle::signature(&key(), &world.digest, &Knobs::default()).unwrap());
    world.verified(&by(&key()));
    let annotations = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
    let world = signed(&Knobs { annotations, ..Knobs::default() });
    world.verified(&Attestor { annotations: vec![("env".into(), "prod".into())], ..by(&key()) });
}

#[test]
fn the_whole_of_a_bundle_is_bound() {
    let reason = |knobs: &Knobs| {
        let world = World::new();
        world.place().sign_bundle(&key(), knobs).unwrap();
        world.reason(&by(&key()))
    };
    let other = format!("sha256:{}", "0".repeat(64));
    let why = reason(&Knobs { digest: Some(other.clone()), ..Knobs::default() });
    assert!(matches!(why, RefusedBecause::WrongDigest { payload } if payload.as_str() == other));
    let why = reason(&Knobs { signed_by: Some(fresh()), ..Knobs::default() });
    assert_eq!(why.check(), Check::Signature);
    let why = reason(&Knobs { kind: Some("text/plain".into()), ..Knobs::default() });
    assert_eq!(why.check(), Check::PayloadType);
    let why = reason(&Knobs { signed_kind: Some("text/plain".into()), ..Knobs::default() });
    assert_eq!(why.check(), Check::Signature);
    let why = reason(&Knobs { payload: Some(b"{}".to_vec()), ..Knobs::default() });
    assert_eq!(why.check(), Check::Signature);
    let why = reason(&Knobs { further_signers: vec![fresh()], ..Knobs::default() });
    assert_eq!(why.check(), Check::Shape);
}

#[test]
fn a_message_signature_is_bound_to_the_image() {
    // Signed for another image, then moved here.
    let world = World::new();
    let moved = bundle::message(&key(), b"another manifest", &Knobs::default()).unwrap();
    let referrer = bundle::referrer(moved, world.place().subject(), None, &Knobs::default());
    world.place().attach(&referrer, &Knobs::default()).unwrap();
    assert_eq!(world.reason(&by(&key())).check(), Check::ImageDigest);
    // It carries no annotations, so none can be met.
    let world = World::new();
    world.place().sign_message_bundle(&key(), &Knobs::default()).unwrap();
    world.verified(&by(&key()));
    let annotations = vec![("env".into(), "prod".into())];
    let why = world.reason(&Attestor { annotations, ..by(&key()) });
    assert_eq!(why.check(), Check::Annotations);
}
