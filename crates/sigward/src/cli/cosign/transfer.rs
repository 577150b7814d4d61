//! An image with all that is attached to it, on its way between registries and folders: what `copy`, `save` and `load` share.
mod gather;
pub(super) mod layout;

pub(super) use gather::{Piece, Scope, What, gather, gather_attached, platform};

use super::{Failure, progress::Progress, registry::fetch_failure};
use bytes::Bytes;
use layout::Layout;
use sigward_oci::{
    Access, Descriptor, Digest, DigestReference, Manifest, TagReference, media_type,
};
use sigward_remote::Registry;
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};
use tokio::task::JoinSet;

/// Blobs on their way at a time: each is in memory as a whole.
const AT_A_TIME: usize = 4;
/// Longest single blob that is moved, in bytes.
pub(super) const MAX_BLOB: u64 = 4 << 30;

/// Where images come from and go to.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// A repository of a registry.
    Registry(Repository),
    /// A folder in the OCI image layout.
    Layout(Arc<Layout>),
}

/// A repository, and where what is attached to its images lies.
#[derive(Clone, Debug)]
pub(super) struct Repository {
    pub(super) client: Registry,
    /// Host and path of the images.
    pub(super) images: SmolStr,
    /// Host and path of signatures: `COSIGN_REPOSITORY`, else the same.
    pub(super) store: SmolStr,
}

/// A manifest that was asked for by a tag.
#[derive(Clone, Debug)]
pub(super) struct Tagged {
    pub(super) digest: Digest,
    pub(super) media_type: Option<SmolStr>,
    pub(super) bytes: Bytes,
}

impl Repository {
    fn named(&self, what: &What, digest: &Digest) -> DigestReference {
        DigestReference { repository: self.home(what).clone(), digest: digest.clone() }
    }

    fn home(&self, what: &What) -> &SmolStr {
        match what {
            What::Entity => &self.images,
            What::Attached(_) | What::Referrer => &self.store,
        }
    }
}

impl End {
    /// A manifest by digest; `None` when it is not there.
    pub(super) async fn manifest(
        &self,
        what: &What,
        digest: &Digest,
    ) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Registry(it) => it
                .client
                .manifest(&it.named(what, digest), &Access::default())
                .await
                .map_err(|error| fetch_failure(&error)),
            Self::Layout(layout) => layout.manifest(digest),
        }
    }

    /// What is attached under a tag.
    pub(super) async fn attached(&self, tag: &str) -> Result<Option<Tagged>, Failure> {
        match self {
            Self::Registry(it) => {
                let tag = TagReference { repository: it.store.clone(), tag: tag.into() };
                let found = it.client.manifest_by_tag(&tag, &Access::default()).await;
                let found = found.map_err(|error| fetch_failure(&error))?;
                Ok(found.map(|it| Tagged {
                    digest: it.digest,
                    media_type: it.media_type,
                    bytes: it.bytes,
                }))
            }
            Self::Layout(layout) => layout.attached(tag),
        }
    }

    /// What refers to a manifest.
    pub(super) async fn referrers(&self, of: &Digest) -> Result<Vec<Descriptor>, Failure> {
        match self {
            Self::Registry(it) => {
                let of = it.named(&What::Referrer, of);
                let listed = it
                    .client
                    .referrers(&of, &Access::default())
                    .await
                    .map_err(|error| fetch_failure(&error))?;
                let Some(bytes) = listed else { return Ok(Vec::new()) };
                match Manifest::parse(&bytes, Some(media_type::OCI_INDEX)) {
                    Ok(Manifest::Index(index)) => Ok(index.manifests),
                    Ok(Manifest::Image(_)) => Ok(Vec::new()),
                    Err(error) => Err(Failure::new(format!("referrers of {of}: {error}"))),
                }
            }
            Self::Layout(layout) => Ok(layout.referrers(of)?),
        }
    }

    async fn has_blob(&self, what: &What, blob: &Descriptor) -> Result<bool, Failure> {
        match self {
            Self::Registry(it) => it
                .client
                .has_blob(&it.named(what, &blob.digest), &Access::default())
                .await
                .map_err(|error| fetch_failure(&error)),
            Self::Layout(layout) => Ok(layout.has(&blob.digest)),
        }
    }

    async fn blob(&self, what: &What, blob: &Descriptor) -> Result<Bytes, Failure> {
        let found = match self {
            Self::Registry(it) => it
                .client
                .blob(&it.named(what, &blob.digest), Some(blob.size), &Access::default())
                .await
                .map_err(|error| fetch_failure(&error))?,
            Self::Layout(layout) => layout.blob(&blob.digest, Some(blob.size))?,
        };
        found.ok_or_else(|| Failure::new(format!("blob {} is missing in {self}", blob.digest)))
    }

    /// The bytes of a layer of something attached.
    pub(super) async fn attachment(&self, layer: &Descriptor) -> Result<Vec<u8>, Failure> {
        self.blob(&What::Referrer, layer).await.map(Into::into)
    }

    async fn put_blob(&self, what: &What, digest: &Digest, bytes: Bytes) -> Result<(), Failure> {
        match self {
            Self::Registry(it) => it
                .client
                .push_blob(it.home(what), bytes, &Access::default())
                .await
                .map(drop)
                .map_err(|error| fetch_failure(&error)),
            Self::Layout(layout) => layout.put_blob(digest, &bytes),
        }
    }

    /// Stores a manifest whose blobs are there.
    async fn put_manifest(&self, piece: &Piece) -> Result<(), Failure> {
        match self {
            Self::Registry(it) => {
                let home = it.home(&piece.what);
                let (bytes, access) = (piece.bytes.clone(), Access::default());
                let pushed = match piece.what {
                    What::Referrer => it.client.push_referrer(home, bytes, &access).await,
                    What::Entity | What::Attached(_) => {
                        let tag = piece.tag.as_deref();
                        it.client.push_manifest(home, tag, &piece.media_type, bytes, &access).await
                    }
                };
                pushed.map(drop).map_err(|error| fetch_failure(&error))
            }
            Self::Layout(layout) => layout.put_manifest(piece),
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Registry(it) => f.write_str(&it.images),
            Self::Layout(layout) => write!(f, "{}", layout.folder().display()),
        }
    }
}

/// Brings every piece over: all blobs first, then the manifests in their order.
///
/// COMPAT: cosign 3.1: `load` sends a referrer before its blob, which strict registries refuse; here nothing is named
/// before it is there; test: what_was_saved_is_loaded_with_its_bundles
///
/// # Errors
/// The first thing that could not be read or stored. What was stored stays; a second run finds it there.
pub(super) async fn deliver(
    verb: &'static str,
    pieces: &[Piece],
    from: &End,
    to: &End,
) -> Result<(), Failure> {
    // The same layer of two platforms is moved once.
    let mut blobs: BTreeMap<(bool, &Digest), (&What, &Descriptor)> = BTreeMap::new();
    for piece in pieces {
        for blob in &piece.blobs {
            blobs.entry((piece.what == What::Entity, &blob.digest)).or_insert((&piece.what, blob));
        }
    }
    let bytes = blobs.values().fold(0_u64, |sum, (_, blob)| sum.saturating_add(blob.size));
    let count = u64::try_from(blobs.len()).unwrap_or(u64::MAX);
    let progress = Arc::new(Progress::new(verb, count, bytes));
    let mut work = JoinSet::new();
    for (what, blob) in blobs.into_values() {
        if work.len() >= AT_A_TIME {
            joined(work.join_next().await)?;
        }
        let (from, to, progress) = (from.clone(), to.clone(), Arc::clone(&progress));
        let (what, blob) = (what.clone(), blob.clone());
        work.spawn(async move {
            move_blob(&from, &to, &what, &blob).await?;
            progress.done(blob.size);
            Ok(())
        });
    }
    while let Some(done) = work.join_next().await {
        joined(Some(done))?;
    }
    progress.finish();
    // A registry learns the name last, when everything is there. In a folder the name says what the rest belongs to.
    let named = |piece: &&Piece| piece.what == What::Entity && piece.tag.is_some();
    let (first, then): (Vec<&Piece>, Vec<&Piece>) = match to {
        End::Registry(_) => (Vec::new(), pieces.iter().collect()),
        End::Layout(_) => pieces.iter().partition(named),
    };
    for piece in first.into_iter().chain(then) {
        to.put_manifest(piece).await?;
    }
    Ok(())
}

fn joined(
    done: Option<Result<Result<(), Failure>, tokio::task::JoinError>>,
) -> Result<(), Failure> {
    match done {
        Some(Ok(result)) => result,
        Some(Err(_died)) => Err(Failure::new("moving a blob was broken off")),
        None => Ok(()),
    }
}

async fn move_blob(from: &End, to: &End, what: &What, blob: &Descriptor) -> Result<(), Failure> {
    if blob.size > MAX_BLOB {
        return Err(Failure::new(format!(
            "blob {} has {} bytes: more than {MAX_BLOB} are not moved",
            blob.digest, blob.size
        )));
    }
    if to.has_blob(what, blob).await? {
        return Ok(());
    }
    if let (End::Registry(source), End::Registry(target)) = (from, to) {
        // The registry may lend it to its other repository without a byte being sent.
        let there = source.named(what, &blob.digest);
        let mounted = target.client.mount_blob(&there, target.home(what), &Access::default()).await;
        if mounted.is_ok_and(|mounted| mounted) {
            return Ok(());
        }
    }
    to.put_blob(what, &blob.digest, from.blob(what, blob).await?).await
}
