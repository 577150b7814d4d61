//! `mutate.patchesJson6902`: operations of RFC 6902.
use crate::{
    context::Context,
    stop::{RuleError, Stop},
    variables::Template,
};
use sigward_document::{Value, patch};

/// The operations, as a text that may hold variables.
#[derive(Clone, Debug)]
pub(crate) struct JsonPatch {
    /// YAML or JSON: a list of operations.
    pub(crate) patches: Template,
}

impl JsonPatch {
    /// Applies the operations to an object.
    ///
    /// Negative indices count from the end, what is to be removed may be missing, and parents of what is added
    /// are made: as Kyverno configures its patch library.
    pub(crate) fn apply(&self, object: &Value, context: &mut Context<'_>) -> Result<Value, Stop> {
        let text = self.patches.substitute(context).map_err(|stop| stop.of(super::SUBSTITUTION))?;
        let text = text.as_str().ok_or_else(|| bad("expected a text"))?.to_owned();
        let operations = parse(&text).map_err(|reason| bad(&reason))?;
        patch::apply_with(object, &operations, patch::Options::KYVERNO)
            .map_err(|error| bad(&error.to_string()))
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
