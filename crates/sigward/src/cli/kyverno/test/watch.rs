//! `--watch`: the tests again whenever a file below them changes.
use crate::cli::{cosign::Failure, kyverno::input};
use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

/// How often files are looked at.
const EVERY: Duration = Duration::from_millis(500);
/// The most files that are looked at.
const MAX_FILES: usize = 100_000;

/// Runs `work` now and after every change, until the process is stopped.
pub(super) fn run(paths: &[String], work: impl Fn() -> Result<(), Failure>) -> Result<(), Failure> {
    if let Some(address) = paths.iter().find(|path| input::is_address(path)) {
        return Err(Failure::new(format!("--watch takes folders, not {address}")));
    }
    let mut seen = times(paths);
    loop {
        if let Err(Failure { message, .. }) = work() {
            let _closed = writeln!(std::io::stderr(), "Error: {message}");
        }
        let _closed = writeln!(std::io::stderr(), "watching for changes");
        seen = loop {
            thread::sleep(EVERY);
            let now = times(paths);
            if now != seen {
                break now;
            }
        };
    }
}

/// The files below some paths with the times of their last change.
fn times(paths: &[String]) -> BTreeMap<PathBuf, Option<SystemTime>> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = paths.iter().map(|path| Path::new(path).to_owned()).collect();
    while let Some(path) = folders.pop() {
        if found.len() >= MAX_FILES {
            break;
        }
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            folders.extend(entries.map(|entry| entry.path()));
        } else {
            found.insert(path, metadata.modified().ok());
        }
    }
    found
}
