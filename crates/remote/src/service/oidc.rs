//! OpenID Connect as clients of it: discovery, codes and devices exchanged for identity tokens.
use super::{Question, ServiceError, Services, ambient::secret_json, under, words};
use crate::{options::Secret, wire::token::strict_form as form};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use smol_str::SmolStr;
use std::time::Duration;

const OIDC: &str = "identity provider";
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// Where a provider answers.
///
/// SPEC: OpenID Connect Discovery 1.0 section 3; RFC 8628 section 4.
#[derive(Clone, Debug, Deserialize)]
pub struct Provider {
    /// Its name, which tokens carry.
    pub issuer: String,
    /// Where users log in.
    pub authorization_endpoint: String,
    /// Where codes are exchanged.
    pub token_endpoint: String,
    /// Where devices begin.
    #[serde(default)]
    pub device_authorization_endpoint: Option<String>,
}

/// Who asks for tokens.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_secret`, for those that have one.
    pub secret: Option<Secret>,
}

/// A login that waits for its user.
///
/// SPEC: RFC 8628 section 3.2.
#[derive(Clone, Debug, Deserialize)]
pub struct DeviceLogin {
    device_code: String,
    /// What the user types.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code in it.
    #[serde(default)]
    pub verification_uri_complete: Option<String>,
    /// Seconds after which it is over.
    pub expires_in: u64,
    #[serde(default = "five")]
    interval: u64,
}

const fn five() -> u64 {
    5
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

#[derive(Deserialize)]
struct Pending {
    error: SmolStr,
}

impl Client {
    fn form(&self, pairs: &[(&str, &str)]) -> String {
        let mut all = vec![("client_id", self.id.as_str())];
        if let Some(secret) = &self.secret {
            all.push(("client_secret", secret.text()));
        }
        all.extend_from_slice(pairs);
        form(&all)
    }
}

impl Provider {
    /// Where the user's browser goes, to come back to `redirect` with a code.
    ///
    /// SPEC: RFC 7636 section 4.3; OpenID Connect Core 1.0 section 3.1.2.1.
    pub fn login_url(
        &self,
        client: &Client,
        redirect: &str,
        state: &str,
        nonce: &str,
        challenge: &str,
    ) -> String {
        let query = form(&[
            ("client_id", &client.id),
            ("redirect_uri", redirect),
            ("response_type", "code"),
            ("scope", "openid email"),
            ("state", state),
            ("nonce", nonce),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ]);
        let separator = if self.authorization_endpoint.contains('?') { '&' } else { '?' };
        format!("{}{separator}{query}", self.authorization_endpoint)
    }
}

impl Services {
    /// Where a provider answers.
    ///
    /// # Errors
    /// It cannot be reached, says no, or calls itself by another name.
    pub async fn provider(&self, issuer: &str) -> Result<Provider, ServiceError> {
        let url = under(issuer, ".well-known/openid-configuration");
        let reply = self.ask(Question::get(OIDC, url)).await?.ok()?;
        let provider: Provider = reply.json()?;
        if provider.issuer.trim_end_matches('/') != issuer.trim_end_matches('/') {
            return Err(reply.unusable(format_args!("it calls itself {:?}", provider.issuer)));
        }
        Ok(provider)
    }

    /// Exchanges the code that a browser brought back.
    ///
    /// # Errors
    /// The provider cannot be reached, or says no.
    pub async fn exchange_code(
        &self,
        provider: &Provider,
        client: &Client,
        (code, verifier): (&str, &str),
        redirect: &str,
    ) -> Result<Secret, ServiceError> {
        let body = client.form(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", redirect),
        ]);
        self.tokens(provider, body).await
    }

    /// The token of a client that has no user.
    ///
    /// # Errors
    /// As [`Self::exchange_code`].
    pub async fn client_credentials(
        &self,
        provider: &Provider,
        client: &Client,
    ) -> Result<Secret, ServiceError> {
        let body = client.form(&[("grant_type", "client_credentials"), ("scope", "openid email")]);
        self.tokens(provider, body).await
    }

    async fn tokens(&self, provider: &Provider, body: String) -> Result<Secret, ServiceError> {
        let question = Question::post(OIDC, &provider.token_endpoint, FORM, body);
        // A code is good for one exchange.
        let reply = self.ask(Question { retry: false, ..question }).await?.ok()?;
        let tokens: Tokens = secret_json(&reply)?;
        Ok(Secret::new(tokens.id_token))
    }

    /// Begins a login on another device.
    ///
    /// # Errors
    /// The provider cannot be reached, says no, or knows no such logins.
    pub async fn begin_device_login(
        &self,
        provider: &Provider,
        client: &Client,
        challenge: &str,
    ) -> Result<DeviceLogin, ServiceError> {
        let Some(url) = &provider.device_authorization_endpoint else {
            return Err(ServiceError::Unusable {
                service: OIDC,
                url: provider.issuer.as_str().into(),
                problem: "it has no login for devices".into(),
            });
        };
        let body = client.form(&[
            ("scope", "openid email"),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ]);
        let reply = self.ask(Question::post(OIDC, url, FORM, body)).await?.ok()?;
        secret_json(&reply)
    }

    /// Waits until the user has agreed on the other device.
    ///
    /// SPEC: RFC 8628 section 3.5.
    ///
    /// # Errors
    /// The user said no or was too slow, or the provider cannot be reached.
    pub async fn finish_device_login(
        &self,
        provider: &Provider,
        client: &Client,
        login: &DeviceLogin,
        verifier: &str,
    ) -> Result<Secret, ServiceError> {
        let body = client.form(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", &login.device_code),
            ("code_verifier", verifier),
        ]);
        let mut pause = login.interval.clamp(1, 60);
        let mut waited = 0;
        loop {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            waited += pause;
            let question = Question::post(OIDC, &provider.token_endpoint, FORM, body.clone());
            let reply = self.ask(question).await?;
            if reply.status == 200 {
                let tokens: Tokens = secret_json(&reply)?;
                return Ok(Secret::new(tokens.id_token));
            }
            let pending: Option<Pending> = serde_json::from_slice(&reply.body).ok();
            match pending.as_ref().map(|pending| pending.error.as_str()) {
                Some("authorization_pending") => {}
                Some("slow_down") => pause = pause.saturating_add(5),
                _ => return Err(reply.refused()),
            }
            if waited >= login.expires_in {
                let said = words(&reply.body).unwrap_or_default();
                return Err(reply.unusable(format_args!("nobody logged in in time ({said})")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_a_form_cannot_become_another() {
        assert_eq!(form(&[("a", "b&c=d e"), ("ü", "/+")]), "a=b%26c%3Dd%20e&%C3%BC=%2F%2B");
    }
}
