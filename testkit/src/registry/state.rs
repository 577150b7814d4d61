//! What all connections of one registry share.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{Auth, Options, Tls, auth, faults::Faults, log::Log, store::Store};

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) options: Options,
    pub(crate) address: SocketAddr,
    referrers_api: AtomicBool,
    store: Mutex<Store>,
    log: Mutex<Log>,
    auth: Mutex<Arc<Auth>>,
    /// Tokens with a lower number are not accepted.
    tokens_valid_from: AtomicU64,
    faults: Mutex<Faults>,
}

impl State {
    pub(crate) fn new(options: Options, address: SocketAddr) -> Self {
        Self {
            referrers_api: AtomicBool::new(options.referrers_api),
            auth: Mutex::new(Arc::new(options.auth.clone())),
            tokens_valid_from: AtomicU64::new(0),
            options,
            address,
            store: Mutex::default(),
            log: Mutex::default(),
            faults: Mutex::default(),
        }
    }

    pub(crate) fn scheme(&self) -> &'static str {
        match self.options.tls {
            Tls::Plain => "http",
            Tls::Server | Tls::Mutual => "https",
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme(), self.address)
    }

    pub(crate) fn referrers_api(&self) -> bool {
        self.referrers_api.load(Ordering::SeqCst)
    }

    pub(crate) fn set_referrers_api(&self, on: bool) {
        self.referrers_api.store(on, Ordering::SeqCst);
    }

    pub(crate) fn tokens_valid_from(&self) -> u64 {
        self.tokens_valid_from.load(Ordering::SeqCst)
    }

    pub(crate) fn revoke_tokens(&self) {
        self.tokens_valid_from.store(auth::next_token(), Ordering::SeqCst);
    }

    // A poisoned lock means that another test thread failed an assertion: the content is still whole.

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn auth(&self) -> Arc<Auth> {
        Arc::clone(&self.auth.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_auth(&self, auth: Auth) {
        *self.auth.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(auth);
    }
}
