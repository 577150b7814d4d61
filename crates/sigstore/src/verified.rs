//! The witness. Its fields are private to this module's crate and it is never deserialized.
use crate::{outcome::Outcome, requirement::Timestamp};
use sigward_document::Value;
use sigward_oci::Digest;
use smol_str::SmolStr;
use std::sync::Arc;

/// A signature, or a set of statements, that satisfied one attestor.
#[derive(Debug)]
pub struct Verified {
    pub(crate) digest: Digest,
    pub(crate) signer: SmolStr,
    /// Predicates, parsed once, for conditions.
    pub(crate) predicates: Vec<Value>,
    pub(crate) seen: Timestamp,
    /// When the proof stops holding by itself (a certificate judged at the present time).
    pub(crate) holds_until: Option<Timestamp>,
}

impl Verified {
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
    pub fn signer(&self) -> &str {
        &self.signer
    }
    pub fn predicates(&self) -> &[Value] {
        &self.predicates
    }
    pub fn holds_at(&self, now: Timestamp) -> bool {
        now >= self.seen && self.holds_until.is_none_or(|end| now < end)
    }
}

/// One reason for each candidate that was examined.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub candidates: Vec<(SmolStr, RefusedBecause)>,
}

#[derive(Clone, Debug)]
pub enum RefusedBecause {
    NothingFound,
    WrongDigest { payload: Digest },
    WrongKey,
    LogEntryMissing,
}

pub type LeafOutcome = Outcome<Arc<Verified>, Refusal>;

/// The answer for a whole requirement, and for each attestor that was looked at, by its path.
#[derive(Clone, Debug)]
pub struct Proof {
    pub outcome: Outcome<Vec<Arc<Verified>>, Refusal>,
    pub leaves: Vec<(Vec<u16>, LeafOutcome)>,
}
