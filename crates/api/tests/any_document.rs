//! Whatever is read as a policy is read or named, and nothing panics.
use proptest::{collection, prelude::*};
use serde_json::Value as Json;
use sigward_api::{
    crd::{Resource, read},
    kyverno::{
        v1::{ClusterPolicy, Policy},
        v2::PolicyException,
    },
    reports::PolicyReport,
};
use sigward_document::{Value, parse_json};

/// Names that mean something here, so that values of a wrong shape come to every field.
fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "metadata",
        "name",
        "labels",
        "spec",
        "rules",
        "match",
        "any",
        "all",
        "resources",
        "kinds",
        "operations",
        "context",
        "configMap",
        "variable",
        "value",
        "preconditions",
        "key",
        "operator",
        "validate",
        "pattern",
        "foreach",
        "deny",
        "conditions",
        "podSecurity",
        "mutate",
        "targets",
        "generate",
        "clone",
        "verifyImages",
        "attestors",
        "entries",
        "count",
        "attestor",
        "keys",
        "publicKeys",
        "required",
        "failureAction",
        "status",
        "exceptions",
        "results",
        "timestamp",
        "other",
    ])
    .prop_map(str::to_owned)
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "[a-zA-Z{}*/ ]{0,12}".prop_map(Json::from),
        Just(Json::from("Enforce")),
    ];
    leaf.prop_recursive(8, 64, 6, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            collection::btree_map(name(), inner, 0..6)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// The same at places where policies have something.
fn document() -> impl Strategy<Value = Json> {
    (json(), json(), 0..5).prop_map(|(one, other, place)| match place {
        0 => one,
        1 => serde_json::json!({ "metadata": other, "spec": one }),
        2 => serde_json::json!({ "spec": { "rules": [one, other] }, "results": [one] }),
        3 => serde_json::json!({ "spec": { "rules": [{ "match": one, "preconditions": other, "validate": one }] } }),
        _ => serde_json::json!({ "spec": { "rules": [{ "verifyImages": [one, { "attestors": [{ "entries": [other] }] }] }] } }),
    })
}

/// A document is read, or a finding says why it is not; findings are bounded.
fn check<T: Resource>(document: &Value) -> Result<(), TestCaseError> {
    let read = read::<T>(document);
    prop_assert!(read.findings.len() <= 101, "{} findings", read.findings.len());
    prop_assert!(
        read.value.is_some() || !read.findings.is_empty(),
        "not read, and nobody says why"
    );
    Ok(())
}

proptest! {
    #[test]
    fn a_document_is_read_or_the_reason_is_named(document in document()) {
        let document = parse_json(document.to_string().as_bytes()).map_err(|error| TestCaseError::fail(error.message))?;
        check::<ClusterPolicy>(&document)?;
        check::<Policy>(&document)?;
        check::<PolicyException>(&document)?;
        check::<PolicyReport>(&document)?;
    }
}
