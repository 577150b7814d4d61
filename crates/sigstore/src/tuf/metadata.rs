//! The four kinds of metadata: read once, from the very value whose canonical form is signed.
use super::error::{Problem, TufError};
use crate::{
    encoding::{hex, printable, sha256, sha512, unhex_bytes},
    keys::PublicKey,
    requirement::Timestamp,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Signatures of one file that are looked at, and keys of one role.
pub const MAX_SIGNATURES: usize = 128;

/// Metadata whose signatures have not been looked at.
pub(super) struct Unverified {
    file: String,
    signed: Value,
    /// What was signed.
    canonical: Vec<u8>,
    signatures: BTreeMap<String, Vec<u8>>,
}

/// Who may sign a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signers {
    /// By key id; keys of unknown kinds count for nothing.
    pub(super) keys: BTreeMap<String, PublicKey>,
    pub(super) threshold: u64,
}

/// What all metadata begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u64,
    pub(super) expires: Timestamp,
}

impl Header {
    /// SPEC: 5.3.10, 5.4.4, 5.5.6, 5.6.6: the time of expiry must be higher than the time of the update.
    pub(super) fn check_time(self, file: &str, now: Timestamp) -> Result<(), TufError> {
        if now < self.expires {
            return Ok(());
        }
        Err(TufError::new(file, Problem::Expired { at: self.expires }))
    }
}

/// What one file says about another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) version: u64,
    length: Option<u64>,
    hashes: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) header: Header,
    pub(super) consistent_snapshot: bool,
    /// Who signs the next root.
    pub(super) own: Signers,
    pub(super) timestamp: Signers,
    pub(super) snapshot: Signers,
    pub(super) targets: Signers,
}

#[derive(Clone, Debug)]
pub(super) struct TimestampRole {
    pub(super) header: Header,
    pub(super) snapshot: Meta,
}

#[derive(Clone, Debug)]
pub(super) struct SnapshotRole {
    pub(super) header: Header,
    /// By file name, `.json` included.
    pub(super) meta: BTreeMap<String, Meta>,
}

#[derive(Clone, Debug)]
pub(super) struct TargetsRole {
    pub(super) header: Header,
    pub(super) targets: BTreeMap<String, TargetFile>,
    pub(super) delegations: Vec<Delegation>,
}

#[derive(Clone, Debug)]
pub(super) struct Delegation {
    pub(super) name: String,
    pub(super) signers: Signers,
    pub(super) terminating: bool,
    covers: Covers,
}

#[derive(Clone, Debug)]
enum Covers {
    Paths(Vec<String>),
    HashPrefixes(Vec<String>),
}

/// A target as its metadata describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetFile {
    /// Its name: a plain relative path.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    pub(super) hashes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct WireFile {
    signatures: Vec<WireSignature>,
    signed: Value,
}

#[derive(Deserialize)]
struct WireSignature {
    keyid: String,
    sig: String,
}

#[derive(Deserialize)]
struct WireHeader {
    #[serde(rename = "_type")]
    kind: String,
    spec_version: String,
    version: u64,
    expires: String,
}

#[derive(Deserialize)]
struct WireRoot {
    keys: BTreeMap<String, WireKey>,
    roles: BTreeMap<String, WireRole>,
    #[serde(default)]
    consistent_snapshot: bool,
}

#[derive(Deserialize)]
struct WireKey {
    keytype: String,
    scheme: String,
    keyval: WireKeyValue,
}

#[derive(Deserialize)]
struct WireKeyValue {
    #[serde(default)]
    public: String,
}

#[derive(Deserialize)]
struct WireRole {
    keyids: Vec<String>,
    threshold: u64,
}

#[derive(Deserialize)]
struct WireMetas {
    meta: BTreeMap<String, WireMeta>,
}

#[derive(Deserialize)]
struct WireMeta {
    version: u64,
    #[serde(default)]
    length: Option<u64>,
    #[serde(default)]
    hashes: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct WireTargets {
    targets: BTreeMap<String, WireTarget>,
    #[serde(default)]
    delegations: Option<WireDelegations>,
}

#[derive(Deserialize)]
struct WireTarget {
    length: u64,
    hashes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct WireDelegations {
    keys: BTreeMap<String, WireKey>,
    #[serde(default)]
    roles: Option<Vec<WireDelegation>>,
    #[serde(default)]
    succinct_roles: Option<Value>,
}

#[derive(Deserialize)]
struct WireDelegation {
    name: String,
    keyids: Vec<String>,
    threshold: u64,
    #[serde(default)]
    terminating: bool,
    #[serde(default)]
    paths: Option<Vec<String>>,
    #[serde(default)]
    path_hash_prefixes: Option<Vec<String>>,
}

impl Unverified {
    /// Reads the envelope. `file` is the role, for messages.
    pub(super) fn parse(file: &str, bytes: &[u8], limit: u64) -> Result<Self, TufError> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
            return Err(TufError::new(file, Problem::TooLarge { limit }));
        }
        let wire: WireFile = crate::encoding::parse_object(bytes).ok_or_else(|| {
            TufError::malformed(file, "not a JSON object with signatures and signed")
        })?;
        if wire.signatures.len() > MAX_SIGNATURES {
            let problem = Problem::TooMany { what: "signatures", limit: MAX_SIGNATURES };
            return Err(TufError::new(file, problem));
        }
        let canonical = canonical(&wire.signed)
            .ok_or_else(|| TufError::malformed(file, "a number in it is no integer"))?;
        let mut signatures = BTreeMap::new();
        for WireSignature { keyid, sig } in wire.signatures {
            // SPEC: 4.2.1: one signature for each key id; of several the first counts, and it counts once.
            if let Some(sig) = unhex_bytes(&sig) {
                signatures.entry(keyid).or_insert(sig);
            }
        }
        Ok(Self {
            file: file.to_owned(),
            signed: wire.signed,
            canonical: canonical.into_bytes(),
            signatures,
        })
    }

    /// Checks that enough of these keys signed.
    ///
    /// Keys are counted, not their names: one key under two ids is one key.
    pub(super) fn check(&self, signers: &Signers) -> Result<(), TufError> {
        let valid: BTreeSet<&PublicKey> = self
            .signatures
            .iter()
            .filter_map(|(id, signature)| {
                let key = signers.keys.get(id)?;
                key.verify(&self.canonical, signature).ok().map(|()| key)
            })
            .collect();
        // SPEC: 4.3: a threshold is at least one; below that nobody would have to sign.
        let needed = signers.threshold;
        let found = valid.len();
        if needed >= 1 && u64::try_from(found).unwrap_or(0) >= needed {
            return Ok(());
        }
        Err(TufError::new(&self.file, Problem::Threshold { found, needed }))
    }

    fn body<T: serde::de::DeserializeOwned>(&self) -> Result<T, TufError> {
        T::deserialize(&self.signed).map_err(|error| TufError::malformed(&self.file, error))
    }

    fn header(&self, kind: &str) -> Result<Header, TufError> {
        let wire: WireHeader = self.body()?;
        if wire.kind != kind {
            let found = printable(&wire.kind);
            return Err(TufError::new(&self.file, Problem::WrongType { found }));
        }
        if wire.spec_version != "1.0" && !wire.spec_version.starts_with("1.") {
            return Err(TufError::new(
                &self.file,
                Problem::Unsupported("versions of the specification other than 1"),
            ));
        }
        let expires = Timestamp::parse_rfc3339(&wire.expires)
            .ok_or_else(|| TufError::malformed(&self.file, "expires is no RFC 3339 time"))?;
        if wire.version == 0 {
            return Err(TufError::malformed(&self.file, "version is 0"));
        }
        Ok(Header { version: wire.version, expires })
    }

    pub(super) fn root(&self) -> Result<Root, TufError> {
        let header = self.header("root")?;
        let wire: WireRoot = self.body()?;
        let role = |name: &str| {
            let role = wire.roles.get(name).ok_or_else(|| {
                TufError::malformed(&self.file, format_args!("the role {name} is missing"))
            })?;
            signers(&self.file, &wire.keys, &role.keyids, role.threshold)
        };
        Ok(Root {
            header,
            consistent_snapshot: wire.consistent_snapshot,
            own: role("root")?,
            timestamp: role("timestamp")?,
            snapshot: role("snapshot")?,
            targets: role("targets")?,
        })
    }

    pub(super) fn timestamp(&self) -> Result<TimestampRole, TufError> {
        let header = self.header("timestamp")?;
        let mut wire: WireMetas = self.body()?;
        let snapshot = wire
            .meta
            .remove("snapshot.json")
            .ok_or_else(|| TufError::malformed(&self.file, "it names no snapshot.json"))?;
        Ok(TimestampRole { header, snapshot: meta(snapshot) })
    }

    pub(super) fn snapshot(&self) -> Result<SnapshotRole, TufError> {
        let header = self.header("snapshot")?;
        let wire: WireMetas = self.body()?;
        let meta = wire.meta.into_iter().map(|(name, one)| (name, meta(one))).collect();
        Ok(SnapshotRole { header, meta })
    }

    pub(super) fn targets(&self) -> Result<TargetsRole, TufError> {
        let header = self.header("targets")?;
        let wire: WireTargets = self.body()?;
        let mut targets = BTreeMap::new();
        for (name, one) in wire.targets {
            if one.hashes.is_empty() {
                return Err(TufError::malformed(&self.file, format_args!("{name:?} has no hash")));
            }
            let WireTarget { length, hashes } = one;
            targets.insert(name.clone(), TargetFile { name, length, hashes });
        }
        let delegations = match wire.delegations {
            Some(wire) => self.delegations(wire)?,
            None => Vec::new(),
        };
        Ok(TargetsRole { header, targets, delegations })
    }

    fn delegations(&self, wire: WireDelegations) -> Result<Vec<Delegation>, TufError> {
        if wire.succinct_roles.is_some() {
            return Err(TufError::new(
                &self.file,
                Problem::Unsupported("succinct hash bin delegations"),
            ));
        }
        let mut all = Vec::new();
        for one in wire.roles.unwrap_or_default() {
            if !super::path::is_delegated_role(&one.name) {
                return Err(TufError::new(&one.name, Problem::Path));
            }
            let covers = match (one.paths, one.path_hash_prefixes) {
                (Some(paths), None) => Covers::Paths(paths),
                (None, Some(prefixes)) => Covers::HashPrefixes(prefixes),
                _ => {
                    let why = format_args!(
                        "the delegation to {:?} names not exactly one of paths and path_hash_prefixes",
                        one.name
                    );
                    return Err(TufError::malformed(&self.file, why));
                }
            };
            // Leaving such a pattern out could skip a delegation that ends the search.
            if matches!(&covers, Covers::Paths(paths) if paths.iter().any(|path| path.contains(['[', '\\'])))
            {
                return Err(TufError::new(
                    &self.file,
                    Problem::Unsupported("character classes in path patterns"),
                ));
            }
            let signers = signers(&self.file, &wire.keys, &one.keyids, one.threshold)?;
            all.push(Delegation { name: one.name, signers, terminating: one.terminating, covers });
        }
        Ok(all)
    }
}

impl Delegation {
    /// Whether the delegated role may speak about a target.
    pub(super) fn covers(&self, name: &str) -> bool {
        match &self.covers {
            Covers::Paths(paths) => paths.iter().any(|path| super::path::matches(path, name)),
            Covers::HashPrefixes(prefixes) => {
                let hash = hex(&sha256(name.as_bytes()));
                prefixes.iter().any(|prefix| hash.starts_with(prefix.as_str()))
            }
        }
    }
}

impl Meta {
    /// How many bytes are read at most.
    pub(super) fn limit(&self, cap: u64) -> u64 {
        self.length.unwrap_or(cap).min(cap)
    }

    /// SPEC: 5.5.2 and 5.6.2: length and hashes, where they are given.
    pub(super) fn check(&self, file: &str, bytes: &[u8]) -> Result<(), TufError> {
        check_bytes(file, self.length, &self.hashes, bytes)
    }
}

impl TargetFile {
    /// Checks that these are its bytes.
    ///
    /// # Errors
    /// Another length or hash.
    pub fn check(&self, bytes: &[u8]) -> Result<(), TufError> {
        if !self.hashes.keys().any(|name| matches!(name.as_str(), "sha256" | "sha512")) {
            return Err(TufError::new(&self.name, Problem::Unsupported("its hashes")));
        }
        check_bytes(&self.name, Some(self.length), &self.hashes, bytes)
    }
}

/// Hashes of unknown kinds say nothing; the known ones must all match.
fn check_bytes(
    file: &str,
    length: Option<u64>,
    hashes: &BTreeMap<String, String>,
    bytes: &[u8],
) -> Result<(), TufError> {
    let mismatch = |what| Err(TufError::new(file, Problem::Mismatch { what }));
    if length.is_some_and(|length| length != u64::try_from(bytes.len()).unwrap_or(u64::MAX)) {
        return mismatch("length");
    }
    for (name, expected) in hashes {
        let (what, found) = match name.as_str() {
            "sha256" => ("SHA-256", hex(&sha256(bytes))),
            "sha512" => ("SHA-512", hex(&sha512(bytes))),
            _ => continue,
        };
        if !found.eq_ignore_ascii_case(expected) {
            return mismatch(what);
        }
    }
    Ok(())
}

fn meta(wire: WireMeta) -> Meta {
    Meta { version: wire.version, length: wire.length, hashes: wire.hashes.unwrap_or_default() }
}

fn signers(
    file: &str,
    keys: &BTreeMap<String, WireKey>,
    ids: &[String],
    threshold: u64,
) -> Result<Signers, TufError> {
    if ids.len() > MAX_SIGNATURES {
        let problem = Problem::TooMany { what: "keys of a role", limit: MAX_SIGNATURES };
        return Err(TufError::new(file, problem));
    }
    let keys = ids.iter().filter_map(|id| Some((id.clone(), public_key(keys.get(id)?)?))).collect();
    Ok(Signers { keys, threshold })
}

/// SPEC: 4.2.1 key formats, and the spellings of ECDSA keys that Sigstore's older roots have.
fn public_key(wire: &WireKey) -> Option<PublicKey> {
    let text = wire.keyval.public.as_str();
    match (wire.keytype.as_str(), wire.scheme.as_str()) {
        ("ed25519", "ed25519") => PublicKey::from_ed25519(&unhex_bytes(text)?).ok(),
        (
            "ecdsa" | "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384",
            "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384",
        ) => match unhex_bytes(text) {
            Some(point) => PublicKey::from_p256_point(&point).ok(),
            None => PublicKey::parse_pem(text).ok(),
        },
        ("rsa", "rsassa-pss-sha256" | "rsa-pkcs1v15-sha256") => PublicKey::parse_pem(text).ok(),
        _ => None,
    }
}

/// The bytes that are signed for a value; `None` when a number in it is no integer.
pub fn canonical(value: &Value) -> Option<String> {
    let mut out = String::new();
    write_canonical(&mut out, value)?;
    Some(out)
}

/// SPEC: 4.2.1, OLPC canonical JSON: names in order, no spaces, only quotes and backslashes escaped, integers only.
fn write_canonical(out: &mut String, value: &Value) -> Option<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) if number.is_i64() || number.is_u64() => {
            out.push_str(&number.to_string());
        }
        Value::Number(_) => return None,
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(out, item)?;
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (i, (name, field)) in fields.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(out, name);
                out.push(':');
                write_canonical(out, field)?;
            }
            out.push('}');
        }
    }
    Some(())
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}
