//! Expressions of real policies over an admission review of three containers, and over a scan of 200 findings.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "benchmark code")]

use criterion::{Criterion, criterion_group, criterion_main};
use sigward_document::{Frame, Scope, Value, parse_json};
use sigward_jmespath::{Expression, Functions, Offline};
use std::fmt::Write as _;
use std::hint::black_box;

/// Expressions, and what a prototype without a parser took for them, in nanoseconds: the aim is twice that.
const EXPRESSIONS: &[(&str, &str, u32)] = &[
    ("default", "request.operation || 'BACKGROUND'", 47),
    ("path", "request.object.metadata.labels.app", 88),
    ("filter", "request.object.spec.containers[?!contains(image,'x')].name", 343),
    ("flatten", "request.object.spec.containers[].image", 171),
    (
        "pipe",
        "request.object.spec.containers[*].securityContext.capabilities.drop[] | contains(@,'ALL')",
        450,
    ),
    ("findings", "length(scanner.result.vulnerabilities[?severity=='CRITICAL'])", 9_638),
    ("subtree", "request.object", 41),
];

fn review() -> Value {
    let container = |name: &str| {
        format!(
            r#"{{"name":"{name}","image":"registry.example.com/team/{name}:1.2.3","imagePullPolicy":"IfNotPresent",
            "args":["--port=8080","--log-level=info"],"env":[{{"name":"A","value":"1"}},{{"name":"B","value":"2"}}],
            "ports":[{{"containerPort":8080,"protocol":"TCP"}}],
            "resources":{{"limits":{{"cpu":"500m","memory":"256Mi"}},"requests":{{"cpu":"100m","memory":"128Mi"}}}},
            "livenessProbe":{{"httpGet":{{"path":"/healthz","port":8080,"scheme":"HTTP"}},"periodSeconds":10}},
            "securityContext":{{"runAsNonRoot":true,"allowPrivilegeEscalation":false,"capabilities":{{"drop":["ALL"]}}}},
            "volumeMounts":[{{"name":"token","mountPath":"/var/run/secrets","readOnly":true}}]}}"#
        )
    };
    let text = format!(
        r#"{{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002","operation":"CREATE","namespace":"shop","name":"web",
        "userInfo":{{"username":"admin","groups":["system:masters"]}},
        "object":{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"web","namespace":"shop",
        "labels":{{"app":"web","tier":"front","version":"v1"}},"annotations":{{"a":"1","b":"2"}}}},
        "spec":{{"serviceAccountName":"web","restartPolicy":"Always","containers":[{},{},{}],
        "volumes":[{{"name":"token","projected":{{"defaultMode":420}}}}]}}}}}}"#,
        container("web"),
        container("proxy"),
        container("logger")
    );
    parse_json(text.as_bytes()).unwrap()
}

fn scan() -> Value {
    let mut findings = String::new();
    for number in 0..200 {
        let severity = ["LOW", "MEDIUM", "HIGH", "CRITICAL"][number % 4];
        let comma = if number == 0 { "" } else { "," };
        write!(
            findings,
            r#"{comma}{{"id":"CVE-2026-{number:05}","package":"lib{number}","installed":"1.0.{number}","fixed":"1.1.0",
            "severity":"{severity}","url":"https://vulnerabilities.example/{number}"}}"#
        )
        .unwrap();
    }
    parse_json(format!(r#"{{"result":{{"vulnerabilities":[{findings}]}}}}"#).as_bytes()).unwrap()
}

fn evaluate(criterion: &mut Criterion) {
    let bottom = Scope::bottom(Value::build().member("request", review()).finish());
    let scope =
        Scope::over(&bottom, Frame::Hides, Value::build().member("scanner", scan()).finish());
    let functions = Functions::standard();
    let mut host = Offline::default();
    for (name, text, aim) in EXPRESSIONS {
        let expression = Expression::parse(text).unwrap();
        expression.evaluate(&scope, &functions, &mut host).unwrap();
        criterion.bench_function(&format!("{name} (prototype: {aim} ns)"), |bencher| {
            bencher.iter(|| expression.evaluate(black_box(&scope), &functions, &mut host));
        });
    }
}

fn parse(criterion: &mut Criterion) {
    let text = "request.object.spec.containers[?!contains(image,'x')].name";
    criterion.bench_function("parse (crates: 769-876 ns)", |bencher| {
        bencher.iter(|| Expression::parse(black_box(text)));
    });
}

criterion_group!(benches, evaluate, parse);
criterion_main!(benches);
