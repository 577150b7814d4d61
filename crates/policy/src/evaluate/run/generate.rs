//! The phase of generate rules: what they would make, for whoever writes it.
use super::{super::Finished, Phase, Place, Run, Waits, ground, is_applied, outcome, skipped};
use crate::{
    compile::Policy,
    context::Context,
    decision::Status,
    message,
    outcome::Judgement,
    rule::{Action, Rule},
    rules::generate::{Cause, Generate},
    snapshot::FailureAction,
    stop::Stop,
};
use sigward_document::Value;

impl Run<'_> {
    /// Generate rules, each for itself.
    pub(super) fn generate(
        &mut self,
        candidates: &[usize],
        object: &Value,
    ) -> Result<Vec<Finished>, Waits> {
        let mut all = Vec::new();
        for index in candidates {
            let Some(policy) = self.policy(*index) else { continue };
            for (at, rule) in policy.rules.iter().enumerate() {
                let Action::Generate(generate) = &rule.action else { continue };
                let key = Place { policy: *index, rule: at }.key(Phase::Generate);
                let finished = self.one(key, policy, rule, object, |run, action| {
                    run.make(policy, rule, generate, object, action)
                })?;
                let applied = is_applied(&finished);
                all.push(finished);
                if applied && policy.apply_one {
                    break;
                }
            }
        }
        Ok(all)
    }

    fn make(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        generate: &Generate,
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
        let made = generate.make(&Cause { rule: &rule.name, object }, &mut context)?;
        let judgement = Judgement { status: Status::Pass, blocks: false };
        let outcome = outcome(policy, rule, judgement, action, String::new());
        Ok(Finished { outcome: Some(outcome), made, ..Finished::default() })
    }
}
