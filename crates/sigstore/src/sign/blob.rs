//! Signatures over files.
use super::AssembleError;
use crate::{
    encoding::{encode_base64, sha256, sha512},
    keys::{Algorithm, Ed25519Form, Signer},
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
    let signature = encode_base64(&signer.sign(contents)?);
    let (name, hash) = match (signer.public_key().algorithm(), ed25519) {
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
        r#""messageSignature":{{"messageDigest":{{"algorithm":"{name}","digest":"{}"}},"signature":"{signature}"}}"#,
        encode_base64(&hash)
    );
    Ok(super::bundle::render(&content, signer.public_key()))
}
