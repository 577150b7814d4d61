//! Tests of the strategic merge.
use super::*;
use proptest::prelude::*;
use sigward_document::{parse_yaml, patch};

fn yaml(text: &str) -> Value {
    parse_yaml(text).unwrap_or_else(|error| panic!("{error:?}\n{text}")).value
}

fn pod(spec: &str) -> Value {
    yaml(&format!("{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {spec}}}"))
}

#[track_caller]
fn check(object: &str, patch: &str, expected: &str) {
    let merged = merge(&pod(object), &yaml(&format!("{{spec: {patch}}}")));
    assert_eq!(merged, Ok(pod(expected)), "{patch}");
}

#[test]
fn maps_are_merged_and_null_removes() {
    check("{a: 1, b: {c: 2, d: 3}}", "{b: {c: 4, e: 5}}", "{a: 1, b: {c: 4, d: 3, e: 5}}");
    check("{a: 1, b: 2}", "{a: null, c: null}", "{b: 2}");
    check("{}", "{a: {b: null, c: {}}}", "{a: {c: {}}}");
    check("{a: null, b: 1}", "{b: 2}", "{a: null, b: 2}");
}

#[test]
fn items_of_the_patch_come_first_and_keep_what_they_do_not_mention() {
    check(
        "{containers: [{name: a, image: x}, {name: b, image: y}, {name: c}]}",
        "{containers: [{name: n, image: z}, {name: b, tty: true}]}",
        "{containers: [{name: n, image: z}, {name: b, image: y, tty: true}, {name: a, image: x}, {name: c}]}",
    );
}

#[test]
fn lists_inside_items_are_merged_by_their_own_keys() {
    check(
        "{containers: [{name: a, env: [{name: A, value: '1'}], args: [x]}]}",
        "{containers: [{name: a, env: [{name: B, value: '2'}], args: [y]}]}",
        "{containers: [{name: a, env: [{name: B, value: '2'}, {name: A, value: '1'}], args: [y]}]}",
    );
}

#[test]
fn a_port_without_protocol_means_the_one_that_is_there() {
    let two = "{containers: [{name: a, ports: [{containerPort: 80, protocol: TCP}, {containerPort: 80, protocol: UDP}]}]}";
    check(
        two,
        "{containers: [{name: a, ports: [{containerPort: 80, protocol: UDP, name: u}]}]}",
        "{containers: [{name: a, ports: [{containerPort: 80, protocol: UDP, name: u}, {containerPort: 80, protocol: TCP}]}]}",
    );
    check(
        two,
        "{containers: [{name: a, ports: [{containerPort: 80, name: t}]}]}",
        "{containers: [{name: a, ports: [{containerPort: 80, protocol: TCP, name: t}, {containerPort: 80, protocol: UDP}]}]}",
    );
}

#[test]
fn a_list_that_is_not_merged_is_replaced() {
    check("{tolerations: [{key: a}]}", "{tolerations: [{key: b}]}", "{tolerations: [{key: b}]}");
}

#[test]
fn a_list_that_kubernetes_merges_is_merged_even_if_it_is_young() {
    check(
        "{schedulingGates: [{name: a}]}",
        "{schedulingGates: [{name: b}]}",
        "{schedulingGates: [{name: b}, {name: a}]}",
    );
}

#[test]
fn lists_of_other_kinds_are_replaced() {
    let object = yaml("{apiVersion: example.com/v1, kind: Pod, spec: {containers: [{name: a}]}}");
    let merged = merge(&object, &yaml("{spec: {containers: [{name: b}]}}")).unwrap();
    assert_eq!(merged.at_path(&["spec", "containers"]), Some(&yaml("[{name: b}]")));
}

#[test]
fn a_set_of_scalars_is_united() {
    let object = yaml("{apiVersion: v1, kind: ConfigMap, metadata: {finalizers: [a, b]}}");
    let merged = merge(&object, &yaml("{metadata: {finalizers: [c, a]}}")).unwrap();
    assert_eq!(merged.at_path(&["metadata", "finalizers"]), Some(&yaml("[c, a, b]")));
}

#[test]
fn directives_delete_and_replace() {
    check("{a: {b: 1}}", "{a: {$patch: delete}}", "{}");
    check("{a: {b: 1}}", "{a: {$patch: replace, c: 2}}", "{a: {c: 2}}");
    check("{a: {b: 1}}", "{a: {$patch: merge, c: 2}}", "{a: {b: 1, c: 2}}");
    let two = "{containers: [{name: a, image: x}, {name: b}]}";
    check(two, "{containers: [{name: a, $patch: delete}]}", "{containers: [{name: b}]}");
    check(
        two,
        "{containers: [{name: a, $patch: replace, tty: true}]}",
        "{containers: [{name: a, tty: true}, {name: b}]}",
    );
    check(two, "{containers: [{$patch: replace}, {name: n}]}", "{containers: [{name: n}]}");
    check(two, "{containers: [{$patch: delete}]}", "{}");
    let error = merge(&pod(two), &yaml("{spec: {$patch: keep}}")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/spec: unknown patch strategy `keep`: expected delete, replace or merge"
    );
}

#[test]
fn a_patch_of_another_form_is_an_error_with_its_place() {
    for (patch, place) in
        [("{spec: x}", "/spec"), ("{spec: {containers: {}}}", "/spec/containers"), ("[]", "")]
    {
        let error = merge(&pod("{containers: []}"), &yaml(patch)).unwrap_err();
        let MergeError::Mismatch { path, .. } = error else { panic!("{error}") };
        assert_eq!(path, place, "{patch}");
    }
}

#[test]
fn an_object_inside_another_says_itself_what_it_is() {
    let object = yaml(
        "{kind: X, apiVersion: example.com/v1, t: {apiVersion: v1, kind: Pod, spec: {volumes: [{name: a}]}}}",
    );
    let merged = merge(&object, &yaml("{t: {spec: {volumes: [{name: b}]}}}")).unwrap();
    assert_eq!(merged.at_path(&["t", "spec", "volumes"]), Some(&yaml("[{name: b}, {name: a}]")));
}

/// Any tree of a Pod's shape, with items that meet and items that do not.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::NULL),
        any::<bool>().prop_map(Value::bool),
        (0_i64..3).prop_map(Value::int),
        "[ab]?".prop_map(|text| Value::string(&text)),
    ];
    let key = prop_oneof![
        Just("name"),
        Just("env"),
        Just("ports"),
        Just("containerPort"),
        Just("protocol"),
        Just("volumes"),
        Just("containers"),
        Just("a"),
        Just("finalizers"),
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::list),
            prop::collection::vec((key.clone(), inner), 0..4)
                .prop_map(|m| Value::map(m.into_iter().map(|(k, v)| (SmolStr::new(k), v)))),
        ]
    })
}

fn whole(spec: &Value) -> Value {
    pod("{}").with_member("spec", spec.clone()).unwrap()
}

proptest! {
    #[test]
    fn merging_twice_is_merging_once(object in tree(), patch in tree()) {
        let patch = Value::map([("spec".into(), patch)]);
        if let Ok(once) = merge(&whole(&object), &patch) {
            prop_assert_eq!(merge(&once, &patch), Ok(once.clone()));
        }
    }

    #[test]
    fn the_difference_as_a_json_patch_leads_to_the_merged_object(object in tree(), patch in tree()) {
        let object = whole(&object);
        if let Ok(merged) = merge(&object, &Value::map([("spec".into(), patch)])) {
            let operations = patch::diff(&object, &merged);
            prop_assert_eq!(patch::apply(&object, &operations).unwrap(), merged);
        }
    }

    #[test]
    fn an_empty_patch_changes_nothing(object in tree()) {
        let object = whole(&object);
        prop_assert_eq!(merge(&object, &Value::empty_map()), Ok(object));
    }
}
