//! `download attestation`: bundles and envelopes, one a line.
use super::{annotation, find, named, one_line, only};
use crate::cli::cosign::{Failure, Output, flags::RegistryFlags};
use clap::Args;
use sigward_oci::Attachment;
use sigward_sigstore::{
    bundle::{Bundle, Content},
    dsse::Envelope,
    sign::PredicateType,
    statement::Statement,
};

/// Download in-toto attestations from the supplied container image.
#[derive(Args, Clone, Debug)]
pub(crate) struct DownloadAttestation {
    /// the image, by tag or digest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Vec<String>,
    /// download attestation with matching predicateType
    #[arg(long)]
    pub(crate) predicate_type: Option<String>,
    /// download attestation for a specific platform image
    #[arg(long)]
    pub(crate) platform: Option<String>,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// Bundles first, then the envelopes of the attached tag.
///
/// COMPAT: cosign 3.1: without `--predicate-type` signatures that are bundles are printed too; test: attestations_are_downloaded_by_type
pub(in crate::cli::cosign) async fn run(
    output: &mut Output,
    it: DownloadAttestation,
) -> Result<(), Failure> {
    let wanted = it.predicate_type.as_deref().filter(|text| !text.is_empty());
    let wanted = wanted.map(PredicateType::parse).transpose()?;
    let scope = only(true, true, false);
    let found = find(output, &it.registry, &it.image, it.platform.clone(), scope).await?;
    let fits = |payload: &[u8]| {
        wanted.as_ref().is_none_or(|wanted| {
            Statement::parse(payload).is_ok_and(|it| it.predicate_type == wanted.uri())
        })
    };
    let mut printed = 0_usize;
    for bundle in found.bundles().await? {
        let fitting = match Bundle::parse(&bundle).map(|bundle| bundle.content) {
            Ok(Content::Envelope(envelope)) => fits(&envelope.payload),
            Ok(Content::Message(_)) | Err(_) => wanted.is_none(),
        };
        if fitting {
            output.bytes(&bundle)?;
            output.line("")?;
            printed += 1;
        }
    }
    let layers = found.attached(Attachment::Attestation)?;
    let none_at_all = layers.is_empty() && printed == 0;
    for layer in layers {
        let stated = annotation(&layer, "predicateType");
        // What the manifest says spares a download; the statement is what counts.
        if wanted.as_ref().is_some_and(|wanted| !stated.is_empty() && stated != wanted.uri()) {
            continue;
        }
        let bytes = one_line(found.from.attachment(&layer).await?)?;
        if wanted.is_none() || Envelope::parse(&bytes).is_ok_and(|it| fits(&it.payload)) {
            output.bytes(&bytes)?;
            output.line("")?;
            printed += 1;
        }
    }
    match &it.predicate_type {
        Some(typed) if printed == 0 && wanted.is_some() => Err(Failure::new(format!(
            "no attestations with predicate type '{}' found",
            wanted.as_ref().map_or(typed.as_str(), PredicateType::uri)
        ))),
        _ if none_at_all => {
            Err(Failure::new(format!("no attestations associated with {}", named(&it.image))))
        }
        _ => Ok(()),
    }
}
