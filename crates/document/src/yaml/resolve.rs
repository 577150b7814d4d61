//! What a plain scalar is: go-yaml's table, which is YAML 1.1 without base 60.
// COMPAT: go-yaml 2.4 resolve.go through sigs.k8s.io/yaml 1.6, which Kubernetes and Kyverno read YAML with;
// test: texts_are_read_as_go_reads_them
use crate::print::json_float;
use crate::value::Value;
use smol_str::SmolStr;

const TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// What a scalar resolved to, before it becomes a value or a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'t> {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64`, which JSON's readers make a float of.
    Unsigned(u64),
    Float(f64),
    Text(&'t str),
}

/// What a plain scalar says.
pub(super) fn plain(text: &str) -> Scalar<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Scalar::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.as_bytes().first() {
        Some(b'.') => go_float(text).map_or(Scalar::Text(text), Scalar::Float),
        Some(b'+' | b'-' | b'0'..=b'9') => number(text).unwrap_or(Scalar::Text(text)),
        Some(_) | None => Scalar::Text(text),
    }
}

fn number(text: &str) -> Option<Scalar<'_>> {
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.as_bytes().first()? {
        b'-' => (true, plain.get(1..)?),
        b'+' => (false, plain.get(1..)?),
        _ => (false, plain.as_str()),
    };
    let signed = digits.len() < plain.len();
    if let Some(size) = integer(digits) {
        let value =
            if negative { 0_i64.checked_sub_unsigned(size) } else { i64::try_from(size).ok() };
        match value {
            Some(value) => return Some(Scalar::Int(value)),
            None if !signed => return Some(Scalar::Unsigned(size)),
            // An integer too large for both is a float if it is a decimal one.
            None => {}
        }
    }
    if looks_like_float(digits) {
        return plain.parse::<f64>().ok().filter(|n| n.is_finite()).map(Scalar::Float);
    }
    None
}

/// Go's `ParseUint` with base 0: `0x`, `0b`, `0o` and a leading zero say the base.
fn integer(digits: &str) -> Option<u64> {
    let rest = |prefix: usize| digits.get(prefix..).filter(|rest| !rest.starts_with('+'));
    match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => u64::from_str_radix(rest(2)?, 16).ok(),
        [b'0', b'b' | b'B', ..] => u64::from_str_radix(rest(2)?, 2).ok(),
        [b'0', b'o' | b'O', ..] => u64::from_str_radix(rest(2)?, 8).ok(),
        [b'0', _, ..] => u64::from_str_radix(rest(1)?, 8).ok(),
        [b'0'..=b'9', ..] => digits.parse().ok(),
        _ => None,
    }
}

/// `^(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn looks_like_float(digits: &str) -> bool {
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    exponent
        && all_digits(whole)
        && all_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
}

/// A float that starts with a point, by Go's `ParseFloat`: no underscores, no words.
fn go_float(text: &str) -> Option<f64> {
    if looks_like_float(text) { text.parse::<f64>().ok().filter(|n| n.is_finite()) } else { None }
}

/// A scalar with an explicit tag, in its long form.
pub(super) fn tagged<'t>(tag: &str, text: &'t str) -> Result<Scalar<'t>, String> {
    let found = plain(text);
    let wrong =
        || format!("cannot decode `{text}` as a !!{}", tag.strip_prefix(TAG_PREFIX).unwrap_or(tag));
    match (tag.strip_prefix(TAG_PREFIX), found) {
        (Some("null"), found @ Scalar::Null)
        | (Some("bool"), found @ Scalar::Bool(_))
        | (Some("int"), found @ (Scalar::Int(_) | Scalar::Unsigned(_)))
        | (Some("float"), found @ (Scalar::Float(_) | Scalar::Int(_))) => Ok(found),
        (Some("null" | "bool" | "int" | "float"), _) => Err(wrong()),
        _ => Ok(Scalar::Text(text)),
    }
}

impl Scalar<'_> {
    /// The value, as it comes back from the JSON that `sigs.k8s.io/yaml` makes: a whole float is an integer. What
    /// JSON has no number for stays a float and is refused where it is a value: it may also be a key.
    pub(super) fn value(&self) -> Value {
        match self {
            Scalar::Null => Value::NULL,
            Scalar::Bool(b) => Value::bool(*b),
            Scalar::Int(n) => Value::int(*n),
            #[expect(clippy::cast_precision_loss, reason = "Go's float64 of such an integer")]
            Scalar::Unsigned(n) => Value::float(*n as f64),
            Scalar::Float(n) => match json_float(*n).parse::<i64>() {
                Ok(whole) => Value::int(whole),
                Err(_) => Value::float(*n),
            },
            Scalar::Text(text) => Value::string(text),
        }
    }

    /// The text of a map's key.
    pub(super) fn key(&self) -> Result<SmolStr, &'static str> {
        Ok(match self {
            Scalar::Null => return Err("a key is null"),
            Scalar::Bool(b) => SmolStr::new_static(if *b { "true" } else { "false" }),
            Scalar::Int(n) => SmolStr::from(n.to_string()),
            // COMPAT: sigs.k8s.io/yaml 1.6: refuses it as well; test: what_go_refuses_is_refused_with_the_place
            Scalar::Unsigned(_) => return Err("a key is too large a number"),
            Scalar::Float(n) => SmolStr::from(float_key(*n)),
            Scalar::Text(text) => SmolStr::new(text),
        })
    }
}

/// Go's `FormatFloat(n, 'g', -1, 32)`: shortest digits of a 32-bit float.
fn float_key(n: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "Go formats 32 bits here")]
    let n = n as f32;
    if n.is_nan() {
        return ".nan".to_owned();
    }
    if n.is_infinite() {
        return if n > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    go_general(&format!("{n:e}"), || n.to_string())
}

/// Go's format `g` out of the scientific and the plain form of a float: an exponent, of two digits at least,
/// from a million on and below 1e-4.
pub(super) fn go_general(scientific: &str, plain: impl FnOnce() -> String) -> String {
    let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return plain();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// True when go-yaml would read the plain text as something else than a string, or an older reader would.
pub(super) fn needs_quotes(text: &str) -> bool {
    text == "<<"
        || is_base_60(text)
        || is_timestamp(text)
        || !matches!(plain(text), Scalar::Text(_))
}

/// `12:30:45`, which YAML 1.1 reads as a number.
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut parts = text.split(':');
    let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if !parts
        .next()
        .is_some_and(|first| number(first) && first.starts_with(|c: char| c.is_ascii_digit()))
    {
        return false;
    }
    let mut places = parts.peekable();
    let mut any = false;
    while let Some(place) = places.next() {
        any = true;
        let (whole, fraction) =
            place.split_once('.').map_or((place, None), |(whole, rest)| (whole, Some(rest)));
        let place = whole.bytes().all(|b| b.is_ascii_digit())
            && match whole.as_bytes() {
                [_] => true,
                [tens, _] => *tens <= b'5',
                _ => false,
            };
        let fraction = fraction.is_none_or(|fraction| places.peek().is_none() && number(fraction));
        if !(place && fraction) {
            return false;
        }
    }
    any
}

/// `2006-1-2`, alone, with `T15:4:5Z` or with ` 15:4:5`: what go-yaml takes for a time.
fn is_timestamp(text: &str) -> bool {
    let number = |text: &str, most: u32| {
        (1..=2).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_digit())
            && text.parse::<u32>().is_ok_and(|n| n <= most)
    };
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at..)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let (Some(year), Some(month), Some(day), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    if year.len() != 4
        || !year.bytes().all(|b| b.is_ascii_digit())
        || !number(month, 12)
        || !number(day, 31)
    {
        return false;
    }
    let (year, month, day) =
        (year.parse().unwrap_or(0), month.parse().unwrap_or(0), day.parse().unwrap_or(0));
    if month == 0 || day == 0 || day > days(year, month) {
        return false;
    }
    let Some(time) = time else { return true };
    let (mark, clock) = time.split_at(1);
    let clock = if mark == " " {
        clock
    } else if let Some(clock) = clock.strip_suffix('Z') {
        clock
    } else {
        let Some((clock, zone)) =
            clock.len().checked_sub(6).and_then(|at| clock.split_at_checked(at))
        else {
            return false;
        };
        let mut zone = zone.strip_prefix(['+', '-']).unwrap_or_default().split(':');
        let two = |part: Option<&str>, most| {
            part.is_some_and(|part| part.len() == 2 && number(part, most))
        };
        if !(two(zone.next(), 24) && two(zone.next(), 60)) {
            return false;
        }
        clock
    };
    let mut parts = clock.split(':');
    let (Some(hour), Some(minute), Some(second), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (second, fraction) =
        second.split_once(['.', ',']).map_or((second, "0"), |(second, rest)| (second, rest));
    let fraction = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
    fraction && number(hour, 23) && number(minute, 59) && number(second, 59)
}

const fn days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}
