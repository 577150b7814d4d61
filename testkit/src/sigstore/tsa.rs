//! A timestamp authority: RFC 3161 tokens in CMS, byte by byte.

// SPEC: RFC 3161 section 2.4; RFC 5652 section 5 (SignedData); RFC 5816 (signingCertificateV2).

use super::{
    fulcio::Authorities,
    knobs::{Knobs, Purpose, Stamp},
    merkle::sha256,
    x509::{self, Certificate},
};
use crate::{
    der::{self, Reader},
    keys::{Algorithm, KeyError, KeyPair},
};

const SIGNED_DATA: &[u32] = &[1, 2, 840, 113_549, 1, 7, 2];
const TST_INFO: &[u32] = &[1, 2, 840, 113_549, 1, 9, 16, 1, 4];
const CONTENT_TYPE: &[u32] = &[1, 2, 840, 113_549, 1, 9, 3];
const MESSAGE_DIGEST: &[u32] = &[1, 2, 840, 113_549, 1, 9, 4];
const SIGNING_TIME: &[u32] = &[1, 2, 840, 113_549, 1, 9, 5];
const SIGNING_CERTIFICATE: &[u32] = &[1, 2, 840, 113_549, 1, 9, 16, 2, 47];
const SHA_256: &[u32] = &[2, 16, 840, 1, 101, 3, 4, 2, 1];
/// A policy of no meaning, that of the real timestamp server.
const POLICY: &[u32] = &[1, 3, 6, 1, 4, 1, 57264, 2];

/// The authority: a root and a leaf that stamps.
#[derive(Debug)]
pub(crate) struct TimestampAuthority {
    pub(crate) root: Vec<u8>,
    pub(crate) leaf: Vec<u8>,
    issuer: Vec<u8>,
    key: KeyPair,
    stranger: KeyPair,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// Algorithm and hash, as they came.
    imprint: Vec<u8>,
    /// The nonce, as it came: an integer's content.
    nonce: Option<Vec<u8>>,
    certificate: bool,
}

impl Query {
    /// A question about a message, as cosign puts it.
    pub(crate) fn about(message: &[u8]) -> Self {
        Self { imprint: imprint(&sha256(&[message])), nonce: None, certificate: true }
    }

    /// Reads a request; nothing when it is none.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Reader(bytes).sequence()?;
        fields.expect(0x02)?;
        let imprint = der::element(0x30, fields.expect(0x30)?);
        fields.optional(0x06);
        let nonce = fields.optional(0x02).map(<[u8]>::to_vec);
        let certificate = fields.optional(0x01).is_some_and(|flag| flag != [0]);
        Some(Self { imprint, nonce, certificate })
    }
}

fn imprint(hash: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::sequence(&[&der::oid(SHA_256)]), &der::octets(hash)])
}

impl TimestampAuthority {
    pub(crate) fn new(authorities: &Authorities, purpose: Purpose) -> Result<Self, KeyError> {
        let root_key = KeyPair::generate(Algorithm::EcdsaP384)?;
        let key = KeyPair::generate(Algorithm::EcdsaP256)?;
        let root_name = x509::name("testkit.invalid", "testkit timestamp root");
        let root = Certificate {
            serial: vec![1],
            issuer: root_name.clone(),
            subject: root_name.clone(),
            not_before: authorities.not_before,
            not_after: authorities.root_not_after,
            spki: root_key.spki_der().to_vec(),
            extensions: vec![
                x509::key_usage(true),
                x509::authority(None),
                x509::subject_key(root_key.spki_der()),
            ],
        };
        let usage = match purpose {
            Purpose::Right => x509::extended_key_usage(x509::TIME_STAMPING, true),
            Purpose::Server => x509::extended_key_usage(x509::SERVER_AUTH, true),
            Purpose::Unsaid => Vec::new(),
        };
        let leaf = Certificate {
            serial: vec![2],
            issuer: root_name.clone(),
            subject: x509::name("testkit.invalid", "testkit timestamp"),
            not_before: authorities.not_before,
            not_after: authorities.intermediate_not_after,
            spki: key.spki_der().to_vec(),
            extensions: vec![
                x509::key_usage(false),
                usage,
                x509::subject_key(key.spki_der()),
                x509::authority_key(root_key.spki_der()),
            ],
        };
        Ok(Self {
            root: root.sign(&root_key)?,
            leaf: leaf.sign(&root_key)?,
            issuer: root_name,
            key,
            stranger: KeyPair::generate(Algorithm::EcdsaP256)?,
        })
    }

    /// The answer to a request: a `TimeStampResp`.
    pub(crate) fn answer(
        &self,
        query: &Query,
        now: i64,
        serial: u64,
        knobs: &Knobs,
    ) -> Result<Vec<u8>, KeyError> {
        if knobs.stamp == Stamp::Garbage {
            return Ok(b"no answer at all".to_vec());
        }
        if knobs.stamp == Stamp::Rejected {
            let words = der::sequence(&[&der::utf8("not today")]);
            let reason = der::element(0x03, &[5, 0x20]); // badRequest
            return Ok(der::sequence(&[&der::sequence(&[&der::small(2), &words, &reason])]));
        }
        let status = der::sequence(&[&der::small(0)]);
        Ok(der::sequence(&[&status, &self.token(query, now, serial, knobs)?]))
    }

    fn token(
        &self,
        query: &Query,
        now: i64,
        serial: u64,
        knobs: &Knobs,
    ) -> Result<Vec<u8>, KeyError> {
        let info = info(query, knobs.stamp_time.unwrap_or(now), serial, knobs.stamp);
        let algorithm = der::sequence(&[&der::oid(SHA_256)]);
        let attribute =
            |oid: &[u32], value: Vec<u8>| der::sequence(&[&der::oid(oid), &der::set(vec![value])]);
        let certificate = der::sequence(&[&der::octets(&sha256(&[&self.leaf]))]);
        let attributes = der::set(vec![
            attribute(CONTENT_TYPE, der::oid(TST_INFO)),
            attribute(SIGNING_TIME, der::validity_time(now)),
            attribute(MESSAGE_DIGEST, der::octets(&sha256(&[&info]))),
            attribute(SIGNING_CERTIFICATE, der::sequence(&[&der::sequence(&[&certificate])])),
        ]);
        let key = if knobs.stamp == Stamp::OtherKey { &self.stranger } else { &self.key };
        let mut signature = key.sign(&attributes)?;
        if knobs.stamp == Stamp::BadSignature
            && let Some(last) = signature.last_mut()
        {
            *last ^= 1;
        }
        // Signed as a set, carried under its own tag.
        let mut carried = attributes;
        if let Some(tag) = carried.first_mut() {
            *tag = 0xa0;
        }
        let signer = der::sequence(&[
            &der::small(1),
            &der::sequence(&[&self.issuer, &der::small(2)]),
            &algorithm,
            &carried,
            &der::signature_algorithm(self.key.algorithm()),
            &der::octets(&signature),
        ]);
        let certificates = if query.certificate && knobs.stamp != Stamp::NoCertificate {
            der::context(0, &self.leaf)
        } else {
            Vec::new()
        };
        let content = der::sequence(&[&der::oid(TST_INFO), &der::context(0, &der::octets(&info))]);
        let signed = der::sequence(&[
            &der::small(3),
            &der::set(vec![algorithm.clone()]),
            &content,
            &certificates,
            &der::set(vec![signer]),
        ]);
        Ok(der::sequence(&[&der::oid(SIGNED_DATA), &der::context(0, &signed)]))
    }
}

/// What is stamped.
fn info(query: &Query, time: i64, serial: u64, knob: Stamp) -> Vec<u8> {
    let imprint = if knob == Stamp::OtherImprint {
        imprint(&sha256(&[b"something else"]))
    } else {
        query.imprint.clone()
    };
    let nonce = match (&query.nonce, knob) {
        (_, Stamp::NoNonce) | (None, _) => Vec::new(),
        (Some(_), Stamp::OtherNonce) => der::small(7),
        (Some(nonce), _) => der::element(0x02, nonce),
    };
    der::sequence(&[
        &der::small(1),
        &der::oid(POLICY),
        &imprint,
        &der::small(serial),
        &der::generalized_time(time),
        // Accurate to a second.
        &der::sequence(&[&der::small(1)]),
        &nonce,
    ])
}
