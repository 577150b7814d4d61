//! What `sign`, `attest` and `sign-blob` share: who signs and who is told, what is signed, and where it is put.
mod browser;
mod certificate;
mod files;
mod identity;
mod party;
mod push;
mod services;
mod targets;

pub(super) use files::{file_for, read_blob, read_file, read_input, write_bundle};
pub(super) use party::{Flags, Party};
pub(super) use push::{LegacyForm, push_bundle, push_layers_as_referrers, push_legacy, store_of};
pub(super) use services::{check_services, check_trusted_root};
pub(super) use targets::{Target, target, targets};

use super::Failure;

/// Puts the name of what was to be signed before a failure.
pub(super) fn signing_failed(what: &str) -> impl FnOnce(Failure) -> Failure {
    let before = format!("signing {what}: ");
    move |Failure { message, code }| Failure { message: before + &message, code }
}
