//! `download sbom`: the bill of materials as it was attached.
use super::{find, only};
use crate::cli::cosign::{Failure, Output, flags::RegistryFlags, transfer::What as Part};
use clap::Args;
use sigward_oci::Attachment;

/// Download SBOMs from the supplied container image.
#[derive(Args, Clone, Debug)]
pub(crate) struct DownloadSbom {
    /// the image, by tag or digest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Vec<String>,
    /// download SBOM for a specific platform image
    #[arg(long)]
    pub(crate) platform: Option<String>,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// Prints the bytes; those of the tag, else those of a referrer.
pub(in crate::cli::cosign) async fn run(
    output: &mut Output,
    it: DownloadSbom,
) -> Result<(), Failure> {
    output.say("WARNING: Downloading SBOMs this way does not ensure its authenticity. If you want to ensure a tamper-proof SBOM, download it using 'cosign download attestation <image uri>'.");
    let scope = only(false, false, true);
    let found = find(output, &it.registry, &it.image, it.platform.clone(), scope).await?;
    let mut layers = found.attached(Attachment::Sbom)?;
    if layers.is_empty() {
        for piece in found.pieces.iter().filter(|piece| piece.what == Part::Referrer) {
            layers.append(&mut found.layers(piece)?);
        }
    }
    let Some(layer) = layers.first() else {
        return Err(Failure::new("no sbom attached to reference"));
    };
    if layers.len() > 1 {
        return Err(Failure::new(format!(
            "{} layers where an SBOM has exactly one: `tree` shows them",
            layers.len()
        )));
    }
    let bytes = found.from.attachment(layer).await?;
    output.say(&format!("Found SBOM of media type: {}", layer.media_type));
    output.bytes(&bytes)
}
