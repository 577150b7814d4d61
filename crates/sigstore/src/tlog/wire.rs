//! Entries as they travel: in bundles, in the annotations of legacy layers, in the answers of Rekor.
use super::{InclusionProof, LogEntry, MAX_PATH};
use crate::{
    encoding::{
        decode_base64, decode_base64_protobuf, encode_base64, hex, parse_object, unhex_bytes,
    },
    requirement::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why an entry cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Not JSON of this shape, or something in it is not encoded as it should be.
    #[error("malformed log entry")]
    Malformed,
    /// A number below zero.
    #[error("log entry with a negative {0}")]
    Negative(&'static str),
    /// A path longer than any tree is high.
    #[error("inclusion proof has too many hashes")]
    TooLong,
    /// Rekor's answer holds no entry, or several.
    #[error("answer does not hold exactly one log entry")]
    NotOne,
}

/// SPEC: protobuf JSON mapping: 64-bit integers are strings, numbers are read as well.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Int64 {
    Number(i64),
    Text(String),
}

impl Int64 {
    fn read(self) -> Result<i64, EntryError> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Text(text) => text.parse().map_err(|_| EntryError::Malformed),
        }
    }
}

fn natural(number: Option<Int64>, name: &'static str) -> Result<u64, EntryError> {
    let number = number.map_or(Ok(0), Int64::read)?;
    u64::try_from(number).map_err(|_| EntryError::Negative(name))
}

/// A `TransparencyLogEntry` of a bundle.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireEntry {
    #[serde(default, alias = "log_index")]
    log_index: Option<Int64>,
    #[serde(default, alias = "log_id")]
    log_id: Option<WireLogId>,
    #[serde(default, alias = "kind_version")]
    kind_version: Option<WireKind>,
    #[serde(default, alias = "integrated_time")]
    integrated_time: Option<Int64>,
    #[serde(default, alias = "inclusion_promise")]
    inclusion_promise: Option<WirePromise>,
    #[serde(default, alias = "inclusion_proof")]
    inclusion_proof: Option<WireProof>,
    #[serde(
        default,
        deserialize_with = "crate::encoding::or_default",
        alias = "canonicalized_body"
    )]
    canonicalized_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLogId {
    #[serde(default, deserialize_with = "crate::encoding::or_default", alias = "key_id")]
    key_id: String,
}

#[derive(Deserialize)]
struct WireKind {
    #[serde(default, deserialize_with = "crate::encoding::or_default")]
    kind: String,
    #[serde(default, deserialize_with = "crate::encoding::or_default")]
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePromise {
    #[serde(
        default,
        deserialize_with = "crate::encoding::or_default",
        alias = "signed_entry_timestamp"
    )]
    signed_entry_timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireProof {
    #[serde(default, alias = "log_index")]
    log_index: Option<Int64>,
    #[serde(default, deserialize_with = "crate::encoding::or_default", alias = "root_hash")]
    root_hash: String,
    #[serde(default, alias = "tree_size")]
    tree_size: Option<Int64>,
    #[serde(default)]
    hashes: Option<Vec<String>>,
    #[serde(default)]
    checkpoint: Option<WireCheckpoint>,
}

#[derive(Deserialize)]
struct WireCheckpoint {
    #[serde(default, deserialize_with = "crate::encoding::or_default")]
    envelope: String,
}

fn base64(text: &str) -> Result<Vec<u8>, EntryError> {
    decode_base64_protobuf(text).ok_or(EntryError::Malformed)
}

/// A time of zero is none.
fn time(seconds: i64) -> Result<Option<Timestamp>, EntryError> {
    match seconds {
        0 => Ok(None),
        1.. => Ok(Some(Timestamp(seconds))),
        _ => Err(EntryError::Negative("integrated time")),
    }
}

impl WireEntry {
    pub(crate) fn read(self) -> Result<LogEntry, EntryError> {
        let log_id = self.log_id.map(|id| base64(&id.key_id)).transpose()?.unwrap_or_default();
        let body = base64(&self.canonicalized_body)?;
        if log_id.is_empty() || body.is_empty() {
            return Err(EntryError::Malformed);
        }
        let promise = self.inclusion_promise.map(|p| base64(&p.signed_entry_timestamp));
        Ok(LogEntry {
            log_index: natural(self.log_index, "log index")?,
            log_id,
            kind: self.kind_version.map(|k| (k.kind, k.version)).unwrap_or_default(),
            integrated_time: time(self.integrated_time.map_or(Ok(0), Int64::read)?)?,
            promise: promise.transpose()?.filter(|promise| !promise.is_empty()),
            proof: self.inclusion_proof.map(WireProof::read).transpose()?,
            body,
        })
    }
}

impl WireProof {
    fn read(self) -> Result<InclusionProof, EntryError> {
        let hashes = self.hashes.unwrap_or_default();
        if hashes.len() > MAX_PATH {
            return Err(EntryError::TooLong);
        }
        Ok(InclusionProof {
            log_index: natural(self.log_index, "log index")?,
            root_hash: base64(&self.root_hash)?,
            tree_size: natural(self.tree_size, "tree size")?,
            hashes: hashes.iter().map(|hash| base64(hash)).collect::<Result<_, _>>()?,
            checkpoint: self.checkpoint.map(|c| c.envelope).unwrap_or_default(),
        })
    }
}

/// The annotation `dev.sigstore.cosign/bundle`, and `rekorBundle` of old blob bundles.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Annotation {
    signed_entry_timestamp: String,
    payload: AnnotationPayload,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnnotationPayload {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

/// One entry of an answer of Rekor 1.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    body: String,
    integrated_time: i64,
    #[serde(rename = "logID")]
    log_id: String,
    log_index: i64,
    #[serde(default)]
    verification: Option<Verification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verification {
    #[serde(default)]
    inclusion_proof: Option<AnswerProof>,
    #[serde(default)]
    signed_entry_timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerProof {
    #[serde(default)]
    checkpoint: String,
    hashes: Vec<String>,
    log_index: i64,
    root_hash: String,
    tree_size: i64,
}

/// Kind and version of a body; empty when it is none.
fn kind_of(body: &[u8]) -> (String, String) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        kind: String,
        api_version: String,
    }
    parse_object::<Head>(body).map(|head| (head.kind, head.api_version)).unwrap_or_default()
}

impl LogEntry {
    /// Reads the annotation of a legacy layer.
    pub fn parse_annotation(text: &str) -> Result<Self, EntryError> {
        let wire: Annotation = parse_object(text.as_bytes()).ok_or(EntryError::Malformed)?;
        let body = decode_base64(&wire.payload.body).ok_or(EntryError::Malformed)?;
        let promise = decode_base64(&wire.signed_entry_timestamp).ok_or(EntryError::Malformed)?;
        Ok(Self {
            log_index: natural(Some(Int64::Number(wire.payload.log_index)), "log index")?,
            log_id: unhex_bytes(&wire.payload.log_id).ok_or(EntryError::Malformed)?,
            kind: kind_of(&body),
            integrated_time: time(wire.payload.integrated_time)?,
            promise: Some(promise).filter(|promise| !promise.is_empty()),
            proof: None,
            body,
        })
    }

    /// Writes the annotation; nothing when the log gave no promise (Rekor 2).
    ///
    /// COMPAT: cosign 3.1.1: field names and order. test: an_entry_survives_each_way_of_writing
    pub fn to_annotation(&self) -> Option<String> {
        let (promise, at) = (self.promise.as_ref()?, self.integrated_time?);
        let wire = Annotation {
            signed_entry_timestamp: encode_base64(promise),
            payload: AnnotationPayload {
                body: encode_base64(&self.body),
                integrated_time: at.0,
                log_index: i64::try_from(self.log_index).ok()?,
                log_id: hex(&self.log_id),
            },
        };
        serde_json::to_string(&wire).ok()
    }

    /// Reads the answer of Rekor 1 to a new entry: a map of one identifier to one entry.
    pub fn parse_rekor_v1(json: &[u8]) -> Result<Self, EntryError> {
        let answers: BTreeMap<String, Answer> = parse_object(json).ok_or(EntryError::Malformed)?;
        let mut answers = answers.into_values();
        match (answers.next(), answers.next()) {
            (Some(answer), None) => answer.read(),
            _ => Err(EntryError::NotOne),
        }
    }

    /// Reads the answer of Rekor 1 to a search: a list of such maps.
    pub fn parse_rekor_v1_list(json: &[u8]) -> Result<Vec<Self>, EntryError> {
        let answers: Vec<BTreeMap<String, Answer>> =
            serde_json::from_slice(json).map_err(|_| EntryError::Malformed)?;
        let all = answers.into_iter().flat_map(BTreeMap::into_values);
        all.take(crate::bundle::MAX_ENTRIES).map(Answer::read).collect()
    }

    /// Reads the answer of Rekor 2 to a new entry, which is also how bundles hold one.
    pub fn parse_rekor_v2(json: &[u8]) -> Result<Self, EntryError> {
        parse_object::<WireEntry>(json).ok_or(EntryError::Malformed)?.read()
    }

    /// Writes the entry as bundles hold it.
    pub fn to_bundle_json(&self) -> serde_json::Value {
        let mut json = serde_json::Map::new();
        let mut add = |name: &str, value: serde_json::Value| {
            json.insert(name.to_owned(), value);
        };
        add("logIndex", self.log_index.to_string().into());
        add("logId", serde_json::json!({"keyId": encode_base64(&self.log_id)}));
        let (kind, version) = &self.kind;
        add("kindVersion", serde_json::json!({"kind": kind, "version": version}));
        if let Some(at) = self.integrated_time {
            add("integratedTime", at.0.to_string().into());
        }
        if let Some(promise) = &self.promise {
            let promise = serde_json::json!({"signedEntryTimestamp": encode_base64(promise)});
            add("inclusionPromise", promise);
        }
        if let Some(proof) = &self.proof {
            let hashes: Vec<_> = proof.hashes.iter().map(|hash| encode_base64(hash)).collect();
            let proof = serde_json::json!({
                "logIndex": proof.log_index.to_string(),
                "rootHash": encode_base64(&proof.root_hash),
                "treeSize": proof.tree_size.to_string(),
                "hashes": hashes,
                "checkpoint": {"envelope": proof.checkpoint},
            });
            add("inclusionProof", proof);
        }
        add("canonicalizedBody", encode_base64(&self.body).into());
        json.into()
    }
}

impl Answer {
    fn read(self) -> Result<LogEntry, EntryError> {
        let body = decode_base64(&self.body).ok_or(EntryError::Malformed)?;
        let (promise, proof) = match self.verification {
            None => (Vec::new(), None),
            Some(verification) => (
                decode_base64(&verification.signed_entry_timestamp).ok_or(EntryError::Malformed)?,
                verification.inclusion_proof.map(AnswerProof::read).transpose()?,
            ),
        };
        Ok(LogEntry {
            log_index: natural(Some(Int64::Number(self.log_index)), "log index")?,
            log_id: unhex_bytes(&self.log_id).ok_or(EntryError::Malformed)?,
            kind: kind_of(&body),
            integrated_time: time(self.integrated_time)?,
            promise: Some(promise).filter(|promise| !promise.is_empty()),
            proof,
            body,
        })
    }
}

impl AnswerProof {
    fn read(self) -> Result<InclusionProof, EntryError> {
        if self.hashes.len() > MAX_PATH {
            return Err(EntryError::TooLong);
        }
        let bytes = |text: &String| unhex_bytes(text).ok_or(EntryError::Malformed);
        Ok(InclusionProof {
            log_index: natural(Some(Int64::Number(self.log_index)), "log index")?,
            root_hash: bytes(&self.root_hash)?,
            tree_size: natural(Some(Int64::Number(self.tree_size)), "tree size")?,
            hashes: self.hashes.iter().map(bytes).collect::<Result<_, _>>()?,
            checkpoint: self.checkpoint,
        })
    }
}
