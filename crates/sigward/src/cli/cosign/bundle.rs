//! `bundle create`: a Sigstore bundle around a signature that was made in an older form.
use super::{Failure, Output, flags::SecurityKeyFlags, keys, pflag::go_bool, signing};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand};
use serde_json::Value;
use sigward_sigstore::{
    dsse::Envelope,
    keys::{Certificate, Ed25519Form, PublicKey},
    sign::{Surroundings, envelope_bundle, message_bundle},
};
use std::path::{Path, PathBuf};

/// Tools for interacting with a Sigstore protobuf bundle.
#[derive(Args, Clone, Debug)]
pub(crate) struct BundleCommand {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What is done with it.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    Create(Create),
}

/// Create a Sigstore protobuf bundle by supplying signed material.
#[derive(Args, Clone, Debug)]
pub(crate) struct Create {
    /// path to artifact FILE
    #[arg(long)]
    pub(crate) artifact: Option<PathBuf>,
    /// path to attestation FILE
    #[arg(long)]
    pub(crate) attestation: Option<PathBuf>,
    /// path to old format bundle FILE
    #[arg(long)]
    pub(crate) bundle: Option<PathBuf>,
    /// path to base64-encoded signature over the artifact
    #[arg(long)]
    pub(crate) signature: Option<PathBuf>,
    /// path to the signing certificate, likely from Fulcio
    #[arg(long = "certificate", alias = "cert", id = "bundled_certificate")]
    pub(crate) certificate: Option<PathBuf>,
    /// path to the public key file, KMS URI or Kubernetes Secret
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// path to RFC3161 timestamp FILE
    #[arg(long = "rfc3161-timestamp", id = "bundled_timestamp")]
    pub(crate) rfc3161_timestamp: Option<PathBuf>,
    /// ignore transparency log verification, to be used when an artifact signature has not been uploaded to the transparency log
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) ignore_tlog: bool,
    /// path to output bundle
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// address of rekor STL server
    #[arg(long, hide = true)]
    pub(crate) rekor_url: Option<String>,
    #[command(flatten)]
    pub(crate) security_key: SecurityKeyFlags,
}

/// What was signed, in whichever form it came.
enum Signed {
    Envelope(Envelope),
    Bytes(Vec<u8>),
}

/// Writes the bundle, once its signature was checked with the key or the certificate that goes into it.
///
/// COMPAT: cosign 3.1: puts together what does not belong together; here the signature has to hold; test: a_bundle_is_made_of_older_forms
pub(super) fn run(output: &mut Output, it: &BundleCommand) -> Result<(), Failure> {
    let Verb::Create(it) = &it.verb;
    if !it.ignore_tlog {
        return Err(Failure::new(
            "the entry of a transparency log has to be asked for, which is not available in this build: with --ignore-tlog the bundle is made without one",
        ));
    }
    let (signed, mut certificate) = signed(it)?;
    if let Some(path) = &it.certificate {
        certificate = Some(read_certificate(&text(path)?, path)?);
    }
    let key = match (&it.key, &certificate) {
        (Some(_), Some(_)) => {
            return Err(Failure::new(
                "a bundle holds a certificate or names a key, and both were given",
            ));
        }
        (Some(reference), None) => only_key(keys::public_keys(reference)?)?,
        (None, Some(certificate)) => certificate.key().clone(),
        (None, None) => {
            return Err(Failure::new(
                "must supply --key, or --certificate, or a --bundle with one",
            ));
        }
    };
    let around = Surroundings {
        certificates: certificate.into_iter().collect(),
        timestamps: it
            .rfc3161_timestamp
            .as_deref()
            .map(timestamp)
            .transpose()?
            .into_iter()
            .collect(),
        log_entries: Vec::new(),
    };
    let bundle = match signed {
        Signed::Envelope(envelope) => {
            envelope.verify(&key).map_err(|_wrong| not_by_it())?;
            envelope_bundle(&envelope, &key, &around)
        }
        Signed::Bytes(signature) => {
            let path = it.artifact.as_ref().ok_or_else(|| {
                Failure::new("must supply --artifact, which the signature is over")
            })?;
            let contents = signing::read_blob(path, "")?;
            key.verify(&contents, &signature).map_err(|_wrong| not_by_it())?;
            message_bundle(&contents, &signature, &key, Ed25519Form::Pure, &around)
        }
    };
    if let Some(path) = &it.out {
        return signing::write_bundle(output, path, &bundle);
    }
    output.bytes(&bundle)?;
    output.line("")
}

fn not_by_it() -> Failure {
    Failure::new("the signature was not made with the key or certificate that was given")
}

fn only_key(mut keys: Vec<PublicKey>) -> Result<PublicKey, Failure> {
    match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => Ok(key),
        _ => Err(Failure::new("--key holds several keys: a bundle is made with one")),
    }
}

/// The signature from the one place that was named, and the certificate that lay beside it.
fn signed(it: &Create) -> Result<(Signed, Option<Certificate>), Failure> {
    match (&it.bundle, &it.attestation, &it.signature) {
        (Some(path), None, None) => old_bundle(path),
        (None, Some(path), None) => {
            Ok((Signed::Envelope(Envelope::parse(&signing::read_file(path, "")?)?), None))
        }
        (None, None, Some(path)) => Ok((Signed::Bytes(STANDARD.decode(text(path)?.trim())?), None)),
        (None, None, None) => Err(Failure::new(
            "must at least supply signature via --bundle, --attestation or --signature",
        )),
        _ => {
            Err(Failure::new("one of --bundle, --attestation and --signature holds the signature"))
        }
    }
}

fn old_bundle(path: &Path) -> Result<(Signed, Option<Certificate>), Failure> {
    let wrong = |why: &str| Failure::new(format!("{}: {why}", path.display()));
    let json: Value = serde_json::from_slice(&signing::read_file(path, "")?)
        .map_err(|error| wrong(&error.to_string()))?;
    let member = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default();
    if json.get("rekorBundle").is_some_and(|entry| !entry.is_null()) {
        return Err(wrong(
            "cannot ignore transparency log when the provided bundle contains a Signed Entry Timestamp",
        ));
    }
    let signature = STANDARD.decode(member("base64Signature"))?;
    if signature.is_empty() {
        return Err(wrong("no base64Signature"));
    }
    let certificate = match member("cert") {
        "" => None,
        cert => Some(read_certificate(cert, path)?),
    };
    let signed = match Envelope::parse(&signature) {
        Ok(envelope) => Signed::Envelope(envelope),
        Err(_bare) => Signed::Bytes(signature),
    };
    Ok((signed, certificate))
}

/// PEM, or base64 around it.
fn read_certificate(text: &str, path: &Path) -> Result<Certificate, Failure> {
    let inner = STANDARD.decode(text.trim()).ok().and_then(|pem| String::from_utf8(pem).ok());
    Certificate::parse_pem(inner.as_deref().unwrap_or(text)).map_err(|error| {
        Failure::new(format!("unable to decode provided certificate {}: {error}", path.display()))
    })
}

/// An RFC 3161 response, or cosign's JSON around one.
fn timestamp(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = signing::read_file(path, "")?;
    let text = std::str::from_utf8(&bytes).ok();
    Ok(text.and_then(sigward_sigstore::timestamp::parse_annotation).unwrap_or(bytes))
}

fn text(path: &Path) -> Result<String, Failure> {
    keys::read_file(path).map_err(Failure::new)
}
