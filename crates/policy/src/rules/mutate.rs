//! `mutate`: changes the object before anything about it is verified.
mod anchors;
pub(crate) mod for_each;
pub(crate) mod json_patch;
mod merge;
mod merge_keys;
pub(crate) mod targets;

use crate::{
    context::Context,
    pattern::Pattern,
    stop::{RuleError, Stop},
    variables::Template,
};
use for_each::ForEach;
use json_patch::JsonPatch;
use sigward_document::Value;

/// What fails when a variable of a patch has no value.
const SUBSTITUTION: &str = "variable substitution failed";

/// How the object is changed.
#[derive(Clone, Debug)]
pub(crate) enum Mutate {
    /// `patchesJson6902`.
    JsonPatch(JsonPatch),
    /// `patchStrategicMerge`, with its anchors and variables.
    Merge(Template),
    /// `foreach`, one list after the other.
    ForEach(Vec<ForEach>),
}

impl Mutate {
    /// The object afterwards; the same tree when nothing changed.
    pub(crate) fn apply<'e>(
        &'e self,
        object: &Value,
        context: &mut Context<'e>,
    ) -> Result<Value, Stop> {
        let changed = match self {
            Self::JsonPatch(patch) => patch.apply(object, context)?,
            Self::Merge(patch) => {
                let patch = patch.substitute(context).map_err(|stop| stop.of(SUBSTITUTION))?;
                match anchors::prepare(&patch, object, &fits) {
                    Some(patch) => merge::merge(object, &patch)
                        .map_err(|error| RuleError::Merge(error.to_string()))?,
                    // COMPAT: Kyverno 1.19: a condition that does not hold is no error, there is just nothing to
                    // change; test: a_condition_that_does_not_hold_skips_the_rule
                    None => object.clone(),
                }
            }
            Self::ForEach(lists) => for_each::apply(lists, object, 0, context)?,
        };
        Ok(if changed == *object { object.clone() } else { changed })
    }

    /// Whether elements are visited from the last where nothing else is said.
    // COMPAT: Kyverno 1.19: merge patches put items in front, so that visiting from the last keeps the order;
    // test: a_merge_patch_visits_elements_from_the_last
    pub(crate) fn is_descending(&self) -> bool {
        matches!(self, Self::Merge(_))
    }
}

/// Whether a value meets the condition of an anchor: the language of validate patterns.
fn fits(value: &Value, pattern: &Value) -> bool {
    Pattern::compile(pattern).matches(value).is_ok()
}
