//! Which kinds of Kubernetes itself live in namespaces, for what can be said of a policy without an API server.

/// Kinds of the whole cluster, of Kubernetes and of policies, as `group/Kind`; the core group is empty.
const CLUSTER: &[&str] = &[
    "/ComponentStatus",
    "/Namespace",
    "/Node",
    "/PersistentVolume",
    "admissionregistration.k8s.io/MutatingAdmissionPolicy",
    "admissionregistration.k8s.io/MutatingAdmissionPolicyBinding",
    "admissionregistration.k8s.io/MutatingWebhookConfiguration",
    "admissionregistration.k8s.io/ValidatingAdmissionPolicy",
    "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding",
    "admissionregistration.k8s.io/ValidatingWebhookConfiguration",
    "apiextensions.k8s.io/CustomResourceDefinition",
    "apiregistration.k8s.io/APIService",
    "authentication.k8s.io/SelfSubjectReview",
    "authentication.k8s.io/TokenReview",
    "authorization.k8s.io/SelfSubjectAccessReview",
    "authorization.k8s.io/SelfSubjectRulesReview",
    "authorization.k8s.io/SubjectAccessReview",
    "certificates.k8s.io/CertificateSigningRequest",
    "certificates.k8s.io/ClusterTrustBundle",
    "flowcontrol.apiserver.k8s.io/FlowSchema",
    "flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration",
    "internal.apiserver.k8s.io/StorageVersion",
    "kyverno.io/ClusterCleanupPolicy",
    "kyverno.io/ClusterPolicy",
    "kyverno.io/GlobalContextEntry",
    "networking.k8s.io/IPAddress",
    "networking.k8s.io/IngressClass",
    "networking.k8s.io/ServiceCIDR",
    "node.k8s.io/RuntimeClass",
    "policy/PodSecurityPolicy",
    "rbac.authorization.k8s.io/ClusterRole",
    "rbac.authorization.k8s.io/ClusterRoleBinding",
    "resource.k8s.io/DeviceClass",
    "resource.k8s.io/DeviceTaintRule",
    "resource.k8s.io/ResourceSlice",
    "scheduling.k8s.io/PriorityClass",
    "storage.k8s.io/CSIDriver",
    "storage.k8s.io/CSINode",
    "storage.k8s.io/StorageClass",
    "storage.k8s.io/VolumeAttachment",
    "storage.k8s.io/VolumeAttributesClass",
    "storagemigration.k8s.io/StorageVersionMigration",
];

/// Groups that Kubernetes itself serves. Others end in `.k8s.io` too, and who defines them says what is in them.
const GROUPS: &[&str] = &[
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace.
    Namespace,
    /// Beside the namespaces.
    Cluster,
}

/// Where objects of a kind live. Nothing for kinds that others define: only an API server knows.
pub fn of(group: &str, kind: &str) -> Option<Scope> {
    let name = format!("{group}/{kind}");
    if CLUSTER.contains(&name.as_str()) {
        return Some(Scope::Cluster);
    }
    GROUPS.contains(&group).then_some(Scope::Namespace)
}

/// Whether a kind of this name lives beside the namespaces, for those who did not say its group.
pub fn is_cluster_kind(kind: &str) -> bool {
    CLUSTER.iter().any(|name| name.rsplit_once('/').is_some_and(|(_, known)| known == kind))
}

/// The group of an `apiVersion`.
pub fn group(api_version: &str) -> &str {
    api_version.rsplit_once('/').map_or("", |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_others_are_not_guessed_at() {
        for (version, kind, expected) in [
            ("v1", "ConfigMap", Some(Scope::Namespace)),
            ("v1", "Namespace", Some(Scope::Cluster)),
            ("rbac.authorization.k8s.io/v1", "RoleBinding", Some(Scope::Namespace)),
            ("rbac.authorization.k8s.io/v1", "ClusterRole", Some(Scope::Cluster)),
            ("example.com/v1", "Namespace", None),
            ("gateway.networking.k8s.io/v1", "GatewayClass", None),
            ("snapshot.storage.k8s.io/v1", "VolumeSnapshotClass", None),
            ("storage.k8s.io/v1", "VolumeAttachment", Some(Scope::Cluster)),
            ("kyverno.io/v1", "ClusterPolicy", Some(Scope::Cluster)),
            ("kyverno.io/v1", "Policy", None),
        ] {
            assert_eq!(of(group(version), kind), expected, "{version} {kind}");
        }
    }
}
