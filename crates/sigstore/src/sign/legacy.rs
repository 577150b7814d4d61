//! Attached tags as cosign writes them: one more layer, a configuration that counts them.
use super::{AssembleError, Blob, Surroundings};
use crate::{
    dsse::Envelope,
    encoding::{decode_base64, encode_base64},
    keys::{Certificate, PublicKey, Signer},
    prover::{
        LEGACY_BUNDLE, LEGACY_CERTIFICATE, LEGACY_CHAIN, LEGACY_PREDICATE_TYPE, LEGACY_SIGNATURE,
        LEGACY_TIMESTAMP,
    },
    simple_signing,
    statement::PAYLOAD_TYPE,
    timestamp,
    tlog::LogEntry,
};
use sigward_oci::{Descriptor, Digest, ImageManifest, Manifest, media_type};
use std::{collections::BTreeMap, fmt::Write as _};

/// Most layers of one attached manifest.
///
/// COMPAT: cosign 3.1.1: 1000. test: no_more_than_a_thousand_signatures_are_attached
pub const MAX_LAYERS: usize = 1000;

/// One signature or attestation, ready to be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyLayer {
    /// Payload or envelope.
    pub blob: Blob,
    /// Media type of the layer.
    pub media_type: &'static str,
    /// Annotations of the layer.
    pub annotations: BTreeMap<String, String>,
}

/// Which media types manifests get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manifests {
    /// OCI 1.1.
    #[default]
    Oci,
    /// Docker v2 schema 2 (`COSIGN_DOCKER_MEDIA_TYPES=1`).
    Docker,
}

/// What came of attaching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attached {
    /// These bytes go under the tag.
    Written(Written),
    /// The same is attached already, by the same key.
    AlreadyThere,
}

/// A manifest and what has to be there before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// To push first, in order.
    pub blobs: Vec<Blob>,
    /// The manifest.
    pub manifest: Blob,
    /// Its media type.
    pub media_type: &'static str,
}

/// Signs an image: `repository` becomes the payload's `docker-reference`.
pub fn signature_layer(
    repository: &str,
    image: &Digest,
    annotations: &BTreeMap<String, String>,
    signer: &dyn Signer,
) -> Result<LegacyLayer, AssembleError> {
    let payload = simple_signing::render(repository, image, annotations).into_bytes();
    let signature = signer.sign(&payload)?;
    Ok(payload_layer(payload, &signature))
}

/// Signs a statement.
pub fn attestation_layer(
    statement: Vec<u8>,
    predicate_type: &str,
    signer: &dyn Signer,
) -> Result<LegacyLayer, AssembleError> {
    let envelope = Envelope::sign(PAYLOAD_TYPE, statement, signer)?;
    Ok(envelope_layer(&envelope, predicate_type))
}

/// A layer around an envelope that is signed.
pub fn envelope_layer(envelope: &Envelope, predicate_type: &str) -> LegacyLayer {
    LegacyLayer {
        blob: Blob::new(envelope.to_json().into_bytes()),
        media_type: media_type::DSSE_ENVELOPE,
        annotations: BTreeMap::from([
            (LEGACY_SIGNATURE.to_owned(), String::new()),
            (LEGACY_PREDICATE_TYPE.to_owned(), predicate_type.to_owned()),
        ]),
    }
}

/// A layer around a simple-signing payload that is signed.
pub fn payload_layer(payload: Vec<u8>, signature: &[u8]) -> LegacyLayer {
    LegacyLayer {
        blob: Blob::new(payload),
        media_type: media_type::COSIGN_SIMPLE_SIGNING,
        annotations: BTreeMap::from([(LEGACY_SIGNATURE.to_owned(), encode_base64(signature))]),
    }
}

impl LegacyLayer {
    /// Adds what surrounds the signature: certificate and chain, the log's promise, one timestamp.
    ///
    /// COMPAT: cosign 3.1.1: the chain is written beside a certificate even when it is empty.
    /// test: what_is_assembled_with_evidence_verifies
    #[must_use]
    pub fn with_surroundings(mut self, around: &Surroundings) -> Self {
        let mut add = |name: &str, text: String| {
            self.annotations.insert(name.to_owned(), text);
        };
        if let Some((leaf, above)) = around.certificates.split_first() {
            add(LEGACY_CERTIFICATE, leaf.to_pem());
            add(LEGACY_CHAIN, above.iter().map(Certificate::to_pem).collect());
        }
        if let Some(text) = around.log_entries.first().and_then(LogEntry::to_annotation) {
            add(LEGACY_BUNDLE, text);
        }
        if let Some(response) = around.timestamps.first() {
            add(LEGACY_TIMESTAMP, timestamp::to_annotation(response));
        }
        self
    }
}

/// Drops the attestations of one type from what is attached (`attest --replace`).
pub fn replace_type(existing: &[u8], predicate_type: &str) -> Result<Vec<u8>, AssembleError> {
    let mut manifest = read(existing)?;
    manifest.layers.retain(|layer| {
        layer.annotations.get(LEGACY_PREDICATE_TYPE).is_none_or(|found| found != predicate_type)
    });
    Ok(serde_json::to_vec(&manifest)?)
}

/// Adds a layer to what is attached. `created` is RFC 3339, for `--record-creation-timestamp`; cosign
/// leaves year one otherwise. Without a key (a signature that was made elsewhere) the same is only
/// what has the same bytes everywhere.
///
/// COMPAT: cosign 3.1.1: a layer with the same payload, media type and annotations whose signature is
/// by the same key is not attached twice. test: signing_twice_attaches_once
pub fn append<'k>(
    existing: Option<&[u8]>,
    layer: &LegacyLayer,
    key: impl Into<Option<&'k PublicKey>>,
    manifests: Manifests,
    created: Option<&str>,
) -> Result<Attached, AssembleError> {
    let (config_type, own_type) = match manifests {
        Manifests::Oci => (media_type::OCI_CONFIG, media_type::OCI_MANIFEST),
        Manifests::Docker => (media_type::DOCKER_CONFIG, media_type::DOCKER_MANIFEST),
    };
    let mut layers = match existing {
        Some(existing) => read(existing)?.layers,
        None => Vec::new(),
    };
    let key = key.into();
    if layers.iter().any(|there| is_same(there, layer, key)) {
        return Ok(Attached::AlreadyThere);
    }
    if layers.len() >= MAX_LAYERS {
        return Err(AssembleError::TooMany);
    }
    let mut descriptor =
        Descriptor::new(layer.media_type, layer.blob.digest.clone(), layer.blob.size());
    descriptor.annotations.clone_from(&layer.annotations);
    layers.push(descriptor);
    let config = Blob::new(config(&layers, created).into_bytes());
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: Some(own_type.to_owned()),
        artifact_type: None,
        config: Descriptor::new(config_type, config.digest.clone(), config.size()),
        layers,
        subject: None,
        annotations: BTreeMap::new(),
    };
    Ok(Attached::Written(Written {
        blobs: vec![layer.blob.clone(), config],
        manifest: Blob::new(serde_json::to_vec(&manifest)?),
        media_type: own_type,
    }))
}

fn read(existing: &[u8]) -> Result<ImageManifest, AssembleError> {
    match Manifest::parse(existing, None)? {
        Manifest::Image(manifest) => Ok(*manifest),
        Manifest::Index(_) => Err(AssembleError::ExistingIndex),
    }
}

/// ECDSA signatures differ each time, so the one that is there is verified, not compared.
fn is_same(there: &Descriptor, layer: &LegacyLayer, key: Option<&PublicKey>) -> bool {
    let others = |annotations: &BTreeMap<String, String>| {
        let mut others = annotations.clone();
        others.remove(LEGACY_SIGNATURE);
        others
    };
    let signature = there.annotations.get(LEGACY_SIGNATURE);
    there.digest == layer.blob.digest
        && there.media_type == layer.media_type
        && others(&there.annotations) == others(&layer.annotations)
        && signature.is_some_and(|text| {
            // An attestation's signature is inside the blob, which is equal.
            text.is_empty()
                || layer.annotations.get(LEGACY_SIGNATURE) == Some(text)
                || key.zip(decode_base64(text)).is_some_and(|(key, signature)| {
                    key.verify(&layer.blob.bytes, &signature).is_ok()
                })
        })
}

/// The configuration: nothing but one history entry and one diff id for each layer.
fn config(layers: &[Descriptor], created: Option<&str>) -> String {
    const NEVER: &str = "0001-01-01T00:00:00Z";
    let created = created.unwrap_or(NEVER);
    let mut history = String::new();
    let mut diff_ids = String::new();
    for (i, layer) in layers.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(history, r#"{comma}{{"created":"{NEVER}"}}"#);
        let _ = write!(diff_ids, r#"{comma}"{}""#, layer.digest);
    }
    format!(
        r#"{{"architecture":"","created":"{created}","history":[{history}],"os":"","rootfs":{{"type":"layers","diff_ids":[{diff_ids}]}},"config":{{}}}}"#
    )
}
