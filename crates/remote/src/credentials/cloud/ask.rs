//! One question to a service of a cloud, over the same client as everything else.
use super::{CloudEnvironment, CloudError, Places};
use crate::{
    error::clean,
    flight::Progress,
    observer::Operation,
    options::Secret,
    registry::refused,
    wire::{
        body::Expect,
        clients::Zone,
        exchange::{Exchange, Outgoing, Scheme, authority, path_and_query},
        guard,
    },
};
use bytes::Bytes;
use reqwest::{
    Method, StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};
use serde::de::DeserializeOwned;
use smol_str::{SmolStr, ToSmolStr};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Most bytes of an answer, and of a file with a token or a key.
const CAP: u64 = 256 << 10;
/// How long a metadata service may take: it is on this link, or it is not there.
const METADATA: Duration = Duration::from_secs(2);

/// What all questions for one credential share.
pub(super) struct Asking<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) environment: &'a CloudEnvironment,
    pub(super) places: &'a Places,
    pub(super) deadline: Instant,
    pub(super) progress: Progress,
}

/// A question to a URL.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) url: String,
    /// Names are lower case.
    pub(super) headers: Vec<(&'static str, &'a str)>,
    pub(super) body: Bytes,
}

impl<'a> Question<'a> {
    pub(super) fn get(url: String, headers: Vec<(&'static str, &'a str)>) -> Self {
        Self { method: Method::GET, url, headers, body: Bytes::new() }
    }

    /// A form, as OAuth2's token endpoints want it.
    pub(super) fn form(url: String, fields: &[(&str, &str)]) -> Self {
        let headers = vec![("content-type", "application/x-www-form-urlencoded")];
        let body = Bytes::from(crate::wire::token::form(fields));
        Self { method: Method::POST, url, headers, body }
    }
}

impl Asking<'_> {
    /// A service behind the cloud's public name.
    pub(super) async fn service(&self, question: Question<'_>) -> Result<Bytes, CloudError> {
        let mut question = question;
        if let Some(double) = &self.places.services
            && let Some((_, rest)) = question.url.split_once("://")
        {
            let path = rest.split_once('/').map_or("", |(_, path)| path);
            question.url = format!("{double}/{path}");
        }
        self.send(&question, Zone::Named, self.deadline, true).await
    }

    /// A service of the machine itself: asked in plain text, never through a proxy, and not for long.
    pub(super) async fn metadata(&self, question: Question<'_>) -> Result<Bytes, CloudError> {
        let deadline = self.deadline.min(Instant::now() + METADATA);
        self.send(&question, Zone::Metadata, deadline, false).await
    }

    async fn send(
        &self,
        question: &Question<'_>,
        zone: Zone,
        deadline: Instant,
        retry: bool,
    ) -> Result<Bytes, CloudError> {
        let malformed = || CloudError::Answer { service: clean(&question.url) };
        let url = Url::parse(&question.url).map_err(|_| malformed())?;
        let host = authority(&url);
        let zone = if guard::is_loopback(&host) { Zone::Loopback } else { zone };
        let mut headers = HeaderMap::new();
        for (name, value) in &question.headers {
            let mut value = HeaderValue::from_str(value).map_err(|_| malformed())?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
        let authorization = headers.remove(AUTHORIZATION);
        let path = path_and_query(&url);
        let idle = self.exchange.options.times.idle;
        let outgoing = Outgoing {
            follow: true,
            method: question.method.clone(),
            host,
            path,
            headers,
            authorization,
            body: question.body.clone(),
            scheme: Scheme::Given { secure: url.scheme() == "https" },
            zone,
            expect: Expect { cap: CAP, what: "credential bytes", digest: None, size: None, idle },
            operation: Operation::Token,
            retry,
        };
        let answer = self.exchange.send(&outgoing, deadline, &self.progress).await?;
        if answer.status != StatusCode::OK {
            return Err(refused(&answer).into());
        }
        Ok(answer.body)
    }
}

/// The answer of a service, as JSON.
pub(super) fn json<T: DeserializeOwned>(
    service: &'static str,
    body: &Bytes,
) -> Result<T, CloudError> {
    // The error of the parser would quote what was secret.
    serde_json::from_slice(body)
        .map_err(|_| CloudError::Answer { service: SmolStr::new_static(service) })
}

/// A file that the environment names; small, and without the blanks around its content.
pub(super) async fn file(path: &Path) -> Result<Secret, CloudError> {
    let wrong = |why: SmolStr| CloudError::File { path: path.to_owned(), why };
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        std::fs::File::open(owned)?.take(CAP).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    });
    let bytes = read.await.map_err(|_| wrong("reading it was given up".into()))?;
    let bytes = zeroize::Zeroizing::new(bytes.map_err(|error| wrong(error.to_smolstr()))?);
    Ok(Secret::new(bytes.trim_ascii()))
}
