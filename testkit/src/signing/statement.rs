//! In-toto statements and the DSSE envelopes around them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Knobs, go_json, quoted};
use crate::keys::{KeyError, KeyPair};

/// Payload type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// Predicate type of a bundle that is a signature of an image.
pub const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
/// `_type` that `cosign attest` writes.
pub const STATEMENT_V01: &str = "https://in-toto.io/Statement/v0.1";
/// `_type` that `cosign sign` writes into bundles.
pub const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";

/// The statement of `cosign attest`: one named subject.
pub fn attestation(
    reference: &str,
    digest: &str,
    predicate_type: &str,
    predicate: &Value,
    knobs: &Knobs,
) -> Vec<u8> {
    let (algorithm, hex) = parts(knobs.digest.as_deref().unwrap_or(digest));
    let subject = json!({ "digest": { algorithm: hex }, "name": knobs.reference.as_deref().unwrap_or(reference) });
    let kind = knobs.statement_type.as_deref().unwrap_or(STATEMENT_V01);
    go_json(&format!(
        r#"{{"_type":{},"predicateType":{},"subject":[{subject}],"predicate":{predicate}}}"#,
        quoted(kind),
        quoted(predicate_type)
    ))
    .into_bytes()
}

/// The statement of `cosign sign` in a bundle: one subject without a name, with the annotations.
pub fn signature(digest: &str, knobs: &Knobs) -> Vec<u8> {
    let (algorithm, hex) = parts(knobs.digest.as_deref().unwrap_or(digest));
    let subject = json!({ "annotations": knobs.annotations, "digest": { algorithm: hex } });
    let kind = knobs.statement_type.as_deref().unwrap_or(STATEMENT_V1);
    format!(
        r#"{{"_type":{}, "subject":[{subject}], "predicateType":"{SIGN}", "predicate":{{}}}}"#,
        quoted(kind)
    )
    .into_bytes()
}

fn parts(digest: &str) -> (&str, &str) {
    digest.split_once(':').unwrap_or(("sha256", digest))
}

/// What is signed of an envelope.
// SPEC: DSSE 1.0, "Signature Definition": `DSSEv1 SP LEN(type) SP type SP LEN(body) SP body`.
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// A DSSE envelope over `payload`. `with_keyid` writes the empty `keyid` that legacy attestations have.
pub fn envelope(
    key: &KeyPair,
    payload: &[u8],
    with_keyid: bool,
    knobs: &Knobs,
) -> Result<String, KeyError> {
    let said = knobs.kind.as_deref().unwrap_or(IN_TOTO);
    let encoding =
        pre_authentication_encoding(knobs.signed_kind.as_deref().unwrap_or(said), payload);
    let mut signatures = vec![knobs.text(knobs.signature(key, &encoding)?)];
    for key in &knobs.further_signers {
        signatures.push(STANDARD.encode(key.sign_by(knobs.scheme, &encoding)?));
    }
    let keyid = if with_keyid { r#""keyid":"","# } else { "" };
    let signatures: Vec<String> =
        signatures.iter().map(|sig| format!(r#"{{{keyid}"sig":{}}}"#, quoted(sig))).collect();
    let stored = STANDARD.encode(knobs.payload.as_deref().unwrap_or(payload));
    Ok(format!(
        r#"{{"payloadType":{},"payload":"{stored}","signatures":[{}]}}"#,
        quoted(said),
        signatures.join(",")
    ))
}
