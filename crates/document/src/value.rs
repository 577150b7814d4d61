//! The tree itself: what a node is, how it is made, looked at and changed by sharing.
use smol_str::SmolStr;
use std::fmt;
use std::sync::Arc;

mod compare;

#[cfg(test)]
pub(crate) mod tests;

/// A tree, or any part of one. Cloning is a reference count; equal parts may be the same allocation.
///
/// The representation is private: engines match on [`View`], so it may become an arena without them.
/// Equality, order and hash are those of JSON: `1` and `1.0` are one value, members have no order.
#[derive(Clone)]
pub struct Value(Repr);

#[derive(Clone)]
enum Repr {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(SmolStr),
    List(Arc<[Value]>),
    /// INVARIANT: sorted by key, no key twice.
    Map(Arc<[Member]>),
}

/// One member of a map.
type Member = (SmolStr, Value);

const _: () = assert!(size_of::<Value>() == 24);

/// A value as an engine sees it. Numbers are Go's: an integer that fits `i64`, else a float.
#[derive(Clone, Copy, Debug)]
pub enum View<'v> {
    /// JSON `null`.
    Null,
    /// JSON `true` or `false`.
    Bool(bool),
    /// A number written without fraction or exponent that fits 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    String(&'v str),
    /// An array, in order.
    List(&'v [Value]),
    /// An object, sorted by key.
    Map(Map<'v>),
}

/// What a value is, by JSON's names; [`Kind::Number`] is both kinds of number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean,
    /// An integer or a float.
    Number,
    /// A string.
    String,
    /// A list.
    Array,
    /// A map.
    Object,
}

impl Kind {
    /// JSON's name of the kind, as JMESPath's `type()` prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The members of an object, sorted by the bytes of their keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Map<'v>(&'v [Member]);

impl<'v> Map<'v> {
    /// The member of that name.
    pub fn get(self, key: &str) -> Option<&'v Value> {
        self.0.get(self.find(key).ok()?).map(|(_, value)| value)
    }

    /// True when there is a member of that name, whatever its value.
    pub fn contains_key(self, key: &str) -> bool {
        self.find(key).is_ok()
    }

    /// Members in the order of their keys.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = (&'v str, &'v Value)> + ExactSizeIterator {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Members with their keys as the tree holds them: cloning such a key costs no allocation.
    pub fn members(self) -> std::slice::Iter<'v, (SmolStr, Value)> {
        self.0.iter()
    }

    /// Keys in order.
    pub fn keys(self) -> impl DoubleEndedIterator<Item = &'v str> + ExactSizeIterator {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// Values in the order of their keys.
    pub fn values(self) -> impl DoubleEndedIterator<Item = &'v Value> + ExactSizeIterator {
        self.0.iter().map(|(_, value)| value)
    }

    /// How many members there are.
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// True when there is no member.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The place of a key, or where it would go. Small maps are read through: most have a handful of
    /// members whose keys differ in length, which a comparison for equality sees first.
    fn find(self, key: &str) -> Result<usize, usize> {
        if self.0.len() <= 8
            && let Some(at) = self.0.iter().position(|(k, _)| k.as_str() == key)
        {
            return Ok(at);
        }
        self.0.binary_search_by(|(k, _)| k.as_str().cmp(key))
    }
}

impl fmt::Debug for Map<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Value {
    /// JSON `null`.
    pub const NULL: Self = Self(Repr::Null);

    /// This node for a `match`.
    pub fn view(&self) -> View<'_> {
        match &self.0 {
            Repr::Null => View::Null,
            Repr::Bool(b) => View::Bool(*b),
            Repr::Int(n) => View::Int(*n),
            Repr::Float(n) => View::Float(*n),
            Repr::String(s) => View::String(s),
            Repr::List(l) => View::List(l),
            Repr::Map(m) => View::Map(Map(m)),
        }
    }

    /// What kind of node this is.
    pub const fn kind(&self) -> Kind {
        match self.0 {
            Repr::Null => Kind::Null,
            Repr::Bool(_) => Kind::Boolean,
            Repr::Int(_) | Repr::Float(_) => Kind::Number,
            Repr::String(_) => Kind::String,
            Repr::List(_) => Kind::Array,
            Repr::Map(_) => Kind::Object,
        }
    }

    /// A string; up to 23 bytes are held in place.
    pub fn string(s: &str) -> Self {
        Self(Repr::String(SmolStr::new(s)))
    }

    /// A string that is already shared.
    pub const fn smol(s: SmolStr) -> Self {
        Self(Repr::String(s))
    }

    /// A boolean.
    pub const fn bool(b: bool) -> Self {
        Self(Repr::Bool(b))
    }

    /// An integer.
    pub const fn int(n: i64) -> Self {
        Self(Repr::Int(n))
    }

    /// A float. It stays one even when it is whole, and prints as Go prints it (`1.0` as `1`).
    /// JSON has no NaN and no infinity: they print as `null`.
    pub const fn float(n: f64) -> Self {
        Self(Repr::Float(n))
    }

    /// A list, in order.
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::from_list(items.into_iter().collect())
    }

    /// A map. Of equal keys the last wins, as in Go.
    pub fn map(pairs: impl IntoIterator<Item = (SmolStr, Self)>) -> Self {
        let mut members: Vec<Member> = pairs.into_iter().collect();
        sort_last_wins(&mut members, 0);
        Self::from_sorted(members.into_iter().collect())
    }

    /// An empty list.
    pub fn empty_list() -> Self {
        Self(Repr::List(Arc::default()))
    }

    /// An empty map.
    pub fn empty_map() -> Self {
        Self(Repr::Map(Arc::default()))
    }

    /// A map made member by member.
    pub const fn build() -> MapBuilder {
        MapBuilder(Vec::new())
    }

    pub(crate) const fn from_list(items: Arc<[Self]>) -> Self {
        Self(Repr::List(items))
    }

    /// INVARIANT: the caller has sorted the members and dropped duplicates ([`sort_last_wins`]).
    pub(crate) fn from_sorted(members: Arc<[Member]>) -> Self {
        debug_assert!(members.is_sorted_by(|(a, _), (b, _)| a < b), "unsorted members");
        Self(Repr::Map(members))
    }

    /// True when both are one allocation: `diff` and the matcher skip such parts.
    pub fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::List(a), Repr::List(b)) => Arc::ptr_eq(a, b),
            (Repr::Map(a), Repr::Map(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// True for `null`.
    pub const fn is_null(&self) -> bool {
        matches!(self.0, Repr::Null)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Repr::String(s) = &self.0 { Some(s) } else { None }
    }

    /// The string as the tree holds it, for a clone without an allocation.
    pub const fn as_smol(&self) -> Option<&SmolStr> {
        if let Repr::String(s) = &self.0 { Some(s) } else { None }
    }

    /// The boolean.
    pub const fn as_bool(&self) -> Option<bool> {
        if let Repr::Bool(b) = self.0 { Some(b) } else { None }
    }

    /// The number when it is whole and fits, written either way: `3` and `3.0` are both 3.
    pub fn as_i64(&self) -> Option<i64> {
        match (self.view(), self) {
            (View::Int(n), _) => Some(n),
            (View::Float(n), _) => compare::whole(n),
            _ => None,
        }
    }

    /// The number as Go's `float64` has it: integers beyond 2⁵³ are rounded.
    pub const fn as_f64(&self) -> Option<f64> {
        match self.0 {
            #[expect(clippy::cast_precision_loss, reason = "Go converts the same way")]
            Repr::Int(n) => Some(n as f64),
            Repr::Float(n) => Some(n),
            Repr::Null | Repr::Bool(_) | Repr::String(_) | Repr::List(_) | Repr::Map(_) => None,
        }
    }

    /// The items of a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Repr::List(items) = &self.0 { Some(items) } else { None }
    }

    /// The members of a map.
    pub fn as_map(&self) -> Option<Map<'_>> {
        if let Repr::Map(members) = &self.0 { Some(Map(members)) } else { None }
    }

    /// The member of that name, when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.get(key)
    }

    /// The item at that place, when this is a list that long.
    pub fn item(&self, at: usize) -> Option<&Self> {
        self.as_list()?.get(at)
    }

    /// The node below this one by the names of members; lists are not entered.
    pub fn at_path(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text at a path of member names; what is missing and what is no string are alike.
    pub fn str_at(&self, path: &[&str]) -> Option<&str> {
        self.at_path(path)?.as_str()
    }

    /// This map with one member set: copies one level, shares the rest. `None` when this is no map.
    #[must_use]
    pub fn with_member(&self, key: &str, value: Self) -> Option<Self> {
        let Repr::Map(members) = &self.0 else { return None };
        let (at, after) = match Map(members).find(key) {
            Ok(at) => (at, at + 1),
            Err(at) => (at, at),
        };
        // The key already there is kept: it may be shared.
        let key = if after > at { members.get(at).map(|(k, _)| k.clone()) } else { None }
            .unwrap_or_else(|| SmolStr::new(key));
        let head = members.get(..at)?.iter().cloned();
        let tail = members.get(after..)?.iter().cloned();
        Some(Self::from_sorted(head.chain([(key, value)]).chain(tail).collect()))
    }

    /// This map without that member; the same map when it has no such member. `None` when this is no map.
    #[must_use]
    pub fn without_member(&self, key: &str) -> Option<Self> {
        let Repr::Map(members) = &self.0 else { return None };
        let Ok(at) = Map(members).find(key) else { return Some(self.clone()) };
        let head = members.get(..at)?.iter().cloned();
        let tail = members.get(at + 1..)?.iter().cloned();
        Some(Self::from_sorted(head.chain(tail).collect()))
    }

    /// This list with another item at that place. `None` when this is no list or it is shorter.
    #[must_use]
    pub fn with_item(&self, at: usize, value: Self) -> Option<Self> {
        let items = self.as_list()?;
        let head = items.get(..at)?.iter().cloned();
        let tail = items.get(at.checked_add(1)?..)?.iter().cloned();
        Some(Self::from_list(head.chain([value]).chain(tail).collect()))
    }

    /// This list with an item put in before that place; its length is the place after the last.
    #[must_use]
    pub fn with_inserted(&self, at: usize, value: Self) -> Option<Self> {
        let items = self.as_list()?;
        let head = items.get(..at)?.iter().cloned();
        let tail = items.get(at..)?.iter().cloned();
        Some(Self::from_list(head.chain([value]).chain(tail).collect()))
    }

    /// This list without the item at that place.
    #[must_use]
    pub fn without_item(&self, at: usize) -> Option<Self> {
        let items = self.as_list()?;
        let head = items.get(..at)?.iter().cloned();
        let tail = items.get(at.checked_add(1)?..)?.iter().cloned();
        Some(Self::from_list(head.chain(tail).collect()))
    }

    /// This tree with the node at a path of member names set, making maps on the way where a member is
    /// missing or null. `None` when something on the way is neither.
    #[must_use]
    pub fn with_path(&self, path: &[&str], value: Self) -> Option<Self> {
        let Some((first, rest)) = path.split_first() else { return Some(value) };
        let here = if self.is_null() { Self::empty_map() } else { self.clone() };
        let below = here.get(first).unwrap_or(&Self::NULL).with_path(rest, value)?;
        here.with_member(first, below)
    }
}

/// Sorts the members from `start` on by key and keeps the last of equal ones; the vector shrinks by the
/// duplicates, and true says that there were some. Members that are in order cost one pass.
pub(crate) fn sort_last_wins(members: &mut Vec<Member>, start: usize) -> bool {
    let Some(own) = members.get_mut(start..) else { return false };
    if own.is_sorted_by(|(a, _), (b, _)| a < b) {
        return false;
    }
    own.sort_by(|(a, _), (b, _)| a.cmp(b));
    if own.is_sorted_by(|(a, _), (b, _)| a < b) {
        return false;
    }
    let mut tail = members.split_off(start);
    // `dedup_by` keeps the first of a run, so a later one first moves into the place of the earlier.
    tail.dedup_by(|later, earlier| {
        let equal = later.0 == earlier.0;
        if equal {
            std::mem::swap(later, earlier);
        }
        equal
    });
    members.append(&mut tail);
    true
}

/// Makes a map member by member; of equal keys the last wins.
#[derive(Debug, Default)]
pub struct MapBuilder(Vec<Member>);

impl MapBuilder {
    /// Sets a member.
    #[must_use]
    pub fn member(mut self, key: impl AsRef<str>, value: impl Into<Value>) -> Self {
        self.0.push((SmolStr::new(key), value.into()));
        self
    }

    /// Sets a member when there is a value for it.
    #[must_use]
    pub fn member_if_some(self, key: impl AsRef<str>, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.member(key, value),
            None => self,
        }
    }

    /// The map.
    pub fn finish(self) -> Value {
        Value::map(self.0)
    }
}

impl From<MapBuilder> for Value {
    fn from(builder: MapBuilder) -> Self {
        builder.finish()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::string(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self(Repr::String(SmolStr::from(text)))
    }
}

impl From<SmolStr> for Value {
    fn from(text: SmolStr) -> Self {
        Self::smol(text)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::bool(b)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::int(n)
    }
}

impl From<i32> for Value {
    fn from(n: i32) -> Self {
        Self::int(n.into())
    }
}

impl From<u32> for Value {
    fn from(n: u32) -> Self {
        Self::int(n.into())
    }
}

impl From<u64> for Value {
    /// A float when it does not fit `i64`, as Go reads such a number.
    fn from(n: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "Go's float64 of such an integer")]
        i64::try_from(n).map_or(Self::float(n as f64), Self::int)
    }
}

impl From<f64> for Value {
    fn from(n: f64) -> Self {
        Self::float(n)
    }
}

impl<V: Into<Self>> From<Vec<V>> for Value {
    fn from(items: Vec<V>) -> Self {
        Self::list(items.into_iter().map(Into::into))
    }
}

impl FromIterator<Self> for Value {
    fn from_iter<I: IntoIterator<Item = Self>>(items: I) -> Self {
        Self::list(items)
    }
}

impl FromIterator<(SmolStr, Self)> for Value {
    fn from_iter<I: IntoIterator<Item = (SmolStr, Self)>>(members: I) -> Self {
        Self::map(members)
    }
}

impl Default for Value {
    fn default() -> Self {
        Self::NULL
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
