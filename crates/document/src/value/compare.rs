//! Equality, order and hash of trees: numbers by what they are worth, maps by their members.
use super::{Repr, Value};
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// 2⁶³, the first float above every `i64`; its negative is the lowest `i64`.
const ABOVE_I64: f64 = 9_223_372_036_854_775_808.0;

/// The integer that a float is exactly, when there is one.
pub(super) fn whole(n: f64) -> Option<i64> {
    #[expect(clippy::float_cmp, reason = "exactness is the question")]
    let exact = n.trunc() == n && (-ABOVE_I64..ABOVE_I64).contains(&n);
    #[expect(clippy::cast_possible_truncation, reason = "whole and in range, as just checked")]
    exact.then_some(n as i64)
}

/// The order of an integer and a float by their exact worth, so that equality stays transitive: as floats,
/// 2⁵³ and 2⁵³ + 1 would both equal the same float. NaN is above everything.
fn int_to_float(int: i64, float: f64) -> Ordering {
    if float.is_nan() || float >= ABOVE_I64 {
        return Ordering::Less;
    }
    if float < -ABOVE_I64 {
        return Ordering::Greater;
    }
    #[expect(clippy::cast_possible_truncation, reason = "in range, as just checked")]
    let truncated = float.trunc() as i64;
    int.cmp(&truncated).then_with(|| 0.0_f64.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal))
}

/// A total order of floats in which both zeros are one and NaN is above everything and equal to itself.
fn float_to_float(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

impl Ord for Value {
    /// null < booleans < numbers < strings < arrays < objects; within a kind by content.
    fn cmp(&self, other: &Self) -> Ordering {
        if self.same(other) {
            return Ordering::Equal;
        }
        match (&self.0, &other.0) {
            (Repr::Bool(a), Repr::Bool(b)) => a.cmp(b),
            (Repr::Int(a), Repr::Int(b)) => a.cmp(b),
            (Repr::Float(a), Repr::Float(b)) => float_to_float(*a, *b),
            (Repr::Int(a), Repr::Float(b)) => int_to_float(*a, *b),
            (Repr::Float(a), Repr::Int(b)) => int_to_float(*b, *a).reverse(),
            (Repr::String(a), Repr::String(b)) => a.cmp(b),
            (Repr::List(a), Repr::List(b)) => a.cmp(b),
            (Repr::Map(a), Repr::Map(b)) => a.cmp(b),
            _ => self.kind().cmp(&other.kind()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        if self.same(other) {
            return true;
        }
        match (&self.0, &other.0) {
            // Lengths first: cheaper than an order of contents.
            (Repr::String(a), Repr::String(b)) => a == b,
            (Repr::List(a), Repr::List(b)) => a == b,
            (Repr::Map(a), Repr::Map(b)) => a == b,
            _ => self.cmp(other) == Ordering::Equal,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind().hash(state);
        match &self.0 {
            Repr::Null => {}
            Repr::Bool(b) => b.hash(state),
            Repr::Int(n) => n.hash(state),
            Repr::Float(n) => match whole(*n) {
                Some(n) => n.hash(state),
                None if n.is_nan() => f64::NAN.to_bits().hash(state),
                None => n.to_bits().hash(state),
            },
            Repr::String(s) => s.hash(state),
            Repr::List(items) => items.hash(state),
            Repr::Map(members) => members.hash(state),
        }
    }
}
