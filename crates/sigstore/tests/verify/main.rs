//! The prover against signatures that an independent implementation made and stored.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic_in_result_fn,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    reason = "test code"
)]

mod advisories;
mod certified;
mod checks;
mod counting;
mod evidence;
mod formats;
mod keyless;
mod messages;
mod mutations;
mod peers;
mod requests;
mod signed_here;
mod signed_keyless;
mod world;
