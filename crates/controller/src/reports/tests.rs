//! What is reported of which decision, and how it meets what is stored.
use super::*;
use crate::{
    decided::samples::{decided, request, rule},
    index::StoredPolicy,
};
use sigward_policy::snapshot::PolicyName;
use std::time::{Duration, UNIX_EPOCH};

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(500_000)
}

fn policies(annotations: &Json) -> Policies {
    let document =
        json!({ "metadata": { "name": "signed", "uid": "p-1", "annotations": annotations } });
    let stored = StoredPolicy {
        document: sigward_document::parse_json(document.to_string().as_bytes()).unwrap(),
        compiled: None,
        unusable: None,
        diagnostics: Vec::new(),
        current: true,
    };
    Policies::of(&[(PolicyName { namespace: "".into(), name: "signed".into() }, stored)].into())
}

/// The report of one outcome; `None` when nothing is reported.
fn report(
    request: sigward_policy::request::Request,
    outcome: RuleOutcome,
    policies: &Policies,
) -> Option<Json> {
    let mut batch = Batch::new(Selection::default(), Counter::default());
    batch.take(&decided(request, vec![outcome]), policies, now());
    let waiting = batch.drain().pop()?;
    let results = merge(None, &waiting, policies);
    Some(object(&waiting.scope, &results))
}

#[test]
fn an_admitted_pod_gets_a_report() {
    let policies = policies(
        &json!({ "policies.kyverno.io/category": "c", "policies.kyverno.io/severity": "high" }),
    );
    let report = report(request(), rule(Status::Pass, false, "image verified"), &policies).unwrap();
    assert_eq!(
        report,
        json!({
            "apiVersion": "wgpolicyk8s.io/v1alpha2",
            "kind": "PolicyReport",
            "metadata": {
                "name": "uid-1", "namespace": "ns", "labels": { "app.kubernetes.io/managed-by": "kyverno" },
                "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "uid-1" }],
            },
            "scope": { "apiVersion": "v1", "kind": "Pod", "namespace": "ns", "name": "web", "uid": "uid-1" },
            "summary": { "pass": 1, "fail": 0, "warn": 0, "error": 0, "skip": 0 },
            "results": [{
                "source": "kyverno", "policy": "signed", "rule": "check-image", "category": "c", "severity": "high",
                "timestamp": { "seconds": 1_800_000_000, "nanos": 0 }, "result": "pass", "scored": true,
                "message": "image verified", "properties": { "process": "background scan" },
            }],
        })
    );
}

#[test]
fn refused_and_passing_requests_leave_no_report() {
    let policies = policies(&json!({}));
    let pass = || rule(Status::Pass, false, "");
    assert!(report(request(), rule(Status::Fail, true, "no"), &policies).is_none(), "refused");
    let with = |change: fn(&mut sigward_policy::request::Request)| {
        let mut request = request();
        change(&mut request);
        report(request, pass(), &policies)
    };
    assert!(with(|request| request.dry_run = true).is_none(), "dry run");
    assert!(with(|request| request.operation = Operation::Delete).is_none(), "removal");
    assert!(with(|request| request.sub_resource = "status".into()).is_none(), "subresource");
    assert!(
        with(|request| request.object = sigward_policy::request::Lazy::empty()).is_none(),
        "no UID"
    );
    assert!(with(|_| {}).is_some());
}

#[test]
fn failures_that_are_not_scored_are_warnings() {
    let policies = policies(&json!({ "policies.kyverno.io/scored": "false" }));
    let report = report(request(), rule(Status::Fail, false, "no"), &policies).unwrap();
    assert_eq!(report["results"][0]["result"], "warn");
    assert_eq!(report["summary"]["warn"], 1);
}

#[test]
fn report_properties_rewrite_the_message() {
    let mut outcome = rule(Status::Fail, false, "no");
    outcome.properties = vec![
        ("failMessage".into(), "own".to_owned()),
        ("passMessage".into(), "other".to_owned()),
        ("team".into(), "a".to_owned()),
    ];
    let report = report(request(), outcome, &policies(&json!({}))).unwrap();
    assert_eq!(report["results"][0]["message"], "own");
    assert_eq!(
        report["results"][0]["properties"],
        json!({ "process": "background scan", "team": "a" })
    );
}

#[test]
fn the_newest_result_wins_and_what_is_gone_is_left_out() {
    let policies = policies(&json!({}));
    let mut batch = Batch::new(Selection::default(), Counter::default());
    batch.take(&decided(request(), vec![rule(Status::Pass, false, "new")]), &policies, now());
    let waiting = batch.drain().pop().unwrap();
    let stored = |seconds: i64| {
        let result = |policy: &str, message: &str| json!({ "policy": policy, "rule": "check-image", "message": message, "timestamp": { "seconds": seconds, "nanos": 0 } });
        json!({ "results": [result("signed", "stored"), result("gone", "x")] })
    };
    let messages = |stored: &Json| -> Vec<String> {
        merge(
            Some(&sigward_document::parse_json(stored.to_string().as_bytes()).unwrap()),
            &waiting,
            &policies,
        )
        .into_iter()
        .map(|result| result.message)
        .collect()
    };
    assert_eq!(messages(&stored(1)), ["new"]);
    assert_eq!(messages(&stored(1_900_000_000)), ["stored"]);
}

#[test]
fn a_full_batch_drops_and_counts() {
    let dropped = Counter::default();
    let mut batch =
        Batch::new(Selection { max_waiting: 1, ..Selection::default() }, dropped.clone());
    for uid in ["a", "b", "a"] {
        let mut request = request();
        let pod = json!({ "metadata": { "name": "web", "uid": uid } }).to_string();
        request.object = sigward_policy::request::Lazy::from_json(pod.as_bytes());
        batch.take(
            &decided(request, vec![rule(Status::Pass, false, "")]),
            &policies(&json!({})),
            now(),
        );
    }
    assert_eq!(dropped.get(), 1);
    assert_eq!(batch.drain().len(), 1);
}
