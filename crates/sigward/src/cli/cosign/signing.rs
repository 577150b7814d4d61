//! What `sign`, `attest` and `sign-blob` share: who is told about a signature, what is signed, and where it is put.
mod certificate;
mod files;
mod push;
mod services;
mod targets;

pub(super) use certificate::{surrounded, surroundings};
pub(super) use files::{file_for, read_blob, read_file, read_input, write_bundle};
pub(super) use push::{LegacyForm, push_bundle, push_layers_as_referrers, push_legacy, store_of};
pub(super) use services::{check_services, check_trusted_root};
pub(super) use targets::{Target, target, targets};

use super::{Failure, keys};
use sigward_sigstore::keys::PrivateKey;

/// The key of `--key`.
///
/// # Errors
/// There is none, or it cannot be used.
pub(super) fn signer(reference: Option<&str>) -> Result<PrivateKey, Failure> {
    match reference {
        Some(reference) => keys::private_key(reference),
        None => Err(Failure::new(
            "signing without --key is keyless signing, which is not available in this build",
        )),
    }
}

/// Puts the name of what was to be signed before a failure.
pub(super) fn signing_failed(what: &str) -> impl FnOnce(Failure) -> Failure {
    let before = format!("signing {what}: ");
    move |Failure { message, code }| Failure { message: before + &message, code }
}
