//! `generate-key-pair`: a new key, encrypted with a password.
use super::{Failure, Output, keys};
use clap::Args;
use sigward_sigstore::keys::PrivateKey;

/// Generate a key-pair.
#[derive(Args, Clone, Debug)]
pub(crate) struct GenerateKeyPair {
    /// where to keep it: `k8s://NAMESPACE/NAME`; files when absent
    #[arg(value_name = "REFERENCE")]
    pub(crate) reference: Option<String>,
    /// create key pair in KMS service to use for signing
    #[arg(long)]
    pub(crate) kms: Option<String>,
    /// name used for generated .pub and .key files (defaults to `cosign`)
    #[arg(long, default_value = "cosign")]
    pub(crate) output_key_prefix: String,
}

/// Makes an ECDSA P-256 key and writes `PREFIX.key` (0600) and `PREFIX.pub`.
pub(super) fn run(output: &Output, it: &GenerateKeyPair) -> Result<(), Failure> {
    if let Some(reference) = &it.reference {
        return Err(Failure::new(format!(
            "{reference}: keys kept in a cluster or a secret store are not available in this build; without a reference they are written to files"
        )));
    }
    let key = PrivateKey::generate(&mut keys::SystemEntropy)?;
    keys::write_pair(output, &it.output_key_prefix, &key, false)
}
