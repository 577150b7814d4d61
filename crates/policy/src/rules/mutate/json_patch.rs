//! `mutate.patchesJson6902`: operations of RFC 6902.
use super::Patched;
use crate::{
    context::Context,
    stop::{RuleError, Stop},
    variables::Template,
};
use sigward_document::patch;

/// The operations, as a text that may hold variables.
#[derive(Clone, Debug)]
pub(crate) struct JsonPatch {
    /// YAML or JSON: a list of operations.
    pub(crate) patches: Template,
}

impl JsonPatch {
    /// Applies the operations to the context's object.
    ///
    /// Negative indices count from the end, what is to be removed may be missing, and parents of what is added
    /// are made: as Kyverno configures its patch library.
    pub(crate) fn apply(&self, context: &mut Context<'_>) -> Result<Patched, Stop> {
        let before = context.object.clone();
        let text = self.patches.substitute(context)?;
        let text = text.as_str().ok_or_else(|| bad("expected a text"))?.to_owned();
        let operations = parse(&text).map_err(|reason| bad(&reason))?;
        let object = patch::apply_with(&before, &operations, patch::Options::KYVERNO)
            .map_err(|error| bad(&error.to_string()))?;
        let changed = object != before;
        Ok(Patched { object: if changed { object } else { before }, changed })
    }
}

/// Reads operations from YAML or JSON.
pub(crate) fn parse(text: &str) -> Result<Vec<patch::Operation>, String> {
    let written = sigward_document::parse_yaml(text).map_err(|error| error.message)?;
    patch::Operation::parse_list(&written.value).map_err(|error| error.to_string())
}

fn bad(reason: &str) -> Stop {
    RuleError::Patch(reason.to_owned()).into()
}
