//! What the process says about itself: flags and environment, as values.
use crate::{
    certificates::{KeyAlgorithm, secrets::SecretNames},
    cluster::Limits,
    events::Reason,
    lease::Timing,
    reports::Selection,
    webhooks::Endpoint,
};
use sigward_policy::snapshot::Settings;
use std::{collections::BTreeSet, time::Duration};

/// Everything that the controller can be told. [`Options::default`] is Kyverno's, in a cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// Settings of policies, without the ConfigMap: that is laid over them.
    pub settings: Settings,
    /// `KYVERNO_NAMESPACE`: where we run.
    pub namespace: String,
    /// `KYVERNO_SVC`: the Service in front of the webhook server.
    pub service: String,
    /// `--servicePort`.
    pub service_port: u16,
    /// `--serverIP`: host and port, when the API server is to call a machine outside the cluster.
    pub server_ip: Option<String>,
    /// `INIT_CONFIG`: name of the ConfigMap with the settings.
    pub config_map: String,
    /// `KYVERNO_DEPLOYMENT`: when it is gone or scaled to zero, webhooks are removed at shutdown.
    pub deployment: String,
    /// `KYVERNO_ROLE_NAME`: the ClusterRole that owns the webhook configurations.
    pub cluster_role: String,
    /// Unique among replicas: `KYVERNO_POD_NAME`.
    pub identity: String,
    /// `--webhookTimeout`: seconds, 1 to 30.
    pub webhook_timeout: u8,
    /// `--autoUpdateWebhooks`.
    pub auto_update_webhooks: bool,
    /// False: nothing is registered with the API server (roles that serve no webhooks).
    pub register_webhooks: bool,
    /// `--disableCertManagerController` is false: certificates are made and renewed here.
    pub manage_certificates: bool,
    /// `--caSecretName`, if it is not Kyverno's.
    pub ca_secret: Option<String>,
    /// `--tlsSecretName`, if it is not Kyverno's.
    pub tls_secret: Option<String>,
    /// `--renewBefore`.
    pub renew_before: Duration,
    /// `--tlsKeyAlgorithm`.
    pub key_algorithm: KeyAlgorithm,
    /// `--leaderElectionRetryPeriod`.
    pub election: Timing,
    /// `--maxQueuedEvents`.
    pub max_queued_events: usize,
    /// `--omitEvents`.
    pub omitted_events: BTreeSet<Reason>,
    /// `--admissionReports`.
    pub admission_reports: bool,
    /// `--enableReporting`, `--allowedResults`, `--maxAdmissionReports`.
    pub reports: Selection,
    /// How often waiting reports are written.
    pub report_interval: Duration,
    /// How many decisions may wait to be reported; more are dropped and counted.
    pub max_queued_decisions: usize,
    /// Limits of calls to the API server made for policies.
    pub calls: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            namespace: "kyverno".to_owned(),
            service: "kyverno-svc".to_owned(),
            service_port: 443,
            server_ip: None,
            config_map: "kyverno".to_owned(),
            deployment: "kyverno-admission-controller".to_owned(),
            cluster_role: "kyverno:admission-controller".to_owned(),
            identity: "kyverno".to_owned(),
            webhook_timeout: 10,
            auto_update_webhooks: true,
            register_webhooks: true,
            manage_certificates: true,
            ca_secret: None,
            tls_secret: None,
            renew_before: Duration::from_hours(15 * 24),
            key_algorithm: KeyAlgorithm::default(),
            election: Timing::default(),
            max_queued_events: 1000,
            omitted_events: BTreeSet::from([Reason::PolicyApplied, Reason::PolicySkipped]),
            admission_reports: true,
            reports: Selection::default(),
            report_interval: Duration::from_secs(1),
            max_queued_decisions: 4096,
            calls: Limits::default(),
        }
    }
}

impl Options {
    /// Where the API server finds the webhook server.
    pub fn endpoint(&self) -> Endpoint {
        match &self.server_ip {
            Some(host) => Endpoint::Host(host.clone()),
            None => Endpoint::Service {
                namespace: self.namespace.clone(),
                name: self.service.clone(),
                port: self.service_port,
            },
        }
    }

    /// Where the certificates are.
    pub fn secret_names(&self) -> SecretNames {
        let kyvernos = SecretNames::of(&self.namespace, &self.service);
        SecretNames {
            ca: self.ca_secret.clone().unwrap_or(kyvernos.ca),
            pair: self.tls_secret.clone().unwrap_or(kyvernos.pair),
            namespace: kyvernos.namespace,
        }
    }

    /// `<service>.<namespace>.svc`.
    pub fn service_host(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }
}
