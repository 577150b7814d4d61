//! `upload wasm`: a WebAssembly module as an image.
use super::OneFile;
use crate::cli::cosign::{Failure, Output, flags::RegistryFlags, pflag, registry, signing};
use clap::Args;
use std::{collections::BTreeMap, path::PathBuf};

/// Upload a wasm module to the supplied container image reference.
#[derive(Args, Clone, Debug)]
pub(crate) struct UploadWasm {
    /// where it goes
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Vec<String>,
    /// path to the wasm file to upload
    #[arg(long, short = 'f')]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// Pushes the module as the only layer.
pub(in crate::cli::cosign) async fn run(output: &Output, it: UploadWasm) -> Result<(), Failure> {
    let named = registry::parse(pflag::exactly_one(&it.image)?)?;
    let path = it.file.as_ref().ok_or_else(|| Failure::new("required flag(s) \"file\" not set"))?;
    if named.digest.is_some() {
        return Err(Failure::new("a module is uploaded to a tag: its digest is not known before"));
    }
    let bytes = signing::read_blob(path, "")?;
    output.say(&format!("Uploading wasm file from [{}] to [{}].", path.display(), named.name()));
    let image = OneFile::new(
        bytes,
        "application/vnd.wasm.content.layer.v1+wasm",
        "application/vnd.wasm.config.v1+json",
        &BTreeMap::new(),
    )?;
    let client = registry::client_for_images(output, &it.registry, std::slice::from_ref(&named))?;
    let tag = named.tag.as_deref().unwrap_or("latest");
    image.push(&client, &named.repository(), Some(tag)).await
}
