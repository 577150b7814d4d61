//! `--certificate` and `--certificate-chain` of those that sign: a certificate of one's own beside the signature.
use super::files::read_file;
use crate::cli::cosign::Failure;
use sigward_sigstore::{
    keys::{Certificate, PublicKey},
    sign::Surroundings,
};
use std::path::Path;

/// Reads the certificate and what lies above it.
///
/// COMPAT: cosign 3.1: the certificate has to be the key's, and its chain has to lead to a root; test: a_certificate_of_one_s_own_goes_with_the_signature
///
/// # Errors
/// A file cannot be read, or the certificate is another key's.
pub(super) fn surroundings(
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

fn failed(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(format!("{what}: {error}"))
}

fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read_file(path, "")?)
        .map_err(|_binary| Failure::new(format!("{} is not text", path.display())))
}
