//! An OIDC issuer: signed tokens, discovery, the code flow with PKCE, the device flow, and what runners offer.

// SPEC: OpenID Connect Core and Discovery 1.0, RFC 7636 (PKCE), RFC 8628 (device flow).

use std::{collections::BTreeMap, sync::Mutex};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{locked, merkle::sha256};
use crate::{
    der::Reader,
    digest::hex,
    keys::{Algorithm, KeyError, KeyPair},
};

/// What GitHub Actions says about a workflow run. `workflow` is the file's name in `.github/workflows`.
pub fn github_claims(repository: &str, workflow: &str, reference: &str, trigger: &str) -> Value {
    let owner = repository.split('/').next().unwrap_or(repository);
    let file = format!("{repository}/.github/workflows/{workflow}@{reference}");
    let sha = "0123456789abcdef0123456789abcdef01234567";
    json!({
        "sub": format!("repo:{repository}:ref:{reference}"), "job_workflow_ref": file, "workflow_ref": file,
        "job_workflow_sha": sha, "workflow_sha": sha, "sha": sha, "repository": repository,
        "repository_owner": owner, "repository_id": "42", "repository_owner_id": "7", "ref": reference,
        "event_name": trigger, "workflow": "release", "runner_environment": "github-hosted",
        "run_id": "1001", "run_attempt": "1", "repository_visibility": "public",
    })
}

/// A login that waits for its end.
#[derive(Debug, Clone)]
struct Pending {
    client: String,
    redirect: String,
    challenge: String,
    nonce: Option<String>,
}

/// The issuer.
#[derive(Debug)]
pub(crate) struct Issuer {
    key: KeyPair,
    codes: Mutex<BTreeMap<String, Pending>>,
    devices: Mutex<BTreeMap<String, bool>>,
    /// Who logs in; nobody means that the user says no.
    user: Mutex<Option<Value>>,
}

/// What a token endpoint answers: status and JSON.
pub(crate) type TokenAnswer = (u16, Value);

impl Issuer {
    pub(crate) fn new() -> Result<Self, KeyError> {
        let user = json!({ "sub": "1234", "email": "dev@example.test", "email_verified": true });
        Ok(Self {
            // Fulcio takes RS256.
            key: KeyPair::shared(Algorithm::Rsa2048)?,
            codes: Mutex::default(),
            devices: Mutex::default(),
            user: Mutex::new(Some(user)),
        })
    }

    pub(crate) fn set_user(&self, claims: Option<Value>) {
        *locked(&self.user) = claims;
    }

    /// A token.
    pub(crate) fn mint(&self, issuer: &str, claims: &Value, now: i64) -> Result<String, KeyError> {
        let mut all =
            json!({ "iss": issuer, "aud": "sigstore", "iat": now, "exp": now.saturating_add(600) });
        if let (Some(all), Some(claims)) = (all.as_object_mut(), claims.as_object()) {
            all.extend(claims.clone());
        }
        let header = json!({ "alg": "RS256", "kid": self.key_id(), "typ": "JWT" });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&all));
        let signature = self.key.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The claims of a token of this issuer that has not expired.
    pub(crate) fn verify(&self, token: &str, now: i64) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.key.spki_der())
            .verify(signed.as_bytes(), &signature)
            .ok()?;
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        let audience = claims.get("aud").and_then(Value::as_str) == Some("sigstore");
        let fresh = claims.get("exp").and_then(Value::as_i64).is_some_and(|end| now < end);
        (audience && fresh).then_some(claims)
    }

    fn key_id(&self) -> String {
        self.key.fingerprint().chars().take(16).collect()
    }

    /// `/.well-known/openid-configuration`.
    pub(crate) fn discovery(url: &str) -> Value {
        json!({
            "issuer": url, "authorization_endpoint": format!("{url}/auth"), "token_endpoint": format!("{url}/token"),
            "jwks_uri": format!("{url}/keys"), "device_authorization_endpoint": format!("{url}/device/code"),
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"], "scopes_supported": ["openid", "email"],
            "code_challenge_methods_supported": ["S256"],
            "grant_types_supported": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
        })
    }

    /// The keys by which tokens are checked.
    pub(crate) fn keys(&self) -> Value {
        let numbers = || {
            let mut fields =
                Reader(crate::keys::der::inside_spki(self.key.spki_der())?).sequence()?;
            let number = |bytes: &[u8]| {
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                URL_SAFE_NO_PAD.encode(bytes.get(zeros..).unwrap_or_default())
            };
            Some((number(fields.expect(0x02)?), number(fields.expect(0x02)?)))
        };
        let (modulus, exponent) = numbers().unwrap_or_default();
        json!({ "keys": [{
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.key_id(), "n": modulus, "e": exponent,
        }] })
    }

    /// The authorization endpoint, with a user who agrees at once: where the browser is sent. The error is what the page says.
    pub(crate) fn authorize(&self, query: &BTreeMap<String, String>) -> Result<String, String> {
        let get = |name: &str| query.get(name).cloned();
        let need = |name: &str| get(name).ok_or_else(|| format!("{name} is missing"));
        let redirect = need("redirect_uri")?;
        let state = need("state")?;
        if need("response_type")? != "code" || need("code_challenge_method")? != "S256" {
            return Err("only response_type=code with code_challenge_method=S256".to_owned());
        }
        let loopback = redirect.starts_with("http://127.0.0.1:")
            || redirect.starts_with("http://localhost:")
            || redirect == OUT_OF_BAND;
        if !loopback {
            return Err(format!("redirect_uri {redirect} is not on this machine"));
        }
        let pending = Pending {
            client: need("client_id")?,
            challenge: need("code_challenge")?,
            nonce: get("nonce"),
            redirect: redirect.clone(),
        };
        if locked(&self.user).is_none() {
            return Ok(format!("{redirect}?error=access_denied&state={state}"));
        }
        let mut codes = locked(&self.codes);
        let code =
            hex(&sha256(&[b"code", pending.challenge.as_bytes(), &codes.len().to_be_bytes()]));
        codes.insert(code.clone(), pending);
        Ok(format!("{redirect}?code={code}&state={state}"))
    }

    /// The device endpoint.
    pub(crate) fn device(&self, url: &str) -> Value {
        let mut devices = locked(&self.devices);
        let code = hex(&sha256(&[b"device", &devices.len().to_be_bytes()]));
        let user: String = code.chars().take(8).collect();
        devices.insert(code.clone(), false);
        json!({
            "device_code": code, "user_code": user, "verification_uri": format!("{url}/device"),
            "verification_uri_complete": format!("{url}/device?user_code={user}"), "expires_in": 300, "interval": 1,
        })
    }

    /// The user agrees to all logins of devices that wait.
    pub(crate) fn approve(&self) {
        locked(&self.devices).values_mut().for_each(|agreed| *agreed = true);
    }

    /// The token endpoint.
    pub(crate) fn token(
        &self,
        issuer: &str,
        form: &BTreeMap<String, String>,
        now: i64,
    ) -> Result<TokenAnswer, KeyError> {
        let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let refuse = |error: &str| Ok((400, json!({ "error": error })));
        let mut nonce = None;
        match get("grant_type") {
            "authorization_code" => {
                let Some(pending) = locked(&self.codes).remove(get("code")) else {
                    return refuse("invalid_grant");
                };
                let challenge = URL_SAFE_NO_PAD.encode(sha256(&[get("code_verifier").as_bytes()]));
                if challenge != pending.challenge
                    || get("redirect_uri") != pending.redirect
                    || get("client_id") != pending.client
                {
                    return refuse("invalid_grant");
                }
                nonce = pending.nonce;
            }
            "urn:ietf:params:oauth:grant-type:device_code" => {
                match locked(&self.devices).get(get("device_code")) {
                    None => return refuse("expired_token"),
                    Some(false) => return refuse("authorization_pending"),
                    Some(true) => {}
                }
            }
            "client_credentials" => {}
            _ => return refuse("unsupported_grant_type"),
        }
        let Some(mut claims) = locked(&self.user).clone() else { return refuse("access_denied") };
        if let (Some(nonce), Some(fields)) = (nonce, claims.as_object_mut()) {
            fields.insert("nonce".to_owned(), json!(nonce));
        }
        let token = self.mint(issuer, &claims, now)?;
        Ok((
            200,
            json!({ "access_token": "opaque", "token_type": "bearer", "expires_in": 600, "id_token": token }),
        ))
    }
}

/// The redirect target of browsers that show the code instead.
const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";
