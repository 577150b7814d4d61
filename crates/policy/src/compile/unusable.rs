//! A stored policy that does not compile: what it is about, as far as that can be read, and nothing that it would do.
use super::{
    Policy, Sink, block,
    cluster_policy::{action, assemble, overrides, policy_name},
};
use crate::{
    conditions::Conditions,
    decision::RuleType,
    rule::{Action, Rule, Unusable},
    snapshot::{FailureAction, Settings},
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
    let kind = document.str_at(&["kind"])?;
    let (metadata, spec): (ObjectMeta, Spec) = match kind {
        "ClusterPolicy" => {
            sigward_api::read::<v1::ClusterPolicy>(document).value.map(|v| (v.metadata, v.spec))?
        }
        "Policy" => {
            sigward_api::read::<v1::Policy>(document).value.map(|v| (v.metadata, v.spec))?
        }
        _ => return None,
    };
    // What is wrong was said when the policy was compiled.
    let mut sink = Sink::default();
    let name = policy_name(&metadata, kind == "Policy", &mut sink);
    let reason: Arc<str> = reason.into();
    let namespaced = !name.namespace.is_empty();
    let rules: Vec<Rule> =
        spec.rules.iter().filter_map(|wire| rule(wire, namespaced, &reason)).collect();
    if rules.is_empty() {
        return None;
    }
    let policy = assemble(&metadata, &spec, name, (rules, Vec::new()), settings, &mut sink);
    Some(Policy { background: false, ..policy })
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
    Some(Rule {
        name: SmolStr::new(&wire.name),
        only: None,
        matches,
        exclude: exclude.unwrap_or_default(),
        context: Vec::new(),
        preconditions: Conditions::default(),
        extractors: BTreeMap::new(),
        properties: Vec::new(),
        action: Action::Unusable(unusable(wire, Arc::clone(reason))),
    })
}

/// What the rule would have been, so that its error blocks what its own would, and no more.
fn unusable(wire: &v1::Rule, reason: Arc<str>) -> Unusable {
    let (rule_type, own, namespaces) = if let Some(validate) = &wire.validate {
        let mut sink = Sink::default();
        let namespaces = overrides(&validate.failure_action_overrides, "", &mut sink);
        (RuleType::Validation, validate.failure_action.map(action), namespaces)
    } else if wire.mutate.is_some() {
        (RuleType::Mutation, None, Vec::new())
    } else if wire.generate.is_some() {
        // What is not made is no reason to refuse what it would have been made for.
        (RuleType::Generation, Some(FailureAction::Audit), Vec::new())
    } else {
        let entries = wire.verify_images.iter().filter_map(|entry| entry.failure_action);
        let strictest = entries.map(action).max_by_key(|one| *one == FailureAction::Enforce);
        (RuleType::ImageVerify, strictest, Vec::new())
    };
    Unusable { reason, rule_type, action: own, overrides: namespaces }
}
