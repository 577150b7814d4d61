//! Proofs: driven, joined, remembered, and never remembered when they failed.
use super::*;
use proptest::prelude::*;
use sigward_remote::Caps;
use sigward_sigstore::{
    outcome::{CauseKind, Outcome},
    requirement::{Attestor, PublicKey, Requirement, Shows, Timestamp},
};
use sigward_testkit::{
    keys::{Algorithm, KeyPair},
    registry::{Effect, Fault},
    signing::{Knobs, Place},
};
use std::{num::NonZeroU16, time::Instant};

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
        let patience = if effect == Effect::Hang { impatient() } else { hasty() };
        let bench = Bench::with(KitOptions::default(), patience);
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
    assert!(started.elapsed() < Duration::from_secs(2));
    for _ in 0..100 {
        if bench.client.peek_proof(&image, &requirement, &access, NOW).is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bench.kit.reset_log();
    let found = bench.client.peek_proof(&image, &requirement, &access, NOW);
    assert!(found.is_some());
    assert_eq!(bench.kit.request_count(), 0);
}

#[tokio::test]
async fn a_proof_that_is_overdue_tells_what_it_waits_for_and_what_went_wrong() {
    let options = hasty();
    let times = Times { backoff: Duration::from_secs(2), ..options.times };
    let bench = Bench::with(KitOptions::default(), Options { times, ..options });
    let status = Effect::Status { code: 503, retry_after: None };
    bench.kit.fault(Fault::new(status).class(Class::Referrers));
    let hurried = bench.client.until(Instant::now() + Duration::from_millis(800));
    let proof = hurried.prove(&bench.image(), &signed_by(&key()), &anonymous(), NOW).await;
    let Outcome::Undetermined(cause) = &proof.outcome else { panic!("{proof:?}") };
    assert_eq!(cause.kind, CauseKind::Deadline);
    assert!(cause.place.contains("/v2/app/referrers/sha256:"), "{cause}");
    assert!(cause.said.as_ref().unwrap().contains("answered 503"), "{cause}");
}

/// Requirements over three keys, by number.
#[derive(Clone, Debug)]
enum Tree {
    Key(usize),
    AtLeast(u16, Vec<Self>),
}

impl Tree {
    fn any() -> impl Strategy<Value = Self> {
        (0..3_usize).prop_map(Self::Key).prop_recursive(2, 8, 3, |inner| {
            (1..4_u16, proptest::collection::vec(inner, 1..4))
                .prop_map(|(count, of)| Self::AtLeast(count, of))
        })
    }

    fn requirement(&self, keys: &[KeyPair]) -> Requirement {
        match self {
            Self::Key(number) => (*signed_by(&keys[*number])).clone(),
            Self::AtLeast(count, of) => Requirement::AtLeast {
                count: NonZeroU16::new(*count).unwrap(),
                of: of.iter().map(|tree| tree.requirement(keys)).collect(),
            },
        }
    }

    /// What the outcome is, without any cache or client.
    fn holds(&self, signers: usize) -> bool {
        match self {
            Self::Key(number) => signers & (1 << number) != 0,
            Self::AtLeast(count, of) => {
                of.iter().filter(|tree| tree.holds(signers)).count() >= usize::from(*count)
            }
        }
    }
}

#[test]
fn a_hit_and_a_miss_give_the_same_verdict() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = Bench::new();
    let keys: Vec<_> = (0..3).map(|_| KeyPair::generate(Algorithm::EcdsaP256).unwrap()).collect();
    // Image number n is signed by the keys whose bits are set in n.
    let images: Vec<_> = (0..8_usize)
        .map(|signers| {
            let tag = format!("signed-{signers}");
            let digest = image::build(100 + signers as u64).push(&bench.kit, "app", &tag);
            for (number, key) in keys.iter().enumerate() {
                if signers & (1 << number) != 0 {
                    let place = Place::of(&bench.kit, "app", &tag).unwrap();
                    place.sign_bundle(key, &Knobs::default()).unwrap();
                }
            }
            bench.reference(&digest)
        })
        .collect();
    let strategy = (0..8_usize, proptest::collection::vec(Tree::any(), 0..3), Tree::any());
    proptest!(ProptestConfig::with_cases(48), |((signers, before, asked) in strategy)| {
        let access = anonymous();
        let asking = Arc::new(asked.requirement(&keys));
        let (warm, peeked, cold) = runtime.block_on(async {
            let client = client(hasty());
            for tree in &before {
                let requirement = Arc::new(tree.requirement(&keys));
                client.prove(&images[signers], &requirement, &access, NOW).await;
            }
            let peeked = client.peek_proof(&images[signers], &asking, &access, NOW);
            let warm = client.prove(&images[signers], &asking, &access, NOW).await;
            let fresh = self::client(hasty());
            let cold = fresh.prove(&images[signers], &asking, &access, NOW).await;
            (warm, peeked, cold)
        });
        prop_assert_eq!(is_verified(&warm.outcome), asked.holds(signers));
        prop_assert_eq!(is_verified(&cold.outcome), asked.holds(signers));
        if let Some(peeked) = peeked {
            prop_assert!(is_verified(&peeked.outcome) && asked.holds(signers));
        }
    });
}

#[tokio::test]
async fn an_attestation_above_the_cap_is_undetermined_and_the_cap_can_be_raised() {
    for (attachment, verified) in [(1 << 20, false), (8 << 20, true)] {
        let caps = Caps { attachment, ..Caps::default() };
        let bench = Bench::with(KitOptions::default(), Options { caps, ..hasty() });
        let kind = "https://example.test/large";
        let predicate = serde_json::json!({ "filler": "x".repeat(2 << 20) });
        place(&bench).attest_bundle(&key(), kind, &predicate, &Knobs::default()).unwrap();
        let key = PublicKey::parse_der(key().spki_der()).unwrap();
        let requirement = Arc::new(Requirement::One(Box::new(Attestor {
            shows: Shows::Statements { predicate_type: kind.into() },
            ..Attestor::insecure_ignoring_log(key)
        })));
        let proof = bench.client.prove(&bench.image(), &requirement, &anonymous(), NOW).await;
        assert_eq!(is_verified(&proof.outcome), verified, "{attachment}");
        if !verified {
            let Outcome::Undetermined(cause) = &proof.outcome else { panic!("{proof:?}") };
            assert_eq!(cause.kind, CauseKind::TooLarge);
        }
    }
}
