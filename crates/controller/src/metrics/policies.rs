//! Which policies there are, and how often they change.
use crate::index::StoredPolicy;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use sigward_document::Value;
use sigward_policy::snapshot::PolicyName;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
#[expect(clippy::struct_field_names, reason = "the names are the labels")]
struct Change {
    policy_validation_mode: &'static str,
    policy_type: &'static str,
    policy_background_mode: &'static str,
    policy_namespace: String,
    policy_name: String,
    policy_change_type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
#[expect(clippy::struct_field_names, reason = "the names are the labels")]
struct Rule {
    policy_validation_mode: &'static str,
    policy_type: &'static str,
    policy_background_mode: &'static str,
    policy_namespace: String,
    policy_name: String,
    rule_name: String,
    rule_type: &'static str,
    status_ready: &'static str,
}

/// What was counted last: the form of each policy, and the gauges that are set.
#[derive(Debug, Default)]
struct Seen {
    policies: BTreeMap<PolicyName, (Value, Labels)>,
    rules: BTreeSet<Rule>,
}

/// What both metrics say of a policy.
#[derive(Clone, Debug)]
struct Labels {
    mode: &'static str,
    kind: &'static str,
    background: &'static str,
    namespace: String,
    name: String,
}

/// `kyverno_policy_changes` and `kyverno_policy_rule_info_total`.
///
/// COMPAT: Kyverno 1.19, `pkg/metrics/policychanges.go`, `policyruleinfo.go`; test: `policies_are_counted_by_change_and_rule`
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyMetrics {
    changes: Family<Change, Counter>,
    rules: Family<Rule, Gauge>,
    seen: Arc<Mutex<Seen>>,
}

impl PolicyMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "kyverno_policy_changes",
            "Policies created, updated and deleted",
            metrics.changes.clone(),
        );
        registry.register(
            "kyverno_policy_rule_info_total",
            "Rules that there are",
            metrics.rules.clone(),
        );
        metrics
    }

    /// Compares with what was there before.
    pub(crate) fn update(&self, stored: &BTreeMap<PolicyName, StoredPolicy>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = BTreeMap::new();
        let mut rules = BTreeSet::new();
        for (name, policy) in stored {
            let labels = labels_of(name, &policy.document);
            let spec = policy.document.at_path(&["spec"]).cloned().unwrap_or(Value::NULL);
            match seen.policies.get(name) {
                None => self.count(&labels, "created"),
                Some((before, _)) if *before != spec => self.count(&labels, "updated"),
                Some(_) => {}
            }
            rules.extend(rules_of(&labels, policy));
            now.insert(name.clone(), (spec, labels));
        }
        for (name, (_, labels)) in &seen.policies {
            if !now.contains_key(name) {
                self.count(labels, "deleted");
            }
        }
        for gone in seen.rules.difference(&rules) {
            self.rules.remove(gone);
        }
        for rule in &rules {
            self.rules.get_or_create(rule).set(1);
        }
        *seen = Seen { policies: now, rules };
    }

    fn count(&self, labels: &Labels, policy_change_type: &'static str) {
        let labels = labels.clone();
        let change = Change {
            policy_validation_mode: labels.mode,
            policy_type: labels.kind,
            policy_background_mode: labels.background,
            policy_namespace: labels.namespace,
            policy_name: labels.name,
            policy_change_type,
        };
        self.changes.get_or_create(&change).inc();
    }
}

fn labels_of(name: &PolicyName, document: &Value) -> Labels {
    let enforces = document.str_at(&["spec", "validationFailureAction"]).is_some_and(is_enforce)
        || rules_in(document).any(|rule| {
            let entries =
                rule.at_path(&["verifyImages"]).and_then(Value::as_list).unwrap_or_default();
            let entries = entries.iter().filter_map(|entry| entry.str_at(&["failureAction"]));
            rule.str_at(&["validate", "failureAction"]).into_iter().chain(entries).any(is_enforce)
        });
    let background =
        document.at_path(&["spec", "background"]).and_then(Value::as_bool).unwrap_or(true);
    Labels {
        mode: if enforces { "enforce" } else { "audit" },
        kind: if name.namespace.is_empty() { "cluster" } else { "namespaced" },
        background: if background { "true" } else { "false" },
        namespace: if name.namespace.is_empty() {
            "-".to_owned()
        } else {
            name.namespace.to_string()
        },
        name: name.name.to_string(),
    }
}

fn is_enforce(action: &str) -> bool {
    action.eq_ignore_ascii_case("enforce")
}

fn rules_in(document: &Value) -> impl Iterator<Item = &Value> {
    document.at_path(&["spec", "rules"]).and_then(Value::as_list).unwrap_or_default().iter()
}

fn rules_of(labels: &Labels, policy: &StoredPolicy) -> Vec<Rule> {
    let types = [
        ("validate", "validate"),
        ("mutate", "mutate"),
        ("generate", "generate"),
        ("verifyImages", "imageVerify"),
    ];
    rules_in(&policy.document)
        .filter_map(|rule| {
            let (_, rule_type) =
                types.into_iter().find(|(member, _)| rule.at_path(&[member]).is_some())?;
            let labels = labels.clone();
            Some(Rule {
                policy_validation_mode: labels.mode,
                policy_type: labels.kind,
                policy_background_mode: labels.background,
                policy_namespace: labels.namespace,
                policy_name: labels.name,
                rule_name: rule.str_at(&["name"]).unwrap_or_default().to_owned(),
                rule_type,
                status_ready: if policy.current { "true" } else { "false" },
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(action: &str) -> BTreeMap<PolicyName, StoredPolicy> {
        let document = serde_json::json!({ "spec": {
            "validationFailureAction": action, "rules": [{ "name": "r", "verifyImages": [{}] }]
        } });
        let policy = StoredPolicy {
            document: sigward_document::parse_json(document.to_string().as_bytes()).unwrap(),
            compiled: None,
            unusable: None,
            diagnostics: Vec::new(),
            current: true,
        };
        [(PolicyName { namespace: "".into(), name: "p".into() }, policy)].into()
    }

    #[test]
    fn policies_are_counted_by_change_and_rule() {
        let mut registry = Registry::default();
        let metrics = PolicyMetrics::register(&mut registry);
        metrics.update(&stored("enforce"));
        metrics.update(&stored("enforce"));
        metrics.update(&stored("Audit"));
        let page = |registry: &Registry| {
            let mut page = String::new();
            prometheus_client::encoding::text::encode(&mut page, registry).unwrap();
            page
        };
        let text = page(&registry);
        for line in [
            r#"policy_validation_mode="enforce",policy_type="cluster",policy_background_mode="true",policy_namespace="-",policy_name="p",policy_change_type="created"} 1"#,
            r#"policy_validation_mode="audit",policy_type="cluster",policy_background_mode="true",policy_namespace="-",policy_name="p",policy_change_type="updated"} 1"#,
            r#"policy_name="p",rule_name="r",rule_type="imageVerify",status_ready="true"} 1"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert_eq!(text.matches("rule_name=").count(), 1, "{text}");
        metrics.update(&BTreeMap::new());
        let text = page(&registry);
        assert!(text.contains(r#"policy_change_type="deleted"} 1"#), "{text}");
        assert_eq!(text.matches("rule_name=").count(), 0, "{text}");
    }
}
