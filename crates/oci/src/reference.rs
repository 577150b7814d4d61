//! Names of images: the distribution grammar, and the two ways in which peers complete a name.
mod go;
mod grammar;
mod kyverno;

use crate::{Digest, DigestError};
pub use go::{GoReference, go_reference};
pub use kyverno::{ImageReference, kyverno_reference};
use smol_str::SmolStr;
use std::fmt;

/// A repository and a tag: a question. Only `policy::Fetch::Tag` carries one to the outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagReference {
    /// Host and path, as in a normal form: `docker.io/nginx`, `ghcr.io/a/b`.
    pub repository: SmolStr,
    /// The tag, without the colon.
    pub tag: SmolStr,
}

/// A repository and a digest: an identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DigestReference {
    /// Host and path, as in a normal form: `docker.io/nginx`, `ghcr.io/a/b`.
    pub repository: SmolStr,
    /// What the registry must answer with.
    pub digest: Digest,
}

impl fmt::Display for TagReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.repository, self.tag)
    }
}

impl fmt::Display for DigestReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.repository, self.digest)
    }
}

impl TagReference {
    /// True when the tag is in the distribution grammar.
    pub fn is_valid(&self) -> bool {
        grammar::is_tag(&self.tag)
    }
}

/// True when host and path are in the grammar, and the path is not too long.
pub(crate) fn is_name(host: &str, path: &str) -> bool {
    path.len() <= 255 && grammar::is_domain(host) && grammar::is_path(path)
}

/// Why a text does not name an image; where the distribution library has words, they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing there.
    #[error("repository name must have at least one component")]
    Empty,
    /// Not in the grammar.
    #[error("invalid reference format")]
    Format,
    /// In the grammar but for its upper-case letters.
    #[error("repository name must be lowercase")]
    Uppercase,
    /// A path longer than the specification allows.
    #[error("repository name must not be more than 255 characters")]
    NameTooLong,
    /// The whole text is longer than any valid name can be.
    #[error("reference must not be more than 1024 characters")]
    TooLong,
    /// The digest behind `@` is not one.
    #[error("invalid digest in reference")]
    Digest(#[from] DigestError),
}

#[cfg(test)]
mod tests;
