//! Joining: equal questions in flight, and callers who leave.
use super::*;
use sigward_testkit::registry::{Effect, Fault};
use std::time::Instant;

#[tokio::test]
async fn a_thousand_equal_questions_cost_one_request() {
    let bench = Bench::new();
    // The scheme is known before, so that the count is exact.
    bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap();
    bench.kit.reset_log();
    bench.kit.fault(Fault::new(Effect::Latency(Duration::from_millis(200))));
    let tag = bench.tag("v1");
    let access = anonymous();
    let questions = (0..1000).map(|_| bench.client.resolve_tag(&tag, &access));
    for found in futures_util::future::join_all(questions).await {
        assert_eq!(found.unwrap(), Some(bench.digest.clone()));
    }
    assert_eq!(bench.kit.request_count(), 1);
}

#[tokio::test]
async fn questions_with_other_credentials_are_other_questions() {
    let bench = Bench::new();
    bench.client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap();
    bench.kit.reset_log();
    bench.kit.fault(Fault::new(Effect::Latency(Duration::from_millis(100))));
    let other = Access { secrets: vec![("ns".into(), "s".into())], ..Access::default() };
    let (tag, access) = (bench.tag("v1"), anonymous());
    let (one, two) = tokio::join!(
        bench.client.resolve_tag(&tag, &access),
        bench.client.resolve_tag(&tag, &other)
    );
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(bench.kit.request_count(), 2);
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_stop_the_work() {
    let bench = Bench::new();
    let blob = bench.blob(b"slow");
    bench.kit.fault(Fault::new(Effect::Latency(Duration::from_millis(200))).class(Class::Blob));
    let hurried = bench.client.until(Instant::now() + Duration::from_millis(50));
    hurried.blob(&blob, None, &anonymous()).await.unwrap_err();
    // The retry joins what is under way, or finds it done.
    let found = bench.client.blob(&blob, None, &anonymous()).await.unwrap();
    assert_eq!(found.as_deref(), Some(b"slow".as_slice()));
    assert_eq!(bench.asked(&Method::GET, Class::Blob), 1);
}

#[tokio::test]
async fn absence_is_not_remembered() {
    let bench = Bench::new();
    assert_eq!(bench.client.resolve_tag(&bench.tag("v2"), &anonymous()).await.unwrap(), None);
    let content = b"late";
    let digest = sigward_testkit::digest::sha256(content);
    let blob = bench.reference(&digest);
    assert_eq!(bench.client.blob(&blob, None, &anonymous()).await.unwrap(), None);
    image::build(2).push(&bench.kit, "app", "v2");
    bench.blob(content);
    assert!(bench.client.resolve_tag(&bench.tag("v2"), &anonymous()).await.unwrap().is_some());
    assert!(bench.client.blob(&blob, None, &anonymous()).await.unwrap().is_some());
}

#[tokio::test]
async fn connections_are_reused() {
    let bench = Bench::new();
    for number in 0..20_u8 {
        let blob = bench.blob(&[number]);
        bench.client.blob(&blob, None, &anonymous()).await.unwrap().unwrap();
    }
    assert!(bench.kit.connections() <= 3, "{}", bench.kit.connections());
}

/// Counts what it is told.
#[derive(Debug, Default)]
struct Counts(std::sync::Mutex<Vec<String>>);

impl sigward_remote::Observer for Counts {
    fn request(
        &self,
        _: &str,
        operation: sigward_remote::Operation,
        status: Option<u16>,
        _: Duration,
    ) {
        self.0.lock().unwrap().push(format!("{} {status:?}", operation.as_str()));
    }

    fn retry(&self, _: &str, operation: sigward_remote::Operation) {
        self.0.lock().unwrap().push(format!("again {}", operation.as_str()));
    }
}

#[tokio::test]
async fn every_exchange_is_observed() {
    let bench = Bench::new();
    let counts = Arc::new(Counts::default());
    let client = Registry::new(hasty(), Arc::new(NoSecrets), counts.clone()).unwrap();
    bench.kit.fault(Fault::new(Effect::Status { code: 503, retry_after: None }).times(1));
    client.resolve_tag(&bench.tag("v1"), &anonymous()).await.unwrap().unwrap();
    let seen = counts.0.lock().unwrap().clone();
    // The greeting that finds out whether TLS is spoken is no exchange.
    assert_eq!(seen, ["resolve Some(503)", "again resolve", "resolve Some(200)"]);
}
