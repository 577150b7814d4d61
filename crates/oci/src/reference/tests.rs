//! Claims about names of images.
use super::*;
use proptest::prelude::*;

const HEX: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn check(text: &str, normal: &str) {
    let found =
        kyverno_reference(text, "docker.io", true).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(found.normal(), normal, "{text}");
}

fn check_go(text: &str, name: &str) {
    let found = go_reference(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(found.name(), name, "{text}");
}

#[test]
fn the_normal_form_is_kyvernos() {
    check("nginx", "docker.io/nginx:latest");
    check("nginx:v1", "docker.io/nginx:v1");
    check("test/nginx", "docker.io/test/nginx:latest");
    check("localhost/nginx", "localhost/nginx:latest");
    check("localhost:4443/test/nginx", "localhost:4443/test/nginx:latest");
    check(&format!("r.io/a/b@{HEX}"), &format!("r.io/a/b@{HEX}"));
    check(&format!("r.io/a/b:v1@{HEX}"), &format!("r.io/a/b@{HEX}"));
    check("docker.io/library/nginx", "docker.io/library/nginx:latest");
    check("HOST/a", "HOST/a:latest");
    check("[2001:db8::1]:5000/a:v1", "[2001:db8::1]:5000/a:v1");
    check("a_b/c", "docker.io/a_b/c:latest");
}

#[test]
fn a_default_registry_that_is_only_assumed_does_not_show() {
    let found = kyverno_reference("nginx", "docker.io", false).unwrap();
    assert_eq!(found.normal(), "nginx:latest");
    assert_eq!(found.registry, "");
    let found = kyverno_reference("ghcr.io/a", "docker.io", false).unwrap();
    assert_eq!(found.normal(), "ghcr.io/a:latest");
}

#[test]
fn a_default_registry_may_hold_a_path() {
    let found = kyverno_reference("nginx", "mirror.example/hub", true).unwrap();
    assert_eq!((found.registry.as_str(), found.path.as_str()), ("mirror.example", "hub/nginx"));
}

#[test]
fn the_fields_of_a_reference_are_those_of_the_images_variable() {
    let found = kyverno_reference(&format!("r.io:5000/a/b:v1@{HEX}"), "docker.io", true).unwrap();
    assert_eq!(found.registry, "r.io:5000");
    assert_eq!(found.path, "a/b");
    assert_eq!(found.name, "b");
    assert_eq!(found.tag.as_deref(), Some("v1"));
    assert_eq!(found.digest.as_ref().map(Digest::as_str), Some(HEX));
    assert_eq!(found.with_tag(), "r.io:5000/a/b:v1");
    assert_eq!(found.digest_reference().unwrap().to_string(), format!("r.io:5000/a/b@{HEX}"));
}

#[test]
fn illegal_names_are_errors_and_never_empty() {
    let long = format!("r.io/{}", "a".repeat(256));
    let huge = "a/".repeat(600);
    for (text, expected) in [
        ("r.io/Upper", ReferenceError::Uppercase),
        ("Nginx", ReferenceError::Uppercase),
        ("a b", ReferenceError::Format),
        ("", ReferenceError::Format),
        ("r.io/", ReferenceError::Format),
        ("r.io//a", ReferenceError::Format),
        ("r.io/a/", ReferenceError::Format),
        ("r.io/../a", ReferenceError::Format),
        ("r.io/a:", ReferenceError::Format),
        ("r.io/a:-x", ReferenceError::Format),
        ("r.io/a___b", ReferenceError::Format),
        ("r.io/a_", ReferenceError::Format),
        ("r.io:port/a", ReferenceError::Format),
        ("https://r.io/a", ReferenceError::Format),
        ("r.io/a@", ReferenceError::Digest(DigestError::Format)),
        ("r.io/a@sha256:00", ReferenceError::Digest(DigestError::Length)),
        (long.as_str(), ReferenceError::NameTooLong),
        (huge.as_str(), ReferenceError::TooLong),
    ] {
        assert_eq!(kyverno_reference(text, "docker.io", true), Err(expected), "{text}");
    }
}

#[test]
fn separators_follow_the_grammar() {
    for text in ["r.io/a-b", "r.io/a---b", "r.io/a.b", "r.io/a_b", "r.io/a__b", "r.io/a1/b2"] {
        assert!(kyverno_reference(text, "docker.io", true).is_ok(), "{text}");
    }
    for text in ["r.io/a..b", "r.io/a._b", "r.io/a-.b", "r.io/.a", "r.io/a/-b"] {
        assert!(kyverno_reference(text, "docker.io", true).is_err(), "{text}");
    }
}

#[test]
fn cosigns_names_are_completed() {
    check_go("nginx", "index.docker.io/library/nginx:latest");
    check_go("docker.io/nginx:v1", "index.docker.io/library/nginx:v1");
    check_go("a/b", "index.docker.io/a/b:latest");
    check_go("localhost/b", "index.docker.io/localhost/b:latest");
    check_go("localhost:5000/b", "localhost:5000/b:latest");
    check_go("ghcr.io/b", "ghcr.io/b:latest");
    check_go(&format!("ghcr.io/b:v1@{HEX}"), &format!("ghcr.io/b@{HEX}"));
}

#[test]
fn a_completed_name_is_as_long_as_a_name_may_be_and_no_longer() {
    let longest = "a".repeat(255 - "library/".len());
    check_go(&longest, &format!("index.docker.io/library/{longest}:latest"));
    assert_eq!(go_reference(&format!("{longest}a")), Err(ReferenceError::NameTooLong));
    assert!(go_reference(&format!("r.io/{}", "a".repeat(255))).is_ok());
    assert_eq!(
        go_reference(&format!("r.io/{}", "a".repeat(256))),
        Err(ReferenceError::NameTooLong)
    );
}

#[test]
fn a_path_cannot_climb() {
    for text in ["ghcr.io/a/../b", "ghcr.io/..", "ghcr.io/a//b", "ghcr.io/a/./b", "ghcr.io/a?b"] {
        assert!(go_reference(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn the_normal_form_is_a_fixed_point(text in "[a-zA-Z0-9.:/_@-]{0,40}") {
        if let Ok(found) = kyverno_reference(&text, "docker.io", true) {
            let normal = found.normal();
            let again = kyverno_reference(&normal, "docker.io", true).unwrap();
            prop_assert_eq!(again.normal(), normal);
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,80}") {
        let _ = kyverno_reference(&text, "docker.io", true);
        let _ = go_reference(&text);
    }

    #[test]
    fn both_forms_ask_the_same_registry(path in "[a-z]{1,5}(/[a-z]{1,5}){0,2}", host in "([a-z]{1,4}\\.io/)?") {
        let text = format!("{host}{path}");
        let kyverno = kyverno_reference(&text, "docker.io", true).unwrap().repository();
        let go = go_reference(&text).unwrap().repository();
        prop_assert_eq!(crate::resolve_host(&kyverno), crate::resolve_host(&go));
    }
}
