//! Transparency logs: entries, what proves that a log holds them, and what they say.
//!
//! SPEC: Rekor 1 (signed entry timestamp, inclusion proof, checkpoint) and Rekor 2 (no timestamp of
//! its own). Which proofs are needed is said by the requirement; each proof that an entry brings must hold.
mod body;
mod checkpoint;
mod merkle;
mod wire;

pub(crate) use body::{Content as LoggedContent, Subject, Verifier};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use wire::EntryError;
pub(crate) use wire::WireEntry;

use crate::{
    encoding::{encode_base64, hex},
    keys::Certificate,
    requirement::Timestamp,
    trust::TransparencyLog,
};

/// Most hashes of one inclusion proof: a tree of 2^63 entries has no longer path.
pub const MAX_PATH: usize = 64;

/// One entry with its proofs; nothing in it is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its number in the whole log.
    pub log_index: u64,
    /// The log, by the hash that [`TransparencyLog::log_id`] holds.
    pub log_id: Vec<u8>,
    /// `kind` and `apiVersion`, as the envelope around the entry says; empty when it does not.
    pub kind: (String, String),
    /// When the log says that it took it in; `None` with Rekor 2.
    pub integrated_time: Option<Timestamp>,
    /// The signed entry timestamp, a signature over entry, index and time.
    pub promise: Option<Vec<u8>>,
    /// The proof that it is in the tree.
    pub proof: Option<InclusionProof>,
    /// The entry itself, as the log hashes it.
    pub body: Vec<u8>,
}

/// The proof that an entry is in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// Its number in the tree.
    pub log_index: u64,
    /// The tree's root.
    pub root_hash: Vec<u8>,
    /// Entries of the tree.
    pub tree_size: u64,
    /// The hashes beside the path, leaf first.
    pub hashes: Vec<Vec<u8>>,
    /// The log's signature over size and root; empty when there is none.
    pub checkpoint: String,
}

/// Why an entry proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// No entry at all, or none of a trusted log.
    #[error("not enough verified log entries from transparency log: 0 < 1")]
    NoEntry,
    /// The same entry twice.
    #[error("log entry is there twice")]
    Duplicate,
    /// Neither promise nor proof.
    #[error("log entry has neither an inclusion promise nor an inclusion proof")]
    Unproved,
    /// The signed entry timestamp is not the log's.
    #[error("unable to verify SET")]
    Promise,
    /// A promise without a time, or the reverse.
    #[error("log entry's promise and integrated time do not belong together")]
    PromiseWithoutTime,
    /// The path does not lead to the root.
    #[error("inclusion proof does not lead to its root")]
    Proof,
    /// The checkpoint is not of the tree of the proof.
    #[error("checkpoint is of another tree than the inclusion proof")]
    OtherTree,
    /// The checkpoint cannot be read or is not the log's.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The log's key could not be believed at that time.
    #[error("log entry was made outside of the validity of the log's key")]
    OutOfValidity,
    /// The certificate could not be used at that time.
    #[error("integrated time outside certificate validity")]
    OutsideCertificate,
    /// The entry is of a kind that is not known.
    #[error("unsupported log entry {0}")]
    Kind(String),
    /// The entry cannot be read.
    #[error("malformed log entry")]
    Malformed,
    /// The entry is about another signature, key or payload.
    #[error("log entry does not match the {0}")]
    Mismatch(&'static str),
}

impl LogEntry {
    /// What the signed entry timestamp is over.
    ///
    /// SPEC: Rekor 1: canonical JSON (RFC 8785) of these four.
    fn promised(&self, at: Timestamp) -> Vec<u8> {
        format!(
            r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
            encode_base64(&self.body),
            at.0,
            hex(&self.log_id),
            self.log_index
        )
        .into_bytes()
    }

    /// Checks every proof of the entry against the log that it names.
    fn check_proofs(&self, log: &TransparencyLog) -> Result<(), LogError> {
        let is_tiles = !log.is_named_by_key();
        match (&self.promise, self.integrated_time) {
            (Some(promise), Some(at)) => {
                if log.key.verify(&self.promised(at), promise).is_err() {
                    return Err(LogError::Promise);
                }
                if !log.valid_for.contains(at) {
                    return Err(LogError::OutOfValidity);
                }
            }
            (Some(_), None) => return Err(LogError::PromiseWithoutTime),
            // A time that nobody signed is no time; see [`Self::time`].
            (None, _) => {}
        }
        let proved = match &self.proof {
            None => false,
            Some(proof) => {
                proof.check(&self.body)?;
                if is_tiles && proof.log_index != self.log_index {
                    return Err(LogError::Proof);
                }
                // A root that nobody signed is no root: Rekor 1's first bundles have some.
                if proof.checkpoint.is_empty() { false } else { proof.check_root(log)? }
            }
        };
        if proved || self.promise.is_some() { Ok(()) } else { Err(LogError::Unproved) }
    }

    /// The time that the log signed. The inclusion proof does not cover it.
    pub fn time(&self) -> Option<Timestamp> {
        self.promise.as_ref().and(self.integrated_time)
    }
}

impl InclusionProof {
    /// The path leads from this entry to the root; whether anybody signed the root is another matter.
    pub fn check(&self, body: &[u8]) -> Result<(), LogError> {
        let root = merkle::root(&merkle::leaf(body), self.log_index, self.tree_size, &self.hashes)
            .ok_or(LogError::Proof)?;
        if root.as_slice() == self.root_hash { Ok(()) } else { Err(LogError::Proof) }
    }

    fn check_root(&self, log: &TransparencyLog) -> Result<bool, LogError> {
        let checkpoint = Checkpoint::parse(&self.checkpoint)?;
        checkpoint.verify(log)?;
        if checkpoint.size() != self.tree_size || checkpoint.root() != self.root_hash {
            return Err(LogError::OtherTree);
        }
        Ok(true)
    }
}

/// Checks all entries; gives those that a trusted log is proved to hold, at least one. An entry of a
/// log that nobody knows is passed over; one of a trusted log that does not hold refutes the whole.
///
/// COMPAT: cosign 3.1.1: the same, except that an entry with a broken promise is passed over there.
pub(crate) fn verify<'a>(
    entries: &'a [LogEntry],
    logs: &[TransparencyLog],
    subject: &Subject<'_>,
    certificate: Option<&Certificate>,
) -> Result<Vec<&'a LogEntry>, LogError> {
    let mut verified: Vec<&LogEntry> = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        let same =
            |other: &LogEntry| other.log_id == entry.log_id && other.log_index == entry.log_index;
        if entries.iter().take(i).any(same) {
            return Err(LogError::Duplicate);
        }
        let mut named = logs.iter().filter(|log| log.log_id == entry.log_id).peekable();
        if named.peek().is_none() {
            continue;
        }
        // A key may be listed with several periods.
        let mut answer = Err(LogError::NoEntry);
        for log in named {
            answer = entry.check_proofs(log);
            if answer.is_ok() {
                break;
            }
        }
        answer?;
        body::check(entry, subject)?;
        if let (Some(at), Some(certificate)) = (entry.time(), certificate)
            && certificate.out_of_date(at)
        {
            return Err(LogError::OutsideCertificate);
        }
        verified.push(entry);
    }
    if verified.is_empty() { Err(LogError::NoEntry) } else { Ok(verified) }
}

/// How many distinct logs hold these entries: one log with two entries is one log, and one key under
/// two names is one key.
pub(crate) fn distinct(entries: &[&LogEntry], logs: &[TransparencyLog]) -> usize {
    let mut keys: Vec<_> = entries
        .iter()
        .filter_map(|entry| logs.iter().find(|log| log.log_id == entry.log_id))
        .map(|log| &log.key)
        .collect();
    keys.sort();
    keys.dedup();
    keys.len()
}
