//! Kyverno's command line: one file a command, the peer's flags, texts and exit codes.
mod apply;
mod cluster;
mod color;
mod create;
mod decode;
mod diagnostics;
mod docs;
mod fix;
mod github;
mod input;
mod jp;
mod kinds;
mod language;
mod migrate;
mod oci;
mod processor;
mod sarif;
mod table;
mod test;
mod values;
mod version;
mod world;

pub(crate) use diagnostics::say;

use super::cosign::Failure;
use crate::exit_code;
use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind};
use sigward_remote::{CloudEnvironment, NoSecrets, Options, Registry, Unobserved, docker_configs};
use std::{
    ffi::{OsStr, OsString},
    io::Write as _,
    process::ExitCode,
    sync::Arc,
};

/// Commands that only Kyverno has; `version` and `completion` are ours and cosign's as well.
const COMMANDS: &[&str] = &["apply", "create", "docs", "fix", "jp", "migrate", "oci", "test"];

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
    command: Tree,
}

/// All commands, when called by its name.
#[derive(Debug, Subcommand)]
enum Tree {
    #[command(flatten)]
    Own(Commands),
    Version(version::Version),
    Completion(super::completion::Completion),
}

/// Kyverno's commands; they hang at the top level of `sigward` too.
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    Apply(Box<apply::Apply>),
    Create(create::Create),
    Docs(docs::Docs),
    Fix(fix::Fix),
    Jp(jp::Jp),
    Migrate(migrate::Migrate),
    Oci(oci::Oci),
    Test(Box<test::Test>),
}

/// Runs as `kyverno`, or one of its commands under our own name.
pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    let called = args.first().map(std::path::Path::new).and_then(std::path::Path::file_stem);
    let called = called.unwrap_or_default().to_string_lossy().into_owned();
    let parsed = Kyverno::command()
        .bin_name(called)
        .try_get_matches_from(args)
        .and_then(|matches| Kyverno::from_arg_matches(&matches));
    match parsed {
        Ok(Kyverno { command: Tree::Own(command) }) => run_parsed(command),
        Ok(Kyverno { command: Tree::Version(version) }) => end(version.run()),
        Ok(Kyverno { command: Tree::Completion(completion) }) => {
            let script = completion.script(&mut Kyverno::command());
            end(script.and_then(|script| Ok(std::io::stdout().write_all(&script)?)))
        }
        // COMPAT: Kyverno 1.19: the bare name prints help and succeeds; test: the_bare_name_helps
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _closed = write!(std::io::stdout(), "{}", error.render());
            ExitCode::from(exit_code::SUCCESS)
        }
        Err(error) => super::usage(&error),
    }
}

/// Whether a word is one of the commands that only Kyverno has.
pub(crate) fn is_command(word: &OsStr) -> bool {
    COMMANDS.iter().any(|name| word == *name)
}

/// A command for the help and the completion of our own name, where cosign's global flags are seen as well.
pub(crate) fn without_hidden_shorts(command: Command) -> Command {
    command
        .mut_args(|arg| if arg.get_short() == Some('t') { arg.short(None::<char>) } else { arg })
        .mut_subcommands(without_hidden_shorts)
}

/// Runs one command that was parsed already.
pub(crate) fn run_parsed(command: Commands) -> ExitCode {
    end(match command {
        Commands::Apply(apply) => return apply.run(),
        Commands::Create(create) => create.run(),
        Commands::Docs(docs) => docs.run(Kyverno::command()),
        Commands::Fix(fix) => fix.run(),
        Commands::Jp(jp) => jp.run(),
        Commands::Migrate(migrate) => migrate.run(),
        Commands::Oci(oci) => oci.run(),
        Commands::Test(test) => test.run(),
    })
}

/// The exit code of a command that has no codes of its own.
fn end(result: Result<(), Failure>) -> ExitCode {
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
        clouds: CloudEnvironment::read(|variable| std::env::var_os(variable)),
        github_token: super::serve::github_token(),
        ..Options::default()
    };
    options.everywhere.insecure_plain_http = insecure_plain_http;
    Ok(Registry::new(options, Arc::new(NoSecrets), Arc::new(Unobserved))?)
}
