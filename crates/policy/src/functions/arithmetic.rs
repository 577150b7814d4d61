//! Functions that calculate with numbers, quantities and durations.
//!
//! A number is a scalar; a string is a quantity if it reads as one, else a duration: so `10m` is 0.010 and not ten
//! minutes.
use super::lists::integer;
use super::{ARRAY, Entry, NUMBER, Outcome, TWO_VALUES};
use sigward_document::{GoDuration, Quantity, Value, View};
use sigward_jmespath::{Call, FunctionError, Signature};

pub(super) const FUNCTIONS: &[Entry] = &[
    ("add", TWO_VALUES, add),
    ("divide", TWO_VALUES, divide),
    ("modulo", TWO_VALUES, modulo),
    ("multiply", TWO_VALUES, multiply),
    ("round", Signature::fixed(&[NUMBER, NUMBER]), round),
    ("subtract", TWO_VALUES, subtract),
    ("sum", Signature::fixed(&[ARRAY]), sum),
];

/// What an operand is.
#[derive(Clone, Copy, Debug)]
enum Operand {
    Scalar(f64),
    Quantity(Quantity),
    Duration(GoDuration),
}

impl Operand {
    fn read(value: &Value) -> Result<Self, FunctionError> {
        let invalid = || FunctionError::prefixed("invalid operand");
        match value.view() {
            #[expect(clippy::cast_precision_loss, reason = "the peer's numbers are float64")]
            View::Int(number) => Ok(Self::Scalar(number as f64)),
            View::Float(number) => Ok(Self::Scalar(number)),
            View::String(text) => Quantity::parse(text)
                .map(Self::Quantity)
                .or_else(|_| GoDuration::parse(text).map(Self::Duration))
                .map_err(|_| invalid()),
            View::Null | View::Bool(_) | View::List(_) | View::Map(_) => Err(invalid()),
        }
    }

    fn pair(call: &Call<'_, '_, '_>) -> Result<(Self, Self), FunctionError> {
        Ok((Self::read(&call.value(0))?, Self::read(&call.value(1))?))
    }
}

fn mismatch() -> FunctionError {
    FunctionError::prefixed("Types mismatch")
}

fn zero() -> FunctionError {
    FunctionError::prefixed("Zero divisor passed")
}

/// What a quantity cannot hold; the peer has no limit but memory.
fn beyond(error: impl std::fmt::Display) -> FunctionError {
    FunctionError::prefixed(error.to_string())
}

fn of_quantity(quantity: Quantity) -> Value {
    Value::string(&quantity.to_string())
}

fn of_duration(duration: GoDuration) -> Value {
    Value::string(&duration.to_string())
}

/// A number of seconds as a duration, cut off at the nanosecond.
#[expect(clippy::cast_possible_truncation, reason = "Go's conversion, saturating at the ends")]
fn of_seconds(seconds: f64) -> Value {
    of_duration(GoDuration::from_nanoseconds((seconds * 1e9) as i64))
}

/// A scalar as a quantity, by its decimal text.
fn as_quantity(number: f64) -> Result<Quantity, FunctionError> {
    Quantity::parse(&number.to_string()).map_err(|error| FunctionError::message(error.to_string()))
}

/// ``add(`1`, `2`)`` → `3`, `add('1Gi', '1Mi')` → `"1025Mi"`, `add('1h', '5s')` → `"1h0m5s"`
fn add(call: &mut Call<'_, '_, '_>) -> Outcome {
    let (a, b) = Operand::pair(call)?;
    sum_of(call, a, b)
}

fn sum_of(call: &Call<'_, '_, '_>, a: Operand, b: Operand) -> Outcome {
    match (a, b) {
        (Operand::Scalar(a), Operand::Scalar(b)) => Ok(call.result(a + b)),
        (Operand::Quantity(a), Operand::Quantity(b)) => Ok(of_quantity(a.add(&b).map_err(beyond)?)),
        (Operand::Duration(a), Operand::Duration(b)) => Ok(of_duration(a.wrapping_add(b))),
        _ => Err(mismatch()),
    }
}

/// ``sum(`["1h", "2h"]`)`` → `"3h0m0s"`: adds from left to right; one element stays as it is.
fn sum(call: &mut Call<'_, '_, '_>) -> Outcome {
    let mut items = call.list(0)?.into_iter();
    let Some(mut total) = items.next() else {
        return Err(FunctionError::prefixed("at least one element in the array is required"));
    };
    for item in items {
        call.steps(1)?;
        total = sum_of(call, Operand::read(&total)?, Operand::read(&item)?)?;
    }
    Ok(total)
}

/// `subtract('1Gi', '1Mi')` → `"1023Mi"`
fn subtract(call: &mut Call<'_, '_, '_>) -> Outcome {
    match Operand::pair(call)? {
        (Operand::Scalar(a), Operand::Scalar(b)) => Ok(call.result(a - b)),
        (Operand::Quantity(a), Operand::Quantity(b)) => Ok(of_quantity(a.sub(&b).map_err(beyond)?)),
        (Operand::Duration(a), Operand::Duration(b)) => Ok(of_duration(a.wrapping_sub(b))),
        _ => Err(mismatch()),
    }
}

/// ``multiply('1Gi', `2`)`` → `"2Gi"`: one of them is a number.
fn multiply(call: &mut Call<'_, '_, '_>) -> Outcome {
    match Operand::pair(call)? {
        (Operand::Scalar(a), Operand::Scalar(b)) => Ok(call.result(a * b)),
        (Operand::Quantity(a), Operand::Scalar(b)) | (Operand::Scalar(b), Operand::Quantity(a)) => {
            Ok(of_quantity(a.mul(&as_quantity(b)?).map_err(beyond)?))
        }
        (Operand::Duration(a), Operand::Scalar(b)) | (Operand::Scalar(b), Operand::Duration(a)) => {
            Ok(of_seconds(a.seconds() * b))
        }
        _ => Err(mismatch()),
    }
}

/// `divide('1Gi', '1Mi')` → `1024`, ``divide('1Gi', `3`)`` → `"357913941"`, ``divide('1h', `7`)`` → a duration
fn divide(call: &mut Call<'_, '_, '_>) -> Outcome {
    match Operand::pair(call)? {
        (_, Operand::Scalar(0.0)) | (Operand::Duration(_), Operand::Duration(GoDuration::ZERO)) => {
            Err(zero())
        }
        (Operand::Scalar(a), Operand::Scalar(b)) => Ok(call.result(a / b)),
        (Operand::Quantity(_), Operand::Quantity(b)) if b.is_zero() => Err(zero()),
        (Operand::Quantity(a), Operand::Quantity(b)) => Ok(call.result(a.as_f64() / b.as_f64())),
        (Operand::Quantity(a), Operand::Scalar(b)) => {
            Ok(of_quantity(a.div(&as_quantity(b)?).map_err(beyond)?))
        }
        (Operand::Duration(a), Operand::Duration(b)) => Ok(call.result(a.seconds() / b.seconds())),
        (Operand::Duration(a), Operand::Scalar(b)) => Ok(of_seconds(a.seconds() / b)),
        _ => Err(mismatch()),
    }
}

/// ``modulo(`10`, `3`)`` → `1`: of integers, with the sign of the first.
fn modulo(call: &mut Call<'_, '_, '_>) -> Outcome {
    let whole = |number: f64| {
        integer(number)
            .map_err(|_| FunctionError::prefixed("Non-integer argument(s) passed for modulo"))
    };
    match Operand::pair(call)? {
        (Operand::Scalar(a), Operand::Scalar(b)) => {
            let rest = whole(a)?.checked_rem(whole(b)?).ok_or_else(zero)?;
            Ok(Value::int(rest))
        }
        (Operand::Quantity(a), Operand::Quantity(b)) => {
            let rest = whole(a.as_f64())?.checked_rem(whole(b.as_f64())?).ok_or_else(zero)?;
            Ok(of_quantity(Quantity::from_i64(rest, a.format())))
        }
        (Operand::Duration(a), Operand::Duration(b)) => {
            let rest = a.nanoseconds().checked_rem(b.nanoseconds()).ok_or_else(zero)?;
            Ok(of_duration(GoDuration::from_nanoseconds(rest)))
        }
        _ => Err(mismatch()),
    }
}

/// ``round(`2.345`, `2`)`` → `2.35`: half away from zero.
fn round(call: &mut Call<'_, '_, '_>) -> Outcome {
    let number = call.number(0)?;
    let digits = integer(call.number(1)?)
        .map_err(|_| FunctionError::prefixed("Non-integer argument(s) passed for round off"))?;
    if digits < 0 {
        return Err(FunctionError::prefixed(format!("argument #2 is out of bounds ({digits})")));
    }
    let shift = 10f64.powi(i32::try_from(digits).unwrap_or(i32::MAX));
    let rounded = (number * shift).round() / shift;
    // More digits than a float has: nothing is left to round.
    Ok(call.result(if rounded.is_finite() { rounded } else { number }))
}
