//! Validate rules: what comes of them, in which words, and what it does to the request.
use crate::world::{World, parse, request};
use sigward_document::Value;
use sigward_policy::{
    decision::{Decision, Status},
    fact::{CauseKind, Fact, Fetch},
    request::{
        GroupVersionKind, GroupVersionResource, Lazy, Operation, Request, Stage, built_in_kind,
    },
};

/// A policy with one rule `r` for ConfigMaps; `validate` and `rule` are YAML in braces and members.
pub(crate) fn policy(spec: &str, rule: &str, validate: &str) -> String {
    let text = format!(
        "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: p}}, spec: {{background: false, {spec} rules: \
         [{{name: r, match: {{any: [{{resources: {{kinds: [ConfigMap]}}}}]}}, {rule} validate: {validate}}}]}}}}"
    );
    yaml(&text).to_json()
}

pub(crate) fn yaml(text: &str) -> Value {
    sigward_document::parse_yaml(text).unwrap_or_else(|e| panic!("{e:?}\n{text}")).value
}

/// The world with one policy.
fn world(spec: &str, rule: &str, validate: &str) -> World {
    let mut world = World::new();
    world.policies.push(policy(spec, rule, validate));
    world
}

const ENFORCE: &str = "validationFailureAction: Enforce,";

fn create(object: &str) -> Request {
    request("ConfigMap", Stage::Validating, &yaml(object).to_json())
}

fn update(old: &str, new: &str) -> Request {
    Request { operation: Operation::Update, old_object: Lazy::from_value(yaml(old)), ..create(new) }
}

fn delete(old: &str) -> Request {
    Request {
        operation: Operation::Delete,
        object: Lazy::empty(),
        old_object: Lazy::from_value(yaml(old)),
        ..create("{}")
    }
}

/// `status: message` of the only rule; empty without a result.
fn outcome(decision: &Decision) -> String {
    match decision.rules.as_slice() {
        [] => String::new(),
        [rule] => format!("{}: {}", rule.status.as_str(), rule.message),
        several => panic!("{several:#?}"),
    }
}

fn check_rule(rule: &str, validate: &str, object: &str, expected: &str) {
    let decision = world("", rule, validate).decide(create(object));
    assert_eq!(outcome(&decision), expected, "{validate} <- {object}");
}

fn check(validate: &str, object: &str, expected: &str) {
    check_rule("", validate, object, expected);
}

#[test]
fn failures_read_as_upstream_writes_them() {
    check(
        "{message: m, pattern: {a: 1}}",
        "{a: 2}",
        "fail: validation error: m. rule r failed at path /a/",
    );
    check(
        "{message: m., pattern: {a: 1}}",
        "{a: 2}",
        "fail: validation error: m. rule r failed at path /a/",
    );
    check("{pattern: {a: 1}}", "{a: 2}", "fail: validation error: rule r failed at path /a/");
    check(
        "{message: '{{ request.object.nope }}', pattern: {a: 1}}",
        "{a: 2}",
        "fail: validation error: variables substitution error in rule r execution error: resource value '2' does not match '1' at path /a/",
    );
    check(
        "{message: 'm {{ request.object.a }} {{request.operation}} {{ request.namespace }}', pattern: {a: 1}}",
        "{a: 2}",
        "fail: validation error: m 2 CREATE default. rule r failed at path /a/",
    );
    check("{message: m, pattern: {a: 1}}", "{a: 1}", "pass: validation rule 'r' passed.");
    check(
        "{message: m, pattern: {(a): 1, b: 1}}",
        "{a: 2}",
        "skip: conditional anchor mismatch: resource value '2' does not match '1' at path /a/",
    );
    check(
        "{message: m, pattern: {t: [[1], [2]]}}",
        "{t: [[1]]}",
        "error: validation error: m. rule r execution error: validate Array failed, array length mismatch, resource Array len is 1 and pattern Array len is 2",
    );
}

#[test]
fn any_pattern_lists_every_failure_and_the_first_match_decides() {
    check(
        "{message: m, anyPattern: [{a: 1}, {b: 2}]}",
        "{a: 2}",
        "fail: validation error: m. rule r[0] failed at path /a/ rule r[1] failed at path /b/",
    );
    check(
        "{anyPattern: [{a: 1}, {(b): 2}]}",
        "{a: 2}",
        "fail: validation error: rule r[0] failed at path /a/",
    );
    check(
        "{anyPattern: [{(a): 1}, {(b): 2}]}",
        "{a: 2}",
        "skip: rule r[0] skipped: conditional anchor mismatch: resource value '2' does not match '1' at path /a/ rule r[1] skipped: conditional anchor mismatch: conditional anchor key doesn't exist in the resource",
    );
    check(
        "{anyPattern: [{(a): 1}, {a: 2}]}",
        "{a: 2}",
        "pass: validation rule 'r' anyPattern[1] passed.",
    );
}

#[test]
fn variables_in_patterns_are_resolved_and_a_missing_one_is_an_error() {
    check(
        "{pattern: {a: '{{ request.object.b }}'}}",
        "{a: 2, b: 2}",
        "pass: validation rule 'r' passed.",
    );
    check(
        "{pattern: {a: '>{{ request.object.b }}'}}",
        "{a: 3, b: 2}",
        "pass: validation rule 'r' passed.",
    );
    check(
        "{message: m, pattern: {a: '{{ request.object.zz }}'}}",
        "{a: 2}",
        r#"error: variable substitution failed: failed to resolve request.object.zz at path /a: JMESPath query failed: Unknown key "zz" in path"#,
    );
}

#[test]
fn deny_says_the_rules_message_and_that_of_the_conditions() {
    let deny = |message: &str, condition: &str| {
        format!(
            "{{{message} deny: {{conditions: {{any: [{{key: '{{{{request.object.a}}}}', operator: Equals, value: 1{condition}}}]}}}}}}"
        )
    };
    check(&deny("message: m,", ", message: 'c {{request.object.a}}'"), "{a: 1}", "fail: m; c 1");
    check(&deny("", ""), "{a: 1}", "fail: validation error: rule r failed");
    check(&deny("message: '{{request.object.q}}',", ", message: C"), "{a: 1}", "fail: C");
    check(
        &deny("message: '{{request.object.l}}',", ""),
        "{a: 1, l: [1]}",
        "fail: the produced message didn't resolve to a string, check your policy definition.",
    );
    check(&deny("message: m,", ""), "{a: 2}", "pass: validation rule 'r' passed.");
    check("{message: m, deny: {}}", "{a: 1}", "fail: m");
    check(
        &deny("message: m,", ""),
        "{b: 1}",
        r#"error: failed to check deny conditions: failed to substitute variables in condition key: failed to resolve request.object.a at path : JMESPath query failed: Unknown key "a" in path"#,
    );
}

#[test]
fn messages_are_joined_as_upstream_joins_them() {
    let condition = |message: &str| {
        format!(
            "{{key: '{{{{request.object.a}}}}', operator: Equals, value: 1, message: '{message}'}}"
        )
    };
    let (one, two) = (condition("A"), condition("B"));
    check(
        &format!("{{message: m, deny: {{conditions: {{all: [{one}, {two}]}}}}}}"),
        "{a: 1}",
        "fail: m; A; B",
    );
    check(
        &format!("{{message: m, deny: {{conditions: [{one}, {two}]}}}}"),
        "{a: 1}",
        "fail: m; A;B",
    );
}

#[test]
fn the_message_of_a_condition_that_does_not_decide_need_not_resolve() {
    let lost = "{key: '{{request.object.a}}', operator: Equals, value: 5, message: '{{ request.object.nope }}'}";
    check(
        &format!("{{deny: {{conditions: {{any: [{lost}]}}}}}}"),
        "{a: 1}",
        "pass: validation rule 'r' passed.",
    );
    check_rule(
        "preconditions: {all: [{key: '{{request.object.a}}', operator: Equals, value: 5, message: 'is {{ request.object.a }}'}]},",
        "{pattern: {a: 1}}",
        "{a: 1}",
        "skip: preconditions not met; is {{ request.object.a }}",
    );
}

#[test]
fn preconditions_that_do_not_hold_skip_and_those_that_cannot_be_told_are_an_error() {
    let rule = "preconditions: {all: [{key: '{{request.object.b}}', operator: Equals, value: 2, message: nope}]},";
    check_rule(rule, "{pattern: {a: 1}}", "{a: 2, b: 1}", "skip: preconditions not met; nope");
    check_rule(
        rule,
        "{pattern: {a: 1}}",
        "{a: 2}",
        r#"error: failed to evaluate preconditions: failed to substitute variables in condition key: failed to resolve request.object.b at path : JMESPath query failed: Unknown key "b" in path"#,
    );
}

#[test]
fn a_foreach_checks_each_element_and_stops_at_the_first_that_fails() {
    let each = "{message: m, foreach: [{list: request.object.a, pattern: {x: 1}}]}";
    check(
        each,
        "{a: [{x: 1}, {x: 2}]}",
        "fail: validation failure: validation error: m. rule r failed at path /x/",
    );
    check(each, "{a: [{x: 1}, null, {x: 1}]}", "pass: rule passed");
    check(
        each,
        "{a: {x: 2}}",
        "fail: validation failure: validation error: m. rule r failed at path /x/",
    );
    check(
        "{message: m, foreach: [{list: request.object.a, anyPattern: [{x: 1}, {x: 3}]}]}",
        "{a: [{x: 2}]}",
        "fail: validation failure: validation error: m. rule r[0] failed at path /x/ rule r[1] failed at path /x/",
    );
    check(
        "{message: m, foreach: [{list: request.object.a, pattern: {x: 1}}, {list: request.object.b, pattern: {x: 1}}]}",
        "{b: [{x: 1}], a: []}",
        "pass: rule passed",
    );
}

#[test]
fn a_foreach_that_checked_nothing_has_no_result() {
    check("{foreach: [{list: request.object.a, pattern: {x: 1}}]}", "{a: []}", "");
    check("{foreach: [{list: request.object.a, pattern: {(x): 1}}]}", "{a: [{x: 2}]}", "");
}

#[test]
fn a_list_that_is_not_there_has_no_elements() {
    check("{foreach: [{list: request.object.a.b, pattern: {x: 1}}]}", "{b: []}", "");
    let other = "{foreach: [{list: 'abs(request.object.a)', pattern: {x: 1}}]}";
    let got = outcome(&world("", "", other).decide(create("{a: [1]}")));
    assert!(got.starts_with("error: failed to evaluate list: JMESPath query failed: "), "{got}");
}

#[test]
fn an_element_whose_precondition_names_a_missing_key_is_passed_over() {
    check(
        "{foreach: [{list: request.object.a, preconditions: {all: [{key: '{{element.z}}', operator: Equals, value: 2}]}, pattern: {x: 1}}]}",
        "{a: [{x: 2}]}",
        "",
    );
}

#[test]
fn an_element_that_cannot_be_checked_is_an_error_of_the_rule() {
    let each = "{message: m, foreach: [{list: request.object.a, deny: {conditions: {any: [{key: '{{element.x}}', operator: Equals, value: 2}]}}}]}";
    for object in ["{a: [{y: 2}, {x: 3}]}", "{a: [{x: 3}, {y: 2}]}"] {
        check(
            each,
            object,
            r#"error: validation failure: failed to check deny conditions: failed to substitute variables in condition key: failed to resolve element.x at path : JMESPath query failed: Unknown key "x" in path"#,
        );
    }
    check(each, "{a: [{x: 2}]}", "fail: validation failure: m");
}

#[test]
fn patterns_look_at_elements_that_are_maps_and_at_the_object_otherwise() {
    check(
        "{foreach: [{list: request.object.a, pattern: {a: 1}}]}",
        "{a: [1]}",
        "pass: rule passed",
    );
    check(
        "{message: m, foreach: [{list: request.object.a, elementScope: false, pattern: {b: '{{element.x}}'}}]}",
        "{a: [{x: 1}], b: 2}",
        "fail: validation failure: validation error: m. rule r failed at path /b/",
    );
    check(
        "{foreach: [{list: request.object.a, elementScope: true, pattern: {x: 1}}]}",
        "{a: [1]}",
        "error: failed to process foreach: cannot use elementScope=true foreach rules for elements that are not maps, expected type=map got type=float64",
    );
}

#[test]
fn an_empty_list_in_a_pattern_fails_whatever_is_there() {
    for object in ["{a: []}", "{a: [1]}", "{a: x}", "{}"] {
        let expected = "fail: validation error: m. rule r failed at path /a/";
        check("{message: m, pattern: {a: []}}", object, expected);
    }
}

#[test]
fn a_foreach_in_a_foreach_sees_both_elements() {
    check(
        "{message: m, foreach: [{list: request.object.a, foreach: [{list: element.l, deny: {conditions: {any: \
         [{key: '{{element}} {{element0.x}} {{elementIndex0}} {{elementIndex1}}', operator: Equals, value: '2 7 1 0', message: 'of {{element}}'}]}}}]}]}",
        "{a: [{x: 6, l: []}, {x: 7, l: [2]}]}",
        "fail: validation failure: validation failure: m; of 2",
    );
}

#[test]
fn entries_of_a_foreach_are_loaded_for_each_element() {
    check(
        "{message: m, foreach: [{list: request.object.a, context: [{name: got, variable: {jmesPath: element.x}}], \
         deny: {conditions: {any: [{key: '{{ got }}', operator: Equals, value: 2}]}}}]}",
        "{a: [{x: 1}, {x: 2}]}",
        "fail: validation failure: m",
    );
    check(
        "{message: m, foreach: [{list: request.object.a, foreach: [{list: element.l, context: [{name: got, variable: {jmesPath: element.x}}], \
         deny: {conditions: {any: [{key: '{{ got }}', operator: Equals, value: 2}]}}}]}]}",
        "{a: [{l: [{x: 1}, {x: 2}]}]}",
        "fail: validation failure: validation failure: m",
    );
}

#[test]
fn what_elements_want_is_wanted_together() {
    let validate = "{message: m, foreach: [{list: request.object.a, context: [{name: got, apiCall: {urlPath: '/api/v1/{{element}}'}}], \
         deny: {conditions: {any: [{key: '{{ got.x }}', operator: Equals, value: 2}]}}}]}";
    let world = world("", "", validate);
    world.answer("/api/v1/", Fact::Document(Ok(Some(parse(r#"{"x":1}"#)))));
    let decision = world.decide(create("{a: [p, q, r]}"));
    assert_eq!(outcome(&decision), "pass: rule passed");
    assert_eq!(world.asked().iter().filter(|f| matches!(f, Fetch::Call(_))).count(), 3);
}

#[test]
fn patterns_say_nothing_of_what_is_deleted_and_deny_looks_at_the_old_object() {
    let decision = world(ENFORCE, "", "{pattern: {a: 1}}").decide(delete("{a: 2}"));
    assert!(decision.allowed);
    assert_eq!(outcome(&decision), "");
    let deny = "{message: m, deny: {conditions: {all: [{key: '{{ request.object.a }}', operator: Equals, value: 2}]}}}";
    let decision = world(ENFORCE, "", deny).decide(delete("{a: 2}"));
    assert!(!decision.allowed);
    assert_eq!(outcome(&decision), "fail: m");
    let each = "{foreach: [{list: request.object.a, pattern: {x: 1}}]}";
    assert_eq!(outcome(&world(ENFORCE, "", each).decide(delete("{a: [{x: 2}]}"))), "");
}

#[test]
fn what_is_connected_to_is_checked() {
    let deny = "{message: m, deny: {conditions: {all: [{key: '{{ request.operation }}', operator: Equals, value: CONNECT}]}}}";
    let mut request = create("{container: c}");
    request.operation = Operation::Connect;
    assert!(!world(ENFORCE, "", deny).decide(request).allowed);
}

#[test]
fn the_action_of_the_rule_goes_before_that_of_the_policy_and_overrides_before_both() {
    let failing = |spec: &str, action: &str| {
        let validate = format!("{{{action} message: m, pattern: {{a: 1}}}}");
        let world = world(spec, "", &validate);
        world.answer(
            "Namespace(",
            Fact::Document(Ok(Some(parse(r#"{"metadata":{"labels":{"env":"prod"}}}"#)))),
        );
        world.decide(create("{a: 2}")).allowed
    };
    assert!(failing("", ""));
    assert!(!failing(ENFORCE, ""));
    assert!(failing(ENFORCE, "failureAction: Audit,"));
    assert!(!failing("", "failureAction: Enforce,"));
    let by_name = |action: &str| {
        format!("failureActionOverrides: [{{action: {action}, namespaces: ['def*']}}],")
    };
    assert!(!failing("", &by_name("Enforce")));
    assert!(failing(ENFORCE, &by_name("Audit")));
    assert!(failing(ENFORCE, &format!("failureAction: Enforce, {}", by_name("Audit"))));
    let selector = |env: &str| {
        format!(
            "failureActionOverrides: [{{action: Enforce, namespaceSelector: {{matchLabels: {{env: {env}}}}}}}],"
        )
    };
    assert!(!failing("", &selector("prod")));
    assert!(failing("", &selector("test")));
    let both = "failureActionOverrides: [{action: Enforce, namespaces: [other], namespaceSelector: {matchLabels: {env: prod}}}],";
    assert!(failing("", both));
}

#[test]
fn an_existing_violation_is_let_be_where_the_rule_enforces() {
    let pattern = |more: &str| format!("{{{more} message: m, pattern: {{a: 1}}}}");
    let skip = "skip: skipping the rule evaluation as pre-existing violations are allowed";
    let fail = "fail: validation error: m. rule r failed at path /a/";
    let decide = |spec: &str, more: &str, old: &str| {
        let decision = world(spec, "", &pattern(more)).decide(update(old, "{a: 2}"));
        (outcome(&decision), decision.allowed)
    };
    assert_eq!(decide(ENFORCE, "", "{a: 3}"), (skip.to_owned(), true));
    assert_eq!(decide(ENFORCE, "", "{a: 1}"), (fail.to_owned(), false));
    assert_eq!(
        decide(ENFORCE, "allowExistingViolations: false,", "{a: 3}"),
        (fail.to_owned(), false)
    );
    assert_eq!(decide("", "", "{a: 3}"), (fail.to_owned(), true));
    assert_eq!(decide("", "failureAction: Enforce,", "{a: 3}"), (skip.to_owned(), true));
}

#[test]
fn an_old_object_that_cannot_be_checked_is_no_existing_violation() {
    let deny = "{message: m, deny: {conditions: {any: [{key: '{{ request.object.a }}', operator: Equals, value: 2}]}}}";
    assert!(!world(ENFORCE, "", deny).decide(update("{b: 1}", "{a: 2}")).allowed);
}

#[test]
fn a_rule_about_users_never_finds_an_existing_violation() {
    let mut world = World::new();
    let text = policy(ENFORCE, "", "{message: m, pattern: {a: 1}}").replace(
        r#""kinds":["ConfigMap"]}"#,
        r#""kinds":["ConfigMap"]},"subjects":[{"kind":"User","name":"alice"}]"#,
    );
    world.policies.push(text);
    assert!(!world.decide(update("{a: 3}", "{a: 2}")).allowed);
}

#[test]
fn an_audited_rule_is_not_in_the_denial() {
    let mut world = world(ENFORCE, "", "{message: enforced, pattern: {a: 1}}");
    let audited = policy("", "", "{message: audited, pattern: {a: 1}}");
    world.policies.push(audited.replace(r#""name":"p""#, r#""name":"q""#));
    let message = world.decide(create("{a: 2}")).message.unwrap();
    assert!(message.contains("enforced") && !message.contains("audited"), "{message}");
}

#[test]
fn a_denial_names_the_object_and_every_rule() {
    let decision = world(ENFORCE, "", "{message: m, pattern: {a: 1}}").decide(create("{a: 2}"));
    assert_eq!(
        decision.message.unwrap(),
        "\n\nresource ConfigMap/default/a was blocked due to the following policies \n\np:\n  r: 'validation error: m. rule r failed at path /a/'\n"
    );
}

#[test]
fn an_error_of_an_audited_rule_warns_only_where_the_policy_says_so() {
    let broken = "{pattern: {a: '{{ request.object.zz }}'}}";
    assert!(world("", "", broken).decide(create("{a: 2}")).warnings.is_empty());
    assert_eq!(world("emitWarning: true,", "", broken).decide(create("{a: 2}")).warnings.len(), 1);
    let fail = "{message: m, pattern: {a: 1}}";
    assert!(world("", "", fail).decide(create("{a: 2}")).warnings.is_empty());
    assert_eq!(
        world("emitWarning: true,", "", fail).decide(create("{a: 2}")).warnings,
        ["policy p.r: validation error: m. rule r failed at path /a/"]
    );
}

#[test]
fn an_error_blocks_under_the_failure_policy_and_warns_without() {
    let broken = "{pattern: {a: '{{ request.object.zz }}'}}";
    assert!(!world(ENFORCE, "", broken).decide(create("{a: 2}")).allowed);
    let ignore = format!("{ENFORCE} webhookConfiguration: {{failurePolicy: Ignore}},");
    let decision = world(&ignore, "", broken).decide(create("{a: 2}"));
    assert!(decision.allowed);
    assert_eq!(decision.warnings.len(), 1);
}

#[test]
fn an_exception_skips_a_validate_rule() {
    let mut world = world(ENFORCE, "", "{message: m, pattern: {a: 1}}");
    world.settings.exceptions_enabled = true;
    world.settings.exception_namespace = "*".into();
    let exception = "{apiVersion: kyverno.io/v2, kind: PolicyException, metadata: {name: e, namespace: ns}, spec: {match: {any: \
         [{resources: {kinds: [ConfigMap]}}]}, exceptions: [{policyName: p, ruleNames: [r]}]}}";
    world.exceptions.push(yaml(exception).to_json());
    let decision = world.decide(create("{a: 2}"));
    assert_eq!(outcome(&decision), "skip: rule is skipped due to policy exceptionsns/e");
    assert!(decision.allowed);
}

#[test]
fn apply_rules_one_stops_after_the_first_rule_that_applied() {
    let rules = |first: &str| {
        format!(
            "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: p}}, spec: {{background: false, applyRules: One, rules: [\
             {{name: one, match: {{any: [{{resources: {{kinds: [ConfigMap]}}}}]}}, validate: {{pattern: {first}}}}}, \
             {{name: two, match: {{any: [{{resources: {{kinds: [ConfigMap]}}}}]}}, validate: {{pattern: {{a: 1}}}}}}]}}}}"
        )
    };
    let names = |first: &str| {
        let mut world = World::new();
        world.policies.push(yaml(&rules(first)).to_json());
        let decision = world.decide(create("{a: 1}"));
        decision.rules.iter().map(|r| (r.rule.to_string(), r.status)).collect::<Vec<_>>()
    };
    assert_eq!(names("{a: 1}"), [("one".to_owned(), Status::Pass)]);
    assert_eq!(
        names("{(a): 2}"),
        [("one".to_owned(), Status::Skip), ("two".to_owned(), Status::Pass)]
    );
}

#[test]
fn a_rule_for_pods_checks_their_controllers_under_a_name_of_its_own() {
    let mut world = World::new();
    world.policies.push(
        policy(ENFORCE, "", "{message: m, pattern: {spec: {containers: [{image: '!*:latest'}]}}}")
            .replace("ConfigMap", "Pod"),
    );
    let check = |kind: &str, object: &str, rule: &str, path: &str| {
        let decision = world.decide(request(kind, Stage::Validating, &yaml(object).to_json()));
        let [outcome] = decision.rules.as_slice() else { panic!("{:#?}", decision.rules) };
        assert_eq!(outcome.rule, rule);
        assert_eq!(
            outcome.message,
            format!("validation error: m. rule {rule} failed at path {path}containers/0/image/")
        );
    };
    let spec = "{containers: [{image: 'a:latest'}]}";
    check("Pod", &format!("{{spec: {spec}}}"), "r", "/spec/");
    check(
        "Deployment",
        &format!("{{spec: {{template: {{spec: {spec}}}}}}}"),
        "autogen-r",
        "/spec/template/spec/",
    );
    check(
        "CronJob",
        &format!("{{spec: {{jobTemplate: {{spec: {{template: {{spec: {spec}}}}}}}}}}}"),
        "autogen-cronjob-r",
        "/spec/jobTemplate/spec/template/spec/",
    );
}

#[test]
fn a_generated_rule_is_about_chosen_controllers_only() {
    let mut world = World::new();
    let text = policy(ENFORCE, "", "{message: m, pattern: {spec: {a: 1}}}")
        .replace(
            r#"{"resources":{"kinds":["ConfigMap"]}}"#,
            r#"{"resources":{"kinds":["Pod"]}},{"resources":{"kinds":["Deployment"]}}"#,
        )
        .replace(
            r#""name":"p""#,
            r#""name":"p","annotations":{"pod-policies.kyverno.io/autogen-controllers":"Job"}"#,
        );
    world.policies.push(text);
    let rules = |kind: &str| {
        let decision = world.decide(request(kind, Stage::Validating, r#"{"spec":{"a":1}}"#));
        decision.rules.iter().map(|rule| rule.rule.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(rules("Deployment"), ["r"]);
    assert_eq!(rules("Job"), ["autogen-r"]);
}

#[test]
fn the_validating_webhook_gets_every_operation_of_a_validate_rule() {
    use Operation::{Connect, Create, Delete, Update};
    let world = World::new();
    let rules = |text: &str| world.compiled(text).value.unwrap().webhook_rules().to_vec();
    let plain = policy("", "", "{pattern: {a: 1}}");
    let [rule] = rules(&plain).try_into().unwrap();
    assert_eq!((rule.mutating, rule.validating), (false, true));
    assert_eq!(rule.operations, [Create, Update, Delete, Connect]);
    let some = plain.replace(r#"["ConfigMap"]"#, r#"["ConfigMap"],"operations":["DELETE"]"#);
    assert_eq!(rules(&some)[0].operations, [Delete]);
    let exclude = |filter: &str| {
        let rule = format!("exclude: {{any: [{{resources: {{{filter}}}}}]}},");
        rules(&policy("", &rule, "{pattern: {a: 1}}"))[0].operations.clone()
    };
    assert_eq!(exclude("operations: [DELETE]"), [Create, Update, Connect]);
    assert_eq!(exclude("kinds: [ConfigMap], operations: [DELETE]"), [Create, Update, Connect]);
    // Only a part of what is deleted, or of the kinds.
    assert_eq!(exclude("names: [a], operations: [DELETE]"), [Create, Update, Delete, Connect]);
    assert_eq!(exclude("kinds: [Secret], operations: [DELETE]"), [Create, Update, Delete, Connect]);
}

#[test]
fn at_most_sixteen_elements_wait_at_a_time() {
    use sigward_policy::{
        evaluate::{NoProbe, Progress, Step, evaluate},
        fact::{Facts, NoMemory},
    };
    let validate = "{message: m, foreach: [{list: request.object.a, context: [{name: got, apiCall: {urlPath: '/api/v1/{{element}}'}}], \
         deny: {conditions: {any: [{key: '{{ got.x }}', operator: Equals, value: 2}]}}}]}";
    let numbers: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let request = create(&format!("{{a: [{}]}}", numbers.join(", ")));
    let snapshot = world("", "", validate).snapshot();
    let mut facts = Facts::new(std::sync::Arc::new(NoMemory));
    let step = evaluate(&snapshot, &request, &mut facts, &mut Progress::default(), &mut NoProbe);
    let Step::Need(wanted) = step else { panic!("{step:#?}") };
    assert_eq!(wanted.len(), 16);
}

#[test]
fn an_element_whose_precondition_could_not_be_told_is_an_error() {
    let validate = "{message: m, foreach: [{list: request.object.a, context: [{name: got, apiCall: {urlPath: '/api/v1/x'}}], \
         preconditions: {all: [{key: '{{ got.x }}', operator: Equals, value: 2}]}, pattern: {a: 1}}]}";
    let world = world(ENFORCE, "", validate);
    world.answer("/api/v1/", Fact::Document(Err(crate::world::cause(CauseKind::Unavailable))));
    let decision = world.decide(create("{a: [{a: 1}]}"));
    assert!(!decision.allowed);
    let said = outcome(&decision);
    assert!(
        said.starts_with("error: validation failure: failed to evaluate preconditions: "),
        "{said}"
    );
}

#[test]
fn a_subresource_is_matched_by_the_kind_that_it_belongs_to() {
    let check = |kinds: &str, parent: Option<&str>, expected: bool| {
        let mut world = World::new();
        world.policies.push(
            policy(ENFORCE, "", "{message: m, pattern: {spec: {replicas: '<3'}}}")
                .replace("ConfigMap", kinds),
        );
        let kind = |kind: &str| GroupVersionKind {
            group: "apps".into(),
            version: "v1".into(),
            kind: kind.into(),
        };
        let scaled = Request {
            kind: GroupVersionKind { group: "autoscaling".into(), ..kind("Scale") },
            parent: parent.map(kind),
            resource: GroupVersionResource {
                group: "apps".into(),
                version: "v1".into(),
                resource: "deployments".into(),
            },
            sub_resource: "scale".into(),
            ..create("{kind: Scale, spec: {replicas: 3}}")
        };
        assert_eq!(!world.decide(scaled).allowed, expected, "{kinds} of {parent:?}");
    };
    check("Deployment/scale", Some("Deployment"), true);
    check("apps/v1/Deployment.scale", Some("Deployment"), true);
    check("Deployment", Some("Deployment"), false);
    check("StatefulSet/scale", Some("Deployment"), false);
    check("Scale", Some("Deployment"), false);
    check("Deployment/scale", None, false);
}

#[test]
fn built_in_kinds_are_known_by_their_resources() {
    let kind = |group: &str, resource: &str| {
        let resource = GroupVersionResource {
            group: group.into(),
            version: "v1".into(),
            resource: resource.into(),
        };
        built_in_kind(&resource).map(|found| found.kind)
    };
    assert_eq!(kind("", "pods").as_deref(), Some("Pod"));
    assert_eq!(kind("apps", "statefulsets").as_deref(), Some("StatefulSet"));
    assert_eq!(kind("networking.k8s.io", "ingresses").as_deref(), Some("Ingress"));
    assert_eq!(kind("apps", "pods"), None);
    assert_eq!(kind("example.test", "deployments"), None);
}

#[test]
fn an_exception_names_the_generated_rule() {
    let decide = |named: &str| {
        let text = "{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {name: p}, spec: {rules: [{name: r, match: \
                    {any: [{resources: {kinds: [Pod]}}]}, validate: {pattern: {spec: {a: b}}}}]}}";
        let exception = format!(
            "{{apiVersion: kyverno.io/v2, kind: PolicyException, metadata: {{name: e, namespace: ns}}, spec: {{match: {{any: \
             [{{resources: {{kinds: [Deployment]}}}}]}}, exceptions: [{{policyName: p, ruleNames: ['{named}']}}]}}}}"
        );
        let mut world = World::new();
        world.policies.push(yaml(text).to_json());
        world.settings.exceptions_enabled = true;
        world.settings.exception_namespace = "*".into();
        world.exceptions.push(yaml(&exception).to_json());
        let object = yaml(
            "{apiVersion: apps/v1, kind: Deployment, metadata: {name: o}, spec: {template: {spec: {a: c}}}}",
        );
        let decision = world.decide(request("Deployment", Stage::Validating, &object.to_json()));
        let [rule] = decision.rules.as_slice() else { panic!("{:#?}", decision.rules) };
        (rule.rule.to_string(), rule.status.as_str())
    };
    assert_eq!(decide("autogen-r"), ("autogen-r".to_owned(), "skip"));
    assert_eq!(decide("r"), ("autogen-r".to_owned(), "fail"));
}
