//! One request, all policies, known facts: a step.
use crate::{
    decision::{Decision, RuleOutcome},
    fact::{Facts, Fetch},
    request::Request,
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
    finished: BTreeMap<(PolicyName, SmolStr), RuleOutcome>,
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
    _probe: &mut dyn Probe,
) -> Step {
    let wanted = facts.take_wanted();
    if !wanted.is_empty() {
        return Step::Need(wanted);
    }
    Step::Done(Decision {
        allowed: true,
        message: None,
        patch: Vec::new(),
        object: request.object.value().cloned().unwrap_or(Value::NULL),
        warnings: Vec::new(),
        rules: progress.finished.values().cloned().collect(),
        snapshot: snapshot.id(),
    })
}
