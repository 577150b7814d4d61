//! Rekor v1: canonical entries, their promise, their proof.

// SPEC: Rekor's API and entry types; `hashedrekord` and `dsse`, each 0.0.1.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    knobs::{Knobs, Promise},
    log::{Log, base64},
    merkle::sha256,
};
use crate::{
    digest::{hex, sha256_hex},
    keys::{Algorithm, KeyError, KeyPair},
};

/// The first half of every UUID.
const TREE: &str = "108e9186e8c5677a";
/// How far the global index is ahead of that in the tree: the log has older shards, which are not here.
const OLDER: u64 = 4_163_431;

/// A log of version 1.
#[derive(Debug)]
pub(crate) struct Rekor {
    pub(crate) log: Log,
    times: Vec<i64>,
}

/// What a client says that is not taken.
pub(crate) type Refusal = String;

impl Rekor {
    pub(crate) fn new(host: &str, algorithm: Algorithm, filling: usize) -> Result<Self, KeyError> {
        let key = KeyPair::generate(algorithm)?;
        let hint = sha256(&[key.spki_der()]);
        let tree = u64::from_str_radix(TREE, 16).unwrap_or(1);
        let log = Log::new(key, format!("{host} - {tree}"), host.to_owned(), hint, filling)?;
        Ok(Self { times: vec![0; filling], log })
    }

    /// Lower-case hexadecimal of the log's id.
    pub(crate) fn id(&self) -> String {
        sha256_hex(self.log.key.spki_der())
    }

    /// Adds a canonical body and returns its place in the tree, and whether it is new.
    pub(crate) fn append(&mut self, body: &[u8], now: i64) -> (usize, bool) {
        let (index, fresh) = self.log.append(body);
        if fresh {
            self.times.push(now);
        }
        (index, fresh)
    }

    /// The UUID of an entry.
    pub(crate) fn uuid(&self, index: usize) -> String {
        format!("{TREE}{}", self.log.leaves.get(index).map(|leaf| hex(leaf)).unwrap_or_default())
    }

    /// The place of a UUID, with or without the tree in front.
    pub(crate) fn find(&self, uuid: &str) -> Option<usize> {
        let leaf = if uuid.len() == 80 { uuid.strip_prefix(TREE)? } else { uuid };
        self.log.leaves.iter().position(|known| hex(known) == leaf)
    }

    /// The place in the tree of a global index.
    pub(crate) fn place(&self, index: u64) -> Option<usize> {
        let place = usize::try_from(index.checked_sub(OLDER)?).ok()?;
        (place < self.log.leaves.len()).then_some(place)
    }

    /// Places of all entries whose body holds a text: a search by hash.
    pub(crate) fn search(&self, text: &str) -> Vec<usize> {
        let holds = |body: &Vec<u8>| String::from_utf8_lossy(body).contains(text);
        self.log
            .bodies
            .iter()
            .enumerate()
            .filter(|(_, body)| holds(body))
            .map(|(at, _)| at)
            .collect()
    }

    /// The entry as the API shows it: a map from UUID to its fields.
    pub(crate) fn show(&self, index: usize, knobs: &Knobs) -> Result<Value, KeyError> {
        let body = base64(self.log.bodies.get(index).map(Vec::as_slice).unwrap_or_default());
        let time = knobs.integrated_time.or_else(|| self.times.get(index).copied()).unwrap_or(0);
        let id = knobs.log_id.as_deref().map_or_else(|| self.id(), hex);
        let global = OLDER + index as u64;
        let mut verification = serde_json::Map::new();
        if let Some(proof) = self.log.inclusion(index, knobs)? {
            let hashes: Vec<String> = proof.hashes.iter().map(|hash| hex(hash)).collect();
            let mut shown = json!({
                "hashes": hashes, "logIndex": proof.index, "rootHash": hex(&proof.root), "treeSize": proof.size,
            });
            if let (Some(checkpoint), Some(fields)) = (proof.checkpoint, shown.as_object_mut()) {
                fields.insert("checkpoint".to_owned(), json!(checkpoint));
            }
            verification.insert("inclusionProof".to_owned(), shown);
        }
        if let Some(promise) = self.promise(&body, time, &id, global, knobs.promise)? {
            verification.insert("signedEntryTimestamp".to_owned(), json!(base64(&promise)));
        }
        let entry = json!({
            "body": body, "integratedTime": time, "logID": id, "logIndex": global, "verification": verification,
        });
        let mut map = serde_json::Map::new();
        map.insert(self.uuid(index), entry);
        Ok(Value::Object(map))
    }

    /// The signed entry timestamp.
    fn promise(
        &self,
        body: &str,
        time: i64,
        id: &str,
        index: u64,
        knob: Promise,
    ) -> Result<Option<Vec<u8>>, KeyError> {
        // SPEC: canonical JSON (RFC 8785): names in order, no spaces.
        let signed = format!(
            r#"{{"body":"{body}","integratedTime":{time},"logID":"{id}","logIndex":{index}}}"#
        );
        let key = if knob == Promise::OtherKey { &self.log.stranger } else { &self.log.key };
        if knob == Promise::Missing {
            return Ok(None);
        }
        let mut signature = key.sign(signed.as_bytes())?;
        if knob == Promise::BadSignature
            && let Some(last) = signature.last_mut()
        {
            *last ^= 1;
        }
        Ok(Some(signature))
    }
}

/// The canonical body of a proposed entry. Signatures are not checked: this log takes what the real one would refuse.
pub(crate) fn canonical(proposed: &Value) -> Result<Vec<u8>, Refusal> {
    let text = |path: &str| {
        let found = proposed.pointer(path).and_then(Value::as_str);
        found.ok_or_else(|| format!("entry lacks {path}"))
    };
    let kind = text("/kind")?;
    let version = text("/apiVersion")?;
    let body = match (kind, version) {
        ("hashedrekord", "0.0.1") => {
            let algorithm = text("/spec/data/hash/algorithm")?;
            let value = text("/spec/data/hash/value")?;
            let signature = decoded(text("/spec/signature/content")?)?;
            let key = pem(text("/spec/signature/publicKey/content")?)?;
            json!({ "apiVersion": version, "kind": kind, "spec": {
                "data": { "hash": { "algorithm": algorithm, "value": value } },
                "signature": { "content": base64(&signature), "publicKey": { "content": base64(&key) } },
            } })
        }
        ("dsse", "0.0.1") => {
            let envelope = text("/spec/proposedContent/envelope")?;
            let verifier = base64(&pem(text("/spec/proposedContent/verifiers/0")?)?);
            let parsed: Value =
                serde_json::from_str(envelope).map_err(|error| error.to_string())?;
            let part = |path: &str| {
                let found = parsed.pointer(path).and_then(Value::as_str);
                found.ok_or_else(|| format!("envelope lacks {path}"))
            };
            let payload = decoded(part("/payload")?)?;
            let signature = part("/signatures/0/sig")?;
            let hash = |bytes: &[u8]| json!({ "algorithm": "sha256", "value": sha256_hex(bytes) });
            json!({ "apiVersion": version, "kind": kind, "spec": {
                "envelopeHash": hash(envelope.as_bytes()), "payloadHash": hash(&payload),
                "signatures": [{ "signature": signature, "verifier": verifier }],
            } })
        }
        _ => return Err(format!("entry of kind {kind} {version} is not known here")),
    };
    Ok(super::canonical::json(&body).into_bytes())
}

pub(crate) fn decoded(text: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD.decode(text).map_err(|error| format!("not base64: {error}"))
}

/// A PEM inside base64.
fn pem(text: &str) -> Result<Vec<u8>, Refusal> {
    let pem = decoded(text)?;
    if pem.starts_with(b"-----BEGIN ") { Ok(pem) } else { Err("verifier is not PEM".to_owned()) }
}
