//! Sigstore's services: what each is asked, and what is made of each fault.
use super::{hasty, impatient};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use http::Method;
use serde_json::json;
use sigward_remote::{
    HostOptions, OidcClient, Options, Secret, ServiceError, Services, Unobserved,
};
use sigward_sigstore::{
    keys::{PrivateKey, Signer as _},
    sign::rekor_v1_hashedrekord,
    sign::rekor_v2_hashedrekord,
    timestamp,
    trust::TrustedRoot,
};
use sigward_testkit::{
    registry::{Effect, Fault, Tls},
    sigstore::{Instance, Knobs, Service, Services as Kit, ServicesOptions, Stamp},
};
use std::sync::Arc;

const EMAIL: &str = "dev@example.test";

fn client(options: Options) -> Services {
    Services::new(options, Arc::new(Unobserved)).unwrap()
}

fn status(code: u16) -> Effect {
    Effect::Status { code, retry_after: None }
}

fn kit() -> Kit {
    Kit::start(ServicesOptions::default()).unwrap()
}

fn key() -> PrivateKey {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
            .unwrap();
    PrivateKey::parse_pkcs8(document.as_ref()).unwrap()
}

fn token(kit: &Instance) -> Secret {
    Secret::new(kit.email_token(EMAIL).unwrap())
}

async fn issue(client: &Services, kit: &Kit, key: &PrivateKey) -> Result<usize, ServiceError> {
    let proof = key.sign(EMAIL.as_bytes()).unwrap();
    let token = token(kit.instance());
    let issued =
        client.certificate(&kit.url(Service::Fulcio), &token, key.public_key(), &proof).await?;
    assert_eq!(issued.certificates[0].key(), key.public_key());
    Ok(issued.certificates.len())
}

#[tokio::test]
async fn fulcio_certifies_a_key() {
    let kit = kit();
    assert_eq!(issue(&client(hasty()), &kit, &key()).await.unwrap(), 3);
    let asked = kit.requests(Service::Fulcio);
    assert_eq!(asked[0].path, "/api/v2/signingCert");
    assert!(asked[0].had_authorization);
}

#[tokio::test]
async fn a_fulcio_without_the_second_interface_is_asked_by_the_first() {
    let kit = kit();
    kit.fault(Service::Fulcio, Fault::new(status(404)).path("/api/v2/signingCert"));
    assert_eq!(issue(&client(hasty()), &kit, &key()).await.unwrap(), 3);
    assert_eq!(kit.requests(Service::Fulcio)[1].path, "/api/v1/signingCert");
}

#[tokio::test]
async fn a_refusal_is_told_in_the_service_s_own_words() {
    let kit = kit();
    let key = key();
    let client = client(hasty());
    let wrong = key.sign(b"somebody else").unwrap();
    let url = kit.url(Service::Fulcio);
    let error = client
        .certificate(&url, &token(kit.instance()), key.public_key(), &wrong)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "Fulcio {url}/api/v2/signingCert answered 400: the signature supplied in the request could not be verified"
        )
    );
    let error = client
        .certificate(&url, &Secret::new("nonsense"), key.public_key(), &wrong)
        .await
        .unwrap_err();
    assert!(matches!(error, ServiceError::Refused { status: 401, .. }), "{error}");
    // A refusal is final.
    assert_eq!(kit.count(Service::Fulcio), 2);
}

#[tokio::test]
async fn a_certificate_for_another_key_is_refused() {
    let kit = kit();
    kit.instance().set_knobs(Knobs { other_leaf_key: true, ..Knobs::default() });
    let error = issue(&client(hasty()), &kit, &key()).await.unwrap_err();
    assert!(error.to_string().ends_with("the certificate is another key's"), "{error}");
}

#[tokio::test]
async fn what_passes_by_itself_is_tried_again() {
    for code in [429, 502, 503, 504] {
        let kit = kit();
        kit.fault(Service::Fulcio, Fault::new(status(code)).times(2));
        issue(&client(hasty()), &kit, &key()).await.unwrap();
        assert_eq!(kit.count(Service::Fulcio), 3, "{code}");
    }
}

#[tokio::test]
async fn a_service_that_is_down_is_named() {
    let kit = kit();
    kit.go_down(Service::Fulcio);
    let error = issue(&client(hasty()), &kit, &key()).await.unwrap_err();
    assert_eq!(error.to_string(), "asking Fulcio");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("/api/v2/signingCert: connection failed"), "{source}");
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up() {
    let kit = kit();
    kit.fault(Service::Timestamps, Fault::new(Effect::Hang));
    let url = kit.instance().urls().timestamps;
    let error = client(impatient()).timestamp(&url, b"message").await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("/api/v1/timestamp: timed out"), "{source}");
}

#[tokio::test]
async fn a_log_of_each_version_takes_entries() {
    let (kit, client, key) = (kit(), client(hasty()), key());
    let signature = key.sign(b"message").unwrap();
    let pem = key.public_key().to_pem();
    let proposed = || rekor_v1_hashedrekord(b"message", &signature, key.public_key(), &pem);
    let url = kit.url(Service::Rekor);
    let first = client.log_v1(&url, proposed()).await.unwrap();
    assert!(first.promise.is_some() && first.proof.is_some());
    // The same again: 409, and the entry that is there.
    assert_eq!(client.log_v1(&url, proposed()).await.unwrap().body, first.body);
    let paths: Vec<_> = kit.requests(Service::Rekor).iter().map(|one| one.status).collect();
    assert_eq!(paths, [Some(201), Some(409), Some(200)]);
    let search = format!(r#"{{"entries":[{}]}}"#, proposed()).into_bytes();
    assert!(client.search_log(&url, search).await.unwrap().is_some());

    let proposed = rekor_v2_hashedrekord(b"message", &signature, key.public_key(), None);
    let entry = client.log_v2(&kit.url(Service::RekorV2), proposed).await.unwrap();
    assert!(entry.promise.is_none() && entry.proof.is_some());
    let error = client.log_v2(&kit.url(Service::RekorV2), "{}".to_owned()).await.unwrap_err();
    assert!(
        matches!(error, ServiceError::Refused { service: "Rekor", status: 400, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_conflict_is_never_followed_to_another_address() {
    let kit = kit();
    let elsewhere = status(409);
    kit.fault(Service::Rekor, Fault::new(elsewhere).method(Method::POST));
    let error =
        client(hasty()).log_v1(&kit.url(Service::Rekor), "{}".to_owned()).await.unwrap_err();
    assert!(matches!(error, ServiceError::Refused { status: 409, .. }), "{error}");
    assert_eq!(kit.count(Service::Rekor), 1);
}

#[tokio::test]
async fn a_timestamp_answers_its_request() {
    let (kit, client) = (kit(), client(hasty()));
    let url = kit.instance().urls().timestamps;
    let response = client.timestamp(&url, b"message").await.unwrap();
    let root = TrustedRoot::parse(kit.instance().trusted_root().to_string().as_bytes()).unwrap();
    timestamp::verify(&response, b"message", &root.parts().timestamp_authorities).unwrap();
    for (stamp, problem) in [
        (Stamp::OtherImprint, "another message"),
        (Stamp::OtherNonce, "another request"),
        (Stamp::NoNonce, "another request"),
        (Stamp::Rejected, "not granted"),
        (Stamp::Garbage, "malformed"),
    ] {
        kit.instance().set_knobs(Knobs { stamp, ..Knobs::default() });
        let error = client.timestamp(&url, b"message").await.unwrap_err().to_string();
        assert!(error.contains(problem), "{stamp:?}: {error}");
    }
}

#[tokio::test]
async fn a_timestamp_authority_may_want_a_client_certificate() {
    let options = ServicesOptions { timestamps_tls: Tls::Mutual, ..ServicesOptions::default() };
    let kit = Kit::start(options).unwrap();
    let url = kit.instance().urls().timestamps;
    let authority = kit.timestamps_ca_pem().unwrap().into_bytes();
    let own = kit.timestamps_client("signer").unwrap().unwrap();
    let with = |client_identity_pem| Options {
        extra_ca_pem: vec![authority.clone()],
        everywhere: HostOptions { client_identity_pem, ..HostOptions::default() },
        ..hasty()
    };
    let pair = (own.certificate_pem.clone().into_bytes(), Secret::new(own.key_pem.as_bytes()));
    client(with(Some(pair))).timestamp(&url, b"message").await.unwrap();
    client(with(None)).timestamp(&url, b"message").await.unwrap_err();
    client(hasty()).timestamp(&url, b"message").await.unwrap_err();
}

#[tokio::test]
async fn runners_vouch_for_their_jobs() {
    let (kit, client) = (kit(), client(hasty()));
    let (url, runner) = (kit.url(Service::Issuer), Secret::new("runner-secret"));
    let github = format!("{url}/github/token?api-version=2.0");
    let token = client.github_token(&github, &runner, "sigstore").await.unwrap();
    assert_eq!(token.expose().split(|byte| *byte == b'.').count(), 3);
    assert_eq!(kit.requests(Service::Issuer)[0].query, "api-version=2.0&audience=sigstore");
    let buildkite = format!("{url}/buildkite");
    client.buildkite_token(&buildkite, "job-1", &runner, "sigstore").await.unwrap();
    let google =
        sigward_remote::Google { metadata: url.clone(), credentials: url.clone(), account: None };
    client.google_token(&google, "sigstore").await.unwrap();
    let wrong = Secret::new("wrong");
    let error = client.github_token(&github, &wrong, "sigstore").await.unwrap_err();
    assert!(matches!(error, ServiceError::Refused { status: 401, .. }), "{error}");
}

#[tokio::test]
async fn a_device_logs_in_once_its_user_agrees() {
    let (kit, client) = (kit(), client(hasty()));
    let provider = client.provider(&kit.url(Service::Issuer)).await.unwrap();
    let own = OidcClient { id: "sigstore".to_owned(), secret: None };
    let login = client.begin_device_login(&provider, &own, "challenge").await.unwrap();
    assert_eq!(login.user_code.len(), 8);
    kit.approve_devices();
    client.finish_device_login(&provider, &own, &login, "verifier").await.unwrap();
    kit.set_user(None);
    let error = client.client_credentials(&provider, &own).await.unwrap_err();
    assert!(error.to_string().ends_with("answered 400: access_denied"), "{error}");
    kit.set_user(Some(json!({ "sub": "robot" })));
    client.client_credentials(&provider, &own).await.unwrap();
}

#[tokio::test]
async fn a_file_is_read_up_to_its_cap_and_absence_is_a_404() {
    let (kit, client) = (kit(), client(hasty()));
    let root = format!("{}/1.root.json", kit.url(Service::Mirror));
    assert!(client.get("TUF mirror", &root, 1 << 20).await.unwrap().is_some());
    let error = client.get("TUF mirror", &root, 10).await.unwrap_err();
    assert!(matches!(error, ServiceError::Failed { .. }), "{error}");
    let absent = format!("{}/99.root.json", kit.url(Service::Mirror));
    assert!(client.get("TUF mirror", &absent, 1 << 20).await.unwrap().is_none());
}
