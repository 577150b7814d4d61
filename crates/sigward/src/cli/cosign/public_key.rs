//! `public-key`: the public half of a key.
use super::{Failure, Output, flags::SecurityKeyFlags, keys};
use clap::Args;
use std::path::PathBuf;

/// Gets a public key from the key-pair.
#[derive(Args, Clone, Debug)]
pub(crate) struct PublicKey {
    /// path to the key file, KMS URI or Kubernetes Secret
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// path to a payload file to use rather than generating one
    #[arg(long)]
    pub(crate) outfile: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) security_key: SecurityKeyFlags,
}

/// Prints the public half as PEM, or writes it to a file.
pub(super) fn run(output: &mut Output, it: &PublicKey) -> Result<(), Failure> {
    let reference =
        it.key.as_deref().ok_or_else(|| Failure::new("one of: --key, --sk must be provided"))?;
    let key = keys::private_key(reference)?;
    let pem = sigward_sigstore::keys::Signer::public_key(&key).to_pem();
    match &it.outfile {
        Some(path) => {
            keys::write_file(path, pem.as_bytes(), 0o600)?;
            output.say(&format!("Public key written to {}", path.display()));
            Ok(())
        }
        None => output.bytes(pem.as_bytes()),
    }
}
