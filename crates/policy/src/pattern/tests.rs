//! Patterns against objects, as Kyverno's command line answers.
use super::*;

fn yaml(text: &str) -> Value {
    sigward_document::parse_yaml(text).unwrap().value
}

fn check(pattern: &str, object: &str, expected: &str) {
    let got = match Pattern::compile(&yaml(pattern)).matches(&yaml(object)) {
        Ok(()) => "pass".to_owned(),
        Err(Mismatch::Skip(reason)) => format!("skip: {reason}"),
        Err(Mismatch::Fail { path, .. }) => format!("fail at {path}"),
        Err(Mismatch::Error(reason)) => format!("error: {reason}"),
    };
    assert_eq!(got, expected, "{pattern} <- {object}");
}

#[test]
fn patterns_match_as_kyvernos_do() {
    for (pattern, object, expected) in [
        // Conditions: all are looked at, and told together.
        (
            "{d: {(a): x, (b): q, c: z}}",
            "{d: {a: m, b: m, c: m}}",
            "skip: conditional anchor mismatch: resource value 'm' does not match 'x' at path /d/a/; conditional anchor mismatch: resource value 'm' does not match 'q' at path /d/b/",
        ),
        (
            "{d: {(a): x, (b): q, c: z}}",
            "{d: {a: x, c: m}}",
            "skip: conditional anchor mismatch: conditional anchor key doesn't exist in the resource",
        ),
        (
            "{t: {(a): [{(b): x}], (u): {(c): v}}}",
            "{t: {a: [{b: w}], u: {c: q}}}",
            "skip: conditional anchor mismatch: conditional anchor mismatch: resource value 'w' does not match 'x' at path /t/a/0/b/; conditional anchor mismatch: conditional anchor mismatch: resource value 'q' does not match 'v' at path /t/u/c/",
        ),
        (
            "{(d): {X(a): x}}",
            "{d: {a: 1}}",
            "skip: conditional anchor mismatch: negation anchor matched in resource: /d/a/ is not allowed",
        ),
        // Another anchor that fails outright fails.
        ("{d: {=(a): x, X(b): q, c: z}}", "{d: {a: m, b: q}}", "fail at /d/a/"),
        ("{d: {X(b): q, c: z}}", "{d: {a: m, b: q}}", "fail at /d/b/"),
        (
            "{t: {=(a): [{(b): x}], =(u): {c: v}}}",
            "{t: {a: [{b: w}], u: {c: q}}}",
            "fail at /t/u/c/",
        ),
        ("{t: {=(u): {c: v}, =(z): {(b): x}}}", "{t: {z: {b: w}, u: {c: q}}}", "fail at /t/u/c/"),
        // A condition goes before what fails outright.
        (
            "{d: {(a): x, X(b): q}}",
            "{d: {b: q}}",
            "skip: conditional anchor mismatch: conditional anchor key doesn't exist in the resource",
        ),
        (
            "{d: {^(a): [{a: x}], (c): v}}",
            "{d: {a: [1], c: w}}",
            "skip: conditional anchor mismatch: resource value 'w' does not match 'v' at path /d/c/",
        ),
        // A part that is skipped does not count beside an anchor that holds.
        (
            "{t: {(k): 1, =(d): [{(a): x}], e: q}}",
            "{t: {k: 1, d: [{a: m}], e: w}}",
            "fail at /t/e/",
        ),
        ("{t: {=(z): 1, =(d): [{(a): x}], e: q}}", "{t: {d: [{a: m}], e: q}}", "pass"),
        ("{t: {X(z): 1, =(d): {(a): x}, e: q}}", "{t: {d: {a: m}, e: w}}", "fail at /t/e/"),
        (
            "{t: {=(d): {(a): x}, =(f): {(a): x}, e: q}}",
            "{t: {d: {a: m}, e: w, f: {a: m}}}",
            "skip: conditional anchor mismatch: resource value 'm' does not match 'x' at path /t/d/a/; conditional anchor mismatch: resource value 'm' does not match 'x' at path /t/f/a/",
        ),
        (
            "{t: {=(b): {<(a): x}, ^(c): [{a: 1}]}}",
            "{t: {b: {a: m}, c: [{a: 2}]}}",
            "skip: global anchor mismatch: resource value 'm' does not match 'x' at path /t/b/a/",
        ),
        // Lists of maps: elements that are skipped do not count, unless all are.
        (
            "{d: [{(a): x, c: z}]}",
            "{d: [{a: m}, {a: q}, {b: 1}]}",
            "skip: conditional anchor mismatch: resource value 'm' does not match 'x' at path /d/0/a/; conditional anchor mismatch: resource value 'q' does not match 'x' at path /d/1/a/; conditional anchor mismatch: conditional anchor key doesn't exist in the resource",
        ),
        ("{d: [{(a): x, c: z}]}", "{d: [{a: m}, {a: x, c: z}]}", "pass"),
        ("{d: [{(a): x, c: z}]}", "{d: [{a: m}, {a: x, c: q}]}", "fail at /d/1/c/"),
        ("{d: [{(a): x, c: z}]}", "{d: []}", "pass"),
        ("{d: [{c: z}]}", "{d: [1]}", "fail at /d/0/"),
        ("{t: [{b: w}, {(a): '1'}]}", "{t: [{b: w}, {a: '1', b: z}]}", "fail at /t/1/b/"),
        // A part that is skipped skips the whole, when it is reached first.
        (
            "{d: [{(a): x, c: z}], e: q}",
            "{d: [{a: m}], e: w}",
            "skip: conditional anchor mismatch: resource value 'm' does not match 'x' at path /d/0/a/",
        ),
        (
            "{t: {(a): {(b): x}}, u: {(c): v}}",
            "{t: {a: {b: w}}, u: {c: q}}",
            "skip: conditional anchor mismatch: resource value 'q' does not match 'v' at path /u/c/",
        ),
        // Existence.
        ("{^(d): [{a: x}]}", "{d: [{a: m}, {a: w}]}", "fail at /d/"),
        ("{^(d): [{a: x}, {a: w}]}", "{d: [{a: x}, {a: w}]}", "pass"),
        ("{^(d): [{a: x}, {a: v}]}", "{d: [{a: x}, {a: w}]}", "fail at /d/"),
        ("{^(d): [{a: x}]}", "{d: {a: m}}", "fail at /d/"),
        ("{^(d): [{a: x}]}", "{e: 1}", "pass"),
        // Global.
        (
            "{<(d): x, e: v}",
            "{d: m, e: m}",
            "skip: global anchor mismatch: resource value 'm' does not match 'x' at path /d/",
        ),
        ("{<(d): x, e: v}", "{e: m}", "fail at /e/"),
        ("{s: [{<(d): x, e: v}]}", "{s: [{d: m, e: m}, {d: x, e: m}]}", "fail at /s/1/e/"),
        // `*` asks that there is something.
        ("{s: '*'}", "{q: 1}", "fail at /"),
        ("{t: {s: '*'}}", "{t: {q: 1}}", "fail at /t/"),
        ("{t: {s: '*'}}", "{q: 1}", "fail at /t/"),
        ("{t: {s: '*'}}", "{t: {s: {}}}", "pass"),
        ("{=(a): '*'}", "{a: null}", "fail at /a/"),
        ("{t: {s: '?*'}}", "{t: {s: ''}}", "fail at /t/s/"),
        ("{t: {s: '?*'}}", "{t: {}}", "fail at /t/s/"),
        // Shapes.
        ("{t: []}", "{t: [1]}", "fail at /t/"),
        ("{t: [[1, 2]]}", "{t: [[1, 2]]}", "fail at /t/0/"),
        (
            "{t: [[1], [2], [3]]}",
            "{t: [[1, 2]]}",
            "error: validate Array failed, array length mismatch, resource Array len is 1 and pattern Array len is 3",
        ),
        ("{t: [1, 2]}", "{t: [1, 1]}", "pass"),
        ("{t: [1, 2]}", "{t: 1}", "fail at /t/"),
        ("{t: 1}", "{t: [1, 2]}", "fail at /t/"),
        ("{t: {a: 1}}", "{t: [1, 2]}", "fail at /t/"),
        ("{spec: {a: null}}", "{b: 1}", "fail at /spec/"),
        // Wildcards in keys of labels and annotations.
        ("{metadata: {labels: {a.*/x: '?*'}}}", "{metadata: {labels: {a.b/x: v}}}", "pass"),
        (
            "{metadata: {labels: {a.*/x: '?*'}}}",
            "{metadata: {labels: {c: v}}}",
            "fail at /metadata/labels/a.*/x/",
        ),
        (
            "{metadata: {=(labels): {=(a*): v}}}",
            "{metadata: {labels: {ab: w}}}",
            "fail at /metadata/labels/ab/",
        ),
        ("{metadata: {(labels): {(a*): v}}, q: 1}", "{metadata: {labels: {ab: v}}}", "fail at /q/"),
        ("{data: {a*: v}}", "{data: {ab: v}}", "fail at /data/a*/"),
    ] {
        check(pattern, object, expected);
    }
}

// Where an existence anchor's key is absent, upstream calls the failure of a neighbour an error, which a lenient
// failure policy lets pass.
#[test]
fn a_failure_beside_an_absent_existence_anchor_is_a_failure() {
    check("{t: {^(b): [{a: q}], c: z}}", "{t: {c: w}}", "fail at /t/c/");
    check("{t: {X(b): q, c: z}}", "{t: {c: w}}", "fail at /t/c/");
}

#[test]
fn scalars_compare_as_kyverno_compares() {
    for (pattern, value, expected) in [
        ("'10-20'", "15", true),
        ("'10!-20'", "15", false),
        ("'!10-20'", "15", true),
        ("'>1h'", "90m", true),
        ("'>1h'", "2", false),
        ("'1.5'", "1.5", true),
        ("'1.?E*'", "1.5", true),
        ("'<=1Gi & >100Mi | 5'", "5", true),
        ("'100Mi-1Gi'", "512Mi", true),
        ("'<1Gi'", "1024Mi", false),
        ("'>=1Gi'", "1024Mi", true),
        ("'!foo & !bar'", "baz", true),
        ("'!foo & !bar'", "null", false),
        ("'<5'", "null", true),
        ("'true'", "true", true),
        ("true", "'true'", false),
        ("5", "'5'", true),
        ("5", "5.0", true),
        ("1.5", "'1.5'", true),
        ("'?*'", "[1, {}]", false),
        ("'!*:latest'", "'x:latest'", false),
        ("'-5'", "-5", true),
        ("'x|'", "''", true),
        ("'!'", "b", false),
        ("'!'", "'!'", true),
        ("a|b", "'a|b'", true),
        ("null", "0", true),
        ("null", "false", true),
        ("null", "{}", false),
        ("'>5'", "abc", false),
        ("'1-2-3'", "'1-2-3'", true),
    ] {
        let expected = if expected { "pass" } else { "fail at /a/" };
        check(&format!("{{a: {pattern}}}"), &format!("{{a: {value}}}"), expected);
    }
}

// GHSA-style: a cast of a label that is no string is a panic upstream.
#[test]
fn labels_that_are_no_strings_do_not_panic() {
    check("{metadata: {labels: {a*: '?*'}}}", "{metadata: {labels: {ab: 1}}}", "pass");
    check(
        "{metadata: {labels: {a*: 1}}}",
        "{metadata: {labels: [1]}}",
        "fail at /metadata/labels/",
    );
    check("{metadata: x}", "{metadata: {labels: {ab: 1}}}", "fail at /metadata/");
}

#[test]
fn a_reason_stays_short_whatever_the_object_holds() {
    let list = Value::list((0..20_000).map(|_| yaml("{a: m}")));
    let object = Value::map([(SmolStr::new("d"), list)]);
    match Pattern::compile(&yaml("{d: [{(a): x}]}")).matches(&object) {
        Err(Mismatch::Skip(reason)) => assert!(reason.len() < 2 * LONGEST_REASON),
        other => panic!("{other:?}"),
    }
}

// Upstream's command line turns every number into a float, its webhooks do not.
#[test]
fn whole_numbers_are_compared_as_they_are_written() {
    check("{a: '100000?'}", "{a: 1000000}", "pass");
    check("{a: '<1h'}", "{a: 0}", "pass");
    check(
        "{(a): 5}",
        "{a: 1000000}",
        "skip: conditional anchor mismatch: resource value '1000000' does not match '5' at path /a/",
    );
}
