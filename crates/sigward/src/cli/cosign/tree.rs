//! `tree`: what is attached to an image.
use super::{
    Failure, Output,
    flags::RegistryFlags,
    pflag::{exactly_one, go_bool},
    registry::{self, fetch_failure},
};
use clap::Args;
use sigward_oci::{
    Access, Attachment, Descriptor, DigestReference, Manifest, TagReference, attached_tag,
    media_type,
};
use sigward_remote::Registry;
use smol_str::SmolStr;

/// Display supply chain security related artifacts for an image such as signatures, SBOMs and attestations.
#[derive(Args, Clone, Debug)]
pub(crate) struct Tree {
    /// the image, by tag or digest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Vec<String>,
    /// mode for fetching references from the registry (legacy|oci-1-1)
    #[arg(long)]
    pub(crate) registry_referrers_mode: Option<String>,
    /// set to true to enable experimental OCI 1.1 behaviour
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) experimental_oci11: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// Most referrers whose manifests are fetched.
const MAX_SHOWN: usize = 100;
/// What a bundle's manifest says about the statement in it.
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// One referrer: its kind and name, and the layers that hold it.
async fn referrer(
    client: &Registry,
    repository: &SmolStr,
    entry: Descriptor,
) -> Result<(String, Vec<String>), Failure> {
    let name = DigestReference { repository: repository.clone(), digest: entry.digest };
    let bytes =
        client.manifest(&name, &Access::default()).await.map_err(|error| fetch_failure(&error))?;
    let manifest = bytes.and_then(|bytes| match Manifest::parse(&bytes, Some(&entry.media_type)) {
        Ok(Manifest::Image(manifest)) => Some(manifest),
        Ok(Manifest::Index(_)) | Err(_) => None,
    });
    let kind = manifest
        .as_ref()
        .map(|manifest| {
            let predicate_type = manifest.annotations.get(PREDICATE_TYPE).map(String::as_str);
            predicate_type.unwrap_or(manifest.referrer_type()).to_owned()
        })
        .or(entry.artifact_type)
        .unwrap_or_else(|| "unknown".to_owned());
    let leaves =
        manifest.iter().flat_map(|it| &it.layers).map(|layer| layer.digest.to_string()).collect();
    Ok((format!("🔗 {kind} artifacts via OCI referrer: {name}"), leaves))
}

/// Prints both stores: attached tags with their layers, referrers by their kind.
pub(super) async fn run(output: &mut Output, it: Tree) -> Result<(), Failure> {
    let referrers = match it.registry_referrers_mode.as_deref() {
        None => it.experimental_oci11,
        Some("oci-1-1") => true,
        Some("legacy") => false,
        Some(other) => {
            return Err(Failure::new(format!(
                "invalid registry-referrers-mode {other:?}: legacy or oci-1-1"
            )));
        }
    };
    let named = registry::parse(exactly_one(&it.image)?)?;
    let client = registry::client(output, &it.registry, std::slice::from_ref(&named))?;
    let subject = registry::resolve(&client, named).await?;
    let access = Access::default();
    let repository =
        registry::signature_repository()?.unwrap_or_else(|| subject.digest.repository.clone());
    let prefix = it.registry.attachment_tag_prefix.as_deref().unwrap_or_default();
    let mut branches: Vec<(String, Vec<String>)> = Vec::new();
    for (attachment, title) in [
        (Attachment::Signature, "🔐 Signatures for an image tag"),
        (Attachment::Attestation, "💾 Attestations for an image tag"),
        (Attachment::Sbom, "📦 SBOMs for an image tag"),
    ] {
        let tag = TagReference {
            repository: repository.clone(),
            tag: attached_tag(&subject.digest.digest, attachment, prefix),
        };
        let found =
            client.manifest_by_tag(&tag, &access).await.map_err(|error| fetch_failure(&error))?;
        if let Some(fetched) = found
            && let Ok(Manifest::Image(manifest)) =
                Manifest::parse(&fetched.bytes, fetched.media_type.as_deref())
        {
            let leaves = manifest.layers.iter().map(|layer| layer.digest.to_string()).collect();
            branches.push((format!("{title}: {tag}"), leaves));
        }
    }
    if referrers {
        let of = DigestReference {
            repository: repository.clone(),
            digest: subject.digest.digest.clone(),
        };
        let listed = client.referrers(&of, &access).await.map_err(|error| fetch_failure(&error))?;
        let index =
            listed.and_then(|bytes| match Manifest::parse(&bytes, Some(media_type::OCI_INDEX)) {
                Ok(Manifest::Index(index)) => Some(index),
                Ok(Manifest::Image(_)) | Err(_) => None,
            });
        let entries = index.map(|index| index.manifests).unwrap_or_default();
        if entries.len() > MAX_SHOWN {
            output.say(&format!(
                "{} referrers are not shown",
                entries.len().saturating_sub(MAX_SHOWN)
            ));
        }
        for entry in entries.into_iter().take(MAX_SHOWN) {
            branches.push(referrer(&client, &of.repository, entry).await?);
        }
    }
    output.line(&format!(
        "📦 Supply Chain Security Related artifacts for an image: {}",
        subject.named.name()
    ))?;
    if branches.is_empty() {
        return output.line(&format!(
            "No Supply Chain Security Related Artifacts artifacts found for image {}\n, start creating one with simply running\n$ cosign sign <img>",
            subject.named.name()
        ));
    }
    for (title, leaves) in branches {
        output.line(&format!("└── {title}"))?;
        let last = leaves.len().saturating_sub(1);
        for (position, leaf) in leaves.iter().enumerate() {
            output.line(&format!("   {}── 🍒 {leaf}", if position == last { "└" } else { "├" }))?;
        }
    }
    Ok(())
}
