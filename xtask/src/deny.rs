//! cargo-deny at a pinned version, kept in the cache folder, run over `deny.toml`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The version that CI runs.
const VERSION: &str = "0.20.2";

/// The program, built by cargo if the cache does not have this version yet.
pub fn install() -> Result<PathBuf> {
    let folder = workspace::cache()?.join("tools").join(format!("cargo-deny-{VERSION}"));
    let program = folder.join("bin/cargo-deny");
    if !program.is_file() {
        eprintln!("building cargo-deny {VERSION} into {}", folder.display());
        let built = tempfile::tempdir().context("cannot make a folder to build in")?;
        workspace::run(
            workspace::cargo()
                .args(["install", "cargo-deny", "--quiet", "--locked", "--version", VERSION, "--root"])
                .arg(&folder)
                .env("CARGO_TARGET_DIR", built.path())
                // The tool is run once per change: its own speed is not worth the optimiser's time.
                .env("CARGO_PROFILE_RELEASE_LTO", "off")
                .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
                .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
        )?;
    }
    Ok(program)
}

/// Checks bans, licences and sources; advisories too where their database can be reached.
pub fn check() -> Result<()> {
    let program = install()?;
    workspace::run(&mut deny(&program, &["bans", "licenses", "sources"]))?;
    let advisories = deny(&program, &["advisories"])
        .stdin(Stdio::null())
        .output()
        .context("cannot start cargo-deny")?;
    let said = String::from_utf8_lossy(&advisories.stderr);
    if advisories.status.success() {
        eprintln!("advisories ok");
    } else if said.contains("failed to fetch advisory database")
        || said.contains("failed to load advisory database")
    {
        eprintln!("skipped: advisories, as their database cannot be reached from here");
    } else {
        bail!("advisories:\n{said}");
    }
    Ok(())
}

fn deny(program: &Path, checks: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(workspace::root())
        .args(["--log-level", "error", "check", "--hide-inclusion-graph"])
        .args(checks);
    command
}
