//! The order of an update: roots until there is no newer one, timestamp, snapshot, targets.
use super::{
    MAX_ROOT, MAX_ROTATIONS, MAX_TIMESTAMP,
    error::{Problem, TufError},
    metadata::Root,
    trusted::Repository,
};
use crate::requirement::Timestamp;
use std::collections::BTreeMap;

/// A file of the mirror that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Its path below the mirror's address.
    pub path: String,
    /// Bytes that are read at most.
    pub limit: u64,
}

impl Ask {
    pub(super) fn metadata(path: String, limit: u64) -> Self {
        Self { path, limit }
    }
}

/// The metadata files of a cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// `root.json`.
    pub root: Option<Vec<u8>>,
    /// `timestamp.json`.
    pub timestamp: Option<Vec<u8>>,
    /// `snapshot.json`.
    pub snapshot: Option<Vec<u8>>,
    /// `targets.json`.
    pub targets: Option<Vec<u8>>,
    /// Of delegated roles, by name.
    pub delegated: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Root { rotations: u32 },
    Timestamp,
    Snapshot,
    Targets,
    Done,
}

/// An update in progress. After an error it is of no more use; what was kept before stays good.
#[derive(Debug)]
pub struct Update {
    repository: Repository,
    kept: Kept,
    stage: Stage,
    now: Timestamp,
    /// The root that the kept files were trusted by.
    before: Root,
}

impl Update {
    /// Begins with the root that is trusted and the files that were kept (`kept.root` is not looked at).
    ///
    /// # Errors
    /// The root is malformed, or not signed by its own keys.
    pub fn new(root: &[u8], kept: Kept, now: Timestamp) -> Result<Self, TufError> {
        let repository = Repository::begin(root, now)?;
        Ok(Self {
            before: repository.root.clone(),
            repository,
            kept,
            stage: Stage::Root { rotations: 0 },
            now,
        })
    }

    /// The file that is wanted next; nothing when the metadata are up to date.
    ///
    /// # Errors
    /// None that an update which took its last answer would meet.
    pub fn wanted(&self) -> Result<Option<Ask>, TufError> {
        let ask = match self.stage {
            Stage::Root { .. } => {
                let version = self.repository.root_version().saturating_add(1);
                Ask::metadata(format!("{version}.root.json"), MAX_ROOT)
            }
            Stage::Timestamp => Ask::metadata("timestamp.json".to_owned(), MAX_TIMESTAMP),
            Stage::Snapshot => self.repository.ask_snapshot()?,
            Stage::Targets => self.repository.ask_targets()?,
            Stage::Done => return Ok(None),
        };
        Ok(Some(ask))
    }

    /// Takes the file that was wanted; `None` when the mirror does not have it (404 and nothing else).
    ///
    /// # Errors
    /// Whatever is wrong with it: the update ends there, and nothing of it is to be used.
    pub fn answer(&mut self, bytes: Option<&[u8]>) -> Result<(), TufError> {
        let missing = |role| TufError::new(role, Problem::Missing);
        match self.stage {
            Stage::Root { rotations } => match bytes {
                Some(_) if rotations >= MAX_ROTATIONS => {
                    let limit = usize::try_from(MAX_ROTATIONS).unwrap_or(usize::MAX);
                    return Err(TufError::new(
                        "root",
                        Problem::TooMany { what: "new versions", limit },
                    ));
                }
                Some(bytes) => {
                    self.repository.take_root(bytes)?;
                    self.stage = Stage::Root { rotations: rotations + 1 };
                }
                None => self.roots_are_current()?,
            },
            Stage::Timestamp => {
                self.repository.take_timestamp(bytes.ok_or_else(|| missing("timestamp"))?)?;
                self.repository.check_timestamp()?;
                self.stage = Stage::Snapshot;
                // What was kept is as good as what the mirror would send, when it is what the timestamp names.
                if let Some(kept) = self.kept.snapshot.take()
                    && self.repository.take_snapshot(&kept).is_ok()
                {
                    self.snapshot_is_current();
                }
            }
            Stage::Snapshot => {
                self.repository.take_snapshot(bytes.ok_or_else(|| missing("snapshot"))?)?;
                self.snapshot_is_current();
            }
            Stage::Targets => {
                self.repository.take_targets(bytes.ok_or_else(|| missing("targets"))?)?;
                self.stage = Stage::Done;
            }
            Stage::Done => {}
        }
        Ok(())
    }

    /// What is trusted in the end.
    ///
    /// # Errors
    /// The update is not at its end.
    pub fn finish(self) -> Result<Repository, TufError> {
        match self.stage {
            Stage::Done => Ok(self.repository),
            Stage::Root { .. } | Stage::Timestamp | Stage::Snapshot | Stage::Targets => {
                Err(TufError::new("update", Problem::Missing))
            }
        }
    }

    /// SPEC: 5.3.10 (only the last root must not have expired) and 5.3.11 (new keys of timestamp or snapshot: what they
    /// signed before is forgotten, so that a version number near its limit does no lasting harm).
    fn roots_are_current(&mut self) -> Result<(), TufError> {
        self.repository.root.header.check_time("root", self.now)?;
        let (old, new) = (&self.before, &self.repository.root);
        let rotated = old.timestamp != new.timestamp || old.snapshot != new.snapshot;
        self.stage = Stage::Timestamp;
        if rotated {
            self.kept.timestamp = None;
            self.kept.snapshot = None;
            return Ok(());
        }
        if let Some(kept) = self.kept.timestamp.take()
            && self.repository.take_timestamp(&kept).is_ok()
            && let Some(kept) = &self.kept.snapshot
        {
            self.repository.remember_snapshot(kept);
        }
        Ok(())
    }

    fn snapshot_is_current(&mut self) {
        self.stage = Stage::Targets;
        if let Some(kept) = self.kept.targets.take()
            && self.repository.take_targets(&kept).is_ok()
        {
            self.stage = Stage::Done;
        }
    }
}
