//! One test's world: a folder, a registry, keys, and the binary under the name `cosign`.
use sigward_testkit::{
    image,
    keys::{Algorithm, KeyPair},
    registry::{Options, Registry},
};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// Signing without a log, for cosign 2 and 3 alike.
pub(crate) const NO_LOG: &str = "--tlog-upload=false";
/// Verifying without a log.
pub(crate) const IGNORE_LOG: &str = "--insecure-ignore-tlog";
/// The repository of the images that are made here.
pub(crate) const REPOSITORY: &str = "shop/web";

pub(crate) struct Stage {
    pub(crate) folder: PathBuf,
    pub(crate) registry: Registry,
    pub(crate) key: KeyPair,
}

/// What a run of the binary left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// Failed with this code, said so twice, and printed nothing for machines.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, message: &str) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        assert_eq!(self.out, "", "{self:#?}");
        assert!(self.err.contains(message), "{message:?} is not in {self:#?}");
        self
    }

    /// The JSON array behind the empty line.
    #[track_caller]
    pub(crate) fn array(&self) -> Vec<serde_json::Value> {
        let line = self.out.strip_prefix('\n').expect("an empty line first");
        serde_json::from_str(line.strip_suffix('\n').unwrap()).unwrap()
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("cosign-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sigward"), folder.join("cosign")).unwrap();
        let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let stage = Self { folder, registry: Registry::start(options).unwrap(), key };
        stage.write_key("k", &stage.key);
        stage
    }

    /// `NAME.key` (not encrypted) and `NAME.pub`.
    pub(crate) fn write_key(&self, name: &str, key: &KeyPair) {
        self.write(&format!("{name}.key"), key.private_pem());
        self.write(&format!("{name}.pub"), key.public_pem());
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.folder.join(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.folder.join(name).exists()
    }

    /// Pushes an image and gives its name by tag.
    pub(crate) fn image(&self, tag: &str) -> String {
        let seed = tag.bytes().fold(7_u64, |seed, byte| seed * 31 % 1_000_003 + u64::from(byte));
        image::build(seed).push(&self.registry, REPOSITORY, tag);
        self.name(tag)
    }

    pub(crate) fn name(&self, tag: &str) -> String {
        format!("{}/{REPOSITORY}:{tag}", self.registry.host())
    }

    pub(crate) fn digest(&self, tag: &str) -> String {
        let manifest = self.registry.manifest(REPOSITORY, tag).expect("an image");
        sigward_testkit::digest::sha256(&manifest.bytes)
    }

    pub(crate) fn by_digest(&self, tag: &str) -> String {
        format!("{}/{REPOSITORY}@{}", self.registry.host(), self.digest(tag))
    }

    /// Tag of an attached manifest.
    pub(crate) fn attached(&self, tag: &str, suffix: &str) -> String {
        format!("{}.{suffix}", self.digest(tag).replace(':', "-"))
    }

    /// The binary as `cosign`, with an environment of its own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_as("cosign", arguments)
    }

    pub(crate) fn command_as(&self, name: &str, arguments: &[&str]) -> Command {
        let program = match name {
            "cosign" => self.folder.join("cosign"),
            _ => PathBuf::from(env!("CARGO_BIN_EXE_sigward")),
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env_clear()
            .env("HOME", &self.folder)
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        finish(self.command(arguments))
    }

    pub(crate) fn run_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        finish(command)
    }

    pub(crate) fn run_with_input(&self, input: &str, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        ran(child.wait_with_output().unwrap())
    }

    /// Signs with the stage's key, without a log.
    pub(crate) fn sign(&self, image: &str, more: &[&str]) -> Ran {
        self.run(&[&["sign", "--key", "k.key", NO_LOG, "-y"], more, &[image]].concat())
    }

    /// Attests with the stage's key, without a log; the predicate is `p.json`.
    pub(crate) fn attest(&self, image: &str, more: &[&str]) -> Ran {
        if !self.has("p.json") {
            self.write("p.json", r#"{"passed":true}"#);
        }
        let first = ["attest", "--key", "k.key", NO_LOG, "-y", "--predicate", "p.json"];
        self.run(&[&first, more, &[image]].concat())
    }

    /// Verifies with the stage's key, without a log.
    pub(crate) fn verify(&self, image: &str, more: &[&str]) -> Ran {
        self.run(&[&["verify", "--key", "k.pub", IGNORE_LOG], more, &[image]].concat())
    }

    pub(crate) fn verify_attestation(&self, image: &str, more: &[&str]) -> Ran {
        self.run(&[&["verify-attestation", "--key", "k.pub", IGNORE_LOG], more, &[image]].concat())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn finish(mut command: Command) -> Ran {
    ran(command.output().unwrap())
}

fn ran(output: std::process::Output) -> Ran {
    Ran {
        code: output.status.code().expect("an exit code"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
