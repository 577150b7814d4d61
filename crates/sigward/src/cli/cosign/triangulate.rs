//! `triangulate`: where the signatures of an image lie.
use super::{Failure, Output, flags::RegistryFlags, pflag::exactly_one, registry};
use clap::Args;
use sigward_oci::{Attachment, attached_tag};

/// Outputs the located cosign image reference.
#[derive(Args, Clone, Debug)]
pub(crate) struct Triangulate {
    /// the image, by tag or digest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Vec<String>,
    /// related attachment to triangulate (attestation|sbom|signature|digest)
    #[arg(long = "type", default_value = "signature")]
    pub(crate) kind: String,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// Prints the tag, or with `--type digest` the image by its digest.
pub(super) async fn run(output: &mut Output, it: Triangulate) -> Result<(), Failure> {
    let named = registry::parse(exactly_one(&it.image)?)?;
    let client = registry::client(output, &it.registry, std::slice::from_ref(&named))?;
    let attachment = match it.kind.as_str() {
        "signature" => Some(Attachment::Signature),
        "attestation" => Some(Attachment::Attestation),
        "sbom" => Some(Attachment::Sbom),
        "digest" => None,
        other => return Err(Failure::new(format!("unknown attachment type {other}"))),
    };
    let subject = registry::resolve(&client, named).await?;
    let Some(attachment) = attachment else { return output.line(&subject.digest.to_string()) };
    let repository =
        registry::signature_repository()?.unwrap_or_else(|| subject.digest.repository.clone());
    let prefix = it.registry.attachment_tag_prefix.as_deref().unwrap_or_default();
    output
        .line(&format!("{repository}:{}", attached_tag(&subject.digest.digest, attachment, prefix)))
}
