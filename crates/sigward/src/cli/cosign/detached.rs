//! Signatures that lie in files or stand on the command line, not in a registry.
use super::{Failure, evidence::Requested, registry::Subject, signing};
use crate::exit_code;
use sigward_document::View;
use sigward_sigstore::{
    blob::verify_blob,
    keys::{Algorithm, PublicKey},
    simple_signing::{Payload, render},
    verified::{RefusedBecause, SignatureForm},
};
use std::{collections::BTreeMap, path::Path};

/// A signature by reference: a file if there is one of that name, else the text itself.
///
/// # Errors
/// It is a URL, or a file that cannot be read.
pub(super) fn signature(reference: &str) -> Result<Vec<u8>, Failure> {
    if reference.starts_with("http://") || reference.starts_with("https://") {
        return Err(Failure::new(format!(
            "{reference}: signatures by URL are not available in this build: fetch it first"
        )));
    }
    let path = Path::new(reference);
    if path.exists() {
        return signing::read_file(path, "");
    }
    // Base64 has no dot; a name that has one was meant as a file.
    if reference.contains('.') {
        return Err(Failure::new(format!("open {reference}: no such file or directory")));
    }
    Ok(reference.as_bytes().to_vec())
}

/// The peer's sentence for a signature that is not this key's.
pub(super) fn wrong_key(key: &PublicKey) -> String {
    let of = match key.algorithm() {
        Ok(Algorithm::Rsa { .. }) => SignatureForm::Rsa,
        Ok(Algorithm::Ed25519) => SignatureForm::Ed25519,
        Ok(Algorithm::EcdsaP256 | Algorithm::EcdsaP384 | Algorithm::EcdsaP521) | Err(_) => {
            SignatureForm::Ecdsa
        }
    };
    RefusedBecause::WrongKey { of }.to_string()
}

/// Verifies a payload and its signature against an image; the registry is asked for nothing more. Gives the payload.
///
/// # Errors
/// The reason, in the words and with the code of an image that has one wrong signature.
pub(super) fn verify(
    subject: &Subject,
    wanted: &Requested,
    signature: &[u8],
    payload: Option<&Path>,
) -> Result<Vec<u8>, Failure> {
    let payload = match payload {
        Some(path) => signing::read_file(path, "")?,
        // COMPAT: cosign 3.1: without a payload the one that `sign` would have made is taken; test: a_detached_signature_verifies
        None => render(&subject.named.repository(), &subject.digest.digest, &BTreeMap::new())
            .into_bytes(),
    };
    let signed = wanted.keys.iter().any(|key| verify_blob(&payload, signature, key).is_ok());
    if !signed {
        return Err(refused(&wanted.keys.first().map(wrong_key).unwrap_or_default()));
    }
    if wanted.check_claims {
        check_claims(subject, wanted, &payload).map_err(|why| refused(&why.to_string()))?;
    }
    Ok(payload)
}

fn refused(why: &str) -> Failure {
    Failure {
        message: format!("no matching signatures: {why}"),
        code: exit_code::NO_MATCHING_SIGNATURES,
    }
}

fn check_claims(
    subject: &Subject,
    wanted: &Requested,
    payload: &[u8],
) -> Result<(), RefusedBecause> {
    let claims = Payload::parse(payload).map_err(|_malformed| RefusedBecause::NoDigest)?;
    if claims.digest != subject.digest.digest {
        return Err(RefusedBecause::WrongDigest { payload: claims.digest });
    }
    for (name, value) in &wanted.annotations {
        let found = claims.optional.iter().any(|(known, text)| {
            known == name && matches!(text.view(), View::String(text) if text == value.as_str())
        });
        if !found {
            return Err(RefusedBecause::WrongAnnotation { name: name.clone() });
        }
    }
    Ok(())
}
