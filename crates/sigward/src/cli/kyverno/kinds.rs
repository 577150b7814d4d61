//! What is known of kinds without a cluster: who has a namespace, what a plural is, which policies there are.
use sigward_document::Value;
use sigward_policy::scope;
use std::collections::BTreeSet;

/// Group and version of an `apiVersion`; the core group is empty.
pub(crate) fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Which kinds have no namespace: the built-in ones, and those of definitions that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes {
    /// As `group/Kind`.
    cluster: BTreeSet<String>,
}

impl Scopes {
    /// What definitions of custom resources say.
    pub(crate) fn of<'v>(definitions: impl Iterator<Item = &'v Value>) -> Self {
        let name = |definition: &Value| {
            let text = |path: &[&str]| definition.str_at(path).unwrap_or_default();
            (text(&["spec", "scope"]) == "Cluster").then(|| {
                format!("{}/{}", text(&["spec", "group"]), text(&["spec", "names", "kind"]))
            })
        };
        Self { cluster: definitions.filter_map(name).collect() }
    }

    /// Whether objects of this kind have no namespace. A kind that nobody knows has one.
    fn is_cluster_scoped(&self, api_version: &str, kind: &str) -> bool {
        let (group, _) = group_version(api_version);
        let name = format!("{group}/{kind}");
        scope::of(group, kind) == Some(scope::Scope::Cluster) || self.cluster.contains(&name)
    }

    /// The resource with the namespace that the API server would put it in.
    pub(crate) fn with_namespace(&self, resource: &Value) -> Value {
        let text = |path: &[&str]| resource.str_at(path).unwrap_or_default();
        if !text(&["metadata", "namespace"]).is_empty()
            || self.is_cluster_scoped(text(&["apiVersion"]), text(&["kind"]))
        {
            return resource.clone();
        }
        let namespace = Value::string("default");
        let with = resource.with_path(&["metadata", "namespace"], namespace);
        with.unwrap_or_else(|| resource.clone())
    }
}

/// The resource with the namespace that an API server without custom resources would put it in.
pub(crate) fn with_namespace(resource: &Value) -> Value {
    Scopes::default().with_namespace(resource)
}

/// What a document is to the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `ClusterPolicy` or `Policy` of `kyverno.io`.
    Policy,
    /// The same of a version that there is not.
    UnknownVersion,
    /// `PolicyException` of `kyverno.io`.
    Exception,
    /// A policy or exception of a kind that needs CEL, or that only a controller carries out.
    Unsupported,
    /// Anything else.
    Resource,
}

/// The versions that the definitions of policies serve.
const POLICY_VERSIONS: [&str; 2] = ["v1", "v2beta1"];

/// What a document is.
pub(crate) fn role(document: &Value) -> Role {
    let text = |name: &str| document.str_at(&[name]).unwrap_or_default();
    let (group, version) = group_version(text("apiVersion"));
    match (group, text("kind")) {
        ("kyverno.io", "ClusterPolicy" | "Policy") if POLICY_VERSIONS.contains(&version) => {
            Role::Policy
        }
        ("kyverno.io", "ClusterPolicy" | "Policy") => Role::UnknownVersion,
        ("kyverno.io", "PolicyException") => Role::Exception,
        ("policies.kyverno.io", _) | ("kyverno.io", "CleanupPolicy" | "ClusterCleanupPolicy") => {
            Role::Unsupported
        }
        ("admissionregistration.k8s.io", kind) if kind.contains("AdmissionPolicy") => {
            Role::Unsupported
        }
        _ => Role::Resource,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_another_group_with_a_known_name_has_a_namespace() {
        let scopes = Scopes::default();
        assert!(scopes.is_cluster_scoped("rbac.authorization.k8s.io/v1", "ClusterRole"));
        assert!(!scopes.is_cluster_scoped("authorization.openshift.io/v1", "ClusterRole"));
        assert!(scopes.is_cluster_scoped("v1", "Node"));
    }
}
