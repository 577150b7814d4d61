//! Which evidence to ask for, in which order, and when it is enough. No socket, no clock.
use crate::{
    outcome::{Cause, Outcome},
    requirement::{Attestor, Requirement, Timestamp},
    verified::{Proof, Refusal, RefusedBecause, Verified},
};
use sigward_oci::{Digest, DigestReference};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// Answered with an OCI index: the referrers API, or its fallback tag when that answers 404.
    Referrers { repository: SmolStr, of: Digest },
    /// The manifest under `sha256-….sig` or `.att`.
    Attached { repository: SmolStr, tag: SmolStr },
    /// A manifest by digest; its bytes are checked against it before they arrive here.
    Manifest { repository: SmolStr, digest: Digest },
    /// A blob by digest; checked likewise. `size` is what its descriptor claims.
    Blob { repository: SmolStr, digest: Digest, size: u64 },
    /// An entry of a transparency log.
    LogEntry { log: SmolStr, key: Vec<u8> },
}

/// `Ok(None)` is a 404 and nothing else.
pub type Evidence = Result<Option<Vec<u8>>, Cause>;

pub enum ProofStep {
    Need(Vec<Ask>),
    Done(Proof),
}

pub struct Prover {
    subject: DigestReference,
    requirement: Arc<Requirement>,
    now: Timestamp,
    recalled: BTreeMap<Attestor, Arc<Verified>>,
    evidence: BTreeMap<Ask, Evidence>,
}

impl Prover {
    pub fn new(subject: DigestReference, requirement: Arc<Requirement>, now: Timestamp) -> Self {
        Self { subject, requirement, now, recalled: BTreeMap::new(), evidence: BTreeMap::new() }
    }
    /// A leaf proved before; the cache is the caller's, the test that it still holds is ours.
    pub fn recall(&mut self, attestor: Attestor, proof: Arc<Verified>) {
        if proof.digest == self.subject.digest && proof.holds_at(self.now) {
            self.recalled.insert(attestor, proof);
        }
    }
    pub fn step(&mut self, answers: Vec<(Ask, Evidence)>) -> ProofStep {
        self.evidence.extend(answers);
        let first = Ask::Referrers {
            repository: self.subject.repository.clone(),
            of: self.subject.digest.clone(),
        };
        match (self.requirement.as_ref(), self.evidence.get(&first)) {
            (_, None) => ProofStep::Need(vec![first]),
            (_, Some(Err(cause))) => ProofStep::Done(Proof {
                outcome: Outcome::Undetermined(cause.clone()),
                leaves: Vec::new(),
                looked: Vec::new(),
            }),
            (_, Some(Ok(_))) => ProofStep::Done(Proof {
                outcome: Outcome::Refuted(Refusal {
                    candidates: vec![("".into(), RefusedBecause::NothingFound)],
                    ..Refusal::default()
                }),
                leaves: Vec::new(),
                looked: Vec::new(),
            }),
        }
    }
}
