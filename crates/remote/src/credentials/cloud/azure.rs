//! Azure Container Registry: an identity of Entra is exchanged for a refresh token of the registry.
//!
//! SPEC: ACR, "AAD OAuth" (`/oauth2/exchange`); Entra, client credentials with a federated assertion; managed identities.
use super::{
    CloudError, Given,
    ask::{Asking, Question, file, json},
};
use crate::{credentials::Key, options::Secret, wire::guard};
use serde::Deserialize;
use smol_str::SmolStr;
use std::{path::Path, time::Duration};

/// What the identity is asked for.
const RESOURCE: &str = "https://management.azure.com/";
/// How long a refresh token of a registry lives; it does not say.
///
/// SPEC: ACR: three hours.
const LIFE: Duration = Duration::from_hours(3);

/// COMPAT: `acr-docker-credential-helper`'s suffixes.
pub(super) fn owns(host: &str) -> bool {
    [".azurecr.io", ".azurecr.cn", ".azurecr.us", ".azurecr.de"].iter().any(|suffix| {
        host.strip_suffix(suffix).is_some_and(|name| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
            !name.is_empty() && name.bytes().all(fits)
        })
    })
}

#[derive(Deserialize)]
struct Access {
    access_token: String,
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: String,
}

/// The login of a registry.
pub(super) async fn get(asking: &Asking<'_>, host: &str) -> Result<Given, CloudError> {
    let malformed = |service| CloudError::Answer { service: SmolStr::new_static(service) };
    let identity = match asking.environment.get("AZURE_TENANT_ID") {
        Some(tenant) if is_application(asking) => application(asking, tenant).await?,
        _ => managed(asking).await?,
    };
    if identity.access_token.is_empty() {
        return Err(malformed("Entra"));
    }
    let mut fields = vec![
        ("grant_type", "access_token"),
        ("service", host),
        ("access_token", identity.access_token.as_str()),
    ];
    if let Some(tenant) = asking.environment.get("AZURE_TENANT_ID") {
        fields.push(("tenant", tenant));
    }
    let question = Question::form(format!("https://{host}/oauth2/exchange"), &fields);
    let answer: Refresh = json("the registry", &asking.service(question).await?)?;
    if answer.refresh_token.is_empty() {
        return Err(malformed("the registry"));
    }
    Ok(Given { key: Key::Identity(Secret::new(answer.refresh_token)), life: LIFE })
}

/// Whether the environment says how an application proves itself.
fn is_application(asking: &Asking<'_>) -> bool {
    let has = |name| asking.environment.get(name).is_some();
    has("AZURE_CLIENT_ID") && (has("AZURE_FEDERATED_TOKEN_FILE") || has("AZURE_CLIENT_SECRET"))
}

/// Workload identity, or an application with a secret.
async fn application(asking: &Asking<'_>, tenant: &str) -> Result<Access, CloudError> {
    let environment = asking.environment;
    let client = environment.get("AZURE_CLIENT_ID").unwrap_or_default();
    let authority =
        environment.get("AZURE_AUTHORITY_HOST").unwrap_or("https://login.microsoftonline.com");
    let refused = |variable, why| CloudError::Variable { variable, why };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if !tenant.bytes().all(fits) {
        return Err(refused("AZURE_TENANT_ID", "is no tenant"));
    }
    // The proof of who we are goes there.
    let own = authority.strip_prefix("http://").is_some_and(guard::is_loopback);
    if !authority.starts_with("https://") && !own {
        return Err(refused("AZURE_AUTHORITY_HOST", "must begin with https://"));
    }
    let url = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
    let scope = format!("{RESOURCE}.default");
    let assertion;
    let mut fields =
        vec![("grant_type", "client_credentials"), ("client_id", client), ("scope", &scope)];
    if let Some(path) = environment.get("AZURE_FEDERATED_TOKEN_FILE") {
        assertion = file(Path::new(path)).await?;
        fields.push((
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ));
        fields.push(("client_assertion", assertion.text()));
    } else {
        fields.push(("client_secret", environment.get("AZURE_CLIENT_SECRET").unwrap_or_default()));
    }
    json("Entra", &asking.service(Question::form(url, &fields)).await?)
}

/// The identity of the machine; with `AZURE_CLIENT_ID`, that one of several.
async fn managed(asking: &Asking<'_>) -> Result<Access, CloudError> {
    let mut query = vec![("api-version", "2018-02-01"), ("resource", RESOURCE)];
    if let Some(client) = asking.environment.get("AZURE_CLIENT_ID") {
        query.push(("client_id", client));
    }
    let query = crate::wire::token::form(&query);
    let url = format!("{}/metadata/identity/oauth2/token?{query}", asking.places.azure);
    let answer = asking.metadata(Question::get(url, vec![("metadata", "true")])).await?;
    json("the metadata service", &answer)
}
