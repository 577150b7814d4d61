//! Which credentials fit a question, and whose they are. Bytes of Secrets come from outside.
mod cloud;
mod config_file;
mod kubelet;
mod program;

use crate::{
    options::{Options, Secret},
    wire::exchange::Exchange,
};
pub use cloud::CloudEnvironment;
use cloud::{Cloud, Clouds};
use config_file::ConfigFile;
pub use config_file::{ConfigError, with_login};
use program::Programs;
use sigward_oci::{Access, Location};
use smol_str::{SmolStr, format_smolstr};
use std::{ffi::OsString, fmt, future::Future, path::PathBuf, pin::Pin, sync::Arc};

/// The content of an imagePullSecret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullSecret {
    /// Type `kubernetes.io/dockerconfigjson`, key `.dockerconfigjson`.
    DockerConfigJson(Secret),
    /// Type `kubernetes.io/dockercfg`, key `.dockercfg`.
    Dockercfg(Secret),
}

/// An answer to [`Credentials::pull_secret`] that comes: `Ok(None)` when there is no such Secret,
/// `Err` with the reason when that could not be told.
pub type PullSecretFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Option<PullSecret>, SmolStr>> + Send + 'a>>;

/// Where Secrets come from.
pub trait Credentials: Send + Sync + fmt::Debug + 'static {
    /// The bytes of one imagePullSecret.
    fn pull_secret<'a>(&'a self, namespace: &'a str, name: &'a str) -> PullSecretFuture<'a>;
}

/// No Secrets at all: what a command line has.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSecrets;

impl Credentials for NoSecrets {
    fn pull_secret<'a>(&'a self, _: &'a str, _: &'a str) -> PullSecretFuture<'a> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// A login given on the command line, for these hosts only.
#[derive(Clone, Debug)]
pub struct Login {
    /// Hosts (as in references) that may see it.
    pub hosts: Vec<SmolStr>,
    /// What they see.
    pub key: Key,
}

/// One credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// User name and password (or an access token in the place of one).
    Basic {
        /// User name.
        username: SmolStr,
        /// Password.
        password: Secret,
    },
    /// An OAuth2 refresh token, spent at the token endpoint.
    Identity(Secret),
    /// A bearer token, sent to the registry as it is.
    Bearer(Secret),
}

impl Key {
    /// Tells keys apart in the memory of tokens without keeping them there.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        let (kind, name, secret): (&[u8], &str, &Secret) = match self {
            Self::Basic { username, password } => (b"basic\0", username, password),
            Self::Identity(token) => (b"identity\0", "", token),
            Self::Bearer(token) => (b"bearer\0", "", token),
        };
        context.update(kind);
        context.update(&(name.len() as u64).to_be_bytes());
        context.update(name.as_bytes());
        context.update(secret.expose());
        let mut fingerprint = [0; 32];
        for (to, from) in fingerprint.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        fingerprint
    }
}

/// The credentials that fit, in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    pub(crate) list: Vec<Key>,
    /// What was looked for and not found: told only when access is denied in the end.
    pub(crate) notes: Vec<SmolStr>,
}

/// Most credentials that are tried for one question.
const MOST_KEYS: usize = 5;

/// Programs and clouds that give credentials, with what they gave.
#[derive(Debug)]
pub(crate) struct Helpers {
    options: Arc<Options>,
    programs: Arc<Programs>,
    clouds: Arc<Clouds>,
}

impl Helpers {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        Self {
            options: Arc::clone(&exchange.options),
            programs: Arc::default(),
            clouds: Clouds::new(exchange, cloud::Places::default()),
        }
    }

    /// Finds the credentials for a repository. `Err` when a Secret that exists could not be read.
    pub(crate) async fn find(
        &self,
        source: &dyn Credentials,
        access: &Access,
        location: &Location,
    ) -> Result<Keys, SmolStr> {
        let (options, programs) = (self.options.as_ref(), &self.programs);
        let mut keys = Keys::default();
        if let Some(login) = &options.login
            && login.hosts.iter().any(|host| same_registry(host, &location.host))
        {
            keys.list.push(login.key.clone());
            return Ok(keys);
        }
        let named = if access.is_ambient() { &options.ambient } else { access };
        for (namespace, name) in &named.secrets {
            match source.pull_secret(namespace, name).await {
                Ok(Some(secret)) => match kubelet::matching(&secret, location) {
                    Ok(found) if found.is_empty() => keys.notes.push(format_smolstr!(
                        "secret {namespace}/{name} has no credentials for this repository"
                    )),
                    Ok(found) => keys.list.extend(found),
                    Err(error) => keys
                        .notes
                        .push(format_smolstr!("secret {namespace}/{name} is malformed: {error}")),
                },
                Ok(None) => keys.notes.push(format_smolstr!("secret {namespace}/{name} not found")),
                Err(why) => return Err(format_smolstr!("secret {namespace}/{name}: {why}")),
            }
        }
        // The process-wide credentials of a command line need no name.
        let usual = [SmolStr::new_static("default"), SmolStr::new_static("github")];
        let helpers: &[SmolStr] = if named.is_ambient() { &usual } else { &named.helpers };
        for helper in helpers {
            match helper.as_str() {
                "default" => from_files(options, programs, location, &mut keys).await,
                "github" => {
                    if location.host == "ghcr.io"
                        && let Some(token) = &options.github_token
                    {
                        let username = SmolStr::new_static("unset");
                        keys.list.push(Key::Basic { username, password: token.clone() });
                    }
                }
                other => match Cloud::of(other) {
                    Some(cloud) if cloud.owns(&location.host) => {
                        match self.clouds.get(cloud, &location.host).await {
                            Ok(key) => keys.list.push(key),
                            Err(why) => keys.notes.push(why),
                        }
                    }
                    Some(_) => {}
                    None => {
                        keys.notes.push(format_smolstr!("there is no credential helper {other}"));
                    }
                },
            }
        }
        keys.list.truncate(MOST_KEYS);
        Ok(keys)
    }
}

async fn from_files(
    options: &Options,
    programs: &Arc<Programs>,
    location: &Location,
    keys: &mut Keys,
) {
    for path in &options.docker_configs {
        let file = path.clone();
        let read = tokio::task::spawn_blocking(move || config_file::read(&file)).await;
        let config: ConfigFile = match read {
            Ok(Ok(Some(config))) => config,
            Ok(Ok(None)) | Err(_) => continue,
            Ok(Err(error)) => {
                keys.notes.push(format_smolstr!("{}: {error}", path.display()));
                continue;
            }
        };
        if let Some((helper, server)) = config.helper_for(location) {
            let path = options.helper_path.clone();
            match programs.get(helper, server, options.times.helper, path).await {
                Ok(Some(key)) => keys.list.push(key),
                Ok(None) => {}
                Err(error) => keys.notes.push(error),
            }
        }
        if keys.list.is_empty()
            && let Some(key) = config.key_for(location)
        {
            keys.list.push(key);
        }
        if !keys.list.is_empty() {
            return;
        }
    }
}

/// True when two hosts are one registry: Docker Hub has several names.
fn same_registry(one: &str, other: &str) -> bool {
    canonical(one) == canonical(other)
}

/// One name for Docker Hub; other hosts are their own.
fn canonical(host: &str) -> &str {
    match host {
        "docker.io" | "registry-1.docker.io" | "registry.docker.io" => "index.docker.io",
        other => other,
    }
}

/// The files that docker and podman read, in their order; `environment` looks a variable up.
///
/// COMPAT: go-containerregistry's default keychain: `DOCKER_CONFIG` or `~/.docker`, then
/// `REGISTRY_AUTH_FILE`, then podman's `auth.json`; test: `files_are_looked_for_where_docker_and_podman_keep_them`.
pub fn docker_configs(environment: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let get = |name| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = get("HOME");
    let docker = get("DOCKER_CONFIG").or_else(|| home.as_ref().map(|home| home.join(".docker")));
    [
        docker.map(|folder| folder.join("config.json")),
        get("REGISTRY_AUTH_FILE"),
        get("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")),
        home.map(|home| home.join(".config/containers/auth.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests;
