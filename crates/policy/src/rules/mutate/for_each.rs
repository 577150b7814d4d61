//! `mutate.foreach`: the same change for each element of a list, each on what the one before left.
use super::Mutate;
use crate::{
    conditions::Conditions,
    context::{Context, entry::ContextEntry},
    stop::{RuleError, Stop},
    variables::Unresolved,
};
use sigward_document::Value;
use sigward_jmespath::Expression;
use smol_str::{SmolStr, format_smolstr};

/// One list and what is done for its elements.
#[derive(Clone, Debug)]
pub(crate) struct ForEach {
    /// What yields the list.
    pub(crate) list: Expression,
    /// From the last element to the first.
    pub(crate) descending: bool,
    /// Data for each element.
    pub(crate) context: Vec<ContextEntry>,
    /// Elements for which they do not hold are passed over.
    pub(crate) preconditions: Conditions,
    /// The change.
    pub(crate) change: Mutate,
}

/// Applies list after list. What one list has done is what the next one sees as `request.object`.
pub(super) fn apply<'e>(
    lists: &'e [ForEach],
    object: &Value,
    nesting: usize,
    context: &mut Context<'e>,
) -> Result<Value, Stop> {
    let mut current = object.clone();
    for list in lists {
        let changed = list.apply(&current, nesting, context)?;
        if changed != current {
            context.replace_object(&changed);
            current = changed;
        }
    }
    Ok(current)
}

impl ForEach {
    fn apply<'e>(
        &'e self,
        object: &Value,
        nesting: usize,
        context: &mut Context<'e>,
    ) -> Result<Value, Stop> {
        let mut elements = match context.elements(&self.list, nesting) {
            Ok(elements) => elements,
            Err(Unresolved::Stopped(stop)) => return Err(stop),
            // COMPAT: Kyverno 1.19: unlike in validate, a list that is not there is an error; test: a_list_that_is_not_there_is_an_error_of_a_mutate_rule
            Err(Unresolved::Failed(reason)) => {
                let list = SmolStr::new(self.list.text());
                return Err(RuleError::MutateList { list, reason }.into());
            }
        };
        if self.descending {
            elements.reverse();
        }
        let mut current = object.clone();
        for (at, element) in elements.iter().enumerate() {
            let changed = context.for_element(element, &self.context, |context| {
                let held = self.preconditions.evaluate(context).map_err(|stop| {
                    let part =
                        format_smolstr!("failed to evaluate mutate.foreach[{at}].preconditions");
                    stop.of(part)
                })?;
                if !held.holds {
                    return Ok(current.clone());
                }
                match &self.change {
                    Mutate::ForEach(lists) => apply(lists, &current, nesting + 1, context),
                    Mutate::JsonPatch(_) | Mutate::Merge(_) => self.change.apply(&current, context),
                }
            });
            current = changed.map_err(|stop| stop.of("failed to mutate elements"))?;
        }
        Ok(current)
    }
}
