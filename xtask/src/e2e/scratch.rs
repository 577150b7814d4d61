//! One case's own folder: home, files, and a transcript of every command it ran.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace;

/// The password of every test key.
pub(crate) const PASSWORD: &str = "correct horse";
/// How long one command may take.
const LIMIT: Duration = Duration::from_mins(2);
/// Output kept of one command in the transcript, in bytes.
const KEPT: usize = 6_000;

/// The folder of one case; it is removed when the case passes.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    transcript: Mutex<String>,
    commands: AtomicUsize,
}

/// A command that ran to its end.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; -1 after a signal.
    pub(crate) code: i32,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it complained about.
    pub(crate) stderr: String,
    command: String,
}

impl Scratch {
    pub(crate) fn new(folder: PathBuf) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("home"))
            .with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder, transcript: Mutex::default(), commands: AtomicUsize::default() })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a file of this case.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file of this case.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// A command with nothing of the caller's environment: a home of its own, no credentials, no trust cache.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("TUF_ROOT", self.path("home/tuf"))
            .env("COSIGN_PASSWORD", PASSWORD)
            .env("NO_COLOR", "1")
            .current_dir(&self.folder);
        command
    }

    /// Runs a command to its end, within the limit.
    pub(crate) fn run(&self, command: &mut Command) -> Result<Ran> {
        let number = self.commands.fetch_add(1, Ordering::Relaxed);
        let stream = |kind: &str| self.path(&format!("{number:03}.{kind}"));
        let line = workspace::describe(command);
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(File::create(stream("stdout"))?)
            .stderr(File::create(stream("stderr"))?)
            .spawn()
            .with_context(|| format!("cannot start {line}"))?;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if started.elapsed() > LIMIT {
                child.kill()?;
                child.wait()?;
                bail!("{line} did not end within {} s", LIMIT.as_secs());
            }
            thread::sleep(Duration::from_millis(4));
        };
        let read = |kind: &str| {
            fs::read(stream(kind)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let ran = Ran {
            code: status.code().unwrap_or(-1),
            stdout: read("stdout")?,
            stderr: read("stderr")?,
            command: line,
        };
        self.note(&ran.to_string());
        Ok(ran)
    }

    /// Runs a command that has to succeed; gives what it printed.
    pub(crate) fn succeed(&self, command: &mut Command) -> Result<String> {
        Ok(self.run(command)?.succeeded()?.stdout)
    }

    /// Adds to the transcript.
    pub(crate) fn note(&self, text: &str) {
        if let Ok(mut transcript) = self.transcript.lock() {
            transcript.push_str(text.trim_end());
            transcript.push('\n');
        }
    }

    /// Everything that was run, as text; written beside the case's files too.
    pub(crate) fn transcript(&self) -> String {
        let text = self.transcript.lock().map(|text| text.clone()).unwrap_or_default();
        // The transcript is a convenience: the failure it belongs to is reported in any case.
        let _ = fs::write(self.path("transcript.txt"), &text);
        text
    }
}

impl Ran {
    /// Both streams.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// An error unless it ended with 0.
    pub(crate) fn succeeded(self) -> Result<Self> {
        ensure!(self.code == 0, "should have succeeded:\n{self}");
        Ok(self)
    }

    /// An error unless it ended with something else than 0 and said all of the texts.
    pub(crate) fn refused(self, texts: &[&str]) -> Result<Self> {
        ensure!(self.code != 0, "should have been refused:\n{self}");
        self.says(texts)
    }

    /// An error unless it said all of the texts, on either stream. Runs of blanks and line ends count as one blank.
    pub(crate) fn says(self, texts: &[&str]) -> Result<Self> {
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = flat(&self.said());
        for text in texts {
            ensure!(said.contains(&flat(text)), "did not say \"{text}\":\n{self}");
        }
        Ok(self)
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = format!("$ {}\n", self.command);
        for stream in [&self.stdout, &self.stderr] {
            for line in stream.get(..KEPT).unwrap_or(stream).lines() {
                writeln!(text, "  {line}")?;
            }
        }
        write!(f, "{text}  exit code {}", self.code)
    }
}
