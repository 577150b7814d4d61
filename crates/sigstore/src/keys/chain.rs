//! Whether a certificate that a policy names was issued by the chain that it names with it.
//!
//! SPEC: RFC 5280 section 6.1, by rustls-webpki.
use super::{Certificate, KeyError, pem};
use crate::requirement::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// Most certificates of one chain, the root included.
///
/// COMPAT: Kyverno 1.19.1: 11. test: a_chain_of_too_many_certificates_is_refused
pub const MAX_CHAIN: usize = 11;

/// SPEC: RFC 5280 section 4.2.1.12: id-kp-codeSigning, 1.3.6.1.5.5.7.3.3.
const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];

/// Why a certificate does not stand on its chain.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A certificate cannot be read.
    #[error("reading certificate")]
    Key(#[from] KeyError),
    /// More certificates than are looked at.
    #[error("certificate chain has more than {MAX_CHAIN} certificates")]
    TooLong,
    /// The root was not valid at that time.
    #[error("root certificate of the chain was not valid when the certificate began")]
    RootOutOfDate,
    /// The chain does not lead to the root.
    #[error("certificate was not issued by the chain")]
    Path(#[source] webpki::Error),
}

/// Builds the path at a time: the last certificate of `chain` is the root, the others lie between.
pub(super) fn verify(leaf: &[u8], chain: &str, at: Timestamp) -> Result<(), ChainError> {
    let blocks = pem::parse(chain)?;
    if blocks.len() > MAX_CHAIN {
        return Err(ChainError::TooLong);
    }
    if let Some(other) = blocks.iter().find(|block| block.label != "CERTIFICATE") {
        let label = other.label.chars().take(64).collect();
        return Err(KeyError::Label { label }.into());
    }
    let mut chain: Vec<_> =
        blocks.iter().map(|block| CertificateDer::from(block.contents.as_slice())).collect();
    let root = chain.pop().ok_or(KeyError::NoPem)?;
    // Anchors are taken as they are, so the root's own time is ours to check.
    if Certificate::parse_der(&root)?.out_of_date(at) {
        return Err(ChainError::RootOutOfDate);
    }
    let anchor = anchor_from_trusted_cert(&root).map_err(ChainError::Path)?;
    let leaf = CertificateDer::from(leaf);
    let leaf = EndEntityCert::try_from(&leaf).map_err(ChainError::Path)?;
    let seconds = u64::try_from(at.0).unwrap_or_default();
    leaf.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        &[anchor],
        &chain,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        KeyUsage::required_if_present(CODE_SIGNING),
        None,
        None,
    )
    .map(|_| ())
    .map_err(ChainError::Path)
}

#[cfg(test)]
mod tests;
