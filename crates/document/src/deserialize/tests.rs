//! Paths of errors, unknown fields, and Go's reading of null.
use super::*;
use crate::parse_json;
use std::collections::BTreeMap;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
struct Policy {
    name: String,
    background: Option<bool>,
    labels: BTreeMap<String, String>,
    rules: Vec<Rule>,
    pattern: Option<Value>,
    action: Action,
    timeout_seconds: u16,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
struct Rule {
    name: String,
    #[serde(default)]
    count: Option<i32>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
enum Action {
    #[default]
    Audit,
    Enforce,
    Custom(u8),
}

fn read(text: &str) -> Result<(Policy, Vec<String>), String> {
    from_value_noting_unknown(&parse_json(text.as_bytes()).unwrap()).map_err(|e| e.to_string())
}

fn check(text: &str, want: &str) {
    assert_eq!(read(text).expect_err("refused"), want, "{text}");
}

#[test]
fn an_error_names_the_path_and_what_was_found() {
    check(
        r#"{"rules":[{"name":"a"},{"name":5}]}"#,
        "rules[1].name: expected a string, found the number 5",
    );
    check(r#"{"rules":[{"count":1}]}"#, "rules[0]: the field \"name\" is missing");
    check(
        r#"{"labels":{"example.com/a":[]}}"#,
        "labels[example.com/a]: expected a string, found a list",
    );
    check(r#"{"rules":{}}"#, "rules: expected a sequence, found an object");
    check(r#"{"timeoutSeconds":-1}"#, "timeoutSeconds: expected u16, found the number -1");
    check(r#"{"timeoutSeconds":1.5}"#, "timeoutSeconds: expected u16, found the number 1.5");
    check(r#"{"action":"Block"}"#, "action: \"Block\" is not one of Audit, Enforce, Custom");
    check(r#"{"action":{"Custom":300}}"#, "action.Custom: expected u8, found the number 300");
    check(r"[1]", "[0]: expected a string, found the number 1");
}

#[test]
fn a_null_field_is_an_absent_one_as_in_go() {
    let (policy, unknown) =
        read(r#"{"name":null,"rules":null,"labels":null,"background":null,"typo":null}"#).unwrap();
    assert_eq!(policy, Policy::default());
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn a_whole_float_is_an_integer() {
    let (policy, _) = read(r#"{"timeoutSeconds":30.0,"rules":[{"name":"a","count":2}]}"#).unwrap();
    assert_eq!((policy.timeout_seconds, policy.rules[0].count), (30, Some(2)));
}

#[test]
fn every_member_that_no_field_read_is_listed_once() {
    let text = r#"{"nmae":"x","name":"a","rules":[{"name":"r","mtach":{"any":[]}}],
        "pattern":{"spec":{"free":1}},"labels":{"free":"y"},"action":{"Custom":1}}"#;
    let (policy, unknown) = read(text).unwrap();
    assert_eq!(unknown, ["nmae", "rules[0].mtach"]);
    assert_eq!(policy.pattern.unwrap().to_json(), r#"{"spec":{"free":1}}"#);
    assert_eq!(policy.action, Action::Custom(1));
}

#[test]
fn a_typed_value_comes_back_from_its_tree() {
    #[derive(Debug, serde::Serialize, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    enum Shape {
        Unit,
        Newtype(i64),
        Tuple(i64, String),
        Struct { a: Option<char>, b: (), map: BTreeMap<u8, f32> },
    }
    for shape in [
        Shape::Unit,
        Shape::Newtype(-5),
        Shape::Tuple(i64::MAX, "x".into()),
        Shape::Struct { a: Some('é'), b: (), map: BTreeMap::new() },
    ] {
        let tree = crate::to_value(&shape).unwrap();
        assert_eq!(tree.to_json(), serde_json::to_string(&shape).unwrap());
        // A unit field is null, and null fields are absent: no CRD has one.
        if !matches!(shape, Shape::Struct { .. }) {
            assert_eq!(from_value::<Shape>(&tree).unwrap(), shape);
        }
    }
    let keys: BTreeMap<u8, f32> = BTreeMap::from([(7, 0.5)]);
    assert_eq!(crate::to_value(&keys).unwrap().to_json(), r#"{"7":0.5}"#);
    let bad: BTreeMap<Vec<u8>, u8> = BTreeMap::from([(vec![1], 1)]);
    assert_eq!(crate::to_value(&bad).unwrap_err().to_string(), "a map key is no text");
}
