//! Identity tokens from where a program runs: GitHub Actions, Buildkite, Google Cloud.
use super::{JSON, Question, Reply, ServiceError, Services, under};
use crate::{options::Secret, wire::token::percent};
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;

/// Google's metadata server, and whom it may impersonate.
#[derive(Clone, Debug)]
pub struct Google {
    /// `http://metadata.google.internal`, or what `GCE_METADATA_HOST` says.
    pub metadata: String,
    /// `https://iamcredentials.googleapis.com`.
    pub credentials: String,
    /// `GOOGLE_SERVICE_ACCOUNT_NAME`: the account in whose name a token is asked for.
    pub account: Option<String>,
}

impl Services {
    /// The token of a job of GitHub Actions: `url` and `token` are what its runner put into the environment.
    ///
    /// SPEC: GitHub Actions, `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    ///
    /// # Errors
    /// The runner's service cannot be reached, says no, or answers no token.
    pub async fn github_token(
        &self,
        url: &str,
        token: &Secret,
        audience: &str,
    ) -> Result<Secret, ServiceError> {
        #[derive(Deserialize)]
        struct Answer {
            value: String,
        }
        let separator = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{separator}audience={}", percent(audience));
        let question = Question::get("GitHub Actions", url).authorized("Bearer", token)?;
        let reply = self.ask(question).await?.ok()?;
        let answer: Answer = secret_json(&reply)?;
        Ok(Secret::new(answer.value))
    }

    /// The token of a job of Buildkite.
    ///
    /// SPEC: Buildkite's agent API, `POST jobs/ID/oidc/tokens`.
    ///
    /// # Errors
    /// As [`Self::github_token`].
    pub async fn buildkite_token(
        &self,
        endpoint: &str,
        job: &str,
        token: &Secret,
        audience: &str,
    ) -> Result<Secret, ServiceError> {
        #[derive(Deserialize)]
        struct Answer {
            token: String,
        }
        let url = under(endpoint, &format!("jobs/{}/oidc/tokens", percent(job)));
        let body = json!({ "audience": audience }).to_string();
        let question = Question::post("Buildkite", url, JSON, body).authorized("Token", token)?;
        let reply = self.ask(question).await?.ok()?;
        let answer: Answer = secret_json(&reply)?;
        Ok(Secret::new(answer.token))
    }

    /// The token of the account that a machine of Google Cloud runs as, or of one that it may impersonate.
    ///
    /// SPEC: Google Cloud, `instance/service-accounts/default/identity`; IAM credentials, `generateIdToken`.
    ///
    /// # Errors
    /// As [`Self::github_token`].
    pub async fn google_token(
        &self,
        google: &Google,
        audience: &str,
    ) -> Result<Secret, ServiceError> {
        #[derive(Deserialize)]
        struct Access {
            access_token: String,
        }
        #[derive(Deserialize)]
        struct Answer {
            token: String,
        }
        let Some(account) = &google.account else {
            let path = format!("identity?audience={}&format=full", percent(audience));
            let reply = self.metadata(google, &path).await?;
            return Ok(Secret::new(reply.text()?.trim().as_bytes()));
        };
        let reply = self.metadata(google, "token").await?;
        let access: Access = secret_json(&reply)?;
        let path = format!("v1/projects/-/serviceAccounts/{}:generateIdToken", percent(account));
        let body = json!({ "audience": audience, "includeEmail": true }).to_string();
        let question = Question::post("Google IAM", under(&google.credentials, &path), JSON, body)
            .authorized("Bearer", &Secret::new(access.access_token))?;
        let reply = self.ask(question).await?.ok()?;
        let answer: Answer = secret_json(&reply)?;
        Ok(Secret::new(answer.token))
    }

    async fn metadata(&self, google: &Google, rest: &str) -> Result<Reply, ServiceError> {
        let path = format!("computeMetadata/v1/instance/service-accounts/default/{rest}");
        let question = Question::get("Google metadata", under(&google.metadata, &path))
            .with(HeaderName::from_static("metadata-flavor"), HeaderValue::from_static("Google"));
        self.ask(Question { machine: true, ..question }).await?.ok()
    }
}

/// JSON that holds a secret: what is wrong with it is said without its words.
pub(super) fn secret_json<'a, T: Deserialize<'a>>(reply: &'a Reply) -> Result<T, ServiceError> {
    serde_json::from_slice(&reply.body).map_err(|_| reply.unusable("no token"))
}
