//! Standard functions between types.
use super::{Call, Entry, Kind, Signature};
use crate::error::FunctionError;
use crate::item::{Item, number};
use sigward_document::{Escape, Value, View};

type Outcome = Result<Value, FunctionError>;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("to_array", ANY, to_array),
    ("to_number", ANY, to_number),
    ("to_string", ANY, to_string),
    ("type", ANY, type_of),
];

const ANY: Signature = Signature::fixed(&[&[Kind::Any]]);

fn refuse_reference(call: &Call<'_, '_, '_>) -> Result<(), FunctionError> {
    if matches!(call.item(0), Item::Reference(_)) {
        return Err(FunctionError::message("unknown type"));
    }
    Ok(())
}

/// `to_array('a')` → `["a"]`; a list stays as it is.
fn to_array(call: &mut Call<'_, '_, '_>) -> Outcome {
    refuse_reference(call)?;
    let value = call.value(0);
    if call.item(0).list_len().is_some() { Ok(value) } else { Ok(Value::list([value])) }
}

/// ``to_string(`{"a": 1.0}`)`` → `"{\"a\":1}"`; a string stays as it is.
///
/// COMPAT: kyverno 1.19: Go's JSON, which escapes `<`, `>` and `&`; test: to_string_prints_as_go_does
fn to_string(call: &mut Call<'_, '_, '_>) -> Outcome {
    refuse_reference(call)?;
    let value = call.value(0);
    if let View::String(_) = value.view() {
        return Ok(value);
    }
    call.weigh(&value)?;
    Ok(Value::string(&value.to_json_with(Escape::Html)))
}

/// `to_number('1.5')` → `1.5`; null for what is no number.
fn to_number(call: &mut Call<'_, '_, '_>) -> Outcome {
    refuse_reference(call)?;
    if let Some(text) = call.as_string(0) {
        return Ok(parse_float(text).map_or(Value::NULL, number));
    }
    Ok(if call.as_number(0).is_some() { call.value(0) } else { Value::NULL })
}

/// Go's `strconv.ParseFloat` for decimal texts: out of range is no number, but "inf" is.
fn parse_float(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let named = text.trim_start_matches(['+', '-']).starts_with(['i', 'I']);
    (value.is_finite() || value.is_nan() || named).then_some(value)
}

/// `type('a')` → `"string"`
fn type_of(call: &mut Call<'_, '_, '_>) -> Outcome {
    let item = call.item(0);
    let name = match item.view() {
        None if item.list_len().is_some() => "array",
        None => return Err(FunctionError::message("unknown type")),
        Some(View::Null) => "null",
        Some(View::Bool(_)) => "boolean",
        Some(View::Int(_) | View::Float(_)) => "number",
        Some(View::String(_)) => "string",
        Some(View::List(_)) => "array",
        Some(View::Map(_)) => "object",
    };
    Ok(Value::string(name))
}
