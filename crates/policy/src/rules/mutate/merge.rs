//! A strategic merge patch: what a patch says replaces what the object says, and lists of built-in kinds are
//! merged item by item.
// SPEC: Kubernetes' strategic merge patch, as kustomize applies it: items of a patch come before the others, `null`
// removes, `$patch` says `delete`, `replace` or `merge`; kinds that are not built in have their lists replaced.
use super::merge_keys::Shape;
use sigward_document::{Kind, Value, View};
use smol_str::SmolStr;

/// The word that says how a map or a list is patched.
const DIRECTIVE: &str = "$patch";

/// Why a patch cannot be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MergeError {
    /// A list cannot be merged with a map, nor either with a scalar.
    #[error("{path}: the patch has {patch} where the object has {object}")]
    Mismatch {
        /// JSON pointer.
        path: String,
        /// What the patch has.
        patch: Kind,
        /// What the object has.
        object: Kind,
    },
    /// `$patch` with a word that means nothing.
    #[error("{path}: unknown patch strategy `{found}`: expected delete, replace or merge")]
    Directive {
        /// JSON pointer.
        path: String,
        /// What it says.
        found: String,
    },
}

/// The object with the patch merged in.
pub(crate) fn merge(object: &Value, patch: &Value) -> Result<Value, MergeError> {
    let mut walk = Walk { path: Vec::new() };
    let merged = walk.node(Some(object), patch, shape_of(object))?;
    // A whole object is never removed by a patch.
    Ok(merged.unwrap_or_else(|| object.clone()))
}

/// What is known about an object that says its kind.
fn shape_of(object: &Value) -> Option<Shape> {
    Shape::of_kind(object.str_at(&["apiVersion"])?, object.str_at(&["kind"])?)
}

/// What a `$patch` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

struct Walk {
    path: Vec<SmolStr>,
}

impl Walk {
    /// One place; `None` when nothing is left there.
    fn node(
        &mut self,
        object: Option<&Value>,
        patch: &Value,
        shape: Option<Shape>,
    ) -> Result<Option<Value>, MergeError> {
        let object = object.filter(|object| !object.is_null());
        match patch.view() {
            View::Null => Ok(None),
            View::Map(_) => {
                self.same_form(object, patch, |o| o.as_map().is_some())?;
                self.map(object, patch, shape)
            }
            View::List(items) => {
                self.same_form(object, patch, |o| o.as_list().is_some())?;
                match shape {
                    Some(Shape::List(keys, of)) => self.list(object, items, keys, of),
                    Some(Shape::Object(_) | Shape::MapOf(_)) | None => Ok(Some(patch.clone())),
                }
            }
            View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => {
                let is_scalar = |o: &Value| o.as_map().is_none() && o.as_list().is_none();
                self.same_form(object, patch, is_scalar)?;
                Ok(Some(patch.clone()))
            }
        }
    }

    fn map(
        &mut self,
        object: Option<&Value>,
        patch: &Value,
        shape: Option<Shape>,
    ) -> Result<Option<Value>, MergeError> {
        let empty = Value::empty_map();
        let base = match self.directive(patch)? {
            Directive::Delete => return Ok(None),
            Directive::Replace => &empty,
            Directive::Merge => object.unwrap_or(&empty),
        };
        // An object inside another, such as a template of some kind, says itself what it is.
        let shape = shape.or_else(|| shape_of(base)).or_else(|| shape_of(patch));
        let mut merged = base.clone();
        let View::Map(members) = patch.view() else { return Ok(Some(merged)) };
        for (name, value) in members.iter().filter(|(name, _)| *name != DIRECTIVE) {
            let below = shape.and_then(|shape| shape.member(name));
            self.path.push(SmolStr::new(name));
            let member = self.node(base.get(name), value, below);
            self.path.pop();
            let with = match member? {
                Some(member) if base.get(name).is_some_and(|old| old.same(&member)) => None,
                Some(member) => merged.with_member(name, member),
                None => merged.without_member(name),
            };
            merged = with.unwrap_or(merged);
        }
        Ok(Some(merged))
    }

    /// A list that is merged: items of the patch first, each with the item that it means, then the others.
    fn list(
        &mut self,
        object: Option<&Value>,
        patch: &[Value],
        keys: &[SmolStr],
        of: Option<usize>,
    ) -> Result<Option<Value>, MergeError> {
        let alone = |item: &Value| item.as_map().is_some_and(|map| map.len() == 1);
        let said = patch.iter().find(|item| alone(item) && item.get(DIRECTIVE).is_some());
        let rest = match said.map(|item| self.directive(item)).transpose()? {
            Some(Directive::Delete) => return Ok(None),
            Some(Directive::Replace) => &[],
            Some(Directive::Merge) | None => object.and_then(Value::as_list).unwrap_or_default(),
        };
        let items = patch.iter().filter(|item| said.is_none_or(|said| said != *item));
        if keys.is_empty() {
            return Ok(Some(union(items, rest)));
        }
        let items = distinct(items, keys);
        let mut taken = vec![false; rest.len()];
        let mut merged: Vec<Value> = Vec::with_capacity(rest.len() + patch.len());
        for (index, item) in items.iter().enumerate() {
            let mut meant = meant(item, &items, rest, keys);
            self.path.push(SmolStr::new(index.to_string()));
            let one = self.node(meant.and_then(|at| rest.get(at)), item, of.map(Shape::Object));
            self.path.pop();
            let one = one?.filter(|one| one.as_map().is_none_or(|map| !map.is_empty()));
            if meant.is_none() && one.is_some() && !has_key(item, keys) {
                // What no key tells apart is the same when it is equal.
                meant = rest.iter().position(|old| Some(old) == one.as_ref());
            }
            if let Some(slot) = meant.and_then(|at| taken.get_mut(at)) {
                *slot = true;
            }
            merged.extend(one);
        }
        let others = rest.iter().zip(&taken).filter(|(_, taken)| !**taken);
        merged.extend(others.map(|(old, _)| old.clone()));
        Ok(Some(Value::list(merged)))
    }

    fn directive(&self, patch: &Value) -> Result<Directive, MergeError> {
        match patch.get(DIRECTIVE).map(|said| said.as_str().unwrap_or_default()) {
            None | Some("merge") => Ok(Directive::Merge),
            Some("replace") => Ok(Directive::Replace),
            Some("delete") => Ok(Directive::Delete),
            Some(other) => {
                Err(MergeError::Directive { path: self.pointer(), found: other.to_owned() })
            }
        }
    }

    fn same_form(
        &self,
        object: Option<&Value>,
        patch: &Value,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<(), MergeError> {
        match object {
            Some(object) if !fits(object) => Err(MergeError::Mismatch {
                path: self.pointer(),
                patch: patch.kind(),
                object: object.kind(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn pointer(&self) -> String {
        self.path.iter().fold(String::new(), |text, part| text + "/" + part)
    }
}

/// A list that is a set of scalars.
fn union<'v>(patch: impl Iterator<Item = &'v Value>, object: &'v [Value]) -> Value {
    let mut all: Vec<Value> = Vec::new();
    for item in patch.chain(object) {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
    Value::list(all)
}

/// The items of a patch; of two that mean the same one, the first speaks.
fn distinct<'v>(items: impl Iterator<Item = &'v Value>, keys: &[SmolStr]) -> Vec<&'v Value> {
    let mut all: Vec<&Value> = Vec::new();
    for item in items {
        let said = |earlier: &&Value| {
            if has_key(item, keys) { is_exact(earlier, item, keys) } else { *earlier == item }
        };
        if !all.iter().any(said) {
            all.push(item);
        }
    }
    all
}

/// The item of the object that an item of the patch is about: the one with the same keys, or else the first whose
/// keys do not disagree. A key that is left out is a default, such as the protocol of a port.
fn meant(item: &Value, patch: &[&Value], object: &[Value], keys: &[SmolStr]) -> Option<usize> {
    if !has_key(item, keys) {
        return None;
    }
    object.iter().position(|old| is_exact(old, item, keys)).or_else(|| {
        object.iter().position(|old| {
            agrees(old, item, keys) && !patch.iter().any(|other| is_exact(old, other, keys))
        })
    })
}

fn has_key(item: &Value, keys: &[SmolStr]) -> bool {
    keys.iter().any(|key| scalar(item.get(key)).is_some())
}

fn is_exact(one: &Value, other: &Value, keys: &[SmolStr]) -> bool {
    keys.iter().all(|key| scalar(one.get(key)) == scalar(other.get(key)))
}

/// Whether all keys that both have agree, and there is one.
fn agrees(one: &Value, other: &Value, keys: &[SmolStr]) -> bool {
    let mut agrees = false;
    for key in keys {
        match (scalar(one.get(key)), scalar(other.get(key))) {
            (Some(a), Some(b)) if a == b => agrees = true,
            (Some(_), Some(_)) => return false,
            (Some(_) | None, None) | (None, Some(_)) => {}
        }
    }
    agrees
}

/// A key as text: `80` and `"80"` are one key.
fn scalar(value: Option<&Value>) -> Option<SmolStr> {
    let value = value?;
    match value.view() {
        View::String(text) => Some(SmolStr::new(text)),
        View::Bool(_) | View::Int(_) | View::Float(_) => Some(SmolStr::new(value.to_json())),
        View::Null | View::List(_) | View::Map(_) => None,
    }
}

#[cfg(test)]
mod tests;
