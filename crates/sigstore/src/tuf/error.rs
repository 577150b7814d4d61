//! Why TUF metadata are not believed.
use crate::{encoding::printable, requirement::Timestamp, time::to_rfc3339};
use smol_str::SmolStr;

/// Why an update stopped, or a target is not there: the metadata or target that is at fault, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("TUF {file}: {problem}")]
pub struct TufError {
    /// The role or file, bounded and fit for a message.
    pub file: SmolStr,
    /// What is wrong with it.
    pub problem: Problem,
}

impl TufError {
    pub(super) fn new(file: &str, problem: Problem) -> Self {
        Self { file: printable(file), problem }
    }

    pub(super) fn malformed(file: &str, why: impl std::fmt::Display) -> Self {
        Self::new(file, Problem::Malformed(printable(&why.to_string())))
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not the JSON that it has to be.
    #[error("malformed: {0}")]
    Malformed(SmolStr),
    /// Longer than is read (endless data).
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// Bytes that are read at most.
        limit: u64,
    },
    /// Fewer distinct keys signed than must have.
    #[error("signed by {found} of the {needed} keys that are needed")]
    Threshold {
        /// Distinct keys of the role with a valid signature.
        found: usize,
        /// Its threshold.
        needed: u64,
    },
    /// Metadata of one role in the place of another's.
    #[error("it says it is {found:?}")]
    WrongType {
        /// The type in it.
        found: SmolStr,
    },
    /// Older than what is trusted already (rollback).
    #[error("version {found} is older than version {trusted}, which is trusted already")]
    Rollback {
        /// The version that is trusted.
        trusted: u64,
        /// The version in it.
        found: u64,
    },
    /// Roots follow one another without a gap.
    #[error("version {found} where version {expected} must follow")]
    Sequence {
        /// The version that comes next.
        expected: u64,
        /// The version in it.
        found: u64,
    },
    /// Not the version that the role above it names (mix and match).
    #[error("version {found} where the metadata above it name version {expected}")]
    MixedUp {
        /// The version that is named.
        expected: u64,
        /// The version in it.
        found: u64,
    },
    /// Not the bytes that the metadata above it name.
    #[error("its {what} is not what the metadata above it say")]
    Mismatch {
        /// Length, or the name of the hash.
        what: &'static str,
    },
    /// Its time is over (freeze).
    #[error("expired at {}", to_rfc3339(*.at))]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// Named by other metadata, and not there.
    #[error("the mirror does not have it")]
    Missing,
    /// What names it was there before and is not any more.
    #[error("the snapshot does not name it{}", if *.before { " any more" } else { "" })]
    Dropped {
        /// True when the trusted snapshot named it.
        before: bool,
    },
    /// A name that may not become a path.
    #[error("its name is no plain path")]
    Path,
    /// A part of the specification that is not supported.
    #[error("{0} are not supported")]
    Unsupported(&'static str),
    /// More of something than is followed.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        limit: usize,
    },
    /// No role that may say so knows the target.
    #[error("no such target")]
    NoTarget,
}
