//! One validate rule: preconditions, exceptions, the check, and whether the object violated the rule before.
use super::{
    super::{Finished, candidate::Prior},
    Run, ground, outcome, skipped,
};
use crate::{
    compile::Policy,
    context::Context,
    message,
    outcome::{Found, judge},
    request::{Operation, Request},
    rule::{Action, Rule},
    rules::validate::{Check, Validate, Verdict},
    snapshot::FailureAction,
    stop::Stop,
};
use sigward_document::Value;

impl Run<'_> {
    /// What comes of a validate rule whose match holds.
    pub(super) fn validate(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        validate: &Validate,
        object: &Value,
        action: FailureAction,
    ) -> Result<Finished, Stop> {
        let ground = ground(self.snapshot, self.request, policy, rule, object);
        if !rule.preconditions.is_empty() {
            let held = rule
                .preconditions
                .evaluate(&mut Context::new(&ground, self.facts))
                .map_err(|stop| stop.of("failed to evaluate preconditions"))?;
            if !held.holds {
                return Ok(skipped(policy, rule, action, message::preconditions(&held.message)));
            }
        }
        if let Check::PodSecurity(standard) = &validate.check {
            return self.pod_security(policy, rule, (validate, standard), object, action);
        }
        if let Some(finished) = self.excepted(policy, rule, object, action)? {
            return Ok(finished);
        }
        let verdict = validate.check(&rule.name, &mut Context::new(&ground, self.facts))?;
        let (found, text) = match verdict {
            None => return Ok(Finished::default()),
            Some(Verdict::Pass(text)) => (Found::Pass, text),
            Some(Verdict::Skip(text)) => (Found::Skip, text),
            Some(Verdict::Fail(text)) => {
                if self.violated_before(policy, rule, validate, |run, request, old| {
                    let ground = super::ground(run.snapshot, request, policy, rule, old);
                    let verdict =
                        validate.check(&rule.name, &mut Context::new(&ground, run.facts))?;
                    Ok(matches!(verdict, Some(Verdict::Fail(_))))
                })? {
                    let text = message::EXISTING_VIOLATION.to_owned();
                    return Ok(skipped(policy, rule, action, text));
                }
                (Found::Fail, text)
            }
        };
        let judgement = judge(found, rule.action.rule_type(), action, policy.failure_policy());
        let outcome = outcome(policy, rule, judgement, action, text);
        Ok(Finished { outcome: Some(outcome), ..Finished::default() })
    }

    /// Whether the old object violates the rule as well, and the rule lets that be. What cannot be told is no.
    pub(super) fn violated_before(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        validate: &Validate,
        violates: impl FnOnce(&mut Self, &Request, &Value) -> Result<bool, Stop>,
    ) -> Result<bool, Stop> {
        let enforced = validate.written_action == FailureAction::Enforce;
        if !(validate.allow_existing && enforced && self.request.operation == Operation::Update) {
            return Ok(false);
        }
        let old = match self.request.old_object.value() {
            Ok(old) if !old.is_null() => old,
            Ok(_) | Err(_) => return Ok(false),
        };
        let request = self.request.of_old_object(old);
        let verdict = || {
            let mut prior = Prior::new(&request, old, self.facts);
            if !rule.matches.matches(&mut prior)? || rule.exclude.excludes(&mut prior)? {
                return Ok(false);
            }
            let ground = ground(self.snapshot, &request, policy, rule, old);
            if !rule.preconditions.evaluate(&mut Context::new(&ground, self.facts))?.holds {
                return Ok(false);
            }
            violates(self, &request, old)
        };
        match verdict() {
            Err(Stop::Error(_)) => Ok(false),
            told => told,
        }
    }
}

impl Validate {
    /// The rule's own action, where it has one.
    pub(super) fn of(rule: &Rule) -> Option<&Self> {
        match &rule.action {
            Action::Validate(validate) => Some(validate),
            Action::Mutate(_)
            | Action::MutateExisting(_)
            | Action::Generate(_)
            | Action::VerifyImages(_)
            | Action::Unusable(_) => None,
        }
    }
}
