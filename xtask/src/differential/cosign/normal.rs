//! What a program printed, without what is different each time: hosts, ports, signatures, times.
use super::scenarios::Order;
use serde_json::Value;

/// Members whose values are random or depend on the time.
const CHANGING: &[&str] = &[
    "sig",
    "signature",
    "Base64Signature",
    "Timestamp",
    "hint",
    "rawBytes",
    "keyId",
    "base64Signature",
];

/// Each line as JSON when it is, with members in order; as text otherwise.
pub(super) fn output(text: &str, own: &[(&str, &str)], order: Order) -> String {
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| match serde_json::from_str::<Value>(line) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => normal(value).to_string(),
            Ok(_) | Err(_) => random(line),
        })
        .map(|line| own.iter().fold(line, |line, (there, name)| line.replace(there, name)))
        .collect();
    match order {
        Order::Kept => {}
        Order::Any => lines.sort(),
        Order::Ignored => lines.clear(),
    }
    lines.join("\n")
}

/// A key in PEM and a bare signature are as long as they are, and nothing else about them can be the same.
fn random(line: &str) -> String {
    let base64 = line.len() >= 48
        && line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    if base64 { "BASE64".to_owned() } else { line.to_owned() }
}

fn normal(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| {
                let value = if CHANGING.contains(&name.as_str()) && !value.is_null() {
                    Value::from("CHANGING")
                } else if name == "payload" || name == "Payload" {
                    payload(value)
                } else {
                    normal(value)
                };
                (name, value)
            });
            Value::Object(members.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(normal).collect()),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

/// A payload in base64 is the statement in it.
fn payload(value: Value) -> Value {
    use base64::Engine as _;
    let decoded = value
        .as_str()
        .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok())
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    decoded.map_or_else(|| normal(value), normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_each_time_is_taken_out() {
        let one = output(
            "{\"b\":1,\"sig\":\"x\"}\nhttp://1.2.3.4:5/a\n",
            &[("1.2.3.4:5", "HOST")],
            Order::Kept,
        );
        assert_eq!(one, "{\"b\":1,\"sig\":\"CHANGING\"}\nhttp://HOST/a");
        assert_eq!(output("b\na", &[], Order::Any), "a\nb");
        assert_eq!(output(&"A".repeat(60), &[], Order::Kept), "BASE64");
    }
}
