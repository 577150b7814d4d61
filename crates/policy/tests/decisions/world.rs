//! A small world for decisions: images and real signatures in a registry of this process, and a table for the rest.
use futures_util::FutureExt;
use sigward_document::Value;
use sigward_oci::Digest;
use sigward_policy::{
    compile::{Compiled, Policy, compile_exception, compile_policy},
    decision::Decision,
    evaluate::NoProbe,
    fact::{Cause, CauseKind, Fact, Fetch, Memory, NoMemory},
    request::{
        GroupVersionKind, GroupVersionResource, Lazy, Operation, Request, Selection, Stage, User,
    },
    resolve::{FactSource, Pending, Resolution},
    snapshot::{Settings, Snapshot},
};
use sigward_sigstore::{
    prover::{Ask, Evidence, ProofStep, Prover},
    requirement::{PublicKey, Timestamp},
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

/// Policies under test, in YAML's JSON form.
pub(crate) const NOW: i64 = 1_790_000_000;

/// Everything a decision may depend on.
pub(crate) struct World {
    pub(crate) registry: Arc<Registry>,
    pub(crate) key: KeyPair,
    pub(crate) other: KeyPair,
    pub(crate) settings: Settings,
    pub(crate) policies: Vec<String>,
    pub(crate) exceptions: Vec<String>,
    /// Answers that are set by hand; they win.
    pub(crate) table: Arc<Mutex<BTreeMap<String, Fact>>>,
    /// Everything that was asked, in order.
    pub(crate) asked: Arc<Mutex<Vec<Fetch>>>,
    pub(crate) memory: Arc<dyn Memory>,
}

impl World {
    pub(crate) fn new() -> Self {
        let registry = Registry::start(Options::default()).unwrap();
        let settings = Settings { insecure_ignore_tlog_for_keys: true, ..Settings::default() };
        Self {
            registry: Arc::new(registry),
            key: KeyPair::generate(Algorithm::EcdsaP256).unwrap(),
            other: KeyPair::generate(Algorithm::EcdsaP256).unwrap(),
            settings,
            policies: Vec::new(),
            exceptions: Vec::new(),
            table: Arc::default(),
            asked: Arc::default(),
            memory: Arc::new(NoMemory),
        }
    }

    /// Pushes an image; gives its digest.
    pub(crate) fn push(&self, repository: &str, tag: &str, seed: u64) -> String {
        image::build(seed).push(&self.registry, repository, tag)
    }

    /// Pushes and signs an image; gives its digest.
    pub(crate) fn push_signed(&self, repository: &str, tag: &str, seed: u64) -> String {
        let digest = self.push(repository, tag, seed);
        self.sign(repository, &digest, &self.key, &Knobs::default());
        digest
    }

    pub(crate) fn sign(&self, repository: &str, digest: &str, key: &KeyPair, knobs: &Knobs) {
        Place::of(&self.registry, repository, digest).unwrap().sign_legacy(key, knobs).unwrap();
    }

    pub(crate) fn attest(
        &self,
        repository: &str,
        digest: &str,
        key: &KeyPair,
        predicate_type: &str,
        predicate: &str,
    ) {
        let predicate: serde_json::Value = serde_json::from_str(predicate).unwrap();
        Place::of(&self.registry, repository, digest)
            .unwrap()
            .attest_legacy(key, predicate_type, &predicate, &Knobs::default())
            .unwrap();
    }

    /// `127.0.0.1:port/repository:tag`.
    pub(crate) fn image(&self, rest: &str) -> String {
        format!("{}/{rest}", self.registry.host())
    }

    /// A policy with these entries of `verifyImages`, as JSON text.
    pub(crate) fn policy(&mut self, entries: &str) -> &mut Self {
        self.policy_with("check-image", "", entries)
    }

    /// A policy with more in its spec, as JSON members with a trailing comma.
    pub(crate) fn policy_with(&mut self, name: &str, spec: &str, entries: &str) -> &mut Self {
        let host = self.registry.host();
        let key = serde_json::to_string(&self.key.public_pem()).unwrap();
        let other = serde_json::to_string(&self.other.public_pem()).unwrap();
        let (key, other) = (format!(":{key}"), format!(":{other}"));
        let fill = |text: &str| {
            text.replace("HOST", &host).replace(":OTHERKEY", &other).replace(":KEY", &key)
        };
        let entries = fill(entries);
        let action = if spec.contains("validationFailureAction") {
            ""
        } else {
            r#""validationFailureAction":"Enforce","#
        };
        let text = format!(
            r#"{{"apiVersion":"kyverno.io/v1","kind":"ClusterPolicy","metadata":{{"name":"{name}"}},
               "spec":{{{action}"background":false,{}
               "rules":[{{"name":"check","match":{{"any":[{{"resources":{{"kinds":["Pod"]}}}}]}},
               "verifyImages":{entries}}}]}}}}"#,
            fill(spec)
        );
        self.policies.push(text);
        self
    }

    /// Sets an answer by hand: `Tag nginx`, … matched by the debug text of the fetch.
    pub(crate) fn answer(&self, fetch_contains: &str, fact: Fact) {
        self.table.lock().unwrap().insert(fetch_contains.to_owned(), fact);
    }

    pub(crate) fn compiled(&self, text: &str) -> Compiled<Policy> {
        compile_policy(&parse(text), &self.settings)
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        let policies = self
            .policies
            .iter()
            .map(|text| {
                let compiled = self.compiled(text);
                let said = format!("{:#?}", compiled.diagnostics);
                Arc::new(compiled.value.unwrap_or_else(|| panic!("{said}\n{text}")))
            })
            .collect();
        let exceptions = self
            .exceptions
            .iter()
            .map(|text| {
                let compiled = compile_exception(&parse(text), &self.settings);
                let said = format!("{:#?}", compiled.diagnostics);
                Arc::new(compiled.value.unwrap_or_else(|| panic!("{said}")))
            })
            .collect();
        Arc::new(Snapshot::new(1, policies, exceptions, Arc::new(self.settings.clone())))
    }

    pub(crate) fn resolution(&self, request: Request) -> Resolution {
        Resolution::new(
            self.snapshot(),
            Arc::new(request),
            Arc::clone(&self.memory),
            Arc::new(self.source()),
            Box::new(NoProbe),
        )
    }

    fn source(&self) -> Table {
        Table {
            registry: Arc::clone(&self.registry),
            by_hand: Arc::clone(&self.table),
            asked: Arc::clone(&self.asked),
        }
    }

    /// The answer to one fetch.
    pub(crate) fn fact(&self, fetch: &Fetch) -> Fact {
        self.source().look_up(fetch)
    }

    pub(crate) fn decide(&self, request: Request) -> Decision {
        self.resolution(request).run().now_or_never().expect("every answer is ready")
    }

    /// Creates a Pod with these images.
    pub(crate) fn create(&self, images: &[&str]) -> Decision {
        self.decide(pod(Stage::Mutating, images))
    }

    /// The same, in the validating webhook.
    pub(crate) fn validate(&self, images: &[&str]) -> Decision {
        self.decide(pod(Stage::Validating, images))
    }

    pub(crate) fn asked(&self) -> Vec<Fetch> {
        self.asked.lock().unwrap().clone()
    }
}

pub(crate) fn parse(text: &str) -> Value {
    sigward_document::parse_json(text.as_bytes()).unwrap_or_else(|e| panic!("{e:?}\n{text}"))
}

/// A request to create a Pod `default/a` with these images.
pub(crate) fn pod(stage: Stage, images: &[&str]) -> Request {
    let containers: Vec<String> = images
        .iter()
        .enumerate()
        .map(|(i, image)| {
            format!(r#"{{"name":"c{i}","image":{}}}"#, serde_json::to_string(image).unwrap())
        })
        .collect();
    let object = format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"a","namespace":"default"}},"spec":{{"containers":[{}]}}}}"#,
        containers.join(",")
    );
    request("Pod", stage, &object)
}

/// A CREATE of an object of a kind.
pub(crate) fn request(kind: &str, stage: Stage, object: &str) -> Request {
    let group = match kind {
        "Deployment" => "apps",
        "CronJob" | "Job" => "batch",
        _ => "",
    };
    Request {
        uid: "1".into(),
        kind: GroupVersionKind { group: group.into(), version: "v1".into(), kind: kind.into() },
        parent: None,
        resource: GroupVersionResource {
            group: group.into(),
            version: "v1".into(),
            resource: format!("{}s", kind.to_lowercase()).into(),
        },
        sub_resource: "".into(),
        name: "a".into(),
        namespace: "default".into(),
        operation: Operation::Create,
        user: Some(User { username: "alice".into(), ..User::default() }),
        object: Lazy::from_value(parse(object)),
        old_object: Lazy::empty(),
        options: Lazy::empty(),
        dry_run: false,
        stage,
        selection: Selection::All,
        now: Timestamp(NOW),
        seed: 7,
        presets: None,
    }
}

pub(crate) fn cause(kind: CauseKind) -> Cause {
    Cause { kind, place: "registry.example/v2/".into(), said: Some("no".into()) }
}

/// Answers from the registry's memory, by the real prover.
struct Table {
    registry: Arc<Registry>,
    by_hand: Arc<Mutex<BTreeMap<String, Fact>>>,
    asked: Arc<Mutex<Vec<Fetch>>>,
}

impl FactSource for Table {
    fn fetch(&self, fetch: Fetch) -> Pending {
        self.asked.lock().unwrap().push(fetch.clone());
        let fact = self.look_up(&fetch);
        Box::pin(std::future::ready((fetch, fact)))
    }
}

impl Table {
    fn look_up(&self, fetch: &Fetch) -> Fact {
        let text = format!("{fetch:?}");
        let table = self.by_hand.lock().unwrap();
        let by_hand = table.iter().find(|(part, _)| text.contains(part.as_str()));
        match by_hand {
            Some((_, fact)) => fact.clone(),
            None => self.answer(fetch),
        }
    }

    fn answer(&self, fetch: &Fetch) -> Fact {
        match fetch {
            Fetch::Tag { image, .. } => {
                let found = self.registry.manifest(local(&image.repository), &image.tag);
                Fact::Digest(Ok(found.map(|m| Digest::parse(&m.digest).unwrap())))
            }
            Fetch::Proof { image, requirement, trust, .. } => {
                let mut prover =
                    Prover::new(image.clone(), Arc::clone(requirement), Timestamp(NOW))
                        .with_trust(Arc::clone(trust));
                let mut answers = Vec::new();
                loop {
                    match prover.step(answers) {
                        ProofStep::Done(proof) => return Fact::Proof(Ok(Arc::new(proof))),
                        ProofStep::Need(asks) => {
                            answers = asks
                                .into_iter()
                                .map(|ask| {
                                    let evidence: Evidence = Ok(self.evidence(&ask));
                                    (ask, evidence)
                                })
                                .collect();
                        }
                    }
                }
            }
            Fetch::PublicKey { .. } => Fact::Key(Ok(None)),
            Fetch::Namespace(_)
            | Fetch::Object(_)
            | Fetch::Call(_)
            | Fetch::GlobalEntry { .. }
            | Fetch::Addresses { .. }
            | Fetch::Roles { .. }
            | Fetch::ImageData { .. } => Fact::Document(Ok(None)),
        }
    }

    fn evidence(&self, ask: &Ask) -> Option<Vec<u8>> {
        let registry = &self.registry;
        match ask {
            Ask::Referrers { repository, of } => {
                let found = registry.referrers(local(repository), of.as_str());
                let list: Vec<serde_json::Value> = found
                    .iter()
                    .map(|m| {
                        let manifest: serde_json::Value = serde_json::from_slice(&m.bytes).unwrap();
                        serde_json::json!({
                            "mediaType": m.media_type, "digest": m.digest, "size": m.bytes.len(),
                            "artifactType": manifest["artifactType"],
                            "annotations": manifest["annotations"],
                        })
                    })
                    .collect();
                let index = serde_json::json!({
                    "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": list,
                });
                Some(index.to_string().into_bytes())
            }
            Ask::Attached { repository, tag } => {
                registry.manifest(local(repository), tag).map(|m| m.bytes.to_vec())
            }
            Ask::Manifest { repository, digest } => {
                registry.manifest(local(repository), digest.as_str()).map(|m| m.bytes.to_vec())
            }
            Ask::Blob { repository, digest, .. } => {
                registry.blob(local(repository), digest.as_str()).map(|b| b.to_vec())
            }
            Ask::LogEntry { .. } => None,
        }
    }
}

/// A repository without the registry's host.
fn local(repository: &str) -> &str {
    repository.split_once('/').map_or(repository, |(_, rest)| rest)
}

/// A key as a Secret holds it.
pub(crate) fn key_fact(key: &KeyPair) -> Fact {
    Fact::Key(Ok(Some(PublicKey::parse_pem(&key.public_pem()).unwrap())))
}
