//! Who may do what: nobody asked, passwords with every request, or tokens of a token service.

// SPEC: distribution "Token Authentication Specification" and "OAuth2 Token Authentication"; RFC 7617; RFC 6750.

mod token;

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, Method, header};
use serde_json::{Value, json};

pub(crate) use self::token::next_token;
use super::{
    answer::{Answer, Code},
    faults::glob,
    names::Route,
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
