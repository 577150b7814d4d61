//! Runs the public JMESPath suite, read from `SIGWARD_SHARED` (default `../shared` beside the workspace).
//!
//! | difference of the dialect | in the suite | tests of its own |
//! |---|---|---|
//! | a missing key at the end of a plain path is the error `Unknown key "k" in path` | null | `dialect.rs` |
//!
//! Nothing else differs where the suite looks.
#![expect(clippy::unwrap_used, reason = "test code")]

use sigward_document::{Value, parse_json};
use sigward_jmespath::{EvaluateError, Expression, Functions, Offline};
use std::path::PathBuf;

fn suite() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared =
        std::env::var_os("SIGWARD_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let folder = shared.join("conformance/jmespath");
    folder.is_dir().then_some(folder)
}

/// What went wrong with a case, if anything.
fn run(given: &Value, case: &Value) -> Result<(), String> {
    let text = case.str_at(&["expression"]).unwrap();
    let outcome = Expression::parse(text).map_err(|e| e.to_string()).and_then(|expression| {
        let evaluated = expression.evaluate(given, &Functions::standard(), &mut Offline::default());
        match evaluated {
            // The rule of the dialect: a missing key at the end of a plain path is an error, and null elsewhere.
            Err(EvaluateError::UnknownKey { .. })
                if case.get("result").is_some_and(Value::is_null) =>
            {
                Ok(Value::NULL)
            }
            other => other.map_err(|e| e.to_string()),
        }
    });
    match (case.get("result"), outcome) {
        (Some(wanted), Ok(value)) if value == *wanted => Ok(()),
        (Some(wanted), outcome) => Err(format!("{text}: wanted {wanted}, gives {outcome:?}")),
        (None, Err(_)) => Ok(()),
        (None, Ok(_)) if case.get("bench").is_some() => Ok(()),
        (None, Ok(value)) => Err(format!("{text}: wanted an error, gives {value}")),
    }
}

#[test]
fn passes_the_public_suite_but_for_the_missing_key() {
    let Some(folder) = suite() else {
        println!("skipped: no conformance/jmespath under SIGWARD_SHARED");
        return;
    };
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "json"));
    files.sort();
    let (mut passed, mut failures) = (0, Vec::new());
    for path in &files {
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        let suites = parse_json(&std::fs::read(path).unwrap()).unwrap();
        for suite in suites.as_list().unwrap() {
            for case in suite.get("cases").and_then(Value::as_list).unwrap() {
                match run(suite.get("given").unwrap(), case) {
                    Ok(()) => passed += 1,
                    Err(failure) => failures.push(format!("{file}: {failure}")),
                }
            }
        }
    }
    println!("{passed} cases of {} files", files.len());
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    assert!(passed > 800, "only {passed} cases were found");
}
