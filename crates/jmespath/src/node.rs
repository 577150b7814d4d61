//! The compiled form of an expression: dotted paths fused, operators in a row flattened.
use sigward_document::Value;
use smol_str::SmolStr;

/// One operation of an expression. Each is evaluated against a current value.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// `@`, and what stands where nothing was written.
    Current,
    /// `a.b.c`: one key after the other.
    Path(Box<[SmolStr]>),
    /// A JSON literal or a raw string.
    Literal(Value),
    /// `[1]`.
    Index(i64),
    /// `[start:stop:step]`.
    Slice { start: Option<i64>, stop: Option<i64>, step: Option<i64> },
    /// Each against the value of the one before; the first error ends it.
    Chain(Vec<Self>),
    /// `a | b`: as a chain, but a missing key becomes null between the stages.
    Pipe(Vec<Self>),
    /// `a || b`.
    Or(Vec<Self>),
    /// `a && b`.
    And(Vec<Self>),
    /// `!a`.
    Not(Box<Self>),
    /// `a == b` and its kin.
    Compare(Comparator, Box<Self>, Box<Self>),
    /// `left[*].right`, and what follows a slice.
    Project { left: Box<Self>, right: Box<Self> },
    /// `left[?condition].right`.
    Filter { left: Box<Self>, condition: Box<Self>, right: Box<Self> },
    /// `left[].right`: the elements of the lists in a list too.
    Flatten { left: Box<Self>, right: Box<Self> },
    /// `left.*.right`.
    Values { left: Box<Self>, right: Box<Self> },
    /// `[a, b]`.
    List(Vec<Self>),
    /// `{k: a}`.
    Hash(Vec<(SmolStr, Self)>),
    /// `name(a, b)`.
    Call(Box<Invocation>),
    /// `&a`.
    Reference(Box<Self>),
}

/// A call of a function by name.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) name: SmolStr,
    /// [`crate::functions::hash`] of the name, so that the registry is asked with a number.
    pub(crate) hash: u64,
    pub(crate) arguments: Vec<Node>,
    /// Byte offset of the name in the expression.
    pub(crate) offset: u32,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}
