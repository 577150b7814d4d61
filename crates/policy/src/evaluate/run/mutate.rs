//! The phase of mutate rules: each sees what the one before left.
use super::{
    super::{Finished, Phase, finish},
    Place, Run, Waits, ground, is_applied, outcome, skipped,
};
use crate::{
    compile::Policy,
    context::Context,
    decision::{RuleOutcome, Status},
    message,
    outcome::Judgement,
    rule::{Action, Rule},
    rules::mutate::{
        Mutate,
        targets::{Change, MutateExisting},
    },
    snapshot::FailureAction,
    stop::Stop,
};
use sigward_document::Value;

impl Run<'_> {
    /// Mutate rules, each on the output of the one before.
    pub(super) fn mutate(
        &mut self,
        candidates: &[usize],
        object: &mut Value,
    ) -> Result<Vec<Finished>, Waits> {
        let mut all = Vec::new();
        for index in candidates {
            let Some(policy) = self.policy(*index) else { continue };
            for (at, rule) in policy.rules.iter().enumerate() {
                let key = Place { policy: *index, rule: at }.key(Phase::Mutate);
                let finished = match &rule.action {
                    Action::Mutate(mutate) => self.one(key, policy, rule, object, |run, action| {
                        run.apply(policy, rule, mutate, object, action)
                    }),
                    // The request is answered without it: who carries it out asks behind the answer.
                    Action::MutateExisting(mutate) if self.snapshot.settings().update_requests => {
                        self.one(key, policy, rule, object, |run, action| {
                            run.targets(policy, rule, mutate, object, action)
                        })
                    }
                    Action::MutateExisting(_)
                    | Action::Validate(_)
                    | Action::Generate(_)
                    | Action::VerifyImages(_)
                    | Action::Unusable(_) => continue,
                };
                let finished = finished.map_err(|_| Waits)?;
                if let Some(changed) = &finished.object {
                    *object = changed.clone();
                }
                let applied = is_applied(&finished);
                let failed = finished.outcome.as_ref().is_some_and(|o| o.blocks);
                all.push(finished);
                if failed {
                    return Ok(all);
                }
                if applied && policy.apply_one {
                    break;
                }
            }
        }
        Ok(all)
    }

    fn apply(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        mutate: &Mutate,
        object: &Value,
        action: FailureAction,
    ) -> Result<Finished, Stop> {
        if let Some(finished) = self.excepted(policy, rule, object, action)? {
            return Ok(finished);
        }
        let snapshot = self.snapshot;
        let ground = ground(snapshot, self.request, policy, rule, object);
        let mut context = Context::new(&ground, self.facts);
        let held = rule
            .preconditions
            .evaluate(&mut context)
            .map_err(|stop| stop.of("failed to evaluate preconditions"))?;
        if !held.holds {
            return Ok(skipped(policy, rule, action, message::preconditions(&held.message)));
        }
        let changed = mutate.apply(object, &mut context)?;
        if changed == *object {
            let text = match mutate {
                Mutate::ForEach(_) => message::NO_ELEMENTS,
                Mutate::JsonPatch(_) | Mutate::Merge(_) => message::NO_PATCHES,
            };
            return Ok(skipped(policy, rule, action, text.to_owned()));
        }
        let name = finish::name(self.request, object);
        let judgement = Judgement { status: Status::Pass, blocks: false };
        let text = message::mutated(self.request, name);
        Ok(Finished {
            outcome: Some(outcome(policy, rule, judgement, action, text)),
            object: Some(changed),
            ..Finished::default()
        })
    }

    /// A rule with `targets`: one outcome for each object, of which none blocks.
    // COMPAT: Kyverno 1.19: an object that is named twice is read twice, as it was; test: a_target_that_is_named_twice_is_changed_as_it_was
    fn targets(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        mutate: &MutateExisting,
        object: &Value,
        action: FailureAction,
    ) -> Result<Finished, Stop> {
        if let Some(finished) = self.excepted(policy, rule, object, action)? {
            return Ok(finished);
        }
        let ground = ground(self.snapshot, self.request, policy, rule, object);
        let mut context = Context::new(&ground, self.facts);
        let held = rule.preconditions.evaluate(&mut context)?;
        if !held.holds {
            return Ok(skipped(policy, rule, action, message::preconditions(&held.message)));
        }
        let mut outcomes = mutate.apply(&mut context)?.into_iter().map(|changed| {
            let (status, text, target) = match changed {
                Change::Made(object) => (Status::Pass, message::target(&object), Some(object)),
                Change::Unwanted(said) => (Status::Skip, message::preconditions(&said), None),
                Change::Nothing => (Status::Skip, message::NO_PATCHES.to_owned(), None),
                Change::Failed(error) => (Status::Error, error.to_string(), None),
            };
            let judgement = Judgement { status, blocks: false };
            RuleOutcome { target, ..outcome(policy, rule, judgement, action, text) }
        });
        let first = outcomes.next();
        Ok(Finished { outcome: first, more: outcomes.collect(), ..Finished::default() })
    }
}
