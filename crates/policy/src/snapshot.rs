//! All that a decision may depend on, swapped as one `Arc`: policies, exceptions, settings.
use crate::{
    compile::{Exception, Policy},
    evaluate::envelope,
    functions,
    matching::{exclusion::Exclusions, kind},
    request::{Request, Selection, Stage},
    rule::Action,
};
use sigward_document::wildcard;
use sigward_jmespath::Functions;
use sigward_sigstore::trust::TrustedRoot;
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// Immutable once built. Requests keep the one they began with; records carry its id.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) id: u64,
    pub(crate) policies: Vec<Arc<Policy>>,
    pub(crate) exceptions: Vec<Arc<Exception>>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) exclusions: Exclusions,
    functions: Functions,
    /// Policies by the kind that one of their rules names.
    by_kind: BTreeMap<SmolStr, Vec<usize>>,
    /// Policies with a wildcard for a kind.
    any_kind: Vec<usize>,
}

impl Snapshot {
    /// Indexes the policies; the order given is the order of evaluation (callers sort by name).
    pub fn new(
        id: u64,
        policies: Vec<Arc<Policy>>,
        exceptions: Vec<Arc<Exception>>,
        settings: Arc<Settings>,
    ) -> Self {
        let mut by_kind: BTreeMap<SmolStr, Vec<usize>> = BTreeMap::new();
        let mut any_kind = Vec::new();
        for (index, policy) in policies.iter().enumerate() {
            for pattern in policy.rules.iter().flat_map(|rule| rule.matches.kinds()) {
                let list = if wildcard::contains_wildcard(&pattern.kind) {
                    &mut any_kind
                } else {
                    by_kind.entry(pattern.kind.clone()).or_default()
                };
                if list.last() != Some(&index) {
                    list.push(index);
                }
            }
        }
        let functions = functions::registry_with(functions::ImageDefaults {
            registry: settings.default_registry.clone(),
            mutation: settings.default_registry_mutation,
        });
        Self {
            id,
            policies,
            exceptions,
            exclusions: Exclusions::new(&settings),
            settings,
            functions,
            by_kind,
            any_kind,
        }
    }

    /// Grows with every swap.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// In order of evaluation.
    pub fn policies(&self) -> &[Arc<Policy>] {
        &self.policies
    }

    /// All exceptions that are in force.
    pub fn exceptions(&self) -> &[Arc<Exception>] {
        &self.exceptions
    }

    /// The process's settings at that moment.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The functions of the expression language.
    pub(crate) fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Policies that may be about a request, by its envelope alone, in order of evaluation.
    pub(crate) fn candidates(&self, request: &Request) -> Vec<usize> {
        let named =
            self.by_kind.get(&request.whole_kind().kind).map(Vec::as_slice).unwrap_or_default();
        if named.is_empty() && self.any_kind.is_empty() {
            return Vec::new();
        }
        let envelope = envelope(request);
        if self.exclusions.resource(&envelope) {
            return Vec::new();
        }
        let mut indices: Vec<usize> = named.iter().chain(&self.any_kind).copied().collect();
        indices.sort_unstable();
        indices.dedup();
        indices.retain(|index| {
            let Some(policy) = self.policies.get(*index) else { return false };
            let selected = match &request.selection {
                Selection::All => true,
                Selection::FailurePolicy(wanted) => {
                    policy.match_conditions.is_empty() && policy.failure_policy == *wanted
                }
                Selection::One(name) => policy.name == *name,
            };
            let namespace = &policy.name.namespace;
            let admitted =
                policy.admission || matches!(request.stage, Stage::All | Stage::Generating);
            selected
                && admitted
                && (namespace.is_empty() || *namespace == request.namespace)
                && policy.rules.iter().any(|rule| {
                    // For these it counts that the policy is there: what was made before has to go when a rule
                    // matches no longer, and an annotation that is already there may not speak for a policy.
                    if request.stage == Stage::Generating
                        || matches!(rule.action, Action::VerifyImages(_))
                    {
                        let mut kinds = rule.matches.kinds();
                        return kinds
                            .any(|k| kind::matches(k, envelope.kind, envelope.sub_resource));
                    }
                    rule.matches.may_match(&envelope)
                })
        });
        indices
    }

    /// Whether exceptions of this namespace are honoured at all.
    pub(crate) fn honours(&self, exception: &Exception) -> bool {
        self.settings.exceptions_enabled
            && (self.settings.exception_namespace == "*"
                || self.settings.exception_namespace == exception.name.namespace)
    }

    /// `emitWarning` of a policy.
    pub(crate) fn emits_warnings(&self, name: &PolicyName) -> bool {
        self.policies.iter().any(|policy| policy.name == *name && policy.emit_warning)
    }
}

/// Namespace and name; the namespace is empty for a cluster policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyName {
    /// Empty for `ClusterPolicy`.
    pub namespace: SmolStr,
    /// `metadata.name`.
    pub name: SmolStr,
}

impl std::fmt::Display for PolicyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{}", self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// What an error of evaluation does to the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailurePolicy {
    /// It blocks.
    #[default]
    Fail,
    /// It admits, with a warning.
    Ignore,
}

/// What a failed rule does to the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureAction {
    /// It is reported.
    #[default]
    Audit,
    /// It blocks.
    Enforce,
}

/// Flags over environment over ConfigMap, in one value.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `defaultRegistry` of the ConfigMap.
    pub default_registry: SmolStr,
    /// `enableDefaultRegistryMutation` of the ConfigMap.
    pub default_registry_mutation: bool,
    /// The namespace this product runs in: unqualified secrets live there.
    pub own_namespace: SmolStr,
    /// `--insecure-ignore-tlog-for-keys`: signatures made with keys need no log entry in this process.
    pub insecure_ignore_tlog_for_keys: bool,
    /// `--enablePolicyException`.
    pub exceptions_enabled: bool,
    /// `--exceptionNamespace`: empty for none, `*` for all.
    pub exception_namespace: SmolStr,
    /// `--forceFailurePolicyIgnore`.
    pub force_failure_policy_ignore: bool,
    /// `resourceFilters` of the ConfigMap, as written: `[kind,namespace,name]…`.
    pub resource_filters: SmolStr,
    /// `excludeUsernames`, wildcards.
    pub exclude_usernames: Vec<SmolStr>,
    /// `excludeGroups`, wildcards.
    pub exclude_groups: Vec<SmolStr>,
    /// `excludeRoles`, wildcards.
    pub exclude_roles: Vec<SmolStr>,
    /// `excludeClusterRoles`, wildcards.
    pub exclude_cluster_roles: Vec<SmolStr>,
    /// `maxContextSize` in bytes; 0 is no limit.
    pub max_context_size: u64,
    /// Whether services and the global context are answered for: a test file of the command line does.
    pub answers_services: bool,
    /// Whether someone carries out what generate rules and `mutate.targets` ask for; where nobody does they wait, and
    /// their policies say so.
    pub update_requests: bool,
    /// `allowInsecureRegistry`: plain HTTP registries for every policy.
    pub allow_insecure_registry: bool,
    /// `--trusted-root`: what certificates, log entries and timestamps are judged by.
    pub trust: Option<Arc<TrustedRoot>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_registry: SmolStr::new_static("docker.io"),
            default_registry_mutation: true,
            own_namespace: SmolStr::new_static("kyverno"),
            insecure_ignore_tlog_for_keys: false,
            exceptions_enabled: false,
            exception_namespace: SmolStr::default(),
            force_failure_policy_ignore: false,
            resource_filters: SmolStr::default(),
            exclude_usernames: Vec::new(),
            exclude_groups: Vec::new(),
            exclude_roles: Vec::new(),
            exclude_cluster_roles: Vec::new(),
            max_context_size: 2 * 1024 * 1024,
            answers_services: false,
            update_requests: false,
            allow_insecure_registry: false,
            trust: None,
        }
    }
}
