//! What is counted beside the webhook's own metrics: registries, memories, rules.
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry as Metrics,
};
use sigward_policy::{evaluate::Probe, snapshot::PolicyName};
use sigward_remote::{Memory, Observer, Operation};
use sigward_server::{TRACE, metrics::BUCKETS};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Labels of `sigward_registry_requests_total`. No host: names of hosts come from users' manifests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MemoryLabels {
    memory: &'static str,
    result: &'static str,
}

/// Labels of `kyverno_policy_execution_duration_seconds`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabels {
    policy_namespace: String,
    policy_name: String,
    rule_name: String,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

/// Counts what the registry client does.
#[derive(Clone, Debug)]
pub(crate) struct RegistryMetrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<OperationLabel, Histogram, fn() -> Histogram>,
    memories: Family<MemoryLabels, Counter>,
    retries: Counter,
    breakers: Counter,
}

impl RegistryMetrics {
    pub(crate) fn register(metrics: &mut Metrics) -> Self {
        let this = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(histogram as fn() -> Histogram),
            memories: Family::default(),
            retries: Counter::default(),
            breakers: Counter::default(),
        };
        let Self { requests, seconds, memories, retries, breakers } = this.clone();
        metrics.register("sigward_registry_requests", "Requests to registries", requests);
        metrics.register(
            "sigward_registry_request_duration_seconds",
            "Time of requests to registries",
            seconds,
        );
        metrics.register("sigward_memory_lookups", "Lookups in memories of facts", memories);
        metrics.register(
            "sigward_registry_retries",
            "Requests to registries that were sent again",
            retries,
        );
        metrics.register(
            "sigward_registry_breaker_openings",
            "Hosts left alone because connections failed",
            breakers,
        );
        this
    }
}

impl Observer for RegistryMetrics {
    fn request(&self, _host: &str, operation: Operation, status: Option<u16>, took: Duration) {
        let operation = operation.as_str();
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        self.requests.get_or_create(&RequestLabels { operation, status }).inc();
        self.seconds.get_or_create(&OperationLabel { operation }).observe(took.as_secs_f64());
    }
    fn memory(&self, memory: Memory, hit: bool) {
        let labels =
            MemoryLabels { memory: memory.as_str(), result: if hit { "hit" } else { "miss" } };
        self.memories.get_or_create(&labels).inc();
    }
    fn breaker(&self, _host: &str, open: bool) {
        if open {
            self.breakers.inc();
        }
    }
    fn retry(&self, _host: &str, _operation: Operation) {
        self.retries.inc();
    }
}

/// One histogram a rule.
type RuleSeconds = Family<RuleLabels, Histogram, fn() -> Histogram>;

/// Times the evaluation of rules.
#[derive(Clone, Debug)]
pub(crate) struct RuleMetrics {
    seconds: Arc<RuleSeconds>,
}

impl RuleMetrics {
    pub(crate) fn register(metrics: &mut Metrics) -> Self {
        let seconds = Family::new_with_constructor(histogram as fn() -> Histogram);
        metrics.register(
            "kyverno_policy_execution_duration_seconds",
            "Time of one turn of evaluating a rule",
            seconds.clone(),
        );
        Self { seconds: Arc::new(seconds) }
    }

    /// The stopwatch of one request.
    pub(crate) fn stopwatch(&self) -> Box<dyn Probe> {
        Box::new(Stopwatch { metrics: self.clone(), since: None, span: None })
    }
}

#[derive(Debug)]
struct Stopwatch {
    metrics: RuleMetrics,
    since: Option<Instant>,
    /// Of the rule that runs; it lasts as long as this is held.
    span: Option<tracing::Span>,
}

impl Probe for Stopwatch {
    fn enter(&mut self, policy: &PolicyName, rule: &str) {
        self.since = Some(Instant::now());
        // COMPAT: Kyverno 1.19: spans of rules are called so; test: traces_reach_the_collector
        self.span = tracing::enabled!(target: TRACE, tracing::Level::DEBUG).then(|| {
            let name = format!("RULE {rule}");
            tracing::debug_span!(target: TRACE, "rule", otel.name = name, policy = %policy)
        });
    }
    fn leave(&mut self, policy: &PolicyName, rule: &str) {
        self.span = None;
        if let Some(since) = self.since.take() {
            let labels = RuleLabels {
                policy_namespace: if policy.namespace.is_empty() {
                    "-".to_owned()
                } else {
                    policy.namespace.to_string()
                },
                policy_name: policy.name.to_string(),
                rule_name: rule.to_owned(),
            };
            self.metrics.seconds.get_or_create(&labels).observe(since.elapsed().as_secs_f64());
        }
    }
}
