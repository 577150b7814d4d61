//! Laws of the evaluator over generated expressions.
use proptest::prelude::*;
use sigward_document::{Root, Value, parse_json};
use sigward_jmespath::{
    CallSite, EvaluateError, Expression, Functions, Host, Kind, Limits, Offline, Signature,
    Suspended,
};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;

const DOCUMENT: &str = r#"{"a": {"b": [1, 2, {"c": "x"}], "e": {}}, "b": [[1], [2, [3]], "s"], "c": "text", "d": null}"#;

/// Expressions over the document above; `wait()` stands for a call that has to wait for its host.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "c", "d", "zz", "@", "a.b", "a.e.c", "b[0]", "'raw'", "`1`", "`[1, 2]`"])
            .prop_map(str::to_owned),
        1 => Just("wait()".to_owned()),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            two.clone().prop_map(|(l, r)| format!("({l}) || ({r})")),
            two.clone().prop_map(|(l, r)| format!("({l}) && ({r})")),
            two.clone().prop_map(|(l, r)| format!("({l}) | ({r})")),
            two.clone().prop_map(|(l, r)| format!("({l}) == ({r})")),
            two.clone().prop_map(|(l, r)| format!("({l}) < ({r})")),
            two.clone().prop_map(|(l, r)| format!("({l})[?{r}]")),
            two.clone().prop_map(|(l, r)| format!("[{l}, {r}]")),
            two.clone().prop_map(|(l, r)| format!("{{x: {l}, y: {r}}}")),
            two.clone().prop_map(|(l, r)| format!("not_null({l}, {r})")),
            two.clone().prop_map(|(l, r)| format!("map(&({l}), {r})")),
            two.clone().prop_map(|(l, r)| format!("sort_by({l}, &({r}))")),
            two.clone().prop_map(|(l, r)| format!("max_by({l}, &({r}))")),
            two.prop_map(|(l, r)| format!("contains({l}, {r})")),
            inner.clone().prop_map(|i| format!("!({i})")),
            inner.clone().prop_map(|i| format!("({i})[]")),
            inner.clone().prop_map(|i| format!("({i})[*].c")),
            inner.clone().prop_map(|i| format!("({i}).*")),
            inner.clone().prop_map(|i| format!("({i})[::-1]")),
            inner.clone().prop_map(|i| format!("({i}).a.b")),
            inner.clone().prop_map(|i| format!("to_string({i})")),
            inner.clone().prop_map(|i| format!("length({i})")),
            inner.clone().prop_map(|i| format!("to_array({i})")),
            inner.prop_map(|i| format!("keys({i})")),
        ]
    })
}

fn functions() -> Functions {
    Functions::standard().with("wait", Signature::ignored(), |call| {
        let _ = call.addresses("host")?;
        Ok(Value::string("answer"))
    })
}

/// A host that cannot answer yet, and counts how often it was asked.
#[derive(Default)]
struct Waiting {
    asked: u32,
}

impl Host for Waiting {
    fn now(&self) -> i64 {
        0
    }
    fn random(&mut self, _: CallSite) -> u64 {
        0
    }
    fn addresses(&mut self, _: &str) -> Result<Result<Vec<IpAddr>, String>, Suspended> {
        self.asked += 1;
        Err(Suspended)
    }
}

/// A root that notes which members are read of it.
struct Noting {
    value: Value,
    members: RefCell<BTreeSet<String>>,
}

impl Root for Noting {
    fn member(&self, name: &str) -> Option<&Value> {
        self.members.borrow_mut().insert(name.to_owned());
        self.value.member(name)
    }
    fn whole(&self) -> Value {
        self.value.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whoever suspends ends the evaluation at once: nothing swallows it, nothing is asked after it.
    #[test]
    fn suspension_unwinds_through_everything(text in expression()) {
        let document = parse_json(DOCUMENT.as_bytes()).unwrap();
        let mut host = Waiting::default();
        let outcome = Expression::parse(&text).unwrap().evaluate(&document, &functions(), &mut host);
        if host.asked > 0 {
            prop_assert!(matches!(outcome, Err(EvaluateError::Suspended)), "{text}: {outcome:?}");
            prop_assert_eq!(host.asked, 1, "{}", text);
        } else {
            prop_assert!(!matches!(outcome, Err(EvaluateError::Suspended)), "{text}");
        }
    }

    /// An exhausted budget ends the evaluation, whatever stands around it: a larger one never gives another value.
    #[test]
    fn a_budget_never_changes_a_value(text in expression(), steps in 0u64..60) {
        let document = parse_json(DOCUMENT.as_bytes()).unwrap();
        let expression = Expression::parse(&text).unwrap();
        let small = expression.evaluate_within(&document, &functions(), &mut Offline::default(), Limits { steps, ..Limits::default() });
        let large = expression.evaluate(&document, &functions(), &mut Offline::default());
        match (small, large) {
            (Err(EvaluateError::Budget { .. }), _) => {}
            (Ok(a), Ok(b)) => prop_assert_eq!(a, b, "{}", text),
            (Err(a), Err(b)) => prop_assert_eq!(a.to_string(), b.to_string(), "{}", text),
            (a, b) => prop_assert!(false, "{text}: {a:?} but {b:?}"),
        }
    }

    /// What `roots()` does not name is not asked for, and makes no difference when it is not there.
    #[test]
    fn nothing_is_read_that_roots_does_not_name(text in expression()) {
        let value = parse_json(DOCUMENT.as_bytes()).unwrap();
        let root = Noting { value: value.clone(), members: RefCell::default() };
        let expression = Expression::parse(&text).unwrap();
        let show = |outcome: Result<Value, EvaluateError>| outcome.map_err(|error| error.to_string());
        let full = show(expression.evaluate(&root, &functions(), &mut Offline::default()));
        let roots = expression.roots();
        for name in root.members.borrow().iter() {
            prop_assert!(roots.contains(name), "{text} read {name}, not in {roots:?}");
        }
        let members = value.as_map().unwrap().iter().filter(|(name, _)| roots.contains(name));
        let pruned = Value::map(members.map(|(name, value)| (name.into(), value.clone())));
        let again = show(expression.evaluate(&pruned, &functions(), &mut Offline::default()));
        prop_assert_eq!(full, again, "{}", text);
    }

    #[test]
    fn parsing_never_panics(text in any::<String>()) {
        if let Err(error) = Expression::parse(&text) {
            let _ = error.caret();
        }
    }

    #[test]
    fn parsing_tokens_in_any_order_never_panics(
        tokens in prop::collection::vec(prop::sample::select(vec![
            "a", "\"q\"", "'r'", "`1`", "`", "'", "\"", ".", "*", "[", "]", "[?", "[]", "(", ")", "{", "}", ":", ",",
            "||", "&&", "|", "&", "!", "==", "<", "=", "@", "-1", "0", "99999999999999999999", " ", "é", "\\",
        ]), 0..24),
    ) {
        let text = tokens.concat();
        match Expression::parse(&text) {
            Ok(expression) => {
                let document = parse_json(DOCUMENT.as_bytes()).unwrap();
                let _ = expression.evaluate(&document, &functions(), &mut Offline::default());
            }
            Err(error) => {
                let _ = error.caret();
            }
        }
    }
}

#[test]
fn a_larger_registry_replaces_a_function_of_the_same_name() {
    const ANY: Signature = Signature::fixed(&[&[Kind::Any]]);
    let functions = Functions::standard().with("sum", ANY, |_| Ok(Value::string("mine")));
    let value = Expression::parse("sum('x')").unwrap().evaluate(
        &Value::NULL,
        &functions,
        &mut Offline::default(),
    );
    assert_eq!(value.unwrap(), Value::string("mine"));
    assert_eq!(functions.names().len(), Functions::standard().names().len());
}
