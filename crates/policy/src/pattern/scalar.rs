//! One value against one scalar of a pattern: operators, ranges, quantities, durations, wildcards.
use sigward_document::{GoDuration, Quantity, Value, View, wildcard};
use smol_str::SmolStr;
use std::cmp::Ordering;

/// A scalar of a pattern, read once.
#[derive(Clone, Debug)]
pub(crate) enum Scalar {
    /// `null`: nothing, or the zero of a type.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text with operators.
    Text(Text),
}

/// Alternatives (`|`) of comparisons that must all hold (`&`).
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// As written: equality with it comes before all reading.
    written: SmolStr,
    any: Vec<Vec<Comparison>>,
}

#[derive(Clone, Debug)]
enum Comparison {
    One { operator: Operator, operand: Operand },
    Range { range: Range, outside: bool },
}

/// Two ends, each a number with a unit perhaps.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    low: Operand,
    high: Operand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    More,
    MoreOrEqual,
    Less,
    LessOrEqual,
}

/// What stands behind an operator, in every reading it has.
#[derive(Clone, Debug)]
struct Operand {
    text: SmolStr,
    duration: Option<GoDuration>,
    quantity: Option<Quantity>,
}

impl Scalar {
    /// Reads a scalar; `None` for lists and maps.
    pub(crate) fn compile(value: &Value) -> Option<Self> {
        Some(match value.view() {
            View::Null => Self::Null,
            View::Bool(flag) => Self::Bool(flag),
            View::Int(number) => Self::Int(number),
            View::Float(number) => Self::Float(number),
            View::String(text) => Self::Text(Text::compile(text)),
            View::List(_) | View::Map(_) => return None,
        })
    }

    /// Whether this is `*`, which under a key asks only that there is something.
    pub(crate) fn is_star(&self) -> bool {
        matches!(self, Self::Text(text) if text.written == "*")
    }

    /// Whether a value matches.
    pub(crate) fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Null => is_zero(value),
            Self::Bool(flag) => value.as_bool() == Some(*flag),
            Self::Int(number) => int_matches(*number, value),
            Self::Float(number) => float_matches(*number, value),
            Self::Text(text) => text.matches(value),
        }
    }
}

fn is_zero(value: &Value) -> bool {
    match value.view() {
        View::Null => true,
        View::Bool(flag) => !flag,
        View::Int(number) => number == 0,
        View::Float(number) => number == 0.0,
        View::String(text) => text.is_empty(),
        View::List(_) | View::Map(_) => false,
    }
}

#[expect(clippy::float_cmp, reason = "the comparison that the language defines")]
#[expect(clippy::cast_possible_truncation, reason = "saturates; the float has no fraction")]
fn int_matches(pattern: i64, value: &Value) -> bool {
    match value.view() {
        View::Int(number) => number == pattern,
        View::Float(number) => number == number.trunc() && number as i64 == pattern,
        View::String(text) => text.parse::<i64>().is_ok_and(|number| number == pattern),
        View::Null | View::Bool(_) | View::List(_) | View::Map(_) => false,
    }
}

#[expect(clippy::float_cmp, reason = "the comparison that the language defines")]
#[expect(clippy::cast_possible_truncation, reason = "saturates; the float has no fraction")]
fn float_matches(pattern: f64, value: &Value) -> bool {
    match value.view() {
        View::Int(number) => pattern == pattern.trunc() && pattern as i64 == number,
        View::Float(number) => number == pattern,
        View::String(text) => text.parse::<f64>().is_ok_and(|number| number == pattern),
        View::Null | View::Bool(_) | View::List(_) | View::Map(_) => false,
    }
}

impl Text {
    fn compile(written: &str) -> Self {
        let any = written.split('|').map(|alternative| {
            let all = alternative.trim_matches(' ').split('&');
            all.map(|condition| Comparison::compile(condition.trim_matches(' '))).collect()
        });
        Self { written: SmolStr::new(written), any: any.collect() }
    }

    fn matches(&self, value: &Value) -> bool {
        value.as_str() == Some(self.written.as_str())
            || self.any.iter().any(|all| all.iter().all(|comparison| comparison.holds(value)))
    }
}

impl Comparison {
    fn compile(text: &str) -> Self {
        // A text of one byte carries no operator: `!` is itself.
        let operators = [
            (">=", Operator::MoreOrEqual),
            ("<=", Operator::LessOrEqual),
            (">", Operator::More),
            ("<", Operator::Less),
            ("!", Operator::NotEqual),
        ];
        let found = operators.iter().find_map(|(sign, operator)| {
            (text.len() > 1)
                .then(|| text.strip_prefix(sign))
                .flatten()
                .map(|rest| (*operator, rest))
        });
        if let Some((operator, rest)) = found {
            return Self::One { operator, operand: Operand::compile(rest) };
        }
        match range(text) {
            Some((range, outside)) => Self::Range { range, outside },
            None => Self::One { operator: Operator::Equal, operand: Operand::compile(text) },
        }
    }

    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::One { operator, operand } => operand.holds(*operator, value),
            Self::Range { range, outside: false } => range.holds(value),
            Self::Range { range, outside: true } => range.excludes(value),
        }
    }
}

impl Range {
    /// `10-20`; what lies outside (`10!-20`) is another thing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        range(text).and_then(|(range, outside)| (!outside).then_some(range))
    }

    /// Whether a value lies inside, ends included.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        self.low.holds(Operator::MoreOrEqual, value)
            && self.high.holds(Operator::LessOrEqual, value)
    }

    /// Whether a value lies outside. What cannot be compared lies nowhere.
    pub(crate) fn excludes(&self, value: &Value) -> bool {
        self.low.holds(Operator::Less, value) || self.high.holds(Operator::More, value)
    }
}

impl Operand {
    fn compile(text: &str) -> Self {
        let text = text.trim();
        Self {
            text: SmolStr::new(text),
            duration: GoDuration::parse(text).ok(),
            quantity: Quantity::parse(text).ok(),
        }
    }

    /// As durations where both are, else as quantities where both are, else as texts.
    fn holds(&self, operator: Operator, value: &Value) -> bool {
        if self.duration.is_some() || self.quantity.is_some() {
            let number = number_text(value);
            if let (Some(pattern), Some(number)) = (&self.duration, &number)
                && let Ok(value) = GoDuration::parse(number)
            {
                return operator.accepts(value.cmp(pattern));
            }
            if let (Some(pattern), Some(number)) = (&self.quantity, &number)
                && let Ok(value) = Quantity::parse(number)
            {
                return operator.accepts(value.cmp(pattern));
            }
        }
        let wanted = match operator {
            Operator::Equal => true,
            Operator::NotEqual => false,
            Operator::More | Operator::MoreOrEqual | Operator::Less | Operator::LessOrEqual => {
                return false;
            }
        };
        let matched = match value.view() {
            View::String(text) => wildcard::matches(&self.text, text),
            View::Bool(flag) => wildcard::matches(&self.text, if flag { "true" } else { "false" }),
            View::Int(number) => wildcard::matches(&self.text, &number.to_string()),
            View::Float(number) => wildcard::matches(&self.text, &scientific(number)),
            View::Null | View::List(_) | View::Map(_) => return false,
        };
        matched == wanted
    }
}

impl Operator {
    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::More => ordering.is_gt(),
            Self::MoreOrEqual => ordering.is_ge(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
        }
    }
}

/// The text that is read as a duration or quantity; nothing counts as zero.
// COMPAT: Kyverno 1.19: floats with six decimals; test: scalars_compare_as_kyverno_compares
fn number_text(value: &Value) -> Option<SmolStr> {
    match value.view() {
        View::Null => Some(SmolStr::new_static("0")),
        View::String(text) => Some(SmolStr::new(text)),
        View::Int(number) => Some(SmolStr::new(number.to_string())),
        View::Float(number) => Some(SmolStr::new(format!("{number:.6}"))),
        View::Bool(_) | View::List(_) | View::Map(_) => None,
    }
}

/// `1.5E+00`: as Go's `FormatFloat` with `E`.
fn scientific(number: f64) -> String {
    let text = format!("{number:E}");
    let Some((digits, exponent)) = text.split_once('E') else { return text };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}E{sign}{exponent:0>2}")
}

/// `10-20`, and `10!-20` for what lies outside: both ends are numbers, with a unit perhaps.
fn range(text: &str) -> Option<(Range, bool)> {
    // The first dash behind the first end: a sign may stand before a number.
    let sign = usize::from(text.starts_with(['-', '+']));
    let dash = text.get(sign..)?.find('-')? + sign;
    let (low, high) = (text.get(..dash)?, text.get(dash + 1..)?);
    let (low, outside) = low.strip_suffix('!').map_or((low, false), |low| (low, true));
    if !is_end(low) || !is_end(high) {
        return None;
    }
    Some((Range { low: Operand::compile(low), high: Operand::compile(high) }, outside))
}

/// A number with a unit: `-1.5Gi`.
fn is_end(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let unit = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    if unit.len() == digits.len() {
        return false;
    }
    let unit = match unit.strip_prefix('.') {
        Some(fraction) => {
            let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if rest.len() == fraction.len() {
                return false;
            }
            rest
        }
        None => unit,
    };
    unit.chars().all(|c| c.is_ascii_alphabetic())
}
