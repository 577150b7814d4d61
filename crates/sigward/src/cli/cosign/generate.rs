//! `generate`: the payload that `sign` would sign, for tools of one's own.
use super::{Failure, Output, evidence, flags::RegistryFlags, pflag::exactly_one, registry};
use clap::Args;
use sigward_sigstore::simple_signing;

/// Generates (unsigned) signature payloads from the supplied container image.
#[derive(Args, Clone, Debug)]
pub(crate) struct Generate {
    /// the image, by tag or digest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Vec<String>,
    /// extra key=value pairs to sign
    #[arg(long, short = 'a', value_delimiter = ',')]
    pub(crate) annotations: Vec<String>,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// Prints the payload, without a line end: its bytes are what is signed.
pub(super) async fn run(output: &mut Output, it: Generate) -> Result<(), Failure> {
    let named = registry::parse(exactly_one(&it.image)?)?;
    let annotations = evidence::pairs(&it.annotations)?
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let client = registry::client(output, &it.registry, std::slice::from_ref(&named))?;
    let subject = registry::resolve(&client, named).await?;
    let payload =
        simple_signing::render(&subject.digest.repository, &subject.digest.digest, &annotations);
    output.bytes(payload.as_bytes())
}
