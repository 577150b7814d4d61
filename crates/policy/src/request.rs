//! The request as the engine sees it: an envelope read at once, objects parsed when someone needs them.
use sigward_document::Value;
pub use sigward_sigstore::requirement::Timestamp;
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

/// One admission request, one object of a background scan, or one resource of the command line.
#[derive(Debug)]
pub struct Request {
    /// Names this request in events, logs and records.
    pub uid: SmolStr,
    /// Group, version and kind of the object.
    pub kind: GroupVersionKind,
    /// Of a subresource: the kind of what it belongs to (`Deployment` of a `Scale`); `None` where nobody knows.
    pub parent: Option<GroupVersionKind>,
    /// Group, version and plural name.
    pub resource: GroupVersionResource,
    /// `ephemeralcontainers`, `status`, …; empty for the object itself.
    pub sub_resource: SmolStr,
    /// The object's name; empty where the API server will generate it.
    pub name: SmolStr,
    /// The object's namespace; empty for cluster-scoped kinds.
    pub namespace: SmolStr,
    /// What is being done to the object.
    pub operation: Operation,
    /// Who asks; `None` in a background scan, where user filters of `match` are ignored.
    pub user: Option<User>,
    /// The object as it would become; empty on DELETE.
    pub object: Lazy,
    /// The object as it is; empty on CREATE.
    pub old_object: Lazy,
    /// The operation's options (`CreateOptions`, …).
    pub options: Lazy,
    /// No side effects: no reports, no events.
    pub dry_run: bool,
    /// Which part of the work this call is for.
    pub stage: Stage,
    /// Which policies this call is for.
    pub selection: Selection,
    /// The time of the request: pure crates read no clock.
    pub now: Timestamp,
    /// `random()` is a function of this, the rule and the call site, so rounds agree.
    pub seed: u64,
    /// What a values file of the command line says in place of a cluster; `None` elsewhere.
    pub presets: Option<Arc<Presets>>,
}

/// What a values file of the command line says, for one policy. Names are trees: `{"request": {"operation": "UPDATE"}}`.
#[derive(Clone, Debug, Default)]
pub struct Presets {
    /// Names for every rule, laid over what the request says. A map or null.
    pub variables: Value,
    /// More of them by the name of a rule, as it is written in the policy.
    pub rules: BTreeMap<SmolStr, RulePresets>,
}

/// What a values file says about one rule.
#[derive(Clone, Debug, Default)]
pub struct RulePresets {
    /// Names for the rule and for what is generated from it. A map or null.
    pub values: Value,
    /// Names inside a `foreach`, with one value for each element.
    pub foreach: BTreeMap<SmolStr, Vec<Value>>,
}

impl Presets {
    /// What is said about a rule, generated ones included.
    pub(crate) fn of_rule(&self, rule: &str) -> Option<&RulePresets> {
        let written =
            rule.strip_prefix("autogen-cronjob-").or_else(|| rule.strip_prefix("autogen-"));
        self.rules.get(rule).or_else(|| self.rules.get(written?))
    }

    /// Without what is said about the operation and its objects: the old object is another request.
    fn of_old_object(&self) -> Self {
        let rules = self.rules.iter().map(|(name, rule)| {
            let values = without_operation(&rule.values);
            (name.clone(), RulePresets { values, foreach: rule.foreach.clone() })
        });
        Self { variables: without_operation(&self.variables), rules: rules.collect() }
    }
}

fn without_operation(names: &Value) -> Value {
    let Some(request) = names.get("request") else { return names.clone() };
    let request = ["operation", "object", "oldObject"]
        .iter()
        .fold(request.clone(), |request, name| request.without_member(name).unwrap_or(request));
    names.with_member("request", request).unwrap_or_else(|| names.clone())
}

impl Request {
    /// The kind that policies mean: `Deployment/scale` is about a Deployment, whatever is sent to it.
    // COMPAT: Kyverno 1.19, `withTopLevelGVK`; test: a_subresource_is_matched_by_the_kind_that_it_belongs_to
    pub fn whole_kind(&self) -> &GroupVersionKind {
        self.parent.as_ref().unwrap_or(&self.kind)
    }

    /// The old object as if it were made now: whether it would have passed.
    pub(crate) fn of_old_object(&self, old: &Value) -> Self {
        Self {
            uid: self.uid.clone(),
            kind: self.kind.clone(),
            parent: self.parent.clone(),
            resource: self.resource.clone(),
            sub_resource: self.sub_resource.clone(),
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            operation: Operation::Create,
            user: self.user.clone(),
            object: Lazy::from_value(old.clone()),
            old_object: Lazy::empty(),
            options: Lazy::empty(),
            dry_run: self.dry_run,
            stage: self.stage,
            selection: self.selection.clone(),
            now: self.now,
            seed: self.seed,
            presets: self.presets.as_ref().map(|presets| Arc::new(presets.of_old_object())),
        }
    }
}

/// `apps/v1, Kind=Deployment`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupVersionKind {
    /// Empty for the core group.
    pub group: SmolStr,
    /// `v1`, …
    pub version: SmolStr,
    /// `Deployment`, …
    pub kind: SmolStr,
}

/// `apps/v1, Resource=deployments`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupVersionResource {
    /// Empty for the core group.
    pub group: SmolStr,
    /// `v1`, …
    pub version: SmolStr,
    /// `deployments`, …
    pub resource: SmolStr,
}

/// The plural that Kubernetes makes of a kind; right for every built-in kind.
pub fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    match lower.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if lower == "endpoints" => lower,
        _ if lower.ends_with(['s', 'x']) || lower.ends_with("ch") => format!("{lower}es"),
        _ => format!("{lower}s"),
    }
}

/// The kind of a built-in resource that has subresources, for where no API server can be asked.
pub fn built_in_kind(resource: &GroupVersionResource) -> Option<GroupVersionKind> {
    let known: &[&str] = match resource.group.as_str() {
        "" => &[
            "Pod",
            "Namespace",
            "Node",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "ReplicationController",
            "ResourceQuota",
            "Service",
            "ServiceAccount",
        ],
        "apps" => &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"],
        "batch" => &["Job", "CronJob"],
        "networking.k8s.io" => &["Ingress"],
        "policy" => &["PodDisruptionBudget"],
        "autoscaling" => &["HorizontalPodAutoscaler"],
        "certificates.k8s.io" => &["CertificateSigningRequest"],
        _ => &[],
    };
    let kind = known.iter().find(|kind| plural(kind) == resource.resource.as_str())?;
    Some(GroupVersionKind {
        group: resource.group.clone(),
        version: resource.version.clone(),
        kind: SmolStr::new_static(kind),
    })
}

/// What the API server is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// A new object.
    Create,
    /// A change.
    Update,
    /// A removal; the object is in `old_object`.
    Delete,
    /// `exec`, `proxy`, …
    Connect,
}

impl Operation {
    /// The API server's spelling: `CREATE`, ….
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// Who asks, as the API server authenticated it.
#[derive(Clone, Debug, Default)]
pub struct User {
    /// `system:serviceaccount:ns:name`, …
    pub username: SmolStr,
    /// The authenticator's identifier.
    pub uid: SmolStr,
    /// All groups, including the virtual ones.
    pub groups: Vec<SmolStr>,
    /// The authenticator's extra values; a map or null.
    pub extra: Value,
}

/// Which phases of the work a call stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The mutating webhook: mutate rules, then image verification.
    Mutating,
    /// The validating webhook.
    Validating,
    /// All phases in one go: the command line and background scans.
    All,
    /// What generate rules make, and nothing else.
    Generating,
}

/// Which policies a webhook call asks for: its path carries them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every policy.
    All,
    /// Policies of one failure policy that have no webhook of their own.
    FailurePolicy(crate::snapshot::FailurePolicy),
    /// One policy with its own webhook.
    One(crate::snapshot::PolicyName),
}

/// A JSON text that becomes a tree when it is first read, once.
#[derive(Debug, Default)]
pub struct Lazy {
    text: Arc<[u8]>,
    tree: OnceLock<Result<Value, sigward_document::ParseError>>,
}

impl Lazy {
    /// Nothing there: absent, `null`.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A text to be parsed later. `null` and empty are the same as absent.
    pub fn from_json(text: &[u8]) -> Self {
        let text = if text == b"null" { &[] } else { text };
        Self { text: text.into(), tree: OnceLock::new() }
    }

    /// A tree that is there already.
    pub fn from_value(value: Value) -> Self {
        let tree = OnceLock::new();
        let _unset = tree.set(Ok(value));
        Self { text: Arc::default(), tree }
    }

    /// The tree; null when there is nothing.
    ///
    /// # Errors
    /// The text is not JSON, or passes the limits of the parser.
    pub fn value(&self) -> Result<&Value, &sigward_document::ParseError> {
        self.tree
            .get_or_init(|| {
                if self.text.is_empty() {
                    Ok(Value::NULL)
                } else {
                    sigward_document::parse_json(&self.text)
                }
            })
            .as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_those_of_the_api_server() {
        for (kind, expected) in [
            ("Pod", "pods"),
            ("NetworkPolicy", "networkpolicies"),
            ("Ingress", "ingresses"),
            ("Endpoints", "endpoints"),
            ("Gateway", "gateways"),
        ] {
            assert_eq!(plural(kind), expected);
        }
    }
}
