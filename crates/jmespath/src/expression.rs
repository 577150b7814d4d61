//! An expression that is parsed once and evaluated often.
use crate::error::{EvaluateError, ParseError};
use crate::evaluate::Evaluator;
use crate::functions::{Functions, hash};
use crate::host::Host;
use crate::item::Item;
use crate::node::Node;
use crate::parser;
use sigward_document::{Root, Value};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use std::str::FromStr;

/// A parsed expression. Immutable, so that threads may share it.
#[derive(Clone, Debug)]
pub struct Expression {
    text: SmolStr,
    node: Node,
    /// Hash of the text: names the call sites of random numbers.
    identity: u64,
}

/// What one evaluation may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nodes evaluated, elements visited and values compared.
    pub steps: u64,
    /// Bytes of text and of lists built on the way and in the result.
    pub bytes: u64,
    /// Levels of lists and maps in the result.
    pub depth: u32,
}

impl Default for Limits {
    /// Two million steps (some tens of milliseconds), 16 MiB, 1,024 levels.
    fn default() -> Self {
        Self { steps: 2_000_000, bytes: 16 * 1024 * 1024, depth: 1024 }
    }
}

/// The top-level members that an expression may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// At most these.
    Names(BTreeSet<SmolStr>),
    /// The whole of it, as a bare `@` does.
    All,
}

impl Roots {
    /// Whether the expression may read this member.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Names(names) => names.contains(name),
            Self::All => true,
        }
    }
}

impl Expression {
    /// Parses a text of at most 256 KiB, nested at most 128 levels.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Ok(Self { node: parser::parse(text)?, text: text.into(), identity: hash(text) })
    }

    /// Its first operation.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// The text it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Evaluates against `root` within the default [`Limits`].
    pub fn evaluate(
        &self,
        root: &dyn Root,
        functions: &Functions,
        host: &mut dyn Host,
    ) -> Result<Value, EvaluateError> {
        self.evaluate_within(root, functions, host, Limits::default())
    }

    /// Evaluates against `root` within the given limits.
    pub fn evaluate_within(
        &self,
        root: &dyn Root,
        functions: &Functions,
        host: &mut dyn Host,
        limits: Limits,
    ) -> Result<Value, EvaluateError> {
        let mut evaluator = Evaluator::new(root, functions, host, limits, self.identity);
        let item = evaluator.node(&self.node, &Item::Root)?;
        evaluator.finish(item)
    }

    /// The top-level members that it may read, so that what is costly to load is loaded only for its readers.
    pub fn roots(&self) -> Roots {
        let mut names = BTreeSet::new();
        if reads(&self.node, true, &mut names) { Roots::Names(names) } else { Roots::All }
    }
}

impl FromStr for Expression {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Collects what `node` reads of the root; false when it reads the whole. `at_root` says whether the current value
/// is the root.
fn reads(node: &Node, at_root: bool, names: &mut BTreeSet<SmolStr>) -> bool {
    let mut row = |nodes: &[Node]| {
        let mut at_root = at_root;
        nodes.iter().all(|node| {
            let known = reads(node, at_root, names);
            at_root = false;
            known
        })
    };
    match node {
        Node::Current | Node::Index(_) | Node::Slice { .. } => !at_root,
        Node::Path(keys) => {
            if at_root {
                names.extend(keys.first().cloned());
            }
            true
        }
        Node::Literal(_) => true,
        Node::Chain(nodes) | Node::Pipe(nodes) => row(nodes),
        Node::Or(nodes) | Node::And(nodes) | Node::List(nodes) => {
            nodes.iter().all(|n| reads(n, at_root, names))
        }
        Node::Hash(members) => members.iter().all(|(_, n)| reads(n, at_root, names)),
        Node::Not(inner) => reads(inner, at_root, names),
        Node::Compare(_, left, right) => {
            reads(left, at_root, names) && reads(right, at_root, names)
        }
        Node::Project { left, right }
        | Node::Flatten { left, right }
        | Node::Values { left, right } => reads(left, at_root, names) && reads(right, false, names),
        Node::Filter { left, condition, right } => {
            reads(left, at_root, names)
                && reads(condition, false, names)
                && reads(right, false, names)
        }
        Node::Call(call) => call.arguments.iter().all(|n| reads(n, at_root, names)),
        // Only functions look into it, each time with a value of theirs as the current one.
        Node::Reference(inner) => reads(inner, false, names),
    }
}
