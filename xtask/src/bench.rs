//! Ours and the peers side by side, in one run: registry requests, wall clock, CPU, memory, size.

mod aims;
mod commands;
mod figures;
mod language;
mod measure;
mod names;
mod pod_security;
mod sigstore;
mod webhook;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use self::figures::{Figures, Measured};
pub use self::measure::{Cost, run_only_child};
use crate::e2e::scratch::Scratch;
use crate::e2e::tools::Tool;
use crate::e2e::world::World;
use crate::peers::Peers;
use crate::workspace;

/// The sets of peers that take part.
pub const PEERS: &[&str] = &["kubernetes", "cosign3", "cosign2", "kyverno"];

/// What of the document is measured; the words around it are written by hand.
const TABLES: (&str, &str) = ("<!-- measured: begin -->\n", "<!-- measured: end -->\n");
/// Where the document says which aims were met.
const AIMS: (&str, &str) = ("<!-- aims: begin -->\n", "<!-- aims: end -->\n");

/// A part of the benchmark, which can be run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// `verify` and `sign` with keys: our binary and cosign.
    CommandLine,
    /// Keyless blobs, and many images at once: our binary and cosign.
    Sigstore,
    /// `test` and `apply`: our binary and Kyverno's command line.
    Language,
    /// Images at admission, by key: our binary and Kyverno's admission controller.
    Webhook,
    /// Many policies at admission, and the floor of TLS and parsing: the same two.
    PodSecurity,
    /// Images at admission, keyless with a timestamp: the same two.
    Keyless,
}

impl Part {
    const ALL: [Self; 6] = [
        Self::CommandLine,
        Self::Sigstore,
        Self::Language,
        // From here on the webhooks have the first core to themselves.
        Self::Webhook,
        Self::PodSecurity,
        Self::Keyless,
    ];

    /// As `--only` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CommandLine => "command-line",
            Self::Sigstore => "sigstore",
            Self::Language => "language",
            Self::Webhook => "webhook",
            Self::PodSecurity => "pod-security",
            Self::Keyless => "keyless",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::CommandLine => "Commands",
            Self::Sigstore => "Keyless blobs, many images",
            Self::Language => "Policies on the command line",
            Self::Webhook => "Webhook, images signed with a key",
            Self::PodSecurity => "Webhook, many policies",
            Self::Keyless => "Webhook, keyless images",
        }
    }

    fn measure(self, bench: &Bench<'_>) -> Result<Measured> {
        match self {
            Self::CommandLine => commands::measure(bench),
            Self::Sigstore => sigstore::measure(bench),
            Self::Language => language::measure(bench),
            Self::Webhook => webhook::measure(bench),
            Self::PodSecurity => webhook::policies::measure(bench),
            Self::Keyless => webhook::keyless::measure(bench),
        }
    }
}

/// How to measure.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many runs of each command count; the programs take turns.
    pub runs: usize,
    /// Write the tables to `docs/benchmarks.md`.
    pub write: bool,
    /// Leave our own binary out, which saves its release build.
    pub peers_only: bool,
    /// Our binary, if it is there already.
    pub sigward: Option<PathBuf>,
    /// Only these parts; none given: all.
    pub only: Vec<Part>,
    /// How long each load on the webhook lasts.
    pub seconds: u64,
    /// How many distinct images our webhook is asked about.
    pub distinct: usize,
}

impl Options {
    /// The programs that take part.
    fn columns(&self) -> &'static [Tool] {
        if self.peers_only { &[Tool::Cosign3, Tool::Cosign2] } else { &COLUMNS }
    }
}

/// What is measured against: the first is the one that ratios refer to.
const COLUMNS: [Tool; 3] = [Tool::Cosign3, Tool::Cosign2, Tool::Sigward];

/// What every part works with.
struct Bench<'a> {
    world: &'a World,
    scratch: &'a Scratch,
    options: &'a Options,
}

/// Measures every part that was asked for, prints its tables, and keeps them for the document.
///
/// # Errors
/// A part that could not be measured; the others are measured, kept and written all the same.
pub fn run(peers: Peers, options: &Options) -> Result<()> {
    let folder = workspace::root().join("target/bench");
    let world = World::new(peers, folder.clone(), true);
    if let Some(program) = &options.sigward {
        let path = program.canonicalize();
        world.use_program(path.with_context(|| format!("cannot find {}", program.display()))?);
    }
    let mut failed = Vec::new();
    for part in Part::ALL {
        if !options.only.is_empty() && !options.only.contains(&part) {
            continue;
        }
        let scratch = Scratch::new(folder.join(part.name()))?;
        let bench = Bench { world: &world, scratch: &scratch, options };
        match part.measure(&bench) {
            Ok(mut measured) => {
                println!("## {}\n\n{}", part.title(), measured.tables);
                measured.provenance = provenance(options)?;
                measured.save(part)?;
            }
            Err(error) => {
                eprintln!("{}: {error:#}", part.name());
                failed.push(part.name());
            }
        }
    }
    let mut figures = Figures::default();
    for part in Part::ALL {
        if let Some(measured) = Measured::load(part)? {
            figures.extend(&measured.figures);
        }
    }
    println!("{}", aims::table(&figures));
    if options.write {
        let scratch = Scratch::new(folder.join("versions"))?;
        write(&Bench { world: &world, scratch: &scratch, options }, &figures)?;
    }
    if failed.is_empty() { Ok(()) } else { bail!("not measured: {}", failed.join(", ")) }
}

/// When and how a part was measured.
fn provenance(options: &Options) -> Result<String> {
    Ok(format!(
        "{}, `--runs {} --seconds {} --distinct {}`, load average at the end {}",
        date()?,
        options.runs,
        options.seconds,
        options.distinct,
        load()
    ))
}

/// Writes the tables with what a reader needs to judge them, and keeps the words around them.
fn write(bench: &Bench<'_>, figures: &Figures) -> Result<()> {
    let Bench { world, scratch, options } = *bench;
    let mut text = String::new();
    writeln!(text, "Measured by `cargo xtask bench --write`.\n\nMachine: {}.\n", machine())?;
    for &tool in options.columns() {
        if let Ok(program) = tool.program(world, &["version"]) {
            let said = scratch.run(scratch.command(program).arg("version"))?.said();
            let version =
                said.lines().find_map(|line| line.strip_prefix("GitVersion:")).unwrap_or("unknown");
            writeln!(text, "* {}: {}", tool.name(), version.trim())?;
        }
    }
    writeln!(
        text,
        "* Kyverno's admission controller and command line: {}",
        webhook::kyverno_version()?
    )?;
    for part in Part::ALL {
        let Some(measured) = Measured::load(part)? else { continue };
        write!(text, "\n## {}\n\n{}.\n\n{}", part.title(), measured.provenance, measured.tables)?;
    }
    let path = workspace::root().join("docs/benchmarks.md");
    let old =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let new = between(&between(&old, TABLES, &text)?, AIMS, &aims::table(figures))?;
    fs::write(&path, new).with_context(|| format!("cannot write {}", path.display()))
}

/// The document with what is between two marks replaced.
fn between(document: &str, marks: (&str, &str), text: &str) -> Result<String> {
    let lost = |mark: &str| format!("the document has lost `{}`", mark.trim());
    let (before, rest) = document.split_once(marks.0).with_context(|| lost(marks.0))?;
    let (_, after) = rest.split_once(marks.1).with_context(|| lost(marks.1))?;
    Ok(format!("{before}{}{text}{}{after}", marks.0, marks.1))
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

fn date() -> Result<String> {
    Ok(workspace::output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?.trim().to_owned())
}

fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, name: &str| {
        text.lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
            .unwrap_or_else(|| "unknown".to_owned())
    };
    // Not what this process may use: it has left the first core to the webhook by now.
    let cores = read("/proc/cpuinfo").lines().filter(|line| line.starts_with("processor")).count();
    format!(
        "{}, {cores} cores, {} of memory",
        after(&read("/proc/cpuinfo"), "model name"),
        after(&read("/proc/meminfo"), "MemTotal")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn a_part_is_chosen_by_the_name_that_it_is_kept_under() {
        for part in Part::ALL {
            assert_eq!(Part::from_str(part.name(), false), Ok(part));
        }
        assert_eq!(Part::value_variants().len(), Part::ALL.len());
    }

    #[test]
    fn what_is_written_replaces_what_is_between_the_marks_and_nothing_else() {
        let marks = ("<a>\n", "<b>\n");
        assert_eq!(
            between("x\n<a>\nold\n<b>\ny\n", marks, "new\n").unwrap(),
            "x\n<a>\nnew\n<b>\ny\n"
        );
        assert!(between("x\n<a>\n", marks, "").is_err());
    }

    #[test]
    fn the_document_has_its_marks() {
        let text = fs::read_to_string(workspace::root().join("docs/benchmarks.md")).unwrap();
        for marks in [TABLES, AIMS] {
            between(&text, marks, "").unwrap();
        }
    }
}
