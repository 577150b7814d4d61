//! Who signs, when no key does: an identity token that was given, found where the program runs, or fetched by logging in.
use super::{browser, party::Flags};
use crate::cli::cosign::{Failure, Output, keys};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use sigward_remote::{Google, OidcClient, Secret, Services};
use std::{io::IsTerminal as _, path::Path};

/// Whom tokens have to be meant for.
const AUDIENCE: &str = "sigstore";
/// Where a token may lie.
///
/// COMPAT: cosign 3.1: the provider `filesystem`.
const TOKEN_FILE: &str = "/var/run/sigstore/cosign/oidc-token";
/// Longest token, in bytes.
const MAX_TOKEN: usize = 64 << 10;

/// What of a token is looked at; whether it is sound is for Fulcio to say.
#[derive(Deserialize)]
pub(super) struct Claims {
    #[serde(default)]
    sub: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    email_verified: Option<serde_json::Value>,
    #[serde(default)]
    pub(super) nonce: String,
}

impl Claims {
    /// # Errors
    /// The token is none.
    pub(super) fn of(token: &Secret) -> Result<Self, Failure> {
        let wrong = || Failure::new("the identity token is not a signed JSON web token");
        let text = std::str::from_utf8(token.expose()).map_err(|_binary| wrong())?;
        let mut parts = text.split('.');
        let (Some(_), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let payload =
            URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).map_err(|_error| wrong())?;
        serde_json::from_slice(&payload).map_err(|_error| wrong())
    }

    /// What the key's possession is proved over.
    ///
    /// SPEC: Fulcio: the email address where there is one, else the subject.
    pub(super) fn subject(&self) -> Result<&str, Failure> {
        if !self.email.is_empty() {
            let verified = self.email_verified.as_ref().is_some_and(|verified| {
                verified.as_bool() == Some(true) || verified.as_str() == Some("true")
            });
            if !verified {
                return Err(Failure::new("the identity provider did not verify the email address"));
            }
            return Ok(&self.email);
        }
        if self.sub.is_empty() {
            return Err(Failure::new("the identity token has no subject"));
        }
        Ok(&self.sub)
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The token.
///
/// COMPAT: cosign 3.1: `--identity-token`, `SIGSTORE_ID_TOKEN`, providers of the surroundings, a login; without a
/// terminal a login has to be asked for; test: without_a_terminal_nobody_is_asked_to_log_in
///
/// # Errors
/// Each names its way out.
pub(super) async fn token(
    output: &Output,
    services: &Services,
    flags: &Flags<'_>,
    issuer: Option<&str>,
) -> Result<Secret, Failure> {
    if let Some(given) = &flags.fulcio.identity_token {
        return read(given);
    }
    if let Some(given) = variable("SIGSTORE_ID_TOKEN") {
        return read(&given);
    }
    if !flags.oidc.oidc_disable_ambient_providers
        && let Some(token) = ambient(services, flags.oidc.oidc_provider.as_deref()).await?
    {
        return Ok(token);
    }
    let Some(issuer) = issuer else {
        return Err(Failure::new(
            "the signing config lists no identity provider: --identity-token gives a token",
        ));
    };
    let secret = flags.oidc.oidc_client_secret_file.as_deref();
    let secret = secret.map(keys::read_file).transpose().map_err(Failure::new)?;
    let client = OidcClient {
        id: flags.oidc.oidc_client_id.clone().unwrap_or_else(|| AUDIENCE.to_owned()),
        secret: secret.map(|text| Secret::new(text.trim().as_bytes())),
    };
    let flow = match flags.fulcio.fulcio_auth_flow.as_deref() {
        Some(flow) => flow,
        None if std::io::stdin().is_terminal() => "normal",
        None => {
            return Err(Failure::new(
                "signing without --key is keyless signing, which needs an identity token: --identity-token and SIGSTORE_ID_TOKEN \
                 give one, --fulcio-auth-flow=device logs in on another device",
            ));
        }
    };
    let redirect = flags.oidc.oidc_redirect_url.as_deref();
    match flow {
        "normal" => browser::log_in(output, services, issuer, &client, redirect).await,
        "device" => browser::log_in_elsewhere(output, services, issuer, &client).await,
        "client_credentials" => {
            let provider = services.provider(issuer).await?;
            Ok(services.client_credentials(&provider, &client).await?)
        }
        "token" => Err(Failure::new("--fulcio-auth-flow=token needs --identity-token")),
        other => Err(Failure::new(format!(
            "unknown --fulcio-auth-flow {other:?}: normal, device, token or client_credentials"
        ))),
    }
}

/// A token, or the file that holds it.
fn read(given: &str) -> Result<Secret, Failure> {
    let text = if given.matches('.').count() == 2 && !Path::new(given).exists() {
        given.to_owned()
    } else {
        keys::read_file(Path::new(given))
            .map_err(|why| Failure::new(format!("reading the identity token: {why}")))?
    };
    if text.len() > MAX_TOKEN {
        return Err(Failure::new("the identity token is too long"));
    }
    Ok(Secret::new(text.trim().as_bytes()))
}

/// A token of where the program runs: of the provider that is named, or of the first that is there.
async fn ambient(services: &Services, named: Option<&str>) -> Result<Option<Secret>, Failure> {
    let wanted = |name: &str| named.is_none_or(|named| named == name);
    if wanted("github-actions")
        && let (Some(url), Some(token)) =
            (variable("ACTIONS_ID_TOKEN_REQUEST_URL"), variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))
    {
        return Ok(Some(services.github_token(&url, &Secret::new(token), AUDIENCE).await?));
    }
    if wanted("buildkite-agent")
        && let (Some(token), Some(job)) =
            (variable("BUILDKITE_AGENT_ACCESS_TOKEN"), variable("BUILDKITE_JOB_ID"))
    {
        let endpoint = variable("BUILDKITE_AGENT_ENDPOINT")
            .unwrap_or_else(|| "https://agent.buildkite.com/v3".to_owned());
        let token = Secret::new(token);
        return Ok(Some(services.buildkite_token(&endpoint, &job, &token, AUDIENCE).await?));
    }
    if wanted("filesystem") && Path::new(TOKEN_FILE).is_file() {
        return read(TOKEN_FILE).map(Some);
    }
    let account = variable("GOOGLE_SERVICE_ACCOUNT_NAME");
    if named == Some("google") || (named.is_none() && account.is_some()) {
        let host =
            variable("GCE_METADATA_HOST").unwrap_or_else(|| "metadata.google.internal".to_owned());
        let google = Google {
            metadata: format!("http://{host}"),
            credentials: "https://iamcredentials.googleapis.com".to_owned(),
            account,
        };
        return Ok(Some(services.google_token(&google, AUDIENCE).await?));
    }
    match named {
        None => Ok(None),
        Some("spiffe") => Err(Failure::new(
            "--oidc-provider=spiffe needs the SPIFFE workload API, which is not available in this build: \
             a token of it can be given with --identity-token",
        )),
        Some(known @ ("github-actions" | "buildkite-agent" | "filesystem")) => {
            Err(Failure::new(format!("--oidc-provider={known} finds nothing where it runs")))
        }
        Some(other) => Err(Failure::new(format!(
            "unknown --oidc-provider {other:?}: google, github-actions, filesystem or buildkite-agent"
        ))),
    }
}
