//! What is counted here, under Kyverno's names.
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

mod policies;

pub(crate) use policies::PolicyMetrics;

/// Which circuit was open.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Circuit {
    pub(crate) circuit_name: &'static str,
}

/// Which controller worked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Worker {
    pub(crate) controller_name: &'static str,
}

/// All counters of this crate.
///
/// COMPAT: Kyverno 1.19, `pkg/metrics`: names and labels. The encoder appends `_total`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) events_dropped: Counter,
    pub(crate) breaker_drops: Family<Circuit, Counter>,
    pub(crate) reconciled: Family<Worker, Counter>,
    pub(crate) policies: PolicyMetrics,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self { policies: PolicyMetrics::register(registry), ..Self::default() };
        registry.register(
            "kyverno_events_dropped",
            "Events that were not written: the queue was full, or the API server refused",
            metrics.events_dropped.clone(),
        );
        registry.register(
            "kyverno_breaker_drops",
            "Reports that were not written because too many were waiting",
            metrics.breaker_drops.clone(),
        );
        registry.register(
            "kyverno_controller_reconcile",
            "Passes of each controller",
            metrics.reconciled.clone(),
        );
        metrics
    }

    pub(crate) fn breaker(&self, circuit_name: &'static str) -> Counter {
        self.breaker_drops.get_or_create(&Circuit { circuit_name }).clone()
    }

    pub(crate) fn reconciled(&self, controller_name: &'static str) {
        self.reconciled.get_or_create(&Worker { controller_name }).inc();
    }
}
