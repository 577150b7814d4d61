//! What each service answers, by path.
#![expect(clippy::result_large_err, reason = "a refusal is an answer like any other")]

use super::{
    Answer, BTreeMap, Bytes, Endpoint, HeaderMap, Identity, Issuer, KeyError, Method, Parts, Query,
    Refusal, Service, StatusCode, Value, header, json, locked, pairs, trust,
};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};

const JSON: &str = "application/json";

/// A request with what endpoints look at.
struct Call<'a> {
    endpoint: &'a Endpoint,
    get: bool,
    path: &'a str,
    query: BTreeMap<String, String>,
    headers: &'a HeaderMap,
    body: &'a Bytes,
}

impl Call<'_> {
    fn json(&self) -> Result<Value, Answer> {
        serde_json::from_slice(self.body).map_err(|error| refuse(400, &error.to_string()))
    }

    fn form(&self) -> BTreeMap<String, String> {
        pairs(&String::from_utf8_lossy(self.body)).into_iter().collect()
    }

    fn now(&self) -> i64 {
        self.endpoint.instance.clock().now()
    }

    /// The claims of the bearer token.
    fn claims(&self, token: &str) -> Result<Value, Answer> {
        let claims = self.endpoint.instance.issuer.verify(token, self.now());
        claims.ok_or_else(|| refuse(401, "there was an error processing the identity token"))
    }

    fn bearer(&self) -> &str {
        let value = self.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        value.and_then(|value| value.split_once(' ')).map_or("", |(_, token)| token)
    }
}

/// An error in the shape that Sigstore's services share.
pub(super) fn refuse(status: u16, message: &str) -> Answer {
    shown(status, &json!({ "code": status, "message": message }))
}

fn shown(status: u16, value: &Value) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Answer::json(status, JSON, value)
}

fn broken(error: KeyError) -> Answer {
    refuse(500, &error.to_string())
}

/// Answers a request.
pub(super) fn dispatch(endpoint: &Endpoint, parts: &Parts, body: &Bytes) -> Answer {
    let call = Call {
        endpoint,
        get: matches!(parts.method, Method::GET | Method::HEAD),
        path: parts.uri.path(),
        query: pairs(parts.uri.query().unwrap_or_default()).into_iter().collect(),
        headers: &parts.headers,
        body,
    };
    let answer = match endpoint.service {
        Service::Fulcio => certify(&call),
        Service::Rekor => rekor(&call),
        Service::RekorV2 => rekor_v2(&call),
        Service::Timestamps => stamp(&call),
        Service::Issuer => issuer(&call),
        Service::Mirror => Ok(mirror(&call)),
    };
    answer.unwrap_or_else(|answer| answer)
}

fn nothing() -> Answer {
    refuse(404, "Not Found")
}

// SPEC: Fulcio's API, versions 2 and 1.
fn certify(call: &Call<'_>) -> Result<Answer, Answer> {
    let instance = &call.endpoint.instance;
    match (call.get, call.path) {
        (true, "/api/v2/trustBundle") => {
            let chain =
                [trust::pem(&instance.fulcio_intermediate()), trust::pem(&instance.fulcio_root())];
            Ok(shown(200, &json!({ "chains": [{ "certificates": chain }] })))
        }
        (true, "/api/v1/rootCert") => Ok(Answer::with_body(
            StatusCode::OK,
            "application/pem-certificate-chain",
            instance.fulcio_pem(),
        )),
        (false, "/api/v2/signingCert") => {
            let request = call.json()?;
            let token = request.pointer("/credentials/oidcIdentityToken").and_then(Value::as_str);
            let claims = call.claims(token.unwrap_or_else(|| call.bearer()))?;
            let text = |path: &str| request.pointer(path).and_then(Value::as_str);
            let content = text("/publicKeyRequest/publicKey/content").ok_or_else(|| {
                refuse(400, "the public key supplied in the request could not be parsed")
            })?;
            let proof = text("/publicKeyRequest/proofOfPossession").unwrap_or_default();
            let chain = issue(call, &claims, content, proof)?;
            let field = if instance.knobs().sct == crate::sigstore::Sct::Missing {
                "signedCertificateDetachedSct"
            } else {
                "signedCertificateEmbeddedSct"
            };
            Ok(shown(200, &json!({ field: { "chain": { "certificates": chain } } })))
        }
        (false, "/api/v1/signingCert") => {
            let claims = call.claims(call.bearer())?;
            let request = call.json()?;
            let text =
                |path: &str| request.pointer(path).and_then(Value::as_str).unwrap_or_default();
            let key = text("/publicKey/content");
            // The key travels as base64 of DER, or of PEM.
            let chain = issue(call, &claims, key, text("/signedEmailAddress"))?;
            let status = StatusCode::CREATED;
            Ok(Answer::with_body(status, "application/pem-certificate-chain", chain.concat()))
        }
        _ => Err(nothing()),
    }
}

/// Checks that the client holds the key, and certifies it.
fn issue(call: &Call<'_>, claims: &Value, key: &str, proof: &str) -> Result<Vec<String>, Answer> {
    let bad_key = || refuse(400, "the public key supplied in the request could not be parsed");
    let der = |text: &str| {
        let lines: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        crate::sigstore::rekor::decoded(&lines).ok()
    };
    let mut spki = der(key).ok_or_else(bad_key)?;
    if spki.starts_with(b"-----BEGIN") {
        spki = der(&String::from_utf8_lossy(&spki)).ok_or_else(bad_key)?;
    }
    let claim = |name: &str| claims.get(name).and_then(Value::as_str);
    let subject = claim("email").or_else(|| claim("sub")).unwrap_or_default();
    let proof = crate::sigstore::rekor::decoded(proof).unwrap_or_default();
    let verifiers: [&'static dyn VerificationAlgorithm; 5] = [
        &ECDSA_P256_SHA256_ASN1,
        &ECDSA_P384_SHA384_ASN1,
        &ECDSA_P521_SHA512_ASN1,
        &ED25519,
        &RSA_PKCS1_2048_8192_SHA256,
    ];
    let proved = verifiers.iter().any(|verifier| {
        UnparsedPublicKey::new(*verifier, &spki).verify(subject.as_bytes(), &proof).is_ok()
    });
    if !proved {
        return Err(refuse(400, "the signature supplied in the request could not be verified"));
    }
    let identity: Identity = Identity::of_claims(claim("iss").unwrap_or_default(), claims);
    let chain = call.endpoint.instance.certify(&spki, &identity).map_err(broken)?;
    Ok(chain.iter().map(|der| trust::pem(der)).collect())
}

// SPEC: Rekor's API, version 1.
fn rekor(call: &Call<'_>) -> Result<Answer, Answer> {
    const ENTRIES: &str = "/api/v1/log/entries";
    let instance = &call.endpoint.instance;
    let knobs = instance.knobs();
    let refused = |words: Refusal| refuse(400, &words);
    let mut rekor = locked(&instance.rekor);
    if call.get {
        return match call.path {
            "/api/v1/log/publicKey" => Ok(Answer::with_body(
                StatusCode::OK,
                "application/x-pem-file",
                rekor.log.key.public_pem(),
            )),
            "/api/v1/log" => {
                let size = rekor.log.leaves.len();
                let head = rekor.log.checkpoint(size).map_err(broken)?;
                let root = crate::digest::hex(&crate::sigstore::merkle::root(&rekor.log.leaves));
                Ok(shown(
                    200,
                    &json!({
                        "rootHash": root, "treeSize": size, "signedTreeHead": head, "treeID": "1",
                        "inactiveShards": [],
                    }),
                ))
            }
            ENTRIES => {
                let index = call.query.get("logIndex").and_then(|index| index.parse().ok());
                let place = index.and_then(|index| rekor.place(index)).ok_or_else(nothing)?;
                Ok(shown(200, &rekor.show(place, &knobs).map_err(broken)?))
            }
            path => {
                let uuid = path.strip_prefix(ENTRIES).and_then(|rest| rest.strip_prefix('/'));
                let place = uuid.and_then(|uuid| rekor.find(uuid)).ok_or_else(nothing)?;
                Ok(shown(200, &rekor.show(place, &knobs).map_err(broken)?))
            }
        };
    }
    let request = call.json()?;
    match call.path {
        ENTRIES => {
            let body = crate::sigstore::rekor::canonical(&request).map_err(refused)?;
            let (place, fresh) = rekor.append(&body, call.now());
            let uuid = rekor.uuid(place);
            if fresh {
                let entry = rekor.show(place, &knobs).map_err(broken)?;
                let answer = shown(201, &entry).header(header::ETAG, &uuid);
                return Ok(answer.header(header::LOCATION, &format!("{ENTRIES}/{uuid}")));
            }
            let words = format!(
                "an equivalent entry already exists in the transparency log with UUID {uuid}"
            );
            Ok(refuse(409, &words).header(header::LOCATION, &format!("{ENTRIES}/{uuid}")))
        }
        "/api/v1/log/entries/retrieve" => {
            let list = |name: &str| request.get(name).and_then(Value::as_array).cloned();
            let mut places = Vec::new();
            for proposed in list("entries").unwrap_or_default() {
                let body = crate::sigstore::rekor::canonical(&proposed).map_err(refused)?;
                let leaf = crate::sigstore::merkle::leaf(&body);
                places.extend(rekor.log.leaves.iter().position(|known| *known == leaf));
            }
            for uuid in list("entryUUIDs").unwrap_or_default() {
                places.extend(uuid.as_str().and_then(|uuid| rekor.find(uuid)));
            }
            for index in list("logIndexes").unwrap_or_default() {
                places.extend(index.as_u64().and_then(|index| rekor.place(index)));
            }
            let entries: Result<Vec<Value>, KeyError> =
                places.into_iter().map(|place| rekor.show(place, &knobs)).collect();
            Ok(shown(200, &json!(entries.map_err(broken)?)))
        }
        "/api/v1/index/retrieve" => {
            let hash = request.get("hash").and_then(Value::as_str).unwrap_or_default();
            let hex = hash.split_once(':').map_or(hash, |(_, hex)| hex);
            if hex.is_empty() {
                return Err(refuse(400, "must specify a value for search"));
            }
            let found: Vec<String> =
                rekor.search(hex).into_iter().map(|place| rekor.uuid(place)).collect();
            Ok(shown(200, &json!(found)))
        }
        _ => Err(nothing()),
    }
}

// SPEC: Rekor's API, version 2; C2SP tlog-tiles for reading.
fn rekor_v2(call: &Call<'_>) -> Result<Answer, Answer> {
    let instance = &call.endpoint.instance;
    if !call.get {
        if call.path != "/api/v2/log/entries" {
            return Err(nothing());
        }
        let entry = instance.log_v2(&call.json()?).map_err(|words| refuse(400, &words))?;
        return Ok(shown(201, &entry));
    }
    let log = locked(&instance.rekor_v2);
    let rest = call.path.strip_prefix("/api/v2/").ok_or_else(nothing)?;
    let bytes = if rest == "checkpoint" {
        log.log.checkpoint(log.log.leaves.len()).map_err(broken)?.into_bytes()
    } else {
        let (place, width) = match rest.split_once(".p/") {
            Some((place, width)) => (place, Some(width.parse().map_err(|_| nothing())?)),
            None => (rest, None),
        };
        let (level, number) = place
            .strip_prefix("tile/")
            .and_then(|tile| tile.split_once('/'))
            .ok_or_else(nothing)?;
        // Numbers in groups of three digits, all but the last behind an `x`.
        let number = number.replace(['x', '/'], "").parse().map_err(|_| nothing())?;
        let found = match level {
            "entries" => log.entries(number, width),
            level => level.parse().ok().and_then(|level| log.tile(level, number, width)),
        };
        found.ok_or_else(nothing)?
    };
    Ok(Answer::with_body(StatusCode::OK, "application/octet-stream", bytes))
}

// SPEC: RFC 3161 section 3.4.
fn stamp(call: &Call<'_>) -> Result<Answer, Answer> {
    let instance = &call.endpoint.instance;
    match (call.get, call.path) {
        (true, "/api/v1/timestamp/certchain") => Ok(Answer::with_body(
            StatusCode::OK,
            "application/pem-certificate-chain",
            instance.timestamp_pem(),
        )),
        (false, "/api/v1/timestamp") => {
            let kind = call.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            if kind != Some("application/timestamp-query") {
                return Err(refuse(415, "unsupported media type"));
            }
            let query = Query::parse(call.body).ok_or_else(|| refuse(400, "no timestamp query"))?;
            let answer = instance.stamp_query(&query).map_err(broken)?;
            Ok(Answer::with_body(StatusCode::CREATED, "application/timestamp-reply", answer))
        }
        _ => Err(nothing()),
    }
}

fn issuer(call: &Call<'_>) -> Result<Answer, Answer> {
    let instance = &call.endpoint.instance;
    let (issuer, url) = (&instance.issuer, instance.urls().issuer);
    match (call.get, call.path) {
        (true, "/.well-known/openid-configuration") => Ok(shown(200, &Issuer::discovery(&url))),
        (true, "/keys") => Ok(shown(200, &issuer.keys())),
        (true, "/auth") => {
            let to = issuer.authorize(&call.query).map_err(|words| refuse(400, &words))?;
            Ok(Answer::new(StatusCode::FOUND).header(header::LOCATION, &to))
        }
        (false, "/device/code") => Ok(shown(200, &issuer.device(&url))),
        (false, "/token") => {
            let (status, value) = issuer.token(&url, &call.form(), call.now()).map_err(broken)?;
            Ok(shown(status, &value))
        }
        _ => ambient(call),
    }
}

/// What runners offer to the jobs that they run.
fn ambient(call: &Call<'_>) -> Result<Answer, Answer> {
    let instance = &call.endpoint.instance;
    let audience = call.query.get("audience").map_or("", String::as_str);
    match (call.get, call.path) {
        // GitHub Actions: `ACTIONS_ID_TOKEN_REQUEST_URL` with `&audience=`, and its token as a bearer.
        (true, "/github/token") if call.bearer() == RUNNER => {
            let mut claims = crate::sigstore::github_claims(
                "acme/app",
                "release.yml",
                "refs/heads/main",
                "push",
            );
            if let Some(fields) = claims.as_object_mut() {
                fields.insert("aud".to_owned(), json!(audience));
            }
            let token = instance.token(&claims).map_err(broken)?;
            Ok(shown(200, &json!({ "count": token.len(), "value": token })))
        }
        // Buildkite: `POST jobs/ID/oidc/tokens` with `Authorization: Token`.
        (false, "/buildkite/jobs/job-1/oidc/tokens") if call.bearer() == RUNNER => {
            let audience = call.json()?.get("audience").cloned().unwrap_or_default();
            let claims = json!({ "sub": "https://buildkite.com/acme/app", "aud": audience });
            Ok(shown(200, &json!({ "token": instance.token(&claims).map_err(broken)? })))
        }
        // Google's metadata server, which only answers who says that header.
        (true, "/computeMetadata/v1/instance/service-accounts/default/identity")
            if call.headers.contains_key("metadata-flavor") =>
        {
            let claims = json!({
                "sub": "1", "email": "robot@acme.iam.gserviceaccount.com", "email_verified": true, "aud": audience,
            });
            let token = instance.token(&claims).map_err(broken)?;
            Ok(Answer::with_body(StatusCode::OK, "text/html", token))
        }
        _ => Err(refuse(401, "no such token endpoint, or no credential for it")),
    }
}

/// The bearer token of every runner here.
const RUNNER: &str = "runner-secret";

fn mirror(call: &Call<'_>) -> Answer {
    let path = call.path.trim_start_matches('/');
    match locked(&call.endpoint.repository).file(path) {
        Some(bytes) if call.get => Answer::with_body(StatusCode::OK, JSON, bytes),
        _ => nothing(),
    }
}
