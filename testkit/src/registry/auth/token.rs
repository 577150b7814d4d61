//! The token service: tokens are sealed with a key of the process, given out for a password, a refresh token, or nothing.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{hmac, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::{Account, Bearer, Scope, password, unauthorized};
use crate::registry::{
    answer::{Answer, Code},
    faults::glob,
    names::first,
};

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
    pub(super) fn read(&self, token: &str, valid_from: u64) -> Option<Vec<String>> {
        let content = open(token)?;
        let number = |name: &str| content.get(name).and_then(Value::as_u64);
        let now = now();
        let good = content.get("service").and_then(Value::as_str) == Some(&self.service)
            && number("number")? >= valid_from
            && now < number("expires")?;
        let scopes = content.get("scopes")?.as_array()?;
        good.then(|| scopes.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    pub(super) fn challenge(
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
    pub(super) fn get_token(&self, query: &[(String, String)], headers: &HeaderMap) -> Answer {
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
    pub(super) fn oauth2(&self, form: &[(String, String)]) -> Answer {
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
