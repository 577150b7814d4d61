//! Which kinds of Kubernetes itself live in namespaces, for what can be said of a policy without an API server.

/// Kinds of Kubernetes that are of the whole cluster, in groups of its own.
const CLUSTER: [&str; 33] = [
    "APIService",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterTrustBundle",
    "ComponentStatus",
    "CustomResourceDefinition",
    "DeviceClass",
    "FlowSchema",
    "IPAddress",
    "IngressClass",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "ResourceSlice",
    "RuntimeClass",
    "SelfSubjectAccessReview",
    "SelfSubjectReview",
    "ServiceCIDR",
    "StorageClass",
    "StorageVersionMigration",
    "SubjectAccessReview",
    "TokenReview",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
];

/// Groups of Kubernetes without a dot; all its others end in `.k8s.io`.
const GROUPS: [&str; 5] = ["", "apps", "autoscaling", "batch", "policy"];

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scoped {
    /// In a namespace.
    Namespace,
    /// Beside the namespaces.
    Cluster,
}

/// Where objects of a kind live. Nothing for kinds that others define: only an API server knows.
pub(super) fn of(group: &str, kind: &str) -> Option<Scoped> {
    // Groups below `x-k8s.io` are of projects beside Kubernetes.
    let own = GROUPS.contains(&group)
        || (group.ends_with(".k8s.io") && !group.ends_with(".x-k8s.io"))
            && group != "gateway.networking.k8s.io";
    match (own, CLUSTER.contains(&kind)) {
        (false, _) => None,
        (true, true) => Some(Scoped::Cluster),
        (true, false) => Some(Scoped::Namespace),
    }
}

/// The group of an `apiVersion`.
pub(super) fn group(api_version: &str) -> &str {
    api_version.rsplit_once('/').map_or("", |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_others_are_not_guessed_at() {
        for (version, kind, expected) in [
            ("v1", "ConfigMap", Some(Scoped::Namespace)),
            ("v1", "Namespace", Some(Scoped::Cluster)),
            ("rbac.authorization.k8s.io/v1", "RoleBinding", Some(Scoped::Namespace)),
            ("rbac.authorization.k8s.io/v1", "ClusterRole", Some(Scoped::Cluster)),
            ("example.com/v1", "Namespace", None),
            ("gateway.networking.k8s.io/v1", "GatewayClass", None),
        ] {
            assert_eq!(of(group(version), kind), expected, "{version} {kind}");
        }
    }
}
