//! Authorization headers: basic, and bearer tokens with their memory.
//!
//! SPEC: distribution "Token Authentication Specification" and "OAuth2 Token Authentication".
use super::{
    body::Expect,
    challenge::Challenge,
    clients::{self, Zone},
    exchange::{Answer, Exchange, Outgoing, Scheme, authority},
    guard,
};
use crate::{
    credentials::Key,
    error::{FetchError, Guard, Malformed, Place, clean},
    flight::{Flights, Progress},
    observer::Operation,
    options::Secret,
    registry::refused,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use reqwest::{
    Method, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde::Deserialize;
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Tokens that are remembered.
const MOST: usize = 1024;
/// Most bytes of a token endpoint's answer.
const LONGEST: u64 = 256 << 10;
/// SPEC: distribution token specification: "If omitted, this defaults to 60 seconds".
const LIFETIME: u64 = 60;

/// What a token is good for, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TokenKey {
    host: SmolStr,
    realm: String,
    service: String,
    scopes: Vec<String>,
    owner: [u8; 32],
}

/// Tokens, and those under way.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    held: Mutex<BTreeMap<TokenKey, (Secret, Instant)>>,
    flights: Flights<TokenKey, Result<Secret, FetchError>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// For whom an authorization is made.
pub(crate) struct For<'a> {
    pub(crate) place: &'a Place,
    pub(crate) zone: Zone,
    /// Plain HTTP was allowed by a switch; being on this machine allows it for this machine only.
    pub(crate) plain_allowed: bool,
    /// What will be done: `repository:a/b:pull`.
    pub(crate) scopes: &'a [String],
    /// A token that was just refused must not be used again.
    pub(crate) anew: bool,
    pub(crate) deadline: Instant,
    pub(crate) progress: &'a Progress,
}

/// Chooses among the challenges of an answer: bearer before basic, others cannot be met.
pub(crate) fn choose(headers: &HeaderMap) -> Option<Challenge> {
    let all: Vec<Challenge> = headers
        .get_all(reqwest::header::WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(super::challenge::parse)
        .collect();
    let bearer = all.iter().find(|one| one.scheme == "bearer" && one.get("realm").is_some());
    bearer.or_else(|| all.iter().find(|one| one.scheme == "basic")).cloned()
}

impl Tokens {
    /// The header for a challenge; `None` when nothing can be shown (basic without credentials).
    pub(crate) async fn authorize(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        challenge: &Challenge,
        key: Option<&Key>,
        what: &For<'_>,
    ) -> Result<Option<HeaderValue>, FetchError> {
        if challenge.scheme == "basic" {
            return Ok(match key {
                Some(Key::Basic { username, password }) => basic(username, password),
                Some(Key::Bearer(token)) => bearer(token),
                Some(Key::Identity(_)) | None => None,
            });
        }
        if let Some(Key::Bearer(token)) = key {
            return Ok(bearer(token));
        }
        let mut scopes = what.scopes.to_vec();
        for scope in challenge.get("scope").unwrap_or_default().split_whitespace().take(16) {
            if !scopes.iter().any(|known| known == scope) {
                scopes.push(scope.to_owned());
            }
        }
        let token_key = TokenKey {
            host: what.place.host.clone(),
            realm: challenge.get("realm").unwrap_or_default().to_owned(),
            service: challenge.get("service").unwrap_or_default().to_owned(),
            scopes,
            owner: key.map(Key::fingerprint).unwrap_or_default(),
        };
        {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if what.anew {
                held.remove(&token_key);
            } else if let Some((token, until)) = held.get(&token_key)
                && Instant::now() < *until
            {
                return Ok(bearer(token));
            }
        }
        let (arrival, _) = self.flights.join(token_key.clone(), |_| {
            let (tokens, exchange) = (Arc::clone(self), Arc::clone(exchange));
            let (key, place) = (key.cloned(), what.place.clone());
            let (zone, plain, deadline) = (what.zone, what.plain_allowed, what.deadline);
            let progress = what.progress.clone();
            async move {
                let realm = realm_of(&exchange, &token_key.realm, &place, zone, plain).await?;
                let (token, life) =
                    fetch(&exchange, &token_key, realm, key.as_ref(), &place, deadline, &progress)
                        .await?;
                tokens.keep(token_key, token.clone(), life);
                Ok(token)
            }
        });
        match arrival.wait().await {
            Some(token) => Ok(bearer(&token?)),
            None => Err(malformed(what.place, Malformed::Token, None)),
        }
    }

    fn keep(&self, key: TokenKey, token: Secret, life: Duration) {
        let now = Instant::now();
        // A token is not used up to its last moment: it still has to travel.
        let until = now + life.saturating_sub((life / 10).min(Duration::from_secs(10)));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MOST {
            held.retain(|_, (_, until)| *until > now);
        }
        if held.len() >= MOST {
            held.clear();
        }
        held.insert(key, (token, until));
    }
}

/// A token endpoint that may be asked.
struct Realm {
    url: Url,
    zone: Zone,
}

/// Checks a realm that a registry named.
async fn realm_of(
    exchange: &Exchange,
    realm: &str,
    registry: &Place,
    zone: Zone,
    plain_allowed: bool,
) -> Result<Realm, FetchError> {
    let unusable = || malformed(registry, Malformed::Challenge, Some(clean(realm)));
    let url = Url::parse(realm).map_err(|_| unusable())?;
    if !matches!(url.scheme(), "http" | "https")
        || url.host_str().is_none()
        || !url.username().is_empty()
    {
        return Err(unusable());
    }
    let host = authority(&url);
    let place = Place { host: host.clone(), path: url.path().into() };
    let forbidden = |guard| Err(FetchError::Forbidden { place: place.clone(), guard });
    let loopback = guard::is_loopback(&host);
    let own = guard::host_name(&host).eq_ignore_ascii_case(guard::host_name(&registry.host));
    let trusted = exchange.options.insecure_private_realms.iter();
    let zone = if loopback && zone == Zone::Loopback {
        Zone::Loopback
    } else if own
        || trusted.map(SmolStr::as_str).any(|one| one == host || one == guard::host_name(&host))
    {
        zone.max(Zone::Named)
    } else if loopback {
        return forbidden(Guard::PrivateRealm);
    } else {
        Zone::Public
    };
    if url.scheme() == "http" && !loopback && !plain_allowed {
        return forbidden(Guard::Downgrade);
    }
    if zone == Zone::Public
        && let Some(reach) = clients::nearest(&host, exchange.options.times.connect).await
        && !zone.allows(reach)
    {
        return forbidden(Guard::PrivateRealm);
    }
    Ok(Realm { url, zone })
}

async fn fetch(
    exchange: &Exchange,
    key: &TokenKey,
    realm: Realm,
    credential: Option<&Key>,
    registry: &Place,
    deadline: Instant,
    progress: &Progress,
) -> Result<(Secret, Duration), FetchError> {
    let Realm { url, zone } = realm;
    let mut fields: Vec<(&str, &str)> = Vec::new();
    if !key.service.is_empty() {
        fields.push(("service", &key.service));
    }
    let mut headers = HeaderMap::new();
    let mut authorization = None;
    let mut query = url.query().unwrap_or_default().to_owned();
    let (method, body) = if let Some(Key::Identity(token)) = credential {
        let scopes = key.scopes.join(" ");
        fields.push(("scope", &scopes));
        fields.push(("client_id", "sigward"));
        fields.push(("grant_type", "refresh_token"));
        fields.push(("refresh_token", token.text()));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        (Method::POST, Bytes::from(form(&fields)))
    } else {
        fields.extend(key.scopes.iter().map(|scope| ("scope", scope.as_str())));
        if let Some(Key::Basic { username, password }) = credential {
            fields.push(("account", username));
            authorization = basic(username, password);
        }
        if !query.is_empty() && !fields.is_empty() {
            query.push('&');
        }
        query.push_str(&form(&fields));
        (Method::GET, Bytes::new())
    };
    let path =
        if query.is_empty() { url.path().to_owned() } else { format!("{}?{query}", url.path()) };
    let answer = exchange
        .send(
            &Outgoing {
                method,
                host: authority(&url),
                path,
                headers,
                authorization,
                body,
                scheme: Scheme::Given { secure: url.scheme() == "https" },
                zone,
                expect: Expect {
                    cap: LONGEST,
                    what: "token bytes",
                    digest: None,
                    size: None,
                    idle: exchange.options.times.idle,
                },
                operation: Operation::Token,
                retry: true,
                follow: true,
            },
            deadline,
            progress,
        )
        .await
        .map_err(|error| name_the_realm(error, zone))?;
    parse(&answer, registry)
}

/// The guard in the connector does not know why it was asked.
fn name_the_realm(mut error: FetchError, zone: Zone) -> FetchError {
    if let FetchError::Forbidden { guard: guard @ Guard::PrivateRedirect, .. } = &mut error
        && zone == Zone::Public
    {
        *guard = Guard::PrivateRealm;
    }
    error
}

fn parse(answer: &Answer, registry: &Place) -> Result<(Secret, Duration), FetchError> {
    if answer.status.as_u16() != 200 {
        let error = refused(answer);
        // 400 and 404 of a token endpoint mean that it gives no token.
        if let FetchError::Rejected { place, status, said } = error {
            return Err(FetchError::Denied { place, status, said });
        }
        return Err(error);
    }
    let wrong = || malformed(registry, Malformed::Token, None);
    let parsed: TokenAnswer = serde_json::from_slice(&answer.body).map_err(|_| wrong())?;
    let token = parsed.token.filter(|token| !token.is_empty()).or(parsed.access_token);
    let token = token.filter(|token| !token.is_empty()).ok_or_else(wrong)?;
    // A header value of nonsense would fail later and less clearly.
    HeaderValue::from_str(&token).map_err(|_| wrong())?;
    let life = parsed.expires_in.filter(|life| *life > 0).unwrap_or(LIFETIME);
    Ok((Secret::new(token), Duration::from_secs(life.min(24 * 60 * 60))))
}

fn malformed(place: &Place, what: Malformed, said: Option<SmolStr>) -> FetchError {
    FetchError::Malformed { place: place.clone(), what, said }
}

fn basic(username: &str, password: &Secret) -> Option<HeaderValue> {
    let mut pair = zeroize::Zeroizing::new(Vec::new());
    pair.extend_from_slice(username.as_bytes());
    pair.push(b':');
    pair.extend_from_slice(password.expose());
    sensitive(&format!("Basic {}", STANDARD.encode(&*pair)))
}

fn bearer(token: &Secret) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {}", token.text()))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Bytes that stand for themselves wherever they are.
///
/// SPEC: RFC 3986 section 2.3, beside letters and digits.
const UNRESERVED: &[u8] = b"-_.~";
/// The same, with what registries expect readable in a query.
const READABLE: &[u8] = b"-_.~:/,";

/// `application/x-www-form-urlencoded`, with `:` and `/` left readable as registries expect them.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    form_keeping(fields, READABLE)
}

/// The same with nothing left readable that need not be.
pub(crate) fn strict_form(fields: &[(&str, &str)]) -> String {
    form_keeping(fields, UNRESERVED)
}

/// One value, fit for a segment of a path or for a query.
pub(crate) fn percent(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    encode(value, UNRESERVED, &mut text);
    text
}

fn form_keeping(fields: &[(&str, &str)], kept: &[u8]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        encode(name, kept, &mut text);
        text.push('=');
        encode(value, kept, &mut text);
    }
    text
}

fn encode(value: &str, kept: &[u8], text: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            for nibble in [byte >> 4, byte & 15] {
                let digit = char::from_digit(u32::from(nibble), 16).unwrap_or('0');
                text.push(digit.to_ascii_uppercase());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded() {
        assert_eq!(
            form(&[("scope", "repository:a/b:pull,push"), ("x", "a b&c=ü")]),
            "scope=repository:a/b:pull,push&x=a%20b%26c%3D%C3%BC"
        );
    }

    #[test]
    fn bearer_is_preferred_and_unknown_schemes_are_left() {
        let check = |lines: &[&'static str], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(reqwest::header::WWW_AUTHENTICATE, HeaderValue::from_static(line));
            }
            let found = choose(&headers).map(|challenge| challenge.scheme);
            assert_eq!(found.as_deref(), expected, "{lines:?}");
        };
        check(&["Basic realm=x", "Bearer realm=\"https://a/t\""], Some("bearer"));
        check(&["Basic realm=x, Bearer realm=\"https://a/t\""], Some("bearer"));
        check(&["Bearer", "Basic"], Some("basic"));
        check(&["Negotiate"], None);
        check(&[], None);
    }
}
