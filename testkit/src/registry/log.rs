//! What the registry was asked: a log that tests read and reset, and counters.

use std::collections::{BTreeMap, VecDeque};

use http::Method;

use super::names::Class;

/// One request, as it arrived and as it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The method, in capitals.
    pub method: String,
    /// The path, without the query, as it came.
    pub path: String,
    /// The query, without the question mark; empty when there is none.
    pub query: String,
    /// Which endpoint it is.
    pub class: Class,
    /// The repository that the path names.
    pub repository: Option<String>,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// Whether there was an `Authorization` header. Its value is not kept.
    pub had_authorization: bool,
    /// The status of the answer; nothing while it is not answered, or when a fault left it without one.
    pub status: Option<u16>,
}

/// Entries kept at most; the oldest go first, the counters stay right.
const KEPT: usize = 200_000;

/// Names an entry until it has left the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket(u64);

#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    /// Ticket of the first entry.
    first: u64,
    counts: BTreeMap<(String, Class), u64>,
    in_flight: usize,
    peak: usize,
    connections: u64,
}

impl Log {
    pub(crate) fn begin(&mut self, entry: Entry) -> Ticket {
        *self.counts.entry((entry.method.clone(), entry.class)).or_default() += 1;
        self.in_flight += 1;
        self.peak = self.peak.max(self.in_flight);
        if self.entries.len() >= KEPT {
            self.entries.pop_front();
            self.first += 1;
        }
        self.entries.push_back(entry);
        Ticket(self.first + self.entries.len() as u64 - 1)
    }

    pub(crate) fn answered(&mut self, ticket: Ticket, status: u16) {
        let place = ticket.0.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
            entry.status = Some(status);
        }
    }

    pub(crate) fn ended(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    pub(crate) fn connected(&mut self) {
        self.connections += 1;
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }

    pub(crate) fn count(&self, method: Option<&Method>, class: Option<Class>) -> u64 {
        self.counts
            .iter()
            .filter(|((known, kind), _)| {
                method.is_none_or(|method| method.as_str() == known)
                    && class.is_none_or(|class| class == *kind)
            })
            .map(|(_, count)| count)
            .sum()
    }

    pub(crate) fn counts(&self) -> BTreeMap<(String, Class), u64> {
        self.counts.clone()
    }

    pub(crate) fn peak(&self) -> usize {
        self.peak
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections
    }

    /// Forgets everything but the requests that are being answered right now.
    pub(crate) fn reset(&mut self) {
        self.first += self.entries.len() as u64;
        self.entries.clear();
        self.counts.clear();
        self.peak = self.in_flight;
        self.connections = 0;
    }
}
