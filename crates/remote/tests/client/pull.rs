//! Reading what is there, and what is not.
use super::*;
use sigward_remote::{FetchError, HostOptions, Malformed};
use sigward_testkit::{
    keys::{Algorithm, KeyPair},
    registry::{Effect, Fault, Tls},
    signing::{Knobs, Place},
};

#[tokio::test]
async fn a_tag_is_resolved_by_one_head_request() {
    let bench = Bench::new();
    let found = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap();
    assert_eq!(found, Some(bench.digest.clone()));
    assert_eq!(bench.kit.request_count(), 1, "{:?}", bench.kit.requests());
    assert_eq!(bench.asked(&Method::HEAD, Class::ManifestByTag), 1);
}

#[tokio::test]
async fn a_tag_is_asked_for_each_time() {
    let bench = Bench::new();
    bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap();
    let other = image::build(2).push(&bench.kit, "app", "v1");
    let found = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap();
    assert_eq!(found.unwrap().as_str(), other);
}

#[tokio::test]
async fn only_404_is_absent() {
    let bench = Bench::new();
    assert_eq!(bench.client.resolve_tag(&bench.tag("nope"), &anonymous()).await.unwrap(), None);
    let nowhere = bench.reference(&format!("sha256:{}", "0".repeat(64)));
    assert_eq!(bench.client.manifest(&nowhere, &anonymous()).await.unwrap(), None);
    assert_eq!(bench.client.blob(&nowhere, None, &anonymous()).await.unwrap(), None);
}

#[tokio::test]
async fn a_head_without_digest_is_followed_by_get_and_hashed() {
    let bench = Bench::new();
    bench.kit.fault(
        Fault::new(Effect::Respond { code: 200, headers: Vec::new(), body: Bytes::new() })
            .method(Method::HEAD),
    );
    let found = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap();
    assert_eq!(found, Some(bench.digest.clone()));
    assert_eq!(bench.asked(&Method::GET, Class::ManifestByTag), 1);
}

#[tokio::test]
async fn a_registry_without_head_is_asked_by_get() {
    let bench = Bench::new();
    bench
        .kit
        .fault(Fault::new(Effect::Status { code: 405, retry_after: None }).method(Method::HEAD));
    let found = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap();
    assert_eq!(found, Some(bench.digest.clone()));
}

#[tokio::test]
async fn content_by_digest_is_fetched_once() {
    let bench = Bench::new();
    let blob = bench.blob(b"payload");
    for _ in 0..3 {
        let found = bench.client.blob(&blob, Some(7), &anonymous()).await.unwrap();
        assert_eq!(found.as_deref(), Some(b"payload".as_slice()));
        bench.client.manifest(&bench.image(), &anonymous()).await.unwrap().unwrap();
    }
    assert_eq!(bench.kit.request_count(), 2);
}

#[tokio::test]
async fn a_manifest_fetched_by_tag_is_not_fetched_again_by_digest() {
    let bench = Bench::new();
    let by_tag =
        bench.client.manifest_by_tag(&bench.tag("v1"), &anonymous()).await.unwrap().unwrap();
    let by_digest = bench.client.manifest(&bench.image(), &anonymous()).await.unwrap().unwrap();
    assert_eq!(by_tag.bytes, by_digest);
    assert_eq!(by_tag.digest, bench.digest);
    assert_eq!(bench.kit.request_count(), 1);
}

#[tokio::test]
async fn a_hit_says_what_a_miss_says_about_a_wrong_size() {
    for warm in [false, true] {
        let bench = Bench::new();
        let blob = bench.blob(b"payload");
        if warm {
            bench.client.blob(&blob, None, &anonymous()).await.unwrap();
        }
        for size in [3, 70] {
            let found = bench.client.blob(&blob, Some(size), &anonymous()).await;
            let wrong = matches!(found, Err(FetchError::Malformed { what: Malformed::Size, .. }));
            assert!(wrong, "{warm} {size} {found:?}");
        }
    }
}

#[tokio::test]
async fn image_data_of_an_index_is_that_of_linux_amd64() {
    let bench = Bench::new();
    let index = image::Recipe::new(7).build_index(&["arm64", "amd64"]);
    let digest = index.push(&bench.kit, "app", "multi");
    let found = bench.client.image_data(&bench.reference(&digest), &anonymous()).await.unwrap();
    let found = found.unwrap();
    assert_eq!(found.index, Some(index.index.manifest.clone()));
    assert_eq!(found.manifest, index.images[1].manifest);
    assert!(String::from_utf8_lossy(&found.config).contains("amd64"));
}

#[tokio::test]
async fn image_data_of_an_index_without_our_platform_is_malformed() {
    let bench = Bench::new();
    let index = image::Recipe::new(7).build_index(&["arm64"]);
    let digest = index.push(&bench.kit, "app", "multi");
    let found = bench.client.image_data(&bench.reference(&digest), &anonymous()).await;
    let wrong = matches!(found, Err(FetchError::Malformed { what: Malformed::Platform, .. }));
    assert!(wrong, "{found:?}");
}

fn entries(index: &[u8]) -> usize {
    let index: serde_json::Value = serde_json::from_slice(index).unwrap();
    index["manifests"].as_array().unwrap().len()
}

fn sign(bench: &Bench) {
    let key = KeyPair::shared(Algorithm::EcdsaP256).unwrap();
    let place = Place::of(&bench.kit, "app", "v1").unwrap();
    place.sign_bundle(&key, &Knobs::default()).unwrap();
}

#[tokio::test]
async fn referrers_come_from_the_api_in_one_request() {
    let bench = Bench::new();
    sign(&bench);
    bench.kit.reset_log();
    let found = bench.client.referrers(&bench.image(), &anonymous()).await.unwrap().unwrap();
    assert_eq!(entries(&found), 1);
    assert_eq!(bench.kit.request_count(), 1);
}

#[tokio::test]
async fn pages_of_referrers_are_read_to_the_end() {
    let bench = Bench::with(KitOptions { referrers_page: 2, ..KitOptions::default() }, hasty());
    let key = KeyPair::shared(Algorithm::EcdsaP256).unwrap();
    for number in 0..5 {
        let mut knobs = Knobs::default();
        knobs.annotations.insert("number".into(), number.to_string());
        Place::of(&bench.kit, "app", "v1").unwrap().sign_bundle(&key, &knobs).unwrap();
    }
    let found = bench.client.referrers(&bench.image(), &anonymous()).await.unwrap().unwrap();
    assert_eq!(entries(&found), 5);
    assert_eq!(bench.asked(&Method::GET, Class::Referrers), 3);
}

#[tokio::test]
async fn a_404_of_the_api_leads_to_the_fallback_tag() {
    let bench = Bench::with(KitOptions { referrers_api: false, ..KitOptions::default() }, hasty());
    sign(&bench);
    bench.kit.reset_log();
    let found = bench.client.referrers(&bench.image(), &anonymous()).await.unwrap().unwrap();
    assert_eq!(entries(&found), 1);
    assert_eq!(bench.kit.request_count(), 2);
    // The missing API is remembered for a while.
    bench.client.referrers(&bench.image(), &anonymous()).await.unwrap().unwrap();
    assert_eq!(bench.kit.request_count(), 3);
}

#[tokio::test]
async fn a_registry_that_learns_the_api_is_believed_at_once() {
    let bench = Bench::with(KitOptions { referrers_api: false, ..KitOptions::default() }, hasty());
    assert_eq!(bench.client.referrers(&bench.image(), &anonymous()).await.unwrap(), None);
    bench.kit.set_referrers_api(true);
    sign(&bench);
    let found = bench.client.referrers(&bench.image(), &anonymous()).await.unwrap().unwrap();
    assert_eq!(entries(&found), 1);
}

#[tokio::test]
async fn errors_of_the_api_other_than_404_do_not_lead_to_the_fallback_tag() {
    for code in [401, 403, 429, 500, 503] {
        let bench = Bench::new();
        let retry_after = (code == 429).then(|| "3600".to_owned());
        bench.kit.fault(Fault::new(Effect::Status { code, retry_after }).class(Class::Referrers));
        let found = bench.client.referrers(&bench.image(), &anonymous()).await;
        assert!(found.is_err(), "{code} {found:?}");
        assert_eq!(bench.asked(&Method::GET, Class::ManifestByTag), 0, "{code}");
    }
}

#[tokio::test]
async fn errors_of_the_fallback_tag_are_not_absence() {
    for code in [403, 429, 500] {
        let bench =
            Bench::with(KitOptions { referrers_api: false, ..KitOptions::default() }, hasty());
        let retry_after = (code == 429).then(|| "3600".to_owned());
        bench
            .kit
            .fault(Fault::new(Effect::Status { code, retry_after }).class(Class::ManifestByTag));
        let found = bench.client.referrers(&bench.image(), &anonymous()).await;
        assert!(found.is_err(), "{code} {found:?}");
    }
}

#[tokio::test]
async fn a_fallback_tag_that_is_not_an_index_is_empty() {
    let bench = Bench::with(KitOptions { referrers_api: false, ..KitOptions::default() }, hasty());
    let tag = sigward_oci::referrers_tag(&bench.digest);
    bench.kit.set_tag("app", &tag, bench.digest.as_str());
    assert_eq!(bench.client.referrers(&bench.image(), &anonymous()).await.unwrap(), None);
}

#[tokio::test]
async fn an_answer_of_the_api_that_is_no_index_is_malformed() {
    for body in ["<html>welcome</html>", "{}", "[]", r#"{"schemaVersion":2,"config":{}}"#, ""] {
        let bench = Bench::new();
        bench.kit.fault(
            Fault::new(Effect::Respond { code: 200, headers: Vec::new(), body: Bytes::from(body) })
                .class(Class::Referrers),
        );
        let found = bench.client.referrers(&bench.image(), &anonymous()).await;
        let wrong = matches!(found, Err(FetchError::Malformed { what: Malformed::Manifest, .. }));
        assert!(wrong, "{body} {found:?}");
    }
}

#[tokio::test]
async fn tls_is_trusted_by_the_extra_authority_alone() {
    let kit = KitOptions { tls: Tls::Server, ..KitOptions::default() };
    let mut bench = Bench::with(kit, hasty());
    let found = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await;
    assert!(matches!(found, Err(FetchError::Unreachable { .. })), "{found:?}");
    let extra_ca_pem = vec![bench.kit.ca_pem().unwrap().into_bytes()];
    bench.client = client(Options { extra_ca_pem, ..hasty() });
    let found = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap();
    assert_eq!(found, Some(bench.digest.clone()));
}

#[tokio::test]
async fn certificates_are_only_skipped_by_an_explicit_switch() {
    let kit = KitOptions { tls: Tls::Server, ..KitOptions::default() };
    let bench = Bench::with(kit, hasty());
    let ca = vec![bench.kit.ca_pem().unwrap().into_bytes()];
    let settings = |skip, name: Option<&str>| HostOptions {
        insecure_skip_tls_verify: skip,
        server_name: name.map(Into::into),
        ..HostOptions::default()
    };
    for (trusted, everywhere, works) in [
        (false, settings(false, None), false),
        (false, settings(true, None), true),
        (true, settings(false, Some("localhost")), true),
        (true, settings(false, Some("other.example")), false),
    ] {
        let extra_ca_pem = if trusted { ca.clone() } else { Vec::new() };
        let client = client(Options { extra_ca_pem, everywhere, ..hasty() });
        let found = client.resolve_tag(&bench.tag("v1"), &anonymous()).await;
        assert_eq!(found.is_ok(), works, "{trusted} {found:?}");
    }
}

/// What a proxy on loopback hears first when a tag of `r.example` is resolved; nothing when it is
/// not asked.
async fn heard_by_proxy(no_proxy: Option<&str>) -> Option<String> {
    use tokio::io::AsyncReadExt as _;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let client = client(Options {
        proxies: Proxies::Explicit {
            http: None,
            https: Some(proxy),
            no_proxy: no_proxy.map(Into::into),
        },
        attempts: 1,
        ..hasty()
    });
    let tag = TagReference { repository: "r.example.invalid/app".into(), tag: "v1".into() };
    let asking = tokio::spawn(async move { client.resolve_tag(&tag, &anonymous()).await });
    let hearing = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 64];
        let length = stream.read(&mut head).await.unwrap();
        String::from_utf8_lossy(&head[..length]).into_owned()
    };
    let heard = tokio::time::timeout(Duration::from_millis(500), hearing).await.ok();
    asking.await.unwrap().unwrap_err();
    heard
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel_unless_the_host_is_excepted() {
    let heard = heard_by_proxy(None).await.unwrap();
    assert!(heard.starts_with("CONNECT r.example.invalid:443 "), "{heard}");
    assert_eq!(heard_by_proxy(Some(".example.invalid")).await, None);
}

#[tokio::test]
async fn loopback_is_never_asked_through_a_proxy() {
    let bench = Bench::new();
    let nobody = Some("http://127.0.0.1:9".to_owned());
    let proxies = Proxies::Explicit { http: nobody.clone(), https: nobody, no_proxy: None };
    let client = client(Options { proxies, ..hasty() });
    assert!(client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_the_host_it_was_given_for() {
    let kit = KitOptions { tls: Tls::Mutual, ..KitOptions::default() };
    let mut bench = Bench::with(kit, hasty());
    let ca = bench.kit.ca_pem().unwrap().into_bytes();
    let identity = bench.kit.client_identity("tester").unwrap().unwrap();
    let settings = HostOptions {
        client_identity_pem: Some((
            identity.certificate_pem.clone().into_bytes(),
            sigward_remote::Secret::new(identity.key_pem.clone().into_bytes()),
        )),
        ..Default::default()
    };
    for (host, works) in [(bench.kit.host(), true), ("other.example".to_owned(), false)] {
        bench.client = client(Options {
            extra_ca_pem: vec![ca.clone()],
            hosts: [(host.into(), settings.clone())].into(),
            ..hasty()
        });
        let found = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await;
        assert_eq!(found.is_ok(), works, "{found:?}");
    }
}

#[tokio::test]
async fn loopback_is_tried_with_tls_first_and_the_answer_remembered() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap();
    }
    assert_eq!(bench.kit.request_count(), 3);
    // One connection that greeted with TLS, one that stayed.
    assert_eq!(bench.kit.connections(), 2);
}

#[test]
fn a_broken_authority_file_is_an_error_at_the_start() {
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"] {
        let options = Options { extra_ca_pem: vec![pem.into()], ..hasty() };
        assert!(
            Registry::new(options, Arc::new(NoSecrets), Arc::new(Unobserved)).is_err(),
            "{pem}"
        );
    }
}

/// The whole way of an image and its referrer, against a registry at this address.
async fn round_trip(host: &str) {
    let client = client(hasty());
    let access = anonymous();
    let name = format!("round-trip-{}", std::process::id());
    let repository = format!("{host}/{name}");
    let built = image::build(42);
    for blob in &built.blobs {
        client.push_blob(&repository, blob.clone(), &access).await.unwrap();
    }
    let kind = &built.media_type;
    let pushed = client
        .push_manifest(&repository, Some("v1"), kind, built.manifest.clone(), &access)
        .await
        .unwrap();
    assert_eq!(pushed.digest.as_str(), built.digest());
    let tag = TagReference { repository: repository.clone().into(), tag: "v1".into() };
    assert_eq!(client.resolve_tag(&tag, &access).await.unwrap(), Some(pushed.digest.clone()));
    let image =
        DigestReference { repository: repository.clone().into(), digest: pushed.digest.clone() };
    let bytes = client.manifest(&image, &access).await.unwrap().unwrap();
    assert_eq!(bytes, built.manifest);
    assert!(client.image_data(&image, &access).await.unwrap().is_some());
    assert_eq!(client.referrers(&image, &access).await.unwrap().map_or(0, |i| entries(&i)), 0);

    for number in 0..3_u8 {
        let referrer = push::referrer(&built, number);
        for blob in &referrer.blobs {
            client.push_blob(&repository, blob.clone(), &access).await.unwrap();
        }
        client.push_referrer(&repository, referrer.manifest.clone(), &access).await.unwrap();
    }
    let listed = client.referrers(&image, &access).await.unwrap().unwrap();
    assert_eq!(entries(&listed), 3);

    let config = Digest::parse(&sigward_testkit::digest::sha256(&built.blobs[0])).unwrap();
    let from = DigestReference { repository: repository.into(), digest: config.clone() };
    let other = format!("{host}/{name}-mounted");
    assert!(client.mount_blob(&from, &other, &access).await.unwrap());
    let mounted = DigestReference { repository: other.into(), digest: config };
    assert!(client.blob(&mounted, None, &access).await.unwrap().is_some());
    assert!(client.delete_manifest(&image, &access).await.unwrap());
    assert_eq!(client.resolve_tag(&tag, &access).await.unwrap(), None);
    assert!(!client.delete_manifest(&image, &access).await.unwrap());
}

#[tokio::test]
async fn an_image_and_its_referrers_make_the_round_trip() {
    for referrers_api in [true, false] {
        let kit = Kit::start(KitOptions { referrers_api, ..KitOptions::default() }).unwrap();
        round_trip(&kit.host()).await;
    }
}

/// Against the registry whose address is in `SIGWARD_DOCKER_REGISTRY` (docker-registry
/// 2.8, deletion allowed).
#[tokio::test]
async fn debians_registry_makes_the_round_trip_too() {
    if let Ok(host) = std::env::var("SIGWARD_DOCKER_REGISTRY") {
        round_trip(&host).await;
        return;
    }
    println!("skipped: SIGWARD_DOCKER_REGISTRY does not name a registry");
}
