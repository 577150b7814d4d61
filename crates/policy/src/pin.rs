//! A digest on its way into the object, with the reason it may go there.
use sigward_oci::{Digest, TagReference};
use sigward_sigstore::verified::Verified;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct PinnedImage {
    image: TagReference,
    digest: Digest,
    by: PinnedBy,
}

#[derive(Clone, Debug)]
pub enum PinnedBy {
    Proof(Arc<Verified>),
    /// A rule that only pins, or a skipped image: peers do it too; the report says "not verified".
    Lookup,
}

/// Made by `compile` for an entry with neither attestors nor attestations, and for skip patterns.
#[derive(Clone, Copy, Debug)]
pub struct PinOnly(());

impl PinnedImage {
    pub fn proved(image: TagReference, proof: &Arc<Verified>) -> Self {
        Self { image, digest: proof.digest().clone(), by: PinnedBy::Proof(Arc::clone(proof)) }
    }
    pub fn looked_up(image: TagReference, digest: Digest, _allowed: PinOnly) -> Self {
        Self { image, digest, by: PinnedBy::Lookup }
    }
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
    pub fn parts(&self) -> (&TagReference, &PinnedBy) {
        (&self.image, &self.by)
    }
}
