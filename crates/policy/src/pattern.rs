//! Patterns: a document that another must look like, with anchors on its keys and operators in its scalars.
//!
//! Pure over trees. A pattern compiles once; what is found is one of: it matches, it is not about the object, it
//! does not match at a path.
// COMPAT: Kyverno 1.19, checked against its command line; test: patterns_match_as_kyvernos_do
pub(crate) mod anchor;
pub(crate) mod scalar;
mod words;

use anchor::Anchor;
use scalar::Scalar;
use sigward_document::{Map, Value, View, wildcard};
use smol_str::SmolStr;
use std::borrow::Cow;

/// The longest reason that is told.
const LONGEST_REASON: usize = 8_000;

/// A pattern, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    root: Node,
}

/// Why an object does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// A condition does not hold: the pattern is not about the object.
    Skip(String),
    /// The object is not as it must be.
    Fail {
        /// Where, in the object: `/spec/containers/0/image/`.
        path: String,
        /// What is wrong there.
        reason: String,
    },
    /// The pattern and the object cannot be compared.
    Error(String),
}

impl Mismatch {
    /// The words.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Skip(reason) | Self::Fail { reason, .. } | Self::Error(reason) => reason,
        }
    }
}

#[derive(Clone, Debug)]
enum Node {
    Map(Members),
    List(Items),
    Scalar { scalar: Scalar, written: Value },
}

/// A map of a pattern: anchors first, then the rest, those with anchors inside before those without.
#[derive(Clone, Debug)]
struct Members {
    anchors: Vec<Member>,
    rest: Vec<Member>,
}

#[derive(Clone, Debug)]
struct Member {
    /// None for a plain key.
    anchor: Option<Anchor>,
    key: SmolStr,
    /// The key is a wildcard that stands for the first key of the object that it matches.
    wild: bool,
    node: Node,
}

#[derive(Clone, Debug)]
enum Items {
    /// Nothing matches.
    Empty,
    /// Every element must match the pattern's first.
    Each(Box<Node>),
    /// Lists in a list are compared one by one.
    InTurn(Vec<Node>),
}

impl Pattern {
    /// Compiles a document.
    pub(crate) fn compile(document: &Value) -> Self {
        Self { root: node(document, Place::Elsewhere) }
    }

    /// Whether an object matches.
    pub(crate) fn matches(&self, object: &Value) -> Result<(), Mismatch> {
        self.root.matches(object, &Path::Root).map_err(|miss| miss.what)
    }
}

/// A mismatch on its way up.
struct Miss {
    what: Mismatch,
    /// A skip that a whole map or list has come to: beside parts that match it does not count.
    gathered: bool,
}

impl From<Mismatch> for Miss {
    fn from(what: Mismatch) -> Self {
        Self { what, gathered: false }
    }
}

/// Where a map stands: keys are wildcards in labels and annotations only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Elsewhere,
    Metadata,
    Pairs,
}

fn node(document: &Value, place: Place) -> Node {
    match document.view() {
        View::Map(map) => Node::Map(members(map, place)),
        View::List(items) => Node::List(list(items)),
        View::Null | View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => {
            Node::Scalar {
                scalar: Scalar::compile(document).unwrap_or(Scalar::Null),
                written: document.clone(),
            }
        }
    }
}

fn list(items: &[Value]) -> Items {
    let Some(first) = items.first() else { return Items::Empty };
    match first.view() {
        View::List(_) => {
            Items::InTurn(items.iter().map(|item| node(item, Place::Elsewhere)).collect())
        }
        View::Map(_)
        | View::Null
        | View::Bool(_)
        | View::Int(_)
        | View::Float(_)
        | View::String(_) => Items::Each(Box::new(node(first, Place::Elsewhere))),
    }
}

fn members(map: Map<'_>, place: Place) -> Members {
    let mut anchors = Vec::new();
    // In front, the last key of the alphabet first; at the back in the order of the alphabet.
    let mut front = Vec::new();
    let mut back = Vec::new();
    for (written, value) in map.iter() {
        let (anchor, key) = match anchor::parse(written) {
            Some((Anchor::AddIfAbsent, _)) | None => (None, written),
            Some((anchor, key)) => (Some(anchor), key),
        };
        let inside = match (place, key) {
            (_, "metadata") => Place::Metadata,
            (Place::Metadata, "labels" | "annotations") => Place::Pairs,
            _ => Place::Elsewhere,
        };
        let member = Member {
            anchor,
            key: SmolStr::new(key),
            wild: place == Place::Pairs && wildcard::contains_wildcard(key),
            node: match (anchor, value.as_list()) {
                (Some(Anchor::Existence), Some(items)) => Node::List(Items::InTurn(
                    items.iter().map(|item| node(item, Place::Elsewhere)).collect(),
                )),
                _ => node(value, inside),
            },
        };
        match anchor {
            Some(Anchor::Condition | Anchor::Equality | Anchor::Existence | Anchor::Negation) => {
                anchors.push((written, member));
            }
            Some(Anchor::Global) => front.push(member),
            Some(Anchor::AddIfAbsent) | None if member.node.has_anchors() => front.push(member),
            Some(Anchor::AddIfAbsent) | None => back.push(member),
        }
    }
    anchors.sort_by_key(|(written, _)| *written);
    front.reverse();
    front.append(&mut back);
    Members { anchors: anchors.into_iter().map(|(_, member)| member).collect(), rest: front }
}

impl Node {
    /// Whether an anchor stands anywhere in it.
    fn has_anchors(&self) -> bool {
        match self {
            Self::Map(members) => {
                !members.anchors.is_empty()
                    || members.rest.iter().any(|m| m.anchor.is_some() || m.node.has_anchors())
            }
            Self::List(Items::Empty) | Self::Scalar { .. } => false,
            Self::List(Items::Each(first)) => first.has_anchors(),
            Self::List(Items::InTurn(items)) => items.iter().any(Self::has_anchors),
        }
    }

    fn matches(&self, value: &Value, path: &Path<'_>) -> Result<(), Miss> {
        match (self, value.view()) {
            (Self::Map(members), View::Map(map)) => members.matches(map, path),
            (Self::Map(_), _) => Err(path.fail(|at| {
                format!(
                    "pattern and resource have different structures. Path: {at}. Expected {}, found {}",
                    words::type_of(&Value::empty_map()),
                    words::type_of(value)
                )
            })),
            (Self::List(items), View::List(values)) => items.matches(value, values, path),
            (Self::List(_), _) => Err(path.fail(|at| {
                format!(
                    "validation rule failed at path {at}, resource does not satisfy the expected overlay pattern"
                )
            })),
            (Self::Scalar { scalar, written }, _) => {
                let matched = match value.as_list() {
                    Some(items) => items.iter().all(|item| scalar.matches(item)),
                    None => scalar.matches(value),
                };
                if matched {
                    return Ok(());
                }
                Err(path.fail(|at| {
                    format!(
                        "resource value '{}' does not match '{}' at path {at}",
                        words::value(value),
                        words::value(written)
                    )
                }))
            }
        }
    }
}

impl Members {
    /// Anchors first, conditions before others: a condition that does not hold skips the map. Otherwise what fails
    /// outright fails, and parts that are skipped do not count unless nothing else was looked at.
    // INVARIANT: conditions come first because `(` sorts before the signs of the other anchors.
    fn matches(&self, map: Map<'_>, path: &Path<'_>) -> Result<(), Miss> {
        let mut skips = Skips::default();
        let (mut applied, mut unmet) = (false, false);
        for member in &self.anchors {
            let condition = member.anchor == Some(Anchor::Condition);
            match member.matches(map, path) {
                Ok(()) => applied = true,
                Err(miss) if condition || miss.gathered => {
                    unmet |= condition;
                    skips.add(miss.what.reason());
                }
                // What fails outright says nothing where a condition does not hold.
                Err(_) if unmet => {}
                Err(miss) => return Err(miss),
            }
        }
        if unmet {
            return skips.result();
        }
        if !applied {
            skips.result()?;
        }
        for member in &self.rest {
            member.matches(map, path)?;
        }
        Ok(())
    }
}

impl Member {
    fn matches(&self, map: Map<'_>, path: &Path<'_>) -> Result<(), Miss> {
        let key = self.key_in(map);
        let value = map.get(&key);
        let here = Path::Key(path, &key);
        match (self.anchor, value) {
            (None | Some(Anchor::AddIfAbsent), value) => self.plain(value, &key, path, &here),
            (Some(Anchor::Negation), Some(_)) => {
                Err(here
                    .fail(|at| format!("negation anchor matched in resource: {at} is not allowed")))
            }
            (Some(Anchor::Condition), None) => Err(Mismatch::Skip(
                "conditional anchor mismatch: conditional anchor key doesn't exist in the resource"
                    .to_owned(),
            )
            .into()),
            (Some(Anchor::Condition), Some(value)) => {
                self.node.matches(value, &here).map_err(|m| skip("conditional", &m))
            }
            (Some(Anchor::Global), Some(value)) => {
                self.node.matches(value, &here).map_err(|m| skip("global", &m))
            }
            (Some(Anchor::Equality), Some(value)) => self.node.matches(value, &here),
            (Some(Anchor::Existence), Some(value)) => self.exists(value, &here),
            (
                Some(Anchor::Negation | Anchor::Global | Anchor::Equality | Anchor::Existence),
                None,
            ) => Ok(()),
        }
    }

    /// The object's key that is meant: in labels and annotations the first that the wildcard matches.
    fn key_in(&self, map: Map<'_>) -> Cow<'_, str> {
        let found = || map.keys().find(|key| wildcard::matches(&self.key, key));
        match self.wild.then(found).flatten() {
            Some(key) => Cow::Owned(key.to_owned()),
            None => Cow::Borrowed(&self.key),
        }
    }

    fn plain(
        &self,
        value: Option<&Value>,
        key: &str,
        above: &Path<'_>,
        here: &Path<'_>,
    ) -> Result<(), Miss> {
        let value = value.unwrap_or(&Value::NULL);
        let is_star = matches!(&self.node, Node::Scalar { scalar, .. } if scalar.is_star());
        match (is_star, value.is_null()) {
            (false, _) => self.node.matches(value, here),
            (true, false) => Ok(()),
            (true, true) => Err(above.fail(|at| format!("{at}/{key} not found"))),
        }
    }

    /// Each map of the pattern matches some element.
    fn exists(&self, value: &Value, here: &Path<'_>) -> Result<(), Miss> {
        let Some(elements) = value.as_list() else {
            return Err(here.fail(|_| {
                format!(
                    "invalid resource type {}: Existence ^ () anchor can be used only on list/array type resource",
                    words::type_of(value)
                )
            }));
        };
        let wanted = match &self.node {
            Node::List(Items::InTurn(nodes)) => nodes,
            Node::List(_) | Node::Map(_) | Node::Scalar { .. } => return Err(not_maps(here)),
        };
        for node in wanted {
            if !matches!(node, Node::Map(_)) {
                return Err(not_maps(here));
            }
            let found = elements
                .iter()
                .enumerate()
                .any(|(at, element)| node.matches(element, &Path::Index(here, at)).is_ok());
            if !found {
                return Err(
                    here.fail(|at| format!("existence anchor validation failed at path {at}"))
                );
            }
        }
        Ok(())
    }
}

fn not_maps(here: &Path<'_>) -> Miss {
    here.fail(|_| "invalid pattern: an existence anchor needs a list of maps".to_owned())
}

impl Items {
    fn matches(&self, list: &Value, values: &[Value], path: &Path<'_>) -> Result<(), Miss> {
        match self {
            Self::Empty => Err(path.fail(|_| "pattern Array empty".to_owned())),
            Self::Each(first) => match &**first {
                Node::Scalar { .. } => first.matches(list, path),
                Node::Map(_) | Node::List(_) => {
                    gather(values.iter().map(|value| (value, &**first)), path)
                }
            },
            Self::InTurn(nodes) => {
                if values.len() < nodes.len() {
                    return Err(Mismatch::Error(format!(
                        "validate Array failed, array length mismatch, resource Array len is {} and pattern Array len is {}",
                        values.len(),
                        nodes.len()
                    ))
                    .into());
                }
                gather(values.iter().zip(nodes), path)
            }
        }
    }
}

/// Elements that are skipped do not count, unless all are.
fn gather<'g>(
    pairs: impl Iterator<Item = (&'g Value, &'g Node)>,
    path: &Path<'_>,
) -> Result<(), Miss> {
    let mut skips = Skips::default();
    let mut applied = false;
    for (at, (value, node)) in pairs.enumerate() {
        match node.matches(value, &Path::Index(path, at)) {
            Ok(()) => applied = true,
            Err(Miss { what: Mismatch::Skip(reason), .. }) => skips.add(&reason),
            Err(miss) => return Err(miss),
        }
    }
    if applied { Ok(()) } else { skips.result() }
}

/// Why parts were skipped, told together.
#[derive(Default)]
struct Skips {
    any: bool,
    text: String,
}

impl Skips {
    fn add(&mut self, reason: &str) {
        if self.text.len() < LONGEST_REASON {
            if self.any {
                self.text.push_str("; ");
            }
            self.text.push_str(reason);
        }
        self.any = true;
    }

    fn result(self) -> Result<(), Miss> {
        if self.any {
            Err(Miss { what: Mismatch::Skip(self.text), gathered: true })
        } else {
            Ok(())
        }
    }
}

fn skip(kind: &str, inner: &Miss) -> Miss {
    Mismatch::Skip(format!("{kind} anchor mismatch: {}", inner.what.reason())).into()
}

/// A place in the object, on the stack: written out only when something is wrong there.
enum Path<'p> {
    Root,
    Key(&'p Self, &'p str),
    Index(&'p Self, usize),
}

impl Path<'_> {
    fn fail(&self, reason: impl FnOnce(&str) -> String) -> Miss {
        let mut path = String::new();
        self.write(&mut path);
        let reason = reason(&path);
        Mismatch::Fail { path, reason }.into()
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Root => {}
            Self::Key(above, key) => {
                above.write(out);
                out.push_str(key);
            }
            Self::Index(above, index) => {
                above.write(out);
                out.push_str(&index.to_string());
            }
        }
        out.push('/');
    }
}

#[cfg(test)]
mod tests;
