//! Standard functions over numbers: one of them, or a list.
use super::{Call, Entry, Kind, Signature};
use crate::error::FunctionError;
use crate::item::number;
use sigward_document::Value;

type Outcome = Result<Value, FunctionError>;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("abs", NUMBER, abs),
    ("avg", NUMBERS, avg),
    ("ceil", NUMBER, ceil),
    ("floor", NUMBER, floor),
    ("sum", NUMBERS, sum),
];

const NUMBER: Signature = Signature::fixed(&[&[Kind::Number]]);
const NUMBERS: Signature = Signature::fixed(&[&[Kind::ArrayNumber]]);

/// ``abs(`-2`)`` → `2`
fn abs(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(number(call.number(0)?.abs()))
}

/// ``ceil(`1.2`)`` → `2`
fn ceil(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(number(call.number(0)?.ceil()))
}

/// ``floor(`1.8`)`` → `1`
fn floor(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(number(call.number(0)?.floor()))
}

/// The sum and the count of a list of numbers.
fn total(call: &mut Call<'_, '_, '_>) -> Result<(f64, usize), FunctionError> {
    let list = call.item(0);
    let count = list.list_len().unwrap_or(0);
    call.steps(count)?;
    Ok((list.each().filter_map(|item| item.number()).map(crate::item::Number::float).sum(), count))
}

/// ``avg(`[1, 2]`)`` → `1.5`; of nothing, null.
///
/// COMPAT: kyverno 1.19: there the average of nothing is NaN, which nothing can print;
/// test: the_average_of_nothing_is_null
fn avg(call: &mut Call<'_, '_, '_>) -> Outcome {
    let (sum, count) = total(call)?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a list longer than 2^52 does not fit the budget"
    )]
    let count = count as f64;
    Ok(if count == 0.0 { Value::NULL } else { number(sum / count) })
}

/// ``sum(`[1, 2]`)`` → `3`; of nothing, 0.
fn sum(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(number(total(call)?.0))
}
