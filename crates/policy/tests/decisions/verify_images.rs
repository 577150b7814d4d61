//! Fields and outcomes of `verifyImages` that no other chapter covers.
use crate::world::{World, cause, key_fact, parse, pod, request};
use sigward_policy::{
    compile::Severity,
    decision::{Decision, ImageStatus, Status},
    fact::{CauseKind, Fact, Fetch},
    request::{Operation, Selection, Stage},
};
use sigward_testkit::{
    keys::{Algorithm, KeyPair},
    signing::{Knobs, Place},
};

const KEYED: &str =
    r#"[{"imageReferences":["HOST/*"],"attestors":[{"entries":[{"keys":{"publicKeys":KEY}}]}]}]"#;

fn check(decision: &Decision, allowed: bool, said: &str) {
    assert_eq!(decision.allowed, allowed, "{:?} {:#?}", decision.message, decision.rules);
    let text = format!("{:?} {:?} {:?}", decision.message, decision.warnings, decision.rules);
    assert!(text.contains(said), "`{said}` is not in {text}");
}

fn error_of(world: &World, policy: &str) -> String {
    let compiled = world.compiled(policy);
    assert!(compiled.value.is_none(), "compiled: {policy}");
    let errors: Vec<String> = compiled
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .map(|d| format!("{}: {}", d.path, d.message))
        .collect();
    errors.join("\n")
}

fn refused(entry: &str, said: &str) {
    let mut world = World::new();
    world.policy(&format!("[{entry}]"));
    let text = world.policies.remove(0);
    let errors = error_of(&world, &text);
    assert!(errors.contains(said), "`{said}` is not in {errors}");
}

#[test]
fn what_this_build_does_not_do_is_refused_by_name() {
    refused(
        r#"{"imageReferences":["x"],"type":"Notary","required":false}"#,
        "type Notary is not supported in this build",
    );
    refused(
        r#"{"imageReferences":["x"],"attestors":[{"entries":[{"keys":{"kms":"awskms:///k"}}]}]}"#,
        "a key management service is not supported in this build",
    );
}

#[test]
fn an_entry_that_makes_no_sense_is_refused_with_its_place() {
    refused(
        r#"{"required":false}"#,
        "verifyImages[0].imageReferences: an image reference is required",
    );
    refused(r#"{"imageReferences":["{{ x }}"]}"#, "variables are not allowed in image reference");
    refused(
        r#"{"imageReferences":["x"],"attestors":[{"count":2,"entries":[{"keys":{"publicKeys":KEY}}]}]}"#,
        "attestors[0].count: count cannot exceed available entries",
    );
    refused(
        r#"{"imageReferences":["x"],"attestors":[{"entries":[]}]}"#,
        "at least one entry is required",
    );
    refused(
        r#"{"imageReferences":["x"],"attestors":[{"entries":[{"keys":{"publicKeys":KEY},"keyless":{}}]}]}"#,
        "exactly one of keys, certificates, keyless and attestor is required",
    );
    refused(
        r#"{"imageReferences":["x"],"attestors":[{"entries":[{"keys":{"publicKeys":KEY,"signatureAlgorithm":"md5"}}]}]}"#,
        "unknown algorithm `md5`",
    );
    refused(
        r#"{"imageReferences":["x"],"attestations":[{"attestors":[]}]}"#,
        "attestations[0]: missing type",
    );
    refused(
        r#"{"imageReferences":["x"],"failureAction":"Audit","required":false}"#,
        "mutateDigest must be set to false",
    );
}

#[test]
fn a_broken_key_is_admitted_with_a_warning_and_satisfied_by_nobody() {
    let mut world = World::new();
    world.policy(
        r#"[{"imageReferences":["HOST/*"],"attestors":[{"entries":[{"keys":{"publicKeys":"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"}}]}]}]"#,
    );
    world.push_signed("app", "v1", 1);
    check(&world.create(&[&world.image("app:v1")]), false, "failed to load public key from PEM");
}

#[test]
fn sets_are_and_and_entries_count() {
    let mut world = World::new();
    let third = KeyPair::generate(Algorithm::Ed25519).unwrap();
    let third_pem = serde_json::to_string(&third.public_pem()).unwrap();
    world.policy(&format!(
        r#"[{{"imageReferences":["HOST/*"],"attestors":[
          {{"entries":[{{"keys":{{"publicKeys":KEY}}}}]}},
          {{"count":1,"entries":[{{"keys":{{"publicKeys":OTHERKEY}}}},{{"keys":{{"publicKeys":{third_pem}}}}}]}}]}}]"#
    ));
    let digest = world.push_signed("app", "v1", 1);
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, false, ".attestors[1].entries[0].keys: ");
    check(&decision, false, "; .attestors[1].entries[1].keys: ");
    world.sign("app", &digest, &third, &Knobs::default());
    check(&world.create(&[&world.image("app:v1")]), true, "");
}

#[test]
fn several_keys_in_one_pem_are_all_needed_unless_count_says_less() {
    let mut world = World::new();
    let both = format!("{}{}", world.key.public_pem(), world.other.public_pem());
    let both = serde_json::to_string(&both).unwrap();
    let entries = |count: &str| {
        format!(
            r#"[{{"imageReferences":["HOST/*"],"attestors":[{{{count}"entries":[{{"keys":{{"publicKeys":{both}}}}}]}}]}}]"#
        )
    };
    world.policy(&entries(""));
    let digest = world.push_signed("app", "v1", 1);
    check(&world.create(&[&world.image("app:v1")]), false, ".attestors[0].entries[1].keys");
    world.policies.clear();
    world.policy(&entries(r#""count":1,"#));
    check(&world.create(&[&world.image("app:v1")]), true, "");
    world.policies.clear();
    world.policy(&entries(""));
    world.sign("app", &digest, &world.other, &Knobs::default());
    check(&world.create(&[&world.image("app:v1")]), true, "");
}

#[test]
fn a_nested_set_counts_as_one_entry() {
    let mut world = World::new();
    world.policy(
        r#"[{"imageReferences":["HOST/*"],"attestors":[{"entries":[{"attestor":{"count":1,"entries":[{"keys":{"publicKeys":KEY}},{"keys":{"publicKeys":OTHERKEY}}]}}]}]}]"#,
    );
    let digest = world.push("app", "v1", 1);
    check(
        &world.create(&[&world.image("app:v1")]),
        false,
        ".attestors[0].entries[0].attestor.entries[1].keys",
    );
    world.sign("app", &digest, &world.other, &Knobs::default());
    check(&world.create(&[&world.image("app:v1")]), true, "");
}

#[test]
fn a_missing_key_does_not_hide_another_that_is_enough() {
    let mut world = World::new();
    world.policy(
        r#"[{"imageReferences":["HOST/*"],"attestors":[{"count":1,"entries":[{"keys":{"secret":{"name":"gone","namespace":"kyverno"}}},{"keys":{"publicKeys":KEY}}]}]}]"#,
    );
    world.push_signed("app", "v1", 1);
    check(&world.create(&[&world.image("app:v1")]), true, "");
    world.push("app", "v2", 2);
    let decision = world.create(&[&world.image("app:v2")]);
    check(&decision, false, "there is no such key");
    assert!(matches!(decision.rules[0].images[0].status, ImageStatus::Undetermined(_)));
}

#[test]
fn bundles_count_as_signatures_and_attestations_in_bundles_do_not() {
    let mut world = World::new();
    world.policy(KEYED);
    let digest = world.push("app", "v1", 1);
    let place = Place::of(&world.registry, "app", &digest).unwrap();
    let predicate = serde_json::json!({});
    place
        .attest_bundle(&world.key, "https://example.com/p", &predicate, &Knobs::default())
        .unwrap();
    check(&world.create(&[&world.image("app:v1")]), false, "no signatures found");
    place.sign_bundle(&world.key, &Knobs::default()).unwrap();
    check(&world.create(&[&world.image("app:v1")]), true, "");
}

#[test]
fn the_bundle_type_takes_no_signature_in_the_older_form() {
    let mut world = World::new();
    world.policy(
        &KEYED.replace(r#""imageReferences""#, r#""type":"SigstoreBundle","imageReferences""#),
    );
    let digest = world.push_signed("app", "v1", 1);
    check(&world.create(&[&world.image("app:v1")]), false, "no signatures found");
    let place = Place::of(&world.registry, "app", &digest).unwrap();
    place.sign_bundle(&world.key, &Knobs::default()).unwrap();
    check(&world.create(&[&world.image("app:v1")]), true, "");
}

#[test]
fn signatures_may_lie_in_another_repository() {
    let mut world = World::new();
    world.policy(
        &KEYED
            .replace(r#""imageReferences""#, r#""repository":"HOST/signatures","imageReferences""#),
    );
    let digest = world.push("app", "v1", 1);
    check(&world.create(&[&world.image("app:v1")]), false, "no signatures found");
    let place = Place::of(&world.registry, "app", &digest).unwrap().stored_in("signatures");
    place.sign_legacy(&world.key, &Knobs::default()).unwrap();
    check(&world.create(&[&world.image("app:v1")]), true, "");
}

#[test]
fn a_rule_that_only_pins_says_that_pinning_is_the_cause() {
    let mut world = World::new();
    world.policy(r#"[{"imageReferences":["*"],"required":false}]"#);
    let digest = world.push("app", "v1", 1);
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, true, "mutated image digest");
    assert_eq!(decision.rules[0].images[0].status, ImageStatus::NotVerified);
    assert_eq!(decision.rules[0].images[0].digest.as_ref().unwrap().as_str(), digest);
    assert!(
        decision.object.at_path(&["metadata", "annotations"]).is_none(),
        "nothing was verified"
    );
    world.answer("Tag {", Fact::Digest(Err(cause(CauseKind::Unreachable))));
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, false, "failed to update digest: ");
    check(&decision, false, "mutateDigest: false");
    check(&decision, false, "verifyDigest: false");
}

#[test]
fn an_image_signed_after_a_refusal_is_admitted_at_the_next_try() {
    let mut world = World::new();
    world.policy(KEYED);
    let digest = world.push("app", "v1", 1);
    check(&world.create(&[&world.image("app:v1")]), false, "no signatures found");
    world.sign("app", &digest, &world.key, &Knobs::default());
    check(&world.create(&[&world.image("app:v1")]), true, "");
}

#[test]
fn ten_containers_of_one_image_ask_once() {
    let mut world = World::new();
    world.policy(KEYED);
    world.push_signed("app", "v1", 1);
    let image = world.image("app:v1");
    let decision = world.create(&[image.as_str(); 10]);
    check(&decision, true, "");
    assert_eq!(world.asked().len(), 2, "one tag, one proof");
    assert_eq!(decision.rules[0].message, format!("verified image signatures for {image}"));
}

#[test]
fn use_cache_false_is_part_of_the_question() {
    let mut world = World::new();
    world.policy(&KEYED.replace(r#""imageReferences""#, r#""useCache":false,"imageReferences""#));
    world.push_signed("app", "v1", 1);
    check(&world.create(&[&world.image("app:v1")]), true, "");
    assert!(world.asked().iter().any(|f| matches!(f, Fetch::Proof { use_cache: false, .. })));
}

#[test]
fn a_mutate_rule_runs_first_and_what_it_wrote_is_what_is_verified() {
    let mut world = World::new();
    world.policy(KEYED);
    let digest = world.push_signed("app", "v1", 1);
    let host = world.registry.host();
    world.policies.push(format!(
        r#"{{"apiVersion":"kyverno.io/v1","kind":"ClusterPolicy","metadata":{{"name":"mirror"}},"spec":{{"background":false,"rules":[
        {{"name":"registry","match":{{"any":[{{"resources":{{"kinds":["Pod"]}}}}]}},
          "mutate":{{"patchesJson6902":"- op: replace\n  path: /spec/containers/0/image\n  value: \"{host}/app:{{{{ request.object.metadata.labels.tag || 'v1' }}}}\"\n"}}}}]}}}}"#
    ));
    let decision = world.create(&["old.example/app:v9"]);
    check(&decision, true, "mutated Pod/a in namespace default");
    let image = decision.object.pointer("/spec/containers/0/image").unwrap().as_str().unwrap();
    assert_eq!(image, format!("{host}/app:v1@{digest}"));
    world.push("app", "v1", 2);
    check(&world.create(&["old.example/app:v9"]), false, "no signatures found");
}

#[test]
fn a_patch_that_cannot_be_applied_refuses_under_failure_policy_fail() {
    let mut world = World::new();
    world.policies.push(
        r#"{"apiVersion":"kyverno.io/v1","kind":"ClusterPolicy","metadata":{"name":"broken"},"spec":{"background":false,"rules":[
        {"name":"patch","match":{"any":[{"resources":{"kinds":["Pod"]}}]},
          "mutate":{"patchesJson6902":"[{\"op\":\"test\",\"path\":\"/kind\",\"value\":\"Other\"}]"}}]}}"#
            .to_owned(),
    );
    let decision = world.create(&["nginx"]);
    check(
        &decision,
        false,
        "mutation policy broken error: failed to apply policy broken rules [patch: ",
    );
}

#[test]
fn variables_come_from_config_maps_and_conditions_are_held_back() {
    let mut world = World::new();
    world.policy(
        r#"[{"imageReferences":["HOST/*"],"attestors":[{"entries":[{"keys":{"publicKeys":"{{ keys.data.key }}"}}]}]}]"#,
    );
    world.policies[0] = world.policies[0].replace(
        r#""name":"check","#,
        r#""name":"check","context":[{"name":"keys","configMap":{"name":"keys","namespace":"default"}}],"#,
    );
    let map = Fact::Document(Ok(Some(parse(&format!(
        r#"{{"data":{{"key":{}}},"metadata":{{"name":"keys"}}}}"#,
        serde_json::to_string(&world.key.public_pem()).unwrap()
    )))));
    world.answer("ConfigMap", map);
    world.push_signed("app", "v1", 1);
    world.push("app", "v2", 2);
    check(&world.create(&[&world.image("app:v1")]), true, "");
    check(&world.create(&[&world.image("app:v2")]), false, "no signatures found");
    world.answer("ConfigMap", Fact::Document(Ok(None)));
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, false, "ConfigMap default/keys does not exist");
    assert_eq!(decision.rules[0].status, Status::Error);
}

#[test]
fn a_precondition_that_does_not_hold_skips_the_rule() {
    let mut world = World::new();
    world.policy(KEYED);
    world.policies[0] = world.policies[0].replace(
        r#""name":"check","#,
        r#""name":"check","preconditions":{"all":[{"key":"{{ request.object.metadata.labels.verify || '' }}","operator":"Equals","value":"yes"}]},"#,
    );
    world.push("app", "v1", 1);
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, true, "preconditions not met");
    assert_eq!(decision.rules[0].status, Status::Skip);
}

#[test]
fn an_exception_skips_the_rule_and_names_itself() {
    let mut world = World::new();
    world.policy(KEYED);
    world.push("app", "v1", 1);
    world.exceptions.push(
        r#"{"apiVersion":"kyverno.io/v2","kind":"PolicyException","metadata":{"name":"except","namespace":"ops"},
            "spec":{"match":{"any":[{"resources":{"kinds":["Pod"],"names":["a*"]}}]},
            "exceptions":[{"policyName":"check-image","ruleNames":["check"]}]}}"#
            .to_owned(),
    );
    check(&world.create(&[&world.image("app:v1")]), false, "no signatures found");
    world.settings.exceptions_enabled = true;
    world.settings.exception_namespace = "ops".into();
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, true, "rule is skipped due to policy exceptionsops/except");
    assert_eq!(decision.rules[0].exceptions, ["ops/except"]);
    world.settings.exception_namespace = "other".into();
    check(&world.create(&[&world.image("app:v1")]), false, "no signatures found");
}

#[test]
fn custom_extractors_find_images_in_other_kinds() {
    let mut world = World::new();
    world.policy(KEYED);
    world.policies[0] = world.policies[0]
        .replace(r#""kinds":["Pod"]"#, r#""kinds":["tekton.dev/v1/Task"]"#)
        .replace(
            r#""name":"check","#,
            r#""name":"check","imageExtractors":{"Task":[{"path":"/spec/steps/*/image"}]},"#,
        );
    let digest = world.push("app", "v1", 1);
    let task = || {
        let object = format!(
            r#"{{"metadata":{{"name":"t"}},"spec":{{"steps":[{{"name":"s","image":"{}"}}]}}}}"#,
            world.image("app:v1")
        );
        let mut task = request("Task", Stage::Mutating, &object);
        task.kind.group = "tekton.dev".into();
        task
    };
    check(&world.decide(task()), false, "no signatures found");
    world.sign("app", &digest, &world.key, &Knobs::default());
    let decision = world.decide(task());
    check(&decision, true, "");
    assert!(
        decision.object.pointer("/spec/steps/0/image").unwrap().as_str().unwrap().contains('@')
    );
}

#[test]
fn a_failure_action_of_an_entry_or_a_namespace_decides() {
    let mut world = World::new();
    let entry = KEYED.replace(
        r#""imageReferences""#,
        r#""mutateDigest":false,"verifyDigest":false,"imageReferences""#,
    );
    world.policy_with(
        "check-image",
        r#""validationFailureAction":"Audit","validationFailureActionOverrides":[{"action":"enforce","namespaces":["def*"]}],"#,
        &entry,
    );
    world.push("app", "v1", 1);
    check(&world.create(&[&world.image("app:v1")]), false, "no signatures found");
    let mut elsewhere = pod(Stage::Mutating, &[&world.image("app:v1")]);
    elsewhere.namespace = "other".into();
    check(&world.decide(elsewhere), true, "no signatures found");
    world.policies.clear();
    world.policy_with(
        "check-image",
        r#""validationFailureAction":"Audit","#,
        &entry.replace(r#""imageReferences""#, r#""failureAction":"Enforce","imageReferences""#),
    );
    check(&world.create(&[&world.image("app:v1")]), false, "no signatures found");
}

#[test]
fn a_webhook_call_for_one_policy_asks_no_other() {
    let mut world = World::new();
    world.policy(KEYED);
    world.push("app", "v1", 1);
    let mut call = pod(Stage::Mutating, &[&world.image("app:v1")]);
    call.selection = Selection::One(sigward_policy::snapshot::PolicyName {
        namespace: "".into(),
        name: "another".into(),
    });
    check(&world.decide(call), true, "");
    assert_eq!(world.asked(), []);
}

#[test]
fn excluded_users_and_filtered_resources_are_not_looked_at() {
    let mut world = World::new();
    world.policy(KEYED);
    world.push("app", "v1", 1);
    let image = world.image("app:v1");
    world.settings.exclude_usernames = vec!["ali*".into()];
    check(&world.create(&[&image]), true, "");
    world.settings.exclude_usernames = Vec::new();
    world.settings.resource_filters = "[Pod,default,*]".into();
    check(&world.create(&[&image]), true, "");
    world.settings.resource_filters = "[Pod,other,*]".into();
    check(&world.create(&[&image]), false, "no signatures found");
}

#[test]
fn roles_are_asked_for_only_when_a_filter_names_them() {
    let mut world = World::new();
    world.policy(KEYED);
    world.policies[0] = world.policies[0].replace(
        r#""rules":[{"name":"check","#,
        r#""rules":[{"name":"check","exclude":{"any":[{"clusterRoles":["cluster-admin"]}]},"#,
    );
    world.push("app", "v1", 1);
    world.answer(
        "Roles {",
        Fact::Document(Ok(Some(parse(r#"{"roles":[],"clusterRoles":["cluster-admin"]}"#)))),
    );
    check(&world.create(&[&world.image("app:v1")]), true, "");
    world.answer(
        "Roles {",
        Fact::Document(Ok(Some(parse(r#"{"roles":[],"clusterRoles":["view"]}"#)))),
    );
    check(&world.create(&[&world.image("app:v1")]), false, "no signatures found");
}

#[test]
fn an_update_that_adds_an_ephemeral_container_verifies_all_images() {
    let mut world = World::new();
    world.policy(KEYED);
    world.push_signed("app", "v1", 1);
    world.push("debug", "v1", 2);
    let object = format!(
        r#"{{"metadata":{{"name":"a"}},"spec":{{"containers":[{{"name":"c","image":"{}"}}],"ephemeralContainers":[{{"name":"d","image":"{}"}}]}}}}"#,
        world.image("app:v1"),
        world.image("debug:v1")
    );
    let mut update = request("Pod", Stage::Mutating, &object);
    update.operation = Operation::Update;
    update.sub_resource = "ephemeralcontainers".into();
    let decision = world.decide(update);
    check(&decision, false, &world.image("debug:v1"));
    assert_eq!(decision.rules[0].images.len(), 2);
}

#[test]
fn a_secret_key_and_its_pod_are_asked_for_together() {
    let mut world = World::new();
    world.policy(
        r#"[{"imageReferences":["HOST/a*"],"attestors":[{"entries":[{"keys":{"secret":{"name":"one","namespace":"kyverno"}}}]}]},
            {"imageReferences":["HOST/b*"],"attestors":[{"entries":[{"keys":{"publicKeys":"k8s://kyverno/two"}}]}]}]"#,
    );
    world.answer("kyverno/one", key_fact(&world.key));
    world.answer("kyverno/two", key_fact(&world.other));
    let second = world.push("b", "v1", 2);
    world.push_signed("a", "v1", 1);
    world.sign("b", &second, &world.other, &Knobs::default());
    check(&world.create(&[&world.image("a:v1"), &world.image("b:v1")]), true, "");
}

#[test]
fn a_policy_that_compiled_in_one_build_keeps_its_names_and_webhook_rules() {
    let mut world = World::new();
    world.policy(KEYED);
    let compiled = world.compiled(&world.policies[0]).value.unwrap();
    assert_eq!(compiled.rule_names(), ["check", "autogen-check", "autogen-cronjob-check"]);
    assert_eq!(compiled.autogen_rules().len(), 2);
    assert_eq!(compiled.webhook_rules().len(), 3);
    assert!(compiled.webhook_rules().iter().all(|r| r.mutating && r.validating));
    assert_eq!(compiled.rule_counts().verify_images, 1);
}

#[test]
fn an_empty_deny_message_reads_as_upstream() {
    let mut world = World::new();
    let slsa = "https://slsa.dev/provenance/v0.2";
    world.policy(&format!(
        r#"[{{"imageReferences":["HOST/*"],"attestations":[{{"name":"p","type":"{slsa}","attestors":[{{"entries":[{{"keys":{{"publicKeys":KEY}}}}]}}]}}],
           "validate":{{"deny":{{"conditions":{{"all":[{{"key":"{{{{ p.id }}}}","operator":"Equals","value":"bad"}}]}}}}}}}}]"#
    ));
    let digest = world.push("app", "v1", 1);
    world.attest("app", &digest, &world.key, slsa, r#"{"id":"bad"}"#);
    check(&world.create(&[&world.image("app:v1")]), false, "validation error: imageVerify  failed");
}

#[test]
fn an_unknown_field_in_a_nested_attestor_is_refused() {
    refused(
        r#"{"imageReferences":["x"],"attestors":[{"entries":[{"attestor":{"entries":[{"keys":{"publicKeys":KEY,"rekr":{}}}]}}]}]}"#,
        "attestors[0].entries[0].attestor.entries[0].keys.rekr: unknown field",
    );
}

#[test]
fn a_tag_that_answers_two_digests_in_one_request_is_refused() {
    let mut world = World::new();
    let entry = |secret: &str| {
        format!(
            r#"{{"imageReferences":["HOST/*"],"imageRegistryCredentials":{{"secrets":["{secret}"]}},"attestors":[{{"entries":[{{"keys":{{"publicKeys":KEY}}}}]}}]}}"#
        )
    };
    world.policy(&format!("[{},{}]", entry("first"), entry("second")));
    world.push_signed("app", "v1", 1);
    let other = world.push_signed("app", "v2", 2);
    check(&world.create(&[&world.image("app:v1")]), true, "");
    let moved = sigward_oci::Digest::parse(&other).unwrap();
    world.answer(
        r#"tag: "v1" }, access: Access { secrets: [("kyverno", "second")]"#,
        Fact::Digest(Ok(Some(moved))),
    );
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, false, "the image at /spec/containers/0/image was resolved to");
}

#[test]
fn an_audit_failure_warns_only_where_the_policy_says_so() {
    let mut world = World::new();
    let entry = KEYED.replace(r#""imageReferences""#, r#""mutateDigest":false,"imageReferences""#);
    world.policy_with("quiet", r#""validationFailureAction":"Audit","#, &entry);
    world.push("app", "v1", 1);
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, true, "no signatures found");
    assert_eq!(decision.warnings, [] as [String; 0]);
    world.policies.clear();
    world.policy_with("loud", r#""validationFailureAction":"Audit","emitWarning":true,"#, &entry);
    let decision = world.create(&[&world.image("app:v1")]);
    assert!(decision.warnings[0].starts_with("policy loud.check: failed to verify image"));
}

#[test]
fn a_required_image_without_a_digest_is_verified_again_when_it_is_validated() {
    let mut world = World::new();
    world.policy(&KEYED.replace(
        r#""imageReferences""#,
        r#""mutateDigest":false,"verifyDigest":false,"imageReferences""#,
    ));
    world.push_signed("app", "v1", 1);
    world.push("app", "v2", 2);
    check(&world.validate(&[&world.image("app:v1")]), true, "image verified");
    let refused = world.validate(&[&world.image("app:v2")]);
    check(&refused, false, "unverified image");
    check(&refused, false, ".attestors[0].entries[0].keys: no signatures found");
}

#[test]
fn every_refusal_says_what_to_do_next() {
    let mut world = World::new();
    world.policy(KEYED);
    let next = |decision: &Decision| decision.rules[0].images[0].next.clone().unwrap_or_default();
    let digest = world.push("app", "v1", 1);
    let image = world.image("app:v1");
    assert!(next(&world.create(&[&image])).starts_with("cosign sign --key cosign.key "));
    world.sign("app", &digest, &world.other, &Knobs::default());
    assert!(next(&world.create(&[&image])).starts_with("cosign verify --key cosign.pub "));
    world.answer("Tag {", Fact::Digest(Err(cause(CauseKind::Denied))));
    assert!(next(&world.create(&[&image])).contains("imagePullSecret"));
    world.answer("Tag {", Fact::Digest(Err(cause(CauseKind::Unreachable))));
    assert!(next(&world.create(&[&image])).starts_with("try again"));
}

#[test]
fn a_background_scan_verifies_and_checks_in_one_go() {
    let mut world = World::new();
    world.policy(KEYED);
    world.push_signed("app", "v1", 1);
    world.push("app", "v2", 2);
    let mut scan = pod(Stage::All, &[&world.image("app:v1")]);
    scan.user = None;
    let decision = world.decide(scan);
    let statuses: Vec<Status> = decision.rules.iter().map(|r| r.status).collect();
    assert_eq!(statuses, [Status::Pass, Status::Pass]);
    let decision = world.decide(pod(Stage::All, &[&world.image("app:v2")]));
    let statuses: Vec<Status> = decision.rules.iter().map(|r| r.status).collect();
    assert_eq!(statuses, [Status::Fail], "the second side would only repeat it");
}

#[test]
fn report_properties_are_resolved_and_never_change_a_decision() {
    let mut world = World::new();
    world.policy(KEYED);
    world.policies[0] = world.policies[0].replace(
        r#""name":"check","#,
        r#""name":"check","reportProperties":{"a":"in {{ request.namespace }}","b":"{{ request.object.gone }}"},"#,
    );
    world.push_signed("app", "v1", 1);
    let decision = world.create(&[&world.image("app:v1")]);
    check(&decision, true, "");
    let properties: Vec<String> =
        decision.rules[0].properties.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(properties, ["a=in default", "b={{ request.object.gone }}"]);
}

#[test]
fn a_tag_and_the_key_it_will_be_checked_with_are_asked_for_in_one_round() {
    let mut world = World::new();
    world.policy(
        r#"[{"imageReferences":["*"],"attestors":[{"entries":[{"keys":{"publicKeys":"k8s://kyverno/one"}}]}]}]"#,
    );
    let snapshot = world.snapshot();
    let mut facts =
        sigward_policy::fact::Facts::new(std::sync::Arc::new(sigward_policy::fact::NoMemory));
    let step = sigward_policy::evaluate::evaluate(
        &snapshot,
        &pod(Stage::Mutating, &["a:1"]),
        &mut facts,
        &mut sigward_policy::evaluate::Progress::default(),
        &mut sigward_policy::evaluate::NoProbe,
    );
    let sigward_policy::evaluate::Step::Need(wanted) = step else { panic!("{step:?}") };
    assert_eq!(wanted.len(), 2, "{wanted:?}");
}
