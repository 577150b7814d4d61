//! Elements of a `foreach`: names and context entries that last for one element.
use super::{Context, entry::ContextEntry, mix};
use crate::{stop::RuleError, variables::Unresolved};
use sigward_document::{Frame, Value};
use sigward_jmespath::Expression;
use smol_str::SmolStr;

/// Elements that one rule may visit, nested ones included: the work of a request is bounded.
pub(crate) const MAX_ELEMENTS: usize = 10_000;

/// What the object is called that is changed in place of the request's.
const TARGET: SmolStr = SmolStr::new_static("target");

/// One element of a list.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    /// Never null: those are passed over.
    pub(crate) value: Value,
    /// Its place in the list as it was found, whatever the order of the visit.
    pub(crate) index: usize,
    /// How many lists are around this one.
    pub(crate) nesting: usize,
}

impl Element {
    /// `element`, `elementIndex`, and both with the level of nesting behind.
    fn names(&self) -> Value {
        let index = Value::from(u64::try_from(self.index).unwrap_or(u64::MAX));
        let level = self.nesting;
        Value::map([
            (SmolStr::new_static("element"), self.value.clone()),
            (SmolStr::new_static("elementIndex"), index.clone()),
            (SmolStr::new(format!("element{level}")), self.value.clone()),
            (SmolStr::new(format!("elementIndex{level}")), index),
        ])
    }
}

impl<'e> Context<'e> {
    /// The elements of a list, nulls left out. What is no list is a list of one.
    pub(crate) fn elements(
        &mut self,
        list: &Expression,
        nesting: usize,
    ) -> Result<Vec<Element>, Unresolved> {
        let found = self.query(list)?;
        let all = match found.as_list() {
            Some(items) => items.to_vec(),
            None => vec![found],
        };
        let elements: Vec<Element> = all
            .into_iter()
            .enumerate()
            .filter(|(_, value)| !value.is_null())
            .map(|(index, value)| Element { value, index, nesting })
            .collect();
        self.visited = self.visited.saturating_add(elements.len());
        if self.visited > MAX_ELEMENTS {
            return Err(Unresolved::Stopped(RuleError::Elements { limit: MAX_ELEMENTS }.into()));
        }
        Ok(elements)
    }

    /// Runs for one element, with entries of its own that are loaded anew; both are gone afterwards.
    pub(crate) fn for_element<T>(
        &mut self,
        element: &Element,
        entries: &'e [ContextEntry],
        run: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let identity = self.identity;
        // `random()` of one place gives each element a number of its own.
        let place = u64::try_from(element.index).unwrap_or(u64::MAX).wrapping_add(1);
        self.identity = mix(identity ^ place);
        let result = self
            .within(Frame::Hides, element.names(), |context| context.with_entries(entries, run));
        self.identity = identity;
        result
    }

    /// Runs with more entries, which see those before them.
    pub(crate) fn with_entries<T>(
        &mut self,
        entries: &'e [ContextEntry],
        run: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let (count, size) = (self.entries.len(), self.size);
        self.entries.extend(entries);
        self.loaded.resize(self.entries.len(), None);
        let visible = std::mem::replace(&mut self.visible, self.entries.len());
        let result = run(self);
        self.entries.truncate(count);
        self.loaded.truncate(count);
        self.visible = visible;
        self.size = size;
        result
    }

    /// From here on `target` is this object, and what the steps of the rule leave is of it.
    pub(crate) fn set_target(&mut self, object: &Value) {
        self.base.insert(TARGET, object.clone());
    }

    /// From here on `request.object` and `images` are those of another object: what the steps of a rule have left. A
    /// rule that changes targets leaves the request alone.
    pub(crate) fn replace_object(&mut self, object: &Value) {
        if self.base.contains_key(&TARGET) {
            self.set_target(object);
            return;
        }
        self.object = object.clone();
        self.base.remove("request");
        self.base.remove("images");
        self.images = None;
    }
}
