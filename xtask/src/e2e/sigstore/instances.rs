//! Two private Sigstores on loopback: the real programs, and the testkit's doubles. Both believe the testkit's issuer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::Value;
use sigward_testkit::sigstore::{Service as Double, Services, ServicesOptions};

use super::super::scratch::Scratch;
use super::super::wire;
use crate::peers::Peers;
use crate::process::{self, Service};

/// How long a real service may take to answer for the first time.
const SOON: Duration = Duration::from_mins(1);
/// The beginning of every service's validity in the real root and the real signing configuration.
const SINCE: &str = "2020-01-01T00:00:00Z";
/// Who signs.
pub(crate) const SIGNER: &str = "dev@example.test";

/// Whose services sign, and whose roots judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Fulcio, Rekor v2 and the timestamp authority as they are built upstream. There is no certificate log.
    Real,
    /// The doubles, with a certificate log, and Rekor v1.
    DoublesV1,
    /// The doubles, with a certificate log, and Rekor v2.
    DoublesV2,
}

impl Place {
    pub(crate) const ALL: [Self; 3] = [Self::Real, Self::DoublesV1, Self::DoublesV2];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::DoublesV1 => "doubles_v1",
            Self::DoublesV2 => "doubles_v2",
        }
    }
}

/// The real programs, and where they are.
#[derive(Debug)]
struct Real {
    /// Until they are stopped.
    services: Mutex<Vec<Service>>,
    fulcio: String,
    rekor: String,
    timestamps: String,
}

/// Both Sigstores, running, with the files that clients are given.
#[derive(Debug)]
pub(crate) struct Sigstore {
    doubles: Services,
    real: Real,
    folder: PathBuf,
}

/// Where the services of one place are.
#[derive(Debug, Clone)]
pub(crate) struct Urls {
    pub(crate) fulcio: String,
    pub(crate) rekor: String,
    /// The timestamp authority, with its path.
    pub(crate) timestamps: String,
}

impl Sigstore {
    /// Starts everything with its data and logs under `folder`.
    pub(crate) fn start(peers: &Peers, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let doubles = Services::start(ServicesOptions::default())?;
        let issuer = doubles.instance().urls().issuer;
        let services = vec![
            rekor(peers, folder)?,
            timestamps(peers, folder)?,
            fulcio(peers, folder, &issuer)?,
        ];
        let at = |name: &str| -> Result<String> {
            let found = services.iter().find(|(service, _)| service.name() == name);
            Ok(found.context("no such service")?.1.clone())
        };
        let real = Real {
            fulcio: format!("http://{}", at("fulcio")?),
            rekor: format!("http://{}", at("rekor")?),
            timestamps: format!("http://{}/api/v1/timestamp", at("timestamps")?),
            services: Mutex::new(services.into_iter().map(|(service, _)| service).collect()),
        };
        let made = Self { doubles, real, folder: folder.to_owned() };
        made.write_material(peers)?;
        Ok(made)
    }

    /// The testkit's services.
    pub(crate) fn doubles(&self) -> &Services {
        &self.doubles
    }

    /// The issuer that both Fulcios believe.
    pub(crate) fn issuer(&self) -> String {
        self.doubles.instance().urls().issuer
    }

    /// A token of the one who signs.
    pub(crate) fn token(&self) -> Result<String> {
        Ok(self.doubles.instance().email_token(SIGNER)?)
    }

    /// Where the services of a place are.
    pub(crate) fn urls(&self, place: Place) -> Urls {
        let doubles = self.doubles.instance().urls();
        let rekor = if place == Place::DoublesV2 { doubles.rekor_v2 } else { doubles.rekor };
        match place {
            Place::Real => Urls {
                fulcio: self.real.fulcio.clone(),
                rekor: self.real.rekor.clone(),
                timestamps: self.real.timestamps.clone(),
            },
            Place::DoublesV1 | Place::DoublesV2 => {
                Urls { fulcio: doubles.fulcio, rekor, timestamps: doubles.timestamps }
            }
        }
    }

    /// The trusted root of a place.
    pub(crate) fn trusted_root(&self, place: Place) -> PathBuf {
        self.file(place, "trusted-root.json")
    }

    /// The signing configuration of a place.
    pub(crate) fn signing_config(&self, place: Place) -> PathBuf {
        self.file(place, "signing-config.json")
    }

    /// A PEM file of a place: `fulcio`, `rekor`, `ct` or `timestamps`.
    pub(crate) fn pem(&self, place: Place, name: &str) -> PathBuf {
        self.file(place, &format!("{name}.pem"))
    }

    /// Closes the doubles' ports: connections are refused until [`come_back`](Self::come_back).
    pub(crate) fn go_down(&self) {
        for service in Double::ALL {
            self.doubles.go_down(service);
        }
    }

    /// Opens the doubles' ports again.
    pub(crate) fn come_back(&self) -> Result<()> {
        for service in Double::ALL {
            self.doubles.come_back(service)?;
        }
        Ok(())
    }

    /// Stops the real services for good. There is no second set to stop: the timestamp authority holds a port of its own
    /// choice for metrics, and runs once on a machine.
    pub(crate) fn stop_real(&self) -> Result<()> {
        let mut services = self.real.services.lock().map_err(|_| anyhow!("another case died"))?;
        for mut service in services.drain(..) {
            service.stop()?;
        }
        Ok(())
    }

    /// How many requests the doubles got, all services together.
    pub(crate) fn requests(&self) -> u64 {
        Double::ALL.iter().map(|service| self.doubles.count(*service)).sum()
    }

    fn file(&self, place: Place, name: &str) -> PathBuf {
        self.folder.join(format!("{}-{name}", place.name()))
    }

    /// Writes the files that clients are given.
    fn write_material(&self, peers: &Peers) -> Result<()> {
        let instance = self.doubles.instance();
        for (place, version) in [(Place::DoublesV1, 1), (Place::DoublesV2, 2)] {
            let rekor = if version == 1 { instance.rekor_key() } else { instance.rekor_v2_key() };
            fs::write(self.trusted_root(place), instance.trusted_root().to_string())?;
            fs::write(self.signing_config(place), instance.signing_config(version).to_string())?;
            fs::write(self.pem(place, "fulcio"), instance.fulcio_pem())?;
            fs::write(self.pem(place, "rekor"), rekor.public_pem())?;
            fs::write(self.pem(place, "ct"), instance.ct_log_key().public_pem())?;
            fs::write(self.pem(place, "timestamps"), instance.timestamp_pem())?;
        }
        let body = get(&self.real.fulcio, "/api/v2/trustBundle")?;
        let bundle: Value = serde_json::from_slice(&body)?;
        let chain = bundle.pointer("/chains/0/certificates").and_then(Value::as_array);
        let pems: Vec<&str> = chain.into_iter().flatten().filter_map(Value::as_str).collect();
        ensure!(!pems.is_empty(), "Fulcio shows no certificate: {bundle}");
        fs::write(self.pem(Place::Real, "fulcio"), pems.join("\n"))?;
        // A certificate log that clients know and this Fulcio does not use: what is missing is the timestamp, not the key.
        fs::write(self.pem(Place::Real, "ct"), instance.ct_log_key().public_pem())?;
        let (host, _) = split(&self.real.timestamps)?;
        let chain = get(&format!("http://{host}"), "/api/v1/timestamp/certchain")?;
        fs::write(self.pem(Place::Real, "timestamps"), chain)?;
        self.create_real_material(peers)
    }

    /// The trusted root and the signing configuration of the real services, by the real tool for it.
    fn create_real_material(&self, peers: &Peers) -> Result<()> {
        let scratch = Scratch::new(self.folder.join("material"))?;
        let Real { fulcio, rekor, timestamps, .. } = &self.real;
        let pem = |name: &str| self.pem(Place::Real, name).display().to_string();
        let cosign = || -> Result<Command> { Ok(scratch.command(peers.program("cosign3")?)) };
        let since = format!("start-time={SINCE}");
        let mut root = cosign()?;
        root.args(["trusted-root", "create", "--fulcio"])
            .arg(format!("url={fulcio},certificate-chain={},{since}", pem("fulcio")))
            .arg("--rekor")
            .arg(format!("url={rekor},public-key={},{since},origin=127.0.0.1", pem("rekor")))
            .arg("--tsa")
            .arg(format!("url={timestamps},certificate-chain={},{since}", pem("timestamps")))
            .arg("--ctfe")
            .arg(format!("url=http://ct.invalid,public-key={},{since}", pem("ct")))
            .arg("--out")
            .arg(self.trusted_root(Place::Real));
        scratch.succeed(&mut root)?;
        let service = |url: &str, version: u32| {
            format!("url={url},api-version={version},{since},operator=example.test")
        };
        let mut config = cosign()?;
        config
            .args(["signing-config", "create", "--fulcio", &service(fulcio, 1)])
            .args(["--rekor", &service(rekor, 2), "--rekor-config", "ANY"])
            .args(["--tsa", &service(timestamps, 1), "--tsa-config", "ANY"])
            .arg("--out")
            .arg(self.signing_config(Place::Real));
        scratch.succeed(&mut config)?;
        Ok(())
    }
}

/// A service that answers, and its address.
type Answering = (Service, String);

/// Waits until the service answers this path with 200.
fn until_it_answers(mut service: Service, host: String, path: &str) -> Result<Answering> {
    service.wait_until(SOON, || {
        wire::send(&host, "GET", path, &[], b"").is_ok_and(|answer| answer.status == 200)
    })?;
    Ok((service, host))
}

fn rekor(peers: &Peers, folder: &Path) -> Result<Answering> {
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let private = folder.join("rekor.key");
    fs::write(&private, key.serialize_pem())?;
    fs::write(folder.join(format!("{}-rekor.pem", Place::Real.name())), key.public_key_pem())?;
    let data = folder.join("rekor");
    fs::create_dir_all(&data)?;
    let (http, grpc, metrics) = ports()?;
    let mut command = Command::new(peers.program("rekor-tiles-posix")?);
    command
        .args(["serve", "--checkpoint-interval=1s", "--hostname=127.0.0.1"])
        .arg(format!("--signer-filepath={}", private.display()))
        .arg(format!("--storage-dir={}", data.display()))
        .arg(format!("--http-port={http}"))
        .arg(format!("--grpc-port={grpc}"))
        .arg(format!("--http-metrics-port={metrics}"));
    let service = Service::start("rekor", &mut command, folder)?;
    until_it_answers(service, format!("127.0.0.1:{http}"), "/healthz")
}

fn timestamps(peers: &Peers, folder: &Path) -> Result<Answering> {
    let port = process::free_port()?;
    let mut command = Command::new(peers.program("timestamp-server")?);
    command.args(["serve", "--host=127.0.0.1", "--disable-ntp-monitoring"]);
    command.arg(format!("--port={port}"));
    let service = Service::start("timestamps", &mut command, folder)?;
    until_it_answers(service, format!("127.0.0.1:{port}"), "/api/v1/timestamp/certchain")
}

fn fulcio(peers: &Peers, folder: &Path, issuer: &str) -> Result<Answering> {
    let config = folder.join("fulcio.yaml");
    // In JSON the fields have other names.
    let believed = format!(
        "oidc-issuers:\n  {issuer}:\n    issuer-url: {issuer}\n    client-id: sigstore\n    type: email\n"
    );
    fs::write(&config, believed)?;
    let (http, grpc, metrics) = ports()?;
    let mut command = Command::new(peers.program("fulcio")?);
    command
        .args(["serve", "--ca=ephemeralca", "--ct-log-url="])
        .arg(format!("--config-path={}", config.display()))
        .args(["--host=127.0.0.1", "--grpc-host=127.0.0.1"])
        .arg(format!("--port={http}"))
        .arg(format!("--grpc-port={grpc}"))
        .arg(format!("--metrics-port={metrics}"));
    let service = Service::start("fulcio", &mut command, folder)?;
    until_it_answers(service, format!("127.0.0.1:{http}"), "/api/v2/trustBundle")
}

fn ports() -> Result<(u16, u16, u16)> {
    Ok((process::free_port()?, process::free_port()?, process::free_port()?))
}

/// `HOST:PORT` and path of a plain address.
fn split(url: &str) -> Result<(&str, &str)> {
    let rest = url.strip_prefix("http://").with_context(|| format!("not plain HTTP: {url}"))?;
    Ok(rest.split_once('/').unwrap_or((rest, "")))
}

fn get(url: &str, path: &str) -> Result<Vec<u8>> {
    let answer = wire::send(split(url)?.0, "GET", path, &[], b"")?;
    ensure!(answer.status == 200, "{url}{path} answers {}", answer.status);
    Ok(answer.body)
}
