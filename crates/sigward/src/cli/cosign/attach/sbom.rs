//! `attach sbom`: a bill of materials under a tag of the image, or as a referrer.
use super::target;
use crate::cli::cosign::{
    Failure, Output, flags::RegistryFlags, pflag, registry, signing, upload::config_of,
};
use clap::Args;
use sigward_oci::{Access, Attachment, Descriptor, ImageManifest, attached_tag, media_type};
use sigward_sigstore::sign::Blob;
use std::{collections::BTreeMap, path::PathBuf};

/// Attach sbom to the supplied container image.
#[derive(Args, Clone, Debug)]
pub(crate) struct AttachSbom {
    /// the image, by tag or digest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Vec<String>,
    /// path to the sbom, or {-} for stdin
    #[arg(long)]
    pub(crate) sbom: Option<PathBuf>,
    /// type of sbom (spdx|cyclonedx|syft)
    #[arg(long = "type", default_value = "spdx")]
    pub(crate) kind: String,
    /// type of sbom input format (json|xml|text)
    #[arg(long)]
    pub(crate) input_format: Option<String>,
    /// mode for fetching references from the registry (legacy|oci-1-1)
    #[arg(long = "registry-referrers-mode", id = "sbom_referrers_mode")]
    pub(crate) registry_referrers_mode: Option<String>,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// cosign's types by kind and format.
///
/// COMPAT: cosign 3.1: the format is guessed from the text when it is not given; test: an_sbom_is_attached_and_read_back
fn media_type_of(kind: &str, format: Option<&str>, bytes: &[u8]) -> Result<&'static str, Failure> {
    let looks_like_json =
        || bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte == b'{');
    let wrong = |formats: &str| {
        Failure::new(format!(
            "invalid SBOM input format {:?} for {kind}: {formats}",
            format.unwrap_or_default()
        ))
    };
    match (kind, format) {
        ("spdx", Some("json")) => Ok("text/spdx+json"),
        ("spdx", Some("text")) => Ok("text/spdx"),
        ("spdx", None) => Ok(if looks_like_json() { "text/spdx+json" } else { "text/spdx" }),
        ("spdx", Some(_)) => Err(wrong("json or text")),
        ("cyclonedx", Some("json")) => Ok("application/vnd.cyclonedx+json"),
        ("cyclonedx", Some("xml")) => Ok("application/vnd.cyclonedx+xml"),
        ("cyclonedx", None) => Ok(if looks_like_json() {
            "application/vnd.cyclonedx+json"
        } else {
            "application/vnd.cyclonedx+xml"
        }),
        ("cyclonedx", Some(_)) => Err(wrong("json or xml")),
        ("syft", None | Some("json")) => Ok("application/vnd.syft+json"),
        ("syft", Some(_)) => Err(wrong("json")),
        (other, _) => {
            Err(Failure::new(format!("unknown SBOM type {other:?}: spdx, cyclonedx or syft")))
        }
    }
}

/// Pushes the file as the only layer of a manifest.
pub(in crate::cli::cosign) async fn run(output: &Output, it: AttachSbom) -> Result<(), Failure> {
    output.say("WARNING: Attaching SBOMs this way does not sign them. If you want to ensure the authenticity of your SBOM, use 'cosign attest -predicate <path> -key <key path>'");
    let image = pflag::exactly_one(&it.image)?;
    let path = it.sbom.as_ref().ok_or_else(|| Failure::new("required flag(s) \"sbom\" not set"))?;
    let as_referrer = match it.registry_referrers_mode.as_deref() {
        None | Some("legacy") => false,
        Some("oci-1-1") => true,
        Some(other) => {
            return Err(Failure::new(format!(
                "invalid registry-referrers-mode {other:?}: legacy or oci-1-1"
            )));
        }
    };
    if as_referrer && it.registry.attachment_tag_prefix.is_some() {
        return Err(Failure::new("--attachment-tag-prefix has no meaning for a referrer"));
    }
    let bytes = signing::read_input(path, "")?;
    let kind = media_type_of(&it.kind, it.input_format.as_deref(), &bytes)?;
    let (client, target) = target(output, &it.registry, image).await?;
    let store = signing::store_of(&target)?;
    let sbom = Blob::new(bytes);
    // The configuration of an image with nothing else in it, or of no image at all.
    let config = Blob::new(if as_referrer { b"{}".to_vec() } else { config_of(&sbom.digest) });
    let config_type = if as_referrer {
        "application/vnd.dev.cosign.artifact.sbom.v1+json"
    } else {
        media_type::OCI_CONFIG
    };
    let image = &target.descriptor;
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::new(config_type, config.digest.clone(), config.size()),
        layers: vec![Descriptor::new(kind, sbom.digest.clone(), sbom.size())],
        subject: as_referrer
            .then(|| Descriptor::new(image.media_type.clone(), image.digest.clone(), image.size)),
        annotations: BTreeMap::new(),
    };
    let bytes = serde_json::to_vec(&manifest)?;
    let access = Access::default();
    let failed = |error| registry::fetch_failure(&error);
    for blob in [&sbom, &config] {
        client.push_blob(&store, blob.bytes.clone().into(), &access).await.map_err(failed)?;
    }
    if as_referrer {
        let name = format!("{store}@{}", Blob::new(bytes.clone()).digest);
        output.say(&format!(
            "Uploading SBOM file for [{}@{}] to [{name}] with config.mediaType [{config_type}] layers[0].mediaType [{kind}].",
            target.repository, image.digest
        ));
        client.push_referrer(&store, bytes.into(), &access).await.map_err(failed)?;
        return Ok(());
    }
    let prefix = it.registry.attachment_tag_prefix.as_deref().unwrap_or_default();
    let tag = attached_tag(&image.digest, Attachment::Sbom, prefix);
    output.say(&format!(
        "Uploading SBOM file for [{}@{}] to [{store}:{tag}] with mediaType [{kind}].\n",
        target.repository, image.digest
    ));
    client
        .push_manifest(&store, Some(&tag), media_type::OCI_MANIFEST, bytes.into(), &access)
        .await
        .map(drop)
        .map_err(failed)
}
