//! Signatures over files.
use super::{AssembleError, Surroundings};
use crate::{
    encoding::{encode_base64, sha256, sha512},
    keys::{Algorithm, Ed25519Form, PublicKey, Signer},
};
use aws_lc_rs::digest;

/// The signature in base64, as `sign-blob` prints it.
pub fn sign_blob(contents: &[u8], signer: &dyn Signer) -> Result<String, AssembleError> {
    Ok(encode_base64(&signer.sign(contents)?))
}

/// A bundle with a message signature; its digest is by the hash that the key signs with.
pub fn sign_blob_bundle(
    contents: &[u8],
    signer: &dyn Signer,
    ed25519: Ed25519Form,
) -> Result<Vec<u8>, AssembleError> {
    let (signature, key) = (signer.sign(contents)?, signer.public_key());
    Ok(message_bundle(contents, &signature, key, ed25519, &Surroundings::default()))
}

/// A bundle around a signature over a file.
pub fn message_bundle(
    contents: &[u8],
    signature: &[u8],
    key: &PublicKey,
    ed25519: Ed25519Form,
    around: &Surroundings,
) -> Vec<u8> {
    let (name, hash) = match (key.algorithm(), ed25519) {
        (Ok(Algorithm::EcdsaP384), _) => {
            ("SHA2_384", digest::digest(&digest::SHA384, contents).as_ref().to_vec())
        }
        (Ok(Algorithm::EcdsaP521), _) | (Ok(Algorithm::Ed25519), Ed25519Form::Prehashed) => {
            ("SHA2_512", sha512(contents).to_vec())
        }
        (
            Ok(Algorithm::EcdsaP256 | Algorithm::Rsa { .. } | Algorithm::Ed25519) | Err(_),
            Ed25519Form::Pure | Ed25519Form::Prehashed,
        ) => ("SHA2_256", sha256(contents).to_vec()),
    };
    let content = format!(
        r#""messageSignature":{{"messageDigest":{{"algorithm":"{name}","digest":"{}"}},"signature":"{}"}}"#,
        encode_base64(&hash),
        encode_base64(signature)
    );
    super::bundle::render(&content, key, around)
}

/// cosign's old bundle; nothing when there is a log entry without a promise, which it cannot hold.
///
/// COMPAT: cosign 3.1.1: `cert` is base64 of PEM. test: an_old_bundle_is_read_back
pub fn legacy_blob_bundle(signature: &[u8], around: &Surroundings) -> Option<Vec<u8>> {
    let mut json = format!(r#"{{"base64Signature":"{}""#, encode_base64(signature));
    if let Some(certificate) = around.certificates.first() {
        json.push_str(r#","cert":""#);
        json.push_str(&encode_base64(certificate.to_pem().as_bytes()));
        json.push('"');
    }
    if let Some(entry) = around.log_entries.first() {
        json.push_str(r#","rekorBundle":"#);
        json.push_str(&entry.to_annotation()?);
    }
    json.push('}');
    Some(json.into_bytes())
}
