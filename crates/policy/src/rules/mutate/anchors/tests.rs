//! Tests of anchors in merge patches.
use super::*;
use sigward_document::parse_yaml;

fn yaml(text: &str) -> Value {
    parse_yaml(text).unwrap_or_else(|error| panic!("{error:?}\n{text}")).value
}

/// Stands for the validate language: equal, or a wildcard that fits.
fn fits(value: &Value, pattern: &Value) -> bool {
    match (value.as_str(), pattern.as_str()) {
        (Some(value), Some(pattern)) => sigward_document::wildcard::matches(pattern, value),
        _ => value == pattern,
    }
}

#[track_caller]
fn check(pattern: &str, object: &str, expected: Option<&str>) {
    let patch = prepare(&yaml(pattern), &yaml(object), &fits);
    assert_eq!(patch, expected.map(yaml), "{pattern}");
}

const POD: &str = "{metadata: {name: p}, spec: {hostNetwork: true, containers: [\
    {name: a, image: 'nginx:latest', tty: true}, {name: b, image: 'redis:1'}, \
    {name: c, image: 'busybox:latest'}]}}";

#[test]
fn a_value_is_added_only_where_the_key_is_missing() {
    check("{spec: {+(hostNetwork): false}}", POD, Some("{}"));
    check("{spec: {+(hostIPC): false}}", POD, Some("{spec: {hostIPC: false}}"));
    check("{metadata: {+(labels): {+(a): b}}}", POD, Some("{metadata: {labels: {a: b}}}"));
    check("{spec: {+(x): 1, y: 2}}", "{spec: {x: null}}", Some("{spec: {y: 2}}"));
}

#[test]
fn a_condition_of_a_map_takes_the_whole_patch_with_it() {
    check("{spec: {(hostNetwork): true, dns: x}}", POD, Some("{spec: {dns: x}}"));
    check("{spec: {(hostNetwork): 'true', dns: x}}", POD, Some("{spec: {dns: x}}"));
    check("{spec: {(hostNetwork): false, dns: x}, metadata: {a: b}}", POD, None);
    check("{spec: {(missing): '*', dns: x}}", POD, None);
}

#[test]
fn a_condition_of_an_item_makes_a_patch_for_each_item_that_meets_it() {
    check(
        "{spec: {containers: [{(image): '*:latest', pull: Always}]}}",
        POD,
        Some("{spec: {containers: [{name: a, pull: Always}, {name: c, pull: Always}]}}"),
    );
    check(
        "{spec: {containers: [{(image): 'none', pull: Always}], x: 1}}",
        POD,
        Some("{spec: {x: 1}}"),
    );
    check("{spec: {containers: [{(image): '*'}]}}", POD, Some("{}"));
}

#[test]
fn two_items_with_conditions_do_not_remove_one_another() {
    check(
        "{spec: {containers: [{(name): a, x: 1}, {(name): b, y: 2}]}}",
        POD,
        Some("{spec: {containers: [{name: a, x: 1}, {name: b, y: 2}]}}"),
    );
}

#[test]
fn each_item_is_judged_for_itself() {
    check(
        "{spec: {containers: [{(name): '*', +(tty): false}]}}",
        POD,
        Some("{spec: {containers: [{name: b, tty: false}, {name: c, tty: false}]}}"),
    );
}

#[test]
fn an_item_with_a_name_means_that_item() {
    let pattern = "{spec: {containers: [{name: b, +(tty): false}]}}";
    check(pattern, POD, Some("{spec: {containers: [{name: b, tty: false}]}}"));
    let volumes = "{spec: {volumes: [{name: v, +(emptyDir): {}}]}}";
    check(volumes, POD, Some("{spec: {volumes: [{name: v, emptyDir: {}}]}}"));
}

#[test]
fn an_empty_map_is_a_value() {
    let pattern = "{spec: {volumes: [{name: v, emptyDir: {}}]}}";
    check(pattern, POD, Some(pattern));
}

#[test]
fn a_condition_on_the_rule_needs_one_item_that_meets_it() {
    let with = |image: &str| format!("{{spec: {{containers: [{{<(image): '{image}'}}], dns: x}}}}");
    check(&with("redis*"), POD, Some("{spec: {dns: x}}"));
    check(&with("none"), POD, None);
    check("{metadata: {<(name): q}, spec: {dns: x}}", POD, None);
}

#[test]
fn a_condition_that_carries_a_patch_is_both() {
    check(
        "{spec: {(containers): [{name: a}], (securityContext): {+(runAsUser): 1}}}",
        "{spec: {containers: [{name: a}], securityContext: {}}}",
        Some("{spec: {containers: [{name: a}], securityContext: {runAsUser: 1}}}"),
    );
    check(
        "{spec: {(securityContext): {+(runAsUser): 1}}}",
        "{spec: {securityContext: {runAsUser: 2}}}",
        Some("{}"),
    );
}

#[test]
fn anchors_without_a_meaning_in_a_patch_stay_as_they_are() {
    check("{spec: {=(x): 1, X(y): 2}}", POD, Some("{spec: {=(x): 1, X(y): 2}}"));
}
