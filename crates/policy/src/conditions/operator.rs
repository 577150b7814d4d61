//! The operators of conditions, type by type as Kyverno compares.
use crate::pattern::scalar::Range;
use sigward_document::{GoDuration, Quantity, Value, View, wildcard};
use std::cmp::Ordering;

/// What stands between key and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `Equals`, `Equal`.
    Equals,
    /// `NotEquals`, `NotEqual`.
    NotEquals,
    /// `In`, deprecated.
    In,
    /// `NotIn`, deprecated.
    NotIn,
    /// `AnyIn`.
    AnyIn,
    /// `AllIn`.
    AllIn,
    /// `AnyNotIn`.
    AnyNotIn,
    /// `AllNotIn`.
    AllNotIn,
    /// `GreaterThan` and its three companions.
    Compare(Compare),
    /// `DurationGreaterThan` and its three companions, deprecated.
    Duration(Compare),
}

/// An order that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    /// `GreaterThan`.
    Greater,
    /// `GreaterThanOrEquals`.
    GreaterOrEqual,
    /// `LessThan`.
    Less,
    /// `LessThanOrEquals`.
    LessOrEqual,
}

impl Compare {
    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Greater => ordering == Ordering::Greater,
            Self::GreaterOrEqual => ordering != Ordering::Less,
            Self::Less => ordering == Ordering::Less,
            Self::LessOrEqual => ordering != Ordering::Greater,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Greater => "GreaterThan",
            Self::GreaterOrEqual => "GreaterThanOrEquals",
            Self::Less => "LessThan",
            Self::LessOrEqual => "LessThanOrEquals",
        }
    }
}

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Equals => f.write_str("Equals"),
            Self::NotEquals => f.write_str("NotEquals"),
            Self::In => f.write_str("In"),
            Self::NotIn => f.write_str("NotIn"),
            Self::AnyIn => f.write_str("AnyIn"),
            Self::AllIn => f.write_str("AllIn"),
            Self::AnyNotIn => f.write_str("AnyNotIn"),
            Self::AllNotIn => f.write_str("AllNotIn"),
            Self::Compare(compare) => f.write_str(compare.as_str()),
            Self::Duration(compare) => write!(f, "Duration{}", compare.as_str()),
        }
    }
}

impl Operator {
    /// Reads an operator without regard to case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "equals" | "equal" => Self::Equals,
            "notequals" | "notequal" => Self::NotEquals,
            "in" => Self::In,
            "notin" => Self::NotIn,
            "anyin" => Self::AnyIn,
            "allin" => Self::AllIn,
            "anynotin" => Self::AnyNotIn,
            "allnotin" => Self::AllNotIn,
            "greaterthan" => Self::Compare(Compare::Greater),
            "greaterthanorequals" => Self::Compare(Compare::GreaterOrEqual),
            "lessthan" => Self::Compare(Compare::Less),
            "lessthanorequals" => Self::Compare(Compare::LessOrEqual),
            "durationgreaterthan" => Self::Duration(Compare::Greater),
            "durationgreaterthanorequals" => Self::Duration(Compare::GreaterOrEqual),
            "durationlessthan" => Self::Duration(Compare::Less),
            "durationlessthanorequals" => Self::Duration(Compare::LessOrEqual),
            _ => return None,
        })
    }

    /// What to write instead of a deprecated operator.
    pub(crate) fn deprecated(self) -> Option<&'static str> {
        match self {
            Self::In => Some("AllIn or AnyIn"),
            Self::NotIn => Some("AllNotIn or AnyNotIn"),
            Self::Duration(compare) => Some(compare.as_str()),
            Self::Equals
            | Self::NotEquals
            | Self::AnyIn
            | Self::AllIn
            | Self::AnyNotIn
            | Self::AllNotIn
            | Self::Compare(_) => None,
        }
    }

    /// Whether the comparison holds. Total: types that do not go together do not hold.
    pub(crate) fn holds(self, key: &Value, value: &Value) -> bool {
        match self {
            Self::Equals => equals(key, value),
            Self::NotEquals => !key.is_null() && !equals(key, value),
            Self::In => member(key, value, Set { every: true, negated: false, wild: false }),
            Self::NotIn => member(key, value, Set { every: false, negated: true, wild: false }),
            Self::AnyIn => member(key, value, Set { every: false, negated: false, wild: true }),
            Self::AllIn => member(key, value, Set { every: true, negated: false, wild: true }),
            Self::AnyNotIn => member(key, value, Set { every: false, negated: true, wild: true }),
            Self::AllNotIn => member(key, value, Set { every: true, negated: true, wild: true }),
            Self::Compare(compare) => compares(key, value).is_some_and(|o| compare.accepts(o)),
            Self::Duration(compare) => {
                let side = |v: &Value| match v.as_str() {
                    Some(text) => GoDuration::parse(text).ok().map(|d| i128::from(d.nanoseconds())),
                    None => seconds(v),
                };
                match (side(key), side(value)) {
                    (Some(key), Some(value)) => compare.accepts(key.cmp(&value)),
                    (None | Some(_), None) | (None, Some(_)) => false,
                }
            }
        }
    }
}

/// By the key's type; a string value is a wildcard pattern.
fn equals(key: &Value, value: &Value) -> bool {
    match key.view() {
        View::Null => false,
        View::Bool(key) => value.as_bool() == Some(key),
        View::Int(_) | View::Float(_) => match value.view() {
            View::Int(_) | View::Float(_) => key == value,
            View::String(text) => {
                text.parse::<f64>().is_ok_and(|value| number(key).is_some_and(|k| same(k, value)))
            }
            View::Null | View::Bool(_) | View::List(_) | View::Map(_) => false,
        },
        View::String(text) => {
            if let Some((key, value)) = durations(key, value) {
                return key == value;
            }
            if let (Ok(key), Some(value)) = (Quantity::parse(text), value.as_str()) {
                return Quantity::parse(value).is_ok_and(|value| key.cmp(&value).is_eq());
            }
            value.as_str().is_some_and(|pattern| wildcard::matches(pattern, text))
        }
        View::List(_) | View::Map(_) => key == value,
    }
}

#[expect(clippy::float_cmp, reason = "the comparison that the language defines")]
fn same(a: f64, b: f64) -> bool {
    a == b
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

/// A text that is a duration, other than `0`, in nanoseconds.
fn duration(value: &Value) -> Option<i128> {
    let text = value.as_str().filter(|text| *text != "0")?;
    GoDuration::parse(text).ok().map(|d| i128::from(d.nanoseconds()))
}

/// A number of seconds, in nanoseconds.
#[expect(clippy::cast_possible_truncation, reason = "truncated on purpose, as Go converts")]
fn seconds(value: &Value) -> Option<i128> {
    match value.view() {
        View::Int(n) => Some(i128::from(n) * 1_000_000_000),
        View::Float(n) => Some(i128::from(n as i64) * 1_000_000_000),
        View::Null | View::Bool(_) | View::String(_) | View::List(_) | View::Map(_) => None,
    }
}

/// Both as durations, when at least one is written as a duration and the other is one or a number.
fn durations(key: &Value, value: &Value) -> Option<(i128, i128)> {
    match (duration(key), duration(value)) {
        (Some(key), Some(value)) => Some((key, value)),
        (Some(key), None) => seconds(value).map(|value| (key, value)),
        (None, Some(value)) => seconds(key).map(|key| (key, value)),
        (None, None) => None,
    }
}

/// How key and value are ordered, when they can be.
fn compares(key: &Value, value: &Value) -> Option<Ordering> {
    match key.view() {
        View::Int(_) | View::Float(_) => compares_number(number(key)?, key, value),
        View::String(text) => {
            if let Some((key, value)) = durations(key, value) {
                return Some(key.cmp(&value));
            }
            if let Some(other) = value.as_str()
                && let (Ok(key), Ok(value)) = (Quantity::parse(text), Quantity::parse(other))
            {
                return Some(key.cmp(&value));
            }
            if let Ok(number) = text.parse::<f64>() {
                return compares_number(number, &Value::from(number), value);
            }
            let key = Version::parse(text)?;
            let value = Version::parse(value.as_str()?)?;
            Some(key.cmp(&value))
        }
        View::Null | View::Bool(_) | View::List(_) | View::Map(_) => None,
    }
}

fn compares_number(number: f64, key: &Value, value: &Value) -> Option<Ordering> {
    match value.view() {
        View::Int(_) | View::Float(_) => number.partial_cmp(&value.as_f64()?),
        View::String(text) => {
            if let Some((key, value)) = durations(key, value) {
                return Some(key.cmp(&value));
            }
            number.partial_cmp(&text.parse().ok()?)
        }
        View::Null | View::Bool(_) | View::List(_) | View::Map(_) => None,
    }
}

/// Which of the membership operators.
#[derive(Clone, Copy)]
struct Set {
    /// `All…`: every element of a list key; else one is enough.
    every: bool,
    /// `…NotIn`.
    negated: bool,
    /// The newer operators compare with wildcards in both directions, ranges and mixed types.
    wild: bool,
}

fn member(key: &Value, value: &Value, set: Set) -> bool {
    match key.view() {
        View::String(_) | View::Bool(_) | View::Int(_) | View::Float(_) => {
            let key = plain(key);
            let Some(found) = contains_one(&key, value, set) else { return false };
            found != set.negated
        }
        View::List(keys) => {
            let keys: Vec<String> = keys.iter().map(plain).collect();
            contains_many(&keys, value, set)
        }
        View::Null | View::Map(_) => false,
    }
}

/// A scalar as Go's `fmt.Sprint` writes it.
fn plain(value: &Value) -> String {
    match value.view() {
        View::String(text) => text.to_owned(),
        View::Null => "<nil>".to_owned(),
        View::Bool(_) | View::Int(_) | View::Float(_) | View::List(_) | View::Map(_) => {
            value.to_json()
        }
    }
}

/// Whether one key is among the values; `None` when the value is of no use.
fn contains_one(key: &str, value: &Value, set: Set) -> Option<bool> {
    match value.view() {
        View::List(values) => Some(values.iter().any(|v| either_way(key, &plain(v)))),
        View::String(text) => {
            if wildcard::matches(text, key) {
                return Some(true);
            }
            if set.wild
                && let Some(range) = Range::parse(text)
            {
                return Some(range.holds(&Value::string(key)));
            }
            match sigward_document::parse_json(text.as_bytes()) {
                Ok(parsed) => {
                    let values = parsed.as_list()?;
                    let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
                    Some(texts?.contains(&key))
                }
                Err(_) if set.wild => Some(false),
                Err(_) => None,
            }
        }
        View::Null | View::Bool(_) | View::Int(_) | View::Float(_) | View::Map(_) => None,
    }
}

fn contains_many(keys: &[String], value: &Value, set: Set) -> bool {
    let compare = |key: &str, value: &str| {
        if set.wild { either_way(key, value) } else { key == value }
    };
    let decide = |found: &dyn Fn(&str) -> bool| match (set.every, set.negated) {
        (true, false) => keys.iter().all(|k| found(k)),
        (false, false) => keys.iter().any(|k| found(k)),
        (true, true) => keys.iter().all(|k| !found(k)),
        (false, true) => keys.iter().any(|k| !found(k)),
    };
    match value.view() {
        View::List(values) => {
            let values: Vec<String> = if set.wild {
                values.iter().map(plain).collect()
            } else {
                match texts(value) {
                    Some(texts) => texts,
                    None => return false,
                }
            };
            decide(&|key| values.iter().any(|v| compare(key, v)))
        }
        View::String(text) => {
            if set.wild
                && let Some(range) = Range::parse(text)
            {
                return if set.negated && !set.every {
                    keys.iter().any(|key| range.excludes(&Value::string(key)))
                } else {
                    decide(&|key| range.holds(&Value::string(key)))
                };
            }
            if keys.len() == 1 && keys.first().is_some_and(|k| k == text) {
                return !set.negated;
            }
            let values: Vec<String> = match sigward_document::parse_json(text.as_bytes()) {
                // A text that is JSON and no list of texts is of no use.
                Ok(parsed) => match texts(&parsed) {
                    Some(values) => values,
                    None => return false,
                },
                Err(_) if set.wild => vec![text.to_owned()],
                Err(_) => return false,
            };
            decide(&|key| values.iter().any(|v| compare(key, v)))
        }
        View::Bool(_) | View::Int(_) | View::Float(_) if set.wild && !set.every => {
            let value = plain(value);
            decide(&|key| compare(key, &value))
        }
        View::Null | View::Bool(_) | View::Int(_) | View::Float(_) | View::Map(_) => false,
    }
}

/// The elements of a list of texts.
fn texts(list: &Value) -> Option<Vec<String>> {
    list.as_list()?.iter().map(|item| item.as_str().map(ToOwned::to_owned)).collect()
}

/// Key as pattern, or value as pattern.
fn either_way(key: &str, value: &str) -> bool {
    wildcard::matches(value, key) || wildcard::matches(key, value)
}

/// A semantic version, for order only. SPEC: Semantic Versioning 2.0.0 section 11.
#[derive(PartialEq, Eq)]
struct Version<'t> {
    core: [u64; 3],
    pre: Vec<&'t str>,
}

impl<'t> Version<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let text = text.split_once('+').map_or(text, |(version, _build)| version);
        let (core, pre) = text.split_once('-').map_or((text, None), |(c, p)| (c, Some(p)));
        let mut numbers = core.split('.').map(|part| {
            let leading_zero = part.len() > 1 && part.starts_with('0');
            if leading_zero { None } else { part.parse::<u64>().ok() }
        });
        let core = [numbers.next()??, numbers.next()??, numbers.next()??];
        if numbers.next().is_some() {
            return None;
        }
        let pre: Vec<&str> = pre.map(|p| p.split('.').collect()).unwrap_or_default();
        pre.iter().all(|p| !p.is_empty()).then_some(Self { core, pre })
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let identifier = |a: &&str, b: &&str| match (a.parse::<u64>(), b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(b),
        };
        self.core.cmp(&other.core).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => self
                .pre
                .iter()
                .zip(&other.pre)
                .map(|(a, b)| identifier(a, b))
                .find(|o| o.is_ne())
                .unwrap_or_else(|| self.pre.len().cmp(&other.pre.len())),
        })
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests;
