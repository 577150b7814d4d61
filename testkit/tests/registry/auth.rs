//! Passwords and tokens, as clients meet them.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use sigward_testkit::registry::{Account, Auth, Basic, Bearer, Class, Options, Registry};

use super::{check, code, push, raw::Reply};

fn with(auth: Auth) -> Registry {
    let registry = Registry::start(Options::default()).unwrap();
    for repository in ["private", "public/web"] {
        push(&registry, repository, "v1", None);
    }
    registry.set_auth(auth);
    registry
}

fn bearer() -> Bearer {
    Bearer {
        accounts: vec![Account::new("me", "secret")],
        anonymous_pull: vec!["public/*".to_owned()],
        ..Bearer::default()
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn get(registry: &Registry, path: &str, authorization: Option<&str>, status: u16) -> Reply {
    let headers: Vec<(&str, &str)> =
        authorization.map(|value| ("authorization", value)).into_iter().collect();
    check(registry, "GET", path, &headers, b"", status)
}

/// A token for one scope, as a header.
fn token(registry: &Registry, scope: &str, authorization: Option<&str>) -> String {
    let path = format!("/token?service=registry.test&scope={scope}");
    let reply = get(registry, &path, authorization, 200).json();
    format!("Bearer {}", reply["token"].as_str().unwrap())
}

fn form(registry: &Registry, body: &str, status: u16) -> Value {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    check(registry, "POST", "/token", &headers, body.as_bytes(), status).json()
}

#[test]
fn a_password_opens_and_a_wrong_one_does_not() {
    let accounts = vec![Account::new("me", "secret:with colon")];
    let registry =
        with(Auth::Basic(Basic { accounts, anonymous_pull: vec!["public/*".to_owned()] }));
    let reply = get(&registry, "/v2/", None, 401);
    assert_eq!(
        (reply.header("www-authenticate"), code(&reply)),
        (Some("Basic realm=\"testkit\""), "UNAUTHORIZED".to_owned())
    );
    get(&registry, "/v2/private/manifests/v1", Some(&basic("me", "wrong")), 401);
    get(&registry, "/v2/private/manifests/v1", Some(&basic("me", "secret:with colon")), 200);
    get(&registry, "/v2/public/web/manifests/v1", None, 200);
    check(&registry, "POST", "/v2/public/web/blobs/uploads/", &[], b"", 401);
}

#[test]
fn a_challenge_names_the_token_service_and_the_scope() {
    let registry = with(Auth::Bearer(bearer()));
    let realm = format!("{}/token", registry.url());
    let expect = |path: &str, rest: &str| {
        let reply = get(&registry, path, None, 401);
        let expected = format!("Bearer realm=\"{realm}\",service=\"registry.test\"{rest}");
        assert_eq!(reply.header("www-authenticate"), Some(expected.as_str()));
    };
    expect("/v2/", "");
    expect("/v2/private/manifests/v1", ",scope=\"repository:private:pull\"");
    expect("/v2/_catalog", ",scope=\"registry:catalog:*\"");
    let reply = check(&registry, "POST", "/v2/private/blobs/uploads/", &[], b"", 401);
    assert!(
        reply
            .header("www-authenticate")
            .unwrap()
            .ends_with("scope=\"repository:private:pull,push\"")
    );
}

#[test]
fn a_token_opens_what_its_scope_names_and_no_more() {
    let registry = with(Auth::Bearer(bearer()));
    let pull = token(&registry, "repository:private:pull", Some(&basic("me", "secret")));
    get(&registry, "/v2/private/manifests/v1", Some(&pull), 200);
    get(&registry, "/v2/", Some(&pull), 200);
    let reply = get(&registry, "/v2/public/web/manifests/v1", Some(&pull), 401);
    assert!(reply.header("www-authenticate").unwrap().ends_with("error=\"insufficient_scope\""));
    check(&registry, "POST", "/v2/private/blobs/uploads/", &[("authorization", &pull)], b"", 401);
    let push = token(&registry, "repository:private:pull,push", Some(&basic("me", "secret")));
    check(&registry, "POST", "/v2/private/blobs/uploads/", &[("authorization", &push)], b"", 202);
    get(&registry, "/token?scope=repository:private:pull", Some(&basic("me", "wrong")), 401);
}

#[test]
fn anybody_gets_a_token_that_reads_what_is_public() {
    let registry = with(Auth::Bearer(bearer()));
    let all = "repository:public/web:pull,push&scope=repository:private:pull";
    let anonymous = token(&registry, all, None);
    get(&registry, "/v2/public/web/manifests/v1", Some(&anonymous), 200);
    get(&registry, "/v2/private/manifests/v1", Some(&anonymous), 401);
    check(
        &registry,
        "POST",
        "/v2/public/web/blobs/uploads/",
        &[("authorization", &anonymous)],
        b"",
        401,
    );
    assert_eq!(registry.count_of(Class::Token), 1);
}

#[test]
fn tokens_expire_are_revoked_and_cannot_be_made_up() {
    let registry = with(Auth::Bearer(Bearer { lifetime: Duration::from_millis(60), ..bearer() }));
    let owner = basic("me", "secret");
    let short = token(&registry, "repository:private:pull", Some(&owner));
    std::thread::sleep(Duration::from_millis(80));
    let reply = get(&registry, "/v2/private/manifests/v1", Some(&short), 401);
    assert!(reply.header("www-authenticate").unwrap().ends_with("error=\"invalid_token\""));

    registry.set_auth(Auth::Bearer(bearer()));
    let long = token(&registry, "repository:private:pull", Some(&owner));
    get(&registry, "/v2/private/manifests/v1", Some(&long), 200);
    get(&registry, "/v2/private/manifests/v1", Some(&long.replace("Bearer e", "Bearer f")), 401);
    registry.revoke_tokens();
    get(&registry, "/v2/private/manifests/v1", Some(&long), 401);
}

#[test]
fn a_refresh_token_buys_access_tokens() {
    let registry =
        with(Auth::Bearer(Bearer { refresh_tokens: vec!["from-before".to_owned()], ..bearer() }));
    let path = "/token?service=registry.test&account=me&client_id=docker&offline_token=true";
    let refresh = get(&registry, path, Some(&basic("me", "secret")), 200).json()["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    for refresh in [refresh.as_str(), "from-before"] {
        let body = format!(
            "grant_type=refresh_token&service=registry.test&scope=repository%3Aprivate%3Apull&refresh_token={refresh}"
        );
        let access =
            format!("Bearer {}", form(&registry, &body, 200)["access_token"].as_str().unwrap());
        get(&registry, "/v2/private/manifests/v1", Some(&access), 200);
    }
    form(&registry, "grant_type=refresh_token&refresh_token=made-up", 401);
    let password = "grant_type=password&username=me&password=secret&access_type=offline&scope=repository:private:pull";
    assert!(form(&registry, password, 200)["refresh_token"].is_string());
    form(&registry, "grant_type=password&username=me&password=no", 401);
    form(&registry, "grant_type=magic", 400);
}

#[test]
fn the_token_service_may_be_another_host_and_the_challenge_another_spelling() {
    let service = with(Auth::Bearer(bearer()));
    let challenge =
        Some("bearer SCOPE=\"{scope}\" , service={service},realm=\"{realm}\"".to_owned());
    let realm = Some(format!("{}/token", service.url()));
    let registry = with(Auth::Bearer(Bearer { realm, challenge, ..bearer() }));
    let reply = get(&registry, "/v2/private/manifests/v1", None, 401);
    let expected = format!(
        "bearer SCOPE=\"repository:private:pull\" , service=registry.test,realm=\"{}/token\"",
        service.url()
    );
    assert_eq!(reply.header("www-authenticate"), Some(expected.as_str()));
    let foreign = token(&service, "repository:private:pull", Some(&basic("me", "secret")));
    get(&registry, "/v2/private/manifests/v1", Some(&foreign), 200);
    registry.set_auth(Auth::Bearer(Bearer { service: "other".to_owned(), ..bearer() }));
    get(&registry, "/v2/private/manifests/v1", Some(&foreign), 401);
}

#[test]
fn a_mount_needs_the_right_to_read_its_source() {
    let registry = with(Auth::Bearer(bearer()));
    let digest = registry.put_blob("private", "layer");
    let path = format!("/v2/mine/blobs/uploads/?mount={digest}&from=private");
    let owner = basic("me", "secret");
    let narrow = token(&registry, "repository:mine:pull,push", Some(&owner));
    check(&registry, "POST", &path, &[("authorization", &narrow)], b"", 202);
    let wide =
        token(&registry, "repository:mine:pull,push&scope=repository:private:pull", Some(&owner));
    check(&registry, "POST", &path, &[("authorization", &wide)], b"", 201);
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!(
        "{:?}",
        Options {
            auth: Auth::Bearer(Bearer { refresh_tokens: vec!["hush".to_owned()], ..bearer() }),
            ..Options::default()
        }
    );
    assert!(!shown.contains("secret") && !shown.contains("hush"), "{shown}");
}
