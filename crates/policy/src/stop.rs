//! Why evaluation of a rule ends early: it waits for a fact, or it cannot go on.
use crate::fact::{Cause, Suspended};
use smol_str::SmolStr;
use std::sync::Arc;

/// Leaves a rule at once. Only [`crate::evaluate`] decides what becomes of it.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// A fact is wanted: evaluate again when it is there.
    Suspended,
    /// The rule's status is `error`.
    Error(RuleError),
}

impl From<Suspended> for Stop {
    fn from(_: Suspended) -> Self {
        Self::Suspended
    }
}

impl From<RuleError> for Stop {
    fn from(error: RuleError) -> Self {
        Self::Error(error)
    }
}

/// Why a rule could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RuleError {
    /// The stored policy does not compile.
    #[error("the policy cannot be used: {0}")]
    Unusable(Arc<str>),
    /// A `{{ variable }}` has no value.
    #[error("failed to resolve {expression} at path {path}: {reason}")]
    Variable {
        /// The text between the braces.
        expression: SmolStr,
        /// Where it is written, as a JSON pointer.
        path: SmolStr,
        /// The language's own words.
        reason: String,
    },
    /// A `$(reference)` leads nowhere.
    #[error("failed to resolve reference {reference}: {reason}")]
    Reference {
        /// As written.
        reference: SmolStr,
        /// What is wrong.
        reason: &'static str,
    },
    /// Substitution did not come to an end, or grew too large.
    #[error("variables at path {path} expand too far")]
    Expansion {
        /// Where it is written, as a JSON pointer.
        path: SmolStr,
    },
    /// A context entry could not be loaded.
    #[error("failed to load context: failed to load variable {entry}: {reason}")]
    Context {
        /// The entry's name.
        entry: SmolStr,
        /// What went wrong.
        reason: String,
    },
    /// A context entry that is computed has no value: the words of whoever asked for it go around it.
    #[error("{0}")]
    Computed(String),
    /// The context grew past `maxContextSize`.
    #[error("context size limit exceeded: {size} bytes exceeds limit of {limit} bytes")]
    ContextSize {
        /// Bytes of JSON.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The lists of a rule have more elements than one request may take.
    #[error("more than {limit} elements in the lists of one rule")]
    Elements {
        /// Elements allowed.
        limit: usize,
    },
    /// The list of a `foreach` cannot be told.
    #[error("failed to evaluate list: {0}")]
    List(String),
    /// The list of a `mutate.foreach` cannot be told.
    // COMPAT: Kyverno 1.19 says the reason twice; test: a_mutate_rule_that_fails_says_which_part_of_it_did
    #[error("failed to evaluate list {list}: {reason}: {reason}")]
    MutateList {
        /// As written.
        list: SmolStr,
        /// The language's own words.
        reason: String,
    },
    /// `elementScope: true`, and an element that is no map.
    #[error(
        "failed to process foreach: cannot use elementScope=true foreach rules for elements that \
         are not maps, expected type=map got type={found}"
    )]
    ElementScope {
        /// What it is, in the peer's words.
        found: &'static str,
    },
    /// A pattern that cannot be compared with the object.
    #[error("{0}")]
    Pattern(String),
    /// A part of the rule that could not be evaluated, as the peer names it.
    #[error("{part}: {cause}")]
    Part {
        /// `failed to check deny conditions`, ….
        part: SmolStr,
        /// Why not.
        cause: Box<Self>,
    },
    /// A condition cannot be evaluated.
    #[error("failed to evaluate conditions: {0}")]
    Condition(String),
    /// A fact about the cluster could not be told.
    #[error("could not read {what}: {}", cause.clone())]
    Unknown {
        /// `namespace shop`, ….
        what: String,
        /// Why not.
        cause: CauseText,
    },
    /// The object is not what the rule needs.
    #[error("{0}")]
    Object(String),
    /// An image field cannot be read as an image.
    #[error("failed to extract images: {0}")]
    Images(String),
    /// A patch cannot be applied.
    #[error("failed to patch resource: {0}")]
    Patch(String),
    /// A merge patch cannot be applied.
    #[error("failed to patch resource: {0}")]
    Merge(String),
    /// An entry of `verifyImages` is not valid after substitution.
    #[error("{path}: {message}")]
    Entry {
        /// Its place in the policy.
        path: String,
        /// What is wrong.
        message: String,
    },
}

impl RuleError {
    /// Whether it comes to a variable that has no value.
    pub(crate) fn is_missing_variable(&self) -> bool {
        if let Self::Part { cause, .. } = self {
            return cause.is_missing_variable();
        }
        matches!(self, Self::Variable { .. })
    }
}

impl Stop {
    /// The same, told as a failure of a part.
    pub(crate) fn of(self, part: impl Into<SmolStr>) -> Self {
        match self {
            Self::Suspended => Self::Suspended,
            Self::Error(cause) => {
                Self::Error(RuleError::Part { part: part.into(), cause: Box::new(cause) })
            }
        }
    }
}

/// A [`Cause`] in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CauseText(pub(crate) String);

impl CauseText {
    /// Renders a cause.
    pub(crate) fn new(cause: &Cause) -> Self {
        Self(crate::message::cause(cause))
    }
}

impl std::fmt::Display for CauseText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs things that do not depend on one another as far as they go, so that all they want is wanted together.
///
/// The result never depends on which fact comes first: as long as an earlier one waits, a later one's error waits too.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    waits: bool,
}

impl Gather {
    /// The value, or nothing when it has to wait.
    pub(crate) fn take<T>(&mut self, result: Result<T, Stop>) -> Result<Option<T>, Stop> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Stop::Suspended) => {
                self.waits = true;
                Ok(None)
            }
            Err(Stop::Error(_)) if self.waits => Err(Stop::Suspended),
            Err(stop) => Err(stop),
        }
    }

    /// Nothing waits any more.
    pub(crate) fn done(self) -> Result<(), Stop> {
        if self.waits { Err(Stop::Suspended) } else { Ok(()) }
    }
}
