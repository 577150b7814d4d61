//! What a log is asked to take in: requests of Rekor 1 and Rekor 2, and searches of Rekor 1.
use crate::{
    dsse::{Envelope, pae},
    encoding::{encode_base64, hex},
    keys::{Algorithm, Certificate, PublicKey},
    trust::key_details,
};
use aws_lc_rs::digest;
use serde_json::json;

/// The hash that this key signs with, by its names in Rekor 1 and Rekor 2.
fn hash_of(key: &PublicKey) -> (&'static str, &'static str, &'static digest::Algorithm) {
    match key.algorithm() {
        Ok(Algorithm::EcdsaP384) => ("sha384", "SHA2_384", &digest::SHA384),
        Ok(Algorithm::EcdsaP521 | Algorithm::Ed25519) => ("sha512", "SHA2_512", &digest::SHA512),
        Ok(Algorithm::EcdsaP256 | Algorithm::Rsa { .. }) | Err(_) => {
            ("sha256", "SHA2_256", &digest::SHA256)
        }
    }
}

/// `POST /api/v1/log/entries`: a signature over bytes. `verifier` is the PEM of the certificate, or of
/// the key. Ed25519 signatures must be prehashed.
pub fn rekor_v1_hashedrekord(
    signed: &[u8],
    signature: &[u8],
    key: &PublicKey,
    verifier: &str,
) -> String {
    let (name, _, hash) = hash_of(key);
    json!({
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "data": {"hash": {"algorithm": name, "value": hex(digest::digest(hash, signed).as_ref())}},
            "signature": {
                "content": encode_base64(signature),
                "publicKey": {"content": encode_base64(verifier.as_bytes())},
            },
        },
    })
    .to_string()
}

/// `POST /api/v1/log/entries`: an envelope, as it is stored; nothing when it is no text.
pub fn rekor_v1_dsse(envelope: &[u8], verifier: &str) -> Option<String> {
    let envelope = std::str::from_utf8(envelope).ok()?;
    let request = json!({
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {"proposedContent": {
            "envelope": envelope,
            "verifiers": [encode_base64(verifier.as_bytes())],
        }},
    });
    Some(request.to_string())
}

fn verifier_v2(key: &PublicKey, certificate: Option<&Certificate>) -> serde_json::Value {
    // Logs know Ed25519 signatures only in their prehashed form.
    let details = match key.algorithm() {
        Ok(Algorithm::Ed25519) => "PKIX_ED25519_PH",
        _ => key_details(key),
    };
    match certificate {
        Some(certificate) => json!({
            "x509Certificate": {"rawBytes": encode_base64(certificate.as_der())},
            "keyDetails": details,
        }),
        None => json!({
            "publicKey": {"rawBytes": encode_base64(key.as_der())},
            "keyDetails": details,
        }),
    }
}

/// `POST /api/v2/log/entries`: a signature over bytes.
pub fn rekor_v2_hashedrekord(
    signed: &[u8],
    signature: &[u8],
    key: &PublicKey,
    certificate: Option<&Certificate>,
) -> String {
    let (_, _, hash) = hash_of(key);
    json!({"hashedRekordRequestV002": {
        "digest": encode_base64(digest::digest(hash, signed).as_ref()),
        "signature": {
            "content": encode_base64(signature),
            "verifier": verifier_v2(key, certificate),
        },
    }})
    .to_string()
}

/// `POST /api/v2/log/entries`: an envelope with one signature, by the hash of what was signed;
/// nothing when it has another number of signatures.
pub fn rekor_v2_dsse(
    envelope: &Envelope,
    key: &PublicKey,
    certificate: Option<&Certificate>,
) -> Option<String> {
    let [signature] = envelope.signatures.as_slice() else { return None };
    let signed = pae(&envelope.payload_type, &envelope.payload);
    Some(rekor_v2_hashedrekord(&signed, &signature.signature, key, certificate))
}
