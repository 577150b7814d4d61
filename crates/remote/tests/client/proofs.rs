//! Proofs: driven, joined, remembered, and never remembered when they failed.
use super::*;
use sigward_remote::Proxies;
use sigward_sigstore::{
    outcome::{CauseKind, Outcome},
    requirement::{Attestor, PublicKey, Requirement, Timestamp},
};
use sigward_testkit::{
    keys::{Algorithm, KeyPair},
    registry::{Effect, Fault},
    signing::{Knobs, Place},
};
use std::time::Instant;

const NOW: Timestamp = Timestamp(1_700_000_000);

fn key() -> KeyPair {
    KeyPair::shared(Algorithm::EcdsaP256).unwrap()
}

fn signed_by(key: &KeyPair) -> Arc<Requirement> {
    let key = PublicKey::parse_der(key.spki_der()).unwrap();
    Arc::new(Requirement::One(Box::new(Attestor::insecure_ignoring_log(key))))
}

fn place(bench: &Bench) -> Place<'_> {
    Place::of(&bench.kit, "app", "v1").unwrap()
}

fn is_verified<V, R>(outcome: &Outcome<V, R>) -> bool {
    matches!(outcome, Outcome::Verified(_))
}

#[tokio::test]
async fn a_signature_is_proved_in_both_stores_within_the_budget_of_requests() {
    for (referrers_api, bundle, most) in
        [(true, true, 3), (true, false, 3), (false, true, 4), (false, false, 4)]
    {
        let kit = KitOptions { referrers_api, ..KitOptions::default() };
        let bench = Bench::with(kit, hasty());
        if bundle {
            place(&bench).sign_bundle(&key(), &Knobs::default()).unwrap();
        } else {
            place(&bench).sign_legacy(&key(), &Knobs::default()).unwrap();
        }
        bench.kit.reset_log();
        let proof = bench.client.prove(&bench.image(), &signed_by(&key()), &anonymous(), NOW).await;
        assert!(is_verified(&proof.outcome), "{referrers_api} {bundle} {proof:?}");
        let asked = bench.kit.request_count();
        assert!(asked <= most, "{referrers_api} {bundle} {asked} {:?}", bench.kit.requests());
    }
}

#[tokio::test]
async fn a_thousand_simultaneous_proofs_cost_one() {
    let bench = Bench::new();
    place(&bench).sign_bundle(&key(), &Knobs::default()).unwrap();
    bench.kit.reset_log();
    bench.kit.fault(Fault::new(Effect::Latency(Duration::from_millis(50))));
    let (image, requirement, access) = (bench.image(), signed_by(&key()), anonymous());
    let proofs = (0..1000).map(|_| bench.client.prove(&image, &requirement, &access, NOW));
    for proof in futures_util::future::join_all(proofs).await {
        assert!(is_verified(&proof.outcome));
    }
    assert_eq!(bench.kit.request_count(), 3, "{:?}", bench.kit.requests());
}

#[tokio::test]
async fn a_proof_is_remembered_and_peeked_without_a_request() {
    let bench = Bench::new();
    place(&bench).sign_bundle(&key(), &Knobs::default()).unwrap();
    let (image, requirement, access) = (bench.image(), signed_by(&key()), anonymous());
    assert!(bench.client.peek_proof(&image, &requirement, &access, NOW).is_none());
    bench.client.prove(&image, &requirement, &access, NOW).await;
    bench.kit.reset_log();
    let peeked = bench.client.peek_proof(&image, &requirement, &access, NOW).unwrap();
    assert!(is_verified(&peeked.outcome));
    let again = bench.client.prove(&image, &requirement, &access, NOW).await;
    assert!(is_verified(&again.outcome));
    assert_eq!(bench.kit.request_count(), 0);
    // Another key is another requirement.
    let other = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    assert!(bench.client.peek_proof(&image, &signed_by(&other), &access, NOW).is_none());
    // And another repository may hold other signatures.
    let mut elsewhere = image.clone();
    elsewhere.repository = format!("{}/mirror", bench.kit.host()).into();
    assert!(bench.client.peek_proof(&elsewhere, &requirement, &access, NOW).is_none());
}

#[tokio::test]
async fn a_proof_is_forgotten_after_its_time() {
    for ttl in [Duration::ZERO, Duration::from_millis(50)] {
        let options = Options { proof_ttl: ttl, ..hasty() };
        let bench = Bench::with(KitOptions::default(), options);
        place(&bench).sign_bundle(&key(), &Knobs::default()).unwrap();
        let (image, requirement, access) = (bench.image(), signed_by(&key()), anonymous());
        bench.client.prove(&image, &requirement, &access, NOW).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(bench.client.peek_proof(&image, &requirement, &access, NOW).is_none(), "{ttl:?}");
    }
}

#[tokio::test]
async fn who_signs_after_a_refusal_succeeds_at_the_next_try() {
    for referrers_api in [true, false] {
        for bundle in [true, false] {
            let kit = KitOptions { referrers_api, ..KitOptions::default() };
            let bench = Bench::with(kit, hasty());
            let (image, requirement, access) = (bench.image(), signed_by(&key()), anonymous());
            let before = bench.client.prove(&image, &requirement, &access, NOW).await;
            assert!(matches!(before.outcome, Outcome::Refuted(_)), "{before:?}");
            if bundle {
                place(&bench).sign_bundle(&key(), &Knobs::default()).unwrap();
            } else {
                place(&bench).sign_legacy(&key(), &Knobs::default()).unwrap();
            }
            let after = bench.client.prove(&image, &requirement, &access, NOW).await;
            assert!(is_verified(&after.outcome), "{referrers_api} {bundle} {after:?}");
        }
    }
}

#[tokio::test]
async fn a_registry_that_cannot_tell_leaves_the_proof_undetermined_and_forgotten() {
    for (effect, kind) in [
        (Effect::Status { code: 403, retry_after: None }, CauseKind::Denied),
        (Effect::Status { code: 500, retry_after: None }, CauseKind::Unavailable),
        (Effect::Hang, CauseKind::TimedOut),
        (Effect::WrongBytes, CauseKind::Malformed),
        (Effect::Oversized { bytes: 30 << 20, declared: true }, CauseKind::TooLarge),
    ] {
        let bench = Bench::new();
        place(&bench).sign_bundle(&key(), &Knobs::default()).unwrap();
        bench.kit.fault(Fault::new(effect.clone()));
        let (image, requirement, access) = (bench.image(), signed_by(&key()), anonymous());
        let proof = bench.client.prove(&image, &requirement, &access, NOW).await;
        let Outcome::Undetermined(cause) = &proof.outcome else { panic!("{effect:?} {proof:?}") };
        assert_eq!(cause.kind, kind, "{effect:?}");
        assert!(cause.place.starts_with(&bench.kit.host()), "{cause:?}");
        bench.kit.clear_faults();
        let proof = bench.client.prove(&image, &requirement, &access, NOW).await;
        assert!(is_verified(&proof.outcome), "{effect:?} {proof:?}");
    }
}

#[tokio::test]
async fn a_deadline_is_kept_and_the_retry_is_a_hit() {
    let bench = Bench::new();
    place(&bench).sign_bundle(&key(), &Knobs::default()).unwrap();
    bench.kit.fault(Fault::new(Effect::Latency(Duration::from_millis(150))));
    let (image, requirement, access) = (bench.image(), signed_by(&key()), anonymous());
    let started = Instant::now();
    let hurried = bench.client.until(started + Duration::from_millis(100));
    let proof = hurried.prove(&image, &requirement, &access, NOW).await;
    let Outcome::Undetermined(cause) = &proof.outcome else { panic!("{proof:?}") };
    assert_eq!(cause.kind, CauseKind::Deadline);
    assert!(started.elapsed() < Duration::from_millis(400));
    tokio::time::sleep(Duration::from_millis(900)).await;
    bench.kit.reset_log();
    let found = bench.client.peek_proof(&image, &requirement, &access, NOW);
    assert!(found.is_some());
    assert_eq!(bench.kit.request_count(), 0);
}

#[tokio::test]
async fn a_hit_and_a_miss_give_the_same_verdict() {
    let bench = Bench::new();
    place(&bench).sign_bundle(&key(), &Knobs::default()).unwrap();
    let other = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let both = |count: u16| {
        let of = vec![(*signed_by(&key())).clone(), (*signed_by(&other)).clone()];
        let count = std::num::NonZeroU16::new(count).unwrap();
        Arc::new(Requirement::AtLeast { count, of })
    };
    let warm = client(hasty());
    let access = anonymous();
    warm.prove(&bench.image(), &signed_by(&key()), &access, NOW).await;
    for (requirement, verified) in [(both(1), true), (both(2), false)] {
        let cold = client(Options { proxies: Proxies::Direct, ..hasty() });
        for client in [&warm, &cold] {
            let proof = client.prove(&bench.image(), &requirement, &access, NOW).await;
            assert_eq!(is_verified(&proof.outcome), verified, "{proof:?}");
        }
    }
}
