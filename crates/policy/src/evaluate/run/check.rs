//! What the validating webhook does, policy by policy and rule by rule: validate rules, and the checks of images.
use super::{
    super::{Finished, Phase},
    Run, Waits, outcome,
    verify::sum_up,
};
use crate::{
    compile::Policy,
    context::Context,
    decision::Status,
    message,
    outcome::Judgement,
    rule::{Action, Rule},
    rules::verify_images::VerifyImages,
    snapshot::FailureAction,
    stop::{RuleError, Stop},
};
use sigward_document::Value;
use std::sync::Arc;

impl Run<'_> {
    /// Every rule that checks, in the order of policies and their rules.
    pub(super) fn check(
        &mut self,
        candidates: &[usize],
        object: &Value,
    ) -> Result<Vec<Finished>, Waits> {
        let may_verify = self.may_verify();
        let all = self.independent(candidates, |run, place, policy, rule| match &rule.action {
            Action::Validate(validate) => {
                Some(run.one(place.key(Phase::Validate), policy, rule, object, |run, action| {
                    run.validate(policy, rule, validate, object, action)
                }))
            }
            Action::VerifyImages(verify) if may_verify && verify.is_checked() => {
                Some(run.one(place.key(Phase::Check), policy, rule, object, |run, action| {
                    run.images(policy, rule, verify, object, action, |context| {
                        checked(policy, rule, verify, action, context)
                    })
                }))
            }
            Action::Unusable(unusable) if unusable.is_for(run.request.operation) => {
                Some(run.one(place.key(Phase::Validate), policy, rule, object, |_, _| {
                    Err(RuleError::Unusable(Arc::clone(&unusable.reason)).into())
                }))
            }
            Action::VerifyImages(_)
            | Action::Mutate(_)
            | Action::MutateExisting(_)
            | Action::Generate(_)
            | Action::Unusable(_) => None,
        })?;
        Ok(all.into_iter().map(|(_, finished)| finished).collect())
    }
}

/// Digests must be there, and required images must be verified.
fn checked(
    policy: &Policy,
    rule: &Rule,
    verify: &VerifyImages,
    action: FailureAction,
    context: &mut Context<'_>,
) -> Result<Finished, Stop> {
    let checked = verify.check(&rule.name, context)?;
    if !checked.results.images.is_empty() {
        return Ok(sum_up(policy, rule, action, checked.results));
    }
    let status = match (checked.any_verified, checked.skipped.is_empty()) {
        (false, false) => Status::Skip,
        (true, _) => Status::Pass,
        (false, true) => return Ok(Finished::default()),
    };
    let text = message::checked(&checked.skipped, checked.any_verified);
    let judgement = Judgement { status, blocks: false };
    let outcome = outcome(policy, rule, judgement, action, text);
    Ok(Finished { outcome: Some(outcome), ..Finished::default() })
}
