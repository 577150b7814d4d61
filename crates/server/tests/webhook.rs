//! The webhook over real sockets: TLS, limits, deadlines, certificates that change, shutdown.
#![expect(clippy::unwrap_used, reason = "test code")]

use arc_swap::ArcSwapOption;
use sigward_policy::{
    decision::Decision,
    evaluate::NoProbe,
    fact::{Fact, Fetch, Memory},
    request::Request,
    resolve::{FactSource, Pending},
    snapshot::{Settings, Snapshot},
};
use sigward_server::{
    Audience, Moment, Options, Parts, Readiness, Running, metrics::Metrics, serve,
    tls::Certificates,
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

struct NothingKnown;
impl Memory for NothingKnown {
    fn peek(&self, _fetch: &Fetch) -> Option<Fact> {
        None
    }
}
impl FactSource for NothingKnown {
    fn fetch(&self, _fetch: Fetch) -> Pending {
        Box::pin(std::future::pending())
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<(String, bool)>>);
impl Audience for Heard {
    fn decided(&self, request: &Arc<Request>, decision: &Arc<Decision>) {
        self.0.lock().unwrap().push((request.uid.to_string(), decision.allowed));
    }
}

struct Pair {
    certificate: String,
    key: String,
}

fn pair() -> Pair {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
    Pair { certificate: certificate.pem(), key: key.serialize_pem() }
}

struct World {
    running: Running,
    certificates: Certificates,
    snapshots: Arc<ArcSwapOption<Snapshot>>,
    heard: Arc<Heard>,
    pair: Pair,
}

async fn world(change: impl FnOnce(&mut Options)) -> World {
    let mut options =
        Options { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Options::default() };
    change(&mut options);
    let pair = pair();
    let certificates = Certificates::default();
    certificates.replace(pair.certificate.as_bytes(), pair.key.as_bytes()).unwrap();
    let settings = Arc::new(Settings::default());
    let snapshot = Snapshot::new(1, Vec::new(), Vec::new(), Arc::clone(&settings));
    let snapshots = Arc::new(ArcSwapOption::from_pointee(snapshot));
    let heard = Arc::new(Heard::default());
    let known = Arc::clone(&snapshots);
    let parts = Parts {
        snapshots: Arc::clone(&snapshots),
        settings,
        memory: Arc::new(NothingKnown),
        source: Arc::new(NothingKnown),
        audience: Arc::clone(&heard) as Arc<dyn Audience>,
        probe: Box::new(|| Box::new(NoProbe)),
        readiness: Box::new(move || Readiness {
            ready: known.load().is_some(),
            detail: "as the test says".into(),
        }),
        kinds: Box::new(|_| None),
        moment: Box::new(|| Moment { unix_seconds: 1_700_000_000, seed: 1 }),
        metrics: Metrics::register(&mut prometheus_client::registry::Registry::default()),
    };
    let running = serve(parts, options, &certificates).await.unwrap();
    World { running, certificates, snapshots, heard, pair }
}

fn client(trusted: &Pair) -> reqwest::Client {
    reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(trusted.certificate.as_bytes()).unwrap()])
        .no_proxy()
        .build()
        .unwrap()
}

fn review(uid: &str) -> String {
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"{uid}",
        "kind":{{"group":"","version":"v1","kind":"Pod"}},"resource":{{"group":"","version":"v1","resource":"pods"}},
        "name":"a","namespace":"default","operation":"CREATE","userInfo":{{}},"object":{{"kind":"Pod"}}}}}}"#
    )
}

impl World {
    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.running.address().port())
    }

    async fn post(&self, path: &str, body: String) -> (u16, String) {
        let reply = client(&self.pair)
            .post(self.url(path))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        (reply.status().as_u16(), reply.text().await.unwrap())
    }
}

#[tokio::test]
async fn answers_an_admission_review_and_tells_its_audience() {
    let world = world(|_| {}).await;
    let (status, body) = world.post("/mutate/fail?timeout=10s", review("u1")).await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(r#""uid":"u1","allowed":true"#), "{body}");
    assert_eq!(*world.heard.0.lock().unwrap(), [("u1".to_owned(), true)]);
    world.running.shutdown().await;
}

#[tokio::test]
async fn each_malformed_request_gets_a_sentence_and_a_status() {
    let world = world(|options| options.max_body = 2000).await;
    let (status, body) = world.post("/mutate", "{".into()).await;
    assert_eq!((status, body.contains("not an AdmissionReview")), (400, true), "{body}");
    let (status, body) = world.post("/mutate", String::new()).await;
    assert_eq!((status, body.as_str()), (417, "empty body"));
    let (status, body) = world.post("/mutate", " ".repeat(3000)).await;
    assert_eq!((status, body.contains("larger than 2000 bytes")), (413, true), "{body}");
    let (status, _) = world.post("/nowhere", review("u")).await;
    assert_eq!(status, 404);
    let plain = client(&world.pair).post(world.url("/mutate")).body("{}").send().await.unwrap();
    assert_eq!(plain.status().as_u16(), 415);
    let get = client(&world.pair).get(world.url("/mutate")).send().await.unwrap();
    assert_eq!(get.status().as_u16(), 405);
    assert!(world.heard.0.lock().unwrap().is_empty());
    world.running.shutdown().await;
}

#[tokio::test]
async fn overload_is_a_503_so_that_the_api_server_s_failure_policy_decides() {
    let world = world(|options| options.max_decisions = 0).await;
    let (status, body) = world.post("/mutate", review("u")).await;
    assert_eq!((status, body.contains("overloaded")), (503, true), "{body}");
    world.running.shutdown().await;
}

#[tokio::test]
async fn is_alive_before_it_is_ready() {
    let world = world(|_| {}).await;
    world.snapshots.store(None);
    let get = async |path: &str| {
        client(&world.pair).get(world.url(path)).send().await.unwrap().status().as_u16()
    };
    assert_eq!(get("/health/liveness").await, 200);
    assert_eq!(get("/health/readiness").await, 503);
    let (status, body) = world.post("/validate/fail", review("u")).await;
    assert_eq!((status, body.as_str()), (503, "policies are not loaded yet"));
    world.snapshots.store(Some(Arc::new(Snapshot::new(2, Vec::new(), Vec::new(), Arc::default()))));
    assert_eq!(get("/health/readiness").await, 200);
    world.running.shutdown().await;
}

#[tokio::test]
async fn a_new_certificate_is_used_by_the_next_handshake_and_open_connections_stay() {
    let world = world(|_| {}).await;
    let old = client(&world.pair);
    let ask = |client: &reqwest::Client| client.get(world.url("/health/liveness")).send();
    assert!(ask(&old).await.is_ok());
    let next = pair();
    world.certificates.replace(next.certificate.as_bytes(), next.key.as_bytes()).unwrap();
    assert!(ask(&old).await.is_ok(), "the open connection goes on");
    assert!(ask(&client(&next)).await.is_ok(), "a new connection gets the new certificate");
    assert!(ask(&client(&world.pair)).await.is_err(), "and no longer the old one");
    world.running.shutdown().await;
}

#[tokio::test]
async fn an_unusable_certificate_leaves_the_one_in_place() {
    let world = world(|_| {}).await;
    let other = pair();
    assert!(world.certificates.replace(b"no pem", other.key.as_bytes()).is_err());
    assert!(world.certificates.replace(other.certificate.as_bytes(), b"no pem").is_err());
    assert!(
        world
            .certificates
            .replace(world.pair.certificate.as_bytes(), other.key.as_bytes())
            .is_err()
    );
    let (status, _) = world.post("/mutate", review("u")).await;
    assert_eq!(status, 200);
    world.running.shutdown().await;
}

#[tokio::test]
async fn a_silent_peer_does_not_hold_up_the_others() {
    let world = world(|options| options.read_timeout = Duration::from_secs(30)).await;
    let _silent = tokio::net::TcpStream::connect(world.running.address()).await.unwrap();
    let (status, _) = world.post("/mutate", review("u")).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn shutdown_ends_idle_connections_and_takes_no_new_ones() {
    let world = world(|_| {}).await;
    let open = client(&world.pair);
    let url = world.url("/health/liveness");
    assert!(open.get(&url).send().await.is_ok());
    let address = world.running.address();
    tokio::time::timeout(Duration::from_secs(10), world.running.shutdown()).await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
