//! The subtle security behaviours of image verification, one claim or more for each of the thirty-two.

use crate::world::{World, parse, pod, request};
use sigward_policy::{
    compile::Severity,
    decision::{Decision, ImageStatus, Status},
    fact::{CauseKind, Fact, Fetch},
    request::{Lazy, Operation, Request, Selection, Stage},
    snapshot::{FailurePolicy, PolicyName},
};
use sigward_testkit::{
    image::Recipe,
    keys::KeyPair,
    signing::{Knobs, Place},
};
use std::collections::BTreeMap;

const KEYED: &str =
    r#"[{"imageReferences":["HOST/*"],"attestors":[{"entries":[{"keys":{"publicKeys":KEY}}]}]}]"#;
const SLSA: &str = "https://slsa.dev/provenance/v0.2";

/// Whether it is allowed, and what is said.
fn check(decision: &Decision, allowed: bool, said: &str) {
    assert_eq!(decision.allowed, allowed, "{:?} {:#?}", decision.message, decision.rules);
    let text = format!("{:?} {:?}", decision.message, decision.warnings);
    assert!(text.contains(said), "`{said}` is not in {text}");
}

fn errors(world: &World, policy: &str) -> Vec<String> {
    said(world, policy, Severity::Error)
}

fn warnings(world: &World, policy: &str) -> Vec<String> {
    said(world, policy, Severity::Warning)
}

fn said(world: &World, policy: &str, severity: Severity) -> Vec<String> {
    let compiled = world.compiled(policy);
    compiled
        .diagnostics
        .into_iter()
        .filter(|d| d.severity == severity)
        .map(|d| format!("{}: {}", d.path, d.message))
        .collect()
}

/// A policy of one entry as text.
fn text(entry: &str) -> String {
    let mut world = World::new();
    world.policy(&format!("[{entry}]"));
    world.policies.remove(0)
}

fn image_at(decision: &Decision, index: usize) -> String {
    let pointer = format!("/spec/containers/{index}/image");
    decision.object.pointer(&pointer).unwrap().as_str().unwrap().to_owned()
}

fn has(lines: &[String], part: &str) -> bool {
    lines.iter().any(|line| line.contains(part))
}

// 1
#[test]
fn a_digest_reference_does_not_slip_past_a_tag_pattern() {
    let mut world = World::new();
    world.policy(&KEYED.replace("HOST/*", "HOST/app:*"));
    let digest = world.push("app", "v1", 1);
    check(&world.create(&[&world.image(&format!("app@{digest}"))]), false, "no signatures found");
    check(
        &world.create(&[&world.image(&format!("app:v9@{digest}"))]),
        false,
        "no signatures found",
    );
    let validated = world.validate(&[&world.image(&format!("app@{digest}"))]);
    check(&validated, false, "unverified image");
    let warned = warnings(&world, &world.policies[0]);
    assert!(has(&warned, "images given by digest are matched as well"), "{warned:?}");
}

// 2
#[test]
fn one_unparsable_image_does_not_shield_another() {
    let mut world = World::new();
    world.policy(KEYED);
    world.push("app", "v1", 1);
    let decision = world.create(&[&world.image("app:v1"), "Not An Image"]);
    check(&decision, false, "no signatures found");
    world.push_signed("app", "v2", 2);
    let decision = world.create(&[&world.image("app:v2"), "Not An Image"]);
    check(&decision, false, "failed to parse image reference `Not An Image`");
    assert_eq!(decision.rules[0].status, Status::Error);
}

// 3
#[test]
fn a_moved_tag_is_not_admitted_on_an_earlier_proof() {
    let mut world = World::new();
    world.policy(KEYED);
    let first = world.push_signed("app", "v1", 1);
    let admitted = world.create(&[&world.image("app:v1")]);
    check(&admitted, true, "");
    assert!(image_at(&admitted, 0).ends_with(&first));
    let second = world.push("app", "v1", 2);
    assert_ne!(first, second);
    check(&world.create(&[&world.image("app:v1")]), false, "no signatures found");
}

// 4
#[test]
fn a_tag_is_resolved_once_and_only_that_digest_is_asked_about_and_pinned() {
    let mut world = World::new();
    world.policy(&format!(
        r#"[{{"imageReferences":["HOST/*"],
          "attestors":[{{"entries":[{{"keys":{{"publicKeys":KEY}}}}]}},{{"entries":[{{"keys":{{"publicKeys":OTHERKEY}}}}]}}],
          "attestations":[{{"type":"{SLSA}","attestors":[{{"entries":[{{"keys":{{"publicKeys":KEY}}}}]}}]}}]}}]"#
    ));
    let digest = world.push_signed("app", "v1", 1);
    world.sign("app", &digest, &world.other, &Knobs::default());
    world.attest("app", &digest, &world.key, SLSA, "{}");
    let decision = world.create(&[&world.image("app:v1"), &world.image("app:v1")]);
    check(&decision, true, "");
    assert!(image_at(&decision, 0).ends_with(&digest));
    let asked = world.asked();
    assert_eq!(asked.iter().filter(|f| matches!(f, Fetch::Tag { .. })).count(), 1, "{asked:?}");
    for fetch in asked {
        if let Fetch::Proof { image, .. } = fetch {
            assert_eq!(image.digest.as_str(), digest);
        }
    }
}

// 5
#[test]
fn a_tag_that_stays_a_tag_is_reported_with_a_way_out() {
    let mut world = World::new();
    world.policy(&KEYED.replace(
        r#""imageReferences""#,
        r#""mutateDigest":false,"verifyDigest":false,"imageReferences""#,
    ));
    let digest = world.push_signed("app", "v1", 1);
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, true, "");
    let outcome = &decision.rules[0].images[0];
    assert_eq!(outcome.status, ImageStatus::Verified);
    assert!(!outcome.pinned);
    assert_eq!(outcome.digest.as_ref().unwrap().as_str(), digest);
    assert!(outcome.next.as_ref().unwrap().contains("verifyDigest"), "{outcome:?}");
}

// 6
#[test]
fn the_legacy_key_signs_the_attestations() {
    let mut world = World::new();
    world.policy(&format!(
        r#"[{{"image":"HOST/*","key":KEY,"attestations":[{{"predicateType":"{SLSA}"}}]}}]"#
    ));
    let digest = world.push("app", "v1", 1);
    world.attest("app", &digest, &world.other, SLSA, "{}");
    check(
        &world.create(&[&world.image("app:v1")]),
        false,
        "image attestations verification failed",
    );
    world.attest("app", &digest, &world.key, SLSA, "{}");
    check(&world.create(&[&world.image("app:v1")]), true, "");
}

#[test]
fn nested_attestors_and_every_key_of_a_pem_count_under_attestations() {
    let mut world = World::new();
    let both = format!("{}{}", world.key.public_pem(), world.other.public_pem());
    let both = serde_json::to_string(&both).unwrap();
    world.policy(&format!(
        r#"[{{"imageReferences":["HOST/*"],"attestations":[{{"type":"{SLSA}","attestors":[{{"entries":[
           {{"attestor":{{"count":1,"entries":[{{"keys":{{"publicKeys":{both}}}}}]}}}}]}}]}}]}}]"#
    ));
    let digest = world.push("app", "v1", 1);
    let third = KeyPair::generate(sigward_testkit::keys::Algorithm::EcdsaP256).unwrap();
    world.attest("app", &digest, &third, SLSA, "{}");
    check(&world.create(&[&world.image("app:v1")]), false, "entries[0].attestor.entries[1].keys");
    world.attest("app", &digest, &world.other, SLSA, "{}");
    check(&world.create(&[&world.image("app:v1")]), true, "");
}

// 7
#[test]
fn an_identity_that_means_anybody_is_warned_about() {
    let world = World::new();
    let lint = |keyless: &str| {
        warnings(
            &world,
            &text(&format!(
                r#"{{"imageReferences":["x"],"attestors":[{{"entries":[{{"keyless":{{"rekor":{{"url":"https://r"}},{keyless}}}}}]}}]}}"#
            )),
        )
    };
    assert!(has(&lint(r#""issuer":"i""#), "without subject anybody's signature counts"));
    assert!(has(&lint(r#""subject":"*","issuer":"i""#), "`*` means anybody"));
    let unanchored = lint(r#""subjectRegExp":"https://github.com/o/","issuer":"i""#);
    assert!(has(&unanchored, "not anchored"), "{unanchored:?}");
}

/// An object that carries what a client may write.
fn forged(image: &str) -> String {
    format!(
        r#"{{"metadata":{{"name":"a","namespace":"default","annotations":{{
           "kyverno.io/verify-images":"{{\"{image}\":\"pass\"}}",
           "kyverno.io/verify-images-scoped":"{{\"version\":1,\"policies\":{{\"/check-image\":{{\"check\":{{\"{image}\":\"pass\"}}}}}}}}"}}}},
           "spec":{{"containers":[{{"name":"c","image":"{image}"}}]}}}}"#
    )
}

// 8
#[test]
fn an_annotation_of_the_old_object_is_not_trusted() {
    let mut world = World::new();
    world.policy(KEYED);
    let digest = world.push("app", "v1", 1);
    let object = forged(&world.image(&format!("app@{digest}")));
    let mut update = request("Pod", Stage::Mutating, &object);
    update.operation = Operation::Update;
    update.old_object = Lazy::from_value(parse(&object));
    check(&world.decide(update), false, "no signatures found");
}

// 9
#[test]
fn a_forged_annotation_does_not_satisfy_required_and_is_taken_out() {
    let mut world = World::new();
    world.policy(&KEYED.replace("HOST/*", "HOST/app*"));
    let digest = world.push("app", "v1", 1);
    let object = forged(&world.image(&format!("app@{digest}")));
    check(&world.decide(request("Pod", Stage::Validating, &object)), false, "unverified image");
    let unrelated = forged("docker.io/library/nginx:latest");
    let decision = world.decide(request("Pod", Stage::Mutating, &unrelated));
    check(&decision, true, "");
    let left = decision.object.at_path(&["metadata", "annotations"]).unwrap();
    assert!(left.as_map().unwrap().is_empty(), "{left:?}");
}

// 10
#[test]
fn two_webhook_calls_of_one_request_do_not_deny_each_other() {
    let mut world = World::new();
    world.policy_with("strict", "", KEYED);
    world.policy_with("lenient", r#""webhookConfiguration":{"failurePolicy":"Ignore"},"#, KEYED);
    let digest = world.push_signed("app", "v1", 1);
    let call = |world: &World, stage, policy, object: &str| {
        let mut call = request("Pod", stage, object);
        call.selection = Selection::FailurePolicy(policy);
        world.decide(call)
    };
    let image = world.image(&format!("app@{digest}"));
    let object = format!(
        r#"{{"metadata":{{"name":"a","namespace":"default"}},"spec":{{"containers":[{{"name":"c","image":"{image}"}}]}}}}"#
    );
    let first = call(&world, Stage::Mutating, FailurePolicy::Fail, &object);
    let second = call(&world, Stage::Mutating, FailurePolicy::Ignore, &first.object.to_json());
    let scoped = second
        .object
        .at_path(&["metadata", "annotations", "kyverno.io/verify-images-scoped"])
        .unwrap()
        .as_str()
        .unwrap();
    assert!(scoped.contains("/strict") && scoped.contains("/lenient"), "{scoped}");
    for policy in [FailurePolicy::Fail, FailurePolicy::Ignore] {
        check(&call(&world, Stage::Validating, policy, &second.object.to_json()), true, "");
    }
}

// 11
#[test]
fn the_worst_entry_speaks_and_an_entry_pins_only_its_own_matches() {
    let mut world = World::new();
    world.policy_with(
        "check-image",
        r#""validationFailureAction":"Enforce","#,
        r#"[{"imageReferences":["HOST/app*"],"attestors":[{"entries":[{"keys":{"publicKeys":KEY}}]}]},
            {"imageReferences":["HOST/app*"],"attestors":[{"entries":[{"keys":{"publicKeys":OTHERKEY}}]}]},
            {"imageReferences":["HOST/pin*"],"required":false}]"#,
    );
    let digest = world.push_signed("app", "v1", 1);
    world.push("pin", "v1", 2);
    world.push("free", "v1", 3);
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, false, "no matching signatures");
    let image = world.image("free:v1");
    world.sign("app", &digest, &world.other, &Knobs::default());
    let decision = world.create(&[&world.image("app:v1"), &world.image("pin:v1"), &image]);
    check(&decision, true, "");
    assert!(image_at(&decision, 1).contains("@sha256:"));
    assert_eq!(image_at(&decision, 2), image, "no entry means it");
}

// 12
#[test]
fn ephemeral_containers_are_verified_on_their_subresource() {
    let mut world = World::new();
    world.policy(KEYED);
    world.push("app", "v1", 1);
    let mut update = request(
        "Pod",
        Stage::Mutating,
        &format!(
            r#"{{"metadata":{{"name":"a"}},"spec":{{"containers":[],"ephemeralContainers":[{{"name":"e","image":"{}"}}]}}}}"#,
            world.image("app:v1")
        ),
    );
    update.operation = Operation::Update;
    update.sub_resource = "ephemeralcontainers".into();
    check(&world.decide(update), false, "no signatures found");
}

// 13
#[test]
fn init_containers_and_image_volumes_are_covered() {
    let mut world = World::new();
    world.policy(KEYED);
    world.push("app", "v1", 1);
    let image = world.image("app:v1");
    for spec in [
        format!(r#""initContainers":[{{"name":"i","image":"{image}"}}]"#),
        format!(r#""volumes":[{{"name":"v","image":{{"reference":"{image}"}}}}]"#),
    ] {
        let object = format!(r#"{{"metadata":{{"name":"a"}},"spec":{{{spec}}}}}"#);
        check(
            &world.decide(request("Pod", Stage::Mutating, &object)),
            false,
            "no signatures found",
        );
    }
}

// 14
#[test]
fn a_policy_for_controllers_only_is_warned_about() {
    let world = World::new();
    let policy = text(r#"{"imageReferences":["x"],"required":false}"#)
        .replace(r#""kinds":["Pod"]"#, r#""kinds":["Deployment"]"#);
    assert!(has(&warnings(&world, &policy), "matches controllers only"));
}

// 15
#[test]
fn an_update_without_image_change_is_verified_again_and_passes() {
    let mut world = World::new();
    world.policy(KEYED);
    let digest = world.push_signed("app", "v1", 1);
    let object = forged(&world.image(&format!("app:v1@{digest}")));
    let mut update = request("Pod", Stage::Mutating, &object);
    update.operation = Operation::Update;
    update.old_object = Lazy::from_value(parse(&object));
    let decision = world.decide(update);
    check(&decision, true, "");
    assert!(world.asked().iter().any(|f| matches!(f, Fetch::Proof { .. })));
    assert_eq!(decision.rules[0].status, Status::Pass);
}

// 16
#[test]
fn the_digest_of_an_index_is_what_must_be_signed_and_is_pinned() {
    let mut world = World::new();
    world.policy(KEYED);
    let index = Recipe::new(1).build_index(&["amd64", "arm64"]);
    let digest = index.push(&world.registry, "app", "v1");
    let manifest = world.registry.manifest("app", &digest).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap();
    let platform = manifest["manifests"][0]["digest"].as_str().unwrap().to_owned();
    world.sign("app", &platform, &world.key, &Knobs::default());
    check(&world.create(&[&world.image("app:v1")]), false, "no signatures found");
    world.sign("app", &digest, &world.key, &Knobs::default());
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, true, "");
    assert!(image_at(&decision, 0).ends_with(&digest));
}

// 17
#[test]
fn a_signature_moved_from_another_image_is_refused_and_one_of_a_mirror_counts() {
    let mut world = World::new();
    world.policy(KEYED);
    let other = world.push("app", "other", 2);
    let digest = world.push("app", "v1", 1);
    world.sign("app", &digest, &world.key, &Knobs { digest: Some(other), ..Knobs::default() });
    check(&world.create(&[&world.image("app:v1")]), false, "invalid or missing digest in claim");
    let digest = world.push("mirror", "v1", 3);
    let elsewhere = Knobs { reference: Some("elsewhere.example/app".into()), ..Knobs::default() };
    world.sign("mirror", &digest, &world.key, &elsewhere);
    check(&world.create(&[&world.image("mirror:v1")]), true, "");
}

// 18
#[test]
fn one_signature_must_meet_all_annotations() {
    let mut world = World::new();
    world
        .policy(&KEYED.replace(r#"{"keys""#, r#"{"annotations":{"env":"prod","team":"a"},"keys""#));
    let digest = world.push("app", "v1", 1);
    let with = |pairs: &[(&str, &str)]| Knobs {
        annotations: pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        ..Knobs::default()
    };
    world.sign("app", &digest, &world.key, &with(&[("env", "prod")]));
    world.sign("app", &digest, &world.key, &with(&[("team", "a")]));
    check(&world.create(&[&world.image("app:v1")]), false, "missing or incorrect annotation");
    world.sign("app", &digest, &world.key, &with(&[("env", "prod"), ("team", "a")]));
    check(&world.create(&[&world.image("app:v1")]), true, "");
}

fn attested(condition: &str) -> String {
    format!(
        r#"[{{"imageReferences":["HOST/*"],"attestations":[{{"type":"{SLSA}","attestors":[{{"entries":[{{"keys":{{"publicKeys":KEY}}}}]}}],
           "conditions":[{{"all":[{condition}]}}]}}]}}]"#
    )
}

// 19
#[test]
fn every_statement_of_the_type_must_satisfy_the_conditions() {
    let mut world = World::new();
    world.policy(&attested(r#"{"key":"{{ builder.id }}","operator":"Equals","value":"good"}"#));
    let digest = world.push("app", "v1", 1);
    world.attest("app", &digest, &world.key, SLSA, r#"{"builder":{"id":"good"}}"#);
    check(&world.create(&[&world.image("app:v1")]), true, "");
    world.attest("app", &digest, &world.key, SLSA, r#"{"builder":{"id":"bad"}}"#);
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, false, "attestation checks failed for");
    check(&decision, false, r#"builder.id = \"bad\", wanted: Equals \"good\""#);
}

// 20
#[test]
fn a_predicate_cannot_shadow_the_request() {
    let mut world = World::new();
    world.policy(&attested(
        r#"{"key":"{{ request.namespace }}","operator":"Equals","value":"trusted"}"#,
    ));
    let digest = world.push("app", "v1", 1);
    world.attest("app", &digest, &world.key, SLSA, r#"{"request":{"namespace":"trusted"}}"#);
    check(&world.create(&[&world.image("app:v1")]), false, "request.namespace = \\\"default\\\"");
}

// 21
#[test]
fn a_statement_of_another_type_is_not_what_a_name_shows() {
    let mut world = World::new();
    world.policy(&format!(
        r#"[{{"imageReferences":["HOST/*"],"attestations":[{{"name":"prov","type":"{SLSA}","attestors":[{{"entries":[{{"keys":{{"publicKeys":KEY}}}}]}}]}}],
           "validate":{{"message":"builder {{{{ prov.id }}}} is not ours","deny":{{"conditions":{{"all":[{{"key":"{{{{ prov.id }}}}","operator":"NotEquals","value":"good"}}]}}}}}}}}]"#
    ));
    let digest = world.push("app", "v1", 1);
    world.attest("app", &digest, &world.other, "https://example.com/other", r#"{"id":"evil"}"#);
    world.attest("app", &digest, &world.key, SLSA, r#"{"id":"good"}"#);
    check(&world.create(&[&world.image("app:v1")]), true, "");
    let digest = world.push("app", "v2", 2);
    world.attest("app", &digest, &world.key, SLSA, r#"{"id":"bad"}"#);
    let decision = world.create(&[&world.image("app:v2")]);
    check(&decision, false, "validation in verifyImages failed: builder bad is not ours");
}

// 22
#[test]
fn the_kind_that_reads_unverified_referrers_is_not_accepted() {
    let world = World::new();
    let policy = r#"{"apiVersion":"policies.kyverno.io/v1","kind":"ImageValidatingPolicy","metadata":{"name":"a"},"spec":{}}"#;
    assert!(has(&errors(&world, policy), "apiVersion"));
}

// 23
#[test]
fn a_field_that_would_be_ignored_is_refused_where_that_weakens_a_check() {
    let world = World::new();
    let typo = text(r#"{"imageReferences":["x"],"atestors":[]}"#);
    assert!(has(&errors(&world, &typo), "verifyImages[0].atestors"), "{:?}", errors(&world, &typo));
    let extension =
        text(r#"{"imageReferences":["x"],"required":false,"additionalExtensions":{"a":"b"}}"#);
    assert!(has(&warnings(&world, &extension), "has no effect"));
}

// 24
#[test]
fn a_denied_registry_fails_and_an_unreachable_one_errs() {
    let mut world = World::new();
    world.policy(KEYED);
    world.push_signed("app", "v1", 1);
    world.answer("Tag {", Fact::Digest(Err(crate::world::cause(CauseKind::Denied))));
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, false, "access denied");
    assert_eq!(decision.rules[0].status, Status::Fail);
    world.answer("Tag {", Fact::Digest(Err(crate::world::cause(CauseKind::Unreachable))));
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, false, "could not be determined: no connection");
    assert_eq!(decision.rules[0].status, Status::Error);
    assert!(matches!(decision.rules[0].images[0].status, ImageStatus::Undetermined(_)));
}

#[test]
fn an_audit_policy_never_blocks_on_network_loss() {
    let mut world = World::new();
    let audit = KEYED.replace(r#""imageReferences""#, r#""mutateDigest":false,"imageReferences""#);
    world.policy_with("audit", r#""validationFailureAction":"Audit","#, &audit);
    world.answer("Tag {", Fact::Digest(Err(crate::world::cause(CauseKind::Unreachable))));
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, true, "policy audit.check: failed to verify image");
    assert_eq!(decision.rules[0].status, Status::Error);
}

#[test]
fn failure_policy_ignore_admits_what_could_not_be_told_with_a_warning_on_both_sides() {
    let mut world = World::new();
    world.policy_with("ignore", r#""webhookConfiguration":{"failurePolicy":"Ignore"},"#, KEYED);
    world.answer("Tag {", Fact::Digest(Err(crate::world::cause(CauseKind::TimedOut))));
    check(&world.create(&[&world.image("app:v1")]), true, "timed out");
    check(&world.validate(&[&world.image("app:v1")]), true, "timed out");
    world.answer("Tag {", Fact::Digest(Err(crate::world::cause(CauseKind::Denied))));
    check(&world.create(&[&world.image("app:v1")]), false, "access denied");
}

// 25
#[test]
fn a_skip_pattern_skips_with_a_warning_and_still_pins() {
    let mut world = World::new();
    world.policy(&KEYED.replace(
        r#""imageReferences""#,
        r#""skipImageReferences":["HOST/skip*"],"imageReferences""#,
    ));
    let digest = world.push("skip", "v1", 1);
    let image = world.image("skip:v1");
    let decision = world.create(&[&image]);
    check(
        &decision,
        true,
        &format!(
            "policy check-image.check: skipping image reference image {image}, policy check-image ruleName check"
        ),
    );
    assert_eq!(decision.rules[0].status, Status::Skip);
    assert!(image_at(&decision, 0).ends_with(&digest));
    let validated = world.validate(&[&image_at(&decision, 0)]);
    check(&validated, true, "");
    assert!(validated.rules[0].message.starts_with("image skipped, skipped images: "));
}

// 26
#[test]
fn key_references_to_files_and_urls_are_refused() {
    let world = World::new();
    for reference in
        ["/etc/key.pem", "https://evil.example/key", "file:///x", "env://KEY", "k8s://one"]
    {
        let policy = text(&format!(
            r#"{{"imageReferences":["x"],"attestors":[{{"entries":[{{"keys":{{"publicKeys":"{reference}"}}}}]}}]}}"#
        ));
        assert!(has(&errors(&world, &policy), "expected a public key in PEM"), "{reference}");
    }
    let kms = text(
        r#"{"imageReferences":["x"],"attestors":[{"entries":[{"keys":{"publicKeys":"awskms:///alias/a"}}]}]}"#,
    );
    assert!(has(&errors(&world, &kms), "not supported in this build"));
}

// 27
#[test]
fn pull_secrets_of_the_pod_are_used_and_a_namespaced_policy_stays_in_its_namespace() {
    let mut world = World::new();
    world.policy(&KEYED.replace(
        r#""imageReferences""#,
        r#""imageRegistryCredentials":{"secrets":["own","other/theirs"]},"imageReferences""#,
    ));
    world.push_signed("app", "v1", 1);
    let object = format!(
        r#"{{"metadata":{{"name":"a"}},"spec":{{"imagePullSecrets":[{{"name":"pull"}}],"containers":[{{"name":"c","image":"{}"}}]}}}}"#,
        world.image("app:v1")
    );
    check(&world.decide(request("Pod", Stage::Mutating, &object)), true, "");
    let asked = world.asked();
    let Some(Fetch::Tag { access, .. }) = asked.first() else { panic!("{asked:?}") };
    let secrets: Vec<String> = access.secrets.iter().map(|(ns, n)| format!("{ns}/{n}")).collect();
    assert_eq!(secrets, ["kyverno/own", "other/theirs", "default/pull"]);

    let namespaced = world.policies[0].replace(
        r#""kind":"ClusterPolicy","metadata":{"#,
        r#""kind":"Policy","metadata":{"namespace":"team","#,
    );
    assert!(has(&errors(&world, &namespaced), "cannot use a secret of `other`"));
    let key = text(
        r#"{"imageReferences":["x"],"attestors":[{"entries":[{"keys":{"secret":{"name":"k","namespace":"other"}}}]}]}"#,
    )
    .replace(r#""kind":"ClusterPolicy","metadata":{"#, r#""kind":"Policy","metadata":{"namespace":"team","#);
    assert!(has(&errors(&world, &key), "cannot use a key of `other`"));
}

// 28
#[test]
fn patterns_images_and_attestors_are_bounded() {
    let world = World::new();
    let long = text(&format!(r#"{{"imageReferences":["{}"],"required":false}}"#, "a".repeat(1025)));
    assert!(has(&errors(&world, &long), "no more than 1024 characters"));
    let mut world = World::new();
    world.policy(&KEYED.replace("HOST/*", &"*a".repeat(200)));
    let image = format!("HOST/{}", "a".repeat(200));
    let image = world.image(image.trim_start_matches("HOST/"));
    let started = std::time::Instant::now();
    let _decision = world.create(&[&image]);
    assert!(started.elapsed().as_secs() < 5, "the matcher is not linear");
    let many: Vec<String> = (0..600).map(|i| world.image(&format!("app:{i}"))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    check(&world.create(&many), false, "more than 512 images");
}

// 29
#[test]
fn a_namespace_that_cannot_be_read_is_an_error() {
    let mut world = World::new();
    world.policy(KEYED);
    world.policies[0] = world.policies[0].replace(
        r#""kinds":["Pod"]"#,
        r#""kinds":["Pod"],"namespaceSelector":{"matchLabels":{"env":"prod"}}"#,
    );
    world.push("app", "v1", 1);
    world.answer("Namespace(", Fact::Document(Err(crate::world::cause(CauseKind::Unreachable))));
    check(&world.create(&[&world.image("app:v1")]), false, "could not read namespace `default`");
    let labelled = |env: &str| {
        Fact::Document(Ok(Some(parse(&format!(
            r#"{{"metadata":{{"labels":{{"env":"{env}"}}}}}}"#
        )))))
    };
    world.answer("Namespace(", labelled("dev"));
    check(&world.create(&[&world.image("app:v1")]), true, "");
    world.answer("Namespace(", labelled("prod"));
    check(&world.create(&[&world.image("app:v1")]), false, "no signatures found");
}

// 30
#[test]
fn a_delete_is_never_checked() {
    let mut world = World::new();
    world.policy(KEYED);
    world.push("app", "v1", 1);
    for stage in [Stage::Mutating, Stage::Validating, Stage::All] {
        let mut delete = pod(stage, &[&world.image("app:v1")]);
        delete.operation = Operation::Delete;
        delete.old_object = std::mem::take(&mut delete.object);
        check(&world.decide(delete), true, "");
    }
    let mut status: Request = pod(Stage::Mutating, &[&world.image("app:v1")]);
    status.operation = Operation::Update;
    status.sub_resource = "status".into();
    check(&world.decide(status), true, "");
    assert_eq!(world.asked(), []);
}

// 31
#[test]
fn policies_of_one_name_in_two_scopes_do_not_meet() {
    let mut world = World::new();
    world.policy(KEYED);
    let namespaced = world.policies[0].replace(
        r#""kind":"ClusterPolicy","metadata":{"#,
        r#""kind":"Policy","metadata":{"namespace":"default","#,
    );
    world.policies.push(namespaced);
    world.push_signed("app", "v1", 1);
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, true, "");
    let scoped = decision
        .object
        .at_path(&["metadata", "annotations", "kyverno.io/verify-images-scoped"])
        .unwrap();
    let scoped = scoped.as_str().unwrap();
    assert!(scoped.contains(r#""/check-image""#) && scoped.contains(r#""default/check-image""#));
    let names: Vec<PolicyName> = decision.rules.iter().map(|r| r.policy.clone()).collect();
    assert_eq!(names.len(), 2);
    assert_ne!(names[0], names[1]);
}

// 32
#[test]
fn a_configured_certificate_is_warned_about_with_its_dates() {
    let mut world = World::new();
    let certificate = world.key.certificate_pem("signer").unwrap();
    let certificate = serde_json::to_string(&certificate).unwrap();
    world.policy(&format!(
        r#"[{{"imageReferences":["HOST/*"],"attestors":[{{"entries":[{{"certificates":{{"cert":{certificate}}}}}]}}]}}]"#
    ));
    let warned = warnings(&world, &world.policies[0]);
    assert!(
        has(&warned, "only the key of the certificate is used: that it is valid from"),
        "{warned:?}"
    );
    world.push_signed("app", "v1", 1);
    check(&world.create(&[&world.image("app:v1")]), true, "");
    let place = Place::of(&world.registry, "app", "v1").unwrap();
    assert!(place.digest().starts_with("sha256:"));
}
