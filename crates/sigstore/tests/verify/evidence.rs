//! Whatever a registry answers: no panic, no proof out of nothing, the same verdict in any order.
use crate::world::{NOW, World, at_least, by, down, fresh, key, one, stating};
use proptest::prelude::*;
use serde_json::json;
use sigward_sigstore::{
    outcome::{Outcome, Verdict},
    prover::{Ask, Evidence, ProofStep, Prover},
    requirement::Requirement,
};
use sigward_testkit::signing::Knobs;
use std::sync::Arc;

/// Brings answers one at a time, in the order that `choose` says.
fn drive(
    world: &World,
    requirement: &Requirement,
    mut choose: impl FnMut(usize) -> usize,
    mut answer: impl FnMut(&Ask) -> Evidence,
) -> Outcome<(), ()> {
    let mut prover = Prover::new(world.subject(), Arc::new(requirement.clone()), NOW);
    let mut answers = Vec::new();
    for _ in 0..500 {
        match prover.step(std::mem::take(&mut answers)) {
            ProofStep::Done(proof) => {
                return match proof.outcome {
                    Outcome::Verified(_) => Outcome::Verified(()),
                    Outcome::Refuted(_) => Outcome::Refuted(()),
                    Outcome::Undetermined(cause) => Outcome::Undetermined(cause),
                };
            }
            ProofStep::Need(asks) => {
                let ask = &asks[choose(asks.len()) % asks.len()];
                answers.push((ask.clone(), answer(ask)));
            }
        }
    }
    panic!("the prover does not come to an end");
}

/// Three signers in two stores, one of them twice, and attestations between.
fn busy() -> (World, Requirement) {
    let world = World::new();
    let (a, b, c) = (key(), fresh(), fresh());
    let place = world.place();
    place.sign_legacy(&a, &Knobs::default()).unwrap();
    place.sign_legacy(&fresh(), &Knobs::default()).unwrap();
    place.sign_bundle(&b, &Knobs::default()).unwrap();
    place.sign_bundle(&a, &Knobs::default()).unwrap();
    place.attest_bundle(&c, "urn:scan", &json!({}), &Knobs::default()).unwrap();
    place.attest_legacy(&c, "urn:scan", &json!({"n": 1}), &Knobs::default()).unwrap();
    let tree = at_least(
        2,
        vec![
            one(&by(&fresh())),
            at_least(2, vec![one(&by(&a)), one(&by(&b)), one(&by(&c))]),
            one(&stating(&c, "urn:scan")),
        ],
    );
    (world, tree)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_answers_does_not_matter(order: Vec<u8>) {
        let (world, tree) = busy();
        let mut order = order.into_iter().cycle();
        let verdict = drive(&world, &tree, |_| order.next().map_or(0, usize::from), |ask| world.answer(ask));
        prop_assert_eq!(verdict.verdict(), Verdict::Verified);
    }

    #[test]
    fn a_registry_that_fails_somewhere_never_makes_an_image_unsigned(failing: Vec<bool>) {
        let (world, tree) = busy();
        let mut failing = failing.into_iter();
        let verdict = drive(
            &world,
            &tree,
            |_| 0,
            |ask| if failing.next().unwrap_or(false) { down() } else { world.answer(ask) },
        );
        prop_assert_ne!(verdict.verdict(), Verdict::Refuted);
    }

    #[test]
    fn garbage_proves_nothing(garbage: Vec<Option<Vec<u8>>>, text in "[\\[\\]{}\":,a-zA-Z0-9]{0,60}") {
        let (world, tree) = busy();
        let mut garbage = garbage.into_iter();
        let verdict = drive(
            &world,
            &tree,
            |_| 0,
            |_| Ok(garbage.next().unwrap_or_else(|| Some(text.clone().into_bytes()))),
        );
        prop_assert_ne!(verdict.verdict(), Verdict::Verified);
    }

    #[test]
    fn an_answer_changed_anywhere_proves_nothing_new(at: usize, to: u8, which in 0_usize..12) {
        // Of a world where one signature is missing: no change makes up for it.
        let (world, _) = busy();
        let missing = one(&by(&fresh()));
        let mut count = 0;
        let verdict = drive(&world, &missing, |_| 0, |ask| {
            count += 1;
            let mut bytes = world.answer(ask)?;
            if let (true, Some(bytes)) = (count == which, &mut bytes) {
                let at = at % bytes.len();
                bytes[at] = to;
            }
            Ok(bytes)
        });
        prop_assert_ne!(verdict.verdict(), Verdict::Verified);
    }
}
