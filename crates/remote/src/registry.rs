//! The registry client: what is shared, and how callers wait for shared work.
mod ask;
mod content;
mod image;
mod pull;
mod push;
mod referrers;

use crate::{
    credentials::{Credentials, Helpers},
    error::{FetchError, Malformed, Place, Unreachable},
    flight::{Flights, Progress},
    observer::{Memory, Observer},
    options::Options,
    prove::Proofs,
    wire::{exchange::Exchange, tls::TlsError, token::Tokens},
};
pub(crate) use ask::refused;
use bytes::Bytes;
use content::Content;
pub use image::ImageData;
pub use pull::Fetched;
pub use push::Pushed;
use sigward_oci::{Access, Digest, DigestReference, TagReference};
use sigward_sigstore::trust::TrustStore;
use smol_str::SmolStr;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// A client for all registries. Cheap to clone; clones share everything but their deadline and their
/// trust material.
#[derive(Clone, Debug)]
pub struct Registry {
    pub(crate) inner: Arc<Inner>,
    deadline: Option<Instant>,
    /// The larger work that this clone's questions are part of.
    part_of: Option<Progress>,
    /// What proofs are judged by.
    pub(crate) trust: Arc<TrustStore>,
}

type Answers<K, V> = Flights<K, Result<V, FetchError>>;

/// What clones share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) exchange: Arc<Exchange>,
    tokens: Arc<Tokens>,
    credentials: Arc<dyn Credentials>,
    helpers: Helpers,
    content: Content,
    tags: Answers<(TagReference, Access), Option<Digest>>,
    manifests: Answers<(TagReference, Access), Option<Fetched>>,
    contents: Answers<content::Question, Option<Bytes>>,
    referrers: Answers<(DigestReference, Access), Option<Bytes>>,
    fallback_writers: push::Writers,
    pub(crate) proofs: Proofs,
}

impl Registry {
    /// Makes a client. Certificates among the options are read now, those of the system when the
    /// first https host is asked.
    ///
    /// # Errors
    /// When a certificate or key among the options cannot be used.
    pub fn new(
        options: Options,
        credentials: Arc<dyn Credentials>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, TlsError> {
        let exchange = Arc::new(Exchange::new(options, observer)?);
        let options = Arc::clone(&exchange.options);
        let inner = Inner {
            helpers: Helpers::new(Arc::clone(&exchange)),
            exchange,
            tokens: Arc::default(),
            credentials,
            content: Content::new(options.cache_bytes),
            tags: Flights::default(),
            manifests: Flights::default(),
            contents: Flights::default(),
            referrers: Flights::default(),
            fallback_writers: push::Writers::default(),
            proofs: Proofs::new(&options),
        };
        Ok(Self { inner: Arc::new(inner), deadline: None, part_of: None, trust: Arc::default() })
    }

    /// The same client for a caller who waits until `deadline` only. Work that was started goes on
    /// behind it, for at most [`crate::Times::work`].
    pub fn until(&self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self.clone() }
    }

    /// The same client for detached work that nobody need wait for.
    pub(crate) fn detached(&self, progress: Progress) -> Self {
        Self { deadline: None, part_of: Some(progress), ..self.clone() }
    }

    /// Until when detached work may go on.
    pub(crate) fn work_deadline(&self) -> Instant {
        Instant::now() + self.inner.exchange.options.times.work
    }

    /// Until when work that is the caller's own may go on.
    fn own_deadline(&self) -> Instant {
        let work = self.work_deadline();
        self.deadline.map_or(work, |deadline| deadline.min(work))
    }

    /// How long this caller still waits; `None` for as long as the work takes.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Waits for shared work, as long as this caller can.
    async fn joined<K, V, F>(
        &self,
        flights: &Answers<K, V>,
        key: K,
        place: Place,
        work: impl FnOnce(Progress) -> F,
    ) -> Result<V, FetchError>
    where
        K: Ord + Clone + Send + 'static,
        V: Clone + Send + Sync + 'static,
        F: Future<Output = Result<V, FetchError>> + Send + 'static,
    {
        let (arrival, joined) = flights.join(key, work);
        self.inner.exchange.observer.memory(Memory::Flight, joined);
        let progress = arrival.progress();
        if let Some(larger) = &self.part_of {
            progress.tell(larger);
        }
        let answer = match self.patience() {
            None => arrival.wait().await,
            Some(patience) => match tokio::time::timeout(patience, arrival.wait()).await {
                Ok(answer) => answer,
                Err(_) => return Err(FetchError::Deadline { place, last: progress.last() }),
            },
        };
        // The work died without an answer: never a statement about the image.
        answer.unwrap_or(Err(FetchError::Unreachable {
            place,
            because: Unreachable::Reset,
            source: None,
        }))
    }
}

/// The place that a question about a repository is about.
pub(crate) fn place_in(repository: &str, rest: &str) -> Place {
    let location = sigward_oci::resolve_host(repository);
    let path = smol_str::format_smolstr!("/v2/{}/{rest}", location.path);
    Place { host: location.host, path }
}

/// The end of a manifest's path.
pub(crate) fn manifest_path(reference: &str) -> SmolStr {
    smol_str::format_smolstr!("manifests/{reference}")
}

/// The end of the path of a tag's manifest; an error when the tag is none.
pub(crate) fn tag_path(tag: &TagReference) -> Result<SmolStr, FetchError> {
    let rest = manifest_path(&tag.tag);
    if tag.is_valid() {
        return Ok(rest);
    }
    let place = place_in(&tag.repository, &rest);
    Err(FetchError::Malformed { place, what: Malformed::Name, said: None })
}
