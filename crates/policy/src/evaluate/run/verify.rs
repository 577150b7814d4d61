//! The phase of `verifyImages` on the mutating side: images are verified and pinned.
use super::{
    super::{Finished, Phase, finish},
    Run, Waits, ground, outcome, skipped,
};
use crate::{
    compile::Policy,
    context::Context,
    decision::{ImageOutcome, ImageStatus, Status},
    message,
    outcome::{Judgement, judge_image, rank},
    request::Operation,
    rule::{Action, Rule},
    rules::verify_images::{ImageResult, Results, VerifyImages},
    snapshot::{FailureAction, PolicyName},
    stop::Stop,
};
use sigward_document::Value;
use smol_str::SmolStr;
use std::collections::BTreeSet;

impl Run<'_> {
    /// Every rule that verifies, by name.
    pub(super) fn verify(
        &mut self,
        candidates: &[usize],
        object: &Value,
    ) -> Result<Vec<(SmolStr, Finished)>, Waits> {
        if !self.may_verify() {
            return Ok(Vec::new());
        }
        self.independent(candidates, |run, place, policy, rule| {
            let Action::VerifyImages(verify) = &rule.action else { return None };
            Some(run.one(place.key(Phase::Verify), policy, rule, object, |run, action| {
                run.images(policy, rule, verify, object, action, |context| {
                    let results = verify.verify(&rule.name, context)?;
                    Ok(sum_up(policy, rule, action, results))
                })
            }))
        })
    }

    // COMPAT: Kyverno 1.19: what is deleted is never verified; test: a_delete_is_never_checked
    pub(super) fn may_verify(&self) -> bool {
        matches!(self.request.operation, Operation::Create | Operation::Update)
    }

    /// Preconditions and exceptions of a rule about images, then what it does.
    pub(super) fn images(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        verify: &VerifyImages,
        object: &Value,
        action: FailureAction,
        act: impl FnOnce(&mut Context<'_>) -> Result<Finished, Stop>,
    ) -> Result<Finished, Stop> {
        let snapshot = self.snapshot;
        let ground = ground(snapshot, self.request, policy, rule, object);
        {
            let mut context = Context::new(&ground, self.facts);
            if !verify.applies(&mut context)? {
                return Ok(Finished::default());
            }
            if !rule.preconditions.evaluate(&mut context)?.holds {
                let text = message::PRECONDITIONS.to_owned();
                return Ok(skipped(policy, rule, action, text));
            }
        }
        if let Some(finished) = self.excepted(policy, rule, object, action)? {
            return Ok(finished);
        }
        act(&mut Context::new(&ground, self.facts))
    }

    /// The policies of this call that verify images.
    pub(super) fn evaluated(&self, candidates: &[usize]) -> BTreeSet<PolicyName> {
        candidates
            .iter()
            .filter_map(|index| self.policy(*index))
            .filter(|policy| {
                policy.rules.iter().any(|rule| matches!(rule.action, Action::VerifyImages(_)))
            })
            .map(|policy| policy.name().clone())
            .collect()
    }
}

/// The results of all images as the outcome of their rule: the worst status speaks.
pub(super) fn sum_up(
    policy: &Policy,
    rule: &Rule,
    action: FailureAction,
    results: Results,
) -> Finished {
    if results.images.is_empty() {
        return Finished::default();
    }
    let judged: Vec<(Judgement, ImageResult)> = results
        .images
        .into_iter()
        .map(|result| (judge_image(&result, action, policy.failure_policy()), result))
        .collect();
    let worst = judged.iter().map(|(j, _)| j.status).max_by_key(|s| rank(*s));
    let status = worst.unwrap_or(Status::Pass);
    let blocks = judged.iter().any(|(j, _)| j.blocks);
    let is_bad = |status: Status| matches!(status, Status::Fail | Status::Error);
    let mut texts: Vec<String> = Vec::new();
    let mut finished = Finished::default();
    let mut images: Vec<ImageOutcome> = Vec::new();
    for (judgement, result) in judged {
        if is_bad(judgement.status) == is_bad(status)
            && let Some(text) = result.message
            && !texts.contains(&text)
        {
            texts.push(text);
        }
        let pointer = result.outcome.pointer.clone();
        if let Some(recorded) = result.recorded {
            finished.recorded.push((finish::recorded_name(&result.outcome), recorded));
        }
        if matches!(result.outcome.status, ImageStatus::Verified)
            && let Some(digest) = &result.outcome.digest
        {
            finished.verified.push((pointer.clone(), digest.clone()));
        }
        finished.pins.extend(result.pin.map(|pin| (pointer, pin)));
        finished.warnings.extend(result.warning);
        images.push(result.outcome);
    }
    let judgement = Judgement { status, blocks };
    let mut outcome = outcome(policy, rule, judgement, action, texts.join("; "));
    outcome.images = images;
    finished.outcome = Some(outcome);
    finished
}
