//! cosign's command line, run as a user runs it: the built binary, a real registry in this process, files in a folder of its own.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]
mod attest;
mod blob;
mod command_line;
mod faults;
mod flag_table;
mod keys;
mod look;
mod refused;
mod registry;
mod sign;
mod stage;
mod verify;
