//! A test folder as documents: policies, resources, values and the rest, which can be changed and written again.
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use sigward_document::{Value, yaml::Duplicates, yaml::YamlOptions, yaml::parse_yaml_stream_with};

/// Where test files of the command line live, below the conformance data.
const FOLDERS: [&str; 2] = ["kyverno/test/cli", "kyverno-policies"];
/// The name of a test file.
const FILE: &str = "kyverno-test.yaml";
/// Fields of a test file that name inputs which only other languages and clusters have.
const BEYOND: &[&str] = &[
    "jsonPayloads",
    "httpPayloads",
    "envoyPayloads",
    "context",
    "paramResources",
    "apiCallResponses",
    "globalContextEntries",
    "clusterResources",
];

/// What one run is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Case {
    /// The test file, by its path below the conformance data.
    pub(super) name: String,
    /// The test itself.
    pub(super) test: Value,
    /// One document each.
    pub(super) policies: Vec<Value>,
    /// What they are applied to.
    pub(super) resources: Vec<Value>,
    /// What rules that change existing resources change.
    pub(super) targets: Vec<Value>,
    /// Values of variables.
    pub(super) values: Option<Value>,
    /// Who asks.
    pub(super) userinfo: Option<Value>,
    /// Exceptions from policies.
    pub(super) exceptions: Vec<Value>,
    /// Other files that the test names, by the name in the scratch folder.
    pub(super) extra: Vec<(String, PathBuf)>,
}

/// Every case that rests on no CEL, sorted by name.
///
/// # Errors
/// A folder cannot be read.
pub(super) fn find(shared: &Path) -> Result<Vec<Case>> {
    let mut files = BTreeSet::new();
    for folder in FOLDERS {
        walk(&shared.join(folder), &mut files)?;
    }
    Ok(files.iter().filter_map(|file| read(shared, file)).filter(is_in_scope).collect())
}

fn walk(folder: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else if path.file_name().is_some_and(|name| name == FILE) {
            files.insert(path);
        }
    }
    Ok(())
}

/// Everything that a file holds, without what is no document.
fn documents(file: &Path) -> Option<Vec<Value>> {
    let text = std::fs::read_to_string(file).ok()?;
    let options = YamlOptions { duplicates: Duplicates::LastWins, ..YamlOptions::default() };
    let read = parse_yaml_stream_with(&text, options);
    let values: Vec<Value> =
        read.into_iter().filter_map(|document| Some(document.ok()?.value)).collect();
    Some(values.into_iter().filter(|value| !value.is_null()).collect())
}

fn read(shared: &Path, file: &Path) -> Option<Case> {
    let folder = file.parent()?;
    let test = documents(file)?.into_iter().next()?;
    if BEYOND.iter().any(|field| test.get(field).is_some()) {
        return None;
    }
    let all = |field: &str| -> Option<Vec<Value>> {
        let mut found = Vec::new();
        for path in test.get(field).and_then(Value::as_list).unwrap_or_default() {
            found.extend(read_path(&folder.join(path.as_str()?))?);
        }
        Some(found)
    };
    let one = |field: &str| {
        let path = test.get(field).and_then(Value::as_str)?;
        documents(&folder.join(path))?.into_iter().next()
    };
    let inline = test.get("values").and_then(|values| {
        values
            .with_member("apiVersion", Value::string("cli.kyverno.io/v1alpha1"))?
            .with_member("kind", Value::string("Values"))
    });
    let mut case = Case {
        name: file.strip_prefix(shared).ok()?.to_string_lossy().into_owned(),
        policies: all("policies")?,
        resources: all("resources")?,
        targets: all("targetResources")?,
        values: one("variables").or(inline),
        userinfo: one("userinfo"),
        exceptions: all("exceptions")?,
        test: Value::NULL,
        extra: Vec::new(),
    };
    case.test = case.rewritten(&test, folder);
    Some(case)
}

/// A file, or all files of a folder.
fn read_path(path: &Path) -> Option<Vec<Value>> {
    if !path.is_dir() {
        return documents(path);
    }
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(path).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    Some(files.iter().filter_map(|file| documents(file)).flatten().collect())
}

/// Whether the policies are of the language that is compared, and ask no registry.
fn is_in_scope(case: &Case) -> bool {
    let plain = |policy: &Value| {
        let kind = policy.get("kind").and_then(Value::as_str).unwrap_or_default();
        let text = policy.to_json();
        matches!(kind, "ClusterPolicy" | "Policy")
            && ![
                "\"cel\":",
                "\"verifyImages\":",
                "\"celPreconditions\":",
                "\"imageRegistry\":",
                "\"apiCall\":",
            ]
            .iter()
            .any(|field| text.contains(field))
    };
    !case.policies.is_empty() && case.policies.iter().all(plain)
}

impl Case {
    /// The test with the names that files have in a scratch folder.
    fn rewritten(&mut self, test: &Value, folder: &Path) -> Value {
        let mut test = test.clone();
        let mut set = |key: &str, value: Option<Value>| {
            let changed = match value {
                Some(value) => test.with_member(key, value),
                None => test.without_member(key),
            };
            if let Some(changed) = changed {
                test = changed;
            }
        };
        let file = |name: &str, there: bool| there.then(|| Value::list([Value::string(name)]));
        set("policies", file("policies.yaml", true));
        set("resources", file("resources.yaml", !self.resources.is_empty()));
        set("targetResources", file("targets.yaml", !self.targets.is_empty()));
        set("exceptions", file("exceptions.yaml", !self.exceptions.is_empty()));
        set("values", None);
        set("variables", self.values.is_some().then(|| Value::string("values.yaml")));
        set("userinfo", self.userinfo.is_some().then(|| Value::string("userinfo.yaml")));
        let results = test.get("results").and_then(Value::as_list).unwrap_or_default();
        let results: Vec<Value> =
            results.iter().map(|result| self.result(result, folder)).collect();
        test.with_member("results", Value::list(results)).unwrap_or(test)
    }

    fn result(&mut self, result: &Value, folder: &Path) -> Value {
        let mut result = result.clone();
        let fields =
            ["patchedResource", "patchedResources", "generatedResource", "cloneSourceResource"];
        for field in fields {
            let Some(path) = result.get(field).and_then(Value::as_str) else { continue };
            let name = format!("extra-{}.yaml", self.extra.len());
            let path = folder.join(path);
            if let Some(changed) = result.with_member(field, Value::string(&name)) {
                result = changed;
            }
            self.extra.push((name, path));
        }
        result
    }

    /// Writes everything into a folder, which is emptied before.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let write = |name: &str, text: String| {
            std::fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))
        };
        write(FILE, sigward_document::to_yaml(&self.test))?;
        write("policies.yaml", stream(&self.policies))?;
        // Kyverno drops a whole file for a document that it cannot read.
        std::fs::create_dir_all(folder.join("policies"))?;
        for (at, policy) in self.policies.iter().enumerate() {
            write(&format!("policies/{at}.yaml"), sigward_document::to_yaml(policy))?;
        }
        for (name, documents) in [
            ("resources.yaml", &self.resources),
            ("targets.yaml", &self.targets),
            ("exceptions.yaml", &self.exceptions),
        ] {
            if !documents.is_empty() {
                write(name, stream(documents))?;
            }
        }
        for (name, document) in [("values.yaml", &self.values), ("userinfo.yaml", &self.userinfo)] {
            if let Some(document) = document {
                write(name, sigward_document::to_yaml(document))?;
            }
        }
        for (name, from) in &self.extra {
            // A file that the test names and that is not there is part of the case.
            let _missing = std::fs::copy(from, folder.join(name));
        }
        Ok(())
    }

    /// The words of `apply` that mean the same inputs as the test.
    pub(super) fn words(&self) -> Vec<&'static str> {
        let mut words = vec!["apply", "policies", "--resource", "resources.yaml"];
        if self.values.is_some() {
            words.extend(["--values-file", "values.yaml"]);
        }
        if self.userinfo.is_some() {
            words.extend(["--userinfo", "userinfo.yaml"]);
        }
        if !self.exceptions.is_empty() {
            words.extend(["--exceptions", "exceptions.yaml"]);
        }
        if !self.targets.is_empty() {
            words.extend(["--target-resources", "targets.yaml"]);
        }
        words
    }
}

/// Documents one after the other.
fn stream(documents: &[Value]) -> String {
    documents.iter().map(sigward_document::to_yaml).collect::<Vec<_>>().join("---\n")
}

/// The name of an object.
pub(super) fn name_of(object: &Value) -> &str {
    object.str_at(&["metadata", "name"]).unwrap_or_default()
}

/// The object under another name.
pub(super) fn renamed(object: &Value, name: &str) -> Value {
    object.with_path(&["metadata", "name"], Value::string(name)).unwrap_or_else(|| object.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigward_document::parse_json;

    #[test]
    fn policies_of_other_languages_and_of_registries_are_out_of_scope() {
        let of = |policy: &str| {
            let policies = vec![parse_json(policy.as_bytes()).unwrap()];
            is_in_scope(&Case { policies, ..Case::default() })
        };
        assert!(of(r#"{"kind":"ClusterPolicy","spec":{}}"#));
        assert!(!of(r#"{"kind":"ValidatingPolicy","spec":{}}"#));
        assert!(!of(r#"{"kind":"Policy","spec":{"rules":[{"validate":{"cel":{}}}]}}"#));
        assert!(!of(r#"{"kind":"Policy","spec":{"rules":[{"verifyImages":[]}]}}"#));
        assert!(!is_in_scope(&Case::default()));
    }

    #[test]
    fn a_case_is_written_with_the_names_that_its_words_use() {
        let folder = tempfile::tempdir().unwrap();
        let pod = parse_json(br#"{"kind":"Pod","metadata":{"name":"a"}}"#).unwrap();
        let case = Case {
            policies: vec![pod.clone()],
            resources: vec![renamed(&pod, "b"), renamed(&pod, "c")],
            values: Some(Value::empty_map()),
            ..Case::default()
        };
        let into = folder.path().join("case");
        case.write(&into).unwrap();
        for word in case.words().into_iter().filter(|word| word.contains(".yaml")) {
            assert!(into.join(word).is_file(), "{word}");
        }
        assert_eq!(documents(&into.join("resources.yaml")).unwrap(), case.resources);
    }
}
