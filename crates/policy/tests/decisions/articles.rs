//! Every policy of the two articles compiles as printed, and decides with keys of our own.
use crate::world::{World, key_fact};
use sigward_document::Value;
use sigward_policy::{
    compile::{Severity, compile_policy},
    decision::ImageStatus,
    fact::{CauseKind, Fact},
    snapshot::Settings,
};
use std::path::PathBuf;

/// The folder of the reference data that tests read where it is, or nothing when it is not there.
pub(crate) fn shared_root() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("SIGWARD_SHARED").map_or_else(|| default.into(), PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    #[expect(clippy::print_stderr, reason = "a test that does not run says so")]
    {
        eprintln!("skipped: {} is not there", root.display());
    }
    None
}

fn shared(path: &str) -> Option<String> {
    std::fs::read_to_string(shared_root()?.join(path)).ok()
}

/// Every YAML block of the how-to that is a policy.
fn how_to() -> Vec<Value> {
    let Some(text) = shared("reference/articles/how-to-verify-images.txt") else {
        return Vec::new();
    };
    let mut policies = Vec::new();
    for block in text.split("```yaml").skip(1) {
        let yaml = block.split("```").next().unwrap();
        let written = sigward_document::parse_yaml(yaml).unwrap();
        if written.value.str_at(&["kind"]) == Some("ClusterPolicy") {
            policies.push(written.value);
        }
    }
    assert_eq!(policies.len(), 8, "every policy of the article");
    policies
}

fn settings() -> Settings {
    Settings { insecure_ignore_tlog_for_keys: true, ..Settings::default() }
}

fn check(policy: &Value) {
    let compiled = compile_policy(policy, &settings());
    let errors: Vec<_> =
        compiled.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{:?}: {errors:#?}", policy.str_at(&["metadata", "name"]));
    assert!(compiled.value.is_some());
}

#[test]
fn every_policy_of_the_how_to_compiles_as_printed() {
    for policy in how_to() {
        check(&policy);
    }
}

#[test]
fn the_policy_of_2021_compiles_as_printed() {
    let Some(text) = shared("reference/articles/verify-image-2021.yaml") else { return };
    check(&sigward_document::parse_yaml(&text).unwrap().value);
}

#[test]
fn without_the_switch_a_log_entry_is_demanded_and_the_ways_out_are_named() {
    let Some(first) = how_to().into_iter().next() else { return };
    let compiled = compile_policy(&first, &Settings::default());
    assert!(compiled.value.is_none());
    let help: Vec<String> = compiled.diagnostics.iter().filter_map(|d| d.help.clone()).collect();
    let help = help.join(" ");
    assert!(help.contains("rekor.ignoreTlog: true"), "{help}");
    assert!(help.contains("--insecure-ignore-tlog-for-keys"), "{help}");
}

/// The article's policy of that name, with the registry replaced.
fn named(world: &mut World, name: &str) -> bool {
    let host = world.registry.host();
    let key = world.key.public_pem();
    let found = how_to().into_iter().find(|p| p.str_at(&["metadata", "name"]) == Some(name));
    let Some(policy) = found else { return false };
    let text = policy
        .to_json()
        .replace("registry.example.com", &host)
        .replace("registry.company.com", &format!("{host}/company"))
        .replace("vendor-registry.io", &format!("{host}/vendor"))
        .replace("docker.io/library", &format!("{host}/library"));
    let printed = "-----BEGIN PUBLIC KEY-----\\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE...\\n-----END PUBLIC KEY-----";
    let key = serde_json::to_string(&key).unwrap();
    world.policies.push(text.replace(&format!("\"{printed}\""), &key));
    true
}

#[test]
fn the_basic_policy_admits_signed_images_and_refuses_others() {
    let mut world = World::new();
    if !named(&mut world, "verify-image-signatures") {
        return;
    }
    world.push_signed("app", "v1", 1);
    world.push("app", "v2", 2);
    assert!(world.create(&[&world.image("app:v1")]).allowed);
    assert!(!world.create(&[&world.image("app:v2")]).allowed);
    assert!(world.create(&["nginx:latest"]).allowed, "another registry");
}

#[test]
fn a_key_in_a_secret_is_looked_up_and_a_changed_key_changes_the_next_decision() {
    let mut world = World::new();
    if !named(&mut world, "verify-with-secret-key") {
        return;
    }
    world.push_signed("app", "v1", 1);
    let image = world.image("app:v1");
    world.answer("k8s://kyverno/cosign-pub-key", key_fact(&world.key));
    assert!(world.create(&[&image]).allowed);
    world.answer("k8s://kyverno/cosign-pub-key", key_fact(&world.other));
    assert!(!world.create(&[&image]).allowed);
    world.answer("k8s://kyverno/cosign-pub-key", Fact::Key(Ok(None)));
    let missing = world.create(&[&image]).message.unwrap();
    assert!(missing.contains("k8s://kyverno/cosign-pub-key"), "{missing}");
    assert!(missing.contains("there is no such key"), "{missing}");
}

#[test]
fn several_registries_have_several_keys_and_public_images_are_only_pinned() {
    let mut world = World::new();
    if !named(&mut world, "verify-all-registries") {
        return;
    }
    world.answer("company-cosign-key", key_fact(&world.key));
    world.answer("vendor-cosign-key", key_fact(&world.other));
    let company = world.push_signed("company/app", "v1", 1);
    let vendor = world.push("vendor/app", "v1", 2);
    let public = world.push("library/nginx", "v1", 3);
    let images = ["company/app:v1", "vendor/app:v1", "library/nginx:v1"].map(|i| world.image(i));
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    assert!(!world.create(&images).allowed);
    world.sign("vendor/app", &vendor, &world.other, &sigward_testkit::signing::Knobs::default());
    let decision = world.create(&images);
    assert!(decision.allowed, "{:?}", decision.message);
    for (i, digest) in [company, vendor, public].iter().enumerate() {
        let image = decision.object.pointer(&format!("/spec/containers/{i}/image")).unwrap();
        assert!(image.as_str().unwrap().ends_with(digest));
    }
}

#[test]
fn provenance_by_the_trusted_builder_is_admitted() {
    let mut world = World::new();
    if !named(&mut world, "verify-attestations") {
        return;
    }
    world.answer("cosign-pub-key", key_fact(&world.key));
    let builder = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@refs/tags/v1.4.0";
    let predicate = |builder: &str| {
        format!(
            r#"{{"builder":{{"id":"{builder}"}},"invocation":{{"configSource":{{"uri":"git+https://github.com/company/app@refs/heads/main"}}}}}}"#
        )
    };
    let slsa = "https://slsa.dev/provenance/v0.2";
    let good = world.push("app", "good", 1);
    world.attest("app", &good, &world.key, slsa, &predicate(builder));
    let bad = world.push("app", "bad", 2);
    world.attest("app", &bad, &world.key, slsa, &predicate("https://evil.example"));
    world.push("app", "none", 3);
    assert!(world.create(&[&world.image("app:good")]).allowed);
    let refused = world.create(&[&world.image("app:bad")]).message.unwrap();
    assert!(refused.contains("attestation checks failed"), "{refused}");
    let refused = world.create(&[&world.image("app:none")]).message.unwrap();
    assert!(refused.contains("attestions not found for predicate type"), "{refused}");
}

#[test]
fn a_scan_with_a_critical_finding_is_refused_and_one_without_the_field_names_it() {
    let mut world = World::new();
    if !named(&mut world, "verify-scan-results") {
        return;
    }
    world.answer("cosign-pub-key", key_fact(&world.key));
    let scan = |severities: &str| {
        format!(
            r#"{{"scanner":{{"vendor":"Trivy","result":{{"vulnerabilities":[{severities}]}}}},"metadata":{{"scanFinishedOn":"2026-01-01T00:00:00Z"}}}}"#
        )
    };
    let kind = "https://cosign.sigstore.dev/attestation/vuln/v1";
    let clean = world.push("app", "clean", 1);
    world.attest("app", &clean, &world.key, kind, &scan(r#"{"severity":"LOW"}"#));
    let critical = world.push("app", "critical", 2);
    world.attest("app", &critical, &world.key, kind, &scan(r#"{"severity":"CRITICAL"}"#));
    let empty = world.push("app", "empty", 3);
    world.attest("app", &empty, &world.key, kind, r#"{"scanner":{"vendor":"Trivy"}}"#);
    let decision = world.create(&[&world.image("app:clean")]);
    assert!(decision.allowed, "{:?}", decision.message);
    let refused = world.create(&[&world.image("app:critical")]).message.unwrap();
    assert!(refused.contains("= 1, wanted: LessThanOrEquals 0"), "{refused}");
    let refused = world.create(&[&world.image("app:empty")]).message.unwrap();
    assert!(refused.contains(r#"Unknown key "metadata" in path"#), "{refused}");
}

#[test]
fn keyless_is_undetermined_and_blocks_whatever_the_failure_policy() {
    let mut world = World::new();
    if !named(&mut world, "verify-keyless") {
        return;
    }
    world.policies[0] =
        world.policies[0].replace(r#""failurePolicy":"Fail""#, r#""failurePolicy":"Ignore""#);
    world.push_signed("app", "v1", 1);
    let decision = world.create(&[&world.image("app:v1")]);
    assert!(!decision.allowed);
    let message = decision.message.unwrap();
    assert!(
        message.contains("the process has no trust material to judge by: a certificate authority"),
        "{message}"
    );
    let ImageStatus::Undetermined(cause) = &decision.rules[0].images[0].status else { panic!() };
    assert_eq!(cause.kind, CauseKind::TrustUnavailable);
}

#[test]
fn production_needs_signatures_and_development_does_not() {
    let mut world = World::new();
    if !named(&mut world, "conditional-verification") {
        return;
    }
    world.answer("cosign-pub-key", key_fact(&world.key));
    world.push("app", "v1", 1);
    let image = world.image("app:v1");
    let labelled = |environment: &str| {
        let text = format!(r#"{{"metadata":{{"labels":{{"environment":"{environment}"}}}}}}"#);
        Fact::Document(Ok(Some(crate::world::parse(&text))))
    };
    world.answer("Namespace(", labelled("production"));
    assert!(!world.create(&[&image]).allowed);
    world.answer("Namespace(", labelled("development"));
    let decision = world.create(&[&image]);
    assert!(decision.allowed, "{:?}", decision.message);
    assert_eq!(decision.rules[0].message, "mutated image digest");
    world.answer("Namespace(", labelled("other"));
    assert!(world.create(&[&image]).allowed);
}
