//! `apply` and `quickstart` as a user runs them: the built binary, a registry on loopback, files.
#![expect(clippy::unwrap_used, reason = "test code")]

use sigward_testkit::{
    image,
    keys::{Algorithm, KeyPair},
    registry::{Options, Registry},
    signing::{Knobs, Place},
};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

struct World {
    registry: Registry,
    folder: tempfile::TempDir,
    key: KeyPair,
}

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl World {
    fn new() -> Self {
        let registry = Registry::start(Options::default()).unwrap();
        image::build(1).push(&registry, "app", "signed");
        image::build(2).push(&registry, "app", "unsigned");
        let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        Place::of(&registry, "app", "signed")
            .unwrap()
            .sign_legacy(&key, &Knobs::default())
            .unwrap();
        Self { registry, folder: tempfile::tempdir().unwrap(), key }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn policy(&self) -> PathBuf {
        let mut pem = String::new();
        for line in self.key.public_pem().trim().lines() {
            pem.push_str("                      ");
            pem.push_str(line);
            pem.push('\n');
        }
        self.file(
            "policy.yaml",
            &format!(
                "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata:\n  name: signed\nspec:\n  rules:\n    - name: by-us\n      \
                 match:\n        any:\n          - resources:\n              kinds: [Pod]\n      verifyImages:\n        - imageReferences: [\"{}/*\"]\n          \
                 failureAction: Enforce\n          attestors:\n            - entries:\n                - keys:\n                    publicKeys: |-\n{pem}                    \
                 rekor:\n                      url: https://rekor.sigstore.dev\n                      ignoreTlog: true\n",
                self.registry.host()
            ),
        )
    }

    fn pod(&self, name: &str, tag: &str) -> PathBuf {
        self.file(
            &format!("{name}.yaml"),
            &format!(
                "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  containers:\n    - name: a\n      image: {}/app:{tag}\n",
                self.registry.host()
            ),
        )
    }
}

fn sigward(arguments: &[&Path]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_sigward"))
        .arg("apply")
        .args(arguments)
        .env("HOME", "/nonexistent")
        .env_remove("DOCKER_CONFIG")
        .output()
        .unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn apply(policy: &Path, resource: &Path) -> Ran {
    sigward(&[policy, Path::new("-r"), resource])
}

#[test]
fn an_unsigned_image_is_a_violation_and_says_what_was_looked_at() {
    let world = World::new();
    let ran = apply(&world.policy(), &world.pod("web", "unsigned"));
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    for part in [
        "policy signed -> resource default/Pod/web failed:",
        "1 - by-us failed to verify image",
        "no signatures found",
        "outcome   refuted",
        ".sig: absent",
        "pass: 0, fail: 1, warn: 0, error: 0, skip: 0",
    ] {
        assert!(ran.out.contains(part), "{part:?} is missing in\n{}", ran.out);
    }
    assert!(ran.err.contains("exit as there are policy violations"), "{}", ran.err);
}

#[test]
fn a_signed_image_passes_and_is_pinned_in_what_is_printed() {
    let world = World::new();
    let ran = apply(&world.policy(), &world.pod("web", "signed"));
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("/app:signed@sha256:"), "{}", ran.out);
    assert!(ran.out.contains("fail: 0"), "{}", ran.out);
}

#[test]
fn a_registry_that_is_down_is_undetermined_not_unsigned() {
    let world = World::new();
    let (policy, pod) = (world.policy(), world.pod("web", "signed"));
    world.registry.go_down();
    let ran = apply(&policy, &pod);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("outcome   undetermined: unreachable"), "{}", ran.out);
    assert!(!ran.out.contains("no signatures found"), "{}", ran.out);
}

#[test]
fn a_broken_document_is_named_and_does_not_lose_the_others() {
    let world = World::new();
    let pods = std::fs::read_to_string(world.pod("web", "signed")).unwrap();
    let resources = world.file("all.yaml", &format!("a: [\n---\n{pods}"));
    let ran = apply(&world.policy(), &resources);
    assert!(ran.err.contains("all.yaml:"), "{}", ran.err);
    assert!(ran.out.contains("to 1 resource(s)"), "{}", ran.out);
    assert!(ran.out.contains("/app:signed@sha256:"), "{}", ran.out);
    assert_eq!(ran.code, Some(1), "a document that could not be read is an error");
}

#[test]
fn a_policy_error_names_file_line_and_field() {
    let world = World::new();
    let text = std::fs::read_to_string(world.policy())
        .unwrap()
        .replace("imageReferences", "imageReference");
    let policy = world.file("typo.yaml", &text);
    let ran = apply(&policy, &world.pod("web", "signed"));
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("typo.yaml:13:"), "{}", ran.err);
    assert!(ran.err.contains("imageReferences"), "the closest name is offered: {}", ran.err);
}

#[test]
fn a_missing_file_is_named() {
    let ran = apply(Path::new("/nonexistent/policy.yaml"), Path::new("/nonexistent/pod.yaml"));
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("/nonexistent/policy.yaml"), "{}", ran.err);
}

#[cfg(feature = "quickstart")]
#[test]
fn every_step_of_the_quickstart_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sigward"))
        .args(["quickstart", "--json"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let steps: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(steps.len() >= 12, "{text}");
    for step in &steps {
        assert_eq!(step.get("asExpected"), Some(&serde_json::Value::Bool(true)), "{step:#}");
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(folder.path().join("sigward-quickstart/policies/check-image.yaml").exists());
}

#[cfg(feature = "quickstart")]
#[test]
fn the_quickstart_leaves_a_folder_alone_that_it_did_not_make() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.txt"), "mine").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sigward"))
        .args(["quickstart", "--folder"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("was not made by quickstart"));
    assert!(folder.path().join("mine.txt").exists());
}
