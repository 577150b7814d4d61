//! How many questions a proof costs.
use crate::world::{World, by, fresh, key, one, stating};
use serde_json::json;
use sigward_sigstore::{
    prover::{Ask, Thoroughness},
    requirement::{Attestor, Stores},
};
use sigward_testkit::signing::Knobs;

/// The kinds of questions, in order.
fn check(world: &World, attestor: &Attestor, expected: &[&str]) {
    let kinds: Vec<_> = world
        .prove(&one(attestor))
        .1
        .iter()
        .map(|ask| match ask {
            Ask::Referrers { .. } => "referrers",
            Ask::Attached { .. } => "attached",
            Ask::Manifest { .. } => "manifest",
            Ask::Blob { .. } => "blob",
            Ask::LogEntry { .. } => "log",
        })
        .collect();
    assert_eq!(kinds, expected);
}

fn ordered(order: Stores) -> Attestor {
    Attestor { order, ..by(&key()) }
}

#[test]
fn a_bundle_costs_three_questions() {
    let world = World::new();
    world.place().sign_bundle(&key(), &Knobs::default()).unwrap();
    check(&world, &ordered(Stores::BundleFirst), &["referrers", "manifest", "blob"]);
}

#[test]
fn a_legacy_signature_costs_two_questions() {
    let world = World::new();
    world.place().sign_legacy(&key(), &Knobs::default()).unwrap();
    check(&world, &ordered(Stores::LegacyFirst), &["attached", "blob"]);
}

#[test]
fn the_second_store_is_asked_only_when_the_first_does_not_satisfy() {
    let world = World::new();
    world.place().sign_legacy(&key(), &Knobs::default()).unwrap();
    check(&world, &ordered(Stores::BundleFirst), &["referrers", "attached", "blob"]);
    world.place().sign_bundle(&key(), &Knobs::default()).unwrap();
    check(&world, &ordered(Stores::BundleFirst), &["referrers", "manifest", "blob"]);
    check(&world, &ordered(Stores::LegacyFirst), &["attached", "blob"]);
    check(&World::new(), &ordered(Stores::LegacyFirst), &["attached", "referrers"]);
    check(&World::new(), &ordered(Stores::BundleOnly), &["referrers"]);
    check(&World::new(), &ordered(Stores::LegacyOnly), &["attached"]);
}

#[test]
fn attestations_are_not_fetched_for_a_signature_nor_signatures_for_attestations() {
    let world = World::new();
    let scan = "urn:scan";
    for _ in 0..5 {
        world.place().attest_bundle(&key(), scan, &json!({}), &Knobs::default()).unwrap();
    }
    world.place().sign_bundle(&key(), &Knobs::default()).unwrap();
    check(&world, &by(&key()), &["referrers", "manifest", "blob"]);
    check(
        &world,
        &Attestor { order: Stores::BundleOnly, ..stating(&key(), "urn:none") },
        &["referrers"],
    );
}

#[test]
fn a_signature_that_cannot_be_this_keys_is_not_fetched() {
    use sigward_testkit::keys::{Algorithm, KeyPair};
    let world = World::new();
    let rsa = KeyPair::shared(Algorithm::Rsa2048).unwrap();
    world.place().sign_legacy(&rsa, &Knobs::default()).unwrap();
    check(&world, &ordered(Stores::LegacyOnly), &["attached"]);
}

#[test]
fn the_newest_signature_is_examined_first() {
    let world = World::new();
    for _ in 0..20 {
        world.place().sign_bundle(&fresh(), &Knobs::default()).unwrap();
    }
    let newest = Knobs { created: "2030-01-01T00:00:00Z".into(), ..Knobs::default() };
    world.place().sign_bundle(&key(), &newest).unwrap();
    let (_, asked) = world.prove(&one(&by(&key())));
    // Which one a referrers list shows last is the registry's affair; the fallback index appends.
    assert!(asked.len() <= 1 + 2 * 21);
    let world = World::with(false);
    for _ in 0..20 {
        world.place().sign_bundle(&fresh(), &Knobs::default()).unwrap();
    }
    world.place().sign_bundle(&key(), &Knobs::default()).unwrap();
    check(&world, &by(&key()), &["referrers", "manifest", "manifest", "blob", "blob"]);
}

#[test]
fn all_signatures_of_a_store_are_shown_when_all_are_wanted() {
    let mut world = World::new();
    for n in 0..5 {
        let annotations = [("n".to_owned(), n.to_string())].into();
        let knobs = Knobs { annotations, ..Knobs::default() };
        world.place().sign_legacy(&key(), &knobs).unwrap();
    }
    world.place().sign_legacy(&fresh(), &Knobs::default()).unwrap();
    assert_eq!(world.verified(&by(&key())).signed().len(), 1);
    world.thoroughness = Thoroughness::All;
    let verified = world.verified(&by(&key()));
    let shown: Vec<_> = verified
        .signed()
        .iter()
        .map(|signed| match signed.claims()[0].1.view() {
            sigward_document::View::String(n) => n.to_owned(),
            other => panic!("a text: {other:?}"),
        })
        .collect();
    assert_eq!(shown, ["0", "1", "2", "3", "4"]);
}

#[test]
fn payloads_that_are_equal_are_fetched_once() {
    let mut world = World::new();
    world.thoroughness = Thoroughness::All;
    for _ in 0..3 {
        world.place().sign_legacy(&fresh(), &Knobs::default()).unwrap();
    }
    world.place().sign_legacy(&key(), &Knobs::default()).unwrap();
    check(&world, &ordered(Stores::LegacyOnly), &["attached", "blob"]);
}
