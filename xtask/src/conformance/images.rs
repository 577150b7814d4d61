//! Cases about signed images of a public registry, run with a registry, images and keys of our own in their place.
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sigward_testkit::{
    image,
    keys::{Algorithm, KeyPair},
    registry::{Options, Registry},
    signing::{Knobs, Place},
};

/// The repository that upstream's cases speak of: its tag `signed` is signed by a key that they print, `unsigned` is not.
const THEIRS: &str = "ghcr.io/kyverno/test-verify-image";
/// What stands in its place.
const OURS: &str = "kyverno/test-verify-image";
/// How a key begins and ends in a policy.
const KEY: (&str, &str) = ("-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----");

/// A registry with both images, and the cases rewritten to name it. It is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Images {
    registry: Registry,
    key: String,
    folder: tempfile::TempDir,
}

impl Images {
    /// Starts the registry, pushes the images and signs the one.
    pub(super) fn new() -> Result<Self> {
        let registry = Registry::start(Options::default())?;
        let key = KeyPair::generate(Algorithm::EcdsaP256)?;
        image::build(1).push(&registry, OURS, "signed");
        image::build(2).push(&registry, OURS, "unsigned");
        Place::of(&registry, OURS, "signed")?.sign_legacy(&key, &Knobs::default())?;
        Ok(Self { registry, key: key.public_pem(), folder: tempfile::tempdir()? })
    }

    /// Where the rewritten cases are, at the paths that they have below the conformance data.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Copies the files beside the test file at `path`, rewritten.
    ///
    /// # Errors
    /// A file could not be read or written.
    pub(super) fn take(&self, shared: &Path, path: &str) -> Result<()> {
        let below = Path::new(path).parent().unwrap_or_else(|| Path::new(""));
        let to = self.folder.path().join(below);
        fs::create_dir_all(&to)?;
        for file in files(&shared.join(below))? {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            let image = format!("{}/{OURS}", self.registry.host());
            let text = with_key(&text.replace(THEIRS, &image), &self.key);
            fs::write(to.join(file.file_name().unwrap_or_default()), text)?;
        }
        Ok(())
    }
}

/// Whether a case speaks of those images, in a file beside its test file.
pub(super) fn speaks_of_them(shared: &Path, path: &str) -> bool {
    let folder = shared.join(path);
    let files = folder.parent().and_then(|folder| files(folder).ok()).unwrap_or_default();
    files.iter().any(|file| fs::read_to_string(file).is_ok_and(|text| text.contains(THEIRS)))
}

/// The YAML files of a folder.
fn files(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() && path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            found.push(path);
        }
    }
    Ok(found)
}

/// Every key in block form replaced, with the indentation of the one that stood there.
fn with_key(text: &str, pem: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.lines() {
        if let Some(indentation) = line.strip_suffix(KEY.0) {
            inside = true;
            for ours in pem.trim_end().lines() {
                out.push_str(indentation);
                out.push_str(ours);
                out.push('\n');
            }
        }
        if !inside {
            out.push_str(line);
            out.push('\n');
        }
        inside &= !line.ends_with(KEY.1);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_takes_the_place_of_another_and_the_rest_stays() {
        let text = "a: |-\n  -----BEGIN PUBLIC KEY-----\n  AAA=\n  BBB=\n  -----END PUBLIC KEY-----\nb: 1\n";
        let ours = "-----BEGIN PUBLIC KEY-----\nCCC=\n-----END PUBLIC KEY-----\n";
        assert_eq!(
            with_key(text, ours),
            "a: |-\n  -----BEGIN PUBLIC KEY-----\n  CCC=\n  -----END PUBLIC KEY-----\nb: 1\n"
        );
        assert_eq!(with_key("b: 1\n", ours), "b: 1\n");
    }
}
