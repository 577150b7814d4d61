//! `import-key-pair`: somebody else's private key, encrypted with a password.
use super::{Failure, Output, keys, pflag::go_bool};
use clap::Args;
use std::path::PathBuf;

/// Import a PEM-encoded RSA or EC private key.
#[derive(Args, Clone, Debug)]
pub(crate) struct ImportKeyPair {
    /// import key pair to use for signing
    #[arg(long, short = 'k')]
    pub(crate) key: Option<PathBuf>,
    /// name used for outputted key pairs
    #[arg(long, short = 'o', default_value = "import-cosign")]
    pub(crate) output_key_prefix: String,
    /// skip confirmation prompts for non-destructive operations
    #[arg(long, short = 'y', num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) yes: bool,
}

/// Reads an unencrypted PEM key and writes it encrypted.
pub(super) fn run(output: &Output, it: &ImportKeyPair) -> Result<(), Failure> {
    let path = it.key.as_deref().ok_or_else(|| Failure::new("required flag(s) \"key\" not set"))?;
    let text = zeroize::Zeroizing::new(keys::read_file(path).map_err(Failure::new)?);
    let key = sigward_sigstore::keys::PrivateKey::parse_pem(&text)?;
    keys::write_pair(output, &it.output_key_prefix, &key, it.yes)
}
