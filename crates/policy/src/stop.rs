//! Why evaluation of a rule ends early: it waits for a fact, or it cannot go on.
use crate::fact::{Cause, Suspended};
use smol_str::SmolStr;

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
    /// The context grew past `maxContextSize`.
    #[error("context size limit exceeded: {size} bytes exceeds limit of {limit} bytes")]
    ContextSize {
        /// Bytes of JSON.
        size: u64,
        /// Bytes allowed.
        limit: u64,
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
    #[error("failed to apply JSON Patch: {0}")]
    Patch(String),
    /// An entry of `verifyImages` is not valid after substitution.
    #[error("{path}: {message}")]
    Entry {
        /// Its place in the policy.
        path: String,
        /// What is wrong.
        message: String,
    },
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
