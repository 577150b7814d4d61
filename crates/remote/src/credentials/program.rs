//! Credential helper programs: `docker-credential-NAME get`, under a time limit.
use super::{Key, config_file::basic};
use crate::{flight::Flights, options::Secret};
use serde::Deserialize;
use smol_str::{SmolStr, ToSmolStr};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
};

/// Most bytes that are read from a helper.
const LONGEST: u64 = 64 << 10;

/// Why a helper gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    #[error("credential helper name {0:?} is not a name")]
    Name(SmolStr),
    #[error("credential helper docker-credential-{0} cannot be run: {1}")]
    Run(SmolStr, std::io::Error),
    #[error("credential helper docker-credential-{0} took longer than {1:?}")]
    Slow(SmolStr, Duration),
    #[error("credential helper docker-credential-{0} failed")]
    Failed(SmolStr),
    #[error("credential helper docker-credential-{0} gave a malformed answer")]
    Malformed(SmolStr),
}

/// How long the answer of a helper is believed: long enough not to run a program for each request.
const LIFETIME: Duration = Duration::from_mins(1);
/// Answers that are remembered.
const MOST: usize = 256;

type Question = (SmolStr, SmolStr);
type Answered = Result<Option<Key>, SmolStr>;

/// Helpers that ran, and those that run. Failures are told to all who wait and then forgotten.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    held: Mutex<BTreeMap<Question, (Option<Key>, Instant)>>,
    flights: Flights<Question, Answered>,
}

impl Programs {
    /// The credential of a server, as a helper gives it now or gave it a moment ago.
    pub(super) async fn get(
        self: &Arc<Self>,
        helper: SmolStr,
        server: SmolStr,
        limit: Duration,
        path: Option<OsString>,
    ) -> Answered {
        let question = (helper, server);
        let known = self.lock().get(&question).cloned();
        if let Some((key, until)) = known
            && Instant::now() < until
        {
            return Ok(key);
        }
        let (arrival, _) = self.flights.join(question.clone(), |_| {
            let programs = Arc::clone(self);
            async move {
                let (helper, server) = &question;
                let answer = get(helper, server, limit, path.as_deref()).await;
                let key = answer.map_err(|error| error.to_smolstr())?;
                let mut held = programs.lock();
                if held.len() >= MOST {
                    held.clear();
                }
                held.insert(question, (key.clone(), Instant::now() + LIFETIME));
                Ok(key)
            }
        });
        arrival.wait().await.unwrap_or(Ok(None))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Question, (Option<Key>, Instant)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a helper prints.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username", default)]
    username: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

/// Asks a helper for the credential of a server; `None` when it has none.
pub(super) async fn get(
    helper: &SmolStr,
    server: &str,
    limit: Duration,
    path: Option<&OsStr>,
) -> Result<Option<Key>, ProgramError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if helper.is_empty() || helper.len() > 64 || !helper.bytes().all(fits) {
        return Err(ProgramError::Name(helper.clone()));
    }
    match tokio::time::timeout(limit, run(helper, server, path)).await {
        Ok(answer) => answer,
        Err(_) => Err(ProgramError::Slow(helper.clone(), limit)),
    }
}

async fn run(
    helper: &SmolStr,
    server: &str,
    path: Option<&OsStr>,
) -> Result<Option<Key>, ProgramError> {
    let failed = |error| ProgramError::Run(helper.clone(), error);
    let mut command = Command::new(format!("docker-credential-{helper}"));
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let mut child = command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // A helper that hangs ends with the wait for it.
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        // A helper may answer without reading; that is not an error.
        let _ = input.write_all(server.as_bytes()).await;
    }
    let mut printed = zeroize::Zeroizing::new(Vec::new());
    if let Some(output) = child.stdout.take() {
        output.take(LONGEST).read_to_end(&mut printed).await.map_err(failed)?;
    }
    let status = child.wait().await.map_err(failed)?;
    if !status.success() {
        // Helpers say on stdout that they simply have nothing.
        let text = String::from_utf8_lossy(&printed).to_lowercase();
        let none = ["credentials not found", "no credentials server url", "credentials missing"];
        if none.iter().any(|words| text.contains(words)) {
            return Ok(None);
        }
        return Err(ProgramError::Failed(helper.clone()));
    }
    let answer: Answer =
        serde_json::from_slice(&printed).map_err(|_| ProgramError::Malformed(helper.clone()))?;
    let secret = Secret::new(answer.secret.into_bytes());
    if answer.username.is_empty() && secret.expose().is_empty() {
        return Ok(None);
    }
    Ok(Some(basic(&answer.username, secret.text())))
}
