//! One question to a host: permit, breaker, scheme, redirects, retries. Knows no credentials.
use super::{
    body::{self, Broken, Expect},
    clients::{self, Clients, OutOfBounds, Zone},
    guard::{self, Reach},
    host::{HostState, Hosts},
    pause,
    tls::{self, TlsError},
};
use crate::{
    error::{FetchError, Guard, Malformed, Place, Underlying, Unreachable, clean},
    flight::Progress,
    observer::{Observer, Operation},
    options::Options,
};
use bytes::Bytes;
use reqwest::{
    Method, StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION},
};
use smol_str::{SmolStr, ToSmolStr, format_smolstr};
use std::{
    error::Error as StdError,
    io,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// Most redirects that are followed.
const REDIRECTS: u32 = 5;
/// Most bytes of an error's body.
const ERROR_BODY: u64 = 64 << 10;

/// Which scheme is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// The one of an absolute URL that we were given.
    Given { secure: bool },
    /// TLS; plain HTTP where it is allowed and TLS is not spoken.
    Discover { plain_allowed: bool },
}

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) host: SmolStr,
    /// With the query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) body: Bytes,
    pub(crate) scheme: Scheme,
    pub(crate) zone: Zone,
    pub(crate) expect: Expect,
    pub(crate) operation: Operation,
    /// False for what must not happen twice.
    pub(crate) retry: bool,
    /// False where a redirect is an answer like any other: what is sent is meant for nobody else.
    pub(crate) follow: bool,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) place: Place,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Checked against what was expected when the status is 200; else an error's text.
    pub(crate) body: Bytes,
    /// The URL that answered in the end.
    pub(crate) url: Url,
    /// What was missing among the credentials.
    pub(crate) notes: Vec<SmolStr>,
}

/// The parts that every request needs.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) options: Arc<Options>,
    pub(crate) clients: Clients,
    pub(crate) hosts: Hosts,
    pub(crate) observer: Arc<dyn Observer>,
}

impl Exchange {
    /// Certificates among the options are read now, those of the system when the first https host is asked.
    pub(crate) fn new(options: Options, observer: Arc<dyn Observer>) -> Result<Self, TlsError> {
        let given = || options.hosts.values().chain([&options.everywhere]);
        let special =
            given().any(|host| host.client_identity_pem.is_some() || host.server_name.is_some());
        if special || !options.extra_ca_pem.is_empty() {
            let roots = Arc::new(tls::roots(&options.extra_ca_pem)?);
            for host in given() {
                tls::config(Arc::clone(&roots), host)?;
            }
        }
        Ok(Self {
            clients: Clients::new(&options),
            hosts: Hosts::new(options.per_host),
            observer,
            options: Arc::new(options),
        })
    }

    /// Sends, and sends again where that may help and the deadline leaves time for it.
    pub(crate) async fn send(
        &self,
        outgoing: &Outgoing,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Answer, FetchError> {
        let state = self.hosts.get(&outgoing.host);
        let times = &self.options.times;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let last_one = attempt >= self.options.attempts.max(1);
            let result = self.attempt(outgoing, &state, deadline, progress).await;
            let wait = match &result {
                Ok(answer) if outgoing.retry && is_passing(answer.status) => {
                    progress.note(&format_smolstr!(
                        "{} answered {}",
                        answer.place.host,
                        answer.status.as_u16()
                    ));
                    let pause = pause::backoff(times.backoff, attempt - 1, times.longest_pause);
                    let asked = pause::retry_after(&answer.headers, SystemTime::now());
                    asked.unwrap_or_default().max(pause)
                }
                // Refused connections sent nothing, so that everything may be sent again.
                Err(FetchError::Unreachable {
                    because: Unreachable::Dns | Unreachable::Connect,
                    ..
                }) => pause::backoff(times.backoff, attempt - 1, times.longest_pause),
                Err(FetchError::Unreachable { because: Unreachable::Reset, .. })
                    if outgoing.retry =>
                {
                    pause::backoff(times.backoff, attempt - 1, times.longest_pause)
                }
                _ => return result,
            };
            if let Err(error) = &result {
                progress.note(&error.cause().said.unwrap_or_else(|| error.to_smolstr()));
            }
            let fits = wait <= times.longest_pause && Instant::now() + wait < deadline;
            if last_one || !fits {
                return result;
            }
            self.observer.retry(&outgoing.host, outgoing.operation);
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(
        &self,
        outgoing: &Outgoing,
        state: &HostState,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Answer, FetchError> {
        let place = place(&outgoing.host, &outgoing.path);
        progress.wait_for(&place);
        let started = Instant::now();
        let left = deadline.saturating_duration_since(started);
        let timed_out = || FetchError::TimedOut {
            place: place.clone(),
            waited: started.elapsed(),
            last: progress.last(),
        };
        let Ok(permit) = tokio::time::timeout(left, state.permits.acquire()).await else {
            return Err(timed_out());
        };
        if !state.may_connect(Instant::now(), self.options.times.breaker) {
            let because = Unreachable::BreakerOpen;
            return Err(FetchError::Unreachable { place, because, source: None });
        }
        let result = match outgoing.scheme {
            Scheme::Given { secure } => self.once(outgoing, secure, deadline).await,
            Scheme::Discover { plain_allowed: false } => self.once(outgoing, true, deadline).await,
            Scheme::Discover { plain_allowed: true } => match state.secure() {
                Some(secure) => self.once(outgoing, secure, deadline).await,
                None => self.discover(outgoing, state, deadline).await,
            },
        };
        drop(permit);
        let observer = self.observer.as_ref();
        match &result {
            Err(error) if error.is_connection_failure() && error.place().host == outgoing.host => {
                let pause = self.options.times.breaker;
                state.failed(&outgoing.host, Instant::now(), pause, observer);
            }
            _ => state.connected(&outgoing.host, observer),
        }
        result
    }

    /// Tries TLS, then plain HTTP where no TLS is spoken, and remembers which it was.
    ///
    /// COMPAT: cosign 3.1 tries https, then http, for loopback hosts; a certificate that is not
    /// trusted ends it here, where cosign goes on without TLS;
    /// test: `loopback_is_tried_with_tls_first_and_the_answer_remembered`.
    async fn discover(
        &self,
        outgoing: &Outgoing,
        state: &HostState,
        deadline: Instant,
    ) -> Result<Answer, FetchError> {
        let first = if outgoing.zone == Zone::Loopback {
            // A greeting tells, and spares reading the system's certificates for nothing.
            match self.greet(outgoing, deadline).await {
                Err(error) if speaks_no_tls(&error) => Err(error),
                Err(error) if !speaks_tls(&error) => return Err(error),
                _ => self.once(outgoing, true, deadline).await,
            }
        } else {
            self.once(outgoing, true, deadline).await
        };
        let (answer, secure) = match first {
            Err(error) if speaks_no_tls(&error) => {
                (self.once(outgoing, false, deadline).await, false)
            }
            other => (other, true),
        };
        if answer.is_ok() {
            state.remember_secure(secure);
        }
        answer
    }

    /// Begins a TLS handshake that trusts nobody: it cannot succeed, but its error says whether
    /// TLS is spoken. No request is sent.
    async fn greet(&self, outgoing: &Outgoing, deadline: Instant) -> Result<(), FetchError> {
        let url = make_url(&outgoing.host, "/", true)?;
        let place = place(&outgoing.host, &outgoing.path);
        let unreachable = |because, source| FetchError::Unreachable {
            place: place.clone(),
            because,
            source: Some(Underlying(source)),
        };
        let client = self.clients.get(&self.options, &outgoing.host, outgoing.zone, false);
        let client = client.map_err(|error| unreachable(Unreachable::Tls, Arc::new(error)))?;
        let started = Instant::now();
        let left = deadline.saturating_duration_since(started).min(self.options.times.answer);
        match tokio::time::timeout(left, client.head(url).send()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(classify(error, place, outgoing.zone, started.elapsed())),
            Err(_) => {
                let last = Some("no answer".into());
                Err(FetchError::TimedOut { place, waited: started.elapsed(), last })
            }
        }
    }

    /// One request and its redirects.
    async fn once(
        &self,
        outgoing: &Outgoing,
        secure: bool,
        deadline: Instant,
    ) -> Result<Answer, FetchError> {
        let mut url = make_url(&outgoing.host, &outgoing.path, secure)?;
        let mut zone = outgoing.zone;
        let mut authorization = outgoing.authorization.clone();
        let mut method = outgoing.method.clone();
        let mut body = outgoing.body.clone();
        for _ in 0..=REDIRECTS {
            let place = place_of(&url);
            let started = Instant::now();
            let response = self
                .exchange(outgoing, &method, &url, zone, authorization.as_ref(), &body, deadline)
                .await;
            let status = response.as_ref().ok().map(|answer| answer.status().as_u16());
            self.observer.request(&place.host, outgoing.operation, status, started.elapsed());
            let response = response?;
            let status = response.status();
            let headers = response.headers().clone();
            let length: usize =
                headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
            if length as u64 > u64::from(self.options.caps.headers) {
                let limit = self.options.caps.headers.into();
                return Err(FetchError::TooLarge { place, what: "header bytes", limit });
            }
            if !outgoing.follow || !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return self.read(outgoing, response, headers, url, place, deadline).await;
            }
            let target = redirect(&url, &headers).ok_or_else(|| FetchError::Malformed {
                place: place.clone(),
                what: Malformed::Redirect,
                said: headers.get(LOCATION).and_then(|to| to.to_str().ok()).map(clean),
            })?;
            if !same_origin(&url, &target) {
                // Credentials are bound to the host they were given for.
                authorization = None;
                zone = self.redirect_zone(outgoing, &url, &target).await?;
            }
            if matches!(status.as_u16(), 301..=303) && method != Method::HEAD {
                method = Method::GET;
                body = Bytes::new();
            }
            url = target;
        }
        let said = Some(format_smolstr!("more than {REDIRECTS} redirects"));
        Err(FetchError::Malformed { place: place_of(&url), what: Malformed::Redirect, said })
    }

    #[expect(clippy::too_many_arguments, reason = "what changes between redirects, one by one")]
    async fn exchange(
        &self,
        outgoing: &Outgoing,
        method: &Method,
        url: &Url,
        zone: Zone,
        authorization: Option<&HeaderValue>,
        body: &Bytes,
        deadline: Instant,
    ) -> Result<reqwest::Response, FetchError> {
        let place = place_of(url);
        if let Some(address) = guard::literal(&place.host)
            && !zone.allows(guard::reach(address))
        {
            return Err(out_of_bounds(place, zone));
        }
        let secure = url.scheme() == "https";
        let client = self.clients.get(&self.options, &place.host, zone, secure);
        let client = client.map_err(|error| FetchError::Unreachable {
            place: place.clone(),
            because: Unreachable::Tls,
            source: Some(Underlying(Arc::new(error))),
        })?;
        let mut request =
            client.request(method.clone(), url.clone()).headers(outgoing.headers.clone());
        if let Some(authorization) = authorization {
            let mut value = authorization.clone();
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if !body.is_empty() || matches!(*method, Method::POST | Method::PUT) {
            request = request.body(body.clone());
        }
        let started = Instant::now();
        let left = deadline.saturating_duration_since(started).min(self.options.times.answer);
        match tokio::time::timeout(left, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(classify(error, place, zone, started.elapsed())),
            Err(_) => {
                let last = Some("no answer".into());
                Err(FetchError::TimedOut { place, waited: started.elapsed(), last })
            }
        }
    }

    async fn read(
        &self,
        outgoing: &Outgoing,
        response: reqwest::Response,
        headers: HeaderMap,
        url: Url,
        place: Place,
        deadline: Instant,
    ) -> Result<Answer, FetchError> {
        let status = response.status();
        let started = Instant::now();
        let body = if status.is_success() {
            let plain = Expect { digest: None, size: None, ..outgoing.expect.clone() };
            let get = outgoing.method == Method::GET && status == StatusCode::OK;
            let expect = if get { &outgoing.expect } else { &plain };
            match body::read(response, expect, &place, deadline).await {
                Ok(body) => body,
                Err(Broken::Error(error)) => return Err(error),
                Err(Broken::Reset(error)) => {
                    return Err(classify(error, place, outgoing.zone, started.elapsed()));
                }
            }
        } else {
            let expect = Expect {
                cap: ERROR_BODY,
                what: "error bytes",
                digest: None,
                size: None,
                idle: self.options.times.idle.min(Duration::from_secs(2)),
            };
            // An error's text is a courtesy; its status counts without it.
            body::read(response, &expect, &place, deadline).await.unwrap_or_default()
        };
        Ok(Answer { place, status, headers, body, url, notes: Vec::new() })
    }

    /// Where a redirect to another host may lead.
    async fn redirect_zone(
        &self,
        outgoing: &Outgoing,
        from: &Url,
        to: &Url,
    ) -> Result<Zone, FetchError> {
        let (target, origin) = (place_of(to), place_of(from));
        let loopback = guard::is_loopback(&target.host);
        if from.scheme() == "https" && to.scheme() == "http" && !loopback {
            return Err(FetchError::Forbidden { place: target, guard: Guard::Downgrade });
        }
        let refused = |place| FetchError::Forbidden { place, guard: Guard::PrivateRedirect };
        if outgoing.operation == Operation::Token
            && (!outgoing.body.is_empty() || outgoing.zone == Zone::Metadata)
        {
            // What proves who we are stands in the body, or in headers of its own.
            let guard = Guard::CredentialRedirect;
            return Err(FetchError::Forbidden { place: target, guard });
        }
        if loopback {
            // This machine may only be named by itself.
            let own = outgoing.zone == Zone::Loopback && guard::is_loopback(&origin.host);
            return if own { Ok(Zone::Loopback) } else { Err(refused(target)) };
        }
        let wait = self.options.times.connect;
        let zone = match clients::nearest(&origin.host, wait).await {
            // A registry of one's own may keep its blobs in a store of one's own.
            Some(Reach::Private | Reach::Loopback) => Zone::Private,
            Some(Reach::Public | Reach::LinkLocal) | None => Zone::Public,
        };
        match clients::nearest(&target.host, wait).await {
            Some(reach) if !zone.allows(reach) => Err(refused(target)),
            // A name without address fails later, or is the proxy's to resolve.
            Some(_) | None => Ok(zone),
        }
    }
}

/// Statuses that pass by themselves.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

fn out_of_bounds(place: Place, zone: Zone) -> FetchError {
    let guard = match zone {
        Zone::Public | Zone::Private => Guard::PrivateRedirect,
        Zone::Named | Zone::Loopback | Zone::Metadata => Guard::LinkLocal,
    };
    FetchError::Forbidden { place, guard }
}

/// A place without the query.
fn place(host: &SmolStr, path: &str) -> Place {
    let path = path.split('?').next().unwrap_or(path);
    Place { host: host.clone(), path: path.into() }
}

/// The place of a URL.
pub(crate) fn place_of(url: &Url) -> Place {
    Place { host: authority(url), path: url.path().into() }
}

/// Host with port, when it is not that of the scheme.
pub(crate) fn authority(url: &Url) -> SmolStr {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.into(), |port| format_smolstr!("{host}:{port}"))
}

/// What is asked for behind the host.
pub(crate) fn path_and_query(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

/// Makes a URL and checks that it says what was meant: a name with `..`, `?` or `@` in it would
/// otherwise ask another host or path.
fn make_url(host: &SmolStr, path: &str, secure: bool) -> Result<Url, FetchError> {
    let scheme = if secure { "https" } else { "http" };
    let wrong =
        || FetchError::Malformed { place: place(host, path), what: Malformed::Name, said: None };
    let url = Url::parse(&format!("{scheme}://{host}{path}")).map_err(|_| wrong())?;
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let default = if secure { ":443" } else { ":80" };
    let meant = host.strip_suffix(default).unwrap_or(host);
    let same = authority(&url).eq_ignore_ascii_case(meant)
        && url.path() == path
        && url.query() == query
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    if same { Ok(url) } else { Err(wrong()) }
}

fn redirect(from: &Url, headers: &HeaderMap) -> Option<Url> {
    let to = from.join(headers.get(LOCATION)?.to_str().ok()?).ok()?;
    (matches!(to.scheme(), "http" | "https") && to.host_str().is_some()).then_some(to)
}

/// Same scheme, host and port.
fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// True when the other side answered a TLS greeting with something that is not TLS.
fn speaks_no_tls(error: &FetchError) -> bool {
    let FetchError::Unreachable { because, source: Some(source), .. } = error else {
        return false;
    };
    let connecting = matches!(because, Unreachable::Tls | Unreachable::Connect);
    connecting
        && chain(source).any(|error| {
            match error.downcast_ref::<rustls::Error>() {
                // A certificate that is not trusted is no reason to go without one.
                Some(rustls::Error::InvalidMessage(_)) => return true,
                Some(_) => return false,
                None => {}
            }
            error.downcast_ref::<io::Error>().is_some_and(|error| {
                matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::BrokenPipe
                        | io::ErrorKind::ConnectionAborted
                )
            })
        })
}

/// True when a handshake failed at what only a TLS server can have sent.
fn speaks_tls(error: &FetchError) -> bool {
    matches!(
        error,
        FetchError::Unreachable { because: Unreachable::Tls, source: Some(source), .. }
            if chain(source).any(|error| error.downcast_ref::<rustls::Error>().is_some())
    )
}

/// The errors below one, the ones inside `io::Error` included.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), next).take(16)
}

fn next<'a>(error: &&'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let error: &'a (dyn StdError + 'static) = *error;
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source())
}

/// Sorts a failure of the HTTP client.
fn classify(error: reqwest::Error, place: Place, zone: Zone, waited: Duration) -> FetchError {
    // Its text would repeat the URL, and with it the signatures of storage services.
    let error = error.without_url();
    if chain(&error).any(|error| error.downcast_ref::<OutOfBounds>().is_some()) {
        return out_of_bounds(place, zone);
    }
    if error.is_timeout() && !error.is_connect() {
        return FetchError::TimedOut { place, waited, last: None };
    }
    let parse = chain(&error).find_map(|error| error.downcast_ref::<hyper::Error>());
    if parse.is_some_and(hyper::Error::is_parse) {
        if parse.is_some_and(hyper::Error::is_parse_too_large) {
            return FetchError::TooLarge { place, what: "header bytes", limit: 64 << 10 };
        }
        let said = parse.map(|error| clean(&error.to_string()));
        return FetchError::Malformed { place, what: Malformed::Http, said };
    }
    let tls = chain(&error).any(|error| error.downcast_ref::<rustls::Error>().is_some());
    let because = if tls {
        Unreachable::Tls
    } else if error.is_dns() {
        Unreachable::Dns
    } else if error.is_connect() {
        Unreachable::Connect
    } else {
        Unreachable::Reset
    };
    FetchError::Unreachable { place, because, source: Some(Underlying(Arc::new(error))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_url(host: &str, path: &str, fits: bool) {
        assert_eq!(make_url(&host.into(), path, true).is_ok(), fits, "{host} {path}");
    }

    #[test]
    fn a_name_cannot_turn_into_another_host_or_path() {
        check_url("r.example", "/v2/a/manifests/v1", true);
        check_url("r.example:443", "/v2/a/manifests/v1", true);
        check_url("R.example", "/v2/a/manifests/v1", true);
        check_url("[::1]:5000", "/v2/a/manifests/v1", true);
        check_url("r.example@evil.example", "/v2/a", false);
        check_url("u:p@r.example", "/v2/a", false);
        check_url("r.example/evil", "/v2/a", false);
        check_url("r.example", "/v2/a/../../x", false);
        check_url("r.example", "/v2/a/%2e%2e/x", false);
        check_url("r.example", "/v2/a b", false);
        check_url("r.example", "/v2/a#b", false);
        check_url("", "/v2/a", false);
        check_url("0x7f.1", "/v2/a", false);
    }
}
