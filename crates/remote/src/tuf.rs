//! A TUF mirror: metadata brought up to date and targets fetched. What is believed, `sigstore::tuf` decides.
mod cache;

pub use cache::{Cache, CacheError};

use crate::{ServiceError, Services, TlsError};
use bytes::Bytes;
use sigward_sigstore::{
    requirement::Timestamp,
    tuf::{Find, Kept, Repository, TufError, Update},
};
use std::path::Path;

const SERVICE: &str = "TUF mirror";
/// Refusals by which stores of objects say that there is no such object, to those who may not list them.
const FORBIDDEN: u16 = 403;

/// A mirror by its address.
#[derive(Clone, Debug)]
pub struct TufMirror {
    services: Services,
    url: String,
}

/// Why a mirror gave nothing that is to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// There is no client to ask it with.
    #[error(transparent)]
    Client(TlsError),
    /// A folder (`file://`) cannot be read.
    #[error(transparent)]
    Folder(#[from] CacheError),
    /// It did not answer, or not with a file.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// What it sent is not to be trusted.
    #[error("{url}")]
    Metadata {
        /// The mirror.
        url: String,
        /// What is wrong.
        #[source]
        error: TufError,
    },
}

impl MirrorError {
    /// True when the mirror could not be asked: what is trusted already stays as good as it was.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Service(_) | Self::Client(_) | Self::Folder(_))
    }
}

impl TufMirror {
    /// The mirror at this address.
    pub fn new(services: Services, url: &str) -> Self {
        Self { services, url: url.to_owned() }
    }

    /// Brings metadata up to date: from a root that is trusted, with what was kept.
    ///
    /// # Errors
    /// The mirror cannot be asked, or sends what is not to be trusted; what was kept is as good as before.
    pub async fn update(
        &self,
        root: &[u8],
        kept: Kept,
        now: Timestamp,
    ) -> Result<Repository, MirrorError> {
        let mut update = Update::new(root, kept, now).map_err(|error| self.wrong(error))?;
        while let Some(ask) = update.wanted().map_err(|error| self.wrong(error))? {
            let bytes = self.get(&ask.path, ask.limit, ask.path.ends_with(".root.json")).await?;
            update.answer(bytes.as_deref()).map_err(|error| self.wrong(error))?;
        }
        update.finish().map_err(|error| self.wrong(error))
    }

    /// Fetches a target, with the metadata of the roles that speak about it.
    ///
    /// # Errors
    /// As [`Self::update`]; and there is no such target.
    pub async fn target(
        &self,
        repository: &mut Repository,
        name: &str,
    ) -> Result<Bytes, MirrorError> {
        let missing = |name: &str| TufError {
            file: name.into(),
            problem: sigward_sigstore::tuf::Problem::Missing,
        };
        loop {
            match repository.find(name).map_err(|error| self.wrong(error))? {
                Find::Found(target) => {
                    let ask = repository.ask_target(&target).map_err(|error| self.wrong(error))?;
                    let bytes = self.get(&ask.path, ask.limit, false).await?;
                    let bytes = bytes.ok_or_else(|| self.wrong(missing(name)))?;
                    target.check(&bytes).map_err(|error| self.wrong(error))?;
                    return Ok(bytes);
                }
                Find::Needs(wanted) => {
                    let bytes = self.get(&wanted.ask.path, wanted.ask.limit, false).await?;
                    let bytes = bytes.ok_or_else(|| self.wrong(missing(wanted.role())))?;
                    repository.delegate(*wanted, &bytes).map_err(|error| self.wrong(error))?;
                }
            }
        }
    }

    /// SPEC: TUF 5.3.3: a next root that is not available ends the chain; a store of objects may call it forbidden.
    async fn get(
        &self,
        path: &str,
        limit: u64,
        is_root: bool,
    ) -> Result<Option<Bytes>, MirrorError> {
        // A folder in the place of a mirror, for machines without a network.
        if let Some(folder) = self.url.strip_prefix("file://") {
            let file = Path::new(folder).join(path);
            return Ok(cache::read(&file, limit)?.map(Bytes::from));
        }
        let url = format!("{}/{path}", self.url.trim_end_matches('/'));
        match self.services.get(SERVICE, &url, limit).await {
            Ok(found) => Ok(found),
            Err(ServiceError::Refused { status: FORBIDDEN, .. }) if is_root => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn wrong(&self, error: TufError) -> MirrorError {
        MirrorError::Metadata { url: self.url.clone(), error }
    }
}
