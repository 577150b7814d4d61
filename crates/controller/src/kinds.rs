//! The kinds that are watched and written.
use crate::object::resource;
use kube::core::ApiResource;

/// What is watched from the start; readiness waits for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watched {
    /// `kyverno.io/v1 ClusterPolicy`.
    ClusterPolicy,
    /// `kyverno.io/v1 Policy`.
    Policy,
    /// `kyverno.io/v2 PolicyException`.
    PolicyException,
    /// Namespaces, for their labels.
    Namespace,
    /// Who has which role in a namespace.
    RoleBinding,
    /// Who has which role in the cluster.
    ClusterRoleBinding,
    /// The ConfigMap with the settings, alone.
    Configuration,
    /// Secrets of the controller's own namespace: certificates, keys, registry credentials.
    OwnSecret,
}

impl Watched {
    /// In the order in which a person would want to read about them.
    pub const ALL: [Self; 8] = [
        Self::ClusterPolicy,
        Self::Policy,
        Self::PolicyException,
        Self::Namespace,
        Self::RoleBinding,
        Self::ClusterRoleBinding,
        Self::Configuration,
        Self::OwnSecret,
    ];

    /// How the API server calls the kind.
    pub fn resource(self) -> ApiResource {
        match self {
            Self::ClusterPolicy => resource("kyverno.io", "v1", "ClusterPolicy", "clusterpolicies"),
            Self::Policy => resource("kyverno.io", "v1", "Policy", "policies"),
            Self::PolicyException => {
                resource("kyverno.io", "v2", "PolicyException", "policyexceptions")
            }
            Self::Namespace => resource("", "v1", "Namespace", "namespaces"),
            Self::RoleBinding => {
                resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
            }
            Self::ClusterRoleBinding => resource(
                "rbac.authorization.k8s.io",
                "v1",
                "ClusterRoleBinding",
                "clusterrolebindings",
            ),
            Self::Configuration => config_maps(),
            Self::OwnSecret => secrets(),
        }
    }

    /// Its name in readiness and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterPolicy => "clusterpolicies.kyverno.io",
            Self::Policy => "policies.kyverno.io",
            Self::PolicyException => "policyexceptions.kyverno.io",
            Self::Namespace => "namespaces",
            Self::RoleBinding => "rolebindings.rbac.authorization.k8s.io",
            Self::ClusterRoleBinding => "clusterrolebindings.rbac.authorization.k8s.io",
            Self::Configuration => "the configuration's configmap",
            Self::OwnSecret => "secrets of the own namespace",
        }
    }
}

/// `v1 Secret`.
pub fn secrets() -> ApiResource {
    resource("", "v1", "Secret", "secrets")
}

/// `v1 ConfigMap`.
pub fn config_maps() -> ApiResource {
    resource("", "v1", "ConfigMap", "configmaps")
}

/// `admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration`.
pub fn validating_webhook_configurations() -> ApiResource {
    resource(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
    )
}

/// `admissionregistration.k8s.io/v1 MutatingWebhookConfiguration`.
pub fn mutating_webhook_configurations() -> ApiResource {
    resource(
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
    )
}

/// `coordination.k8s.io/v1 Lease`.
pub fn leases() -> ApiResource {
    resource("coordination.k8s.io", "v1", "Lease", "leases")
}

/// `events.k8s.io/v1 Event`.
pub fn events() -> ApiResource {
    resource("events.k8s.io", "v1", "Event", "events")
}

/// `apps/v1 Deployment`.
pub fn deployments() -> ApiResource {
    resource("apps", "v1", "Deployment", "deployments")
}

/// `rbac.authorization.k8s.io/v1 ClusterRole`.
pub fn cluster_roles() -> ApiResource {
    resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles")
}

/// `wgpolicyk8s.io/v1alpha2 PolicyReport` or, for cluster-scoped resources, `ClusterPolicyReport`.
pub fn reports(namespaced: bool) -> ApiResource {
    if namespaced {
        resource("wgpolicyk8s.io", "v1alpha2", "PolicyReport", "policyreports")
    } else {
        resource("wgpolicyk8s.io", "v1alpha2", "ClusterPolicyReport", "clusterpolicyreports")
    }
}
