//! Signatures that lie in files or stand on the command line, not in a registry.
use super::{
    Failure,
    evidence::Requested,
    flags::{CertificateVerifyFlags, CommonVerifyFlags},
    registry::Subject,
    signing,
};
use crate::exit_code;
use sigward_document::View;
use sigward_sigstore::{
    blob::{Detached, verify_blob},
    keys::{Algorithm, PublicKey},
    requirement::{LogRule, Who},
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

/// The old bundle has no media type.
pub(super) fn is_sigstore_bundle(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(bytes)
        .is_ok_and(|json| json.get("mediaType").is_some())
}

/// What lies in files beside the signature of a file.
#[derive(Debug, Default)]
pub(super) struct Beside {
    certificate: Option<String>,
    sct: Option<Vec<u8>>,
    pub(super) timestamp: Option<Vec<u8>>,
}

impl Beside {
    /// Reads them; a Sigstore bundle holds all of it.
    ///
    /// # Errors
    /// A file cannot be read, or has no meaning here.
    pub(super) fn read(
        flags: &CertificateVerifyFlags,
        timestamp: Option<&Path>,
        common: &CommonVerifyFlags,
        sigstore_bundle: bool,
    ) -> Result<Self, Failure> {
        let given = [
            ("--certificate", flags.certificate.is_some()),
            ("--sct", flags.sct.is_some()),
            ("--rfc3161-timestamp", timestamp.is_some()),
        ];
        if let Some((flag, _)) = given.into_iter().find(|(_, given)| *given && sigstore_bundle) {
            return Err(Failure::new(format!(
                "{flag} has no meaning beside a Sigstore bundle, which holds all that verifies it"
            )));
        }
        let wanted = common.use_signed_timestamps || common.timestamp_certificate_chain.is_some();
        if timestamp.is_some() && !wanted {
            return Err(Failure::new(
                "when specifying --rfc3161-timestamp-path, you must also specify --use-signed-timestamps or --timestamp-certificate-chain",
            ));
        }
        let file = |path: &str| signing::read_file(Path::new(path), "");
        Ok(Self {
            certificate: match &flags.certificate {
                Some(path) => Some(String::from_utf8(file(path)?).map_err(|_binary| {
                    Failure::new(format!("{path} is not a certificate in PEM"))
                })?),
                None => None,
            },
            sct: flags.sct.as_deref().map(file).transpose()?,
            timestamp: timestamp.map(|path| signing::read_file(path, "")).transpose()?,
        })
    }

    /// The same for the check.
    pub(super) fn detached(&self) -> Detached<'_> {
        Detached {
            certificate: self.certificate.as_deref(),
            sct: self.sct.as_deref(),
            timestamp: self.timestamp.as_deref(),
            ..Detached::default()
        }
    }
}

/// The peer's sentence for a signature that is not this signer's.
pub(super) fn wrong_signer(who: &Who) -> String {
    match who {
        Who::Key(key) => wrong_key(key),
        Who::Keyless(_) => "invalid signature".to_owned(),
    }
}

/// The peer's sentence for a signature that is not this key's.
fn wrong_key(key: &PublicKey) -> String {
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
    if wanted.demanded.log != LogRule::InsecureIgnored || wanted.demanded.keys().next().is_none() {
        return Err(Failure::new(
            "a --signature of an image comes without certificate and log entry: it needs --key and --insecure-ignore-tlog",
        ));
    }
    let signed = wanted.demanded.keys().any(|key| verify_blob(&payload, signature, key).is_ok());
    if !signed {
        return Err(refused(&wanted.demanded.keys().next().map(wrong_key).unwrap_or_default()));
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
