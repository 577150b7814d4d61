//! Redirects, realms, and doors that a registry must not make us knock at.
use super::*;
use sigward_remote::{FetchError, Guard, HostOptions, Key, Login, Malformed, Secret};
use sigward_testkit::registry::{Auth, Bearer, Effect, Fault};

fn login(hosts: &[&str]) -> Login {
    let key = Key::Basic { username: "user".into(), password: Secret::new("pw") };
    Login { hosts: hosts.iter().map(|host| (*host).into()).collect(), key }
}

#[tokio::test]
async fn credentials_are_dropped_at_a_redirect_to_another_host() {
    let store = Kit::start(KitOptions::default()).unwrap();
    let kit = KitOptions { auth: Auth::basic("user", "pw"), ..KitOptions::default() };
    let bench = Bench::with(kit, Options { login: Some(login(&["127.0.0.1"])), ..hasty() });
    let options = Options { login: Some(login(&[&bench.kit.host()])), ..hasty() };
    let client = client(options);
    let blob = bench.blob(b"moved");
    store.put_blob("app", Bytes::from_static(b"moved"));
    // The store answers under the same path; the first answer of the registry is still a 401.
    bench.kit.fault(Fault::new(Effect::Redirect { base: store.url() }).class(Class::Blob).after(1));
    let found = client.blob(&blob, None, &anonymous()).await.unwrap();
    assert_eq!(found.as_deref(), Some(b"moved".as_slice()));
    assert!(bench.kit.requests().iter().any(|entry| entry.had_authorization));
    assert!(!store.requests().is_empty());
    assert!(store.requests().iter().all(|entry| !entry.had_authorization));
}

#[tokio::test]
async fn redirected_content_is_hashed_like_any_other() {
    let store = Kit::start(KitOptions::default()).unwrap();
    let bench = Bench::new();
    let blob = bench.blob(b"right");
    store.put_blob_as("app", blob.digest.as_str(), Bytes::from_static(b"wrong"));
    bench.kit.fault(Fault::new(Effect::Redirect { base: store.url() }).class(Class::Blob));
    let error = bench.client.blob(&blob, None, &anonymous()).await.unwrap_err();
    let wrong = matches!(error, FetchError::Malformed { what: Malformed::DigestMismatch, .. });
    assert!(wrong, "{error:?}");
}

#[tokio::test]
async fn redirects_without_end_end() {
    let bench = Bench::new();
    bench.kit.fault(Fault::new(Effect::Redirect { base: bench.kit.url() }));
    let error = bench.client.manifest(&bench.image(), &anonymous()).await.unwrap_err();
    let wrong = matches!(error, FetchError::Malformed { what: Malformed::Redirect, .. });
    assert!(wrong, "{error:?}");
    assert!(bench.kit.request_count() <= 6, "{}", bench.kit.request_count());
}

#[tokio::test]
async fn redirects_to_metadata_services_are_refused() {
    for base in [
        "http://169.254.169.254",
        "https://169.254.169.254",
        "http://[fe80::1]",
        "http://[::ffff:169.254.169.254]",
        "http://0.0.0.0:1",
        "http://2852039166",
    ] {
        let bench = Bench::new();
        bench.kit.fault(Fault::new(Effect::Redirect { base: base.into() }));
        let error = bench.client.manifest(&bench.image(), &anonymous()).await.unwrap_err();
        let guarded = matches!(error, FetchError::Forbidden { guard: Guard::PrivateRedirect, .. });
        assert!(guarded, "{base} {error:?}");
    }
}

#[tokio::test]
async fn redirects_to_other_schemes_are_refused() {
    for base in ["file:///etc/passwd?", "ftp://127.0.0.1", "unix:/x"] {
        let bench = Bench::new();
        bench.kit.fault(Fault::new(Effect::Redirect { base: base.into() }));
        let error = bench.client.manifest(&bench.image(), &anonymous()).await.unwrap_err();
        let wrong = matches!(
            error,
            FetchError::Malformed { what: Malformed::Redirect, .. } | FetchError::Forbidden { .. }
        );
        assert!(wrong, "{base} {error:?}");
    }
}

fn bearer(realm: &str) -> Auth {
    Auth::Bearer(Bearer {
        anonymous_pull: vec!["*".into()],
        realm: Some(realm.into()),
        ..Bearer::default()
    })
}

#[tokio::test]
async fn a_token_realm_at_a_private_address_of_another_host_is_refused() {
    for realm in [
        "http://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/token",
        "https://192.168.1.1/token",
        "https://[fd00::1]/token",
        "https://[::ffff:10.0.0.1]/token",
        "https://100.64.0.1/token",
        "https://0.0.0.0/token",
    ] {
        let kit = KitOptions { auth: bearer(realm), ..KitOptions::default() };
        let bench = Bench::with(kit, hasty());
        let error = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap_err();
        let guarded = matches!(
            error,
            FetchError::Forbidden { guard: Guard::PrivateRealm | Guard::Downgrade, .. }
        );
        assert!(guarded, "{realm} {error:?}");
    }
}

#[tokio::test]
async fn a_token_realm_whose_name_points_inside_is_refused_unless_it_is_listed() {
    let Some(name) = other_name() else {
        println!("skipped: this machine has no other name for its loopback address");
        return;
    };
    let kit =
        KitOptions { auth: bearer(&format!("https://{name}:9/token")), ..KitOptions::default() };
    let bench = Bench::with(kit, hasty());
    let error = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap_err();
    let guarded = matches!(error, FetchError::Forbidden { guard: Guard::PrivateRealm, .. });
    assert!(guarded, "{error:?}");
    let insecure_private_realms = vec![name.into()];
    let client = client(Options { insecure_private_realms, ..hasty() });
    let error = client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_realm_that_leaves_https_is_refused() {
    let kit = KitOptions { auth: bearer("http://auth.example/token"), ..KitOptions::default() };
    let bench = Bench::with(kit, hasty());
    let error = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap_err();
    // Loopback may be asked by plain HTTP itself; that is no licence for other hosts.
    let guarded = matches!(error, FetchError::Forbidden { guard: Guard::Downgrade, .. });
    assert!(guarded, "{error:?}");
}

#[tokio::test]
async fn a_realm_that_is_no_url_is_malformed() {
    for realm in ["nonsense", "ftp://auth.example/token", "https://user@auth.example/", "//x"] {
        let kit = KitOptions { auth: bearer(realm), ..KitOptions::default() };
        let bench = Bench::with(kit, hasty());
        let error = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap_err();
        let wrong = matches!(error, FetchError::Malformed { what: Malformed::Challenge, .. });
        assert!(wrong, "{realm} {error:?}");
    }
}

#[tokio::test]
async fn a_registry_at_a_link_local_address_is_not_asked() {
    let bench = Bench::new();
    for host in ["169.254.169.254", "[fe80::1]:5000", "0.0.0.0:5000"] {
        let repository = format!("{host}/app").into();
        let tag = TagReference { repository, tag: "v1".into() };
        let error = bench.client.resolve_tag(&tag, &anonymous()).await.unwrap_err();
        let guarded = matches!(error, FetchError::Forbidden { guard: Guard::LinkLocal, .. });
        assert!(guarded, "{host} {error:?}");
    }
}

/// A name that is this machine but does not say so in a way that nobody else could.
fn other_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().to_owned();
    let found = std::net::ToSocketAddrs::to_socket_addrs(&(name.as_str(), 0)).ok()?;
    let mut found = found.map(|at| at.ip().is_loopback());
    found.next().filter(|loopback| *loopback).map(|_| name)
}

#[tokio::test]
async fn plain_http_needs_a_switch_beyond_loopback() {
    let bench = Bench::new();
    let Some(name) = other_name() else {
        println!("skipped: this machine has no other name for its loopback address");
        return;
    };
    let port = bench.kit.address().port();
    let tag = TagReference { repository: format!("{name}:{port}/app").into(), tag: "v1".into() };
    bench.client.resolve_tag(&tag, &anonymous()).await.unwrap_err();
    let by_access = Access { insecure_plain_http: true, ..Access::default() };
    assert!(bench.client.resolve_tag(&tag, &by_access).await.unwrap().is_some());
    // What one question may do, another still may not.
    bench.client.resolve_tag(&tag, &anonymous()).await.unwrap_err();
    let everywhere = HostOptions { insecure_plain_http: true, ..HostOptions::default() };
    let client = client(Options { everywhere, ..hasty() });
    assert!(client.resolve_tag(&tag, &anonymous()).await.unwrap().is_some());
}
