//! Manifests, indexes and descriptors of Docker v2 and OCI 1.1.
//!
//! SPEC: OCI image-spec 1.1 manifest.md, image-index.md, descriptor.md; Docker image manifest v2
//! schema 2. Go writes absent lists and maps as `null`, so `null` reads as empty.
use crate::{Digest, media_type};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Points at content: what it is, how it hashes, how long it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the content.
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Length of the content in bytes: a claim, until the content was read.
    pub size: u64,
    /// Type of the artifact, in the entries of a referrers list (and in cosign's configs).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Platform, in the entries of an image index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Annotations.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Fields that are not ours (`urls`, `data`), kept for rewriting an index.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Descriptor {
    /// A descriptor with nothing optional in it.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            artifact_type: None,
            platform: None,
            annotations: BTreeMap::new(),
            other: BTreeMap::new(),
        }
    }
}

/// What an image runs on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`, …
    #[serde(default)]
    pub architecture: String,
    /// `linux`, `windows`, …
    #[serde(default)]
    pub os: String,
    /// `v7`, `v8`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Fields that are not ours (`os.version`, `os.features`).
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// One image, or one artifact that refers to an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// Always 2.
    pub schema_version: u64,
    /// Media type of this document; Docker demands it, OCI recommends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Type of the artifact, when this is not an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers; for attached signatures one for each signature.
    #[serde(default, deserialize_with = "null_as_default")]
    pub layers: Vec<Descriptor>,
    /// The manifest that this one refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl ImageManifest {
    /// The type that a list of referrers shows for this manifest.
    ///
    /// SPEC: OCI distribution-spec 1.1 "Listing Referrers": the artifact type, else the media
    /// type of the configuration.
    pub fn referrer_type(&self) -> &str {
        match self.artifact_type.as_deref() {
            Some(artifact_type) if !artifact_type.is_empty() => artifact_type,
            _ => &self.config.media_type,
        }
    }
}

/// Several manifests: the platforms of an image, or a list of referrers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u64,
    /// Media type of this document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Type of the artifact, when this is not an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests.
    #[serde(default, deserialize_with = "null_as_default")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// An OCI index of these manifests.
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media_type::OCI_INDEX.into()),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// Either of the two documents that live under `/manifests/`.
#[derive(Clone, Debug, PartialEq)]
pub enum Manifest {
    /// One image or artifact.
    Image(Box<ImageManifest>),
    /// Several.
    Index(Box<Index>),
}

/// Why a document is not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or not in the shape of the specification.
    #[error("malformed manifest")]
    Json(#[from] serde_json::Error),
    /// `schemaVersion` is not 2.
    #[error("unsupported manifest schema version {0}")]
    SchemaVersion(u64),
    /// A media type that is neither image nor index.
    #[error("unsupported manifest media type {0:?}")]
    MediaType(String),
    /// Could be read both as an image and as an index, or contradicts its own media type.
    ///
    /// SPEC: OCI image-spec 1.0.2 (CVE-2021-41190): ambiguous documents are refused.
    #[error("ambiguous manifest: the content does not agree with its media type")]
    Ambiguous,
}

/// Just enough to tell the two apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: u64,
    media_type: Option<String>,
    config: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    manifests: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// Reads a manifest; `content_type` is what the registry said it is, when it said something.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, ManifestError> {
        let shape: Shape = serde_json::from_slice(bytes)?;
        if shape.schema_version != 2 {
            return Err(ManifestError::SchemaVersion(shape.schema_version));
        }
        let looks_like_index = shape.manifests.is_some();
        let looks_like_image = shape.config.is_some() || shape.layers.is_some();
        if looks_like_index && looks_like_image {
            return Err(ManifestError::Ambiguous);
        }
        let own = shape.media_type.as_deref().filter(|own| !own.is_empty());
        // A proxy may put a general type on the answer; that says nothing about the document.
        let told =
            content_type.filter(|told| media_type::is_index(told) || media_type::is_manifest(told));
        for claimed in own.into_iter().chain(told) {
            let is_index = media_type::is_index(claimed);
            if !is_index && !media_type::is_manifest(claimed) {
                return Err(ManifestError::MediaType(claimed.chars().take(128).collect()));
            }
            // An index may be without entries and then shows no shape at all.
            if (is_index && looks_like_image) || (!is_index && looks_like_index) {
                return Err(ManifestError::Ambiguous);
            }
        }
        if own
            .zip(told)
            .is_some_and(|(own, told)| media_type::is_index(own) != media_type::is_index(told))
        {
            return Err(ManifestError::Ambiguous);
        }
        let index =
            looks_like_index || own.or(told).is_some_and(media_type::is_index) && !looks_like_image;
        if index {
            Ok(Self::Index(Box::new(serde_json::from_slice(bytes)?)))
        } else {
            Ok(Self::Image(Box::new(serde_json::from_slice(bytes)?)))
        }
    }
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
