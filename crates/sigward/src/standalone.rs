//! A webhook without a cluster: policies and Secrets from files, read again on SIGHUP.
use crate::{
    cli::{
        cosign::Failure,
        kyverno::say,
        serve::{Backing, Nobody},
    },
    shelf::{Document, Documents, Shelf},
    sources::Objects,
};
use arc_swap::{ArcSwap, ArcSwapOption};
use sigward_policy::{
    compile::{Diagnostic, Severity, compile_exception, compile_policy},
    fact::{Fact, Fetch},
    resolve::Pending,
    snapshot::{Settings, Snapshot},
};
use sigward_remote::{Credentials, PullSecret, PullSecretFuture, Secret};
use sigward_server::{Readiness, tls::Certificates};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// A serving certificate and its key, PEM.
pub(crate) struct PemPair {
    /// Leaf first.
    pub(crate) chain: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

/// Policies and objects from files.
#[derive(Debug)]
pub(crate) struct Standalone {
    policies: Vec<PathBuf>,
    secrets: Vec<PathBuf>,
    settings: Arc<Settings>,
    /// The least severity that is said.
    said_from: Severity,
    shelf: Arc<Current>,
    snapshots: Arc<ArcSwapOption<Snapshot>>,
    next_id: AtomicU64,
}

/// The files as last read.
#[derive(Debug, Default)]
struct Current(ArcSwap<Shelf>);

impl Objects for Current {
    fn peek(&self, fetch: &Fetch) -> Option<Fact> {
        self.0.load().peek(fetch)
    }
    fn answer(&self, fetch: Fetch) -> Pending {
        self.0.load().answer(fetch)
    }
}

impl Credentials for Current {
    fn pull_secret<'a>(&'a self, namespace: &'a str, name: &'a str) -> PullSecretFuture<'a> {
        let shelf = self.0.load();
        let of = |key: &str| shelf.secret(namespace, name, key);
        let secret = of(".dockerconfigjson").and_then(|found| match found {
            Some(bytes) => Ok(Some(PullSecret::DockerConfigJson(Secret::new(bytes)))),
            None => Ok(of(".dockercfg")?.map(|bytes| PullSecret::Dockercfg(Secret::new(bytes)))),
        });
        Box::pin(std::future::ready(secret.map_err(Into::into)))
    }
}

impl Standalone {
    /// Reads everything once. A policy that is refused ends this: a webhook that silently lacks one would be worse.
    ///
    /// # Errors
    /// Files that cannot be read, or policies that do not compile; each was said on standard error with its place.
    pub(crate) fn load(
        policies: &[PathBuf],
        secrets: &[PathBuf],
        settings: &Arc<Settings>,
    ) -> Result<Self, Failure> {
        Self::load_saying(policies, secrets, settings, Severity::Warning)
    }

    /// The same without its warnings: only what keeps a policy out of force is said.
    ///
    /// # Errors
    /// As [`Self::load`].
    #[cfg(feature = "quickstart")]
    pub(crate) fn load_quietly(
        policies: &[PathBuf],
        secrets: &[PathBuf],
        settings: &Arc<Settings>,
    ) -> Result<Self, Failure> {
        Self::load_saying(policies, secrets, settings, Severity::Error)
    }

    fn load_saying(
        policies: &[PathBuf],
        secrets: &[PathBuf],
        settings: &Arc<Settings>,
        from: Severity,
    ) -> Result<Self, Failure> {
        let this = Self {
            policies: policies.to_vec(),
            secrets: secrets.to_vec(),
            settings: Arc::clone(settings),
            said_from: from,
            shelf: Arc::default(),
            snapshots: Arc::default(),
            next_id: AtomicU64::new(1),
        };
        this.read()?;
        Ok(this)
    }

    /// Reads the files again; what was read last stays in force when they cannot be used.
    pub(crate) fn reload(&self) {
        match self.read() {
            Ok(()) => tracing::info!("policies were read again"),
            Err(Failure { message, .. }) => {
                tracing::error!(
                    error = message,
                    "policies could not be read again; the last ones stay in force"
                );
            }
        }
    }

    fn say(&self, document: &Document, diagnostics: &[Diagnostic]) {
        let said: Vec<Diagnostic> =
            diagnostics.iter().filter(|one| one.severity >= self.said_from).cloned().collect();
        say(document, &said);
    }

    fn read(&self) -> Result<(), Failure> {
        let mut refused = 0_usize;
        let documents = Documents::read(&self.policies)?;
        let (mut policies, mut exceptions, mut shelf) = (Vec::new(), Vec::new(), Shelf::default());
        for document in &documents.read {
            match document.written.value.str_at(&["kind"]) {
                Some("ClusterPolicy" | "Policy") => {
                    let compiled = compile_policy(&document.written.value, &self.settings);
                    self.say(document, &compiled.diagnostics);
                    match compiled.value {
                        Some(policy) => policies.push(Arc::new(policy)),
                        None => refused += 1,
                    }
                }
                Some("PolicyException") => {
                    let compiled = compile_exception(&document.written.value, &self.settings);
                    self.say(document, &compiled.diagnostics);
                    match compiled.value {
                        Some(exception) => exceptions.push(Arc::new(exception)),
                        None => refused += 1,
                    }
                }
                _ => shelf.put(&document.written.value),
            }
        }
        let objects = Documents::read(&self.secrets)?;
        for document in &objects.read {
            shelf.put(&document.written.value);
        }
        for broken in documents.broken.iter().chain(&objects.broken) {
            tracing::error!("{broken}");
            refused += 1;
        }
        if refused > 0 {
            return Err(Failure::new(format!("{refused} document(s) could not be used")));
        }
        policies.sort_by(|one, other| one.name().cmp(other.name()));
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.shelf.0.store(Arc::new(shelf));
        self.snapshots.store(Some(Arc::new(Snapshot::new(
            id,
            policies,
            exceptions,
            Arc::clone(&self.settings),
        ))));
        Ok(())
    }

    /// What the server needs; makes a certificate for this host when none is given.
    ///
    /// # Errors
    /// The certificate cannot be used, or `ca_out` not written.
    pub(crate) fn backing(
        &self,
        certificate: Option<PemPair>,
        ca_out: Option<&Path>,
    ) -> Result<Backing, Failure> {
        let certificates = Certificates::default();
        let PemPair { chain, key } = match certificate {
            Some(pair) => pair,
            None => self_signed()?,
        };
        certificates.replace(&chain, &key)?;
        if let Some(path) = ca_out {
            std::fs::write(path, &chain).map_err(|error| {
                Failure::new(format!("cannot write {}: {error}", path.display()))
            })?;
        }
        let snapshots = Arc::clone(&self.snapshots);
        Ok(Backing {
            snapshots: Arc::clone(&self.snapshots),
            objects: Arc::clone(&self.shelf) as _,
            credentials: Arc::clone(&self.shelf) as _,
            audience: Arc::new(Nobody),
            readiness: Box::new(move || match snapshots.load().as_ref() {
                Some(snapshot) => Readiness {
                    ready: true,
                    detail: format!("{} policies from files", snapshot.policies().len()),
                },
                None => {
                    Readiness { ready: false, detail: "policies are not loaded yet".to_owned() }
                }
            }),
            // Built-in kinds are known without asking.
            kinds: Box::new(|_| None),
            certificates,
        })
    }
}

/// A certificate for this host; clients trust the certificate itself.
fn self_signed() -> Result<PemPair, Failure> {
    let key = rcgen::KeyPair::generate()?;
    let names = ["localhost", "127.0.0.1", "::1", "kyverno-svc.kyverno.svc"].map(str::to_owned);
    let mut parameters = rcgen::CertificateParams::new(names)?;
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "sigward webhook");
    let certificate = parameters.self_signed(&key)?;
    Ok(PemPair { chain: certificate.pem().into_bytes(), key: key.serialize_pem().into_bytes() })
}
