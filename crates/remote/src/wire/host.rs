//! What is remembered of a host: permits, its circuit breaker, its scheme, its challenge.
use super::challenge::Challenge;
use crate::observer::Observer;
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// Failed connections in a row that open the breaker.
const FAILURES: u32 = 5;
/// Hosts that are remembered; a flood of names forgets them all, which costs requests only.
const MOST_HOSTS: usize = 4096;

/// One host.
#[derive(Debug)]
pub(crate) struct HostState {
    /// Requests at the same time.
    pub(crate) permits: Semaphore,
    inner: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    failures: u32,
    open_until: Option<Instant>,
    /// `Some(false)`: plain HTTP is what works.
    secure: Option<bool>,
    challenge: Option<Challenge>,
    referrers_missing_until: Option<Instant>,
}

impl HostState {
    fn lock(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False while the breaker is open. When its time is over one caller is let through; the next
    /// ones follow when that one was lucky.
    pub(crate) fn may_connect(&self, now: Instant, pause: Duration) -> bool {
        let mut inner = self.lock();
        match inner.open_until {
            Some(until) if now < until => false,
            Some(_) => {
                inner.open_until = Some(now + pause);
                true
            }
            None => true,
        }
    }

    /// A connection was made, whatever was said over it.
    pub(crate) fn connected(&self, host: &str, observer: &dyn Observer) {
        let mut inner = self.lock();
        inner.failures = 0;
        if inner.open_until.take().is_some() {
            drop(inner);
            observer.breaker(host, false);
        }
    }

    /// A connection could not be made.
    pub(crate) fn failed(
        &self,
        host: &str,
        now: Instant,
        pause: Duration,
        observer: &dyn Observer,
    ) {
        let mut inner = self.lock();
        // A registry may come back with another scheme.
        inner.secure = None;
        inner.failures = inner.failures.saturating_add(1);
        if inner.failures >= FAILURES && inner.open_until.is_none_or(|until| until <= now) {
            inner.open_until = Some(now + pause);
            drop(inner);
            observer.breaker(host, true);
        }
    }

    /// Whether TLS is known to work (`Some(true)`) or plain HTTP is (`Some(false)`).
    pub(crate) fn secure(&self) -> Option<bool> {
        self.lock().secure
    }

    pub(crate) fn remember_secure(&self, secure: bool) {
        self.lock().secure = Some(secure);
    }

    /// The last challenge, so that the next request carries its credentials at once.
    pub(crate) fn challenge(&self) -> Option<Challenge> {
        self.lock().challenge.clone()
    }

    pub(crate) fn remember_challenge(&self, challenge: Option<Challenge>) {
        self.lock().challenge = challenge;
    }

    /// True shortly after the referrers API was found missing.
    pub(crate) fn referrers_missing(&self, now: Instant) -> bool {
        self.lock().referrers_missing_until.is_some_and(|until| now < until)
    }

    pub(crate) fn remember_referrers_missing(&self, until: Option<Instant>) {
        self.lock().referrers_missing_until = until;
    }
}

/// All hosts.
#[derive(Debug)]
pub(crate) struct Hosts {
    per_host: usize,
    list: Mutex<BTreeMap<SmolStr, Arc<HostState>>>,
}

impl Hosts {
    pub(crate) fn new(per_host: usize) -> Self {
        Self { per_host: per_host.max(1), list: Mutex::default() }
    }

    /// What is remembered of a host.
    pub(crate) fn get(&self, host: &str) -> Arc<HostState> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = list.get(host) {
            return Arc::clone(state);
        }
        if list.len() >= MOST_HOSTS {
            list.clear();
        }
        let state =
            Arc::new(HostState { permits: Semaphore::new(self.per_host), inner: Mutex::default() });
        list.insert(host.into(), Arc::clone(&state));
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::Unobserved;

    const PAUSE: Duration = Duration::from_secs(5);

    #[test]
    fn the_breaker_opens_after_failed_connections_and_lets_one_through_later() {
        let state = Hosts::new(1).get("r.example");
        let now = Instant::now();
        for _ in 0..FAILURES {
            assert!(state.may_connect(now, PAUSE));
            state.failed("r.example", now, PAUSE, &Unobserved);
        }
        assert!(!state.may_connect(now, PAUSE));
        let later = now + PAUSE;
        assert!(state.may_connect(later, PAUSE));
        assert!(!state.may_connect(later, PAUSE), "only one probe at a time");
        state.connected("r.example", &Unobserved);
        assert!(state.may_connect(later, PAUSE));
    }

    #[test]
    fn one_good_connection_closes_the_count() {
        let state = Hosts::new(1).get("r.example");
        let now = Instant::now();
        for _ in 0..20 {
            state.failed("r.example", now, PAUSE, &Unobserved);
            state.connected("r.example", &Unobserved);
        }
        assert!(state.may_connect(now, PAUSE));
    }

    #[test]
    fn a_flood_of_names_does_not_grow_the_memory() {
        let hosts = Hosts::new(1);
        for index in 0..=MOST_HOSTS * 2 {
            hosts.get(&format!("h{index}"));
        }
        assert!(hosts.list.lock().unwrap().len() <= MOST_HOSTS);
    }
}
