//! Objects as they are against objects as a file has them: what says nothing is left out on both sides.
use crate::cli::kyverno::{
    input::{self, Git, Sorted, Wanted},
    kinds,
};
use sigward_document::{Value, View, patch};
use sigward_policy::snapshot::Settings;
use smol_str::SmolStr;
use std::{cell::RefCell, collections::BTreeMap, fmt::Write as _, path::Path};

/// What a comparison came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// The same.
    Equal,
    /// Not the same, and where.
    Differs(String),
    /// The file does not hold the object.
    Absent(String),
    /// The file cannot be read.
    Error(String),
}

/// The files of expected objects below one folder, read once each.
#[derive(Debug)]
pub(super) struct Expectations<'f> {
    folder: &'f Path,
    files: RefCell<BTreeMap<String, Result<Vec<Value>, String>>>,
}

impl<'f> Expectations<'f> {
    pub(super) fn new(folder: &'f Path) -> Self {
        Self { folder, files: RefCell::default() }
    }

    /// Compares an object with the one of its kind, namespace and name in a file.
    pub(super) fn compare(&self, path: &str, actual: &Value) -> Comparison {
        let mut files = self.files.borrow_mut();
        let objects = match files.entry(path.to_owned()).or_insert_with(|| self.read(path)) {
            Ok(objects) => objects,
            Err(error) => return Comparison::Error(error.clone()),
        };
        let identity = |object: &Value| {
            let text = |path: &[&str]| object.str_at(path).unwrap_or_default().to_owned();
            [
                text(&["apiVersion"]),
                text(&["kind"]),
                text(&["metadata", "namespace"]),
                text(&["metadata", "name"]),
            ]
        };
        let wanted = identity(actual);
        let Some(expected) = objects.iter().find(|object| identity(object) == wanted) else {
            return Comparison::Absent(format!(
                "{} not found in manifest {path}",
                wanted.join("/")
            ));
        };
        let (actual, expected) = (tidy(actual), tidy(expected));
        if actual == expected {
            return Comparison::Equal;
        }
        Comparison::Differs(difference(path, &actual, &expected))
    }

    fn read(&self, path: &str) -> Result<Vec<Value>, String> {
        let documents = input::documents(&[path.to_owned()], Some(self.folder), &Git::default())
            .map_err(|failure| failure.message)?;
        let sorted = Sorted::new(documents, Wanted::Resources, &Settings::default());
        if sorted.broken > 0 {
            return Err(sorted.said);
        }
        Ok(sorted.resources.iter().map(|one| kinds::with_namespace(&one.written.value)).collect())
    }
}

/// The object without what is empty and without the labels of who generated it.
fn tidy(object: &Value) -> Value {
    let bare = match object.at_path(&["metadata", "labels"]).and_then(Value::as_map) {
        Some(labels) => {
            let generated = |key: &str, value: &Value| {
                key.starts_with("generate.kyverno.io/")
                    || (key == "app.kubernetes.io/managed-by" && value.as_str() == Some("kyverno"))
            };
            let kept = labels.iter().filter(|(key, value)| !generated(key, value));
            let kept = Value::map(kept.map(|(key, value)| (SmolStr::new(key), value.clone())));
            object.with_path(&["metadata", "labels"], kept).unwrap_or_else(|| object.clone())
        }
        None => object.clone(),
    };
    without_empty(&bare).unwrap_or(Value::NULL)
}

/// `None` for null, and for a map or list that holds nothing.
fn without_empty(value: &Value) -> Option<Value> {
    match value.view() {
        View::Null => None,
        View::Map(map) => {
            let kept: Vec<(SmolStr, Value)> = map
                .iter()
                .filter_map(|(key, value)| Some((SmolStr::new(key), without_empty(value)?)))
                .collect();
            (!kept.is_empty()).then(|| Value::map(kept))
        }
        View::List(items) => {
            let kept: Vec<Value> = items.iter().filter_map(without_empty).collect();
            (!kept.is_empty()).then(|| Value::list(kept))
        }
        View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => Some(value.clone()),
    }
}

/// The steps from what is expected to what there is.
fn difference(path: &str, actual: &Value, expected: &Value) -> String {
    let mut text = format!("the resource is not as in {path}; from there to here:");
    for operation in patch::diff(expected, actual) {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{}", operation.to_value().to_json());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigward_document::parse_yaml;

    #[test]
    fn what_is_empty_and_who_generated_it_do_not_count() {
        let one = "metadata: {labels: {generate.kyverno.io/rule-name: r, app.kubernetes.io/managed-by: kyverno}, name: a}\nspec: {x: [], y: null, z: 1}\n";
        let other = "metadata: {name: a}\nspec: {z: 1}\n";
        let read = |text: &str| parse_yaml(text).unwrap().value;
        assert_eq!(tidy(&read(one)), tidy(&read(other)));
    }
}
