//! Whether a certificate was issued by a root that is trusted, at a time.
//!
//! SPEC: RFC 5280 section 6.1, by rustls-webpki: signatures, names, name constraints, CA and path
//! length constraints, extended usages, unknown critical extensions, and the time of leaf and
//! intermediates. Anchors have no time there, and nobody looks at keyCertSign: both are checked here.
use super::Certificate;
use crate::{
    keys::{ChainError, KeyError, MAX_CHAIN},
    requirement::Timestamp,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// SPEC: RFC 5280 section 4.2.1.12: id-kp-codeSigning, 1.3.6.1.5.5.7.3.3.
const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
/// id-kp-timeStamping, 1.3.6.1.5.5.7.3.8.
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

/// What a certificate must be meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Signing code; a certificate without restrictions is meant for it as well.
    CodeSigningIfRestricted,
    /// Signing code, and it must say so.
    CodeSigning,
    /// Signing timestamps and nothing else, critically.
    ///
    /// SPEC: RFC 3161 section 2.3.
    TimeStamping,
}

/// Why no path leads from a certificate to a trusted root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing to lead to at that time.
    #[error("no trusted root was valid at that time")]
    NoRoot,
    /// The certificate itself was not yet valid or not any more.
    #[error("certificate was not valid at that time")]
    OutOfDate,
    /// It is not meant for this.
    #[error("certificate is not meant for {0}")]
    Usage(&'static str),
    /// An authority on the path may not sign certificates.
    #[error("an authority on the path may not sign certificates")]
    NoSigningAuthority,
    /// No path, by rustls-webpki.
    #[error("no path to a trusted root: {0}")]
    Path(webpki::Error),
}

impl Usage {
    fn oid(self) -> &'static [u8] {
        match self {
            Self::CodeSigning | Self::CodeSigningIfRestricted => CODE_SIGNING,
            Self::TimeStamping => TIME_STAMPING,
        }
    }

    fn check(self, leaf: &Certificate) -> Result<(), PathError> {
        match (self, leaf.extended_usages()) {
            (Self::CodeSigningIfRestricted, _) => Ok(()),
            (Self::CodeSigning, Some((usages, _))) if usages.contains(&CODE_SIGNING) => Ok(()),
            (Self::CodeSigning, _) => Err(PathError::Usage("signing code")),
            (Self::TimeStamping, Some((usages, true))) if usages == [TIME_STAMPING] => Ok(()),
            (Self::TimeStamping, _) => Err(PathError::Usage("timestamps alone, critically")),
        }
    }
}

/// Builds a path and gives the leaf's issuer. Every certificate of it, root included, is valid `at`.
pub(crate) fn build<'a>(
    leaf: &Certificate,
    intermediates: &[&'a Certificate],
    roots: &[&'a Certificate],
    usage: Usage,
    at: Timestamp,
) -> Result<&'a Certificate, PathError> {
    usage.check(leaf)?;
    if leaf.out_of_date(at) {
        return Err(PathError::OutOfDate);
    }
    let roots: Vec<_> = roots.iter().filter(|root| !root.out_of_date(at)).copied().collect();
    let ders: Vec<_> = roots.iter().map(|root| CertificateDer::from(root.as_der())).collect();
    let mut anchors = Vec::with_capacity(roots.len());
    for der in &ders {
        anchors.push(anchor_from_trusted_cert(der).map_err(PathError::Path)?);
    }
    if anchors.is_empty() {
        return Err(PathError::NoRoot);
    }
    let between: Vec<_> =
        intermediates.iter().map(|one| CertificateDer::from(one.as_der())).collect();
    let leaf_der = CertificateDer::from(leaf.as_der());
    let end = EndEntityCert::try_from(&leaf_der).map_err(PathError::Path)?;
    let seconds = u64::try_from(at.0).unwrap_or_default();
    let path = end
        .verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &anchors,
            &between,
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            KeyUsage::required_if_present(usage.oid()),
            None,
            None,
        )
        .map_err(PathError::Path)?;
    let found = |der: &[u8]| intermediates.iter().find(|one| one.as_der() == der).copied();
    let mut issuers = Vec::new();
    for certificate in path.intermediate_certificates() {
        issuers.push(found(&certificate.der()).ok_or(PathError::NoSigningAuthority)?);
    }
    let anchor = anchors.iter().position(|anchor| std::ptr::eq(anchor, path.anchor()));
    issuers.extend(anchor.and_then(|i| roots.get(i)));
    if !issuers.iter().all(|issuer| issuer.may_sign_certificates()) {
        return Err(PathError::NoSigningAuthority);
    }
    issuers.first().copied().ok_or(PathError::NoRoot)
}

/// Builds the path of a certificate that a policy names to the last certificate of a chain in PEM.
pub(super) fn verify_chain(
    leaf: &Certificate,
    chain: &str,
    at: Timestamp,
) -> Result<(), ChainError> {
    let chain = match Certificate::parse_pem_all(chain) {
        Err(KeyError::TooLarge) => return Err(ChainError::TooLong),
        read => read?,
    };
    debug_assert!(chain.len() <= MAX_CHAIN, "the reader has counted");
    let (root, between) = chain.split_last().ok_or(KeyError::NoPem)?;
    if root.out_of_date(at) {
        return Err(ChainError::RootOutOfDate);
    }
    let between: Vec<_> = between.iter().collect();
    build(leaf, &between, &[root], Usage::CodeSigningIfRestricted, at)
        .map(|_| ())
        .map_err(ChainError::Path)
}
