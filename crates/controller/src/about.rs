//! What reports and events have to know about policies, beside what was decided.
use crate::{events::Subject, index::StoredPolicy};
use sigward_document::Value;
use sigward_policy::snapshot::PolicyName;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// One policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// `metadata.uid`.
    pub uid: String,
    /// `policies.kyverno.io/category`.
    pub category: String,
    /// `policies.kyverno.io/severity`, where it is one.
    pub severity: Option<String>,
    /// False when `policies.kyverno.io/scored` is `"false"`: failures are written as warnings.
    pub scored: bool,
    /// The label `reports.kyverno.io/disabled` is there.
    pub reports_disabled: bool,
    /// `background`, or true.
    pub background: bool,
    /// `admission`, or true.
    pub admission: bool,
    /// Names of all its rules, generated ones included.
    pub rules: BTreeSet<SmolStr>,
}

/// All policies that are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies(BTreeMap<PolicyName, About>);

impl Policies {
    /// From the index.
    pub fn of(stored: &BTreeMap<PolicyName, StoredPolicy>) -> Self {
        Self(stored.iter().map(|(name, stored)| (name.clone(), about(stored))).collect())
    }

    /// Names of policies and of their rules.
    pub fn rules(&self) -> BTreeMap<&PolicyName, &BTreeSet<SmolStr>> {
        self.0.iter().map(|(name, about)| (name, &about.rules)).collect()
    }

    /// One policy, if it is still stored.
    pub fn get(&self, name: &PolicyName) -> Option<&About> {
        self.0.get(name)
    }

    /// The policy a report names: `name` or `namespace/name`.
    pub fn named(&self, name: &str) -> Option<&About> {
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        self.0.get(&PolicyName { namespace: namespace.into(), name: name.into() })
    }

    /// The policy as what an event is about.
    pub fn subject(&self, name: &PolicyName) -> Option<Subject> {
        let about = self.get(name)?;
        let kind = if name.namespace.is_empty() { "ClusterPolicy" } else { "Policy" };
        Some(Subject {
            api_version: "kyverno.io/v1".to_owned(),
            kind: kind.to_owned(),
            namespace: name.namespace.to_string(),
            name: name.name.to_string(),
            uid: about.uid.clone(),
        })
    }
}

fn about(stored: &StoredPolicy) -> About {
    let document = &stored.document;
    let annotation =
        |name: &str| document.str_at(&["metadata", "annotations", name]).unwrap_or_default();
    let flag =
        |name: &str| document.at_path(&["spec", name]).and_then(Value::as_bool).unwrap_or(true);
    let severity = annotation("policies.kyverno.io/severity");
    let known = ["critical", "high", "medium", "low", "info"].contains(&severity);
    About {
        uid: document.str_at(&["metadata", "uid"]).unwrap_or_default().to_owned(),
        category: annotation("policies.kyverno.io/category").to_owned(),
        severity: known.then(|| severity.to_owned()),
        scored: annotation("policies.kyverno.io/scored") != "false",
        reports_disabled: document
            .at_path(&["metadata", "labels", "reports.kyverno.io/disabled"])
            .is_some(),
        background: flag("background"),
        admission: flag("admission"),
        rules: stored
            .compiled
            .iter()
            .flat_map(|policy| policy.rule_names().iter().cloned())
            .collect(),
    }
}
