//! Which exceptions speak of a rule and an object.
use super::{
    super::{
        Finished,
        candidate::{Asked, Prior},
    },
    Run, ground, skipped,
};
use crate::{
    compile::{Exception, Policy},
    context::Context,
    message,
    request::Request,
    rule::Rule,
    snapshot::FailureAction,
    stop::Stop,
};
use sigward_document::Value;
use smol_str::SmolStr;

/// Whose object is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// The request's.
    New,
    /// The one that was there before: nobody in particular made it.
    Old,
}

impl<'r> Run<'r> {
    /// The exceptions that match, in the snapshot's order.
    pub(super) fn exceptions(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        (request, object, age): (&Request, &Value, Age),
    ) -> Result<Vec<&'r Exception>, Stop> {
        let snapshot = self.snapshot;
        let mut all = Vec::new();
        for exception in snapshot.exceptions() {
            if !snapshot.honours(exception) || !exception.covers(policy.name(), &rule.name) {
                continue;
            }
            let matches = match age {
                Age::New => {
                    let mut asked = Asked { request, object, facts: self.facts };
                    exception.matches.matches(&mut asked)?
                }
                Age::Old => {
                    exception.matches.matches(&mut Prior::new(request, object, self.facts))?
                }
            };
            if !matches {
                continue;
            }
            let ground = ground(snapshot, request, policy, rule, object);
            let mut context = Context::new(&ground, self.facts);
            if exception.conditions.evaluate(&mut context)?.holds {
                all.push(&**exception);
            }
        }
        Ok(all)
    }

    /// Exceptions that match take the rule out. One that speaks of controls of the Pod Security Standards takes out
    /// no rule that has none.
    // COMPAT: Kyverno 1.19: there it takes out any rule that it names; test: an_exception_of_controls_takes_out_no_other_rule
    pub(super) fn excepted(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        object: &Value,
        action: FailureAction,
    ) -> Result<Option<Finished>, Stop> {
        let mut all = self.exceptions(policy, rule, (self.request, object, Age::New))?;
        all.retain(|exception| exception.pod_security.is_empty());
        if all.is_empty() {
            return Ok(None);
        }
        let names: Vec<SmolStr> = all.iter().map(|exception| key(exception)).collect();
        let mut finished = skipped(policy, rule, action, message::excepted(&names));
        if let Some(outcome) = &mut finished.outcome {
            outcome.exceptions = names;
        }
        Ok(Some(finished))
    }
}

/// `namespace/name`, as messages have it.
pub(super) fn key(exception: &Exception) -> SmolStr {
    let name = exception.name();
    smol_str::format_smolstr!("{}/{}", name.namespace, name.name)
}
