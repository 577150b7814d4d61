//! `mutate`: changes the object before anything about it is verified.
pub(crate) mod anchors;
pub(crate) mod json_patch;
pub(crate) mod merge;
mod merge_keys;

use crate::{context::Context, stop::Stop};
use json_patch::JsonPatch;
use sigward_document::Value;

/// How the object is changed.
#[derive(Clone, Debug)]
pub(crate) enum Mutate {
    /// `patchesJson6902`.
    JsonPatch(JsonPatch),
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Patched {
    /// The object afterwards; the same tree when nothing changed.
    pub(crate) object: Value,
    /// Whether anything changed.
    pub(crate) changed: bool,
}

impl Mutate {
    /// Changes the context's object.
    pub(crate) fn apply(&self, context: &mut Context<'_>) -> Result<Patched, Stop> {
        match self {
            Self::JsonPatch(patch) => patch.apply(context),
        }
    }
}
