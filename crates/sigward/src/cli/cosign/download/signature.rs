//! `download signature`: bundles, or the legacy signatures with all that came with them.
use super::{annotation, find, named, only};
use crate::cli::cosign::{Failure, Output, flags::RegistryFlags};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use serde_json::{Value, json};
use sigward_oci::{Attachment, Descriptor};

/// Download signatures from the supplied container image.
#[derive(Args, Clone, Debug)]
pub(crate) struct DownloadSignature {
    /// the image, by tag or digest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Vec<String>,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// One JSON document a line.
///
/// COMPAT: cosign 3.1: all bundles, whatever they say, and legacy signatures only when there is none; test: signatures_are_downloaded_as_they_are_stored
pub(in crate::cli::cosign) async fn run(
    output: &mut Output,
    it: DownloadSignature,
) -> Result<(), Failure> {
    let found = find(output, &it.registry, &it.image, None, only(true, true, false)).await?;
    let bundles = found.bundles().await?;
    if !bundles.is_empty() {
        for bundle in bundles {
            output.bytes(&bundle)?;
            output.line("")?;
        }
        return Ok(());
    }
    let layers = found.attached(Attachment::Signature)?;
    if layers.is_empty() {
        return Err(Failure::new(format!("no signatures associated with {}", named(&it.image))));
    }
    for layer in layers {
        let payload = found.from.attachment(&layer).await?;
        output.line(&legacy(&layer, &payload).to_string())?;
    }
    Ok(())
}

/// COMPAT: cosign 3.1: certificates are printed as Go prints its own structure; ours hold the one field of it that can
/// be read again, `Raw` (DER in base64); test: signatures_are_downloaded_as_they_are_stored
fn legacy(layer: &Descriptor, payload: &[u8]) -> Value {
    let json = |name: &str| serde_json::from_str(annotation(layer, name)).unwrap_or(Value::Null);
    let mut certificates = pem_bodies(annotation(layer, "dev.sigstore.cosign/certificate"));
    let chain = pem_bodies(annotation(layer, "dev.sigstore.cosign/chain"));
    let raw = |der: String| json!({ "Raw": der });
    let certificate =
        if certificates.is_empty() { Value::Null } else { raw(certificates.swap_remove(0)) };
    let chain = if chain.is_empty() {
        Value::Null
    } else {
        Value::Array(chain.into_iter().map(raw).collect())
    };
    json!({
        "Base64Signature": annotation(layer, "dev.cosignproject.cosign/signature"),
        "Payload": STANDARD.encode(payload),
        "Cert": certificate,
        "Chain": chain,
        "Bundle": json("dev.sigstore.cosign/bundle"),
        "RFC3161Timestamp": json("dev.sigstore.cosign/rfc3161timestamp"),
    })
}

/// What stands between the lines of each certificate.
fn pem_bodies(text: &str) -> Vec<String> {
    text.split("-----BEGIN CERTIFICATE-----")
        .skip(1)
        .filter_map(|block| block.split_once("-----END CERTIFICATE-----"))
        .map(|(body, _)| body.split_whitespace().collect())
        .collect()
}
