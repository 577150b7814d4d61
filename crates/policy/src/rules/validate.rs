//! `validate`: what an object must look like.
mod for_each;
mod patterns;

pub(crate) use for_each::ForEach;
pub(crate) use patterns::Patterns;

use crate::{
    conditions::{Conditions, resolved},
    context::Context,
    pod_security::PodSecurity,
    rule::Override,
    snapshot::FailureAction,
    stop::Stop,
    variables::Template,
};
use sigward_document::Value;

/// What is checked, and what a failure does and says.
#[derive(Debug)]
pub(crate) struct Validate {
    /// `failureAction`.
    pub(crate) action: Option<FailureAction>,
    /// `failureActionOverrides`; the first that matches wins over everything.
    pub(crate) overrides: Vec<Override>,
    /// `failureAction`, or the policy's; overrides left out.
    pub(crate) written_action: FailureAction,
    /// An object that violated the rule before may go on to.
    pub(crate) allow_existing: bool,
    /// `message`.
    pub(crate) message: Template,
    /// What is checked.
    pub(crate) check: Check,
}

/// What is checked.
#[derive(Debug)]
pub(crate) enum Check {
    /// `deny`.
    Deny(Conditions),
    /// `pattern` or `anyPattern`.
    Patterns(Patterns),
    /// `foreach`.
    ForEach(Vec<ForEach>),
    /// `podSecurity`; it is run beside its exceptions.
    PodSecurity(PodSecurity),
}

/// What came of a check, with the words for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The object is as it must be.
    Pass(String),
    /// It is not.
    Fail(String),
    /// The check is not about the object.
    Skip(String),
}

/// The rule as its messages name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'t> {
    rule: &'t str,
    message: &'t Template,
}

impl Validate {
    /// Checks the context's object. `None` when there is nothing to say: the rule has no result then.
    pub(crate) fn check<'e>(
        &'e self,
        rule: &str,
        context: &mut Context<'e>,
    ) -> Result<Option<Verdict>, Stop> {
        self.check.run(Told { rule, message: &self.message }, None, 0, context)
    }
}

impl Check {
    /// `element` is what patterns look at in place of the object; `nesting` counts the lists around.
    fn run<'e>(
        &'e self,
        told: Told<'_>,
        element: Option<&Value>,
        nesting: usize,
        context: &mut Context<'e>,
    ) -> Result<Option<Verdict>, Stop> {
        match self {
            Self::Deny(conditions) => deny(conditions, told, context).map(Some),
            Self::Patterns(patterns) => patterns.check(told, element, context),
            // Its exceptions decide what is left to say: see `evaluate::run::pod_security`.
            Self::PodSecurity(_) => Ok(None),
            Self::ForEach(lists) => for_each::check(lists, told, element, nesting, context),
        }
    }
}

fn deny(
    conditions: &Conditions,
    told: Told<'_>,
    context: &mut Context<'_>,
) -> Result<Verdict, Stop> {
    let held =
        conditions.evaluate(context).map_err(|stop| stop.of("failed to check deny conditions"))?;
    if held.holds {
        told.denied(held.message, context).map(Verdict::Fail)
    } else {
        Ok(Verdict::Pass(told.passed()))
    }
}

// COMPAT: Kyverno 1.19: the words are matched by scripts, to the letter; test: failures_read_as_upstream_writes_them
impl Told<'_> {
    fn passed(&self) -> String {
        format!("validation rule '{}' passed.", self.rule)
    }

    /// The rule's own message and that of the conditions.
    fn denied(&self, conditions: String, context: &mut Context<'_>) -> Result<String, Stop> {
        let own = self.message.document().as_str().unwrap_or_default();
        let told = match (own.is_empty(), conditions.is_empty()) {
            (true, true) => return Ok(format!("validation error: rule {} failed", self.rule)),
            (false, true) => self.message.substitute(context),
            (true, false) => resolved(&conditions, context),
            (false, false) => resolved(&format!("{own}; {conditions}"), context),
        };
        match told {
            Ok(told) => Ok(told.as_str().map_or_else(
                || {
                    "the produced message didn't resolve to a string, check your policy definition."
                        .to_owned()
                },
                ToOwned::to_owned,
            )),
            Err(Stop::Suspended) => Err(Stop::Suspended),
            Err(Stop::Error(_)) => Ok(conditions),
        }
    }

    /// A pattern that does not match: `what` says where, `why` what is wrong there.
    fn failed(&self, what: &str, why: &str, context: &mut Context<'_>) -> Result<String, Stop> {
        let own = match self.message.substitute(context) {
            Ok(own) => own,
            Err(Stop::Suspended) => return Err(Stop::Suspended),
            Err(Stop::Error(_)) => {
                let rule = self.rule;
                return Ok(format!(
                    "validation error: variables substitution error in rule {rule} execution error: {why}"
                ));
            }
        };
        let own = own.as_str().map_or_else(|| own.to_json(), ToOwned::to_owned);
        let stop = if own.ends_with('.') { "" } else { "." };
        Ok(if self.message.document().as_str().is_none_or(str::is_empty) {
            format!("validation error: {what}")
        } else {
            format!("validation error: {own}{stop} {what}")
        })
    }
}
