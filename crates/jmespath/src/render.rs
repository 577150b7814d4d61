//! Texts as Go writes them in messages: `%v` of values, `%#v` of types.
use crate::functions::Kind;
use sigward_document::{Value, View};
use std::fmt::Write as _;

/// Characters of a value that a message shows.
const MESSAGE_LIMIT: usize = 1024;

/// A list of types as Go's `%#v` prints go-jmespath's.
pub(crate) fn go_types(kinds: &[Kind]) -> String {
    let names: Vec<_> = kinds.iter().map(|kind| format!("\"{}\"", kind.name())).collect();
    format!("[]jmespath.JpType{{{}}}", names.join(", "))
}

/// A value as Go's `%v` prints it, cut after a thousand characters.
pub(crate) fn go_value(value: &Value) -> String {
    let mut text = String::new();
    write_go(value, &mut text);
    if let Some((cut, _)) = text.char_indices().nth(MESSAGE_LIMIT) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

fn write_go(value: &Value, text: &mut String) {
    // Four bytes are the most that a character takes: beyond this nothing is shown.
    if text.len() > 4 * MESSAGE_LIMIT {
        return;
    }
    match value.view() {
        View::Null => text.push_str("<nil>"),
        View::Bool(value) => text.push_str(if value { "true" } else { "false" }),
        #[expect(clippy::cast_precision_loss, reason = "the peer's numbers are float64")]
        View::Int(number) => text.push_str(&go_float(number as f64)),
        View::Float(number) => text.push_str(&go_float(number)),
        View::String(part) => text.push_str(part),
        View::List(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(' ');
                }
                write_go(item, text);
            }
            text.push(']');
        }
        View::Map(map) => {
            text.push_str("map[");
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 {
                    text.push(' ');
                }
                let _ = write!(text, "{key}:");
                write_go(value, text);
            }
            text.push(']');
        }
    }
}

/// A float as Go's `%v` prints it: with an exponent below 1e-4 and from 1e6 on.
fn go_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    // The shortest digits that read back as the same number, as `d.ddde±x`.
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{number}")
}
