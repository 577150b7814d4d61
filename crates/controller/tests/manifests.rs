//! The manifests under `deploy` speak of the same things as the code.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]
use serde::Deserialize as _;
use serde_json::Value as Json;
use sigward_controller::{
    certificates::secrets::SecretNames, kinds::Watched, options::Options, settings, webhooks::names,
};
use std::{fs, path::Path};

/// All documents of all files.
fn manifests() -> Vec<Json> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/manifests");
    let mut documents = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        documents.extend(
            serde_yaml_ng::Deserializer::from_str(&text)
                .map(|document| Json::deserialize(document).unwrap()),
        );
    }
    documents
}

fn find(kind: &str, name: &str) -> Json {
    let found = manifests().into_iter().find(|one| {
        one["kind"] == kind && one.pointer("/metadata/name").is_some_and(|one| one == name)
    });
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// Whether some rule of a role allows this.
fn allows(role: &Json, group: &str, resource: &str, verb: &str, name: Option<&str>) -> bool {
    let has = |list: &Json, word: &str| {
        list.as_array().is_some_and(|words| words.iter().any(|one| one == word))
    };
    role["rules"].as_array().unwrap().iter().any(|rule| {
        let named = rule["resourceNames"].is_null()
            || name.is_some_and(|name| has(&rule["resourceNames"], name));
        has(&rule["apiGroups"], group)
            && has(&rule["resources"], resource)
            && has(&rule["verbs"], verb)
            && named
    })
}

#[test]
fn names_are_those_of_the_options() {
    let options = Options::default();
    find("Namespace", &options.namespace);
    find("Service", &options.service);
    find("ConfigMap", &options.config_map);
    find("ClusterRole", &options.cluster_role);
    let deployment = find("Deployment", &options.deployment);
    let account = &deployment.pointer("/spec/template/spec/serviceAccountName").unwrap();
    find("ServiceAccount", account.as_str().unwrap());
}

#[test]
fn what_is_watched_may_be_watched() {
    let (cluster, own) = (
        find("ClusterRole", "kyverno:admission-controller"),
        find("Role", "kyverno:admission-controller"),
    );
    for kind in Watched::ALL {
        let resource = kind.resource();
        let role = if kind == Watched::OwnSecret { &own } else { &cluster };
        for verb in ["list", "watch"] {
            assert!(
                allows(role, &resource.group, &resource.plural, verb, None),
                "{verb} {}",
                kind.as_str()
            );
        }
    }
}

#[test]
fn what_is_written_may_be_written_and_nothing_of_that_kind_beside_it() {
    let (cluster, own) = (
        find("ClusterRole", "kyverno:admission-controller"),
        find("Role", "kyverno:admission-controller"),
    );
    let group = "admissionregistration.k8s.io";
    let validating =
        [names::POLICY_VALIDATING, names::RESOURCE_VALIDATING, names::EXCEPTION_VALIDATING];
    let mutating = [names::POLICY_MUTATING, names::RESOURCE_MUTATING];
    for verb in ["get", "update", "delete"] {
        for (resource, names) in [
            ("validatingwebhookconfigurations", &validating[..]),
            ("mutatingwebhookconfigurations", &mutating[..]),
        ] {
            for name in names {
                assert!(allows(&cluster, group, resource, verb, Some(name)), "{verb} {name}");
            }
            assert!(!allows(&cluster, group, resource, verb, Some("foreign")));
        }
    }
    let secrets = SecretNames::of("kyverno", "kyverno-svc");
    for name in [&secrets.ca, &secrets.pair] {
        assert!(allows(&own, "", "secrets", "update", Some(name)), "{name}");
    }
    for resource in ["policyreports", "clusterpolicyreports"] {
        for verb in ["get", "list", "create", "update", "delete"] {
            assert!(allows(&cluster, "wgpolicyk8s.io", resource, verb, None), "{verb} {resource}");
        }
    }
    for resource in ["clusterpolicies/status", "policies/status"] {
        assert!(allows(&cluster, "kyverno.io", resource, "patch", None), "{resource}");
    }
    assert!(allows(&cluster, "events.k8s.io", "events", "create", None));
    assert!(!allows(&own, "", "secrets", "update", Some("foreign")));
    assert!(!allows(&cluster, "", "secrets", "list", None));
}

#[test]
fn the_shipped_settings_can_all_be_read() {
    let map = find("ConfigMap", "kyverno");
    let tree = sigward_document::parse_json(map.to_string().as_bytes()).unwrap();
    let (settings, configuration) = settings::read(&Options::default().settings, Some(&tree));
    assert_eq!(configuration.mistakes, [""; 0]);
    assert!(configuration.namespace_selector.is_some());
    assert!(settings.resource_filters.contains("[Event,*,*]"));
}
