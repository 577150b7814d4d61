//! `apply --cluster`: pages of a live API server, which here is a few lines on loopback.
use crate::stage::Stage;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Five Pods, two a page; every second one lacks the label.
fn answer(target: &str) -> (&'static str, String) {
    let discovery = |items: &str| {
        format!(
            r#"{{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{{}},"items":[{items}]}}"#
        )
    };
    if target == "/apis" {
        return ("200 OK", discovery(""));
    }
    if target == "/api" {
        let pods = r#"{"resource":"pods","responseKind":{"group":"","version":"","kind":"Pod"},"scope":"Namespaced","singularResource":"pod","verbs":["list"]}"#;
        return (
            "200 OK",
            discovery(&format!(
                r#"{{"metadata":{{"name":""}},"versions":[{{"version":"v1","resources":[{pods}]}}]}}"#
            )),
        );
    }
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.com";
    if target == definitions {
        return ("200 OK", r#"{"spec":{"group":"example.com","scope":"Namespaced","names":{"kind":"Thing","plural":"things"},"versions":[{"name":"v1beta1","storage":false},{"name":"v1","storage":true}]},"status":{"storedVersions":["v1beta1","v1"]}}"#.to_owned());
    }
    if target.starts_with("/apis/example.com/v1/things?") {
        let thing = |name: &str| format!(r#"{{"metadata":{{"name":"{name}","namespace":"n"}}}}"#);
        return (
            "200 OK",
            format!(r#"{{"metadata":{{}},"items":[{},{}]}}"#, thing("a"), thing("b")),
        );
    }
    if target.starts_with("/apis/example.com/v1/namespaces/n/things/b?") {
        return ("409 Conflict", r#"{"kind":"Status","code":409,"message":"changed","reason":"Conflict","status":"Failure"}"#.to_owned());
    }
    if target.starts_with("/apis/example.com/v1/namespaces/n/things/a?")
        || target.starts_with(&format!("{definitions}/status?"))
    {
        return ("200 OK", "{}".to_owned());
    }
    // Lists that no API server should give.
    for (namespace, list) in [
        ("endless", r#"{"metadata":{"continue":"x"},"items":[]}"#),
        ("odd", r#"{"metadata":{},"items":[1]}"#),
    ] {
        if target.starts_with(&format!("/api/v1/namespaces/{namespace}/pods?")) {
            return ("200 OK", list.to_owned());
        }
    }
    let Some(query) = target.strip_prefix("/api/v1/pods?") else {
        return ("404 Not Found", r#"{"kind":"Status","code":404,"message":"no such path","reason":"NotFound","status":"Failure"}"#.to_owned());
    };
    assert!(query.contains("limit=2"), "{target}");
    let from: usize = query
        .split('&')
        .find_map(|part| part.strip_prefix("continue="))
        .map_or(0, |token| token.parse().unwrap());
    let pod = |n: usize| {
        let labels = if n.is_multiple_of(2) { r#","labels":{"app":"a"}"# } else { "" };
        format!(r#"{{"metadata":{{"name":"p{n}","namespace":"n"{labels}}},"spec":{{}}}}"#)
    };
    let items: Vec<String> = (from..5).take(2).map(pod).collect();
    let next = if from + 2 < 5 { (from + 2).to_string() } else { String::new() };
    (
        "200 OK",
        format!(
            r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{"continue":"{next}"}},"items":[{}]}}"#,
            items.join(",")
        ),
    )
}

fn serve(stream: TcpStream, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line)? > 2 {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (status, answer) = answer(&target);
        let method = first.split(' ').next().unwrap_or_default();
        let said = String::from_utf8_lossy(&body).into_owned();
        asked.lock().unwrap().push(format!("{method} {target} {said}"));
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        )?;
    }
}

fn api_server(stage: &Stage) -> Arc<Mutex<Vec<String>>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    kubeconfig(stage, listener.local_addr().unwrap().port());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = Arc::clone(&seen);
            thread::spawn(move || serve(stream, &seen));
        }
    });
    asked
}

fn kubeconfig(stage: &Stage, port: u16) {
    stage.write(
        "kubeconfig",
        &format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- name: k\n  cluster: {{server: 'http://127.0.0.1:{port}'}}\nusers:\n- name: u\n  user: {{}}\ncontexts:\n- name: c\n  context: {{cluster: k, user: u}}\n"
        ),
    );
}

const APPLY: [&str; 7] =
    ["apply", "policy.yaml", "--cluster", "--kubeconfig", "kubeconfig", "--batch-size", "2"];

#[test]
fn a_cluster_is_read_page_by_page() {
    let stage = Stage::sample();
    let asked = api_server(&stage);
    stage.run(&APPLY).code(1).says(&[
        "policy require-app -> resource n/Pod/p1 failed:\n",
        "policy require-app -> resource n/Pod/p3 failed:\n",
        "to 5 resource(s)...",
        "pass: 3, fail: 2, warn: 0, error: 0, skip: 0 ",
    ]);
    let pages = asked.lock().unwrap().iter().filter(|target| target.contains("/pods?")).count();
    assert_eq!(pages, 3);
    let ran = stage.run(&[&APPLY[..], &["-p", "--show-performance"]].concat()).code(1);
    assert!(ran.err.contains("5 resource(s) in 3 page(s)"), "{}", ran.err);
    ran.says(&["  pass: 3\n"]);
}

#[test]
fn a_list_that_does_not_end_or_holds_no_objects_is_an_error() {
    let stage = Stage::sample();
    let _asked = api_server(&stage);
    for (namespace, said) in
        [("endless", "the next page is the same page"), ("odd", "an item is no object")]
    {
        stage.run(&[&APPLY[..], &["--namespace", namespace]].concat()).code(1).complains(&[said]);
    }
}

#[test]
fn a_cluster_that_cannot_be_read_is_one_clear_error() {
    let stage = Stage::sample();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    kubeconfig(&stage, port);
    stage
        .run(&APPLY)
        .code(1)
        .complains(&["Error: the cluster (as kubeconfig names it) cannot be read: "]);
    stage
        .run(&[&APPLY[..], &["--context", "missing"]].concat())
        .code(1)
        .complains(&["Error: the kubeconfig cannot be used"]);
    stage
        .run(&["apply", "policy.yaml", "--cluster", "--kubeconfig", "nowhere"])
        .code(1)
        .complains(&["Error: the kubeconfig cannot be used", "nowhere"]);
}

#[test]
fn stored_objects_are_rewritten_and_older_versions_forgotten() {
    let stage = Stage::sample();
    let asked = api_server(&stage);
    let migrate = ["migrate", "--kubeconfig", "kubeconfig", "--resource"];
    stage.run(&[&migrate[..], &["things.example.com"]].concat()).code(0).says(&[
        "migrating resource: things.example.com ...\n",
        "  1 object(s) were rewritten as v1\n",
    ]);
    let asked = asked.lock().unwrap();
    let has = |start: &str, part: &str| {
        asked.iter().any(|one| one.starts_with(start) && one.contains(part))
    };
    assert!(
        has("PUT /apis/example.com/v1/namespaces/n/things/a?", r#""kind":"Thing""#),
        "{asked:#?}"
    );
    assert!(has("PATCH ", r#"{"status":{"storedVersions":["v1"]}}"#), "{asked:#?}");
    drop(asked);
    stage
        .run(&[&migrate[..], &["nothing.example.com"]].concat())
        .code(1)
        .complains(&["nothing.example.com: the cluster has no such custom resource"]);
}
