//! The phase of mutate rules: each sees what the one before left.
use super::{
    super::{Finished, Phase, finish},
    Place, Run, Waits, ground, is_applied, outcome, skipped,
};
use crate::{
    compile::Policy,
    context::Context,
    decision::Status,
    message,
    outcome::Judgement,
    rule::{Action, Rule},
    rules::mutate::Mutate,
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
                let Action::Mutate(mutate) = &rule.action else { continue };
                let key = Place { policy: *index, rule: at }.key(Phase::Mutate);
                let finished = self.one(key, policy, rule, object, |run, action| {
                    run.apply(policy, rule, mutate, object, action)
                });
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
}
