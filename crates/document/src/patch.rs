//! JSON patches (RFC 6902): what they are, how they are read and written.
// SPEC: RFC 6902; COMPAT: evanphx/json-patch 5.9, which Kyverno and the API server apply patches with.
use crate::Value;

mod apply;
mod diff;

#[cfg(test)]
mod tests;

pub use apply::{apply, apply_with};
pub use diff::diff;

/// One operation. Paths are JSON pointers (RFC 6901), escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Sets a member, or puts an item in before another (`-`: after the last).
    Add {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
    /// Takes a node away.
    Remove {
        /// Which.
        path: String,
    },
    /// Puts a value in place of a node that is there.
    Replace {
        /// Which.
        path: String,
        /// The new one.
        value: Value,
    },
    /// Takes a node away and adds it elsewhere.
    Move {
        /// Which.
        from: String,
        /// Where to.
        path: String,
    },
    /// Adds a node elsewhere as well.
    Copy {
        /// Which.
        from: String,
        /// Where to.
        path: String,
    },
    /// Fails the patch unless the node equals the value.
    Test {
        /// Which.
        path: String,
        /// What it must equal.
        value: Value,
    },
}

/// How a patch is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `-1` is the last item of a list; for `add` it is the place after it.
    pub negative_indices: bool,
    /// Removing what is not there does nothing.
    pub allow_missing_path_on_remove: bool,
    /// `add` makes the maps and lists that its path lacks; lists are filled up with nulls.
    pub ensure_path_exists_on_add: bool,
}

impl Options {
    /// RFC 6902 to the letter.
    pub const RFC: Self = Self {
        negative_indices: false,
        allow_missing_path_on_remove: false,
        ensure_path_exists_on_add: false,
    };
    /// As Kyverno applies `patchesJson6902`.
    pub const KYVERNO: Self = Self {
        negative_indices: true,
        allow_missing_path_on_remove: true,
        ensure_path_exists_on_add: true,
    };
}

/// The most operations of one patch, as the API server allows.
pub const MOST_OPERATIONS: usize = 10_000;

/// Why a patch was not read or did not apply. Texts are evanphx's where it has one, since they reach users.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// A patch is a list of operations.
    #[error("a patch is a list of operations, not {found}")]
    NotAList {
        /// What it is.
        found: crate::Kind,
    },
    /// An operation is no object.
    #[error("operation {at} is no object")]
    NotAnObject {
        /// Its place in the list.
        at: usize,
    },
    /// A field that the operation needs is missing or no string.
    #[error("operation {at} has no {field:?} field")]
    MissingField {
        /// Its place in the list.
        at: usize,
        /// The field.
        field: &'static str,
    },
    /// There is no such operation.
    #[error("unexpected kind: {op}")]
    UnknownOperation {
        /// What it says.
        op: String,
    },
    /// A path is neither empty nor does it start with a slash.
    #[error("the path {path:?} of an operation does not start with a slash")]
    BadPath {
        /// The path.
        path: String,
    },
    /// Too many operations.
    #[error("a patch of {count} operations exceeds the {MOST_OPERATIONS} allowed")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// What the path goes through is not there.
    #[error("{op} operation does not apply: {}", missing(op, path))]
    MissingPath {
        /// The operation.
        op: &'static str,
        /// The path, or `from`.
        path: String,
        /// Why.
        source: Fault,
    },
    /// The last step of the path fails.
    #[error("error in {op} for path: '{path}'")]
    Failed {
        /// The operation.
        op: &'static str,
        /// The path, or `from`.
        path: String,
        /// Why.
        source: Fault,
    },
    /// `test` found another value.
    #[error("testing value {path} failed")]
    TestFailed {
        /// The path.
        path: String,
    },
}

/// What stood in the way of a step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing is there.
    #[error("missing value")]
    Missing,
    /// A member is not there.
    #[error("unable to remove nonexistent key: {0}: missing value")]
    NoSuchKey(String),
    /// A list is addressed by something else than a place.
    #[error("value was not a proper array index: '{0}'")]
    NoIndex(String),
    /// The list is shorter.
    #[error("unable to access invalid index: {0}: invalid index referenced")]
    InvalidIndex(String),
    /// A scalar has nothing below it.
    #[error("{0} has no members")]
    NotAContainer(crate::Kind),
    /// The document itself cannot be removed or moved.
    #[error("the whole document cannot be taken away")]
    WholeDocument,
    /// A node cannot move into itself.
    #[error("a value cannot move below itself")]
    IntoItself,
    /// The result would be too deep or too large.
    #[error("the result would be nested too deeply or too large")]
    TooLarge,
}

/// How evanphx says that a path is not there.
fn missing(op: &str, path: &str) -> String {
    match op {
        "test" => format!("is missing path: {path}"),
        "replace" => format!("doc is missing key: {path}"),
        "move" | "copy" => format!("doc is missing path: {path}"),
        _ => format!("doc is missing path: \"{path}\""),
    }
}

impl Operation {
    /// The name in the `op` field.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add",
            Self::Remove { .. } => "remove",
            Self::Replace { .. } => "replace",
            Self::Move { .. } => "move",
            Self::Copy { .. } => "copy",
            Self::Test { .. } => "test",
        }
    }

    /// The target of the operation.
    pub fn path(&self) -> &str {
        match self {
            Self::Add { path, .. }
            | Self::Remove { path }
            | Self::Replace { path, .. }
            | Self::Move { path, .. }
            | Self::Copy { path, .. }
            | Self::Test { path, .. } => path,
        }
    }

    /// The operations of a patch, `[{"op": "add", "path": "/a", "value": 1}, …]`. Fields that an operation does
    /// not know are ignored, as RFC 6902 section 4 wants.
    pub fn parse_list(patch: &Value) -> Result<Vec<Self>, PatchError> {
        let items = patch.as_list().ok_or_else(|| PatchError::NotAList { found: patch.kind() })?;
        if items.len() > MOST_OPERATIONS {
            return Err(PatchError::TooMany { count: items.len() });
        }
        items.iter().enumerate().map(|(at, item)| Self::parse(at, item)).collect()
    }

    fn parse(at: usize, item: &Value) -> Result<Self, PatchError> {
        let map = item.as_map().ok_or(PatchError::NotAnObject { at })?;
        let text = |field: &'static str| {
            map.get(field).and_then(Value::as_str).ok_or(PatchError::MissingField { at, field })
        };
        let pointer = |field: &'static str| {
            let path = text(field)?.to_owned();
            if path.is_empty() || path.starts_with('/') {
                Ok(path)
            } else {
                Err(PatchError::BadPath { path })
            }
        };
        let value =
            || map.get("value").cloned().ok_or(PatchError::MissingField { at, field: "value" });
        Ok(match text("op")? {
            "add" => Self::Add { path: pointer("path")?, value: value()? },
            "remove" => Self::Remove { path: pointer("path")? },
            "replace" => Self::Replace { path: pointer("path")?, value: value()? },
            "move" => Self::Move { from: pointer("from")?, path: pointer("path")? },
            "copy" => Self::Copy { from: pointer("from")?, path: pointer("path")? },
            // COMPAT: evanphx 5.9: a test without a value tests for null; test: a_patch_is_read_strictly.
            "test" => Self::Test {
                path: pointer("path")?,
                value: map.get("value").cloned().unwrap_or_default(),
            },
            op => return Err(PatchError::UnknownOperation { op: op.to_owned() }),
        })
    }

    /// The operation as an object.
    pub fn to_value(&self) -> Value {
        let object = Value::build().member("op", self.name()).member("path", self.path());
        match self {
            Self::Remove { .. } => object,
            Self::Add { value, .. } | Self::Replace { value, .. } | Self::Test { value, .. } => {
                object.member("value", value.clone())
            }
            Self::Move { from, .. } | Self::Copy { from, .. } => {
                object.member("from", from.as_str())
            }
        }
        .finish()
    }
}

/// A patch as the list that travels.
pub fn to_value(operations: &[Operation]) -> Value {
    Value::list(operations.iter().map(Operation::to_value))
}
