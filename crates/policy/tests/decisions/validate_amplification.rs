//! Small policies and objects that would ask for much work: each is bounded, and says so.
use crate::{
    validate::{policy, yaml},
    world::{World, request},
};
use sigward_policy::{decision::Decision, request::Stage};

fn decide(validate: &str, object: &str) -> Decision {
    let mut world = World::new();
    world.policies.push(policy("validationFailureAction: Enforce,", "", validate));
    world.decide(request("ConfigMap", Stage::Validating, &yaml(object).to_json()))
}

fn only_error(decision: &Decision) -> &str {
    let [rule] = decision.rules.as_slice() else { panic!("{:#?}", decision.rules) };
    assert!(!decision.allowed, "{rule:#?}");
    &rule.message
}

fn numbers(count: usize) -> String {
    let all: Vec<String> = (0..count).map(|n| n.to_string()).collect();
    format!("[{}]", all.join(", "))
}

#[test]
fn lists_in_lists_are_not_multiplied_without_end() {
    let each = "{foreach: [{list: request.object.a, foreach: [{list: request.object.a, foreach: [{list: request.object.a, \
         deny: {conditions: {any: [{key: '{{ element }}', operator: Equals, value: -1}]}}}]}]}]}";
    let decision = decide(each, &format!("{{a: {}}}", numbers(300)));
    assert!(only_error(&decision).contains("more than 10000 elements"), "{decision:#?}");
}

#[test]
fn a_message_does_not_grow_with_the_object() {
    let list: Vec<&str> = (0..5_000).map(|_| "{a: m}").collect();
    let object = format!("{{a: [{}]}}", list.join(", "));
    let decision = decide("{message: m, pattern: {a: [{(a): x}]}}", &object);
    assert!(decision.rules[0].message.len() < 20_000);
}

#[test]
fn a_text_that_names_itself_is_an_error_not_a_loop() {
    let deny = "{message: m, deny: {conditions: {any: [{key: 'x {{ request.object.a }}', operator: Equals, value: 1}]}}}";
    let decision = decide(deny, r"{a: '- {{ request.object.a }} {{ request.object.a }}'}");
    assert!(only_error(&decision).contains("expand too far"), "{decision:#?}");
}

#[test]
fn wildcards_over_long_texts_take_linear_time() {
    let pattern = format!("{{message: m, pattern: {{a: '{}b'}}}}", "*a".repeat(300));
    let decision = decide(&pattern, &format!("{{a: {}}}", "a".repeat(200_000)));
    assert!(only_error(&decision).contains("failed at path /a/"));
}

#[test]
fn values_of_odd_types_do_not_panic() {
    for object in [
        "{a: null}",
        "{a: [[[]]]}",
        "{a: {b: {c: []}}}",
        "{a: 1e300}",
        "{a: -0.0}",
        "{a: '{{'}",
        "[]",
        "1",
    ] {
        for validate in [
            "{pattern: {a: '>5'}}",
            "{pattern: {a: [{b: x}]}}",
            "{pattern: {a: {=(b): {^(c): [{d: 1}]}}}}",
            "{anyPattern: [{a: null}, {X(a): x}, {<(a): 1Gi}]}",
            "{deny: {conditions: {any: [{key: '{{ request.object.a }}', operator: GreaterThan, value: 5}]}}}",
            "{foreach: [{list: 'request.object.a', pattern: {b: '?*'}}]}",
        ] {
            decide(validate, object);
        }
    }
}

// Upstream's engine crashes where a message comes to something that is no text.
#[test]
fn a_message_that_is_no_text_does_not_panic() {
    let decision = decide("{message: '{{ request.object.l }}', pattern: {a: 1}}", "{a: 2, l: [1]}");
    assert_eq!(only_error(&decision), "validation error: [1]. rule r failed at path /a/");
}

// CVE-2025-47281: a variable that is evaluated must never bring the engine down.
#[test]
fn cve_2025_47281_variables_that_do_not_make_sense_are_errors() {
    for expression in [
        "request.object.a.*.b[?c==`1`]",
        "@.@.@",
        "length(request.object.nope)",
        "request.object.a[::0]",
        "request.object.a[9223372036854775807]",
        "to_number(request.object)",
        "sum([])",
        "split(request.object.a, ``)",
    ] {
        let text = serde_json::to_string(&format!("{{{{ {expression} }}}}")).unwrap();
        let deny = format!(
            "{{message: m, deny: {{conditions: {{any: [{{key: {text}, operator: Equals, value: 1}}]}}}}}}"
        );
        let mut world = World::new();
        let policy = policy("validationFailureAction: Enforce,", "", &deny);
        if world.compiled(&policy).value.is_some() {
            world.policies.push(policy);
            world.decide(request("ConfigMap", Stage::Validating, r#"{"a":[1]}"#));
        }
    }
}

// CVE-2026-23881: context variables that are built from one another grow without end.
#[test]
fn cve_2026_23881_context_variables_do_not_amplify() {
    let entries: Vec<String> = (1..40)
        .map(|n| {
            let before = n - 1;
            format!("{{name: v{n}, variable: {{value: '{{{{ v{before} }}}}{{{{ v{before} }}}}'}}}}")
        })
        .collect();
    let rule = format!(
        "context: [{{name: v0, variable: {{value: '{}'}}}}, {}],",
        "x".repeat(64),
        entries.join(", ")
    );
    let mut world = World::new();
    let deny =
        "{message: m, deny: {conditions: {any: [{key: '{{ v39 }}', operator: Equals, value: x}]}}}";
    world.policies.push(policy("validationFailureAction: Enforce,", &rule, deny));
    let decision = world.decide(request("ConfigMap", Stage::Validating, "{}"));
    let message = only_error(&decision);
    assert!(
        message.contains("context size limit exceeded") || message.contains("expand too far"),
        "{message}"
    );
}

// CVE-2023-34091: what a user sets in the object ends no evaluation.
#[test]
fn cve_2023_34091_an_object_that_is_being_deleted_is_checked() {
    let object =
        "{metadata: {name: a, deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [x/y]}, a: 2}";
    assert!(!decide("{message: m, pattern: {a: 1}}", object).allowed);
}

// CVE-2025-46342: labels of a namespace that cannot be read never mean "not matched".
#[test]
fn cve_2025_46342_a_selector_that_cannot_be_evaluated_is_an_error() {
    use sigward_policy::fact::{CauseKind, Fact};
    let mut world = World::new();
    let text = policy("validationFailureAction: Enforce,", "", "{message: m, pattern: {a: 1}}")
        .replace(
            r#""kinds":["ConfigMap"]"#,
            r#""kinds":["ConfigMap"],"namespaceSelector":{"matchLabels":{"env":"prod"}}"#,
        );
    world.policies.push(text);
    world.answer("Namespace(", Fact::Document(Err(crate::world::cause(CauseKind::Unavailable))));
    let decision = world.decide(request("ConfigMap", Stage::Validating, r#"{"a":2}"#));
    assert!(only_error(&decision).contains("could not read namespace"), "{decision:#?}");
}
