//! Signed timestamps: an authority's word that some bytes were there at a time.
//!
//! SPEC: RFC 3161 with RFC 5816; RFC 5652 for the signature around it.
mod cms;

use crate::{
    certificate::{PathError, Usage, build_path},
    encoding::{decode_base64, encode_base64, parse_object},
    keys::Certificate,
    requirement::Timestamp,
    trust::CertificateAuthority,
};
use serde::{Deserialize, Serialize};

/// Longest response that is read, in bytes.
pub const MAX_TIMESTAMP: usize = 256 * 1024;

/// Why a timestamp proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Not what the name says.
    #[error("malformed timestamp: {0}")]
    Malformed(&'static str),
    /// Longer than is read.
    #[error("timestamp is too large")]
    TooLarge,
    /// The authority refused.
    #[error("timestamp was not granted")]
    NotGranted,
    /// It is of other bytes.
    #[error("timestamp is of another message")]
    OtherMessage,
    /// It answers another request: nonces differ, or there is none.
    #[error("timestamp answers another request")]
    OtherRequest,
    /// A hash function that is not sound or not known.
    #[error("timestamp uses an unsupported hash")]
    Hash,
    /// No trusted authority signed it.
    #[error("timestamp is by no trusted authority")]
    Untrusted,
    /// The authority's signature does not match.
    #[error("timestamp has an invalid signature")]
    Signature,
    /// The authority could not be believed at that time.
    #[error("timestamp was made outside of the validity of its authority")]
    OutOfValidity,
    /// The authority's certificate does not lead to its root at that time.
    #[error("timestamp authority's certificate: {0}")]
    Path(#[from] PathError),
}

/// A timestamp that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTimestamp {
    /// The time, a fraction of a second cut off.
    pub time: Timestamp,
    /// How far it may be off, in whole seconds rounded up; 0 when the authority does not say.
    pub accuracy: u64,
    /// The authority's certificate, by the SHA-256 over its key: what is counted as one authority.
    pub authority: smol_str::SmolStr,
    /// The response, as it was stored.
    pub response: Vec<u8>,
}

/// Checks a response over `message` against the authorities.
pub fn verify(
    response: &[u8],
    message: &[u8],
    authorities: &[CertificateAuthority],
) -> Result<SignedTimestamp, TimestampError> {
    if response.len() > MAX_TIMESTAMP {
        return Err(TimestampError::TooLarge);
    }
    let token = cms::Token::parse(response)?;
    token.check_imprint(message)?;
    let mut best = TimestampError::Untrusted;
    for authority in authorities {
        match by(&token, authority) {
            Ok(leaf) => {
                return Ok(SignedTimestamp {
                    time: token.time,
                    accuracy: token.accuracy,
                    authority: leaf.key().id(),
                    response: response.to_vec(),
                });
            }
            Err(TimestampError::Untrusted) => {}
            Err(error) => best = error,
        }
    }
    Err(best)
}

/// The authority's certificate, when it made the token.
fn by(
    token: &cms::Token<'_>,
    authority: &CertificateAuthority,
) -> Result<Certificate, TimestampError> {
    let (root, rest) = authority.chain.split_last().ok_or(TimestampError::Untrusted)?;
    // The first is the authority's own certificate, or only an intermediate; the token then brings it.
    let own = authority.chain.first().filter(|first| !first.is_ca());
    let embedded = token.embedded_signer();
    let leaf = match (own, embedded) {
        (Some(own), _) if token.is_signer(own) => own.clone(),
        (None, Some(embedded)) => embedded,
        _ => return Err(TimestampError::Untrusted),
    };
    let between: Vec<_> = rest.iter().filter(|one| one.is_ca()).collect();
    let path = build_path(&leaf, &between, &[root], Usage::TimeStamping, token.time);
    if own.is_none() && matches!(path, Err(PathError::Path(_))) {
        return Err(TimestampError::Untrusted);
    }
    token.verify(&leaf)?;
    path?;
    if !authority.valid_for.contains(token.time) {
        return Err(TimestampError::OutOfValidity);
    }
    Ok(leaf)
}

/// The annotation `dev.sigstore.cosign/rfc3161timestamp`, and the file of `--rfc3161-timestamp`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Annotation {
    #[serde(rename = "SignedRFC3161Timestamp")]
    signed: String,
}

/// Reads the annotation of a legacy layer.
pub fn parse_annotation(text: &str) -> Option<Vec<u8>> {
    let wire: Annotation = parse_object(text.as_bytes())?;
    decode_base64(&wire.signed).filter(|response| !response.is_empty())
}

/// Writes the annotation of a legacy layer.
pub fn to_annotation(response: &[u8]) -> String {
    format!(r#"{{"SignedRFC3161Timestamp":"{}"}}"#, encode_base64(response))
}

/// A request for a timestamp over `message`, to be sent as `application/timestamp-query`. The nonce
/// comes from the caller.
pub fn request(message: &[u8], nonce: u64) -> Vec<u8> {
    cms::request(message, nonce)
}

/// Checks that a response answers [`request`]: granted, over the same bytes, with the same nonce. Whose word it is, is
/// another matter.
///
/// SPEC: RFC 3161 section 2.4.2: the nonce of the request is in the answer.
pub fn check_answer(response: &[u8], message: &[u8], nonce: u64) -> Result<(), TimestampError> {
    if response.len() > MAX_TIMESTAMP {
        return Err(TimestampError::TooLarge);
    }
    let token = cms::Token::parse(response)?;
    token.check_imprint(message)?;
    token.check_nonce(nonce)
}
