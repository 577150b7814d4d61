//! The prover against signatures that an independent implementation made and stored.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_docs_in_private_items,
    reason = "test code"
)]

mod checks;
mod counting;
mod formats;
mod messages;
mod mutations;
mod requests;
mod signed_here;
mod world;
