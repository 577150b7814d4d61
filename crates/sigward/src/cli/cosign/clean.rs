//! `clean`: what is attached to an image goes; the image stays.
use super::{
    Failure, Output, copy,
    flags::RegistryFlags,
    keys,
    pflag::{exactly_one, go_bool},
    registry,
    transfer::{self, End, Repository, Scope, What},
};
use clap::Args;
use sigward_oci::{
    Access, Digest, DigestReference, Index, Manifest, TagReference, media_type, referrers_tag,
};
use sigward_remote::{FetchError, Registry};
use smol_str::SmolStr;

/// Remove all signatures from an image.
#[derive(Args, Clone, Debug)]
pub(crate) struct Clean {
    /// the image, by tag or digest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Vec<String>,
    /// a type of clean: <signature|attestation|referrer|sbom|all>
    #[arg(long = "type", default_value = "all")]
    pub(crate) kind: String,
    /// do not prompt for confirmation
    #[arg(long, short = 'f', num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// What goes, and the question about it.
///
/// COMPAT: cosign 3.1: `signature` and `attestation` leave bundles where they are, with a hint; here a signature is one
/// in whichever store it lies; test: each_kind_is_removed_from_both_stores
fn plan(kind: &str) -> Result<(Scope, &'static str), Failure> {
    let none = Scope {
        entity: false,
        signatures: false,
        attestations: false,
        sboms: false,
        others: false,
        ..Scope::all()
    };
    Ok(match kind {
        "signature" => {
            (Scope { signatures: true, ..none }, "this will remove all signatures from the image")
        }
        "attestation" => (
            Scope { attestations: true, ..none },
            "this will remove all attestations from the image",
        ),
        "sbom" => (Scope { sboms: true, ..none }, "this will remove all SBOMs from the image"),
        "referrer" => (
            Scope { signatures: true, attestations: true, ..none },
            "this will remove all referrers from the image",
        ),
        "all" => (
            Scope { entity: false, others: false, ..Scope::all() },
            "this will remove all signatures, SBOMs and attestations from the image",
        ),
        other => {
            return Err(Failure::new(format!(
                "invalid argument {other:?} for \"--type\" flag: unknown type (signature, attestation, referrer, sbom, all)"
            )));
        }
    })
}

/// Asks, then removes tags and referrers of the wanted kind, those of this digest alone.
pub(super) async fn run(output: &mut Output, it: Clean) -> Result<(), Failure> {
    let named = registry::parse(exactly_one(&it.image)?)?;
    let (mut scope, question) = plan(&it.kind)?;
    scope.tag_prefix = it.registry.attachment_tag_prefix.clone().unwrap_or_default();
    keys::confirm(output, &format!("WARNING: {question}"), it.force)?;
    let client = registry::client(output, &it.registry, std::slice::from_ref(&named))?;
    let root = copy::root(&client, named.clone()).await?;
    let (digest, store) = (
        root.digest.clone(),
        registry::signature_repository()?.unwrap_or_else(|| named.repository()),
    );
    let from = End::Registry(Repository {
        client: client.clone(),
        images: named.repository(),
        store: store.clone(),
    });
    let pieces = transfer::gather_attached(&from, &root, &scope).await?;
    let referrers: Vec<Digest> = pieces
        .iter()
        .filter(|piece| piece.what == What::Referrer)
        .map(|piece| piece.digest.clone())
        .collect();
    if !referrers.is_empty() {
        unlist(&client, &store, &digest, &referrers).await?;
    }
    for piece in &pieces {
        if it.kind == "referrer" && piece.what != What::Referrer {
            continue;
        }
        let name = match &piece.tag {
            Some(tag) => format!("{store}:{tag}"),
            None => format!("{store}@{}", piece.digest),
        };
        remove(&client, &store, piece.tag.as_deref(), &piece.digest).await?;
        output.say(&format!("Removed {name} from {}", named.name()));
    }
    Ok(())
}

/// By tag where the registry allows it, else by digest.
///
/// COMPAT: cosign 3.1: registries of the 2.8 line refuse to remove a tag and are asked by digest; what is not there is
/// no error; test: what_is_attached_is_removed_and_the_image_stays
async fn remove(
    client: &Registry,
    store: &SmolStr,
    tag: Option<&str>,
    digest: &Digest,
) -> Result<(), Failure> {
    let access = Access::default();
    if let Some(tag) = tag {
        match client.delete_tag(store, tag, &access).await {
            Ok(_there) => return Ok(()),
            // 400 and 405: "not this way".
            Err(FetchError::Rejected { status: 400 | 405, .. }) => {}
            Err(error) => return Err(registry::fetch_failure(&error)),
        }
    }
    let by_digest = DigestReference { repository: store.clone(), digest: digest.clone() };
    client
        .delete_manifest(&by_digest, &access)
        .await
        .map(drop)
        .map_err(|error| registry::fetch_failure(&error))
}

/// Where referrers are listed under a tag, they are taken off the list first: nobody is to find what is going.
async fn unlist(
    client: &Registry,
    store: &SmolStr,
    of: &Digest,
    gone: &[Digest],
) -> Result<(), Failure> {
    let access = Access::default();
    let tag = referrers_tag(of);
    let name = TagReference { repository: store.clone(), tag: tag.clone() };
    let found = client
        .manifest_by_tag(&name, &access)
        .await
        .map_err(|error| registry::fetch_failure(&error))?;
    let Some(fetched) = found else { return Ok(()) };
    let Ok(Manifest::Index(index)) = Manifest::parse(&fetched.bytes, Some(media_type::OCI_INDEX))
    else {
        return Ok(());
    };
    let kept: Vec<_> =
        index.manifests.iter().filter(|entry| !gone.contains(&entry.digest)).cloned().collect();
    if kept.is_empty() {
        return remove(client, store, Some(&tag), &fetched.digest).await;
    }
    let index = Index { manifests: kept, ..*index };
    let bytes = serde_json::to_vec(&index)?;
    client
        .push_manifest(store, Some(&tag), media_type::OCI_INDEX, bytes.into(), &access)
        .await
        .map(drop)
        .map_err(|error| registry::fetch_failure(&error))
}
