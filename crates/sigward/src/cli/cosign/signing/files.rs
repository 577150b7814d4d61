//! What is read to be signed, and the files that signatures go to.
use crate::cli::cosign::{Failure, Output, keys};
use sigward_oci::Digest;
use std::{
    io::Read,
    path::{Path, PathBuf},
};

/// Longest signing config, payload, predicate or statement that is read, in bytes.
const MAX_DOCUMENT: u64 = 128 << 20;
/// Longest file that is signed or verified, in bytes: all of it is in memory, since some keys sign all of it.
const MAX_BLOB: u64 = 4 << 30;

/// The bytes of a document, bounded.
///
/// # Errors
/// Go's words for what went wrong, behind `before`.
pub(in crate::cli::cosign) fn read_file(path: &Path, before: &str) -> Result<Vec<u8>, Failure> {
    read_up_to(MAX_DOCUMENT, path, before)
}

/// A document, or standard input for `-`.
///
/// # Errors
/// As [`read_file`].
pub(in crate::cli::cosign) fn read_input(path: &Path, before: &str) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        return bounded(std::io::stdin(), MAX_DOCUMENT, "standard input", before);
    }
    read_file(path, before)
}

/// A file of any kind, or standard input for `-`.
///
/// # Errors
/// As [`read_file`].
pub(in crate::cli::cosign) fn read_blob(path: &Path, before: &str) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        return bounded(std::io::stdin(), MAX_BLOB, "standard input", before);
    }
    read_up_to(MAX_BLOB, path, before)
}

fn read_up_to(limit: u64, path: &Path, before: &str) -> Result<Vec<u8>, Failure> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path)
        .map_err(|error| Failure::new(format!("{before}open {name}: {}", keys::reason(&error))))?;
    bounded(file, limit, &name, before)
}

fn bounded(from: impl Read, limit: u64, name: &str, before: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format!("{before}read {name}: {}", keys::reason(&error))))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(Failure::new(format!("{before}{name} is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// The file for one of several outputs: `FILE`, or `FILE-sha256-HEX` where one name would stand for many.
///
/// COMPAT: cosign 3.1: with `--recursive` each file gets the digest behind its name; bundles do not there, and all but
/// the last are lost; test: recursive_output_files_carry_the_digest
pub(in crate::cli::cosign) fn file_for(path: &Path, digest: &Digest, many: bool) -> PathBuf {
    if !many {
        return path.to_path_buf();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!("-{}-{}", digest.algorithm().as_str(), digest.hex()));
    PathBuf::from(name)
}

/// Writes a bundle for its owner alone, and says so.
pub(in crate::cli::cosign) fn write_bundle(
    output: &Output,
    path: &Path,
    bundle: &[u8],
) -> Result<(), Failure> {
    keys::write_file(path, bundle, 0o600)?;
    output.say(&format!("Wrote bundle to file {}", path.display()));
    Ok(())
}
