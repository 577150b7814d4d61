//! What a refusal prints, which scripts match on.
use crate::world::{World, by, fresh, key, stating};
use serde_json::json;
use sigward_sigstore::{requirement::Attestor, verified::Found};
use sigward_testkit::{
    keys::{Algorithm, KeyPair},
    signing::Knobs,
};

#[track_caller]
fn check(world: &World, attestor: &Attestor, expected: &str) {
    assert_eq!(world.refusal(attestor).to_string(), expected);
}

#[test]
fn a_refusal_prints_what_cosign_prints() {
    check(&World::new(), &by(&key()), "no signatures found");
    check(&World::new(), &stating(&key(), "urn:scan"), "no matching attestations: ");

    let world = World::new();
    world.place().sign_legacy(&key(), &Knobs::default()).unwrap();
    let wrong = "invalid signature when validating ASN.1 encoded signature";
    check(&world, &by(&fresh()), &format!("no matching signatures: {wrong}"));
    let annotations = vec![("a".into(), "b".into())];
    check(
        &world,
        &Attestor { annotations: annotations.clone(), ..by(&key()) },
        "no matching signatures: missing or incorrect annotation",
    );
    world.place().sign_legacy(&key(), &Knobs::default()).unwrap();
    check(&world, &by(&fresh()), &format!("no matching signatures: {wrong}\n {wrong}"));
    let rsa = KeyPair::shared(Algorithm::Rsa2048).unwrap();
    check(
        &world,
        &by(&rsa),
        "no matching signatures: crypto/rsa: verification error\n crypto/rsa: verification error",
    );

    let world = World::new();
    let other = format!("sha256:{}", "0".repeat(64));
    let knobs = Knobs { digest: Some(other.clone()), ..Knobs::default() };
    world.place().sign_legacy(&key(), &knobs).unwrap();
    check(
        &world,
        &by(&key()),
        &format!("no matching signatures: invalid or missing digest in claim: {other}"),
    );

    let world = World::new();
    world.place().sign_bundle(&key(), &Knobs::default()).unwrap();
    check(
        &world,
        &by(&fresh()),
        "no matching attestations: failed to verify signature: could not verify envelope: \
         accepted signatures do not match threshold, Found: 0, Expected 1",
    );
    check(
        &world,
        &Attestor { annotations, ..by(&key()) },
        "no matching attestations: missing or incorrect annotation",
    );

    let world = World::new();
    for kind in ["urn:a", "urn:b"] {
        world.place().attest_bundle(&key(), kind, &json!({}), &Knobs::default()).unwrap();
    }
    let refusal = world.refusal(&stating(&key(), "urn:scan")).to_string();
    assert!(
        refusal.starts_with(
            "none of the attestations matched the predicate type: urn:scan, found: urn:"
        ),
        "{refusal}"
    );
    assert!(refusal.contains("urn:a") && refusal.contains("urn:b"), "{refusal}");
}

#[test]
fn a_proof_says_what_was_looked_at() {
    let world = World::new();
    world.place().sign_legacy(&key(), &Knobs::default()).unwrap();
    let (proof, _) = world.prove_one(&by(&fresh()));
    let found: Vec<_> = proof.looked.iter().map(|looked| &looked.found).collect();
    assert_eq!(found, [&Found::Absent, &Found::Candidates(1)]);
    let texts: Vec<_> = proof.looked.iter().map(ToString::to_string).collect();
    let tag = world.digest.replacen(':', "-", 1);
    assert_eq!(
        texts,
        [
            format!("referrers of team/app@{}: absent", world.digest),
            format!("team/app:{tag}.sig: 1 candidate"),
        ]
    );
}
