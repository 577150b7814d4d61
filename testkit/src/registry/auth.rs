//! Who may do what: nobody asked, passwords with every request, or tokens of a token service.
//!
//! // SPEC: distribution "Token Authentication Specification" and "OAuth2 Token Authentication"; RFC 7617; RFC 6750.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{hmac, rand};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};

use super::{
    answer::{Answer, Code},
    faults::glob,
    names::{Route, first},
};

/// A user and a password. The password is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl Account {
    /// An account.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How a registry asks who is there.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Auth {
    /// It does not.
    #[default]
    Open,
    /// By a password with every request.
    Basic(Basic),
    /// By a token that a token service gives out for a password, for a refresh token, or for nothing.
    Bearer(Bearer),
}

impl Auth {
    /// A password for everything.
    pub fn basic(user: &str, password: &str) -> Self {
        Self::Basic(Basic {
            accounts: vec![Account::new(user, password)],
            anonymous_pull: Vec::new(),
        })
    }

    /// A token for everything, which one password buys.
    pub fn bearer(user: &str, password: &str) -> Self {
        Self::Bearer(Bearer { accounts: vec![Account::new(user, password)], ..Bearer::default() })
    }
}

/// Passwords.
#[derive(Debug, Clone, Default)]
pub struct Basic {
    /// Who may do everything.
    pub accounts: Vec<Account>,
    /// Repositories that anybody may read, `*` for any characters.
    pub anonymous_pull: Vec<String>,
}

/// Tokens.
#[derive(Clone)]
pub struct Bearer {
    /// Who may do everything.
    pub accounts: Vec<Account>,
    /// Repositories for which anybody gets a token to read, `*` for any characters.
    pub anonymous_pull: Vec<String>,
    /// Address of the token service; nothing means `/token` of this registry. Registries of one process accept the tokens of
    /// each other when their [`service`](Self::service) is the same, so this may be another one.
    pub realm: Option<String>,
    /// Name of the service that tokens are for.
    pub service: String,
    /// How long a token is good, and what `expires_in` says in whole seconds.
    pub lifetime: Duration,
    /// Refresh tokens that are accepted from the start, beside those given out. Never shown.
    pub refresh_tokens: Vec<String>,
    /// The `WWW-Authenticate` header of this test, where `{realm}`, `{service}` and `{scope}` are filled in; nothing writes it
    /// as distribution does.
    pub challenge: Option<String>,
    /// Whether the token is called `access_token` only, as OAuth2 services do, or `token` and `access_token`.
    pub access_token_only: bool,
}

impl Default for Bearer {
    fn default() -> Self {
        Self {
            accounts: Vec::new(),
            anonymous_pull: Vec::new(),
            realm: None,
            service: "registry.test".to_owned(),
            lifetime: Duration::from_mins(5),
            refresh_tokens: Vec::new(),
            challenge: None,
            access_token_only: false,
        }
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer")
            .field("accounts", &self.accounts)
            .field("anonymous_pull", &self.anonymous_pull)
            .field("realm", &self.realm)
            .field("service", &self.service)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// What a client may do in this request.
#[derive(Debug, Clone)]
pub(crate) struct Grant(Extent);

#[derive(Debug, Clone)]
enum Extent {
    Everything,
    /// Reading these repositories.
    Reading(Vec<String>),
    /// `type:name:actions`, as in the token.
    Scopes(Vec<String>),
}

impl Grant {
    /// Whether `action` on a repository is allowed.
    pub(crate) fn allows(&self, repository: &str, action: &str) -> bool {
        self.covers("repository", repository, action)
    }

    fn covers(&self, kind: &str, name: &str, action: &str) -> bool {
        match &self.0 {
            Extent::Everything => true,
            Extent::Reading(patterns) => {
                kind == "repository"
                    && action == "pull"
                    && patterns.iter().any(|pattern| glob(pattern, name))
            }
            Extent::Scopes(scopes) => {
                scopes.iter().filter_map(|scope| Scope::parse(scope)).any(|scope| {
                    scope.kind == kind
                        && scope.name == name
                        && scope.actions.iter().any(|known| known == action || known == "*")
                })
            }
        }
    }
}

/// `repository:NAME:pull,push`.
struct Scope {
    kind: String,
    name: String,
    actions: Vec<String>,
}

impl Scope {
    /// Takes a scope apart; the name may hold colons (a host with a port).
    fn parse(text: &str) -> Option<Self> {
        let (front, actions) = text.rsplit_once(':')?;
        let (kind, name) = front.split_once(':')?;
        let actions = actions.split(',').map(str::to_owned).collect();
        Some(Self { kind: kind.to_owned(), name: name.to_owned(), actions })
    }
}

/// What a route needs: type, name and actions of a scope; nothing for the version check, which needs any valid credential.
fn needs<'a>(
    method: &Method,
    route: &'a Route,
) -> Option<(&'static str, &'a str, &'static [&'static str])> {
    if *route == Route::Catalog {
        return Some(("registry", "catalog", &["*"]));
    }
    let actions: &[&str] = match *method {
        Method::GET | Method::HEAD => &["pull"],
        // An upload that is given up is no deletion.
        Method::DELETE if !matches!(route, Route::Upload { .. }) => &["delete"],
        _ => &["pull", "push"],
    };
    route.repository().map(|name| ("repository", name, actions))
}

impl Auth {
    /// What the request may do, or the 401 that tells the client how to come back. `own_token_service` is the address of the
    /// registry's `/token`; tokens numbered below `valid_from` are not accepted.
    pub(crate) fn admit(
        &self,
        method: &Method,
        route: &Route,
        headers: &HeaderMap,
        own_token_service: &str,
        valid_from: u64,
    ) -> Result<Grant, Box<Answer>> {
        let authorization =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let needed = needs(method, route);
        match self {
            Self::Open => Ok(Grant(Extent::Everything)),
            Self::Basic(basic) => {
                let known = authorization
                    .and_then(password)
                    .is_some_and(|account| basic.accounts.contains(&account));
                if known {
                    return Ok(Grant(Extent::Everything));
                }
                let grant = Grant(Extent::Reading(basic.anonymous_pull.clone()));
                let anonymous = authorization.is_none()
                    && needed.is_some_and(|(kind, name, actions)| {
                        actions.iter().all(|action| grant.covers(kind, name, action))
                    });
                if anonymous {
                    Ok(grant)
                } else {
                    Err(Box::new(unauthorized("Basic realm=\"testkit\"", needed)))
                }
            }
            Self::Bearer(bearer) => {
                let scopes = authorization
                    .and_then(|text| cut_scheme(text, "bearer"))
                    .map(|token| bearer.read(token, valid_from));
                let error = match scopes {
                    None => None,
                    Some(None) => Some("invalid_token"),
                    Some(Some(scopes)) => {
                        let grant = Grant(Extent::Scopes(scopes));
                        let enough = needed.is_none_or(|(kind, name, actions)| {
                            actions.iter().all(|action| grant.covers(kind, name, action))
                        });
                        if enough {
                            return Ok(grant);
                        }
                        Some("insufficient_scope")
                    }
                };
                Err(Box::new(unauthorized(
                    &bearer.challenge(needed, own_token_service, error),
                    needed,
                )))
            }
        }
    }

    /// The answer of the token service.
    pub(crate) fn token(
        &self,
        method: &Method,
        query: &[(String, String)],
        form: &[(String, String)],
        headers: &HeaderMap,
    ) -> Answer {
        let Self::Bearer(bearer) = self else { return super::endpoints::not_found() };
        if *method == Method::POST { bearer.oauth2(form) } else { bearer.get_token(query, headers) }
    }
}

fn unauthorized(challenge: &str, needed: Option<(&str, &str, &[&str])>) -> Answer {
    let detail = match needed {
        // As distribution spells the access that was asked for.
        Some((kind, name, actions)) => {
            let list = actions
                .iter()
                .map(|action| json!({ "Type": kind, "Class": "", "Name": name, "Action": action }));
            Value::Array(list.collect())
        }
        None => Value::Null,
    };
    Answer::error(Code::Unauthorized, detail).header(header::WWW_AUTHENTICATE, challenge)
}

/// The rest of an `Authorization` header after its scheme, which has no case.
fn cut_scheme<'a>(header: &'a str, scheme: &str) -> Option<&'a str> {
    let (found, rest) = header.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// User and password of a `Basic` header.
fn password(header: &str) -> Option<Account> {
    let decoded = STANDARD.decode(cut_scheme(header, "basic")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Account::new(user, password))
}

/// What is inside a token, sealed with a key of the process: registries can check each other's without sharing anything else.
fn seal(content: &Value) -> Option<String> {
    let content = URL_SAFE_NO_PAD.encode(content.to_string());
    let tag = URL_SAFE_NO_PAD.encode(hmac::sign(key()?, content.as_bytes()));
    Some(format!("{content}.{tag}"))
}

fn open(token: &str) -> Option<Value> {
    let (content, tag) = token.split_once('.')?;
    hmac::verify(key()?, content.as_bytes(), &URL_SAFE_NO_PAD.decode(tag).ok()?).ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(content).ok()?).ok()
}

fn key() -> Option<&'static hmac::Key> {
    static KEY: OnceLock<Option<hmac::Key>> = OnceLock::new();
    KEY.get_or_init(|| {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).ok()?;
        Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    })
    .as_ref()
}

/// How many tokens this process has given out: each carries its number, so that a revocation parts them exactly.
static GIVEN_OUT: AtomicU64 = AtomicU64::new(0);

/// The number of the next token.
pub(crate) fn next_token() -> u64 {
    GIVEN_OUT.load(Ordering::SeqCst) + 1
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Bearer {
    /// The scopes in a token, if it is one of ours, for this service, and good now.
    fn read(&self, token: &str, valid_from: u64) -> Option<Vec<String>> {
        let content = open(token)?;
        let number = |name: &str| content.get(name).and_then(Value::as_u64);
        let now = now();
        let good = content.get("service").and_then(Value::as_str) == Some(&self.service)
            && number("number")? >= valid_from
            && now < number("expires")?;
        let scopes = content.get("scopes")?.as_array()?;
        good.then(|| scopes.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    fn challenge(
        &self,
        needed: Option<(&str, &str, &[&str])>,
        own: &str,
        error: Option<&str>,
    ) -> String {
        let realm = self.realm.as_deref().unwrap_or(own);
        let scope = needed
            .map(|(kind, name, actions)| format!("{kind}:{name}:{}", actions.join(",")))
            .unwrap_or_default();
        if let Some(template) = &self.challenge {
            return template
                .replace("{realm}", realm)
                .replace("{service}", &self.service)
                .replace("{scope}", &scope);
        }
        let mut text = format!("Bearer realm=\"{realm}\",service=\"{}\"", self.service);
        for (name, value) in [("scope", scope.as_str()), ("error", error.unwrap_or_default())] {
            if !value.is_empty() {
                text.extend([",", name, "=\"", value, "\""]);
            }
        }
        text
    }

    /// The scopes that are granted: all to an account; reading what is public to anybody else.
    fn granted(&self, known: bool, scopes: &[String]) -> Vec<String> {
        if known {
            return scopes.to_vec();
        }
        let public = |scope: &Scope| {
            scope.kind == "repository"
                && scope.actions.iter().any(|action| action == "pull")
                && self.anonymous_pull.iter().any(|pattern| glob(pattern, &scope.name))
        };
        let parsed = scopes.iter().filter_map(|scope| Scope::parse(scope));
        parsed.filter(public).map(|scope| format!("repository:{}:pull", scope.name)).collect()
    }

    /// `GET /token?service=…&scope=…` with or without a password.
    fn get_token(&self, query: &[(String, String)], headers: &HeaderMap) -> Answer {
        let authorization =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let account = authorization
            .map(|text| password(text).filter(|account| self.accounts.contains(account)));
        if account == Some(None) {
            return unauthorized("Basic realm=\"testkit\"", None);
        }
        let offline = first(query, "offline_token") == Some("true");
        self.issue(account.is_some(), &scopes(query), offline && account.is_some())
    }

    /// `POST /token` with a form: a password or a refresh token.
    fn oauth2(&self, form: &[(String, String)]) -> Answer {
        let offline = first(form, "access_type") == Some("offline");
        let known = match first(form, "grant_type") {
            Some("refresh_token") => first(form, "refresh_token").is_some_and(|token| {
                self.refresh_tokens.iter().any(|known| known == token)
                    || open(token).is_some_and(|content| {
                        content.get("refresh").and_then(Value::as_str) == Some(&self.service)
                    })
            }),
            Some("password") => match (first(form, "username"), first(form, "password")) {
                (Some(user), Some(password)) => {
                    self.accounts.contains(&Account::new(user, password))
                }
                _ => false,
            },
            _ => {
                let error = json!({ "error": "unsupported_grant_type" });
                return Answer::json(StatusCode::BAD_REQUEST, "application/json", &error);
            }
        };
        if known {
            self.issue(true, &scopes(form), offline)
        } else {
            unauthorized("Basic realm=\"testkit\"", None)
        }
    }

    fn issue(&self, known: bool, scopes: &[String], offline: bool) -> Answer {
        let number = GIVEN_OUT.fetch_add(1, Ordering::SeqCst) + 1;
        let expires =
            now().saturating_add(u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX));
        let granted = self.granted(known, scopes);
        let content = json!({ "service": self.service, "number": number, "expires": expires, "scopes": granted });
        let Some(token) = seal(&content) else { return Answer::error(Code::Unknown, Value::Null) };
        let mut body = json!({ "access_token": token, "expires_in": self.lifetime.as_secs(), "scope": granted.join(" ") });
        if let Some(fields) = body.as_object_mut() {
            if !self.access_token_only {
                fields.insert("token".to_owned(), Value::String(token));
            }
            if let (true, Some(refresh)) = (offline, seal(&json!({ "refresh": self.service }))) {
                fields.insert("refresh_token".to_owned(), Value::String(refresh));
            }
        }
        Answer::json(StatusCode::OK, "application/json", &body)
    }
}

/// All scopes of a query or form; one parameter may hold several with spaces between them.
fn scopes(pairs: &[(String, String)]) -> Vec<String> {
    let values = pairs.iter().filter(|(name, _)| name == "scope");
    values
        .flat_map(|(_, value)| value.split(' '))
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect()
}
