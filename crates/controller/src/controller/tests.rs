//! The whole controller in front of an API server in the process.
use super::*;
use crate::decided::samples;
use fake::Fake;
use serde_json::{Value as Json, json};
use sigward_policy::{
    decision::Status,
    fact::{Fact, Fetch, Memory as _, ObjectName},
};
use std::time::Instant;

mod fake;

const POLICIES: &str = "/apis/kyverno.io/v1 clusterpolicies";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1 validatingwebhookconfigurations";
const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1 mutatingwebhookconfigurations";
const SECRETS: &str = "/api/v1 secrets";
const LEASES: &str = "/apis/coordination.k8s.io/v1 leases";

fn policy(image: &str) -> Json {
    let key = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhyQCx0E9wQWSFI9ULGwy3BuRklnt\n\
        IqozONbbdbqz11hlRJy9c7SG+hdcFl9jE9uE/dwtuwU2MqU9T/cN0YkWww==\n\
        -----END PUBLIC KEY-----\n";
    let keys = json!({ "publicKeys": key, "rekor": { "ignoreTlog": true } });
    json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": { "name": "signed" },
        "spec": {
            "validationFailureAction": "Enforce",
            "rules": [{
                "name": "check-image",
                "match": { "any": [{ "resources": { "kinds": ["Pod"] } }] },
                "verifyImages": [{ "imageReferences": [image], "attestors": [{ "entries": [{ "keys": keys }] }] }],
            }],
        },
    })
}

fn options() -> Options {
    Options {
        identity: "me".to_owned(),
        election: crate::lease::Timing { retry: Duration::from_millis(50) },
        report_interval: Duration::from_millis(20),
        ..Options::default()
    }
}

fn start(fake: &Fake) -> Handle {
    let read_key: KeyReader = Arc::new(|_| Fact::Key(Ok(None)));
    Controller::start(fake.client(), options(), read_key, &mut Registry::default())
}

/// Waits until something holds; fails with its name after ten seconds.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(10), "not within ten seconds: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn ready_condition(fake: &Fake) -> Json {
    fake.get(POLICIES, "", "signed")
        .map_or(Json::Null, |policy| policy["status"]["conditions"][0].clone())
}

fn policies_in_force(handle: &Handle) -> usize {
    handle.snapshots.borrow().as_ref().map_or(0, |snapshot| snapshot.policies().len())
}

#[tokio::test]
async fn a_cluster_is_served_from_nothing() {
    let fake = Fake::new();
    fake.put(POLICIES, policy("ghcr.io/org/app:*"));
    let handle = start(&fake);
    eventually("ready", || handle.readiness().ready).await;
    eventually("the policy is ready", || ready_condition(&fake)["status"] == "True").await;
    assert_eq!(policies_in_force(&handle), 1);
    assert!(handle.certificates.borrow().is_some());
    let fail = fake.get(MUTATING, "", "kyverno-resource-mutating-webhook-cfg").unwrap();
    assert_eq!(fail["webhooks"][0]["name"], "mutate.kyverno.svc-fail");
    assert_eq!(fail["webhooks"][0]["clientConfig"]["service"]["name"], "kyverno-svc");
    assert_eq!(fake.get(LEASES, "kyverno", "kyverno").unwrap()["spec"]["holderIdentity"], "me");
    let settled = fake.writes().len();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let since: Vec<String> = fake
        .writes()
        .split_off(settled)
        .into_iter()
        .filter(|write| !write.contains("/leases/"))
        .collect();
    assert_eq!(since, [""; 0], "what is as it should be is not written again");
    handle.shutdown().await;
}

#[tokio::test]
async fn a_policy_that_stops_compiling_keeps_its_last_good_form_and_says_so() {
    let fake = Fake::new();
    fake.put(POLICIES, policy("ghcr.io/org/app:*"));
    let handle = start(&fake);
    eventually("the policy is ready", || ready_condition(&fake)["status"] == "True").await;
    fake.put(POLICIES, policy("{{ image }}"));
    eventually("the policy is not ready", || ready_condition(&fake)["status"] == "False").await;
    let message = ready_condition(&fake)["message"].as_str().unwrap().to_owned();
    assert!(message.contains("the last good form stays in force"), "{message}");
    assert_eq!(policies_in_force(&handle), 1);
    handle.shutdown().await;
}

#[tokio::test]
async fn while_the_api_server_is_away_the_last_policies_serve() {
    let fake = Fake::new();
    fake.put(POLICIES, policy("ghcr.io/org/app:*"));
    let handle = start(&fake);
    eventually("ready", || handle.readiness().ready && policies_in_force(&handle) == 1).await;
    fake.go_away(true);
    eventually("it is noticed", || {
        handle.readiness().detail.iter().any(|line| line.contains("does not answer"))
    })
    .await;
    assert!(handle.readiness().ready);
    assert_eq!(policies_in_force(&handle), 1);
    fake.go_away(false);
    let mut second = policy("ghcr.io/org/other:*");
    second["metadata"]["name"] = "second".into();
    fake.put(POLICIES, second);
    eventually("the new policy is in force", || policies_in_force(&handle) == 2).await;
    eventually("nothing is wrong any more", || handle.readiness().detail.is_empty()).await;
    handle.shutdown().await;
}

#[tokio::test]
async fn an_api_server_that_comes_late_is_waited_for() {
    let fake = Fake::new();
    fake.go_away(true);
    let handle = start(&fake);
    eventually("it is noticed", || {
        handle.readiness().detail.iter().any(|line| line.contains("no policies are known"))
    })
    .await;
    assert!(!handle.readiness().ready);
    fake.go_away(false);
    eventually("ready", || handle.readiness().ready).await;
    handle.shutdown().await;
}

#[tokio::test]
async fn what_somebody_patched_or_deleted_is_put_back() {
    let fake = Fake::new();
    fake.put(POLICIES, policy("ghcr.io/org/app:*"));
    let handle = start(&fake);
    let name = "kyverno-resource-validating-webhook-cfg";
    eventually("it is written", || fake.get(VALIDATING, "", name).is_some()).await;
    eventually("the policy is ready", || ready_condition(&fake)["status"] == "True").await;
    let good = fake.get(VALIDATING, "", name).unwrap();
    let mut patched = good.clone();
    patched["webhooks"] = json!([]);
    fake.put(VALIDATING, patched);
    eventually("it is repaired", || {
        fake.get(VALIDATING, "", name).unwrap()["webhooks"] == good["webhooks"]
    })
    .await;
    fake.remove(VALIDATING, "", name);
    eventually("it is there again", || fake.get(VALIDATING, "", name).is_some()).await;
    let pair = "kyverno-svc.kyverno.svc.kyverno-tls-pair";
    fake.remove(SECRETS, "kyverno", pair);
    eventually("the certificate is there again", || fake.get(SECRETS, "kyverno", pair).is_some())
        .await;
    handle.shutdown().await;
}

#[tokio::test]
async fn the_last_process_takes_its_webhooks_along() {
    let fake = Fake::new();
    let handle = start(&fake);
    eventually("webhooks are registered", || {
        fake.all(VALIDATING).len() == 3 && fake.all(MUTATING).len() == 2
    })
    .await;
    handle.shutdown().await;
    assert_eq!(
        (fake.all(VALIDATING).len(), fake.all(MUTATING).len(), fake.all(LEASES).len()),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn a_process_whose_deployment_goes_on_leaves_them_and_gives_the_lease_back() {
    let fake = Fake::new();
    fake.put(
        "/apis/apps/v1 deployments",
        json!({ "metadata": { "namespace": "kyverno", "name": "kyverno-admission-controller" }, "spec": { "replicas": 1 } }),
    );
    let handle = start(&fake);
    eventually("webhooks are registered", || fake.all(VALIDATING).len() == 3).await;
    handle.shutdown().await;
    assert_eq!(fake.all(VALIDATING).len(), 3);
    assert_eq!(fake.get(LEASES, "kyverno", "kyverno").unwrap()["spec"]["holderIdentity"], "");
}

#[tokio::test]
async fn only_the_leader_writes_and_everybody_serves() {
    let fake = Fake::new();
    fake.put(POLICIES, policy("ghcr.io/org/app:*"));
    let leader = start(&fake);
    eventually("the leader wrote", || ready_condition(&fake)["status"] == "True").await;
    let settled = fake.writes().len();
    let follower = Controller::start(
        fake.client(),
        Options { identity: "other".to_owned(), ..options() },
        Arc::new(|_| Fact::Key(Ok(None))),
        &mut Registry::default(),
    );
    eventually("the follower serves", || {
        follower.readiness().ready && policies_in_force(&follower) == 1
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!*follower.leading.borrow());
    let since: Vec<String> = fake
        .writes()
        .split_off(settled)
        .into_iter()
        .filter(|write| !write.contains("/leases/"))
        .collect();
    assert_eq!(since, [""; 0]);
    follower.shutdown().await;
    leader.shutdown().await;
}

#[tokio::test]
async fn decisions_become_events_and_reports() {
    let fake = Fake::new();
    fake.put(POLICIES, policy("ghcr.io/org/app:*"));
    let handle = start(&fake);
    eventually("the policy is in force", || policies_in_force(&handle) == 1).await;
    let decided = |status, blocks| {
        samples::decided(samples::request(), vec![samples::rule(status, blocks, "text")])
    };
    handle.decisions.send(decided(Status::Fail, true)).await.unwrap();
    handle.decisions.send(decided(Status::Pass, false)).await.unwrap();
    eventually("an event", || fake.all("/apis/events.k8s.io/v1 events").len() == 1).await;
    let event = fake.all("/apis/events.k8s.io/v1 events").remove(0);
    assert_eq!(
        event["note"],
        "Pod ns/web: [check-image] fail (blocked); image verification failed: text"
    );
    assert_eq!(event["regarding"]["name"], "signed");
    eventually("a report", || {
        fake.get("/apis/wgpolicyk8s.io/v1alpha2 policyreports", "ns", "uid-1").is_some()
    })
    .await;
    let report = fake.get("/apis/wgpolicyk8s.io/v1alpha2 policyreports", "ns", "uid-1").unwrap();
    assert_eq!(report["summary"]["pass"], 1);
    handle.decisions.send(decided(Status::Fail, false)).await.unwrap();
    eventually("the report changes", || {
        let report =
            fake.get("/apis/wgpolicyk8s.io/v1alpha2 policyreports", "ns", "uid-1").unwrap();
        report["summary"] == json!({ "pass": 0, "fail": 1, "warn": 0, "error": 0, "skip": 0 })
    })
    .await;
    handle.shutdown().await;
}

#[tokio::test]
async fn reports_forget_policies_that_are_gone_and_policies_that_are_broken_are_told() {
    const REPORTS: &str = "/apis/wgpolicyk8s.io/v1alpha2 policyreports";
    let fake = Fake::new();
    fake.put(POLICIES, policy("ghcr.io/org/app:*"));
    let handle = start(&fake);
    eventually("the policy is ready", || ready_condition(&fake)["status"] == "True").await;
    let outcome = samples::rule(Status::Pass, false, "text");
    handle.decisions.send(samples::decided(samples::request(), vec![outcome])).await.unwrap();
    eventually("a report", || fake.get(REPORTS, "ns", "uid-1").is_some()).await;
    fake.put(POLICIES, policy("{{ image }}"));
    eventually("an event", || !fake.all("/apis/events.k8s.io/v1 events").is_empty()).await;
    let event = fake.all("/apis/events.k8s.io/v1 events").remove(0);
    assert_eq!(
        (&event["reason"], &event["regarding"]["name"]),
        (&"PolicyError".into(), &"signed".into())
    );
    assert!(fake.get(REPORTS, "ns", "uid-1").is_some(), "the last good form is in force");
    fake.remove(POLICIES, "", "signed");
    eventually("the report is gone", || fake.get(REPORTS, "ns", "uid-1").is_none()).await;
    handle.shutdown().await;
}

#[tokio::test]
async fn a_webhook_that_the_api_server_refuses_holds_up_no_other() {
    let fake = Fake::new();
    let mut conditional = policy("ghcr.io/org/app:*");
    conditional["metadata"]["name"] = "conditional".into();
    conditional["spec"]["webhookConfiguration"] =
        json!({ "matchConditions": [{ "name": "n", "expression": "bad" }] });
    fake.put(POLICIES, conditional);
    fake.put(POLICIES, policy("ghcr.io/org/app:*"));
    let handle = start(&fake);
    eventually("the good one is ready", || ready_condition(&fake)["status"] == "True").await;
    let refused =
        || fake.get(POLICIES, "", "conditional").unwrap()["status"]["conditions"][0].clone();
    eventually("the other says why it is not", || {
        refused()["message"] == "the API server refuses to call: undeclared reference to 'bad'"
    })
    .await;
    assert_eq!(refused()["status"], "False");
    let stored = fake.get(MUTATING, "", "kyverno-resource-mutating-webhook-cfg").unwrap();
    let names: Vec<&Json> =
        stored["webhooks"].as_array().unwrap().iter().map(|webhook| &webhook["name"]).collect();
    assert_eq!(names, ["mutate.kyverno.svc-fail"]);
    handle.shutdown().await;
}

#[tokio::test]
async fn a_secret_that_a_policy_names_is_watched() {
    let fake = Fake::new();
    let mut keyed = policy("ghcr.io/org/app:*");
    keyed["spec"]["rules"][0]["verifyImages"][0]["attestors"][0]["entries"][0]["keys"] =
        json!({ "publicKeys": "k8s://team/key", "rekor": { "ignoreTlog": true } });
    fake.put(POLICIES, keyed);
    let handle = start(&fake);
    eventually("the policy is in force", || policies_in_force(&handle) == 1).await;
    let secret = |text: &str| json!({ "metadata": { "namespace": "team", "name": "key" }, "data": { "cosign.pub": text } });
    let known = || {
        let name = ObjectName {
            api_version: "v1".into(),
            kind: "Secret".into(),
            namespace: "team".into(),
            name: "key".into(),
        };
        match handle.cluster.peek(&Fetch::Object(name)) {
            Some(Fact::Document(Ok(Some(tree)))) => {
                tree.str_at(&["data", "cosign.pub"]).map(str::to_owned)
            }
            _ => None,
        }
    };
    fake.put(SECRETS, secret("b25l"));
    eventually("it is known", || known().as_deref() == Some("b25l")).await;
    fake.put(SECRETS, secret("dHdv"));
    eventually("its change is known", || known().as_deref() == Some("dHdv")).await;
    fake.remove(POLICIES, "", "signed");
    eventually("it is forgotten", || known().is_none()).await;
    handle.shutdown().await;
}

#[tokio::test]
async fn a_heartbeat_that_stopped_takes_no_webhook_away() {
    let fake = Fake::new();
    fake.put(POLICIES, policy("ghcr.io/org/app:*"));
    // What a Kyverno that was here before left behind.
    fake.put(
        LEASES,
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "namespace": "kyverno", "name": "kyverno-health",
                "annotations": { "kyverno.io/last-request-time": "2020-01-01T00:00:00Z" },
            },
        }),
    );
    let handle = start(&fake);
    eventually("the policy is ready", || ready_condition(&fake)["status"] == "True").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    for (kind, name) in [
        (MUTATING, "kyverno-resource-mutating-webhook-cfg"),
        (VALIDATING, "kyverno-resource-validating-webhook-cfg"),
    ] {
        let webhooks = fake.get(kind, "", name).unwrap()["webhooks"].as_array().map_or(0, Vec::len);
        assert_ne!(webhooks, 0, "{name}");
    }
    assert!(fake.get(MUTATING, "", "kyverno-verify-mutating-webhook-cfg").is_none());
    handle.shutdown().await;
}
