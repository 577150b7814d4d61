//! `validate.foreach`: a check for each element of a list.
use super::{Check, Told, Verdict};
use crate::{
    conditions::Conditions,
    context::{Context, entry::ContextEntry, foreach::Element},
    stop::{RuleError, Stop},
    variables::Unresolved,
};
use sigward_document::{Value, View};
use sigward_jmespath::Expression;

/// Elements that may wait for facts at the same time.
const MOST_WAITING: usize = 16;

/// One list, and the check of its elements.
#[derive(Debug)]
pub(crate) struct ForEach {
    /// What yields the list.
    pub(crate) list: Expression,
    /// Whether patterns look at the element; where nothing is said, at maps.
    pub(crate) element_scope: Option<bool>,
    /// Data for each element.
    pub(crate) context: Vec<ContextEntry>,
    /// Elements for which they do not hold are passed over.
    pub(crate) preconditions: Conditions,
    /// The check.
    pub(crate) check: Check,
}

/// List after list; the first element that fails decides. Nothing that was checked is no result.
pub(super) fn check<'e>(
    lists: &'e [ForEach],
    told: Told<'_>,
    scope: Option<&Value>,
    nesting: usize,
    context: &mut Context<'e>,
) -> Result<Option<Verdict>, Stop> {
    let mut applied = false;
    let mut unknown = None;
    for list in lists {
        let elements = match context.elements(&list.list, nesting) {
            Ok(elements) => elements,
            Err(Unresolved::Stopped(stop)) => return Err(stop),
            // COMPAT: Kyverno 1.19: a list that is not there has no elements; test: a_list_that_is_not_there_has_no_elements
            Err(Unresolved::Failed(reason)) if reason.contains("Unknown key") => continue,
            Err(Unresolved::Failed(reason)) => {
                unknown = unknown.or(Some(reason));
                continue;
            }
        };
        match list.elements(&elements, told, scope, nesting, context)? {
            Some(Verdict::Pass(_)) => applied = true,
            Some(Verdict::Fail(text)) => {
                return Ok(Some(Verdict::Fail(format!("validation failure: {text}"))));
            }
            Some(Verdict::Skip(_)) | None => {}
        }
    }
    match unknown {
        Some(reason) if !applied => Err(RuleError::List(reason).into()),
        Some(_) | None => Ok(applied.then(|| Verdict::Pass("rule passed".to_owned()))),
    }
}

impl ForEach {
    /// Elements go on while others wait, so that what they want is wanted together; the result is that of the first
    /// in the order of the list.
    fn elements<'e>(
        &'e self,
        elements: &[Element],
        told: Told<'_>,
        scope: Option<&Value>,
        nesting: usize,
        context: &mut Context<'e>,
    ) -> Result<Option<Verdict>, Stop> {
        let mut passed = None;
        let mut waiting = 0;
        for element in elements {
            let scope = self.scope(&element.value, scope)?;
            let verdict = context.for_element(element, &self.context, |context| {
                self.element(told, scope, nesting, context)
            });
            match verdict {
                Err(Stop::Suspended) => {
                    waiting += 1;
                    if waiting >= MOST_WAITING {
                        break;
                    }
                }
                _ if waiting > 0 => {}
                Err(stop) => return Err(stop.of("validation failure")),
                Ok(Some(Verdict::Fail(text))) => return Ok(Some(Verdict::Fail(text))),
                Ok(Some(Verdict::Pass(text))) => passed = Some(Verdict::Pass(text)),
                Ok(Some(Verdict::Skip(_)) | None) => {}
            }
        }
        if waiting > 0 { Err(Stop::Suspended) } else { Ok(passed) }
    }

    fn element<'e>(
        &'e self,
        told: Told<'_>,
        scope: Option<&Value>,
        nesting: usize,
        context: &mut Context<'e>,
    ) -> Result<Option<Verdict>, Stop> {
        match self.preconditions.evaluate(context) {
            Ok(held) if held.holds => self.check.run(told, scope, nesting + 1, context),
            Ok(_) => Ok(None),
            // COMPAT: Kyverno 1.19: an element without the key that a precondition names is passed over; test: an_element_whose_precondition_names_a_missing_key_is_passed_over
            Err(Stop::Error(error)) if error.is_missing_variable() => Ok(None),
            Err(stop) => Err(stop.of("failed to evaluate preconditions")),
        }
    }

    /// What patterns look at: the element, or what is around it.
    fn scope<'v>(
        &self,
        element: &'v Value,
        around: Option<&'v Value>,
    ) -> Result<Option<&'v Value>, Stop> {
        let found = match element.view() {
            View::Map(_) => {
                return Ok(if self.element_scope == Some(false) { around } else { Some(element) });
            }
            View::Null => "<nil>",
            View::Bool(_) => "bool",
            View::Int(_) | View::Float(_) => "float64",
            View::String(_) => "string",
            View::List(_) => "[]interface {}",
        };
        if self.element_scope == Some(true) {
            return Err(RuleError::ElementScope { found }.into());
        }
        Ok(around)
    }
}
