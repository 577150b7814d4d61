//! Kubernetes objects from files, for `serve --policies --secrets` and the command line: no cluster needed.
use crate::sources::{Objects, roles_of};
use base64::Engine as _;
use sigward_document::{ParseError, Value, Written, line_column, parse_yaml_stream};
use sigward_policy::{
    fact::{Answer, Cause, CauseKind, Fact, Fetch, ObjectName},
    resolve::Pending,
};
use sigward_sigstore::keys::PublicKey;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Largest file that is read.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Why files could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShelfError {
    /// The file system said no.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Its reason.
        #[source]
        source: std::io::Error,
    },
    /// Larger than this program reads.
    #[error("{} is larger than {MAX_FILE_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Not UTF-8.
    #[error("{} is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
}

/// One document of a file, with its place.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// The file; `-` for standard input.
    pub(crate) path: PathBuf,
    /// The whole file, for diagnostics that show the line.
    pub(crate) text: std::sync::Arc<str>,
    /// The tree and its positions.
    pub(crate) written: Written,
}

/// A document that is not YAML, with its place.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) path: PathBuf,
    /// The whole file, for diagnostics that show the line.
    pub(crate) text: std::sync::Arc<str>,
    pub(crate) error: ParseError,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.path.display(),
            self.error.line,
            self.error.column,
            self.error.message
        )
    }
}

/// All documents under some paths, files in name order; a broken one does not lose the others.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(crate) read: Vec<Document>,
    pub(crate) broken: Vec<Broken>,
}

impl Documents {
    /// Reads files, folders (recursively: `.yaml`, `.yml`, `.json`) and `-` for standard input.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, ShelfError> {
        let mut documents = Self::default();
        for path in paths {
            if path == Path::new("-") {
                let mut text = Vec::new();
                std::io::Read::read_to_end(
                    &mut std::io::Read::take(std::io::stdin(), MAX_FILE_BYTES),
                    &mut text,
                )
                .map_err(|source| ShelfError::Read { path: path.clone(), source })?;
                documents.take(path, text)?;
                continue;
            }
            for file in files_under(path)? {
                let read_error = |source| ShelfError::Read { path: file.clone(), source };
                if std::fs::metadata(&file).map_err(read_error)?.len() > MAX_FILE_BYTES {
                    return Err(ShelfError::TooLarge { path: file });
                }
                let text = std::fs::read(&file).map_err(read_error)?;
                documents.take(&file, text)?;
            }
        }
        Ok(documents)
    }

    fn take(&mut self, path: &Path, text: Vec<u8>) -> Result<(), ShelfError> {
        let text = String::from_utf8(text)
            .map_err(|_invalid| ShelfError::NotText { path: path.to_owned() })?;
        let text: std::sync::Arc<str> = text.into();
        for parsed in parse_yaml_stream(&text) {
            match parsed {
                Ok(written) if written.value.is_null() => {}
                Ok(written) => {
                    self.read.push(Document { path: path.to_owned(), text: text.clone(), written });
                }
                Err(error) => {
                    self.broken.push(Broken { path: path.to_owned(), text: text.clone(), error });
                }
            }
        }
        Ok(())
    }
}

impl Document {
    /// Line and column of a field such as `spec.rules[0].name`, or of the nearest parent that is there.
    pub(crate) fn line_of(&self, field: &str) -> (u32, u32) {
        let pointer = pointer_of(field);
        let span = self.written.span_of(&pointer);
        let key = pointer.rsplit('/').next().unwrap_or_default();
        let start = match self.written.value.pointer(&pointer) {
            Some(_) => self.key_before(key, span.start).unwrap_or(span.start),
            None => span.start,
        };
        line_column(&self.text, start)
    }

    /// Where the key of a value stands: the places are those of values, and a map begins on a line of its own.
    fn key_before(&self, key: &str, value: u32) -> Option<u32> {
        let before = self.text.get(..usize::try_from(value).ok()?)?;
        let from = before.trim_end();
        let at = from.strip_suffix(':')?.strip_suffix(key)?.len();
        u32::try_from(at).ok()
    }
}

/// `spec.rules[0].name` as a JSON pointer. A key with a dot in it ends the walk at its parent.
fn pointer_of(field: &str) -> String {
    let mut pointer = String::new();
    for part in field.split(['.', '[']).filter(|part| !part.is_empty()) {
        pointer.push('/');
        pointer.push_str(&part.trim_end_matches(']').replace('~', "~0").replace('/', "~1"));
    }
    pointer
}

fn files_under(path: &Path) -> Result<Vec<PathBuf>, ShelfError> {
    let error = |source| ShelfError::Read { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(error)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(error)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(error)?
        .into_iter()
        .map(|e| e.path())
        .collect();
    entries.sort();
    let mut files = Vec::new();
    for entry in entries {
        let hidden =
            entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden {
            continue;
        }
        if entry.is_dir() {
            files.extend(files_under(&entry)?);
        } else if entry.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
            files.push(entry);
        }
    }
    Ok(files)
}

/// Objects by kind, namespace and name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    objects: BTreeMap<(String, String, String), Value>,
}

impl Shelf {
    /// Keeps every object that has a kind and a name; lists are opened.
    pub(crate) fn put(&mut self, object: &Value) {
        if let Some(items) = object.at_path(&["items"]).and_then(Value::as_list) {
            for item in items {
                self.put(item);
            }
            return;
        }
        let text = |path: &[&str]| {
            object.at_path(path).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (kind, name) = (text(&["kind"]), text(&["metadata", "name"]));
        if !kind.is_empty() && !name.is_empty() {
            self.objects.insert((kind, text(&["metadata", "namespace"]), name), object.clone());
        }
    }

    /// An object, if a file holds it. Objects written without a namespace are in `default`.
    pub(crate) fn object(&self, kind: &str, namespace: &str, name: &str) -> Option<&Value> {
        let at = |namespace: &str| {
            self.objects.get(&(kind.to_owned(), namespace.to_owned(), name.to_owned()))
        };
        at(namespace).or_else(|| if namespace == "default" { at("") } else { None })
    }

    /// All objects.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Value> {
        self.objects.values()
    }

    /// All objects of a kind.
    pub(crate) fn of_kind<'s>(&'s self, kind: &'s str) -> impl Iterator<Item = &'s Value> {
        self.objects.iter().filter(move |((of, _, _), _)| of == kind).map(|(_, object)| object)
    }

    /// One key of a Secret, decoded: `stringData` as it is, `data` from base64; `Ok(None)` when there is none.
    ///
    /// # Errors
    /// It is there and cannot be decoded: that is never "absent".
    pub(crate) fn secret(
        &self,
        namespace: &str,
        name: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>, String> {
        let Some(secret) = self.object("Secret", namespace, name) else { return Ok(None) };
        if let Some(text) = secret.at_path(&["stringData", key]).and_then(Value::as_str) {
            return Ok(Some(text.as_bytes().to_vec()));
        }
        let Some(encoded) = secret.at_path(&["data", key]).and_then(Value::as_str) else {
            return Ok(None);
        };
        let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim());
        decoded.map(Some).map_err(|error| {
            format!("{key} of the Secret {namespace}/{name} is not base64: {error}")
        })
    }
}

/// Files answer as a cluster would, at once; what no file holds is absent.
impl Objects for Shelf {
    fn peek(&self, fetch: &Fetch) -> Option<Fact> {
        let no_cluster = |what: &str| Cause {
            kind: CauseKind::Forbidden,
            place: what.into(),
            said: Some("there is no cluster to ask".into()),
        };
        Some(match fetch {
            Fetch::Namespace(name) => Fact::Document(Ok(Some(self.namespace(name)))),
            Fetch::Object(ObjectName { kind, namespace, name, .. }) => {
                Fact::Document(Ok(self.object(kind, namespace, name).cloned()))
            }
            Fetch::PublicKey { reference } => Fact::Key(self.public_key(reference)),
            Fetch::Roles { username, groups } => {
                let bindings =
                    self.of_kind("RoleBinding").chain(self.of_kind("ClusterRoleBinding"));
                Fact::Document(Ok(Some(roles_of(bindings, username, groups))))
            }
            Fetch::Call(call) => Fact::Document(Err(no_cluster(&call.url))),
            Fetch::GlobalEntry { name, .. } => Fact::Document(Err(no_cluster(name))),
            Fetch::Tag { .. }
            | Fetch::ImageData { .. }
            | Fetch::Proof { .. }
            | Fetch::Addresses { .. } => return None,
        })
    }

    fn answer(&self, fetch: Fetch) -> Pending {
        let fact = self.peek(&fetch).unwrap_or(Fact::Document(Ok(None)));
        Box::pin(std::future::ready((fetch, fact)))
    }
}

impl Shelf {
    /// A namespace that no file holds exists all the same, with the label that every namespace has.
    fn namespace(&self, name: &str) -> Value {
        self.object("Namespace", "", name).cloned().unwrap_or_else(|| {
            let labels = Value::map([("kubernetes.io/metadata.name".into(), Value::string(name))]);
            let metadata =
                Value::map([("name".into(), Value::string(name)), ("labels".into(), labels)]);
            Value::map([
                ("apiVersion".into(), Value::string("v1")),
                ("kind".into(), Value::string("Namespace")),
                ("metadata".into(), metadata),
            ])
        })
    }

    /// `k8s://namespace/name`: the member `cosign.pub` of a Secret.
    fn public_key(&self, reference: &str) -> Answer<Option<PublicKey>> {
        let malformed = |said: String| Cause {
            kind: CauseKind::Malformed,
            place: reference.into(),
            said: Some(said.into()),
        };
        let Some((namespace, name)) =
            reference.strip_prefix("k8s://").and_then(|rest| rest.split_once('/'))
        else {
            return Err(Cause {
                kind: CauseKind::Forbidden,
                place: reference.into(),
                said: Some("only k8s://namespace/name can be read".into()),
            });
        };
        let found = self.secret(namespace, name, "cosign.pub").map_err(malformed)?;
        let Some(bytes) = found else { return Ok(None) };
        let text = String::from_utf8(bytes)
            .map_err(|_not_text| malformed("cosign.pub is not text".to_owned()))?;
        PublicKey::parse_pem(&text).map(Some).map_err(|error| malformed(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_cannot_be_decoded_is_never_absent() {
        let mut shelf = Shelf::default();
        let text = r#"{"kind":"Secret","metadata":{"name":"k","namespace":"n"},"data":{"cosign.pub":"no base64!"}}"#;
        shelf.put(&sigward_document::parse_json(text.as_bytes()).unwrap());
        assert_eq!(shelf.secret("n", "other", "cosign.pub"), Ok(None));
        assert!(shelf.secret("n", "k", "cosign.pub").unwrap_err().contains("is not base64"));
        assert!(shelf.public_key("k8s://n/k").is_err());
    }
}
