//! The three outcomes, and how `count` of several adds up.
use smol_str::SmolStr;
use std::fmt;

/// No `bool` comes out of this; every reader names all three.
#[must_use]
#[derive(Clone, Debug)]
pub enum Outcome<V, R> {
    /// Examined, and it satisfies.
    Verified(V),
    /// Examined, and it does not satisfy: the evidence says so.
    Refuted(R),
    /// Could not be examined. Never "unsigned".
    Undetermined(Cause),
}

impl<V, R> Outcome<V, R> {
    /// Which of the three, without what it carries.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Verified(_) => Verdict::Verified,
            Self::Refuted(_) => Verdict::Refuted,
            Self::Undetermined(_) => Verdict::Undetermined,
        }
    }
}

/// Why something could not be told. Absent (404) is no cause: it is an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What went wrong.
    pub kind: CauseKind,
    /// Host and path, or kind/namespace/name.
    pub place: SmolStr,
    /// The other side's own words, bounded, control characters removed.
    pub said: Option<SmolStr>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.place.is_empty() {
            write!(f, " ({})", self.place)?;
        }
        match &self.said {
            Some(said) => write!(f, ": {said}"),
            None => Ok(()),
        }
    }
}

/// The kinds of causes; policies map each to a rule status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CauseKind {
    /// 401 or 403.
    Denied,
    /// 429.
    Throttled {
        /// What `Retry-After` asked for, in milliseconds.
        retry_after_ms: u32,
    },
    /// 5xx: somebody answered, and could not.
    Unavailable,
    /// There was no connection.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// An answer that cannot be read.
    Malformed,
    /// More bytes or more candidates than are examined.
    TooLarge,
    /// This request's own time or budget ran out; the work may go on.
    Deadline,
    /// This request's own number of questions ran out.
    Budget,
    /// Our own guard refused to ask (private address, scheme, foreign namespace).
    Forbidden,
    /// The material or the code to judge by is not there (keyless, logs). Always blocks.
    TrustUnavailable,
}

impl fmt::Display for CauseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied => "denied",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable => "unavailable",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed out",
            Self::Malformed => "malformed",
            Self::TooLarge => "too large",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
            Self::Forbidden => "forbidden",
            Self::TrustUnavailable => "trust not available",
        })
    }
}

/// Which of the three outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// See [`Outcome::Verified`].
    Verified,
    /// See [`Outcome::Refuted`].
    Refuted,
    /// See [`Outcome::Undetermined`].
    Undetermined,
}

/// What to do after some of several entries are known.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Exactly those that could still complete the count, in order, to be asked together.
    Ask(Vec<usize>),
    /// Nothing more to ask.
    Done(Verdict),
}

/// Kyverno's `count`, lazily: never asks for more entries than are still missing.
pub fn at_least(count: usize, entries: &[Option<Verdict>]) -> Next {
    let have = |v| entries.iter().filter(|e| **e == Some(v)).count();
    let (verified, unknown) = (have(Verdict::Verified), have(Verdict::Undetermined));
    let open: Vec<usize> =
        entries.iter().enumerate().filter(|(_, e)| e.is_none()).map(|(i, _)| i).collect();
    if verified >= count {
        Next::Done(Verdict::Verified)
    } else if verified + unknown + open.len() < count {
        Next::Done(Verdict::Refuted)
    } else if open.is_empty() {
        Next::Done(Verdict::Undetermined)
    } else {
        Next::Ask(open.into_iter().take(count - verified).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![Just(Verdict::Verified), Just(Verdict::Refuted), Just(Verdict::Undetermined)]
    }

    /// Drives `at_least` against entries whose verdicts are fixed; gives verdict and asked entries.
    fn run(count: usize, truth: &[Verdict]) -> (Verdict, usize) {
        let mut known = vec![None; truth.len()];
        loop {
            match at_least(count, &known) {
                Next::Done(verdict) => {
                    return (verdict, known.iter().filter(|e| e.is_some()).count());
                }
                Next::Ask(entries) => {
                    assert!(!entries.is_empty(), "asks for something or is done");
                    for entry in entries {
                        assert!(known[entry].is_none(), "asks twice");
                        known[entry] = Some(truth[entry]);
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn counting_agrees_with_counting_everything(
            count in 1_usize..6,
            truth in prop::collection::vec(verdict(), 0..8),
        ) {
            let verified = truth.iter().filter(|v| **v == Verdict::Verified).count();
            let unknown = truth.iter().filter(|v| **v == Verdict::Undetermined).count();
            let (verdict, asked) = run(count, &truth);
            match verdict {
                Verdict::Verified => prop_assert!(verified >= count),
                Verdict::Refuted => prop_assert!(verified + unknown < count),
                Verdict::Undetermined => {
                    prop_assert!(verified < count && verified + unknown >= count);
                }
            }
            prop_assert!(asked <= truth.len());
        }

        #[test]
        fn entries_that_all_verify_are_asked_no_more_often_than_needed(count in 1_usize..6) {
            prop_assert_eq!(run(count, &[Verdict::Verified; 8]), (Verdict::Verified, count));
        }
    }

    #[test]
    fn a_count_larger_than_the_list_is_refuted_without_asking() {
        assert_eq!(run(3, &[Verdict::Verified, Verdict::Verified]), (Verdict::Refuted, 0));
        assert_eq!(run(1, &[]), (Verdict::Refuted, 0));
    }

    #[test]
    fn an_unknown_entry_never_counts_as_verified() {
        assert_eq!(run(2, &[Verdict::Verified, Verdict::Undetermined]).0, Verdict::Undetermined);
    }
}
