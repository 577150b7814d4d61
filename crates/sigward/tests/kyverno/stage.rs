//! One test's world: a folder, and the binary under the name `kyverno`.
use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

/// A policy that wants the label `app`, and its test.
pub(crate) const POLICY: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: require-app
  annotations:
    policies.kyverno.io/category: Sample
    policies.kyverno.io/severity: high
spec:
  rules:
  - name: has-app
    match:
      any:
      - resources:
          kinds: [Pod]
    validate:
      failureAction: Audit
      message: the label app is wanted
      pattern:
        metadata:
          labels:
            app: '?*'
";

/// `good` has the label, `bad` has not.
pub(crate) const PODS: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: good
  labels:
    app: a
---
apiVersion: v1
kind: Pod
metadata:
  name: bad
";

pub(crate) struct Stage {
    pub(crate) folder: tempfile::TempDir,
}

/// What a run of the binary left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.out.contains(part), "{part:?} is not in {}\n{}", self.out, self.err);
        }
        self
    }

    #[track_caller]
    pub(crate) fn complains(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in {}\n{}", self.err, self.out);
        }
        self
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sigward"), folder.path().join("kyverno"))
            .unwrap();
        Self { folder }
    }

    /// The same with [`POLICY`] and [`PODS`] in it.
    pub(crate) fn sample() -> Self {
        let stage = Self::new();
        stage.write("policy.yaml", POLICY);
        stage.write("pods.yaml", PODS);
        stage
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = Command::new(self.path().join("kyverno"))
            .args(arguments)
            .current_dir(self.path())
            .env("HOME", "/nonexistent")
            .env_remove("KUBECONFIG")
            .env_remove("DOCKER_CONFIG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that needs no input may be gone already.
        let _gone = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Writes a test of the sample with these results.
    pub(crate) fn test_file(&self, results: &str) {
        self.write(
            "kyverno-test.yaml",
            &format!(
                "apiVersion: cli.kyverno.io/v1alpha1\nkind: Test\nmetadata:\n  name: t\npolicies: [policy.yaml]\nresources: [pods.yaml]\nresults:\n{results}"
            ),
        );
    }
}
