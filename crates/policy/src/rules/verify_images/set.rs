//! Sets of attestors: keys are looked up, a requirement is made, and the prover counts.
//!
//! Where a key cannot be had, or conditions belong to each attestor, the counting is done here, in three values.
use super::{
    One,
    entry::{Attestor, Log, Set, Trust, Who},
    report::Failure,
};
use crate::{
    context::Context,
    fact::{Cause, CauseKind, KeyByReference, ProofOf},
    message,
    stop::{Gather, Stop},
};
use sigward_oci::DigestReference;
use sigward_sigstore::{
    certificate::Identity,
    outcome::{Next, Outcome, Verdict, at_least},
    requirement::{self, LogRule, Requirement, Shows, TimeRule},
    trust::TrustedRoot,
    verified::{Proof, Verified},
};
use smol_str::SmolStr;
use std::{num::NonZeroU16, sync::Arc};

/// A set that is satisfied.
#[derive(Clone, Debug)]
pub(crate) struct ProvedSet {
    /// The first witness.
    pub(crate) witness: Arc<Verified>,
    /// Its attestor.
    pub(crate) attestor: SmolStr,
    /// What was looked at.
    pub(crate) looked_at: Vec<String>,
}

/// A set whose keys have been looked up.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// One attestor, ready to be asked for; or why it cannot be.
    Leaf {
        /// `.attestors[0].entries[1].keys`.
        path: String,
        /// What is asked.
        attestor: Result<Box<requirement::Attestor>, Failure>,
    },
    /// `count` of these.
    Set {
        /// At least one.
        count: usize,
        /// In order.
        of: Vec<Self>,
    },
}

impl Node {
    /// The requirement, when every key is known; the prover then does the counting.
    fn requirement(&self) -> Option<Requirement> {
        match self {
            Self::Leaf { attestor, .. } => attestor.as_ref().ok().cloned().map(Requirement::One),
            Self::Set { count, of } => {
                let of: Option<Vec<Requirement>> = of.iter().map(Self::requirement).collect();
                let count = NonZeroU16::new(u16::try_from(*count).ok()?)?;
                Some(Requirement::AtLeast { count, of: of? })
            }
        }
    }

    /// The path of the leaf that a proof speaks of.
    fn path_of(&self, indices: &[u16]) -> &str {
        match (self, indices) {
            (Self::Leaf { path, .. }, _) => path,
            (Self::Set { of, .. }, [first, rest @ ..]) => {
                of.get(usize::from(*first)).map_or("", |node| node.path_of(rest))
            }
            (Self::Set { of, .. }, []) => of.first().map_or("", |node| node.path_of(&[])),
        }
    }
}

impl One<'_> {
    /// Whether a set of attestors has signed the image.
    pub(crate) fn attestor_set(
        &self,
        subject: &DigestReference,
        set: &Set,
        path: &str,
        context: &mut Context<'_>,
    ) -> Result<Result<ProvedSet, Failure>, Stop> {
        let node = self.look_up(set, path, &Shows::Signature, context)?;
        if let Some(requirement) = node.requirement() {
            return match self.ask(subject, requirement, context)? {
                Ok(proof) => Ok(read(&proof, &|indices| node.path_of(indices))),
                Err(cause) => Ok(Err(Failure::unknown(cause))),
            };
        }
        let mut one = |path: &str, attestor: &requirement::Attestor, context: &mut Context<'_>| {
            self.leaf(subject, path, attestor, context)
        };
        let counted = count(&node, &mut one, context)?;
        Ok(match counted {
            Ok(proved) => proved
                .into_iter()
                .next()
                .ok_or_else(|| Failure::refuted("no attestor was asked".into())),
            Err(failure) => Err(failure),
        })
    }

    /// One attestor by itself.
    pub(crate) fn leaf(
        &self,
        subject: &DigestReference,
        path: &str,
        attestor: &requirement::Attestor,
        context: &mut Context<'_>,
    ) -> Result<Result<ProvedSet, Failure>, Stop> {
        let requirement = Requirement::One(Box::new(attestor.clone()));
        Ok(match self.ask(subject, requirement, context)? {
            Ok(proof) => read(&proof, &|_| path),
            Err(cause) => Err(Failure::unknown(cause).at(path)),
        })
    }

    fn ask(
        &self,
        subject: &DigestReference,
        requirement: Requirement,
        context: &mut Context<'_>,
    ) -> Result<Result<Arc<Proof>, Cause>, Stop> {
        Ok(context.facts.ask(ProofOf {
            image: subject.clone(),
            requirement: Arc::new(requirement),
            access: self.access.clone(),
            use_cache: self.entry.use_cache,
            trust: Arc::clone(&self.entry.trust),
        })?)
    }

    /// Looks every key of a set up; all that are not known are wanted together.
    pub(crate) fn look_up(
        &self,
        set: &Set,
        path: &str,
        shows: &Shows,
        context: &mut Context<'_>,
    ) -> Result<Node, Stop> {
        let mut gather = Gather::default();
        let mut of = Vec::with_capacity(set.entries.len());
        for (index, attestor) in set.entries.iter().enumerate() {
            let path = format!("{path}.entries[{index}].{}", attestor.who.word());
            of.extend(gather.take(self.look_up_one(attestor, path, shows, context))?);
        }
        gather.done()?;
        Ok(Node::Set { count: set.count, of })
    }

    fn look_up_one(
        &self,
        attestor: &Attestor,
        path: String,
        shows: &Shows,
        context: &mut Context<'_>,
    ) -> Result<Node, Stop> {
        let who = match &attestor.who {
            Who::Nested(set) => return self.look_up(set, &path, shows, context),
            Who::Key(key) | Who::Certificate(key) => Ok(requirement::Who::Key(key.clone())),
            Who::Broken(reason) => {
                Err(Failure::refuted(format!("failed to load public key from PEM: {reason}")))
            }
            Who::Keyless(identities) => {
                certified(attestor, identities.clone()).map_err(Failure::unknown)
            }
            Who::Chain => certified(attestor, Vec::new()).map_err(Failure::unknown),
            Who::Reference(reference) => {
                match context.facts.ask(KeyByReference(reference.clone()))? {
                    Ok(Some(key)) => Ok(requirement::Who::Key(key)),
                    Ok(None) => Err(Failure::unknown(message::key_absent(reference))),
                    Err(cause) => Err(Failure::unknown(cause)),
                }
            }
        };
        let attestor = match who {
            Ok(who) => self
                .attestor(who, attestor, shows)
                .map(Box::new)
                .map_err(|cause| Failure::unknown(cause).at(&path)),
            Err(failure) => Err(failure.at(&path)),
        };
        Ok(Node::Leaf { path, attestor })
    }

    fn attestor(
        &self,
        who: requirement::Who,
        attestor: &Attestor,
        shows: &Shows,
    ) -> Result<requirement::Attestor, Cause> {
        let trust = root(attestor)?;
        let log = match (&attestor.proofs.log, trust) {
            (Log::InsecureIgnored, _) => LogRule::InsecureIgnored,
            (Log::Demanded { online }, Some(root)) => {
                LogRule::EntryDemanded { trust: root.id(), online: online.clone() }
            }
            (Log::Demanded { .. }, None) => return Err(trust_missing("a transparency log's key")),
        };
        let timestamps = trust
            .filter(|root| !root.parts().timestamp_authorities.is_empty())
            .map(TrustedRoot::id);
        // Without a log nothing may prove the time: then a certificate has to be valid now.
        let time = match log {
            LogRule::EntryDemanded { .. } => TimeRule::Observed { timestamps },
            LogRule::InsecureIgnored => TimeRule::InsecureNow { timestamps },
        };
        Ok(requirement::Attestor {
            who,
            log,
            time,
            shows: shows.clone(),
            store: attestor.store.clone(),
            annotations: attestor.annotations.clone(),
            // Fewest requests for what most clusters hold; the second store is asked only if the first does not do.
            order: if self.entry.bundles_only {
                requirement::Stores::BundleOnly
            } else {
                requirement::Stores::LegacyFirst
            },
            tag_prefix: SmolStr::default(),
            claims: requirement::ClaimRule::Checked,
        })
    }
}

/// The material that an attestor is judged by.
fn root(attestor: &Attestor) -> Result<Option<&TrustedRoot>, Cause> {
    match &attestor.proofs.trust {
        Trust::NotNeeded => Ok(None),
        Trust::Root(root) => Ok(Some(root)),
        Trust::Missing(what) => Err(trust_missing(what)),
    }
}

fn trust_missing(what: &'static str) -> Cause {
    Cause {
        kind: CauseKind::TrustUnavailable,
        place: SmolStr::new_static(message::TRUST_UNAVAILABLE),
        said: Some(SmolStr::new_static(what)),
    }
}

/// The holder of a certificate that names one of these.
fn certified(attestor: &Attestor, identities: Vec<Identity>) -> Result<requirement::Who, Cause> {
    let Some(root) = root(attestor)? else {
        return Err(trust_missing("a certificate authority"));
    };
    let sct = attestor.proofs.sct;
    Ok(requirement::Who::Keyless(requirement::Keyless { trust: root.id(), identities, sct }))
}

/// Asks one attestor: its path, what is asked, and with what.
type AskOne<'a, 'c, T> = dyn FnMut(&str, &requirement::Attestor, &mut Context<'c>) -> Result<Result<T, Failure>, Stop>
    + 'a;

/// Counts a set attestor by attestor: those that could still complete it are asked together.
pub(crate) fn count<'c, T: Clone>(
    node: &Node,
    one: &mut AskOne<'_, 'c, T>,
    context: &mut Context<'c>,
) -> Result<Result<Vec<T>, Failure>, Stop> {
    let (count_wanted, of) = match node {
        Node::Leaf { attestor: Err(failure), .. } => return Ok(Err(failure.clone())),
        Node::Leaf { path, attestor: Ok(attestor) } => {
            return Ok(one(path, attestor, context)?.map(|found| vec![found]));
        }
        Node::Set { count, of } => (*count, of),
    };
    let mut verdicts: Vec<Option<Verdict>> = vec![None; of.len()];
    let mut found = Vec::new();
    let mut failures: Vec<(usize, Failure)> = Vec::new();
    loop {
        match at_least(count_wanted, &verdicts) {
            Next::Done(Verdict::Verified) => return Ok(Ok(found)),
            Next::Done(verdict) => {
                failures.sort_by_key(|(index, _)| *index);
                let failures = failures.into_iter().map(|(_, failure)| failure).collect();
                let mut failure = Failure::joined(failures, verdict == Verdict::Undetermined);
                failure.verified = found.len();
                return Ok(Err(failure));
            }
            Next::Ask(indices) => {
                let mut gather = Gather::default();
                for index in indices {
                    let Some(child) = of.get(index) else { continue };
                    let verdict = match gather.take(count(child, one, context))? {
                        Some(Ok(more)) => {
                            found.extend(more);
                            Verdict::Verified
                        }
                        Some(Err(failure)) => {
                            let undetermined = failure.cause.is_some();
                            failures.push((index, failure));
                            if undetermined { Verdict::Undetermined } else { Verdict::Refuted }
                        }
                        None => continue,
                    };
                    if let Some(slot) = verdicts.get_mut(index) {
                        *slot = Some(verdict);
                    }
                }
                gather.done()?;
            }
        }
    }
}

/// A proof as this crate speaks of it.
#[expect(clippy::result_large_err, reason = "made once for each proof, and read at once")]
fn read<'p>(proof: &Proof, path_of: &dyn Fn(&[u16]) -> &'p str) -> Result<ProvedSet, Failure> {
    let looked_at = message::looked_at(proof);
    let cause = match &proof.outcome {
        Outcome::Verified(witnesses) => {
            let attestor = proof.leaves.iter().find_map(|(indices, leaf)| match leaf {
                Outcome::Verified(_) => Some(SmolStr::new(path_of(indices))),
                Outcome::Refuted(_) | Outcome::Undetermined(_) => None,
            });
            return match witnesses.first() {
                Some(witness) => Ok(ProvedSet {
                    witness: Arc::clone(witness),
                    attestor: attestor.unwrap_or_default(),
                    looked_at,
                }),
                None => Err(Failure::refuted("no witness".into())),
            };
        }
        Outcome::Refuted(_) => None,
        Outcome::Undetermined(cause) => Some(cause),
    };
    let mut failures: Vec<Failure> = Vec::new();
    for (indices, leaf) in &proof.leaves {
        let path = path_of(indices);
        match leaf {
            Outcome::Verified(_) => {}
            Outcome::Refuted(refusal) => {
                let mut failure = Failure::refuted(message::refusal(refusal));
                failure.unsigned = refusal.nothing_found();
                failures.push(failure.at(path));
            }
            Outcome::Undetermined(cause) => failures.push(Failure::unknown(cause.clone()).at(path)),
        }
    }
    let mut failure = match (failures.is_empty(), &proof.outcome) {
        (false, _) => Failure::joined(failures, cause.is_some()),
        (true, Outcome::Refuted(refusal)) => Failure::refuted(message::refusal(refusal)),
        (true, _) => Failure::refuted(String::new()),
    };
    if let Some(cause) = cause {
        if failure.text.is_empty() {
            failure.text = message::cause(cause);
        }
        failure.cause = Some(cause.clone());
    }
    failure.looked_at = looked_at;
    Err(failure)
}
