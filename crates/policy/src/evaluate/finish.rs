//! What all rules came to: verdict, patch, annotations, warnings.
use super::Finished;
use crate::{
    annotation::{self, Record},
    decision::{Decision, Generated, ImageOutcome, RuleOutcome, RuleType, Status},
    message,
    pin::PinnedImage,
    request::Request,
    snapshot::{FailureAction, PolicyName, Snapshot},
};
use sigward_document::{Value, patch};
use sigward_oci::Digest;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// No policy is about the request: the object was never read.
pub(super) fn untouched(snapshot: &Snapshot) -> Decision {
    Decision { allowed: true, ..refused(snapshot) }
}

/// The object is not JSON: nothing can be said about it, so it does not pass.
pub(super) fn unreadable(snapshot: &Snapshot, error: &sigward_document::ParseError) -> Decision {
    Decision {
        allowed: false,
        message: Some(format!("the object of the request cannot be read: {}", error.message)),
        ..refused(snapshot)
    }
}

fn refused(snapshot: &Snapshot) -> Decision {
    Decision {
        allowed: false,
        message: None,
        patch: Vec::new(),
        object: Value::NULL,
        warnings: Vec::new(),
        rules: Vec::new(),
        generated: Vec::new(),
        snapshot: snapshot.id(),
    }
}

/// The object's name as upstream prints it: empty while the API server has not made one up.
pub(super) fn name<'n>(request: &'n Request, object: &'n Value) -> &'n str {
    if request.name.is_empty() {
        object.str_at(&["metadata", "name"]).unwrap_or_default()
    } else {
        &request.name
    }
}

/// The name of an image in the annotations: with its digest once it is pinned or was written with one.
pub(super) fn recorded_name(outcome: &ImageOutcome) -> SmolStr {
    match (&outcome.digest, outcome.pinned) {
        (Some(digest), true) => {
            let repository =
                outcome.image.rsplit_once(':').map_or(outcome.image.as_str(), |(r, _)| r);
            SmolStr::new(format!("{repository}@{digest}"))
        }
        _ => outcome.image.clone(),
    }
}

/// Everything that is known when all phases are done.
pub(super) struct Done {
    /// The object after all phases so far.
    pub(super) object: Value,
    rules: Vec<RuleOutcome>,
    generated: Vec<Generated>,
    warnings: Vec<String>,
}

impl Done {
    pub(super) fn new(object: Value) -> Self {
        Self { object, rules: Vec::new(), generated: Vec::new(), warnings: Vec::new() }
    }

    /// Takes a rule's outcome and warnings.
    pub(super) fn add(&mut self, finished: Finished) {
        if let Some(outcome) = &finished.outcome {
            let (policy, rule) = (&outcome.policy, &outcome.rule);
            let made = finished.made.into_iter().map(|object| Generated {
                policy: policy.clone(),
                rule: rule.clone(),
                object,
            });
            self.generated.extend(made);
        }
        self.rules.extend(finished.outcome.into_iter().chain(finished.more));
        self.warnings.extend(finished.warnings);
    }

    /// Takes what the validating side says. Where both sides speak and the first has failed, the second adds
    /// nothing: it would only say that what could not be verified is not verified.
    pub(super) fn checked(&mut self, finished: Finished) {
        let repeats = finished.outcome.as_ref().is_some_and(|checked| {
            self.rules.iter().any(|rule| {
                rule.policy == checked.policy
                    && rule.rule == checked.rule
                    && matches!(rule.status, Status::Fail | Status::Error)
            })
        });
        if !repeats {
            self.add(finished);
        }
    }

    /// Whether a mutate rule failed and its policy says to refuse then.
    pub(super) fn mutation_failed(&self) -> bool {
        self.rules.iter().any(|rule| rule.rule_type == RuleType::Mutation && rule.blocks)
    }

    /// The refusal for a failed mutate rule.
    pub(super) fn refuse_mutation(self, snapshot: &Snapshot) -> Decision {
        let failed = self.rules.iter().find(|rule| rule.blocks);
        let message = failed.map(|f| message::mutation_failed(&f.policy, &f.rule, &f.message));
        Decision { message, rules: self.rules, object: self.object, ..refused(snapshot) }
    }

    /// Takes the outcomes of verified images: pins go into the object, then the annotations.
    pub(super) fn verified(
        &mut self,
        finished: Vec<(SmolStr, Finished)>,
        evaluated: &BTreeSet<PolicyName>,
    ) {
        let mut digests: BTreeMap<SmolStr, Digest> = BTreeMap::new();
        let mut pins: BTreeMap<SmolStr, PinnedImage> = BTreeMap::new();
        let mut record = Record::new();
        for (rule, mut finished) in finished {
            let pinned = finished.pins.iter().map(|(at, pin)| (at.clone(), pin.digest().clone()));
            let claims: Vec<(SmolStr, Digest)> =
                finished.verified.iter().cloned().chain(pinned).collect();
            let mut moved = None;
            for (pointer, digest) in claims {
                let first = digests.entry(pointer.clone()).or_insert_with(|| digest.clone());
                if *first != digest {
                    moved = Some((pointer, first.clone(), digest));
                }
            }
            if let (Some((pointer, first, second)), Some(outcome)) = (moved, &mut finished.outcome)
            {
                // INVARIANT: what is pinned was verified by every rule; a tag that answers two digests within
                // one request (with other credentials) is refused.
                outcome.status = Status::Fail;
                outcome.blocks = outcome.action == FailureAction::Enforce;
                outcome.message = format!(
                    "the image at {pointer} was resolved to {first} and to {second} in one request"
                );
                finished.pins.clear();
            }
            for (pointer, pin) in finished.pins.drain(..) {
                pins.entry(pointer).or_insert(pin);
            }
            if let Some(outcome) = &finished.outcome
                && !finished.recorded.is_empty()
            {
                let images =
                    record.entry(outcome.policy.clone()).or_default().entry(rule).or_default();
                for (image, recorded) in &finished.recorded {
                    let worst = images.entry(image.clone()).or_insert(*recorded);
                    *worst = (*worst).max(*recorded);
                }
            }
            self.add(finished);
        }
        for (pointer, pin) in &pins {
            if let Some(with) = set(&self.object, pointer, Value::string(&pin.render())) {
                self.object = with;
            }
        }
        self.object = annotation::write(&self.object, &record, evaluated);
    }

    /// The decision.
    pub(super) fn decide(
        self,
        snapshot: &Snapshot,
        request: &Request,
        original: &Value,
    ) -> Decision {
        let allowed = !self.rules.iter().any(|rule| rule.blocks);
        let message =
            (!allowed).then(|| message::denial(request, name(request, original), &self.rules));
        let mut warnings = if allowed { self.warnings } else { Vec::new() };
        if allowed {
            for rule in &self.rules {
                let audited =
                    rule.rule_type == RuleType::Validation && rule.action == FailureAction::Audit;
                let told = match rule.status {
                    // COMPAT: Kyverno 1.19: what only audits is evaluated behind the answer; test: an_error_of_an_audited_rule_warns_only_where_the_policy_says_so
                    Status::Error => !audited || snapshot.emits_warnings(&rule.policy),
                    Status::Fail | Status::Warn => snapshot.emits_warnings(&rule.policy),
                    Status::Pass | Status::Skip => false,
                };
                if told {
                    warnings.push(message::warning(&rule.policy, &rule.rule, &rule.message));
                }
            }
        }
        let patch = if allowed {
            patch::diff(original, &self.object).iter().map(patch::Operation::to_value).collect()
        } else {
            Vec::new()
        };
        Decision {
            allowed,
            message,
            patch,
            object: self.object,
            warnings,
            rules: self.rules,
            generated: self.generated,
            snapshot: snapshot.id(),
        }
    }
}

/// The tree with the node at a pointer replaced; `None` when there is no such node.
fn set(tree: &Value, pointer: &str, value: Value) -> Option<Value> {
    fn at(node: &Value, tokens: &[String], value: Value) -> Option<Value> {
        let Some((first, rest)) = tokens.split_first() else { return Some(value) };
        if let Some(items) = node.as_list() {
            let index = sigward_document::pointer::index(first)?;
            let child = at(items.get(index)?, rest, value)?;
            return node.with_item(index, child);
        }
        let child = at(node.get(first)?, rest, value)?;
        node.with_member(first, child)
    }
    let tokens: Vec<String> =
        sigward_document::pointer::tokens(pointer).map(std::borrow::Cow::into_owned).collect();
    at(tree, &tokens, value)
}
