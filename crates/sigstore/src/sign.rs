//! What is written when something is signed: bytes for the caller to push, nothing sent.
mod blob;
mod bundle;
mod entry;
mod legacy;
mod predicate;

pub use blob::{legacy_blob_bundle, message_bundle, sign_blob, sign_blob_bundle};
pub use bundle::{
    Referrer, Surroundings, attestation_bundle, envelope_bundle, image_statement, referrer,
    signature_bundle,
};
pub use entry::{rekor_v1_dsse, rekor_v1_hashedrekord, rekor_v2_dsse, rekor_v2_hashedrekord};
pub use legacy::{
    Attached, LegacyLayer, MAX_LAYERS, Manifests, Written, append, attestation_layer,
    envelope_layer, payload_layer, replace_type, signature_layer,
};
pub use predicate::{PredicateError, PredicateType, attestation_statement};

use crate::{encoding::sha256, keys::SignError};
use sigward_oci::Digest;

/// A blob to push before the manifest that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 over the bytes.
    pub digest: Digest,
    /// The contents.
    pub bytes: Vec<u8>,
}

impl Blob {
    /// A blob of these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { digest: Digest::sha256(&sha256(&bytes)), bytes }
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The signer failed.
    #[error("signing")]
    Sign(#[from] SignError),
    /// What is already under the tag cannot be read.
    #[error("reading what is already attached")]
    Existing(#[from] sigward_oci::ManifestError),
    /// What is already under the tag is an index.
    #[error("an index is attached where a manifest is expected")]
    ExistingIndex,
    /// As many layers as are read are there already.
    #[error("no more than {MAX_LAYERS} signatures can be attached")]
    TooMany,
    /// Something could not be written as JSON.
    #[error("writing JSON")]
    Json(#[from] serde_json::Error),
}
