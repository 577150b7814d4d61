//! Signatures with short-lived certificates, logs and timestamps of a private Sigstore, stored in each way;
//! one thing at a time is wrong with it.
use crate::world::{NOW, World};
use serde_json::{Value, json};
use sigward_sigstore::{
    Check,
    certificate::Identity as Wanted,
    keys::PublicKey,
    outcome::{CauseKind, Outcome, Verdict},
    prover::Ask,
    requirement::{Attestor, Keyless as Who, LogRule, SctRule, Shows, Stores, TimeRule, TrustId},
    requirement::{Timestamp, Who as Signer},
    tlog::LogEntry,
    trust::TrustedRoot,
    verified::RefusedBecause,
};
use sigward_testkit::{
    keys::{Algorithm, KeyPair},
    sigstore::{
        Authorities, Checkpoint, Clock, Identity, Instance, Keyless, Knobs, Logged, Options,
        Promise, Proof, Purpose, Sct, Stamp,
    },
};
use std::sync::Arc;

const SUBJECT: &str = "dev@example.com";
const ISSUER: &str = "https://issuer.example.com";
const SCAN: &str = "urn:scan";
/// When everything is signed: long before the present of the world.
const THEN: i64 = 1_690_000_000;

fn instance() -> Instance {
    instance_with(Options::default())
}

fn instance_with(options: Options) -> Instance {
    Instance::new(Options { clock: Clock::at(THEN), ..options }).unwrap()
}

fn root(instance: &Instance) -> Arc<TrustedRoot> {
    Arc::new(TrustedRoot::parse(instance.trusted_root().to_string().as_bytes()).unwrap())
}

fn signer(instance: &Instance) -> Keyless<'_> {
    Keyless::new(instance, Identity::email(SUBJECT, ISSUER))
}

fn world(instance: &Instance) -> World {
    let mut world = World::new();
    world.trust.insert(root(instance));
    world
}

/// The holder of a certificate with this name, with everything that is usually demanded.
fn wanted(trust: TrustId) -> Attestor {
    let who = Signer::Keyless(Who {
        trust,
        identities: vec![Wanted::exact(ISSUER, SUBJECT)],
        sct: SctRule::Demanded,
    });
    Attestor {
        time: TimeRule::Observed { timestamps: Some(trust) },
        ..Attestor::new(who, LogRule::EntryDemanded { trust, online: None })
    }
}

/// Signs in a bundle and judges it.
fn in_bundle(knobs: Knobs, sign: impl FnOnce(&mut Keyless<'_>)) -> Result<(), RefusedBecause> {
    judged(&instance(), knobs, sign, false)
}

fn in_layer(knobs: Knobs, sign: impl FnOnce(&mut Keyless<'_>)) -> Result<(), RefusedBecause> {
    judged(&instance(), knobs, sign, true)
}

fn judged(
    instance: &Instance,
    knobs: Knobs,
    sign: impl FnOnce(&mut Keyless<'_>),
    legacy: bool,
) -> Result<(), RefusedBecause> {
    instance.set_knobs(knobs);
    let world = world(instance);
    let mut keyless = signer(instance);
    sign(&mut keyless);
    if legacy {
        keyless.sign_legacy(&world.place()).unwrap();
    } else {
        keyless.sign(&world.place()).unwrap();
    }
    let order = if legacy { Stores::LegacyOnly } else { Stores::BundleOnly };
    let attestor = Attestor { order, ..wanted(root(instance).id()) };
    match world.prove_one(&attestor).0.outcome {
        Outcome::Verified(_) => Ok(()),
        Outcome::Refuted(refusal) => Err(refusal.candidates[0].1.clone()),
        Outcome::Undetermined(cause) => panic!("{cause}"),
    }
}

#[track_caller]
fn refused(answer: Result<(), RefusedBecause>, check: Check) {
    let why = answer.unwrap_err();
    assert_eq!(why.check(), check, "{why}");
}

#[test]
fn every_way_of_storing_and_logging_verifies() {
    for (logged, stamped) in [
        (Logged::V1, false),
        (Logged::V1, true),
        (Logged::V2, true),
        (Logged::Both, false),
        (Logged::Both, true),
    ] {
        let sign = |keyless: &mut Keyless<'_>| {
            keyless.logged = logged;
            keyless.stamped = stamped;
        };
        in_bundle(Knobs::default(), sign).unwrap_or_else(|why| panic!("{logged:?}: {why}"));
        if logged != Logged::V2 {
            in_layer(Knobs::default(), sign).unwrap_or_else(|why| panic!("{logged:?}: {why}"));
        }
    }
    for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::Ed25519] {
        in_bundle(Knobs::default(), |keyless| keyless.algorithm = algorithm).unwrap();
    }
}

#[test]
fn what_was_proved_is_told() {
    let instance = instance();
    let world = world(&instance);
    let keyless = Keyless { stamped: true, logged: Logged::Both, ..signer(&instance) };
    keyless.sign(&world.place()).unwrap();
    let verified = world.verified(&wanted(root(&instance).id()));
    assert_eq!(verified.signer(), SUBJECT);
    assert!(verified.log_checked());
    assert!(
        verified.holds_at(Timestamp(NOW.0 + 1_000_000_000)),
        "it does not depend on the present"
    );
    let proved = verified.signed()[0].proved();
    assert_eq!(proved.certificate().unwrap().subject_names()[0].as_str(), SUBJECT);
    let times: Vec<_> = proved.log_entries().iter().map(LogEntry::time).collect();
    assert_eq!(times, [Some(Timestamp(THEN)), None]);
    assert_eq!(proved.timestamps()[0].time, Timestamp(THEN));
}

#[test]
fn attestations_of_both_forms_verify() {
    for legacy in [true, false] {
        let instance = instance();
        let world = world(&instance);
        let keyless = Keyless { stamped: true, ..signer(&instance) };
        if legacy {
            keyless.attest_legacy(&world.place(), SCAN, &json!({"a": 1})).unwrap();
        } else {
            keyless.attest(&world.place(), SCAN, &json!({"a": 1})).unwrap();
        }
        let shows = Shows::Statements { predicate_type: SCAN.into() };
        let attestor = Attestor { shows, ..wanted(root(&instance).id()) };
        let verified = world.verified(&attestor);
        assert_eq!(verified.predicates().len(), 1);
        let proved = verified.signed()[0].proved();
        assert_eq!((proved.log_entries().len(), proved.timestamps().len()), (1, 1));
    }
}

/// What is wrong with log entry, certificate or timestamp, and which check says so.
#[test]
fn each_fault_of_a_service_is_refused_in_its_own_words() {
    let v1 = |_: &mut Keyless<'_>| {};
    let v2 = |keyless: &mut Keyless<'_>| {
        keyless.logged = Logged::V2;
        keyless.stamped = true;
    };
    let sct = |sct| Knobs { sct, ..Knobs::default() };
    for bad in [
        Sct::Missing,
        Sct::WrongLogId,
        Sct::UnknownLog,
        Sct::BadSignature,
        Sct::OfAnotherCertificate,
    ] {
        refused(in_bundle(sct(bad), v1), Check::CertificateLog);
        refused(in_layer(sct(bad), v1), Check::CertificateLog);
    }
    for good in [Sct::Twice, Sct::UnknownThenGood, Sct::WithExtensions] {
        in_bundle(sct(good), v1).unwrap_or_else(|why| panic!("{good:?}: {why}"));
    }
    for promise in [Promise::BadSignature, Promise::OtherKey] {
        let knobs = Knobs { promise, ..Knobs::default() };
        refused(in_bundle(knobs.clone(), v1), Check::LogProof);
        refused(in_layer(knobs, v1), Check::LogProof);
    }
    // Nobody signed the time.
    let unsigned = Knobs { promise: Promise::Missing, ..Knobs::default() };
    refused(in_bundle(unsigned.clone(), v1), Check::ProvenTime);
    for proof in [Proof::BadHash, Proof::BadRoot, Proof::BadIndex] {
        let knobs = Knobs { proof, ..Knobs::default() };
        refused(in_bundle(knobs.clone(), v1), Check::LogProof);
        refused(in_bundle(knobs, v2), Check::LogProof);
    }
    for checkpoint in [
        Checkpoint::BadSignature,
        Checkpoint::Stale,
        Checkpoint::OtherOrigin,
        Checkpoint::OtherRoot,
        Checkpoint::BadHint,
    ] {
        let knobs = Knobs { checkpoint, ..Knobs::default() };
        refused(in_bundle(knobs.clone(), v2), Check::LogProof);
        if checkpoint != Checkpoint::OtherOrigin {
            refused(in_bundle(knobs, v1), Check::LogProof);
        }
    }
    for checkpoint in [Checkpoint::Crowded, Checkpoint::Witnessed] {
        let knobs = Knobs { checkpoint, ..Knobs::default() };
        in_bundle(knobs, v2).unwrap_or_else(|why| panic!("{checkpoint:?}: {why}"));
    }
    for (proof, checkpoint) in
        [(Proof::Missing, Checkpoint::Good), (Proof::Good, Checkpoint::Missing)]
    {
        let knobs = Knobs { proof, checkpoint, ..Knobs::default() };
        refused(in_bundle(knobs, v1), Check::Shape);
    }
    for stamp in [Stamp::BadSignature, Stamp::OtherImprint, Stamp::OtherKey, Stamp::Garbage] {
        refused(in_bundle(Knobs { stamp, ..Knobs::default() }, v2), Check::TimestampProof);
    }
    // A nonce is for the client that asked; a certificate that is configured need not be embedded.
    for stamp in [Stamp::OtherNonce, Stamp::NoNonce, Stamp::NoCertificate] {
        let answer = in_bundle(Knobs { stamp, ..Knobs::default() }, v2);
        answer.unwrap_or_else(|why| panic!("{stamp:?}: {why}"));
    }
    let stamp_time = Some(THEN + 3600);
    refused(in_bundle(Knobs { stamp_time, ..Knobs::default() }, v2), Check::CertificatePath);
    for integrated_time in [THEN + 3600, THEN - 3600] {
        let knobs = Knobs { integrated_time: Some(integrated_time), ..Knobs::default() };
        refused(in_bundle(knobs.clone(), v1), Check::LogProof);
        refused(in_layer(knobs, v1), Check::LogProof);
    }
    for purpose in [Purpose::Server, Purpose::Unsaid] {
        refused(in_bundle(Knobs { purpose, ..Knobs::default() }, v1), Check::CertificatePath);
    }
    let unknown = Knobs { unknown_critical: true, ..Knobs::default() };
    refused(in_bundle(unknown, v1), Check::CertificatePath);
    let forged = Knobs { other_issuer_key: true, ..Knobs::default() };
    refused(in_bundle(forged, v1), Check::CertificatePath);
    let nobody = Knobs { no_name: true, ..Knobs::default() };
    refused(in_bundle(nobody, v1), Check::Identity);
    for knobs in [
        Knobs { no_old_issuer: true, ..Knobs::default() },
        Knobs { no_new_issuer: true, ..Knobs::default() },
        Knobs { second_name: Some("other@example.com".to_owned()), ..Knobs::default() },
    ] {
        in_layer(knobs.clone(), v1).unwrap();
        in_bundle(knobs, v1).unwrap();
    }
}

/// CVE-2022-23649: an entry about something else is no entry; CVE-2022-36056 and CVE-2026-22703: on no path.
#[test]
fn cve_2022_23649_and_2026_22703_an_entry_of_another_signature_is_no_entry() {
    let instance = instance();
    let (one, other) = (world(&instance), world(&instance));
    signer(&instance).sign_legacy(&one.place()).unwrap();
    signer(&instance).sign_legacy(&other.place()).unwrap();
    let take = |world: &World| -> Value {
        let bytes = world.answer(&world.attached("sig")).unwrap().unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let (mut mine, theirs) = (take(&one), take(&other));
    let bundle = "dev.sigstore.cosign/bundle";
    mine["layers"][0]["annotations"][bundle] = theirs["layers"][0]["annotations"][bundle].clone();
    let mut world = one;
    world.overrides.insert(world.attached("sig"), Ok(Some(mine.to_string().into_bytes())));
    let attestor = Attestor { order: Stores::LegacyOnly, ..wanted(root(&instance).id()) };
    let why = world.reason(&attestor);
    assert_eq!(why.check(), Check::LogProof, "{why}");
    assert!(why.to_string().starts_with("log entry does not match"), "{why}");
}

/// CVE-2026-49834: one log, named twice, is one log; an entry that is there twice is refused.
#[test]
fn cve_2026_49834_one_log_does_not_count_twice() {
    let twice = in_bundle(Knobs::default(), |keyless| keyless.logged = Logged::TwiceV1);
    refused(twice, Check::LogProof);
}

/// CVE-2026-54787: a log's key proves nothing outside of its own time.
#[test]
fn cve_2026_54787_the_validity_of_a_logs_key_counts() {
    for (logged, check) in [(Logged::V1, Check::LogProof), (Logged::V2, Check::LogProof)] {
        let instance = instance();
        let mut json = instance.trusted_root();
        for log in json["tlogs"].as_array_mut().unwrap() {
            log["publicKey"]["validFor"]["end"] = "2020-01-01T00:00:00Z".into();
        }
        let root = Arc::new(TrustedRoot::parse(json.to_string().as_bytes()).unwrap());
        let mut world = World::new();
        world.trust.insert(Arc::clone(&root));
        let keyless = Keyless { logged, stamped: true, ..signer(&instance) };
        keyless.sign(&world.place()).unwrap();
        assert_eq!(world.reason(&wanted(root.id())).check(), check);
    }
}

/// CVE-2026-39984: a timestamp authority is judged like any other.
#[test]
fn cve_2026_39984_a_timestamp_authority_must_be_one_at_that_time() {
    let v2 = |keyless: &mut Keyless<'_>| {
        keyless.logged = Logged::V2;
        keyless.stamped = true;
    };
    for timestamp_purpose in [Purpose::Server, Purpose::Unsaid] {
        let instance = instance_with(Options { timestamp_purpose, ..Options::default() });
        refused(judged(&instance, Knobs::default(), v2, false), Check::TimestampProof);
    }
    let expired = Authorities {
        not_before: THEN - 1000,
        root_not_after: THEN + 1000,
        intermediate_not_after: THEN - 10,
    };
    let instance = instance_with(Options { timestamps: Some(expired), ..Options::default() });
    refused(judged(&instance, Knobs::default(), v2, false), Check::TimestampProof);
}

/// CVE-2026-24122: an authority that had expired when it signed, though the root trusts it for ever.
#[test]
fn cve_2026_24122_an_expired_intermediate_issued_nothing() {
    for (root_end, intermediate_end) in [(THEN + 1000, THEN - 10), (THEN - 10, THEN + 1000)] {
        let fulcio = Authorities {
            not_before: THEN - 1000,
            root_not_after: root_end,
            intermediate_not_after: intermediate_end,
        };
        let instance = instance_with(Options { fulcio: Some(fulcio), ..Options::default() });
        let answer = judged(&instance, Knobs::default(), |_| {}, false);
        refused(answer, Check::CertificatePath);
    }
}

/// CVE-2022-35929: no statement of the wanted type is no success.
#[test]
fn cve_2022_35929_an_attestation_of_another_type_is_none() {
    let instance = instance();
    let world = world(&instance);
    signer(&instance).attest(&world.place(), SCAN, &json!({})).unwrap();
    let shows = Shows::Statements { predicate_type: "urn:other".into() };
    let attestor = Attestor { shows, ..wanted(root(&instance).id()) };
    let refusal = world.refusal(&attestor);
    assert!(refusal.only_other_types(), "{refusal}");
}

/// CVE-2023-47122: the log's key comes from the trusted root, never from the log or the signature.
#[test]
fn cve_2023_47122_another_logs_key_is_not_believed() {
    let (trusted, foreign) = (instance(), instance());
    let mut parts = root(&trusted).parts().clone();
    parts.certificate_authorities = root(&foreign).parts().certificate_authorities.clone();
    parts.ctlogs = root(&foreign).parts().ctlogs.clone();
    let mixed = Arc::new(TrustedRoot::new(parts).unwrap());
    let mut world = World::new();
    world.trust.insert(Arc::clone(&mixed));
    signer(&foreign).sign(&world.place()).unwrap();
    let why = world.reason(&wanted(mixed.id()));
    assert_eq!(why, RefusedBecause::LogEntry { why: sigward_sigstore::tlog::LogError::NoEntry });
}

#[test]
fn a_key_may_demand_an_entry_and_a_timestamp() {
    let instance = instance();
    let trust = root(&instance).id();
    let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let who = Signer::Key(PublicKey::parse_pem(&key.public_pem()).unwrap());
    let attestor = Attestor::new(who, LogRule::EntryDemanded { trust, online: None });
    let timed =
        Attestor { time: TimeRule::TimestampDemanded { timestamps: trust }, ..attestor.clone() };
    for logged in [Logged::V1, Logged::V2] {
        let world = world(&instance);
        let keyless =
            Keyless { own_key: Some(key.clone()), logged, stamped: true, ..signer(&instance) };
        keyless.sign(&world.place()).unwrap();
        world.verified(&attestor);
        world.verified(&timed);
    }
    let world = world(&instance);
    let bare = Keyless { own_key: Some(key.clone()), logged: Logged::Nowhere, ..signer(&instance) };
    bare.sign_legacy(&world.place()).unwrap();
    assert_eq!(world.reason(&attestor), RefusedBecause::LogEntryMissing);
    let unlogged = Attestor { log: LogRule::InsecureIgnored, ..timed };
    assert_eq!(world.reason(&unlogged), RefusedBecause::TimestampMissing);
}

#[test]
fn a_signature_that_brings_no_entry_is_searched_where_that_is_allowed() {
    let instance = instance();
    let trust = root(&instance).id();
    let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let who = Signer::Key(PublicKey::parse_pem(&key.public_pem()).unwrap());
    let online = Some("https://rekor.example.com".into());
    let attestor = Attestor {
        order: Stores::LegacyOnly,
        ..Attestor::new(who, LogRule::EntryDemanded { trust, online })
    };
    let mut world = world(&instance);
    let bare = Keyless { own_key: Some(key), logged: Logged::Nowhere, ..signer(&instance) };
    bare.sign_legacy(&world.place()).unwrap();
    // The question is what the log would be asked to take in.
    let ask = {
        let mut prover = sigward_sigstore::prover::Prover::new(
            world.subject(),
            Arc::new(crate::world::one(&attestor)),
            NOW,
        )
        .with_trust(Arc::new(world.trust.clone()));
        let mut answers = Vec::new();
        loop {
            match prover.step(answers) {
                sigward_sigstore::prover::ProofStep::Need(asks) => {
                    if let Some(ask) = asks.iter().find(|a| matches!(a, Ask::LogEntry { .. })) {
                        break ask.clone();
                    }
                    answers = asks.into_iter().map(|a| (a.clone(), world.answer(&a))).collect();
                }
                sigward_sigstore::prover::ProofStep::Done(proof) => panic!("{proof:?}"),
            }
        }
    };
    let Ask::LogEntry { key: question, .. } = &ask else { panic!("an entry") };
    let question: Value = serde_json::from_slice(question).unwrap();
    let found = instance.log(&question["entries"][0]).unwrap();
    world.overrides.insert(ask.clone(), Ok(Some(json!([found]).to_string().into_bytes())));
    let verified = world.verified(&attestor);
    assert_eq!(verified.signed()[0].proved().log_entries().len(), 1);
    for (answer, verdict) in [
        (Ok(Some(b"[]".to_vec())), Verdict::Refuted),
        (Ok(None), Verdict::Refuted),
        (Ok(Some(b"{}".to_vec())), Verdict::Undetermined),
        (crate::world::down(), Verdict::Undetermined),
    ] {
        world.overrides.insert(ask.clone(), answer);
        assert_eq!(world.prove_one(&attestor).0.outcome.verdict(), verdict);
    }
    // An entry about another signature.
    let other = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let stranger = Keyless { own_key: Some(other), logged: Logged::V1, ..signer(&instance) };
    let layer = stranger.legacy_layer(&world.place().reference(), &world.digest).unwrap();
    let foreign: Value =
        serde_json::from_str(&layer.annotations["dev.sigstore.cosign/bundle"]).unwrap();
    let foreign = json!([{"id": {
        "body": foreign["Payload"]["body"], "integratedTime": foreign["Payload"]["integratedTime"],
        "logID": foreign["Payload"]["logID"], "logIndex": foreign["Payload"]["logIndex"],
        "verification": {"signedEntryTimestamp": foreign["SignedEntryTimestamp"]},
    }}]);
    world.overrides.insert(ask, Ok(Some(foreign.to_string().into_bytes())));
    assert_eq!(world.reason(&attestor).check(), Check::LogProof);
}

#[test]
fn without_the_trust_material_nothing_is_refuted() {
    let instance = instance();
    let world = World::new();
    signer(&instance).sign(&world.place()).unwrap();
    let (proof, asked) = world.prove_one(&wanted(root(&instance).id()));
    let Outcome::Undetermined(cause) = proof.outcome else { panic!("undetermined") };
    assert_eq!(cause.kind, CauseKind::TrustUnavailable);
    assert!(asked.is_empty(), "nothing is asked that could not be judged");
}

#[test]
fn a_certificate_is_judged_now_only_where_that_is_said() {
    let instance = instance();
    let world = world(&instance);
    let bare = Keyless { logged: Logged::Nowhere, ..signer(&instance) };
    bare.sign(&world.place()).unwrap();
    let trust = root(&instance).id();
    let unlogged = Attestor { log: LogRule::InsecureIgnored, ..wanted(trust) };
    assert_eq!(world.reason(&unlogged), RefusedBecause::NoTime);
    let now = Attestor { time: TimeRule::InsecureNow { timestamps: Some(trust) }, ..unlogged };
    // It has expired long ago.
    assert_eq!(world.reason(&now).check(), Check::CertificatePath);
}
