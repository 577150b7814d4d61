//! A stored policy that does not compile: what it is about, as far as that can be read, and nothing that it would do.
use super::{
    Policy, RuleCounts, Sink, block,
    cluster_policy::{action, webhook_rule},
};
use crate::{
    rule::{Action, FailureActions, Rule, Unusable},
    snapshot::{FailureAction, FailurePolicy, PolicyName, Settings},
};
use sigward_api::{
    kubernetes::ObjectMeta,
    kyverno::v1::{self, Spec},
};
use sigward_document::Value;
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// The policy with rules that only say that they cannot be evaluated; `None` where not even that can be read.
pub(super) fn compile(document: &Value, reason: &str, settings: &Settings) -> Option<Policy> {
    let (metadata, spec): (ObjectMeta, Spec) = match document.str_at(&["kind"])? {
        "ClusterPolicy" => {
            sigward_api::read::<v1::ClusterPolicy>(document).value.map(|v| (v.metadata, v.spec))?
        }
        "Policy" => {
            sigward_api::read::<v1::Policy>(document).value.map(|v| (v.metadata, v.spec))?
        }
        _ => return None,
    };
    let reason: Arc<str> = reason.into();
    let namespaced = !metadata.namespace.is_empty();
    let rules: Vec<Rule> =
        spec.rules.iter().filter_map(|wire| rule(wire, namespaced, &reason)).collect();
    if rules.is_empty() {
        return None;
    }
    let failure_policy = match spec.effective_failure_policy() {
        v1::FailurePolicy::Fail if !settings.force_failure_policy_ignore => FailurePolicy::Fail,
        v1::FailurePolicy::Fail | v1::FailurePolicy::Ignore => FailurePolicy::Ignore,
    };
    Some(Policy {
        name: PolicyName {
            namespace: SmolStr::new(&metadata.namespace),
            name: SmolStr::new(&metadata.name),
        },
        uid: SmolStr::new(&metadata.uid),
        resource_version: SmolStr::new(&metadata.resource_version),
        failure_policy,
        timeout_seconds: spec.effective_timeout_seconds().and_then(|s| u8::try_from(s).ok()),
        match_conditions: Vec::new(),
        webhook_rules: rules.iter().map(webhook_rule).collect(),
        rule_names: rules.iter().map(|rule| rule.name.clone()).collect(),
        counts: RuleCounts::default(),
        autogen: Vec::new(),
        rules,
        actions: FailureActions {
            default: action(spec.effective_failure_action()),
            overrides: Vec::new(),
        },
        apply_one: false,
        emit_warning: spec.effective_emit_warning(),
        admission: spec.effective_admission(),
        background: false,
    })
}

/// One rule; `None` where its match cannot be read. An exclusion that cannot be read excludes nothing.
fn rule(wire: &v1::Rule, namespaced: bool, reason: &Arc<str>) -> Option<Rule> {
    let place = block::Place { namespaced, background: false, needs_kinds: true };
    let mut sink = Sink::default();
    let matches = block::compile(wire.match_resources.as_ref()?, "match", place, &mut sink);
    if sink.has_errors() {
        return None;
    }
    let exclude = wire.exclude_resources.as_ref().and_then(|exclude| {
        let place = block::Place { needs_kinds: false, ..place };
        let block = block::compile(exclude, "exclude", place, &mut sink);
        (!sink.has_errors()).then_some(block)
    });
    let validate = wire.validate.as_ref().and_then(|validate| validate.failure_action);
    let images = wire.verify_images.iter().filter_map(|entry| entry.failure_action);
    let written = validate.into_iter().chain(images).map(action);
    Some(Rule {
        name: SmolStr::new(&wire.name),
        only: None,
        matches,
        exclude: exclude.unwrap_or_default(),
        context: Vec::new(),
        preconditions: crate::conditions::Conditions::default(),
        extractors: BTreeMap::new(),
        properties: Vec::new(),
        action: Action::Unusable(Unusable {
            reason: Arc::clone(reason),
            // The strictest that the rule names.
            action: written.max_by_key(|action| *action == FailureAction::Enforce),
        }),
    })
}
