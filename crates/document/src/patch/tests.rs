//! The options of Go's library one by one, and the law that ties `diff` to `apply`.
use super::*;
use crate::parse_json;
use crate::value::tests::any_value;
use proptest::prelude::*;
use std::error::Error as _;

fn tree(text: &str) -> Value {
    parse_json(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn patched(document: &str, patch: &str, options: Options) -> Result<String, String> {
    let operations = Operation::parse_list(&tree(patch)).map_err(|e| e.to_string())?;
    apply_with(&tree(document), &operations, options).map(|v| v.to_json()).map_err(|e| {
        match e.source() {
            Some(source) => format!("{e}: {source}"),
            None => e.to_string(),
        }
    })
}

fn check(document: &str, patch: &str, want: &str) {
    assert_eq!(patched(document, patch, Options::RFC).as_deref(), Ok(want), "{patch}");
}

fn check_kyverno(document: &str, patch: &str, want: &str) {
    assert_eq!(patched(document, patch, Options::KYVERNO).as_deref(), Ok(want), "{patch}");
}

fn refused(document: &str, patch: &str, options: Options, want: &str) {
    assert_eq!(patched(document, patch, options), Err(want.to_owned()), "{patch}");
}

#[test]
fn the_examples_of_the_specification_hold() {
    check(
        r#"{"foo":"bar"}"#,
        r#"[{"op":"add","path":"/baz","value":"qux"}]"#,
        r#"{"baz":"qux","foo":"bar"}"#,
    );
    check(
        r#"{"foo":["a","b"]}"#,
        r#"[{"op":"add","path":"/foo/1","value":"x"}]"#,
        r#"{"foo":["a","x","b"]}"#,
    );
    check(r#"{"baz":1,"foo":2}"#, r#"[{"op":"remove","path":"/baz"}]"#, r#"{"foo":2}"#);
    check(
        r#"{"foo":["a","x","b"]}"#,
        r#"[{"op":"remove","path":"/foo/1"}]"#,
        r#"{"foo":["a","b"]}"#,
    );
    check(r#"{"baz":1}"#, r#"[{"op":"replace","path":"/baz","value":2}]"#, r#"{"baz":2}"#);
    check(
        r#"{"f":{"w":1},"q":{}}"#,
        r#"[{"op":"move","from":"/f/w","path":"/q/t"}]"#,
        r#"{"f":{},"q":{"t":1}}"#,
    );
    check(
        r#"{"foo":[1,2,3,4]}"#,
        r#"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
        r#"{"foo":[1,3,4,2]}"#,
    );
    check(
        r#"{"a":[1,{"b":2}]}"#,
        r#"[{"op":"test","path":"/a/1/b","value":2.0}]"#,
        r#"{"a":[1,{"b":2}]}"#,
    );
    check(
        r#"{"foo":["bar"]}"#,
        r#"[{"op":"add","path":"/foo/-","value":[1]}]"#,
        r#"{"foo":["bar",[1]]}"#,
    );
    check(r#"{"a":1}"#, r#"[{"op":"copy","from":"","path":"/b"}]"#, r#"{"a":1,"b":{"a":1}}"#);
    check(
        r#"{"/":9,"~1":10}"#,
        r#"[{"op":"test","path":"/~01","value":10}]"#,
        r#"{"/":9,"~1":10}"#,
    );
    check("{}", r#"[{"op":"add","path":"","value":5}]"#, "5");
    check("{}", r#"[{"op":"replace","path":"","value":[]}]"#, "[]");
}

#[test]
fn errors_are_those_of_the_go_library() {
    let rfc = |document, patch, want| refused(document, patch, Options::RFC, want);
    rfc(
        "{}",
        r#"[{"op":"add","path":"/a/b","value":1}]"#,
        r#"add operation does not apply: doc is missing path: "/a/b": missing value"#,
    );
    rfc(
        "{}",
        r#"[{"op":"remove","path":"/a"}]"#,
        "error in remove for path: '/a': unable to remove nonexistent key: a: missing value",
    );
    rfc(
        r#"{"a":[1]}"#,
        r#"[{"op":"add","path":"/a/2","value":1}]"#,
        "error in add for path: '/a/2': unable to access invalid index: 2: invalid index referenced",
    );
    rfc(
        r#"{"a":[1]}"#,
        r#"[{"op":"remove","path":"/a/-1"}]"#,
        "error in remove for path: '/a/-1': value was not a proper array index: '-1'",
    );
    rfc(
        r#"{"a":1}"#,
        r#"[{"op":"replace","path":"/b","value":1}]"#,
        "replace operation does not apply: doc is missing key: /b: missing value",
    );
    rfc(r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":2}]"#, "testing value /a failed");
    rfc(
        r#"{"a":{"b":1}}"#,
        r#"[{"op":"move","from":"/a","path":"/a/b"}]"#,
        "error in move for path: '/a/b': a value cannot move below itself",
    );
    rfc(
        "{}",
        r#"[{"op":"remove","path":""}]"#,
        "error in remove for path: '': the whole document cannot be taken away",
    );
}

#[test]
fn a_patch_is_read_strictly() {
    let rfc = |patch, want| refused("{}", patch, Options::RFC, want);
    rfc("{}", "a patch is a list of operations, not object");
    rfc("[1]", "operation 0 is no object");
    rfc(
        r#"[{"op":"test","path":"/a","value":null},{"op":"add"}]"#,
        "operation 1 has no \"path\" field",
    );
    rfc(r#"[{"op":"add","path":"/a"}]"#, "operation 0 has no \"value\" field");
    rfc(r#"[{"op":"move","path":"/a"}]"#, "operation 0 has no \"from\" field");
    rfc(r#"[{"op":"merge","path":"/a"}]"#, "unexpected kind: merge");
    rfc(
        r#"[{"op":"add","path":"a","value":1}]"#,
        "the path \"a\" of an operation does not start with a slash",
    );
    check("{}", r#"[{"op":"test","path":"/a","xyz":1}]"#, "{}");
}

#[test]
fn testing_for_null_accepts_absence() {
    check(r#"{"a":null}"#, r#"[{"op":"test","path":"/a","value":null}]"#, r#"{"a":null}"#);
    check("{}", r#"[{"op":"test","path":"/a","value":null}]"#, "{}");
    refused(
        "{}",
        r#"[{"op":"test","path":"/a","value":1}]"#,
        Options::RFC,
        "testing value /a failed",
    );
}

#[test]
fn kyvernos_options_hold() {
    // Each recorded from evanphx/json-patch 5.9.11 with Kyverno's three options.
    let list = r#"{"a":[1,2]}"#;
    check_kyverno(list, r#"[{"op":"add","path":"/a/-1","value":9}]"#, r#"{"a":[1,2,9]}"#);
    check_kyverno(list, r#"[{"op":"add","path":"/a/-3","value":9}]"#, r#"{"a":[9,1,2]}"#);
    check_kyverno(list, r#"[{"op":"remove","path":"/a/-1"}]"#, r#"{"a":[1]}"#);
    check_kyverno(list, r#"[{"op":"replace","path":"/a/-2","value":9}]"#, r#"{"a":[9,2]}"#);
    check_kyverno(list, r#"[{"op":"remove","path":"/a/7"}]"#, list);
    check_kyverno(list, r#"[{"op":"remove","path":"/b"}]"#, list);
    check_kyverno(list, r#"[{"op":"remove","path":"/b/c/d"}]"#, list);
    check_kyverno("{}", r#"[{"op":"add","path":"/a/b","value":1}]"#, r#"{"a":{"b":1}}"#);
    check_kyverno("{}", r#"[{"op":"add","path":"/a/-1/b","value":1}]"#, r#"{"a":[{"b":1}]}"#);
    check_kyverno("{}", r#"[{"op":"add","path":"/a/-1","value":1}]"#, r#"{"a":[1]}"#);
    check_kyverno(
        r#"{"a":[null]}"#,
        r#"[{"op":"add","path":"/a/0/b","value":1}]"#,
        r#"{"a":[{"b":1},null]}"#,
    );
    check_kyverno(r#"{"a":"s"}"#, r#"[{"op":"remove","path":"/a/x"}]"#, r#"{"a":"s"}"#);
    check_kyverno(list, r#"[{"op":"remove","path":"/a/-7"}]"#, list);
    check_kyverno(list, r#"[{"op":"remove","path":""}]"#, list);
    check_kyverno("{}", r#"[{"op":"add","path":"/a/0","value":1}]"#, r#"{"a":[1]}"#);
    check_kyverno("{}", r#"[{"op":"add","path":"/a/2","value":1}]"#, r#"{"a":[null,null,1]}"#);
    check_kyverno(
        r#"{"a":[]}"#,
        r#"[{"op":"add","path":"/a/1/b","value":1}]"#,
        r#"{"a":[null,{"b":1}]}"#,
    );
    check_kyverno(r#"{"a":null}"#, r#"[{"op":"add","path":"/a/b","value":1}]"#, r#"{"a":{"b":1}}"#);
    refused(
        list,
        r#"[{"op":"add","path":"/a/-4","value":9}]"#,
        Options::KYVERNO,
        "error in add for path: '/a/-4': unable to access invalid index: -4: invalid index referenced",
    );
    for (document, patch) in [
        (r#"{"a":"x"}"#, r#"[{"op":"add","path":"/a/b","value":1}]"#),
        (r#"{"a":"x"}"#, r#"[{"op":"add","path":"/a/b/c","value":1}]"#),
        (list, r#"[{"op":"remove","path":"/a/x"}]"#),
        ("{}", r#"[{"op":"add","path":"/a/-/b","value":1}]"#),
        ("{}", r#"[{"op":"add","path":"/a/-2","value":1}]"#),
        (list, r#"[{"op":"copy","from":"/a","path":"/b/c"}]"#),
        (list, r#"[{"op":"move","from":"/a","path":"/b/c"}]"#),
        (r#"{"a":[]}"#, r#"[{"op":"add","path":"/a/2","value":1}]"#),
    ] {
        assert!(patched(document, patch, Options::KYVERNO).is_err(), "{patch}");
    }
}

#[test]
fn a_failing_operation_leaves_the_document_alone() {
    let document = tree(r#"{"a":1}"#);
    let operations = Operation::parse_list(&tree(
        r#"[{"op":"add","path":"/b","value":1},{"op":"remove","path":"/x"}]"#,
    ));
    assert!(apply(&document, &operations.unwrap()).is_err());
    assert_eq!(document.to_json(), r#"{"a":1}"#);
}

#[test]
fn copies_of_copies_are_stopped() {
    let double = Operation::Copy { from: String::new(), path: "/a".into() };
    assert!(apply(&tree(r#"{"b":[1,2,3]}"#), &vec![double; 600]).is_err());
    let twice = Operation::Copy { from: "/a".into(), path: "/a/-".into() };
    assert!(apply(&tree(r#"{"a":[1]}"#), &vec![twice; 64]).is_err());
    let far = Operation::Add { path: "/a/999999999/b".into(), value: Value::NULL };
    assert!(apply_with(&tree("{}"), &[far], Options::KYVERNO).is_err());
    let deep = Operation::Add { path: "/a".repeat(100_000), value: Value::NULL };
    assert!(apply_with(&tree("{}"), &[deep], Options::KYVERNO).is_err());
    let many = vec![Operation::Remove { path: "/a".into() }; MOST_OPERATIONS + 1];
    assert_eq!(apply(&tree("{}"), &many), Err(PatchError::TooMany { count: MOST_OPERATIONS + 1 }));
}

#[test]
fn untouched_parts_stay_the_same_allocation() {
    let document = tree(
        r#"{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"image":"x"}],"volumes":[1]}}"#,
    );
    let operation =
        Operation::Replace { path: "/spec/containers/0/image".into(), value: Value::string("y") };
    let new = apply(&document, &[operation]).unwrap();
    for path in ["/metadata", "/spec/volumes"] {
        assert!(new.pointer(path).unwrap().same(document.pointer(path).unwrap()), "{path}");
    }
}

fn check_diff(from: &str, to: &str, want: &str) {
    let operations = diff(&tree(from), &tree(to));
    assert_eq!(to_value(&operations).to_json(), want);
    assert_eq!(apply(&tree(from), &operations).unwrap(), tree(to));
}

#[test]
fn a_diff_names_what_changed_and_no_more() {
    check_diff(r#"{"a":1,"b":[1]}"#, r#"{"a":1.0,"b":[1]}"#, "[]");
    let long = r#""annotations":{"some.example.com/key":"a value of some length so that the rest is not replaced"}"#;
    let from = format!(
        r#"{{"metadata":{{{long},"name":"x"}},"spec":{{"containers":[{{"image":"a:1","name":"a"}}]}}}}"#
    );
    let to =
        from.replace("a:1", "a:1@sha256:0123").replace(r#""name":"x""#, r#""name":"x","z~/":true"#);
    check_diff(
        &from,
        &to,
        r#"[{"op":"add","path":"/metadata/z~0~1","value":true},{"op":"replace","path":"/spec/containers/0/image","value":"a:1@sha256:0123"}]"#,
    );
}

#[test]
fn a_list_that_grew_or_shrank_at_either_end_costs_one_operation_an_item() {
    let item = |n: u32| {
        format!(r#"{{"name":"container-number-{n}","image":"registry.example.com/some/image"}}"#)
    };
    let list =
        |ns: &[u32]| format!("[{}]", ns.iter().map(|n| item(*n)).collect::<Vec<_>>().join(","));
    let check = |from: &[u32], to: &[u32], count: usize| {
        let (from, to) = (tree(&list(from)), tree(&list(to)));
        let operations = diff(&from, &to);
        assert_eq!(operations.len(), count, "{operations:?}");
        assert_eq!(apply(&from, &operations).unwrap(), to);
    };
    check(&[1, 2], &[0, 1, 2], 1);
    check(&[1, 2], &[1, 2, 3, 4], 2);
    check(&[0, 1, 2], &[1, 2], 1);
    check(&[1, 2, 3, 4], &[1, 4], 2);
    check(&[1, 2, 3], &[1, 9, 3], 1);
}

#[test]
fn a_node_is_replaced_when_that_is_shorter() {
    check_diff(
        r#"{"args":["a","b","c","d","e","f"]}"#,
        r#"{"args":["1","2","3","4","5","6"]}"#,
        r#"[{"op":"replace","path":"/args","value":["1","2","3","4","5","6"]}]"#,
    );
}

proptest! {
    #[test]
    fn applying_a_diff_gives_the_other_tree(from in any_value(), to in any_value()) {
        let operations = diff(&from, &to);
        prop_assert_eq!(&apply(&from, &operations).unwrap(), &to);
        prop_assert_eq!(operations.is_empty(), from == to);
        let read = Operation::parse_list(&to_value(&operations)).unwrap();
        prop_assert_eq!(read, operations);
    }

    #[test]
    fn a_diff_after_random_changes_is_no_longer_than_the_tree(
        from in any_value(),
        changes in proptest::collection::vec(("(/[a-d~01/]{1,2}){0,4}", any_value(), 0_u8..6), 0..6),
    ) {
        let operations: Vec<Operation> = changes.into_iter().map(|(path, value, op)| match op {
            0 => Operation::Remove { path },
            1 => Operation::Replace { path, value },
            2 => Operation::Copy { from: path.clone(), path: format!("{path}/a") },
            3 => Operation::Move { from: path, path: "/b".into() },
            _ => Operation::Add { path, value },
        }).collect();
        let to = operations.iter().fold(from.clone(), |document, operation| {
            apply_with(&document, std::slice::from_ref(operation), Options::KYVERNO).unwrap_or(document)
        });
        let answer = diff(&from, &to);
        prop_assert_eq!(&apply(&from, &answer).unwrap(), &to);
        // A member costs its own operation at most: 40 bytes and the path around each.
        let most = 2 * to.to_json().len() + 1_000;
        prop_assert!(to_value(&answer).to_json().len() <= most);
    }
}
