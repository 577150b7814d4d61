//! `copy`: an image and what belongs to it, from one repository to another.
use super::{
    Failure, Output,
    flags::RegistryFlags,
    pflag::go_bool,
    registry::{self, Subject},
    transfer::{self, End, Repository, Scope, Tagged, What},
};
use clap::Args;
use sigward_oci::{Access, DigestReference, GoReference, TagReference};
use sigward_remote::Registry;

/// Copy the supplied container image and signatures.
#[derive(Args, Clone, Debug)]
pub(crate) struct Copy {
    /// the source image and the destination
    #[arg(value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// custom string array to only copy specific items, this flag is comma delimited. ex: --only=sig,att,sbom
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// [DEPRECATED] only copy the image signature
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) sig_only: bool,
    /// overwrite destination image(s), if necessary
    #[arg(long, short = 'f', num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) force: bool,
    /// only copy container image and its signatures for a specific platform image
    #[arg(long)]
    pub(crate) platform: Option<String>,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// Copies the image, its platforms, its attached tags and everything that refers to it; the tag comes last.
///
/// COMPAT: cosign 3.1: bundles are lost, and the tag of their fallback index ends up holding the image itself; here the
/// index and the referrers are copied; test: a_copy_verifies_like_the_original
pub(super) async fn run(output: &mut Output, it: Copy) -> Result<(), Failure> {
    let [source, target] = it.images.as_slice() else {
        return Err(Failure::new(format!("accepts 2 arg(s), received {}", it.images.len())));
    };
    let scope = scope(&it)?;
    let (source, target) = (registry::parse(source)?, registry::parse(target)?);
    let client =
        registry::client_for_images(output, &it.registry, &[source.clone(), target.clone()])?;
    let from = Repository {
        client: client.clone(),
        images: source.repository(),
        store: registry::signature_repository()?.unwrap_or_else(|| source.repository()),
    };
    let to = Repository {
        client: client.clone(),
        images: target.repository(),
        store: target.repository(),
    };
    let root = root(&client, source.clone()).await?;
    let tag = match (&target.digest, &target.tag) {
        (Some(digest), _) if *digest != root.digest => {
            return Err(Failure::new(format!(
                "the destination names {digest}, and the source is {}",
                root.digest
            )));
        }
        (Some(_), _) => None,
        (None, tag) => Some(tag.clone().unwrap_or_else(|| "latest".into())),
    };
    let (from, to) = (End::Registry(from), End::Registry(to));
    let pieces = transfer::gather(&from, root, tag.as_deref(), &scope).await?;
    if !it.force {
        for piece in &pieces {
            if let Some(tag) = &piece.tag {
                refuse_to_overwrite(&client, &target, tag, &piece.digest).await?;
            }
        }
    }
    for piece in pieces.iter().filter(|piece| piece.what != What::Entity || piece.tag.is_some()) {
        let name = piece.tag.as_deref().map_or_else(
            || format!("{}@{}", target.repository(), piece.digest),
            |tag| format!("{}:{tag}", target.repository()),
        );
        output.say(&format!("Copying {}@{} to {name}...", source.repository(), piece.digest));
    }
    transfer::deliver("Copied", &pieces, &from, &to).await
}

fn scope(it: &Copy) -> Result<Scope, Failure> {
    let prefix = it.registry.attachment_tag_prefix.clone().unwrap_or_default();
    let all = Scope { platform: it.platform.clone(), tag_prefix: prefix, ..Scope::all() };
    let mut only: Vec<&str> = it.only.iter().map(String::as_str).collect();
    if it.sig_only {
        only.push("sig");
    }
    if only.is_empty() {
        return Ok(all);
    }
    let unknown = only.iter().find(|word| !matches!(**word, "sig" | "att" | "sbom"));
    if let Some(word) = unknown {
        return Err(Failure::new(format!(
            "unknown attachment type {word:?}: --only takes sig, att and sbom"
        )));
    }
    let has = |word: &str| only.contains(&word);
    // COMPAT: cosign 3.1: the image itself is copied whatever is asked for; test: only_what_is_asked_for_is_copied
    Ok(Scope {
        signatures: has("sig"),
        attestations: has("att"),
        sboms: has("sbom"),
        others: false,
        ..all
    })
}

/// The image that a name stands for, with its manifest: looked up once.
pub(super) async fn root(client: &Registry, named: GoReference) -> Result<Tagged, Failure> {
    let Subject { digest, named } = registry::resolve(client, named).await?;
    let bytes = client
        .manifest(&digest, &Access::default())
        .await
        .map_err(|error| registry::fetch_failure(&error))?;
    let Some(bytes) = bytes else {
        let registry::Missing { url, said } =
            registry::missing(&named.repository(), digest.digest.as_str());
        return Err(Failure::new(format!("GET {url}: {said}")));
    };
    Ok(Tagged { digest: digest.digest, media_type: None, bytes })
}

async fn refuse_to_overwrite(
    client: &Registry,
    target: &GoReference,
    tag: &str,
    digest: &sigward_oci::Digest,
) -> Result<(), Failure> {
    let name = TagReference { repository: target.repository(), tag: tag.into() };
    let there = client
        .resolve_tag(&name, &Access::default())
        .await
        .map_err(|error| registry::fetch_failure(&error))?;
    match there {
        Some(there) if there != *digest => {
            let there = DigestReference { repository: target.repository(), digest: there };
            Err(Failure::new(format!(
                "image {:?} already exists ({}). Use `-f` to overwrite",
                name.to_string(),
                there.digest
            )))
        }
        Some(_) | None => Ok(()),
    }
}
