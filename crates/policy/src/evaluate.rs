//! One request, all policies, known facts: a step.
//!
//! Phases are barriers: mutate rules in order, then images of the mutated object, then what is validated. Inside
//! a phase of independent rules every rule runs as far as it can, so that all that is wanted is wanted together.
mod candidate;
mod finish;
mod run;

pub(crate) use candidate::envelope;

use crate::{
    decision::{Decision, RuleOutcome},
    fact::{Facts, Fetch},
    pin::PinnedImage,
    request::Request,
    rules::verify_images::Recorded,
    snapshot::{PolicyName, Snapshot},
};
use sigward_document::Value;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// A decision, or what must be known before there can be one.
#[derive(Debug)]
pub enum Step {
    /// Decided.
    Done(Decision),
    /// All of these are wanted; evaluate again when any is answered.
    Need(BTreeSet<Fetch>),
}

/// Finished rules. Only a memo: an empty one gives the same decision (property test).
#[derive(Clone, Debug, Default)]
pub struct Progress {
    finished: BTreeMap<Key, Finished>,
}

/// Which rule, in which phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    phase: Phase,
    policy: usize,
    rule: usize,
}

/// A part of the work that must be done before the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Mutate rules.
    Mutate,
    /// Images are verified and pinned.
    Verify,
    /// What the validating webhook checks of images.
    Check,
    /// Validate rules, in one walk with `Check`.
    Validate,
    /// Generate rules.
    Generate,
}

/// What came of a rule that has run.
#[derive(Clone, Debug, Default)]
struct Finished {
    /// None when the rule does not apply.
    outcome: Option<RuleOutcome>,
    /// What else came of it: of a rule with `targets`, one for each object after the first.
    more: Vec<RuleOutcome>,
    /// The object after a mutate rule.
    object: Option<Value>,
    /// Digests to write, by JSON pointer.
    pins: Vec<(SmolStr, PinnedImage)>,
    /// For the annotations.
    recorded: Vec<(SmolStr, Recorded)>,
    /// Objects that a generate rule makes.
    made: Vec<Value>,
    /// Admission warnings.
    warnings: Vec<String>,
    /// Digests that were verified, by JSON pointer: rules must agree.
    verified: Vec<(SmolStr, sigward_oci::Digest)>,
}

/// Told when a rule begins and ends, so that the edge can measure; nothing is read back.
pub trait Probe: Send {
    /// A rule begins.
    fn enter(&mut self, policy: &PolicyName, rule: &str);
    /// It ended, or suspended.
    fn leave(&mut self, policy: &PolicyName, rule: &str);
}

/// Measures nothing.
#[derive(Debug)]
pub struct NoProbe;
impl Probe for NoProbe {
    fn enter(&mut self, _policy: &PolicyName, _rule: &str) {}
    fn leave(&mut self, _policy: &PolicyName, _rule: &str) {}
}

/// Evaluates as far as the known facts reach.
pub fn evaluate(
    snapshot: &Snapshot,
    request: &Request,
    facts: &mut Facts,
    progress: &mut Progress,
    probe: &mut dyn Probe,
) -> Step {
    let candidates = snapshot.candidates(request);
    if candidates.is_empty() {
        return Step::Done(finish::untouched(snapshot));
    }
    let mut run = run::Run { snapshot, request, facts, progress, probe };
    match run.all(&candidates) {
        Ok(decision) => Step::Done(decision),
        Err(run::Waits) => Step::Need(facts.take_wanted()),
    }
}
