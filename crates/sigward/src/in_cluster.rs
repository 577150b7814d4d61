//! A webhook in front of a cluster: what the controller holds, as the server and the engine want it.
use crate::{cli::serve::Backing, sources::Objects};
use arc_swap::ArcSwapOption;
use prometheus_client::{metrics::counter::Counter, registry::Registry as Metrics};
use sigward_controller::{Controller, Decided, Handle, cluster::Cluster, options::Options};
use sigward_policy::{
    decision::Decision,
    fact::{Cause, CauseKind, Fact, Fetch, Memory},
    request::Request,
    resolve::Pending,
    snapshot::Snapshot,
};
use sigward_remote::{Credentials, PullSecret, PullSecretFuture, Secret};
use sigward_server::{Audience, Readiness, tls::Certificates};
use sigward_sigstore::keys::PublicKey;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The running controller, and what was made of it.
pub(crate) struct InCluster {
    handle: Handle,
    snapshots: Arc<ArcSwapOption<Snapshot>>,
    certificates: Certificates,
    dropped: Counter,
}

impl InCluster {
    /// Starts watching; must be called inside a runtime.
    pub(crate) fn start(client: kube::Client, options: Options, metrics: &mut Metrics) -> Self {
        let handle = Controller::start(client, options, Arc::new(read_key), metrics);
        let dropped = Counter::default();
        metrics.register(
            "sigward_decisions_dropped",
            "Decisions without report and event: the queue was full",
            dropped.clone(),
        );
        let this = Self {
            snapshots: Arc::default(),
            certificates: Certificates::default(),
            dropped,
            handle,
        };
        this.follow_snapshots();
        this.follow_certificates();
        this
    }

    fn follow_snapshots(&self) {
        let (mut changes, current) = (self.handle.snapshots.clone(), Arc::clone(&self.snapshots));
        tokio::spawn(async move {
            loop {
                let snapshot = changes.borrow_and_update().clone();
                if snapshot.is_some() {
                    current.store(snapshot);
                }
                if changes.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    fn follow_certificates(&self) {
        let (mut changes, certificates) =
            (self.handle.certificates.clone(), self.certificates.clone());
        tokio::spawn(async move {
            loop {
                let serving = changes.borrow_and_update().clone();
                if let Some(serving) = serving
                    && let Err(error) =
                        certificates.replace_der(serving.chain.clone(), serving.key.clone_key())
                {
                    tracing::error!(%error, "the serving certificate cannot be used; the last one stays in place");
                }
                if changes.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// What the server and the engine need.
    pub(crate) fn backing(&self) -> Backing {
        let probe = self.handle.readiness_probe();
        let certificates = self.certificates.clone();
        let view = Arc::new(View(Arc::clone(&self.handle.cluster)));
        let cluster = Arc::clone(&self.handle.cluster);
        Backing {
            snapshots: Arc::clone(&self.snapshots),
            objects: Arc::clone(&view) as _,
            credentials: view,
            audience: Arc::new(Reporters {
                decisions: self.handle.decisions.clone(),
                dropped: self.dropped.clone(),
            }),
            readiness: Box::new(move || {
                let said = probe();
                let ready = said.ready && certificates.present();
                let detail = if said.detail.is_empty() {
                    "ready".to_owned()
                } else {
                    said.detail.join("; ")
                };
                Readiness { ready, detail }
            }),
            kinds: Box::new(move |resource| cluster.kind_of(resource)),
            certificates: self.certificates.clone(),
        }
    }

    /// Stops writing and, when nobody comes after this process, takes the webhooks away.
    pub(crate) async fn shutdown(self) {
        self.handle.shutdown().await;
    }
}

/// A public key of a Secret, in PEM.
pub(crate) fn read_key(bytes: &[u8]) -> Fact {
    let malformed = |said: String| Cause {
        kind: CauseKind::Malformed,
        place: "cosign.pub".into(),
        said: Some(said.into()),
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Fact::Key(Err(malformed("is not text".to_owned())));
    };
    Fact::Key(PublicKey::parse_pem(text).map(Some).map_err(|error| malformed(error.to_string())))
}

/// The cluster, as the engine and the registries ask it.
#[derive(Debug)]
struct View(Arc<Cluster>);

impl Objects for View {
    fn peek(&self, fetch: &Fetch) -> Option<Fact> {
        self.0.peek(fetch)
    }
    fn answer(&self, fetch: Fetch) -> Pending {
        self.0.fetch(fetch)
    }
}

impl Credentials for View {
    fn pull_secret<'a>(&'a self, namespace: &'a str, name: &'a str) -> PullSecretFuture<'a> {
        Box::pin(async move {
            let members =
                self.0.secret(namespace, name).await.map_err(|cause| cause.to_string())?;
            let Some(members) = members else { return Ok(None) };
            let of = |key: &str| members.get(key).map(|bytes| Secret::new(bytes.to_vec()));
            Ok(of(".dockerconfigjson")
                .map(PullSecret::DockerConfigJson)
                .or_else(|| of(".dockercfg").map(PullSecret::Dockercfg)))
        })
    }
}

/// Reports and events: queued, or dropped and counted.
struct Reporters {
    decisions: mpsc::Sender<Decided>,
    dropped: Counter,
}

impl Audience for Reporters {
    fn decided(&self, request: &Arc<Request>, decision: &Arc<Decision>) {
        if decision.rules.is_empty() {
            return;
        }
        let decided = Decided { request: Arc::clone(request), decision: Arc::clone(decision) };
        if self.decisions.try_send(decided).is_err() {
            self.dropped.inc();
        }
    }
}
