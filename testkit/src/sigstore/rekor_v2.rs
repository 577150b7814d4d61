//! Rekor v2: entries in tiles, proofs at once, no promise and no time.

// SPEC: Rekor v2's API (`rekor-tiles`), C2SP tlog-tiles for what is read.

use serde_json::{Value, json};

use super::{
    knobs::Knobs,
    log::{Log, base64},
    merkle::{self, Hash, sha256},
    note,
    rekor::{Refusal, decoded},
};
use crate::keys::{Algorithm, KeyError, KeyPair};

/// Hashes in a full tile.
const TILE: usize = 256;

/// A log of version 2.
#[derive(Debug)]
pub(crate) struct RekorV2 {
    pub(crate) log: Log,
    /// The whole of what the checkpoint's hint is the front of.
    pub(crate) id: Hash,
}

impl RekorV2 {
    pub(crate) fn new(host: &str, algorithm: Algorithm, filling: usize) -> Result<Self, KeyError> {
        let key = KeyPair::generate(algorithm)?;
        let id = note::key_id(host, &key);
        Ok(Self { log: Log::new(key, host.to_owned(), host.to_owned(), id, filling)?, id })
    }

    /// Adds a canonical body and returns its index.
    pub(crate) fn append(&mut self, body: &[u8]) -> usize {
        self.log.append(body).0
    }

    /// The entry as a `TransparencyLogEntry` in protobuf's JSON.
    pub(crate) fn show(&self, index: usize, knobs: &Knobs) -> Result<Value, KeyError> {
        let body = self.log.bodies.get(index).map(Vec::as_slice).unwrap_or_default();
        let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
        let id = knobs.log_id.as_deref().map_or_else(|| base64(&self.id), base64);
        let mut entry = json!({
            "logIndex": index.to_string(), "logId": { "keyId": id },
            "kindVersion": { "kind": parsed.get("kind"), "version": parsed.get("apiVersion") },
            "integratedTime": "0", "inclusionPromise": null, "canonicalizedBody": base64(body),
        });
        if let (Some(proof), Some(fields)) =
            (self.log.inclusion(index, knobs)?, entry.as_object_mut())
        {
            let hashes: Vec<String> = proof.hashes.iter().map(|hash| base64(hash)).collect();
            let mut shown = json!({
                "logIndex": proof.index.to_string(), "rootHash": base64(&proof.root),
                "treeSize": proof.size.to_string(), "hashes": hashes,
            });
            if let (Some(checkpoint), Some(fields)) = (proof.checkpoint, shown.as_object_mut()) {
                fields.insert("checkpoint".to_owned(), json!({ "envelope": checkpoint }));
            }
            fields.insert("inclusionProof".to_owned(), shown);
        }
        Ok(entry)
    }

    /// A tile of hashes: level, number, and width when it is partial.
    pub(crate) fn tile(&self, level: u32, number: usize, width: Option<usize>) -> Option<Vec<u8>> {
        let span = TILE.checked_pow(level)?;
        let full: Vec<Hash> =
            self.log.leaves.chunks_exact(span).map(merkle::root).skip(number * TILE).collect();
        let width = width.unwrap_or(TILE);
        full.get(..width).filter(|_| width <= TILE).map(<[Hash]>::concat)
    }

    /// A bundle of entries, each behind its length in two bytes.
    pub(crate) fn entries(&self, number: usize, width: Option<usize>) -> Option<Vec<u8>> {
        let start = number.checked_mul(TILE)?;
        let end = start.checked_add(width.unwrap_or(TILE))?;
        let mut all = Vec::new();
        for body in self.log.bodies.get(start..end)? {
            all.extend(u16::try_from(body.len()).ok()?.to_be_bytes());
            all.extend_from_slice(body);
        }
        Some(all)
    }
}

/// The canonical body of a request. Signatures are not checked: this log takes what the real one would refuse.
pub(crate) fn canonical(request: &Value) -> Result<Vec<u8>, Refusal> {
    let body = if let Some(record) = request.get("hashedRekordRequestV002") {
        let digest = text(record, "/digest")?;
        decoded(digest)?;
        let verifier = verifier(record.pointer("/signature/verifier"))?;
        let content = text(record, "/signature/content")?;
        decoded(content)?;
        let algorithm = hash_of(text(record, "/signature/verifier/keyDetails")?);
        json!({ "apiVersion": "0.0.2", "kind": "hashedrekord", "spec": { "hashedRekordV002": {
            "data": { "algorithm": algorithm, "digest": digest },
            "signature": { "content": content, "verifier": verifier },
        } } })
    } else if let Some(record) = request.get("dsseRequestV002") {
        let payload = decoded(text(record, "/envelope/payload")?)?;
        let content = text(record, "/envelope/signatures/0/sig")?;
        let verifier = verifier(record.pointer("/verifiers/0"))?;
        json!({ "apiVersion": "0.0.2", "kind": "dsse", "spec": { "dsseV002": {
            "payloadHash": { "algorithm": "SHA2_256", "digest": base64(&sha256(&[&payload])) },
            "signatures": [{ "content": content, "verifier": verifier }],
        } } })
    } else {
        return Err("request holds neither hashedRekordRequestV002 nor dsseRequestV002".to_owned());
    };
    Ok(super::canonical::json(&body).into_bytes())
}

fn text<'a>(value: &'a Value, path: &str) -> Result<&'a str, Refusal> {
    value.pointer(path).and_then(Value::as_str).ok_or_else(|| format!("request lacks {path}"))
}

/// A verifier with nothing but what counts.
fn verifier(value: Option<&Value>) -> Result<Value, Refusal> {
    let value = value.ok_or("request lacks a verifier")?;
    let details = text(value, "/keyDetails")?;
    let kind = if value.get("x509Certificate").is_some() { "x509Certificate" } else { "publicKey" };
    let bytes = text(value, &format!("/{kind}/rawBytes"))?;
    decoded(bytes)?;
    Ok(json!({ "keyDetails": details, kind: { "rawBytes": bytes } }))
}

/// The hash that goes with a kind of key.
fn hash_of(details: &str) -> &'static str {
    match details {
        "PKIX_ECDSA_P384_SHA_384" => "SHA2_384",
        "PKIX_ECDSA_P521_SHA_512" | "PKIX_ED25519_PH" => "SHA2_512",
        _ => "SHA2_256",
    }
}
