//! The clock of a private Sigstore: that of the machine, or one that stands where a test puts it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// A clock that all services of one instance share. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct Clock(Arc<Mutex<Option<i64>>>);

impl Clock {
    /// The machine's time.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still at so many seconds since 1970.
    pub fn at(seconds: i64) -> Self {
        Self(Arc::new(Mutex::new(Some(seconds))))
    }

    /// Seconds since 1970.
    pub fn now(&self) -> i64 {
        let set = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        set.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        })
    }

    /// Makes it stand still at so many seconds since 1970.
    pub fn set(&self, seconds: i64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seconds);
    }

    /// Moves it by so many seconds, and makes it stand still there.
    pub fn advance(&self, seconds: i64) {
        self.set(self.now().saturating_add(seconds));
    }

    /// Makes it follow the machine's time again.
    pub fn run(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
