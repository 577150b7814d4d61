//! One request to a service that is no registry: certificate authorities, logs, timestamp authorities, identity
//! providers, mirrors. Bounded, retried where that may help, and wrong in words that name service and address.
mod ambient;
mod fulcio;
mod oidc;
mod rekor;
mod tsa;

pub use ambient::Google;
pub use fulcio::Issued;
pub use oidc::{Client, DeviceLogin, Provider};

use crate::{
    error::{FetchError, clean},
    flight::Progress,
    observer::{Observer, Operation},
    options::{Options, Secret},
    wire::{
        body::Expect,
        clients::Zone,
        exchange::{Exchange, Outgoing, Scheme, authority, path_and_query},
        guard,
        tls::TlsError,
    },
};
use bytes::Bytes;
use reqwest::{
    Method, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION},
};
use serde::Deserialize;
use sigward_sigstore::outcome::{Cause, CauseKind};
use smol_str::{SmolStr, format_smolstr};
use std::{fmt, sync::Arc, time::Instant};

/// Longest answer of a certificate authority, log, timestamp authority or identity provider, in bytes.
const MAX_ANSWER: u64 = 4 << 20;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A client for services. Cheap to clone; clones share connections and permits.
#[derive(Clone, Debug)]
pub struct Services {
    exchange: Arc<Exchange>,
}

/// Why a service did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ServiceError {
    /// Its address cannot be asked.
    #[error("{service}: {url:?} is no address of a service: {problem}")]
    Address {
        /// Which service.
        service: &'static str,
        /// As it was given.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No answer.
    #[error("asking {service}")]
    Failed {
        /// Which service.
        service: &'static str,
        /// Where and why.
        #[source]
        error: FetchError,
    },
    /// An answer that says no.
    #[error("{service} {url} answered {status}{}", Tail(said))]
    Refused {
        /// Which service.
        service: &'static str,
        /// Where, without its query.
        url: SmolStr,
        /// The status.
        status: u16,
        /// The service's words.
        said: Option<SmolStr>,
    },
    /// An answer that cannot be used.
    #[error("{service} {url}: unusable answer: {problem}")]
    Unusable {
        /// Which service.
        service: &'static str,
        /// Where, without its query.
        url: SmolStr,
        /// What is wrong with it.
        problem: SmolStr,
    },
    /// No randomness for a nonce.
    #[error("the system gives no randomness")]
    Randomness,
}

impl ServiceError {
    /// The same as the cause of an undetermined outcome.
    pub fn cause(&self) -> Cause {
        let malformed = |place: &str, said: SmolStr| Cause {
            kind: CauseKind::Malformed,
            place: place.into(),
            said: Some(said),
        };
        match self {
            Self::Failed { error, .. } => error.cause(),
            Self::Refused { url, status, said, .. } => {
                let kind = match status {
                    401 | 403 => CauseKind::Denied,
                    429 => CauseKind::Throttled { retry_after_ms: 0 },
                    _ => CauseKind::Unavailable,
                };
                let said = said.as_deref().unwrap_or_default();
                let words = format_smolstr!("status {status}: {said}");
                Cause { kind, place: url.clone(), said: Some(words) }
            }
            Self::Address { url, problem, .. } => malformed(url, (*problem).into()),
            Self::Unusable { url, problem, .. } => malformed(url, problem.clone()),
            Self::Randomness => malformed("", "no randomness".into()),
        }
    }
}

struct Tail<'a>(&'a Option<SmolStr>);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(said) => write!(f, ": {said}"),
            None => Ok(()),
        }
    }
}

/// What is asked of a service.
#[derive(Debug)]
struct Question {
    service: &'static str,
    url: String,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    cap: u64,
    /// False for what may be done once only.
    retry: bool,
    /// The address is the platform's own, and may lie on this link.
    machine: bool,
}

impl Question {
    fn new(service: &'static str, method: Method, url: impl Into<String>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, JSON);
        Self {
            service,
            url: url.into(),
            method,
            headers,
            body: Bytes::new(),
            cap: MAX_ANSWER,
            retry: true,
            machine: false,
        }
    }

    fn get(service: &'static str, url: impl Into<String>) -> Self {
        Self::new(service, Method::GET, url)
    }

    fn post(
        service: &'static str,
        url: impl Into<String>,
        kind: HeaderValue,
        body: impl Into<Bytes>,
    ) -> Self {
        let question = Self::new(service, Method::POST, url).with(CONTENT_TYPE, kind);
        Self { body: body.into(), ..question }
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// `Authorization: SCHEME SECRET`.
    fn authorized(self, scheme: &str, secret: &Secret) -> Result<Self, ServiceError> {
        let text = format!("{scheme} {}", secret.text());
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| self.wrong_address("its credential is no header"))?;
        value.set_sensitive(true);
        Ok(self.with(AUTHORIZATION, value))
    }

    fn wrong_address(&self, problem: &'static str) -> ServiceError {
        ServiceError::Address { service: self.service, url: without_query(&self.url), problem }
    }
}

/// What came back, whatever its status.
#[derive(Debug)]
struct Reply {
    service: &'static str,
    url: SmolStr,
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    /// The same, when it says yes.
    fn ok(self) -> Result<Self, ServiceError> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(self.refused()) }
    }

    fn refused(&self) -> ServiceError {
        let (service, url, status) = (self.service, self.url.clone(), self.status);
        ServiceError::Refused { service, url, status, said: words(&self.body) }
    }

    fn unusable(&self, problem: impl fmt::Display) -> ServiceError {
        let problem = clean(&problem.to_string());
        ServiceError::Unusable { service: self.service, url: self.url.clone(), problem }
    }

    fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ServiceError> {
        serde_json::from_slice(&self.body).map_err(|error| self.unusable(error))
    }

    fn text(&self) -> Result<&str, ServiceError> {
        std::str::from_utf8(&self.body).map_err(|_| self.unusable("not text"))
    }

    fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION)?.to_str().ok()
    }
}

/// The words of an error: of Fulcio and Rekor (`message`), of OAuth (`error_description`), or the text as it is.
fn words(body: &[u8]) -> Option<SmolStr> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        error: Option<serde_json::Value>,
        #[serde(default)]
        error_description: Option<String>,
    }
    let text = if let Ok(wire) = serde_json::from_slice::<Wire>(body) {
        let error =
            wire.error.map(|error| error.as_str().map_or_else(|| error.to_string(), str::to_owned));
        match (wire.message, error, wire.error_description) {
            (Some(message), ..) => message,
            (None, Some(error), Some(more)) => format!("{error}: {more}"),
            (None, error, more) => error.or(more)?,
        }
    } else {
        let text = String::from_utf8_lossy(body);
        // A page of HTML says nothing in one line.
        if text.trim_start().starts_with('<') {
            return None;
        }
        text.into_owned()
    };
    Some(clean(&text)).filter(|text| !text.is_empty())
}

fn without_query(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// `BASE/PATH`, whether or not the base ends with a slash.
fn under(base: &str, path: &str) -> String {
    format!("{}/{path}", base.trim_end_matches('/'))
}

impl Services {
    /// Makes a client: user agent, authorities, proxies, times and attempts of the options count, and the settings of
    /// each host (client certificates, server names); what is about registries does not.
    ///
    /// # Errors
    /// A certificate or key among the options cannot be used.
    pub fn new(options: Options, observer: Arc<dyn Observer>) -> Result<Self, TlsError> {
        Ok(Self { exchange: Arc::new(Exchange::new(options, observer)?) })
    }

    /// A client that shares what a registry client has: for questions whose answers are proofs.
    pub(crate) fn sharing(exchange: &Arc<Exchange>) -> Self {
        Self { exchange: Arc::clone(exchange) }
    }

    /// What lies at an address, at most `cap` bytes; nothing when it is a 404. Redirects are followed, within the
    /// guards that registries are under.
    ///
    /// # Errors
    /// Everything else, with `service` as the name of whoever was asked.
    pub async fn get(
        &self,
        service: &'static str,
        url: &str,
        cap: u64,
    ) -> Result<Option<Bytes>, ServiceError> {
        let question = Question { cap, ..Question::get(service, url) };
        let reply = self.ask(question).await?;
        if reply.status == 404 { Ok(None) } else { Ok(Some(reply.ok()?.body)) }
    }

    /// Asks; every status is an answer.
    async fn ask(&self, question: Question) -> Result<Reply, ServiceError> {
        let url = Url::parse(&question.url).map_err(|_| question.wrong_address("not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(question.wrong_address("neither http:// nor https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(question.wrong_address("it carries a login"));
        }
        let service = question.service;
        let host = authority(&url);
        let path = path_and_query(&url);
        let zone = match (question.machine, guard::is_loopback(&host)) {
            (_, true) => Zone::Loopback,
            (true, false) => Zone::Metadata,
            (false, false) => Zone::Named,
        };
        let outgoing = Outgoing {
            follow: question.method == Method::GET && !question.machine,
            method: question.method,
            host,
            path,
            headers: question.headers,
            authorization: None,
            body: question.body,
            scheme: Scheme::Given { secure: url.scheme() == "https" },
            zone,
            expect: Expect {
                cap: question.cap,
                what: "bytes of an answer",
                digest: None,
                size: None,
                idle: self.exchange.options.times.idle,
            },
            operation: Operation::Service,
            retry: question.retry,
        };
        let deadline = Instant::now() + self.exchange.options.times.work;
        let answer = self
            .exchange
            .send(&outgoing, deadline, &Progress::default())
            .await
            .map_err(|error| ServiceError::Failed { service, error })?;
        Ok(Reply {
            service,
            url: without_query(answer.url.as_str()).into(),
            status: answer.status.as_u16(),
            headers: answer.headers,
            body: answer.body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Option<&str>) {
        assert_eq!(words(body.as_bytes()).as_deref(), expected, "{body}");
    }

    #[test]
    fn words_of_services_are_found_in_each_form() {
        check(r#"{"code":3,"message":"no such key","details":[]}"#, Some("no such key"));
        check(r#"{"error":"invalid_grant"}"#, Some("invalid_grant"));
        check(r#"{"error":"a","error_description":"b"}"#, Some("a: b"));
        check("plain\nwords", Some("plain words"));
        check("<html>", None);
        check("{}", None);
        check("", None);
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_refused_before_it_is_asked() {
        let services = Services::new(Options::default(), Arc::new(crate::Unobserved)).unwrap();
        for url in ["", "x", "ftp://a/", "http://u:p@127.0.0.1/"] {
            let error = services.get("Rekor", url, 10).await.unwrap_err();
            assert!(matches!(error, ServiceError::Address { .. }), "{error}");
            assert!(error.to_string().starts_with("Rekor: "), "{error}");
        }
    }
}
