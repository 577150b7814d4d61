//! Which Secrets and ConfigMaps a policy refers to by name, so that they can be watched before they are asked for.
use crate::object::Key;
use sigward_document::{Value, View};
use sigward_policy::snapshot::Settings;
use std::collections::BTreeSet;

/// A kind that policies refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// Keys and registry credentials.
    Secret,
    /// Context entries.
    ConfigMap,
}

/// One object by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Which kind.
    pub kind: ObjectKind,
    /// Which one.
    pub key: Key,
}

/// How deep a policy is looked into; deeper references are still found when they are asked for.
const MAX_DEPTH: usize = 64;
/// How many references of one policy are watched.
const MAX_REFERENCES: usize = 256;

/// What the policy names. Only a hint: what is missed here is read from the API server when it is needed, and names with
/// variables in them cannot be known before.
pub fn of(policy: &Value, settings: &Settings) -> BTreeSet<Reference> {
    let namespace = policy.str_at(&["metadata", "namespace"]).unwrap_or_default();
    let mut found = BTreeSet::new();
    let spec = policy.at_path(&["spec"]).unwrap_or(&Value::NULL);
    visit(spec, namespace, settings, MAX_DEPTH, &mut found);
    found
}

fn visit(
    value: &Value,
    namespace: &str,
    settings: &Settings,
    depth: usize,
    found: &mut BTreeSet<Reference>,
) {
    if depth == 0 || found.len() >= MAX_REFERENCES {
        return;
    }
    let mut add = |kind: ObjectKind, namespace: &str, name: &str| {
        let constant = |text: &str| !text.is_empty() && !text.contains("{{");
        if constant(namespace) && constant(name) {
            found.insert(Reference { kind, key: Key::new(namespace, name) });
        }
    };
    match value.view() {
        View::List(items) => {
            for item in items {
                visit(item, namespace, settings, depth - 1, found);
            }
        }
        View::Map(members) => {
            for (name, member) in members.iter() {
                match (name, member.view()) {
                    ("secret", View::Map(_)) => add(
                        ObjectKind::Secret,
                        member.str_at(&["namespace"]).unwrap_or_default(),
                        member.str_at(&["name"]).unwrap_or_default(),
                    ),
                    ("configMap", View::Map(_)) => {
                        let own = if namespace.is_empty() { "default" } else { namespace };
                        add(
                            ObjectKind::ConfigMap,
                            member
                                .str_at(&["namespace"])
                                .filter(|namespace| !namespace.is_empty())
                                .unwrap_or(own),
                            member.str_at(&["name"]).unwrap_or_default(),
                        );
                    }
                    ("imageRegistryCredentials", View::Map(credentials)) => {
                        for secret in
                            credentials.get("secrets").and_then(Value::as_list).unwrap_or_default()
                        {
                            add(
                                ObjectKind::Secret,
                                &settings.own_namespace,
                                secret.as_str().unwrap_or_default(),
                            );
                        }
                    }
                    ("publicKeys" | "key", View::String(text)) => {
                        if let Some((namespace, name)) =
                            text.trim().strip_prefix("k8s://").and_then(|rest| rest.split_once('/'))
                        {
                            add(ObjectKind::Secret, namespace, name);
                        }
                    }
                    _ => {}
                }
            }
            for (_, member) in members.iter() {
                visit(member, namespace, settings, depth - 1, found);
            }
        }
        View::Null | View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(policy: &serde_json::Value, expected: &[(ObjectKind, &str, &str)]) {
        let policy = sigward_document::parse_json(policy.to_string().as_bytes()).unwrap();
        let found: Vec<Reference> = of(&policy, &Settings::default()).into_iter().collect();
        let expected: Vec<Reference> = expected
            .iter()
            .map(|(kind, namespace, name)| Reference {
                kind: *kind,
                key: Key::new(namespace, name),
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn keys_credentials_and_config_maps_are_found() {
        let entry = json!({
            "imageRegistryCredentials": { "secrets": ["pull"] },
            "attestors": [{ "entries": [
                { "keys": { "secret": { "name": "a", "namespace": "ns" } } },
                { "keys": { "publicKeys": "k8s://ns/b" } },
                { "keys": { "publicKeys": "-----BEGIN PUBLIC KEY-----" } },
            ] }]
        });
        let rule = json!({
            "context": [{ "configMap": { "name": "c" } }, { "configMap": { "name": "{{ x }}", "namespace": "n" } }],
            "verifyImages": [entry, { "key": "k8s://ns/d" }]
        });
        check(
            &json!({ "spec": { "rules": [rule] } }),
            &[
                (ObjectKind::Secret, "kyverno", "pull"),
                (ObjectKind::Secret, "ns", "a"),
                (ObjectKind::Secret, "ns", "b"),
                (ObjectKind::Secret, "ns", "d"),
                (ObjectKind::ConfigMap, "default", "c"),
            ],
        );
    }

    #[test]
    fn a_policy_of_a_namespace_reads_its_own_config_maps() {
        let context = json!([{ "configMap": { "name": "c" } }]);
        let policy = json!({ "metadata": { "namespace": "team" }, "spec": { "rules": [{ "context": context }] } });
        check(&policy, &[(ObjectKind::ConfigMap, "team", "c")]);
    }
}
