//! cosign's command line, run as a user runs it: the built binary, a real registry in this process, files in a folder of its own.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]
mod attest;
mod beside;
mod blob;
mod blob_attestation;
mod command_line;
mod faults;
mod flag_table;
mod images_in;
mod keyless;
mod keys;
mod look;
mod policy;
mod refused;
mod registry;
mod report;
mod services;
mod sign;
mod stage;
mod transfer;
mod trust;
mod tuf;
mod verify;
