//! `trust diff`: what one trusted root holds and another does not.
use super::show::lines;
use crate::cli::cosign::{Failure, Output};
use clap::Args;
use std::path::PathBuf;

/// Show what differs between two trusted roots.
#[derive(Args, Clone, Debug)]
pub(crate) struct Diff {
    /// the older and the newer trusted root
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Prints `-` and `+` lines and fails when there are any, as `diff` does.
pub(super) fn run(output: &mut Output, it: &Diff) -> Result<(), Failure> {
    let [old, new] = it.files.as_slice() else {
        return Err(Failure::new(format!("accepts 2 arg(s), received {}", it.files.len())));
    };
    let (old, new) = (super::read(old)?, super::read(new)?);
    if old.id() == new.id() {
        return Ok(());
    }
    let (old, new) = (lines(&old), lines(&new));
    for line in old.iter().filter(|line| !new.contains(line)) {
        output.line(&format!("- {line}"))?;
    }
    for line in new.iter().filter(|line| !old.contains(line)) {
        output.line(&format!("+ {line}"))?;
    }
    Err(Failure::new("the trusted roots differ"))
}
