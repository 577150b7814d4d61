//! The search for one attestor: store after store, candidate after candidate.
use super::{Ask, Board, Evidence, Thoroughness, bundles, judge::Court, legacy};
use crate::{
    encoding::{hex, printable, sha256, sha512},
    outcome::{Cause, CauseKind, Outcome},
    proofs::{self, Material},
    requirement::{Attestor, ClaimRule, LogRule, Shows, Stores, TrustId},
    tlog::LogEntry,
    verified::{Found, LeafOutcome, Looked, Refusal, RefusedBecause, Signed, Store, Verified},
};
use sigward_document::Value;
use sigward_oci::{Algorithm as HashOf, Digest};
use smol_str::{SmolStr, format_smolstr};
use std::sync::Arc;

/// Candidates that are asked for together at first; doubled each round, so that an image with one
/// signature costs one request and one with fifty six rounds.
const FIRST_BATCH: usize = 2;
const TOO_MUCH: &str = "more bytes in all than are read";

/// What one candidate is worth, once its evidence is there.
pub(super) enum Judged {
    /// More evidence is needed first.
    Then(Box<Candidate>),
    /// It satisfies.
    Passed(Box<Signed>, Option<Value>),
    /// It does not.
    Refused(RefusedBecause),
    /// Could not be told.
    Untold(Cause),
    /// A referrer that holds attached layers.
    Layers(Listing),
    /// Turned out to be something else altogether.
    NotOne,
}

/// Something that may be a signature, and the piece of evidence that it waits for.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) want: Ask,
    pub(super) what: What,
}

/// What the evidence will be.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// A payload; the layer's annotation holds its signature.
    Payload { signature: Vec<u8>, annotations: Box<legacy::Annotations> },
    /// An envelope.
    Envelope { annotations: Box<legacy::Annotations> },
    /// A referrer's manifest; true when its descriptor did say that it is a bundle.
    Referrer { certain: bool },
    /// A bundle.
    Bundle,
    /// The image's own manifest, over which a bundle's message signature was made.
    Image(Box<SignedImage>),
    /// The entries of a log for a payload or an envelope that brings none.
    Searched { of: Box<Candidate> },
}

/// A bundle whose signature is over the image's manifest.
#[derive(Clone, Debug)]
pub(super) struct SignedImage {
    pub(super) bundle: SmolStr,
    pub(super) signature: Vec<u8>,
    pub(super) evidence: proofs::Evidence,
}

/// What the first question to a store gave.
pub(super) enum Listing {
    /// Those to examine, those refused at sight, and why some cannot be examined.
    Candidates {
        candidates: Vec<Candidate>,
        refused: Vec<(SmolStr, RefusedBecause)>,
        untold: Option<Cause>,
    },
    Untold(Cause),
}

impl Listing {
    /// Nothing there.
    pub(super) fn empty() -> Self {
        Self::Candidates { candidates: Vec::new(), refused: Vec::new(), untold: None }
    }
}

struct Walk {
    candidates: Vec<Candidate>,
    batch: usize,
}

/// The state of the search.
pub(crate) struct Search {
    attestor: Attestor,
    /// Stores that were not asked yet, the next one last.
    stores: Vec<Store>,
    walk: Option<Walk>,
    refused: Vec<(SmolStr, RefusedBecause)>,
    looked: Vec<Looked>,
    passed: Vec<(Signed, Option<Value>)>,
    untold: Option<Cause>,
    outcome: Option<LeafOutcome>,
}

impl Search {
    pub(super) fn new(
        attestor: &Attestor,
        recalled: Option<&Arc<Verified>>,
        board: &Board,
    ) -> Self {
        let stores = match attestor.order {
            Stores::LegacyFirst => vec![Store::Bundle, Store::Legacy],
            Stores::BundleFirst => vec![Store::Legacy, Store::Bundle],
            Stores::BundleOnly => vec![Store::Bundle],
            Stores::LegacyOnly => vec![Store::Legacy],
        };
        let outcome = match recalled {
            Some(verified) => Some(Outcome::Verified(Arc::clone(verified))),
            None => Material::of(attestor, &board.trust)
                .err()
                .map(|id| Outcome::Undetermined(unavailable(id, board))),
        };
        Self {
            attestor: attestor.clone(),
            stores,
            walk: None,
            refused: Vec::new(),
            looked: Vec::new(),
            passed: Vec::new(),
            untold: None,
            outcome,
        }
    }

    pub(super) fn outcome(&self) -> Option<&LeafOutcome> {
        self.outcome.as_ref()
    }

    pub(super) fn looked(&self) -> &[Looked] {
        &self.looked
    }

    /// Goes as far as the evidence allows; an empty answer means that the outcome is known.
    pub(super) fn advance(&mut self, board: &Board) -> Vec<Ask> {
        loop {
            if self.outcome.is_some() {
                return Vec::new();
            }
            match self.walk.take() {
                Some(walk) => {
                    let missing = self.continue_walk(walk, board);
                    if !missing.is_empty() {
                        return missing;
                    }
                }
                None => match self.stores.last().copied() {
                    Some(_) if self.satisfied() => self.outcome = Some(self.conclude(board)),
                    None => self.outcome = Some(self.conclude(board)),
                    Some(store) => {
                        let ask = self.listing_ask(store, board);
                        let Some(evidence) = board.evidence.get(&ask) else { return vec![ask] };
                        self.stores.pop();
                        self.start_walk(store, &ask, evidence, board);
                    }
                },
            }
        }
    }

    /// True when no further store has to be asked. Statements are a set: one in the other store may
    /// be the one that a condition denies.
    fn satisfied(&self) -> bool {
        self.attestor.shows == Shows::Signature && !self.passed.is_empty()
    }

    fn repository(&self, board: &Board) -> SmolStr {
        self.attestor.store.clone().unwrap_or_else(|| board.subject.repository.clone())
    }

    fn listing_ask(&self, store: Store, board: &Board) -> Ask {
        let repository = self.repository(board);
        match store {
            Store::Legacy => Ask::Attached {
                repository,
                tag: legacy::tag(&board.subject.digest, &self.attestor),
            },
            Store::Bundle => Ask::Referrers { repository, of: board.subject.digest.clone() },
        }
    }

    fn start_walk(&mut self, store: Store, ask: &Ask, evidence: &Evidence, board: &Board) {
        let place = place_of(ask);
        let listing = match evidence {
            Err(cause) => Listing::Untold(cause.clone()),
            Ok(None) => Listing::empty(),
            Ok(Some(bytes)) if bytes.len() > board.limits.manifest_bytes => {
                Listing::Untold(too_large(&place, "manifest is too large"))
            }
            Ok(Some(bytes)) => {
                let repository = self.repository(board);
                match store {
                    Store::Legacy => legacy::list(bytes, &self.attestor, &repository, board),
                    Store::Bundle => bundles::list(bytes, &self.attestor, &repository),
                }
            }
        };
        match listing {
            Listing::Untold(cause) => {
                self.look(place, store, Found::Untold(cause.clone()));
                self.untold.get_or_insert(cause);
            }
            Listing::Candidates { mut candidates, refused, untold } => {
                let count = candidates.len() + refused.len() + usize::from(untold.is_some());
                if let Some(cause) = untold {
                    self.untold.get_or_insert(cause);
                }
                self.look(
                    place.clone(),
                    store,
                    if count == 0 { Found::Absent } else { Found::Candidates(count) },
                );
                self.refused.extend(refused);
                if self.newest_first(board) {
                    candidates.reverse();
                }
                if candidates.len() > board.limits.candidates {
                    candidates.truncate(board.limits.candidates);
                    self.untold
                        .get_or_insert(too_large(&place, "more candidates than are examined"));
                }
                self.walk = Some(Walk { candidates, batch: FIRST_BATCH });
            }
        }
    }

    fn newest_first(&self, board: &Board) -> bool {
        self.attestor.shows == Shows::Signature && board.thoroughness == Thoroughness::First
    }

    /// Judges what can be judged, in order; gives what is missing, or nothing when the walk is over.
    fn continue_walk(&mut self, mut walk: Walk, board: &Board) -> Vec<Ask> {
        let one_is_enough = self.newest_first(board);
        loop {
            if one_is_enough && !self.passed.is_empty() {
                return Vec::new();
            }
            let batch = if one_is_enough { walk.batch } else { walk.candidates.len() };
            let mut missing = Vec::new();
            let mut budget = board.limits.total_bytes().saturating_sub(board.layer_bytes);
            let mut waiting = Vec::new();
            let mut moved = false;
            let mut candidates = std::mem::take(&mut walk.candidates).into_iter();
            for candidate in candidates.by_ref().take(batch) {
                if one_is_enough && !self.passed.is_empty() {
                    return Vec::new();
                }
                if board.evidence.contains_key(&candidate.want) {
                    moved = true;
                    waiting.extend(self.judge(candidate, board));
                } else {
                    if let Ask::Blob { size, .. } = &candidate.want
                        && !missing.contains(&candidate.want)
                    {
                        let Some(rest) = budget.checked_sub(*size) else {
                            let place = place_of(&candidate.want);
                            self.untold.get_or_insert(too_large(&place, TOO_MUCH));
                            continue;
                        };
                        budget = rest;
                    }
                    missing.push(candidate.want.clone());
                    waiting.push(candidate);
                }
            }
            let finished_batch = waiting.is_empty();
            waiting.extend(candidates);
            walk.candidates = waiting;
            if walk.candidates.is_empty() {
                return Vec::new();
            }
            if finished_batch {
                walk.batch = walk.batch.saturating_mul(2);
            }
            if !moved && !missing.is_empty() {
                self.walk = Some(walk);
                return missing;
            }
        }
    }

    /// Judges one candidate whose evidence is there; gives it back when it needs more.
    fn judge(&mut self, candidate: Candidate, board: &Board) -> Vec<Candidate> {
        let place = place_of(&candidate.want);
        let judged = match board.evidence.get(&candidate.want) {
            None => return vec![candidate],
            Some(Err(cause)) => Judged::Untold(cause.clone()),
            // The log does not know it.
            Some(Ok(None)) if matches!(candidate.want, Ask::LogEntry { .. }) => {
                Judged::Refused(RefusedBecause::LogEntryMissing)
            }
            // Listed, and gone: absent is an answer.
            Some(Ok(None)) => Judged::Refused(RefusedBecause::NothingFound),
            Some(Ok(Some(bytes))) => match sound(&candidate.want, bytes, &place, board) {
                Err(cause) => Judged::Untold(cause),
                Ok(()) => self.weigh(bytes, &candidate, board),
            },
        };
        match judged {
            Judged::Then(next) => match &next.want {
                Ask::Blob { size, .. } if *size > board.limits.layer_bytes => {
                    let place = place_of(&next.want);
                    self.untold.get_or_insert(too_large(&place, "layer is too large"));
                }
                Ask::Blob { .. }
                | Ask::Referrers { .. }
                | Ask::Attached { .. }
                | Ask::Manifest { .. }
                | Ask::LogEntry { .. } => return vec![*next],
            },
            Judged::Passed(signed, predicate) => self.passed.push((*signed, predicate)),
            Judged::Refused(why) => self.refused.push((place, why)),
            Judged::Untold(cause) | Judged::Layers(Listing::Untold(cause)) => {
                self.untold.get_or_insert(cause);
            }
            Judged::Layers(Listing::Candidates { candidates, refused, untold }) => {
                self.refused.extend(refused);
                if let Some(cause) = untold {
                    self.untold.get_or_insert(cause);
                }
                return candidates;
            }
            Judged::NotOne => {}
        }
        Vec::new()
    }

    /// Judges bytes that are what they were asked for.
    fn weigh(&self, bytes: &[u8], candidate: &Candidate, board: &Board) -> Judged {
        let material = match Material::of(&self.attestor, &board.trust) {
            Ok(material) => material,
            Err(id) => return Judged::Untold(unavailable(id, board)),
        };
        let court = Court { attestor: &self.attestor, board, material };
        match &candidate.what {
            What::Payload { .. } | What::Envelope { .. } => {
                legacy::judge(bytes, candidate, &court, None)
            }
            What::Referrer { .. } | What::Bundle | What::Image(_) => {
                bundles::judge(bytes, candidate, &court, &self.repository(board))
            }
            What::Searched { of } => {
                let found = LogEntry::parse_rekor_v1_list(bytes);
                match (found, board.evidence.get(&of.want)) {
                    (Ok(found), Some(Ok(Some(layer)))) => {
                        legacy::judge(layer, of, &court, Some(found))
                    }
                    (Err(error), _) => {
                        Judged::Untold(malformed(&place_of(&candidate.want), &error.to_string()))
                    }
                    (Ok(_), _) => Judged::NotOne,
                }
            }
        }
    }

    fn look(&mut self, place: SmolStr, store: Store, found: Found) {
        self.looked.push(Looked { place, store, found });
    }

    fn conclude(&mut self, board: &Board) -> LeafOutcome {
        let passed = std::mem::take(&mut self.passed);
        let is_set = self.attestor.shows != Shows::Signature;
        match (&self.untold, passed.is_empty()) {
            // A set that is not complete says nothing about the whole.
            (Some(cause), _) if is_set => Outcome::Undetermined(cause.clone()),
            (_, false) => {
                let (signed, predicates): (Vec<_>, Vec<_>) = passed.into_iter().unzip();
                Outcome::Verified(Arc::new(Verified {
                    digest: board.subject.digest.clone(),
                    signer: proofs::signer_name(&self.attestor, signed.first().map(Signed::proved)),
                    predicates: if is_set {
                        predicates.into_iter().flatten().collect()
                    } else {
                        Vec::new()
                    },
                    holds_until: signed.iter().filter_map(|one| one.proved.holds_until).min(),
                    signed,
                    log_checked: self.attestor.log != LogRule::InsecureIgnored,
                    claims_checked: self.attestor.claims == ClaimRule::Checked,
                    seen: board.now,
                }))
            }
            (Some(cause), true) => Outcome::Undetermined(cause.clone()),
            (None, true) => Outcome::Refuted(Refusal {
                candidates: std::mem::take(&mut self.refused),
                shows: self.attestor.shows.clone(),
                looked: self.looked.clone(),
            }),
        }
    }
}

/// The trust material that the requirement names is not at hand.
fn unavailable(id: TrustId, board: &Board) -> Cause {
    let [a, b, c, d, ..] = id.0;
    Cause {
        kind: CauseKind::TrustUnavailable,
        place: format_smolstr!("{}", board.subject),
        said: Some(format_smolstr!("trusted root {} is not at hand", hex(&[a, b, c, d]))),
    }
}

/// Bytes that were asked for by digest are what the digest says and not too many.
///
/// The edge has checked both while they streamed; evidence of a record comes from a file.
fn sound(ask: &Ask, bytes: &[u8], place: &SmolStr, board: &Board) -> Result<(), Cause> {
    let (digest, most) = match ask {
        Ask::Manifest { digest, .. } => (digest, board.limits.manifest_bytes),
        Ask::Blob { digest, .. } => {
            (digest, usize::try_from(board.limits.layer_bytes).unwrap_or(usize::MAX))
        }
        Ask::Referrers { .. } | Ask::Attached { .. } | Ask::LogEntry { .. } => return Ok(()),
    };
    if bytes.len() > most {
        return Err(too_large(place, "content is too large"));
    }
    if let Ask::Blob { size, .. } = ask
        && u64::try_from(bytes.len()) != Ok(*size)
    {
        return Err(malformed(place, "content is not as long as its descriptor says"));
    }
    if digest_of(digest.algorithm(), bytes) != *digest {
        return Err(malformed(place, "content does not match its digest"));
    }
    Ok(())
}

/// How a piece of evidence is called in messages.
pub(super) fn place_of(ask: &Ask) -> SmolStr {
    match ask {
        Ask::Referrers { repository, of } => format_smolstr!("referrers of {repository}@{of}"),
        Ask::Attached { repository, tag } => format_smolstr!("{repository}:{tag}"),
        Ask::Manifest { repository, digest } | Ask::Blob { repository, digest, .. } => {
            format_smolstr!("{repository}@{digest}")
        }
        Ask::LogEntry { log, .. } => log.clone(),
    }
}

pub(super) fn too_large(place: &SmolStr, said: &'static str) -> Cause {
    Cause { kind: CauseKind::TooLarge, place: place.clone(), said: Some(SmolStr::new_static(said)) }
}

pub(super) fn malformed(place: &SmolStr, said: &str) -> Cause {
    Cause { kind: CauseKind::Malformed, place: place.clone(), said: Some(printable(said)) }
}

pub(super) fn digest_of(algorithm: HashOf, bytes: &[u8]) -> Digest {
    match algorithm {
        HashOf::Sha256 => Digest::sha256(&sha256(bytes)),
        HashOf::Sha512 => Digest::sha512(&sha512(bytes)),
    }
}
