//! Laws of evaluation: what is remembered, and the order of answers, never change a decision.
use crate::world::{World, cause, request};
use proptest::prelude::*;
use sigward_policy::{
    decision::Decision,
    evaluate::{NoProbe, Progress, Step, evaluate},
    fact::{CauseKind, Fact, Facts, Fetch, Memory, NoMemory},
    request::{Operation, Request, Stage},
    snapshot::Snapshot,
};
use sigward_testkit::signing::Knobs;
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex},
};

const SLSA: &str = "https://slsa.dev/provenance/v0.2";

/// One world for all cases: images of every kind, policies to choose from.
struct Stock {
    world: World,
    images: Vec<String>,
    policies: Vec<String>,
    facts: Mutex<BTreeMap<Fetch, Fact>>,
}

static STOCK: LazyLock<Stock> = LazyLock::new(|| {
    let mut world = World::new();
    world.push_signed("app", "signed", 1);
    world.push("app", "unsigned", 2);
    let both = world.push_signed("app", "both", 3);
    world.sign("app", &both, &world.other, &Knobs::default());
    let attested = world.push_signed("app", "attested", 4);
    world.attest("app", &attested, &world.key, SLSA, r#"{"builder":{"id":"good"}}"#);
    world.push("skip", "v1", 5);
    world.push_signed("down", "v1", 6);
    world.answer("repository: \"down", Fact::Digest(Err(cause(CauseKind::Unreachable))));
    let host = world.registry.host();
    world.answer(&format!("{host}/down"), Fact::Digest(Err(cause(CauseKind::Unreachable))));
    world.answer(&format!("{host}/denied"), Fact::Digest(Err(cause(CauseKind::Denied))));
    world.answer(
        "Namespace(",
        Fact::Document(Ok(Some(crate::world::parse(r#"{"metadata":{"labels":{"env":"prod"}}}"#)))),
    );
    let mut images: Vec<String> = [
        "app:signed",
        "app:unsigned",
        "app:both",
        "app:attested",
        "app:absent",
        "skip:v1",
        "down:v1",
        "denied:v1",
    ]
    .iter()
    .map(|rest| world.image(rest))
    .collect();
    images.push(format!("{}@{both}", world.image("app")));
    images.push("Not An Image".into());
    images.push("nginx".into());
    let ignore = r#""webhookConfiguration":{"failurePolicy":"Ignore"},"#;
    let audit = r#""validationFailureAction":"Audit","#;
    world.policy_with("one", "", r#"[{"imageReferences":["HOST/app*","HOST/d*"],"skipImageReferences":["*skip*"],"attestors":[{"entries":[{"keys":{"publicKeys":KEY}}]}]}]"#);
    world.policy_with("two", ignore, r#"[{"imageReferences":["HOST/*"],"attestors":[{"count":1,"entries":[{"keys":{"publicKeys":KEY}},{"keys":{"publicKeys":OTHERKEY}}]},{"entries":[{"keys":{"publicKeys":KEY}}]}]}]"#);
    world.policy_with("pin", "", r#"[{"imageReferences":["HOST/*"],"required":false}]"#);
    world.policy_with("audit", audit, r#"[{"imageReferences":["*"],"mutateDigest":false,"attestors":[{"entries":[{"keys":{"secret":{"name":"k","namespace":"n"}}}]}]}]"#);
    world.policy_with("attested", "", &format!(r#"[{{"imageReferences":["HOST/app*"],"attestations":[{{"type":"{SLSA}","attestors":[{{"entries":[{{"keys":{{"publicKeys":KEY}}}}]}}],"conditions":[{{"all":[{{"key":"{{{{ builder.id }}}}","operator":"Equals","value":"good"}}]}}]}}]}}]"#));
    world.policy_with("selected", "", r#"[{"imageReferences":["HOST/app*"],"attestors":[{"entries":[{"keys":{"publicKeys":OTHERKEY}}]}]}]"#);
    world.policies[5] = world.policies[5].replace(
        r#""kinds":["Pod"]"#,
        r#""kinds":["Pod"],"namespaceSelector":{"matchLabels":{"env":"prod"}}"#,
    );
    let policies = std::mem::take(&mut world.policies);
    Stock { world, images, policies, facts: Mutex::default() }
});

impl Stock {
    fn snapshot(&self, mask: u8) -> Arc<Snapshot> {
        let chosen = self.policies.iter().enumerate().filter(|(i, _)| mask & (1 << i) != 0);
        let policies = chosen
            .map(|(_, text)| Arc::new(self.world.compiled(text).value.expect("compiles")))
            .collect();
        Arc::new(Snapshot::new(1, policies, Vec::new(), Arc::new(self.world.settings.clone())))
    }

    fn fact(&self, fetch: &Fetch) -> Fact {
        let mut facts = self.facts.lock().unwrap();
        facts.entry(fetch.clone()).or_insert_with(|| self.world.fact(fetch)).clone()
    }
}

/// One case.
#[derive(Clone, Debug)]
struct Case {
    images: Vec<usize>,
    policies: u8,
    stage: Stage,
    update: bool,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let stage = prop_oneof![Just(Stage::Mutating), Just(Stage::Validating), Just(Stage::All)];
    (prop::collection::vec(0_usize..11, 0..5), 0_u8..64, stage, any::<bool>(), any::<u64>())
        .prop_map(|(images, policies, stage, update, seed)| Case {
            images,
            policies,
            stage,
            update,
            seed,
        })
}

impl Case {
    fn request(&self) -> Request {
        let containers: Vec<String> = self
            .images
            .iter()
            .enumerate()
            .map(|(i, at)| format!(r#"{{"name":"c{i}","image":"{}"}}"#, STOCK.images[*at]))
            .collect();
        let object = format!(
            r#"{{"metadata":{{"name":"a","namespace":"default"}},"spec":{{"containers":[{}]}}}}"#,
            containers.join(",")
        );
        let mut request = request("Pod", self.stage, &object);
        if self.update {
            request.operation = Operation::Update;
        }
        request
    }

    /// Decides, answering as told; counts rounds so that a case cannot run on for ever.
    fn decide(
        &self,
        memory: Arc<dyn Memory>,
        keep_progress: bool,
        one_at_a_time: bool,
    ) -> Decision {
        let snapshot = STOCK.snapshot(self.policies);
        let request = self.request();
        let mut facts = Facts::new(memory);
        let mut progress = Progress::default();
        let mut random = self.seed;
        for _ in 0..500 {
            if !keep_progress {
                progress = Progress::default();
            }
            match evaluate(&snapshot, &request, &mut facts, &mut progress, &mut NoProbe) {
                Step::Done(decision) => return decision,
                Step::Need(wanted) => {
                    assert!(!wanted.is_empty(), "waits for nothing");
                    let mut wanted: Vec<Fetch> = wanted.into_iter().collect();
                    if one_at_a_time {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let at = usize::try_from(random >> 33).unwrap() % wanted.len();
                        wanted = vec![wanted.swap_remove(at)];
                    }
                    for fetch in wanted {
                        let fact = STOCK.fact(&fetch);
                        facts.learn(fetch, fact);
                    }
                }
            }
        }
        panic!("no decision after 500 rounds");
    }

    fn usual(&self) -> String {
        render(&self.decide(Arc::new(NoMemory), true, false))
    }
}

fn render(decision: &Decision) -> String {
    format!("{decision:#?}")
}

/// Knows everything, or a part that a seed chooses.
struct Knows {
    share: Option<u64>,
}

impl Memory for Knows {
    fn peek(&self, fetch: &Fetch) -> Option<Fact> {
        if let Some(seed) = self.share {
            let hash = format!("{fetch:?}")
                .bytes()
                .fold(seed, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
            if hash & 0x1_0000 == 0 {
                return None;
            }
        }
        Some(STOCK.fact(fetch))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn an_empty_progress_gives_the_same_decision(case in cases()) {
        prop_assert_eq!(case.usual(), render(&case.decide(Arc::new(NoMemory), false, false)));
    }

    #[test]
    fn hit_and_miss_answer_alike(case in cases()) {
        let usual = case.usual();
        let hit = case.decide(Arc::new(Knows { share: None }), true, false);
        prop_assert_eq!(&usual, &render(&hit));
        let some = case.decide(Arc::new(Knows { share: Some(case.seed) }), true, false);
        prop_assert_eq!(&usual, &render(&some));
    }

    #[test]
    fn the_order_of_answers_does_not_matter(case in cases()) {
        prop_assert_eq!(case.usual(), render(&case.decide(Arc::new(NoMemory), true, true)));
    }

    #[test]
    fn decisions_are_deterministic(case in cases()) {
        prop_assert_eq!(case.usual(), case.usual());
    }

    #[test]
    fn an_undecided_request_is_never_admitted_by_a_strict_policy(case in cases()) {
        // Policy `one` enforces under failurePolicy Fail: whatever is not known at the deadline is not "signed".
        let snapshot = STOCK.snapshot(1);
        let request = case.request();
        let cause = cause(CauseKind::Deadline);
        let mut sealed = Facts::new(Arc::new(NoMemory)).sealed(cause);
        let step = evaluate(&snapshot, &request, &mut sealed, &mut Progress::default(), &mut NoProbe);
        let Step::Done(decision) = step else { panic!("sealed facts never suspend") };
        let covered = case.images.iter().any(|at| *at < 5 || *at == 6 || *at == 7 || *at == 8 || *at == 9);
        prop_assert_eq!(decision.allowed, !covered, "{:#?}", decision);
    }
}

/// Any JSON of a few levels, made of words that policies use.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let word = prop::sample::select(vec![
        "",
        "*",
        "Pod",
        "v1/Pod",
        "{{ request.object.spec }}",
        "{{",
        "}}",
        "$(/a)",
        "$(",
        "Enforce",
        "audit",
        "CREATE",
        "/spec/*/image",
        "k8s://a/b",
        "-----BEGIN PUBLIC KEY-----",
        "[",
        "1Gi",
        "ü@:/",
        "a:b@sha256:x",
        "Equals",
        "AnyIn",
    ])
    .prop_map(serde_json::Value::from);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        word,
    ];
    let key = prop::sample::select(vec![
        "any",
        "all",
        "key",
        "operator",
        "value",
        "kinds",
        "resources",
        "entries",
        "keys",
        "publicKeys",
        "count",
        "attestor",
        "image",
        "imageReferences",
        "path",
        "name",
        "metadata",
        "annotations",
        "spec",
        "containers",
        "conditions",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::hash_map(key.clone(), inner, 0..4)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
}

/// Replaces the node that a number chooses.
fn replace(tree: &mut serde_json::Value, at: &mut u32, with: &serde_json::Value) {
    if *at == 0 {
        *tree = with.clone();
    }
    *at = at.wrapping_sub(1);
    match tree {
        serde_json::Value::Array(items) => items.iter_mut().for_each(|v| replace(v, at, with)),
        serde_json::Value::Object(map) => map.values_mut().for_each(|v| replace(v, at, with)),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_policy_and_no_object_makes_it_panic(
        which in 0_usize..6, at in 0_u32..60, with in json(), spec in json(), metadata in json(), update in any::<bool>(),
    ) {
        let mut policy: serde_json::Value = serde_json::from_str(&STOCK.policies[which]).unwrap();
        let mut at = at;
        replace(&mut policy, &mut at, &with);
        let compiled = STOCK.world.compiled(&policy.to_string());
        let Some(policy) = compiled.value else {
            prop_assert!(!compiled.diagnostics.is_empty(), "refused without a word");
            return Ok(());
        };
        let settings = Arc::new(STOCK.world.settings.clone());
        let snapshot = Snapshot::new(1, vec![Arc::new(policy)], Vec::new(), settings);
        let object = serde_json::json!({ "metadata": metadata, "spec": { "containers": spec, "volumes": spec } });
        let mut request = request("Pod", Stage::All, &object.to_string());
        if update {
            request.operation = Operation::Update;
        }
        let mut sealed = Facts::new(Arc::new(NoMemory)).sealed(cause(CauseKind::Deadline));
        let step = evaluate(&snapshot, &request, &mut sealed, &mut Progress::default(), &mut NoProbe);
        prop_assert!(matches!(step, Step::Done(_)), "sealed facts never suspend");
    }
}
