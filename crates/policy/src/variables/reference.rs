//! `$(path)` in a rule's document: a value from another place of the same document.
use crate::stop::RuleError;
use sigward_document::{Value, View};
use smol_str::SmolStr;

/// References that lead to references, at most this deep.
const MAX_HOPS: usize = 16;
/// Operators that may stand before a path, the longer first.
const OPERATORS: [&str; 5] = [">=", "<=", ">", "<", "!"];

/// The document with every reference resolved. References come before variables.
pub(crate) fn resolve(document: &Value) -> Result<Value, RuleError> {
    node(document, document, &mut Vec::new())
}

fn node(full: &Value, value: &Value, path: &mut Vec<SmolStr>) -> Result<Value, RuleError> {
    match value.view() {
        View::String(written) if written.contains("$(") => text(full, written, path),
        View::List(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                path.push(SmolStr::new(index.to_string()));
                let item = node(full, item, path);
                path.pop();
                list.push(item?);
            }
            Ok(Value::list(list))
        }
        View::Map(map) => {
            let mut pairs = Vec::new();
            for (key, item) in map.iter() {
                path.push(SmolStr::new(key));
                let item = node(full, item, path);
                path.pop();
                pairs.push((SmolStr::new(key), item?));
            }
            Ok(Value::map(pairs))
        }
        View::String(_) | View::Null | View::Bool(_) | View::Int(_) | View::Float(_) => {
            Ok(value.clone())
        }
    }
}

/// A text that is one reference keeps the value's type; inside a text only strings may stand.
fn text(full: &Value, written: &str, path: &[SmolStr]) -> Result<Value, RuleError> {
    let mut out = String::new();
    let mut rest = written;
    while let Some(at) = rest.find("$(") {
        let (before, found) = rest.split_at(at);
        let Some(length) = length_of(found) else { break };
        let (reference, after) = found.split_at(length);
        if before.ends_with('\\') {
            // Unescaped at the very end, together with variables.
            out.push_str(before);
            out.push_str(reference);
            rest = after;
            continue;
        }
        let value = target(full, reference, path)?;
        if before.is_empty() && after.is_empty() && out.is_empty() {
            return Ok(value);
        }
        let Some(string) = value.as_str() else {
            return Err(error(reference, "only a string can stand inside a text"));
        };
        out.push_str(before);
        out.push_str(string);
        rest = after;
    }
    out.push_str(rest);
    Ok(Value::string(&out))
}

/// Bytes of `$(…)`: no space inside.
fn length_of(found: &str) -> Option<usize> {
    let inside = found.get(2..)?;
    let end = inside.find([')', ' '])?;
    (end > 0 && inside.as_bytes().get(end) == Some(&b')')).then_some(2 + end + 1)
}

fn target(full: &Value, reference: &str, path: &[SmolStr]) -> Result<Value, RuleError> {
    let inside = reference.trim_start_matches("$(").trim_end_matches(')');
    let operator = OPERATORS.iter().find(|op| inside.starts_with(**op)).copied().unwrap_or("");
    let written = inside.strip_prefix(operator).unwrap_or(inside);
    if written.is_empty() {
        return Err(error(reference, "expected a path"));
    }
    let mut value = follow(full, &absolute(written, path));
    for _ in 0..MAX_HOPS {
        let Some(found) = value else {
            return Err(error(reference, "there is nothing at this path"));
        };
        let again = found.as_str().and_then(|text| {
            let whole = text.starts_with("$(") && length_of(text) == Some(text.len());
            whole.then(|| text.trim_start_matches("$(").trim_end_matches(')'))
        });
        if let Some(next) = again {
            value = follow(full, &absolute(next, &absolute(written, path)));
            continue;
        }
        if operator.is_empty() {
            return Ok(found.clone());
        }
        return match found.view() {
            View::String(text) => Ok(Value::string(&format!("{operator}{text}"))),
            View::Int(_) | View::Float(_) => {
                Ok(Value::string(&format!("{operator}{}", found.to_json())))
            }
            View::Null | View::Bool(_) | View::List(_) | View::Map(_) => {
                Err(error(reference, "an operator needs a string or a number"))
            }
        };
    }
    Err(error(reference, "references go round in a circle"))
}

/// Segments from the document's root; a relative path starts beside the node it is written in.
fn absolute(written: &str, path: &[SmolStr]) -> Vec<SmolStr> {
    let mut segments: Vec<SmolStr> =
        if written.starts_with('/') { Vec::new() } else { path.to_vec() };
    for part in written.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(SmolStr::new(name)),
        }
    }
    segments
}

fn follow<'v>(full: &'v Value, path: &[SmolStr]) -> Option<&'v Value> {
    path.iter().try_fold(full, |value, segment| match value.view() {
        View::Map(map) => map.get(segment).or_else(|| {
            map.iter().find(|(key, _)| bare(key) == bare(segment)).map(|(_, found)| found)
        }),
        View::List(items) => segment.parse::<usize>().ok().and_then(|at| items.get(at)),
        View::String(_) | View::Null | View::Bool(_) | View::Int(_) | View::Float(_) => None,
    })
}

/// A key without its anchor: `=(name)` is `name`.
fn bare(key: &str) -> &str {
    let inner = key.trim_start_matches(['=', '^', '<', '+', 'X']);
    inner.strip_prefix('(').and_then(|k| k.strip_suffix(')')).unwrap_or(key)
}

fn error(reference: &str, reason: &'static str) -> RuleError {
    RuleError::Reference { reference: SmolStr::new(reference), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(document: &str, expected: Result<&str, &str>) {
        let document = sigward_document::parse_json(document.as_bytes()).unwrap();
        let got = resolve(&document).map(|v| v.to_json());
        match (got, expected) {
            (Ok(got), Ok(expected)) => assert_eq!(got, expected),
            (Err(got), Err(expected)) => assert!(got.to_string().contains(expected), "{got}"),
            (got, expected) => panic!("{got:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn follows_absolute_and_relative_paths_and_passes_anchors() {
        check(r#"{"a":1,"b":"$(/a)"}"#, Ok(r#"{"a":1,"b":1}"#));
        check(r#"{"a":1,"b":"$(../a)"}"#, Ok(r#"{"a":1,"b":1}"#));
        check(r#"{"=(a)":{"c":"x"},"b":"v-$(/a/c)"}"#, Ok(r#"{"=(a)":{"c":"x"},"b":"v-x"}"#));
        check(r#"{"a":"5","b":"$(<=/a)"}"#, Ok(r#"{"a":"5","b":"<=5"}"#));
    }

    #[test]
    fn says_what_is_wrong_with_a_reference() {
        check(r#"{"b":"$(/a)"}"#, Err("nothing at this path"));
        check(r#"{"a":1,"b":"v-$(/a)"}"#, Err("only a string"));
        check(r#"{"a":"$(/b)","b":"$(/a)"}"#, Err("circle"));
    }

    #[test]
    fn an_escaped_reference_is_left_alone() {
        check(r#"{"b":"\\$(/a)"}"#, Ok(r#"{"b":"\\$(/a)"}"#));
        check(r#"{"b":"$(echo a b)"}"#, Ok(r#"{"b":"$(echo a b)"}"#));
    }
}
