//! `load`: an image and what belongs to it, from a folder to a registry.
use super::{
    Failure, Output,
    flags::RegistryFlags,
    registry,
    transfer::{self, End, Repository, Scope, Tagged, layout::Layout},
};
use clap::Args;
use std::{path::PathBuf, sync::Arc};

/// Load a signed image on disk to a remote registry.
#[derive(Args, Clone, Debug)]
pub(crate) struct Load {
    /// where it is pushed to; the name it was saved under when absent
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Vec<String>,
    /// path to directory where the signed image is stored on disk
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// Pushes blobs, then manifests, then the tag.
pub(super) async fn run(output: &mut Output, it: Load) -> Result<(), Failure> {
    let folder =
        it.dir.as_deref().ok_or_else(|| Failure::new("required flag(s) \"dir\" not set"))?;
    let layout = Layout::open(folder)?;
    let entry = layout.root()?;
    let named = match (it.image.as_slice(), Layout::name_of(&entry)) {
        ([one], _) => registry::parse(one)?,
        ([], Some(saved)) => registry::parse(saved)?,
        ([], None) => {
            return Err(Failure::new(
                "the folder does not say which name the image had: give one to load it to",
            ));
        }
        (more, _) => {
            return Err(Failure::new(format!("accepts at most 1 arg(s), received {}", more.len())));
        }
    };
    if let Some(digest) = named.digest.as_ref().filter(|digest| **digest != entry.digest) {
        return Err(Failure::new(format!(
            "{digest} was asked for, and {} holds {}",
            folder.display(),
            entry.digest
        )));
    }
    let client = registry::client_for_images(output, &it.registry, std::slice::from_ref(&named))?;
    let bytes = layout.manifest(&entry.digest)?.ok_or_else(|| {
        Failure::new(format!("{} holds no manifest {}", folder.display(), entry.digest))
    })?;
    let root = Tagged {
        digest: entry.digest.clone(),
        media_type: Some(entry.media_type.as_str().into()),
        bytes,
    };
    let tag = match (&named.digest, &named.tag) {
        (Some(_), _) => None,
        (None, tag) => Some(tag.clone().unwrap_or_else(|| "latest".into())),
    };
    let scope = Scope {
        tag_prefix: it.registry.attachment_tag_prefix.clone().unwrap_or_default(),
        ..Scope::all()
    };
    let from = End::Layout(Arc::new(layout));
    let pieces = transfer::gather(&from, root, tag.as_deref(), &scope).await?;
    let to = End::Registry(Repository {
        client,
        images: named.repository(),
        store: registry::signature_repository()?.unwrap_or_else(|| named.repository()),
    });
    transfer::deliver("Loaded", &pieces, &from, &to).await
}
