//! Standard functions over strings, lists and objects.
use super::{Call, Entry, Kind, Signature};
use crate::error::FunctionError;
use crate::item::Item;
use sigward_document::{Value, View};

type Outcome = Result<Value, FunctionError>;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("contains", Signature::fixed(&[&[Kind::Array, Kind::String], &[Kind::Any]]), contains),
    ("ends_with", STRINGS, ends_with),
    ("join", Signature::fixed(&[&[Kind::String], &[Kind::ArrayString]]), join),
    ("keys", OBJECT, keys),
    ("length", Signature::fixed(&[&[Kind::String, Kind::Array, Kind::Object]]), length),
    ("map", Signature::fixed(&[&[Kind::Reference], &[Kind::Array]]), map),
    ("merge", Signature::variadic(&[&[Kind::Object]]), merge),
    ("not_null", Signature::variadic(&[&[Kind::Any]]), not_null),
    ("reverse", Signature::fixed(&[&[Kind::Array, Kind::String]]), reverse),
    ("starts_with", STRINGS, starts_with),
    ("values", OBJECT, values),
];

const STRINGS: Signature = Signature::fixed(&[&[Kind::String], &[Kind::String]]);
const OBJECT: Signature = Signature::fixed(&[&[Kind::Object]]);

/// `contains('abc', 'b')` → `true`; in a list, by deep equality.
///
/// COMPAT: kyverno 1.19: there a list or object to look for in a list panics; test: contains_finds_lists_and_objects
fn contains(call: &mut Call<'_, '_, '_>) -> Outcome {
    if let Some(text) = call.as_string(0) {
        let found = call.as_string(1).is_some_and(|part| text.contains(part));
        return Ok(Value::bool(found));
    }
    let (list, wanted) = (call.item(0), call.item(1));
    for item in list.each() {
        if call.equal(item, wanted.clone())? {
            return Ok(Value::bool(true));
        }
    }
    Ok(Value::bool(false))
}

/// `starts_with('abc', 'ab')` → `true`
fn starts_with(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(Value::bool(call.string(0)?.starts_with(call.string(1)?)))
}

/// `ends_with('abc', 'bc')` → `true`
fn ends_with(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(Value::bool(call.string(0)?.ends_with(call.string(1)?)))
}

/// ``join(', ', `["a", "b"]`)`` → `"a, b"`
fn join(call: &mut Call<'_, '_, '_>) -> Outcome {
    let separator = call.string(0)?;
    let mut text = String::new();
    for (index, item) in call.item(1).each().enumerate() {
        if index > 0 {
            text.push_str(separator);
        }
        if let Some(View::String(part)) = item.view() {
            text.push_str(part);
            call.charge(part.len() + separator.len())?;
        }
    }
    Ok(Value::string(&text))
}

/// ``keys(`{"b": 1, "a": 2}`)`` → `["a", "b"]`: sorted, where the peer's order is random.
fn keys(call: &mut Call<'_, '_, '_>) -> Outcome {
    let Some(View::Map(map)) = call.item(0).view() else { return Ok(Value::NULL) };
    call.charge(map.iter().count() * size_of::<Value>())?;
    Ok(Value::list(map.iter().map(|(key, _)| Value::string(key))))
}

/// ``values(`{"b": 1, "a": 2}`)`` → `[2, 1]`: in the order of the keys.
fn values(call: &mut Call<'_, '_, '_>) -> Outcome {
    let Some(View::Map(map)) = call.item(0).view() else { return Ok(Value::NULL) };
    call.charge(map.iter().count() * size_of::<Value>())?;
    Ok(Value::list(map.iter().map(|(_, value)| value.clone())))
}

/// `length('abc')` → `3`: characters, elements or members.
fn length(call: &mut Call<'_, '_, '_>) -> Outcome {
    let item = call.item(0);
    let length = if let Some(length) = item.list_len() {
        length
    } else if let Some(text) = call.as_string(0) {
        text.chars().count()
    } else if let Some(View::Map(map)) = item.view() {
        map.iter().count()
    } else {
        return Err(FunctionError::message("could not compute length()"));
    };
    Ok(Value::int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// ``map(&a, `[{"a": 1}, {}]`)`` → `[1, null]`
fn map(call: &mut Call<'_, '_, '_>) -> Outcome {
    let list = call.item(1);
    let mut mapped = Vec::with_capacity(list.list_len().unwrap_or(0));
    for item in list.each() {
        call.charge(size_of::<Value>())?;
        mapped.push(call.apply(0, &item)?.into_value());
    }
    Ok(Value::list(mapped))
}

/// ``merge(`{"a": 1}`, `{"a": 2}`)`` → `{"a": 2}`
fn merge(call: &mut Call<'_, '_, '_>) -> Outcome {
    let mut members = Vec::new();
    for item in call.items() {
        if let Some(View::Map(map)) = item.view() {
            members.extend(map.iter().map(|(key, value)| (key.into(), value.clone())));
        }
        call.steps(members.len())?;
    }
    call.charge(members.len() * 2 * size_of::<Value>())?;
    Ok(Value::map(members))
}

/// `not_null(a, b, 'c')`: the first that is not null.
#[expect(clippy::unnecessary_wraps, reason = "the shape of all functions")]
fn not_null(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(call.items().iter().find(|item| !item.is_null()).map_or(Value::NULL, Item::to_value))
}

/// `reverse('abc')` → `"cba"`
fn reverse(call: &mut Call<'_, '_, '_>) -> Outcome {
    if let Some(text) = call.as_string(0) {
        return Ok(Value::string(&text.chars().rev().collect::<String>()));
    }
    let mut list = call.list(0)?;
    call.charge(list.len() * size_of::<Value>())?;
    list.reverse();
    Ok(Value::list(list))
}
