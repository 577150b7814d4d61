//! The index without an API server: events in, what is known out.
use super::*;
use serde_json::json;

fn object(json: &serde_json::Value) -> Object {
    serde_json::from_value(json.clone()).unwrap()
}

fn policy(name: &str, label: &str) -> serde_json::Value {
    json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy",
        "metadata": { "name": name, "uid": "u", "labels": { "l": label } },
        "spec": { "rules": [] }
    })
}

/// An index that has listed everything, with these cluster policies.
fn synced(policies: &[serde_json::Value]) -> Index {
    let mut index = Index::new(Settings::default());
    for kind in Watched::ALL {
        index.take(kind, Event::Init);
        if kind == Watched::ClusterPolicy {
            for policy in policies {
                index.take(kind, Event::InitApply(object(policy)));
            }
        }
        index.take(kind, Event::InitDone);
    }
    index
}

#[test]
fn there_is_no_snapshot_before_everything_was_listed_once() {
    let mut index = Index::new(Settings::default());
    for kind in Watched::ALL {
        assert!(index.snapshot().is_none(), "before {}", kind.as_str());
        index.take(kind, Event::Init);
        assert!(index.snapshot().is_none(), "while listing {}", kind.as_str());
        index.take(kind, Event::InitDone);
    }
    let first = index.snapshot().unwrap();
    assert!(index.snapshot().unwrap().id() > first.id());
}

#[test]
fn a_list_takes_away_what_is_not_in_it() {
    let mut index = synced(&[policy("a", ""), policy("b", "")]);
    let names = |index: &Index| {
        index.policies().keys().map(|name| name.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&index), ["a", "b"]);
    index.take(Watched::ClusterPolicy, Event::Init);
    index.take(Watched::ClusterPolicy, Event::InitApply(object(&policy("b", ""))));
    assert_eq!(names(&index), ["a", "b"], "nothing is lost while the list runs");
    let changed = index.take(Watched::ClusterPolicy, Event::InitDone);
    assert!(changed.snapshot);
    assert_eq!(names(&index), ["b"]);
}

#[test]
fn a_status_alone_changes_nothing() {
    let mut index = synced(&[policy("a", "")]);
    let mut touched = policy("a", "");
    touched["status"] = json!({ "ready": true });
    touched["metadata"]["resourceVersion"] = "2".into();
    let changed = index.take(Watched::ClusterPolicy, Event::Apply(object(&touched)));
    assert_eq!(changed, Changed { documents: true, ..Changed::default() });
    let name = PolicyName { namespace: "".into(), name: "a".into() };
    assert!(
        index.policies()[&name].document.at_path(&["status", "ready"]).is_some(),
        "the newest form is kept"
    );
    assert!(index.take(Watched::ClusterPolicy, Event::Apply(object(&policy("a", "x")))).snapshot);
}

#[test]
fn the_config_map_is_part_of_the_snapshot() {
    let mut index = synced(&[]);
    let map = json!({ "metadata": { "name": "kyverno", "namespace": "kyverno" }, "data": { "defaultRegistry": "r.example" } });
    assert!(index.take(Watched::Configuration, Event::Apply(object(&map))).snapshot);
    assert_eq!(index.snapshot().unwrap().settings().default_registry, "r.example");
    assert_eq!(index.take(Watched::Configuration, Event::Apply(object(&map))), Changed::default());
    index.take(Watched::Configuration, Event::Delete(object(&map)));
    assert_eq!(index.snapshot().unwrap().settings().default_registry, "docker.io");
}

#[test]
fn namespaces_and_own_secrets_are_known_at_once() {
    let mut index = synced(&[]);
    let namespace = json!({ "metadata": { "name": "ns", "labels": { "a": "b" } } });
    let secret = json!({ "metadata": { "name": "s", "namespace": "kyverno" } });
    index.take(Watched::Namespace, Event::Apply(object(&namespace)));
    index.take(Watched::OwnSecret, Event::Apply(object(&secret)));
    let shared = index.known().clone();
    assert_eq!(
        shared.read().namespace("ns").unwrap().str_at(&["metadata", "labels", "a"]),
        Some("b")
    );
    assert!(shared.read().namespace("other").is_none());
    assert!(shared.read().secret(&Key::new("kyverno", "s")).is_some());
    index.take(Watched::Namespace, Event::Delete(object(&namespace)));
    assert!(shared.read().namespace("ns").is_none());
}

#[test]
fn roles_are_unknown_until_both_kinds_of_binding_were_listed() {
    let mut index = Index::new(Settings::default());
    index.take(Watched::RoleBinding, Event::Init);
    index.take(Watched::RoleBinding, Event::InitDone);
    assert!(index.known().read().roles("u", &[]).is_none());
    index.take(Watched::ClusterRoleBinding, Event::Init);
    index.take(Watched::ClusterRoleBinding, Event::InitDone);
    assert!(index.known().read().roles("u", &[]).is_some());
}

#[test]
fn a_policy_that_never_compiled_is_in_the_snapshot_until_it_does() {
    let broken = json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": { "name": "p" },
        "spec": { "rules": [{
            "name": "r", "match": { "any": [{ "resources": { "kinds": ["Pod"] } }] },
            "validate": { "cel": { "expressions": [{ "expression": "true" }] } }
        }] }
    });
    let mut index = synced(&[broken]);
    let stored = index.policies().values().next().unwrap();
    assert!(stored.compiled.is_none());
    assert!(stored.in_force().is_some());
    assert_eq!(index.snapshot().unwrap().policies().len(), 1);
    let good = policy("p", "");
    index.take(Watched::ClusterPolicy, Event::Apply(object(&good)));
    let stored = index.policies().values().next().unwrap();
    assert!(stored.compiled.is_some() && stored.unusable.is_none());
}
