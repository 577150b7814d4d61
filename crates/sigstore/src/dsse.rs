//! DSSE envelopes: a payload, its type, and signatures over both.
//!
//! SPEC: DSSE v1.0.2, envelope.md and protocol.md.
use crate::{
    encoding::{decode_base64, encode_base64},
    keys::{PublicKey, SignError, SignatureMismatch, Signer},
};
use serde::{Deserialize, Serialize};

/// Most signatures of one envelope that are tried.
pub const MAX_SIGNATURES: usize = 16;

/// An envelope, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What the payload is.
    pub payload_type: String,
    /// The signed bytes.
    pub payload: Vec<u8>,
    /// Who signed, by an unchecked hint, and the signature; at least one.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// A hint that nobody checks.
    pub key_id: String,
    /// The signature.
    pub signature: Vec<u8>,
}

/// Why bytes are no envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not JSON of this shape.
    #[error("malformed envelope")]
    Malformed,
    /// Payload or signature is not base64.
    #[error("envelope holds bad base64")]
    Base64,
    /// Nobody signed.
    #[error("envelope has no signatures")]
    NoSignatures,
    /// More signatures than are tried.
    #[error("envelope has too many signatures")]
    TooManySignatures,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Wire {
    #[serde(rename = "payloadType", alias = "payload_type", default)]
    payload_type: String,
    #[serde(default)]
    payload: String,
    #[serde(default)]
    signatures: Option<Vec<WireSignature>>,
}

#[derive(Serialize, Deserialize)]
struct WireSignature {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    #[serde(default)]
    sig: String,
}

impl Envelope {
    /// Reads an envelope of JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let wire: Wire = crate::encoding::parse_object(bytes).ok_or(EnvelopeError::Malformed)?;
        Self::from_wire(wire, decode_base64)
    }

    pub(crate) fn from_wire(
        wire: Wire,
        decode: fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Self, EnvelopeError> {
        let signatures = wire.signatures.unwrap_or_default();
        if signatures.is_empty() {
            return Err(EnvelopeError::NoSignatures);
        }
        if signatures.len() > MAX_SIGNATURES {
            return Err(EnvelopeError::TooManySignatures);
        }
        let signatures = signatures
            .into_iter()
            .map(|one| {
                let signature = decode(&one.sig).ok_or(EnvelopeError::Base64)?;
                Ok(EnvelopeSignature { key_id: one.keyid.unwrap_or_default(), signature })
            })
            .collect::<Result<_, _>>()?;
        let payload = decode(&wire.payload).ok_or(EnvelopeError::Base64)?;
        Ok(Self { payload_type: wire.payload_type, payload, signatures })
    }

    /// Signs a payload.
    pub fn sign(
        payload_type: &str,
        payload: Vec<u8>,
        signer: &dyn Signer,
    ) -> Result<Self, SignError> {
        let signature = signer.sign(&pae(payload_type, &payload))?;
        Ok(Self {
            payload_type: payload_type.to_owned(),
            payload,
            signatures: vec![EnvelopeSignature { key_id: String::new(), signature }],
        })
    }

    /// True when one of the signatures over payload and type is by this key; `keyid` is not looked at.
    ///
    /// COMPAT: cosign 3.1.1: one valid signature suffices.
    /// test: one_valid_signature_of_an_envelope_suffices
    pub fn verify(&self, key: &PublicKey) -> Result<(), SignatureMismatch> {
        self.signature_by(key).map(|_| ())
    }

    /// The first signature over payload and type that is by this key.
    pub(crate) fn signature_by(
        &self,
        key: &PublicKey,
    ) -> Result<&EnvelopeSignature, SignatureMismatch> {
        let message = pae(&self.payload_type, &self.payload);
        let mut all = self.signatures.iter();
        all.find(|one| key.verify(&message, &one.signature).is_ok()).ok_or(SignatureMismatch)
    }

    /// The envelope as `attest` stores it, with its empty `keyid`.
    pub fn to_json(&self) -> String {
        self.render(true)
    }

    /// The envelope as it stands inside a bundle, without `keyid`.
    pub(crate) fn to_bundle_json(&self) -> String {
        self.render(false)
    }

    fn render(&self, with_key_id: bool) -> String {
        let wire = Wire {
            payload_type: self.payload_type.clone(),
            payload: encode_base64(&self.payload),
            signatures: Some(
                self.signatures
                    .iter()
                    .map(|one| WireSignature {
                        keyid: with_key_id.then(|| one.key_id.clone()),
                        sig: encode_base64(&one.signature),
                    })
                    .collect(),
            ),
        };
        // Strings only: writing them cannot fail.
        serde_json::to_string(&wire).unwrap_or_default()
    }
}

/// What is signed: `DSSEv1 SP LEN(type) SP type SP LEN(body) SP body`.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out =
        format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        assert_eq!(pae("é", b""), "DSSEv1 2 é 0 ".as_bytes());
    }

    fn check(text: &str, expected: EnvelopeError) {
        assert_eq!(Envelope::parse(text.as_bytes()), Err(expected), "{text}");
    }

    #[test]
    fn rejects_what_is_no_envelope() {
        check("", EnvelopeError::Malformed);
        check("[]", EnvelopeError::Malformed);
        check("{}", EnvelopeError::NoSignatures);
        check(r#"{"signatures":[]}"#, EnvelopeError::NoSignatures);
        check(r#"{"signatures":[{"sig":"%"}]}"#, EnvelopeError::Base64);
        check(r#"{"payload":"%","signatures":[{"sig":""}]}"#, EnvelopeError::Base64);
        check(r#"{"payload":"","payload":"eA==","signatures":[{}]}"#, EnvelopeError::Malformed);
        let many = vec!["{}"; MAX_SIGNATURES + 1].join(",");
        check(&format!(r#"{{"signatures":[{many}]}}"#), EnvelopeError::TooManySignatures);
    }

    proptest! {
        #[test]
        fn two_contents_never_have_one_encoding(a: (String, Vec<u8>), b: (String, Vec<u8>)) {
            prop_assume!(a != b);
            prop_assert_ne!(pae(&a.0, &a.1), pae(&b.0, &b.1));
        }

        #[test]
        fn what_is_written_is_read(kind: String, payload: Vec<u8>, signature: Vec<u8>) {
            let envelope = Envelope {
                payload_type: kind,
                payload,
                signatures: vec![EnvelopeSignature { key_id: String::new(), signature }],
            };
            prop_assert_eq!(Envelope::parse(envelope.to_json().as_bytes()), Ok(envelope.clone()));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Envelope::parse(&bytes);
        }
    }
}
