//! Stored policies that do not compile: an error wherever they match, never "no match".
use crate::{
    validate::yaml,
    world::{pod, request},
};
use sigward_policy::{
    compile::{compile_policy, compile_unusable},
    decision::{Decision, Status},
    evaluate::{NoProbe, Progress, Step, evaluate},
    fact::{Facts, NoMemory},
    request::{Lazy, Operation, Request, Stage},
    snapshot::{Settings, Snapshot},
};
use std::sync::Arc;

const REASON: &str = "spec.rules[0].validate.cel: not supported in this build";
const CEL: &str = "validate: {cel: {expressions: [{expression: 'true'}]}}";

fn decide(spec: &str, request: &Request) -> Decision {
    decide_rule(spec, CEL, request)
}

fn decide_rule(spec: &str, action: &str, request: &Request) -> Decision {
    let text = format!(
        "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: p}}, spec: {{{spec} rules: [{{name: r, \
         match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}, exclude: {{any: [{{resources: {{names: [spared]}}}}]}}, \
         {action}}}]}}}}"
    );
    let settings = Settings::default();
    assert!(compile_policy(&yaml(&text), &settings).value.is_none());
    let policy = compile_unusable(&yaml(&text), REASON, &settings).unwrap();
    let snapshot = Snapshot::new(1, vec![Arc::new(policy)], Vec::new(), Arc::new(settings));
    let mut facts = Facts::new(Arc::new(NoMemory));
    match evaluate(&snapshot, request, &mut facts, &mut Progress::default(), &mut NoProbe) {
        Step::Done(decision) => decision,
        Step::Need(wanted) => panic!("{wanted:#?}"),
    }
}

#[test]
fn a_policy_that_never_compiled_is_an_error_where_it_matches() {
    let decision = decide("validationFailureAction: Enforce,", &pod(Stage::Validating, &["a"]));
    let [rule] = decision.rules.as_slice() else { panic!("{decision:#?}") };
    assert_eq!(rule.status, Status::Error);
    assert_eq!(rule.message, format!("the policy cannot be used: {REASON}"));
    assert!(!decision.allowed, "under Enforce and failurePolicy Fail an error blocks");
}

#[test]
fn a_policy_that_never_compiled_blocks_no_more_than_its_words_allow() {
    let pod = pod(Stage::Validating, &["a"]);
    for spec in [
        "validationFailureAction: Audit,",
        "validationFailureAction: Enforce, webhookConfiguration: {failurePolicy: Ignore},",
    ] {
        let decision = decide(spec, &pod);
        assert!(decision.allowed, "{spec}");
        assert_eq!(decision.rules.first().map(|rule| rule.status), Some(Status::Error), "{spec}");
    }
    let enforced = "validationFailureAction: Enforce,";
    assert!(decide(enforced, &request("ConfigMap", Stage::Validating, "{}")).rules.is_empty());
    let spared = Request { name: "spared".into(), ..pod };
    assert!(decide(enforced, &spared).rules.is_empty());
}

#[test]
fn a_policy_that_never_compiled_keeps_nobody_from_deleting_what_it_would_not_have_looked_at() {
    let pod = pod(Stage::Validating, &["a"]);
    let old_object = Lazy::from_value(pod.object.value().unwrap().clone());
    let deleted = Request { operation: Operation::Delete, old_object, ..pod };
    let enforced = "validationFailureAction: Enforce,";
    let images = "verifyImages: [{type: Notary, imageReferences: ['*'], failureAction: Enforce}]";
    assert!(decide_rule(enforced, images, &deleted).rules.is_empty());
    assert!(!decide(enforced, &deleted).allowed, "validate rules are about deletions too");
    let created = Request { operation: Operation::Create, ..deleted };
    assert!(!decide_rule("", images, &created).allowed);
}

#[test]
fn the_actions_of_namespaces_hold_for_a_policy_that_never_compiled() {
    let here = pod(Stage::Validating, &["a"]);
    let elsewhere = Request { namespace: "elsewhere".into(), ..pod(Stage::Validating, &["a"]) };
    let of_the_policy =
        "validationFailureActionOverrides: [{action: Enforce, namespaces: [default]}],";
    assert!(!decide(of_the_policy, &here).allowed);
    assert!(decide(of_the_policy, &elsewhere).allowed);
    let of_the_rule = "validate: {failureActionOverrides: [{action: Enforce, namespaces: [default]}], \
        cel: {expressions: [{expression: 'true'}]}}";
    assert!(!decide_rule("", of_the_rule, &here).allowed);
    assert!(decide_rule("", of_the_rule, &elsewhere).allowed);
}

#[test]
fn a_policy_whose_match_cannot_be_read_is_about_nothing() {
    for text in
        ["{kind: ClusterPolicy, spec: 1}", "{kind: ClusterPolicy, spec: {rules: [{}]}}", "1"]
    {
        assert!(compile_unusable(&yaml(text), REASON, &Settings::default()).is_none(), "{text}");
    }
}
