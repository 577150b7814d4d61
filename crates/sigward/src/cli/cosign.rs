//! cosign's command line: one file a command, the peer's flags, outputs and exit codes.
//!
//! What was typed is parsed here and nowhere else; a command turns it into a requirement or a request to sign, and
//! after that no flag exists. A flag of a part that is not there is refused by name: none is accepted and ignored.
mod attach;
mod attest;
mod attest_blob;
mod bundle;
mod clean;
mod conformance_client;
mod copy;
mod demand;
mod deprecated;
mod detached;
mod download;
mod env;
mod evidence;
mod flags;
mod generate;
mod generate_key_pair;
mod hardware;
mod images_in;
mod import_key_pair;
mod initialize;
pub(crate) mod keys;
mod load;
mod login;
mod pflag;
mod progress;
mod public_key;
mod refuse;
mod registry;
mod save;
mod sign;
mod sign_blob;
mod signing;
mod time;
mod transfer;
mod tree;
mod triangulate;
mod trust;
mod upload;
mod verify;
mod verify_attestation;
mod verify_blob;
mod verify_blob_attestation;
mod version;

pub(crate) use flags::Global;
pub(crate) use pflag::{exactly_one, normalise, with_environment};

use super::deferred::Deferred;
use crate::exit_code;
use clap::{
    ArgMatches, Command, CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind,
};
use std::{
    error::Error,
    ffi::{OsStr, OsString},
    io::{Write, stderr, stdout},
    process::ExitCode,
    time::Duration,
};

/// The whole tree, when called as `cosign`.
#[derive(Debug, Parser)]
#[command(
    name = "cosign",
    about = "A tool for container signing, verification and storage in an OCI registry",
    arg_required_else_help = true
)]
struct Cosign {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Commands,
}

/// cosign's commands; they hang at the top level of `sigward` too.
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    #[command(hide = true)]
    Attach(Deferred<attach::Attach>),
    Attest(Deferred<attest::Attest>),
    AttestBlob(Deferred<attest_blob::AttestBlob>),
    Bundle(Deferred<bundle::BundleCommand>),
    Clean(Deferred<clean::Clean>),
    Completion(super::completion::Completion),
    #[command(hide = true)]
    ConformanceClient(Deferred<conformance_client::ConformanceClient>),
    #[command(hide = true)]
    Copy(Deferred<copy::Copy>),
    #[command(hide = true)]
    Dockerfile(Deferred<images_in::Dockerfile>),
    Download(Deferred<download::Download>),
    Env(env::Env),
    #[command(hide = true)]
    Generate(Deferred<generate::Generate>),
    GenerateKeyPair(generate_key_pair::GenerateKeyPair),
    ImportKeyPair(import_key_pair::ImportKeyPair),
    Initialize(initialize::Initialize),
    Load(Deferred<load::Load>),
    Login(login::Login),
    #[command(hide = true)]
    Manifest(Deferred<images_in::Manifest>),
    #[command(hide = true)]
    PivTool(hardware::PivTool),
    #[command(name = "pkcs11-tool", hide = true)]
    Pkcs11Tool(hardware::Pkcs11Tool),
    PublicKey(public_key::PublicKey),
    Save(Deferred<save::Save>),
    Sign(Deferred<sign::Sign>),
    SignBlob(Deferred<sign_blob::SignBlob>),
    SigningConfig(Deferred<trust::SigningConfigCommand>),
    Tree(Deferred<tree::Tree>),
    #[command(hide = true)]
    Triangulate(Deferred<triangulate::Triangulate>),
    Trust(trust::Trust),
    TrustedRoot(Deferred<trust::TrustedRootCommand>),
    #[command(hide = true)]
    Upload(Deferred<upload::Upload>),
    Verify(Deferred<verify::Verify>),
    VerifyAttestation(Deferred<verify_attestation::VerifyAttestation>),
    VerifyBlob(Deferred<verify_blob::VerifyBlob>),
    VerifyBlobAttestation(Deferred<verify_blob_attestation::VerifyBlobAttestation>),
    Version(version::Version),
}

/// Why a command failed: what is printed, and the exit code scripts read.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) code: u8,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: exit_code::FAILURE }
    }
}

/// Prints an error and its causes on one line, joined with `: `.
impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(next) = cause {
            message.push_str(": ");
            message.push_str(&next.to_string());
            cause = next.source();
        }
        Self::new(message)
    }
}

/// Where a command prints: standard output or `--output-file`, and standard error.
pub(crate) struct Output {
    out: Box<dyn Write + Send>,
    /// `--verbose`: requests are shown on standard error.
    verbose: bool,
}

impl Output {
    /// A line for machines and people: standard output.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{text}").map_err(Failure::from)
    }

    /// Bytes as they are: standard output.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(Failure::from)
    }

    /// A line for people: standard error.
    #[expect(clippy::unused_self, reason = "whoever may speak has been handed the output")]
    pub(crate) fn say(&self, text: &str) {
        let _closed = writeln!(stderr(), "{text}");
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Output")
    }
}

/// Runs as `cosign`.
pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    let (args, warnings) = normalise(args);
    for warning in warnings {
        let _closed = writeln!(stderr(), "{warning}");
    }
    let tree = super::described(command(), &args);
    let matches = match tree.try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let parsed = Cosign::from_arg_matches(&matches).map_err(Failure::from);
    finish(
        parsed.and_then(|Cosign { global, command: given }| {
            execute(&matches, &global, given, command)
        }),
    )
}

/// Whether a word is one of cosign's commands that need to know of no other.
pub(crate) fn is_command(word: &OsStr) -> bool {
    word != "completion" && Cosign::command().find_subcommand(word).is_some()
}

/// The tree as clap sees it, with the environment twins of every flag.
pub(crate) fn command() -> Command {
    with_environment(Cosign::command())
}

/// Runs one command that `sigward` parsed at its top level.
pub(crate) fn run_parsed(matches: &ArgMatches, global: &Global, command: Commands) -> ExitCode {
    finish(execute(matches, global, command, super::command))
}

fn execute(
    matches: &ArgMatches,
    global: &Global,
    given: Commands,
    tree: fn() -> Command,
) -> Result<(), Failure> {
    refuse::keyless_flags(matches)?;
    let timeout = sigward_document::GoDuration::parse(&global.timeout).map_err(|error| {
        Failure::new(format!(
            "invalid argument {:?} for \"-t, --timeout\" flag: {error}",
            global.timeout
        ))
    })?;
    let out: Box<dyn Write + Send> = match &global.output_file {
        Some(path) => Box::new(std::fs::File::create(path)?),
        None => Box::new(stdout()),
    };
    let mut output = Output { out, verbose: global.verbose };
    deprecated::flags(&output, matches);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let timeout = Duration::from_nanos(u64::try_from(timeout.nanoseconds()).unwrap_or(0));
    let result = runtime.block_on(async {
        let work = dispatch(&mut output, given, tree);
        if timeout.is_zero() {
            return work.await;
        }
        match tokio::time::timeout(timeout, work).await {
            Ok(result) => result,
            Err(_elapsed) => Err(Failure::new("context deadline exceeded")),
        }
    });
    // Detached fetches are nobody's any more.
    runtime.shutdown_background();
    result
}

async fn dispatch(
    output: &mut Output,
    given: Commands,
    tree: fn() -> Command,
) -> Result<(), Failure> {
    match given {
        Commands::Attach(it) => attach::run(output, *it.0).await,
        Commands::Attest(it) => attest::run(output, *it.0).await,
        Commands::AttestBlob(it) => attest_blob::run(output, &it).await,
        Commands::Bundle(it) => bundle::run(output, &it),
        Commands::Clean(it) => clean::run(output, *it.0).await,
        Commands::Completion(it) => it.run(&mut tree(), output),
        Commands::ConformanceClient(it) => conformance_client::run(output, &it).await,
        Commands::Copy(it) => copy::run(output, *it.0).await,
        Commands::Dockerfile(it) => images_in::run_dockerfile(output, *it.0).await,
        Commands::Download(it) => download::run(output, *it.0).await,
        Commands::Env(it) => env::run(output, &it),
        Commands::Generate(it) => generate::run(output, *it.0).await,
        Commands::GenerateKeyPair(it) => generate_key_pair::run(output, &it),
        Commands::ImportKeyPair(it) => import_key_pair::run(output, &it),
        Commands::Initialize(it) => initialize::run(output, &it).await,
        Commands::Load(it) => load::run(output, *it.0).await,
        Commands::Login(it) => login::run(output, &it),
        Commands::Manifest(it) => images_in::run_manifest(output, *it.0).await,
        Commands::PivTool(_) => hardware::refused("piv-tool"),
        Commands::Pkcs11Tool(_) => hardware::refused("pkcs11-tool"),
        Commands::PublicKey(it) => public_key::run(output, &it),
        Commands::Save(it) => save::run(output, *it.0).await,
        Commands::Sign(it) => sign::run(output, *it.0).await,
        Commands::SignBlob(it) => sign_blob::run(output, &it).await,
        Commands::SigningConfig(it) => trust::run_signing_config(output, &it),
        Commands::Tree(it) => tree::run(output, *it.0).await,
        Commands::Triangulate(it) => triangulate::run(output, *it.0).await,
        Commands::Trust(it) => trust::run(output, &it),
        Commands::TrustedRoot(it) => trust::run_trusted_root(output, &it),
        Commands::Upload(it) => upload::run(output, *it.0).await,
        Commands::Verify(it) => verify::run(output, *it.0).await,
        Commands::VerifyAttestation(it) => verify_attestation::run(output, *it.0).await,
        Commands::VerifyBlob(it) => verify_blob::run(output, &it),
        Commands::VerifyBlobAttestation(it) => verify_blob_attestation::run(output, &it),
        Commands::Version(it) => version::run(output, &it),
    }
}

/// COMPAT: cosign 3.1: every error appears twice on standard error, and standard output stays empty; test: prints_each_error_twice
fn finish(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::from(exit_code::SUCCESS),
        Err(Failure { message, code }) => {
            let mut err = stderr();
            let _closed = writeln!(err, "Error: {message}");
            let _closed = writeln!(err, "error during command execution: {message}");
            ExitCode::from(code)
        }
    }
}

/// Help goes to standard output with code 0; a wrong command line is an error like any other.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _closed = error.print();
        return ExitCode::from(exit_code::SUCCESS);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // COMPAT: cosign 3.1: the bare name prints help and succeeds; test: the_bare_name_prints_help
        let _closed = write!(stdout(), "{}", error.render());
        return ExitCode::from(exit_code::SUCCESS);
    }
    // Flags are made when their command is asked for, and the message looks for their letters.
    let mut tree = command();
    tree.build();
    finish(Err(Failure::new(refuse::usage_message(error, &tree))))
}

#[cfg(test)]
mod tests;
