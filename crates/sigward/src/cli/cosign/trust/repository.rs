//! The TUF repository of a command line: which mirror, what the cache keeps of it, and when the mirror is asked.
use super::keys;
use crate::cli::cosign::{Failure, evidence::now};
use sigward_remote::{Cache, MirrorError, Options, Services, TufMirror, Unobserved};
use sigward_sigstore::tuf::{Kept, Repository};
use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where the public instance's repository is.
pub(in crate::cli::cosign) const PUBLIC_MIRROR: &str = "https://tuf-repo-cdn.sigstore.dev";
/// Where the staging instance's is.
pub(in crate::cli::cosign) const STAGING_MIRROR: &str = "https://tuf-repo-cdn.sigstage.dev";
/// Version 16 (2026) of the public instance's root; five of its own keys and five of version 14's signed it, three are needed.
pub(in crate::cli::cosign) const PUBLIC_ROOT: &[u8] = include_bytes!("tuf_root.json");
/// Version 15 (2026) of the staging instance's root.
pub(in crate::cli::cosign) const STAGING_ROOT: &[u8] = include_bytes!("tuf_root_staging.json");
/// The target that verification needs.
pub(in crate::cli::cosign) const TRUSTED_ROOT: &str = "trusted_root.json";
/// The target that signing reads its services from; a mirror may do without.
pub(in crate::cli::cosign) const SIGNING_CONFIG: &str = "signing_config.v0.2.json";
/// Seconds for which metadata are good without asking again.
///
/// COMPAT: cosign 3.1: a day; test: a_warm_cache_asks_nobody_and_survives_an_outage
const FRESH: i64 = 24 * 60 * 60;

/// What a target is needed for decides what may be done to get it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::cosign) enum Network {
    /// The mirror is asked when what is kept is older than a day or is not enough.
    #[default]
    Allowed,
    /// `--offline`: no socket is opened.
    Offline,
}

/// The repository that a command line is about.
#[derive(Clone, Debug)]
pub(in crate::cli::cosign) struct Local {
    /// Its address.
    pub(in crate::cli::cosign) mirror: String,
    cache: Option<Cache>,
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// `TUF_ROOT`, else `~/.sigstore/root`.
pub(in crate::cli::cosign) fn cache() -> Option<Cache> {
    variable("TUF_ROOT")
        .or_else(|| variable("HOME").map(|home| home.join(".sigstore").join("root")))
        .map(Cache::new)
}

/// A client for mirrors.
///
/// # Errors
/// None with these options.
pub(in crate::cli::cosign) fn services() -> Result<Services, Failure> {
    Ok(Services::new(Options::default(), Arc::new(Unobserved))?)
}

/// Waits for the network from a place that does not know of it.
pub(in crate::cli::cosign) fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work))
}

impl Local {
    /// COMPAT: cosign 3.1: `TUF_MIRROR`, else `remote.json` in the cache, else the public one; test: the_cache_of_initialize_is_used
    ///
    /// # Errors
    /// The cache is there and cannot be read.
    pub(in crate::cli::cosign) fn find() -> Result<Self, Failure> {
        let cache = cache();
        let mirror = match (variable("TUF_MIRROR"), &cache) {
            (Some(mirror), _) => Some(mirror.display().to_string()),
            (None, Some(cache)) => cache.mirror()?,
            (None, None) => None,
        };
        Ok(Self { mirror: mirror.unwrap_or_else(|| PUBLIC_MIRROR.to_owned()), cache })
    }

    /// True for the public instance's mirror, of which a trusted root is built in.
    pub(in crate::cli::cosign) fn is_public(&self) -> bool {
        self.mirror.trim_end_matches('/') == PUBLIC_MIRROR
    }

    /// A target of the repository; nothing when nobody ever said by which root it is to be trusted.
    ///
    /// # Errors
    /// What is kept has expired, is not what it should be or is not enough, and the mirror does not help.
    pub(in crate::cli::cosign) fn target(
        &self,
        name: &str,
        network: Network,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let Some(cache) = &self.cache else { return Ok(None) };
        let kept = cache.kept(&self.mirror)?;
        let Some(root) = first_root(&kept)? else { return Ok(None) };
        let at_hand = self.at_hand(cache, &kept, name);
        let fresh = cache.refreshed(&self.mirror)?.is_some_and(|last| {
            let age = now().0.saturating_sub(last.0);
            (0..FRESH).contains(&age)
        });
        match at_hand {
            Ok(bytes) if fresh || network == Network::Offline => Ok(Some(bytes)),
            Err(why) if network == Network::Offline => Err(Failure::new(format!(
                "what is kept of the TUF repository {} cannot be used with --offline: {}",
                self.mirror, why.message
            ))),
            at_hand => match wait(self.fetch(cache, &root, kept, name)) {
                Ok(bytes) => Ok(Some(bytes)),
                // What has not expired is as good as before.
                Err(error) if error.is_unreachable() => match at_hand {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(_) => Err(self.failed(error)),
                },
                Err(error) => Err(self.failed(error)),
            },
        }
    }

    fn failed(&self, error: MirrorError) -> Failure {
        let Failure { message, code } = Failure::from(error);
        let message = format!("getting trusted root from TUF: {}: {message}", self.mirror);
        Failure { message, code }
    }

    /// The target from the cache alone, verified.
    fn at_hand(&self, cache: &Cache, kept: &Kept, name: &str) -> Result<Vec<u8>, Failure> {
        let repository = Repository::open(kept, now())?;
        cache
            .target(&self.mirror, &repository, name)?
            .ok_or_else(|| Failure::new(format!("{name} is not kept, or is not what it was")))
    }

    async fn fetch(
        &self,
        cache: &Cache,
        root: &[u8],
        kept: Kept,
        name: &str,
    ) -> Result<Vec<u8>, MirrorError> {
        let services = Services::new(Options::default(), Arc::new(Unobserved));
        let services = services.map_err(MirrorError::Client)?;
        let mirror = TufMirror::new(services, &self.mirror);
        let mut repository = mirror.update(root, kept, now()).await?;
        // A cache that cannot be written costs requests, not the verdict.
        let _read_only = cache.keep(&self.mirror, &repository, now());
        if let Ok(Some(bytes)) = cache.target(&self.mirror, &repository, name) {
            return Ok(bytes);
        }
        let bytes = mirror.target(&mut repository, name).await?;
        let _read_only = cache.keep_target(&self.mirror, name, &bytes);
        Ok(bytes.to_vec())
    }
}

/// The root that metadata are trusted by: the one that is kept, else that of `TUF_ROOT_JSON`.
fn first_root(kept: &Kept) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(root) = &kept.root {
        return Ok(Some(root.clone()));
    }
    let Some(path) = variable("TUF_ROOT_JSON") else { return Ok(None) };
    read_root(&path).map(Some)
}

/// A root from a file.
///
/// # Errors
/// It cannot be read.
pub(in crate::cli::cosign) fn read_root(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::new(format!("open {}: {}", path.display(), keys::reason(&error))))
}
