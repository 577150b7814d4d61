//! What is trusted: each function takes the bytes of one role and either believes them or leaves everything as it was.
use super::{
    MAX_DELEGATIONS, MAX_ROOT, MAX_SNAPSHOT, MAX_TARGET, MAX_TARGETS, MAX_TIMESTAMP,
    error::{Problem, TufError},
    metadata::{
        Delegation, Root, Signers, SnapshotRole, TargetFile, TargetsRole, TimestampRole, Unverified,
    },
    path,
    update::{Ask, Kept},
};
use crate::requirement::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Metadata that were verified, together with the bytes that a cache keeps.
#[derive(Clone, Debug)]
pub struct Repository {
    pub(super) root: Root,
    pub(super) timestamp: Option<TimestampRole>,
    pub(super) snapshot: Option<SnapshotRole>,
    pub(super) targets: Option<TargetsRole>,
    /// Delegated metadata by delegating and delegated role: whoever delegates says whose signatures count.
    delegated: BTreeMap<(String, String), TargetsRole>,
    pub(super) kept: Kept,
    now: Timestamp,
}

/// Where the search for a target stands.
#[derive(Clone, Debug)]
pub enum Find {
    /// This is it.
    Found(TargetFile),
    /// Metadata of a delegated role are needed first: [`Repository::delegate`] takes them.
    Needs(Box<Delegated>),
}

/// A delegated role whose metadata are wanted, and whose signatures count for them.
#[derive(Clone, Debug)]
pub struct Delegated {
    /// The file.
    pub ask: Ask,
    by: String,
    role: String,
    signers: Signers,
}

impl Delegated {
    /// The name of the role.
    pub fn role(&self) -> &str {
        &self.role
    }
}

const ROOT: &str = "root";
const TIMESTAMP: &str = "timestamp";
const SNAPSHOT: &str = "snapshot";
const TARGETS: &str = "targets";

impl Repository {
    /// Begins with a root that is trusted because the caller says so; it must be signed by its own keys.
    pub(super) fn begin(root: &[u8], now: Timestamp) -> Result<Self, TufError> {
        let unverified = Unverified::parse(ROOT, root, MAX_ROOT)?;
        let parsed = unverified.root()?;
        unverified.check(&parsed.own)?;
        Ok(Self {
            root: parsed,
            timestamp: None,
            snapshot: None,
            targets: None,
            delegated: BTreeMap::new(),
            kept: Kept { root: Some(root.to_vec()), ..Kept::default() },
            now,
        })
    }

    /// Believes files that were kept, as long as none has expired: nothing is fetched.
    ///
    /// # Errors
    /// A file is missing, is not what the one above it says, or has expired by `now`.
    pub fn open(kept: &Kept, now: Timestamp) -> Result<Self, TufError> {
        let missing = |role| TufError::new(role, Problem::Missing);
        let root = kept.root.as_deref().ok_or_else(|| missing(ROOT))?;
        let mut opened = Self::begin(root, now)?;
        opened.root.header.check_time(ROOT, now)?;
        opened.take_timestamp(kept.timestamp.as_deref().ok_or_else(|| missing(TIMESTAMP))?)?;
        opened.check_timestamp()?;
        opened.take_snapshot(kept.snapshot.as_deref().ok_or_else(|| missing(SNAPSHOT))?)?;
        opened.take_targets(kept.targets.as_deref().ok_or_else(|| missing(TARGETS))?)?;
        opened.kept.delegated.clone_from(&kept.delegated);
        Ok(opened)
    }

    /// The version of the root that is trusted.
    pub fn root_version(&self) -> u64 {
        self.root.header.version
    }

    /// When the first of the four top-level roles expires: until then the repository may be used without asking.
    pub fn expires(&self) -> Timestamp {
        let roles = [
            self.timestamp.as_ref().map(|role| role.header.expires),
            self.snapshot.as_ref().map(|role| role.header.expires),
            self.targets.as_ref().map(|role| role.header.expires),
        ];
        roles.into_iter().flatten().fold(self.root.header.expires, std::cmp::min)
    }

    /// Versions of root, timestamp, snapshot and targets; 0 for what is not there yet.
    pub fn versions(&self) -> [u64; 4] {
        [
            self.root.header.version,
            self.timestamp.as_ref().map_or(0, |role| role.header.version),
            self.snapshot.as_ref().map_or(0, |role| role.header.version),
            self.targets.as_ref().map_or(0, |role| role.header.version),
        ]
    }

    /// The files that are worth keeping.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Names of the targets that the top-level role describes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().flat_map(|role| role.targets.keys()).map(String::as_str)
    }

    /// SPEC: 5.3.3 to 5.3.9: signed by the old and by the new, one version further, then it takes the old one's place.
    pub(super) fn take_root(&mut self, bytes: &[u8]) -> Result<(), TufError> {
        let unverified = Unverified::parse(ROOT, bytes, MAX_ROOT)?;
        unverified.check(&self.root.own)?;
        let root = unverified.root()?;
        unverified.check(&root.own)?;
        let expected = self.root.header.version.saturating_add(1);
        if root.header.version != expected {
            let found = root.header.version;
            return Err(TufError::new(ROOT, Problem::Sequence { expected, found }));
        }
        self.root = root;
        self.kept.root = Some(bytes.to_vec());
        Ok(())
    }

    /// SPEC: 5.4.2 and 5.4.3; expiry is for [`Self::check_timestamp`], since an expired one still guards against rollback.
    pub(super) fn take_timestamp(&mut self, bytes: &[u8]) -> Result<(), TufError> {
        let unverified = Unverified::parse(TIMESTAMP, bytes, MAX_TIMESTAMP)?;
        unverified.check(&self.root.timestamp)?;
        let timestamp = unverified.timestamp()?;
        if let Some(trusted) = &self.timestamp {
            not_older(TIMESTAMP, trusted.header.version, timestamp.header.version)?;
            // SPEC: 5.4.3.1: the same version is the same metadata; nothing new is to be had.
            if trusted.header.version == timestamp.header.version {
                return Ok(());
            }
            not_older(SNAPSHOT, trusted.snapshot.version, timestamp.snapshot.version)?;
        }
        self.timestamp = Some(timestamp);
        self.kept.timestamp = Some(bytes.to_vec());
        Ok(())
    }

    pub(super) fn check_timestamp(&self) -> Result<(), TufError> {
        match &self.timestamp {
            Some(timestamp) => timestamp.header.check_time(TIMESTAMP, self.now),
            None => Err(TufError::new(TIMESTAMP, Problem::Missing)),
        }
    }

    /// What has to be asked for the snapshot that the timestamp names.
    pub(super) fn ask_snapshot(&self) -> Result<Ask, TufError> {
        let meta = &self
            .timestamp
            .as_ref()
            .ok_or_else(|| TufError::new(TIMESTAMP, Problem::Missing))?
            .snapshot;
        Ok(Ask::metadata(self.versioned(SNAPSHOT, meta.version), meta.limit(MAX_SNAPSHOT)))
    }

    /// SPEC: 5.5.2 to 5.5.6.
    pub(super) fn take_snapshot(&mut self, bytes: &[u8]) -> Result<(), TufError> {
        let snapshot = self.read_snapshot(bytes)?;
        snapshot.header.check_time(SNAPSHOT, self.now)?;
        self.snapshot = Some(snapshot);
        self.kept.snapshot = Some(bytes.to_vec());
        Ok(())
    }

    /// Lets a snapshot that was kept guard against older targets, though the timestamp may name a newer one by now.
    pub(super) fn remember_snapshot(&mut self, bytes: &[u8]) {
        let read = || {
            let unverified = Unverified::parse(SNAPSHOT, bytes, MAX_SNAPSHOT)?;
            unverified.check(&self.root.snapshot)?;
            unverified.snapshot()
        };
        if let Ok(snapshot) = read() {
            self.snapshot = Some(snapshot);
        }
    }

    fn read_snapshot(&self, bytes: &[u8]) -> Result<SnapshotRole, TufError> {
        let timestamp =
            self.timestamp.as_ref().ok_or_else(|| TufError::new(TIMESTAMP, Problem::Missing))?;
        timestamp.snapshot.check(SNAPSHOT, bytes)?;
        let unverified = Unverified::parse(SNAPSHOT, bytes, MAX_SNAPSHOT)?;
        unverified.check(&self.root.snapshot)?;
        let snapshot = unverified.snapshot()?;
        same_version(SNAPSHOT, timestamp.snapshot.version, snapshot.header.version)?;
        if let Some(trusted) = &self.snapshot {
            for (name, old) in &trusted.meta {
                let new = snapshot
                    .meta
                    .get(name)
                    .ok_or_else(|| TufError::new(name, Problem::Dropped { before: true }))?;
                not_older(name, old.version, new.version)?;
            }
        }
        Ok(snapshot)
    }

    /// What has to be asked for the targets that the snapshot names.
    pub(super) fn ask_targets(&self) -> Result<Ask, TufError> {
        self.ask_role(TARGETS)
    }

    fn ask_role(&self, role: &str) -> Result<Ask, TufError> {
        let meta = self.meta(role)?;
        Ok(Ask::metadata(self.versioned(role, meta.version), meta.limit(MAX_TARGETS)))
    }

    fn meta(&self, role: &str) -> Result<&super::metadata::Meta, TufError> {
        let snapshot =
            self.snapshot.as_ref().ok_or_else(|| TufError::new(SNAPSHOT, Problem::Missing))?;
        let named = snapshot.meta.get(&format!("{role}.json"));
        named.ok_or_else(|| TufError::new(role, Problem::Dropped { before: false }))
    }

    /// SPEC: 5.6.2 to 5.6.6.
    pub(super) fn take_targets(&mut self, bytes: &[u8]) -> Result<(), TufError> {
        let targets = self.read_targets(TARGETS, &self.root.targets, bytes)?;
        self.targets = Some(targets);
        self.kept.targets = Some(bytes.to_vec());
        Ok(())
    }

    fn read_targets(
        &self,
        role: &str,
        signers: &Signers,
        bytes: &[u8],
    ) -> Result<TargetsRole, TufError> {
        let meta = self.meta(role)?;
        meta.check(role, bytes)?;
        let unverified = Unverified::parse(role, bytes, MAX_TARGETS)?;
        unverified.check(signers)?;
        let targets = unverified.targets()?;
        same_version(role, meta.version, targets.header.version)?;
        targets.header.check_time(role, self.now)?;
        Ok(targets)
    }

    /// Looks for a target: first in the top-level role, then where it delegates, depth first and in order.
    ///
    /// SPEC: 5.6.7. At most [`MAX_DELEGATIONS`] delegated roles are looked at, none of them twice.
    ///
    /// # Errors
    /// A name that is no plain path; no role that may say so knows the target; too many roles.
    pub fn find(&self, name: &str) -> Result<Find, TufError> {
        if !path::is_target(name) {
            return Err(TufError::new(name, Problem::Path));
        }
        let missing = || TufError::new(TARGETS, Problem::Missing);
        let mut role = self.targets.as_ref().ok_or_else(missing)?;
        let mut by = TARGETS;
        let mut visited = BTreeSet::from([TARGETS]);
        let mut open: Vec<(&str, &Delegation)> = Vec::new();
        loop {
            if let Some(target) = role.targets.get(name) {
                return Ok(Find::Found(target.clone()));
            }
            let covering: Vec<_> = role.delegations.iter().filter(|one| one.covers(name)).collect();
            let end = covering.iter().position(|one| one.terminating);
            if end.is_some() {
                // Whoever was still waiting is not asked any more.
                open.clear();
            }
            let asked = covering.into_iter().take(end.map_or(usize::MAX, |end| end + 1));
            let mut asked: Vec<_> = asked.map(|delegation| (by, delegation)).collect();
            asked.reverse();
            open.append(&mut asked);
            let (above, delegation) = loop {
                let next = open.pop().ok_or_else(|| TufError::new(name, Problem::NoTarget))?;
                if visited.insert(&next.1.name) {
                    break next;
                }
            };
            if visited.len() > MAX_DELEGATIONS + 1 {
                let problem = Problem::TooMany { what: "delegated roles", limit: MAX_DELEGATIONS };
                return Err(TufError::new(name, problem));
            }
            by = &delegation.name;
            let key = (above.to_owned(), by.to_owned());
            match self.delegated.get(&key) {
                Some(loaded) => role = loaded,
                None => {
                    return Ok(Find::Needs(Box::new(Delegated {
                        ask: self.ask_role(by)?,
                        by: key.0,
                        role: key.1,
                        signers: delegation.signers.clone(),
                    })));
                }
            }
        }
    }

    /// Takes the metadata of a delegated role that [`Self::find`] asked for. They count for this delegation alone.
    ///
    /// # Errors
    /// They are not what the delegating role and the snapshot say, or have expired.
    pub fn delegate(&mut self, wanted: Delegated, bytes: &[u8]) -> Result<(), TufError> {
        let targets = self.read_targets(&wanted.role, &wanted.signers, bytes)?;
        self.kept.delegated.insert(wanted.role.clone(), bytes.to_vec());
        self.delegated.insert((wanted.by, wanted.role), targets);
        Ok(())
    }

    /// What has to be asked for a target's bytes; [`TargetFile::check`] judges them.
    ///
    /// # Errors
    /// It is longer than is read, or has no hash of a known kind.
    pub fn ask_target(&self, target: &TargetFile) -> Result<Ask, TufError> {
        if target.length > MAX_TARGET {
            return Err(TufError::new(&target.name, Problem::TooLarge { limit: MAX_TARGET }));
        }
        let (folder, file) = path::split(&target.name);
        let path = if self.root.consistent_snapshot {
            let hash = ["sha256", "sha512"].into_iter().find_map(|name| target.hashes.get(name));
            let hash = hash
                .filter(|hash| hash.bytes().all(|b| b.is_ascii_hexdigit()))
                .ok_or_else(|| TufError::new(&target.name, Problem::Unsupported("its hashes")))?;
            format!("targets/{folder}{hash}.{file}")
        } else {
            format!("targets/{}", target.name)
        };
        Ok(Ask { path: path.replace(' ', "%20"), limit: target.length })
    }

    fn versioned(&self, role: &str, version: u64) -> String {
        let role = role.replace(' ', "%20");
        if self.root.consistent_snapshot {
            format!("{version}.{role}.json")
        } else {
            format!("{role}.json")
        }
    }
}

fn not_older(file: &str, trusted: u64, found: u64) -> Result<(), TufError> {
    if found >= trusted {
        return Ok(());
    }
    Err(TufError::new(file, Problem::Rollback { trusted, found }))
}

fn same_version(file: &str, expected: u64, found: u64) -> Result<(), TufError> {
    if found == expected {
        return Ok(());
    }
    Err(TufError::new(file, Problem::MixedUp { expected, found }))
}
