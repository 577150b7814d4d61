//! `attach signature`: a payload and its signature from files.
use super::{statement_type, target};
use crate::cli::cosign::{Failure, Output, flags::RegistryFlags, pflag, signing, time};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use sigward_oci::{Attachment, media_type};
use sigward_sigstore::{
    sign::{Blob, LegacyLayer},
    simple_signing,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Attach signatures to the supplied container image.
#[derive(Args, Clone, Debug)]
pub(crate) struct AttachSignature {
    /// the image, by tag or digest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Vec<String>,
    /// path to the signature, or {-} for stdin
    #[arg(long)]
    pub(crate) signature: Option<PathBuf>,
    /// path to the payload covered by the signature
    #[arg(long)]
    pub(crate) payload: Option<PathBuf>,
    /// path to bundle containing signature (alias for payload)
    #[arg(long, conflicts_with = "payload")]
    pub(crate) bundle: Option<PathBuf>,
    /// path to the X.509 certificate in PEM format to include in the OCI Signature
    #[arg(long, alias = "cert", id = "attached_certificate")]
    pub(crate) certificate: Option<PathBuf>,
    /// path to a list of CA X.509 certificates in PEM format which will be needed when building the certificate chain for the signing certificate
    #[arg(long, alias = "cert-chain", id = "attached_certificate_chain")]
    pub(crate) certificate_chain: Option<PathBuf>,
    /// path to the Time Stamped Signature Response from RFC3161 compliant TSA
    #[arg(long)]
    pub(crate) tsr: Option<PathBuf>,
    /// path to the rekor bundle
    #[arg(long)]
    pub(crate) rekor_response: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// A bundle becomes a referrer; payload and signature a layer of the `.sig` tag.
pub(in crate::cli::cosign) async fn run(
    output: &Output,
    it: AttachSignature,
) -> Result<(), Failure> {
    let image = pflag::exactly_one(&it.image)?;
    let (client, target) = target(output, &it.registry, image).await?;
    let payload = match it.bundle.as_ref().or(it.payload.as_ref()) {
        Some(path) => {
            let bytes = signing::read_file(path, "")?;
            if let Some(predicate_type) = statement_type(&bytes)? {
                refuse_beside_bundle(&it)?;
                let created = time::stamp()?;
                return signing::push_bundle(&client, &target, bytes, &predicate_type, &created)
                    .await;
            }
            if it.bundle.is_some() {
                return Err(Failure::new(format!("{} is no Sigstore bundle", path.display())));
            }
            bytes
        }
        // COMPAT: cosign 3.1: without a payload the one that `generate` prints is taken; test: a_signature_made_elsewhere_is_attached_and_verifies
        None => {
            simple_signing::render(&target.repository, &target.descriptor.digest, &BTreeMap::new())
                .into_bytes()
        }
    };
    let layer = LegacyLayer {
        blob: Blob::new(payload),
        media_type: media_type::COSIGN_SIMPLE_SIGNING,
        annotations: annotations(&it)?,
    };
    let form = signing::LegacyForm {
        attachment: Attachment::Signature,
        tag_prefix: it.registry.attachment_tag_prefix.as_deref().unwrap_or_default(),
        created: None,
        replace: None,
    };
    signing::push_legacy(&client, &target, None, &[layer], form).await
}

/// A bundle holds all of it.
fn refuse_beside_bundle(it: &AttachSignature) -> Result<(), Failure> {
    let given = [
        ("--signature", it.signature.is_some()),
        ("--certificate", it.certificate.is_some()),
        ("--certificate-chain", it.certificate_chain.is_some()),
        ("--tsr", it.tsr.is_some()),
        ("--rekor-response", it.rekor_response.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Failure::new(format!(
            "{flag} has no meaning beside a Sigstore bundle, which holds all that verifies it"
        ))),
        None => Ok(()),
    }
}

fn annotations(it: &AttachSignature) -> Result<BTreeMap<String, String>, Failure> {
    let Some(path) = &it.signature else { return Err(Failure::new("empty signature")) };
    let signature = text(signing::read_input(path, "")?, path)?;
    let signature = signature.trim();
    if signature.is_empty() {
        return Err(Failure::new("empty signature"));
    }
    let mut annotations =
        BTreeMap::from([("dev.cosignproject.cosign/signature".to_owned(), signature.to_owned())]);
    if let Some(path) = &it.certificate {
        let pem = text(signing::read_file(path, "")?, path)?;
        sigward_sigstore::keys::Certificate::parse_pem(&pem)?;
        annotations.insert("dev.sigstore.cosign/certificate".to_owned(), pem);
        annotations.insert("dev.sigstore.cosign/chain".to_owned(), String::new());
    }
    if let Some(path) = &it.certificate_chain {
        if it.certificate.is_none() {
            return Err(Failure::new(
                "--certificate-chain is that of a --certificate: it needs one",
            ));
        }
        let pem = text(signing::read_file(path, "")?, path)?;
        annotations.insert("dev.sigstore.cosign/chain".to_owned(), pem);
    }
    if let Some(path) = &it.tsr {
        let response = STANDARD.encode(signing::read_file(path, "")?);
        let json = serde_json::json!({ "SignedRFC3161Timestamp": response });
        annotations.insert("dev.sigstore.cosign/rfc3161timestamp".to_owned(), json.to_string());
    }
    if let Some(path) = &it.rekor_response {
        annotations.insert("dev.sigstore.cosign/bundle".to_owned(), log_entry(path)?);
    }
    Ok(annotations)
}

/// The log's part of an old bundle (`rekorBundle`), or such a part by itself.
///
/// COMPAT: cosign 3.1: a file without `rekorBundle` attaches nothing, in silence; here it is refused; test: a_signature_made_elsewhere_is_attached_and_verifies
fn log_entry(path: &Path) -> Result<String, Failure> {
    let wrong =
        || Failure::new(format!("{}: no rekorBundle with a SignedEntryTimestamp", path.display()));
    let bytes = signing::read_file(path, "")?;
    let json: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    let entry = json.get("rekorBundle").unwrap_or(&json);
    let whole = entry.get("SignedEntryTimestamp").is_some_and(serde_json::Value::is_string)
        && entry.get("Payload").is_some_and(serde_json::Value::is_object);
    if whole { Ok(entry.to_string()) } else { Err(wrong()) }
}

fn text(bytes: Vec<u8>, path: &Path) -> Result<String, Failure> {
    String::from_utf8(bytes)
        .map_err(|_binary| Failure::new(format!("{} is not text", path.display())))
}
