//! Which command line is this: `sigward`, or the name it was called by.
mod completion;
pub(crate) mod cosign;
mod deferred;
pub(crate) mod kyverno;
pub(crate) mod serve;
mod uninstall;

use crate::exit_code;
use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use sigward_sigstore::trust::TrustedRoot;
use std::{ffi::OsString, io::Write as _, path::Path, process::ExitCode, sync::Arc};

/// Only trusted images run, and everyone can see why.
#[derive(Debug, Parser)]
#[command(name = "sigward", version, about, long_about = None, arg_required_else_help = true)]
struct Sigward {
    #[command(flatten)]
    global: cosign::Global,
    #[command(subcommand)]
    command: Commands,
}

#[derive(Debug, Subcommand)]
enum Commands {
    /// Serve the admission webhook, in front of a cluster or from files.
    Serve(Box<serve::Serve>),
    /// Remove webhook configurations and leases from a cluster.
    Uninstall(uninstall::Uninstall),
    /// Watch the whole story on this machine: keys, a registry, a policy, refusals and admissions.
    #[cfg(feature = "quickstart")]
    Quickstart(crate::quickstart::Quickstart),
    #[command(flatten)]
    Kyverno(kyverno::Commands),
    #[command(flatten)]
    Cosign(cosign::Commands),
}

/// Reads the file of `--trusted-root`.
pub(crate) fn trusted_root(
    path: Option<&Path>,
) -> Result<Option<Arc<TrustedRoot>>, cosign::Failure> {
    let Some(path) = path else { return Ok(None) };
    let failed =
        |said: String| cosign::Failure::new(format!("--trusted-root: {}: {said}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let root = TrustedRoot::parse(&bytes).map_err(|error| failed(error.to_string()))?;
    for element in root.unsupported() {
        tracing::warn!("--trusted-root: {}: left out: {element}", path.display());
    }
    Ok(Some(Arc::new(root)))
}

/// Runs the command line; every path out of here is an exit code.
pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    let called = args.first().map(Path::new).and_then(Path::file_stem).unwrap_or_default();
    match called.to_str() {
        Some("cosign") => cosign::run(args),
        Some("kyverno" | "kubectl-kyverno") => kyverno::run(args),
        // Kyverno's commands have short flags that cosign's global ones would hide.
        _ if args.get(1).is_some_and(|name| kyverno::is_command(name)) => kyverno::run(args),
        _ => sigward(args),
    }
}

fn sigward(args: Vec<OsString>) -> ExitCode {
    let (args, warnings) = cosign::normalise(args);
    for warning in warnings {
        let _closed = writeln!(std::io::stderr(), "{warning}");
    }
    // The other commands' flags need not exist for this one.
    let tree = match args.get(1) {
        Some(word) if cosign::is_command(word) => cosign::command().name("sigward"),
        _ => command(),
    };
    let matches = match described(tree, &args).try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let Sigward { global, command } = match Sigward::from_arg_matches(&matches) {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    match command {
        Commands::Serve(serve) => report(serve.run()),
        Commands::Uninstall(uninstall) => report(uninstall.run()),
        #[cfg(feature = "quickstart")]
        Commands::Quickstart(quickstart) => quickstart.run(),
        Commands::Kyverno(command) => kyverno::run_parsed(command),
        Commands::Cosign(command) => cosign::run_parsed(&matches, &global, command),
    }
}

/// The tree for these arguments: where they name no command, the answer may be a list of all, and so all are made.
fn described(mut tree: Command, args: &[OsString]) -> Command {
    if args.get(1).is_none_or(|word| tree.find_subcommand(word).is_none()) {
        tree.build();
    }
    tree
}

/// The whole tree, for completion scripts.
pub(crate) fn command() -> Command {
    Sigward::command().mut_subcommands(|subcommand| {
        // cosign's commands take their flags from the environment as cosign does; ours have variables of their own.
        match subcommand.get_name() {
            "serve" | "uninstall" | "quickstart" => subcommand,
            name if kyverno::is_command(name.as_ref()) => {
                kyverno::without_hidden_shorts(subcommand)
            }
            _ => cosign::with_environment(subcommand),
        }
    })
}

/// One line for each level of an error, then exit code 1.
fn report(result: Result<(), cosign::Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::from(exit_code::SUCCESS),
        Err(cosign::Failure { message, code }) => {
            let _closed = writeln!(std::io::stderr(), "Error: {message}");
            ExitCode::from(code)
        }
    }
}

/// Help is an answer (0, standard output); a wrong command line is an error (1, standard error), as with the peers.
fn usage(error: &clap::Error) -> ExitCode {
    let _closed = error.print();
    ExitCode::from(if error.use_stderr() { exit_code::FAILURE } else { exit_code::SUCCESS })
}
