//! The annotations that scripts read. They are written, never trusted.
use crate::{rules::verify_images::Recorded, snapshot::PolicyName};
use sigward_document::{Value, View};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// `{"<image>":"pass|fail|skip"}`.
const PLAIN: &str = "kyverno.io/verify-images";
/// `{"version":1,"policies":{"<namespace>/<policy>":{"<rule>":{"<image>":"pass"}}}}`.
const SCOPED: &str = "kyverno.io/verify-images-scoped";

/// What was recorded in one request, by policy, rule and image.
pub(crate) type Record = BTreeMap<PolicyName, BTreeMap<SmolStr, BTreeMap<SmolStr, Recorded>>>;

/// The object with what was recorded. `evaluated` are the policies of this call: what an object says of them
/// without our having recorded it comes from the client and is taken out.
pub(crate) fn write(object: &Value, record: &Record, evaluated: &BTreeSet<PolicyName>) -> Value {
    let metadata = object.get("metadata").cloned().unwrap_or(Value::NULL);
    let old = metadata.get("annotations").cloned().unwrap_or(Value::NULL);
    let evaluated: BTreeSet<String> = evaluated.iter().map(key).collect();
    let mut policies = foreign(&old, &evaluated);
    let mut plain: BTreeMap<SmolStr, Recorded> = BTreeMap::new();
    for (policy, rules) in record {
        let mut by_rule = Vec::new();
        for (rule, images) in rules {
            for (image, recorded) in images {
                let worst = plain.entry(image.clone()).or_insert(*recorded);
                *worst = (*worst).max(*recorded);
            }
            let images = images.iter().map(|(i, r)| (i.clone(), Value::string(r.as_str())));
            by_rule.push((rule.clone(), Value::map(images)));
        }
        policies.push((SmolStr::new(key(policy)), Value::map(by_rule)));
    }
    let changed = if plain.is_empty() {
        if policies.is_empty() {
            without(&old, &[PLAIN, SCOPED])
        } else {
            old.get(SCOPED).and_then(|_| old.with_member(SCOPED, scoped(policies)))
        }
    } else {
        let plain = Value::map(plain.into_iter().map(|(i, r)| (i, Value::string(r.as_str()))));
        let old = if old.is_null() { Value::map([]) } else { old.clone() };
        old.with_member(PLAIN, Value::string(&plain.to_json()))
            .and_then(|with| with.with_member(SCOPED, scoped(policies)))
    };
    match changed {
        Some(annotations) if annotations != old => {
            let metadata = if metadata.is_null() { Value::map([]) } else { metadata };
            metadata
                .with_member("annotations", annotations)
                .and_then(|metadata| object.with_member("metadata", metadata))
                .unwrap_or_else(|| object.clone())
        }
        _ => object.clone(),
    }
}

fn scoped(policies: Vec<(SmolStr, Value)>) -> Value {
    // The order of members is upstream's.
    let policies = Value::map(policies).to_json();
    Value::string(&format!(r#"{{"version":1,"policies":{policies}}}"#))
}

/// A cluster policy's key begins with a slash.
fn key(policy: &PolicyName) -> String {
    format!("{}/{}", policy.namespace, policy.name)
}

/// What the scoped annotation says of policies of other calls: another webhook of ours may have written it.
fn foreign(annotations: &Value, evaluated: &BTreeSet<String>) -> Vec<(SmolStr, Value)> {
    let Some(text) = annotations.get(SCOPED).and_then(Value::as_str) else { return Vec::new() };
    let Ok(tree) = sigward_document::parse_json(text.as_bytes()) else { return Vec::new() };
    if tree.get("version").and_then(Value::as_i64) != Some(1) {
        return Vec::new();
    }
    match tree.get("policies").map(Value::view) {
        Some(View::Map(map)) => map
            .iter()
            .filter(|(policy, _)| !evaluated.contains(*policy))
            .map(|(policy, rules)| (SmolStr::new(policy), rules.clone()))
            .collect(),
        _ => Vec::new(),
    }
}

fn without(annotations: &Value, keys: &[&str]) -> Option<Value> {
    let mut left = annotations.clone();
    for key in keys {
        left = left.without_member(key)?;
    }
    Some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(entries: &[(&str, &str, &str, Recorded)]) -> Record {
        let mut record = Record::new();
        for (policy, rule, image, recorded) in entries {
            let name = PolicyName { namespace: "".into(), name: (*policy).into() };
            record
                .entry(name)
                .or_default()
                .entry((*rule).into())
                .or_default()
                .insert((*image).into(), *recorded);
        }
        record
    }

    fn check(object: &str, record: &Record, evaluated: &[&str], expected: &str) {
        let object = sigward_document::parse_json(object.as_bytes()).unwrap();
        let evaluated = evaluated
            .iter()
            .map(|name| PolicyName { namespace: "".into(), name: (*name).into() })
            .collect();
        assert_eq!(write(&object, record, &evaluated).to_json(), expected);
    }

    #[test]
    fn both_annotations_are_written_as_scripts_read_them() {
        check(
            r#"{"metadata":{"name":"a"}}"#,
            &record(&[("p", "r", "docker.io/x:1", Recorded::Pass)]),
            &["p"],
            r#"{"metadata":{"annotations":{"kyverno.io/verify-images":"{\"docker.io/x:1\":\"pass\"}","kyverno.io/verify-images-scoped":"{\"version\":1,\"policies\":{\"/p\":{\"r\":{\"docker.io/x:1\":\"pass\"}}}}"},"name":"a"}}"#,
        );
    }

    #[test]
    fn the_worst_of_several_rules_stands_in_the_plain_annotation() {
        check(
            "{}",
            &record(&[("p", "r", "x", Recorded::Fail), ("p", "s", "x", Recorded::Pass)]),
            &["p"],
            r#"{"metadata":{"annotations":{"kyverno.io/verify-images":"{\"x\":\"fail\"}","kyverno.io/verify-images-scoped":"{\"version\":1,\"policies\":{\"/p\":{\"r\":{\"x\":\"fail\"},\"s\":{\"x\":\"pass\"}}}}"}}}"#,
        );
    }

    #[test]
    fn what_a_client_claims_of_a_policy_of_this_call_is_taken_out() {
        check(
            r#"{"metadata":{"annotations":{"kyverno.io/verify-images":"{\"x\":\"pass\"}","kyverno.io/verify-images-scoped":"{\"policies\":{\"/p\":{\"r\":{\"x\":\"pass\"}}},\"version\":1}","other":"1"}}}"#,
            &Record::new(),
            &["p"],
            r#"{"metadata":{"annotations":{"other":"1"}}}"#,
        );
    }

    #[test]
    fn what_another_webhook_of_the_same_request_wrote_is_kept() {
        check(
            r#"{"metadata":{"annotations":{"kyverno.io/verify-images-scoped":"{\"policies\":{\"/q\":{\"r\":{\"y\":\"pass\"}}},\"version\":1}"}}}"#,
            &record(&[("p", "r", "x", Recorded::Pass)]),
            &["p"],
            r#"{"metadata":{"annotations":{"kyverno.io/verify-images":"{\"x\":\"pass\"}","kyverno.io/verify-images-scoped":"{\"version\":1,\"policies\":{\"/p\":{\"r\":{\"x\":\"pass\"}},\"/q\":{\"r\":{\"y\":\"pass\"}}}}"}}}"#,
        );
    }
}
