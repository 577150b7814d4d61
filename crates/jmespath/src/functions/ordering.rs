//! Standard functions that put values in order.
use super::{Call, Entry, Kind, Signature};
use crate::error::{EvaluateError, FunctionError};
use crate::item::{Item, Number};
use sigward_document::{Value, View};
use smol_str::SmolStr;
use std::cmp::Ordering;

type Outcome = Result<Value, FunctionError>;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("max", COMPARABLE, max),
    ("max_by", BY, max_by),
    ("min", COMPARABLE, min),
    ("min_by", BY, min_by),
    ("sort", Signature::fixed(&[&[Kind::ArrayString, Kind::ArrayNumber]]), sort),
    ("sort_by", BY, sort_by),
];

const COMPARABLE: Signature = Signature::fixed(&[&[Kind::ArrayNumber, Kind::ArrayString]]);
const BY: Signature = Signature::fixed(&[&[Kind::Array], &[Kind::Reference]]);

/// What values are ordered by.
#[derive(Clone, Debug)]
enum Key {
    Number(Number),
    String(SmolStr),
}

impl Key {
    fn of(item: &Item<'_>) -> Option<Self> {
        if let Some(number) = item.number() {
            return Some(Self::Number(number));
        }
        if let Some(View::String(text)) = item.view() {
            Some(Self::String(text.into()))
        } else {
            None
        }
    }

    fn same_kind(&self, other: &Self) -> bool {
        matches!(
            (self, other),
            (Self::Number(_), Self::Number(_)) | (Self::String(_), Self::String(_))
        )
    }

    /// NaN is equal to everything, so that the order of the others stays theirs.
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.compare(*b).unwrap_or(Ordering::Equal),
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (Self::Number(_), Self::String(_)) => Ordering::Less,
            (Self::String(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

/// The keys of a list of numbers or strings, each with its element.
fn plain<'a>(call: &mut Call<'_, 'a, '_>) -> Result<Vec<(Key, Item<'a>)>, FunctionError> {
    let list = call.item(0);
    call.steps(list.list_len().unwrap_or(0))?;
    Ok(list.each().filter_map(|item| Key::of(&item).map(|key| (key, item))).collect())
}

/// The first of the elements that no other one beats.
fn best(keyed: Vec<(Key, Item<'_>)>, wanted: Ordering) -> Value {
    let mut keyed = keyed.into_iter();
    let Some(mut best) = keyed.next() else { return Value::NULL };
    for next in keyed {
        if next.0.compare(&best.0) == wanted {
            best = next;
        }
    }
    best.1.into_value()
}

/// ``max(`[1, 3, 2]`)`` → `3`; of nothing, null.
fn max(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(best(plain(call)?, Ordering::Greater))
}

/// ``min(`["b", "a"]`)`` → `"a"`; of nothing, null.
fn min(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(best(plain(call)?, Ordering::Less))
}

/// ``sort(`[3, 1, 2]`)`` → `[1, 2, 3]`
fn sort(call: &mut Call<'_, '_, '_>) -> Outcome {
    let keyed = plain(call)?;
    arrange(call, keyed)
}

/// ``max_by(`[{"a": 1}, {"a": 2}]`, &a)`` → `{"a": 2}`
fn max_by(call: &mut Call<'_, '_, '_>) -> Outcome {
    best_by(call, Ordering::Greater)
}

/// ``min_by(`[{"a": 1}, {"a": 2}]`, &a)`` → `{"a": 1}`
fn min_by(call: &mut Call<'_, '_, '_>) -> Outcome {
    best_by(call, Ordering::Less)
}

fn best_by(call: &mut Call<'_, '_, '_>, wanted: Ordering) -> Outcome {
    let list = call.item(0);
    // One element is the best whatever its key.
    if list.list_len() == Some(1) {
        return Ok(list.at(0).map_or(Value::NULL, Item::into_value));
    }
    let mut keyed: Vec<(Key, Item<'_>)> = Vec::new();
    for item in list.each() {
        let key = Key::of(&call.apply(1, &item)?);
        let key = match (key, keyed.first()) {
            (Some(key), Some((first, _))) if key.same_kind(first) => key,
            (Some(key), None) => key,
            (_, Some((Key::Number(_), _))) => {
                return Err(FunctionError::message("invalid type, must be number"));
            }
            (_, Some((Key::String(_), _))) => {
                return Err(FunctionError::message("invalid type, must be string"));
            }
            (None, None) => {
                return Err(FunctionError::message("invalid type, must be number of string"));
            }
        };
        keyed.push((key, item));
    }
    Ok(best(keyed, wanted))
}

/// ``sort_by(`[{"a": 2}, {"a": 1}]`, &a)`` → `[{"a": 1}, {"a": 2}]`. Stable.
///
/// COMPAT: kyverno 1.19: there the list is sorted where it lies, so that later expressions see the new order;
/// test: sorting_leaves_the_document_alone
fn sort_by(call: &mut Call<'_, '_, '_>) -> Outcome {
    let list = call.item(0);
    if list.list_len().is_some_and(|len| len < 2) {
        return Ok(call.value(0));
    }
    let mut keyed: Vec<(Key, Item<'_>)> = Vec::new();
    for item in list.each() {
        let key = match (call.try_apply(1, &item), keyed.first()) {
            (Ok(item), first) => match (Key::of(&item), first) {
                (Some(key), Some((first, _))) if key.same_kind(first) => key,
                (Some(key), None) => key,
                (None, None) => {
                    return Err(FunctionError::message("invalid type, must be number of string"));
                }
                (_, Some(_)) => return Err(FunctionError::message("error in sort_by comparison")),
            },
            (Err(EvaluateError::UnknownKey { .. }), None) => {
                return Err(FunctionError::message("invalid type, must be number of string"));
            }
            (Err(error), Some(_)) if !error.unwinds() => {
                return Err(FunctionError::message("error in sort_by comparison"));
            }
            (Err(error), _) => return Err(error.into()),
        };
        keyed.push((key, item));
    }
    arrange(call, keyed)
}

fn arrange<'a>(call: &mut Call<'_, 'a, '_>, mut keyed: Vec<(Key, Item<'a>)>) -> Outcome {
    // n log n comparisons.
    let levels = (usize::BITS - keyed.len().leading_zeros()) as usize;
    call.steps(keyed.len().saturating_mul(levels))?;
    call.charge(keyed.len() * size_of::<Value>())?;
    keyed.sort_by(|(a, _), (b, _)| a.compare(b));
    Ok(Value::list(keyed.into_iter().map(|(_, item)| item.into_value())))
}
