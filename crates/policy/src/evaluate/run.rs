//! The phases of one evaluation, rule by rule.
use super::{
    Finished, Key, Phase, Probe, Progress,
    candidate::{Asked, namespace_labels, roles},
    finish,
};
use crate::{
    compile::Policy,
    context::{Context, Ground},
    decision::{Decision, ImageOutcome, RuleOutcome, RuleType, Status},
    fact::Facts,
    matching::any_matches,
    message,
    outcome::{Found, Judgement, judge, judge_image, rank},
    request::{Operation, Request, Stage},
    rule::{Action, Rule},
    rules::{
        json_patch::JsonPatch,
        verify_images::{ImageResult, Results, VerifyImages},
    },
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

impl Run<'_> {
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
            let finished = self.independent(Phase::Verify, candidates, &object)?;
            let evaluated = self.evaluated(candidates);
            done.verified(finished, &evaluated);
        }
        if self.request.stage != Stage::Mutating {
            let object = done.object.clone();
            for (_, _, finished) in self.independent(Phase::Check, candidates, &object)? {
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

    /// Mutate rules, each on the output of the one before.
    fn mutate(&mut self, candidates: &[usize], object: &mut Value) -> Result<Vec<Finished>, Waits> {
        let mut all = Vec::new();
        for index in candidates {
            let Some(policy) = self.policy(*index) else { continue };
            for (at, rule) in policy.rules.iter().enumerate() {
                let Action::JsonPatch(patch) = &rule.action else { continue };
                let key = Key { phase: Phase::Mutate, policy: *index, rule: at };
                let finished = self.one(key, &policy, rule, object, |run, action| {
                    run.apply(&policy, rule, patch, object, action)
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

    /// Rules that do not see one another: all run, and all that they want is wanted together.
    fn independent(
        &mut self,
        phase: Phase,
        candidates: &[usize],
        object: &Value,
    ) -> Result<Vec<(usize, SmolStr, Finished)>, Waits> {
        // COMPAT: Kyverno 1.19: what is deleted is never verified; test: a_delete_is_never_checked
        if !matches!(self.request.operation, Operation::Create | Operation::Update) {
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        let mut waits = false;
        for index in candidates {
            let Some(policy) = self.policy(*index) else { continue };
            for (at, rule) in policy.rules.iter().enumerate() {
                let Action::VerifyImages(verify) = &rule.action else { continue };
                if phase == Phase::Check && !verify.is_checked() {
                    continue;
                }
                let key = Key { phase, policy: *index, rule: at };
                let finished = self.one(key, &policy, rule, object, |run, action| {
                    run.images(phase, &policy, rule, verify, object, action)
                });
                // Under `One`, whether later rules run depends on what comes of this one.
                let last = if let Ok(finished) = finished {
                    let applied = is_applied(&finished);
                    all.push((*index, rule.name.clone(), finished));
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
                    judge(Found::Error, rule_type(rule), action, policy.failure_policy());
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
        act(self, action)
    }

    /// The failure action that holds for this rule and this object.
    fn action(&mut self, policy: &Policy, rule: &Rule) -> Result<FailureAction, Stop> {
        if let Action::VerifyImages(VerifyImages { action: Some(action), .. }) = &rule.action {
            return Ok(*action);
        }
        for entry in &policy.actions.overrides {
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
            return Ok(entry.action);
        }
        Ok(policy.actions.default)
    }

    fn apply(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        patch: &JsonPatch,
        object: &Value,
        action: FailureAction,
    ) -> Result<Finished, Stop> {
        if let Some(finished) = self.excepted(policy, rule, object, action)? {
            return Ok(finished);
        }
        let snapshot = self.snapshot;
        let ground = ground(snapshot, self.request, policy, rule, object);
        let mut context = Context::new(&ground, self.facts);
        if !rule.preconditions.evaluate(&mut context)?.holds {
            let text = message::PRECONDITIONS.to_owned();
            return Ok(skipped(policy, rule, action, text));
        }
        let patched = patch.apply(&mut context)?;
        if !patched.changed {
            return Ok(skipped(policy, rule, action, message::NO_PATCHES.to_owned()));
        }
        let name = finish::name(self.request, object);
        let judgement = Judgement { status: Status::Pass, blocks: false };
        let text = message::mutated(self.request, name);
        Ok(Finished {
            outcome: Some(outcome(policy, rule, judgement, action, text)),
            object: Some(patched.object),
            ..Finished::default()
        })
    }

    fn images(
        &mut self,
        phase: Phase,
        policy: &Policy,
        rule: &Rule,
        verify: &VerifyImages,
        object: &Value,
        action: FailureAction,
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
        let mut context = Context::new(&ground, self.facts);
        if phase == Phase::Verify {
            let results = verify.verify(&rule.name, &mut context)?;
            return Ok(sum_up(policy, rule, action, results));
        }
        let checked = verify.check(&rule.name, &mut context)?;
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

    /// Exceptions that match take the rule out.
    fn excepted(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        object: &Value,
        action: FailureAction,
    ) -> Result<Option<Finished>, Stop> {
        let snapshot = self.snapshot;
        let mut names = Vec::new();
        for exception in snapshot.exceptions() {
            if !snapshot.honours(exception) || !exception.covers(policy.name(), &rule.name) {
                continue;
            }
            {
                let mut asked = Asked { request: self.request, object, facts: self.facts };
                if !exception.matches.matches(&mut asked)? {
                    continue;
                }
            }
            let ground = ground(snapshot, self.request, policy, rule, object);
            let mut context = Context::new(&ground, self.facts);
            if exception.conditions.evaluate(&mut context)?.holds {
                let name = exception.name();
                names.push(SmolStr::new(format!("{}/{}", name.namespace, name.name)));
            }
        }
        if names.is_empty() {
            return Ok(None);
        }
        let mut finished = skipped(policy, rule, action, message::excepted(&names));
        if let Some(outcome) = &mut finished.outcome {
            outcome.exceptions = names;
        }
        Ok(Some(finished))
    }

    fn policy(&self, index: usize) -> Option<std::sync::Arc<Policy>> {
        self.snapshot.policies().get(index).cloned()
    }

    /// The policies of this call that verify images.
    fn evaluated(
        &self,
        candidates: &[usize],
    ) -> std::collections::BTreeSet<crate::snapshot::PolicyName> {
        candidates
            .iter()
            .filter_map(|index| self.snapshot.policies().get(*index))
            .filter(|policy| {
                policy.rules.iter().any(|rule| matches!(rule.action, Action::VerifyImages(_)))
            })
            .map(|policy| policy.name().clone())
            .collect()
    }
}

/// The results of all images as the outcome of their rule: the worst status speaks.
fn sum_up(policy: &Policy, rule: &Rule, action: FailureAction, results: Results) -> Finished {
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
        if matches!(result.outcome.status, crate::decision::ImageStatus::Verified)
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
        rule_type: rule_type(rule),
        status: judgement.status,
        message,
        action,
        failure_policy: policy.failure_policy(),
        blocks: judgement.blocks,
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

fn rule_type(rule: &Rule) -> RuleType {
    match rule.action {
        Action::VerifyImages(_) => RuleType::ImageVerify,
        Action::JsonPatch(_) => RuleType::Mutation,
    }
}

/// Whether a rule counts for `applyRules: One`.
fn is_applied(finished: &Finished) -> bool {
    finished.outcome.as_ref().is_some_and(|outcome| outcome.status != Status::Skip)
}
