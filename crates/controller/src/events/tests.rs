//! Which events a decision becomes, and what they say.
use super::*;
use crate::{
    decided::samples::{decided, request, rule},
    index::StoredPolicy,
};
use std::time::{Duration, UNIX_EPOCH};

fn policies() -> Policies {
    let document = br#"{"metadata":{"name":"signed","uid":"p-1"}}"#;
    let stored = StoredPolicy {
        document: sigward_document::parse_json(document).unwrap(),
        compiled: None,
        unusable: None,
        diagnostics: Vec::new(),
        current: true,
    };
    Policies::of(&[(PolicyName { namespace: "".into(), name: "signed".into() }, stored)].into())
}

/// Kind, reason, action and text of the events of one outcome.
fn check(outcome: RuleOutcome, success_events: bool, expected: &[(&str, Reason, &str, &str)]) {
    let events = of_decision(&decided(request(), vec![outcome]), &policies(), success_events);
    let found: Vec<_> = events
        .iter()
        .map(|event| {
            (event.regarding.kind.as_str(), event.reason, event.action, event.note.as_str())
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_refused_image_is_told_on_the_policy() {
    check(
        rule(Status::Fail, true, "failed to verify image a: no signature"),
        false,
        &[(
            "ClusterPolicy",
            Reason::PolicyViolation,
            "Resource Blocked",
            "Pod ns/web: [check-image] fail (blocked); image verification failed: failed to verify image a: no signature",
        )],
    );
}

#[test]
fn a_failure_that_does_not_block_is_told_on_the_resource_too() {
    check(
        rule(Status::Fail, false, "image verification failed for a"),
        true,
        &[
            (
                "ClusterPolicy",
                Reason::PolicyViolation,
                "Resource Passed",
                "Pod ns/web: [check-image] fail; image verification failed for a",
            ),
            (
                "Pod",
                Reason::PolicyViolation,
                "Resource Passed",
                "policy signed/check-image fail: image verification failed for a",
            ),
        ],
    );
}

#[test]
fn success_is_told_only_when_it_is_asked_for() {
    check(rule(Status::Pass, false, "ok"), false, &[]);
    check(
        rule(Status::Pass, false, "ok"),
        true,
        &[("ClusterPolicy", Reason::PolicyApplied, "Resource Passed", "Pod ns/web: pass")],
    );
}

#[test]
fn an_exception_is_told() {
    let mut outcome = rule(Status::Skip, false, "");
    outcome.exceptions = vec!["ns/except".into()];
    let note =
        "resource Pod/ns/web was skipped from rule check-image due to policy exceptions ns/except";
    check(outcome, false, &[("ClusterPolicy", Reason::PolicySkipped, "Resource Passed", note)]);
}

#[test]
fn nameless_resources_are_not_told() {
    let mut request = request();
    request.name = "".into();
    request.object =
        sigward_policy::request::Lazy::from_json(br#"{"metadata":{"generateName":"web-"}}"#);
    let events =
        of_decision(&decided(request, vec![rule(Status::Fail, true, "no")]), &policies(), true);
    assert_eq!(events, []);
}

#[test]
fn a_dry_run_leaves_no_events() {
    let mut request = request();
    request.dry_run = true;
    assert_eq!(
        of_decision(&decided(request, vec![rule(Status::Fail, true, "no")]), &policies(), true),
        []
    );
}

#[test]
fn a_full_queue_drops_and_counts() {
    let dropped = Counter::default();
    let (queue, _receiver) =
        Queue::new(1, BTreeSet::from([Reason::PolicyApplied]), dropped.clone());
    let event = |reason| Event {
        regarding: Subject::default(),
        related: None,
        reason,
        action: "None",
        note: String::new(),
    };
    queue.tell(event(Reason::PolicyApplied));
    queue.tell(event(Reason::PolicyError));
    queue.tell(event(Reason::PolicyError));
    queue.tell(event(Reason::PolicyError));
    assert_eq!(dropped.get(), 2);
}

#[test]
fn a_long_text_is_cut_between_characters() {
    let event = Event {
        regarding: Subject { name: "p".to_owned(), ..Subject::default() },
        related: None,
        reason: Reason::PolicyViolation,
        action: "None",
        note: "ä".repeat(2000),
    };
    let object = to_object(&event, "pod", UNIX_EPOCH + Duration::from_hours(500_000), 1);
    let note = object["note"].as_str().unwrap();
    assert!(note.len() <= MAX_NOTE && note.ends_with("ä…"), "{} bytes", note.len());
    assert_eq!(object["metadata"]["namespace"], "default");
    assert_eq!(object["eventTime"], "2027-01-15T08:00:00.000000Z");
    assert_eq!(object["type"], "Warning");
}
