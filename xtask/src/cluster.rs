//! A real control plane on loopback: etcd, kube-apiserver with RBAC, kube-controller-manager.
//!
//! There is no scheduler and no kubelet: Pods stay Pending, which is all that admission needs.

mod certificates;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use self::certificates::{Authority, Identity};
use crate::peers::Peers;
use crate::process::{self, Service};
use crate::workspace;

/// How long one of the three servers may take to be ready.
const LIMIT: Duration = Duration::from_mins(1);

/// A running control plane; dropping it stops everything and leaves the logs.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    server: String,
    authority: String,
    kubectl: PathBuf,
    /// How the API server is started, to start it again.
    apiserver: Command,
    /// In the order in which they stop.
    services: Vec<Service>,
}

impl Cluster {
    /// Starts a control plane with its state under `folder`, and waits until it answers.
    pub fn start(peers: &Peers, folder: &Path) -> Result<Self> {
        // A free port may be taken by someone else before it is bound; then other ports are tried.
        let mut last = None;
        for _ in 0..3 {
            match Self::try_start(peers, folder) {
                Ok(cluster) => return Ok(cluster),
                Err(error) if format!("{error:#}").contains("address already in use") => {
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.context("no attempt was made")?)
    }

    fn try_start(peers: &Peers, folder: &Path) -> Result<Self> {
        let data = folder.join("etcd");
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
        let folder = folder.canonicalize()?;
        let authority = Authority::new("sigward-test-cluster")?;
        let ca = certificates::write(&folder, "ca.crt", &authority.certificate_pem())?;
        let ready = |url: String, kubectl: &Path, config: &Path| {
            quiet(
                Command::new(kubectl).arg("--kubeconfig").arg(config).args(["get", "--raw", &url]),
            )
        };

        let (client, peer) = (process::free_port()?, process::free_port()?);
        let client_url = format!("http://127.0.0.1:{client}");
        let peer_url = format!("http://127.0.0.1:{peer}");
        let mut etcd = Service::start(
            "etcd",
            Command::new(peers.program("etcd")?)
                .arg("--data-dir")
                .arg(folder.join("etcd"))
                .args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url])
                .args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url])
                .args(["--initial-cluster", &format!("default={peer_url}"), "--unsafe-no-fsync"]),
            &folder,
        )?;
        etcd.wait_until(LIMIT, || std::net::TcpStream::connect(("127.0.0.1", client)).is_ok())?;

        let secure = process::free_port()?;
        let server = format!("https://127.0.0.1:{secure}");
        let serving = authority.issue(&Identity::Server)?.write(&folder, "apiserver")?;
        let accounts = certificates::write_key_pair(&folder, "sa")?;
        let admin =
            authority.issue(&Identity::Client { name: "admin", group: "system:masters" })?;
        let kubeconfig = folder.join("admin.kubeconfig");
        write_kubeconfig(
            &kubeconfig,
            &server,
            &authority.certificate_pem(),
            &json!({
                "client-certificate-data": base64(&admin.certificate),
                "client-key-data": base64(&admin.key),
            }),
        )?;
        let kubectl = peers.program("kubectl")?;
        let mut command = Command::new(peers.program("kube-apiserver")?);
        command
            .args([format!("--etcd-servers={client_url}"), "--bind-address=127.0.0.1".to_owned()])
            .args([format!("--secure-port={secure}")])
            .arg(flag("--tls-cert-file", &serving.certificate))
            .arg(flag("--tls-private-key-file", &serving.key))
            .arg(flag("--client-ca-file", &ca))
            .arg(flag("--service-account-key-file", &accounts.certificate))
            .arg(flag("--service-account-signing-key-file", &accounts.key))
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .args(["--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC"])
            .args(["--disable-admission-plugins=ServiceAccount", "--allow-privileged=true"])
            .arg(format!("--cert-dir={}", folder.display()));
        let mut apiserver = Service::start("kube-apiserver", &mut command, &folder)?;
        apiserver.wait_until(LIMIT, || ready("/readyz".to_owned(), &kubectl, &kubeconfig))?;

        let mut controllers = Service::start(
            "kube-controller-manager",
            Command::new(peers.program("kube-controller-manager")?)
                .arg(flag("--kubeconfig", &kubeconfig))
                .arg(flag("--service-account-private-key-file", &accounts.key))
                .arg(flag("--root-ca-file", &ca))
                .args(["--leader-elect=false", "--bind-address=127.0.0.1"])
                .arg(format!("--secure-port={}", process::free_port()?))
                .arg(format!("--cert-dir={}", folder.display())),
            &folder,
        )?;
        // The account of the default namespace is made by a controller: once it is there, controllers run.
        controllers.wait_until(LIMIT, || {
            ready(
                "/api/v1/namespaces/default/serviceaccounts/default".to_owned(),
                &kubectl,
                &kubeconfig,
            )
        })?;
        Ok(Self {
            folder,
            server,
            authority: authority.certificate_pem(),
            kubectl,
            apiserver: command,
            services: vec![controllers, apiserver, etcd],
        })
    }

    /// The address of the API server: `https://127.0.0.1:PORT`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The folder with state, logs and credentials.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Credentials of a cluster administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    /// `kubectl` as the administrator.
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        command
            .env_remove("KUBECONFIG")
            .env("HOME", &self.folder)
            .arg("--kubeconfig")
            .arg(self.kubeconfig());
        command
    }

    /// Credentials of an existing service account, valid for an hour.
    pub fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let token = workspace::output(self.kubectl().args([
            "create",
            "token",
            name,
            "--namespace",
            namespace,
            "--duration",
            "1h",
        ]))?;
        let path = self.folder.join(format!("{namespace}-{name}.kubeconfig"));
        write_kubeconfig(&path, &self.server, &self.authority, &json!({ "token": token.trim() }))?;
        Ok(path)
    }

    /// Stops the API server, to see what others make of it; `etcd` and its state stay.
    pub fn stop_api_server(&mut self) -> Result<()> {
        let server = self.services.iter_mut().find(|service| service.name() == "kube-apiserver");
        server.context("the cluster has no API server")?.stop()?;
        Ok(())
    }

    /// Starts the API server again, after [`Self::stop_api_server`].
    pub fn start_api_server(&mut self) -> Result<()> {
        let started = Service::start("kube-apiserver", &mut self.apiserver, &self.folder)?;
        let place = self.services.iter_mut().find(|service| service.name() == "kube-apiserver");
        let service = place.context("the cluster has no API server")?;
        *service = started;
        let (kubectl, config) = (self.kubectl.clone(), self.folder.join("admin.kubeconfig"));
        service.wait_until(LIMIT, || {
            quiet(
                Command::new(&kubectl)
                    .arg("--kubeconfig")
                    .arg(&config)
                    .args(["get", "--raw", "/readyz"]),
            )
        })
    }

    /// Lets everything run on, to be stopped by [`down`].
    pub fn detach(mut self) -> Result<()> {
        let mut pids = String::new();
        for service in &mut self.services {
            service.detach();
            writeln!(pids, "{} {}", service.pid(), service.name())?;
        }
        fs::write(self.folder.join("pids"), pids).context("cannot write down the process ids")
    }
}

/// Stops what [`Cluster::detach`] left running; gives how many servers that were.
pub fn down(folder: &Path) -> Result<usize> {
    let list = folder.join("pids");
    let Ok(text) = fs::read_to_string(&list) else { return Ok(0) };
    let mut stopped = 0;
    for line in text.lines() {
        let (pid, name) =
            line.split_once(' ').with_context(|| format!("{} is damaged", list.display()))?;
        stopped += usize::from(process::stop_by_id(pid.parse()?, name)?);
    }
    fs::remove_file(list)?;
    Ok(stopped)
}

/// Shell lines that put a shell into the cluster under `folder`.
pub fn environment(folder: &Path) -> Result<String> {
    let kubeconfig = folder.join("admin.kubeconfig");
    if !folder.join("pids").is_file() {
        bail!("no cluster runs under {}: `cargo xtask cluster up` starts one", folder.display());
    }
    let peers = workspace::cache()?.join("peers");
    Ok(format!(
        "export KUBECONFIG='{}'\nexport PATH='{}':\"$PATH\"\n",
        kubeconfig.display(),
        peers.display()
    ))
}

fn write_kubeconfig(
    path: &Path,
    server: &str,
    authority: &str,
    user: &serde_json::Value,
) -> Result<()> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{
            "name": "test",
            "cluster": { "server": server, "certificate-authority-data": base64(authority) },
        }],
        "users": [{ "name": "test", "user": user }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
    });
    certificates::write_private(path, &serde_json::to_string_pretty(&config)?)
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn flag(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

fn quiet(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
