//! Ours and the peers side by side, in one run: registry requests, wall clock, CPU, memory, size.

mod measure;
mod webhook;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use sigward_testkit::registry::{Options as RegistryOptions, Registry};

pub use self::measure::{Cost, run_only_child};
use crate::e2e::registry::{self, Image};
use crate::e2e::scratch::Scratch;
use crate::e2e::tools::{self, Algorithm, Format, Keys, Signing, Statement, Tool, Verifying};
use crate::e2e::world::{NotYet, World};
use crate::peers::Peers;
use crate::workspace;

/// The sets of peers that take part.
pub const PEERS: &[&str] = &["kubernetes", "cosign3", "cosign2", "kyverno"];

/// Where the measured part of the document begins and ends; the words around it are written by hand.
const MARKS: (&str, &str) = ("<!-- measured: begin -->\n", "<!-- measured: end -->\n");

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Half {
    /// The commands: our binary and cosign.
    CommandLine,
    /// Admission: our binary and Kyverno's admission controller.
    Webhook,
}

/// How to measure.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many runs of each command count; the programs take turns.
    pub runs: usize,
    /// Write the table to `docs/benchmarks.md`.
    pub write: bool,
    /// Leave our own binary out, which saves its release build.
    pub peers_only: bool,
    /// Our binary, if it is there already.
    pub sigward: Option<PathBuf>,
    /// Only this half.
    pub only: Option<Half>,
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

/// One line of the table.
struct Row {
    work: &'static str,
    verb: Verb,
    format: Format,
    by_tag: bool,
    referrers: bool,
}

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Verify,
    Sign,
}

/// What one program needs for one row.
struct Figures {
    requests: u64,
    cost: Cost,
}

const ROWS: &[Row] = &[
    row("`verify --key`, bundle, by tag, referrers API", Verb::Verify, Format::Bundle, true, true),
    row(
        "`verify --key`, bundle, by digest, referrers API",
        Verb::Verify,
        Format::Bundle,
        false,
        true,
    ),
    row("`verify --key`, bundle, by tag, fallback tag", Verb::Verify, Format::Bundle, true, false),
    row(
        "`verify --key`, bundle, by digest, fallback tag",
        Verb::Verify,
        Format::Bundle,
        false,
        false,
    ),
    row("`verify --key`, legacy, by tag", Verb::Verify, Format::Legacy, true, false),
    row("`verify --key`, legacy, by digest", Verb::Verify, Format::Legacy, false, false),
    row("`sign --key`, bundle, by digest", Verb::Sign, Format::Bundle, false, true),
    row("`sign --key`, legacy, by digest", Verb::Sign, Format::Legacy, false, true),
];

const fn row(work: &'static str, verb: Verb, format: Format, by_tag: bool, referrers: bool) -> Row {
    Row { work, verb, format, by_tag, referrers }
}

/// What is measured against: the first is the one that ratios refer to.
const COLUMNS: [Tool; 3] = [Tool::Cosign3, Tool::Cosign2, Tool::Sigward];

/// Measures everything and prints the tables.
pub fn run(peers: Peers, options: &Options) -> Result<()> {
    let folder = workspace::root().join("target/bench");
    let world = World::new(peers, folder.clone(), true);
    if let Some(program) = &options.sigward {
        let path = program.canonicalize();
        world.use_program(path.with_context(|| format!("cannot find {}", program.display()))?);
    }
    let scratch = Scratch::new(folder.join("command-line"))?;
    let mut tables = String::new();
    if options.only != Some(Half::Webhook) {
        tables.push_str("## Commands\n\n");
        tables.push_str(&command_line(&world, &scratch, options)?);
    }
    if options.only != Some(Half::CommandLine) {
        tables.push_str("\n## Webhook\n\n");
        tables.push_str(&webhook::measure(&world, &scratch, options)?);
    }
    print!("{tables}");
    if options.write {
        write(&world, &scratch, options, &tables)?;
    }
    Ok(())
}

/// The commands, ours beside cosign's.
fn command_line(world: &World, scratch: &Scratch, options: &Options) -> Result<String> {
    let with = Registry::start(RegistryOptions::default())?;
    let without =
        Registry::start(RegistryOptions { referrers_api: false, ..RegistryOptions::default() })?;
    let keys = tools::make_keys(world, scratch, Tool::Cosign3, Algorithm::P256, "k")?;
    let mut table = String::new();
    writeln!(
        table,
        "| work | program | registry requests | wall | CPU | peak memory | wall, of cosign 3's | memory, of cosign 3's |"
    )?;
    writeln!(table, "|---|---|---|---|---|---|---|---|")?;
    for row in ROWS {
        let registry = if row.referrers { &with } else { &without };
        let figures = measure_row(world, scratch, registry, &keys, row, options)?;
        let base =
            figures.first().and_then(|(_, figures)| figures.as_ref()).map(|figures| figures.cost);
        for (tool, figures) in &figures {
            writeln!(table, "{}", line(row.work, *tool, figures.as_ref(), base))?;
        }
        eprintln!("{}: done", row.work);
    }
    table.push_str(&sizes(world, options)?);
    Ok(table)
}

/// All programs on one row, taking turns, so that a busy moment of the machine meets all of them.
fn measure_row(
    world: &World,
    scratch: &Scratch,
    registry: &Registry,
    keys: &Keys,
    row: &Row,
    options: &Options,
) -> Result<Vec<(Tool, Option<Figures>)>> {
    let name = format!("bench/{}-{}", row.format.name(), if row.by_tag { "tag" } else { "digest" });
    let fresh = || registry::push(&registry.host(), &name, "v1", None);
    let image = fresh()?;
    // What is verified was signed by cosign 3, whoever verifies it.
    let by_digest = image.by_digest();
    let made = signing(row, Tool::Cosign3, keys, &by_digest);
    tools::sign(world, scratch, &made)?.succeeded()?;
    let columns = options.columns();
    let mut costs: Vec<Vec<Cost>> = columns.iter().map(|_| Vec::new()).collect();
    let mut requests = vec![0; columns.len()];
    // The first turn warms the page cache and is not counted.
    for turn in 0..=options.runs {
        for (column, tool) in columns.iter().enumerate() {
            let target = if row.verb == Verb::Sign { fresh()? } else { image.clone() };
            let command = match command(world, scratch, row, *tool, keys, &target) {
                Ok(command) => command,
                Err(error) if error.downcast_ref::<NotYet>().is_some() => continue,
                Err(error) => return Err(error),
            };
            registry.reset_log();
            let before = registry.request_count();
            let cost = measure::measure(&command, &scratch.path("cost.json"))?;
            if turn == 0 {
                continue;
            }
            if let (Some(costs), Some(requests)) = (costs.get_mut(column), requests.get_mut(column))
            {
                costs.push(cost);
                *requests = registry.request_count().saturating_sub(before);
            }
        }
    }
    Ok(columns
        .iter()
        .zip(costs.iter().zip(requests))
        .map(|(tool, (costs, requests))| {
            (*tool, (!costs.is_empty()).then(|| Figures { requests, cost: measure::median(costs) }))
        })
        .collect())
}

fn signing<'a>(row: &Row, tool: Tool, keys: &'a Keys, image: &'a str) -> Signing<'a> {
    Signing {
        tool,
        key: &keys.private,
        format: row.format,
        statement: Statement::Signature,
        predicate: None,
        image,
    }
}

fn command(
    world: &World,
    scratch: &Scratch,
    row: &Row,
    tool: Tool,
    keys: &Keys,
    image: &Image,
) -> Result<Command> {
    let reference = if row.by_tag { image.by_tag() } else { image.by_digest() };
    match row.verb {
        Verb::Verify => {
            let job = Verifying {
                tool,
                key: &keys.public,
                format: row.format,
                attestation: None,
                image: &reference,
            };
            tools::verification(world, scratch, &job)
        }
        Verb::Sign => tools::signature(world, scratch, &signing(row, tool, keys, &reference)),
    }
}

fn line(work: &str, tool: Tool, figures: Option<&Figures>, base: Option<Cost>) -> String {
    let Some(Figures { requests, cost }) = figures else {
        return format!("| {work} | {} | – | – | – | – | – | – |", tool.name());
    };
    let ratio = |ours: f64, theirs: Option<f64>| match theirs {
        Some(theirs) if theirs > 0.0 => format!("1/{:.1}", theirs / ours),
        _ => "–".to_owned(),
    };
    format!(
        "| {work} | {} | {requests} | {:.1} ms | {:.1} ms | {:.1} MiB | {} | {} |",
        tool.name(),
        cost.wall * 1e3,
        cost.cpu * 1e3,
        cost.memory / 1_048_576.0,
        ratio(cost.wall, base.map(|base| base.wall)),
        ratio(cost.memory, base.map(|base| base.memory)),
    )
}

fn sizes(world: &World, options: &Options) -> Result<String> {
    let mut text = "\n| program | size |\n|---|---|\n".to_owned();
    for &tool in options.columns() {
        let Ok(program) = tool.program(world, &["verify"]) else { continue };
        writeln!(text, "| {} | {:.1} MB |", tool.name(), measure::size(&program)? / 1e6)?;
    }
    Ok(text)
}

/// Writes the tables with what a reader needs to judge them, and keeps the words around them.
fn write(world: &World, scratch: &Scratch, options: &Options, tables: &str) -> Result<()> {
    let mut text = String::new();
    writeln!(
        text,
        "Measured by `cargo xtask bench --write --runs {} --seconds {}` on {}.\n",
        options.runs,
        options.seconds,
        date()?
    )?;
    writeln!(text, "Machine: {}; load average at the end {}.\n", machine(), load())?;
    for &tool in options.columns() {
        if let Ok(program) = tool.program(world, &["version"]) {
            let said = scratch.run(scratch.command(program).arg("version"))?.said();
            let version =
                said.lines().find_map(|line| line.strip_prefix("GitVersion:")).unwrap_or("unknown");
            writeln!(text, "* {}: {}", tool.name(), version.trim())?;
        }
    }
    writeln!(text, "* Kyverno's admission controller: {}\n", webhook::kyverno_version()?)?;
    text.push_str(tables);
    let path = workspace::root().join("docs/benchmarks.md");
    let old = fs::read_to_string(&path)
        .unwrap_or_else(|_| format!("# Benchmarks\n\n{}{}", MARKS.0, MARKS.1));
    let (before, rest) = old.split_once(MARKS.0).context("the document has lost its mark")?;
    let (_, after) = rest.split_once(MARKS.1).context("the document has lost its end mark")?;
    let new = format!("{before}{}{text}{}{after}", MARKS.0, MARKS.1);
    fs::write(&path, new).with_context(|| format!("cannot write {}", path.display()))
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
