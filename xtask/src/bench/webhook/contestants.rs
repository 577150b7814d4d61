//! The two webhooks: ours from files, Kyverno's admission controller with an API server of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cluster::Cluster;
use crate::e2e::scratch::Scratch;
use crate::e2e::world::World;
use crate::process::{self, Service};
use crate::workspace;

/// How long a webhook may take to be ready.
const LIMIT: Duration = Duration::from_mins(1);
/// The webhook is pinned to this core; everything else of the benchmark runs on the other.
const CORE: &str = "0";

/// A running webhook.
#[derive(Debug)]
pub(super) struct Contestant {
    // Fields drop in this order: the webhook leaves before the API server that it talks to.
    service: Service,
    /// Kyverno's API server, kept while the webhook runs.
    _cluster: Option<Cluster>,
    /// `https://127.0.0.1:PORT`.
    pub(super) url: String,
    /// From the start of the process until readiness was reported.
    pub(super) ready: Duration,
    /// The program.
    pub(super) program: PathBuf,
}

impl Contestant {
    /// The process id: `taskset` becomes the program, so it is the server's own.
    pub(super) fn pid(&self) -> u32 {
        self.service.pid()
    }

    /// `sigward serve` over a folder of policies.
    pub(super) fn sigward(world: &World, folder: &Path, policies: &Path) -> Result<Self> {
        let program = world.sigward(&["serve"])?;
        let port = process::free_port()?;
        let mut command = pinned(&program, folder);
        command
            .arg("serve")
            .arg("--policies")
            .arg(policies)
            .args(["--webhookServerHost=127.0.0.1", &format!("--webhookServerPort={port}")])
            .args(["--metricsHost=127.0.0.1", &format!("--metricsPort={}", process::free_port()?)])
            .args(["--allowInsecureRegistry=true", "--imageVerifyCacheMaxSize=20000"]);
        let (service, ready) = start("sigward", &mut command, folder, port)?;
        let url = format!("https://127.0.0.1:{port}");
        Ok(Self { service, _cluster: None, url, ready, program })
    }

    /// Kyverno's admission controller outside a cluster, as the administrator of an API server that nobody else uses.
    pub(super) fn kyverno(
        world: &World,
        scratch: &Scratch,
        folder: &Path,
        policies: &Path,
    ) -> Result<Self> {
        let program = world.peers().program("kyverno-admission")?;
        let cluster = Cluster::start(world.peers(), &folder.join("cluster"))?;
        let manifests = kyverno_sources()?.join("config/install-latest-testing.yaml");
        scratch
            .run(cluster.kubectl().args(["create", "--filename"]).arg(manifests))?
            .succeeded()?;
        let wait = ["wait", "--for", "condition=Established", "crd", "--all", "--timeout", "60s"];
        scratch.run(cluster.kubectl().args(wait))?.succeeded()?;
        for namespace in super::NAMESPACES {
            scratch.run(cluster.kubectl().args(["create", "namespace", namespace]))?.succeeded()?;
        }
        // Before it starts, so that ready means: ready with its policies, as for ours.
        scratch.run(cluster.kubectl().args(["create", "--filename"]).arg(policies))?.succeeded()?;
        // Its port is not a flag.
        let port = 9443;
        let account = "system:serviceaccount:kyverno:kyverno";
        let mut command = pinned(&program, folder);
        command
            .env("KYVERNO_NAMESPACE", "kyverno")
            .env("KYVERNO_SERVICEACCOUNT_NAME", "kyverno-admission-controller")
            .env("KYVERNO_ROLE_NAME", "kyverno:admission-controller")
            .env("KYVERNO_DEPLOYMENT", "kyverno-admission-controller")
            .env("KYVERNO_POD_NAME", "kyverno-admission-controller-0")
            .env("INIT_CONFIG", "kyverno")
            .env("METRICS_CONFIG", "kyverno-metrics")
            .env("KYVERNO_SVC", "kyverno-svc")
            .env("TUF_ROOT", folder.join("tuf"))
            .arg(format!("--kubeconfig={}", cluster.kubeconfig().display()))
            .arg(format!("--serverIP=127.0.0.1:{port}"))
            .arg(format!("--backgroundServiceAccountName={account}-background-controller"))
            .arg(format!("--reportsServiceAccountName={account}-reports-controller"))
            .arg("--caSecretName=kyverno-svc.kyverno.svc.kyverno-tls-ca")
            .arg("--tlsSecretName=kyverno-svc.kyverno.svc.kyverno-tls-pair")
            .arg(format!("--controllerRuntimeMetricsAddress=127.0.0.1:{}", process::free_port()?))
            .arg(format!("--metricsPort={}", process::free_port()?))
            .arg("--allowInsecureRegistry=true");
        let (service, ready) = start("kyverno-admission", &mut command, folder, port)?;
        let url = format!("https://127.0.0.1:{port}");
        Ok(Self { service, _cluster: Some(cluster), url, ready, program })
    }

    /// What the webhook answers to one review.
    pub(super) fn ask(&self, path: &str, body: &Path) -> Result<String> {
        workspace::output(
            Command::new("curl")
                .args(["--silent", "--show-error", "--insecure", "--max-time", "30"])
                .args(["--header", "Content-Type: application/json", "--data-binary"])
                .arg(format!("@{}", body.display()))
                .arg(format!("{}{path}", self.url)),
        )
    }
}

/// Where the module of Kyverno is unpacked.
fn kyverno_sources() -> Result<PathBuf> {
    Ok(go_list("{{.Dir}}")?.into())
}

/// The version of Kyverno that is measured.
pub(in super::super) fn kyverno_version() -> Result<String> {
    go_list("{{.Version}}")
}

fn go_list(what: &str) -> Result<String> {
    let said = workspace::output(
        Command::new("go")
            .current_dir(workspace::root().join("xtask/peers/kyverno"))
            .env("GOFLAGS", "-mod=readonly")
            .env("GOSUMDB", "off")
            .env("GOTOOLCHAIN", "local")
            .args(["list", "-m", "-f", what, "github.com/kyverno/kyverno"]),
    )?;
    Ok(said.trim().to_owned())
}

/// A program on one core with nothing of the caller's environment.
fn pinned(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("taskset");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .args(["-c", CORE])
        .arg(program);
    command
}

/// Starts a webhook; gives how long it took until it said that it is ready.
fn start(
    name: &str,
    command: &mut Command,
    folder: &Path,
    port: u16,
) -> Result<(Service, Duration)> {
    let started = Instant::now();
    let mut service = Service::start(name, command, folder)?;
    let ready = || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
            && Command::new("curl")
                .args(["--silent", "--insecure", "--fail", "--max-time", "5"])
                .arg(format!("https://127.0.0.1:{port}/health/readiness"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
    };
    // Finer than a service is waited for elsewhere: milliseconds count here.
    while !ready() {
        if !service.is_running() || started.elapsed() > LIMIT {
            bail!("{name} did not become ready\n{}", process::tail(&service.said()));
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok((service, started.elapsed()))
}

/// The size of a file, in MB (powers of ten).
pub(super) fn megabytes(program: &Path) -> Result<f64> {
    let path = program.to_owned();
    Ok(super::super::measure::size(&path).context("the program is gone")? / 1e6)
}
