//! `login`: credentials for a registry, kept as docker keeps them.
use super::{
    Failure, Output,
    pflag::{exactly_one, go_bool},
};
use base64::Engine as _;
use clap::Args;
use serde_json::{Map, Value, json};
use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Log in to a registry.
#[derive(Args, Clone, Debug)]
pub(crate) struct Login {
    /// the registry's host
    #[arg(value_name = "SERVER")]
    pub(crate) server: Vec<String>,
    /// username
    #[arg(long, short = 'u')]
    pub(crate) username: Option<String>,
    /// password
    #[arg(long, short = 'p')]
    pub(crate) password: Option<String>,
    /// take the password from stdin
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) password_stdin: bool,
}

/// Where docker keeps Docker Hub's credentials.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// Stores the credentials as docker does: through the configured helper, else in `config.json`.
pub(super) fn run(output: &mut Output, login: &Login) -> Result<(), Failure> {
    let server = exactly_one(&login.server)?;
    let username = login.username.clone().unwrap_or_default();
    let password = if login.password_stdin {
        if login.password.is_some() {
            return Err(Failure::new("--password and --password-stdin are mutually exclusive"));
        }
        let mut text = String::new();
        std::io::stdin().take(64 * 1024).read_to_string(&mut text)?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        login.password.clone().unwrap_or_default()
    };
    if username.is_empty() || password.is_empty() {
        return Err(Failure::new("username and password required"));
    }
    let path = config_path()?;
    let mut config = read_config(&path)?;
    let key = match server.as_str() {
        "docker.io" | "index.docker.io" => DOCKER_HUB_KEY,
        other => other,
    };
    if let Some(helper) = helper_for(&config, server) {
        store_with_helper(&helper, key, &username, &password)?;
    } else {
        let auth =
            base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
        let auths = config.entry("auths").or_insert_with(|| json!({}));
        let Value::Object(auths) = auths else {
            return Err(Failure::new(format!(
                "{}: field `auths` is not an object",
                path.display()
            )));
        };
        auths.insert(key.to_owned(), json!({ "auth": auth }));
        write_private(&path, &Value::Object(config))?;
    }
    output.say(&format!("logged in via {}", path.display()));
    Ok(())
}

/// `DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
fn config_path() -> Result<PathBuf, Failure> {
    if let Some(folder) = std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()) {
        return Ok(PathBuf::from(folder).join("config.json"));
    }
    let home = std::env::var_os("HOME").ok_or_else(|| {
        Failure::new("cannot tell where to keep credentials: neither DOCKER_CONFIG nor HOME is set")
    })?;
    Ok(PathBuf::from(home).join(".docker").join("config.json"))
}

fn read_config(path: &Path) -> Result<Map<String, Value>, Failure> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(Failure::new(format!("cannot read {}: {error}", path.display()))),
    };
    match serde_json::from_slice(&text) {
        Ok(Value::Object(config)) => Ok(config),
        Ok(_) => Err(Failure::new(format!("{} is not a JSON object", path.display()))),
        Err(error) => Err(Failure::new(format!("cannot parse {}: {error}", path.display()))),
    }
}

/// The program suffix that keeps this host's credentials, if the configuration names one.
fn helper_for(config: &Map<String, Value>, server: &str) -> Option<String> {
    let by_host = config.get("credHelpers").and_then(|helpers| helpers.get(server));
    by_host
        .or_else(|| config.get("credsStore"))
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty())
        .map(Into::into)
}

fn store_with_helper(
    helper: &str,
    key: &str,
    username: &str,
    password: &str,
) -> Result<(), Failure> {
    let program = format!("docker-credential-{helper}");
    let mut child = Command::new(&program)
        .arg("store")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| Failure::new(format!("cannot run {program}: {error}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        let entry = json!({ "ServerURL": key, "Username": username, "Secret": password });
        stdin.write_all(entry.to_string().as_bytes())?;
    }
    let status = child.wait()?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("{program} could not store the credentials: {status}")))
    }
}

/// Writes beside and renames, readable by its owner alone.
fn write_private(path: &Path, config: &Value) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension(format!("json.{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(format!("{config:#}").as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    Ok(())
}
