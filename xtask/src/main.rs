//! The command line of the chores: `cargo xtask --help` lists them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "chores speak to the person who runs them"
)]

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use sigward_xtask::{deny, layers, tidy};

/// Chores of the project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Check that no crate sees what is behind its walls
    Layers,
    /// Check files, documents and dependencies against the rules of the house
    Tidy,
    /// Check bans, licences, sources and, where reachable, advisories
    Deny,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().chore) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: &Chore) -> Result<ExitCode> {
    match chore {
        Chore::Layers => Ok(report("layers", &layers::check()?)),
        Chore::Tidy => Ok(report("tidy", &tidy::check()?)),
        Chore::Deny => deny::check().map(|()| ExitCode::SUCCESS),
    }
}

/// Prints what a check found; finding something is a failure.
fn report(check: &str, found: &[String]) -> ExitCode {
    for line in found {
        println!("{line}");
    }
    if found.is_empty() {
        println!("{check} ok");
        return ExitCode::SUCCESS;
    }
    println!("{check}: {} out of order", found.len());
    ExitCode::FAILURE
}
