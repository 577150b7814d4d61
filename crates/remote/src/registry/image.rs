//! What a policy may ask of an image: its manifest and its configuration.
use super::{Registry, place_in};
use crate::error::{FetchError, Malformed, clean};
use bytes::Bytes;
use sigward_oci::{Access, DigestReference, Manifest};

/// An image as `context.imageRegistry` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageData {
    /// The image that was asked for: possibly an index.
    pub reference: DigestReference,
    /// The index, when the digest is that of one.
    pub index: Option<Bytes>,
    /// The manifest of the image, or of the index's `linux/amd64` entry.
    pub manifest: Bytes,
    /// The configuration.
    pub config: Bytes,
}

impl Registry {
    /// Manifest and configuration of an image; `None` when there is no such image.
    ///
    /// COMPAT: Kyverno 1.19: of an index, the `linux/amd64` image is shown;
    /// test: `image_data_of_an_index_is_that_of_linux_amd64`.
    pub async fn image_data(
        &self,
        reference: &DigestReference,
        access: &Access,
    ) -> Result<Option<ImageData>, FetchError> {
        let Some(bytes) = self.manifest(reference, access).await? else { return Ok(None) };
        let wrong = |reference: &DigestReference, what, said: &str| FetchError::Malformed {
            place: place_in(&reference.repository, &format!("manifests/{}", reference.digest)),
            what,
            said: Some(clean(said)).filter(|said| !said.is_empty()),
        };
        let parse = |bytes: &[u8], of: &DigestReference| {
            Manifest::parse(bytes, None)
                .map_err(|error| wrong(of, Malformed::Manifest, &error.to_string()))
        };
        let (index, manifest, image) = match parse(&bytes, reference)? {
            Manifest::Image(image) => (None, bytes, image),
            Manifest::Index(index) => {
                let entry = index.manifests.iter().find(|entry| {
                    entry.platform.as_ref().is_some_and(|platform| {
                        platform.os == "linux" && platform.architecture == "amd64"
                    })
                });
                let Some(entry) = entry else {
                    return Err(wrong(reference, Malformed::Platform, ""));
                };
                let child = DigestReference {
                    repository: reference.repository.clone(),
                    digest: entry.digest.clone(),
                };
                let Some(inner) = self.manifest(&child, access).await? else {
                    return Err(wrong(&child, Malformed::Platform, "the entry is absent"));
                };
                match parse(&inner, &child)? {
                    Manifest::Image(image) => (Some(bytes), inner, image),
                    Manifest::Index(_) => {
                        return Err(wrong(&child, Malformed::Platform, "an index in an index"));
                    }
                }
            }
        };
        let config = DigestReference {
            repository: reference.repository.clone(),
            digest: image.config.digest.clone(),
        };
        let Some(config_bytes) = self.blob(&config, Some(image.config.size), access).await? else {
            return Err(wrong(reference, Malformed::Manifest, "the configuration is absent"));
        };
        let reference = reference.clone();
        Ok(Some(ImageData { reference, index, manifest, config: config_bytes }))
    }
}
