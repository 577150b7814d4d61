//! The names of a rule as an expression sees them.
use super::entry::ContextEntry;
use sigward_document::{Frame, Root, Value, View};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Reserved names below context entries below frames; nothing is joined unless the whole is asked for.
pub(crate) struct Names<'n> {
    /// `request`, `images`, ….
    pub(crate) base: &'n BTreeMap<SmolStr, Value>,
    /// The rule's entries.
    pub(crate) entries: &'n [&'n ContextEntry],
    /// Their values, where loaded.
    pub(crate) loaded: &'n [Option<Value>],
    /// How many entries are seen.
    pub(crate) visible: usize,
    /// `image`, `element`, a predicate; the innermost last.
    pub(crate) frames: &'n [(Frame, Value)],
}

impl Root for Names<'_> {
    fn member(&self, name: &str) -> Option<&Value> {
        let mut yielding = None;
        for (frame, names) in self.frames.iter().rev() {
            match (frame, names.get(name)) {
                (Frame::Hides, Some(found)) => return Some(found),
                (Frame::Yields, Some(found)) => yielding = Some(found),
                (Frame::Hides | Frame::Yields, None) => {}
            }
        }
        self.entry(name).or_else(|| self.base.get(name)).or(yielding)
    }

    fn whole(&self) -> Value {
        let mut all: BTreeMap<SmolStr, Value> = self.base.clone();
        for (entry, loaded) in self.entries.iter().zip(self.loaded).take(self.visible) {
            if let Some(value) = loaded {
                all.insert(entry.name.clone(), value.clone());
            }
        }
        for (frame, names) in self.frames {
            let View::Map(map) = names.view() else { continue };
            for (key, value) in map.iter() {
                if *frame == Frame::Hides || !all.contains_key(key) {
                    all.insert(SmolStr::new(key), value.clone());
                }
            }
        }
        Value::map(all)
    }
}

impl Names<'_> {
    fn entry(&self, name: &str) -> Option<&Value> {
        let seen = self.entries.iter().zip(self.loaded).take(self.visible);
        seen.rev().find_map(|(entry, value)| value.as_ref().filter(|_| entry.name == name))
    }
}
