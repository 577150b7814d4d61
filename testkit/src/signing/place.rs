//! What is signed and where the signature goes: `cosign sign` and `cosign attest` against a registry of this process.

use serde_json::{Value, json};

use super::{
    Knobs, SignError, bundle,
    legacy::{self, Layer},
    statement::SIGN,
};
use crate::{
    artifact::{Artifact, Descriptor, OCI_INDEX},
    keys::KeyPair,
    registry::Registry,
};

/// An image in a registry, to be signed.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    registry: &'a Registry,
    repository: String,
    store: String,
    subject: Descriptor,
}

impl<'a> Place<'a> {
    /// The image that `reference`, a tag or digest, names in `repository`.
    pub fn of(
        registry: &'a Registry,
        repository: &str,
        reference: &str,
    ) -> Result<Self, SignError> {
        let manifest = registry.manifest(repository, reference).ok_or_else(|| {
            SignError::NoSubject { reference: format!("{repository}:{reference}") }
        })?;
        Ok(Self {
            registry,
            repository: repository.to_owned(),
            store: repository.to_owned(),
            subject: Descriptor {
                media_type: manifest.media_type,
                size: manifest.bytes.len() as u64,
                digest: manifest.digest,
            },
        })
    }

    /// Signatures go to another repository of the same registry, as with `COSIGN_REPOSITORY`.
    #[must_use]
    pub fn stored_in(mut self, repository: &str) -> Self {
        repository.clone_into(&mut self.store);
        self
    }

    /// The digest of the image.
    pub fn digest(&self) -> &str {
        &self.subject.digest
    }

    /// Media type, size and digest of the image.
    pub fn subject(&self) -> &Descriptor {
        &self.subject
    }

    /// Registry and repository, as signatures name them.
    pub fn reference(&self) -> String {
        format!("{}/{}", self.registry.host(), self.repository)
    }

    /// Adds a signature to the tag `.sig`. Returns the digest of the new manifest.
    pub fn sign_legacy(&self, key: &KeyPair, knobs: &Knobs) -> Result<String, SignError> {
        let layer = legacy::signature_layer(key, &self.reference(), self.digest(), knobs)?;
        self.add_layer("sig", layer)
    }

    /// Adds an attestation to the tag `.att`. Returns the digest of the new manifest.
    pub fn attest_legacy(
        &self,
        key: &KeyPair,
        predicate_type: &str,
        predicate: &Value,
        knobs: &Knobs,
    ) -> Result<String, SignError> {
        let layer = legacy::attestation_layer(
            key,
            &self.reference(),
            self.digest(),
            predicate_type,
            predicate,
            knobs,
        )?;
        self.add_layer("att", layer)
    }

    /// Attaches a bundle that is a signature. Returns the digest of the manifest that holds it.
    pub fn sign_bundle(&self, key: &KeyPair, knobs: &Knobs) -> Result<String, SignError> {
        let bundle = bundle::signature(key, self.digest(), knobs)?;
        self.attach(&bundle::referrer(bundle, &self.subject, Some(SIGN), knobs), knobs)
    }

    /// Attaches a bundle that is an attestation. Returns the digest of the manifest that holds it.
    pub fn attest_bundle(
        &self,
        key: &KeyPair,
        predicate_type: &str,
        predicate: &Value,
        knobs: &Knobs,
    ) -> Result<String, SignError> {
        let bundle = bundle::attestation(
            key,
            &self.reference(),
            self.digest(),
            predicate_type,
            predicate,
            knobs,
        )?;
        self.attach(&bundle::referrer(bundle, &self.subject, Some(predicate_type), knobs), knobs)
    }

    /// Attaches a bundle with a signature over the bytes of the image's manifest, which cosign does not write for images but
    /// accepts.
    pub fn sign_message_bundle(&self, key: &KeyPair, knobs: &Knobs) -> Result<String, SignError> {
        let manifest = self.registry.manifest(&self.repository, self.digest());
        let bytes = manifest
            .ok_or_else(|| SignError::NoSubject { reference: self.subject.digest.clone() })?
            .bytes;
        let bundle = bundle::message(key, &bytes, knobs)?;
        self.attach(&bundle::referrer(bundle, &self.subject, None, knobs), knobs)
    }

    /// Puts a referrer into the store and, where there is no referrers API, into the index under the fallback tag.
    pub fn attach(&self, artifact: &Artifact, knobs: &Knobs) -> Result<String, SignError> {
        let digest = artifact.push(self.registry, &self.store, &artifact.digest());
        if self.registry.has_referrers_api() {
            return Ok(digest);
        }
        let tag = bundle::fallback_tag(self.digest());
        let mut index = match self.registry.manifest(&self.store, &tag) {
            Some(manifest) => {
                object(&manifest.bytes).ok_or_else(|| SignError::NotOurs { tag: tag.clone() })?
            }
            None => json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] }),
        };
        let entries = index.get_mut("manifests").and_then(Value::as_array_mut);
        let entries = entries.ok_or_else(|| SignError::NotOurs { tag: tag.clone() })?;
        let mut entry = json!(artifact.descriptor());
        if let Some(fields) = entry.as_object_mut() {
            let artifact_type = knobs.fallback_artifact_type.as_deref().unwrap_or(bundle::BUNDLE);
            fields.insert("artifactType".to_owned(), json!(artifact_type));
        }
        entries.push(entry);
        self.registry.put_manifest(&self.store, &tag, OCI_INDEX, index.to_string());
        Ok(digest)
    }

    /// Adds a layer to the manifest under a tag beside the image, or begins one.
    pub fn add_layer(&self, suffix: &str, layer: Layer) -> Result<String, SignError> {
        let tag = legacy::tag(self.digest(), suffix);
        let mut layers = match self.registry.manifest(&self.store, &tag) {
            Some(manifest) => self
                .layers(&manifest.bytes)
                .ok_or_else(|| SignError::NotOurs { tag: tag.clone() })?,
            None => Vec::new(),
        };
        layers.push(layer);
        Ok(legacy::manifest(&layers).push(self.registry, &self.store, &tag))
    }

    /// Reads the layers of a manifest back, so that one can be added.
    fn layers(&self, manifest: &[u8]) -> Option<Vec<Layer>> {
        let manifest = object(manifest)?;
        let read = |entry: &Value| {
            Some(Layer {
                media_type: entry.get("mediaType")?.as_str()?.to_owned(),
                annotations: match entry.get("annotations") {
                    Some(annotations) => serde_json::from_value(annotations.clone()).ok()?,
                    None => std::collections::BTreeMap::new(),
                },
                bytes: self.registry.blob(&self.store, entry.get("digest")?.as_str()?)?,
            })
        };
        manifest.get("layers")?.as_array()?.iter().map(read).collect()
    }
}

fn object(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok().filter(Value::is_object)
}
