//! Keyless attestors, chains, logs and timestamps: what a policy says is what is demanded.
use crate::world::World;
use serde_json::{Value, json};
use sigward_sigstore::trust::TrustedRoot;
use sigward_testkit::{
    registry::Registry,
    signing::{self, Place},
    sigstore::{Clock, Identity, Instance, Keyless, Knobs, Logged, Options, Sct},
};
use std::sync::Arc;

const SUBJECT: &str = "https://github.com/o/r/.github/workflows/release.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";
/// Long before the present, so that every certificate has expired.
const THEN: i64 = 1_700_000_000;

fn instance() -> Instance {
    Instance::new(Options { clock: Clock::at(THEN), ..Options::default() }).unwrap()
}

fn identity() -> Identity {
    Identity {
        extensions: vec![(2, "push".to_owned()), (20, "push".to_owned())],
        ..Identity::uri(SUBJECT, ISSUER)
    }
}

/// A world that has this trust material, and one entry of `verifyImages`.
fn world(instance: Option<&Instance>, attestor: &Value) -> World {
    let mut world = World::new();
    world.settings.insecure_ignore_tlog_for_keys = false;
    world.settings.trust = instance.map(|instance| {
        let root = instance.trusted_root().to_string();
        Arc::new(TrustedRoot::parse(root.as_bytes()).unwrap())
    });
    world.policy(
        &json!([{"imageReferences": ["HOST/*"], "attestors": [{"entries": [attestor]}]}])
            .to_string(),
    );
    world
}

fn place<'r>(registry: &'r Registry, digest: &str) -> Place<'r> {
    Place::of(registry, "app", digest).unwrap()
}

/// Pushes an image, has it signed, and says what the policy makes of it: nothing, or why not.
fn verdict(world: &World, sign: impl FnOnce(&Place<'_>)) -> Option<String> {
    let digest = world.push("app", "v1", 1);
    sign(&place(&world.registry, &digest));
    let decision = world.create(&[&world.image("app:v1")]);
    (!decision.allowed).then(|| decision.message.unwrap_or_default())
}

#[track_caller]
fn admitted(world: &World, sign: impl FnOnce(&Place<'_>)) {
    assert_eq!(verdict(world, sign), None);
}

#[track_caller]
fn refused(world: &World, sign: impl FnOnce(&Place<'_>), said: &str) {
    let message = verdict(world, sign).expect("refused");
    assert!(message.contains(said), "{message}");
}

fn legacy(keyless: &Keyless<'_>) -> impl FnOnce(&Place<'_>) {
    |place: &Place<'_>| {
        keyless.sign_legacy(place).unwrap();
    }
}

fn keyless(more: &Value) -> Value {
    let mut wire = json!({"rekor": {"url": "https://rekor.example.com"}});
    wire.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"keyless": wire})
}

#[test]
fn another_identity_is_refused_in_kyvernos_words() {
    let instance = instance();
    let signer = Keyless::new(&instance, identity());
    let wanted = keyless(&json!({"issuer": ISSUER, "subject": "me@example.com"}));
    let said = format!(".keyless: subject mismatch: expected me@example.com, received {SUBJECT}");
    refused(&world(Some(&instance), &wanted), legacy(&signer), &said);
}

#[test]
fn every_part_of_a_keyless_attestor_counts() {
    let instance = instance();
    let signer = Keyless::new(&instance, identity());
    for (attestor, expected) in [
        (json!({"issuer": ISSUER, "subject": SUBJECT}), ""),
        (json!({"issuer": "https://token.*", "subject": "https://github.com/o/*"}), ""),
        (
            json!({"issuer": "https://other", "subject": SUBJECT}),
            "issuer mismatch: expected https://other, received https://token",
        ),
        (
            json!({"issuer": ISSUER, "subject": "https://github.com/other/*"}),
            "subject mismatch: expected https://github.com/other/*, received https://github.com/o/r/",
        ),
        (json!({"issuer": ISSUER}), ""),
        (
            json!({"subject": "https://github.com/other/*"}),
            "subject mismatch: expected https://github.com/other/*, received https://github.com/o/r/",
        ),
        // CVE-2025-29778: the expressions were read and not used.
        (json!({"issuerRegExp": "^https://token\\.", "subjectRegExp": "release\\.yml@"}), ""),
        (json!({"issuerRegExp": "^https://other", "subject": SUBJECT}), "mismatch: expected"),
        (json!({"issuer": ISSUER, "subjectRegExp": "^https://gitlab"}), "mismatch: expected"),
        // Both expressions for the issuer, either of those for the subject.
        (json!({"issuer": "x", "issuerRegExp": "token", "subject": SUBJECT}), "mismatch: expected"),
        (json!({"issuer": ISSUER, "subject": "x", "subjectRegExp": "release"}), ""),
        (
            json!({"issuer": ISSUER, "subject": SUBJECT, "additionalExtensions": {"githubWorkflowTrigger": "pu*"}}),
            "",
        ),
        (
            json!({"issuer": ISSUER, "subject": SUBJECT, "additionalExtensions": {"githubWorkflowTrigger": "pull"}}),
            "extension mismatch: expected pull for key GitHub Workflow Trigger, received push",
        ),
        (
            json!({"issuer": ISSUER, "subject": SUBJECT, "additionalExtensions": {"1.3.6.1.4.1.57264.1.20": "pull"}}),
            "extension mismatch: expected pull for key Build Trigger, received push",
        ),
        (json!({}), ""),
    ] {
        let world = world(Some(&instance), &keyless(&attestor));
        match expected {
            "" => admitted(&world, legacy(&signer)),
            said => refused(&world, legacy(&signer), said),
        }
    }
}

#[test]
fn a_wildcard_is_a_wildcard_only_in_the_older_form() {
    let instance = instance();
    let signer = Keyless::new(&instance, identity());
    let mut world = world(Some(&instance), &keyless(&json!({"subject": "https://github.com/o/*"})));
    world.policies[0] = world.policies[0]
        .replace(r#""imageReferences""#, r#""type":"SigstoreBundle","imageReferences""#);
    refused(
        &world,
        |place| {
            signer.sign(place).unwrap();
        },
        "subject mismatch: expected https://github.com/o/*",
    );
    let exact = keyless(&json!({"subject": SUBJECT}));
    world.policies.clear();
    world.policy(
        &json!([{"imageReferences": ["HOST/*"], "type": "SigstoreBundle",
                 "attestors": [{"entries": [exact]}]}])
        .to_string(),
    );
    admitted(&world, |place| {
        signer.sign(place).unwrap();
    });
}

#[test]
fn logs_and_certificate_logs_are_demanded_unless_the_policy_says_otherwise() {
    let instance = instance();
    let signer = Keyless::new(&instance, identity());
    let unlogged = Keyless { logged: Logged::Nowhere, ..signer.clone() };
    let who = |more: Value| {
        let mut wire = keyless(&json!({"issuer": ISSUER, "subject": SUBJECT}));
        wire["keyless"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        wire
    };
    let demanded = world(
        Some(&instance),
        &who(json!({"rekor": {"pubkey": instance.rekor_key().public_pem()}})),
    );
    refused(&demanded, legacy(&unlogged), "not enough verified log entries");
    admitted(&demanded, legacy(&signer));
    // Without a log nothing proves a time, and by now the certificate has expired.
    let ignoring = world(Some(&instance), &who(json!({"rekor": {"ignoreTlog": true}})));
    refused(&ignoring, legacy(&unlogged), "certificate was not valid at that time");
    let stamped = Keyless { stamped: true, ..unlogged };
    admitted(&ignoring, legacy(&stamped));
    instance.set_knobs(Knobs { sct: Sct::Missing, ..Knobs::default() });
    let strict = world(Some(&instance), &who(json!({})));
    refused(&strict, legacy(&signer), "required embedded SCT");
    let lax = world(Some(&instance), &who(json!({"ctlog": {"ignoreSCT": true}})));
    admitted(&lax, legacy(&signer));
    instance.set_knobs(Knobs::default());
}

#[test]
fn what_the_policy_brings_replaces_what_the_process_has() {
    let (ours, theirs) = (instance(), instance());
    let signer = Keyless { stamped: true, ..Keyless::new(&theirs, identity()) };
    let pem = |ders: &[Vec<u8>]| ders.iter().map(|der| pem(der)).collect::<String>();
    let roots = pem(&[theirs.fulcio_intermediate(), theirs.fulcio_root()]);
    let (rekor, ct) = (theirs.rekor_key().public_pem(), theirs.ct_log_key().public_pem());
    let all = json!({
        "issuer": ISSUER, "subject": SUBJECT, "roots": roots,
        "rekor": {"pubkey": rekor}, "ctlog": {"pubkey": ct},
    });
    // With all of them in the policy the process needs no trust material at all.
    admitted(&world(None, &json!({"keyless": all})), legacy(&signer));
    admitted(&world(Some(&ours), &json!({"keyless": all})), legacy(&signer));
    for (without, said) in [
        ("roots", "no path to a trusted root"),
        ("rekor", "not enough verified log entries"),
        ("ctlog", "only able to verify 0 SCT entries"),
    ] {
        let mut some = all.clone();
        some.as_object_mut().unwrap().remove(without);
        if without == "roots" {
            some["rekor"]["url"] = "https://rekor.example.com".into();
        }
        refused(&world(Some(&ours), &json!({"keyless": some})), legacy(&signer), said);
    }
}

#[test]
fn a_chain_is_sorted_by_what_its_certificates_are() {
    let (ours, theirs) = (instance(), instance());
    let signer =
        Keyless { stamped: true, logged: Logged::Nowhere, ..Keyless::new(&theirs, identity()) };
    let mut chain = theirs.timestamp_chain();
    let roots = [theirs.fulcio_root(), theirs.fulcio_intermediate()];
    for _ in 0..2 {
        let attestor = json!({"keyless": {
            "issuer": ISSUER, "subject": SUBJECT,
            "roots": roots.iter().map(|der| pem(der)).collect::<String>(),
            "rekor": {"ignoreTlog": true},
            "ctlog": {
                "pubkey": theirs.ct_log_key().public_pem(),
                "tsaCertChain": chain.iter().map(|der| pem(der)).collect::<String>(),
            },
        }});
        admitted(&world(Some(&ours), &attestor), legacy(&signer));
        chain.reverse();
    }
}

#[test]
fn a_chain_alone_means_whoever_holds_a_certificate_of_it() {
    let instance = instance();
    let signer = Keyless::new(&instance, identity());
    let chain = [instance.fulcio_intermediate(), instance.fulcio_root()];
    let attestor = json!({"certificates": {
        "certChain": chain.iter().map(|der| pem(der)).collect::<String>(),
    }});
    admitted(&world(Some(&instance), &attestor), legacy(&signer));
    let stranger = self::instance();
    refused(
        &world(Some(&instance), &attestor),
        legacy(&Keyless::new(&stranger, identity())),
        ".attestors[0].entries[0].certificates:",
    );
}

#[test]
fn a_certificate_with_its_chain_signs_when_the_chain_issued_it() {
    let instance = instance();
    let signer = Keyless::new(&instance, identity());
    let layer = signer.legacy_layer("app", &format!("sha256:{}", "0".repeat(64))).unwrap();
    let leaf = &layer.annotations["dev.sigstore.cosign/certificate"];
    let chain = &layer.annotations["dev.sigstore.cosign/chain"];
    let attestor = |chain: &str| json!({"certificates": {"cert": leaf, "certChain": chain, "rekor": {"ignoreTlog": true}}});
    let unsigned = |_: &Place<'_>| {};
    refused(&world(None, &attestor(chain)), unsigned, "no signatures found");
    let other = self::instance();
    let foreign = pem(&other.fulcio_root());
    refused(&world(None, &attestor(&foreign)), unsigned, "certificate was not issued by the chain");
}

#[test]
fn a_key_demands_a_log_entry_where_there_is_a_root_to_judge_it_by() {
    let instance = instance();
    let mut world = world(Some(&instance), &json!({}));
    world.policies.clear();
    world.policy(
        r#"[{"imageReferences":["HOST/*"],"attestors":[{"entries":[{"keys":{"publicKeys":KEY}}]}]}]"#,
    );
    let key = world.key.clone();
    let bare = |place: &Place<'_>| {
        place.sign_legacy(&key, &signing::Knobs::default()).unwrap();
    };
    refused(&world, bare, "not enough verified log entries from transparency log");
    let logged = Keyless { own_key: Some(key.clone()), ..Keyless::new(&instance, identity()) };
    admitted(&world, legacy(&logged));
}

#[test]
fn a_log_is_asked_only_when_the_policy_names_one() {
    use sigward_policy::fact::Fetch;
    use sigward_sigstore::requirement::{LogRule, Requirement};
    let instance = instance();
    for (rekor, expected) in [
        (json!({}), None),
        (json!({"url": "https://rekor.example.com"}), Some("https://rekor.example.com")),
    ] {
        let mut world = world(Some(&instance), &json!({}));
        world.policies.clear();
        let key = json!({"keys": {"publicKeys": world.key.public_pem(), "rekor": rekor}});
        world.policy(
            &json!([{"imageReferences": ["HOST/*"], "attestors": [{"entries": [key]}]}])
                .to_string(),
        );
        world.answer("nothing", crate::world::key_fact(&world.key));
        let _ = verdict(&world, |_| {});
        let asked = world.asked();
        let requirement = asked.iter().find_map(|fetch| {
            if let Fetch::Proof { requirement, .. } = fetch { Some(requirement) } else { None }
        });
        let Requirement::AtLeast { of, .. } = &**requirement.unwrap() else { panic!("a set") };
        let Requirement::One(attestor) = &of[0] else { panic!("an attestor") };
        let LogRule::EntryDemanded { online, .. } = &attestor.log else { panic!("demanded") };
        assert_eq!(online.as_deref(), expected);
    }
}

#[test]
fn a_keyless_attestor_that_makes_no_sense_is_refused_with_its_place() {
    for (wire, said) in [
        (json!({"subjectRegExp": "("}), "keyless.subjectRegExp: bad regular expression"),
        (
            json!({"additionalExtensions": {"x": "y"}}),
            "keyless.additionalExtensions.x: unknown extension",
        ),
        (json!({"roots": "x"}), "keyless.roots: no PEM block found"),
        (json!({"ctlog": {"pubkey": "x"}}), "keyless.ctlog.pubkey: no PEM block found"),
        (json!({"ctlog": {"tsaCertChain": "x"}}), "keyless.ctlog.tsaCertChain: no PEM block found"),
        (json!({"rekor": {"pubkey": "x"}}), "keyless.rekor.pubkey: no PEM block found"),
    ] {
        let world = world(Some(&instance()), &keyless(&wire));
        let compiled = world.compiled(&world.policies[0]);
        let said_all: Vec<_> =
            compiled.diagnostics.iter().map(|d| format!("{}: {}", d.path, d.message)).collect();
        assert!(said_all.iter().any(|line| line.contains(said)), "{said}: {said_all:?}");
        assert!(compiled.value.is_none(), "{said}");
    }
}

fn pem(der: &[u8]) -> String {
    sigward_sigstore::certificate::Certificate::parse_der(der).unwrap().to_pem()
}
