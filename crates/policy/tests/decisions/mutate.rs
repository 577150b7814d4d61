//! Mutate rules: what they make of an object, and in which words.
use crate::{
    validate::yaml,
    world::{World, request},
};
use sigward_document::Value;
use sigward_policy::{decision::Decision, fact::Fact, request::Stage};

/// Rules for Pods or ConfigMaps, one for each mutate block.
fn world(blocks: &[&str]) -> World {
    let rules: Vec<String> = blocks
        .iter()
        .enumerate()
        .map(|(i, mutate)| {
            format!(
                "{{name: r{i}, match: {{any: [{{resources: {{kinds: [Pod, ConfigMap, Deployment]}}}}]}}, mutate: {mutate}}}"
            )
        })
        .collect();
    let text = format!(
        "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: p}}, spec: {{background: false, rules: [{}]}}}}",
        rules.join(", ")
    );
    let mut world = World::new();
    world.policies.push(yaml(&text).to_json());
    world
}

fn mutate(kind: &str, blocks: &[&str], object: &str) -> Decision {
    world(blocks).decide(request(kind, Stage::Mutating, &yaml(object).to_json()))
}

fn told(decision: &Decision) -> Vec<String> {
    decision.rules.iter().map(|r| format!("{}: {}", r.status.as_str(), r.message)).collect()
}

fn at(decision: &Decision, path: &[&str]) -> Value {
    decision.object.at_path(path).cloned().unwrap_or(Value::NULL)
}

const CONFIG: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: default, labels: {app: a}}, data: {k: v}}";
const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default}, spec: {containers: \
     [{name: a, image: 'x/a:1'}, {name: b, image: 'y/b:latest'}]}}";

#[test]
fn a_merge_patch_changes_the_object_and_says_which() {
    let patch = "{patchStrategicMerge: {metadata: {labels: {+(app): b, +(who): '{{ request.object.data.k }}'}}}}";
    let decision = mutate("ConfigMap", &[patch], CONFIG);
    assert_eq!(told(&decision), ["pass: mutated ConfigMap/a in namespace default"]);
    assert_eq!(at(&decision, &["metadata", "labels"]), yaml("{app: a, who: v}"));
    assert_eq!(decision.patch.len(), 1, "{:?}", decision.patch);
}

#[test]
fn a_condition_that_does_not_hold_skips_the_rule() {
    for patch in [
        "{patchStrategicMerge: {metadata: {labels: {(app): other, x: z}}}}",
        "{patchStrategicMerge: {data: {<(k): w}, metadata: {labels: {x: z}}}}",
        "{patchStrategicMerge: {metadata: {labels: {app: a}}}}",
    ] {
        let decision = mutate("ConfigMap", &[patch], CONFIG);
        assert_eq!(told(&decision), ["skip: no patches applied"], "{patch}");
        assert!(decision.allowed && decision.patch.is_empty(), "{patch}");
    }
}

#[test]
fn conditions_speak_the_language_of_validate_patterns() {
    let patch = "{patchStrategicMerge: {spec: {containers: [{(image): '*:latest | *:edge', imagePullPolicy: Always}]}}}";
    let decision = mutate("Pod", &[patch], POD);
    let expected =
        "[{name: b, image: 'y/b:latest', imagePullPolicy: Always}, {name: a, image: 'x/a:1'}]";
    assert_eq!(at(&decision, &["spec", "containers"]), yaml(expected));
    let patch = "{patchStrategicMerge: {data: {(k): '!w', new: 'yes'}}}";
    let decision = mutate("ConfigMap", &[patch], CONFIG);
    assert_eq!(at(&decision, &["data"]), yaml("{k: v, new: 'yes'}"));
}

#[test]
fn each_rule_sees_what_the_one_before_left() {
    let first = "{patchesJson6902: '[{op: add, path: /data/first, value: one}]'}";
    let second = "{patchStrategicMerge: {data: {second: 'after {{ request.object.data.first }}'}}}";
    let decision = mutate("ConfigMap", &[first, second], CONFIG);
    assert_eq!(at(&decision, &["data", "second"]), Value::string("after one"));
}

#[test]
fn a_foreach_changes_what_the_element_before_left() {
    let patch = "{foreach: [{list: 'request.object.spec.containers', preconditions: {all: [{key: '{{ element.name }}', operator: Equals, value: b}]}, \
         patchStrategicMerge: {spec: {containers: [{name: '{{ element.name }}', image: 'mirror/{{ element.image }}'}]}}}, \
         {list: 'request.object.spec.containers[].image', patchesJson6902: '[{op: add, path: \"/metadata/labels/i{{ elementIndex }}\", value: \"{{ element }}\"}]'}]}";
    let decision = mutate("Pod", &[patch], POD);
    assert_eq!(told(&decision), ["pass: mutated Pod/a in namespace default"]);
    assert_eq!(
        at(&decision, &["metadata", "labels"]),
        yaml("{i0: 'mirror/y/b:latest', i1: 'x/a:1'}")
    );
}

#[test]
fn a_merge_patch_visits_elements_from_the_last() {
    let visit = |order: &str| {
        let patch = format!(
            "{{foreach: [{{list: 'request.object.spec.containers', {order} patchStrategicMerge: {{metadata: {{annotations: {{last: '{{{{ element.name }}}}{{{{ elementIndex }}}}'}}}}}}}}]}}"
        );
        at(&mutate("Pod", &[&patch], POD), &["metadata", "annotations", "last"])
    };
    assert_eq!(visit(""), Value::string("a0"));
    assert_eq!(visit("order: Descending,"), Value::string("a0"));
    assert_eq!(visit("order: Ascending,"), Value::string("b1"));
}

#[test]
fn a_list_that_is_not_there_is_an_error_of_a_mutate_rule() {
    let patch = "{foreach: [{list: 'request.object.spec.initContainers', patchStrategicMerge: {metadata: {labels: {a: b}}}}]}";
    let decision = mutate("Pod", &[patch], POD);
    let told = told(&decision);
    let list = "request.object.spec.initContainers";
    let start = format!("error: failed to evaluate list {list}: ");
    assert!(told.len() == 1 && told[0].starts_with(&start), "{told:?}");
    assert!(decision.patch.is_empty());
}

#[test]
fn a_mutate_rule_that_fails_says_which_part_of_it_did() {
    const GONE: &str = "JMESPath query failed: Unknown key \"gone\" in path";
    let merge = "patchStrategicMerge: {metadata: {labels: {x: '{{ request.object.gone }}'}}}";
    let patch =
        "patchesJson6902: '[{op: add, path: /data/x, value: \"{{ request.object.gone }}\"}]'";
    let list = "list: 'request.object.spec.containers'";
    let condition =
        "preconditions: {all: [{key: '{{ element.gone }}', operator: Equals, value: b}]}";
    let variable = "variable substitution failed: failed to resolve request.object.gone at path";
    for (block, expected) in [
        (
            format!("{{{merge}}}"),
            format!("{variable} /mutate/patchStrategicMerge/metadata/labels/x: {GONE}"),
        ),
        (format!("{{{patch}}}"), format!("{variable} /mutate/patchesJson6902: {GONE}")),
        (
            format!("{{foreach: [{{{list}, {merge}}}]}}"),
            format!(
                "failed to mutate elements: {variable} /patchStrategicMerge/metadata/labels/x: {GONE}"
            ),
        ),
        (
            format!("{{foreach: [{{{list}, {condition}, {merge}}}]}}"),
            format!(
                "failed to mutate elements: failed to evaluate mutate.foreach[0].preconditions: failed to substitute \
                 variables in condition key: failed to resolve element.gone at path : {GONE}"
            ),
        ),
        (
            format!("{{foreach: [{{list: request.object.gone, {merge}}}]}}"),
            format!("failed to evaluate list request.object.gone: {GONE}: {GONE}"),
        ),
    ] {
        let decision = mutate("Pod", &[&block], POD);
        assert_eq!(told(&decision), [format!("error: {expected}")], "{block}");
    }
}

#[test]
fn a_foreach_that_changes_nothing_counts_no_elements() {
    let patch = "{foreach: [{list: 'request.object.spec.containers', preconditions: {all: [{key: a, operator: Equals, value: b}]}, \
         patchStrategicMerge: {metadata: {labels: {a: b}}}}]}";
    assert_eq!(told(&mutate("Pod", &[patch], POD)), ["skip: 0 elements processed"]);
}

#[test]
fn merge_patches_hold_for_controllers_of_pods() {
    let text = "{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {name: p}, spec: {background: false, rules: \
         [{name: r, match: {any: [{resources: {kinds: [Pod]}}]}, mutate: {patchStrategicMerge: {spec: {priority: 7}}}}]}}";
    let mut world = World::new();
    world.policies.push(yaml(text).to_json());
    let object = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: default}, spec: {template: {spec: {containers: []}}}}";
    let decision = world.decide(request("Deployment", Stage::Mutating, &yaml(object).to_json()));
    assert_eq!(told(&decision), ["pass: mutated Deployment/a in namespace default"]);
    assert_eq!(at(&decision, &["spec", "template", "spec", "priority"]), Value::from(7_u64));
}

#[test]
fn a_policy_changes_what_those_before_it_left() {
    let policy = |name: &str| {
        let text = format!(
            "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: {name}}}, spec: {{rules: [{{name: r, \
             match: {{any: [{{resources: {{kinds: [ConfigMap]}}}}]}}, mutate: {{patchStrategicMerge: \
             {{metadata: {{labels: {{+(first): {name}, last: {name}}}}}}}}}}}]}}}}"
        );
        yaml(&text).to_json()
    };
    let labels = |names: [&str; 2]| {
        let mut world = World::new();
        world.policies.extend(names.map(policy));
        let object = yaml(CONFIG).to_json();
        at(&world.decide(request("ConfigMap", Stage::Mutating, &object)), &["metadata", "labels"])
    };
    assert_eq!(labels(["u", "v"]), yaml("{app: a, first: u, last: v}"));
    assert_eq!(labels(["v", "u"]), yaml("{app: a, first: v, last: u}"));
}

/// A world in which targets are changed, and two Secrets are there.
fn with_targets(targets: &str, patch: &str) -> World {
    let mut world = world(&[&format!("{{targets: [{targets}], patchStrategicMerge: {patch}}}")]);
    world.settings.update_requests = true;
    let list = "{items: [{metadata: {name: s1, namespace: ns, labels: {app: x}}}, {metadata: {name: s2, namespace: m}}]}";
    let document = |text: &str| Fact::Document(Ok(Some(yaml(text))));
    world.answer("url: \"/api/v1/secrets\"", document(list));
    let one =
        "{apiVersion: v1, kind: Secret, metadata: {name: s1, namespace: ns, labels: {app: x}}}";
    world.answer("name: \"s1\"", document(one));
    world.answer("name: \"gone\"", Fact::Document(Ok(None)));
    world
}

fn changed(world: &World) -> Decision {
    world.decide(request("ConfigMap", Stage::Mutating, &yaml(CONFIG).to_json()))
}

#[test]
fn targets_are_changed_and_the_request_is_not() {
    let target = "{apiVersion: v1, kind: Secret, name: 's*', context: [{name: own, variable: {jmesPath: target.metadata.name}}], \
         preconditions: {all: [{key: '{{ own }}', operator: NotEquals, value: s2}]}}";
    let patch = "{metadata: {labels: {of: '{{ own }}-{{ request.object.data.k }}'}}}";
    let decision = changed(&with_targets(target, patch));
    assert!(decision.allowed && decision.patch.is_empty());
    assert_eq!(
        told(&decision),
        ["pass: mutated Secret/s1 in namespace ns", "skip: preconditions not met"]
    );
    let expected = "{apiVersion: v1, kind: Secret, metadata: {name: s1, namespace: ns, labels: {app: x, of: s1-v}}}";
    assert_eq!(decision.rules[0].target, Some(yaml(expected)));
}

#[test]
fn a_target_that_is_named_must_be_there_and_a_search_may_find_nothing() {
    let told_of =
        |target: &str| told(&changed(&with_targets(target, "{metadata: {labels: {a: b}}}")));
    assert_eq!(
        told_of("{apiVersion: v1, kind: Secret, namespace: ns, name: gone}"),
        ["error: secrets \"gone\" not found"]
    );
    assert!(told_of("{apiVersion: v1, kind: Secret, name: 'other-*'}").is_empty());
    assert_eq!(
        told_of("{apiVersion: v1, kind: Secret, selector: {matchLabels: {app: x}}}"),
        ["pass: mutated Secret/s1 in namespace ns"]
    );
}

#[test]
fn a_target_that_is_named_twice_is_changed_as_it_was() {
    let target = "{apiVersion: v1, kind: Secret, namespace: ns, name: s1}";
    let patch = "{metadata: {labels: {seen: \"{{ target.metadata.labels.seen || 'never' }}\"}}}";
    let decision = changed(&with_targets(&format!("{target}, {target}"), patch));
    let seen: Vec<Option<&str>> = decision
        .rules
        .iter()
        .map(|rule| rule.target.as_ref()?.str_at(&["metadata", "labels", "seen"]))
        .collect();
    assert_eq!(seen, [Some("never"), Some("never")]);
}

#[test]
fn where_nobody_changes_targets_a_rule_says_nothing_and_its_policy_says_so() {
    let mut world =
        with_targets("{apiVersion: v1, kind: Secret, namespace: ns, name: gone}", "{a: b}");
    world.settings.update_requests = false;
    let decision = changed(&world);
    assert!(decision.allowed && decision.rules.is_empty());
    let compiled = world.compiled(&world.policies[0]);
    assert!(compiled.diagnostics.iter().any(|one| one.message.contains("changes nothing")));
    assert_eq!(compiled.value.unwrap().waiting(), [("r0".into(), "mutate.targets")]);
}
