//! The registry, asked by raw HTTP: endpoints, errors and faults as clients see them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod auth;
mod raw;
mod tls;

use std::time::{Duration, Instant};

use raw::{Reply, send, try_send};
use serde_json::{Value, json};
use sigward_testkit::{
    digest,
    registry::{Class, Effect, Fault, Options, Registry},
};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn start() -> Registry {
    Registry::start(Options::default()).unwrap()
}

/// Sends one request and checks its status.
fn check(
    registry: &Registry,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    status: u16,
) -> Reply {
    let reply = send(registry.address(), method, path, headers, body);
    assert_eq!(reply.status, status, "{method} {path}: {}", String::from_utf8_lossy(&reply.body));
    reply
}

fn code(reply: &Reply) -> String {
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    body["errors"][0]["code"].as_str().unwrap().to_owned()
}

/// Puts `{}` and a manifest over it into `repository`, with a subject if there is one, and returns the manifest's bytes.
fn push(registry: &Registry, repository: &str, tag: &str, subject: Option<&str>) -> Vec<u8> {
    let config = registry.put_blob(repository, "{}");
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": format!("application/x.{tag}"),
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2 }, "layers": [],
        "annotations": { "tag": tag },
    });
    if let Some(subject) = subject {
        manifest["subject"] = json!({ "mediaType": MANIFEST, "digest": subject, "size": 1 });
    }
    let bytes = manifest.to_string().into_bytes();
    check(
        registry,
        "PUT",
        &format!("/v2/{repository}/manifests/{tag}"),
        &[("content-type", MANIFEST)],
        &bytes,
        201,
    );
    bytes
}

#[test]
fn the_version_check_names_the_protocol() {
    let registry = start();
    let reply = check(&registry, "GET", "/v2/", &[], b"", 200);
    assert_eq!(reply.header("docker-distribution-api-version"), Some("registry/2.0"));
    assert_eq!(reply.body, b"{}");
}

#[test]
fn a_pushed_manifest_is_read_back_by_tag_and_by_digest() {
    let registry = start();
    let bytes = push(&registry, "shop/web", "v1", None);
    let digest = digest::sha256(&bytes);
    for reference in ["v1", digest.as_str()] {
        let path = format!("/v2/shop/web/manifests/{reference}");
        let reply = check(&registry, "GET", &path, &[], b"", 200);
        assert_eq!(reply.body, bytes);
        assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
        assert_eq!(reply.header("content-type"), Some(MANIFEST));
        let head = check(&registry, "HEAD", &path, &[], b"", 200);
        assert_eq!(head.header("content-length"), Some(bytes.len().to_string().as_str()));
        assert!(head.body.is_empty());
    }
}

#[test]
fn what_is_missing_is_named_as_distribution_names_it() {
    let registry = start();
    let reply = check(&registry, "GET", "/v2/shop/web/manifests/v1", &[], b"", 404);
    assert_eq!(
        String::from_utf8_lossy(&reply.body).trim(),
        r#"{"errors":[{"code":"MANIFEST_UNKNOWN","detail":{"Tag":"v1"},"message":"manifest unknown"}]}"#
    );
    let absent = digest::sha256(b"absent");
    assert_eq!(
        code(&check(&registry, "GET", &format!("/v2/a/blobs/{absent}"), &[], b"", 404)),
        "BLOB_UNKNOWN"
    );
    assert_eq!(code(&check(&registry, "GET", "/v2/a/tags/list", &[], b"", 404)), "NAME_UNKNOWN");
    assert_eq!(code(&check(&registry, "GET", "/v2/A/tags/list", &[], b"", 400)), "NAME_INVALID");
    assert_eq!(
        code(&check(&registry, "GET", "/v2/a/blobs/sha256:1", &[], b"", 400)),
        "DIGEST_INVALID"
    );
    check(&registry, "GET", "/v1/search", &[], b"", 404);
}

#[test]
fn a_manifest_needs_its_blobs_and_children_first() {
    let registry = start();
    let lacking = json!({ "config": { "digest": digest::sha256(b"no") } }).to_string();
    let reply = check(
        &registry,
        "PUT",
        "/v2/a/manifests/v1",
        &[("content-type", MANIFEST)],
        lacking.as_bytes(),
        400,
    );
    assert_eq!(code(&reply), "MANIFEST_BLOB_UNKNOWN");
    let lacking = json!({ "manifests": [{ "digest": digest::sha256(b"no") }] }).to_string();
    let reply = check(
        &registry,
        "PUT",
        "/v2/a/manifests/v1",
        &[("content-type", INDEX)],
        lacking.as_bytes(),
        400,
    );
    assert_eq!(code(&reply), "MANIFEST_BLOB_UNKNOWN");
    assert!(registry.manifest("a", "v1").is_none());
}

#[test]
fn a_manifest_pushed_by_a_digest_not_its_own_is_refused() {
    let registry = start();
    let path = format!("/v2/a/manifests/{}", digest::sha256(b"other"));
    let reply = check(&registry, "PUT", &path, &[("content-type", MANIFEST)], b"{}", 400);
    assert_eq!(code(&reply), "DIGEST_INVALID");
    let own = format!("/v2/a/manifests/{}", digest::sha512(b"{}"));
    check(&registry, "PUT", &own, &[("content-type", MANIFEST)], b"{}", 201);
    let reply =
        check(&registry, "PUT", "/v2/a/manifests/v1", &[("content-type", MANIFEST)], b"[1", 400);
    assert_eq!(code(&reply), "MANIFEST_INVALID");
}

#[test]
fn a_blob_is_uploaded_at_once_or_in_pieces() {
    let registry = start();
    let digest = digest::sha256(b"hello world");
    let reply = check(
        &registry,
        "POST",
        &format!("/v2/a/blobs/uploads/?digest={digest}"),
        &[],
        b"hello world",
        201,
    );
    assert!(reply.header("location").unwrap().ends_with(&format!("/v2/a/blobs/{digest}")));

    let reply = check(&registry, "POST", "/v2/b/blobs/uploads/", &[], b"", 202);
    let mut path = reply.path("location");
    let reply = check(&registry, "PATCH", &path, &[("content-range", "0-5")], b"hello ", 202);
    assert_eq!(reply.header("range"), Some("0-5"));
    path = reply.path("location");
    check(&registry, "PATCH", &path, &[("content-range", "3-7")], b"oops", 416);
    let reply = check(&registry, "GET", &path, &[], b"", 204);
    assert_eq!(reply.header("range"), Some("0-5"));
    let reply = check(
        &registry,
        "PUT",
        &format!("{path}&digest={}", digest.replace(':', "%3A")),
        &[],
        b"world",
        201,
    );
    assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(registry.blob("b", &digest).unwrap(), "hello world");
    check(&registry, "PATCH", &path, &[], b"late", 404);
}

#[test]
fn a_blob_with_another_digest_is_refused() {
    let registry = start();
    let wrong = digest::sha256(b"other");
    let reply = check(
        &registry,
        "POST",
        &format!("/v2/a/blobs/uploads/?digest={wrong}"),
        &[],
        b"data",
        400,
    );
    assert_eq!(code(&reply), "DIGEST_INVALID");
    let path = check(&registry, "POST", "/v2/a/blobs/uploads/", &[], b"", 202).path("location");
    check(&registry, "PUT", &format!("{path}&digest={wrong}"), &[], b"data", 400);
    assert!(registry.blob("a", &wrong).is_none());
}

#[test]
fn a_blob_is_mounted_from_another_repository_or_an_upload_begins() {
    let registry = start();
    let digest = registry.put_blob("base/os", "layer");
    let reply = check(
        &registry,
        "POST",
        &format!("/v2/a/blobs/uploads/?mount={digest}&from=base/os"),
        &[],
        b"",
        201,
    );
    assert_eq!(reply.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(registry.blob("a", &digest).unwrap(), "layer");
    check(
        &registry,
        "POST",
        &format!("/v2/a/blobs/uploads/?mount={digest}&from=no/where"),
        &[],
        b"",
        202,
    );
}

#[test]
fn parts_of_blobs_are_read_by_range() {
    let registry = start();
    let path = format!("/v2/a/blobs/{}", registry.put_blob("a", "0123456789"));
    for (range, expected, shown) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
    ] {
        let reply = check(&registry, "GET", &path, &[("range", range)], b"", 206);
        assert_eq!(reply.body, expected.as_bytes());
        assert_eq!(reply.header("content-range"), Some(shown));
    }
    check(&registry, "GET", &path, &[("range", "bytes=10-12")], b"", 416);
    assert_eq!(
        check(&registry, "GET", &path, &[("range", "lines=1")], b"", 200).body,
        b"0123456789"
    );
}

#[test]
fn tags_and_repositories_are_listed_in_pages() {
    let registry = start();
    for tag in ["c", "a", "b"] {
        push(&registry, "shop/web", tag, None);
    }
    let reply = check(&registry, "GET", "/v2/shop/web/tags/list?n=2", &[], b"", 200);
    assert_eq!(reply.json(), json!({ "name": "shop/web", "tags": ["a", "b"] }));
    let next = reply.next().unwrap();
    let reply = check(&registry, "GET", &next, &[], b"", 200);
    assert_eq!(reply.json()["tags"], json!(["c"]));
    assert!(reply.next().is_none());
    assert_eq!(
        check(&registry, "GET", "/v2/_catalog", &[], b"", 200).json(),
        json!({ "repositories": ["shop/web"] })
    );
}

#[test]
fn deleting_a_manifest_deletes_its_tags_but_a_tag_alone_can_go() {
    let registry = start();
    let digest = digest::sha256(&push(&registry, "a", "v1", None));
    registry.set_tag("a", "v2", &digest);
    check(&registry, "DELETE", "/v2/a/manifests/v2", &[], b"", 202);
    check(&registry, "GET", "/v2/a/manifests/v1", &[], b"", 200);
    check(&registry, "DELETE", &format!("/v2/a/manifests/{digest}"), &[], b"", 202);
    check(&registry, "GET", "/v2/a/manifests/v1", &[], b"", 404);
    check(&registry, "DELETE", &format!("/v2/a/manifests/{digest}"), &[], b"", 404);
}

#[test]
fn referrers_are_listed_filtered_and_paged() {
    let registry = Registry::start(Options { referrers_page: 2, ..Options::default() }).unwrap();
    let subject = digest::sha256(&push(&registry, "a", "image", None));
    for name in ["sbom", "scan", "sig"] {
        push(&registry, "a", name, Some(&subject));
    }
    let path = format!("/v2/a/referrers/{subject}");
    let first = check(&registry, "GET", &path, &[], b"", 200);
    assert_eq!(first.header("content-type"), Some(INDEX));
    let names = |reply: &Reply| -> Vec<String> {
        let list = reply.json()["manifests"].as_array().unwrap().clone();
        list.iter().map(|entry| entry["annotations"]["tag"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&first), ["sbom", "scan"]);
    let second = check(&registry, "GET", &first.next().unwrap(), &[], b"", 200);
    assert_eq!(names(&second), ["sig"]);
    assert!(second.next().is_none());
    let filtered = check(
        &registry,
        "GET",
        &format!("{path}?artifactType=application%2Fx.scan"),
        &[],
        b"",
        200,
    );
    assert_eq!(names(&filtered), ["scan"]);
    assert_eq!(filtered.header("oci-filters-applied"), Some("artifactType"));
    let nothing = check(&registry, "GET", &format!("/v2/none/referrers/{subject}"), &[], b"", 200);
    assert_eq!(nothing.json()["manifests"], json!([]));
}

#[test]
fn without_the_referrers_api_the_path_is_unknown_and_no_subject_is_promised() {
    let registry = Registry::start(Options { referrers_api: false, ..Options::default() }).unwrap();
    let subject = digest::sha256(&push(&registry, "a", "image", None));
    let reply = check(&registry, "GET", &format!("/v2/a/referrers/{subject}"), &[], b"", 404);
    assert_eq!(reply.body, b"404 page not found\n");
    let put = |tag: &str| {
        let manifest =
            json!({ "subject": { "digest": subject }, "annotations": { "tag": tag } }).to_string();
        check(
            &registry,
            "PUT",
            &format!("/v2/a/manifests/{tag}"),
            &[("content-type", MANIFEST)],
            manifest.as_bytes(),
            201,
        )
    };
    assert_eq!(put("one").header("oci-subject"), None);
    registry.set_referrers_api(true);
    assert_eq!(put("two").header("oci-subject"), Some(subject.as_str()));
    let listed = check(&registry, "GET", &format!("/v2/a/referrers/{subject}"), &[], b"", 200);
    assert_eq!(listed.json()["manifests"].as_array().unwrap().len(), 2);
}

#[test]
fn a_strict_registry_hides_manifests_that_the_client_does_not_accept() {
    let registry = Registry::start(Options { strict_accept: true, ..Options::default() }).unwrap();
    push(&registry, "a", "v1", None);
    check(&registry, "GET", "/v2/a/manifests/v1", &[("accept", INDEX)], b"", 404);
    check(
        &registry,
        "GET",
        "/v2/a/manifests/v1",
        &[("accept", &format!("{INDEX}, {MANIFEST};q=0.5"))],
        b"",
        200,
    );
}

#[test]
fn requests_are_counted_and_logged_until_the_log_is_reset() {
    let registry = start();
    push(&registry, "a", "v1", None);
    registry.reset_log();
    check(
        &registry,
        "GET",
        "/v2/a/manifests/v1?x=1",
        &[("authorization", "Basic c2VjcmV0"), ("user-agent", "me")],
        b"",
        200,
    );
    check(&registry, "HEAD", "/v2/a/manifests/none", &[], b"", 404);
    assert_eq!((registry.request_count(), registry.count_of(Class::ManifestByTag)), (2, 2));
    assert_eq!(registry.count(&http::Method::HEAD, Class::ManifestByTag), 1);
    let log = registry.requests();
    assert_eq!(
        (log[0].path.as_str(), log[0].query.as_str(), log[0].status),
        ("/v2/a/manifests/v1", "x=1", Some(200))
    );
    assert!(log[0].had_authorization && !log[1].had_authorization);
    assert_eq!(
        (log[0].user_agent.as_deref(), log[0].repository.as_deref()),
        (Some("me"), Some("a"))
    );
    assert!(!format!("{log:?}").contains("c2VjcmV0"));
    registry.reset_log();
    assert_eq!((registry.request_count(), registry.requests().len()), (0, 0));
}

#[test]
fn a_registry_that_is_down_refuses_and_comes_back_with_its_content() {
    let registry = start();
    push(&registry, "a", "v1", None);
    registry.go_down();
    let error = try_send(registry.address(), "GET", "/v2/", &[], b"").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    registry.come_back().unwrap();
    check(&registry, "GET", "/v2/a/manifests/v1", &[], b"", 200);
}

#[test]
fn stopping_frees_the_port() {
    let registry = start();
    let address = registry.address();
    registry.stop();
    assert!(try_send(address, "GET", "/v2/", &[], b"").is_err());
    let again = Registry::start(Options { port: address.port(), ..Options::default() }).unwrap();
    assert_eq!(again.address(), address);
}

#[test]
fn a_registry_starts_and_stops_inside_an_async_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let registry = start();
        let stream = tokio::net::TcpStream::connect(registry.address()).await;
        assert!(stream.is_ok());
    });
}

mod faults {
    use super::*;

    fn with(fault: Fault) -> Registry {
        let registry = start();
        push(&registry, "a", "v1", None);
        registry.fault(fault.class(Class::ManifestByTag));
        registry
    }

    fn get(registry: &Registry) -> std::io::Result<Reply> {
        try_send(registry.address(), "GET", "/v2/a/manifests/v1", &[], b"")
    }

    #[test]
    fn a_status_comes_with_retry_after_and_only_so_often() {
        let registry = with(
            Fault::new(Effect::Status { code: 429, retry_after: Some("7".to_owned()) }).times(1),
        );
        let reply = get(&registry).unwrap();
        assert_eq!(
            (reply.status, reply.header("retry-after"), code(&reply)),
            (429, Some("7"), "TOOMANYREQUESTS".to_owned())
        );
        assert_eq!(get(&registry).unwrap().status, 200);
        assert_eq!(
            registry.requests().iter().rev().take(2).map(|entry| entry.status).collect::<Vec<_>>(),
            [Some(200), Some(429)]
        );
    }

    #[test]
    fn latency_delays_and_a_drip_takes_its_time() {
        let registry = with(Fault::new(Effect::Latency(Duration::from_millis(80))).times(1));
        let begin = Instant::now();
        assert_eq!(get(&registry).unwrap().status, 200);
        assert!(begin.elapsed() >= Duration::from_millis(80));
        registry.fault(Fault::new(Effect::Drip { bytes: 50, every: Duration::from_millis(20) }));
        let begin = Instant::now();
        let length = get(&registry).unwrap().body.len();
        assert!(
            begin.elapsed()
                >= Duration::from_millis(20) * u32::try_from((length - 1) / 50).unwrap(),
            "{length}"
        );
    }

    #[test]
    fn a_hang_answers_nothing_and_is_logged_without_a_status() {
        let registry = with(Fault::new(Effect::Hang));
        let error = raw::send_within(
            registry.address(),
            Duration::from_millis(150),
            "GET",
            "/v2/a/manifests/v1",
            &[],
            b"",
        )
        .unwrap_err();
        assert!(
            matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
            "{error}"
        );
        assert_eq!(registry.requests().last().unwrap().status, None);
        registry.clear_faults();
        assert_eq!(get(&registry).unwrap().status, 200);
    }

    #[test]
    fn a_reset_is_a_reset_and_a_truncated_body_is_short() {
        let registry = with(Fault::new(Effect::Reset).times(1));
        assert_eq!(get(&registry).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        registry.fault(Fault::new(Effect::Truncate(5)).times(1));
        let reply = get(&registry).unwrap();
        assert_eq!(reply.body.len(), 5);
        assert!(reply.header("content-length").unwrap().parse::<usize>().unwrap() > 5);
    }

    #[test]
    fn bytes_can_differ_from_the_digest_that_is_announced() {
        let registry = with(Fault::new(Effect::WrongBytes).times(1));
        let reply = get(&registry).unwrap();
        assert!(!digest::matches(reply.header("docker-content-digest").unwrap(), &reply.body));
        registry.fault(Fault::new(Effect::WrongDigestHeader(digest::sha256(b"lie"))).times(1));
        assert_eq!(
            get(&registry).unwrap().header("docker-content-digest"),
            Some(digest::sha256(b"lie").as_str())
        );
        registry.fault(Fault::new(Effect::Body("other".into())).times(1));
        assert_eq!(get(&registry).unwrap().body, b"other");
    }

    #[test]
    fn a_tag_moves_between_two_calls() {
        let registry = start();
        let (old, new) = (push(&registry, "a", "v1", None), push(&registry, "a", "next", None));
        registry.fault(
            Fault::new(Effect::MoveTag { to: digest::sha256(&new) })
                .path("*/manifests/v1")
                .times(1),
        );
        assert_eq!(get(&registry).unwrap().body, old);
        assert_eq!(get(&registry).unwrap().body, new);
    }

    #[test]
    fn pages_of_referrers_need_not_end() {
        let registry = start();
        let subject = digest::sha256(&push(&registry, "a", "v1", None));
        push(&registry, "a", "sig", Some(&subject));
        registry.fault(Fault::new(Effect::EndlessPages).class(Class::Referrers));
        let mut path = format!("/v2/a/referrers/{subject}");
        for _ in 0..5 {
            let reply = check(&registry, "GET", &path, &[], b"", 200);
            assert_eq!(reply.json()["manifests"].as_array().unwrap().len(), 1);
            path = reply.next().unwrap();
        }
    }

    #[test]
    fn bodies_and_headers_can_be_larger_than_anybody_wants() {
        let registry =
            with(Fault::new(Effect::Oversized { bytes: 5_000_000, declared: false }).times(1));
        let reply = get(&registry).unwrap();
        assert_eq!(reply.header("content-length"), None);
        assert!(reply.body.len() >= 5_000_000);
        registry.fault(Fault::new(Effect::Oversized { bytes: 70_000, declared: true }).times(1));
        assert_eq!(get(&registry).unwrap().header("content-length"), Some("70000"));
        registry.fault(Fault::new(Effect::HugeHeader(100_000)).times(1));
        assert_eq!(get(&registry).unwrap().header("x-padding").unwrap().len(), 100_000);
    }

    #[test]
    fn a_redirect_keeps_the_path_and_names_another_host() {
        let other = start();
        let bytes = push(&other, "a", "v1", None);
        let registry = with(Fault::new(Effect::Redirect { base: other.url() }));
        let reply = get(&registry).unwrap();
        assert_eq!(
            (reply.status, reply.header("location")),
            (307, Some(format!("{}/v2/a/manifests/v1", other.url()).as_str()))
        );
        assert_eq!(check(&other, "GET", &reply.path("location"), &[], b"", 200).body, bytes);
    }

    #[test]
    fn an_answer_can_be_the_tests_own() {
        let headers = vec![
            ("www-authenticate".to_owned(), "Negotiate".to_owned()),
            ("www-authenticate".to_owned(), "Basic".to_owned()),
        ];
        let registry = with(Fault::new(Effect::Respond { code: 401, headers, body: "no".into() }));
        let reply = get(&registry).unwrap();
        assert_eq!(
            (
                reply.status,
                reply.headers.iter().filter(|(name, _)| name == "www-authenticate").count()
            ),
            (401, 2)
        );
    }
}

#[test]
fn a_registry_is_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&start());
}

#[test]
fn a_thousand_simultaneous_requests_are_answered() {
    let registry = start();
    push(&registry, "a", "v1", None);
    registry.reset_log();
    registry.fault(Fault::new(Effect::Latency(Duration::from_millis(300))));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let begin = Instant::now();
    let good = runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..1000 {
            tasks.spawn(raw::get_async(registry.address(), "/v2/a/manifests/v1"));
        }
        tasks.join_all().await.into_iter().filter(|status| *status == Some(200)).count()
    });
    assert_eq!(good, 1000);
    assert_eq!(registry.count_of(Class::ManifestByTag), 1000);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert!(registry.peak_in_flight() > 500, "{}", registry.peak_in_flight());
}
