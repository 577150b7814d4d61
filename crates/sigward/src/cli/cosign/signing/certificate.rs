//! `--certificate` and `--certificate-chain` of those that sign: a certificate of one's own beside the signature.
use super::files::read_file;
use crate::cli::cosign::Failure;
use sigward_sigstore::{
    bundle::{Bundle, Content},
    keys::{Certificate, Ed25519Form, PublicKey},
    sign::{Surroundings, envelope_bundle, message_bundle},
};
use std::path::Path;

/// Reads the certificate and what lies above it.
///
/// COMPAT: cosign 3.1: the certificate has to be the key's, and its chain has to lead to a root; test: a_certificate_of_one_s_own_goes_with_the_signature
///
/// # Errors
/// A file cannot be read, or the certificate is another key's.
pub(in crate::cli::cosign) fn surroundings(
    certificate: Option<&Path>,
    chain: Option<&Path>,
    key: &PublicKey,
) -> Result<Surroundings, Failure> {
    let Some(path) = certificate else {
        return match chain {
            Some(_) => {
                Err(Failure::new("--certificate-chain is that of a --certificate: it needs one"))
            }
            None => Ok(Surroundings::default()),
        };
    };
    let pem = text(path)?;
    let leaf = match chain {
        Some(above) => Certificate::parse_pem_with_chain(&pem, &text(above)?)
            .map_err(|error| failed("unable to validate certificate chain", &error))?,
        None => {
            Certificate::parse_pem(&pem).map_err(|error| failed("loading certificate", &error))?
        }
    };
    if leaf.key() != key {
        return Err(Failure::new(
            "public key in certificate does not match the provided public key",
        ));
    }
    let above = match chain {
        Some(above) => Certificate::parse_pem_all(&text(above)?)
            .map_err(|error| failed("loading certificate chain", &error))?,
        None => Vec::new(),
    };
    let certificates = std::iter::once(leaf).chain(above).collect();
    Ok(Surroundings { certificates, ..Surroundings::default() })
}

/// The same bundle with what surrounds its signature; `contents` is what a message signature is over.
///
/// # Errors
/// The bundle is none.
pub(in crate::cli::cosign) fn surrounded(
    bundle: Vec<u8>,
    contents: &[u8],
    key: &PublicKey,
    around: &Surroundings,
) -> Result<Vec<u8>, Failure> {
    if around.certificates.is_empty() {
        return Ok(bundle);
    }
    Ok(match Bundle::parse(&bundle)?.content {
        Content::Envelope(envelope) => envelope_bundle(&envelope, key, around),
        Content::Message(message) => {
            message_bundle(contents, &message.signature, key, Ed25519Form::Pure, around)
        }
    })
}

fn failed(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(format!("{what}: {error}"))
}

fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read_file(path, "")?)
        .map_err(|_binary| Failure::new(format!("{} is not text", path.display())))
}
