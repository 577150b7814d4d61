//! The older form: manifests under the tags `sha256-HEX.sig` and `sha256-HEX.att` with one layer for each signature.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Knobs, go_json, quoted, statement};
use crate::{
    artifact::{Artifact, Descriptor, OCI_MANIFEST},
    digest,
    keys::{KeyError, KeyPair},
};

/// Media type of a layer that holds a simple signing payload.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Media type of a layer that holds a DSSE envelope.
pub const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
/// Annotation of a layer with the signature in base64.
pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// One layer of a `.sig` or `.att` manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its media type.
    pub media_type: String,
    /// Its annotations in the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Its content.
    pub bytes: Bytes,
}

/// The simple signing payload of `cosign sign`: these exact bytes are signed.
pub fn payload(reference: &str, digest: &str, knobs: &Knobs) -> Vec<u8> {
    let optional =
        if knobs.annotations.is_empty() { Value::Null } else { json!(knobs.annotations) };
    let text = format!(
        r#"{{"critical":{{"identity":{{"docker-reference":{}}},"image":{{"docker-manifest-digest":{}}},"type":{}}},"optional":{optional}}}"#,
        quoted(knobs.reference.as_deref().unwrap_or(reference)),
        quoted(knobs.digest.as_deref().unwrap_or(digest)),
        quoted(knobs.kind.as_deref().unwrap_or("cosign container image signature")),
    );
    go_json(&text).into_bytes()
}

/// The layer of one signature. `reference` is registry and repository, without tag and digest.
pub fn signature_layer(
    key: &KeyPair,
    reference: &str,
    digest: &str,
    knobs: &Knobs,
) -> Result<Layer, KeyError> {
    let payload = payload(reference, digest, knobs);
    let signature = knobs.text(knobs.signature(key, &payload)?);
    Ok(Layer {
        media_type: SIMPLE_SIGNING.to_owned(),
        annotations: BTreeMap::from([(SIGNATURE_ANNOTATION.to_owned(), signature)]),
        bytes: knobs.payload.clone().unwrap_or(payload).into(),
    })
}

/// The layer of one attestation.
pub fn attestation_layer(
    key: &KeyPair,
    reference: &str,
    digest: &str,
    predicate_type: &str,
    predicate: &Value,
    knobs: &Knobs,
) -> Result<Layer, KeyError> {
    let statement = statement::attestation(reference, digest, predicate_type, predicate, knobs);
    let announced = knobs.announced_predicate_type.as_deref().unwrap_or(predicate_type);
    Ok(Layer {
        media_type: DSSE.to_owned(),
        annotations: BTreeMap::from([
            (SIGNATURE_ANNOTATION.to_owned(), String::new()),
            ("predicateType".to_owned(), announced.to_owned()),
        ]),
        bytes: statement::envelope(key, &statement, true, knobs)?.into(),
    })
}

/// The manifest over some layers, with the config that cosign writes: nothing in it but the layers' digests.
pub fn manifest(layers: &[Layer]) -> Artifact {
    const NEVER: &str = "0001-01-01T00:00:00Z";
    let diff_ids: Vec<String> = layers.iter().map(|layer| digest::sha256(&layer.bytes)).collect();
    let history: Vec<Value> = layers.iter().map(|_| json!({ "created": NEVER })).collect();
    let config = json!({
        "architecture": "", "config": {}, "created": NEVER, "history": history, "os": "",
        "rootfs": { "diff_ids": diff_ids, "type": "layers" },
    });
    let config = Bytes::from(config.to_string());
    let entries: Vec<Value> = layers
        .iter()
        .map(|layer| {
            let mut entry = json!(Descriptor::of(&layer.media_type, &layer.bytes));
            if let Some(fields) = entry.as_object_mut() {
                fields.insert("annotations".to_owned(), json!(layer.annotations));
            }
            entry
        })
        .collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": Descriptor::of(CONFIG, &config), "layers": entries,
    });
    let mut blobs = vec![config];
    blobs.extend(layers.iter().map(|layer| layer.bytes.clone()));
    Artifact { media_type: OCI_MANIFEST.to_owned(), manifest: manifest.to_string().into(), blobs }
}

/// The tag beside an image with this digest: suffix `sig`, `att` or `sbom`.
pub fn tag(digest: &str, suffix: &str) -> String {
    format!("{}.{suffix}", digest.replacen(':', "-", 1))
}
