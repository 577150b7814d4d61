//! Wire documents to compiled policies: everything that can be wrong is said here, once, at load.
pub(crate) mod autogen;
mod block;
mod cluster_policy;
mod conditions;
mod context;
mod exception;
mod for_each;
mod generate;
mod mutate;
mod names;
mod pod_security;
mod reach;
mod rule;
mod sink;
mod suggest;
mod unusable;
mod validate;
pub(crate) mod verify_images;

use crate::{
    conditions::Conditions,
    matching::{Block, any_matches},
    pod_security::Exclusion,
    request::Operation,
    rule::{FailureActions, Rule},
    snapshot::{FailurePolicy, PolicyName, Settings},
};
use sigward_document::Value;
pub(crate) use sink::Sink;
use smol_str::SmolStr;
pub use suggest::nearest_name;

/// A policy that is always valid: made by [`compile_policy`] alone, never deserialized.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "the field's own spelling: `failurePolicy`")]
pub struct Policy {
    pub(crate) name: PolicyName,
    pub(crate) uid: SmolStr,
    pub(crate) resource_version: SmolStr,
    pub(crate) failure_policy: FailurePolicy,
    pub(crate) timeout_seconds: Option<u8>,
    pub(crate) match_conditions: Vec<MatchCondition>,
    pub(crate) webhook_rules: Vec<WebhookRule>,
    pub(crate) autogen: Vec<Value>,
    pub(crate) rule_names: Vec<SmolStr>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) actions: FailureActions,
    pub(crate) apply_one: bool,
    pub(crate) emit_warning: bool,
    pub(crate) admission: bool,
    pub(crate) background: bool,
    pub(crate) counts: RuleCounts,
    pub(crate) waiting: Vec<(SmolStr, &'static str)>,
}

/// How many rules of each type the policy was written with, generated ones left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCounts {
    /// `validate`
    pub validate: u32,
    /// `mutate`
    pub mutate: u32,
    /// `generate`
    pub generate: u32,
    /// `verifyImages`
    pub verify_images: u32,
}

/// What a policy wants the API server to send: the controller turns kinds into resources by discovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRule {
    /// Kinds as the policy writes them, autogen's included.
    pub kinds: Vec<KindPattern>,
    /// Operations, never empty.
    pub operations: Vec<Operation>,
    /// Wanted in the mutating configuration.
    pub mutating: bool,
    /// Wanted in the validating configuration.
    pub validating: bool,
}

/// `group/version/Kind/subresource`, each with wildcards.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KindPattern {
    /// `*` for any group.
    pub group: SmolStr,
    /// `*` for any version.
    pub version: SmolStr,
    /// `Pod`, `*`, …
    pub kind: SmolStr,
    /// Empty for the object itself.
    pub sub_resource: SmolStr,
}

/// `webhookConfiguration.matchConditions`: CEL, evaluated by the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchCondition {
    /// Its name, unique in the policy.
    pub name: SmolStr,
    /// CEL.
    pub expression: SmolStr,
}

impl Policy {
    /// Namespace and name.
    pub fn name(&self) -> &PolicyName {
        &self.name
    }
    /// `metadata.uid`; empty outside a cluster.
    pub fn uid(&self) -> &str {
        &self.uid
    }
    /// `metadata.resourceVersion`; empty outside a cluster.
    pub fn resource_version(&self) -> &str {
        &self.resource_version
    }
    /// The effective failure policy.
    pub fn failure_policy(&self) -> FailurePolicy {
        self.failure_policy
    }
    /// Seconds the API server should wait, 1–30; `None` for the process's default.
    pub fn timeout_seconds(&self) -> Option<u8> {
        self.timeout_seconds
    }
    /// Not empty: the policy has a webhook of its own (fine-grained).
    pub fn match_conditions(&self) -> &[MatchCondition] {
        &self.match_conditions
    }
    /// What the webhook configurations must send for this policy.
    pub fn webhook_rules(&self) -> &[WebhookRule] {
        &self.webhook_rules
    }
    /// The generated rules as wire documents, for `status.autogen.rules`.
    pub fn autogen_rules(&self) -> &[Value] {
        &self.autogen
    }
    /// Names of all rules, autogen's included, in order.
    pub fn rule_names(&self) -> &[SmolStr] {
        &self.rule_names
    }
    /// Whether it takes part in background scans.
    pub fn background(&self) -> bool {
        self.background
    }
    /// Rules that are evaluated to nothing, since nobody carries out what they ask for: the name, and the field that
    /// asks.
    pub fn waiting(&self) -> &[(SmolStr, &'static str)] {
        &self.waiting
    }
    /// Numbers of rules by type, for `status.rulecount`.
    pub fn rule_counts(&self) -> RuleCounts {
        self.counts
    }
}

/// A `PolicyException`, compiled.
#[derive(Debug)]
pub struct Exception {
    pub(crate) name: PolicyName,
    pub(crate) background: bool,
    pub(crate) matches: Block,
    pub(crate) conditions: Conditions,
    /// Policy as `name` or `namespace/name`, and patterns of rules.
    pub(crate) rules: Vec<(SmolStr, Vec<SmolStr>)>,
    /// Controls of the Pod Security Standards; empty takes out the whole rule.
    pub(crate) pod_security: Vec<Exclusion>,
}

impl Exception {
    /// Namespace and name.
    pub fn name(&self) -> &PolicyName {
        &self.name
    }

    /// Whether it takes part in background scans.
    pub fn background(&self) -> bool {
        self.background
    }

    /// Whether it speaks of this rule.
    pub(crate) fn covers(&self, policy: &PolicyName, rule: &str) -> bool {
        let policy = policy.to_string();
        self.rules.iter().any(|(name, rules)| *name == policy && any_matches(rules, rule))
    }
}

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The policy is admitted; the user is told.
    Warning,
    /// The policy is refused.
    Error,
}

/// One thing to say about a document, with its place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Warning or error.
    pub severity: Severity,
    /// `spec.rules[0].verifyImages[0].attestors`.
    pub path: String,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The way out, where there is one.
    pub help: Option<String>,
}

/// What came of compiling: everything that is to be said, and the policy unless an error is among it.
#[derive(Debug)]
pub struct Compiled<T> {
    /// `None` when a diagnostic is an error.
    pub value: Option<T>,
    /// In document order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Compiles a `ClusterPolicy` or `Policy` of `kyverno.io/v1`. Serves the watch, the policy webhook and the command line.
pub fn compile_policy(document: &Value, settings: &Settings) -> Compiled<Policy> {
    let mut sink = Sink::default();
    let value = cluster_policy::compile(document, settings, &mut sink);
    sink.finish(value)
}

/// Of a stored policy that does not compile, what it is about: each of its rules whose match can be read is an `error`
/// wherever it matches, so that a policy nobody can use is not a policy that nobody has. `None` when there is no such
/// rule.
pub fn compile_unusable(document: &Value, reason: &str, settings: &Settings) -> Option<Policy> {
    unusable::compile(document, reason, settings)
}

/// Compiles a `PolicyException` of `kyverno.io/v2`.
pub fn compile_exception(document: &Value, settings: &Settings) -> Compiled<Exception> {
    let mut sink = Sink::default();
    let value = exception::compile(document, settings, &mut sink);
    sink.finish(value)
}

/// Conditions by themselves, with any name allowed.
#[cfg(test)]
pub(crate) fn compile_conditions(document: &Value, sink: &mut Sink) -> Conditions {
    let scope = names::Scope { open: true, ..names::Scope::default() };
    conditions::compile(Some(document), "conditions", &scope, sink)
}
