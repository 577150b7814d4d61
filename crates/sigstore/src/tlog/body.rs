//! What an entry says, compared with what it should be about: signature, key and payload, pairwise.
//!
//! SPEC: Rekor's types hashedrekord 0.0.1 and 0.0.2, dsse 0.0.1 and 0.0.2, intoto 0.0.1 and 0.0.2.
use super::{LogEntry, LogError};
use crate::{
    dsse::pae,
    encoding::{decode_base64, decode_base64_protobuf, hex, parse_object, printable},
    keys::{Certificate, PublicKey},
};
use aws_lc_rs::digest;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What an entry must be about.
pub(crate) struct Subject<'a> {
    /// The signature, raw.
    pub(crate) signature: &'a [u8],
    /// By whom.
    pub(crate) verifier: Verifier<'a>,
    /// Over what.
    pub(crate) content: Content<'a>,
}

/// Who signed.
#[derive(Clone, Copy)]
pub(crate) enum Verifier<'a> {
    /// A key that is trusted by itself: the entry may hold it, or a certificate of it.
    Key(&'a PublicKey),
    /// The holder of a certificate: the entry must hold exactly that.
    Certificate(&'a Certificate),
}

/// What was signed.
#[derive(Clone, Copy)]
pub(crate) enum Content<'a> {
    /// Bytes.
    Bytes(&'a [u8]),
    /// Bytes of which only the SHA-256 hash is at hand.
    Sha256(&'a [u8; 32]),
    /// An envelope: payload and its type, and the bytes under which it is stored when these are
    /// what was logged.
    Envelope { payload_type: &'a str, payload: &'a [u8], stored: Option<&'a [u8]> },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    api_version: String,
    kind: String,
    #[serde(borrow)]
    spec: &'a RawValue,
}

#[derive(Deserialize)]
struct WireHash {
    algorithm: String,
    #[serde(alias = "digest")]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HashedRekord {
    data: Data,
    signature: RekordSignature,
}

#[derive(Deserialize)]
struct Data {
    hash: WireHash,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RekordSignature {
    content: String,
    public_key: Pem,
}

#[derive(Deserialize)]
struct Pem {
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dsse {
    payload_hash: WireHash,
    #[serde(default)]
    envelope_hash: Option<WireHash>,
    signatures: Vec<DsseSignature>,
}

#[derive(Deserialize)]
struct DsseSignature {
    signature: String,
    verifier: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Intoto {
    content: IntotoContent,
    #[serde(default)]
    public_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoContent {
    #[serde(default)]
    hash: Option<WireHash>,
    #[serde(default)]
    payload_hash: Option<WireHash>,
    #[serde(default)]
    envelope: Option<IntotoEnvelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoEnvelope {
    payload_type: String,
    signatures: Vec<IntotoSignature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoSignature {
    public_key: String,
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HashedRekord2 {
    #[serde(rename = "hashedRekordV002")]
    entry: HashedRekord2Inner,
}

#[derive(Deserialize)]
struct HashedRekord2Inner {
    data: WireHash,
    signature: Signature2,
}

#[derive(Deserialize)]
struct Dsse2 {
    #[serde(rename = "dsseV002")]
    entry: Dsse2Inner,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dsse2Inner {
    payload_hash: WireHash,
    signatures: Vec<Signature2>,
}

#[derive(Deserialize)]
struct Signature2 {
    content: String,
    verifier: Verifier2,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verifier2 {
    #[serde(default)]
    public_key: Option<Raw>,
    #[serde(default)]
    x509_certificate: Option<Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    raw_bytes: String,
}

/// Checks that the entry is about this signature.
pub(super) fn check(entry: &LogEntry, subject: &Subject<'_>) -> Result<(), LogError> {
    let head: Head<'_> = parse_object(&entry.body).ok_or(LogError::Malformed)?;
    let (kind, version) = &entry.kind;
    if !kind.is_empty() && (*kind != head.kind || *version != head.api_version) {
        return Err(LogError::Mismatch("kind that the bundle names"));
    }
    match (head.kind.as_str(), head.api_version.as_str()) {
        ("hashedrekord", "0.0.1") => hashedrekord(&spec(&head)?, subject),
        ("hashedrekord", "0.0.2") => hashedrekord_2(&spec(&head)?, subject),
        ("dsse", "0.0.1") => dsse(&spec(&head)?, subject),
        ("dsse", "0.0.2") => dsse_2(&spec(&head)?, subject),
        ("intoto", "0.0.1" | "0.0.2") => intoto(&spec(&head)?, &head.api_version, subject),
        (kind, version) => Err(LogError::Kind(printable(&format!("{kind} {version}")).to_string())),
    }
}

fn spec<'a, T: Deserialize<'a>>(head: &Head<'a>) -> Result<T, LogError> {
    parse_object(head.spec.get().as_bytes()).ok_or(LogError::Malformed)
}

const PAYLOAD: LogError = LogError::Mismatch("payload");
const SIGNATURE: LogError = LogError::Mismatch("signature");
const KEY: LogError = LogError::Mismatch("key");

/// The hash of some bytes by the function that an entry names.
fn hash(algorithm: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match algorithm {
        "sha256" | "SHA2_256" => &digest::SHA256,
        "sha384" | "SHA2_384" => &digest::SHA384,
        "sha512" | "SHA2_512" => &digest::SHA512,
        _ => return None,
    };
    Some(digest::digest(algorithm, bytes).as_ref().to_vec())
}

/// The hash of an entry of Rekor 1 is in hexadecimal, that of Rekor 2 in base64.
fn is_hash_of(wire: &WireHash, bytes: &[u8], hexadecimal: bool) -> bool {
    let Some(hash) = hash(&wire.algorithm, bytes) else { return false };
    is(wire, &hash, hexadecimal)
}

fn is(wire: &WireHash, hash: &[u8], hexadecimal: bool) -> bool {
    if hexadecimal {
        wire.value == hex(hash)
    } else {
        decode_base64_protobuf(&wire.value).is_some_and(|value| value == hash)
    }
}

fn same_signature(text: &str, subject: &Subject<'_>) -> Result<(), LogError> {
    match decode_base64_protobuf(text) {
        Some(signature) if signature == subject.signature => Ok(()),
        _ => Err(SIGNATURE),
    }
}

/// Base64 around PEM of a key or a certificate.
fn same_pem(text: &str, subject: &Subject<'_>) -> Result<(), LogError> {
    let pem = decode_base64(text).and_then(|pem| String::from_utf8(pem).ok());
    let pem = pem.ok_or(KEY)?;
    let certificate = Certificate::parse_pem(&pem).ok();
    let same = match subject.verifier {
        Verifier::Certificate(wanted) => certificate.as_ref() == Some(wanted),
        Verifier::Key(wanted) => match certificate {
            Some(certificate) => certificate.key() == wanted,
            None => PublicKey::parse_pem(&pem).is_ok_and(|key| key == *wanted),
        },
    };
    same.then_some(()).ok_or(KEY)
}

fn same_verifier(verifier: &Verifier2, subject: &Subject<'_>) -> Result<(), LogError> {
    let raw = |raw: &Raw| decode_base64_protobuf(&raw.raw_bytes).ok_or(LogError::Malformed);
    let same = match (&verifier.public_key, &verifier.x509_certificate, subject.verifier) {
        (Some(key), None, Verifier::Key(wanted)) => raw(key)? == wanted.as_der(),
        (None, Some(certificate), Verifier::Key(wanted)) => {
            Certificate::parse_der(&raw(certificate)?).is_ok_and(|c| c.key() == wanted)
        }
        (None, Some(certificate), Verifier::Certificate(wanted)) => {
            raw(certificate)? == wanted.as_der()
        }
        _ => false,
    };
    same.then_some(()).ok_or(KEY)
}

fn hashedrekord(entry: &HashedRekord, subject: &Subject<'_>) -> Result<(), LogError> {
    let hash = &entry.data.hash;
    let same = match subject.content {
        Content::Bytes(bytes) => is_hash_of(hash, bytes, true),
        Content::Sha256(found) => hash.algorithm == "sha256" && is(hash, found, true),
        Content::Envelope { .. } => false,
    };
    same.then_some(()).ok_or(PAYLOAD)?;
    same_signature(&entry.signature.content, subject)?;
    same_pem(&entry.signature.public_key.content, subject)
}

/// SPEC: Rekor 2: an envelope is logged by the hash of what was signed, its pre-authentication encoding.
fn hashedrekord_2(entry: &HashedRekord2, subject: &Subject<'_>) -> Result<(), LogError> {
    let HashedRekord2Inner { data, signature } = &entry.entry;
    let same = match subject.content {
        Content::Bytes(bytes) => is_hash_of(data, bytes, false),
        Content::Sha256(found) => data.algorithm == "SHA2_256" && is(data, found, false),
        Content::Envelope { payload_type, payload, .. } => {
            is_hash_of(data, &pae(payload_type, payload), false)
        }
    };
    same.then_some(()).ok_or(PAYLOAD)?;
    same_signature(&signature.content, subject)?;
    same_verifier(&signature.verifier, subject)
}

/// The only element; an entry of several signatures says less than it seems to.
fn only<T>(list: &[T]) -> Result<&T, LogError> {
    match list {
        [one] => Ok(one),
        _ => Err(LogError::Mismatch("number of signatures")),
    }
}

fn dsse(entry: &Dsse, subject: &Subject<'_>) -> Result<(), LogError> {
    let Content::Envelope { payload, stored, .. } = subject.content else {
        return Err(LogError::Mismatch("kind of signature"));
    };
    is_hash_of(&entry.payload_hash, payload, true).then_some(()).ok_or(PAYLOAD)?;
    if let (Some(stored), Some(hash)) = (stored, &entry.envelope_hash) {
        is_hash_of(hash, stored, true).then_some(()).ok_or(LogError::Mismatch("envelope"))?;
    }
    let signature = only(&entry.signatures)?;
    same_signature(&signature.signature, subject)?;
    same_pem(&signature.verifier, subject)
}

fn dsse_2(entry: &Dsse2, subject: &Subject<'_>) -> Result<(), LogError> {
    let Content::Envelope { payload, .. } = subject.content else {
        return Err(LogError::Mismatch("kind of signature"));
    };
    is_hash_of(&entry.entry.payload_hash, payload, false).then_some(()).ok_or(PAYLOAD)?;
    let signature = only(&entry.entry.signatures)?;
    same_signature(&signature.content, subject)?;
    same_verifier(&signature.verifier, subject)
}

/// 0.0.1 holds the hash of the whole envelope, so only the stored bytes can be bound to it; 0.0.2
/// holds each signature, in base64 twice.
fn intoto(entry: &Intoto, version: &str, subject: &Subject<'_>) -> Result<(), LogError> {
    let Content::Envelope { payload, payload_type, stored } = subject.content else {
        return Err(LogError::Mismatch("kind of signature"));
    };
    if let Some(hash) = &entry.content.payload_hash {
        is_hash_of(hash, payload, true).then_some(()).ok_or(PAYLOAD)?;
    }
    if version == "0.0.1" {
        let hash = entry.content.hash.as_ref().ok_or(LogError::Malformed)?;
        let stored = stored.ok_or(LogError::Mismatch("envelope"))?;
        is_hash_of(hash, stored, true).then_some(()).ok_or(LogError::Mismatch("envelope"))?;
        return same_pem(&entry.public_key, subject);
    }
    entry.content.payload_hash.as_ref().ok_or(LogError::Malformed)?;
    let envelope = entry.content.envelope.as_ref().ok_or(LogError::Malformed)?;
    if envelope.payload_type != payload_type {
        return Err(PAYLOAD);
    }
    let signature = only(&envelope.signatures)?;
    let inner = decode_base64(&signature.sig).and_then(|text| String::from_utf8(text).ok());
    same_signature(&inner.ok_or(SIGNATURE)?, subject)?;
    same_pem(&signature.public_key, subject)
}
