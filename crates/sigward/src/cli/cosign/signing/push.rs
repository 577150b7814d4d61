//! Where signatures are put: referrers, and the tags of the legacy format.
use super::Target;
use crate::cli::cosign::{
    Failure, pflag,
    registry::{self, fetch_failure},
};
use sigward_oci::{
    Access, Attachment, Descriptor, Manifest, TagReference, attached_tag, media_type,
};
use sigward_remote::Registry;
use sigward_sigstore::{
    keys::PublicKey,
    sign::{self, Attached, LegacyLayer, Manifests, Written},
};
use smol_str::SmolStr;

/// Where what was signed is kept: `COSIGN_REPOSITORY`, else beside the image.
pub(in crate::cli::cosign) fn store_of(target: &Target) -> Result<SmolStr, Failure> {
    Ok(registry::signature_repository()?.unwrap_or_else(|| target.repository.clone()))
}

/// Puts a bundle beside an image: blobs, then the manifest that refers to the image.
///
/// # Errors
/// The registry refused or could not be reached.
pub(in crate::cli::cosign) async fn push_bundle(
    client: &Registry,
    target: &Target,
    bundle: Vec<u8>,
    predicate_type: &str,
    created: &str,
) -> Result<(), Failure> {
    let repository = store_of(target)?;
    let referrer = sign::referrer(&target.descriptor, bundle, predicate_type, created)?;
    push_blobs(client, &repository, &referrer.written).await?;
    client
        .push_referrer(&repository, referrer.written.manifest.bytes.into(), &Access::default())
        .await
        .map_err(|error| fetch_failure(&error))?;
    Ok(())
}

async fn push_blobs(client: &Registry, repository: &str, written: &Written) -> Result<(), Failure> {
    for blob in &written.blobs {
        client
            .push_blob(repository, blob.bytes.clone().into(), &Access::default())
            .await
            .map_err(|error| fetch_failure(&error))?;
    }
    Ok(())
}

/// How a legacy manifest is written.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli::cosign) struct LegacyForm<'a> {
    /// `.sig` or `.att`.
    pub(in crate::cli::cosign) attachment: Attachment,
    /// `--attachment-tag-prefix`.
    pub(in crate::cli::cosign) tag_prefix: &'a str,
    /// `--record-creation-timestamp`.
    pub(in crate::cli::cosign) created: Option<&'a str>,
    /// `attest --replace`: attestations of this type go.
    pub(in crate::cli::cosign) replace: Option<&'a str>,
}

/// Adds layers to what is attached under an image's tag; `key` is whose signatures they are, when that is known.
///
/// # Errors
/// The registry refused or could not be reached, or something else lies under the tag.
pub(in crate::cli::cosign) async fn push_legacy(
    client: &Registry,
    target: &Target,
    key: Option<&PublicKey>,
    layers: &[LegacyLayer],
    form: LegacyForm<'_>,
) -> Result<(), Failure> {
    let repository = store_of(target)?;
    let tag = TagReference {
        tag: attached_tag(&target.descriptor.digest, form.attachment, form.tag_prefix),
        repository: repository.clone(),
    };
    let manifests = manifests()?;
    let fetched = client
        .manifest_by_tag(&tag, &Access::default())
        .await
        .map_err(|error| fetch_failure(&error))?;
    let mut existing = fetched.map(|fetched| fetched.bytes.to_vec());
    if let (Some(bytes), Some(predicate_type)) = (&existing, form.replace) {
        existing = Some(sign::replace_type(bytes, predicate_type)?);
    }
    let mut last = None;
    for layer in layers {
        match sign::append(existing.as_deref(), layer, key, manifests, form.created)? {
            Attached::AlreadyThere => {}
            Attached::Written(written) => {
                push_blobs(client, &repository, &written).await?;
                existing = Some(written.manifest.bytes.clone());
                last = Some(written);
            }
        }
    }
    if let Some(written) = last {
        client
            .push_manifest(
                &repository,
                Some(&tag.tag),
                written.media_type,
                written.manifest.bytes.into(),
                &Access::default(),
            )
            .await
            .map_err(|error| fetch_failure(&error))?;
    }
    Ok(())
}

/// Stores each layer in a referrer of its own (`--registry-referrers-mode oci-1-1`).
///
/// COMPAT: cosign 3.1: the manifest of an attached tag, with the artifact's type on its configuration and a subject;
/// test: signatures_of_the_older_format_can_be_referrers
///
/// # Errors
/// As [`push_legacy`].
pub(in crate::cli::cosign) async fn push_layers_as_referrers(
    client: &Registry,
    target: &Target,
    layers: &[LegacyLayer],
    created: Option<&str>,
) -> Result<(), Failure> {
    let repository = store_of(target)?;
    let image = &target.descriptor;
    for layer in layers {
        let Attached::Written(written) = sign::append(None, layer, None, Manifests::Oci, created)?
        else {
            continue;
        };
        push_blobs(client, &repository, &written).await?;
        let Manifest::Image(mut manifest) = Manifest::parse(&written.manifest.bytes, None)? else {
            continue;
        };
        media_type::COSIGN_SIGNATURE.clone_into(&mut manifest.config.media_type);
        manifest.artifact_type = Some(media_type::COSIGN_SIGNATURE.to_owned());
        manifest.subject =
            Some(Descriptor::new(image.media_type.clone(), image.digest.clone(), image.size));
        let bytes = serde_json::to_vec(&manifest)?;
        client
            .push_referrer(&repository, bytes.into(), &Access::default())
            .await
            .map_err(|error| fetch_failure(&error))?;
    }
    Ok(())
}

/// `COSIGN_DOCKER_MEDIA_TYPES`: manifests of attached tags in Docker's types.
fn manifests() -> Result<Manifests, Failure> {
    const VARIABLE: &str = "COSIGN_DOCKER_MEDIA_TYPES";
    let text = std::env::var(VARIABLE).unwrap_or_default();
    if text.is_empty() {
        return Ok(Manifests::Oci);
    }
    match pflag::go_bool(&text) {
        Ok(true) => Ok(Manifests::Docker),
        Ok(false) => Ok(Manifests::Oci),
        Err(why) => Err(Failure::new(format!("{VARIABLE}: {why}"))),
    }
}
