//! The 18 policies of the Pod Security Standards, Pods that obey them and one that does not, and policies for other namespaces.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// As YAML, each a document.
pub(super) const POLICIES: &str = include_str!("pod_security.yaml");

/// A Pod that obeys every policy; name, labels and image differ by serial.
pub(super) fn pod(serial: usize, namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("app-{serial}"),
            "namespace": namespace,
            "labels": { "app": format!("app-{}", serial % 40), "release": format!("r{serial}") },
        },
        "spec": {
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 1000,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": "app",
                "image": format!("registry.example/app:v{serial}"),
                "ports": [{ "containerPort": 8080 }],
                "resources": { "limits": { "memory": "128Mi" }, "requests": { "cpu": "100m" } },
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": { "drop": ["ALL"] },
                },
            }],
            "volumes": [{ "name": "tmp", "emptyDir": {} }],
        },
    })
}

/// The same, but privileged.
pub(super) fn privileged(namespace: &str) -> Value {
    let mut pod = pod(0, namespace);
    if let Some(container) = pod.pointer_mut("/spec/containers/0/securityContext") {
        *container = json!({ "privileged": true });
    }
    pod
}

/// So many policies about Pods: the same ones over and over, each for a namespace of its own.
pub(super) fn for_other_namespaces(count: usize) -> String {
    let documents: Vec<&str> = POLICIES
        .split("apiVersion: kyverno.io/v1\n")
        .skip(1)
        .map(|text| text.trim_end_matches("---\n"))
        .collect();
    let mut all = String::new();
    for (serial, document) in documents.iter().cycle().take(count).enumerate() {
        let named =
            document.replacen("\n  name: ", &format!("\n  name: team-{serial}-"), 1).replace(
                "          kinds: [Pod]\n",
                &format!("          kinds: [Pod]\n          namespaces: [team-{serial}]\n"),
            );
        // Writing to a string cannot fail.
        let _written = writeln!(all, "---\napiVersion: kyverno.io/v1\n{named}");
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_eighteen_policies_and_as_many_others_as_wanted() {
        assert_eq!(POLICIES.matches("kind: ClusterPolicy").count(), 18);
        let others = for_other_namespaces(200);
        assert_eq!(others.matches("kind: ClusterPolicy").count(), 200);
        assert_eq!(
            others.matches("kinds: [Pod]").count(),
            others.matches("namespaces: [team-").count()
        );
        assert!(others.contains("name: team-199-"));
    }

    #[test]
    fn pods_differ_and_the_privileged_one_is_privileged() {
        assert_ne!(pod(1, "a"), pod(2, "a"));
        let path = "/spec/containers/0/securityContext/privileged";
        assert_eq!(privileged("a").pointer(path), Some(&json!(true)));
        assert_eq!(pod(0, "a").pointer(path), None);
    }
}
