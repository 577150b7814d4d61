//! Expressions: none makes parser or evaluator panic, nothing swallows a suspension, a budget only ever ends an evaluation,
//! and nothing is read that `roots` does not name. The input is an expression, a line that is `---`, and a document.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_document::{Value, parse_json};
use sigward_jmespath::{
    CallSite, EvaluateError, Expression, Functions, Host, Limits, Offline, Roots, Signature,
    Suspended,
};
use std::net::IpAddr;
use std::sync::LazyLock;

/// All that policies may call, and `wait()`, which asks its host. What takes the longest is held down by limits.
static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| {
    sigward_policy::functions::registry().with("wait", Signature::ignored(), |call| {
        let _ = call.addresses("host")?;
        Ok(Value::string("answer"))
    })
});

const LIMITS: Limits = Limits { steps: 20_000, bytes: 1 << 20, depth: 256 };

/// Cannot answer yet, and counts how often it was asked.
struct Waiting(u32);

impl Host for Waiting {
    fn now(&self) -> i64 {
        0
    }
    fn random(&mut self, _: CallSite) -> u64 {
        0
    }
    fn addresses(&mut self, _: &str) -> Result<Result<Vec<IpAddr>, String>, Suspended> {
        self.0 += 1;
        Err(Suspended)
    }
}

fn print(outcome: &Result<Value, EvaluateError>) -> String {
    match outcome {
        Ok(value) => format!("ok {}", value.to_json()),
        Err(error) => format!("error {error}"),
    }
}

fuzz_target!(|text: &str| {
    let (text, document) = text.split_once("\n---\n").unwrap_or((text, "{}"));
    let expression = match Expression::parse(text) {
        Ok(expression) => expression,
        Err(error) => {
            assert!(text.is_char_boundary(error.offset), "an error outside the text");
            assert!(error.caret().ends_with('^'));
            return;
        }
    };
    let Ok(document) = parse_json(document.as_bytes()) else { return };
    let run = |root: &Value, limits| {
        expression.evaluate_within(root, &FUNCTIONS, &mut Offline::default(), limits)
    };

    let mut host = Waiting(0);
    let outcome = expression.evaluate_within(&document, &FUNCTIONS, &mut host, LIMITS);
    assert_eq!(matches!(outcome, Err(EvaluateError::Suspended)), host.0 > 0, "swallowed");
    assert!(host.0 <= 1, "asked again after a suspension");

    let full = run(&document, LIMITS);
    assert!(!matches!(full, Err(EvaluateError::Suspended)), "nobody suspended");
    if matches!(full, Err(EvaluateError::Budget { .. })) {
        return;
    }
    let full = print(&full);
    let small = run(&document, Limits { steps: 20, ..LIMITS });
    if !matches!(small, Err(EvaluateError::Budget { .. })) {
        assert_eq!(print(&small), full, "a budget changed an answer");
    }
    if let (Roots::Names(names), Some(members)) = (expression.roots(), document.as_map()) {
        let kept = members.members().filter(|(name, _)| names.contains(name)).cloned();
        assert_eq!(print(&run(&Value::map(kept), LIMITS)), full, "read what `roots` does not name");
    }
});
