//! Files and their signatures: a bare signature, cosign's old bundle, a Sigstore bundle.
use crate::{
    bundle::{Bundle, BundleError, Content, HashName, Material, MessageSignature},
    dsse::{Envelope, EnvelopeError},
    encoding::{decode_base64, sha256, sha512},
    keys::{Certificate, PublicKey},
    statement::{PAYLOAD_TYPE, Statement, StatementError},
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

/// A file's signature was verified with a key.
#[derive(Debug)]
pub struct VerifiedBlob {
    statement: Option<Statement>,
    envelope: Option<Vec<u8>>,
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
}

#[derive(Deserialize)]
struct LegacyBundle {
    #[serde(rename = "base64Signature", default)]
    signature: String,
    #[serde(default)]
    cert: Option<String>,
}

/// Checks a bare signature, base64 or raw.
///
/// COMPAT: cosign 3.1.1: `--signature` may hold either. test: a_signature_may_be_raw_or_base64
pub fn verify_blob(
    contents: &[u8],
    signature: &[u8],
    key: &PublicKey,
) -> Result<VerifiedBlob, BlobError> {
    let decoded = std::str::from_utf8(signature).ok().and_then(|text| decode_base64(text.trim()));
    let signature = decoded.as_deref().unwrap_or(signature);
    key.verify(contents, signature).map_err(|_| BlobError::Signature)?;
    Ok(VerifiedBlob { statement: None, envelope: None })
}

/// The signature of cosign's old bundle, for the key that the caller trusts.
///
/// COMPAT: cosign 3.1.1: a key inside the bundle overrides the caller's (GHSA-fx35-mq7g-6g98). Here
/// it has to be the same key. test: r_fx35_mq7g_6g98_a_bundle_cannot_bring_its_own_key
fn legacy_signature(bundle: &[u8], key: &PublicKey) -> Result<String, BlobError> {
    let bundle: LegacyBundle =
        crate::encoding::parse_object(bundle).ok_or(BlobError::LegacyBundle)?;
    if bundle.signature.is_empty() {
        return Err(BlobError::LegacyBundle);
    }
    if let Some(cert) = bundle.cert.filter(|cert| !cert.is_empty()) {
        let pem = decode_base64(&cert).and_then(|pem| String::from_utf8(pem).ok()).unwrap_or(cert);
        let own = Certificate::parse_pem(&pem)
            .map(|certificate| certificate.key().clone())
            .or_else(|_| PublicKey::parse_pem(&pem))
            .map_err(|_| BlobError::ForeignKey)?;
        if own != *key {
            return Err(BlobError::ForeignKey);
        }
    }
    Ok(bundle.signature)
}

/// Checks cosign's old bundle `{base64Signature, cert, rekorBundle}` over a file.
pub fn verify_blob_legacy_bundle(
    contents: &[u8],
    bundle: &[u8],
    key: &PublicKey,
) -> Result<VerifiedBlob, BlobError> {
    let signature = legacy_signature(bundle, key)?;
    verify_blob(contents, signature.as_bytes(), key)
}

/// Checks a Sigstore bundle over a file: a message signature, or a statement about it.
pub fn verify_blob_bundle(
    artifact: Artifact<'_>,
    bundle: &[u8],
    key: &PublicKey,
) -> Result<VerifiedBlob, BlobError> {
    let bundle = key_bundle(bundle)?;
    match bundle.content {
        Content::Message(message) => {
            verify_message(artifact, &message, key)?;
            Ok(VerifiedBlob { statement: None, envelope: None })
        }
        Content::Envelope(envelope) => verify_statement(Some(artifact), &envelope, None, key),
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
    let envelope = match Bundle::parse(attestation) {
        Ok(_) => match key_bundle(attestation)?.content {
            Content::Envelope(envelope) => envelope,
            Content::Message(_) => return Err(BlobError::Content("a message signature")),
        },
        Err(bundle_error) => {
            match (Envelope::parse(attestation), legacy_signature(attestation, key)) {
                (Ok(envelope), _) => envelope,
                (Err(_), Ok(inner)) => {
                    Envelope::parse(&decode_base64(&inner).ok_or(BlobError::Base64)?)?
                }
                (Err(_), Err(error @ BlobError::ForeignKey)) => return Err(error),
                (Err(_), Err(_)) => return Err(bundle_error.into()),
            }
        }
    };
    verify_statement(artifact, &envelope, predicate_type, key)
}

fn key_bundle(bytes: &[u8]) -> Result<Bundle, BlobError> {
    let bundle = Bundle::parse(bytes)?;
    match bundle.material {
        Material::PublicKey { .. } => Ok(bundle),
        Material::Certificates(_) => Err(BlobError::CertificateForKey),
    }
}

fn verify_message(
    artifact: Artifact<'_>,
    message: &MessageSignature,
    key: &PublicKey,
) -> Result<(), BlobError> {
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
            key.verify(bytes, &message.signature).map_err(|_| BlobError::Signature)
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
            match (key.verify_sha256(&hash, &message.signature), key.algorithm()) {
                (Ok(()), _) => Ok(()),
                (Err(_), Ok(crate::keys::Algorithm::Ed25519)) => Err(BlobError::NeedsBytes),
                (Err(_), _) => Err(BlobError::Signature),
            }
        }
    }
}

fn verify_statement(
    artifact: Option<Artifact<'_>>,
    envelope: &Envelope,
    predicate_type: Option<&str>,
    key: &PublicKey,
) -> Result<VerifiedBlob, BlobError> {
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(BlobError::PayloadType(envelope.payload_type.chars().take(200).collect()));
    }
    envelope.verify(key).map_err(|_| BlobError::Signature)?;
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
    Ok(VerifiedBlob { statement: Some(statement), envelope })
}

fn sha256_of(digest: &Digest) -> Option<[u8; 32]> {
    if digest.algorithm() != Algorithm::Sha256 {
        return None;
    }
    crate::encoding::unhex(digest.hex())
}

#[cfg(test)]
mod tests;
