//! What a decision costs: a request that no policy is about, and a signed Pod whose proof is remembered.
#![expect(clippy::expect_used, clippy::panic, reason = "bench code")]
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use sigward_oci::Digest;
use sigward_policy::{
    compile::compile_policy,
    evaluate::NoProbe,
    fact::{Fact, Fetch, Memory},
    request::{
        GroupVersionKind, GroupVersionResource, Lazy, Operation, Request, Selection, Stage, User,
    },
    resolve::{FactSource, Pending, Resolution},
    snapshot::{Settings, Snapshot},
};
use sigward_sigstore::{
    prover::{Ask, ProofStep, Prover},
    requirement::Timestamp,
};
use sigward_testkit::{
    image,
    keys::{Algorithm, KeyPair},
    registry::{Options, Registry},
    signing::{Knobs, Place},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// Remembers what was asked once.
struct Warm {
    registry: Registry,
    known: Mutex<BTreeMap<Fetch, Fact>>,
}

impl Warm {
    fn answer(&self, fetch: &Fetch) -> Fact {
        match fetch {
            Fetch::Tag { image, .. } => {
                let found = self.registry.manifest(local(&image.repository), &image.tag);
                Fact::Digest(Ok(found.map(|m| Digest::parse(&m.digest).expect("digest"))))
            }
            Fetch::Proof { image, requirement, trust, .. } => {
                let mut prover = Prover::new(image.clone(), Arc::clone(requirement), Timestamp(0))
                    .with_trust(Arc::clone(trust));
                let mut answers = Vec::new();
                loop {
                    match prover.step(answers) {
                        ProofStep::Done(proof) => return Fact::Proof(Ok(Arc::new(proof))),
                        ProofStep::Need(asks) => {
                            answers = asks
                                .into_iter()
                                .map(|ask| (ask.clone(), Ok(self.evidence(&ask))))
                                .collect();
                        }
                    }
                }
            }
            Fetch::Namespace(_)
            | Fetch::Object(_)
            | Fetch::PublicKey { .. }
            | Fetch::Call(_)
            | Fetch::GlobalEntry { .. }
            | Fetch::Addresses { .. }
            | Fetch::Roles { .. }
            | Fetch::ImageData { .. } => panic!("not asked here"),
        }
    }

    fn evidence(&self, ask: &Ask) -> Option<Vec<u8>> {
        match ask {
            Ask::Attached { repository, tag } => {
                self.registry.manifest(local(repository), tag).map(|m| m.bytes.to_vec())
            }
            Ask::Blob { repository, digest, .. } => {
                self.registry.blob(local(repository), digest.as_str()).map(|b| b.to_vec())
            }
            Ask::Referrers { .. } | Ask::Manifest { .. } | Ask::LogEntry { .. } => None,
        }
    }
}

fn local(repository: &str) -> &str {
    repository.split_once('/').map_or(repository, |(_, rest)| rest)
}

impl Memory for Warm {
    fn peek(&self, fetch: &Fetch) -> Option<Fact> {
        let mut known = self.known.lock().expect("lock");
        if let Some(fact) = known.get(fetch) {
            return Some(fact.clone());
        }
        let fact = self.answer(fetch);
        known.insert(fetch.clone(), fact.clone());
        Some(fact)
    }
}

struct Nobody;
impl FactSource for Nobody {
    fn fetch(&self, fetch: Fetch) -> Pending {
        panic!("asked for {fetch:?}")
    }
}

fn request(kind: &str, object: &str) -> Request {
    Request {
        uid: "1".into(),
        kind: GroupVersionKind { group: "".into(), version: "v1".into(), kind: kind.into() },
        parent: None,
        resource: GroupVersionResource::default(),
        sub_resource: "".into(),
        name: "a".into(),
        namespace: "default".into(),
        operation: Operation::Create,
        user: Some(User::default()),
        object: Lazy::from_json(object.as_bytes()),
        old_object: Lazy::empty(),
        options: Lazy::empty(),
        dry_run: false,
        stage: Stage::Mutating,
        selection: Selection::All,
        now: Timestamp(0),
        seed: 1,
        presets: None,
    }
}

fn benches(criterion: &mut Criterion) {
    let registry = Registry::start(Options::default()).expect("registry");
    let key = KeyPair::generate(Algorithm::EcdsaP256).expect("key");
    let digest = image::build(1).push(&registry, "app", "v1");
    let place = Place::of(&registry, "app", &digest).expect("image");
    place.sign_legacy(&key, &Knobs::default()).expect("signature");
    let host = registry.host();
    let policy = format!(
        r#"{{"apiVersion":"kyverno.io/v1","kind":"ClusterPolicy","metadata":{{"name":"check"}},"spec":{{"validationFailureAction":"Enforce","background":false,
        "rules":[{{"name":"check","match":{{"any":[{{"resources":{{"kinds":["Pod"]}}}}]}},"verifyImages":[{{"imageReferences":["{host}/*"],
        "attestors":[{{"entries":[{{"keys":{{"publicKeys":{}}}}}]}}]}}]}}]}}}}"#,
        serde_json::to_string(&key.public_pem()).expect("text")
    );
    let settings = Settings { insecure_ignore_tlog_for_keys: true, ..Settings::default() };
    let document = sigward_document::parse_json(policy.as_bytes()).expect("policy");
    let compiled = compile_policy(&document, &settings).value.expect("compiles");
    let snapshot =
        Arc::new(Snapshot::new(1, vec![Arc::new(compiled)], Vec::new(), Arc::new(settings)));
    let warm = Arc::new(Warm { registry, known: Mutex::default() });
    let filler = "x".repeat(2000);
    let pod = format!(
        r#"{{"metadata":{{"name":"a","namespace":"default","annotations":{{"f":"{filler}"}}}},"spec":{{"containers":[{{"name":"c","image":"{host}/app:v1"}}]}}}}"#
    );
    let decide = |kind: &str| {
        let memory: Arc<dyn Memory> = warm.clone();
        let request = Arc::new(request(kind, &pod));
        let mut resolution = Resolution::new(
            Arc::clone(&snapshot),
            request,
            memory,
            Arc::new(Nobody),
            Box::new(NoProbe),
        );
        resolution.run().now_or_never().expect("warm")
    };
    assert!(!decide("Pod").patch.is_empty());
    criterion.bench_function("no policy matches", |b| b.iter(|| decide("Service")));
    criterion.bench_function("signed Pod, warm", |b| b.iter(|| decide("Pod")));
}

criterion_group!(group, benches);
criterion_main!(group);
