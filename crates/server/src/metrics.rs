//! Counters and histograms of the webhook, with Kyverno's names and bounded labels.
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use sigward_policy::{
    decision::{Decision, ImageStatus},
    fact::CauseKind,
    request::{Operation, Request},
    snapshot::FailureAction,
};
use std::time::Duration;

/// Bucket boundaries of Kyverno's `kyverno-metrics` ConfigMap, in seconds, with two below for what is fast here.
pub const BUCKETS: [f64; 17] = [
    0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 25.0,
    30.0,
];

/// Labels of `kyverno_admission_requests_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AdmissionLabels {
    /// `Pod`, …
    pub resource_kind: String,
    /// Empty for cluster-scoped objects.
    pub resource_namespace: String,
    /// Lower case.
    pub resource_request_operation: &'static str,
    /// `true` or `false`.
    pub request_allowed: &'static str,
}

/// Labels of `kyverno_policy_results_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ResultLabels {
    /// `enforce` or `audit`.
    pub policy_validation_mode: &'static str,
    /// `cluster` or `namespaced`.
    pub policy_type: &'static str,
    /// `-` for cluster policies.
    pub policy_namespace: String,
    /// The policy.
    pub policy_name: String,
    /// The object's kind.
    pub resource_kind: String,
    /// The object's namespace.
    pub resource_namespace: String,
    /// Lower case.
    pub resource_request_operation: &'static str,
    /// The rule.
    pub rule_name: String,
    /// `pass`, `fail`, ….
    pub rule_result: &'static str,
    /// `validate`, `mutate`, `generate`, `imageVerify`.
    pub rule_type: &'static str,
    /// `admission_request` or `background_scan`.
    pub rule_execution_cause: &'static str,
    /// `true` or `false`.
    pub dry_run: &'static str,
}

/// Labels of `kyverno_http_requests_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HttpLabels {
    /// `POST`, `GET`.
    pub http_method: &'static str,
    /// The route, never the raw path: labels stay bounded.
    pub http_url: &'static str,
}

/// Labels of `sigward_image_outcomes_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabels {
    /// `verified`, `refuted`, `undetermined`, `not_verified`.
    pub outcome: &'static str,
    /// The cause of an undetermined one, else empty.
    pub cause: &'static str,
}

/// Everything this crate counts. Cloning shares the counters.
#[derive(Clone, Debug)]
pub struct Metrics {
    admission_requests: Family<AdmissionLabels, Counter>,
    admission_seconds: Family<AdmissionLabels, Histogram, fn() -> Histogram>,
    policy_results: Family<ResultLabels, Counter>,
    http_requests: Family<HttpLabels, Counter>,
    http_seconds: Family<HttpLabels, Histogram, fn() -> Histogram>,
    image_outcomes: Family<OutcomeLabels, Counter>,
    /// Requests that were answered without all facts.
    pub deadline_passed: Counter,
    /// Requests turned away because too many were in progress.
    pub overloaded: Counter,
    /// Open connections.
    pub connections: Gauge,
    /// Decisions being made.
    pub decisions: Gauge,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Metrics {
    /// Registers every family; `_total` is appended to counters by the encoder.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            admission_requests: Family::default(),
            admission_seconds: Family::new_with_constructor(histogram as fn() -> Histogram),
            policy_results: Family::default(),
            http_requests: Family::default(),
            http_seconds: Family::new_with_constructor(histogram as fn() -> Histogram),
            image_outcomes: Family::default(),
            deadline_passed: Counter::default(),
            overloaded: Counter::default(),
            connections: Gauge::default(),
            decisions: Gauge::default(),
        };
        let m = metrics.clone();
        registry.register("kyverno_admission_requests", "Admission requests", m.admission_requests);
        registry.register(
            "kyverno_admission_review_duration_seconds",
            "Time from the first byte of a request to its answer",
            m.admission_seconds,
        );
        registry.register("kyverno_policy_results", "Results of rules", m.policy_results);
        registry.register("kyverno_http_requests", "HTTP requests by route", m.http_requests);
        registry.register(
            "kyverno_http_requests_duration_seconds",
            "Time to answer HTTP requests by route",
            m.http_seconds,
        );
        registry.register(
            "sigward_image_outcomes",
            "Outcomes of image verification by cause",
            m.image_outcomes,
        );
        registry.register(
            "sigward_deadline_passed",
            "Requests answered with facts missing because their time was over",
            m.deadline_passed,
        );
        registry.register("sigward_overloaded", "Requests answered 503", m.overloaded);
        registry.register("sigward_connections", "Open connections", m.connections);
        registry.register("sigward_decisions", "Decisions being made", m.decisions);
        metrics
    }

    /// Counts one answered HTTP request.
    pub(crate) fn http(&self, method: &'static str, route: &'static str, took: Duration) {
        let labels = HttpLabels { http_method: method, http_url: route };
        self.http_requests.get_or_create(&labels).inc();
        self.http_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts one decided admission request and its rules.
    pub(crate) fn decided(&self, request: &Request, decision: &Decision, took: Duration) {
        let operation = lower(request.operation);
        let labels = AdmissionLabels {
            resource_kind: request.kind.kind.to_string(),
            resource_namespace: request.namespace.to_string(),
            resource_request_operation: operation,
            request_allowed: text_of(decision.allowed),
        };
        self.admission_requests.get_or_create(&labels).inc();
        self.admission_seconds.get_or_create(&labels).observe(took.as_secs_f64());
        for rule in &decision.rules {
            let cluster = rule.policy.namespace.is_empty();
            let labels = ResultLabels {
                policy_validation_mode: match rule.action {
                    FailureAction::Enforce => "enforce",
                    FailureAction::Audit => "audit",
                },
                policy_type: if cluster { "cluster" } else { "namespaced" },
                policy_namespace: if cluster {
                    "-".into()
                } else {
                    rule.policy.namespace.to_string()
                },
                policy_name: rule.policy.name.to_string(),
                resource_kind: request.kind.kind.to_string(),
                resource_namespace: request.namespace.to_string(),
                resource_request_operation: operation,
                rule_name: rule.rule.to_string(),
                rule_result: rule.status.as_str(),
                rule_type: rule.rule_type.as_str(),
                rule_execution_cause: "admission_request",
                dry_run: text_of(request.dry_run),
            };
            self.policy_results.get_or_create(&labels).inc();
            for image in &rule.images {
                self.image_outcomes.get_or_create(&outcome_labels(&image.status)).inc();
            }
        }
    }
}

fn outcome_labels(status: &ImageStatus) -> OutcomeLabels {
    let (outcome, cause) = match status {
        ImageStatus::Verified => ("verified", ""),
        ImageStatus::Refuted => ("refuted", ""),
        ImageStatus::NotVerified => ("not_verified", ""),
        ImageStatus::Undetermined(cause) => ("undetermined", cause_label(cause.kind)),
    };
    OutcomeLabels { outcome, cause }
}

fn cause_label(kind: CauseKind) -> &'static str {
    match kind {
        CauseKind::Denied => "denied",
        CauseKind::Throttled { .. } => "throttled",
        CauseKind::Unavailable => "unavailable",
        CauseKind::Unreachable => "unreachable",
        CauseKind::TimedOut => "timed_out",
        CauseKind::Malformed => "malformed",
        CauseKind::TooLarge => "too_large",
        CauseKind::Deadline => "deadline",
        CauseKind::Budget => "budget",
        CauseKind::Forbidden => "forbidden",
        CauseKind::TrustUnavailable => "trust_unavailable",
    }
}

fn lower(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "create",
        Operation::Update => "update",
        Operation::Delete => "delete",
        Operation::Connect => "connect",
    }
}

fn text_of(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
