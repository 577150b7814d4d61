//! Starts the tasks and ties them together.
use crate::{
    about::Policies,
    certificates::{ServingCertificate, secrets::pair_of},
    cluster::{Cluster, KeyReader},
    decided::Decided,
    discovery::Discovery,
    events,
    index::{Changed, Index, Reference},
    kinds::{self, Watched},
    lease::Election,
    metrics::{Metrics, PolicyMetrics},
    object::Key,
    options::Options,
    readiness::{Health, Readiness},
    reports,
    uninstall::{LEASE, is_last, uninstall},
    watching::{self, Heard},
    webhooks::MANAGED_BY,
    writing::{Picture, Writer, ca_bundle_of},
};
use arc_swap::ArcSwap;
use kube::Client;
use prometheus_client::registry::Registry;
use sigward_policy::snapshot::{PolicyName, Snapshot};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
};

/// How many watch events may wait for the index.
const HEARD: usize = 1024;
/// How often the API server is asked whether it is there.
const PULSE: Duration = Duration::from_secs(5);
/// How long the last words to the API server may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// Everything said to the Kubernetes API.
#[derive(Debug)]
pub struct Controller;

/// What the rest of the process holds of it. Dropping it stops everything; [`Handle::shutdown`] also says good-bye.
pub struct Handle {
    /// The snapshot to decide on; `None` until everything was listed once.
    pub snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    /// Answers what policies ask of the cluster.
    pub cluster: Arc<Cluster>,
    /// What the server presents; `None` until there is a certificate.
    pub certificates: watch::Receiver<Option<Arc<ServingCertificate>>>,
    /// For reports and events. Use `try_send`: when it is full, they may be dropped.
    pub decisions: mpsc::Sender<Decided>,
    /// Whether this process leads.
    pub leading: watch::Receiver<bool>,
    health: Health,
    client: Client,
    options: Arc<Options>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    election: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("readiness", &self.readiness()).finish_non_exhaustive()
    }
}

impl Handle {
    /// Whether requests can be decided, and what is missing or wrong.
    pub fn readiness(&self) -> Readiness {
        self.health.readiness()
    }

    /// The same for others to ask, after the handle went its way.
    pub fn readiness_probe(&self) -> impl Fn() -> Readiness + Clone + Send + Sync + 'static {
        let health = self.health.clone();
        move || health.readiness()
    }

    /// Stops writing, gives the lease back, and, when nobody comes after us, removes the webhook configurations.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        if let Some(election) = self.election.take() {
            let _late = tokio::time::timeout(FAREWELL, election).await;
        }
        if self.options.register_webhooks {
            let farewell = async {
                if is_last(&self.client, &self.options).await? {
                    let removed = uninstall(&self.client, &self.options).await?;
                    tracing::info!(
                        webhook_configurations = removed.webhook_configurations,
                        "nobody comes after this process: webhooks removed"
                    );
                }
                Ok::<_, kube::Error>(())
            };
            match tokio::time::timeout(FAREWELL, farewell).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "webhooks could not be removed"),
                Err(_) => tracing::warn!("webhooks could not be removed in time"),
            }
        }
        self.tasks.shutdown().await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(election) = &self.election {
            election.abort();
        }
    }
}

impl Controller {
    /// Starts watching and writing. Returns at once: [`Handle::readiness`] says when requests can be decided.
    /// Must be called inside a tokio runtime.
    pub fn start(
        client: Client,
        options: Options,
        read_key: KeyReader,
        registry: &mut Registry,
    ) -> Handle {
        let options = Arc::new(options);
        let metrics = Metrics::register(registry);
        let health = Health::new(options.manage_certificates || options.tls_secret.is_some());
        let (stop, stopped) = watch::channel(false);
        let (snapshot_sender, snapshots) = watch::channel(None);
        let (certificate_sender, certificates) = watch::channel(None);
        let (picture_sender, picture) = watch::channel(Picture::default());
        let (leading_sender, leading) = watch::channel(false);
        let (wake_sender, wake) = mpsc::channel(1);
        let (heard_sender, heard) = mpsc::channel(HEARD);
        let (decisions, decided) = mpsc::channel(options.max_queued_decisions.max(1));
        let discovery: Arc<ArcSwap<Discovery>> = Arc::default();
        let index = Index::new(options.settings.clone());
        let cluster = Arc::new(Cluster::new(
            client.clone(),
            index.known().clone(),
            Arc::clone(&discovery),
            read_key,
            options.calls.clone(),
        ));
        let about: Arc<ArcSwap<Policies>> = Arc::default();
        let mut tasks = JoinSet::new();

        for kind in Watched::ALL {
            tasks.spawn(watching::kind(
                client.clone(),
                kind,
                options.namespace.clone(),
                options.config_map.clone(),
                health.clone(),
                heard_sender.clone(),
            ));
        }
        let (events, event_receiver) = events::Queue::new(
            options.max_queued_events,
            options.omitted_events.clone(),
            metrics.events_dropped.clone(),
        );
        tasks.spawn(
            Listening {
                index,
                client: client.clone(),
                options: Arc::clone(&options),
                health: health.clone(),
                about: Arc::clone(&about),
                snapshots: snapshot_sender,
                certificates: certificate_sender,
                picture: picture_sender,
                followers: BTreeMap::new(),
                heard: heard_sender,
                metrics: metrics.policies.clone(),
                events: events.clone(),
                leading: leading.clone(),
                errors: BTreeMap::new(),
            }
            .run(heard),
        );
        tasks.spawn(events::write(
            client.clone(),
            options.identity.clone(),
            event_receiver,
            metrics.events_dropped.clone(),
        ));
        tasks.spawn(
            Telling {
                client: client.clone(),
                options: Arc::clone(&options),
                about,
                events,
                picture: picture.clone(),
                metrics: metrics.clone(),
            }
            .run(decided),
        );
        if options.register_webhooks {
            let label = format!("{}={}", MANAGED_BY.0, MANAGED_BY.1);
            for kind in [
                kinds::validating_webhook_configurations(),
                kinds::mutating_webhook_configurations(),
            ] {
                tasks.spawn(watching::touched(
                    client.clone(),
                    kind,
                    label.clone(),
                    wake_sender.clone(),
                ));
            }
        }
        tasks.spawn(
            Writer {
                client: client.clone(),
                options: Arc::clone(&options),
                discovery,
                picture,
                leading: leading.clone(),
                health: health.clone(),
                metrics,
                pruned: None,
                refused: BTreeMap::new(),
                statuses: BTreeMap::new(),
            }
            .run(wake, stopped.clone()),
        );
        tasks.spawn(pulse(client.clone(), health.clone()));
        let election = Election {
            namespace: options.namespace.clone(),
            lease: LEASE.to_owned(),
            identity: options.identity.clone(),
            timing: options.election.clone(),
        };
        let election = tokio::spawn(election.run(client.clone(), leading_sender, stopped));
        // The writer's channel lives as long as the handle, also when nothing is registered.
        tasks.spawn(async move {
            let _open = wake_sender;
            std::future::pending::<()>().await;
        });
        Handle {
            snapshots,
            cluster,
            certificates,
            decisions,
            leading,
            health,
            client,
            options,
            stop,
            tasks,
            election: Some(election),
        }
    }
}

/// The task that owns the index.
struct Listening {
    index: Index,
    client: Client,
    options: Arc<Options>,
    health: Health,
    about: Arc<ArcSwap<Policies>>,
    snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    certificates: watch::Sender<Option<Arc<ServingCertificate>>>,
    picture: watch::Sender<Picture>,
    followers: BTreeMap<Reference, tokio::task::AbortHandle>,
    heard: mpsc::Sender<Heard>,
    metrics: PolicyMetrics,
    events: events::Queue,
    leading: watch::Receiver<bool>,
    /// What was said of policies that cannot be used.
    errors: BTreeMap<PolicyName, String>,
}

impl Listening {
    async fn run(mut self, mut heard: mpsc::Receiver<Heard>) {
        let mut batch = Vec::new();
        loop {
            // Events come in bursts: one snapshot for all that have come.
            if heard.recv_many(&mut batch, HEARD).await == 0 {
                return;
            }
            let mut changed = Changed::default();
            for one in batch.drain(..) {
                match one {
                    Heard::Event(of, event) => changed |= self.index.take(of, *event),
                    Heard::Followed(reference, tree) => {
                        self.index.known().write().follow(reference, tree);
                    }
                    Heard::Unfollowed(reference) => self.index.known().write().unfollow(&reference),
                }
            }
            self.publish(changed);
        }
    }

    fn publish(&mut self, changed: Changed) {
        self.health.missing(self.index.missing().collect());
        if changed.snapshot {
            self.metrics.update(self.index.policies());
            let about = Policies::of(self.index.policies());
            self.tell_errors(&about);
            self.about.store(Arc::new(about));
            if let Some(snapshot) = self.index.snapshot() {
                self.snapshots.send_replace(Some(snapshot));
            }
        }
        if changed.references {
            self.follow();
        }
        if changed.secrets {
            self.present();
        }
        if changed.snapshot || changed.secrets || changed.documents {
            let picture = Picture {
                complete: self.index.missing().next().is_none(),
                policies: Arc::new(self.index.policies().clone()),
                configuration: Arc::clone(self.index.configuration()),
                ca_bundle: self.ca_bundle().map(Arc::new),
            };
            self.picture.send_if_modified(|before| {
                *before = picture;
                // Statuses come from the writer itself: it is not woken for them.
                changed.snapshot || changed.secrets
            });
        }
    }

    /// Tells once of each form of a policy that cannot be used. Every replica sees them; the leader tells.
    fn tell_errors(&mut self, about: &Policies) {
        let mut errors = BTreeMap::new();
        for (name, stored) in self.index.policies() {
            let Some(event) = events::of_policy(name, stored, about) else { continue };
            let new = self.errors.get(name) != Some(&event.note);
            errors.insert(name.clone(), event.note.clone());
            if new && *self.leading.borrow() {
                self.events.tell(event);
            }
        }
        self.errors = errors;
    }

    fn ca_bundle(&self) -> Option<Vec<u8>> {
        let names = self.options.secret_names();
        let known = self.index.known().read();
        ca_bundle_of(known.secret(&Key::new(&names.namespace, &names.ca))?)
    }

    /// Hands the server the newest certificate.
    fn present(&self) {
        let names = self.options.secret_names();
        let pair = {
            let known = self.index.known().read();
            known.secret(&Key::new(&names.namespace, &names.pair)).and_then(pair_of)
        };
        let Some(pair) = pair else { return };
        match ServingCertificate::read(&pair) {
            Ok(certificate) => {
                let same = self.certificates.borrow().as_ref().is_some_and(
                    |before: &Arc<ServingCertificate>| before.chain == certificate.chain,
                );
                if !same {
                    self.certificates.send_replace(Some(Arc::new(certificate)));
                }
                self.health.certificate(true);
                self.health.tried("serving certificate", None);
            }
            // The one before stays in use.
            Err(error) => self.health.tried("serving certificate", Some(error.to_string())),
        }
    }

    /// Watches what policies refer to, and no longer what they do not. Own Secrets are watched anyway.
    fn follow(&mut self) {
        let wanted = self.index.references();
        let own = |reference: &Reference| {
            reference.kind == crate::index::ObjectKind::Secret
                && reference.key.namespace == self.options.namespace.as_str()
        };
        self.followers.retain(|reference, follower| {
            let stays = wanted.contains(reference);
            if !stays {
                follower.abort();
                self.index.known().write().unfollow(reference);
            }
            stays
        });
        for reference in wanted.iter().filter(|reference| !own(reference)) {
            if !self.followers.contains_key(reference) {
                let task =
                    watching::one(self.client.clone(), reference.clone(), self.heard.clone());
                self.followers.insert(reference.clone(), tokio::spawn(task).abort_handle());
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        for follower in self.followers.values() {
            follower.abort();
        }
    }
}

/// The task that turns decisions into events and reports.
struct Telling {
    client: Client,
    options: Arc<Options>,
    about: Arc<ArcSwap<Policies>>,
    events: events::Queue,
    picture: watch::Receiver<Picture>,
    metrics: Metrics,
}

impl Telling {
    async fn run(self, mut decided: mpsc::Receiver<Decided>) {
        let mut batch = reports::Batch::new(
            self.options.reports.clone(),
            self.metrics.breaker("admission reports"),
        );
        let mut tick =
            tokio::time::interval(self.options.report_interval.max(Duration::from_millis(10)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (outbox, mut waiting) = mpsc::channel::<Vec<reports::Waiting>>(1);
        let writing = {
            let (client, about, metrics) =
                (self.client.clone(), Arc::clone(&self.about), self.metrics.clone());
            async move {
                while let Some(reports) = waiting.recv().await {
                    for report in reports {
                        write_report(&client, &report, &about).await;
                        metrics.reconciled("aggregate-report-controller");
                    }
                }
            }
        };
        let collecting = async move {
            loop {
                tokio::select! {
                    one = decided.recv() => {
                        let Some(one) = one else { return };
                        let policies = self.about.load();
                        let success = self.picture.borrow().configuration.success_events;
                        for event in events::of_decision(&one, &policies, success) {
                            self.events.tell(event);
                        }
                        if self.options.admission_reports {
                            batch.take(&one, &policies, SystemTime::now());
                        }
                    }
                    _ = tick.tick() => {
                        // While the last batch is being written, this one grows.
                        if let Ok(permit) = outbox.try_reserve() {
                            let reports = batch.drain();
                            if !reports.is_empty() {
                                permit.send(reports);
                            }
                        }
                    }
                }
            }
        };
        tokio::join!(writing, collecting);
    }
}

/// Somebody else may write the same report: then it is read again.
async fn write_report(client: &Client, report: &reports::Waiting, about: &ArcSwap<Policies>) {
    const ATTEMPTS: u32 = 4;
    for attempt in 1..=ATTEMPTS {
        let policies = about.load_full();
        let error =
            match tokio::time::timeout(FAREWELL, reports::write(client, report, &policies)).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(late) => late.to_string(),
            };
        if attempt == ATTEMPTS {
            tracing::warn!(%error, "a report could not be written");
        } else {
            tokio::time::sleep(Duration::from_millis(50) * attempt).await;
        }
    }
}

/// Watches are silent while nothing happens: whether the API server is there has to be asked.
async fn pulse(client: Client, health: Health) {
    loop {
        let answer = tokio::time::timeout(PULSE, client.apiserver_version()).await;
        // Any answer of its own is an answer.
        let answers = matches!(answer, Ok(Ok(_) | Err(kube::Error::Api(_))));
        health.pulse(answers);
        tokio::time::sleep(if answers { PULSE } else { Duration::from_millis(500) }).await;
    }
}

#[cfg(test)]
mod tests;
