//! Policy reports of `apply`.
use super::print::{Counts, Outcome};
use crate::{cli::kyverno::input::Loaded, sources::now};
use sigward_document::{
    Value,
    yaml::{YamlStyle, to_yaml_with},
};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Whose report it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ReportGroup {
    /// `openreports.io/v1alpha1`, as Kyverno 1.19 prints it.
    #[value(name = "openreports.io")]
    OpenReports,
    /// `wgpolicyk8s.io/v1alpha2`.
    #[value(name = "wgpolicyk8s.io")]
    WorkingGroup,
}

impl ReportGroup {
    fn api_version(self) -> &'static str {
        match self {
            Self::OpenReports => "openreports.io/v1alpha1",
            Self::WorkingGroup => "wgpolicyk8s.io/v1alpha2",
        }
    }

    // COMPAT: Kyverno 1.19: the report of a namespace is a `PolicyReport`, of `openreports.io` too; test: a_namespaced_policy_has_a_report_of_its_own
    fn kind(self, namespaced: bool) -> &'static str {
        match (self, namespaced) {
            (Self::OpenReports, false) => "ClusterReport",
            (Self::WorkingGroup, false) => "ClusterPolicyReport",
            (_, true) => "PolicyReport",
        }
    }
}

/// The results of all resources so far, by the namespace of their policies.
#[derive(Debug, Default)]
pub(super) struct Reports {
    by_namespace: BTreeMap<SmolStr, (Counts, Vec<Value>)>,
}

impl Reports {
    /// Takes the outcomes of some resources.
    pub(super) fn add(&mut self, outcomes: &[Outcome<'_>], policies: &[Loaded]) {
        for one in outcomes {
            let namespace = one.rule.policy.namespace.clone();
            let (counts, results) = self.by_namespace.entry(namespace).or_default();
            counts.add(one.status);
            results.push(result(one, policies));
        }
    }

    /// One report of all cluster policies, and one for each namespace that has policies.
    pub(super) fn render(mut self, group: ReportGroup, json: bool) -> String {
        self.by_namespace.entry(SmolStr::default()).or_default();
        let mut texts = Vec::new();
        for (namespace, (counts, results)) in self.by_namespace {
            let mut metadata = vec![("name".into(), Value::string("merged"))];
            if !namespace.is_empty() {
                metadata.push(("namespace".into(), Value::string(&namespace)));
            }
            let mut members: Vec<(SmolStr, Value)> = vec![
                ("apiVersion".into(), Value::string(group.api_version())),
                ("kind".into(), Value::string(group.kind(!namespace.is_empty()))),
                ("metadata".into(), Value::map(metadata)),
                ("results".into(), Value::list(results)),
                ("summary".into(), summary(&counts)),
            ];
            if group == ReportGroup::OpenReports {
                members.push(("source".into(), Value::string("")));
            }
            let report = Value::map(members);
            texts.push(if json {
                format!("{}\n", report.to_json())
            } else {
                format!("{}\n", to_yaml_with(&report, YamlStyle::Kubernetes))
            });
        }
        texts.join("---\n")
    }
}

fn summary(counts: &Counts) -> Value {
    let count = |n: usize| Value::int(i64::try_from(n).unwrap_or(i64::MAX));
    Value::map([
        ("pass".into(), count(counts.pass)),
        ("fail".into(), count(counts.fail)),
        ("warn".into(), count(counts.warn)),
        ("error".into(), count(counts.error)),
        ("skip".into(), count(counts.skip)),
    ])
}

fn result(one: &Outcome<'_>, policies: &[Loaded]) -> Value {
    let loaded = policies.get(one.policy);
    let annotation =
        |name: &str| loaded.map(|loaded| loaded.annotation(name)).filter(|text| !text.is_empty());
    let document = loaded.map(|loaded| &loaded.document.written.value);
    let is_off =
        |field: &str| document.and_then(|d| d.at_path(&["spec", field])?.as_bool()) == Some(false);
    // COMPAT: Kyverno 1.19: what the policy is for, not where the result came from; test: a_report_holds_what_upstream_s_holds
    let process = if !is_off("background") {
        "background scan"
    } else if !is_off("admission") {
        "admission review"
    } else {
        ""
    };
    let mut properties = vec![(SmolStr::new_static("process"), Value::string(process))];
    if !one.rule.exceptions.is_empty() {
        let names = one.rule.exceptions.iter().map(|name| name.rsplit('/').next().unwrap_or(name));
        let names: Vec<&str> = names.collect();
        properties.push(("exceptions".into(), Value::string(&names.join(","))));
    }
    properties.extend(one.rule.properties.iter().map(|(k, v)| (k.clone(), Value::string(v))));
    let timestamp =
        Value::map([("nanos".into(), Value::int(0)), ("seconds".into(), Value::int(now().0))]);
    let mut members: Vec<(SmolStr, Value)> = vec![
        ("message".into(), Value::string(&one.rule.message)),
        ("policy".into(), Value::string(&one.rule.policy.to_string())),
        ("properties".into(), Value::map(properties)),
        ("resources".into(), Value::list([reference(&one.judged.subject.resource)])),
        ("result".into(), Value::string(one.status.as_str())),
        ("rule".into(), Value::string(&one.rule.rule)),
        ("source".into(), Value::string("kyverno")),
        ("timestamp".into(), timestamp),
    ];
    // COMPAT: Kyverno 1.19: what is not scored has no such member; test: what_is_not_scored_does_not_say_so
    if annotation("policies.kyverno.io/scored") != Some("false") {
        members.push(("scored".into(), Value::bool(true)));
    }
    for (name, key) in
        [("policies.kyverno.io/category", "category"), ("policies.kyverno.io/severity", "severity")]
    {
        if let Some(text) = annotation(name) {
            members.push((key.into(), Value::string(text)));
        }
    }
    Value::map(members)
}

fn reference(resource: &Value) -> Value {
    let names: [(&str, &[&str]); 5] = [
        ("apiVersion", &["apiVersion"]),
        ("kind", &["kind"]),
        ("name", &["metadata", "name"]),
        ("namespace", &["metadata", "namespace"]),
        ("uid", &["metadata", "uid"]),
    ];
    let members = names.iter().filter_map(|(key, path)| {
        let text = resource.str_at(path).filter(|text| !text.is_empty())?;
        Some((SmolStr::new(key), Value::string(text)))
    });
    Value::map(members)
}
