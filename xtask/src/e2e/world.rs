//! What cases share: the peers, our binary, registries that stay up for the whole run, and signed images.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;
use sigward_testkit::registry::{Options, Registry};

use super::registry::{DockerRegistry, Image};
use super::sigstore::instances::Sigstore;
use crate::peers::Peers;
use crate::workspace;

/// An error that says: our binary does not have this yet.
#[derive(Debug)]
pub(crate) struct NotYet(pub(crate) String);

impl fmt::Display for NotYet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotYet {}

/// A value made at first use, by whoever comes first; a failure is the same for everyone.
type Lazy<T> = OnceLock<Result<T, String>>;

/// Values by name, each made at first use.
pub(crate) type Shelf<T> = Mutex<BTreeMap<String, Arc<Lazy<T>>>>;

/// Everything that cases share.
#[derive(Debug)]
pub(crate) struct World {
    peers: Peers,
    folder: PathBuf,
    release: bool,
    docker: Lazy<DockerRegistry>,
    testkit: Lazy<Registry>,
    sigstore: Lazy<Sigstore>,
    sigward: Lazy<PathBuf>,
    commands: Shelf<()>,
    /// Key pairs and signed images of the interop matrix.
    pub(super) signed: Shelf<super::interop::Signed>,
    /// Images of the keyless columns.
    pub(super) signed_by_identity: Shelf<Image>,
    /// The cluster that cases share, while it is good.
    pub(super) stage: Mutex<Option<super::stage::Stage>>,
}

impl World {
    pub(crate) fn new(peers: Peers, folder: PathBuf, release: bool) -> Self {
        Self {
            peers,
            folder,
            release,
            docker: OnceLock::new(),
            testkit: OnceLock::new(),
            sigstore: OnceLock::new(),
            sigward: OnceLock::new(),
            commands: Mutex::default(),
            signed: Mutex::default(),
            signed_by_identity: Mutex::default(),
            stage: Mutex::default(),
        }
    }

    /// Uses a binary that is there already instead of building one.
    pub(crate) fn use_program(&self, program: PathBuf) {
        // Nobody has asked for it yet: the first value is the one that stays.
        let _ = self.sigward.set(Ok(program));
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    /// The folder of the whole run.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Debian's docker-registry, open to everyone.
    pub(crate) fn docker(&self) -> Result<&DockerRegistry> {
        once(&self.docker, || {
            DockerRegistry::start(&self.peers, &self.folder.join("docker-registry"), None)
        })
    }

    /// The testkit's registry, with the referrers API.
    pub(crate) fn testkit(&self) -> Result<&Registry> {
        once(&self.testkit, || Ok(Registry::start(Options::default())?))
    }

    /// The real services and the doubles that sign with identities.
    pub(super) fn sigstore(&self) -> Result<&Sigstore> {
        once(&self.sigstore, || Sigstore::start(&self.peers, &self.folder.join("sigstore")))
    }

    /// Our binary, built once; [`NotYet`] when it lacks one of the commands.
    pub(crate) fn sigward(&self, commands: &[&str]) -> Result<PathBuf> {
        let program = once(&self.sigward, || build(self.release))?.clone();
        for command in commands {
            let known = shelved(&self.commands, command, || {
                let mut asked = Command::new(&program);
                asked.args([command, "--help"]).stdin(Stdio::null());
                let answer = asked.output().context("cannot start sigward")?;
                let usage =
                    String::from_utf8_lossy(&answer.stdout).to_lowercase().contains("usage");
                if answer.status.success() && usage { Ok(()) } else { Err(anyhow!("unknown")) }
            });
            if known.is_err() {
                return Err(NotYet(format!("sigward has no command `{command}`")).into());
            }
        }
        Ok(program)
    }
}

/// The value on the shelf, made first if nobody has yet; two threads never make the same one.
pub(crate) fn shelved<T: Clone>(
    shelf: &Shelf<T>,
    name: &str,
    make: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let slot = {
        let mut shelf = shelf.lock().map_err(|_| anyhow!("another case died"))?;
        Arc::clone(shelf.entry(name.to_owned()).or_default())
    };
    once(&slot, make).cloned()
}

/// The lazy value; [`NotYet`] stays what it is across the cases that share it.
fn once<T>(slot: &Lazy<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    const WAITS: &str = "not yet: ";
    let made = slot.get_or_init(|| {
        make().map_err(|error| match error.downcast_ref::<NotYet>() {
            Some(not_yet) => format!("{WAITS}{not_yet}"),
            None => format!("{error:#}"),
        })
    });
    made.as_ref().map_err(|error| match error.strip_prefix(WAITS) {
        Some(what) => NotYet(what.to_owned()).into(),
        None => anyhow!("{error}"),
    })
}

/// Builds our binary and gives its path.
pub(crate) fn build(release: bool) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        executable: Option<PathBuf>,
    }
    let mut command = workspace::cargo();
    command.args(["build", "--quiet", "--locked", "--bin", "sigward", "--message-format=json"]);
    if release {
        // Exactly what ships.
        command.args(["--release", "--package", "sigward"]);
    } else {
        // With the features that the tests were built with, so that nothing is compiled twice.
        command.arg("--workspace");
    }
    let said = workspace::output(&mut command)?;
    said.lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact")
        .find_map(|message| message.executable)
        .context("cargo built sigward and named no program")
}
