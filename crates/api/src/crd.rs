//! Custom resource definitions, made from the types, and documents read and checked by them.
use crate::{
    kyverno::{
        v1::{ClusterPolicy, Policy},
        v2::PolicyException,
    },
    reports::{ClusterPolicyReport, PolicyReport},
    schema::{
        Schema,
        check::{Finding, FindingKind, check},
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use sigward_document::Value;
use std::sync::LazyLock;

/// A kind that the API server stores for us.
pub trait Resource: Schema + DeserializeOwned {
    /// Empty for none of ours.
    const GROUP: &'static str;
    /// The version that is stored.
    const VERSION: &'static str;
    /// The kind.
    const KIND: &'static str;
    /// The plural name, as in URLs.
    const PLURAL: &'static str;
    /// Whether objects live in namespaces.
    const NAMESPACED: bool;
    /// The schema, made once.
    fn known_schema() -> &'static Json;
}

macro_rules! resource {
    ($type:ident, $group:literal, $version:literal, $plural:literal, $namespaced:literal) => {
        impl Resource for $type {
            const GROUP: &'static str = $group;
            const VERSION: &'static str = $version;
            const KIND: &'static str = stringify!($type);
            const PLURAL: &'static str = $plural;
            const NAMESPACED: bool = $namespaced;
            fn known_schema() -> &'static Json {
                static SCHEMA: LazyLock<Json> = LazyLock::new($type::schema);
                &SCHEMA
            }
        }
    };
}

resource!(ClusterPolicy, "kyverno.io", "v1", "clusterpolicies", false);
resource!(Policy, "kyverno.io", "v1", "policies", true);
resource!(PolicyException, "kyverno.io", "v2", "policyexceptions", true);
resource!(PolicyReport, "wgpolicyk8s.io", "v1alpha2", "policyreports", true);
resource!(ClusterPolicyReport, "wgpolicyk8s.io", "v1alpha2", "clusterpolicyreports", false);

/// A document as it was read, and what the API server would have said about it.
#[derive(Clone, Debug)]
pub struct Read<T> {
    /// `None` when a value has another type than the field; a finding then says which.
    pub value: Option<T>,
    /// In document order: unknown members, missing ones, wrong ones.
    pub findings: Vec<Finding>,
}

/// Reads a document of a known kind. What is unknown is passed over, as the API server drops it; what is missing has its default.
pub fn read<T: Resource>(document: &Value) -> Read<T> {
    let mut findings = check(T::known_schema(), document);
    match sigward_document::from_value(document) {
        Ok(value) => Read { value: Some(value), findings },
        Err(error) => {
            // The schema is silent inside free-form parts, which have a type here nevertheless.
            if !findings
                .iter()
                .any(|finding| finding.kind == FindingKind::Type && finding.path == error.path)
            {
                findings.push(Finding {
                    path: error.path,
                    kind: FindingKind::Type,
                    message: error.message,
                });
            }
            Read { value: None, findings }
        }
    }
}

/// The definitions of all kinds, sorted by name, ready to be applied.
///
/// Older versions are served because manifests that name them are in use. They have the schema of the stored one: there is no
/// conversion.
pub fn crds() -> Vec<Json> {
    let policy_columns = json!([
        { "jsonPath": ".spec.admission", "name": "ADMISSION", "type": "boolean" },
        { "jsonPath": ".spec.background", "name": "BACKGROUND", "type": "boolean" },
        { "jsonPath": ".status.conditions[?(@.type == \"Ready\")].status", "name": "READY", "type": "string" },
        { "jsonPath": ".metadata.creationTimestamp", "name": "AGE", "type": "date" },
        { "jsonPath": ".spec.failurePolicy", "name": "FAILURE POLICY", "priority": 1, "type": "string" },
        { "jsonPath": ".status.rulecount.validate", "name": "VALIDATE", "priority": 1, "type": "integer" },
        { "jsonPath": ".status.rulecount.mutate", "name": "MUTATE", "priority": 1, "type": "integer" },
        { "jsonPath": ".status.rulecount.generate", "name": "GENERATE", "priority": 1, "type": "integer" },
        { "jsonPath": ".status.rulecount.verifyimages", "name": "VERIFY IMAGES", "priority": 1, "type": "integer" },
        { "jsonPath": ".status.conditions[?(@.type == \"Ready\")].message", "name": "MESSAGE", "type": "string" },
    ]);
    let report_columns = json!([
        { "jsonPath": ".scope.kind", "name": "Kind", "type": "string" },
        { "jsonPath": ".scope.name", "name": "Name", "type": "string" },
        { "jsonPath": ".summary.pass", "name": "Pass", "type": "integer" },
        { "jsonPath": ".summary.fail", "name": "Fail", "type": "integer" },
        { "jsonPath": ".summary.warn", "name": "Warn", "type": "integer" },
        { "jsonPath": ".summary.error", "name": "Error", "type": "integer" },
        { "jsonPath": ".summary.skip", "name": "Skip", "type": "integer" },
        { "jsonPath": ".metadata.creationTimestamp", "name": "Age", "type": "date" },
    ]);
    let older_policy = Older { version: "v2beta1", deprecated: false };
    let older_exception = Older { version: "v2beta1", deprecated: true };
    vec![
        definition::<ClusterPolicy>("cpol", true, Some(older_policy), Some(&policy_columns)),
        definition::<ClusterPolicyReport>("cpolr", false, None, Some(&report_columns)),
        definition::<Policy>("pol", true, Some(older_policy), Some(&policy_columns)),
        definition::<PolicyException>("polex", false, Some(older_exception), None),
        definition::<PolicyReport>("polr", false, None, Some(&report_columns)),
    ]
}

/// A version that is served beside the stored one.
#[derive(Clone, Copy)]
struct Older {
    version: &'static str,
    deprecated: bool,
}

fn definition<T: Resource>(
    short: &str,
    status: bool,
    older: Option<Older>,
    columns: Option<&Json>,
) -> Json {
    let mut schema = T::known_schema().clone();
    if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
        // The API server has its own schema of metadata and accepts no other.
        properties.insert("metadata".to_owned(), json!({ "type": "object" }));
    }
    let version = |name: &str, stored: bool, deprecated: bool| {
        let mut version = json!({ "name": name, "served": true, "storage": stored, "schema": { "openAPIV3Schema": schema.clone() } });
        if let Some(version) = version.as_object_mut() {
            if deprecated {
                version.insert("deprecated".to_owned(), true.into());
            }
            if status {
                version.insert("subresources".to_owned(), json!({ "status": {} }));
            }
            if let Some(columns) = columns {
                version.insert("additionalPrinterColumns".to_owned(), columns.clone());
            }
        }
        version
    };
    let mut versions = vec![version(T::VERSION, true, false)];
    versions.extend(older.map(|older| version(older.version, false, older.deprecated)));
    let singular = T::KIND.to_lowercase();
    let mut names = json!({
        "kind": T::KIND, "listKind": format!("{}List", T::KIND), "plural": T::PLURAL, "singular": singular, "shortNames": [short],
    });
    if let Some(names) = names.as_object_mut()
        && T::GROUP == "kyverno.io"
    {
        names.insert("categories".to_owned(), json!(["kyverno"]));
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{}.{}", T::PLURAL, T::GROUP) },
        "spec": {
            "group": T::GROUP,
            "names": names,
            "scope": if T::NAMESPACED { "Namespaced" } else { "Cluster" },
            "versions": versions,
        }
    })
}
