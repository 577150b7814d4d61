//! Chores in Rust: checks on the tree, real peers, clusters on loopback, end-to-end runs, benchmarks.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "chores speak to the person who runs them"
)]

pub mod bench;
pub mod chart;
pub mod ci;
pub mod cluster;
pub mod conformance;
pub mod deny;
pub mod differential;
pub mod e2e;
pub mod fuzz;
pub mod image;
pub mod layers;
pub mod merge_keys;
pub mod peers;
pub mod process;
pub mod tidy;
pub mod workspace;
