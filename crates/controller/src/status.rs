//! `status` of policies: whether they are in force, and what was made of them.
//!
//! COMPAT: Kyverno 1.19, `api/kyverno/v1/policy_status.go`: which members are always there; test: `every_member_is_written`
use crate::{index::StoredPolicy, kinds::Watched, object::api};
use kube::{
    Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value as Json, json};
use sigward_api::kyverno::v1::{AutogenStatus, PolicyStatus, RuleCount, ValidatingAdmissionPolicyStatus};
use sigward_api::kubernetes::{ConditionStatus, StatusCondition};
use sigward_document::Value;
use sigward_policy::snapshot::PolicyName;

/// How many bytes of a message a condition holds.
const MAX_MESSAGE: usize = 32768;

/// The status as it is to be. `served`: the API server calls for what compiled.
pub fn wanted(stored: &StoredPolicy, served: bool, now: &str) -> PolicyStatus {
    let (status, reason, message) = match stored.error() {
        Some(error) => {
            let kept = if stored.compiled.is_some() { "; the last good form stays in force" } else { "" };
            let message = format!("{}: {}{kept}", error.path, error.message);
            (ConditionStatus::False, "Failed", message)
        }
        None if served => (ConditionStatus::True, "Succeeded", "Ready".to_owned()),
        None => (ConditionStatus::False, "Failed", "Not Ready".to_owned()),
    };
    let before = ready_of(&stored.document);
    let unchanged = before.as_ref().is_some_and(|before| before.status == Some(status));
    let since = before.filter(|_| unchanged).map_or_else(|| now.to_owned(), |before| before.last_transition_time);
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
            rules: stored.compiled.iter().flat_map(|policy| policy.autogen_rules().iter().cloned()).collect(),
        }),
        rule_count: Some(count(&stored.document)),
        validating_admission_policy: Some(ValidatingAdmissionPolicyStatus::default()),
    }
}

fn ready_of(document: &Value) -> Option<StatusCondition> {
    let conditions = document.at_path(&["status", "conditions"]).and_then(Value::as_list)?;
    let ready = conditions.iter().find(|condition| condition.str_at(&["type"]) == Some("Ready"))?;
    sigward_document::from_value(ready).ok()
}

/// Rules as they are written, generated ones left out.
fn count(document: &Value) -> RuleCount {
    let rules = document.at_path(&["spec", "rules"]).and_then(Value::as_list).unwrap_or_default();
    let with = |name: &str| {
        let count = rules.iter().filter(|rule| rule.at_path(&[name]).is_some_and(|part| !part.is_null())).count();
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
        members.entry("validatingadmissionpolicy").or_insert_with(|| json!(ValidatingAdmissionPolicyStatus::default()));
    }
    json
}

/// Writes the status if it differs from what is stored.
///
/// # Errors
/// The API server refuses or cannot be reached; the next pass tries again.
pub async fn write(
    client: &Client,
    name: &PolicyName,
    stored: &StoredPolicy,
    served: bool,
    now: &str,
) -> Result<bool, kube::Error> {
    let wanted = to_json(&wanted(stored, served, now));
    let before = stored.document.at_path(&["status"]).map(serde_json::to_value);
    if before.is_some_and(|before| before.is_ok_and(|before| before == wanted)) {
        return Ok(false);
    }
    let watched = if name.namespace.is_empty() { Watched::ClusterPolicy } else { Watched::Policy };
    let api = api(client, &watched.resource(), &name.namespace);
    // A merge patch of the whole status: what is not in it any more is taken away below.
    let patch = json!({ "status": replaced(stored.document.at_path(&["status"]), &wanted) });
    match api.patch_status(&name.name, &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

/// A merge patch that leaves nothing of the old status: members that are gone are null.
fn replaced(before: Option<&Value>, wanted: &Json) -> Json {
    let mut patch = wanted.clone();
    if let (Some(members), Some(before)) = (patch.as_object_mut(), before.and_then(Value::as_map)) {
        for (name, _) in before.iter() {
            members.entry(name).or_insert(Json::Null);
        }
        if let (Some(autogen), Some(old)) = (members.get_mut("autogen").and_then(Json::as_object_mut), before.get("autogen").and_then(Value::as_map))
        {
            for (name, _) in old.iter() {
                autogen.entry(name).or_insert(Json::Null);
            }
        }
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::StoredPolicy;
    use sigward_policy::compile::{Diagnostic, Severity};

    fn stored(status: &Json, error: bool) -> StoredPolicy {
        let document = json!({
            "metadata": { "name": "p" }, "status": status,
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
            diagnostics: if error { vec![diagnostic] } else { Vec::new() },
            current: !error,
        }
    }

    #[test]
    fn every_member_is_written() {
        let status = to_json(&wanted(&stored(&json!({}), false), true, "2027-01-15T08:00:00Z"));
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
        let first = to_json(&wanted(&stored(&json!({}), false), true, "2027-01-15T08:00:00Z"));
        let later = to_json(&wanted(&stored(&first, false), true, "2027-01-16T08:00:00Z"));
        assert_eq!(later, first);
        let broken = wanted(&stored(&first, true), true, "2027-01-16T08:00:00Z");
        let condition = broken.conditions.first().unwrap();
        assert_eq!(condition.last_transition_time, "2027-01-16T08:00:00Z");
        assert_eq!(condition.message, "spec.rules[0]: no");
        assert_eq!(condition.reason, "Failed");
    }

    #[test]
    fn members_that_are_gone_are_taken_away() {
        let before = json!({ "ready": true, "autogen": { "rules": [{}] } });
        let stored = stored(&before, false);
        let patch = replaced(stored.document.at_path(&["status"]), &json!({ "autogen": {} }));
        assert_eq!(patch, json!({ "ready": null, "autogen": { "rules": null } }));
    }
}
