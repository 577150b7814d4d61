//! What validating costs: eighteen pod security policies over one Pod, and over one with fifty containers.
#![expect(clippy::expect_used, clippy::print_stderr, reason = "bench code")]
use criterion::{Criterion, criterion_group, criterion_main};
use sigward_document::Value;
use sigward_policy::{
    compile::{Policy, compile_policy},
    evaluate::{NoProbe, Progress, Step, evaluate},
    fact::{Facts, NoMemory},
    request::{
        GroupVersionKind, GroupVersionResource, Lazy, Operation, Request, Selection, Stage, User,
    },
    snapshot::{Settings, Snapshot},
};
use sigward_sigstore::requirement::Timestamp;
use std::{fs, path::Path, sync::Arc};

/// Policies asked about one object.
const POLICIES: usize = 18;

/// The policies of a folder, those that compile.
fn policies(folder: &Path, found: &mut Vec<Value>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            policies(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let written = sigward_document::parse_yaml_stream(&text).into_iter().flatten();
            let documents = written.map(|written| written.value);
            found.extend(documents.filter(|d| d.str_at(&["kind"]) == Some("ClusterPolicy")));
        }
    }
}

fn compiled(document: &Value, number: usize) -> Option<Arc<Policy>> {
    let name = Value::string(&format!("p{number}"));
    let document = document.with_path(&["metadata", "name"], name)?;
    compile_policy(&document, &Settings::default()).value.map(Arc::new)
}

fn pod(containers: usize) -> Vec<u8> {
    let one = |n: usize| {
        format!(
            r#"{{"name":"c{n}","image":"registry.example/app:v{n}","resources":{{"limits":{{"cpu":"1","memory":"1Gi"}}}},"ports":[{{"containerPort":8080}}],
            "securityContext":{{"runAsNonRoot":true,"allowPrivilegeEscalation":false,"capabilities":{{"drop":["ALL"]}},"seccompProfile":{{"type":"RuntimeDefault"}}}},
            "env":[{{"name":"A","value":"b"}}],"volumeMounts":[{{"name":"v","mountPath":"/v"}}]}}"#
        )
    };
    let all: Vec<String> = (0..containers).map(one).collect();
    format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"a","namespace":"default","labels":{{"app":"a"}},"annotations":{{"f":"{}"}}}},
        "spec":{{"securityContext":{{"runAsNonRoot":true}},"volumes":[{{"name":"v","emptyDir":{{}}}}],"containers":[{}]}}}}"#,
        "x".repeat(1_000),
        all.join(",")
    )
    .into_bytes()
}

fn request(object: Value) -> Request {
    Request {
        uid: "1".into(),
        kind: GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Pod".into() },
        parent: None,
        resource: GroupVersionResource::default(),
        sub_resource: "".into(),
        name: "a".into(),
        namespace: "default".into(),
        operation: Operation::Create,
        user: Some(User::default()),
        object: Lazy::from_value(object),
        old_object: Lazy::empty(),
        options: Lazy::empty(),
        dry_run: false,
        stage: Stage::Validating,
        selection: Selection::All,
        now: Timestamp(0),
        seed: 1,
        presets: None,
    }
}

fn benches(criterion: &mut Criterion) {
    let Some(root) = std::env::var_os("SIGWARD_SHARED") else {
        eprintln!("skipped: SIGWARD_SHARED names no folder");
        return;
    };
    let mut found = Vec::new();
    policies(&Path::new(&root).join("conformance/kyverno-policies/pod-security"), &mut found);
    let policies: Vec<Arc<Policy>> = found
        .iter()
        .cycle()
        .take(10 * POLICIES)
        .enumerate()
        .filter_map(|(number, document)| compiled(document, number))
        .take(POLICIES)
        .collect();
    if policies.len() < POLICIES {
        eprintln!("skipped: only {} policies in {}", policies.len(), root.display());
        return;
    }
    let settings = Arc::new(Settings::default());
    let snapshot = Snapshot::new(1, policies, Vec::new(), settings);
    for containers in [1, 50] {
        let object = sigward_document::parse_json(&pod(containers)).expect("object");
        let request = request(object);
        criterion.bench_function(
            &format!("{POLICIES} pod security policies, {containers} containers"),
            |b| {
                b.iter(|| {
                    let mut facts = Facts::new(Arc::new(NoMemory));
                    let mut progress = Progress::default();
                    match evaluate(&snapshot, &request, &mut facts, &mut progress, &mut NoProbe) {
                        Step::Done(decision) => decision.rules.len(),
                        Step::Need(_) => 0,
                    }
                });
            },
        );
    }
}

criterion_group!(group, benches);
criterion_main!(group);
