//! How conditions add up, and what they say.
use super::*;
use crate::{
    compile::{Sink, compile_conditions},
    variables::Unresolved,
};
use sigward_jmespath::{Expression, Functions, Offline};

/// Names from one document.
struct Names(Value);

impl Resolver for Names {
    fn resolve(&mut self, _text: &str, expression: &Expression) -> Result<Value, Unresolved> {
        expression
            .evaluate(&self.0, &Functions::standard(), &mut Offline::default())
            .map_err(|error| Unresolved::Failed(error.to_string()))
    }
    fn is_delete(&self) -> bool {
        false
    }
}

fn compiled(conditions: &str) -> Conditions {
    let parse = |text: &str| sigward_document::parse_json(text.as_bytes()).unwrap();
    let mut sink = Sink::default();
    let compiled = compile_conditions(&parse(conditions), &mut sink);
    assert!(!sink.has_errors(), "{sink:?}");
    compiled
}

fn names() -> Names {
    Names(Value::map([("a".into(), Value::string("x")), ("n".into(), Value::int(3))]))
}

fn evaluate(conditions: &str) -> Result<Held, Stop> {
    compiled(conditions).evaluate(&mut names())
}

fn check(conditions: &str, holds: bool, message: &str) {
    let held = evaluate(conditions).unwrap();
    let told = held.told(&mut names()).unwrap();
    assert_eq!((held.holds, told.as_str()), (holds, message), "{conditions}");
}

const YES: &str = r#"{"key":"{{ a }}","operator":"equals","value":"x","message":"a is {{ a }}"}"#;
const NO: &str = r#"{"key":"{{ n }}","operator":"Equals","value":4,"message":"n is not 4"}"#;

#[test]
fn any_and_all_must_both_be_satisfied() {
    check(&format!(r#"{{"any":[{NO},{YES}]}}"#), true, "a is x");
    check(&format!(r#"{{"all":[{YES},{NO}]}}"#), false, "n is not 4");
    check(&format!(r#"{{"any":[{YES}],"all":[{NO}]}}"#), false, "n is not 4");
    check(&format!(r#"{{"any":[{YES}],"all":[{YES}]}}"#), true, "a is x; a is x");
}

#[test]
fn an_empty_any_is_false_and_an_absent_one_is_true() {
    check(r#"{"any":[]}"#, false, "");
    check(r#"{"all":[]}"#, true, "");
    check("{}", true, "");
    check("[]", true, "");
}

#[test]
fn the_old_list_is_all_and_a_list_of_blocks_needs_every_block() {
    check(&format!("[{YES},{NO}]"), false, "n is not 4");
    check(&format!("[{YES}]"), true, "a is x");
    check(&format!("[{YES},{YES}]"), true, "a is x;a is x");
    check(&format!(r#"[{{"all":[{YES}]}},{{"any":[{NO}]}}]"#), false, "n is not 4");
}

#[test]
fn a_missing_name_is_an_error_that_names_it() {
    let missing = r#"{"all":[{"key":"{{ b.c }}","operator":"Equals","value":0}]}"#;
    let Err(Stop::Error(error)) = evaluate(missing) else { panic!() };
    assert!(error.to_string().contains(r#"Unknown key "b" in path"#), "{error}");
}

#[test]
fn what_decided_is_shown() {
    let held = evaluate(&format!(r#"{{"all":[{NO}]}}"#)).unwrap();
    assert_eq!(held.decided_by.as_deref(), Some("n = 3, wanted: Equals 4"));
}
