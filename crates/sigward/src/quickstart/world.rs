//! The parts of the story: a registry and a webhook in this process, this program as the user's command line.
use crate::{
    cli::cosign::Failure, cli::serve::Backing, cli::trusted_root, sources::Sources,
    standalone::Standalone,
};
use base64::Engine as _;
use serde_json::{Value, json};
use sigward_document::{parse_json, patch};
use sigward_policy::{evaluate::NoProbe, snapshot::Settings};
use sigward_remote::{Options as RegistryOptions, Proxies, Registry as Client, Unobserved};
use sigward_server::{Moment, Options as ServerOptions, Parts, Running, metrics::Metrics};
use sigward_testkit::{
    registry::{Options as TestRegistryOptions, Registry},
    sigstore::Services,
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

/// The password of the story's keys: they live in the folder of the story only.
const PASSWORD: &str = "quickstart";

/// Everything that runs.
pub(crate) struct World {
    pub(crate) folder: PathBuf,
    pub(crate) registry: Registry,
    pub(crate) sigstore: Services,
    running: Running,
    http: reqwest::Client,
    program: PathBuf,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// What the webhook said of one object.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    pub(crate) message: String,
    /// Admission warnings: for a denial, what was looked at and what to do next.
    pub(crate) warnings: Vec<String>,
    /// The object as the API server would store it.
    pub(crate) object: Value,
}

impl Verdict {
    /// The first image of a Pod or of a controller's template, as it would be stored.
    pub(crate) fn image(&self) -> String {
        let spec =
            self.object.pointer("/spec/template/spec").or_else(|| self.object.pointer("/spec"));
        spec.and_then(|spec| spec.pointer("/containers/0/image"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }
}

/// What a command printed.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    /// Starts the registry; policies and webhook come when there are keys.
    pub(crate) fn registry() -> Result<Registry, Failure> {
        Ok(Registry::start(TestRegistryOptions::default())?)
    }

    /// Starts the webhook on the policies and objects in the folder.
    pub(crate) async fn start(
        folder: &Path,
        registry: Registry,
        sigstore: Services,
    ) -> Result<Self, Failure> {
        let settings = Arc::new(Settings {
            insecure_ignore_tlog_for_keys: true,
            trust: trusted_root(Some(&folder.join("trusted-root.json")))?,
            ..Settings::default()
        });
        let standalone = Standalone::load_quietly(
            &[folder.join("policies")],
            &[folder.join("cluster")],
            &settings,
        )?;
        let certificate = folder.join("webhook-ca.pem");
        let Backing { snapshots, objects, credentials, audience, readiness, kinds, certificates } =
            standalone.backing(None, Some(&certificate))?;
        let options = RegistryOptions { proxies: Proxies::Direct, ..RegistryOptions::default() };
        let client = Client::new(options, credentials, Arc::new(Unobserved))?;
        let sources = Arc::new(Sources { registry: client, objects, image_data: true });
        let parts = Parts {
            snapshots,
            settings,
            memory: Arc::clone(&sources) as _,
            source: sources,
            audience,
            probe: Box::new(|| Box::new(NoProbe)),
            readiness,
            kinds,
            moment: Box::new(|| Moment { unix_seconds: crate::sources::now().0, seed: 0 }),
            metrics: Metrics::register(&mut prometheus_client::registry::Registry::default()),
        };
        let listen = ServerOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            ..ServerOptions::default()
        };
        let running = sigward_server::serve(parts, listen, &certificates).await?;
        let trusted = reqwest::Certificate::from_pem(&std::fs::read(&certificate)?)?;
        let http = reqwest::Client::builder()
            .tls_certs_only([trusted])
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()?;
        Ok(Self {
            folder: folder.to_owned(),
            registry,
            sigstore,
            running,
            http,
            program: std::env::current_exe()?,
        })
    }

    /// Where the webhook listens.
    pub(crate) fn webhook(&self) -> SocketAddr {
        self.running.address()
    }

    /// Ends the webhook; the registry ends with its value.
    pub(crate) async fn stop(self) {
        self.running.shutdown().await;
    }

    /// Runs this program as `cosign`.
    pub(crate) fn cosign(&self, arguments: &[&str]) -> Result<Ran, Failure> {
        cosign(&self.program, &self.folder, arguments)
    }

    /// What the API server does with an object: mutating webhook, patch, validating webhook.
    pub(crate) async fn create(&self, object: Value) -> Result<Verdict, Failure> {
        let mutated = self.review("mutate", &object).await?;
        if !mutated.allowed {
            return Ok(mutated);
        }
        let validated = self.review("validate", &mutated.object).await?;
        Ok(Verdict { object: mutated.object, ..validated })
    }

    async fn review(&self, stage: &str, object: &Value) -> Result<Verdict, Failure> {
        let text =
            |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let kind = text("/kind");
        let (group, version) = match text("/apiVersion").split_once('/') {
            Some((group, version)) => (group, version),
            None => ("", "v1"),
        };
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "quickstart",
                "kind": { "group": group, "version": version, "kind": kind },
                "resource": { "group": group, "version": version, "resource": format!("{}s", kind.to_lowercase()) },
                "name": text("/metadata/name"),
                "namespace": text("/metadata/namespace"),
                "operation": "CREATE",
                "userInfo": { "username": "quickstart", "groups": ["system:authenticated"] },
                "object": object,
            },
        });
        let url = format!("https://127.0.0.1:{}/{stage}/fail?timeout=10s", self.webhook().port());
        let answer = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .body(review.to_string())
            .send()
            .await?
            .bytes()
            .await?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|error| {
            Failure::new(format!("{error}: {}", String::from_utf8_lossy(&answer)))
        })?;
        let said = |pointer: &str| answer.pointer(pointer);
        let object = match said("/response/patch").and_then(Value::as_str) {
            None => object.clone(),
            Some(encoded) => patched(object, encoded)?,
        };
        Ok(Verdict {
            allowed: said("/response/allowed").and_then(Value::as_bool).unwrap_or(false),
            message: said("/response/status/message")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            warnings: said("/response/warnings")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|warning| warning.as_str().map(str::to_owned))
                .collect(),
            object,
        })
    }
}

/// Runs this program as `cosign` before there is a webhook.
pub(crate) fn cosign(program: &Path, folder: &Path, arguments: &[&str]) -> Result<Ran, Failure> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("COSIGN_PASSWORD", PASSWORD)
        .env_remove("COSIGN_REPOSITORY")
        .output()?;
    Ok(Ran {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Applies the patch as the API server does.
fn patched(object: &Value, encoded: &str) -> Result<Value, Failure> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded)?;
    let parse = |bytes: &[u8]| parse_json(bytes).map_err(|error| Failure::new(error.message));
    let operations = patch::Operation::parse_list(&parse(&bytes)?)?;
    let patched = patch::apply(&parse(object.to_string().as_bytes())?, &operations)?;
    Ok(serde_json::to_value(&patched)?)
}

/// A Pod of one image.
pub(crate) fn pod(name: &str, namespace: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace },
        "spec": { "containers": [{ "name": name, "image": image }] },
    })
}

/// What `kubectl create deployment` makes.
pub(crate) fn deployment(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": "default", "labels": { "app": name } },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "web", "image": image }] },
            },
        },
    })
}
