//! `status` of policies: whether they are in force, and what was made of them.
//!
//! COMPAT: Kyverno 1.19, `api/kyverno/v1/policy_status.go`: which members are always there; test: `every_member_is_written`
use crate::{index::StoredPolicy, kinds::Watched, object::api};
use kube::{
    Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value as Json, json};
use sigward_api::kubernetes::{ConditionStatus, StatusCondition};
use sigward_api::kyverno::v1::{
    AutogenStatus, PolicyStatus, RuleCount, ValidatingAdmissionPolicyStatus,
};
use sigward_document::Value;
use sigward_policy::snapshot::PolicyName;

/// How many bytes of a message a condition holds.
const MAX_MESSAGE: usize = 32768;

/// Whether the API server calls for a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served<'r> {
    /// It does.
    Yes,
    /// It is not told yet.
    NotYet,
    /// It refuses to, and says this.
    Refused(&'r str),
}

/// The status as it is to be. `before`: as it is.
pub fn wanted(stored: &StoredPolicy, before: &Json, served: Served<'_>, now: &str) -> PolicyStatus {
    let (status, reason, message) = match stored.error() {
        Some(error) => {
            let kept =
                if stored.compiled.is_some() { "; the last good form stays in force" } else { "" };
            let message = format!("{}: {}{kept}", error.path, error.message);
            (ConditionStatus::False, "Failed", message)
        }
        None => match served {
            Served::Yes => (ConditionStatus::True, "Succeeded", ready(stored)),
            Served::NotYet => (ConditionStatus::False, "Failed", "Not Ready".to_owned()),
            Served::Refused(reason) => (
                ConditionStatus::False,
                "Failed",
                format!("the API server refuses to call: {reason}"),
            ),
        },
    };
    let before = ready_of(before);
    let unchanged = before.as_ref().is_some_and(|before| before.status == Some(status));
    let since = before
        .filter(|_| unchanged)
        .map_or_else(|| now.to_owned(), |before| before.last_transition_time);
    let mut message = message;
    message.truncate(message.floor_char_boundary(MAX_MESSAGE));
    PolicyStatus {
        ready: None,
        conditions: vec![StatusCondition {
            kind: "Ready".to_owned(),
            status: Some(status),
            reason: reason.to_owned(),
            message,
            last_transition_time: since,
            observed_generation: None,
        }],
        autogen: Some(AutogenStatus {
            rules: stored
                .compiled
                .iter()
                .flat_map(|policy| policy.autogen_rules().iter().cloned())
                .collect(),
        }),
        rule_count: Some(count(&stored.document)),
        validating_admission_policy: Some(ValidatingAdmissionPolicyStatus::default()),
    }
}

/// `Ready`, and which rules are evaluated to nothing all the same.
fn ready(stored: &StoredPolicy) -> String {
    let waiting = stored.compiled.iter().flat_map(|policy| policy.waiting());
    let waiting: Vec<String> =
        waiting.map(|(rule, field)| format!("rule {rule} ({field})")).collect();
    if waiting.is_empty() {
        return "Ready".to_owned();
    }
    let waiting = waiting.join(", ");
    format!(
        "Ready; this build does not make or change other objects yet, and so does nothing for {waiting}"
    )
}

fn ready_of(status: &Json) -> Option<StatusCondition> {
    let ready =
        status["conditions"].as_array()?.iter().find(|condition| condition["type"] == "Ready")?;
    serde_json::from_value(ready.clone()).ok()
}

/// `status` as it is stored; null when there is none.
pub fn stored(policy: &StoredPolicy) -> Json {
    let status = policy.document.at_path(&["status"]);
    status.and_then(|status| serde_json::to_value(status).ok()).unwrap_or(Json::Null)
}

/// Rules as they are written, generated ones left out.
fn count(document: &Value) -> RuleCount {
    let rules = document.at_path(&["spec", "rules"]).and_then(Value::as_list).unwrap_or_default();
    let with = |name: &str| {
        let count = rules
            .iter()
            .filter(|rule| rule.at_path(&[name]).is_some_and(|part| !part.is_null()))
            .count();
        i32::try_from(count).unwrap_or(i32::MAX)
    };
    RuleCount {
        validate: with("validate"),
        generate: with("generate"),
        mutate: with("mutate"),
        verify_images: with("verifyImages"),
    }
}

/// What goes over the wire. `autogen` is there even when it is empty, as upstream writes it.
fn to_json(status: &PolicyStatus) -> Json {
    let mut json = serde_json::to_value(status).unwrap_or_default();
    if let Some(members) = json.as_object_mut() {
        members.entry("autogen").or_insert_with(|| json!({}));
        members.entry("rulecount").or_insert_with(|| json!(RuleCount::default()));
        members
            .entry("validatingadmissionpolicy")
            .or_insert_with(|| json!(ValidatingAdmissionPolicyStatus::default()));
    }
    json
}

/// Writes the status if it differs from what is stored or, where it is newer, from what was written last. Says what is stored now.
///
/// # Errors
/// The API server refuses or cannot be reached; the next pass tries again.
pub async fn write(
    client: &Client,
    name: &PolicyName,
    policy: &StoredPolicy,
    written: Option<&Json>,
    served: Served<'_>,
    now: &str,
) -> Result<Json, kube::Error> {
    let before = written.cloned().unwrap_or_else(|| stored(policy));
    let wanted = to_json(&wanted(policy, &before, served, now));
    if before == wanted {
        return Ok(wanted);
    }
    let watched = if name.namespace.is_empty() { Watched::ClusterPolicy } else { Watched::Policy };
    let api = api(client, &watched.resource(), &name.namespace);
    let patch = json!({ "status": replaced(&before, &wanted) });
    match api.patch_status(&name.name, &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(_) => Ok(wanted),
        // It was deleted meanwhile.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Json::Null),
        Err(error) => Err(error),
    }
}

/// A merge patch that leaves nothing of the old status: members that are gone are null.
fn replaced(before: &Json, wanted: &Json) -> Json {
    let mut patch = wanted.clone();
    take_away(before, &mut patch);
    for part in ["autogen", "rulecount"] {
        if let Some(inner) = patch.get_mut(part) {
            take_away(&before[part], inner);
        }
    }
    patch
}

fn take_away(before: &Json, patch: &mut Json) {
    if let (Some(before), Some(patch)) = (before.as_object(), patch.as_object_mut()) {
        for name in before.keys() {
            patch.entry(name).or_insert(Json::Null);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::StoredPolicy;
    use sigward_policy::compile::{Diagnostic, Severity};

    fn policy(error: bool) -> StoredPolicy {
        let document = json!({
            "metadata": { "name": "p" },
            "spec": { "rules": [{ "verifyImages": [{}] }, { "validate": {} }, { "verifyImages": [{}] }] },
        });
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            path: "spec.rules[0]".to_owned(),
            message: "no".to_owned(),
            help: None,
        };
        StoredPolicy {
            document: sigward_document::parse_json(document.to_string().as_bytes()).unwrap(),
            compiled: None,
            unusable: None,
            diagnostics: if error { vec![diagnostic] } else { Vec::new() },
            current: !error,
        }
    }

    #[test]
    fn every_member_is_written() {
        let status =
            to_json(&wanted(&policy(false), &Json::Null, Served::Yes, "2027-01-15T08:00:00Z"));
        assert_eq!(
            status,
            json!({
                "autogen": {},
                "rulecount": { "validate": 1, "generate": 0, "mutate": 0, "verifyimages": 2 },
                "validatingadmissionpolicy": { "generated": false, "message": "" },
                "conditions": [{
                    "type": "Ready", "status": "True", "reason": "Succeeded", "message": "Ready",
                    "lastTransitionTime": "2027-01-15T08:00:00Z",
                }],
            })
        );
    }

    #[test]
    fn the_time_changes_only_with_the_status() {
        let first =
            to_json(&wanted(&policy(false), &Json::Null, Served::Yes, "2027-01-15T08:00:00Z"));
        let later = to_json(&wanted(&policy(false), &first, Served::Yes, "2027-01-16T08:00:00Z"));
        assert_eq!(later, first);
        let broken = wanted(&policy(true), &first, Served::Yes, "2027-01-16T08:00:00Z");
        let condition = broken.conditions.first().unwrap();
        assert_eq!(condition.last_transition_time, "2027-01-16T08:00:00Z");
        assert_eq!(condition.message, "spec.rules[0]: no");
        assert_eq!(condition.reason, "Failed");
    }

    #[test]
    fn members_that_are_gone_are_taken_away() {
        let before = json!({ "ready": true, "autogen": { "rules": [{}] } });
        let patch = replaced(&before, &json!({ "autogen": {} }));
        assert_eq!(patch, json!({ "ready": null, "autogen": { "rules": null } }));
    }
}
