//! cosign's TUF cache: a folder for each mirror, the mirror in use, and when it was last asked.
//!
//! Nothing in it is trusted for lying there: metadata are verified and targets compared with them each time they are read.
use sigward_sigstore::{
    requirement::Timestamp,
    tuf::{Find, Kept, MAX_ROOT, MAX_SNAPSHOT, MAX_TARGET, MAX_TARGETS, MAX_TIMESTAMP, Repository},
};
use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

/// Bytes of a small file of the cache itself.
const MAX_NOTE: u64 = 64 << 10;

/// The folder (`TUF_ROOT`, `~/.sigstore/root`).
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// A file of the cache cannot be read or written. That it is not there is no error.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
pub struct CacheError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub error: io::Error,
}

impl Cache {
    /// The cache in this folder, which need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The mirror that `initialize` was told.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn mirror(&self) -> Result<Option<String>, CacheError> {
        let Some(bytes) = read(&self.folder.join("remote.json"), MAX_NOTE)? else {
            return Ok(None);
        };
        let json = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
        let mirror = json.as_ref().and_then(|json| json.get("mirror")?.as_str());
        Ok(mirror.filter(|mirror| !mirror.is_empty()).map(str::to_owned))
    }

    /// Notes the mirror in use.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn set_mirror(&self, mirror: &str) -> Result<(), CacheError> {
        let note = serde_json::json!({ "mirror": mirror }).to_string();
        write(&self.folder.join("remote.json"), note.as_bytes())
    }

    /// The metadata that are kept of a mirror.
    ///
    /// # Errors
    /// A file is there and cannot be read.
    pub fn kept(&self, mirror: &str) -> Result<Kept, CacheError> {
        let folder = self.of(mirror);
        let file = |name: &str, limit| read(&folder.join(name), limit);
        Ok(Kept {
            root: file("root.json", MAX_ROOT)?,
            timestamp: file("timestamp.json", MAX_TIMESTAMP)?,
            snapshot: file("snapshot.json", MAX_SNAPSHOT)?,
            targets: file("targets.json", MAX_TARGETS)?,
            ..Kept::default()
        })
    }

    /// Keeps the metadata of a repository, the root first, and notes when they were up to date.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn keep(
        &self,
        mirror: &str,
        repository: &Repository,
        at: Timestamp,
    ) -> Result<(), CacheError> {
        let folder = self.of(mirror);
        let kept = repository.kept();
        let files = [
            ("root.json", &kept.root),
            ("timestamp.json", &kept.timestamp),
            ("snapshot.json", &kept.snapshot),
            ("targets.json", &kept.targets),
        ];
        for (name, bytes) in files {
            if let Some(bytes) = bytes {
                write(&folder.join(name), bytes)?;
            }
        }
        let time = jiff::Timestamp::from_second(at.0).map(|at| at.to_string()).unwrap_or_default();
        let note = serde_json::json!({ "lastTimestamp": time }).to_string();
        write(&self.noted(mirror), note.as_bytes())
    }

    /// When the metadata of a mirror were last known to be up to date.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn refreshed(&self, mirror: &str) -> Result<Option<Timestamp>, CacheError> {
        let Some(bytes) = read(&self.noted(mirror), MAX_NOTE)? else { return Ok(None) };
        let json = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
        let time = json.as_ref().and_then(|json| json.get("lastTimestamp")?.as_str());
        Ok(time.and_then(Timestamp::parse_rfc3339))
    }

    /// A target that is kept, if it is what the repository says.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn target(
        &self,
        mirror: &str,
        repository: &Repository,
        name: &str,
    ) -> Result<Option<Vec<u8>>, CacheError> {
        // Of a delegated target nothing is kept that could be compared.
        let Ok(Find::Found(target)) = repository.find(name) else { return Ok(None) };
        let bytes = read(&self.target_file(mirror, name), MAX_TARGET)?;
        Ok(bytes.filter(|bytes| target.check(bytes).is_ok()))
    }

    /// Keeps a target.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn keep_target(&self, mirror: &str, name: &str, bytes: &[u8]) -> Result<(), CacheError> {
        write(&self.target_file(mirror, name), bytes)
    }

    /// `HOST-PORT-PATH`.
    ///
    /// COMPAT: cosign 3.1.3: a slash at the end is part of it; test: a_mirror_has_a_folder_of_its_own
    fn name(mirror: &str) -> String {
        let rest = mirror.split_once("://").map_or(mirror, |(_, rest)| rest);
        let plain =
            |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' };
        let name: String = rest.to_ascii_lowercase().chars().map(plain).collect();
        // An address is foreign text: it names a folder in the cache, and none above it.
        if name.chars().all(|c| c == '.') { "-".to_owned() } else { name }
    }

    fn of(&self, mirror: &str) -> PathBuf {
        self.folder.join(Self::name(mirror))
    }

    fn noted(&self, mirror: &str) -> PathBuf {
        self.folder.join(format!("{}.json", Self::name(mirror)))
    }

    /// Where a target is kept.
    pub fn target_file(&self, mirror: &str, name: &str) -> PathBuf {
        self.of(mirror).join("targets").join(name.replace('/', "%2F"))
    }
}

pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, CacheError> {
    let fail = |error| CacheError { path: path.to_owned(), error };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(fail(io::Error::other(format!("larger than {limit} bytes"))));
    }
    Ok(Some(bytes))
}

/// Writes a file whole or not at all, so that another process never reads half of one.
fn write(path: &Path, bytes: &[u8]) -> Result<(), CacheError> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let fail = |error| CacheError { path: path.to_owned(), error };
    let folder = path.parent().unwrap_or(path);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fail)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(0o600).open(&beside).map_err(fail)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(fail)?;
    fs::rename(&beside, path).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_has_a_folder_of_its_own() {
        for (mirror, expected) in [
            ("https://tuf-repo-cdn.sigstore.dev", "tuf-repo-cdn.sigstore.dev"),
            ("http://127.0.0.1:8080/tuf", "127.0.0.1-8080-tuf"),
            ("http://127.0.0.1:8080/tuf/", "127.0.0.1-8080-tuf-"),
            ("https://Mirror.test/%2e%2e/x", "mirror.test--2e-2e-x"),
            ("https://..", "-"),
            ("", "-"),
        ] {
            assert_eq!(Cache::name(mirror), expected);
        }
    }

    #[test]
    fn the_mirror_in_use_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("root"));
        assert_eq!(cache.mirror().unwrap(), None);
        cache.set_mirror("https://tuf.test").unwrap();
        assert_eq!(cache.mirror().unwrap().as_deref(), Some("https://tuf.test"));
        assert_eq!(cache.kept("https://tuf.test").unwrap(), Kept::default());
        assert_eq!(cache.refreshed("https://tuf.test").unwrap(), None);
    }
}
