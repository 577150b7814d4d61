//! Parse, run, exit code: nothing else happens here.
mod cli;
mod exit_code;
mod in_cluster;
mod observe;
#[cfg(feature = "quickstart")]
mod quickstart;
mod shelf;
mod sources;
mod standalone;
mod telemetry;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(std::env::args_os().collect())
}
