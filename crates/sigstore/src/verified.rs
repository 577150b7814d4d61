//! The witness. Its fields are private to this crate and it is never deserialized.
use crate::{
    certificate::{IdentityMismatch, PathError, SctError},
    keys::Certificate,
    outcome::{Cause, Outcome},
    requirement::{Shows, Timestamp},
    timestamp::{SignedTimestamp, TimestampError},
    tlog::{LogEntry, LogError},
};
use sigward_document::Value;
use sigward_oci::Digest;
use smol_str::SmolStr;
use std::{fmt, sync::Arc};

/// A signature, or a set of statements, that satisfied one attestor.
#[derive(Debug)]
pub struct Verified {
    pub(crate) digest: Digest,
    pub(crate) signer: SmolStr,
    /// Predicates, parsed once, for conditions.
    pub(crate) predicates: Vec<Value>,
    pub(crate) signed: Vec<Signed>,
    pub(crate) log_checked: bool,
    pub(crate) claims_checked: bool,
    pub(crate) seen: Timestamp,
    /// When the proof stops holding by itself (a certificate judged at the present time).
    pub(crate) holds_until: Option<Timestamp>,
}

impl Verified {
    /// The image that was asked about. Every element of [`Self::signed`] speaks of it, unless
    /// [`Self::claims_checked`] is false.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
    /// Who signed: the key's identity (SHA-256 over its SPKI, in lower-case hexadecimal), or the
    /// first name in the certificate.
    pub fn signer(&self) -> &str {
        &self.signer
    }
    /// The predicates of the wanted type, in the order in which their statements were found.
    pub fn predicates(&self) -> &[Value] {
        &self.predicates
    }
    /// What was signed: at least one element, for statements as many as predicates.
    pub fn signed(&self) -> &[Signed] {
        &self.signed
    }
    /// True when a transparency log's entry was checked for each signature.
    pub fn log_checked(&self) -> bool {
        self.log_checked
    }
    /// True when digest and annotations were checked (`--check-claims`).
    pub fn claims_checked(&self) -> bool {
        self.claims_checked
    }
    /// When it was proved.
    pub fn seen(&self) -> Timestamp {
        self.seen
    }
    /// True while the proof holds by itself; how long it may be remembered is the cache's affair.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        now >= self.seen && self.holds_until.is_none_or(|end| now < end)
    }
    /// Roughly how many bytes of memory it takes, for bounded caches.
    pub fn weight(&self) -> usize {
        let signed: usize = self.signed.iter().map(Signed::weight).sum();
        // A parsed predicate takes about twice its text.
        size_of::<Self>() + signed + if self.predicates.is_empty() { 0 } else { 2 * signed }
    }
}

/// One signed thing that passed every check.
#[derive(Clone, Debug)]
pub struct Signed {
    pub(crate) store: Store,
    pub(crate) place: SmolStr,
    pub(crate) bytes: Vec<u8>,
    pub(crate) claims: Vec<(SmolStr, Value)>,
    pub(crate) predicate_type: Option<SmolStr>,
    pub(crate) proved: Proved,
}

impl Signed {
    /// Where it was found.
    pub fn store(&self) -> Store {
        self.store
    }
    /// Repository and digest of the layer that holds it.
    pub fn place(&self) -> &str {
        &self.place
    }
    /// The stored bytes: the simple-signing payload, or the DSSE envelope; empty for a bundle's
    /// message signature, whose payload is the image's manifest.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// The signed annotations: `optional` of a payload, the subject's annotations of a statement.
    pub fn claims(&self) -> &[(SmolStr, Value)] {
        &self.claims
    }
    /// The predicate type, when it is a statement.
    pub fn predicate_type(&self) -> Option<&str> {
        self.predicate_type.as_deref()
    }
    /// What else was proved about the signature: certificate, log entries, timestamps.
    pub fn proved(&self) -> &Proved {
        &self.proved
    }

    fn weight(&self) -> usize {
        self.bytes.len() + self.place.len() + 128 + self.proved.weight()
    }
}

/// What was proved about one signature besides the signature itself. What the requirement did not
/// ask for is not here.
#[derive(Clone, Debug, Default)]
pub struct Proved {
    pub(crate) certificate: Option<Certificate>,
    pub(crate) log_entries: Vec<LogEntry>,
    pub(crate) timestamps: Vec<SignedTimestamp>,
    pub(crate) holds_until: Option<Timestamp>,
}

impl Proved {
    /// The signer's certificate, valid at each proved time and issued by a trusted root.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }
    /// The log entries that hold the signature, each proved by a trusted log.
    pub fn log_entries(&self) -> &[LogEntry] {
        &self.log_entries
    }
    /// The timestamps, each of another authority.
    pub fn timestamps(&self) -> &[SignedTimestamp] {
        &self.timestamps
    }

    fn weight(&self) -> usize {
        let certificate = self.certificate.as_ref().map_or(0, |c| 3 * c.as_der().len());
        let entries: usize = self.log_entries.iter().map(|e| e.body.len() + 2048).sum();
        let timestamps: usize = self.timestamps.iter().map(|t| t.response.len() + 128).sum();
        certificate + entries + timestamps
    }
}

/// The two ways in which cosign stores what it signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Store {
    /// Attached tags, `sha256-….sig` and `.att`.
    Legacy,
    /// Referrers that hold a Sigstore bundle.
    Bundle,
}

/// One reason for each candidate that was examined.
#[derive(Clone, Debug, Default)]
pub struct Refusal {
    /// Where the candidate lies (repository and digest of its layer), and why it does not count.
    pub candidates: Vec<(SmolStr, RefusedBecause)>,
    /// What was wanted.
    pub shows: Shows,
    /// What was looked at, in order.
    pub looked: Vec<Looked>,
}

impl Refusal {
    /// True when candidates were found but none of them of the wanted type.
    pub fn only_other_types(&self) -> bool {
        !self.candidates.is_empty()
            && self
                .candidates
                .iter()
                .all(|(_, why)| matches!(why, RefusedBecause::OtherPredicateType { .. }))
    }

    /// True when nothing that could have been what was wanted was found.
    pub fn nothing_found(&self) -> bool {
        self.candidates.iter().all(|(_, why)| {
            matches!(why, RefusedBecause::NothingFound)
                || self.shows == Shows::Signature
                    && matches!(why, RefusedBecause::OtherPredicateType { .. })
        })
    }

    /// True when at least one candidate came from a bundle: cosign then ends with code 1.
    pub fn saw_bundle(&self) -> bool {
        self.looked
            .iter()
            .any(|l| l.store == Store::Bundle && matches!(l.found, Found::Candidates(n) if n > 0))
    }
}

/// COMPAT: cosign 3.1.1: the texts that scripts match on; several reasons on a line each.
/// test: a_refusal_prints_what_cosign_prints
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = || {
            self.candidates
                .iter()
                .map(|(_, why)| why)
                .filter(|why| !matches!(why, RefusedBecause::NothingFound))
        };
        match &self.shows {
            Shows::Signature if self.nothing_found() => f.write_str("no signatures found")?,
            Shows::Statements { predicate_type } if self.only_other_types() => {
                write!(
                    f,
                    "none of the attestations matched the predicate type: {predicate_type}, found: "
                )?;
                for (i, why) in reasons().enumerate() {
                    if let RefusedBecause::OtherPredicateType { found } = why {
                        write!(f, "{}{found}", if i == 0 { "" } else { "," })?;
                    }
                }
                return Ok(());
            }
            Shows::Signature | Shows::Statements { .. } => {
                f.write_str(if self.saw_bundle() || self.shows != Shows::Signature {
                    "no matching attestations: "
                } else {
                    "no matching signatures: "
                })?;
            }
        }
        if self.nothing_found() {
            return Ok(());
        }
        for (i, why) in reasons().enumerate() {
            write!(f, "{}{why}", if i == 0 { "" } else { "\n " })?;
        }
        Ok(())
    }
}

/// Why one candidate does not count.
///
/// COMPAT: cosign 3.1.1: the texts are its own where it has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedBecause {
    /// There is no candidate at this place.
    #[error("no signatures found")]
    NothingFound,
    /// What was signed is another image.
    #[error("invalid or missing digest in claim: {payload}")]
    WrongDigest {
        /// The digest inside the payload, or the first among the subjects.
        payload: Digest,
    },
    /// What was signed names no image.
    #[error("invalid or missing digest in claim: ")]
    NoDigest,
    /// The bytes were not signed by the key.
    #[error("{}", .of.as_str())]
    WrongKey {
        /// What was checked.
        of: SignatureForm,
    },
    /// An annotation that was asked for is not in what was signed, or has another value.
    #[error("missing or incorrect annotation")]
    WrongAnnotation {
        /// Its name.
        name: SmolStr,
    },
    /// A statement about something else than what was asked for. For a signature: an attestation.
    #[error("predicate type is {found}")]
    OtherPredicateType {
        /// What the statement says.
        found: SmolStr,
    },
    /// A DSSE envelope that does not hold an in-toto statement.
    #[error("invalid payloadType {found} on envelope. Expected application/vnd.in-toto+json")]
    WrongPayloadType {
        /// What the envelope says.
        found: SmolStr,
    },
    /// The bundle holds a certificate where a key must have signed.
    #[error("expected key signature, not certificate")]
    CertificateForKey,
    /// The candidate cannot be read as what it claims to be. It arrived as its digest says, so this
    /// is what was pushed.
    #[error("malformed {what}")]
    Malformed {
        /// Which part, and what is wrong with it.
        what: SmolStr,
    },
    /// The signature brings no log entry, and none was found.
    #[error("not enough verified log entries from transparency log: 0 < 1")]
    LogEntryMissing,
    /// A log entry does not hold.
    #[error("{why}")]
    LogEntry {
        /// What is wrong with it.
        why: LogError,
    },
    /// A certificate must have signed, and the signature brings none.
    #[error("no certificate found on signature")]
    CertificateMissing,
    /// No path leads from the certificate to a trusted root at a proved time.
    #[error("failed to verify leaf certificate: {why}")]
    Certificate {
        /// What is wrong with it.
        why: PathError,
    },
    /// No trusted certificate log knows the certificate.
    #[error("{why}")]
    Sct {
        /// What is wrong with its timestamps.
        why: SctError,
    },
    /// The certificate names someone else.
    #[error("{}", identity_words(.why, .subjects, .issuer, *.store))]
    Identity {
        /// The difference to the last of the wanted identities.
        why: Box<IdentityMismatch>,
        /// The names in the certificate.
        subjects: SmolStr,
        /// The issuer in it.
        issuer: SmolStr,
        /// cosign says it differently for each.
        store: Store,
    },
    /// A signed timestamp is demanded and none is there.
    #[error("threshold not met for verified signed timestamps: 0 < 1")]
    TimestampMissing,
    /// A signed timestamp is needed and none of those there holds.
    #[error("threshold not met for verified signed timestamps: 0 < 1: {why}")]
    Timestamp {
        /// What is wrong with the last of them.
        why: TimestampError,
    },
    /// Nothing proves when the certificate was used.
    #[error("threshold not met for verified log entry integrated timestamps: 0 < 1")]
    NoTime,
}

/// COMPAT: cosign 3.1.1: one sentence for bundles, another for attached tags.
/// test: another_identity_is_refused_in_the_words_of_each_store
fn identity_words(why: &IdentityMismatch, subjects: &str, issuer: &str, store: Store) -> String {
    match (store, why) {
        (Store::Bundle, _) => format!(
            "failed to verify certificate identity: \
             no matching CertificateIdentity found, last error: {why}"
        ),
        (Store::Legacy, IdentityMismatch::Extension { name, .. }) => {
            format!("expected {name} not found in certificate")
        }
        (Store::Legacy, _) => format!(
            "none of the expected identities matched what was in the certificate, \
             got subjects [{subjects}] with issuer {issuer}"
        ),
    }
}

/// What kind of signature was checked, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureForm {
    /// A simple-signing payload or a blob, ECDSA key.
    Ecdsa,
    /// The same, RSA key.
    Rsa,
    /// The same, Ed25519 key.
    Ed25519,
    /// A DSSE envelope under an attached tag.
    Envelope,
    /// A DSSE envelope in a bundle.
    BundleEnvelope,
    /// A message signature in a bundle.
    BundleMessage,
}

impl SignatureForm {
    /// cosign's sentence for it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Ecdsa => "invalid signature when validating ASN.1 encoded signature",
            Self::Rsa => "crypto/rsa: verification error",
            Self::Ed25519 => "failed to verify signature",
            Self::Envelope => "accepted signatures do not match threshold, Found: 0, Expected 1",
            Self::BundleEnvelope => {
                "failed to verify signature: could not verify envelope: \
                 accepted signatures do not match threshold, Found: 0, Expected 1"
            }
            Self::BundleMessage => "failed to verify signature: could not verify message",
        }
    }
}

/// One place that was asked for evidence, for messages ("what was looked at").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Repository and tag, or repository and digest with the word `referrers`.
    pub place: SmolStr,
    /// Which way of storing it belongs to.
    pub store: Store,
    /// What was there.
    pub found: Found,
}

impl fmt::Display for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Found::Absent => write!(f, "{}: absent", self.place),
            Found::Candidates(1) => write!(f, "{}: 1 candidate", self.place),
            Found::Candidates(n) => write!(f, "{}: {n} candidates", self.place),
            Found::Untold(cause) => write!(f, "{}: could not tell, {cause}", self.place),
        }
    }
}

/// What a place held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// 404, or a list with nothing in it that could be a candidate.
    Absent,
    /// So many candidates.
    Candidates(usize),
    /// It could not be read.
    Untold(Cause),
}

/// The answer for one attestor.
pub type LeafOutcome = Outcome<Arc<Verified>, Refusal>;

/// The answer for a whole requirement, and for each attestor that was looked at, by its path.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The whole.
    pub outcome: Outcome<Vec<Arc<Verified>>, Refusal>,
    /// Each attestor that was asked, by its path of indices from the root; `[]` is a lone attestor.
    pub leaves: Vec<(Vec<u16>, LeafOutcome)>,
    /// What was looked at, each place once, in order.
    pub looked: Vec<Looked>,
}

impl Proof {
    /// No proof could be worked on at all (deadline, budget, the image cannot be resolved).
    pub fn undetermined(cause: Cause) -> Self {
        Self { outcome: Outcome::Undetermined(cause), leaves: Vec::new(), looked: Vec::new() }
    }
}
