//! `ClusterPolicy` and `Policy` of `kyverno.io/v1`: they differ in where they apply, and in little else.
use super::{
    KindPattern, MatchCondition, Policy, RuleCounts, Sink, WebhookRule, autogen, block,
    rule::{self, Ground},
    suggest,
};
use crate::{
    matching::{Filter, Joined, any_matches},
    request::Operation,
    rule::{Action, FailureActions, Override, Rule},
    snapshot::{FailureAction, FailurePolicy, PolicyName, Settings},
};
use sigward_api::{
    crd::Resource as _,
    kubernetes::ObjectMeta,
    kyverno::v1::{self, ApplyRules, Spec},
    schema::check::{Finding, FindingKind},
};
use sigward_document::{Value, View, wildcard};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// Compiles a policy document.
pub(crate) fn compile(document: &Value, settings: &Settings, sink: &mut Sink) -> Option<Policy> {
    let version = document.str_at(&["apiVersion"]).unwrap_or_default();
    if !version.starts_with("kyverno.io/") {
        sink.error("apiVersion", format!("expected kyverno.io/v1, found `{version}`"));
        return None;
    }
    // A field that nobody knows is passed over; where that would make a check weaker it is refused.
    let weakens = |path: &str| {
        path.contains(".verifyImages")
            || path.contains(".validate")
            || path.contains(".exclude")
            || path.contains("preconditions")
    };
    let (metadata, spec): (ObjectMeta, Spec) = match document.str_at(&["kind"]).unwrap_or_default()
    {
        "ClusterPolicy" => {
            let read = sigward_api::read::<v1::ClusterPolicy>(document);
            findings(&read.findings, v1::ClusterPolicy::known_schema(), &weakens, sink);
            let (metadata, spec) = read.value.map(|v| (v.metadata, v.spec)).unzip();
            (metadata.unwrap_or_default(), spec.unwrap_or_default())
        }
        "Policy" => {
            let read = sigward_api::read::<v1::Policy>(document);
            findings(&read.findings, v1::Policy::known_schema(), &weakens, sink);
            let (metadata, spec) = read.value.map(|v| (v.metadata, v.spec)).unzip();
            (metadata.unwrap_or_default(), spec.unwrap_or_default())
        }
        other => {
            sink.error("kind", format!("expected ClusterPolicy or Policy, found `{other}`"));
            return None;
        }
    };
    if sink.has_errors() {
        return None;
    }
    let namespaced = document.str_at(&["kind"]) == Some("Policy");
    let name = policy_name(&metadata, namespaced, sink);
    check_spec(&spec, namespaced, sink);
    lower_case(document, "", sink);
    let ground = Ground {
        settings,
        policy_namespace: &name.namespace,
        background: spec.effective_background(),
        action: action(spec.effective_failure_action()),
    };
    let documents: Vec<Value> =
        document.at_path(&["spec", "rules"]).and_then(Value::as_list).unwrap_or_default().to_vec();
    let (rules, generated) = rules(&spec, &documents, &metadata, &ground, sink);
    Some(assemble(&metadata, &spec, name.clone(), (rules, generated), settings, sink))
}

/// A policy with these rules, and the documents of those that were generated: all that does not depend on how its
/// rules were compiled.
pub(super) fn assemble(
    metadata: &ObjectMeta,
    spec: &Spec,
    name: PolicyName,
    (rules, generated): (Vec<Rule>, Vec<Value>),
    settings: &Settings,
    sink: &mut Sink,
) -> Policy {
    let failure_policy = if settings.force_failure_policy_ignore {
        FailurePolicy::Ignore
    } else {
        match spec.effective_failure_policy() {
            v1::FailurePolicy::Fail => FailurePolicy::Fail,
            v1::FailurePolicy::Ignore => FailurePolicy::Ignore,
        }
    };
    let webhook = spec.webhook_configuration.as_ref();
    Policy {
        uid: SmolStr::new(&metadata.uid),
        resource_version: SmolStr::new(&metadata.resource_version),
        failure_policy,
        timeout_seconds: spec.effective_timeout_seconds().and_then(|s| u8::try_from(s).ok()),
        match_conditions: webhook
            .map(|w| w.match_conditions.as_slice())
            .unwrap_or_default()
            .iter()
            .map(|c| MatchCondition {
                name: SmolStr::new(&c.name),
                expression: SmolStr::new(&c.expression),
            })
            .collect(),
        webhook_rules: rules.iter().map(webhook_rule).collect(),
        waiting: waiting(&rules, settings),
        rule_names: rules.iter().map(|rule| rule.name.clone()).collect(),
        counts: counts(&rules, generated.len()),
        autogen: generated,
        rules,
        actions: actions(spec, sink),
        apply_one: spec.effective_apply_rules() == ApplyRules::One,
        emit_warning: spec.effective_emit_warning(),
        admission: spec.effective_admission(),
        background: spec.effective_background(),
        name,
    }
}

/// What the schema has to say, with the nearest known name for what is unknown.
pub(super) fn findings(
    findings: &[Finding],
    schema: &serde_json::Value,
    weakens: &dyn Fn(&str) -> bool,
    sink: &mut Sink,
) {
    for finding in findings {
        let (path, message) = (&finding.path, finding.message.clone());
        let unknown = finding.kind == FindingKind::Unknown;
        let nearest = if unknown { suggest::nearest(schema, path) } else { None };
        let help = nearest.map(|name| format!("did you mean `{name}`?"));
        match (unknown && !weakens(path), help) {
            (true, Some(help)) => sink.warn_with(path, message, help),
            (true, None) => sink.warn(path, message),
            (false, Some(help)) => sink.error_with(path, message, help),
            (false, None) => sink.error(path, message),
        }
    }
}

pub(super) fn policy_name(metadata: &ObjectMeta, namespaced: bool, sink: &mut Sink) -> PolicyName {
    if metadata.name.is_empty() && metadata.generate_name.is_empty() {
        sink.error("metadata.name", "a policy needs a name");
    }
    if metadata.name.len() > 63 {
        sink.error("metadata.name", "must be no more than 63 characters");
    }
    if !namespaced && !metadata.namespace.is_empty() {
        sink.error("metadata.namespace", "a ClusterPolicy has no namespace");
    }
    if metadata.annotations.get(autogen::ANNOTATION).is_some_and(|list| list == "all") {
        sink.error(
            &format!("metadata.annotations[{}]", autogen::ANNOTATION),
            "the value `all` is no longer supported: name the controllers, or leave it out",
        );
    }
    let namespace = match (namespaced, metadata.namespace.is_empty()) {
        (false, _) => SmolStr::default(),
        (true, true) => SmolStr::new_static("default"),
        (true, false) => SmolStr::new(&metadata.namespace),
    };
    PolicyName { namespace, name: SmolStr::new(&metadata.name) }
}

fn check_spec(spec: &Spec, namespaced: bool, sink: &mut Sink) {
    let webhook = spec.webhook_configuration.as_ref();
    let webhook_policy = webhook.and_then(|w| w.failure_policy);
    if spec.failure_policy.is_some() && webhook_policy.is_some() {
        sink.error(
            "spec.failurePolicy",
            "failurePolicy and webhookConfiguration.failurePolicy cannot both be set",
        );
    }
    for (seconds, path) in [
        (spec.webhook_timeout_seconds, "spec.webhookTimeoutSeconds"),
        (webhook.and_then(|w| w.timeout_seconds), "spec.webhookConfiguration.timeoutSeconds"),
    ] {
        if seconds.is_some_and(|s| !(1..=30).contains(&s)) {
            sink.error(path, "the timeout value must be between 1 and 30 seconds");
        }
    }
    if spec.generate_existing_on_policy_update.is_some() {
        sink.error(
            "spec.generateExistingOnPolicyUpdate",
            "generateExistingOnPolicyUpdate is no longer supported: use generateExisting",
        );
    }
    if namespaced && !spec.validation_failure_action_overrides.is_empty() {
        sink.error(
            "spec.validationFailureActionOverrides",
            "use of validationFailureActionOverrides is not allowed in a namespaced Policy",
        );
    }
    let verifies = spec.rules.iter().any(|rule| !rule.verify_images.is_empty());
    if !spec.effective_admission() {
        if verifies || spec.rules.iter().any(|rule| rule.mutate.is_some()) {
            sink.error("spec.admission", "admission can only be false for validate rules");
        }
        if !spec.effective_background() {
            sink.error("spec.background", "one of admission and background must be true");
        }
    }
    if spec.schema_validation.is_some() {
        sink.warn("spec.schemaValidation", "schemaValidation has no effect");
    }
    if spec.failure_policy.is_some() {
        sink.warn_with(
            "spec.failurePolicy",
            "failurePolicy is deprecated",
            "use webhookConfiguration.failurePolicy",
        );
    }
    if spec.webhook_timeout_seconds.is_some() {
        sink.warn_with(
            "spec.webhookTimeoutSeconds",
            "webhookTimeoutSeconds is deprecated",
            "use webhookConfiguration.timeoutSeconds",
        );
    }
    // The API server writes the schema's default, `Audit`, into every policy: nobody wrote that.
    if spec.validation_failure_action == Some(v1::FailureAction::Enforce) {
        sink.warn_with(
            "spec.validationFailureAction",
            "validationFailureAction is deprecated",
            "use failureAction in the rule",
        );
    }
    let generates = spec.rules.iter().any(|rule| rule.generate.is_some());
    let mutates = spec.rules.iter().any(|rule| rule.mutate.is_some());
    for (set, there, field, what) in [
        (spec.generate_existing, generates, "generateExisting", "generate"),
        (spec.mutate_existing_on_policy_update, mutates, "mutateExistingOnPolicyUpdate", "mutate"),
        (spec.use_server_side_apply, generates, "useServerSideApply", "generate"),
    ] {
        if set == Some(true) && !there {
            sink.warn(&format!("spec.{field}"), format!("has no effect: no rule has `{what}`"));
        }
    }
    if spec.rules.is_empty() {
        sink.warn("spec.rules", "the policy has no rules");
    }
}

/// Members that hold words of others, where `action` is not ours.
const OTHERS: [&str; 8] =
    ["mutate", "metadata", "status", "preconditions", "pattern", "anyPattern", "deny", "generate"];

/// Warns of `enforce` and `audit`, wherever they stand.
fn lower_case(value: &Value, path: &str, sink: &mut Sink) {
    match value.view() {
        View::Map(map) => {
            for (key, child) in map.iter() {
                let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                let is_action =
                    matches!(key, "validationFailureAction" | "failureAction" | "action");
                match child.as_str() {
                    Some("enforce") if is_action => {
                        sink.warn_with(&path, "`enforce` is deprecated", "use `Enforce`");
                    }
                    Some("audit") if is_action => {
                        sink.warn_with(&path, "`audit` is deprecated", "use `Audit`");
                    }
                    Some(_) => {}
                    None if OTHERS.contains(&key) => {}
                    None => lower_case(child, &path, sink),
                }
            }
        }
        View::List(items) => {
            for (i, item) in items.iter().enumerate() {
                lower_case(item, &format!("{path}[{i}]"), sink);
            }
        }
        View::Null | View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => {}
    }
}

/// Every rule, generated ones after the written; the documents of the generated.
fn rules(
    spec: &Spec,
    documents: &[Value],
    metadata: &ObjectMeta,
    ground: &Ground<'_>,
    sink: &mut Sink,
) -> (Vec<Rule>, Vec<Value>) {
    let mut rules = Vec::new();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for (i, (wire, document)) in spec.rules.iter().zip(documents).enumerate() {
        let path = format!("spec.rules[{i}]");
        if !names.insert(&wire.name) {
            sink.error(&format!("{path}.name"), format!("duplicate rule name: `{}`", wire.name));
        }
        rules.extend(rule::compile(wire, document, &path, ground, sink));
    }
    let annotation = metadata.annotations.get(autogen::ANNOTATION).map(String::as_str);
    let mut kept = Vec::new();
    for word in annotation.into_iter().flat_map(autogen::unknown).filter(|word| *word != "all") {
        sink.warn_with(
            &format!("metadata.annotations[{}]", autogen::ANNOTATION),
            format!("`{word}` is no controller that rules are generated for: it has no effect"),
            "name controllers with commas and no spaces between them, or `none`",
        );
    }
    for autogen::Generated { from: i, document, kinds } in autogen::generate(documents, annotation)
    {
        let name = document.str_at(&["name"]).unwrap_or_default();
        let path = format!("spec.rules[{i}]({name})");
        match sigward_document::from_value::<v1::Rule>(&document) {
            Ok(wire) => {
                // Warnings were given for the rule it was made from.
                let mut own = Sink::default();
                let compiled = rule::compile(&wire, &document, &path, ground, &mut own);
                rules.extend(compiled.map(|rule| Rule { only: Some(kinds), ..rule }));
                if !sink.has_errors() {
                    sink.take_errors(own);
                }
                kept.push(document);
            }
            Err(error) => sink.error(&path, error.to_string()),
        }
    }
    (rules, kept)
}

fn counts(rules: &[Rule], generated: usize) -> RuleCounts {
    let mut counts = RuleCounts::default();
    for rule in rules.iter().take(rules.len().saturating_sub(generated)) {
        match rule.action {
            Action::Validate(_) => counts.validate += 1,
            Action::Mutate(_) | Action::MutateExisting(_) => counts.mutate += 1,
            Action::Generate(_) => counts.generate += 1,
            Action::VerifyImages(_) => counts.verify_images += 1,
            Action::Unusable(_) => {}
        }
    }
    counts
}

/// Rules of which nothing comes in this process, and what they wait for.
fn waiting(rules: &[Rule], settings: &Settings) -> Vec<(SmolStr, &'static str)> {
    if settings.update_requests {
        return Vec::new();
    }
    let waits = |rule: &Rule| match rule.action {
        Action::Generate(_) => Some((rule.name.clone(), "generate")),
        Action::MutateExisting(_) => Some((rule.name.clone(), "mutate.targets")),
        Action::Validate(_) | Action::Mutate(_) | Action::VerifyImages(_) | Action::Unusable(_) => {
            None
        }
    };
    rules.iter().filter_map(waits).collect()
}

fn webhook_rule(rule: &Rule) -> WebhookRule {
    let mut kinds: Vec<KindPattern> = Vec::new();
    for pattern in rule.matches.kinds() {
        if !kinds.contains(pattern) {
            kinds.push(pattern.clone());
        }
    }
    let (mutating, validating) = match &rule.action {
        // Nothing comes of changed targets before the answer.
        Action::Validate(_)
        | Action::Generate(_)
        | Action::MutateExisting(_)
        | Action::Unusable(_) => (false, true),
        Action::Mutate(_) => (true, false),
        Action::VerifyImages(verify) => (true, verify.is_checked()),
    };
    let every_operation = match &rule.action {
        Action::Validate(_) | Action::Generate(_) => true,
        Action::Mutate(_) | Action::MutateExisting(_) | Action::VerifyImages(_) => false,
        Action::Unusable(unusable) => unusable.is_for(Operation::Delete),
    };
    let mut operations: Vec<Operation> =
        rule.matches.filters.iter().flat_map(|f| f.operations.iter().copied()).collect();
    // A filter that says nothing of operations means all that the action is for.
    if operations.is_empty() || rule.matches.filters.iter().any(|f| f.operations.is_empty()) {
        operations.extend([Operation::Create, Operation::Update]);
        if every_operation {
            operations.extend([Operation::Delete, Operation::Connect]);
        }
    }
    let excluded = excluded_operations(rule, &kinds);
    let kept: Vec<Operation> =
        operations.iter().copied().filter(|operation| !excluded.contains(operation)).collect();
    // Never empty: a rule that excludes all it matches is sent all, and says nothing.
    if !kept.is_empty() {
        operations = kept;
    }
    operations.sort_unstable();
    operations.dedup();
    WebhookRule { kinds, operations, mutating, validating }
}

/// Operations that one filter of `exclude.any` takes out for all kinds of the rule, whatever else the object is.
fn excluded_operations(rule: &Rule, kinds: &[KindPattern]) -> Vec<Operation> {
    if rule.exclude.joined != Joined::Any {
        return Vec::new();
    }
    let whole = |filter: &&Filter| {
        let asks_nothing_else =
            Filter { kinds: Vec::new(), operations: Vec::new(), ..(*filter).clone() };
        asks_nothing_else.is_empty()
            && (filter.kinds.is_empty() || kinds.iter().all(|kind| filter.kinds.contains(kind)))
    };
    let filters = rule.exclude.filters.iter().filter(whole);
    filters.flat_map(|filter| filter.operations.iter().copied()).collect()
}

fn actions(spec: &Spec, sink: &mut Sink) -> FailureActions {
    let path = "spec.validationFailureActionOverrides";
    FailureActions {
        default: action(spec.effective_failure_action()),
        overrides: overrides(&spec.validation_failure_action_overrides, path, sink),
    }
}

/// Actions for some namespaces, of a policy or of a rule.
pub(super) fn overrides(
    wire: &[v1::FailureActionOverride],
    path: &str,
    sink: &mut Sink,
) -> Vec<Override> {
    let mut overrides = Vec::new();
    for (i, wire) in wire.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let Some(written) = wire.action else {
            sink.error(&path, "an override needs an `action`");
            continue;
        };
        let selector = wire.namespace_selector.as_ref();
        overrides.push(Override {
            action: action(written),
            namespaces: wire.namespaces.iter().map(SmolStr::new).collect(),
            selector: selector
                .map(|s| block::selector(s, &format!("{path}.namespaceSelector"), sink)),
        });
    }
    for (i, one) in overrides.iter().enumerate() {
        let conflict = overrides.iter().take(i).any(|other| {
            other.action != one.action
                && one.namespaces.iter().any(|namespace| {
                    any_matches(&other.namespaces, namespace)
                        || other.namespaces.iter().any(|o| wildcard::matches(namespace, o))
                })
        });
        if conflict && one.selector.is_none() {
            sink.error(
                &format!("{path}[{i}].namespaces"),
                "conflicting namespaces found: one is both in Audit and in Enforce",
            );
        }
    }
    overrides
}

/// The wire's word as the engine's.
pub(super) fn action(wire: v1::FailureAction) -> FailureAction {
    match wire {
        v1::FailureAction::Audit => FailureAction::Audit,
        v1::FailureAction::Enforce => FailureAction::Enforce,
    }
}
