//! A control plane with our webhook in front of it, shared by the cases that need one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use super::registry::{self, Image};
use super::scratch::{Ran, Scratch};
use super::tools::{self, Format, Keys, Signing, Statement, Tool};
use super::world::World;
use crate::cluster::Cluster;
use crate::process::{self, Service};
use crate::workspace;

/// The namespace of the product.
pub(super) const HOME: &str = "kyverno";
/// The account that the shipped manifests run it under.
const ACCOUNT: &str = "kyverno-admission-controller";
/// The configuration by which the API server calls us for resources, mutating side.
pub(super) const MUTATING: &str = "kyverno-resource-mutating-webhook-cfg";
/// The same, validating side.
const VALIDATING: &str = "kyverno-resource-validating-webhook-cfg";
/// How long the product may take for what it does in the background: status, webhooks, events, reports.
pub(super) const SOON: Duration = Duration::from_secs(30);

/// A cluster and `sigward serve` under the shipped ServiceAccount.
#[derive(Debug)]
pub(super) struct Stage {
    // Fields drop in this order: the webhook leaves before the API server that it talks to.
    sigward: Service,
    cluster: Cluster,
    metrics: u16,
    kubeconfig: PathBuf,
    program: PathBuf,
    judging: Judging,
}

/// What signatures are judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judging {
    /// Keys alone: the articles' policies demand a log entry by default, and for most cases there is no log.
    Keys,
    /// A trusted root, and whatever policies demand.
    TrustedRoot(PathBuf),
}

/// Runs a case on the shared stage, cleared of what earlier cases left. A failure closes the stage; its log is noted.
pub(super) fn on_stage(
    world: &World,
    scratch: &Scratch,
    act: impl FnOnce(&mut Stage) -> Result<()>,
) -> Result<()> {
    let mut slot = world.stage.lock().map_err(|_| anyhow!("another case died on the stage"))?;
    let mut stage = match slot.take() {
        Some(stage) => stage,
        None => Stage::start(world, scratch)?,
    };
    let acted = stage.clear(scratch).and_then(|()| act(&mut stage));
    match acted {
        Ok(()) => *slot = Some(stage),
        Err(_) => scratch.note(&format!(
            "sigward said ({}):\n{}",
            stage.log().display(),
            process::tail(&stage.said())
        )),
    }
    acted
}

impl Stage {
    /// Starts a cluster, installs what `deploy/` holds, and serves it. [`super::world::NotYet`] before there is `serve`.
    pub(super) fn start(world: &World, scratch: &Scratch) -> Result<Self> {
        static SERIAL: AtomicUsize = AtomicUsize::new(0);
        let program = world.sigward(&["serve"])?;
        let folder =
            world.folder().join(format!("stage-{}", SERIAL.fetch_add(1, Ordering::Relaxed)));
        let cluster = Cluster::start(world.peers(), &folder)?;
        install(&cluster, scratch)?;
        let kubeconfig = cluster.service_account_kubeconfig(HOME, ACCOUNT)?;
        let metrics = process::free_port()?;
        let judging = Judging::Keys;
        let sigward = serve(&program, &kubeconfig, &folder, metrics, &judging)?;
        let mut stage = Self { sigward, cluster, metrics, kubeconfig, program, judging };
        stage.wait_until_registered()?;
        Ok(stage)
    }

    /// Stops our process with a signal and starts it again.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.sigward.stop()?;
        self.start_process()?;
        self.wait_until_registered()
    }

    /// Starts our process after it was stopped, and waits for nothing.
    pub(super) fn start_process(&mut self) -> Result<()> {
        let folder = self.cluster.folder();
        self.sigward = serve(&self.program, &self.kubeconfig, folder, self.metrics, &self.judging)?;
        Ok(())
    }

    /// Starts our process again, to judge by this from now on.
    pub(super) fn judge_by(&mut self, judging: Judging) -> Result<()> {
        self.judging = judging;
        self.restart()
    }

    /// Whether our process runs.
    pub(super) fn is_running(&mut self) -> bool {
        self.sigward.is_running()
    }

    pub(super) fn stop_api_server(&mut self) -> Result<()> {
        self.cluster.stop_api_server()
    }

    pub(super) fn start_api_server(&mut self) -> Result<()> {
        self.cluster.start_api_server()
    }

    /// Asks our process to end and gives whether it did so by itself, with success.
    pub(super) fn stop(&mut self) -> Result<bool> {
        self.sigward.stop()
    }

    /// Waits until our process has told the API server of itself.
    pub(super) fn wait_until_registered(&mut self) -> Result<()> {
        let kubectl = || {
            let mut command = self.cluster.kubectl();
            command.args([
                "get",
                "validatingwebhookconfiguration",
                "kyverno-policy-validating-webhook-cfg",
            ]);
            workspace::output(&mut command).is_ok()
        };
        self.sigward.wait_until(SOON, kubectl)
    }

    pub(super) fn log(&self) -> &Path {
        self.sigward.log()
    }

    pub(super) fn said(&self) -> String {
        self.sigward.said()
    }

    /// Where `/metrics` is: `127.0.0.1:PORT`.
    pub(super) fn metrics(&self) -> String {
        format!("127.0.0.1:{}", self.metrics)
    }

    /// Runs `kubectl` as the administrator; the words are split at blanks.
    pub(super) fn kubectl(&self, scratch: &Scratch, words: &str) -> Result<Ran> {
        let words: Vec<&str> = words.split_whitespace().collect();
        self.kubectl_words(scratch, &words)
    }

    /// Runs `kubectl` as the administrator.
    pub(super) fn kubectl_words(&self, scratch: &Scratch, words: &[&str]) -> Result<Ran> {
        scratch.run(self.cluster.kubectl().args(words).current_dir(scratch.folder()))
    }

    /// A value out of the cluster, as JSON.
    pub(super) fn get(&self, scratch: &Scratch, what: &str) -> Result<Value> {
        let ran = self.kubectl(scratch, &format!("get {what} --output json"))?.succeeded()?;
        serde_json::from_str(&ran.stdout).with_context(|| format!("{what} is not JSON"))
    }

    /// Removes policies and exceptions of earlier cases, waits until nothing is enforced, and removes the rest.
    fn clear(&self, scratch: &Scratch) -> Result<()> {
        for kind in
            ["clusterpolicies.kyverno.io", "policies.kyverno.io", "policyexceptions.kyverno.io"]
        {
            let every = if kind.starts_with("cluster") { "" } else { "--all-namespaces" };
            self.kubectl(scratch, &format!("delete {kind} --all {every} --ignore-not-found"))?;
        }
        self.wait_until_clear(scratch)?;
        self.kubectl(
            scratch,
            "delete deployment,pod,event --all --namespace default --ignore-not-found",
        )?;
        self.kubectl(
            scratch,
            &format!("delete secret --namespace {HOME} --selector e2e=true --ignore-not-found"),
        )?;
        Ok(())
    }

    /// Waits until the API server calls us for no resource.
    pub(super) fn wait_until_clear(&self, scratch: &Scratch) -> Result<()> {
        process::wait_for("the webhooks to let go of resources", SOON, || {
            Ok(self.webhooks(scratch)? == 0)
        })
    }

    /// How many webhooks the API server calls for resources.
    fn webhooks(&self, scratch: &Scratch) -> Result<usize> {
        let of = |kind: &str, name: &str| -> Result<usize> {
            let ran =
                self.kubectl(scratch, &format!("get {kind} {name} --ignore-not-found -o json"))?;
            if ran.stdout.trim().is_empty() {
                return Ok(0);
            }
            let found: Value = serde_json::from_str(&ran.stdout)?;
            Ok(found.pointer("/webhooks").and_then(Value::as_array).map_or(0, Vec::len))
        };
        Ok(of("mutatingwebhookconfiguration", MUTATING)?
            + of("validatingwebhookconfiguration", VALIDATING)?)
    }

    /// Loads a ClusterPolicy (YAML or JSON) and waits until it is ready and the API server calls us for it.
    pub(super) fn load(&self, scratch: &Scratch, name: &str, policy: &str) -> Result<()> {
        self.load_as(scratch, &format!("clusterpolicy {name}"), name, policy)
    }

    /// The same for any kind of policy: `what` is how `kubectl get` finds it.
    pub(super) fn load_as(
        &self,
        scratch: &Scratch,
        what: &str,
        name: &str,
        policy: &str,
    ) -> Result<()> {
        let file = scratch.write(&format!("{name}.policy"), policy)?;
        self.kubectl_words(scratch, &["apply", "--filename", &file.display().to_string()])?
            .succeeded()?;
        self.wait_until_ready(scratch, what)
    }

    /// Waits until a policy is ready and the API server calls us for it; `what` is how `kubectl get` finds it.
    pub(super) fn wait_until_ready(&self, scratch: &Scratch, what: &str) -> Result<()> {
        process::wait_for(&format!("the {what} to be ready"), SOON, || {
            let policy = self.get(scratch, what)?;
            let conditions = policy.pointer("/status/conditions").and_then(Value::as_array);
            let ready = conditions.into_iter().flatten().any(|condition| {
                condition.get("type").and_then(Value::as_str) == Some("Ready")
                    && condition.get("status").and_then(Value::as_str) == Some("True")
            });
            Ok(ready && self.webhooks(scratch)? > 0)
        })?;
        // The API server learns of a changed configuration through a watch of its own.
        thread::sleep(Duration::from_millis(500));
        Ok(())
    }

    /// Makes the secret `cosign-pub-key` and the like, the way the how-to does: from a file called `cosign.pub`.
    pub(super) fn key_secret(&self, scratch: &Scratch, name: &str, keys: &Keys) -> Result<()> {
        let from = format!("--from-file=cosign.pub={}", keys.public.display());
        self.kubectl_words(
            scratch,
            &["create", "secret", "generic", name, &from, "--namespace", HOME],
        )?
        .succeeded()?;
        self.kubectl(scratch, &format!("label secret {name} --namespace {HOME} e2e=true"))?
            .succeeded()?;
        Ok(())
    }

    /// Makes a namespace for a case.
    pub(super) fn namespace(&self, scratch: &Scratch, name: &str, labels: &str) -> Result<()> {
        self.kubectl(scratch, &format!("create namespace {name}"))?.succeeded()?;
        if !labels.is_empty() {
            self.kubectl(scratch, &format!("label namespace {name} {labels}"))?.succeeded()?;
        }
        Ok(())
    }

    /// Asks for a Pod with one container.
    pub(super) fn run(&self, scratch: &Scratch, name: &str, image: &str) -> Result<Ran> {
        self.kubectl(scratch, &format!("run {name} --image={image}"))
    }

    /// Asks for a Pod that has to be admitted with its image pinned to this digest.
    pub(super) fn admits(&self, scratch: &Scratch, name: &str, image: &Image) -> Result<()> {
        self.run(scratch, name, &image.by_tag())?.succeeded()?;
        let pod = self.get(scratch, &format!("pod {name}"))?;
        let admitted =
            pod.pointer("/spec/containers/0/image").and_then(Value::as_str).unwrap_or_default();
        let pinned = format!("{}@{}", image.by_tag(), image.digest);
        anyhow::ensure!(admitted == pinned, "the Pod should run {pinned}, but runs {admitted}");
        Ok(())
    }

    /// Asks for a Pod that has to be refused, by our webhook, with all of the texts.
    pub(super) fn refuses(
        &self,
        scratch: &Scratch,
        name: &str,
        image: &str,
        texts: &[&str],
    ) -> Result<Ran> {
        let ran = self
            .run(scratch, name, image)?
            .refused(&["admission webhook", "denied the request"])?;
        ran.says(texts)
    }
}

/// Pushes a fresh image and lets a real cosign sign it.
pub(super) fn signed_image(
    world: &World,
    scratch: &Scratch,
    host: &str,
    name: &str,
    keys: &Keys,
    tool: Tool,
) -> Result<Image> {
    let (repository, tag) = name.split_once(':').unwrap_or((name, "v1"));
    let image = registry::push(host, repository, tag, None)?;
    sign_image(world, scratch, &image, keys, tool)?;
    Ok(image)
}

/// Lets a real cosign sign an image: cosign 2 as a tag, cosign 3 as a bundle.
pub(super) fn sign_image(
    world: &World,
    scratch: &Scratch,
    image: &Image,
    keys: &Keys,
    tool: Tool,
) -> Result<()> {
    let format = if tool == Tool::Cosign2 { Format::Legacy } else { Format::Bundle };
    let by_digest = image.by_digest();
    let job = Signing {
        tool,
        key: &keys.private,
        format,
        statement: Statement::Signature,
        predicate: None,
        image: &by_digest,
    };
    tools::sign(world, scratch, &job)?.succeeded()?;
    Ok(())
}

/// Puts the shipped manifests into the cluster: CRDs first.
pub(super) fn install(cluster: &Cluster, scratch: &Scratch) -> Result<()> {
    install_crds(cluster, scratch, true)?;
    let mut apply = cluster.kubectl();
    apply.args(["apply", "--server-side", "--kustomize"]);
    scratch.run(apply.arg(workspace::root().join("deploy/manifests")))?.succeeded()?;
    Ok(())
}

/// Puts the CRDs into the cluster, unless they are there, and waits until they can be used.
pub(super) fn install_crds(cluster: &Cluster, scratch: &Scratch, apply: bool) -> Result<()> {
    if apply {
        let mut apply = cluster.kubectl();
        apply.args(["apply", "--server-side", "--filename"]);
        scratch.run(apply.arg(workspace::root().join("deploy/crds")))?.succeeded()?;
    }
    let wait = ["wait", "--for", "condition=Established", "crd", "--all", "--timeout", "30s"];
    scratch.run(cluster.kubectl().args(wait))?.succeeded()?;
    Ok(())
}

/// Starts our process under an account.
pub(super) fn serve(
    program: &Path,
    kubeconfig: &Path,
    folder: &Path,
    metrics: u16,
    judging: &Judging,
) -> Result<Service> {
    let port = process::free_port()?;
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("KYVERNO_NAMESPACE", HOME)
        .env("KYVERNO_SERVICEACCOUNT_NAME", ACCOUNT)
        .env("KYVERNO_DEPLOYMENT", ACCOUNT)
        .env("KYVERNO_POD_NAME", format!("{ACCOUNT}-0"))
        .env("KYVERNO_SVC", "kyverno-svc")
        .env("INIT_CONFIG", "kyverno")
        .env("METRICS_CONFIG", "kyverno-metrics")
        .arg("serve")
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--serverIP=127.0.0.1:{port}"))
        .arg("--webhookServerHost=127.0.0.1")
        .arg(format!("--webhookServerPort={port}"))
        .arg("--metricsHost=127.0.0.1")
        .arg(format!("--metricsPort={metrics}"))
        .args(["--enablePolicyException=true", "--exceptionNamespace=*"]);
    match judging {
        Judging::Keys => command.arg("--insecure-ignore-tlog-for-keys"),
        Judging::TrustedRoot(root) => command.arg("--trusted-root").arg(root),
    };
    Service::start("sigward", &mut command, folder)
}
