//! What goes wrong when an expression is parsed, evaluated, or a function is called.
use crate::functions::Kind;
use crate::host::Suspended;
use crate::render;
use sigward_document::Value;
use smol_str::SmolStr;
use std::fmt;

/// Why a text is not an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong, without the place.
    pub message: String,
    /// The text that was parsed.
    pub expression: String,
    /// Byte offset of the place in `expression`, on a character boundary.
    pub offset: usize,
}

impl ParseError {
    pub(crate) fn new(message: impl Into<String>, expression: &str, offset: usize) -> Self {
        let mut offset = offset.min(expression.len());
        while !expression.is_char_boundary(offset) {
            offset -= 1;
        }
        Self { message: message.into(), expression: expression.to_owned(), offset }
    }

    /// The line of the expression that is wrong, and below it a caret at the place.
    #[must_use]
    pub fn caret(&self) -> String {
        let (before, after) =
            self.expression.split_at_checked(self.offset).unwrap_or((&self.expression, ""));
        let head = before.rsplit('\n').next().unwrap_or_default();
        let tail = after.split('\n').next().unwrap_or_default();
        // A tab stays a tab, so that the caret lands where the terminal put the character.
        let indent: String = head.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        format!("{head}{tail}\n{indent}^")
    }
}

/// COMPAT: kyverno 1.19: the prefix and the texts of go-jmespath; test: parse_errors_read_like_the_peers
impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SyntaxError: {}", self.message)
    }
}

impl std::error::Error for ParseError {}

/// Why an evaluation has no value.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// An object has no such key. The arguments of functions, comparators, `||`, `!`, the left of `&&`, pipes,
    /// members of multi-selects, projections and filters take it for null; a plain path passes it on.
    #[error("Unknown key \"{key}\" in path")]
    UnknownKey {
        /// The key that is missing.
        key: SmolStr,
    },
    /// No function of this name is registered.
    #[error("unknown function: {name}")]
    UnknownFunction {
        /// The name that was called.
        name: SmolStr,
    },
    /// A function was called with too few or too many arguments.
    #[error(transparent)]
    Arity(Box<WrongArity>),
    /// An argument is of a type that the function does not take.
    #[error(transparent)]
    Type(Box<WrongType>),
    /// A function refused its arguments.
    #[error(transparent)]
    Function(Box<Refusal>),
    /// A slice with the step 0.
    #[error("Invalid slice, step cannot be 0")]
    SliceStep,
    /// An expression reference (`&…`) where a value is wanted.
    #[error("an expression reference is not a value")]
    Reference,
    /// The evaluation took more steps, bytes or depth than it may.
    #[error("the expression exceeds its budget of {what}")]
    Budget {
        /// What ran out: `steps`, `bytes` or `depth`.
        what: &'static str,
    },
    /// The host has to fetch something first; run the evaluation again when it has.
    #[error("suspended until a fetch is answered")]
    Suspended,
}

/// What is passed on by every node is to be small: what is rare and large is boxed.
const _: () = assert!(size_of::<EvaluateError>() <= 32);

/// How a call has too few or too many arguments.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", if *variadic { "Invalid arity." } else { "incorrect number of args" })]
pub struct WrongArity {
    /// The function.
    pub name: SmolStr,
    /// How many arguments it takes, at least if `variadic`.
    pub expected: usize,
    /// How many it was given.
    pub given: usize,
    /// Whether it takes more.
    pub variadic: bool,
}

/// Which argument is of a wrong type.
///
/// COMPAT: kyverno 1.19: go-jmespath checks signatures first, so this text and not "argument #N is not of type"
/// is what users see; test: a_wrong_type_reads_like_the_peer
#[derive(Clone, Debug, thiserror::Error)]
#[error("Invalid type for: {}, expected: {}", render::go_value(given), render::go_types(expected))]
pub struct WrongType {
    /// The function.
    pub name: SmolStr,
    /// Which argument, from zero.
    pub index: usize,
    /// What it was.
    pub given: Value,
    /// What it may be.
    pub expected: &'static [Kind],
}

/// Why a function refused its arguments.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The function.
    pub name: SmolStr,
    /// Why, in full.
    pub message: String,
}

impl EvaluateError {
    /// Whether this unwinds through everything: what is swallowed must be an error of the expression, not of its host.
    pub(crate) fn unwinds(&self) -> bool {
        matches!(self, Self::Suspended | Self::Budget { .. })
    }
}

/// Why a function has no result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// The whole text that the user sees.
    #[error("{0}")]
    Message(String),
    /// The text after the prefix `JMESPath function '<name>': `.
    #[error("{0}")]
    Prefixed(String),
    /// An error of the evaluation under the function: of an expression reference, a budget, a suspension.
    #[error(transparent)]
    Evaluate(#[from] Box<EvaluateError>),
}

impl FunctionError {
    /// The whole text that the user sees.
    pub fn message(text: impl Into<String>) -> Self {
        Self::Message(text.into())
    }

    /// The text after the prefix `JMESPath function '<name>': `.
    pub fn prefixed(text: impl Into<String>) -> Self {
        Self::Prefixed(text.into())
    }

    pub(crate) fn at(self, name: &SmolStr) -> EvaluateError {
        match self {
            Self::Message(message) => {
                EvaluateError::Function(Box::new(Refusal { name: name.clone(), message }))
            }
            Self::Prefixed(text) => {
                let message = format!("JMESPath function '{name}': {text}");
                EvaluateError::Function(Box::new(Refusal { name: name.clone(), message }))
            }
            Self::Evaluate(error) => *error,
        }
    }
}

impl From<EvaluateError> for FunctionError {
    fn from(error: EvaluateError) -> Self {
        Self::Evaluate(Box::new(error))
    }
}

impl From<Suspended> for FunctionError {
    fn from(_: Suspended) -> Self {
        EvaluateError::Suspended.into()
    }
}

impl From<Suspended> for EvaluateError {
    fn from(_: Suspended) -> Self {
        Self::Suspended
    }
}
