//! What becomes of a document with variables.
use super::*;
use sigward_jmespath::{Functions, Offline};

struct Names {
    root: Value,
    delete: bool,
}

impl Resolver for Names {
    fn resolve(&mut self, _text: &str, expression: &Expression) -> Result<Value, Unresolved> {
        expression
            .evaluate(&self.root, &Functions::standard(), &mut Offline::default())
            .map_err(|error| Unresolved::Failed(format!("JMESPath query failed: {error}")))
    }
    fn is_delete(&self) -> bool {
        self.delete
    }
}

const ROOT: &str = r#"{"a":"x","n":3,"list":[1,"two"],"nested":"{{ a }}!","loop":"-{{ loop }}",
    "request":{"object":{"kind":"New","spec":{"x-y":["q"]}},"oldObject":{"kind":"Old"}}}"#;

fn parse(text: &str) -> Value {
    sigward_document::parse_json(text.as_bytes()).unwrap()
}

fn substitute(document: &str, path: &[&str], delete: bool) -> Result<String, String> {
    let (template, bad) = Template::new(parse(document), path);
    if let Some(bad) = bad.first() {
        return Err(format!("{bad:?}"));
    }
    match template.substitute(&mut Names { root: parse(ROOT), delete }) {
        Ok(value) => Ok(value.to_json()),
        Err(stop) => Err(match stop {
            Stop::Error(error) => error.to_string(),
            Stop::Suspended => "suspended".to_owned(),
        }),
    }
}

fn check(document: &str, expected: &str) {
    assert_eq!(substitute(document, &[], false).as_deref(), Ok(expected), "{document}");
}

#[test]
fn a_whole_variable_keeps_its_type_and_an_embedded_one_is_written_out() {
    check(r#""{{ n }}""#, "3");
    check(r#""{{ list }}""#, r#"[1,"two"]"#);
    check(r#""v{{ n }}-{{a}}""#, r#""v3-x""#);
    check(r#""={{ list }}""#, r#""=[1,\"two\"]""#);
}

#[test]
fn keys_are_substituted_too() {
    check(r#"{"{{ a }}":{"k":"{{ n }}"}}"#, r#"{"x":{"k":3}}"#);
}

#[test]
fn what_was_written_out_is_looked_at_again_unless_it_is_shallow() {
    check(r#""<{{ nested }}>""#, r#""<x!>""#);
    check(r#""<{{- nested }}>""#, r#""<{{ a }}!>""#);
    check(r#""{{ nested }}""#, r#""{{ a }}!""#);
}

#[test]
fn a_text_that_never_ends_is_an_error() {
    let error = substitute(r#""{{ loop }} ""#, &[], false).unwrap_err();
    assert!(error.contains("expand too far"), "{error}");
}

#[test]
fn escapes_are_taken_off_at_the_end() {
    check(r#""\\{{ a }} {{ a }}""#, r#""{{ a }} x""#);
    check(r#""\\{{ a }}""#, r#""{{ a }}""#);
}

#[test]
fn an_unresolved_variable_says_which_and_where() {
    assert_eq!(
        substitute(r#"{"s":["{{ b.c }}"]}"#, &[], false).unwrap_err(),
        r#"failed to resolve b.c at path /s/0: JMESPath query failed: Unknown key "b" in path"#
    );
}

#[test]
fn on_delete_the_object_is_the_old_object() {
    let document = r#""{{ request.object.kind }}""#;
    assert_eq!(substitute(document, &[], false).unwrap(), r#""New""#);
    assert_eq!(substitute(document, &[], true).unwrap(), r#""Old""#);
}

#[test]
fn at_stands_for_the_same_place_in_the_object() {
    let document = r#"{"spec":{"x-y":["{{ @ }}"]}}"#;
    assert_eq!(
        substitute(document, &["validate", "pattern"], false).unwrap(),
        r#"{"spec":{"x-y":["q"]}}"#
    );
}

#[test]
fn an_expression_that_does_not_parse_is_found_when_the_policy_is_loaded() {
    let document = sigward_document::parse_json(br#"{"a":["{{ a..b }}"]}"#).unwrap();
    let (_, bad) = Template::new(document, &[]);
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0].path, "/a/0");
}
