//! Several attestors: how many are asked, and what they add up to.
use crate::world::{NOW, World, at_least, by, down, fresh, key, one};
use sigward_sigstore::{
    outcome::{Outcome, Verdict},
    prover::{ProofStep, Prover},
    requirement::{Attestor, Requirement, Timestamp},
};
use sigward_testkit::{keys::KeyPair, signing::Knobs};
use std::sync::Arc;

fn signed_by(pairs: &[&KeyPair]) -> World {
    let world = World::new();
    for pair in pairs {
        world.place().sign_legacy(pair, &Knobs::default()).unwrap();
    }
    world
}

/// The verdict, and the paths of the leaves that were asked.
fn check(world: &World, requirement: &Requirement) -> (Verdict, Vec<Vec<u16>>) {
    let (proof, _) = world.prove(requirement);
    (proof.outcome.verdict(), proof.leaves.into_iter().map(|(path, _)| path).collect())
}

#[test]
fn two_keys_refuse_until_both_have_signed() {
    let (a, b) = (fresh(), fresh());
    let both = at_least(2, vec![one(&by(&a)), one(&by(&b))]);
    assert_eq!(check(&signed_by(&[]), &both).0, Verdict::Refuted);
    assert_eq!(check(&signed_by(&[&a]), &both).0, Verdict::Refuted);
    assert_eq!(check(&signed_by(&[&b]), &both).0, Verdict::Refuted);
    let (verdict, leaves) = check(&signed_by(&[&a, &b]), &both);
    assert_eq!((verdict, leaves), (Verdict::Verified, vec![vec![0], vec![1]]));
}

#[test]
fn no_more_entries_are_asked_than_are_missing() {
    let (a, b, c) = (fresh(), fresh(), fresh());
    let any = at_least(1, vec![one(&by(&a)), one(&by(&b)), one(&by(&c))]);
    let (verdict, leaves) = check(&signed_by(&[&a, &b, &c]), &any);
    assert_eq!((verdict, leaves), (Verdict::Verified, vec![vec![0]]));
    let (verdict, leaves) = check(&signed_by(&[&c]), &any);
    assert_eq!((verdict, leaves), (Verdict::Verified, vec![vec![0], vec![1], vec![2]]));
}

#[test]
fn one_key_named_twice_is_searched_once_and_counts_twice() {
    let world = signed_by(&[&key()]);
    let twice = at_least(2, vec![one(&by(&key())), one(&by(&key()))]);
    let (proof, asked) = world.prove(&twice);
    assert_eq!(proof.outcome.verdict(), Verdict::Verified);
    assert_eq!(asked.len(), 3);
}

#[test]
fn nested_counts_have_nested_paths() {
    let (a, b, c) = (fresh(), fresh(), fresh());
    let tree = at_least(2, vec![one(&by(&a)), at_least(1, vec![one(&by(&b)), one(&by(&c))])]);
    let (verdict, leaves) = check(&signed_by(&[&a, &c]), &tree);
    assert_eq!(verdict, Verdict::Verified);
    assert_eq!(leaves, [vec![0], vec![1, 0], vec![1, 1]]);
    assert_eq!(check(&signed_by(&[&b, &c]), &tree).0, Verdict::Refuted);
}

#[test]
fn nobody_is_never_enough() {
    let world = signed_by(&[&key()]);
    assert_eq!(check(&world, &at_least(1, vec![])).0, Verdict::Refuted);
    assert_eq!(check(&world, &at_least(2, vec![one(&by(&key()))])).0, Verdict::Refuted);
}

#[test]
fn what_could_not_be_told_counts_neither_way() {
    let (a, b) = (fresh(), fresh());
    let elsewhere = Attestor { store: Some("sigs/away".into()), ..by(&b) };
    let mut world = signed_by(&[&a]);
    for ask in [
        sigward_sigstore::prover::Ask::Attached {
            repository: "sigs/away".into(),
            tag: match world.attached("sig") {
                sigward_sigstore::prover::Ask::Attached { tag, .. } => tag,
                other => panic!("a tag: {other:?}"),
            },
        },
        sigward_sigstore::prover::Ask::Referrers {
            repository: "sigs/away".into(),
            of: world.subject().digest,
        },
    ] {
        world.overrides.insert(ask, down());
    }
    let both = at_least(2, vec![one(&by(&a)), one(&elsewhere)]);
    assert_eq!(check(&world, &both).0, Verdict::Undetermined);
    let any = at_least(1, vec![one(&elsewhere), one(&by(&a))]);
    assert_eq!(check(&world, &any).0, Verdict::Verified);
    // Even if it had signed, the other has not.
    let hopeless = at_least(2, vec![one(&elsewhere), one(&by(&fresh()))]);
    assert_eq!(check(&world, &hopeless).0, Verdict::Refuted);
}

#[test]
fn a_store_that_is_away_does_not_hide_a_signature_in_the_other() {
    let mut world = signed_by(&[&key()]);
    world.overrides.insert(world.referrers_ask(), down());
    assert_eq!(check(&world, &one(&by(&key()))).0, Verdict::Verified);
    // But without one it is not "unsigned".
    assert_eq!(check(&world, &one(&by(&fresh()))).0, Verdict::Undetermined);
}

#[test]
fn a_proof_that_is_recalled_asks_nothing_and_must_be_of_this_image() {
    let world = signed_by(&[&key()]);
    let attestor = by(&key());
    let proof = world.verified(&attestor);
    let recall = |subject, now| {
        let mut prover = Prover::new(subject, Arc::new(one(&attestor)), now);
        prover.recall(attestor.clone(), Arc::clone(&proof));
        prover.step(Vec::new())
    };
    match recall(world.subject(), NOW) {
        ProofStep::Done(proof) => assert!(matches!(proof.outcome, Outcome::Verified(_))),
        ProofStep::Need(asks) => panic!("asks {asks:?}"),
    }
    let mut other = world.subject();
    other.digest = sigward_oci::Digest::sha256(&[0; 32]);
    assert!(matches!(recall(other, NOW), ProofStep::Need(_)));
    // Proved in the future: the clock went back.
    assert!(matches!(recall(world.subject(), Timestamp(NOW.0 - 1)), ProofStep::Need(_)));
}

#[test]
fn the_proved_attestors_are_given_to_the_cache() {
    let (a, b) = (fresh(), fresh());
    let world = signed_by(&[&a]);
    let both = at_least(2, vec![one(&by(&a)), one(&by(&b))]);
    let mut prover = Prover::new(world.subject(), Arc::new(both), NOW);
    let mut answers = Vec::new();
    while let ProofStep::Need(asks) = prover.step(std::mem::take(&mut answers)) {
        answers = asks
            .into_iter()
            .map(|ask| {
                let e = world.answer(&ask);
                (ask, e)
            })
            .collect();
    }
    let proved: Vec<_> = prover.proved().map(|(attestor, _)| attestor.clone()).collect();
    assert_eq!(proved, [by(&a)]);
}
