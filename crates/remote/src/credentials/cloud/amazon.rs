//! ECR: a key of AWS, from where its own programs look for one, is exchanged for a password of the registry.
//!
//! SPEC: ECR API, `GetAuthorizationToken`; STS API, `AssumeRoleWithWebIdentity`; EC2 user guide, "IMDSv2".
use super::{
    CloudError, Given,
    ask::{Asking, Question, file, json},
    sigv4::{self, AwsKey, Scope, Signed},
};
use crate::{credentials::Key, options::Secret, wire::guard};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use reqwest::{Method, Url};
use serde::Deserialize;
use smol_str::SmolStr;
use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How long a password of ECR lives when it does not say.
const LIFE: Duration = Duration::from_hours(12);
/// How long a session with the metadata service lasts, in seconds.
const SESSION: &str = "300";

/// A registry of ECR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registry {
    region: String,
    /// Where its API is.
    api: String,
    service: &'static str,
    target: &'static str,
}

impl Registry {
    /// Reads `ACCOUNT.dkr.ecr[-fips].REGION.amazonaws.com[.cn]`, its dual-stack form, and `public.ecr.aws`.
    pub(super) fn of(host: &str) -> Option<Self> {
        const PRIVATE: &str = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
        if host == "public.ecr.aws" {
            return Some(Self {
                region: "us-east-1".to_owned(),
                api: "https://api.ecr-public.us-east-1.amazonaws.com".to_owned(),
                service: "ecr-public",
                target: "SpencerFrontendService.GetAuthorizationToken",
            });
        }
        let (account, rest) = host.split_once('.')?;
        // Dual-stack names write a dash where the others have a dot.
        let rest = rest.strip_prefix("dkr.").or_else(|| rest.strip_prefix("dkr-"))?;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (kind, rest) = rest.split_once('.')?;
        let (region, domain) = rest.split_once('.')?;
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.is_empty() || !region.bytes().all(fits) {
            return None;
        }
        let api = match (kind, domain) {
            ("ecr", "amazonaws.com" | "amazonaws.com.cn") => format!("api.ecr.{region}.{domain}"),
            ("ecr-fips", "amazonaws.com") => format!("ecr-fips.{region}.{domain}"),
            ("ecr", "on.aws") => format!("ecr.{region}.api.aws"),
            ("ecr-fips", "on.aws") => format!("ecr-fips.{region}.api.aws"),
            _ => return None,
        };
        Some(Self {
            region: region.to_owned(),
            api: format!("https://{api}"),
            service: "ecr",
            target: PRIVATE,
        })
    }

    /// Where its API is.
    #[cfg(test)]
    pub(super) fn api(&self) -> &str {
        &self.api
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    authorization_data: Data,
}

/// A list from private registries, one from the public one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Data {
    Several(Vec<Token>),
    One(Token),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    authorization_token: String,
    #[serde(default)]
    expires_at: Option<f64>,
}

/// The login of a registry.
pub(super) async fn get(asking: &Asking<'_>, host: &str) -> Result<Given, CloudError> {
    let malformed = || CloudError::Answer { service: SmolStr::new_static("ECR") };
    let registry = Registry::of(host).ok_or_else(malformed)?;
    let key = find_key(asking, &registry.region).await?;
    let now = now();
    let time = sigv4::timestamp(now).ok_or_else(malformed)?;
    let api = registry.api.strip_prefix("https://").unwrap_or(&registry.api);
    let body = b"{}";
    let mut headers = vec![
        ("content-type", "application/x-amz-json-1.1"),
        ("host", api),
        ("x-amz-date", time.as_str()),
    ];
    if let Some(session) = &key.session {
        headers.push(("x-amz-security-token", session.text()));
    }
    headers.push(("x-amz-target", registry.target));
    let scope = Scope { region: &registry.region, service: registry.service };
    let signed = Signed { method: "POST", path: "/", headers: &headers, body };
    let authorization = sigv4::authorization(&key, scope, &time, signed);
    // The client writes the host itself.
    headers.retain(|(name, _)| *name != "host");
    headers.push(("authorization", &authorization));
    let question = Question {
        method: Method::POST,
        url: format!("{}/", registry.api),
        headers,
        body: Bytes::from_static(body),
    };
    let answer: Answer = json("ECR", &asking.service(question).await?)?;
    let token = match answer.authorization_data {
        Data::Several(tokens) => tokens.into_iter().next().ok_or_else(malformed)?,
        Data::One(token) => token,
    };
    let pair = STANDARD.decode(&token.authorization_token).map_err(|_| malformed())?;
    let pair = zeroize::Zeroizing::new(String::from_utf8(pair).map_err(|_| malformed())?);
    let (username, password) = pair.split_once(':').ok_or_else(malformed)?;
    let life = token
        .expires_at
        .filter(|at| at.is_finite())
        .and_then(|at| Duration::try_from_secs_f64(at).ok())
        .map_or(LIFE, |at| at.saturating_sub(Duration::from_secs(now.unsigned_abs())));
    let key = Key::Basic { username: username.into(), password: Secret::new(password.as_bytes()) };
    Ok(Given { key, life })
}

/// COMPAT: the order of AWS's SDKs: variables, web identity (IRSA), container (ECS, EKS Pod Identity), instance.
/// Files under `~/.aws` are not read: a credential helper program reads them.
async fn find_key(asking: &Asking<'_>, region: &str) -> Result<AwsKey, CloudError> {
    let environment = asking.environment;
    if let (Some(id), Some(secret)) =
        (environment.get("AWS_ACCESS_KEY_ID"), environment.secret("AWS_SECRET_ACCESS_KEY"))
    {
        let session = environment.secret("AWS_SESSION_TOKEN").cloned();
        return Ok(AwsKey { id: id.to_owned(), secret: secret.clone(), session });
    }
    if let (Some(path), Some(role)) =
        (environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"), environment.get("AWS_ROLE_ARN"))
    {
        return assume(asking, Path::new(path), role, region).await;
    }
    if let Some(path) = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        return container(asking, format!("{}{path}", asking.places.amazon_container)).await;
    }
    if let Some(url) = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
        return container(asking, container_url(url)?).await;
    }
    if environment
        .get("AWS_EC2_METADATA_DISABLED")
        .is_some_and(|off| off.eq_ignore_ascii_case("true"))
    {
        return Err(CloudError::Nothing {
            cloud: "Amazon",
            looked: "no key in the environment, and the metadata service is switched off".into(),
        });
    }
    instance(asking).await
}

/// What a service says of a temporary key.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Temporary {
    access_key_id: String,
    secret_access_key: String,
    #[serde(default)]
    token: String,
}

impl From<Temporary> for AwsKey {
    fn from(found: Temporary) -> Self {
        let session = Some(Secret::new(found.token)).filter(|token| !token.expose().is_empty());
        Self { id: found.access_key_id, secret: Secret::new(found.secret_access_key), session }
    }
}

/// IRSA: the token of a service account, for a key of a role.
async fn assume(
    asking: &Asking<'_>,
    path: &Path,
    role: &str,
    region: &str,
) -> Result<AwsKey, CloudError> {
    let malformed = || CloudError::Answer { service: SmolStr::new_static("STS") };
    let token = file(path).await?;
    let region = asking.environment.get("AWS_REGION").unwrap_or(region);
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let session = asking.environment.get("AWS_ROLE_SESSION_NAME").unwrap_or("sigward");
    let question = Question::form(
        format!("https://sts.{region}.{domain}/"),
        &[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", session),
            ("WebIdentityToken", token.text()),
        ],
    );
    let answer = asking.service(question).await?;
    let answer = std::str::from_utf8(&answer).map_err(|_| malformed())?;
    // Three elements with nothing in them but a word each: no need to read XML.
    let element = |name: &str| {
        let (_, rest) = answer.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once(&format!("</{name}>"))?;
        (!text.is_empty() && !text.contains(['<', '&'])).then(|| text.to_owned())
    };
    let found = |name: &str| element(name).ok_or_else(malformed);
    Ok(AwsKey {
        id: found("AccessKeyId")?,
        secret: Secret::new(found("SecretAccessKey")?),
        session: Some(Secret::new(found("SessionToken")?)),
    })
}

/// SPEC: AWS SDKs reference guide, "Container credential provider": plain text is for this machine and two addresses only.
fn container_url(url: &str) -> Result<String, CloudError> {
    let refused =
        |why| CloudError::Variable { variable: "AWS_CONTAINER_CREDENTIALS_FULL_URI", why };
    let parsed = Url::parse(url).map_err(|_| refused("is no URL"))?;
    let host = parsed.host_str().unwrap_or_default();
    let own = guard::is_loopback(host)
        || matches!(host, "169.254.170.2" | "169.254.170.23" | "[fd00:ec2::23]");
    match parsed.scheme() {
        "http" | "https" if own => Ok(url.to_owned()),
        _ => Err(refused("names neither this machine nor an address of AWS's agents")),
    }
}

async fn container(asking: &Asking<'_>, url: String) -> Result<AwsKey, CloudError> {
    let environment = asking.environment;
    let token = match environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(file(Path::new(path)).await?),
        None => environment.secret("AWS_CONTAINER_AUTHORIZATION_TOKEN").cloned(),
    };
    let headers = token.iter().map(|token| ("authorization", token.text())).collect();
    let answer = asking.metadata(Question::get(url, headers)).await?;
    Ok(json::<Temporary>("the agent of the container", &answer)?.into())
}

async fn instance(asking: &Asking<'_>) -> Result<AwsKey, CloudError> {
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let malformed = || CloudError::Answer { service: SmolStr::new_static("the metadata service") };
    let place = &asking.places.amazon;
    let question = Question {
        method: Method::PUT,
        url: format!("{place}/latest/api/token"),
        headers: vec![("x-aws-ec2-metadata-token-ttl-seconds", SESSION)],
        body: Bytes::new(),
    };
    let session = asking.metadata(question).await?;
    let session = std::str::from_utf8(&session).map_err(|_| malformed())?;
    let headers = || vec![("x-aws-ec2-metadata-token", session.trim())];
    let roles = asking.metadata(Question::get(format!("{place}{ROLES}"), headers())).await?;
    let roles = std::str::from_utf8(&roles).map_err(|_| malformed())?;
    let role = roles.lines().next().unwrap_or_default().trim();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    if role.is_empty() || !role.bytes().all(fits) {
        return Err(malformed());
    }
    let answer = asking.metadata(Question::get(format!("{place}{ROLES}{role}"), headers())).await?;
    Ok(json::<Temporary>("the metadata service", &answer)?.into())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
