//! Walks the nodes of an expression over a root, borrowing from it wherever that is possible.
//!
//! Where a missing key stops being an error (COMPAT: kyverno 1.19: as go-jmespath's fork; tests in `tests/dialect.rs`):
//!
//! | parent | a missing key | any other error of the expression |
//! |---|---|---|
//! | arguments, comparators, `\|\|`, `!`, pipe, members of `[…]` and `{…}` | null | passed on |
//! | left of `&&` | null | passed on |
//! | right of `&&`, each step of a path | passed on | passed on |
//! | left of `[*]`, right side and condition of every projection | null | passed on |
//! | left of `[]`, `[?…]`, `.*` | null | null |
//!
//! INVARIANT: [`EvaluateError::Suspended`] and [`EvaluateError::Budget`] pass through all of them.
use crate::error::EvaluateError;
use crate::expression::Limits;
use crate::functions::{Call, Functions};
use crate::host::{CallSite, Host};
use crate::item::{Elements, Item};
use crate::node::{Comparator, Invocation, Node};
use sigward_document::{Root, Value, View};
use smol_str::SmolStr;
use std::cmp::Ordering;

type Outcome<'a> = Result<Item<'a>, EvaluateError>;

/// One evaluation of one expression.
pub(crate) struct Evaluator<'a, 'h> {
    root: &'a dyn Root,
    functions: &'a Functions,
    pub(crate) host: &'h mut dyn Host,
    /// The joined root, once somebody needed it.
    whole: Option<Value>,
    steps: u64,
    bytes: u64,
    max_depth: u32,
    identity: u64,
    /// Random numbers drawn so far.
    draws: u32,
    /// Members of the root found so far: a root that has one is not null.
    found: u64,
}

/// What a missing key becomes where it is not an error.
fn or_null(outcome: Outcome<'_>) -> Outcome<'_> {
    match outcome {
        Err(EvaluateError::UnknownKey { .. }) => Ok(Item::NULL),
        other => other,
    }
}

/// What any error of the expression becomes on the left of a flatten, a filter and a value projection.
fn or_null_whatever(outcome: Outcome<'_>) -> Outcome<'_> {
    match outcome {
        Err(error) if !error.unwinds() => Ok(Item::NULL),
        other => other,
    }
}

impl<'a, 'h> Evaluator<'a, 'h> {
    pub(crate) fn new(
        root: &'a dyn Root,
        functions: &'a Functions,
        host: &'h mut dyn Host,
        limits: Limits,
        identity: u64,
    ) -> Self {
        let Limits { steps, bytes, depth } = limits;
        Self {
            root,
            functions,
            host,
            whole: None,
            steps,
            bytes,
            max_depth: depth,
            identity,
            draws: 0,
            found: 0,
        }
    }

    /// The result as a value of its own, checked for size.
    pub(crate) fn finish(&mut self, item: Item<'a>) -> Result<Value, EvaluateError> {
        match self.settle(item) {
            Item::Reference(_) => Err(EvaluateError::Reference),
            Item::Borrowed(value) => Ok(value.clone()),
            built @ (Item::Owned(_) | Item::List(_) | Item::Root) => {
                self.weigh(&built, 1)?;
                Ok(built.into_value())
            }
        }
    }

    /// Counts work done.
    pub(crate) fn step(&mut self, steps: u64) -> Result<(), EvaluateError> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(EvaluateError::Budget { what: "steps" }),
        }
    }

    /// Counts bytes built.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), EvaluateError> {
        match self.bytes.checked_sub(bytes as u64) {
            Some(left) => {
                self.bytes = left;
                Ok(())
            }
            None => Err(EvaluateError::Budget { what: "bytes" }),
        }
    }

    /// A number of the host's for the call at `offset`.
    pub(crate) fn random(&mut self, offset: u32) -> u64 {
        let site = CallSite { expression: self.identity, offset, turn: self.draws };
        self.draws = self.draws.wrapping_add(1);
        self.host.random(site)
    }

    /// The joined root. Rare, so it is built when somebody asks.
    fn whole(&mut self) -> Value {
        self.whole.get_or_insert_with(|| self.root.whole()).clone()
    }

    /// The same item, with the root joined if that is what it is.
    fn settle(&mut self, item: Item<'a>) -> Item<'a> {
        if matches!(item, Item::Root) { Item::Owned(self.whole()) } else { item }
    }

    /// A node against a current value.
    pub(crate) fn node(&mut self, node: &'a Node, current: &Item<'a>) -> Outcome<'a> {
        self.step(1)?;
        match node {
            Node::Current => self.share(current),
            Node::Path(keys) => self.path(keys, current),
            Node::Literal(value) => Ok(Item::Borrowed(value)),
            Node::Index(index) => Ok(self.index(*index, current)),
            Node::Slice { start, stop, step } => self.slice([*start, *stop, *step], current),
            Node::Chain(nodes) => self.row(nodes, current, |outcome| outcome),
            Node::Pipe(nodes) => self.row(nodes, current, or_null),
            Node::Or(nodes) => {
                let mut last = Item::NULL;
                for node in nodes {
                    last = or_null(self.node(node, current))?;
                    if !self.is_false(&last) {
                        break;
                    }
                }
                Ok(last)
            }
            Node::And(nodes) => {
                let Some((last, before)) = nodes.split_last() else { return Ok(Item::NULL) };
                for node in before {
                    let value = or_null(self.node(node, current))?;
                    if self.is_false(&value) {
                        return Ok(value);
                    }
                }
                self.node(last, current)
            }
            Node::Not(inner) => {
                let value = or_null(self.node(inner, current))?;
                Ok(Item::bool(self.is_false(&value)))
            }
            Node::Compare(comparator, left, right) => {
                self.compare(*comparator, left, right, current)
            }
            Node::Project { left, right } => {
                let left = or_null(self.node(left, current))?;
                self.project(left, right)
            }
            Node::Filter { left, condition, right } => {
                let left = or_null_whatever(self.node(left, current))?;
                self.filter(left, condition, right)
            }
            Node::Flatten { left, right } => {
                let left = or_null_whatever(self.node(left, current))?;
                self.flatten(left, right)
            }
            Node::Values { left, right } => {
                let left = or_null_whatever(self.node(left, current))?;
                match self.members(left) {
                    Some(members) => self.project(Item::List(members), right),
                    None => Ok(Item::NULL),
                }
            }
            Node::List(members) => {
                self.unless_null(current, |evaluator| evaluator.list(members, current))
            }
            Node::Hash(members) => {
                self.unless_null(current, |evaluator| evaluator.hash(members, current))
            }
            Node::Call(call) => self.call(call, current),
            Node::Reference(inner) => Ok(Item::Reference(inner)),
        }
    }

    /// A second handle on a value. A built list becomes one shared value first: copying it at every use would let
    /// a short text (`[@,@] | [@,@] | …`) double the work at every stage.
    fn share(&mut self, item: &Item<'a>) -> Outcome<'a> {
        if let Item::List(items) = item {
            self.step(items.len() as u64)?;
            return Ok(Item::Owned(item.to_value()));
        }
        Ok(item.clone())
    }

    /// An item as it may stand in a list.
    fn element(&mut self, item: Item<'a>) -> Outcome<'a> {
        let settled = self.settle(item);
        if matches!(settled, Item::Reference(_)) {
            Err(EvaluateError::Reference)
        } else {
            Ok(settled)
        }
    }

    fn is_false(&mut self, item: &Item<'a>) -> bool {
        if matches!(item, Item::Root) {
            Item::Owned(self.whole()).is_false()
        } else {
            item.is_false()
        }
    }

    fn row(
        &mut self,
        nodes: &'a [Node],
        current: &Item<'a>,
        ends: impl Fn(Outcome<'a>) -> Outcome<'a>,
    ) -> Outcome<'a> {
        let Some((first, rest)) = nodes.split_first() else { return Ok(Item::NULL) };
        let mut value = ends(self.node(first, current))?;
        for node in rest {
            value = ends(self.node(node, &value))?;
        }
        Ok(value)
    }

    fn path(&mut self, keys: &'a [SmolStr], current: &Item<'a>) -> Outcome<'a> {
        match current {
            Item::Borrowed(value) => Ok(follow(value, keys)?.map_or(Item::NULL, Item::Borrowed)),
            Item::Owned(value) => {
                Ok(follow(value, keys)?.map_or(Item::NULL, |found| Item::Owned(found.clone())))
            }
            Item::Root => {
                let Some((first, rest)) = keys.split_first() else { return Ok(Item::Root) };
                if let Some(value) = self.root.member(first) {
                    self.found += 1;
                    return Ok(follow(value, rest)?.map_or(Item::NULL, Item::Borrowed));
                }
                // Only now does it matter whether the root is an object at all.
                match self.whole().view() {
                    View::Map(_) => Err(EvaluateError::UnknownKey { key: first.clone() }),
                    View::Null
                    | View::Bool(_)
                    | View::Int(_)
                    | View::Float(_)
                    | View::String(_)
                    | View::List(_) => Ok(Item::NULL),
                }
            }
            Item::List(_) | Item::Reference(_) => Ok(Item::NULL),
        }
    }

    fn index(&mut self, index: i64, current: &Item<'a>) -> Item<'a> {
        if matches!(current, Item::Root) {
            let whole = Item::Owned(self.whole());
            return self.index(index, &whole);
        }
        let Some(len) = current.list_len() else { return Item::NULL };
        let from_end = if index < 0 { i64::try_from(len).unwrap_or(i64::MAX) } else { 0 };
        usize::try_from(index.saturating_add(from_end))
            .ok()
            .and_then(|at| current.at(at))
            .unwrap_or(Item::NULL)
    }

    /// SPEC: JMESPath "Slices": Python's.
    fn slice(&mut self, [start, stop, step]: [Option<i64>; 3], current: &Item<'a>) -> Outcome<'a> {
        let settled;
        let list = if matches!(current, Item::Root) {
            settled = Item::Owned(self.whole());
            &settled
        } else {
            current
        };
        let Some(len) = list.list_len() else { return Ok(Item::NULL) };
        let len = i64::try_from(len).unwrap_or(i64::MAX);
        let step = step.unwrap_or(1);
        if step == 0 {
            return Err(EvaluateError::SliceStep);
        }
        // Backwards, "before the first" is -1 and "the last" is len - 1.
        let (lowest, highest) = if step < 0 { (-1, len - 1) } else { (0, len) };
        let bound = |at: Option<i64>, default: i64| match at {
            Some(at) if at < 0 => at.saturating_add(len).max(lowest),
            Some(at) => at.min(highest),
            None => default,
        };
        let (from, to) = if step < 0 { (highest, lowest) } else { (lowest, highest) };
        let (mut at, stop) = (bound(start, from), bound(stop, to));
        let mut picked = Vec::new();
        while if step < 0 { at > stop } else { at < stop } {
            self.step(1)?;
            picked.extend(usize::try_from(at).ok().and_then(|at| list.at(at)));
            let Some(next) = at.checked_add(step) else { break };
            at = next;
        }
        Ok(Item::List(picked))
    }

    fn compare(
        &mut self,
        comparator: Comparator,
        left: &'a Node,
        right: &'a Node,
        current: &Item<'a>,
    ) -> Outcome<'a> {
        let left = or_null(self.node(left, current))?;
        let right = or_null(self.node(right, current))?;
        let holds = match comparator {
            Comparator::Equal => self.equal(left, right)?,
            Comparator::NotEqual => !self.equal(left, right)?,
            Comparator::Less
            | Comparator::LessOrEqual
            | Comparator::Greater
            | Comparator::GreaterOrEqual => {
                let (Some(left), Some(right)) = (left.number(), right.number()) else {
                    return Ok(Item::NULL);
                };
                matches!(
                    (comparator, left.compare(right)),
                    (Comparator::Less | Comparator::LessOrEqual, Some(Ordering::Less))
                        | (
                            Comparator::Greater | Comparator::GreaterOrEqual,
                            Some(Ordering::Greater)
                        )
                        | (
                            Comparator::LessOrEqual | Comparator::GreaterOrEqual,
                            Some(Ordering::Equal)
                        )
                )
            }
        };
        Ok(Item::bool(holds))
    }

    /// What a projection makes of one element, put on its list unless it is null.
    fn collect(
        &mut self,
        element: Item<'a>,
        right: &'a Node,
        list: &mut Vec<Item<'a>>,
    ) -> Result<(), EvaluateError> {
        self.step(1)?;
        let item = if matches!(right, Node::Current) {
            element
        } else {
            let item = or_null(self.node(right, &element))?;
            self.element(item)?
        };
        if !item.is_null() {
            list.push(item);
        }
        Ok(())
    }

    /// A list that a projection built.
    fn built(&mut self, list: Vec<Item<'a>>) -> Outcome<'a> {
        self.charge(list.len() * size_of::<Value>())?;
        Ok(Item::List(list))
    }

    fn project(&mut self, left: Item<'a>, right: &'a Node) -> Outcome<'a> {
        let Some(elements) = self.elements(left) else { return Ok(Item::NULL) };
        let mut list = Vec::with_capacity(elements.size_hint().0);
        for element in elements {
            self.collect(element, right, &mut list)?;
        }
        self.built(list)
    }

    fn filter(&mut self, left: Item<'a>, condition: &'a Node, right: &'a Node) -> Outcome<'a> {
        let Some(elements) = self.elements(left) else { return Ok(Item::NULL) };
        let mut list = Vec::new();
        for element in elements {
            if !or_null(self.node(condition, &element))?.is_false() {
                self.collect(element, right, &mut list)?;
            }
        }
        self.built(list)
    }

    /// Projects the elements of a list, and of the lists in it, without building the flat list first.
    fn flatten(&mut self, left: Item<'a>, right: &'a Node) -> Outcome<'a> {
        let Some(elements) = self.elements(left) else { return Ok(Item::NULL) };
        let mut list = Vec::with_capacity(elements.size_hint().0);
        for element in elements {
            if element.list_len().is_none() {
                self.collect(element, right, &mut list)?;
            } else if let Some(inner) = element.elements() {
                for element in inner {
                    self.collect(element, right, &mut list)?;
                }
            }
        }
        self.built(list)
    }

    fn elements(&mut self, list: Item<'a>) -> Option<Elements<'a>> {
        self.settle(list).elements()
    }

    /// The values of an object in the order of its keys.
    ///
    /// COMPAT: kyverno 1.19: there the order is random, and as many nulls as there are values are put in front,
    /// which functions on the right side get to see; test: value_projections_see_each_member_once
    fn members(&mut self, object: Item<'a>) -> Option<Vec<Item<'a>>> {
        match self.settle(object) {
            Item::Borrowed(value) => match value.view() {
                View::Map(map) => Some(map.iter().map(|(_, v)| Item::Borrowed(v)).collect()),
                View::Null
                | View::Bool(_)
                | View::Int(_)
                | View::Float(_)
                | View::String(_)
                | View::List(_) => None,
            },
            Item::Owned(value) => match value.view() {
                View::Map(map) => Some(map.iter().map(|(_, v)| Item::Owned(v.clone())).collect()),
                View::Null
                | View::Bool(_)
                | View::Int(_)
                | View::Float(_)
                | View::String(_)
                | View::List(_) => None,
            },
            Item::Root | Item::List(_) | Item::Reference(_) => None,
        }
    }

    /// A multi-select, which over null is null. Whether the root is null is asked last, since it means joining it, and
    /// not at all when something was found in it.
    fn unless_null(
        &mut self,
        current: &Item<'a>,
        select: impl FnOnce(&mut Self) -> Outcome<'a>,
    ) -> Outcome<'a> {
        if current.is_null() {
            return Ok(Item::NULL);
        }
        let found = self.found;
        let outcome = select(self);
        let unwinds = outcome.as_ref().is_err_and(EvaluateError::unwinds);
        if matches!(current, Item::Root)
            && self.found == found
            && !unwinds
            && self.whole().is_null()
        {
            return Ok(Item::NULL);
        }
        outcome
    }

    fn list(&mut self, members: &'a [Node], current: &Item<'a>) -> Outcome<'a> {
        self.charge(members.len() * size_of::<Value>())?;
        let mut list = Vec::with_capacity(members.len());
        for member in members {
            let item = or_null(self.node(member, current))?;
            list.push(self.element(item)?);
        }
        Ok(Item::List(list))
    }

    fn hash(&mut self, members: &'a [(SmolStr, Node)], current: &Item<'a>) -> Outcome<'a> {
        let mut map = Vec::with_capacity(members.len());
        for (key, member) in members {
            self.charge(key.len() + 2 * size_of::<Value>())?;
            let item = or_null(self.node(member, current))?;
            map.push((key.clone(), self.element(item)?.into_value()));
        }
        Ok(Item::Owned(Value::map(map)))
    }

    fn call(&mut self, call: &'a Invocation, current: &Item<'a>) -> Outcome<'a> {
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            let item = or_null(self.node(argument, current))?;
            arguments.push(self.settle(item));
        }
        let functions = self.functions;
        let Some(function) = functions.find(call.hash, &call.name) else {
            return Err(EvaluateError::UnknownFunction { name: call.name.clone() });
        };
        function.signature().check(&call.name, &arguments)?;
        let mut context = Call::new(self, &call.name, call.offset, &arguments);
        let value = function.call(&mut context).map_err(|error| error.at(&call.name))?;
        if let View::String(text) = value.view() {
            self.charge(text.len())?;
        }
        Ok(Item::Owned(value))
    }

    /// SPEC: JMESPath "Filter Expressions": equality is deep; an integer equals the float of the same value.
    pub(crate) fn equal(&mut self, left: Item<'a>, right: Item<'a>) -> Result<bool, EvaluateError> {
        let (left, right) = (self.settle(left), self.settle(right));
        self.same(&left, &right)
    }

    fn same(&mut self, left: &Item<'a>, right: &Item<'a>) -> Result<bool, EvaluateError> {
        if let (Some(a), Some(b)) = (left.list_len(), right.list_len()) {
            if a != b {
                return Ok(false);
            }
            for (a, b) in left.each().zip(right.each()) {
                if !self.same(&a, &b)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        match (left, right) {
            (Item::Borrowed(a), Item::Borrowed(b)) => self.same_value(a, b),
            (Item::Borrowed(a), Item::Owned(b)) | (Item::Owned(b), Item::Borrowed(a)) => {
                self.same_value(a, b)
            }
            (Item::Owned(a), Item::Owned(b)) => self.same_value(a, b),
            _ => Ok(false),
        }
    }

    /// Deep equality, each pair counted as a step: shared parts could otherwise be compared exponentially often.
    fn same_value(&mut self, left: &Value, right: &Value) -> Result<bool, EvaluateError> {
        self.step(1)?;
        if left.same(right) {
            return Ok(true);
        }
        Ok(match (left.view(), right.view()) {
            (View::Null, View::Null) => true,
            (View::Bool(a), View::Bool(b)) => a == b,
            (View::String(a), View::String(b)) => a == b,
            (View::Int(a), View::Int(b)) => a == b,
            (View::Int(_) | View::Float(_), View::Int(_) | View::Float(_)) => {
                let (left, right) = (Item::Borrowed(left).number(), Item::Borrowed(right).number());
                left.zip(right).and_then(|(a, b)| a.compare(b)) == Some(Ordering::Equal)
            }
            (View::List(a), View::List(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (a, b) in a.iter().zip(b) {
                    if !self.same_value(a, b)? {
                        return Ok(false);
                    }
                }
                true
            }
            (View::Map(a), View::Map(b)) => {
                let (mut a, mut b) = (a.iter(), b.iter());
                loop {
                    match (a.next(), b.next()) {
                        (None, None) => return Ok(true),
                        (Some((ka, va)), Some((kb, vb))) if ka == kb => {
                            if !self.same_value(va, vb)? {
                                return Ok(false);
                            }
                        }
                        _ => return Ok(false),
                    }
                }
            }
            _ => false,
        })
    }

    /// Counts a built value as if nothing in it were shared, as whoever prints it would find it.
    pub(crate) fn weigh(&mut self, item: &Item<'a>, depth: u32) -> Result<(), EvaluateError> {
        match item {
            Item::Borrowed(_) | Item::Root | Item::Reference(_) => self.charge(size_of::<Value>()),
            Item::Owned(value) => self.weigh_value(value, depth),
            Item::List(items) => items.iter().try_for_each(|item| self.weigh(item, depth + 1)),
        }
    }

    pub(crate) fn weigh_value(&mut self, value: &Value, depth: u32) -> Result<(), EvaluateError> {
        if depth > self.max_depth {
            return Err(EvaluateError::Budget { what: "depth" });
        }
        self.charge(size_of::<Value>())?;
        match value.view() {
            View::Null | View::Bool(_) | View::Int(_) | View::Float(_) => Ok(()),
            View::String(text) => self.charge(text.len()),
            View::List(items) => {
                items.iter().try_for_each(|item| self.weigh_value(item, depth + 1))
            }
            View::Map(map) => map.iter().try_for_each(|(key, value)| {
                self.charge(key.len() + size_of::<Value>())?;
                self.weigh_value(value, depth + 1)
            }),
        }
    }
}

/// The value under the keys. `None` where something on the way is not an object: that is null, and not an error.
fn follow<'v>(value: &'v Value, keys: &[SmolStr]) -> Result<Option<&'v Value>, EvaluateError> {
    let mut value = value;
    for key in keys {
        let View::Map(map) = value.view() else { return Ok(None) };
        match map.get(key) {
            Some(member) => value = member,
            None => return Err(EvaluateError::UnknownKey { key: key.clone() }),
        }
    }
    Ok(Some(value))
}
