//! `serve`: the admission webhook, in front of a cluster or from files.
use super::{cosign::Failure, trusted_root};
use crate::{
    in_cluster::InCluster,
    observe::{RegistryMetrics, RuleMetrics},
    sources::{Objects, Sources},
    standalone::{PemPair, Standalone},
    telemetry::{Collector, LogFormat, Telemetry},
};
use arc_swap::ArcSwapOption;
use clap::Args;
use prometheus_client::registry::Registry as Metrics;
use sigward_controller::{events::Reason, options::Options as ControllerOptions};
use sigward_policy::{
    decision::Decision,
    request::Request,
    snapshot::{Settings, Snapshot},
};
use sigward_remote::{
    CloudEnvironment, Credentials, Options as RegistryOptions, Registry, Secret, docker_configs,
};
use sigward_server::{
    Audience, Kinds, Moment, Options as ServerOptions, Parts, Readiness, Running, serve_metrics,
    tls::Certificates,
};
use smol_str::SmolStr;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};

/// Serve the admission webhook.
///
/// Flags that Kyverno's admission controller has are spelled as there.
#[derive(Args, Clone, Debug)]
pub(crate) struct Serve {
    /// policies from files instead of a cluster: files or folders
    #[arg(long, value_delimiter = ',', conflicts_with = "kubeconfig")]
    policies: Vec<PathBuf>,
    /// Secrets, ConfigMaps and Namespaces from files, for `--policies`
    #[arg(long, value_delimiter = ',', requires = "policies")]
    secrets: Vec<PathBuf>,
    /// the cluster to serve; `KUBECONFIG`, or in a Pod its own cluster, when absent
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// `host:port` at which the API server reaches this process, when it runs outside the cluster
    #[arg(long = "serverIP")]
    server_ip: Option<String>,
    /// address to listen on
    #[arg(long = "webhookServerHost", default_value = "0.0.0.0")]
    host: String,
    /// port to listen on; 0 picks a free one
    #[arg(long = "webhookServerPort", default_value_t = 9443)]
    port: u16,
    /// port of `/metrics`, plain HTTP; 0 picks a free one
    #[arg(long = "metricsPort", default_value_t = 8000)]
    metrics_port: u16,
    /// address of `/metrics`
    #[arg(long = "metricsHost", default_value = "0.0.0.0")]
    metrics_host: String,
    /// do not serve `/metrics`
    #[arg(long = "disableMetrics")]
    disable_metrics: bool,
    /// serving certificate (PEM chain), for `--policies`; self-signed when absent
    #[arg(long = "tls-cert", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// its private key (PEM)
    #[arg(long = "tls-key", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// where to write the certificate that clients must trust, when it is self-signed
    #[arg(long = "ca-out")]
    ca_out: Option<PathBuf>,
    /// signatures made with keys need no transparency log entry: for private infrastructure
    #[arg(long)]
    insecure_ignore_tlog_for_keys: bool,
    /// what certificates, log entries and timestamps are judged by (`trusted_root.json`)
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// allow registries that speak plain HTTP
    #[arg(long = "allowInsecureRegistry", num_args = 0..=1, default_missing_value = "true", default_value = "false", require_equals = true, action = clap::ArgAction::Set)]
    allow_insecure_registry: bool,
    /// whether PolicyExceptions are in force
    #[arg(long = "enablePolicyException", num_args = 0..=1, default_missing_value = "true", default_value = "false", require_equals = true, action = clap::ArgAction::Set)]
    enable_policy_exception: bool,
    /// the namespace of PolicyExceptions; `*` for all
    #[arg(long = "exceptionNamespace", default_value = "")]
    exception_namespace: String,
    /// every policy fails open
    #[arg(long = "forceFailurePolicyIgnore", num_args = 0..=1, default_missing_value = "true", default_value = "false", require_equals = true, action = clap::ArgAction::Set)]
    force_failure_policy_ignore: bool,
    /// how long a proof is remembered
    #[arg(long = "imageVerifyCacheTTLDuration", default_value = "60m")]
    image_verify_cache_ttl: String,
    /// how many proofs are remembered; 0 for the default
    #[arg(long = "imageVerifyCacheMaxSize", default_value_t = 0)]
    image_verify_cache_max_size: usize,
    /// whether proofs are remembered at all
    #[arg(long = "imageVerifyCacheEnabled", num_args = 0..=1, default_missing_value = "true", default_value = "true", require_equals = true, action = clap::ArgAction::Set)]
    image_verify_cache_enabled: bool,
    /// Secrets with registry credentials, in our own namespace
    #[arg(long = "imagePullSecrets", value_delimiter = ',')]
    image_pull_secrets: Vec<String>,
    /// whose credentials are used for registries: default, google, amazon, azure, github
    #[arg(long = "registryCredentialHelpers", value_delimiter = ',')]
    registry_credential_helpers: Vec<String>,
    /// seconds that the API server waits where a policy says nothing
    #[arg(long = "webhookTimeout", default_value_t = 10)]
    webhook_timeout: u8,
    /// keep the webhook configurations in step with the policies
    #[arg(long = "autoUpdateWebhooks", num_args = 0..=1, default_missing_value = "true", default_value = "true", require_equals = true, action = clap::ArgAction::Set)]
    auto_update_webhooks: bool,
    /// Secret with the CA of the serving certificate, if it is not Kyverno's
    #[arg(long = "caSecretName")]
    ca_secret_name: Option<String>,
    /// Secret with the serving certificate, if it is not Kyverno's
    #[arg(long = "tlsSecretName")]
    tls_secret_name: Option<String>,
    /// write policy reports of admitted resources
    #[arg(long = "admissionReports", num_args = 0..=1, default_missing_value = "true", default_value = "true", require_equals = true, action = clap::ArgAction::Set)]
    admission_reports: bool,
    /// events that may wait; more are dropped and counted
    #[arg(long = "maxQueuedEvents", default_value_t = 1000)]
    max_queued_events: usize,
    /// reasons of events that are not written
    #[arg(
        long = "omitEvents",
        value_delimiter = ',',
        default_value = "PolicyApplied,PolicySkipped"
    )]
    omit_events: Vec<String>,
    /// send traces by OTLP over gRPC
    #[arg(long = "enableTracing", num_args = 0..=1, default_missing_value = "true", default_value = "false", require_equals = true, action = clap::ArgAction::Set)]
    enable_tracing: bool,
    /// host of the collector of traces
    #[arg(long = "tracingAddress", default_value = "")]
    tracing_address: String,
    /// its port
    #[arg(long = "tracingPort", default_value_t = 4317)]
    tracing_port: u16,
    /// Secret in our own namespace whose `ca.pem` signed the collector's certificate; plain text when empty
    #[arg(long = "tracingCreds", default_value = "", conflicts_with = "policies")]
    tracing_creds: String,
    /// text or json
    #[arg(long = "loggingFormat", default_value = "text")]
    logging_format: String,
    /// verbosity, 0 to 9
    #[arg(short = 'v', long = "v", default_value_t = 2)]
    verbosity: u8,
}

/// Where policies come from.
enum Source {
    Cluster(Box<InCluster>),
    Files(Standalone),
}

/// What answers for policies and objects: a cluster, or files.
pub(crate) struct Backing {
    pub(crate) snapshots: Arc<ArcSwapOption<Snapshot>>,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) credentials: Arc<dyn Credentials>,
    pub(crate) audience: Arc<dyn Audience>,
    pub(crate) readiness: Box<dyn Fn() -> Readiness + Send + Sync>,
    pub(crate) kinds: Kinds,
    pub(crate) certificates: Certificates,
}

/// Hears decisions and does nothing: files have no events and no reports.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Audience for Nobody {
    fn decided(&self, _request: &Arc<Request>, _decision: &Arc<Decision>) {}
}

impl Serve {
    /// Serves until SIGTERM or SIGINT, then drains.
    ///
    /// # Errors
    /// Flags that cannot be used, files that cannot be read, an address that is taken, a cluster that refuses.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let telemetry = runtime.block_on(self.telemetry())?;
        let result = runtime.block_on(self.serve());
        telemetry.finish();
        runtime.shutdown_timeout(Duration::from_secs(1));
        result
    }

    async fn serve(&self) -> Result<(), Failure> {
        let mut metrics = Metrics::default();
        let settings = Arc::new(self.settings()?);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut reload = signal(SignalKind::hangup())?;
        let source = if self.policies.is_empty() {
            Source::Cluster(Box::new(self.connect(&settings, &mut metrics).await?))
        } else {
            Source::Files(Standalone::load(&self.policies, &self.secrets, &settings)?)
        };
        let backing = match &source {
            Source::Cluster(cluster) => cluster.backing(),
            Source::Files(files) => {
                files.backing(self.serving_certificate()?, self.ca_out.as_deref())?
            }
        };
        let running = self.listen(backing, settings, &mut metrics).await?;
        if !self.disable_metrics {
            let address = SocketAddr::new(parse_host(&self.metrics_host)?, self.metrics_port);
            let address = serve_metrics(address, Arc::new(metrics)).await?;
            tracing::info!(%address, "metrics");
        }
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted?;
                    break;
                }
                _ = reload.recv() => if let Source::Files(files) = &source {
                    files.reload();
                },
            }
        }
        tracing::info!("draining");
        match source {
            Source::Cluster(cluster) => {
                // The API server is told first, so that nothing new comes while requests drain.
                cluster.shutdown().await;
                running.shutdown().await;
            }
            Source::Files(_) => running.shutdown().await,
        }
        Ok(())
    }

    async fn connect(
        &self,
        settings: &Settings,
        metrics: &mut Metrics,
    ) -> Result<InCluster, Failure> {
        let client = sigward_controller::connect(self.kubeconfig.as_deref()).await?;
        let options = self.controller_options(settings)?;
        Ok(InCluster::start(client, options, metrics))
    }

    /// Kyverno's flags and environment, as the controller's options.
    fn controller_options(&self, settings: &Settings) -> Result<ControllerOptions, Failure> {
        let defaults = ControllerOptions::default();
        Ok(ControllerOptions {
            settings: settings.clone(),
            namespace: settings.own_namespace.to_string(),
            service: from_environment("KYVERNO_SVC", &defaults.service),
            server_ip: self.server_ip.clone().filter(|host| !host.is_empty()),
            config_map: from_environment("INIT_CONFIG", &defaults.config_map),
            deployment: from_environment("KYVERNO_DEPLOYMENT", &defaults.deployment),
            cluster_role: from_environment("KYVERNO_ROLE_NAME", &defaults.cluster_role),
            identity: from_environment(
                "KYVERNO_POD_NAME",
                &format!("{}-{}", defaults.identity, std::process::id()),
            ),
            webhook_timeout: self.webhook_timeout.clamp(1, 30),
            auto_update_webhooks: self.auto_update_webhooks,
            ca_secret: self.ca_secret_name.clone().filter(|name| !name.is_empty()),
            tls_secret: self.tls_secret_name.clone().filter(|name| !name.is_empty()),
            admission_reports: self.admission_reports,
            max_queued_events: self.max_queued_events,
            omitted_events: self
                .omit_events
                .iter()
                .filter(|reason| !reason.is_empty())
                .map(|reason| {
                    Reason::ALL
                        .into_iter()
                        .find(|known| known.as_str() == reason.as_str())
                        .ok_or_else(|| {
                            Failure::new(format!(
                                "--omitEvents: {reason:?} is no reason of an event"
                            ))
                        })
                })
                .collect::<Result<_, _>>()?,
            ..defaults
        })
    }

    /// Starts the webhook on what answers.
    async fn listen(
        &self,
        backing: Backing,
        settings: Arc<Settings>,
        metrics: &mut Metrics,
    ) -> Result<Running, Failure> {
        let registry = Registry::new(
            self.registry_options(&settings)?,
            backing.credentials,
            Arc::new(RegistryMetrics::register(metrics)),
        )?;
        let sources = Arc::new(Sources { registry, objects: backing.objects, image_data: true });
        let rules = RuleMetrics::register(metrics);
        let mut options = ServerOptions {
            listen: SocketAddr::new(parse_host(&self.host)?, self.port),
            ..ServerOptions::default()
        };
        options.default_timeout = Duration::from_secs(u64::from(self.webhook_timeout.clamp(1, 30)));
        let parts = Parts {
            snapshots: backing.snapshots,
            settings,
            memory: Arc::clone(&sources) as _,
            source: sources,
            audience: backing.audience,
            probe: Box::new(move || rules.stopwatch()),
            readiness: backing.readiness,
            kinds: backing.kinds,
            moment: Box::new(moment),
            metrics: sigward_server::metrics::Metrics::register(metrics),
        };
        let running = sigward_server::serve(parts, options, &backing.certificates).await?;
        tracing::info!(address = %running.address(), "serving");
        Ok(running)
    }

    /// Flags over defaults, in one value.
    fn settings(&self) -> Result<Settings, Failure> {
        Ok(Settings {
            insecure_ignore_tlog_for_keys: self.insecure_ignore_tlog_for_keys,
            allow_insecure_registry: self.allow_insecure_registry,
            exceptions_enabled: self.enable_policy_exception,
            exception_namespace: self.exception_namespace.as_str().into(),
            force_failure_policy_ignore: self.force_failure_policy_ignore,
            own_namespace: from_environment("KYVERNO_NAMESPACE", "kyverno").into(),
            trust: trusted_root(self.trusted_root.as_deref())?,
            ..Settings::default()
        })
    }

    fn registry_options(&self, settings: &Settings) -> Result<RegistryOptions, Failure> {
        let ttl =
            sigward_document::GoDuration::parse(&self.image_verify_cache_ttl).map_err(|error| {
                Failure::new(format!(
                    "--imageVerifyCacheTTLDuration: {:?}: {error}",
                    self.image_verify_cache_ttl
                ))
            })?;
        let ttl = Duration::from_nanos(u64::try_from(ttl.nanoseconds()).unwrap_or(0));
        let mut options = RegistryOptions {
            docker_configs: docker_configs(|variable| std::env::var_os(variable)),
            clouds: CloudEnvironment::read(|variable| std::env::var_os(variable)),
            github_token: github_token(),
            proof_ttl: if self.image_verify_cache_enabled { ttl } else { Duration::ZERO },
            ..RegistryOptions::default()
        };
        if self.image_verify_cache_max_size > 0 {
            options.proof_entries = self.image_verify_cache_max_size;
        }
        options.everywhere.insecure_plain_http = self.allow_insecure_registry;
        options.ambient.secrets = self
            .image_pull_secrets
            .iter()
            .map(|name| (settings.own_namespace.clone(), name.as_str().into()))
            .collect();
        options.ambient.helpers = credential_helpers(&self.registry_credential_helpers)?;
        Ok(options)
    }

    fn serving_certificate(&self) -> Result<Option<PemPair>, Failure> {
        let read = |path: &PathBuf| {
            std::fs::read(path)
                .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
        };
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                Ok(Some(PemPair { chain: read(certificate)?, key: read(key)? }))
            }
            _ => Ok(None),
        }
    }

    /// Logging and tracing, from flags.
    async fn telemetry(&self) -> Result<Telemetry, Failure> {
        let format = match self.logging_format.as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            other => {
                return Err(Failure::new(format!(
                    "--loggingFormat: {other:?} is neither text nor json"
                )));
            }
        };
        let collector = if self.enable_tracing { Some(self.collector().await?) } else { None };
        Ok(Telemetry::start(self.verbosity, format, collector.as_ref())?)
    }

    async fn collector(&self) -> Result<Collector, Failure> {
        if self.tracing_address.is_empty() {
            return Err(Failure::new("--enableTracing needs --tracingAddress"));
        }
        let ca = match self.tracing_creds.as_str() {
            "" => None,
            name => {
                let client = sigward_controller::connect(self.kubeconfig.as_deref()).await?;
                let namespace = from_environment("KYVERNO_NAMESPACE", "kyverno");
                Some(sigward_controller::secret_member(&client, &namespace, name, "ca.pem").await?)
            }
        };
        Ok(Collector { host: self.tracing_address.clone(), port: self.tracing_port, ca })
    }
}

/// Names of helpers, as Kyverno calls them.
fn credential_helpers(names: &[String]) -> Result<Vec<SmolStr>, Failure> {
    const KNOWN: [&str; 5] = ["default", "google", "amazon", "azure", "github"];
    let named = names.iter().filter(|name| !name.is_empty());
    named
        .map(|name| {
            let known = KNOWN.into_iter().find(|known| known == name);
            known.map(SmolStr::new_static).ok_or_else(|| {
                Failure::new(format!(
                    "--registryCredentialHelpers: {name:?} is none of {}",
                    KNOWN.join(", ")
                ))
            })
        })
        .collect()
}

/// What a workflow of GitHub logs in with.
pub(super) fn github_token() -> Option<Secret> {
    let token = std::env::var_os("GITHUB_TOKEN").filter(|token| !token.is_empty())?;
    Some(Secret::new(token.into_encoded_bytes()))
}

fn parse_host(host: &str) -> Result<IpAddr, Failure> {
    host.parse()
        .map_err(|_no_address| Failure::new(format!("{host:?} is not an IP address to listen on")))
}

/// Clock and chance of one request.
fn moment() -> Moment {
    let mut seed = [0; 8];
    // A source of randomness that fails leaves a seed of zero: `random()` then repeats, and nothing else depends on it.
    let _unavailable = aws_lc_rs::rand::fill(&mut seed);
    Moment { unix_seconds: crate::sources::now().0, seed: u64::from_ne_bytes(seed) }
}

/// A variable of Kyverno's, or its default when it is unset or empty.
pub(super) fn from_environment(variable: &str, default: &str) -> String {
    std::env::var(variable)
        .ok()
        .filter(|value| !value.is_empty())
        .unwrap_or_else(|| default.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_that_is_not_there_is_refused_by_name() {
        let read = |names: &[&str]| {
            credential_helpers(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(read(&["amazon", "default"]).unwrap(), ["amazon", "default"]);
        assert_eq!(read(&[""]).unwrap().len(), 0);
        let refused = read(&["aws"]).unwrap_err().message;
        assert!(refused.contains("\"aws\" is none of default, google, amazon"), "{refused}");
    }
}
