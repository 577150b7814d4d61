//! Functions over points in time and spans of it. "Now" is the moment of the request.
use super::go_time::{GoTime, RFC3339, parse};
use super::{Entry, ONE_STRING, Outcome, THREE_STRINGS, TWO_STRINGS};
use sigward_document::{GoDuration, Value};
use sigward_jmespath::{Call, FunctionError, Signature};
use std::num::{IntErrorKind, ParseIntError};

pub(super) const FUNCTIONS: &[Entry] = &[
    ("time_add", TWO_STRINGS, time_add),
    ("time_after", TWO_STRINGS, time_after),
    ("time_before", TWO_STRINGS, time_before),
    ("time_between", THREE_STRINGS, time_between),
    ("time_diff", TWO_STRINGS, time_diff),
    ("time_now", Signature::ignored(), time_now),
    ("time_now_utc", Signature::ignored(), time_now),
    ("time_parse", TWO_STRINGS, time_parse),
    ("time_since", THREE_STRINGS, time_since),
    ("time_to_cron", ONE_STRING, time_to_cron),
    ("time_truncate", TWO_STRINGS, time_truncate),
    ("time_utc", ONE_STRING, time_utc),
];

/// The argument at an index as a time in RFC 3339.
fn time(call: &Call<'_, '_, '_>, index: usize) -> Result<GoTime, FunctionError> {
    parse(RFC3339, call.string(index)?).map_err(FunctionError::message)
}

/// The argument at an index as nanoseconds.
fn duration(call: &Call<'_, '_, '_>, index: usize) -> Result<i64, FunctionError> {
    match GoDuration::parse(call.string(index)?) {
        Ok(duration) => Ok(duration.nanoseconds()),
        Err(error) => Err(FunctionError::message(error.to_string())),
    }
}

fn shown(time: GoTime) -> Value {
    Value::string(&time.rfc3339())
}

fn span(nanoseconds: i64) -> Value {
    Value::string(&GoDuration::from_nanoseconds(nanoseconds).to_string())
}

/// `time_now()` → `"2026-11-23T19:47:32Z"`: the moment of the request, in UTC.
///
/// COMPAT: kyverno 1.19: there `time_now` shows the zone of the process, which is UTC in its container;
/// test: the_present_is_the_moment_of_the_request
#[expect(clippy::unnecessary_wraps, reason = "the shape of all functions")]
fn time_now(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(shown(GoTime::utc(i128::from(call.now()))))
}

/// `time_since('', '2023-01-02T15:04:05Z', '2023-01-03T16:04:05Z')` → `"25h0m0s"`. An empty layout is RFC 3339, an
/// empty end is now.
fn time_since(call: &mut Call<'_, '_, '_>) -> Outcome {
    let layout = match call.string(0)? {
        "" => RFC3339,
        layout => layout,
    };
    let start = parse(layout, call.string(1)?).map_err(FunctionError::message)?;
    let end = match call.string(2)? {
        "" => GoTime::utc(i128::from(call.now())),
        end => parse(layout, end).map_err(FunctionError::message)?,
    };
    Ok(span(end.since(start)))
}

/// `time_to_cron('2023-02-02T15:04:05Z')` → `"4 15 2 2 4"`
fn time_to_cron(call: &mut Call<'_, '_, '_>) -> Outcome {
    let at = time(call, 0)?.civil();
    Ok(Value::string(&format!("{} {} {} {} {}", at.minute, at.hour, at.day, at.month, at.weekday)))
}

/// `time_add('2023-01-02T15:04:05Z', '1h')` → `"2023-01-02T16:04:05Z"`
fn time_add(call: &mut Call<'_, '_, '_>) -> Outcome {
    let time = time(call, 0)?;
    Ok(shown(GoTime { nanos: time.nanos + i128::from(duration(call, 1)?), ..time }))
}

/// `time_parse('Mon Jan 2 2006', 'Tue Mar 7 2023')` → `"2023-03-07T00:00:00Z"`. A layout that is a number means
/// seconds since the Unix epoch.
fn time_parse(call: &mut Call<'_, '_, '_>) -> Outcome {
    let (layout, text) = (call.string(0)?, call.string(1)?);
    if layout.parse::<i64>().is_err() {
        return Ok(shown(parse(layout, text).map_err(FunctionError::message)?));
    }
    let seconds: i64 = text.parse().map_err(|error: ParseIntError| {
        let kind = error.kind();
        let overflow = matches!(kind, IntErrorKind::PosOverflow | IntErrorKind::NegOverflow);
        let cause = if overflow { "value out of range" } else { "invalid syntax" };
        FunctionError::message(format!("strconv.ParseInt: parsing {text:?}: {cause}"))
    })?;
    Ok(shown(GoTime::utc(i128::from(seconds) * 1_000_000_000)))
}

/// `time_utc('2023-01-02T15:04:05+05:00')` → `"2023-01-02T10:04:05Z"`
fn time_utc(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(shown(GoTime::utc(time(call, 0)?.nanos)))
}

/// `time_diff('2023-01-02T15:04:05Z', '2023-01-02T16:04:05Z')` → `"1h0m0s"`: the second minus the first.
fn time_diff(call: &mut Call<'_, '_, '_>) -> Outcome {
    let start = time(call, 0)?;
    Ok(span(time(call, 1)?.since(start)))
}

/// `time_before('2023-01-02T15:04:05Z', '2024-01-02T15:04:05Z')` → `true`
fn time_before(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(Value::bool(time(call, 0)?.nanos < time(call, 1)?.nanos))
}

/// `time_after('2023-01-02T15:04:05Z', '2024-01-02T15:04:05Z')` → `false`
fn time_after(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(Value::bool(time(call, 0)?.nanos > time(call, 1)?.nanos))
}

/// `time_between(t, start, end)`: whether `t` is after the start and before the end, neither included.
fn time_between(call: &mut Call<'_, '_, '_>) -> Outcome {
    let (at, start, end) = (time(call, 0)?, time(call, 1)?, time(call, 2)?);
    Ok(Value::bool(start.nanos < at.nanos && at.nanos < end.nanos))
}

/// `time_truncate('2023-01-02T15:04:05Z', '1h')` → `"2023-01-02T15:00:00Z"`
fn time_truncate(call: &mut Call<'_, '_, '_>) -> Outcome {
    let time = time(call, 0)?;
    Ok(shown(time.truncate(duration(call, 1)?)))
}
