//! A digest on its way into the object, with the reason it may go there.
use sigward_oci::{Digest, TagReference};
use sigward_sigstore::verified::Verified;
use std::sync::Arc;

/// A tag and the digest that takes its place.
#[derive(Clone, Debug)]
pub struct PinnedImage {
    image: TagReference,
    digest: Digest,
    by: PinnedBy,
}

/// Why a digest may be pinned.
#[derive(Clone, Debug)]
pub enum PinnedBy {
    /// It was proved.
    Proof(Arc<Verified>),
    /// A rule that only pins, or a skipped image: peers do it too; the report says "not verified".
    Lookup,
}

/// The right to pin what was only looked up: given for an entry with neither attestors nor attestations, and
/// for images that a skip pattern lets through.
#[derive(Clone, Copy, Debug)]
pub struct PinOnly(());

impl PinOnly {
    /// Only entries give it.
    pub(crate) fn granted() -> Self {
        Self(())
    }
}

impl PinnedImage {
    /// Pins what was proved: the digest is the witness's own.
    pub fn proved(image: TagReference, proof: &Arc<Verified>) -> Self {
        Self { image, digest: proof.digest().clone(), by: PinnedBy::Proof(Arc::clone(proof)) }
    }

    /// Pins what a tag stands for, unproved.
    pub fn looked_up(image: TagReference, digest: Digest, _allowed: PinOnly) -> Self {
        Self { image, digest, by: PinnedBy::Lookup }
    }

    /// The digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The tag that was resolved, and why its digest may be pinned.
    pub fn parts(&self) -> (&TagReference, &PinnedBy) {
        (&self.image, &self.by)
    }

    /// The text that goes into the object: `repository:tag@digest`.
    pub fn render(&self) -> String {
        format!("{}:{}@{}", self.image.repository, self.image.tag, self.digest)
    }
}
