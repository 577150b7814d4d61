//! The three outcomes, and how `count` of several adds up.
use smol_str::SmolStr;

/// No `bool` comes out of this; every reader names all three.
#[must_use]
#[derive(Clone, Debug)]
pub enum Outcome<V, R> {
    Verified(V),
    /// Examined, and it does not satisfy: the evidence says so.
    Refuted(R),
    /// Could not be examined. Never "unsigned".
    Undetermined(Cause),
}

/// Why something could not be told. Absent (404) is no cause: it is an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub kind: CauseKind,
    /// Host and path, or kind/namespace/name.
    pub place: SmolStr,
    /// The other side's own words, bounded, control characters removed.
    pub said: Option<SmolStr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CauseKind {
    Denied,
    Throttled {
        retry_after_ms: u32,
    },
    Unavailable,
    TimedOut,
    Malformed,
    TooLarge,
    /// This request's own time or budget ran out; the work may go on.
    Deadline,
    Budget,
    /// Our own guard refused to ask (private address, scheme, foreign namespace).
    Forbidden,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Verified,
    Refuted,
    Undetermined,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Exactly those that could still complete the count, in order, to be asked together.
    Ask(Vec<usize>),
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
