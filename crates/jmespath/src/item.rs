//! A value in the middle of an evaluation: borrowed from the document wherever that is possible.
use crate::node::Node;
use sigward_document::{Value, View};
use std::vec;

/// A value on the way.
#[derive(Clone, Debug)]
pub(crate) enum Item<'a> {
    /// What the expression started from, not joined into one tree.
    Root,
    /// A part of the root or a literal of the expression.
    Borrowed(&'a Value),
    /// Something built, or a part of something built.
    Owned(Value),
    /// A list that was built, its elements borrowed where they can be. Holds no [`Item::Root`] and no reference.
    List(Vec<Self>),
    /// An expression reference: an argument for functions, never a value.
    Reference(&'a Node),
}

impl<'a> Item<'a> {
    /// Null, which costs nothing.
    pub(crate) const NULL: Self = Item::Owned(Value::NULL);

    pub(crate) fn bool(value: bool) -> Self {
        Item::Owned(Value::bool(value))
    }

    /// How an engine sees it; `None` for a built list, the unjoined root and a reference.
    pub(crate) fn view(&self) -> Option<View<'_>> {
        match self {
            Item::Borrowed(value) => Some(value.view()),
            Item::Owned(value) => Some(value.view()),
            Item::Root | Item::List(_) | Item::Reference(_) => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.view(), Some(View::Null))
    }

    pub(crate) fn number(&self) -> Option<Number> {
        match self.view() {
            Some(View::Int(n)) => Some(Number::Int(n)),
            Some(View::Float(n)) => Some(Number::Float(n)),
            _ => None,
        }
    }

    /// One value, which the caller may keep; the unjoined root and references are not values and become null.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Item::Borrowed(value) => value.clone(),
            Item::Owned(value) => value,
            Item::List(items) => Value::list(items.into_iter().map(Item::into_value)),
            Item::Root | Item::Reference(_) => Value::NULL,
        }
    }

    pub(crate) fn to_value(&self) -> Value {
        match self {
            Item::Borrowed(value) => (*value).clone(),
            Item::Owned(value) => value.clone(),
            Item::List(items) => Value::list(items.iter().map(Item::to_value)),
            Item::Root | Item::Reference(_) => Value::NULL,
        }
    }

    /// How many elements a list has; `None` for what is no list.
    pub(crate) fn list_len(&self) -> Option<usize> {
        match self {
            Self::List(items) => Some(items.len()),
            Self::Borrowed(value) => value.as_list().map(<[Value]>::len),
            Self::Owned(value) => value.as_list().map(<[Value]>::len),
            Self::Root | Self::Reference(_) => None,
        }
    }

    /// The element of a list.
    pub(crate) fn at(&self, index: usize) -> Option<Self> {
        match self {
            Self::Borrowed(value) => value.as_list()?.get(index).map(Self::Borrowed),
            Self::Owned(value) => value.as_list()?.get(index).cloned().map(Self::Owned),
            Self::List(items) => items.get(index).cloned(),
            Self::Root | Self::Reference(_) => None,
        }
    }

    /// The elements of a list; `None` for what is no list.
    pub(crate) fn elements(self) -> Option<Elements<'a>> {
        match self {
            Self::Borrowed(value) => value.as_list().map(|items| Elements::Borrowed(items.iter())),
            Self::Owned(value) => value.as_list().is_some().then_some(Elements::Owned(value, 0)),
            Self::List(items) => Some(Elements::Built(items.into_iter())),
            Self::Root | Self::Reference(_) => None,
        }
    }

    /// The elements of a list, leaving it in place.
    pub(crate) fn each(&self) -> impl Iterator<Item = Item<'a>> + '_ {
        (0..self.list_len().unwrap_or(0)).filter_map(|index| self.at(index))
    }

    /// Whether JMESPath takes it for false: null, false, and whatever is empty; never a number.
    pub(crate) fn is_false(&self) -> bool {
        match self {
            Item::List(items) => items.is_empty(),
            Item::Root | Item::Reference(_) => false,
            Item::Borrowed(_) | Item::Owned(_) => match self.view() {
                None | Some(View::Null) => true,
                Some(View::Bool(value)) => !value,
                Some(View::String(text)) => text.is_empty(),
                Some(View::List(items)) => items.is_empty(),
                Some(View::Map(map)) => map.iter().next().is_none(),
                Some(View::Int(_) | View::Float(_)) => false,
            },
        }
    }
}

/// The elements of a list, one after the other.
pub(crate) enum Elements<'a> {
    Borrowed(std::slice::Iter<'a, Value>),
    Built(vec::IntoIter<Item<'a>>),
    Owned(Value, usize),
}

impl<'a> Iterator for Elements<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        match self {
            Elements::Borrowed(values) => values.next().map(Item::Borrowed),
            Elements::Built(items) => items.next(),
            Elements::Owned(list, index) => {
                let item = list.item(*index).cloned().map(Item::Owned);
                *index += 1;
                item
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self {
            Elements::Borrowed(values) => values.len(),
            Elements::Built(items) => items.len(),
            Elements::Owned(list, index) => {
                list.as_list().map_or(0, <[Value]>::len).saturating_sub(*index)
            }
        };
        (left, Some(left))
    }
}

/// A number as the document holds it. Integers compare exactly, whatever their size; a mixed pair as floats.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    #[expect(clippy::cast_precision_loss, reason = "the language's numbers are Go's float64")]
    pub(crate) fn float(self) -> f64 {
        match self {
            Self::Int(n) => n as f64,
            Self::Float(n) => n,
        }
    }

    /// `None` when one of them is not a number (NaN).
    pub(crate) fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (a, b) => a.float().partial_cmp(&b.float()),
        }
    }
}

/// A float as a value: an integer when it is one, as Go prints both alike.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "checked by the round trip, which is to be exact"
)]
pub(crate) fn number(value: f64) -> Value {
    /// 2^53: up to here each integer is a float64 of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.abs() <= EXACT
        && (value as i64) as f64 == value
        && !(value == 0.0 && value.is_sign_negative())
    {
        Value::int(value as i64)
    } else {
        Value::float(value)
    }
}
