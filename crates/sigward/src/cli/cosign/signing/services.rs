//! Who else has to be told about a signature: nobody, as long as this build knows no log and no timestamp authority.
use super::files::read_file;
use crate::cli::cosign::{Failure, flags::SigningSourceFlags};
use serde::Deserialize;
use std::path::Path;

/// Checks that nobody else has to be told about the signature: this build knows no log and no timestamp authority.
///
/// COMPAT: cosign 3.1: a log entry is made unless `--tlog-upload=false` (or a signing config without services) says
/// otherwise, so signing is refused where cosign would have uploaded; test: signing_without_saying_no_log_is_refused_with_the_way_out
///
/// # Errors
/// Each names its way out.
pub(in crate::cli::cosign) fn check_services(
    source: &SigningSourceFlags,
    new_bundle_format: bool,
) -> Result<(), Failure> {
    if !source.tlog_upload
        && (source.signing_config.is_some() || source.use_signing_config == Some(true))
    {
        return Err(Failure::new(
            "--tlog-upload=false is not supported with --signing-config or --use-signing-config. \
             Provide a signing config with --signing-config without a transparency log service",
        ));
    }
    if let Some(path) = &source.signing_config {
        if !new_bundle_format {
            return Err(Failure::new(
                "must provide --new-bundle-format or --bundle where applicable with --signing-config or --use-signing-config",
            ));
        }
        return check_signing_config(path);
    }
    if source.use_signing_config == Some(true) {
        return Err(Failure::new(
            "--use-signing-config needs the TUF repository, which is not available in this build: \
             with --signing-config FILE the services are read from a file",
        ));
    }
    if source.tlog_upload {
        return Err(Failure::new(
            "signing needs a transparency log, which is not available in this build: \
             with --tlog-upload=false (or a --signing-config file that lists no log) the signature is made without one",
        ));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SigningConfig {
    media_type: String,
    #[serde(default)]
    rekor_tlog_urls: Option<Vec<Service>>,
    #[serde(default)]
    tsa_urls: Option<Vec<Service>>,
}

#[derive(Deserialize)]
struct Service {
    #[serde(default)]
    url: String,
}

/// A signing config counts only when it lists no log and no timestamp authority. (Authorities and identity providers
/// are for those who have no key.)
fn check_signing_config(path: &Path) -> Result<(), Failure> {
    let bytes = read_file(path, "error reading signing config: ")?;
    let config: SigningConfig = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(format!("error reading signing config: {}: {error}", path.display()))
    })?;
    if config.media_type != "application/vnd.dev.sigstore.signingconfig.v0.2+json" {
        return Err(Failure::new(format!(
            "error reading signing config: {}: unsupported mediaType {:?}",
            path.display(),
            config.media_type
        )));
    }
    let listed = [
        ("a transparency log", config.rekor_tlog_urls),
        ("a timestamp authority", config.tsa_urls),
    ];
    for (what, services) in listed {
        if let Some(service) = services.iter().flatten().next() {
            return Err(Failure::new(format!(
                "{} lists {what} ({}), which is not available in this build: remove it from the file to sign without one",
                path.display(),
                service.url
            )));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrustedRoot {
    media_type: String,
}

/// A trusted root beside a key and without a log has nothing to say; but it has to be one.
///
/// # Errors
/// The file cannot be read, or is no trusted root.
pub(in crate::cli::cosign) fn check_trusted_root(path: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let bytes = read_file(path, "loading trusted root: ")?;
    let root = serde_json::from_slice::<TrustedRoot>(&bytes).map_err(|error| {
        Failure::new(format!("loading trusted root: {}: {error}", path.display()))
    })?;
    let known = [
        "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "application/vnd.dev.sigstore.trustedroot.v0.2+json",
    ];
    if !known.contains(&root.media_type.as_str()) {
        return Err(Failure::new(format!(
            "loading trusted root: {}: unsupported mediaType {:?}",
            path.display(),
            root.media_type
        )));
    }
    Ok(())
}
