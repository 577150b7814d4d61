//! The claims about the tree, each measured as a ratio of two things taken turn about in one run.
//!
//! No benchmark framework: those print times of one thing after the other, and on a shared machine only a ratio of
//! neighbours means something. Run with `cargo bench -p sigward-document`.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops when its input is wrong"
)]

use sigward_document::patch::{self, Operation};
use sigward_document::{Value, parse_json, parse_yaml, to_yaml};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// As in the binary: the system's allocator would be most of what is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The creation of a Pod with three containers, as an API server sends it.
const REVIEW: &[u8] = include_bytes!("review.json");

/// Rounds of both sides. Of each side the fastest counts: noise only adds.
const ROUNDS: usize = 60;

/// One side's fastest time of a run, both sides taken turn about.
fn fastest(mut left: impl FnMut(), mut right: impl FnMut(), repeat: u32) -> (Duration, Duration) {
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..repeat {
            work();
        }
        start.elapsed() / repeat
    };
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        best.0 = best.0.min(time(&mut left));
        best.1 = best.1.min(time(&mut right));
    }
    best
}

fn report(claim: &str, (left, right): (Duration, Duration)) {
    let ratio = left.as_secs_f64() / right.as_secs_f64();
    println!("{claim}: {left:.2?} against {right:.2?}, ratio {ratio:.2}");
}

/// A megabyte around the review's object: a ConfigMap's worth of data beside it.
fn large(object: &Value) -> Value {
    let data = (0..140).map(|n| (format!("part-{n}").into(), copy(object)));
    object.with_member("data", Value::map(data)).expect("an object")
}

/// The same tree in allocations of its own.
fn copy(value: &Value) -> Value {
    parse_json(value.to_json().as_bytes()).expect("printed JSON")
}

fn parse_and_drop(name: &str, text: &[u8], repeat: u32) {
    let ours = || drop(black_box(parse_json(black_box(text)).expect("JSON")));
    let theirs = || {
        drop(black_box(
            serde_json::from_slice::<serde_json::Value>(black_box(text)).expect("JSON"),
        ));
    };
    report(
        &format!("parse and drop {name} ({} bytes), ours against serde_json", text.len()),
        fastest(ours, theirs, repeat),
    );
}

/// Twenty patches one after the other, and what changed in the end.
fn cascade(object: &Value) {
    let mut now = object.clone();
    for n in 0..20 {
        let path = format!("/metadata/annotations/example.com~1patch-{n}");
        let operations = [
            Operation::Add { path, value: Value::string("done") },
            Operation::Replace {
                path: "/spec/containers/1/image".to_owned(),
                value: Value::from(format!("pinned@{n}")),
            },
        ];
        now = patch::apply(&now, &operations).expect("paths that are there");
    }
    let operations = patch::diff(object, &now);
    assert!((2..=21).contains(&operations.len()), "what was patched and no more");
    black_box(operations);
}

fn main() {
    let review = parse_json(REVIEW).expect("the review");
    let object = review.pointer("/request/object").expect("the object").clone();
    let megabyte = large(&object);

    parse_and_drop("the review", REVIEW, 200);
    parse_and_drop("the large object", megabyte.to_json().as_bytes(), 2);

    let cascaded = fastest(|| cascade(&megabyte), || cascade(&object), 50);
    report("20 cascaded patches and the diff, large object against small", cascaded);

    let (text, yaml) = (object.to_json(), to_yaml(&object));
    let read_yaml = || drop(black_box(parse_yaml(black_box(&yaml)).expect("YAML")));
    let read_json = || drop(black_box(parse_json(black_box(text.as_bytes())).expect("JSON")));
    report(
        "parse and drop the object, YAML with places against JSON",
        fastest(read_yaml, read_json, 100),
    );

    let theirs: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let print = || drop(black_box(object.to_json()));
    let theirs = || drop(black_box(theirs.to_string()));
    report("print the object, ours against serde_json", fastest(print, theirs, 200));
}
