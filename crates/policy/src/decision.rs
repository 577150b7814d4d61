//! What came of a request: verdict, patch, warnings, and one outcome for each rule that applied.
use crate::snapshot::{FailureAction, FailurePolicy, PolicyName};
use sigward_document::Value;
use sigward_oci::Digest;
use sigward_sigstore::outcome::Cause;
use smol_str::SmolStr;

/// The answer, and everything that reports, events and metrics are made from.
#[derive(Clone, Debug)]
pub struct Decision {
    /// False when a rule blocks.
    pub allowed: bool,
    /// The denial body, as the API server will print it.
    pub message: Option<String>,
    /// RFC 6902 operations from the request's object to the mutated one; empty for no change.
    pub patch: Vec<Value>,
    /// The object after all patches; null when it was never read.
    pub object: Value,
    /// Admission warnings.
    pub warnings: Vec<String>,
    /// One for each rule that applied, in order of evaluation.
    pub rules: Vec<RuleOutcome>,
    /// Objects that generate rules make, in order of evaluation.
    pub generated: Vec<Generated>,
    /// The snapshot that decided.
    pub snapshot: u64,
}

/// An object that a generate rule makes.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The rule's policy.
    pub policy: PolicyName,
    /// The rule.
    pub rule: SmolStr,
    /// The whole object.
    pub object: Value,
}

/// Kyverno's five results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// The rule holds.
    Pass,
    /// The rule does not hold.
    Fail,
    /// It does not hold, and its policy says to warn.
    Warn,
    /// It could not be evaluated.
    Error,
    /// It does not apply: precondition, exception, skip pattern.
    Skip,
}

impl Status {
    /// Lower case, as in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Skip => "skip",
        }
    }
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleType {
    /// `validate`
    Validation,
    /// `mutate`
    Mutation,
    /// `generate`
    Generation,
    /// `verifyImages`
    ImageVerify,
}

impl RuleType {
    /// As in metrics and reports: `Validation`, `ImageVerify`, ….
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validation => "Validation",
            Self::Mutation => "Mutation",
            Self::Generation => "Generation",
            Self::ImageVerify => "ImageVerify",
        }
    }
}

/// What came of one rule.
#[derive(Clone, Debug)]
pub struct RuleOutcome {
    /// The rule's policy.
    pub policy: PolicyName,
    /// The rule's name, with its autogen prefix.
    pub rule: SmolStr,
    /// What the rule does.
    pub rule_type: RuleType,
    /// The result.
    pub status: Status,
    /// The user's text.
    pub message: String,
    /// The action that holds for this rule and this object.
    pub action: FailureAction,
    /// Its policy's failure policy.
    pub failure_policy: FailurePolicy,
    /// Whether it blocks the request.
    pub blocks: bool,
    /// The object that a mutate rule changed in place of the request's, as it is afterwards.
    pub target: Option<Value>,
    /// One for each image looked at, in order.
    pub images: Vec<ImageOutcome>,
    /// `namespace/name` of the exceptions that applied.
    pub exceptions: Vec<SmolStr>,
    /// `reportProperties` and audit annotations.
    pub properties: Vec<(SmolStr, String)>,
}

/// Which of the three outcomes, for one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageStatus {
    /// Signatures or attestations were proved.
    Verified,
    /// Examined, and it does not satisfy.
    Refuted,
    /// Could not be told.
    Undetermined(Cause),
    /// Nothing was asked of it: a skip pattern, an entry without attestors.
    NotVerified,
}

/// What was found out about one image.
#[derive(Clone, Debug)]
pub struct ImageOutcome {
    /// The normal form of the reference, as matched.
    pub image: SmolStr,
    /// JSON pointer of the field.
    pub pointer: SmolStr,
    /// What the tag stood for in this request.
    pub digest: Option<Digest>,
    /// Which of the three outcomes.
    pub status: ImageStatus,
    /// Whether that digest was written into the object.
    pub pinned: bool,
    /// Path of the attestor that decided: `.attestors[0].entries[0].keys`.
    pub attestor: SmolStr,
    /// What was looked at, in order, for a person.
    pub looked_at: Vec<String>,
    /// The next command to run, where there is one.
    pub next: Option<String>,
}
