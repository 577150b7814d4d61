//! Events of Kubernetes: what users see with `kubectl get events`.
//!
//! COMPAT: Kyverno 1.19, `pkg/event`: reasons, actions, texts, reporting controller; test: `a_refused_image_is_told_on_the_policy`
use crate::{
    about::Policies,
    decided::Decided,
    index::StoredPolicy,
    kinds,
    object::{Object, api},
};
use kube::{Client, api::PostParams};
use prometheus_client::metrics::counter::Counter;
use serde_json::{Value as Json, json};
use sigward_policy::{
    decision::{RuleOutcome, RuleType, Status},
    snapshot::PolicyName,
};
use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};
use tokio::sync::mpsc;

/// Why an event is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A rule does not hold.
    PolicyViolation,
    /// All rules hold.
    PolicyApplied,
    /// A rule could not be evaluated, or a policy cannot be used.
    PolicyError,
    /// An exception holds.
    PolicySkipped,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::PolicyViolation, Self::PolicyApplied, Self::PolicyError, Self::PolicySkipped];

    /// As events say it, and `--omitEvents`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PolicyViolation => "PolicyViolation",
            Self::PolicyApplied => "PolicyApplied",
            Self::PolicyError => "PolicyError",
            Self::PolicySkipped => "PolicySkipped",
        }
    }

    fn is_normal(self) -> bool {
        matches!(self, Self::PolicyApplied | Self::PolicySkipped)
    }
}

/// What an event speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID, where it is known.
    pub uid: String,
}

impl Subject {
    fn to_json(&self) -> Json {
        let members = [
            ("apiVersion", &self.api_version),
            ("kind", &self.kind),
            ("namespace", &self.namespace),
            ("name", &self.name),
            ("uid", &self.uid),
        ];
        members
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| (name.to_owned(), Json::from(text.as_str())))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// An event that is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub regarding: Subject,
    /// What else it is about.
    pub related: Option<Subject>,
    /// Why.
    pub reason: Reason,
    /// `Resource Blocked`, `Resource Passed` or `None`.
    pub action: &'static str,
    /// The text.
    pub note: String,
}

/// The events of a decision.
pub fn of_decision(decided: &Decided, policies: &Policies, success_events: bool) -> Vec<Event> {
    let request = &decided.request;
    if request.dry_run {
        return Vec::new();
    }
    let resource = decided.resource();
    // COMPAT: Kyverno 1.19: nothing is told of a resource that has no name yet; test: nameless_resources_are_not_told
    if resource.name.is_empty() {
        return Vec::new();
    }
    let mut events = Vec::new();
    for rule in &decided.decision.rules {
        let Some(policy) = policies.subject(&rule.policy) else { continue };
        match rule.status {
            Status::Fail | Status::Warn | Status::Error => {
                let reason = if rule.status == Status::Error {
                    Reason::PolicyError
                } else {
                    Reason::PolicyViolation
                };
                let action = if rule.blocks { "Resource Blocked" } else { "Resource Passed" };
                events.push(Event {
                    regarding: policy.clone(),
                    related: Some(resource.clone()),
                    reason,
                    action,
                    note: violation(&resource, rule),
                });
                if !rule.blocks && decided.decision.allowed {
                    let note = format!(
                        "policy {}/{} {}: {}",
                        rule.policy,
                        rule.rule,
                        rule.status.as_str(),
                        text_of(rule)
                    );
                    events.push(Event {
                        regarding: resource.clone(),
                        related: None,
                        reason,
                        action,
                        note,
                    });
                }
            }
            Status::Skip if !rule.exceptions.is_empty() => {
                let shown = shown(&resource, '/');
                let names = rule.exceptions.join(", ");
                let note = format!(
                    "resource {shown} was skipped from rule {} due to policy exceptions {names}",
                    rule.rule
                );
                events.push(Event {
                    regarding: policy,
                    related: Some(resource.clone()),
                    reason: Reason::PolicySkipped,
                    action: "Resource Passed",
                    note,
                });
            }
            Status::Pass | Status::Skip => {}
        }
    }
    if success_events && decided.decision.allowed {
        events.extend(successes(decided, policies, &resource));
    }
    events
}

/// One for each policy whose rules all hold.
fn successes(decided: &Decided, policies: &Policies, resource: &Subject) -> Vec<Event> {
    let names: BTreeSet<&PolicyName> =
        decided.decision.rules.iter().map(|rule| &rule.policy).collect();
    let all_pass = |name: &PolicyName| {
        let mut rules = decided.decision.rules.iter().filter(|rule| rule.policy == *name);
        rules.all(|rule| rule.status == Status::Pass)
    };
    names
        .into_iter()
        .filter(|name| all_pass(name))
        .filter_map(|name| {
            Some(Event {
                regarding: policies.subject(name)?,
                related: Some(resource.clone()),
                reason: Reason::PolicyApplied,
                action: "Resource Passed",
                note: format!("{}: pass", shown(resource, ' ')),
            })
        })
        .collect()
}

/// `Kind ns/name: [rule] status (blocked); message`.
fn violation(resource: &Subject, rule: &RuleOutcome) -> String {
    let blocked = if rule.blocks { " (blocked)" } else { "" };
    format!(
        "{}: [{}] {}{blocked}; {}",
        shown(resource, ' '),
        rule.rule,
        rule.status.as_str(),
        text_of(rule)
    )
}

/// People search events of refused images for "image verification".
fn text_of(rule: &RuleOutcome) -> String {
    let word = "image verification";
    if rule.rule_type == RuleType::ImageVerify && !rule.message.to_lowercase().contains(word) {
        format!("{word} failed: {}", rule.message)
    } else {
        rule.message.clone()
    }
}

fn shown(resource: &Subject, between: char) -> String {
    if resource.namespace.is_empty() {
        format!("{}{between}{}", resource.kind, resource.name)
    } else {
        format!("{}{between}{}/{}", resource.kind, resource.namespace, resource.name)
    }
}

/// That a stored policy cannot be used as it is. `None` when it can.
pub fn of_policy(name: &PolicyName, stored: &StoredPolicy, policies: &Policies) -> Option<Event> {
    let error = stored.error()?;
    let kept = if stored.compiled.is_some() { "; the last good form stays in force" } else { "" };
    Some(Event {
        regarding: policies.subject(name)?,
        related: None,
        reason: Reason::PolicyError,
        action: "None",
        note: format!("{}: {}{kept}", error.path, error.message),
    })
}

/// SPEC: events.k8s.io/v1: a note has at most 1024 bytes.
const MAX_NOTE: usize = 1024;

/// A queue of bounded length in front of the API server. What does not fit is dropped and counted.
#[derive(Clone, Debug)]
pub struct Queue {
    sender: mpsc::Sender<Event>,
    omitted: BTreeSet<Reason>,
    dropped: Counter,
}

impl Queue {
    /// `--maxQueuedEvents`, `--omitEvents`, and the counter `kyverno_events_dropped`.
    pub fn new(
        length: usize,
        omitted: BTreeSet<Reason>,
        dropped: Counter,
    ) -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(length.max(1));
        (Self { sender, omitted, dropped }, receiver)
    }

    /// Never waits.
    pub fn tell(&self, event: Event) {
        if !self.omitted.contains(&event.reason) && self.sender.try_send(event).is_err() {
            self.dropped.inc();
        }
    }
}

/// How long one event may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes events until there are no more senders.
pub async fn write(
    client: Client,
    instance: String,
    mut events: mpsc::Receiver<Event>,
    dropped: Counter,
) {
    let mut count: u64 = 0;
    while let Some(event) = events.recv().await {
        count += 1;
        let object = to_object(&event, &instance, SystemTime::now(), count);
        let api = api(&client, &kinds::events(), namespace_of(&event.regarding));
        let written = match serde_json::from_value::<Object>(object) {
            Ok(object) => {
                let params = PostParams::default();
                let created = tokio::time::timeout(PATIENCE, api.create(&params, &object)).await;
                created.map_or_else(
                    |late| Err(late.to_string()),
                    |created| created.map(|_| ()).map_err(|e| e.to_string()),
                )
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = written {
            dropped.inc();
            tracing::debug!(%error, "an event could not be written");
        }
    }
}

/// Events of cluster-scoped objects live in `default`.
fn namespace_of(regarding: &Subject) -> &str {
    if regarding.namespace.is_empty() { "default" } else { &regarding.namespace }
}

fn to_object(event: &Event, instance: &str, now: SystemTime, count: u64) -> Json {
    let mut note = event.note.clone();
    if note.len() > MAX_NOTE {
        let mut end = MAX_NOTE - '…'.len_utf8();
        while !note.is_char_boundary(end) {
            end -= 1;
        }
        note.truncate(end);
        note.push('…');
    }
    let nanos = now.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let mut object = json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "namespace": namespace_of(&event.regarding),
            "name": format!("{}.{:x}{:x}", event.regarding.name, nanos & 0xff_ffff_ffff_ffff, count & 0xfff),
        },
        "eventTime": crate::clock::rfc3339_micros(now),
        "reportingController": "kyverno-admission",
        "reportingInstance": instance,
        "type": if event.reason.is_normal() { "Normal" } else { "Warning" },
        "reason": event.reason.as_str(),
        "action": event.action,
        "regarding": event.regarding.to_json(),
        "note": note,
    });
    if let (Some(members), Some(related)) = (object.as_object_mut(), &event.related) {
        members.insert("related".to_owned(), related.to_json());
    }
    object
}

#[cfg(test)]
mod tests;
