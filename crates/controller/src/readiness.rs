//! Whether requests can be decided, and what is missing or wrong.
use crate::kinds::Watched;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// A watch that is tried again does so within this time; one that is silent for longer is well.
const STALE: Duration = Duration::from_secs(15);

/// What a probe is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Requests can be decided.
    pub ready: bool,
    /// What is missing, and what is wrong although requests can be decided. For people.
    pub detail: Vec<String>,
}

#[derive(Debug, Default)]
struct State {
    missing: Vec<Watched>,
    errors: BTreeMap<&'static str, String>,
    /// Watches say when they fail, and nothing when they are well and idle.
    watches: BTreeMap<&'static str, (String, Instant)>,
    away_since: Option<SystemTime>,
    has_snapshot: bool,
    needs_certificate: bool,
    has_certificate: bool,
}

/// The same, kept up to date by the tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health(Arc<Mutex<State>>);

impl Health {
    pub(crate) fn new(needs_certificate: bool) -> Self {
        let state = State { missing: Watched::ALL.to_vec(), needs_certificate, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What has not been listed yet.
    pub(crate) fn missing(&self, missing: Vec<Watched>) {
        self.with(|state| {
            state.has_snapshot |= missing.is_empty();
            state.missing = missing;
        });
    }

    /// What a watch says when it fails, or when it brings something.
    pub(crate) fn watched(&self, what: &'static str, error: Option<String>) {
        self.with(|state| match error {
            Some(error) => {
                if state.watches.get(what).is_none_or(|(before, _)| *before != error) {
                    tracing::warn!(%error, "{what} cannot be watched");
                }
                state.watches.insert(what, (error, Instant::now()));
            }
            None => {
                state.watches.remove(what);
            }
        });
    }

    /// What a writer says of its last try; `None` when it went well.
    pub(crate) fn tried(&self, what: &'static str, error: Option<String>) {
        self.with(|state| match error {
            Some(error) => {
                if state.errors.get(what) != Some(&error) {
                    tracing::warn!(%error, "{what}");
                }
                state.errors.insert(what, error);
            }
            None => {
                state.errors.remove(what);
            }
        });
    }

    /// Whether the API server answers.
    pub(crate) fn pulse(&self, answers: bool) {
        self.with(|state| {
            if answers {
                if state.away_since.take().is_some() {
                    state.watches.clear();
                    tracing::info!("the API server answers again");
                }
            } else if state.away_since.is_none() {
                tracing::warn!("the API server does not answer");
                state.away_since = Some(SystemTime::now());
            }
        });
    }

    pub(crate) fn certificate(&self, there: bool) {
        self.with(|state| state.has_certificate = there);
    }

    pub(crate) fn readiness(&self) -> Readiness {
        self.with(|state| {
            let mut detail = Vec::new();
            if let Some(since) = state.away_since {
                let since = crate::clock::rfc3339(since);
                let meanwhile = if state.has_snapshot {
                    "the last known policies are served"
                } else {
                    "no policies are known yet"
                };
                detail.push(format!("the API server does not answer since {since}: {meanwhile}"));
            }
            for kind in &state.missing {
                detail.push(format!("{} not listed yet", kind.as_str()));
            }
            if state.needs_certificate && !state.has_certificate {
                detail.push("no serving certificate yet".to_owned());
            }
            state.watches.retain(|_, (_, at)| at.elapsed() < STALE);
            detail
                .extend(state.watches.iter().map(|(what, (error, _))| format!("{what}: {error}")));
            detail.extend(state.errors.iter().map(|(what, error)| format!("{what}: {error}")));
            let ready = state.has_snapshot && (state.has_certificate || !state.needs_certificate);
            Readiness { ready, detail }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_that_everything_was_listed_and_there_is_a_certificate() {
        let health = Health::new(true);
        assert!(!health.readiness().ready);
        health.missing(Vec::new());
        assert_eq!(health.readiness().detail, ["no serving certificate yet"]);
        health.certificate(true);
        assert_eq!(health.readiness(), Readiness { ready: true, detail: Vec::new() });
    }

    #[test]
    fn a_missing_api_server_is_told_and_the_last_policies_serve() {
        let health = Health::new(false);
        health.missing(Vec::new());
        health.pulse(false);
        let readiness = health.readiness();
        assert!(readiness.ready);
        assert!(
            readiness.detail.first().unwrap().contains("last known policies are served"),
            "{readiness:?}"
        );
        health.pulse(true);
        assert_eq!(health.readiness().detail, [""; 0]);
    }
}
