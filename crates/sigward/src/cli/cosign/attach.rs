//! `attach`: signatures, attestations and SBOMs that were made elsewhere, put beside an image.
mod attestation;
mod sbom;
mod signature;

use super::{Failure, Output, flags::RegistryFlags, registry, signing};
use clap::{Args, Subcommand};
use sigward_remote::Registry;
use sigward_sigstore::{
    bundle::{Bundle, Content},
    statement::Statement,
};

/// Provides utilities for attaching artifacts to other artifacts in a registry.
#[derive(Args, Clone, Debug)]
pub(crate) struct Attach {
    #[command(subcommand)]
    pub(crate) what: What,
}

/// What is attached.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum What {
    Attestation(attestation::AttachAttestation),
    Sbom(sbom::AttachSbom),
    Signature(signature::AttachSignature),
}

pub(super) async fn run(output: &Output, it: Attach) -> Result<(), Failure> {
    match it.what {
        What::Attestation(it) => attestation::run(output, it).await,
        What::Sbom(it) => sbom::run(output, it).await,
        What::Signature(it) => signature::run(output, it).await,
    }
}

/// The image that something is attached to, by its digest, and the client that knows it.
async fn target(
    output: &Output,
    flags: &RegistryFlags,
    image: &str,
) -> Result<(Registry, signing::Target), Failure> {
    let named = registry::parse(image)?;
    let client = registry::client(output, flags, std::slice::from_ref(&named))?;
    let target = signing::target(&client, output, &named).await?;
    Ok((client, target))
}

/// The type of the statement in a bundle around an envelope; `None` when the bytes are no bundle.
///
/// # Errors
/// A bundle, but of a message signature or of something that is no statement.
fn statement_type(bytes: &[u8]) -> Result<Option<String>, Failure> {
    let Ok(bundle) = Bundle::parse(bytes) else { return Ok(None) };
    match bundle.content {
        Content::Envelope(envelope) => {
            Ok(Some(Statement::parse(&envelope.payload)?.predicate_type.to_string()))
        }
        Content::Message(_) => Err(Failure::new("bundle does not have DSSE envelope")),
    }
}
