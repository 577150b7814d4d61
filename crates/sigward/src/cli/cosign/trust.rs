//! Trust material as files: `trusted-root create`, `signing-config create`, and `trust show`, `diff` and `export`.
mod diff;
mod export;
mod material;
pub(super) mod repository;
mod service;
mod show;
mod signing_config;
mod trusted_root;

pub(super) use material::{Named, kept, material, names_its_own, staging};
pub(super) use repository::Network;
pub(crate) use signing_config::SigningConfigCommand;
pub(crate) use trusted_root::TrustedRootCommand;
pub(super) use {signing_config::run as run_signing_config, trusted_root::run as run_trusted_root};

use super::{Failure, Output, keys, signing};
use clap::{Args, Subcommand};
use sigward_sigstore::trust::TrustedRoot;
use std::path::{Path, PathBuf};

/// Looks into trusted roots: who may have issued, logged and dated signatures.
#[derive(Args, Clone, Debug)]
pub(crate) struct Trust {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What is done with them.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    Diff(diff::Diff),
    Export(export::Export),
    Show(show::Show),
}

pub(super) fn run(output: &mut Output, it: &Trust) -> Result<(), Failure> {
    match &it.verb {
        Verb::Diff(it) => diff::run(output, it),
        Verb::Export(it) => export::run(output, it),
        Verb::Show(it) => show::run(output, it),
    }
}

/// A trusted root from its file.
///
/// # Errors
/// It cannot be read, or is none.
pub(super) fn read(path: &Path) -> Result<TrustedRoot, Failure> {
    let bytes = signing::read_file(path, "loading trusted root: ")?;
    TrustedRoot::parse(&bytes)
        .map_err(|error| Failure::new(format!("loading trusted root: {}: {error}", path.display())))
}

/// To the file, or to standard output.
fn write(output: &mut Output, out: Option<&PathBuf>, text: &str) -> Result<(), Failure> {
    match out {
        Some(path) => keys::write_file(path, text.as_bytes(), 0o600),
        None => output.line(text),
    }
}
