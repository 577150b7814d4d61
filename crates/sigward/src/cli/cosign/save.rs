//! `save`: an image and what belongs to it, into a folder.
use super::{
    Failure, Output, copy,
    flags::RegistryFlags,
    pflag::exactly_one,
    registry,
    transfer::{self, End, Repository, Scope, layout::Layout},
};
use clap::Args;
use std::{path::PathBuf, sync::Arc};

/// Save the container image and associated signatures to disk at the specified directory.
#[derive(Args, Clone, Debug)]
pub(crate) struct Save {
    /// the image, by tag or digest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Vec<String>,
    /// path to dir where the signed image should be stored on disk
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// Writes an OCI image layout that `load`, `verify --local-image` and cosign read.
pub(super) async fn run(output: &mut Output, it: Save) -> Result<(), Failure> {
    let named = registry::parse(exactly_one(&it.image)?)?;
    let folder =
        it.dir.as_deref().ok_or_else(|| Failure::new("required flag(s) \"dir\" not set"))?;
    let client = registry::client_for_images(output, &it.registry, std::slice::from_ref(&named))?;
    let from = End::Registry(Repository {
        client: client.clone(),
        images: named.repository(),
        store: registry::signature_repository()?.unwrap_or_else(|| named.repository()),
    });
    let root = copy::root(&client, named.clone()).await?;
    let scope = Scope {
        tag_prefix: it.registry.attachment_tag_prefix.clone().unwrap_or_default(),
        ..Scope::all()
    };
    let name = named.name();
    let pieces = transfer::gather(&from, root, Some(&name), &scope).await?;
    let to = End::Layout(Arc::new(Layout::create(folder)?));
    transfer::deliver("Saved", &pieces, &from, &to).await
}
