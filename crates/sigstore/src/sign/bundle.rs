//! Bundles and the referrers that hold them, as cosign 3 writes them.
use super::{AssembleError, Blob, Written};
use crate::{
    bundle::MEDIA_TYPE,
    dsse::Envelope,
    encoding::{encode_base64, go_json_string},
    keys::{Certificate, PublicKey, Signer},
    prover::{BUNDLE_CONTENT, BUNDLE_PREDICATE_TYPE},
    statement::{COSIGN_SIGN, PAYLOAD_TYPE, STATEMENT_V1},
    tlog::LogEntry,
};
use sigward_oci::{Descriptor, Digest, ImageManifest, media_type};
use std::{collections::BTreeMap, fmt::Write as _};

/// What a referrer holds besides its bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct Referrer {
    /// Blobs and manifest to push; the manifest goes under its digest.
    pub written: Written,
    /// The entry for the fallback index, where the registry lacks the referrers API.
    ///
    /// SPEC: OCI distribution-spec 1.1 "Listing Referrers": an entry shows the artifact type and the
    /// annotations of its manifest, so that readers need not fetch each one.
    pub fallback: Descriptor,
}

/// The statement of a signature: "this image", with the annotations, and nothing else.
pub fn image_statement(image: &Digest, annotations: &BTreeMap<String, String>) -> Vec<u8> {
    let mut pairs = String::new();
    for (i, (name, text)) in annotations.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(pairs, "{comma}{}:{}", go_json_string(name), go_json_string(text));
    }
    format!(
        r#"{{"_type":"{STATEMENT_V1}","subject":[{{"digest":{{"{}":"{}"}},"annotations":{{{pairs}}}}}],"predicateType":"{COSIGN_SIGN}","predicate":{{}}}}"#,
        image.algorithm().as_str(),
        image.hex()
    )
    .into_bytes()
}

/// Signs an image.
pub fn signature_bundle(
    image: &Digest,
    annotations: &BTreeMap<String, String>,
    signer: &dyn Signer,
) -> Result<Vec<u8>, AssembleError> {
    attestation_bundle(image_statement(image, annotations), signer)
}

/// Signs a statement.
pub fn attestation_bundle(
    statement: Vec<u8>,
    signer: &dyn Signer,
) -> Result<Vec<u8>, AssembleError> {
    let envelope = Envelope::sign(PAYLOAD_TYPE, statement, signer)?;
    Ok(envelope_bundle(&envelope, signer.public_key(), &Surroundings::default()))
}

/// What surrounds a signature once services were asked: all of it goes into the bundle, or into the
/// annotations of a legacy layer.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The signer's certificate, then those above it; empty when a key signs by itself.
    pub certificates: Vec<Certificate>,
    /// The log's entries.
    pub log_entries: Vec<LogEntry>,
    /// RFC 3161 responses: over the signature, in legacy attestations over the whole envelope.
    pub timestamps: Vec<Vec<u8>>,
}

/// A bundle around an envelope that is signed.
pub fn envelope_bundle(envelope: &Envelope, key: &PublicKey, around: &Surroundings) -> Vec<u8> {
    render(&format!(r#""dsseEnvelope":{}"#, envelope.to_bundle_json()), key, around)
}

/// A bundle around one content.
///
/// SPEC: sigstore_bundle.proto 0.3: the certificate alone, without those above it.
pub(super) fn render(content: &str, key: &PublicKey, around: &Surroundings) -> Vec<u8> {
    let mut material = match around.certificates.first() {
        Some(certificate) => {
            format!(r#""certificate":{{"rawBytes":"{}"}}"#, encode_base64(certificate.as_der()))
        }
        None => format!(r#""publicKey":{{"hint":"{}"}}"#, key.hint()),
    };
    if !around.log_entries.is_empty() {
        let entries: Vec<_> = around.log_entries.iter().map(LogEntry::to_bundle_json).collect();
        // Writing to a String cannot fail.
        let _ = write!(material, r#","tlogEntries":{}"#, serde_json::Value::Array(entries));
    }
    if !around.timestamps.is_empty() {
        let signed =
            |response: &Vec<u8>| format!(r#"{{"signedTimestamp":"{}"}}"#, encode_base64(response));
        let all: Vec<_> = around.timestamps.iter().map(signed).collect();
        let _ = write!(
            material,
            r#","timestampVerificationData":{{"rfc3161Timestamps":[{}]}}"#,
            all.join(",")
        );
    }
    format!(r#"{{"mediaType":"{MEDIA_TYPE}","verificationMaterial":{{{material}}},{content}}}"#)
        .into_bytes()
}

/// The referrer that holds a bundle. `image` describes the image's manifest; `created` is RFC 3339.
pub fn referrer(
    image: &Descriptor,
    bundle: Vec<u8>,
    predicate_type: &str,
    created: &str,
) -> Result<Referrer, AssembleError> {
    let (bundle, config) = (Blob::new(bundle), Blob::new(b"{}".to_vec()));
    let mut config_descriptor =
        Descriptor::new(media_type::OCI_EMPTY, config.digest.clone(), config.size());
    config_descriptor.artifact_type = Some(MEDIA_TYPE.to_owned());
    let annotations = BTreeMap::from([
        (BUNDLE_CONTENT.to_owned(), "dsse-envelope".to_owned()),
        (BUNDLE_PREDICATE_TYPE.to_owned(), predicate_type.to_owned()),
        ("org.opencontainers.image.created".to_owned(), created.to_owned()),
    ]);
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: Some(MEDIA_TYPE.to_owned()),
        config: config_descriptor,
        layers: vec![Descriptor::new(MEDIA_TYPE, bundle.digest.clone(), bundle.size())],
        subject: Some(Descriptor::new(image.media_type.clone(), image.digest.clone(), image.size)),
        annotations: annotations.clone(),
    };
    let manifest = Blob::new(serde_json::to_vec(&manifest)?);
    let mut fallback =
        Descriptor::new(media_type::OCI_MANIFEST, manifest.digest.clone(), manifest.size());
    fallback.artifact_type = Some(MEDIA_TYPE.to_owned());
    fallback.annotations = annotations;
    Ok(Referrer {
        written: Written {
            blobs: vec![config, bundle],
            manifest,
            media_type: media_type::OCI_MANIFEST,
        },
        fallback,
    })
}
