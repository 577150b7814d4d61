//! One claim for each fault of a registry: what it is called, and that it is never absence.
use super::*;
use sigward_remote::{Caps, FetchError, Malformed, Unreachable};
use sigward_sigstore::outcome::CauseKind;
use sigward_testkit::registry::{Effect, Fault};
use std::time::Instant;

/// The error of resolving `app:v1` while a fault is set.
async fn resolving(bench: &Bench, effect: Effect) -> FetchError {
    bench.kit.fault(Fault::new(effect));
    let found = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await;
    found.expect_err("a fault is not an answer")
}

/// The error of reading a blob while a fault is set.
async fn reading(bench: &Bench, effect: Effect) -> FetchError {
    let blob = bench.blob(&[7; 4096]);
    bench.kit.fault(Fault::new(effect).class(Class::Blob));
    let found = bench.client.blob(&blob, Some(4096), &anonymous()).await;
    found.expect_err("a fault is not an answer")
}

fn status(code: u16) -> Effect {
    Effect::Status { code, retry_after: None }
}

#[tokio::test]
async fn statuses_are_told_apart() {
    for (code, kind) in [
        (401, CauseKind::Denied),
        (403, CauseKind::Denied),
        (429, CauseKind::Throttled { retry_after_ms: 0 }),
        (400, CauseKind::Unavailable),
        (500, CauseKind::Unavailable),
        (501, CauseKind::Unavailable),
        (502, CauseKind::Unavailable),
        (503, CauseKind::Unavailable),
        (504, CauseKind::Unavailable),
        (204, CauseKind::Malformed),
        (304, CauseKind::Malformed),
    ] {
        let bench = Bench::new();
        let error = resolving(&bench, status(code)).await;
        assert_eq!(error.cause().kind, kind, "{code} {error}");
        assert_eq!(error.place().host, bench.kit.host());
        assert_eq!(error.place().path, "/v2/app/manifests/v1");
    }
}

#[tokio::test]
async fn the_registrys_own_words_are_told() {
    let bench = Bench::new();
    let body = br#"{"errors":[{"code":"DENIED","message":"pay first","detail":{"x":1}}]}"#;
    bench.kit.fault(
        Fault::new(Effect::Respond {
            code: 403,
            headers: Vec::new(),
            body: Bytes::from_static(body),
        })
        .method(Method::GET),
    );
    let found = bench.client.manifest(&bench.image(), &anonymous()).await;
    assert_eq!(found.unwrap_err().cause().said.unwrap(), "DENIED: pay first");
}

#[tokio::test]
async fn passing_statuses_are_asked_again() {
    for code in [429, 502, 503, 504] {
        let bench = Bench::new();
        bench.kit.fault(Fault::new(status(code)).times(2));
        let found = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap();
        assert_eq!(found, Some(bench.digest.clone()), "{code}");
        assert_eq!(bench.kit.request_count(), 3, "{code}");
    }
}

#[tokio::test]
async fn other_statuses_are_asked_once() {
    for code in [400, 403, 500, 501] {
        let bench = Bench::new();
        let error = resolving(&bench, status(code)).await;
        assert_eq!(bench.kit.request_count(), 1, "{code} {error}");
    }
}

#[tokio::test]
async fn retry_after_is_waited_for_when_it_is_short() {
    let bench = Bench::new();
    let effect = Effect::Status { code: 429, retry_after: Some("1".into()) };
    bench.kit.fault(Fault::new(effect).times(1));
    let started = Instant::now();
    bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn retry_after_that_is_too_long_is_reported_at_once() {
    let bench = Bench::new();
    let started = Instant::now();
    let effect = Effect::Status { code: 429, retry_after: Some("3600".into()) };
    let error = resolving(&bench, effect).await;
    assert_eq!(error.cause().kind, CauseKind::Throttled { retry_after_ms: 3_600_000 });
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(bench.kit.request_count(), 1);
}

#[tokio::test]
async fn a_registry_that_hangs_times_out() {
    let bench = Bench::with(KitOptions::default(), impatient());
    let started = Instant::now();
    let error = resolving(&bench, Effect::Hang).await;
    assert!(matches!(error, FetchError::TimedOut { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_body_that_drips_times_out() {
    let bench = Bench::with(KitOptions::default(), impatient());
    let effect = Effect::Drip { bytes: 1, every: Duration::from_secs(1) };
    let error = reading(&bench, effect).await;
    assert!(matches!(error, FetchError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_body_that_never_pauses_long_still_ends_with_the_work() {
    let options = hasty();
    let times = Times { work: Duration::from_millis(900), ..options.times };
    let bench = Bench::with(KitOptions::default(), Options { times, ..options });
    let started = Instant::now();
    let effect = Effect::Drip { bytes: 1, every: Duration::from_millis(50) };
    let error = reading(&bench, effect).await;
    assert!(matches!(error, FetchError::TimedOut { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn latency_is_only_slow() {
    let bench = Bench::new();
    bench.kit.fault(Fault::new(Effect::Latency(Duration::from_millis(100))));
    assert!(bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_connection_that_is_reset_is_tried_again() {
    let bench = Bench::new();
    bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap();
    bench.kit.fault(Fault::new(Effect::Reset).times(1));
    assert!(bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_connection_that_is_always_reset_is_unreachable() {
    let bench = Bench::new();
    bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap();
    let error = resolving(&bench, Effect::Reset).await;
    let reset = matches!(error, FetchError::Unreachable { because: Unreachable::Reset, .. });
    assert!(reset, "{error:?}");
}

#[tokio::test]
async fn a_truncated_body_is_never_content() {
    let bench = Bench::new();
    let error = reading(&bench, Effect::Truncate(100)).await;
    let reset = matches!(error, FetchError::Unreachable { because: Unreachable::Reset, .. });
    assert!(reset, "{error:?}");
}

#[tokio::test]
async fn content_that_does_not_hash_to_its_digest_is_malformed() {
    let bench = Bench::new();
    let error = reading(&bench, Effect::WrongBytes).await;
    let wrong = matches!(error, FetchError::Malformed { what: Malformed::DigestMismatch, .. });
    assert!(wrong, "{error:?}");
    // And was not remembered.
    bench.kit.clear_faults();
    let blob = bench.blob(&[7; 4096]);
    let found = bench.client.blob(&blob, Some(4096), &anonymous()).await.unwrap().unwrap();
    assert_eq!(found.as_ref(), [7; 4096]);
}

#[tokio::test]
async fn a_manifest_that_does_not_hash_to_its_digest_is_malformed() {
    let bench = Bench::new();
    bench.kit.fault(Fault::new(Effect::WrongBytes));
    let error = bench.client.manifest(&bench.image(), &anonymous()).await.unwrap_err();
    let wrong = matches!(error, FetchError::Malformed { what: Malformed::DigestMismatch, .. });
    assert!(wrong, "{error:?}");
}

#[tokio::test]
async fn a_digest_header_that_is_none_is_malformed() {
    for header in ["nonsense", "sha256:00", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        let bench = Bench::new();
        let error = resolving(&bench, Effect::WrongDigestHeader(header.into())).await;
        let wrong = matches!(error, FetchError::Malformed { what: Malformed::DigestHeader, .. });
        assert!(wrong, "{header} {error:?}");
    }
}

#[tokio::test]
async fn a_digest_header_that_contradicts_the_content_is_malformed() {
    let bench = Bench::new();
    let other = format!("sha256:{}", "1".repeat(64));
    bench.kit.fault(Fault::new(Effect::WrongDigestHeader(other)));
    let error = bench.client.manifest_by_tag(&bench.tag("v1"), &anonymous()).await.unwrap_err();
    let wrong = matches!(error, FetchError::Malformed { what: Malformed::DigestHeader, .. });
    assert!(wrong, "{error:?}");
}

#[tokio::test]
async fn bodies_above_the_cap_are_too_large_whether_announced_or_not() {
    for declared in [true, false] {
        let bench = Bench::new();
        bench.kit.fault(Fault::new(Effect::Oversized { bytes: 5 << 20, declared }));
        let error = bench.client.manifest(&bench.image(), &anonymous()).await.unwrap_err();
        let large = matches!(error, FetchError::TooLarge { limit, .. } if limit == 4 << 20);
        assert!(large, "{declared} {error:?}");
    }
}

#[tokio::test]
async fn a_blob_that_claims_to_be_too_large_is_not_asked_for() {
    let bench = Bench::new();
    let blob = bench.blob(b"small");
    let error = bench.client.blob(&blob, Some(11 << 20), &anonymous()).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error:?}");
    assert_eq!(bench.kit.request_count(), 0);
}

#[tokio::test]
async fn the_cap_on_attachments_can_be_raised() {
    let content = vec![1; 11 << 20];
    for (cap, fits) in [(10 << 20, false), (128 << 20, true)] {
        let caps = Caps { attachment: cap, ..Caps::default() };
        let bench = Bench::with(KitOptions::default(), Options { caps, ..hasty() });
        let blob = bench.blob(&content);
        let found = bench.client.blob(&blob, None, &anonymous()).await;
        assert_eq!(found.is_ok(), fits, "{cap}");
    }
}

#[tokio::test]
async fn headers_above_the_cap_are_too_large() {
    for bytes in [65 << 10, 2 << 20] {
        let bench = Bench::new();
        let error = resolving(&bench, Effect::HugeHeader(bytes)).await;
        assert!(matches!(error, FetchError::TooLarge { .. }), "{bytes} {error:?}");
    }
}

#[tokio::test]
async fn endless_pages_of_referrers_are_too_large() {
    let bench = Bench::new();
    bench.kit.fault(Fault::new(Effect::EndlessPages).class(Class::Referrers));
    let error = bench.client.referrers(&bench.image(), &anonymous()).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error:?}");
    assert!(bench.kit.request_count() <= 32);
}

#[tokio::test]
async fn a_link_to_another_host_or_repository_is_not_followed() {
    for link in [
        "<http://127.0.0.1:1/v2/app/referrers/x>; rel=\"next\"",
        "</v2/other/referrers/x>; rel=\"next\"",
        "</v2/app/../../x>; rel=\"next\"",
    ] {
        let bench = Bench::new();
        let effect = Effect::Header { name: "link".into(), value: link.into() };
        bench.kit.fault(Fault::new(effect).class(Class::Referrers));
        let error = bench.client.referrers(&bench.image(), &anonymous()).await.unwrap_err();
        let wrong = matches!(error, FetchError::Malformed { what: Malformed::Link, .. });
        assert!(wrong, "{link} {error:?}");
    }
}

#[tokio::test]
async fn more_referrers_than_are_read_are_too_large_and_never_cut() {
    let caps = Caps { referrers: 2, ..Caps::default() };
    for (referrers_api, count, fits) in [(true, 2, true), (true, 3, false), (false, 3, false)] {
        let kit = KitOptions { referrers_api, ..KitOptions::default() };
        let bench = Bench::with(kit, Options { caps, ..hasty() });
        let writer = client(hasty());
        for number in 0..count {
            let artifact = push::referrer(&image::build(1), number);
            for blob in &artifact.blobs {
                writer.push_blob(&bench.repository(), blob.clone(), &anonymous()).await.unwrap();
            }
            let manifest = artifact.manifest;
            writer.push_referrer(&bench.repository(), manifest, &anonymous()).await.unwrap();
        }
        let found = bench.client.referrers(&bench.image(), &anonymous()).await;
        assert_eq!(found.is_ok(), fits, "{referrers_api} {count} {found:?}");
    }
}

#[tokio::test]
async fn a_tag_that_moves_between_two_calls_moves_no_digest() {
    let bench = Bench::new();
    let evil = image::build(66).push(&bench.kit, "app", "evil");
    bench.kit.fault(Fault::new(Effect::MoveTag { to: evil.clone() }).times(1));
    let digest = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().unwrap();
    assert_eq!(digest, bench.digest);
    let manifest = bench.client.manifest(&bench.image(), &anonymous()).await.unwrap().unwrap();
    assert_eq!(sigward_testkit::digest::sha256(&manifest), bench.digest.as_str());
}

#[tokio::test]
async fn a_registry_that_is_down_is_unreachable_and_asked_again_when_it_is_back() {
    let bench = Bench::new();
    bench.kit.go_down();
    let error = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error:?}");
    assert!(error.cause().said.unwrap().contains("refused"), "{error:?}");
    bench.kit.come_back().unwrap();
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert!(bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().is_some());
}

#[tokio::test]
async fn the_breaker_opens_on_connection_failures_only() {
    let options = hasty();
    let times = Times { breaker: Duration::from_mins(1), ..options.times };
    let bench = Bench::with(KitOptions::default(), Options { times, ..options });
    bench.kit.fault(Fault::new(status(500)).times(20));
    for _ in 0..20 {
        bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap_err();
    }
    assert!(bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().is_some());
    bench.kit.go_down();
    let mut open = false;
    for _ in 0..4 {
        let error = bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap_err();
        let FetchError::Unreachable { because, .. } = error else { panic!("{error:?}") };
        open = because == Unreachable::BreakerOpen;
    }
    assert!(open, "the breaker never opened");
}

#[tokio::test]
async fn requests_to_one_host_are_limited() {
    let bench = Bench::with(KitOptions::default(), Options { per_host: 3, ..hasty() });
    bench.kit.fault(Fault::new(Effect::Latency(Duration::from_millis(50))));
    let blobs: Vec<_> = (0..20_u8).map(|number| bench.blob(&[number])).collect();
    let reads =
        blobs.iter().map(|blob| async { bench.client.blob(blob, None, &anonymous()).await });
    for found in futures_util::future::join_all(reads).await {
        assert!(found.unwrap().is_some());
    }
    assert!(bench.kit.peak_in_flight() <= 3, "{}", bench.kit.peak_in_flight());
}

#[tokio::test]
async fn the_last_trouble_is_told_when_the_deadline_passes() {
    let options = hasty();
    let times = Times { backoff: Duration::from_secs(2), ..options.times };
    let bench = Bench::with(KitOptions::default(), Options { times, ..options });
    bench.kit.fault(Fault::new(status(503)));
    let hurried = bench.client.until(Instant::now() + Duration::from_millis(800));
    let error = hurried.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap_err();
    assert_eq!(error.cause().kind, CauseKind::Deadline);
    assert!(error.to_string().contains("answered 503"), "{error}");
}

#[tokio::test]
async fn a_name_that_is_no_name_is_malformed() {
    let bench = Bench::new();
    for (repository, tag) in [
        ("host name/app", "v1"),
        ("127.0.0.1:99999/app", "v1"),
        ("127.0.0.1:1/app", "../x"),
        ("127.0.0.1:1/app", "v1?x=y"),
        ("127.0.0.1:1/a b", "v1"),
        ("user@127.0.0.1:1/app", "v1"),
    ] {
        let tag = TagReference { repository: repository.into(), tag: tag.into() };
        let error = bench.client.resolve_tag(&tag, &anonymous()).await.unwrap_err();
        let wrong = matches!(error, FetchError::Malformed { what: Malformed::Name, .. });
        assert!(wrong, "{tag} {error:?}");
    }
}
