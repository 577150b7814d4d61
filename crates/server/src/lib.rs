//! HTTPS in, AdmissionReview out.
//!
//! A connection is accepted in [`listen`], guarded by permits and size limits in `guard`, read by [`review`]
//! into a [`sigward_policy::request::Request`], decided in [`admit`] before the API server stops waiting, and
//! answered. There is no rule of what is allowed here: the engine decides, this crate carries.

pub mod admit;
mod guard;
pub mod listen;
mod log;
pub mod metrics;
mod metrics_page;
mod policy_review;
mod respond;
pub mod review;
mod route;
pub mod tls;

use arc_swap::ArcSwapOption;
use sigward_policy::{
    decision::Decision,
    evaluate::Probe,
    fact::Memory,
    request::{GroupVersionKind, GroupVersionResource, Request},
    resolve::FactSource,
    snapshot::{Settings, Snapshot},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};

pub use listen::{Running, ServeError, serve};
pub use metrics_page::serve_metrics;

/// What the webhook answers with, handed in by the binary: this crate knows no cluster and no registry.
pub struct Parts {
    /// The policies in force; `None` until the first full sync.
    pub snapshots: Arc<ArcSwapOption<Snapshot>>,
    /// Settings for judging policies at their admission before there is a snapshot.
    pub settings: Arc<Settings>,
    /// Answers at once: informers, proof cache.
    pub memory: Arc<dyn Memory>,
    /// Answers in time: registries, the API server.
    pub source: Arc<dyn FactSource>,
    /// Told of every decision after its answer was made.
    pub audience: Arc<dyn Audience>,
    /// Makes the stopwatch of one request.
    pub probe: Box<dyn Fn() -> Box<dyn Probe> + Send + Sync>,
    /// Whether this process should get traffic, and why not.
    pub readiness: Box<dyn Fn() -> Readiness + Send + Sync>,
    /// The kind that a resource is served as, for requests about a part of it (`deployments` for `deployments/scale`).
    pub kinds: Kinds,
    /// Unix seconds and a seed for `random()`: the engine reads neither clock nor randomness.
    pub moment: Box<dyn Fn() -> Moment + Send + Sync>,
    /// Counters and histograms of this crate.
    pub metrics: metrics::Metrics,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// The target of spans that are for a collector of traces and for nobody's log.
pub const TRACE: &str = "sigward::trace";

/// Answers which kind a resource is served as; `None` when that is not known.
pub type Kinds = Box<dyn Fn(&GroupVersionResource) -> Option<GroupVersionKind> + Send + Sync>;

/// Clock and chance at the time of a request.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Seconds since 1970, UTC.
    pub unix_seconds: i64,
    /// Unpredictable to clients.
    pub seed: u64,
}

/// Hears what was decided: reports, events and records are made from it, off the request path.
pub trait Audience: Send + Sync {
    /// Must not block: queue it or drop it (and count).
    fn decided(&self, request: &Arc<Request>, decision: &Arc<Decision>);
}

/// Whether to send traffic here.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// True once policies are known.
    pub ready: bool,
    /// For a person: what is missing, or what is stale.
    pub detail: String,
}

/// Bounds of the server. Everything has one.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Open connections.
    pub max_connections: usize,
    /// Decisions being made at one time; more are answered 503, so that the API server's own failure policy decides.
    pub max_decisions: usize,
    /// Requests that go on after their deadline.
    pub max_detached: usize,
    /// How long such work may go on.
    pub detached_for: Duration,
    /// Used where the API server names no timeout.
    pub default_timeout: Duration,
    /// A connection is retired after this, so that new replicas get traffic.
    pub connection_age: Duration,
    /// Time for a TLS handshake and for reading a request.
    pub read_timeout: Duration,
    /// Time for requests in flight at shutdown.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 9443)),
            // An update carries both objects of at most 3 MiB, inside an envelope.
            max_body: 2 * 3 * 1024 * 1024 + 256 * 1024,
            max_connections: 4096,
            max_decisions: 1024,
            max_detached: 256,
            detached_for: Duration::from_mins(1),
            default_timeout: Duration::from_secs(10),
            connection_age: Duration::from_mins(10),
            read_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(25),
        }
    }
}
