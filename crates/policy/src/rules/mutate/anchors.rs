//! Anchors in a merge patch: what is only a condition goes out of the patch, what is only a default goes in where
//! it is missing, and a patch for items that meet a condition becomes one for each of them by its name.
// SPEC: Kyverno 1.19, mutate: `(key)` is a condition on a map or an item, `<(key)` one on the whole rule, `+(key)` a
// value for a key that is not there. Other anchors have their meaning only inside conditions.
use sigward_document::{Value, View};
use smol_str::SmolStr;

/// A key with an anchor that a patch gives a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anchor<'k> {
    /// `(key)`
    Condition(&'k str),
    /// `<(key)`
    Global(&'k str),
    /// `+(key)`
    AddIfNotPresent(&'k str),
}

impl<'k> Anchor<'k> {
    fn parse(key: &'k str) -> Option<Self> {
        let inner = key.strip_suffix(')')?;
        let (make, name): (fn(&'k str) -> Self, _) = match inner.split_once('(')? {
            ("", name) => (Anchor::Condition, name),
            ("<", name) => (Anchor::Global, name),
            ("+", name) => (Anchor::AddIfNotPresent, name),
            _ => return None,
        };
        (!name.is_empty()).then(|| make(name))
    }

    /// `(key)` or `<(key)`: asks, and is no part of the patch by itself.
    fn is_condition(self) -> bool {
        matches!(self, Self::Condition(_) | Self::Global(_))
    }
}

/// Says whether a value fits a pattern of the validate language.
pub(crate) type Matches<'m> = &'m dyn Fn(&Value, &Value) -> bool;

/// Which condition does not hold.
enum Failed {
    /// `(key)`: the map, or the item, is not meant.
    Condition,
    /// `<(key)`: the rule is not meant.
    Global,
}

/// The patch for this object, without anchors; `None` when a condition does not hold.
pub(crate) fn prepare(pattern: &Value, object: &Value, matches: Matches<'_>) -> Option<Value> {
    let walked = Walk { matches }.node(pattern, Some(object)).ok()?;
    Some(walked.and_then(|walked| strip(&walked, false)).unwrap_or_else(Value::empty_map))
}

struct Walk<'m> {
    matches: Matches<'m>,
}

impl Walk<'_> {
    /// The patch of one place; `None` when nothing is left of it.
    fn node(&self, pattern: &Value, object: Option<&Value>) -> Result<Option<Value>, Failed> {
        match pattern.view() {
            View::Map(_) => self.map(pattern, object),
            View::List(items) if items.first().is_some_and(|item| item.as_map().is_some()) => {
                self.items(items, object)
            }
            View::List(_)
            | View::Null
            | View::Bool(_)
            | View::Int(_)
            | View::Float(_)
            | View::String(_) => Ok(Some(pattern.clone())),
        }
    }

    fn map(&self, written: &Value, object: Option<&Value>) -> Result<Option<Value>, Failed> {
        let (pattern, _) = add_if_not_present(written, object);
        let pattern = self.conditions(&pattern, object, false)?;
        let pattern = self.conditions(&pattern, object, true)?;
        let View::Map(members) = pattern.view() else { return Ok(Some(pattern)) };
        let mut walked = Vec::with_capacity(members.len());
        for (key, value) in members.iter() {
            let value = if Anchor::parse(key).is_some() {
                Some(value.clone())
            } else {
                self.node(value, object.and_then(|object| object.get(key)))?
            };
            walked.extend(value.map(|value| (SmolStr::new(key), value)));
        }
        let was_empty = written.as_map().is_some_and(sigward_document::Map::is_empty);
        Ok((was_empty || !walked.is_empty()).then(|| Value::map(walked)))
    }

    /// Checks the conditions of a map, the global ones first.
    fn conditions(
        &self,
        pattern: &Value,
        object: Option<&Value>,
        local: bool,
    ) -> Result<Value, Failed> {
        let failed = || if local { Failed::Condition } else { Failed::Global };
        let mut kept = pattern.clone();
        let View::Map(members) = pattern.view() else { return Ok(kept) };
        for (written, value) in members.iter() {
            let key = match Anchor::parse(written) {
                Some(Anchor::Condition(key)) if local => key,
                Some(Anchor::Global(key)) if !local => key,
                Some(_) | None => continue,
            };
            let found = object.and_then(|object| object.get(key)).ok_or_else(failed)?;
            let (value, any) = add_if_not_present(value, Some(found));
            if any {
                // What is to be added is no condition: that the key is there is enough.
                kept = kept.with_member(written, value).unwrap_or(kept);
            } else if !(self.matches)(&as_text(found), &as_text(&value)) {
                return Err(failed());
            }
        }
        Ok(kept)
    }

    /// A list of maps: items without anchors as they are, then one for each item that is meant.
    fn items(&self, items: &[Value], object: Option<&Value>) -> Result<Option<Value>, Failed> {
        let objects = object.and_then(Value::as_list).unwrap_or_default();
        let (mut plain, mut named) = (Vec::new(), Vec::new());
        for item in items {
            if !has_anchor(item) {
                plain.push(item.clone());
                continue;
            }
            let is_global = has_global(item);
            let own_name = item.get("name");
            let (mut global, mut found) = (None, false);
            // COMPAT: Kyverno 1.19 gives an item with a name and `+(key)` to items of every name, and lets the first
            // item decide for all; test: an_item_with_a_name_means_that_item
            let meant =
                |object: &&Value| own_name.is_none_or(|name| object.get("name") == Some(name));
            for object in objects.iter().filter(meant) {
                found = true;
                match self.node(item, Some(object)) {
                    Err(Failed::Condition) => {}
                    Err(Failed::Global) => global = global.or(Some(false)),
                    // A condition on the rule says whether there is a patch, and is none.
                    Ok(_) if is_global => global = Some(true),
                    Ok(one) => named.extend(one.and_then(|one| for_item(&one, object))),
                }
            }
            if !found && own_name.is_some() && !has_condition(item) {
                plain.extend(self.node(item, None)?);
            } else if object.is_none() {
                match self.node(item, None) {
                    Err(Failed::Global) => global = Some(false),
                    Err(Failed::Condition) | Ok(_) => {}
                }
            }
            if global == Some(false) {
                return Err(Failed::Global);
            }
        }
        plain.append(&mut named);
        Ok((!plain.is_empty()).then(|| Value::list(plain)))
    }
}

/// The patch of one item: told from the others by its name, which the merge goes by.
fn for_item(item: &Value, object: &Value) -> Option<Value> {
    let name = object.get("name").filter(|name| !name.is_null() && name.as_str() != Some(""))?;
    strip(item, false)?.with_member("name", name.clone())
}

/// Takes the anchors off `+(key)` where the key is missing, and such members out where it is there.
fn add_if_not_present(pattern: &Value, object: Option<&Value>) -> (Value, bool) {
    let View::Map(members) = pattern.view() else { return (pattern.clone(), false) };
    if !members.keys().any(|key| matches!(Anchor::parse(key), Some(Anchor::AddIfNotPresent(_)))) {
        return (pattern.clone(), false);
    }
    let has = |key: &str| object.is_some_and(|object| object.get(key).is_some());
    let kept = members.iter().filter_map(|(written, value)| match Anchor::parse(written) {
        Some(Anchor::AddIfNotPresent(key)) => {
            (!has(key)).then(|| (SmolStr::new(key), value.clone()))
        }
        Some(Anchor::Condition(_) | Anchor::Global(_)) | None => {
            Some((SmolStr::new(written), value.clone()))
        }
    });
    (Value::map(kept), true)
}

/// A node without its conditions; `None` when there was nothing else.
fn strip(node: &Value, is_condition: bool) -> Option<Value> {
    match node.view() {
        // COMPAT: Kyverno 1.19 drops an empty map, so that `emptyDir: {}` is lost; test: an_empty_map_is_a_value
        View::Map(members) if members.is_empty() => (!is_condition).then(|| node.clone()),
        View::Map(members) => {
            let mut kept = Vec::with_capacity(members.len());
            for (written, value) in members.iter() {
                match Anchor::parse(written) {
                    Some(anchor @ (Anchor::Condition(key) | Anchor::Global(key))) => {
                        let value = strip(value, anchor.is_condition());
                        kept.extend(value.map(|value| (SmolStr::new(key), value)));
                    }
                    Some(Anchor::AddIfNotPresent(_)) | None => {
                        let value = strip(value, false);
                        kept.extend(value.map(|value| (SmolStr::new(written), value)));
                    }
                }
            }
            (!kept.is_empty()).then(|| Value::map(kept))
        }
        View::List(items) => {
            let kept: Vec<Value> = items
                .iter()
                .filter(|item| !has_anchor(item))
                .filter_map(|item| strip(item, false))
                .collect();
            (items.is_empty() || !kept.is_empty()).then(|| Value::list(kept))
        }
        View::Null | View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => {
            (!is_condition).then(|| node.clone())
        }
    }
}

/// Whether an anchor stands anywhere in a node.
fn has_anchor(node: &Value) -> bool {
    any_key(node, &|_| true)
}

/// Whether a condition stands anywhere in a node.
fn has_condition(node: &Value) -> bool {
    any_key(node, &|anchor| anchor.is_condition())
}

/// Whether a condition on the whole rule stands anywhere in a node.
fn has_global(node: &Value) -> bool {
    any_key(node, &|anchor| matches!(anchor, Anchor::Global(_)))
}

fn any_key(node: &Value, wanted: &dyn Fn(Anchor<'_>) -> bool) -> bool {
    match node.view() {
        View::Map(members) => members
            .iter()
            .any(|(key, value)| Anchor::parse(key).is_some_and(wanted) || any_key(value, wanted)),
        View::List(items) => items.iter().any(|item| any_key(item, wanted)),
        View::Null | View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => false,
    }
}

/// Scalars are compared by their text: a condition `"true"` holds for `true`.
fn as_text(value: &Value) -> Value {
    match value.view() {
        View::Bool(_) | View::Int(_) | View::Float(_) => Value::string(&value.to_json()),
        View::Null => Value::string("null"),
        View::String(_) | View::List(_) | View::Map(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests;
