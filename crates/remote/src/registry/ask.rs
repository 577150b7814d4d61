//! Asking a repository: credentials when they are wanted, and what statuses mean.
use super::{Inner, place_in};
use crate::{
    credentials::Keys,
    error::{FetchError, Malformed, clean},
    flight::Progress,
    observer::Operation,
    wire::{
        body::Expect,
        clients::Zone,
        exchange::{Answer, Outgoing, Scheme},
        guard, pause,
        token::{self, For},
    },
};
use bytes::Bytes;
use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};
use serde::Deserialize;
use sigward_oci::{Access, Location};
use smol_str::{SmolStr, format_smolstr};
use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

/// What may be done with the answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Pull,
    Push,
    Delete,
}

/// One question to a repository.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) location: Location,
    /// Behind `/v2/PATH/`, with its query; or a whole path that begins with `/`.
    pub(super) rest: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) action: Action,
    /// A second repository that is read (mount).
    pub(super) also_pull: Option<SmolStr>,
    pub(super) expect: Expect,
    pub(super) operation: Operation,
    pub(super) retry: bool,
}

impl Question {
    pub(super) fn scopes(&self) -> Vec<String> {
        let actions = match self.action {
            Action::Pull => "pull",
            Action::Push => "pull,push",
            Action::Delete => "pull,push,delete",
        };
        let mut scopes = vec![format!("repository:{}:{actions}", self.location.path)];
        if let Some(other) = &self.also_pull {
            scopes.push(format!("repository:{other}:pull"));
        }
        scopes
    }
}

impl Inner {
    /// How much of a body is read.
    pub(super) fn expect(&self, cap: u64, what: &'static str) -> Expect {
        let idle = self.exchange.options.times.idle;
        Expect { cap, what, digest: None, size: None, idle }
    }

    /// Asks; a 401 is answered with the credentials that fit, one after the other.
    pub(super) async fn ask(
        &self,
        question: &Question,
        access: &Access,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Answer, FetchError> {
        let host = &question.location.host;
        if !question.location.is_valid() {
            let place = place_in_location(&question.location, &question.rest);
            return Err(FetchError::Malformed { place, what: Malformed::Name, said: None });
        }
        let options = &self.exchange.options;
        let loopback = guard::is_loopback(host);
        let insecure_plain = access.insecure_plain_http || options.host(host).insecure_plain_http;
        let plain_allowed = loopback || insecure_plain;
        let zone = if loopback { Zone::Loopback } else { Zone::Named };
        let path = if question.rest.starts_with('/') {
            question.rest.clone()
        } else {
            format!("/v2/{}/{}", question.location.path, question.rest)
        };
        let mut outgoing = Outgoing {
            method: question.method.clone(),
            host: host.clone(),
            path,
            headers: question.headers.clone(),
            authorization: None,
            body: question.body.clone(),
            scheme: Scheme::Discover { plain_allowed },
            zone,
            expect: question.expect.clone(),
            operation: question.operation,
            retry: question.retry,
            follow: true,
        };
        let place = place_in_location(&question.location, &question.rest);
        let scopes = question.scopes();
        let state = self.exchange.hosts.get(host);
        let ask_for = |anew| For {
            place: &place,
            zone,
            plain_allowed: insecure_plain,
            scopes: &scopes,
            anew,
            deadline,
            progress,
        };
        let mut keys: Option<Keys> = None;
        let mut shown = false;
        // Where the host wanted credentials before, they go along at once.
        if let Some(challenge) = state.challenge() {
            let found = self.keys(question, access).await?;
            let first = found.list.first();
            match self.tokens.authorize(&self.exchange, &challenge, first, &ask_for(false)).await {
                Ok(authorization) => {
                    shown = authorization.is_some();
                    outgoing.authorization = authorization;
                }
                // The realm may have moved: ask without, and hear the new challenge.
                Err(FetchError::Denied { .. }) => {}
                Err(error) => return Err(error),
            }
            keys = Some(found);
        }
        let mut answer = self.exchange.send(&outgoing, deadline, progress).await?;
        if !wants_credentials(&answer, shown) {
            return Ok(answer);
        }
        let Some(mut challenge) = token::choose(&answer.headers) else {
            if let Some(keys) = keys {
                answer.notes = keys.notes;
            }
            return Ok(answer);
        };
        let keys = match keys {
            Some(keys) => keys,
            None => self.keys(question, access).await?,
        };
        let mut denied = None;
        let candidates = keys.list.iter().map(Some);
        let nobody = keys.list.is_empty().then_some(None);
        for key in candidates.chain(nobody) {
            // What was shown may have been an old token: never the same one twice.
            let what = ask_for(shown);
            let authorize = self.tokens.authorize(&self.exchange, &challenge, key, &what);
            let authorization = match authorize.await {
                Ok(Some(authorization)) => authorization,
                Ok(None) => continue,
                Err(error @ FetchError::Denied { .. }) => {
                    denied = Some(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            if shown
                && challenge.scheme == "basic"
                && Some(&authorization) == outgoing.authorization.as_ref()
            {
                continue;
            }
            outgoing.authorization = Some(authorization);
            answer = self.exchange.send(&outgoing, deadline, progress).await?;
            if !matches!(answer.status.as_u16(), 401 | 403) {
                // The scope belongs to this question, the rest to the host.
                challenge.parameters.retain(|(name, _)| name != "scope");
                state.remember_challenge(Some(challenge));
                return Ok(answer);
            }
            denied = None;
        }
        answer.notes.clone_from(&keys.notes);
        match denied {
            Some(error) => Err(with_notes(error, &keys.notes)),
            None => Ok(answer),
        }
    }

    async fn keys(&self, question: &Question, access: &Access) -> Result<Keys, FetchError> {
        let source = self.credentials.as_ref();
        let found = self.helpers.find(source, access, &question.location).await;
        found.map_err(|said| {
            let place = place_in_location(&question.location, &question.rest);
            FetchError::Credentials { place, said }
        })
    }
}

fn place_in_location(location: &Location, rest: &str) -> crate::error::Place {
    let rest = rest.split('?').next().unwrap_or(rest);
    place_in(&format!("{}/{}", location.host, location.path), rest)
}

/// 401 always; 403 when it could be the fault of what was shown.
fn wants_credentials(answer: &Answer, shown: bool) -> bool {
    answer.status.as_u16() == 401
        || (answer.status.as_u16() == 403 && shown && token::choose(&answer.headers).is_some())
}

/// What a status that is not the wanted one means.
pub(crate) fn refused(answer: &Answer) -> FetchError {
    let place = answer.place.clone();
    let status = answer.status.as_u16();
    let said = words(answer);
    match status {
        401 | 403 => with_notes(FetchError::Denied { place, status, said }, &answer.notes),
        429 => {
            let retry_after = pause::retry_after(&answer.headers, SystemTime::now());
            FetchError::Throttled { place, retry_after, said }
        }
        400..=499 => FetchError::Rejected { place, status, said },
        500..=599 => FetchError::Unavailable { place, status, said },
        _ => FetchError::Malformed { place, what: Malformed::Status(status), said },
    }
}

/// Adds what was missing among the credentials: it is why access was denied.
fn with_notes(mut error: FetchError, notes: &[SmolStr]) -> FetchError {
    if let FetchError::Denied { said, .. } = &mut error
        && !notes.is_empty()
    {
        let notes = notes.join("; ");
        *said = Some(match said {
            Some(said) => clean(&format_smolstr!("{said} ({notes})")),
            None => clean(&notes),
        });
    }
    error
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    errors: Vec<ErrorEntry>,
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize)]
struct ErrorEntry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The codes and messages of an error, or the text as it is.
///
/// SPEC: OCI distribution-spec 1.1 "Error Codes".
fn words(answer: &Answer) -> Option<SmolStr> {
    let text = match serde_json::from_slice::<ErrorBody>(&answer.body) {
        Ok(body) if !body.errors.is_empty() => {
            let each = body.errors.iter().take(4).map(|error| {
                match (error.code.as_str(), error.message.as_str()) {
                    (code, "") => code.to_owned(),
                    ("", message) => message.to_owned(),
                    (code, message) => format!("{code}: {message}"),
                }
            });
            each.collect::<Vec<_>>().join("; ")
        }
        // Docker Hub's token endpoint and some proxies.
        Ok(body) => body.details.or(body.message)?,
        Err(_) => {
            let text = String::from_utf8_lossy(&answer.body);
            // A page of HTML says nothing in one line.
            if text.trim_start().starts_with('<') {
                return None;
            }
            text.into_owned()
        }
    };
    let text = clean(&text);
    (!text.is_empty()).then_some(text)
}

/// True when an error carries this code.
pub(super) fn has_code(answer: &Answer, code: &str) -> bool {
    serde_json::from_slice::<ErrorBody>(&answer.body)
        .is_ok_and(|body| body.errors.iter().any(|error| error.code == code))
}

/// Headers with what is accepted.
pub(super) fn accept(types: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(reqwest::header::ACCEPT, HeaderValue::from_static(types));
    headers
}

/// Keeps the compiler from asking for `Arc` twice in signatures of detached work.
pub(super) type Shared = Arc<Inner>;
