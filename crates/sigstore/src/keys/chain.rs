//! Why a certificate that a policy names does not stand on the chain that it names with it.
use super::KeyError;
use crate::certificate::PathError;

/// Most certificates of one chain, the root included.
///
/// COMPAT: Kyverno 1.19.1: 11. test: a_chain_of_too_many_certificates_is_refused
pub const MAX_CHAIN: usize = 11;

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
    Path(#[source] PathError),
}
