//! Wire documents to compiled policies: everything that can be wrong is said here, once, at load.
use crate::{
    request::Operation,
    snapshot::{FailurePolicy, PolicyName, Settings},
};
use sigward_document::Value;
use smol_str::SmolStr;

/// A policy that is always valid: made by [`compile_policy`] alone, never deserialized.
#[derive(Debug)]
pub struct Policy {
    name: PolicyName,
    uid: SmolStr,
    resource_version: SmolStr,
    failure_policy: FailurePolicy,
    timeout_seconds: Option<u8>,
    match_conditions: Vec<MatchCondition>,
    webhook_rules: Vec<WebhookRule>,
    autogen: Vec<Value>,
    rule_names: Vec<SmolStr>,
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
}

/// A `PolicyException`, compiled.
#[derive(Debug)]
pub struct Exception {
    name: PolicyName,
}

impl Exception {
    /// Namespace and name.
    pub fn name(&self) -> &PolicyName {
        &self.name
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
    let _unused = (document, settings);
    Compiled { value: None, diagnostics: Vec::new() }
}

/// Compiles a `PolicyException` of `kyverno.io/v2`.
pub fn compile_exception(document: &Value, settings: &Settings) -> Compiled<Exception> {
    let _unused = (document, settings);
    Compiled { value: None, diagnostics: Vec::new() }
}
