//! What the edge counts: handed in, so that this crate owns no metric registry.
use std::{fmt, time::Duration};

/// What a request was for; a closed set, fit for a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Which digest a tag points at.
    Resolve,
    /// A manifest, by tag or digest.
    Manifest,
    /// A blob.
    Blob,
    /// The referrers API or its fallback tag.
    Referrers,
    /// A token endpoint.
    Token,
    /// Uploads, manifests written, deletions.
    Push,
    /// A service of Sigstore, or who vouches for whoever signs.
    Service,
}

impl Operation {
    /// The value of a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Manifest => "manifest",
            Self::Blob => "blob",
            Self::Referrers => "referrers",
            Self::Token => "token",
            Self::Push => "push",
            Self::Service => "service",
        }
    }
}

/// Which memory was asked; a closed set, fit for a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Memory {
    /// Manifests and blobs by digest.
    Content,
    /// Proofs by digest and attestor.
    Proof,
    /// Answers that another caller was already waiting for.
    Flight,
}

impl Memory {
    /// The value of a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Proof => "proof",
            Self::Flight => "flight",
        }
    }
}

/// Receives what happens. Every method has an empty default; none may block.
///
/// Hosts come from users' manifests: whoever makes labels of them bounds their number.
pub trait Observer: Send + Sync + fmt::Debug + 'static {
    /// One HTTP exchange ended: with a status, or without one when the connection failed.
    fn request(&self, host: &str, operation: Operation, status: Option<u16>, took: Duration) {
        let _ = (host, operation, status, took);
    }
    /// A memory was asked and had the answer, or had not.
    fn memory(&self, memory: Memory, hit: bool) {
        let _ = (memory, hit);
    }
    /// A circuit breaker opened or closed.
    fn breaker(&self, host: &str, open: bool) {
        let _ = (host, open);
    }
    /// A request is sent again.
    fn retry(&self, host: &str, operation: Operation) {
        let _ = (host, operation);
    }
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}
