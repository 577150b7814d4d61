//! Files and their signatures: a bare signature, cosign's old bundle, a Sigstore bundle.
use crate::{
    bundle::{Bundle, BundleError, Content, HashName, MessageSignature},
    certificate::sct::Sct,
    dsse::{Envelope, EnvelopeError},
    encoding::{decode_base64, sha256, sha512},
    keys::{Certificate, PublicKey},
    proofs::{self, Claim, Evidence, Material},
    requirement::{Attestor, Timestamp, TrustId, Who},
    statement::{PAYLOAD_TYPE, Statement, StatementError},
    timestamp,
    tlog::{LogEntry, LoggedContent},
    trust::TrustStore,
    verified::{Proved, RefusedBecause, Store},
};
use aws_lc_rs::digest;
use serde::Deserialize;
use sigward_oci::{Algorithm, Digest};

/// What was signed, by its bytes or by its digest.
#[derive(Clone, Copy, Debug)]
pub enum Artifact<'a> {
    /// All of it.
    Bytes(&'a [u8]),
    /// Only its digest.
    Digest(&'a Digest),
}

/// Why a file is not verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// The signature is not this key's over this file.
    #[error("invalid signature")]
    Signature,
    /// Not base64.
    #[error("signature is not base64")]
    Base64,
    /// The old bundle cannot be read.
    #[error("malformed bundle")]
    LegacyBundle,
    /// The old bundle brings a key of its own, which is another one.
    #[error("bundle's certificate or key is not the key that was given")]
    ForeignKey,
    /// The bundle cannot be read.
    #[error("reading bundle")]
    Bundle(#[from] BundleError),
    /// The envelope cannot be read.
    #[error("reading envelope")]
    Envelope(#[from] EnvelopeError),
    /// The statement cannot be read.
    #[error("reading statement")]
    Statement(#[from] StatementError),
    /// A certificate where a key must have signed.
    #[error("expected key signature, not certificate")]
    CertificateForKey,
    /// What surrounds the signature does not hold or is not there: certificate, log entry, timestamp.
    #[error("{0}")]
    Unproved(Box<RefusedBecause>),
    /// A file beside the signature cannot be read.
    #[error("malformed {0}")]
    Evidence(&'static str),
    /// The trust material that the requirement names is not at hand: could not be told.
    #[error("trusted root is not at hand")]
    TrustUnavailable(TrustId),
    /// The file is not what was signed.
    #[error("provided artifact digest does not match any digest in statement")]
    WrongDigest,
    /// A key that signs bytes, and only a digest to check.
    #[error("signature can only be checked with the whole file")]
    NeedsBytes,
    /// An envelope of something else.
    #[error("invalid payloadType {0:?} on envelope")]
    PayloadType(String),
    /// A statement of another type.
    #[error("invalid predicate type, expected {expected} got {found}")]
    PredicateType {
        /// Wanted.
        expected: String,
        /// In the statement.
        found: String,
    },
    /// An attestation was expected and the bundle holds a message signature, or the reverse.
    #[error("bundle holds {0}")]
    Content(&'static str),
}

/// By whom a file must be signed, with what proofs, and what they are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// Signer, log and time; the other fields of an attestor are about images.
    pub attestor: &'a Attestor,
    /// The trust material that the attestor names.
    pub trust: &'a TrustStore,
    /// The present.
    pub now: Timestamp,
}

/// What lies in files beside a bare signature (`--certificate`, `--certificate-chain`, `--sct`,
/// `--rfc3161-timestamp`, the log entry of a search).
#[derive(Clone, Debug, Default)]
pub struct Detached<'a> {
    /// The signer's certificate in PEM, or base64 around it.
    pub certificate: Option<&'a str>,
    /// The certificates above it in PEM.
    pub chain: Option<&'a str>,
    /// A log's answer about the certificate, JSON.
    pub sct: Option<&'a [u8]>,
    /// An RFC 3161 response, or cosign's JSON around one.
    pub timestamp: Option<&'a [u8]>,
    /// Log entries.
    pub entries: Vec<LogEntry>,
}

/// A file's signature was verified.
#[derive(Debug)]
pub struct VerifiedBlob {
    statement: Option<Statement>,
    envelope: Option<Vec<u8>>,
    proved: Proved,
}

impl VerifiedBlob {
    /// The statement, when an envelope was signed.
    pub fn statement(&self) -> Option<&Statement> {
        self.statement.as_ref()
    }
    /// The statement's bytes.
    pub fn payload(&self) -> Option<&[u8]> {
        self.envelope.as_deref()
    }
    /// What was proved besides the signature.
    pub fn proved(&self) -> &Proved {
        &self.proved
    }
}

impl Demand<'_> {
    fn key<'a>(&'a self, evidence: &'a Evidence) -> Result<&'a PublicKey, BlobError> {
        proofs::signer_key(self.attestor, evidence)
            .map_err(|why| BlobError::Unproved(Box::new(why)))
    }

    fn prove(&self, evidence: &Evidence, claim: &Claim<'_>) -> Result<Proved, BlobError> {
        let material =
            Material::of(self.attestor, self.trust).map_err(BlobError::TrustUnavailable)?;
        proofs::prove(self.attestor, &material, self.now, evidence, claim)
            .map_err(|why| BlobError::Unproved(Box::new(why)))
    }
}

/// Runs a check that demands this key and nothing else.
fn by_key<T>(key: &PublicKey, check: impl FnOnce(&Demand<'_>) -> T) -> T {
    check(&Demand {
        attestor: &Attestor::insecure_ignoring_log(key.clone()),
        trust: &TrustStore::new(),
        now: Timestamp(0),
    })
}

impl Detached<'_> {
    fn evidence(&self) -> Result<Evidence, BlobError> {
        let mut certificates = Vec::new();
        if let Some(text) = self.certificate {
            let inner = decode_base64(text.trim()).and_then(|pem| String::from_utf8(pem).ok());
            let leaf = Certificate::parse_pem(inner.as_deref().unwrap_or(text));
            certificates.push(leaf.map_err(|_| BlobError::Evidence("certificate"))?);
        }
        if let Some(text) = self.chain {
            let chain = Certificate::parse_pem_all(text);
            certificates.extend(chain.map_err(|_| BlobError::Evidence("certificate chain"))?);
        }
        let read_sct = |json: &[u8]| Sct::parse_detached(json).ok_or(BlobError::Evidence("SCT"));
        let timestamps = self.timestamp.map(|bytes| {
            let text = std::str::from_utf8(bytes).ok();
            text.and_then(timestamp::parse_annotation).unwrap_or_else(|| bytes.to_vec())
        });
        Ok(Evidence {
            certificates,
            entries: self.entries.clone(),
            timestamps: timestamps.into_iter().collect(),
            sct: self.sct.map(read_sct).transpose()?,
        })
    }
}

#[derive(Deserialize)]
struct LegacyBundle {
    #[serde(rename = "base64Signature", default)]
    signature: String,
    #[serde(default)]
    cert: Option<String>,
    #[serde(rename = "rekorBundle", default)]
    entry: Option<Box<serde_json::value::RawValue>>,
}

/// Checks a bare signature, base64 or raw.
///
/// COMPAT: cosign 3.1.1: `--signature` may hold either. test: a_signature_may_be_raw_or_base64
pub fn verify_blob(
    contents: &[u8],
    signature: &[u8],
    key: &PublicKey,
) -> Result<VerifiedBlob, BlobError> {
    by_key(key, |demand| verify_blob_detached(contents, signature, &Detached::default(), demand))
}

/// Checks a bare signature, base64 or raw, with what lies in files beside it.
pub fn verify_blob_detached(
    contents: &[u8],
    signature: &[u8],
    detached: &Detached<'_>,
    demand: &Demand<'_>,
) -> Result<VerifiedBlob, BlobError> {
    bare(contents, signature, &detached.evidence()?, demand)
}

fn bare(
    contents: &[u8],
    signature: &[u8],
    evidence: &Evidence,
    demand: &Demand<'_>,
) -> Result<VerifiedBlob, BlobError> {
    let decoded = std::str::from_utf8(signature).ok().and_then(|text| decode_base64(text.trim()));
    let signature = decoded.as_deref().unwrap_or(signature);
    demand.key(evidence)?.verify(contents, signature).map_err(|_| BlobError::Signature)?;
    let claim = Claim {
        signature,
        timestamped: signature,
        content: LoggedContent::Bytes(contents),
        store: Store::Legacy,
    };
    let proved = demand.prove(evidence, &claim)?;
    Ok(VerifiedBlob { statement: None, envelope: None, proved })
}

/// Signature and evidence of cosign's old bundle.
///
/// COMPAT: cosign 3.1.1: a key inside the bundle overrides the caller's (GHSA-fx35-mq7g-6g98). Here
/// it has to be the same key, and where an identity is demanded there has to be a certificate.
/// test: r_fx35_mq7g_6g98_a_bundle_cannot_bring_its_own_key
fn legacy_bundle(bundle: &[u8], who: &Who) -> Result<(String, Evidence), BlobError> {
    let bundle: LegacyBundle =
        crate::encoding::parse_object(bundle).ok_or(BlobError::LegacyBundle)?;
    if bundle.signature.is_empty() {
        return Err(BlobError::LegacyBundle);
    }
    let mut evidence = Evidence::default();
    if let Some(cert) = bundle.cert.filter(|cert| !cert.is_empty()) {
        let pem = decode_base64(&cert).and_then(|pem| String::from_utf8(pem).ok()).unwrap_or(cert);
        let certificate = Certificate::parse_pem(&pem);
        match (who, certificate) {
            (Who::Key(key), Ok(certificate)) if certificate.key() == key => {}
            (Who::Key(key), Err(_)) if PublicKey::parse_pem(&pem).is_ok_and(|own| own == *key) => {}
            (Who::Key(_), _) => return Err(BlobError::ForeignKey),
            (Who::Keyless(_), Ok(certificate)) => evidence.certificates.push(certificate),
            (Who::Keyless(_), Err(_)) => {
                return Err(BlobError::Unproved(Box::new(RefusedBecause::CertificateMissing)));
            }
        }
    }
    if let Some(entry) = bundle.entry.filter(|entry| entry.get() != "null") {
        let entry = LogEntry::parse_annotation(entry.get());
        evidence.entries.push(entry.map_err(|_| BlobError::Evidence("log entry"))?);
    }
    Ok((bundle.signature, evidence))
}

/// Checks cosign's old bundle `{base64Signature, cert, rekorBundle}` over a file.
pub fn verify_blob_legacy_bundle(
    contents: &[u8],
    bundle: &[u8],
    key: &PublicKey,
) -> Result<VerifiedBlob, BlobError> {
    by_key(key, |demand| verify_blob_legacy_bundle_by(contents, bundle, None, demand))
}

/// The same by whoever is demanded; `timestamp` is the file of `--rfc3161-timestamp`.
pub fn verify_blob_legacy_bundle_by(
    contents: &[u8],
    bundle: &[u8],
    timestamp: Option<&[u8]>,
    demand: &Demand<'_>,
) -> Result<VerifiedBlob, BlobError> {
    let (signature, mut evidence) = legacy_bundle(bundle, &demand.attestor.who)?;
    let beside = Detached { timestamp, ..Detached::default() }.evidence()?;
    evidence.timestamps = beside.timestamps;
    bare(contents, signature.as_bytes(), &evidence, demand)
}

/// Checks a Sigstore bundle over a file: a message signature, or a statement about it.
pub fn verify_blob_bundle(
    artifact: Artifact<'_>,
    bundle: &[u8],
    key: &PublicKey,
) -> Result<VerifiedBlob, BlobError> {
    by_key(key, |demand| verify_blob_bundle_by(artifact, bundle, demand))
}

/// The same by whoever is demanded.
pub fn verify_blob_bundle_by(
    artifact: Artifact<'_>,
    bundle: &[u8],
    demand: &Demand<'_>,
) -> Result<VerifiedBlob, BlobError> {
    let (content, evidence) = open(bundle, demand)?;
    match content {
        Content::Message(message) => {
            let proved = verify_message(artifact, &message, &evidence, demand)?;
            Ok(VerifiedBlob { statement: None, envelope: None, proved })
        }
        Content::Envelope(envelope) => {
            let it = Enveloped { envelope: &envelope, evidence: &evidence, stored: None };
            verify_statement(Some(artifact), &it, None, demand)
        }
    }
}

/// Checks an attestation about a file: a Sigstore bundle, an old bundle around an envelope, or the
/// envelope itself. Without an artifact (`--check-claims=false`) only signature and type are checked.
pub fn verify_blob_attestation(
    artifact: Option<Artifact<'_>>,
    attestation: &[u8],
    predicate_type: Option<&str>,
    key: &PublicKey,
) -> Result<VerifiedBlob, BlobError> {
    by_key(key, |demand| {
        let beside = Detached::default();
        verify_blob_attestation_by(artifact, attestation, predicate_type, &beside, demand)
    })
}

/// The same by whoever is demanded; `beside` counts for a bare envelope, and its timestamp for an old
/// bundle as well.
pub fn verify_blob_attestation_by(
    artifact: Option<Artifact<'_>>,
    attestation: &[u8],
    predicate_type: Option<&str>,
    beside: &Detached<'_>,
    demand: &Demand<'_>,
) -> Result<VerifiedBlob, BlobError> {
    let check = |envelope: &Envelope, evidence: &Evidence, stored: Option<&[u8]>| {
        verify_statement(
            artifact,
            &Enveloped { envelope, evidence, stored },
            predicate_type,
            demand,
        )
    };
    let Err(bundle_error) = Bundle::parse(attestation) else {
        return match open(attestation, demand)? {
            (Content::Envelope(envelope), evidence) => check(&envelope, &evidence, None),
            (Content::Message(_), _) => Err(BlobError::Content("a message signature")),
        };
    };
    if let Ok(envelope) = Envelope::parse(attestation) {
        return check(&envelope, &beside.evidence()?, Some(attestation));
    }
    match legacy_bundle(attestation, &demand.attestor.who) {
        Ok((inner, mut evidence)) => {
            let stored = decode_base64(&inner).ok_or(BlobError::Base64)?;
            evidence.timestamps = beside.evidence()?.timestamps;
            check(&Envelope::parse(&stored)?, &evidence, Some(&stored))
        }
        Err(BlobError::LegacyBundle) => Err(bundle_error.into()),
        Err(error) => Err(error),
    }
}

/// A Sigstore bundle, by a key or by the holder of a certificate, as is demanded.
fn open(bytes: &[u8], demand: &Demand<'_>) -> Result<(Content, Evidence), BlobError> {
    let bundle = Bundle::parse(bytes)?;
    let evidence = bundle.evidence(&demand.attestor.who).map_err(|why| {
        if why == RefusedBecause::CertificateForKey {
            BlobError::CertificateForKey
        } else {
            BlobError::Unproved(Box::new(why))
        }
    })?;
    Ok((bundle.content, evidence))
}

fn verify_message(
    artifact: Artifact<'_>,
    message: &MessageSignature,
    evidence: &Evidence,
    demand: &Demand<'_>,
) -> Result<Proved, BlobError> {
    let key = demand.key(evidence)?;
    let signature = message.signature.as_slice();
    let claim =
        |content| Claim { signature, timestamped: signature, content, store: Store::Bundle };
    match artifact {
        Artifact::Bytes(bytes) => {
            if let Some((algorithm, stated)) = &message.digest {
                let found = match algorithm {
                    HashName::Sha256 => sha256(bytes).to_vec(),
                    HashName::Sha384 => digest::digest(&digest::SHA384, bytes).as_ref().to_vec(),
                    HashName::Sha512 => sha512(bytes).to_vec(),
                };
                if found != *stated {
                    return Err(BlobError::WrongDigest);
                }
            }
            key.verify(bytes, signature).map_err(|_| BlobError::Signature)?;
            demand.prove(evidence, &claim(LoggedContent::Bytes(bytes)))
        }
        Artifact::Digest(artifact) => {
            let hash = sha256_of(artifact).ok_or(BlobError::NeedsBytes)?;
            match &message.digest {
                Some((HashName::Sha256, stated)) if *stated != hash => {
                    return Err(BlobError::WrongDigest);
                }
                Some((HashName::Sha384 | HashName::Sha512, _)) => {
                    return Err(BlobError::NeedsBytes);
                }
                Some((HashName::Sha256, _)) | None => {}
            }
            match (key.verify_sha256(&hash, signature), key.algorithm()) {
                (Ok(()), _) => demand.prove(evidence, &claim(LoggedContent::Sha256(&hash))),
                (Err(_), Ok(crate::keys::Algorithm::Ed25519)) => Err(BlobError::NeedsBytes),
                (Err(_), _) => Err(BlobError::Signature),
            }
        }
    }
}

/// One envelope, what came with it, and the bytes under which it is stored when those were logged.
struct Enveloped<'a> {
    envelope: &'a Envelope,
    evidence: &'a Evidence,
    stored: Option<&'a [u8]>,
}

fn verify_statement(
    artifact: Option<Artifact<'_>>,
    it: &Enveloped<'_>,
    predicate_type: Option<&str>,
    demand: &Demand<'_>,
) -> Result<VerifiedBlob, BlobError> {
    let envelope = it.envelope;
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(BlobError::PayloadType(
            crate::encoding::printable(&envelope.payload_type).to_string(),
        ));
    }
    let key = demand.key(it.evidence)?;
    let signed = envelope.signature_by(key).map_err(|_| BlobError::Signature)?;
    let claim = Claim {
        signature: &signed.signature,
        timestamped: it.stored.unwrap_or(&signed.signature),
        content: LoggedContent::Envelope {
            payload_type: &envelope.payload_type,
            payload: &envelope.payload,
            stored: it.stored,
        },
        store: if it.stored.is_some() { Store::Legacy } else { Store::Bundle },
    };
    let proved = demand.prove(it.evidence, &claim)?;
    let statement = Statement::parse(&envelope.payload)?;
    let about = match artifact {
        None => true,
        Some(Artifact::Digest(digest)) => statement.about(digest).next().is_some(),
        Some(Artifact::Bytes(bytes)) => {
            let digests = [Digest::sha256(&sha256(bytes)), Digest::sha512(&sha512(bytes))];
            digests.iter().any(|digest| statement.about(digest).next().is_some())
        }
    };
    if !about {
        return Err(BlobError::WrongDigest);
    }
    if let Some(expected) = predicate_type
        && statement.predicate_type != expected
    {
        return Err(BlobError::PredicateType {
            expected: expected.to_owned(),
            found: crate::encoding::printable(&statement.predicate_type).to_string(),
        });
    }
    let envelope = Some(envelope.payload.clone());
    Ok(VerifiedBlob { statement: Some(statement), envelope, proved })
}

fn sha256_of(digest: &Digest) -> Option<[u8; 32]> {
    if digest.algorithm() != Algorithm::Sha256 {
        return None;
    }
    crate::encoding::unhex(digest.hex())
}

#[cfg(test)]
mod tests;
