//! Laws of validate rules: adding to `any` never takes away, adding to `all` never adds, generated rules generate
//! nothing, and evaluation remembers nothing.
use crate::{
    validate::yaml,
    world::{World, request},
};
use proptest::prelude::*;
use sigward_document::Value;
use sigward_policy::{
    compile::compile_policy,
    evaluate::{NoProbe, Progress, Step, evaluate},
    fact::{Facts, NoMemory},
    request::{Request, Stage},
    snapshot::Settings,
};
use smol_str::SmolStr;
use std::sync::Arc;

/// A filter that is about the object of [`object`], or is not.
fn filter() -> impl Strategy<Value = String> {
    let kinds = prop_oneof![Just("ConfigMap"), Just("Secret"), Just("C*"), Just("v1/ConfigMap")];
    let more = prop_oneof![
        Just(""),
        Just(", names: ['a*']"),
        Just(", names: [other]"),
        Just(", namespaces: [default]"),
        Just(", namespaces: ['x?']"),
        Just(", operations: [UPDATE]"),
        Just(", selector: {matchLabels: {app: web}}"),
        Just(", selector: {matchExpressions: [{key: app, operator: Exists}]}"),
        Just(", annotations: {k: 'v*'}"),
    ];
    (kinds, more).prop_map(|(kind, more)| format!("{{resources: {{kinds: ['{kind}']{more}}}}}"))
}

fn object() -> Request {
    let object =
        "{metadata: {name: a, namespace: default, labels: {app: web}, annotations: {k: vv}}, a: 1}";
    request("ConfigMap", Stage::Validating, &yaml(object).to_json())
}

/// Whether a rule with this match, and this exclude, has a result. One that excludes all it matches is refused.
fn applies(matches: &str, exclude: &str) -> bool {
    let mut world = World::new();
    let text = format!(
        "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: p}}, spec: {{background: false, rules: \
         [{{name: r, match: {matches}, {exclude} validate: {{pattern: {{a: 1}}}}}}]}}}}"
    );
    let text = yaml(&text).to_json();
    if world.compiled(&text).diagnostics.iter().any(|d| d.message.contains("an empty set")) {
        return false;
    }
    world.policies.push(text);
    !world.decide(object()).rules.is_empty()
}

fn block(word: &str, filters: &[String]) -> String {
    format!("{{{word}: [{}]}}", filters.join(", "))
}

/// A pattern and an object of few names and values, so that they meet.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::NULL),
        any::<bool>().prop_map(Value::bool),
        (-2_i64..3).prop_map(Value::from),
        prop_oneof![
            Just("x"),
            Just("*"),
            Just("?*"),
            Just(">1"),
            Just("1-2"),
            Just("1Gi"),
            Just("1h")
        ]
        .prop_map(Value::string),
    ];
    let key = prop_oneof![
        Just("a"),
        Just("b"),
        Just("(a)"),
        Just("(b)"),
        Just("=(a)"),
        Just("X(b)"),
        Just("^(a)"),
        Just("<(b)"),
        Just("metadata"),
        Just("labels"),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::list),
            prop::collection::vec((key.clone().prop_map(SmolStr::new), inner), 0..3)
                .prop_map(Value::map),
        ]
    })
}

fn decide(snapshot_of: &World, request: &Request, rounds: usize) -> String {
    let snapshot = snapshot_of.snapshot();
    let mut progress = Progress::default();
    let mut last = String::new();
    for _ in 0..rounds {
        let mut facts = Facts::new(Arc::new(NoMemory));
        last = match evaluate(&snapshot, request, &mut facts, &mut progress, &mut NoProbe) {
            Step::Done(decision) => format!("{decision:#?}"),
            Step::Need(wanted) => format!("{wanted:#?}"),
        };
    }
    last
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn match_grows_with_any_and_shrinks_with_all(filters in prop::collection::vec(filter(), 1..4), more in filter()) {
        let mut longer = filters.clone();
        longer.push(more);
        if applies(&block("any", &filters), "") {
            prop_assert!(applies(&block("any", &longer), ""));
        }
        if applies(&block("all", &longer), "") {
            prop_assert!(applies(&block("all", &filters), ""));
        }
        let everything = "{any: [{resources: {kinds: [ConfigMap]}}]}";
        let exclude = |word: &str, filters: &[String]| format!("exclude: {},", block(word, filters));
        if applies(everything, &exclude("any", &longer)) {
            prop_assert!(applies(everything, &exclude("any", &filters)));
        }
        if applies(everything, &exclude("all", &filters)) {
            prop_assert!(applies(everything, &exclude("all", &longer)));
        }
    }

    #[test]
    fn any_tree_is_a_pattern_that_is_decided_alike_each_time(pattern in tree(), object in tree()) {
        let mut world = World::new();
        let policy = Value::map([
            ("apiVersion".into(), Value::string("kyverno.io/v1")),
            ("kind".into(), Value::string("ClusterPolicy")),
            ("metadata".into(), yaml("{name: p}")),
            ("spec".into(), yaml("{background: false, rules: [{name: r, match: {any: [{resources: {kinds: [ConfigMap]}}]}, validate: {}}]}")),
        ]);
        let pattern = Value::map([("d".into(), pattern)]);
        let rule = policy.pointer("/spec/rules/0").unwrap().with_path(&["validate", "pattern"], pattern).unwrap();
        let policy = policy.with_path(&["spec", "rules"], Value::list([rule])).unwrap();
        if compile_policy(&policy, &Settings::default()).value.is_none() {
            return Ok(());
        }
        world.policies.push(policy.to_json());
        let object = Value::map([("d".into(), object)]);
        let request = request("ConfigMap", Stage::Validating, &object.to_json());
        let once = decide(&world, &request, 1);
        prop_assert_eq!(&once, &decide(&world, &request, 1));
        prop_assert_eq!(&once, &decide(&world, &request, 2));
    }
}

#[test]
fn generated_rules_generate_nothing() {
    for validate in [
        "{pattern: {spec: {containers: [{image: '!*:latest'}]}}}",
        "{anyPattern: [{spec: {a: 1}}, {metadata: {b: 2}}]}",
        "{message: '{{ request.object.spec.x }}', deny: {conditions: {any: [{key: '{{ request.object.metadata.name }}', operator: Equals, value: x}]}}}",
        "{foreach: [{list: 'request.object.spec.containers', pattern: {image: '*'}}]}",
    ] {
        let compile = |rules: &Value| {
            let policy = yaml(
                "{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {name: p}, spec: {}}",
            )
            .with_path(&["spec", "rules"], rules.clone())
            .unwrap();
            let compiled = compile_policy(&policy, &Settings::default());
            compiled.value.unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics))
        };
        let rules = yaml(&format!(
            "[{{name: r, match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}, validate: {validate}}}]"
        ));
        let first = compile(&rules);
        assert_eq!(first.autogen_rules().len(), 2);
        let second = compile(&Value::list(first.autogen_rules().iter().cloned()));
        assert!(second.autogen_rules().is_empty(), "{:#?}", second.autogen_rules());
    }
}
