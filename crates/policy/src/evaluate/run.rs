//! The phases of one evaluation: what they share, and their order.
mod check;
mod exceptions;
mod generate;
mod mutate;
mod pod_security;
mod validate;
mod verify;

use super::{
    Finished, Key, Phase, Probe, Progress,
    candidate::{Asked, namespace_labels, roles},
    finish,
};
use crate::{
    compile::Policy,
    context::{Context, Ground},
    decision::{Decision, RuleOutcome, Status},
    fact::Facts,
    matching::any_matches,
    outcome::{Found, Judgement, judge},
    request::{Operation, Request, Stage},
    rule::{Action, Override, Rule},
    rules::validate::Validate,
    snapshot::{FailureAction, Snapshot},
    stop::Stop,
};
use sigward_document::Value;
use smol_str::SmolStr;

/// Something is wanted before there can be a decision.
pub(super) struct Waits;

/// One evaluation.
pub(super) struct Run<'r> {
    pub(super) snapshot: &'r Snapshot,
    pub(super) request: &'r Request,
    pub(super) facts: &'r mut Facts,
    pub(super) progress: &'r mut Progress,
    pub(super) probe: &'r mut dyn Probe,
}

/// Where a rule stands in the snapshot.
#[derive(Clone, Copy)]
struct Place {
    policy: usize,
    rule: usize,
}

impl Place {
    fn key(self, phase: Phase) -> Key {
        Key { phase, policy: self.policy, rule: self.rule }
    }
}

impl<'r> Run<'r> {
    /// All phases of the request's stage over the candidate policies.
    pub(super) fn all(&mut self, candidates: &[usize]) -> Result<Decision, Waits> {
        if self.is_excluded()? {
            return Ok(finish::untouched(self.snapshot));
        }
        let read = match self.request.operation {
            Operation::Delete => self.request.old_object.value(),
            Operation::Create | Operation::Update | Operation::Connect => {
                self.request.object.value()
            }
        };
        let original = match read {
            Ok(value) => value.clone(),
            Err(error) => return Ok(finish::unreadable(self.snapshot, error)),
        };
        let mut done = finish::Done::new(original.clone());
        if self.request.stage == Stage::Generating {
            for finished in self.generate(candidates, &original)? {
                done.add(finished);
            }
            return Ok(done.decide(self.snapshot, self.request, &original));
        }
        if self.request.stage != Stage::Validating {
            let mut object = original.clone();
            for finished in self.mutate(candidates, &mut object)? {
                done.add(finished);
            }
            done.object = object;
            if done.mutation_failed() {
                return Ok(done.refuse_mutation(self.snapshot));
            }
            let object = done.object.clone();
            let finished = self.verify(candidates, &object)?;
            let evaluated = self.evaluated(candidates);
            done.verified(finished, &evaluated);
        }
        if self.request.stage != Stage::Mutating {
            let object = done.object.clone();
            for finished in self.check(candidates, &object)? {
                done.checked(finished);
            }
        }
        Ok(done.decide(self.snapshot, self.request, &original))
    }

    /// `excludeUsernames` and its companions.
    fn is_excluded(&mut self) -> Result<bool, Waits> {
        let exclusions = &self.snapshot.exclusions;
        let Some(user) = &self.request.user else { return Ok(false) };
        if exclusions.user(user) {
            return Ok(true);
        }
        if !exclusions.asks_for_roles() {
            return Ok(false);
        }
        match roles(self.request, self.facts) {
            Ok(bound) => Ok(exclusions.bound(&bound.roles, &bound.cluster_roles)),
            Err(Stop::Suspended) => Err(Waits),
            // Roles that cannot be read exclude nobody.
            Err(Stop::Error(_)) => Ok(false),
        }
    }

    /// Rules that do not see one another: all run, and all that they want is wanted together. `step` is `None` for
    /// a rule that is not of the phase.
    fn independent(
        &mut self,
        candidates: &[usize],
        mut step: impl FnMut(&mut Self, Place, &'r Policy, &'r Rule) -> Option<Result<Finished, Waits>>,
    ) -> Result<Vec<(SmolStr, Finished)>, Waits> {
        let mut all = Vec::new();
        let mut waits = false;
        for index in candidates {
            let Some(policy) = self.policy(*index) else { continue };
            for (at, rule) in policy.rules.iter().enumerate() {
                let place = Place { policy: *index, rule: at };
                let Some(finished) = step(self, place, policy, rule) else { continue };
                // Under `One`, whether later rules run depends on what comes of this one.
                let last = if let Ok(finished) = finished {
                    let applied = is_applied(&finished);
                    all.push((rule.name.clone(), finished));
                    applied
                } else {
                    waits = true;
                    true
                };
                if last && policy.apply_one {
                    break;
                }
            }
        }
        if waits { Err(Waits) } else { Ok(all) }
    }

    fn policy(&self, index: usize) -> Option<&'r Policy> {
        self.snapshot.policies().get(index).map(AsRef::as_ref)
    }

    /// One rule: from the memo, or run now.
    fn one(
        &mut self,
        key: Key,
        policy: &Policy,
        rule: &Rule,
        object: &Value,
        act: impl FnOnce(&mut Self, FailureAction) -> Result<Finished, Stop>,
    ) -> Result<Finished, Waits> {
        if let Some(finished) = self.progress.finished.get(&key) {
            return Ok(finished.clone());
        }
        self.probe.enter(policy.name(), &rule.name);
        let finished = self.matched(policy, rule, object, act);
        self.probe.leave(policy.name(), &rule.name);
        match finished {
            Ok(finished) => {
                self.progress.finished.insert(key, finished.clone());
                Ok(finished)
            }
            Err(Stop::Suspended) => Err(Waits),
            Err(Stop::Error(error)) => {
                let action = match self.action(policy, rule) {
                    Ok(action) => action,
                    Err(Stop::Suspended) => return Err(Waits),
                    // The action itself needs a fact that failed: the stricter one holds.
                    Err(Stop::Error(_)) => FailureAction::Enforce,
                };
                let judgement =
                    judge(Found::Error, rule.action.rule_type(), action, policy.failure_policy());
                let outcome = outcome(policy, rule, judgement, action, error.to_string());
                let finished = Finished { outcome: Some(outcome), ..Finished::default() };
                self.progress.finished.insert(key, finished.clone());
                Ok(finished)
            }
        }
    }

    /// Match and exclude, then exceptions, then the action.
    fn matched(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        object: &Value,
        act: impl FnOnce(&mut Self, FailureAction) -> Result<Finished, Stop>,
    ) -> Result<Finished, Stop> {
        if rule.only.as_ref().is_some_and(|kinds| !kinds.contains(&self.request.kind.kind)) {
            return Ok(Finished::default());
        }
        let namespace = &policy.name().namespace;
        if !namespace.is_empty() && *namespace != self.request.namespace {
            return Ok(Finished::default());
        }
        {
            let mut asked = Asked { request: self.request, object, facts: self.facts };
            if !rule.matches.matches(&mut asked)? || rule.exclude.excludes(&mut asked)? {
                return Ok(Finished::default());
            }
        }
        let action = self.action(policy, rule)?;
        let mut finished = act(self, action)?;
        if let Some(outcome) = &mut finished.outcome {
            let mut properties = self.properties(policy, rule, object)?;
            // What a check reports stands behind what the rule asks for, and wins.
            properties.append(&mut outcome.properties);
            outcome.properties = properties;
        }
        Ok(finished)
    }

    /// `reportProperties` with their variables resolved. One that has no value is left as it is written: a report
    /// never changes a decision.
    fn properties(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        object: &Value,
    ) -> Result<Vec<(SmolStr, String)>, Stop> {
        if rule.properties.is_empty() {
            return Ok(Vec::new());
        }
        let snapshot = self.snapshot;
        let ground = ground(snapshot, self.request, policy, rule, object);
        let mut context = Context::new(&ground, self.facts);
        let mut properties = Vec::with_capacity(rule.properties.len());
        for (key, template) in &rule.properties {
            let value = match template.substitute(&mut context) {
                Ok(value) => value,
                Err(Stop::Suspended) => return Err(Stop::Suspended),
                Err(Stop::Error(_)) => template.document().clone(),
            };
            let text = value.as_str().map_or_else(|| value.to_json(), ToOwned::to_owned);
            properties.push((key.clone(), text));
        }
        Ok(properties)
    }

    /// The failure action that holds for this rule and this object.
    fn action(&mut self, policy: &Policy, rule: &Rule) -> Result<FailureAction, Stop> {
        if let Action::VerifyImages(verify) = &rule.action
            && let Some(action) = verify.action
        {
            return Ok(action);
        }
        if let Action::Unusable(unusable) = &rule.action {
            let own = self.overridden(&unusable.overrides)?.or(unusable.action);
            if let Some(action) = own {
                return Ok(action);
            }
        }
        if let Some(validate) = Validate::of(rule) {
            let own = self.overridden(&validate.overrides)?.or(validate.action);
            if let Some(action) = own {
                return Ok(action);
            }
        }
        let overridden = self.overridden(&policy.actions.overrides)?;
        Ok(overridden.unwrap_or(policy.actions.default))
    }

    /// The first override that is about the request's namespace; one that asks nothing is about all.
    fn overridden(&mut self, overrides: &[Override]) -> Result<Option<FailureAction>, Stop> {
        for entry in overrides {
            let by_name = entry.namespaces.is_empty()
                || any_matches(&entry.namespaces, &self.request.namespace);
            if !by_name {
                continue;
            }
            if let Some(selector) = &entry.selector {
                if self.request.namespace.is_empty() {
                    continue;
                }
                let labels = namespace_labels(&self.request.namespace, self.facts)?;
                if !selector.matches(&labels) {
                    continue;
                }
            }
            return Ok(Some(entry.action));
        }
        Ok(None)
    }
}

/// A rule that does not apply, and why.
fn skipped(policy: &Policy, rule: &Rule, action: FailureAction, text: String) -> Finished {
    let judgement = Judgement { status: Status::Skip, blocks: false };
    let outcome = outcome(policy, rule, judgement, action, text);
    Finished { outcome: Some(outcome), ..Finished::default() }
}

/// The outcome of a rule, without images.
fn outcome(
    policy: &Policy,
    rule: &Rule,
    judgement: Judgement,
    action: FailureAction,
    message: String,
) -> RuleOutcome {
    RuleOutcome {
        policy: policy.name().clone(),
        rule: rule.name.clone(),
        rule_type: rule.action.rule_type(),
        status: judgement.status,
        message,
        action,
        failure_policy: policy.failure_policy(),
        blocks: judgement.blocks,
        target: None,
        images: Vec::new(),
        exceptions: Vec::new(),
        properties: Vec::new(),
    }
}

fn ground<'g>(
    snapshot: &'g Snapshot,
    request: &'g Request,
    policy: &'g Policy,
    rule: &'g Rule,
    object: &'g Value,
) -> Ground<'g> {
    Ground {
        request,
        settings: snapshot.settings(),
        functions: snapshot.functions(),
        policy,
        rule: &rule.name,
        object,
        entries: &rule.context,
        extractors: &rule.extractors,
    }
}

/// Whether a rule counts for `applyRules: One`.
fn is_applied(finished: &Finished) -> bool {
    finished.outcome.as_ref().is_some_and(|outcome| outcome.status != Status::Skip)
}
