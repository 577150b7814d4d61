//! Which evidence to ask for, in which order, and when it is enough. No socket, no clock.
//!
//! The caller asks [`Prover::step`] what is needed, brings answers, and asks again. The same answers
//! give the same verdict in whatever order and grouping they arrive, so a recorded proof replays.
mod bundles;
mod judge;
mod legacy;
mod search;

use crate::{
    outcome::{Cause, Next, Outcome, Verdict, at_least},
    requirement::{Attestor, Requirement, Timestamp},
    trust::TrustStore,
    verified::{LeafOutcome, Looked, Proof, Refusal, Verified},
};
pub(crate) use bundles::{CONTENT as BUNDLE_CONTENT, PREDICATE_TYPE as BUNDLE_PREDICATE_TYPE};
pub(crate) use legacy::{
    BUNDLE as LEGACY_BUNDLE, CERTIFICATE as LEGACY_CERTIFICATE, CHAIN as LEGACY_CHAIN,
    PREDICATE_TYPE as LEGACY_PREDICATE_TYPE, SIGNATURE as LEGACY_SIGNATURE,
    TIMESTAMP as LEGACY_TIMESTAMP,
};
use search::Search;
use sigward_oci::{Digest, DigestReference};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// One piece of evidence that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// Answered with an OCI index: the referrers API, or its fallback tag when that answers 404.
    Referrers {
        /// Host and path.
        repository: SmolStr,
        /// The image that they refer to.
        of: Digest,
    },
    /// The manifest under `sha256-….sig` or `.att`.
    Attached {
        /// Host and path.
        repository: SmolStr,
        /// The tag.
        tag: SmolStr,
    },
    /// A manifest by digest; its bytes are checked against it before they arrive here, and here.
    Manifest {
        /// Host and path.
        repository: SmolStr,
        /// Its digest.
        digest: Digest,
    },
    /// A blob by digest; checked likewise. `size` is what its descriptor claims.
    Blob {
        /// Host and path.
        repository: SmolStr,
        /// Its digest.
        digest: Digest,
        /// Bytes, as claimed; never above [`Limits::layer_bytes`].
        size: u64,
    },
    /// The entries of a transparency log about one signature: what `POST /api/v1/log/entries/retrieve`
    /// answers, a list of maps of one identifier to one entry.
    LogEntry {
        /// The log's address.
        log: SmolStr,
        /// The body of that request.
        key: Vec<u8>,
    },
}

/// `Ok(None)` is a 404 and nothing else.
pub type Evidence = Result<Option<Vec<u8>>, Cause>;

/// What [`Prover::step`] answers.
#[derive(Debug)]
pub enum ProofStep {
    /// Bring these, all of them or some, and step again.
    Need(Vec<Ask>),
    /// Nothing more to ask.
    Done(Proof),
}

/// How much is read of what a registry offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most layers of one attached tag, or referrers of one image, that are examined; what is above
    /// is undetermined, never unsigned.
    pub candidates: usize,
    /// Longest payload, envelope or bundle in bytes.
    pub layer_bytes: u64,
    /// Longest manifest or index in bytes.
    pub manifest_bytes: usize,
}

impl Limits {
    /// Most bytes of layers that one proof reads in all: a few times the longest, so that many long
    /// ones cannot fill the memory. What is above is undetermined.
    pub fn total_bytes(&self) -> u64 {
        self.layer_bytes.saturating_mul(6)
    }
}

impl Default for Limits {
    /// The limits of admission.
    fn default() -> Self {
        Self { candidates: 50, layer_bytes: 10 << 20, manifest_bytes: 4 << 20 }
    }
}

/// How many candidates are examined once one has satisfied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Thoroughness {
    /// None: fewest requests. Newest first, since that is the one that a current key made.
    #[default]
    First,
    /// All of the store that satisfied, so that each signature that passes is shown.
    All,
}

/// What all searches share.
pub(crate) struct Board {
    pub(crate) subject: DigestReference,
    pub(crate) now: Timestamp,
    pub(crate) limits: Limits,
    pub(crate) thoroughness: Thoroughness,
    pub(crate) trust: Arc<TrustStore>,
    pub(crate) evidence: BTreeMap<Ask, Evidence>,
    /// Bytes of layers among the evidence.
    pub(crate) layer_bytes: u64,
}

/// Proves one requirement about one image.
pub struct Prover {
    requirement: Arc<Requirement>,
    board: Board,
    recalled: BTreeMap<Attestor, Arc<Verified>>,
    searches: BTreeMap<Attestor, Search>,
}

impl std::fmt::Debug for Prover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prover")
            .field("subject", &self.board.subject)
            .field("requirement", &self.requirement)
            .finish_non_exhaustive()
    }
}

impl Prover {
    /// Starts a proof; `now` is the request's time.
    pub fn new(subject: DigestReference, requirement: Arc<Requirement>, now: Timestamp) -> Self {
        Self {
            requirement,
            board: Board {
                subject,
                now,
                limits: Limits::default(),
                thoroughness: Thoroughness::default(),
                trust: Arc::default(),
                evidence: BTreeMap::new(),
                layer_bytes: 0,
            },
            recalled: BTreeMap::new(),
            searches: BTreeMap::new(),
        }
    }

    /// With the trust material that requirements name; what they name and it lacks is undetermined.
    #[must_use]
    pub fn with_trust(mut self, trust: Arc<TrustStore>) -> Self {
        self.board.trust = trust;
        self
    }

    /// With other limits than those of admission.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.board.limits = limits;
        self
    }

    /// With another thoroughness.
    #[must_use]
    pub fn with_thoroughness(mut self, thoroughness: Thoroughness) -> Self {
        self.board.thoroughness = thoroughness;
        self
    }

    /// A leaf proved before; the cache is the caller's, the test that it still holds is ours. Only
    /// before the first step.
    pub fn recall(&mut self, attestor: Attestor, proof: Arc<Verified>) {
        if proof.digest == self.board.subject.digest && proof.holds_at(self.board.now) {
            self.recalled.insert(attestor, proof);
        }
    }

    /// Takes answers in and says what is needed next. Answers that were not asked for are kept: they
    /// may be asked for later.
    pub fn step(&mut self, answers: Vec<(Ask, Evidence)>) -> ProofStep {
        for (ask, evidence) in answers {
            if let (Ask::Blob { .. }, Ok(Some(bytes))) = (&ask, &evidence) {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.board.layer_bytes = self.board.layer_bytes.saturating_add(length);
            }
            self.board.evidence.insert(ask, evidence);
        }
        let requirement = Arc::clone(&self.requirement);
        let mut asks = Vec::new();
        self.advance(&requirement, &mut asks);
        if asks.is_empty() {
            return ProofStep::Done(self.conclude());
        }
        asks.sort();
        asks.dedup();
        ProofStep::Need(asks)
    }

    /// The attestors that are proved so far, for the caller's cache.
    pub fn proved(&self) -> impl Iterator<Item = (&Attestor, &Arc<Verified>)> {
        self.searches.iter().filter_map(|(attestor, search)| match search.outcome() {
            Some(Outcome::Verified(verified)) => Some((attestor, verified)),
            _ => None,
        })
    }

    /// The outcome of a leaf, when it is known.
    fn leaf(&self, attestor: &Attestor) -> Option<&LeafOutcome> {
        self.searches.get(attestor).and_then(Search::outcome)
    }

    fn verdict(&self, requirement: &Requirement) -> Option<Verdict> {
        match requirement {
            Requirement::One(attestor) => self.leaf(attestor).map(Outcome::verdict),
            Requirement::AtLeast { count, of } => match self.next(count.get(), of) {
                Next::Done(verdict) => Some(verdict),
                Next::Ask(_) => None,
            },
        }
    }

    fn next(&self, count: u16, of: &[Requirement]) -> Next {
        let known: Vec<_> = of.iter().map(|entry| self.verdict(entry)).collect();
        at_least(usize::from(count), &known)
    }

    /// Works on what can still complete the count, until it is complete or evidence is missing.
    fn advance(&mut self, requirement: &Requirement, asks: &mut Vec<Ask>) {
        match requirement {
            Requirement::One(attestor) => {
                let search = self.searches.entry((**attestor).clone()).or_insert_with(|| {
                    Search::new(attestor, self.recalled.get(&**attestor), &self.board)
                });
                asks.extend(search.advance(&self.board));
            }
            Requirement::AtLeast { count, of } => {
                while let Next::Ask(entries) = self.next(count.get(), of) {
                    let before = asks.len();
                    for entry in entries.into_iter().filter_map(|i| of.get(i)) {
                        self.advance(entry, asks);
                    }
                    // INVARIANT: an entry that asks nothing is decided, so each round decides one.
                    if asks.len() > before {
                        return;
                    }
                }
            }
        }
    }

    fn conclude(&self) -> Proof {
        let mut leaves = Vec::new();
        self.collect(&self.requirement, &mut Vec::new(), &mut leaves);
        let mut looked: Vec<Looked> = Vec::new();
        for search in self.searches.values() {
            for place in search.looked() {
                if !looked.contains(place) {
                    looked.push(place.clone());
                }
            }
        }
        let outcome = match self.verdict(&self.requirement) {
            Some(Verdict::Verified) => Outcome::Verified(
                leaves
                    .iter()
                    .filter_map(|(_, leaf)| match leaf {
                        Outcome::Verified(verified) => Some(Arc::clone(verified)),
                        Outcome::Refuted(_) | Outcome::Undetermined(_) => None,
                    })
                    .collect(),
            ),
            Some(Verdict::Refuted) => Outcome::Refuted(merge(&leaves, &looked)),
            Some(Verdict::Undetermined) | None => {
                let cause = leaves.iter().find_map(|(_, leaf)| match leaf {
                    Outcome::Undetermined(cause) => Some(cause.clone()),
                    Outcome::Verified(_) | Outcome::Refuted(_) => None,
                });
                // A count without any undetermined leaf is decided; this names the impossible.
                Outcome::Undetermined(cause.unwrap_or(Cause {
                    kind: crate::outcome::CauseKind::Budget,
                    place: SmolStr::default(),
                    said: None,
                }))
            }
        };
        Proof { outcome, leaves, looked }
    }

    fn collect(
        &self,
        requirement: &Requirement,
        path: &mut Vec<u16>,
        leaves: &mut Vec<(Vec<u16>, LeafOutcome)>,
    ) {
        match requirement {
            Requirement::One(attestor) => {
                if let Some(outcome) = self.leaf(attestor) {
                    leaves.push((path.clone(), outcome.clone()));
                }
            }
            Requirement::AtLeast { of, .. } => {
                for (i, entry) in of.iter().enumerate() {
                    path.push(u16::try_from(i).unwrap_or(u16::MAX));
                    self.collect(entry, path, leaves);
                    path.pop();
                }
            }
        }
    }
}

/// All reasons of all leaves; equal ones stay, as cosign prints one for each signature.
fn merge(leaves: &[(Vec<u16>, LeafOutcome)], looked: &[Looked]) -> Refusal {
    let mut merged = Refusal { looked: looked.to_vec(), ..Refusal::default() };
    for (_, leaf) in leaves {
        if let Outcome::Refuted(refusal) = leaf {
            merged.shows = refusal.shows.clone();
            merged.candidates.extend(refusal.candidates.iter().cloned());
        }
    }
    merged
}
