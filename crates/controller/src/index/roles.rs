//! Who has which role, by subject: role bindings turned round.
use crate::object::Key;
use sigward_document::Value;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// A role that someone has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    /// `namespace:name`.
    InNamespace(SmolStr),
    /// The name.
    Cluster(SmolStr),
}

/// Who a binding speaks of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    User(SmolStr),
    Group(SmolStr),
}

/// All bindings, by whom they speak of.
#[derive(Debug, Default)]
pub struct Roles {
    /// What each binding contributes, so that it can be taken back. The namespace is empty for cluster role bindings.
    bindings: BTreeMap<Key, Vec<(Subject, Role)>>,
    by_subject: BTreeMap<Subject, BTreeMap<Role, usize>>,
}

impl Roles {
    /// Takes a RoleBinding or (without a namespace) a ClusterRoleBinding in its newest form.
    pub fn apply(&mut self, key: Key, binding: &Value) {
        self.delete(&key);
        let role = match binding.str_at(&["roleRef", "kind"]) {
            Some("Role") if !key.namespace.is_empty() => {
                let name = binding.str_at(&["roleRef", "name"]).unwrap_or_default();
                Role::InNamespace(format!("{}:{name}", key.namespace).into())
            }
            Some("ClusterRole") => Role::Cluster(SmolStr::new(
                binding.str_at(&["roleRef", "name"]).unwrap_or_default(),
            )),
            _ => return,
        };
        let subjects = binding.at_path(&["subjects"]).and_then(Value::as_list).unwrap_or_default();
        let given: Vec<(Subject, Role)> = subjects
            .iter()
            .filter_map(|subject| {
                let name = subject.str_at(&["name"])?;
                let subject = match subject.str_at(&["kind"])? {
                    "User" => Subject::User(name.into()),
                    "Group" => Subject::Group(name.into()),
                    "ServiceAccount" => {
                        let namespace = subject.str_at(&["namespace"]).unwrap_or(&key.namespace);
                        Subject::User(format!("system:serviceaccount:{namespace}:{name}").into())
                    }
                    _ => return None,
                };
                Some((subject, role.clone()))
            })
            .collect();
        for (subject, role) in &given {
            *self
                .by_subject
                .entry(subject.clone())
                .or_default()
                .entry(role.clone())
                .or_default() += 1;
        }
        self.bindings.insert(key, given);
    }

    /// Takes back what a binding gave.
    pub fn delete(&mut self, key: &Key) {
        for (subject, role) in self.bindings.remove(key).unwrap_or_default() {
            let Some(roles) = self.by_subject.get_mut(&subject) else { continue };
            if let Some(count) = roles.get_mut(&role) {
                *count -= 1;
                if *count == 0 {
                    roles.remove(&role);
                }
            }
            if roles.is_empty() {
                self.by_subject.remove(&subject);
            }
        }
    }

    /// Keys of all bindings, in or outside namespaces.
    pub fn keys(&self, namespaced: bool) -> Vec<Key> {
        self.bindings.keys().filter(|key| key.namespace.is_empty() != namespaced).cloned().collect()
    }

    /// `{roles: [namespace:name…], clusterRoles: [name…]}` of a user with these groups, sorted.
    pub fn of(&self, username: &str, groups: &[SmolStr]) -> Value {
        let subjects = std::iter::once(Subject::User(username.into()))
            .chain(groups.iter().cloned().map(Subject::Group));
        let mut roles = BTreeSet::new();
        let mut cluster_roles = BTreeSet::new();
        for subject in subjects {
            for role in self.by_subject.get(&subject).into_iter().flat_map(BTreeMap::keys) {
                match role {
                    Role::InNamespace(name) => roles.insert(name.clone()),
                    Role::Cluster(name) => cluster_roles.insert(name.clone()),
                };
            }
        }
        let list =
            |names: BTreeSet<SmolStr>| Value::list(names.iter().map(|name| Value::string(name)));
        Value::map([
            (SmolStr::new_static("roles"), list(roles)),
            (SmolStr::new_static("clusterRoles"), list(cluster_roles)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tree(json: &serde_json::Value) -> Value {
        sigward_document::parse_json(json.to_string().as_bytes()).unwrap()
    }

    fn check(roles: &Roles, username: &str, groups: &[&str], expected: &serde_json::Value) {
        let groups: Vec<SmolStr> = groups.iter().map(SmolStr::new).collect();
        assert_eq!(roles.of(username, &groups), tree(expected), "{username} {groups:?}");
    }

    #[test]
    fn users_groups_and_service_accounts_have_the_roles_they_are_bound_to() {
        let mut roles = Roles::default();
        roles.apply(
            Key::new("ns", "b"),
            &tree(&json!({ "roleRef": { "kind": "Role", "name": "edit" }, "subjects": [
                { "kind": "User", "name": "ann" }, { "kind": "ServiceAccount", "name": "bot" }
            ] })),
        );
        roles.apply(
            Key::new("ns", "c"),
            &tree(&json!({ "roleRef": { "kind": "ClusterRole", "name": "view" }, "subjects": [{ "kind": "Group", "name": "g" }] })),
        );
        roles.apply(
            Key::new("", "d"),
            &tree(&json!({ "roleRef": { "kind": "ClusterRole", "name": "admin" }, "subjects": [{ "kind": "User", "name": "ann" }] })),
        );
        check(
            &roles,
            "ann",
            &["g"],
            &json!({ "roles": ["ns:edit"], "clusterRoles": ["admin", "view"] }),
        );
        check(
            &roles,
            "system:serviceaccount:ns:bot",
            &[],
            &json!({ "roles": ["ns:edit"], "clusterRoles": [] }),
        );
        check(&roles, "bob", &[], &json!({ "roles": [], "clusterRoles": [] }));
    }

    #[test]
    fn what_two_bindings_give_is_kept_until_both_are_gone() {
        let binding = tree(
            &json!({ "roleRef": { "kind": "ClusterRole", "name": "r" }, "subjects": [{ "kind": "User", "name": "u" }] }),
        );
        let mut roles = Roles::default();
        roles.apply(Key::new("", "one"), &binding);
        roles.apply(Key::new("", "two"), &binding);
        roles.apply(Key::new("", "two"), &binding);
        roles.delete(&Key::new("", "one"));
        check(&roles, "u", &[], &json!({ "roles": [], "clusterRoles": ["r"] }));
        roles.delete(&Key::new("", "two"));
        check(&roles, "u", &[], &json!({ "roles": [], "clusterRoles": [] }));
        assert!(roles.by_subject.is_empty());
    }
}
