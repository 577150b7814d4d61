//! Sigstore bundles v0.3 with a hint at a public key, and the manifests that attach them to an image.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Knobs, quoted, statement};
use crate::{
    artifact::{Artifact, Descriptor, OCI_MANIFEST},
    keys::{KeyError, KeyPair, Scheme},
};

/// Media type of a bundle v0.3.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Media type of the config `{}`.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// When bundles were made, unless a test says otherwise.
const CREATED: &str = "2024-01-01T00:00:00Z";

/// The bundle of `cosign sign`: a statement that says nothing but the digest.
pub fn signature(key: &KeyPair, digest: &str, knobs: &Knobs) -> Result<Vec<u8>, KeyError> {
    around_statement(key, &statement::signature(digest, knobs), knobs)
}

/// The bundle of `cosign attest`.
pub fn attestation(
    key: &KeyPair,
    reference: &str,
    digest: &str,
    predicate_type: &str,
    predicate: &Value,
    knobs: &Knobs,
) -> Result<Vec<u8>, KeyError> {
    around_statement(
        key,
        &statement::attestation(reference, digest, predicate_type, predicate, knobs),
        knobs,
    )
}

/// A bundle around any statement, or anything that is not one.
pub fn around_statement(
    key: &KeyPair,
    statement: &[u8],
    knobs: &Knobs,
) -> Result<Vec<u8>, KeyError> {
    let envelope = statement::envelope(key, statement, false, knobs)?;
    Ok(bundle(key, "dsseEnvelope", &envelope, knobs))
}

/// The bundle of `cosign sign-blob`: a signature over `message` itself, with the digest that the signature's own hash makes.
pub fn message(key: &KeyPair, message: &[u8], knobs: &Knobs) -> Result<Vec<u8>, KeyError> {
    let text = knobs.text(knobs.signature(key, message)?);
    let (algorithm, digest) = message_digest(key, message, knobs.scheme);
    let signature = json!({
        "messageDigest": { "algorithm": knobs.kind.as_deref().unwrap_or(algorithm), "digest": digest },
        "signature": text,
    });
    Ok(bundle(key, "messageSignature", &signature.to_string(), knobs))
}

/// Name and base64 of the digest that the signature is over.
fn message_digest(key: &KeyPair, message: &[u8], scheme: Scheme) -> (&'static str, String) {
    use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};

    use crate::keys::Algorithm;
    let (name, algorithm) = match (key.algorithm(), scheme) {
        (Algorithm::EcdsaP384, Scheme::Default | Scheme::EcdsaRaw) => ("SHA2_384", &SHA384),
        (Algorithm::EcdsaP521, Scheme::Default | Scheme::EcdsaRaw) | (_, Scheme::RsaSha512) => {
            ("SHA2_512", &SHA512)
        }
        _ => ("SHA2_256", &SHA256),
    };
    (name, STANDARD.encode(digest(algorithm, message)))
}

fn bundle(key: &KeyPair, field: &str, content: &str, knobs: &Knobs) -> Vec<u8> {
    let hint = knobs.hint.clone().unwrap_or_else(|| key.hint());
    let media_type = knobs.bundle_media_type.as_deref().unwrap_or(BUNDLE);
    format!(
        r#"{{"mediaType":{}, "verificationMaterial":{{"publicKey":{{"hint":{}}}}}, "{field}":{content}}}"#,
        quoted(media_type),
        quoted(&hint)
    )
    .into_bytes()
}

/// The manifest that attaches a bundle to `subject`: with a predicate type for a statement, without for a message signature.
pub fn referrer(
    bundle: Vec<u8>,
    subject: &Descriptor,
    predicate_type: Option<&str>,
    knobs: &Knobs,
) -> Artifact {
    let media_type = knobs.bundle_media_type.as_deref().unwrap_or(BUNDLE);
    let config = Bytes::from_static(b"{}");
    let bundle = Bytes::from(bundle);
    let mut config_entry = json!(Descriptor::of(EMPTY, &config));
    if let Some(fields) = config_entry.as_object_mut() {
        // Not in the specification, but cosign writes it, and its `clean` looks for it.
        fields.insert("artifactType".to_owned(), json!(media_type));
    }
    let content = if predicate_type.is_some() { "dsse-envelope" } else { "message-signature" };
    let created = if knobs.created.is_empty() { CREATED } else { &knobs.created };
    let mut annotations = BTreeMap::from([
        ("dev.sigstore.bundle.content", content),
        ("org.opencontainers.image.created", created),
    ]);
    if let Some(announced) = knobs.announced_predicate_type.as_deref().or(predicate_type) {
        annotations.insert("dev.sigstore.bundle.predicateType", announced);
    }
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": media_type, "annotations": annotations,
        "config": config_entry, "layers": [Descriptor::of(media_type, &bundle)], "subject": subject,
    });
    Artifact {
        media_type: OCI_MANIFEST.to_owned(),
        manifest: manifest.to_string().into(),
        blobs: vec![config, bundle],
    }
}

/// The tag under which referrers are listed where there is no referrers API: `sha256-HEX`.
// SPEC: OCI distribution 1.1, "Referrers Tag Schema".
pub fn fallback_tag(digest: &str) -> String {
    let (algorithm, hex) = digest.split_once(':').unwrap_or((digest, ""));
    let cut = |text: &str, length: usize| text.chars().take(length).collect::<String>();
    format!("{}-{}", cut(algorithm, 32), cut(hex, 64))
}
