//! Kyverno's command line, run as a user runs it: the built binary under the peer's name, files in a folder of its own.
#![expect(clippy::unwrap_used, reason = "test code")]
mod apply;
mod apply_keyless;
mod bad_input;
mod cluster;
mod commands;
mod stage;
mod test;
