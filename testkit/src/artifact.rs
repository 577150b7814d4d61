//! A manifest with its blobs: what images, signatures and bundles all are to a registry.

use bytes::Bytes;

use crate::{digest, registry::Registry};

/// Media type of an OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of a Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Media type of a Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The exact bytes of a manifest, and of the blobs that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Media type of the manifest.
    pub media_type: String,
    /// The manifest.
    pub manifest: Bytes,
    /// Config and layers, in the order in which the manifest names them.
    pub blobs: Vec<Bytes>,
}

/// What others say to name a manifest: media type, digest and size.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the content.
    pub media_type: String,
    /// Size of the content in bytes.
    pub size: u64,
    /// Digest of the content.
    pub digest: String,
}

impl Descriptor {
    /// The descriptor of `content`.
    pub fn of(media_type: &str, content: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            size: content.len() as u64,
            digest: digest::sha256(content),
        }
    }
}

impl Artifact {
    /// The digest of the manifest.
    pub fn digest(&self) -> String {
        digest::sha256(&self.manifest)
    }

    /// The manifest's descriptor.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::of(&self.media_type, &self.manifest)
    }

    /// Puts the blobs, then the manifest, straight into a registry of this process; `reference` is a tag, or the manifest's
    /// digest for none. Returns the digest.
    pub fn push(&self, registry: &Registry, repository: &str, reference: &str) -> String {
        for blob in &self.blobs {
            registry.put_blob(repository, blob.clone());
        }
        registry.put_manifest(repository, reference, &self.media_type, self.manifest.clone())
    }
}
