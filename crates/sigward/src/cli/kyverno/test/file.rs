//! `kyverno-test.yaml`: where it is found, and what it says.
use crate::{
    cli::{
        cosign::Failure,
        kyverno::decode::{DecodeError, Fields},
    },
    shelf::{Document, Documents, ShelfError},
};
use sigward_document::Value;
use sigward_policy::{decision::Status, request::Operation};
use std::path::{Path, PathBuf};

/// How deep folders are searched.
const MAX_DEPTH: usize = 64;

/// A test file that can be used.
#[derive(Debug)]
pub(super) struct Found {
    /// The file.
    pub(super) path: PathBuf,
    /// What it says.
    pub(super) test: TestFile,
}

/// A test file that cannot be used.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) path: PathBuf,
    pub(super) error: String,
}

/// A `Test` document.
#[derive(Clone, Debug, Default)]
pub(super) struct TestFile {
    pub(super) policies: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) target_resources: Vec<String>,
    pub(super) exceptions: Vec<String>,
    /// Path of a values file.
    pub(super) variables: String,
    /// Values written out.
    pub(super) values: Option<Value>,
    pub(super) user_info: String,
    /// Paths of resources that stand for a cluster.
    pub(super) cluster_resources: Vec<String>,
    pub(super) api_calls: Vec<Value>,
    pub(super) global_entries: Vec<Value>,
    pub(super) results: Vec<Expected>,
    /// What only policies that need CEL can use.
    pub(super) unsupported: Vec<&'static str>,
}

/// One of `results`.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) policy: String,
    pub(super) rule: String,
    pub(super) result: Status,
    pub(super) resources: Vec<String>,
    pub(super) specs: Vec<Spec>,
    pub(super) operation: Option<Operation>,
    pub(super) patched: String,
    pub(super) generated: Vec<String>,
    pub(super) clone_source: String,
    pub(super) fail_on_missing: bool,
}

/// One of `resourceSpecs`.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) namespace: String,
    pub(super) name: String,
}

const ROOT: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "policies",
    "resources",
    "targetResources",
    "exceptions",
    "paramResources",
    "jsonPayload",
    "jsonPayloads",
    "httpPayloads",
    "envoyPayloads",
    "variables",
    "values",
    "userinfo",
    "context",
    "clusterResources",
    "apiCallResponses",
    "globalContextEntries",
    "results",
];

const RESULT: &[&str] = &[
    "policy",
    "rule",
    "kind",
    "result",
    "status",
    "namespace",
    "resource",
    "patchedResource",
    "resources",
    "resourceSpecs",
    "operation",
    "patchedResources",
    "generatedResource",
    "generatedResources",
    "cloneSourceResource",
    "failOnMissingResources",
    "isValidatingPolicy",
    "isMutatingPolicy",
    "isGeneratingPolicy",
    "isDeletingPolicy",
    "isImageValidatingPolicy",
    "isValidatingAdmissionPolicy",
    "isMutatingAdmissionPolicy",
];

/// Fields of `results` that an old schema had, with what took their place.
const DEPRECATED: [(&str, &str); 4] = [
    ("status", "result"),
    ("namespace", "resources"),
    ("resource", "resources"),
    ("patchedResource", "patchedResources"),
];

/// All test files below a path, in the order of their paths. Hidden folders are searched too.
pub(super) fn find(
    path: &Path,
    file_name: &str,
    found: &mut Vec<Found>,
    unreadable: &mut Vec<Unreadable>,
) -> Result<(), Failure> {
    let mut files = Vec::new();
    let read = |source| ShelfError::Read { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(read)?.is_dir() {
        walk(path, file_name, MAX_DEPTH, &mut files)?;
    } else {
        files.push(path.to_owned());
    }
    for file in files {
        let documents = match Documents::read(std::slice::from_ref(&file)) {
            Ok(documents) => documents,
            Err(error) => {
                let error = Failure::from(error).message;
                unreadable.push(Unreadable { path: file, error });
                continue;
            }
        };
        for broken in &documents.broken {
            unreadable.push(Unreadable { path: file.clone(), error: broken.to_string() });
        }
        for document in &documents.read {
            match TestFile::read(&document.written.value) {
                Ok(test) => found.push(Found { path: file.clone(), test }),
                Err(error) => unreadable
                    .push(Unreadable { path: file.clone(), error: placed(document, &error) }),
            }
        }
    }
    Ok(())
}

fn placed(document: &Document, error: &DecodeError) -> String {
    let (line, column) = document.line_of(error.path());
    format!("line {line}, column {column}: {error}")
}

fn walk(
    folder: &Path,
    file_name: &str,
    depth: usize,
    files: &mut Vec<PathBuf>,
) -> Result<(), ShelfError> {
    let error = |source| ShelfError::Read { path: folder.to_owned(), source };
    let mut entries = std::fs::read_dir(folder)
        .map_err(error)?
        .map(|entry| entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))))
        .collect::<Result<Vec<_>, _>>()
        .map_err(error)?;
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (path, kind) in entries {
        if kind.is_dir() && depth > 0 {
            walk(&path, file_name, depth - 1, files)?;
        } else if kind.is_file() && path.file_name().is_some_and(|name| name == file_name) {
            files.push(path);
        }
    }
    Ok(())
}

impl TestFile {
    /// Reads a `Test` document.
    pub(super) fn read(document: &Value) -> Result<Self, DecodeError> {
        let root = Fields::read(document, "", ROOT)?;
        if root.get("name").is_some() {
            return Err(deprecated("name", "metadata.name"));
        }
        let mut unsupported = Vec::new();
        for name in [
            "paramResources",
            "jsonPayload",
            "jsonPayloads",
            "httpPayloads",
            "envoyPayloads",
            "context",
        ] {
            if root.get(name).is_some() {
                unsupported.push(name);
            }
        }
        let mut results = Vec::new();
        for fields in root.maps("results", RESULT)? {
            results.push(Expected::read(&fields)?);
        }
        Ok(Self {
            policies: root.texts("policies")?,
            resources: root.texts("resources")?,
            target_resources: root.texts("targetResources")?,
            exceptions: root.texts("exceptions")?,
            variables: root.text("variables")?,
            values: root.get("values").cloned(),
            user_info: root.text("userinfo")?,
            cluster_resources: root.texts("clusterResources")?,
            api_calls: root.list("apiCallResponses")?.to_vec(),
            global_entries: root.list("globalContextEntries")?.to_vec(),
            results,
            unsupported,
        })
    }
}

fn deprecated(path: &str, instead: &'static str) -> DecodeError {
    DecodeError::Deprecated { path: path.to_owned(), instead }
}

impl Expected {
    fn read(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        for (old, new) in DEPRECATED {
            if fields.get(old).is_some() {
                return Err(deprecated(&fields.path_of(old), new));
            }
        }
        let wrong =
            |name: &str, expected| DecodeError::Type { path: fields.path_of(name), expected };
        let result = match fields.required("result")?.as_str() {
            "pass" => Status::Pass,
            "fail" => Status::Fail,
            "warn" => Status::Warn,
            "error" => Status::Error,
            "skip" => Status::Skip,
            _ => return Err(wrong("result", "one of pass, fail, warn, error and skip")),
        };
        let operation = match fields.text("operation")?.as_str() {
            "" => None,
            "CREATE" => Some(Operation::Create),
            "UPDATE" => Some(Operation::Update),
            "DELETE" => Some(Operation::Delete),
            _ => return Err(wrong("operation", "one of CREATE, UPDATE and DELETE")),
        };
        let spec = ["group", "version", "kind", "namespace", "subresource", "name"];
        let mut specs = Vec::new();
        for one in fields.maps("resourceSpecs", &spec)? {
            specs.push(Spec { namespace: one.text("namespace")?, name: one.required("name")? });
        }
        let mut generated = fields.texts("generatedResources")?;
        generated.extend(Some(fields.text("generatedResource")?).filter(|path| !path.is_empty()));
        Ok(Self {
            policy: fields.required("policy")?,
            rule: fields.text("rule")?,
            result,
            resources: fields.texts("resources")?,
            specs,
            operation,
            patched: fields.text("patchedResources")?,
            generated,
            clone_source: fields.text("cloneSourceResource")?,
            fail_on_missing: fields.flag("failOnMissingResources")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigward_document::parse_yaml;

    fn error(text: &str) -> String {
        TestFile::read(&parse_yaml(text).unwrap().value).unwrap_err().to_string()
    }

    #[test]
    fn the_old_schema_is_refused_with_the_new_name() {
        assert!(error("name: x").contains("use `metadata.name`"));
        let text = error("results: [{policy: p, result: pass, resource: r}]");
        assert!(text.contains("use `resources`"), "{text}");
    }

    #[test]
    fn a_result_is_one_of_five_words() {
        let text = error("results: [{policy: p, result: passed}]");
        assert!(text.contains("results[0].result"), "{text}");
    }
}
