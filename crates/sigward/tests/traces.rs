//! `serve --enableTracing` as a collector sees it: OTLP over gRPC on loopback, a request, the spans of its decision.
#![expect(clippy::unwrap_used, reason = "test code")]

use http_body_util::{BodyExt as _, StreamBody};
use hyper::{Request, Response, body::Frame, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{
    convert::Infallible,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;

/// Every message that was exported, path first.
type Exported = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

const POLICY: &str = r#"{"apiVersion":"kyverno.io/v1","kind":"ClusterPolicy","metadata":{"name":"stamp"},
"spec":{"rules":[{"name":"add-a-label","match":{"any":[{"resources":{"kinds":["ConfigMap"]}}]},
"mutate":{"patchesJson6902":"- {op: add, path: /metadata/labels/seen, value: 'yes'}"}}]}}"#;

const REVIEW: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"one",
"kind":{"group":"","version":"v1","kind":"ConfigMap"},"resource":{"group":"","version":"v1","resource":"configmaps"},
"name":"a","namespace":"default","operation":"CREATE","userInfo":{"username":"me"},
"object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"default","labels":{}}}}}"#;

/// Answers each export with gRPC's "all well", and keeps it.
async fn collect(listener: TcpListener, exported: Exported) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let exported = Arc::clone(&exported);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let exported = Arc::clone(&exported);
                async move {
                    let path = request.uri().path().to_owned();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    exported.lock().unwrap().push((path, body.to_vec()));
                    let mut trailers = http::HeaderMap::new();
                    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
                    let frames = [
                        Frame::data(hyper::body::Bytes::from_static(&[0; 5])),
                        Frame::trailers(trailers),
                    ];
                    let frames = frames.map(Ok::<_, Infallible>);
                    let body = StreamBody::new(futures_util::stream::iter(frames));
                    Ok::<_, Infallible>(
                        Response::builder()
                            .header("content-type", "application/grpc")
                            .body(body)
                            .unwrap(),
                    )
                }
            });
            let _ended = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// The process, ended when the test is.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_reach_the_collector() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let exported = Exported::default();
    tokio::spawn(collect(listener, Arc::clone(&exported)));

    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.yaml");
    std::fs::write(&policy, POLICY).unwrap();
    let mut served = Served(
        Command::new(env!("CARGO_BIN_EXE_sigward"))
            .arg("serve")
            .arg("--policies")
            .arg(&policy)
            .args(["--webhookServerHost", "127.0.0.1", "--webhookServerPort", "0"])
            .args(["--disableMetrics", "--loggingFormat", "json", "--enableTracing"])
            .args(["--tracingAddress", "127.0.0.1", "--tracingPort", &port.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(served.0.stderr.take().unwrap()).lines();
    let address = lines
        .by_ref()
        .map(Result::unwrap)
        .find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            let fields = line.get("fields")?;
            (fields.get("message")? == "serving")
                .then(|| fields.get("address").unwrap().as_str().unwrap().to_owned())
        })
        .unwrap();
    let drained = std::thread::spawn(move || lines.map_while(Result::ok).count());

    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .build()
        .unwrap();
    let answer = client
        .post(format!("https://{address}/mutate/fail?timeout=10s"))
        .header("content-type", "application/json")
        .body(REVIEW)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(answer.contains("\"allowed\":true"), "{answer}");

    let pid = served.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    tokio::task::spawn_blocking(move || served.0.wait().unwrap()).await.unwrap();
    drained.join().unwrap();

    let exported = exported.lock().unwrap();
    let whole: Vec<u8> = exported.iter().flat_map(|(_, body)| body.iter().copied()).collect();
    let text = String::from_utf8_lossy(&whole);
    assert!(exported.iter().all(|(path, _)| path.ends_with("TraceService/Export")), "{exported:?}");
    for wanted in ["MUTATE", "RULE add-a-label", "sigward", "ConfigMap"] {
        assert!(text.contains(wanted), "no {wanted:?} among the spans: {text}");
    }
}

#[test]
fn tracing_without_an_address_is_refused() {
    let ran = Command::new(env!("CARGO_BIN_EXE_sigward"))
        .args(["serve", "--policies", ".", "--enableTracing"])
        .output()
        .unwrap();
    assert!(!ran.status.success());
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(error.contains("--enableTracing needs --tracingAddress"), "{error}");
}
