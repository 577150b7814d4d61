//! PolicyReports: what policies said about a resource, in one report named by the resource's UID.
//!
//! COMPAT: Kyverno 1.19, `pkg/utils/report`: name, owner, scope, merge key, result fields; test: `an_admitted_pod_gets_a_report`
use crate::{
    about::Policies,
    decided::Decided,
    kinds,
    object::{Object, api, of_version},
};
use kube::{
    Client,
    api::{DeleteParams, ListParams, PostParams},
};
use prometheus_client::metrics::counter::Counter;
use serde_json::{Value as Json, json};
use sigward_api::{
    kubernetes::ObjectReference,
    reports::{PolicyReportResult, PolicyReportSummary, PolicyResult, PolicySeverity, Timestamp},
};
use sigward_document::Value;
use sigward_policy::{
    decision::{RuleOutcome, RuleType, Status},
    request::Operation,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

/// The label of reports that are ours; others are not touched.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "kyverno");
/// Who evaluated.
const SOURCE: &str = "kyverno";

/// Which results are reported.
#[derive(Clone, Debug)]
pub struct Selection {
    /// `--enableReporting`: types of rules.
    pub rule_types: BTreeSet<RuleType>,
    /// `--allowedResults`.
    pub statuses: BTreeSet<Status>,
    /// `--maxAdmissionReports`: resources waiting at one time.
    pub max_waiting: usize,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            rule_types: [
                RuleType::Validation,
                RuleType::Mutation,
                RuleType::Generation,
                RuleType::ImageVerify,
            ]
            .into(),
            statuses: [Status::Pass, Status::Fail, Status::Warn, Status::Error, Status::Skip]
                .into(),
            max_waiting: 10_000,
        }
    }
}

/// Results of one resource that are not written yet.
#[derive(Clone, Debug)]
pub struct Waiting {
    scope: ObjectReference,
    /// By policy and rule: the newest wins.
    results: BTreeMap<(String, String), PolicyReportResult>,
}

/// Results that are not written yet, by UID of the resource.
#[derive(Debug)]
pub struct Batch {
    selection: Selection,
    waiting: BTreeMap<String, Waiting>,
    dropped: Counter,
}

impl Batch {
    /// `dropped` counts resources for which there was no room.
    pub fn new(selection: Selection, dropped: Counter) -> Self {
        Self { selection, waiting: BTreeMap::new(), dropped }
    }

    /// Takes what is to be reported of a decision.
    pub fn take(&mut self, decided: &Decided, policies: &Policies, now: SystemTime) {
        let request = &decided.request;
        let resource = decided.resource();
        let reported = !request.dry_run
            && request.operation != Operation::Delete
            && request.sub_resource.is_empty()
            && decided.decision.allowed
            && !resource.uid.is_empty()
            && !resource.name.is_empty()
            && !is_own_kind(&resource.kind);
        if !reported {
            return;
        }
        let results: Vec<PolicyReportResult> = decided
            .decision
            .rules
            .iter()
            .filter(|rule| self.selection.rule_types.contains(&rule.rule_type))
            .filter(|rule| self.selection.statuses.contains(&rule.status))
            .filter_map(|rule| result_of(rule, policies, now))
            .collect();
        if results.is_empty() {
            return;
        }
        if self.waiting.len() >= self.selection.max_waiting
            && !self.waiting.contains_key(&resource.uid)
        {
            self.dropped.inc();
            return;
        }
        let scope = ObjectReference {
            api_version: resource.api_version,
            kind: resource.kind,
            namespace: resource.namespace,
            name: resource.name,
            uid: resource.uid.clone(),
            ..ObjectReference::default()
        };
        let waiting = self
            .waiting
            .entry(resource.uid)
            .or_insert_with(|| Waiting { scope: scope.clone(), results: BTreeMap::new() });
        // The name may have come with the second of two calls.
        waiting.scope = scope;
        waiting.results.extend(results.into_iter().map(|result| (key_of(&result), result)));
    }

    /// Everything that waits, to be written now.
    pub fn drain(&mut self) -> Vec<Waiting> {
        std::mem::take(&mut self.waiting).into_values().collect()
    }
}

/// COMPAT: Kyverno 1.19: kinds that would report about reports.
fn is_own_kind(kind: &str) -> bool {
    matches!(
        kind,
        "Event"
            | "Lease"
            | "PolicyReport"
            | "ClusterPolicyReport"
            | "EphemeralReport"
            | "ClusterEphemeralReport"
            | "UpdateRequest"
    )
}

fn key_of(result: &PolicyReportResult) -> (String, String) {
    (result.policy.clone(), result.rule.clone())
}

/// `None` for policies that are not to be reported on, or are gone.
fn result_of(
    rule: &RuleOutcome,
    policies: &Policies,
    now: SystemTime,
) -> Option<PolicyReportResult> {
    let about = policies.get(&rule.policy).filter(|about| !about.reports_disabled)?;
    let mut properties: BTreeMap<String, String> =
        rule.properties.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    let process = match (about.background, about.admission) {
        (true, _) => "background scan",
        (false, true) => "admission review",
        (false, false) => "",
    };
    properties.insert("process".to_owned(), process.to_owned());
    if !rule.exceptions.is_empty() {
        let names = rule.exceptions.iter().map(|name| name.rsplit('/').next().unwrap_or(name));
        properties.insert("exceptions".to_owned(), names.collect::<Vec<_>>().join(","));
    }
    // COMPAT: Kyverno 1.19: these properties are the message; test: report_properties_rewrite_the_message
    let own = properties.remove(&format!("{}Message", rule.status.as_str()));
    let always = properties.remove("message");
    for other in ["passMessage", "failMessage", "warnMessage", "errorMessage", "skipMessage"] {
        properties.remove(other);
    }
    let result = match rule.status {
        Status::Pass => PolicyResult::Pass,
        // COMPAT: Kyverno 1.19: what is not scored does not fail; test: failures_that_are_not_scored_are_warnings
        Status::Fail if !about.scored => PolicyResult::Warn,
        Status::Fail => PolicyResult::Fail,
        Status::Warn => PolicyResult::Warn,
        Status::Error => PolicyResult::Error,
        Status::Skip => PolicyResult::Skip,
    };
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Some(PolicyReportResult {
        source: SOURCE.to_owned(),
        policy: rule.policy.to_string(),
        rule: rule.rule.to_string(),
        category: about.category.clone(),
        severity: about.severity.as_deref().and_then(severity),
        timestamp: Some(Timestamp {
            seconds: i64::try_from(since.as_secs()).unwrap_or_default(),
            nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
        }),
        result: Some(result),
        scored: about.scored,
        message: always.or(own).unwrap_or_else(|| rule.message.clone()),
        properties,
        ..PolicyReportResult::default()
    })
}

fn severity(word: &str) -> Option<PolicySeverity> {
    serde_json::from_value(word.into()).ok()
}

/// The report as it is to be: stored results, and over them the new ones. Results of policies and rules that are gone go too.
fn merge(
    stored: Option<&Value>,
    waiting: &Waiting,
    policies: &Policies,
) -> Vec<PolicyReportResult> {
    let stored: Vec<PolicyReportResult> = stored
        .and_then(|stored| sigward_document::from_value(stored.at_path(&["results"])?).ok())
        .unwrap_or_default();
    let mut results: BTreeMap<(String, String), PolicyReportResult> =
        stored.into_iter().map(|result| (key_of(&result), result)).collect();
    for (key, result) in &waiting.results {
        let newer = results.get(key).is_none_or(|stored| stored.timestamp <= result.timestamp);
        if newer {
            results.insert(key.clone(), result.clone());
        }
    }
    results.retain(|(policy, rule), _| is_current(policies, policy, rule));
    results.into_values().collect()
}

/// Whether a policy still has such a rule. Of a policy that never compiled nothing is known: its results stay.
fn is_current(policies: &Policies, policy: &str, rule: &str) -> bool {
    policies.named(policy).is_some_and(|about| about.rules.is_empty() || about.rules.contains(rule))
}

/// Takes results of policies and rules that are gone out of all reports of ours; says how many reports changed.
///
/// # Errors
/// The API server refuses or cannot be reached. Reports that were written meanwhile are left for the next time.
pub async fn prune(client: &Client, policies: &Policies) -> Result<usize, kube::Error> {
    let ours = format!("{}={}", MANAGED_BY.0, MANAGED_BY.1);
    let mut changed = 0;
    for namespaced in [true, false] {
        let everywhere = api(client, &kinds::reports(namespaced), "");
        let mut page = ListParams::default().labels(&ours).limit(PAGE);
        loop {
            let list = everywhere.list(&page).await?;
            for report in &list.items {
                changed += usize::from(prune_one(client, report, namespaced, policies).await?);
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => break,
            }
        }
    }
    Ok(changed)
}

/// How many reports are held in memory at one time.
const PAGE: u32 = 250;

async fn prune_one(
    client: &Client,
    report: &Object,
    namespaced: bool,
    policies: &Policies,
) -> Result<bool, kube::Error> {
    let results: Vec<PolicyReportResult> = report
        .tree()
        .at_path(&["results"])
        .and_then(|results| sigward_document::from_value(results).ok())
        .unwrap_or_default();
    let mut kept = results.clone();
    kept.retain(|result| is_current(policies, &result.policy, &result.rule));
    if kept.len() == results.len() {
        return Ok(false);
    }
    let key = report.key();
    let api = api(client, &kinds::reports(namespaced), &key.namespace);
    let written = if kept.is_empty() {
        api.delete(&key.name, &DeleteParams::default()).await.map(|_| ())
    } else {
        let mut json = serde_json::to_value(report).map_err(kube::Error::SerdeError)?;
        if let Some(members) = json.as_object_mut() {
            members.insert("results".to_owned(), json!(kept));
            members.insert("summary".to_owned(), json!(PolicyReportSummary::of(&kept)));
        }
        let report = of_version(json, report.version())?;
        api.replace(&key.name, &PostParams::default(), &report).await.map(|_| ())
    };
    match written {
        Ok(()) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes one report: creates, replaces or, when nothing is left in it, removes it.
///
/// # Errors
/// The API server refuses, cannot be reached, or somebody else wrote in between.
pub async fn write(
    client: &Client,
    waiting: &Waiting,
    policies: &Policies,
) -> Result<(), kube::Error> {
    let scope = &waiting.scope;
    let namespaced = !scope.namespace.is_empty();
    let api = api(client, &kinds::reports(namespaced), &scope.namespace);
    let stored = api.get_opt(&scope.uid).await?;
    let tree = stored.as_ref().map(Object::tree);
    if let Some(tree) = tree
        && tree.str_at(&["metadata", "labels", MANAGED_BY.0]) != Some(MANAGED_BY.1)
    {
        tracing::debug!(report = %scope.uid, "a report of that name belongs to somebody else");
        return Ok(());
    }
    let results = merge(tree, waiting, policies);
    if results.is_empty() {
        if stored.is_some() {
            api.delete(&scope.uid, &DeleteParams::default()).await?;
        }
        return Ok(());
    }
    let report = of_version(object(scope, &results), stored.as_ref().and_then(Object::version))?;
    match &stored {
        Some(_) => api.replace(&scope.uid, &PostParams::default(), &report).await?,
        None => api.create(&PostParams::default(), &report).await?,
    };
    Ok(())
}

fn object(scope: &ObjectReference, results: &[PolicyReportResult]) -> Json {
    let mut metadata = json!({
        "name": scope.uid,
        "labels": { (MANAGED_BY.0): MANAGED_BY.1 },
        "ownerReferences": [{
            "apiVersion": scope.api_version, "kind": scope.kind, "name": scope.name, "uid": scope.uid,
        }],
    });
    if !scope.namespace.is_empty()
        && let Some(members) = metadata.as_object_mut()
    {
        members.insert("namespace".to_owned(), scope.namespace.clone().into());
    }
    json!({
        "apiVersion": sigward_api::reports::API_VERSION,
        "kind": if scope.namespace.is_empty() { "ClusterPolicyReport" } else { "PolicyReport" },
        "metadata": metadata,
        "scope": scope,
        "summary": PolicyReportSummary::of(results),
        "results": results,
    })
}

#[cfg(test)]
mod tests;
