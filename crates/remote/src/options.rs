//! How registries are asked: limits, times, trust and switches, with their defaults.
use crate::credentials::{CloudEnvironment, Login};
use sigward_oci::Access;
use sigward_sigstore::prover::Thoroughness;
use smol_str::SmolStr;
use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf, time::Duration};

/// Everything about a client that is decided once. `Default` is what an admission webhook uses.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sent as `User-Agent`.
    pub user_agent: SmolStr,
    /// Certificate authorities (PEM) that are trusted beside those of the system.
    pub extra_ca_pem: Vec<Vec<u8>>,
    /// Settings for every host that has none of its own.
    pub everywhere: HostOptions,
    /// Settings by host (with port when the references have one).
    pub hosts: BTreeMap<SmolStr, HostOptions>,
    /// Which proxies are used; loopback hosts are always asked directly.
    pub proxies: Proxies,
    /// Hosts whose token realm may lie at a private address of another host.
    pub insecure_private_realms: Vec<SmolStr>,
    /// Limits on what is read.
    pub caps: Caps,
    /// Limits on how long is waited.
    pub times: Times,
    /// How often one request is sent at most, the first time included.
    pub attempts: u32,
    /// Requests to one host at the same time.
    pub per_host: usize,
    /// Bytes of manifests and blobs kept in memory.
    pub cache_bytes: u64,
    /// Proofs kept in memory.
    pub proof_entries: usize,
    /// How long a proof is kept (`imageVerifyCacheTTLDuration`); zero keeps none.
    pub proof_ttl: Duration,
    /// How many signatures a proof looks at once one has satisfied.
    pub thoroughness: Thoroughness,
    /// Credentials of questions that name none.
    pub ambient: Access,
    /// A login given on the command line, before all other credentials.
    pub login: Option<Login>,
    /// Docker and podman configuration files in the order in which they are looked at.
    pub docker_configs: Vec<PathBuf>,
    /// The `PATH` in which credential helper programs are looked up; `None`: that of the process.
    pub helper_path: Option<OsString>,
    /// A token for `ghcr.io` (`GITHUB_TOKEN`), for the helper `github`.
    pub github_token: Option<Secret>,
    /// What the environment says to the helpers `amazon`, `google` and `azure`.
    pub clouds: CloudEnvironment,
}

/// Settings of one host.
#[derive(Clone, Default)]
pub struct HostOptions {
    /// Client certificates, leaf first, and their key: PEM.
    pub client_identity_pem: Option<(Vec<u8>, Secret)>,
    /// The name that the host's certificate must carry, when it is not the host itself.
    pub server_name: Option<SmolStr>,
    /// Certificates are not checked at all (`--allow-insecure-registry`).
    pub insecure_skip_tls_verify: bool,
    /// Plain HTTP is used when TLS does not work (`--allow-http-registry`).
    pub insecure_plain_http: bool,
}

impl fmt::Debug for HostOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HostOptions")
            .field("client_identity", &self.client_identity_pem.is_some())
            .field("server_name", &self.server_name)
            .field("insecure_skip_tls_verify", &self.insecure_skip_tls_verify)
            .field("insecure_plain_http", &self.insecure_plain_http)
            .finish()
    }
}

/// Which proxies are used.
#[derive(Clone, Debug, Default)]
pub enum Proxies {
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` and their lower-case spellings.
    #[default]
    Environment,
    /// None.
    Direct,
    /// These.
    Explicit {
        /// For http.
        http: Option<String>,
        /// For https.
        https: Option<String>,
        /// Hosts that are asked directly, in the spelling of `NO_PROXY`.
        no_proxy: Option<String>,
    },
}

/// Limits on what is read. Above any of them the outcome is undetermined, never "unsigned".
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Bytes of a manifest, index or page of referrers.
    pub manifest: u64,
    /// Bytes of a signature, attestation or bundle (`COSIGN_MAX_ATTACHMENT_SIZE`).
    pub attachment: u64,
    /// Referrers of one image, or layers of one attached tag, that a proof examines.
    pub candidates: usize,
    /// Pages of one list of referrers.
    pub referrer_pages: u32,
    /// Entries of one list of referrers.
    pub referrers: usize,
    /// Bytes of all headers of one answer.
    pub headers: u32,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            manifest: 4 << 20,
            attachment: 10 << 20,
            candidates: 50,
            referrer_pages: 32,
            referrers: 4096,
            headers: 64 << 10,
        }
    }
}

/// Limits on how long is waited.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For a connection.
    pub connect: Duration,
    /// For the head of an answer.
    pub answer: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
    /// For one question with all its retries, even when nobody waits any more.
    pub work: Duration,
    /// For a credential helper program.
    pub helper: Duration,
    /// First pause before a retry; doubles, with jitter.
    pub backoff: Duration,
    /// Longest pause that a registry may ask for (`Retry-After`) before we give up instead.
    pub longest_pause: Duration,
    /// How long a host is left alone once its connections keep failing.
    pub breaker: Duration,
    /// How long a host is believed to lack the referrers API.
    pub referrers_missing: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(15),
            idle: Duration::from_secs(10),
            work: Duration::from_mins(1),
            helper: Duration::from_secs(10),
            backoff: Duration::from_millis(200),
            longest_pause: Duration::from_secs(10),
            breaker: Duration::from_secs(5),
            referrers_missing: Duration::from_mins(1),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user_agent: concat!("sigward/", env!("CARGO_PKG_VERSION")).into(),
            extra_ca_pem: Vec::new(),
            everywhere: HostOptions::default(),
            hosts: BTreeMap::new(),
            proxies: Proxies::default(),
            insecure_private_realms: Vec::new(),
            caps: Caps::default(),
            times: Times::default(),
            attempts: 4,
            per_host: 16,
            cache_bytes: 4 << 20,
            proof_entries: 10_000,
            proof_ttl: Duration::from_hours(1),
            thoroughness: Thoroughness::default(),
            ambient: Access::default(),
            login: None,
            docker_configs: Vec::new(),
            helper_path: None,
            github_token: None,
            clouds: CloudEnvironment::default(),
        }
    }
}

impl Options {
    /// The settings of a host.
    pub(crate) fn host(&self, host: &str) -> &HostOptions {
        self.own(host).map_or(&self.everywhere, |(_, own)| own)
    }

    /// The settings that a host has for itself, and the name under which they were given: Docker
    /// Hub answers at another host than the one that references name.
    pub(crate) fn own(&self, host: &str) -> Option<(&SmolStr, &HostOptions)> {
        let aliases: &[&str] = match host {
            sigward_oci::DOCKER_HUB => &["docker.io", "index.docker.io"],
            _ => &[],
        };
        [host].iter().chain(aliases).find_map(|name| self.hosts.get_key_value(*name))
    }
}

/// Bytes that are wiped when they are dropped and never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(zeroize::Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(zeroize::Zeroizing::new(bytes.into()))
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text; empty when they are not text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}
