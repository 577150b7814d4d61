//! Values and types as Go prints them: the peer's messages show them.
use sigward_document::{Value, View};

/// The longest text of one value in a message.
const LONGEST: usize = 1_000;

/// A value as `%v` prints it, cut off where it grows too long.
pub(super) fn value(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    if out.len() > LONGEST {
        if !out.ends_with('…') {
            out.push('…');
        }
        return;
    }
    match value.view() {
        View::Null => out.push_str("<nil>"),
        View::Bool(flag) => out.push_str(if flag { "true" } else { "false" }),
        View::Int(number) => out.push_str(&number.to_string()),
        View::Float(number) => out.push_str(&float(number)),
        View::String(text) => out.extend(text.chars().take(LONGEST)),
        View::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(' ');
                }
                write(item, out);
                if out.len() > LONGEST {
                    break;
                }
            }
            out.push(']');
        }
        View::Map(map) => {
            out.push_str("map[");
            for (at, (key, item)) in map.iter().enumerate() {
                if at > 0 {
                    out.push(' ');
                }
                out.push_str(key);
                out.push(':');
                write(item, out);
                if out.len() > LONGEST {
                    break;
                }
            }
            out.push(']');
        }
    }
}

/// `%v` of a float: the shortest digits, an exponent of two digits from 1e6 on and below 1e-4.
fn float(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        let text = format!("{number:e}");
        if let Some((digits, exponent)) = text.split_once('e') {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            return format!("{digits}e{sign}{exponent:0>2}");
        }
        return text;
    }
    number.to_string()
}

/// A type as `%T` prints it.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value.view() {
        View::Null => "<nil>",
        View::Bool(_) => "bool",
        View::Int(_) => "int64",
        View::Float(_) => "float64",
        View::String(_) => "string",
        View::List(_) => "[]interface {}",
        View::Map(_) => "map[string]interface {}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        assert_eq!(value(&sigward_document::parse_json(json.as_bytes()).unwrap()), expected);
    }

    #[test]
    fn values_print_as_go_prints_them() {
        check("null", "<nil>");
        check(r#"{"b":[1,"x",true],"a":1.5}"#, "map[a:1.5 b:[1 x true]]");
        check("1e-7", "1e-07");
        check("0.0005", "0.0005");
        check("2000000.5", "2.0000005e+06");
    }

    #[test]
    fn a_long_value_is_cut_off() {
        let long = Value::list((0..100_000).map(Value::from));
        assert!(value(&long).len() < 2 * LONGEST);
        assert!(value(&Value::string(&"x".repeat(1_000_000))).len() < 2 * LONGEST);
    }
}
