//! The doubles of Sigstore's services, asked over HTTP as their real clients ask.
#![expect(clippy::unwrap_used, reason = "test code")]

use serde_json::{Value, json};
use sigward_testkit::{
    keys::{Algorithm, KeyPair},
    sigstore::{
        Knobs, Sct, Service, Services, ServicesOptions, Stamp,
        tuf::{Attack, Role},
    },
};

mod client {
    pub(super) fn ask(
        url: String,
        body: Option<(&str, Vec<u8>)>,
        bearer: Option<&str>,
    ) -> (u16, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap();
            let mut request = match body {
                Some((kind, body)) => client.post(url).header("content-type", kind).body(body),
                None => client.get(url),
            };
            if let Some(token) = bearer {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            let location = answer.headers().get("location").cloned();
            let mut bytes = answer.bytes().await.unwrap().to_vec();
            if let Some(location) = location.filter(|_| status == 302) {
                bytes = location.as_bytes().to_vec();
            }
            (status, bytes)
        })
    }
}
use client::ask;

fn services() -> Services {
    Services::start(ServicesOptions::default()).unwrap()
}

fn post(services: &Services, service: Service, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}{path}", services.url(service));
    let (status, bytes) = ask(url, Some(("application/json", body.to_string().into_bytes())), None);
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

fn get(services: &Services, service: Service, path: &str) -> (u16, Vec<u8>) {
    ask(format!("{}{path}", services.url(service)), None, None)
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

fn request_certificate(services: &Services, proof_over: &str) -> (u16, Value) {
    let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let token = services.instance().email_token("dev@example.test").unwrap();
    let proof = base64(&key.sign(proof_over.as_bytes()).unwrap());
    post(
        services,
        Service::Fulcio,
        "/api/v2/signingCert",
        &json!({
            "credentials": { "oidcIdentityToken": token },
            "publicKeyRequest": {
                "publicKey": { "algorithm": "ECDSA", "content": key.public_pem() }, "proofOfPossession": proof,
            },
        }),
    )
}

#[test]
fn fulcio_certifies_whoever_proves_to_hold_the_key() {
    let services = services();
    let (status, answer) = request_certificate(&services, "dev@example.test");
    assert_eq!(status, 200, "{answer}");
    let chain = answer.pointer("/signedCertificateEmbeddedSct/chain/certificates").unwrap();
    assert_eq!(chain.as_array().unwrap().len(), 3);
    let (status, answer) = request_certificate(&services, "other@example.test");
    assert_eq!(status, 400, "{answer}");
    services.instance().set_knobs(Knobs { sct: Sct::Missing, ..Knobs::default() });
    let (_, answer) = request_certificate(&services, "dev@example.test");
    assert!(answer.get("signedCertificateDetachedSct").is_some());
}

#[test]
fn fulcio_refuses_tokens_that_are_expired_or_of_somebody_else() {
    let services = services();
    let other = self::services();
    let token = other.instance().email_token("dev@example.test").unwrap();
    let url = format!("{}/api/v2/signingCert", services.url(Service::Fulcio));
    // All instances of a process share the issuer's key, hence a broken signature instead of a foreign key.
    let broken = format!("{}A", token.trim_end_matches(|last: char| last != '.'));
    let body = || Some(("application/json", b"{}".to_vec()));
    assert_eq!(ask(url.clone(), body(), Some(&broken)).0, 401);
    services.instance().clock().advance(3600);
    assert_eq!(ask(url, body(), Some(&token)).0, 401);
}

fn record() -> Value {
    let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    json!({ "apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
        "data": { "hash": { "algorithm": "sha256", "value": "00".repeat(32) } },
        "signature": {
            "content": base64(b"signature"), "publicKey": { "content": base64(key.public_pem().as_bytes()) },
        },
    } })
}

#[test]
fn rekor_takes_an_entry_once_and_finds_it_in_every_way() {
    let services = services();
    let proposed = record();
    let (status, answer) = post(&services, Service::Rekor, "/api/v1/log/entries", &proposed);
    assert_eq!(status, 201, "{answer}");
    let (uuid, entry) = answer.as_object().unwrap().iter().next().unwrap();
    let (status, again) = post(&services, Service::Rekor, "/api/v1/log/entries", &proposed);
    assert_eq!(status, 409);
    assert!(again["message"].as_str().unwrap().contains(uuid));
    let index = &entry["logIndex"];
    for path in
        [format!("/api/v1/log/entries/{uuid}"), format!("/api/v1/log/entries?logIndex={index}")]
    {
        let (status, bytes) = get(&services, Service::Rekor, &path);
        assert_eq!(status, 200, "{path}");
        let found: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(found[uuid]["body"], entry["body"], "{path}");
    }
    let (_, found) = post(
        &services,
        Service::Rekor,
        "/api/v1/log/entries/retrieve",
        &json!({ "entries": [proposed] }),
    );
    assert_eq!(found[0][uuid]["logIndex"], *index);
    let hash = json!({ "hash": format!("sha256:{}", "00".repeat(32)) });
    let (_, found) = post(&services, Service::Rekor, "/api/v1/index/retrieve", &hash);
    assert_eq!(found, json!([uuid]));
    assert_eq!(get(&services, Service::Rekor, "/api/v1/log/entries/abc").0, 404);
}

#[test]
fn rekor_2_answers_with_a_proof_and_shows_its_tiles() {
    let services = services();
    let request = json!({ "hashedRekordRequestV002": {
        "digest": base64(&[0; 32]),
        "signature": { "content": base64(b"s"), "verifier": {
            "publicKey": { "rawBytes": base64(b"k") }, "keyDetails": "PKIX_ECDSA_P256_SHA_256",
        } },
    } });
    let (status, entry) = post(&services, Service::RekorV2, "/api/v2/log/entries", &request);
    assert_eq!(status, 201, "{entry}");
    assert_eq!(entry["inclusionProof"]["treeSize"], "6");
    let (_, checkpoint) = get(&services, Service::RekorV2, "/api/v2/checkpoint");
    assert!(checkpoint.starts_with(b"127.0.0.1\n6\n"));
    let (status, tile) = get(&services, Service::RekorV2, "/api/v2/tile/0/000.p/6");
    assert_eq!((status, tile.len()), (200, 6 * 32));
    assert_eq!(get(&services, Service::RekorV2, "/api/v2/tile/entries/000.p/6").0, 200);
    assert_eq!(get(&services, Service::RekorV2, "/api/v2/tile/0/000").0, 404);
}

#[test]
fn the_timestamp_authority_answers_queries_and_nothing_else() {
    let services = services();
    let url = services.instance().urls().timestamps;
    // version 1, SHA-256 of nothing in particular, a nonce, certificates wanted.
    let mut query = vec![0x30, 0x3c, 2, 1, 1, 0x30, 0x31, 0x30, 0x0d, 6, 9];
    query.extend([0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20]);
    query.extend([7; 32]);
    query.extend([2, 1, 42, 1, 1, 0xff]);
    let kind = "application/timestamp-query";
    let (status, answer) = ask(url.clone(), Some((kind, query.clone())), None);
    assert_eq!(status, 201);
    assert!(answer.windows(3).any(|window| window == [2, 1, 42]), "the nonce comes back");
    services.instance().set_knobs(Knobs { stamp: Stamp::Rejected, ..Knobs::default() });
    let (_, refusal) = ask(url.clone(), Some((kind, query)), None);
    assert!(refusal.len() < 40);
    assert_eq!(ask(url, Some(("text/plain", b"x".to_vec())), None).0, 415);
}

#[test]
fn the_issuer_gives_tokens_by_code_and_by_device() {
    let services = services();
    let url = services.url(Service::Issuer);
    // SPEC: RFC 7636 appendix B.
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let auth = format!(
        "{url}/auth?response_type=code&client_id=sigstore&redirect_uri=http://localhost:1/cb\
         &state=s&nonce=n&code_challenge={challenge}&code_challenge_method=S256"
    );
    let token = |form: String| {
        let kind = "application/x-www-form-urlencoded";
        let (status, bytes) = ask(format!("{url}/token"), Some((kind, form.into_bytes())), None);
        (status, serde_json::from_slice::<Value>(&bytes).unwrap())
    };
    let login = |verifier: &str| {
        let (status, to) = ask(auth.clone(), None, None);
        assert_eq!(status, 302);
        let to = String::from_utf8(to).unwrap();
        let code = to.split("code=").nth(1).unwrap().split('&').next().unwrap();
        token(format!(
            "grant_type=authorization_code&code={code}&client_id=sigstore\
             &redirect_uri=http://localhost:1/cb&code_verifier={verifier}"
        ))
    };
    assert_eq!(login(verifier).0, 200);
    assert_eq!(login("another").0, 400);

    let kind = "application/x-www-form-urlencoded";
    let body = Some((kind, b"client_id=sigstore".to_vec()));
    let (_, device) = ask(format!("{url}/device/code"), body, None);
    let device: Value = serde_json::from_slice(&device).unwrap();
    let form = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code={}",
        device["device_code"].as_str().unwrap()
    );
    assert_eq!(token(form.clone()).1["error"], "authorization_pending");
    services.approve_devices();
    assert!(token(form).1["id_token"].is_string());
}

#[test]
fn the_mirror_serves_signed_metadata_and_hashed_targets() {
    let services = services();
    for path in ["/1.root.json", "/timestamp.json"] {
        assert_eq!(get(&services, Service::Mirror, path).0, 200, "{path}");
    }
    assert_eq!(get(&services, Service::Mirror, "/2.root.json").0, 404);
    let mut repository = services.repository();
    assert!(repository.paths().iter().any(|path| path.ends_with(".trusted_root.json")));
    repository.publish(&Attack::Rollback(Role::Timestamp)).unwrap();
    repository.rotate_root(&Attack::None).unwrap();
    assert!(repository.file("2.root.json").is_some());
}

#[test]
fn a_service_that_is_down_refuses_connections_and_comes_back() {
    let services = services();
    let address = services.url(Service::Fulcio).replace("http://", "");
    services.go_down(Service::Fulcio);
    assert!(std::net::TcpStream::connect(&address).is_err());
    assert_eq!(get(&services, Service::Rekor, "/api/v1/log").0, 200);
    services.come_back(Service::Fulcio).unwrap();
    assert_eq!(get(&services, Service::Fulcio, "/api/v2/trustBundle").0, 200);
    assert_eq!(services.count(Service::Fulcio), 1);
}
