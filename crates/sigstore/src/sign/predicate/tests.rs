//! How files become predicates.
use super::*;

const NOW: &str = "2026-01-01T00:00:00Z";

#[track_caller]
fn check(kind: &str, file: &str, expected: &str) {
    let kind = PredicateType::parse(kind).unwrap();
    let got: Json = serde_json::from_str(&kind.wrap(file.as_bytes(), NOW).unwrap()).unwrap();
    let expected: Json = serde_json::from_str(expected).unwrap();
    assert_eq!(got, expected, "{kind:?}");
}

#[test]
fn each_type_wraps_as_cosign_does() {
    check(
        "custom",
        "{\"a\": 1}\n<x>",
        r#"{"Data":"{\"a\": 1}\n<x>","Timestamp":"2026-01-01T00:00:00Z"}"#,
    );
    check("spdx", "SPDXVersion: 2\n", r#""SPDXVersion: 2\n""#);
    for kind in ["spdxjson", "cyclonedx", "openvex", "https://example.com/x", "urn:x"] {
        check(kind, r#"{"any": {"k": [1]}}"#, r#"{"any":{"k":[1]}}"#);
    }
    check(
        "slsaprovenance",
        r#"{"builder":{"id":"b","k":1},"buildType":"t","k":1,"invocation":{"parameters":{"k":1}},
            "metadata":{"buildInvocationID":"i","reproducible":true},"materials":[{"uri":"u","k":1}]}"#,
        r#"{"builder":{"id":"b"},"buildType":"t","invocation":{"parameters":{"k":1}},
            "metadata":{"buildInvocationId":"i","reproducible":true},"materials":[{"uri":"u"}]}"#,
    );
    check(
        "slsaprovenance1",
        r#"{"k":1,"buildDefinition":{"buildType":"t","k":1,"resolvedDependencies":[{"uri":"u","k":1}]},
            "runDetails":{"builder":{"id":"b"},"metadata":{"invocationID":"i"}}}"#,
        r#"{"buildDefinition":{"buildType":"t","resolvedDependencies":[{"uri":"u"}]},
            "runDetails":{"builder":{"id":"b"},"metadata":{"invocationId":"i"}}}"#,
    );
    check("link", r#"{"name":"n","command":["a"],"k":1}"#, r#"{"name":"n","command":["a"]}"#);
    check(
        "vuln",
        r#"{"k":1,"invocation":{"builder.id":"b"},"scanner":{"uri":"u","db":{"uri":"d","k":1},"result":{"k":1}}}"#,
        r#"{"invocation":{"builder.id":"b"},"scanner":{"uri":"u","db":{"uri":"d"},"result":{"k":1}}}"#,
    );
}

#[test]
fn a_file_that_does_not_fit_its_type_is_refused() {
    let refuse =
        |kind: &str, file: &[u8]| PredicateType::parse(kind).unwrap().wrap(file, NOW).unwrap_err();
    assert_eq!(refuse("vuln", b"[]"), PredicateError::NotAnObject);
    assert_eq!(refuse("https://x", b"not json"), PredicateError::NotAnObject);
    assert_eq!(refuse("custom", &[0xff]), PredicateError::NotText);
    assert_eq!(
        refuse("slsaprovenance", br#"{"materials":[{"uri":1}]}"#),
        PredicateError::Field { path: "materials[0].uri".into(), expected: "a string" }
    );
    assert_eq!(
        refuse("vuln", br#"{"scanner":[]}"#),
        PredicateError::Field { path: "scanner".into(), expected: "an object" }
    );
}

#[test]
fn a_type_is_a_known_name_or_a_uri() {
    assert_eq!(PredicateType::parse("vulns"), Err(PredicateError::UnknownType("vulns".into())));
    assert_eq!(PredicateType::parse("slsaprovenance02"), PredicateType::parse("slsaprovenance"));
    assert_eq!(PredicateType::parse("https://x/y").unwrap().uri(), "https://x/y");
    assert_eq!(
        PredicateType::parse("vuln").unwrap().uri(),
        "https://cosign.sigstore.dev/attestation/vuln/v1"
    );
}
