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
