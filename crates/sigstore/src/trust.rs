//! What signatures are judged by: certificate authorities, logs and timestamp authorities, each
//! with the time in which it may be believed.
//!
//! SPEC: sigstore protobuf-specs 0.5, sigstore_trustroot.proto. Nothing here comes from an artifact.
mod hash;
mod json;
mod signing_config;

pub use crate::requirement::TrustId;
pub use signing_config::{
    MEDIA_TYPE as SIGNING_CONFIG_MEDIA_TYPE, Selection, Selector, Service, SigningConfig,
    SigningConfigError, select,
};

use crate::{
    encoding::sha256,
    keys::{Algorithm, Certificate, KeyError, PublicKey},
    requirement::Timestamp,
};
use std::{collections::BTreeMap, sync::Arc};

/// Most authorities or logs of one kind.
pub const MAX_AUTHORITIES: usize = 64;
/// Longest file that is read, in bytes.
pub const MAX_TRUSTED_ROOT: usize = 4 << 20;
/// The media type that is written.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";

/// A period of time; both ends belong to it.
///
/// COMPAT: cosign 3.1.1: `end` is inclusive. test: the_end_of_a_period_belongs_to_it
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Validity {
    /// From then on; from ever when absent.
    pub start: Option<Timestamp>,
    /// Until then; for ever when absent.
    pub end: Option<Timestamp>,
}

impl Validity {
    /// From `start` on.
    pub fn since(start: Timestamp) -> Self {
        Self { start: Some(start), end: None }
    }

    /// True when `at` lies in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= at) && self.end.is_none_or(|end| at <= end)
    }
}

/// One certificate authority or timestamp authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateAuthority {
    /// `organization` and `commonName`, for people.
    pub subject: (String, String),
    /// Where it answers, for people.
    pub uri: String,
    /// The leaf or the intermediate first, the root last; at least one.
    pub chain: Vec<Certificate>,
    /// When it may be believed.
    pub valid_for: Validity,
}

impl CertificateAuthority {
    /// One with a chain in PEM: the leaf or intermediate first, the root last.
    pub fn from_pem(uri: &str, chain: &str, valid_for: Validity) -> Result<Self, KeyError> {
        let chain = Certificate::parse_pem_all(chain)?;
        let subject = chain.last().map(Certificate::subject_words).unwrap_or_default();
        Ok(Self { subject, uri: uri.to_owned(), chain, valid_for })
    }
}

/// One transparency log, of signatures (Rekor) or of certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransparencyLog {
    /// Where it answers. A Rekor 2 log is called by the host of it.
    pub base_url: String,
    /// What it signs with.
    pub key: PublicKey,
    /// The name of key and signature scheme, as the file spells it or as it would be spelled.
    pub key_details: String,
    /// By what entries name it: SHA-256 over the key (Rekor 1, certificate logs), or over name,
    /// algorithm and key (Rekor 2).
    pub log_id: Vec<u8>,
    /// By what checkpoints name it, when the file says so.
    pub checkpoint_key_id: Option<Vec<u8>>,
    /// When its signatures may be believed.
    pub valid_for: Validity,
    /// Who runs it; may be empty.
    pub operator: String,
}

impl TransparencyLog {
    /// A Rekor 1 log or a certificate log: its identity is the hash of its key.
    pub fn new(base_url: &str, key: PublicKey, valid_for: Validity) -> Self {
        Self {
            base_url: base_url.to_owned(),
            key_details: key_details(&key).to_owned(),
            log_id: sha256(key.as_der()).to_vec(),
            checkpoint_key_id: None,
            key,
            valid_for,
            operator: String::new(),
        }
    }

    /// A Rekor 2 log: its identity is the hash of its origin, which is mostly the host of its
    /// address, and of its key.
    pub fn with_origin(base_url: &str, origin: &str, key: PublicKey, valid_for: Validity) -> Self {
        let log_id = note_key_id(origin, &key);
        Self { log_id, ..Self::new(base_url, key, valid_for) }
    }

    /// True when entries name it by the hash of its key alone.
    pub fn is_named_by_key(&self) -> bool {
        self.log_id == sha256(self.key.as_der())
    }

    /// What a Rekor 2 log calls itself: host and port of its address.
    pub fn host(&self) -> &str {
        let rest = self.base_url.split_once("://").map_or(self.base_url.as_str(), |(_, r)| r);
        rest.split(['/', '?', '#']).next().unwrap_or_default()
    }
}

/// SPEC: signed notes, C2SP signed-note.md: SHA-256 over name, newline, algorithm and key.
pub(crate) fn note_key_id(name: &str, key: &PublicKey) -> Vec<u8> {
    let mut text = format!("{name}\n").into_bytes();
    if let Some(raw) = key.ed25519_bytes() {
        text.push(1);
        text.extend_from_slice(raw);
    } else {
        text.push(2);
        text.extend_from_slice(key.as_der());
    }
    sha256(&text).to_vec()
}

/// How protobuf-specs name a key of this kind with its customary hash.
pub fn key_details(key: &PublicKey) -> &'static str {
    match key.algorithm() {
        Ok(Algorithm::EcdsaP256) => "PKIX_ECDSA_P256_SHA_256",
        Ok(Algorithm::EcdsaP384) => "PKIX_ECDSA_P384_SHA_384",
        Ok(Algorithm::EcdsaP521) => "PKIX_ECDSA_P521_SHA_512",
        Ok(Algorithm::Rsa { bits: 2048 }) => "PKIX_RSA_PKCS1V15_2048_SHA256",
        Ok(Algorithm::Rsa { bits: 3072 }) => "PKIX_RSA_PKCS1V15_3072_SHA256",
        Ok(Algorithm::Rsa { .. }) => "PKIX_RSA_PKCS1V15_4096_SHA256",
        Ok(Algorithm::Ed25519) => "PKIX_ED25519",
        Err(_) => "PUBLIC_KEY_DETAILS_UNSPECIFIED",
    }
}

/// All that a trusted root holds, to be put together from files, flags or a policy's own keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustParts {
    /// Who may have issued signers' certificates.
    pub certificate_authorities: Vec<CertificateAuthority>,
    /// Who may have signed timestamps.
    pub timestamp_authorities: Vec<CertificateAuthority>,
    /// Logs of signatures.
    pub tlogs: Vec<TransparencyLog>,
    /// Logs of certificates.
    pub ctlogs: Vec<TransparencyLog>,
}

/// Trust material that does not change any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedRoot {
    id: TrustId,
    parts: TrustParts,
    unsupported: Vec<String>,
}

/// Why trust material cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Not JSON of this shape.
    #[error("malformed trusted root: {0}")]
    Malformed(String),
    /// A version that is not known.
    #[error("unsupported trusted root media type {0:?}")]
    MediaType(String),
    /// An element of it cannot be read.
    #[error("trusted root: {field}: {problem}")]
    Element {
        /// Where, for example `tlogs[0].publicKey.rawBytes`.
        field: String,
        /// What is wrong there.
        problem: String,
    },
    /// More elements, or more bytes, than are read.
    #[error("trusted root is too large")]
    TooLarge,
}

impl TrustedRoot {
    /// Reads `trusted_root.json`. An element whose algorithm is not known is left out and named by
    /// [`Self::unsupported`]: it can verify nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        if bytes.len() > MAX_TRUSTED_ROOT {
            return Err(TrustError::TooLarge);
        }
        let (parts, unsupported) = json::read(bytes)?;
        Ok(Self { unsupported, ..Self::new(parts)? })
    }

    /// One of these parts.
    pub fn new(parts: TrustParts) -> Result<Self, TrustError> {
        let counts = [
            parts.certificate_authorities.len(),
            parts.timestamp_authorities.len(),
            parts.tlogs.len(),
            parts.ctlogs.len(),
        ];
        if counts.into_iter().any(|count| count > MAX_AUTHORITIES) {
            return Err(TrustError::TooLarge);
        }
        let authorities = [
            ("certificateAuthorities", &parts.certificate_authorities),
            ("timestampAuthorities", &parts.timestamp_authorities),
        ];
        for (name, list) in authorities {
            if let Some(i) = list.iter().position(|authority| authority.chain.is_empty()) {
                return Err(TrustError::Element {
                    field: format!("{name}[{i}].certChain"),
                    problem: "holds no certificate".to_owned(),
                });
            }
        }
        Ok(Self { id: hash::of(&parts), parts, unsupported: Vec::new() })
    }

    /// The hash of what it holds; the order of its elements and the names for people do not matter.
    pub fn id(&self) -> TrustId {
        self.id
    }

    /// What it holds.
    pub fn parts(&self) -> &TrustParts {
        &self.parts
    }

    /// Elements that were left out because their algorithm is not known, for a warning.
    pub fn unsupported(&self) -> &[String] {
        &self.unsupported
    }

    /// The file: JSON of the version that [`MEDIA_TYPE`] names.
    pub fn to_json(&self) -> String {
        json::write(&self.parts)
    }
}

/// The trusted roots at hand, each by its hash. What a requirement names and this lacks is undetermined.
///
/// Two stores are equal when they hold the same roots, and a root's hash says what it holds.
#[derive(Clone, Default)]
pub struct TrustStore(BTreeMap<TrustId, Arc<TrustedRoot>>);

impl TrustStore {
    /// An empty one: everything that needs trust material is undetermined.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn insert(&mut self, root: Arc<TrustedRoot>) {
        self.0.insert(root.id(), root);
    }

    /// The one with this hash.
    pub fn get(&self, id: TrustId) -> Option<&Arc<TrustedRoot>> {
        self.0.get(&id)
    }
}

impl std::fmt::Debug for TrustStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl PartialEq for TrustStore {
    fn eq(&self, other: &Self) -> bool {
        self.0.keys().eq(other.0.keys())
    }
}

impl Eq for TrustStore {}

impl PartialOrd for TrustStore {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TrustStore {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.keys().cmp(other.0.keys())
    }
}

impl FromIterator<Arc<TrustedRoot>> for TrustStore {
    fn from_iter<I: IntoIterator<Item = Arc<TrustedRoot>>>(roots: I) -> Self {
        Self(roots.into_iter().map(|root| (root.id(), root)).collect())
    }
}

#[cfg(test)]
mod tests;
