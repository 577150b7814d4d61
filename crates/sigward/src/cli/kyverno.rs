//! Kyverno's command line: one file a command, the peer's flags, texts and exit codes.
mod apply;
mod color;
mod decode;
mod diagnostics;
mod github;
mod input;
mod kinds;
mod language;
mod processor;
mod sarif;
mod table;
mod test;
mod values;
mod world;

pub(crate) use diagnostics::say;

use super::cosign::Failure;
use crate::exit_code;
use clap::{Parser, Subcommand};
use sigward_remote::{NoSecrets, Options, Registry, Unobserved, docker_configs};
use std::{ffi::OsString, io::Write as _, process::ExitCode, sync::Arc};

/// Kyverno's command line, when called by its name.
#[derive(Debug, Parser)]
#[command(
    name = "kyverno",
    version,
    about = "Kubernetes native policy management",
    arg_required_else_help = true
)]
struct Kyverno {
    #[command(subcommand)]
    command: Commands,
}

/// Kyverno's commands; they hang at the top level of `sigward` too.
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    Apply(Box<apply::Apply>),
    Test(Box<test::Test>),
}

/// Runs as `kyverno`.
pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    match Kyverno::try_parse_from(args) {
        Ok(Kyverno { command }) => run_parsed(command),
        Err(error) => super::usage(&error),
    }
}

/// Runs one command that was parsed already.
pub(crate) fn run_parsed(command: Commands) -> ExitCode {
    let result = match command {
        Commands::Apply(apply) => return apply.run(),
        Commands::Test(test) => test.run(),
    };
    match result {
        Ok(()) => ExitCode::from(exit_code::SUCCESS),
        Err(Failure { message, code }) => {
            let _closed = writeln!(std::io::stderr(), "Error: {message}");
            ExitCode::from(code)
        }
    }
}

/// A client with this machine's credentials, for commands that speak for their user.
fn registry(insecure_plain_http: bool) -> Result<Registry, Failure> {
    let mut options = Options {
        docker_configs: docker_configs(|variable| std::env::var_os(variable)),
        ..Options::default()
    };
    options.everywhere.insecure_plain_http = insecure_plain_http;
    Ok(Registry::new(options, Arc::new(NoSecrets), Arc::new(Unobserved))?)
}
