//! Docker's `config.json` and podman's `auth.json`.
use super::{Key, canonical};
use crate::options::Secret;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use sigward_oci::Location;
use smol_str::SmolStr;
use std::{collections::BTreeMap, fs::File, io::Read as _, path::Path};

/// Longest file that is read.
const LONGEST: u64 = 1 << 20;
/// The key under which docker keeps the login of Docker Hub.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// Why a docker configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the file")]
    Io(#[from] std::io::Error),
    /// Too long.
    #[error("longer than 1 MiB")]
    TooLarge,
    /// Not a configuration. The words of the JSON parser are left out: they may quote a password.
    #[error("malformed at line {line}, column {column}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
}

/// The parts that hold credentials.
#[derive(Deserialize, Default)]
pub(crate) struct ConfigFile {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, SmolStr>,
    #[serde(default, rename = "credsStore")]
    store: Option<SmolStr>,
}

/// One login.
#[derive(Deserialize, Default)]
pub(crate) struct Entry {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    /// Base64 of `username:password`.
    #[serde(default)]
    auth: String,
    #[serde(default, rename = "identitytoken")]
    identity_token: String,
    #[serde(default, rename = "registrytoken")]
    registry_token: String,
}

impl Entry {
    /// The credential; `None` when the entry only marks that a helper has it.
    pub(crate) fn key(&self) -> Option<Key> {
        if !self.registry_token.is_empty() {
            return Some(Key::Bearer(Secret::new(self.registry_token.as_bytes())));
        }
        if !self.identity_token.is_empty() {
            return Some(Key::Identity(Secret::new(self.identity_token.as_bytes())));
        }
        if !self.auth.is_empty() {
            let decoded = Secret::new(STANDARD.decode(self.auth.trim()).ok()?);
            let (username, password) = decoded.text().split_once(':')?;
            // Docker pads with zero bytes in very old files.
            let password = password.trim_end_matches('\0');
            return Some(basic(username, password));
        }
        (!self.username.is_empty()).then(|| basic(&self.username, &self.password))
    }
}

/// A credential of user and password; docker writes `<token>` for a refresh token.
pub(crate) fn basic(username: &str, password: &str) -> Key {
    let password = Secret::new(password.as_bytes());
    if username == "<token>" {
        Key::Identity(password)
    } else {
        Key::Basic { username: username.into(), password }
    }
}

/// Reads a file; `None` when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<ConfigFile>, ConfigError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(ConfigError::TooLarge);
    }
    parse(&bytes).map(Some)
}

/// Reads the bytes of a file; an empty file is an empty configuration, as for docker.
pub(crate) fn parse(bytes: &[u8]) -> Result<ConfigFile, ConfigError> {
    if bytes.trim_ascii().is_empty() {
        return Ok(ConfigFile::default());
    }
    serde_json::from_slice(bytes).map_err(json_error)
}

/// Reads the older form, without the `auths` around it.
pub(crate) fn parse_entries(bytes: &[u8]) -> Result<BTreeMap<String, Entry>, ConfigError> {
    serde_json::from_slice(bytes).map_err(json_error)
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn json_error(error: serde_json::Error) -> ConfigError {
    ConfigError::Json { line: error.line(), column: error.column() }
}

/// Adds a login to the content of a configuration file, as `docker login` and `cosign login` do;
/// everything else in it stays. Empty content is an empty configuration.
///
/// # Errors
/// When the content is not a JSON object; nothing of it is quoted.
pub fn with_login(
    content: &[u8],
    host: &str,
    username: &str,
    password: &Secret,
) -> Result<Vec<u8>, ConfigError> {
    let mut root: serde_json::Map<String, serde_json::Value> = if content.trim_ascii().is_empty() {
        serde_json::Map::new()
    } else {
        serde_json::from_slice(content).map_err(json_error)?
    };
    let pair = zeroize::Zeroizing::new([username.as_bytes(), b":", password.expose()].concat());
    let key = if canonical(bare(host)) == "index.docker.io" { HUB_KEY } else { bare(host) };
    let login = serde_json::json!({ "auth": STANDARD.encode(&*pair) });
    let auths = root.entry("auths").or_insert_with(|| serde_json::json!({}));
    match auths.as_object_mut() {
        Some(auths) => drop(auths.insert(key.to_owned(), login)),
        None => *auths = serde_json::json!({ key: login }),
    }
    let mut text = serde_json::to_vec_pretty(&root).map_err(json_error)?;
    text.push(b'\n');
    Ok(text)
}

impl ConfigFile {
    pub(crate) fn into_entries(self) -> BTreeMap<String, Entry> {
        self.auths
    }

    /// The helper program for a registry and the name it knows the registry by.
    pub(crate) fn helper_for(&self, location: &Location) -> Option<(SmolStr, SmolStr)> {
        let wanted = canonical(&location.host);
        let own = self.helpers.iter().find(|(key, _)| canonical(bare(key)) == wanted);
        let helper = own.map(|(_, helper)| helper).or(self.store.as_ref())?;
        let server = if wanted == "index.docker.io" { HUB_KEY } else { wanted };
        (!helper.is_empty()).then(|| (helper.clone(), server.into()))
    }

    /// The login for a repository: the most specific key wins, by whole elements of the path.
    pub(crate) fn key_for(&self, location: &Location) -> Option<Key> {
        let host = canonical(&location.host);
        let mut path = location.path.as_str();
        loop {
            let wanted = |key: &str| {
                let key = bare(key);
                match key.split_once('/') {
                    Some((first, rest)) => canonical(first) == host && rest == path,
                    None => canonical(key) == host && path.is_empty(),
                }
            };
            let found = self.auths.iter().find(|(key, _)| wanted(key));
            if let Some(key) = found.and_then(|(_, entry)| entry.key()) {
                return Some(key);
            }
            if path.is_empty() {
                return None;
            }
            path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
    }
}

/// A key without scheme, and without the `/v1/` or `/v2/` that old tools put behind the host.
fn bare(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key)
}
