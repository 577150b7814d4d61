//! Artifact Registry and Container Registry: an access token is the password.
//!
//! SPEC: "Application Default Credentials"; RFC 7523 (JWT bearer grants); Compute Engine, "metadata server".
use super::{
    CloudError, Given,
    ask::{Asking, Question, file, json},
};
use crate::{credentials::Key, options::Secret};
use aws_lc_rs::{rand::SystemRandom, signature};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde::Deserialize;
use smol_str::{SmolStr, format_smolstr};
use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What the token is asked for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Where tokens come from, whatever a file says.
const TOKENS: &str = "https://oauth2.googleapis.com/token";

/// COMPAT: go-containerregistry's Google key chain, without `*.google.com`.
pub(super) fn owns(host: &str) -> bool {
    host == "gcr.io" || host.ends_with(".gcr.io") || host.ends_with("-docker.pkg.dev")
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    #[serde(default)]
    expires_in: u64,
}

/// The login of every registry of Google.
pub(super) async fn get(asking: &Asking<'_>) -> Result<Given, CloudError> {
    let token = match asking.environment.get("GOOGLE_APPLICATION_CREDENTIALS") {
        Some(path) => from_file(asking, Path::new(path)).await?,
        None => from_metadata(asking).await?,
    };
    if token.access_token.is_empty() {
        return Err(CloudError::Answer { service: SmolStr::new_static("Google's token service") });
    }
    let password = Secret::new(token.access_token);
    let key = Key::Basic { username: SmolStr::new_static("oauth2accesstoken"), password };
    Ok(Given { key, life: Duration::from_secs(token.expires_in) })
}

async fn from_metadata(asking: &Asking<'_>) -> Result<Token, CloudError> {
    let path = "/computeMetadata/v1/instance/service-accounts/default/token";
    let url = format!("{}{path}?scopes={SCOPE}", asking.places.google);
    let answer = asking.metadata(Question::get(url, vec![("metadata-flavor", "Google")])).await?;
    json("the metadata service", &answer)
}

/// The file that `gcloud` writes, of the two kinds that need no further program.
#[derive(Deserialize)]
struct Account {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    client_email: String,
    #[serde(default)]
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    client_secret: String,
    #[serde(default)]
    refresh_token: String,
}

async fn from_file(asking: &Asking<'_>, path: &Path) -> Result<Token, CloudError> {
    let wrong = |why: SmolStr| CloudError::File { path: path.to_owned(), why };
    let content = file(path).await?;
    let account: Account = serde_json::from_slice(content.expose())
        .map_err(|_| wrong("it is not the JSON of a Google account".into()))?;
    let assertion;
    let fields: Vec<(&str, &str)> = match account.kind.as_str() {
        "service_account" => {
            assertion = sign(&account)?;
            vec![
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", &assertion),
            ]
        }
        "authorized_user" => vec![
            ("grant_type", "refresh_token"),
            ("client_id", &account.client_id),
            ("client_secret", &account.client_secret),
            ("refresh_token", &account.refresh_token),
        ],
        other => {
            return Err(wrong(format_smolstr!(
                "accounts of type {other:?} are not supported; service_account and authorized_user are"
            )));
        }
    };
    let answer = asking.service(Question::form(TOKENS.to_owned(), &fields)).await?;
    json("Google's token service", &answer)
}

/// A statement of who asks, signed with the account's key.
fn sign(account: &Account) -> Result<String, CloudError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let header = serde_json::json!({
        "alg": "RS256", "typ": "JWT", "kid": account.private_key_id,
    });
    let claims = serde_json::json!({
        "iss": account.client_email, "scope": SCOPE, "aud": TOKENS, "iat": now, "exp": now + 3600,
    });
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let text = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    let unusable = |_| CloudError::Key;
    let der = PrivateKeyDer::from_pem_slice(account.private_key.as_bytes())
        .map_err(|_| CloudError::Key)?;
    let key = match &der {
        PrivateKeyDer::Pkcs8(der) => {
            signature::RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(unusable)?
        }
        PrivateKeyDer::Pkcs1(der) => {
            signature::RsaKeyPair::from_der(der.secret_pkcs1_der()).map_err(unusable)?
        }
        PrivateKeyDer::Sec1(_) | _ => return Err(CloudError::Key),
    };
    let mut signed = vec![0; key.public_modulus_len()];
    key.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signed)
        .map_err(|_| CloudError::Key)?;
    Ok(format!("{text}.{}", encode(&signed)))
}
