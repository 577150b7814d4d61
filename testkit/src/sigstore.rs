//! A private Sigstore in this process: certificate authority and log, Rekor 1 and 2, timestamp authority, OIDC issuer, TUF.
//!
//! [`Instance`] is the thing itself, without sockets: keys, logs and a clock that a test can set. [`Services`] puts it behind
//! HTTP, each service on a port of its own. [`Keyless`] signs with it as cosign does. [`Knobs`] makes one thing about it wrong.

mod canonical;
mod clock;
mod fulcio;
mod keyless;
mod knobs;
mod log;
mod merkle;
mod note;
mod oidc;
mod rekor;
mod rekor_v2;
mod services;
mod trust;
mod tsa;
pub mod tuf;
mod x509;

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use serde_json::Value;

pub use self::{
    clock::Clock,
    fulcio::{Authorities, Identity, Name},
    keyless::{Keyless, Logged},
    knobs::{Checkpoint, Knobs, Promise, Proof, Purpose, Sct, Stamp},
    oidc::github_claims,
    services::{Service, Services, ServicesOptions},
};
use self::{
    fulcio::Fulcio,
    oidc::Issuer,
    rekor::Rekor,
    rekor_v2::RekorV2,
    tsa::{Query, TimestampAuthority},
};
use crate::keys::{Algorithm, KeyError, KeyPair};

/// How an instance is made. The default is a sound Sigstore by the machine's clock.
#[derive(Debug, Clone)]
pub struct Options {
    /// The time of all services.
    pub clock: Clock,
    /// How long the certificates of Fulcio's authorities are valid; nothing: a year before now to nine years after.
    pub fulcio: Option<Authorities>,
    /// The same for the timestamp authority, whose leaf ends with `intermediate_not_after`.
    pub timestamps: Option<Authorities>,
    /// What the timestamp authority's certificate is good for.
    pub timestamp_purpose: Purpose,
    /// The kind of key of Fulcio's authorities.
    pub fulcio_key: Algorithm,
    /// The kind of key of Rekor v1.
    pub rekor_key: Algorithm,
    /// The kind of key of Rekor v2: Ed25519 or ECDSA on P-256.
    pub rekor_v2_key: Algorithm,
    /// The host in checkpoints of Rekor v1.
    pub rekor_host: String,
    /// The host of Rekor v2: origin and signer of its checkpoints.
    pub rekor_v2_host: String,
    /// Entries that both logs hold from the start.
    pub filling: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            fulcio: None,
            timestamps: None,
            timestamp_purpose: Purpose::Right,
            fulcio_key: Algorithm::EcdsaP384,
            rekor_key: Algorithm::EcdsaP256,
            rekor_v2_key: Algorithm::Ed25519,
            rekor_host: "rekor.testkit.invalid".to_owned(),
            rekor_v2_host: "rekor-v2.testkit.invalid".to_owned(),
            filling: 5,
        }
    }
}

/// Where the services are found. By default nowhere: names that no resolver knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls {
    /// Fulcio.
    pub fulcio: String,
    /// The certificate log, which nobody asks.
    pub ct_log: String,
    /// Rekor v1.
    pub rekor: String,
    /// Rekor v2.
    pub rekor_v2: String,
    /// The timestamp authority, with its path.
    pub timestamps: String,
    /// The OIDC issuer, which tokens name.
    pub issuer: String,
    /// The TUF mirror.
    pub mirror: String,
}

/// A private Sigstore. All methods take `&self`.
#[derive(Debug)]
pub struct Instance {
    clock: Clock,
    /// The beginning of every key's validity.
    since: i64,
    fulcio: Fulcio,
    rekor: Mutex<Rekor>,
    rekor_v2: Mutex<RekorV2>,
    timestamps: TimestampAuthority,
    issuer: Issuer,
    knobs: Mutex<Knobs>,
    urls: Mutex<Urls>,
    serial: AtomicU64,
}

impl Instance {
    /// Makes keys and certificates.
    pub fn new(options: Options) -> Result<Self, KeyError> {
        let Options { clock, rekor_host, rekor_v2_host, filling, .. } = options;
        let now = clock.now();
        let usual = || Authorities {
            not_before: now.saturating_sub(365 * 86_400),
            root_not_after: now.saturating_add(9 * 365 * 86_400),
            intermediate_not_after: now.saturating_add(9 * 365 * 86_400),
        };
        let authorities = options.fulcio.unwrap_or_else(usual);
        let stamping = options.timestamps.unwrap_or_else(usual);
        Ok(Self {
            since: authorities.not_before,
            fulcio: Fulcio::new(&authorities, options.fulcio_key)?,
            timestamps: TimestampAuthority::new(&stamping, options.timestamp_purpose)?,
            urls: Mutex::new(Urls {
                fulcio: "https://fulcio.testkit.invalid".to_owned(),
                ct_log: "https://ct.testkit.invalid/log".to_owned(),
                rekor: format!("https://{rekor_host}"),
                rekor_v2: format!("https://{rekor_v2_host}"),
                timestamps: "https://tsa.testkit.invalid/api/v1/timestamp".to_owned(),
                issuer: "https://issuer.testkit.invalid".to_owned(),
                mirror: "https://tuf.testkit.invalid".to_owned(),
            }),
            rekor: Mutex::new(Rekor::new(&rekor_host, options.rekor_key, filling)?),
            rekor_v2: Mutex::new(RekorV2::new(&rekor_v2_host, options.rekor_v2_key, filling)?),
            issuer: Issuer::new()?,
            knobs: Mutex::default(),
            serial: AtomicU64::new(1000),
            clock,
        })
    }

    /// The clock of all services.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What is out of the ordinary right now.
    pub fn knobs(&self) -> Knobs {
        locked(&self.knobs).clone()
    }

    /// Changes what is out of the ordinary; `Knobs::default()` makes everything sound again.
    pub fn set_knobs(&self, knobs: Knobs) {
        *locked(&self.knobs) = knobs;
    }

    /// Where the services are found.
    pub fn urls(&self) -> Urls {
        locked(&self.urls).clone()
    }

    pub(crate) fn set_urls(&self, urls: Urls) {
        *locked(&self.urls) = urls;
    }

    fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::SeqCst)
    }

    /// A certificate over a public key (DER of its SubjectPublicKeyInfo): leaf, intermediate, root, each DER.
    pub fn certify(&self, spki: &[u8], identity: &Identity) -> Result<Vec<Vec<u8>>, KeyError> {
        let serial = self.next_serial();
        let leaf = self.fulcio.issue(spki, identity, &self.clock, &self.knobs(), serial)?;
        Ok(vec![leaf, self.fulcio.intermediate.clone(), self.fulcio.root.clone()])
    }

    /// Fulcio's root certificate, DER.
    pub fn fulcio_root(&self) -> Vec<u8> {
        self.fulcio.root.clone()
    }

    /// Fulcio's intermediate certificate, DER.
    pub fn fulcio_intermediate(&self) -> Vec<u8> {
        self.fulcio.intermediate.clone()
    }

    /// The certificate log's key.
    pub fn ct_log_key(&self) -> KeyPair {
        self.fulcio.log.clone()
    }

    /// The key of Rekor v1.
    pub fn rekor_key(&self) -> KeyPair {
        locked(&self.rekor).log.key.clone()
    }

    /// The key of Rekor v2.
    pub fn rekor_v2_key(&self) -> KeyPair {
        locked(&self.rekor_v2).log.key.clone()
    }

    /// The certificates of the timestamp authority, DER: leaf, root.
    pub fn timestamp_chain(&self) -> Vec<Vec<u8>> {
        vec![self.timestamps.leaf.clone(), self.timestamps.root.clone()]
    }

    /// Logs a proposed entry in Rekor v1 and returns the answer of its API: UUID to entry. The error is what the log would say.
    pub fn log(&self, proposed: &Value) -> Result<Value, String> {
        let body = rekor::canonical(proposed)?;
        let mut rekor = locked(&self.rekor);
        let (index, _) = rekor.append(&body, self.clock.now());
        rekor.show(index, &self.knobs()).map_err(|error| error.to_string())
    }

    /// Logs a request in Rekor v2 and returns the answer of its API: a log entry. The error is what the log would say.
    pub fn log_v2(&self, request: &Value) -> Result<Value, String> {
        let body = rekor_v2::canonical(request)?;
        let mut rekor = locked(&self.rekor_v2);
        let index = rekor.append(&body);
        rekor.show(index, &self.knobs()).map_err(|error| error.to_string())
    }

    /// A timestamp over a message: DER of a `TimeStampResp`, as cosign stores it.
    pub fn stamp(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.stamp_query(&Query::about(message))
    }

    pub(crate) fn stamp_query(&self, query: &Query) -> Result<Vec<u8>, KeyError> {
        self.timestamps.answer(query, self.clock.now(), self.next_serial(), &self.knobs())
    }

    /// A signed token for `sigstore` that lives ten minutes, with these claims over the usual ones (`iss`, `aud`, `iat`, `exp`).
    pub fn token(&self, claims: &Value) -> Result<String, KeyError> {
        self.issuer.mint(&self.urls().issuer, claims, self.clock.now())
    }

    /// The token of a person.
    pub fn email_token(&self, email: &str) -> Result<String, KeyError> {
        let claims = serde_json::json!({ "sub": "1234", "email": email, "email_verified": true });
        self.token(&claims)
    }
}

/// A poisoned lock means that another test thread failed an assertion: the content is still whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
