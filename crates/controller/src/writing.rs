//! What the leader writes: certificates, webhook configurations, statuses. Each pass looks, compares, and writes what differs.
use crate::{
    about::Policies,
    certificates::{
        Demand,
        secrets::{self, pair_of},
    },
    clock,
    discovery::Discovery,
    index::StoredPolicy,
    kinds,
    metrics::Metrics,
    object::api,
    options::Options,
    readiness::Health,
    reports,
    settings::Configuration,
    status::{self, Served},
    webhooks::{Subscription, Wanted, reconcile, refusal},
};
use arc_swap::ArcSwap;
use kube::Client;
use sigward_policy::snapshot::PolicyName;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::{mpsc, watch};

/// What is to be written about: the newest state of the index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    /// Everything was listed once.
    pub(crate) complete: bool,
    pub(crate) policies: Arc<BTreeMap<PolicyName, StoredPolicy>>,
    pub(crate) configuration: Arc<Configuration>,
    /// PEM of the CAs, from the Secret.
    pub(crate) ca_bundle: Option<Arc<Vec<u8>>>,
}

/// The one who writes.
pub(crate) struct Writer {
    pub(crate) client: Client,
    pub(crate) options: Arc<Options>,
    pub(crate) discovery: Arc<ArcSwap<Discovery>>,
    pub(crate) picture: watch::Receiver<Picture>,
    pub(crate) leading: watch::Receiver<bool>,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    /// The policies whose reports were looked through last.
    pub(crate) pruned: Option<Policies>,
    /// Webhooks that were refused in the last pass.
    pub(crate) refused: BTreeMap<String, String>,
    /// Statuses that were written and may not have come back yet, with the policy's UID.
    pub(crate) statuses: BTreeMap<PolicyName, (String, serde_json::Value)>,
}

/// Everything is looked at again after this time, whatever happened: what is served may have changed.
const RESYNC: Duration = Duration::from_secs(30);
/// After a pass that failed.
const RETRY: Duration = Duration::from_secs(1);
/// How long a pass may take before it begins anew: a connection that hangs does not hold up everything for ever.
const PATIENCE: Duration = Duration::from_mins(1);
/// Events come in bursts: one pass for all of them.
const SETTLE: Duration = Duration::from_millis(50);

impl Writer {
    /// Writes whenever something changed, until it is told to stop.
    pub(crate) async fn run(
        mut self,
        mut wake: mpsc::Receiver<()>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => self.statuses.clear(),
                Some(()) = wake.recv() => tokio::time::sleep(SETTLE).await,
                Ok(()) = self.picture.changed() => tokio::time::sleep(SETTLE).await,
                Ok(()) = self.leading.changed() => {}
                () = told_to_stop(&mut stop) => return,
            }
            while wake.try_recv().is_ok() {}
            let picture = self.picture.borrow_and_update().clone();
            let leads = *self.leading.borrow_and_update();
            let work = tokio::time::timeout(PATIENCE, self.pass(&picture, leads));
            let result = tokio::select! {
                result = work => result.unwrap_or(Err(())),
                () = told_to_stop(&mut stop) => return,
            };
            self.metrics.reconciled("webhook-controller");
            pause = if result.is_ok() { RESYNC } else { RETRY };
        }
    }

    /// The first failure ends the pass; the next one begins anew.
    async fn pass(&mut self, picture: &Picture, leads: bool) -> Result<(), ()> {
        // Whoever serves needs to know what is served, whether it leads or not.
        match Discovery::ask(&self.client).await {
            Ok(discovery) => {
                self.health.tried("discovery", None);
                self.discovery.store(Arc::new(discovery));
            }
            Err(error) => {
                self.health.tried("discovery", Some(error.to_string()));
                return Err(());
            }
        }
        if !leads {
            return Ok(());
        }
        let mut refused = (!self.options.register_webhooks).then(BTreeMap::new);
        if self.options.manage_certificates {
            self.told("certificates", self.certificates().await)?;
        }
        if self.options.register_webhooks && picture.complete {
            let Some(ca_bundle) = &picture.ca_bundle else {
                // The Secret was written just now: its event comes, and wakes us.
                return Ok(());
            };
            let applied = self.webhooks(picture, ca_bundle).await;
            refused = applied.as_ref().ok().map(|applied| applied.refused.clone());
            self.told("webhook configurations", applied.map(|_| ()))?;
        }
        if picture.complete {
            let written = self.write_statuses(picture, refused.as_ref()).await;
            self.told("policy statuses", written)?;
            if self.options.admission_reports {
                let pruned = self.prune_reports(picture).await;
                // Reports may be left out of an installation: nothing waits for them.
                let _tried_again_later = self.told("policy reports", pruned);
            }
        }
        Ok(())
    }

    fn told<E: std::error::Error>(
        &self,
        what: &'static str,
        result: Result<(), E>,
    ) -> Result<(), ()> {
        let said = result.as_ref().err().map(|error| {
            let mut said = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                said = format!("{said}: {error}");
                cause = error.source();
            }
            said
        });
        self.health.tried(what, said);
        result.map_err(|_| ())
    }

    async fn certificates(&self) -> Result<(), secrets::StoreError> {
        let options = &self.options;
        let names = options.endpoint().names(&options.namespace, &options.service);
        let demand = Demand {
            now: clock::unix_seconds(SystemTime::now()),
            renew_before: options.renew_before,
            names: &names,
            ca_name: &format!("*.{}.svc", options.namespace),
            algorithm: options.key_algorithm,
        };
        secrets::reconcile(&self.client, &options.secret_names(), &demand).await.map(|_| ())
    }

    async fn webhooks(
        &mut self,
        picture: &Picture,
        ca_bundle: &[u8],
    ) -> Result<reconcile::Applied, kube::Error> {
        let options = &self.options;
        let role =
            api(&self.client, &kinds::cluster_roles(), "").get_opt(&options.cluster_role).await?;
        let uid = role.as_ref().and_then(|role| role.tree().str_at(&["metadata", "uid"]));
        let subscriptions: Vec<Subscription> = picture
            .policies
            .values()
            .filter_map(|stored| stored.in_force().map(AsRef::as_ref))
            .map(Subscription::from)
            .collect();
        let wanted = Wanted {
            subscriptions: &subscriptions,
            discovery: &self.discovery.load_full(),
            configuration: &picture.configuration,
            endpoint: &options.endpoint(),
            service_host: &options.service_host(),
            ca_bundle,
            default_timeout: options.webhook_timeout,
            force_ignore: options.settings.force_failure_policy_ignore,
            auto_update: options.auto_update_webhooks,
            owner: uid.map(|uid| (options.cluster_role.as_str(), uid)),
        };
        let applied = reconcile::apply(&self.client, &wanted.configurations()).await?;
        if applied.created + applied.replaced > 0 {
            tracing::info!(
                created = applied.created,
                replaced = applied.replaced,
                "webhook configurations written"
            );
        }
        for (webhook, reason) in &applied.refused {
            if self.refused.get(webhook) != Some(reason) {
                tracing::warn!(%webhook, %reason, "the API server refuses a webhook");
            }
        }
        self.refused.clone_from(&applied.refused);
        Ok(applied)
    }

    /// Results of policies and rules that are gone are taken out of reports, once after each such change.
    async fn prune_reports(&mut self, picture: &Picture) -> Result<(), kube::Error> {
        let policies = Policies::of(&picture.policies);
        if self.pruned.as_ref().is_some_and(|before| before.rules() == policies.rules()) {
            return Ok(());
        }
        let changed = reports::prune(&self.client, &policies).await?;
        if changed > 0 {
            tracing::info!(
                reports = changed,
                "results of policies that are gone were taken out of reports"
            );
        }
        self.pruned = Some(policies);
        Ok(())
    }

    /// `refused`: what the API server said against webhooks; `None` before it was told of any.
    async fn write_statuses(
        &mut self,
        picture: &Picture,
        refused: Option<&BTreeMap<String, String>>,
    ) -> Result<(), kube::Error> {
        let now = clock::rfc3339(SystemTime::now());
        self.statuses.retain(|name, _| picture.policies.contains_key(name));
        for (name, stored) in picture.policies.iter() {
            let uid = stored.document.str_at(&["metadata", "uid"]).unwrap_or_default();
            let written =
                self.statuses.get(name).filter(|(of, _)| of == uid).map(|(_, status)| status);
            let served = match refused {
                None => Served::NotYet,
                Some(refused) => refusal(refused, name).map_or(Served::Yes, Served::Refused),
            };
            let written = status::write(&self.client, name, stored, written, served, &now).await?;
            self.statuses.insert(name.clone(), (uid.to_owned(), written));
        }
        Ok(())
    }
}

/// Ends when the process is told to stop, or nobody is left to tell.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    let _nobody_left = stop.wait_for(|stop| *stop).await.map(|_| ());
}

/// The CAs in a Secret, as webhook configurations carry them.
pub(crate) fn ca_bundle_of(secret: &sigward_document::Value) -> Option<Vec<u8>> {
    pair_of(secret).map(|pair| pair.certificates.into_bytes())
}
