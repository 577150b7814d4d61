//! A registry that cannot be asked is never "no signatures found": code 1 with the cause.
use crate::stage::{IGNORE_LOG, Stage};
use sigward_testkit::registry::{Class, Effect, Fault};

/// Each place where the evidence of a signed image is asked for goes wrong in turn, in both formats.
fn check(fault: &Effect, cause: &str) {
    let bundle = ["*/referrers/*", "*/blobs/*", "*/manifests/sha256:*"];
    let legacy = ["*.sig", "*/blobs/*"];
    for (format, paths) in
        [("--new-bundle-format=true", &bundle[..]), ("--new-bundle-format=false", &legacy)]
    {
        let stage = Stage::new();
        let image = stage.image("v1");
        stage.sign(&image, &[format]).ok();
        for path in paths {
            stage.registry.clear_faults();
            stage.verify(&image, &[]).ok();
            stage.registry.fault(Fault::new(fault.clone()).path(*path));
            let ran = stage.verify(&image, &[]).fails(1, cause);
            assert!(!ran.err.contains("no signatures found"), "{path}: {}", ran.err);
        }
    }
}

/// Nothing in one store, and the other cannot be asked.
fn check_unsigned(fault: &Effect, cause: &str) {
    for path in ["*/referrers/*", "*.sig"] {
        let stage = Stage::new();
        let image = stage.image("v1");
        stage.registry.fault(Fault::new(fault.clone()).path(path));
        let ran = stage.verify(&image, &[]).fails(1, cause);
        assert!(!ran.err.contains("no signatures found"), "{path}: {}", ran.err);
    }
}

#[test]
fn a_signature_that_was_found_counts_whatever_the_other_store_says() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.sign(&image, &["--new-bundle-format=false"]).ok();
    stage.registry.fault(Fault::new(status(503)).class(Class::Referrers));
    stage.verify(&image, &[]).ok();
}

fn status(code: u16) -> Effect {
    Effect::Status { code, retry_after: Some("60".to_owned()) }
}

#[test]
fn a_registry_that_says_401_is_not_unsigned() {
    check(&status(401), "denied");
    check_unsigned(&status(401), "denied");
}

#[test]
fn a_registry_that_says_403_is_not_unsigned() {
    check(&status(403), "denied");
    check_unsigned(&status(403), "denied");
}

#[test]
fn a_registry_that_says_429_is_not_unsigned() {
    check(&status(429), "too many requests");
    check_unsigned(&status(429), "too many requests");
}

#[test]
fn a_registry_that_says_503_is_not_unsigned() {
    check(&status(503), "503");
    check_unsigned(&status(503), "503");
}

#[test]
fn a_registry_that_lies_is_not_unsigned() {
    // (An answer that says 404 is an absence, whatever its body says.)
    check(&Effect::Body("{".into()), "could not be determined");
    check(&Effect::WrongBytes, "could not be determined");
}

#[test]
fn a_tag_that_cannot_be_resolved_is_not_missing() {
    for code in [401, 403, 429, 500, 503] {
        let stage = Stage::new();
        let image = stage.image("v1");
        stage.sign(&image, &[]).ok();
        stage.registry.fault(Fault::new(status(code)).class(Class::ManifestByTag));
        let ran = stage.verify(&image, &[]);
        assert_eq!(ran.code, 1, "{code}: {ran:?}");
        assert!(!ran.err.contains("not found"), "{code}: {ran:?}");
    }
}

#[test]
fn a_hanging_registry_ends_with_the_timeout() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.sign(&image, &[]).ok();
    stage.registry.fault(Fault::new(Effect::Hang));
    let started = std::time::Instant::now();
    let line = ["verify", "--key", "k.pub", IGNORE_LOG, "--timeout", "1s", &image];
    stage.run(&line).fails(1, "context deadline exceeded");
    stage.run(&["-t", "500ms", "tree", &image]).fails(1, "context deadline exceeded");
    assert!(started.elapsed().as_secs() < 10);
}

#[test]
fn a_registry_that_is_away_is_not_unsigned() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let by_digest = stage.by_digest("v1");
    stage.registry.go_down();
    for image in [image, by_digest] {
        let ran = stage.verify(&image, &[]).fails(1, "connection");
        assert!(!ran.err.contains("no signatures found"), "{}", ran.err);
    }
}

#[test]
fn nothing_is_called_pushed_that_was_not() {
    for format in ["--new-bundle-format=true", "--new-bundle-format=false"] {
        let stage = Stage::new();
        let image = stage.image("v1");
        stage.registry.fault(Fault::new(status(503)).class(Class::Upload));
        stage.sign(&image, &[format]).fails(1, "503");
        stage.attest(&image, &[format]).fails(1, "503");
        stage.registry.clear_faults();
        stage.verify(&image, &[]).fails(10, "no signatures found");
    }
}
