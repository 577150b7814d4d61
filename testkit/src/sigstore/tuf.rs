//! A TUF repository: metadata signed by keys of its own, and everything that an attacker does to one.

// SPEC: The Update Framework 1.0, sections 3 and 4 (roles and file formats), with consistent snapshots.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{canonical, clock::Clock, trust};
use crate::{
    digest::{hex, sha256_hex},
    keys::{Algorithm, KeyError, KeyPair},
};

/// A top-level role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Says who the others are.
    Root,
    /// Says which snapshot is the newest.
    Timestamp,
    /// Says which targets metadata belong together.
    Snapshot,
    /// Says what the targets are.
    Targets,
}

impl Role {
    /// Its name in metadata.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Timestamp => "timestamp",
            Self::Snapshot => "snapshot",
            Self::Targets => "targets",
        }
    }
}

/// What is done to the next metadata that are published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Attack {
    /// Nothing.
    #[default]
    None,
    /// A role is signed by fewer keys than its threshold.
    BelowThreshold(Role),
    /// A role has as many signatures as its threshold demands, but all by one key.
    OneKeyManyTimes(Role),
    /// A role is signed by keys that nobody trusts, under the ids of those that are trusted.
    OtherKeys(Role),
    /// A role goes back to version 1.
    Rollback(Role),
    /// A role has expired already.
    Expired(Role),
    /// The snapshot names another version of the targets than there is.
    MixAndMatch,
    /// The timestamp says another hash of the snapshot.
    WrongSnapshotHash,
    /// The targets say another hash of each target.
    WrongTargetHash,
    /// The targets say one byte less of each target.
    WrongTargetLength,
    /// Metadata of a role claim to be of another role.
    WrongType(Role),
}

/// Who signs a role.
#[derive(Debug, Clone)]
struct Signers {
    keys: Vec<KeyPair>,
    threshold: usize,
    version: u64,
}

/// A delegation of the targets role.
#[derive(Debug, Clone)]
struct Delegation {
    name: String,
    paths: Vec<String>,
    terminating: bool,
    key: KeyPair,
    targets: BTreeMap<String, Target>,
}

#[derive(Debug, Clone)]
struct Target {
    bytes: Bytes,
    custom: Option<Value>,
}

/// The repository: what a mirror serves, by path.
#[derive(Debug)]
pub struct Repository {
    clock: Clock,
    lifetime: i64,
    roles: BTreeMap<Role, Signers>,
    strangers: Vec<KeyPair>,
    delegations: Vec<Delegation>,
    targets: BTreeMap<String, Target>,
    files: BTreeMap<String, Bytes>,
    first_root: Vec<u8>,
}

impl Repository {
    /// An empty repository whose root needs two of three keys and whose metadata live a week.
    pub fn new(clock: Clock) -> Result<Self, KeyError> {
        let keys = |algorithm, count: usize| -> Result<Vec<KeyPair>, KeyError> {
            (0..count).map(|_| KeyPair::generate(algorithm)).collect()
        };
        let role = |keys, threshold| Signers { keys, threshold, version: 0 };
        let mut made = Self {
            clock,
            lifetime: 7 * 86_400,
            roles: BTreeMap::from([
                (Role::Root, role(keys(Algorithm::EcdsaP256, 3)?, 2)),
                (Role::Targets, role(keys(Algorithm::EcdsaP256, 3)?, 2)),
                (Role::Snapshot, role(keys(Algorithm::Ed25519, 1)?, 1)),
                (Role::Timestamp, role(keys(Algorithm::Ed25519, 1)?, 1)),
            ]),
            strangers: keys(Algorithm::EcdsaP256, 3)?,
            delegations: Vec::new(),
            targets: BTreeMap::new(),
            files: BTreeMap::new(),
            first_root: Vec::new(),
        };
        made.publish_root(&Attack::None)?;
        made.first_root = made.file("1.root.json").map(|root| root.to_vec()).unwrap_or_default();
        made.publish(&Attack::None)?;
        Ok(made)
    }

    /// The first root: what a client trusts from the start.
    pub fn root(&self) -> Vec<u8> {
        self.first_root.clone()
    }

    /// Seconds that metadata live from now on.
    pub fn set_lifetime(&mut self, seconds: i64) {
        self.lifetime = seconds;
    }

    /// Puts a target in, for the next [`publish`](Self::publish).
    pub fn put(&mut self, name: &str, bytes: impl Into<Bytes>, custom: Option<Value>) {
        self.targets.insert(name.to_owned(), Target { bytes: bytes.into(), custom });
    }

    /// Delegates targets under some path patterns to a role of its own with one key; its targets are put with
    /// [`put_delegated`](Self::put_delegated).
    pub fn delegate(
        &mut self,
        name: &str,
        paths: &[&str],
        terminating: bool,
    ) -> Result<(), KeyError> {
        self.delegations.push(Delegation {
            name: name.to_owned(),
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
            terminating,
            key: KeyPair::generate(Algorithm::EcdsaP256)?,
            targets: BTreeMap::new(),
        });
        Ok(())
    }

    /// Puts a target into a delegated role, allowed or not.
    pub fn put_delegated(&mut self, role: &str, name: &str, bytes: impl Into<Bytes>) {
        let target = Target { bytes: bytes.into(), custom: None };
        for delegation in self.delegations.iter_mut().filter(|one| one.name == role) {
            delegation.targets.insert(name.to_owned(), target.clone());
        }
    }

    /// What a mirror serves under a path, without the slash in front.
    pub fn file(&self, path: &str) -> Option<Bytes> {
        self.files.get(path).cloned()
    }

    /// The paths of all files.
    pub fn paths(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    /// Serves these bytes under a path, whatever they are.
    pub fn serve(&mut self, path: &str, bytes: impl Into<Bytes>) {
        self.files.insert(path.to_owned(), bytes.into());
    }

    /// All files as they are: what an attacker keeps to serve them again later.
    pub fn snapshot(&self) -> BTreeMap<String, Bytes> {
        self.files.clone()
    }

    /// Serves nothing but these files.
    pub fn restore(&mut self, files: BTreeMap<String, Bytes>) {
        self.files = files;
    }

    /// A new root with new root keys, signed by the old and the new; the other roles stay.
    pub fn rotate_root(&mut self, attack: &Attack) -> Result<(), KeyError> {
        let old = self.signers(Role::Root).keys.clone();
        let fresh =
            (0..3).map(|_| KeyPair::generate(Algorithm::EcdsaP256)).collect::<Result<_, _>>()?;
        if let Some(role) = self.roles.get_mut(&Role::Root) {
            role.keys = fresh;
        }
        self.publish_root_with(&old, attack)
    }

    /// A new root with the same keys.
    pub fn publish_root(&mut self, attack: &Attack) -> Result<(), KeyError> {
        self.publish_root_with(&[], attack)
    }

    fn publish_root_with(&mut self, old: &[KeyPair], attack: &Attack) -> Result<(), KeyError> {
        let version = self.bump(Role::Root);
        let mut keys = serde_json::Map::new();
        let mut roles = serde_json::Map::new();
        for (role, signers) in &self.roles {
            let ids: Vec<String> = signers.keys.iter().map(key_id).collect();
            keys.extend(signers.keys.iter().map(|key| (key_id(key), describe(key))));
            let entry = json!({ "keyids": ids, "threshold": signers.threshold });
            roles.insert(role.name().to_owned(), entry);
        }
        let mut signed = self.header(Role::Root, version, attack);
        fill(&mut signed, &json!({ "consistent_snapshot": true, "keys": keys, "roles": roles }));
        let mut signers = self.signers(Role::Root).clone();
        if *attack != Attack::BelowThreshold(Role::Root) {
            signers.keys.extend_from_slice(old);
        }
        let bytes = self.sign(Role::Root, &signed, &signers, attack)?;
        self.files.insert(format!("{version}.root.json"), bytes);
        Ok(())
    }

    /// New targets, snapshot and timestamp.
    pub fn publish(&mut self, attack: &Attack) -> Result<(), KeyError> {
        let mut meta = serde_json::Map::new();
        let mut delegated = Vec::new();
        let mut keys = serde_json::Map::new();
        let version = self.bump(Role::Targets);
        for delegation in self.delegations.clone() {
            let mut signed = self.header(Role::Targets, version, &Attack::None);
            let entries = self.place_targets(&delegation.targets, attack);
            fill(&mut signed, &json!({ "targets": entries }));
            let signers = Signers { keys: vec![delegation.key.clone()], threshold: 1, version };
            let bytes = self.sign(Role::Targets, &signed, &signers, &Attack::None)?;
            let name = &delegation.name;
            meta.insert(format!("{name}.json"), json!({ "version": version }));
            self.files.insert(format!("{version}.{name}.json"), bytes);
            keys.insert(key_id(&delegation.key), describe(&delegation.key));
            delegated.push(json!({
                "name": name, "keyids": [key_id(&delegation.key)], "threshold": 1,
                "terminating": delegation.terminating, "paths": delegation.paths,
            }));
        }
        let entries = self.place_targets(&self.targets.clone(), attack);
        let mut signed = self.header(Role::Targets, version, attack);
        fill(&mut signed, &json!({ "targets": entries }));
        if !delegated.is_empty() {
            fill(&mut signed, &json!({ "delegations": { "keys": keys, "roles": delegated } }));
        }
        let shown = shown_version(&signed);
        let bytes = self.sign(Role::Targets, &signed, self.signers(Role::Targets), attack)?;
        self.files.insert(format!("{shown}.targets.json"), bytes.clone());
        let named = if *attack == Attack::MixAndMatch { shown + 1 } else { shown };
        if named != shown {
            self.files.insert(format!("{named}.targets.json"), bytes);
        }
        meta.insert("targets.json".to_owned(), json!({ "version": named }));

        let version = self.bump(Role::Snapshot);
        let mut signed = self.header(Role::Snapshot, version, attack);
        fill(&mut signed, &json!({ "meta": meta }));
        let shown = shown_version(&signed);
        let bytes = self.sign(Role::Snapshot, &signed, self.signers(Role::Snapshot), attack)?;
        let hash = if *attack == Attack::WrongSnapshotHash {
            sha256_hex(b"something else")
        } else {
            sha256_hex(&bytes)
        };
        let entry =
            json!({ "version": shown, "length": bytes.len(), "hashes": { "sha256": hash } });
        self.files.insert(format!("{shown}.snapshot.json"), bytes);

        let version = self.bump(Role::Timestamp);
        let mut signed = self.header(Role::Timestamp, version, attack);
        fill(&mut signed, &json!({ "meta": { "snapshot.json": entry } }));
        let bytes = self.sign(Role::Timestamp, &signed, self.signers(Role::Timestamp), attack)?;
        self.files.insert("timestamp.json".to_owned(), bytes);
        Ok(())
    }

    /// Serves targets under their hashed names and returns what the metadata say about them.
    fn place_targets(&mut self, targets: &BTreeMap<String, Target>, attack: &Attack) -> Value {
        let mut entries = serde_json::Map::new();
        for (name, target) in targets {
            let mut hash = sha256_hex(&target.bytes);
            let (folder, file) =
                name.rsplit_once('/').map_or((String::new(), name.as_str()), |(folder, file)| {
                    (format!("{folder}/"), file)
                });
            let mut length = target.bytes.len();
            if *attack == Attack::WrongTargetHash {
                hash = sha256_hex(b"something else");
            }
            if *attack == Attack::WrongTargetLength {
                length = length.saturating_sub(1);
            }
            self.files.insert(format!("targets/{folder}{hash}.{file}"), target.bytes.clone());
            let mut entry = json!({ "length": length, "hashes": { "sha256": hash } });
            if let (Some(custom), Some(fields)) = (&target.custom, entry.as_object_mut()) {
                fields.insert("custom".to_owned(), custom.clone());
            }
            entries.insert(name.clone(), entry);
        }
        Value::Object(entries)
    }

    fn signers(&self, role: Role) -> &Signers {
        static NOBODY: Signers = Signers { keys: Vec::new(), threshold: 1, version: 0 };
        self.roles.get(&role).unwrap_or(&NOBODY)
    }

    fn bump(&mut self, role: Role) -> u64 {
        self.roles.get_mut(&role).map_or(0, |signers| {
            signers.version += 1;
            signers.version
        })
    }

    /// What all metadata begin with.
    fn header(&self, role: Role, version: u64, attack: &Attack) -> Value {
        let lifetime = if *attack == Attack::Expired(role) { -1 } else { self.lifetime };
        let version = if *attack == Attack::Rollback(role) { 1 } else { version };
        let kind = if *attack == Attack::WrongType(role) { "mirrors" } else { role.name() };
        json!({
            "_type": kind, "spec_version": "1.0.31", "version": version,
            "expires": trust::time(self.clock.now().saturating_add(lifetime)),
        })
    }

    fn sign(
        &self,
        role: Role,
        signed: &Value,
        signers: &Signers,
        attack: &Attack,
    ) -> Result<Bytes, KeyError> {
        let text = canonical::olpc(signed);
        let mut by: Vec<(String, &KeyPair)> =
            signers.keys.iter().map(|key| (key_id(key), key)).collect();
        if *attack == Attack::BelowThreshold(role) {
            by.truncate(signers.threshold - 1);
        }
        if *attack == Attack::OneKeyManyTimes(role) {
            let first: Vec<_> = by.iter().take(1).cloned().collect();
            by = first.iter().cycle().take(signers.threshold.max(2)).cloned().collect();
        }
        if *attack == Attack::OtherKeys(role) {
            by = by.into_iter().map(|(id, _)| id).zip(&self.strangers).collect();
        }
        let mut signatures = Vec::new();
        for (id, key) in by {
            signatures.push(json!({ "keyid": id, "sig": hex(&key.sign(text.as_bytes())?) }));
        }
        Ok(json!({ "signatures": signatures, "signed": signed }).to_string().into())
    }
}

fn fill(value: &mut Value, more: &Value) {
    if let (Some(fields), Some(more)) = (value.as_object_mut(), more.as_object()) {
        fields.extend(more.clone());
    }
}

fn shown_version(signed: &Value) -> u64 {
    signed.get("version").and_then(Value::as_u64).unwrap_or(0)
}

/// A key as metadata describe it.
fn describe(key: &KeyPair) -> Value {
    if key.algorithm() == Algorithm::Ed25519 {
        let spki = key.spki_der();
        let raw = spki.last_chunk::<32>().map_or(spki, |raw| raw.as_slice());
        return json!({ "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": hex(raw) } });
    }
    json!({
        "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": { "public": key.public_pem() },
    })
}

fn key_id(key: &KeyPair) -> String {
    sha256_hex(canonical::olpc(&describe(key)).as_bytes())
}
