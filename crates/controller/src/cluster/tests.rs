//! Answers of a small API server in the process, as facts.
use super::*;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An API server that answers by path: status and body. Counts requests.
fn cluster(
    answer: impl Fn(&str) -> (u16, String) + Clone + Send + Sync + 'static,
    limits: Limits,
) -> (Arc<Cluster>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (answer, counted) = (answer.clone(), Arc::clone(&counted));
        async move {
            counted.fetch_add(1, Ordering::SeqCst);
            let path = request.uri().path_and_query().unwrap().to_string();
            let sent = request.into_body().collect().await.unwrap().to_bytes();
            let slow =
                if path == "/slow" { Duration::from_mins(1) } else { Duration::from_millis(20) };
            tokio::time::sleep(slow).await;
            let (status, body) = answer(&format!("{path}{}", String::from_utf8_lossy(&sent)));
            Ok::<_, std::convert::Infallible>(
                Response::builder()
                    .status(status)
                    .header("retry-after", "7")
                    .body(Body::from(body.into_bytes()))
                    .unwrap(),
            )
        }
    });
    let read_key: KeyReader =
        Arc::new(|pem| Fact::Document(Ok(Some(Value::string(std::str::from_utf8(pem).unwrap())))));
    let client = Client::new(service, "default");
    let discovery = Arc::new(ArcSwap::from_pointee(Discovery::default()));
    (Arc::new(Cluster::new(client, Shared::default(), discovery, read_key, limits)), count)
}

async fn document(cluster: &Arc<Cluster>, fetch: Fetch) -> Answer<Option<Value>> {
    match cluster.fetch(fetch).await.1 {
        Fact::Document(answer) => answer,
        Fact::Key(Ok(None)) => Ok(None),
        Fact::Key(Err(cause)) => Err(cause),
        other @ (Fact::Key(Ok(Some(_))) | Fact::Digest(_) | Fact::Proof(_)) => panic!("{other:?}"),
    }
}

fn get(url: &str) -> Fetch {
    Fetch::Call(Arc::new(Call { post: false, url: url.into(), body: None }))
}

/// The kind of the cause when every request is answered with this status.
async fn check(status: u16, expected: Result<bool, CauseKind>) {
    let (cluster, _) = cluster(
        move |_| (status, r#"{"kind":"Status","message":"why"}"#.to_owned()),
        Limits::default(),
    );
    let answer = document(&cluster, get("/version")).await;
    match (answer, expected) {
        (Ok(found), Ok(there)) => assert_eq!(found.is_some(), there, "{status}"),
        (Err(cause), Err(kind)) => {
            assert_eq!(cause.kind, kind, "{status}");
            assert_eq!(cause.said.unwrap(), format!("HTTP {status}: why"));
        }
        (answer, expected) => panic!("{status}: {answer:?} instead of {expected:?}"),
    }
}

#[tokio::test]
async fn only_404_means_absent() {
    check(200, Ok(true)).await;
    check(404, Ok(false)).await;
    check(401, Err(CauseKind::Denied)).await;
    check(403, Err(CauseKind::Denied)).await;
    check(429, Err(CauseKind::Throttled { retry_after_ms: 7000 })).await;
    check(500, Err(CauseKind::Unavailable)).await;
    check(503, Err(CauseKind::Unavailable)).await;
    check(504, Err(CauseKind::TimedOut)).await;
}

#[tokio::test]
async fn equal_questions_in_flight_share_one_answer_and_later_ones_ask_anew() {
    let (cluster, count) = cluster(|_| (200, "{}".to_owned()), Limits::default());
    let first = cluster.fetch(Fetch::Namespace("ns".into()));
    let second = cluster.fetch(Fetch::Namespace("ns".into()));
    let (first, second) = tokio::join!(first, second);
    assert!(matches!(
        (first.1, second.1),
        (Fact::Document(Ok(Some(_))), Fact::Document(Ok(Some(_))))
    ));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    document(&cluster, Fetch::Namespace("ns".into())).await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn dropping_an_answer_does_not_stop_the_work() {
    let (cluster, count) = cluster(|_| (200, "{}".to_owned()), Limits::default());
    drop(cluster.fetch(get("/version")));
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert!(cluster.in_flight.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_post_is_asked_once_for_each_who_asks() {
    let (cluster, count) =
        cluster(|asked| (200, json!({ "asked": asked }).to_string()), Limits::default());
    let post = || {
        Fetch::Call(Arc::new(Call {
            post: true,
            url: "/apis/x".into(),
            body: Some("{\"a\":1}".into()),
        }))
    };
    let (first, _second) = tokio::join!(document(&cluster, post()), document(&cluster, post()));
    assert_eq!(first.unwrap().unwrap().str_at(&["asked"]), Some("/apis/x{\"a\":1}"));
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_answer_that_is_too_large_or_no_json_is_a_cause() {
    let limits = Limits { response_bytes: 10, ..Limits::default() };
    let (large, _) = cluster(|_| (200, format!("\"{}\"", "x".repeat(100))), limits);
    assert_eq!(document(&large, get("/version")).await.unwrap_err().kind, CauseKind::TooLarge);
    let (garbage, _) = cluster(|_| (200, "{".to_owned()), Limits::default());
    assert_eq!(document(&garbage, get("/version")).await.unwrap_err().kind, CauseKind::Malformed);
}

#[tokio::test]
async fn a_slow_answer_is_a_cause() {
    let limits = Limits { timeout: Duration::from_millis(50), ..Limits::default() };
    let (slow, _) = cluster(|_| (200, "{}".to_owned()), limits);
    assert_eq!(document(&slow, get("/slow")).await.unwrap_err().kind, CauseKind::TimedOut);
}

#[tokio::test]
async fn only_the_api_server_is_called() {
    let (cluster, count) = cluster(|_| (200, "{}".to_owned()), Limits::default());
    for url in ["https://example.test/", "//example.test/", "example.test", "/a\r\nb: c"] {
        assert_eq!(
            document(&cluster, get(url)).await.unwrap_err().kind,
            CauseKind::Forbidden,
            "{url:?}"
        );
    }
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_key_is_read_from_the_member_cosign_pub() {
    let secret =
        json!({ "data": { "cosign.pub": STANDARD.encode("PEM"), "other": "eA==" } }).to_string();
    let none = json!({ "data": { "other": "eA==" } }).to_string();
    let answer = move |path: &str| match path {
        "/api/v1/namespaces/ns/secrets/key" => (200, secret.clone()),
        "/api/v1/namespaces/ns/secrets/other" => (200, none.clone()),
        _ => (404, String::new()),
    };
    let (cluster, _) = cluster(answer, Limits::default());
    let ask =
        |reference: &str| document(&cluster, Fetch::PublicKey { reference: reference.into() });
    assert_eq!(ask("k8s://ns/key").await.unwrap(), Some(Value::string("PEM")));
    assert_eq!(ask("k8s://ns/absent").await.unwrap(), None);
    assert_eq!(ask("k8s://ns/other").await.unwrap_err().kind, CauseKind::Malformed);
    assert_eq!(ask("k8s://ns").await.unwrap_err().kind, CauseKind::Malformed);
    assert_eq!(ask("k8s://ns/../x").await.unwrap_err().kind, CauseKind::Malformed);
}

#[tokio::test]
async fn what_is_known_is_answered_without_asking() {
    let (cluster, count) = cluster(|_| (500, String::new()), Limits::default());
    let config_map = sigward_document::parse_json(br#"{"data":{"a":"b"}}"#).unwrap();
    let reference = crate::index::Reference {
        kind: crate::index::ObjectKind::ConfigMap,
        key: Key::new("ns", "map"),
    };
    cluster.known.write().follow(reference, Some(config_map));
    let name = ObjectName {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: "ns".into(),
        name: "map".into(),
    };
    let found = document(&cluster, Fetch::Object(name)).await.unwrap().unwrap();
    assert_eq!(found.str_at(&["data", "a"]), Some("b"));
    assert_eq!(count.load(Ordering::SeqCst), 0);
}
