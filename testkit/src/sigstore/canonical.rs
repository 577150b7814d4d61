//! Canonical JSON, as Rekor and TUF sign it: names in order, no spaces.

use serde_json::Value;

/// Compact JSON with sorted names, whatever order the value keeps them in.
// SPEC: RFC 8785 for what occurs here (no floating point numbers), as Rekor's canonical bodies and entry timestamps.
pub(crate) fn json(value: &Value) -> String {
    write(value, &|text| Value::from(text).to_string())
}

/// The same as TUF signs it: in strings only quotes and backslashes are escaped.
// SPEC: OLPC canonical JSON, named by the TUF specification 1.0 section 4.2.1.
pub(crate) fn olpc(value: &Value) -> String {
    write(value, &|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn write(value: &Value, string: &dyn Fn(&str) -> String) -> String {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<_> = fields.iter().collect();
            names.sort_by_key(|(name, _)| *name);
            let fields: Vec<String> = names
                .into_iter()
                .map(|(name, value)| format!("{}:{}", string(name), write(value, string)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| write(item, string)).collect();
            format!("[{}]", items.join(","))
        }
        Value::String(text) => string(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_sorted_and_nothing_is_spaced() {
        let value = json!({ "b": [1, "x\n\"\\"], "a": { "d": null, "c": true } });
        assert_eq!(json(&value), r#"{"a":{"c":true,"d":null},"b":[1,"x\n\"\\"]}"#);
        assert_eq!(olpc(&value), "{\"a\":{\"c\":true,\"d\":null},\"b\":[1,\"x\n\\\"\\\\\"]}");
    }
}
