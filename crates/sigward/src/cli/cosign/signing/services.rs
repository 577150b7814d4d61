//! Who else has to be told about a signature: nobody, as long as this build knows no log and no timestamp authority.
use super::files::read_file;
use crate::cli::cosign::{Failure, flags::SigningSourceFlags, trust};
use sigward_sigstore::trust::SigningConfig;
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

/// A signing config counts only when it lists no log and no timestamp authority. (Authorities and identity providers
/// are for those who have no key.)
fn check_signing_config(path: &Path) -> Result<(), Failure> {
    let bytes = read_file(path, "error reading signing config: ")?;
    let config = SigningConfig::parse(&bytes).map_err(|error| {
        Failure::new(format!("error reading signing config: {}: {error}", path.display()))
    })?;
    let listed = [
        ("a transparency log", config.rekor_tlog_urls),
        ("a timestamp authority", config.tsa_urls),
    ];
    for (what, services) in listed {
        if let Some(service) = services.first() {
            return Err(Failure::new(format!(
                "{} lists {what} ({}), which is not available in this build: remove it from the file to sign without one",
                path.display(),
                service.url
            )));
        }
    }
    Ok(())
}

/// A trusted root beside a key and without a log has nothing to say; but it has to be one.
///
/// # Errors
/// The file cannot be read, or is no trusted root.
pub(in crate::cli::cosign) fn check_trusted_root(path: Option<&Path>) -> Result<(), Failure> {
    path.map_or(Ok(()), |path| trust::read(path).map(drop))
}
