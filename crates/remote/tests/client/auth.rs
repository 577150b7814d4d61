//! Showing who is there: basic, bearer, refresh tokens, and several credentials.
use super::*;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sigward_remote::{Credentials, FetchError, Key, Login, PullSecret, PullSecretFuture, Secret};
use sigward_sigstore::outcome::CauseKind;
use sigward_testkit::registry::{Account, Auth, Bearer, Effect, Fault};

fn with_key(bench: &Bench, key: Key) -> Registry {
    let login = Some(Login { hosts: vec![bench.kit.host().into()], key });
    client(Options { login, ..hasty() })
}

fn basic(password: &str) -> Key {
    Key::Basic { username: "user".into(), password: Secret::new(password) }
}

fn guarded(auth: Auth) -> Bench {
    Bench::with(KitOptions { auth, ..KitOptions::default() }, hasty())
}

#[tokio::test]
async fn basic_credentials_are_shown_when_they_are_wanted_and_then_at_once() {
    let bench = guarded(Auth::basic("user", "pw"));
    let client = with_key(&bench, basic("pw"));
    client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().unwrap();
    assert_eq!(bench.kit.request_count(), 2);
    client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().unwrap();
    assert_eq!(bench.kit.request_count(), 3);
}

#[tokio::test]
async fn wrong_or_missing_credentials_are_denied_and_not_absent() {
    for auth in [Auth::basic("user", "pw"), Auth::bearer("user", "pw")] {
        let bench = guarded(auth);
        for client in [with_key(&bench, basic("wrong")), bench.client.clone()] {
            let error = client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap_err();
            assert_eq!(error.cause().kind, CauseKind::Denied, "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_and_reused() {
    let bench = guarded(Auth::bearer("user", "pw"));
    let client = with_key(&bench, basic("pw"));
    for _ in 0..5 {
        client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().unwrap();
    }
    assert_eq!(bench.kit.count_of(Class::Token), 1);
    assert_eq!(bench.asked(&Method::HEAD, Class::ManifestByTag), 6);
}

#[tokio::test]
async fn equal_tokens_under_way_are_one() {
    let bench = guarded(Auth::bearer("user", "pw"));
    let client = with_key(&bench, basic("pw"));
    bench.kit.fault(Fault::new(Effect::Latency(Duration::from_millis(100))).class(Class::Token));
    let blobs: Vec<_> = (0..10_u8).map(|number| bench.blob(&[number])).collect();
    let reads = blobs.iter().map(|blob| async { client.blob(blob, None, &anonymous()).await });
    for found in futures_util::future::join_all(reads).await {
        assert!(found.unwrap().is_some());
    }
    assert_eq!(bench.kit.count_of(Class::Token), 1);
}

#[tokio::test]
async fn a_revoked_token_is_replaced() {
    let bench = guarded(Auth::bearer("user", "pw"));
    let client = with_key(&bench, basic("pw"));
    client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().unwrap();
    bench.kit.revoke_tokens();
    client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().unwrap();
    assert_eq!(bench.kit.count_of(Class::Token), 2);
}

#[tokio::test]
async fn an_expired_token_is_not_shown() {
    let auth = Auth::Bearer(Bearer {
        accounts: vec![Account::new("user", "pw")],
        lifetime: Duration::from_secs(1),
        ..Bearer::default()
    });
    let bench = guarded(auth);
    let client = with_key(&bench, basic("pw"));
    client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    bench.kit.reset_log();
    client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().unwrap();
    let statuses: Vec<_> = bench.kit.requests().iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [Some(200), Some(200)], "a token, then the question");
}

#[tokio::test]
async fn anybody_gets_a_token_where_anybody_may_read() {
    let auth = Auth::Bearer(Bearer { anonymous_pull: vec!["app".into()], ..Bearer::default() });
    let bench = guarded(auth);
    assert!(bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().is_some());
}

#[tokio::test]
async fn refresh_tokens_are_spent_at_the_token_endpoint() {
    let auth = Auth::Bearer(Bearer {
        accounts: vec![Account::new("user", "pw")],
        refresh_tokens: vec!["refresh-me".into()],
        ..Bearer::default()
    });
    let bench = guarded(auth);
    let client = with_key(&bench, Key::Identity(Secret::new("refresh-me")));
    client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().unwrap();
    assert_eq!(bench.asked(&Method::POST, Class::Token), 1);
    let client = with_key(&bench, Key::Identity(Secret::new("not-me")));
    let error = client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap_err();
    assert_eq!(error.cause().kind, CauseKind::Denied, "{error:?}");
}

#[tokio::test]
async fn the_spellings_of_challenges_are_understood() {
    for challenge in [
        r#"Bearer realm="{realm}",service="{service}",scope="{scope}""#,
        r#"bearer scope="{scope}", service = "{service}" , REALM="{realm}""#,
        "Bearer realm={realm},service={service}",
        r#"Negotiate, Bearer realm="{realm}",service="{service}""#,
        r#"Basic realm="x", Bearer realm="{realm}",service="{service}",error="invalid_token""#,
    ] {
        let auth = Auth::Bearer(Bearer {
            accounts: vec![Account::new("user", "pw")],
            challenge: Some(challenge.into()),
            access_token_only: true,
            ..Bearer::default()
        });
        let bench = guarded(auth);
        let client = with_key(&bench, basic("pw"));
        let found = client.resolve_tag(&bench.tag("v1"), &anonymous()).await;
        assert!(matches!(found, Ok(Some(_))), "{challenge} {found:?}");
    }
}

#[tokio::test]
async fn faults_of_the_token_endpoint_keep_their_names() {
    for (effect, kind) in [
        (Effect::Status { code: 401, retry_after: None }, CauseKind::Denied),
        (Effect::Status { code: 400, retry_after: None }, CauseKind::Denied),
        (Effect::Status { code: 404, retry_after: None }, CauseKind::Denied),
        (
            Effect::Status { code: 429, retry_after: Some("3600".into()) },
            CauseKind::Throttled { retry_after_ms: 3_600_000 },
        ),
        (Effect::Status { code: 500, retry_after: None }, CauseKind::Unavailable),
        (Effect::Hang, CauseKind::TimedOut),
        (Effect::Body(Bytes::from_static(b"{}")), CauseKind::Malformed),
        (Effect::Body(Bytes::from_static(b"{\"token\":\"a\\nb\"}")), CauseKind::Malformed),
        (Effect::Body(Bytes::from_static(b"nonsense")), CauseKind::Malformed),
        (Effect::Oversized { bytes: 1 << 20, declared: false }, CauseKind::TooLarge),
    ] {
        let bench = guarded(Auth::bearer("user", "pw"));
        bench.kit.fault(Fault::new(effect.clone()).class(Class::Token));
        let login = Some(Login { hosts: vec![bench.kit.host().into()], key: basic("pw") });
        let patience = if effect == Effect::Hang { impatient() } else { hasty() };
        let client = client(Options { login, ..patience });
        let error = client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap_err();
        assert_eq!(error.cause().kind, kind, "{effect:?} {error:?}");
    }
}

#[tokio::test]
async fn pushing_asks_for_the_right_to_push() {
    let bench = guarded(Auth::bearer("user", "pw"));
    let client = with_key(&bench, basic("pw"));
    // First a token to read, which must not stand in the way.
    client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().unwrap();
    let blob = Bytes::from_static(b"blob");
    client.push_blob(&bench.repository(), blob, &anonymous()).await.unwrap();
    let tokens = bench.kit.requests();
    let tokens: Vec<_> = tokens.iter().filter(|entry| entry.class == Class::Token).collect();
    assert!(tokens.iter().any(|entry| entry.query.contains("push")), "{tokens:?}");
}

#[tokio::test]
async fn a_login_in_the_docker_configuration_is_used() {
    let bench = guarded(Auth::basic("user", "pw"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let auth = STANDARD.encode("user:pw");
    let text = serde_json::json!({"auths": {bench.kit.host(): {"auth": auth}}}).to_string();
    std::fs::write(&file, text).unwrap();
    let missing = folder.path().join("missing.json");
    let client = client(Options { docker_configs: vec![missing, file], ..hasty() });
    assert!(client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().is_some());
}

/// Two Secrets: one with a wrong password, one with the right one.
#[derive(Debug)]
struct Two(String);

impl Credentials for Two {
    fn pull_secret<'a>(&'a self, _: &'a str, name: &'a str) -> PullSecretFuture<'a> {
        let auth = STANDARD.encode(if name == "good" { "user:pw" } else { "user:old" });
        let text = serde_json::json!({"auths": {&self.0: {"auth": auth}}}).to_string();
        let found = match name {
            "good" | "old" => Ok(Some(PullSecret::DockerConfigJson(Secret::new(text)))),
            "broken" => Err("the cluster is away".into()),
            _ => Ok(None),
        };
        Box::pin(std::future::ready(found))
    }
}

#[tokio::test]
async fn pull_secrets_are_tried_one_after_the_other() {
    for auth in [Auth::basic("user", "pw"), Auth::bearer("user", "pw")] {
        let bench = guarded(auth);
        let secrets = Arc::new(Two(bench.kit.host()));
        let client = Registry::new(hasty(), secrets, Arc::new(Unobserved)).unwrap();
        let access = |names: &[&str]| Access {
            secrets: names.iter().map(|name| ("ns".into(), (*name).into())).collect(),
            ..Access::default()
        };
        let ask = async |names: &[&str]| client.resolve_tag(&bench.tag("v1"), &access(names)).await;
        for _ in 0..2 {
            assert!(ask(&["old", "good"]).await.unwrap().is_some());
        }
        let error = ask(&["old", "missing"]).await.unwrap_err();
        assert_eq!(error.cause().kind, CauseKind::Denied);
        assert!(error.to_string().contains("secret ns/missing not found"), "{error}");
        let error = ask(&["broken"]).await.unwrap_err();
        assert!(matches!(error, FetchError::Credentials { .. }), "{error:?}");
        // Another question's credentials are not ours.
        let error = ask(&[]).await.unwrap_err();
        assert_eq!(error.cause().kind, CauseKind::Denied);
    }
}
