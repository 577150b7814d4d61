//! What policies want, as the API server is told.
use super::*;
use crate::discovery::Served;
use sigward_policy::{compile::KindPattern, request::Operation};

fn served(
    group: &str,
    version: &str,
    kind: &str,
    resource: &str,
    sub_resource: &str,
    namespaced: bool,
) -> Served {
    Served {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        resource: resource.to_owned(),
        sub_resource: sub_resource.to_owned(),
        namespaced,
    }
}

fn discovery() -> Discovery {
    Discovery::from_served(vec![
        served("", "v1", "Pod", "pods", "", true),
        served("", "v1", "Pod", "pods", "exec", true),
        served("", "v1", "Namespace", "namespaces", "", false),
        served("apps", "v1", "Deployment", "deployments", "", true),
        served("apps", "v1", "StatefulSet", "statefulsets", "", true),
    ])
}

fn kind(group: &str, kind: &str) -> KindPattern {
    KindPattern {
        group: group.into(),
        version: "*".into(),
        kind: kind.into(),
        sub_resource: "".into(),
    }
}

fn subscription(
    name: &str,
    failure_policy: FailurePolicy,
    kinds: Vec<KindPattern>,
) -> Subscription {
    Subscription {
        policy: PolicyName { namespace: "".into(), name: name.into() },
        failure_policy,
        timeout_seconds: None,
        match_conditions: Vec::new(),
        rules: vec![WebhookRule {
            kinds,
            operations: vec![Operation::Create, Operation::Update, Operation::Delete],
            mutating: true,
            validating: true,
        }],
    }
}

/// The resource webhooks, validating and mutating, for these policies and settings.
fn resources(
    subscriptions: &[Subscription],
    change: impl FnOnce(&mut Wanted<'_>),
) -> (Vec<Json>, Vec<Json>) {
    let (discovery, configuration) = (discovery(), Configuration::default());
    let endpoint = Endpoint::Service {
        namespace: "kyverno".to_owned(),
        name: "kyverno-svc".to_owned(),
        port: 443,
    };
    let mut wanted = Wanted {
        subscriptions,
        discovery: &discovery,
        configuration: &configuration,
        endpoint: &endpoint,
        service_host: "kyverno-svc.kyverno.svc",
        ca_bundle: b"PEM",
        default_timeout: 10,
        force_ignore: false,
        auto_update: true,
        owner: None,
    };
    change(&mut wanted);
    let of = |name: &str| {
        let configurations = wanted.configurations();
        let found = configurations.iter().find(|configuration| configuration.name == name).unwrap();
        found.object["webhooks"].as_array().unwrap().clone()
    };
    (of(names::RESOURCE_VALIDATING), of(names::RESOURCE_MUTATING))
}

fn names_of(webhooks: &[Json]) -> Vec<&str> {
    webhooks.iter().map(|webhook| webhook["name"].as_str().unwrap()).collect()
}

#[test]
fn policies_are_grouped_by_failure_policy() {
    let policies = [
        subscription("a", FailurePolicy::Fail, vec![kind("*", "Pod")]),
        subscription(
            "b",
            FailurePolicy::Fail,
            vec![kind("apps", "Deployment"), kind("apps", "StatefulSet")],
        ),
        subscription("c", FailurePolicy::Ignore, vec![kind("*", "Namespace")]),
    ];
    let (validating, mutating) = resources(&policies, |_| {});
    assert_eq!(names_of(&validating), ["validate.kyverno.svc-ignore", "validate.kyverno.svc-fail"]);
    assert_eq!(names_of(&mutating), ["mutate.kyverno.svc-ignore", "mutate.kyverno.svc-fail"]);
    let fail = &validating[1];
    assert_eq!(fail["clientConfig"]["service"]["path"], "/validate/fail");
    assert_eq!(fail["clientConfig"]["caBundle"], "UEVN");
    assert_eq!(fail["failurePolicy"], "Fail");
    assert_eq!(
        fail["rules"],
        json!([
            { "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE", "DELETE"],
              "resources": ["pods", "pods/ephemeralcontainers"], "scope": "Namespaced" },
            { "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE", "DELETE"],
              "resources": ["deployments", "statefulsets"], "scope": "Namespaced" },
        ])
    );
    assert_eq!(validating[0]["rules"][0]["scope"], "Cluster");
    assert_eq!(mutating[1]["reinvocationPolicy"], "IfNeeded");
}

#[test]
fn deletions_are_never_mutated() {
    let policies = [subscription("a", FailurePolicy::Fail, vec![kind("*", "Pod")])];
    let (_, mutating) = resources(&policies, |_| {});
    assert_eq!(mutating[0]["rules"][0]["operations"], json!(["CREATE", "UPDATE"]));
}

#[test]
fn a_policy_with_conditions_has_a_webhook_of_its_own() {
    let mut own = subscription("b", FailurePolicy::Fail, vec![kind("*", "Pod")]);
    own.policy.namespace = "ns".into();
    own.timeout_seconds = Some(7);
    own.match_conditions = vec![MatchCondition { name: "n".into(), expression: "true".into() }];
    let policies = [subscription("a", FailurePolicy::Fail, vec![kind("*", "Pod")]), own];
    let configuration = Configuration {
        match_conditions: vec![json!({ "name": "g", "expression": "false" })],
        ..Configuration::default()
    };
    let (discovery, endpoint) = (discovery(), Endpoint::Host("127.0.0.1:9443".to_owned()));
    let wanted = Wanted {
        subscriptions: &policies,
        discovery: &discovery,
        configuration: &configuration,
        endpoint: &endpoint,
        service_host: "kyverno-svc.kyverno.svc",
        ca_bundle: b"PEM",
        default_timeout: 10,
        force_ignore: false,
        auto_update: true,
        owner: Some(("kyverno:admission-controller", "uid")),
    };
    let all = wanted.configurations();
    let found = all.iter().find(|one| one.name == names::RESOURCE_VALIDATING).unwrap();
    assert_eq!(found.object["metadata"]["ownerReferences"][0]["uid"], "uid");
    let validating = found.object["webhooks"].as_array().unwrap();
    assert_eq!(
        names_of(validating),
        ["validate.kyverno.svc-fail", "validate.kyverno.svc-fail-finegrained-ns-b"]
    );
    assert_eq!(validating[0]["matchConditions"][0]["name"], "g");
    assert_eq!(validating[1]["matchConditions"], json!([{ "name": "n", "expression": "true" }]));
    assert_eq!(validating[1]["timeoutSeconds"], 7);
    assert_eq!(
        validating[1]["clientConfig"]["url"],
        "https://127.0.0.1:9443/validate/fail/finegrained/ns/b"
    );
}

#[test]
fn the_longest_timeout_of_a_group_holds_within_the_limits() {
    let mut slow = subscription("a", FailurePolicy::Fail, vec![kind("*", "Pod")]);
    slow.timeout_seconds = Some(25);
    let fast = subscription("b", FailurePolicy::Fail, vec![kind("*", "Pod")]);
    let (validating, _) = resources(&[slow, fast], |_| {});
    assert_eq!(validating[0]["timeoutSeconds"], 25);
}

#[test]
fn forced_ignore_leaves_nothing_under_fail() {
    let policies = [subscription("a", FailurePolicy::Fail, vec![kind("*", "Pod")])];
    let (validating, mutating) = resources(&policies, |wanted| wanted.force_ignore = true);
    assert_eq!(names_of(&validating), ["validate.kyverno.svc-ignore"]);
    assert_eq!(names_of(&mutating), ["mutate.kyverno.svc-ignore"]);
}

#[test]
fn a_kind_that_is_not_served_is_not_called_for() {
    let policies = [subscription("a", FailurePolicy::Fail, vec![kind("*", "Widget")])];
    let (validating, mutating) = resources(&policies, |_| {});
    assert_eq!((validating.len(), mutating.len()), (0, 0));
}

#[test]
fn every_kind_is_one_rule() {
    let policies = [subscription("a", FailurePolicy::Fail, vec![kind("*", "*")])];
    let (validating, _) = resources(&policies, |_| {});
    assert_eq!(validating[0]["rules"][0]["resources"], json!(["*"]));
    assert_eq!(validating[0]["rules"][0]["apiGroups"], json!(["*"]));
}

#[test]
fn without_automatic_updates_everything_is_called_for() {
    let (validating, mutating) = resources(&[], |wanted| wanted.auto_update = false);
    assert_eq!(names_of(&validating), ["validate.kyverno.svc-ignore", "validate.kyverno.svc-fail"]);
    assert_eq!(mutating[1]["rules"][0]["resources"], json!(["*/*"]));
    assert_eq!(mutating[1]["rules"][0]["operations"], json!(["CREATE", "UPDATE", "CONNECT"]));
}

#[test]
fn the_certificate_is_for_the_service_and_for_the_host() {
    let host =
        |host: &str| Endpoint::Host(host.to_owned()).names("kyverno", "kyverno-svc").pop().unwrap();
    assert_eq!(host("127.0.0.1:9443"), "127.0.0.1");
    assert_eq!(host("[::1]:9443"), "::1");
    assert_eq!(host("example.test"), "example.test");
    let service = Endpoint::Service {
        namespace: "kyverno".to_owned(),
        name: "kyverno-svc".to_owned(),
        port: 443,
    };
    assert_eq!(service.names("kyverno", "kyverno-svc").first().unwrap(), "kyverno-svc.kyverno.svc");
}
