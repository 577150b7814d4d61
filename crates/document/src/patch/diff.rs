//! Makes the patch from one tree to another: small, and in time proportional to the change.
use super::Operation;
use crate::pointer;
use crate::value::{Map, Value, View};
use std::cmp::Ordering;

/// The operations that turn `from` into `to`: `apply(from, &diff(from, to)) == to`.
///
/// Parts that are one allocation are not looked into. Lists are compared without their common head and tail, the
/// rest item by item. Where the operations below a node would be longer on the wire than the node itself, the
/// node is replaced, though never a document that stays a map or a list.
pub fn diff(from: &Value, to: &Value) -> Vec<Operation> {
    let mut differ = Differ { path: String::new(), operations: Vec::new() };
    differ.node(from, to);
    differ.operations
}

struct Differ {
    /// The pointer to the node at hand.
    path: String,
    operations: Vec<Operation>,
}

impl Differ {
    fn node(&mut self, from: &Value, to: &Value) {
        if from.same(to) {
            return;
        }
        let start = self.operations.len();
        match (from.view(), to.view()) {
            (View::Map(from), View::Map(to)) => self.map(from, to),
            (View::List(from), View::List(to)) => self.list(from, to),
            _ if from == to => return,
            _ => {
                return self
                    .operations
                    .push(Operation::Replace { path: self.path.clone(), value: to.clone() });
            }
        }
        // Replacing the node costs the operation around it and the value.
        let below = self.operations.get(start..).unwrap_or_default();
        let cost: usize = below.iter().map(operation_length).sum();
        let frame = r#"{"op":"replace","path":"","value":},"#.len() + self.path.len();
        // The root stays: who answers an API server patches an object, and does not replace it.
        if !self.path.is_empty() && cost > frame && json_length(to, cost - frame).is_some() {
            self.operations.truncate(start);
            self.operations.push(Operation::Replace { path: self.path.clone(), value: to.clone() });
        }
    }

    /// Does something one step further down.
    fn below(&mut self, token: &str, then: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(&pointer::escape(token));
        then(self);
        self.path.truncate(length);
    }

    fn add(&mut self, token: &str, value: &Value) {
        let value = value.clone();
        self.below(token, |differ| {
            differ.operations.push(Operation::Add { path: differ.path.clone(), value });
        });
    }

    fn remove(&mut self, token: &str) {
        self.below(token, |differ| {
            differ.operations.push(Operation::Remove { path: differ.path.clone() });
        });
    }

    /// Both are sorted, so one pass meets every key.
    fn map(&mut self, from: Map<'_>, to: Map<'_>) {
        let (mut old, mut new) = (from.iter().peekable(), to.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (Some((before, _)), Some((after, _))) => before.cmp(after),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return,
            };
            match order {
                Ordering::Less => old.next().into_iter().for_each(|(key, _)| self.remove(key)),
                Ordering::Greater => {
                    new.next().into_iter().for_each(|(key, value)| self.add(key, value));
                }
                Ordering::Equal => {
                    for ((key, before), (_, after)) in old.next().into_iter().zip(new.next()) {
                        self.below(key, |differ| differ.node(before, after));
                    }
                }
            }
        }
    }

    fn list(&mut self, from: &[Value], to: &[Value]) {
        let head = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        let from = from.get(head..).unwrap_or_default();
        let to = to.get(head..).unwrap_or_default();
        let tail = from.iter().rev().zip(to.iter().rev()).take_while(|(a, b)| a == b).count();
        let from = from.get(..from.len() - tail).unwrap_or_default();
        let to = to.get(..to.len() - tail).unwrap_or_default();
        for (at, (before, after)) in from.iter().zip(to).enumerate() {
            self.below(&(head + at).to_string(), |differ| differ.node(before, after));
        }
        // From the back, so that the places in front stay.
        for at in (to.len()..from.len()).rev() {
            self.remove(&(head + at).to_string());
        }
        for (at, value) in to.iter().enumerate().skip(from.len()) {
            self.add(&(head + at).to_string(), value);
        }
    }
}

/// The bytes of an operation in a patch, nearly: escapes are not counted.
fn operation_length(operation: &Operation) -> usize {
    let value = match operation {
        Operation::Add { value, .. }
        | Operation::Replace { value, .. }
        | Operation::Test { value, .. } => {
            r#","value":"#.len() + json_length(value, usize::MAX).unwrap_or(usize::MAX / 2)
        }
        Operation::Move { from, .. } | Operation::Copy { from, .. } => {
            r#","from":"""#.len() + from.len()
        }
        Operation::Remove { .. } => 0,
    };
    r#"{"op":"","path":""},"#.len() + operation.name().len() + operation.path().len() + value
}

/// The bytes of a value's compact JSON, nearly; `None` once they exceed the limit, which is also when counting
/// stops.
fn json_length(value: &Value, limit: usize) -> Option<usize> {
    let own = match value.view() {
        View::Null | View::Bool(true) => 4,
        View::Bool(false) => 5,
        View::Int(n) => {
            n.checked_abs().and_then(i64::checked_ilog10).map_or(1, |digits| digits as usize + 1)
        }
        View::Float(_) => 8,
        View::String(text) => text.len() + 2,
        View::List(items) => {
            return items.iter().try_fold(2_usize, |sum, item| {
                let sum = sum + 1;
                Some(sum + json_length(item, limit.checked_sub(sum)?)?)
            });
        }
        View::Map(map) => {
            return map.iter().try_fold(2_usize, |sum, (key, value)| {
                let sum = sum + key.len() + 4;
                Some(sum + json_length(value, limit.checked_sub(sum)?)?)
            });
        }
    };
    (own <= limit).then_some(own)
}
