//! Functions over lists and objects.
use super::{ARRAY, Entry, OBJECT, Outcome, STRING, text_of};
use sigward_document::{Value, View};
use sigward_jmespath::{Call, FunctionError, Kind, Signature};
use smol_str::SmolStr;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("items", Signature::fixed(&[&[Kind::Object, Kind::Array], STRING, STRING]), items),
    ("label_match", Signature::fixed(&[OBJECT, OBJECT]), label_match),
    (
        "lookup",
        Signature::fixed(&[&[Kind::Object, Kind::Array], &[Kind::String, Kind::Number]]),
        lookup,
    ),
    ("object_from_lists", Signature::fixed(&[ARRAY, ARRAY]), object_from_lists),
];

/// ``lookup(`{"a": 1}`, 'a')`` → `1`, ``lookup(`[1, 2]`, `1`)`` → `2`; null when there is none.
fn lookup(call: &mut Call<'_, '_, '_>) -> Outcome {
    let value = call.value(0);
    match value.view() {
        View::Map(map) => {
            let key = call.as_string(1).ok_or_else(|| not(2, "String"))?;
            Ok(map.get(key).cloned().unwrap_or(Value::NULL))
        }
        View::List(list) => {
            let number = call.as_number(1).ok_or_else(|| not(2, "Number"))?;
            let index = integer(number)
                .map_err(|text| FunctionError::prefixed(format!("argument #2: {text}")))?;
            Ok(usize::try_from(index)
                .ok()
                .and_then(|at| list.get(at))
                .cloned()
                .unwrap_or(Value::NULL))
        }
        View::Null | View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => {
            Err(not(1, "Object or Array"))
        }
    }
}

fn not(position: usize, wanted: &str) -> FunctionError {
    FunctionError::prefixed(format!("argument #{position} is not of type {wanted}"))
}

/// A float that is an integer; else the peer's text.
pub(super) fn integer(number: f64) -> Result<i64, String> {
    /// 2^63: from here on a float is no `i64`.
    const END: f64 = 9_223_372_036_854_775_808.0;
    if !number.is_finite() || number.fract() != 0.0 {
        return Err(format!("expected an integer number but got: {number}"));
    }
    if !(-END..END).contains(&number) {
        return Err(format!("number is outside the range of integer numbers: {number}"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "an integer within range")]
    Ok(number as i64)
}

/// ``items(`{"a": 1}`, 'key', 'value')`` → `[{"key": "a", "value": 1}]`: sorted by key; of a list, the key is the
/// index.
fn items(call: &mut Call<'_, '_, '_>) -> Outcome {
    let (key, value) = (SmolStr::new(call.string(1)?), SmolStr::new(call.string(2)?));
    let pair = |k: Value, v: &Value| Value::map([(key.clone(), k), (value.clone(), v.clone())]);
    let input = call.value(0);
    let pairs: Vec<Value> = match input.view() {
        View::Map(map) => map.iter().map(|(k, v)| pair(Value::string(k), v)).collect(),
        View::List(list) => {
            (0i64..).zip(list).map(|(index, v)| pair(Value::int(index), v)).collect()
        }
        View::Null | View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => {
            return Err(not(1, "Object or Array"));
        }
    };
    call.charge(pairs.len().saturating_mul(5 * size_of::<Value>() + key.len() + value.len()))?;
    Ok(Value::list(pairs))
}

/// ``object_from_lists(`["a", "b"]`, `[1]`)`` → `{"a": 1, "b": null}`
fn object_from_lists(call: &mut Call<'_, '_, '_>) -> Outcome {
    let (keys, values) = (call.list(0)?, call.list(1)?);
    call.charge(keys.len().saturating_mul(2 * size_of::<Value>()))?;
    let mut members = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        let key = text_of(key).ok_or_else(|| not(1, "StringArray"))?;
        members.push((SmolStr::from(key), values.get(index).cloned().unwrap_or(Value::NULL)));
    }
    Ok(Value::map(members))
}

/// ``label_match(`{"app": "x"}`, labels)`` → whether every pair of the first is in the second.
fn label_match(call: &mut Call<'_, '_, '_>) -> Outcome {
    let (wanted, labels) = (call.value(0), call.value(1));
    let (View::Map(wanted), View::Map(labels)) = (wanted.view(), labels.view()) else {
        return Err(not(1, "Object"));
    };
    for (key, value) in wanted.iter() {
        call.weigh(value)?;
        if labels.get(key) != Some(value) {
            return Ok(Value::bool(false));
        }
    }
    Ok(Value::bool(true))
}
