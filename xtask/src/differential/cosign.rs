//! `cargo xtask differential cosign`: each command line on cosign 2, cosign 3 and Sigward; exit codes, parsed standard
//! output and what is in the registry afterwards are compared.
//!
//! A line is run with the same words by a peer and by us, each in a folder and before a registry of its own. What
//! differs has to be known: a row of `scenarios::EXPLAINED` names the row of COMPAT.md. The rest is a failure.
mod certificates;
mod normal;
mod scenarios;
mod snapshot;

use crate::{
    e2e::{scratch::Scratch, world},
    peers::Peers,
    workspace,
};
use anyhow::{Context as _, Result};
use scenarios::{EXPLAINED, Peer, SCENARIOS, Scenario, Step};
use sigward_testkit::{
    image::{Recipe, build},
    registry::{Options as RegistryOptions, Registry},
};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

/// Which peers have to be there.
pub const PEERS: &[&str] = &["cosign3", "cosign2"];

/// What a run does besides comparing.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only scenarios whose names contain one of these.
    pub filters: Vec<String>,
    /// Write the table to docs/differential-cosign.md.
    pub write: bool,
    /// Our binary, built before.
    pub sigward: Option<PathBuf>,
}

/// What one program did with one line.
#[derive(Clone, Debug, PartialEq)]
struct Did {
    code: i32,
    stdout: String,
    registry: String,
}

/// One line, by both.
struct Row {
    scenario: &'static str,
    peer: Peer,
    line: String,
    peer_code: i32,
    our_code: i32,
    /// What differs; empty when nothing does.
    differs: Vec<&'static str>,
    explained: Option<&'static str>,
    detail: String,
}

/// Runs everything; true when each difference is explained.
///
/// # Errors
/// A program cannot be started, or a registry.
pub fn run(peers: &Peers, options: &Options) -> Result<bool> {
    let ours = match &options.sigward {
        Some(program) => program.clone(),
        None => world::build(false)?,
    };
    let folder = workspace::root().join("target/differential/cosign");
    let mut rows = Vec::new();
    let suite = workspace::shared().and_then(|shared| scenarios::conformance(&shared));
    if suite.is_none() {
        println!("skipped: the conformance cases are not there (SIGWARD_SHARED)");
    }
    for scenario in SCENARIOS.iter().chain(&suite) {
        let wanted = options.filters.is_empty()
            || options.filters.iter().any(|filter| scenario.name.contains(filter.as_str()));
        if !wanted {
            continue;
        }
        for peer in scenario.peers {
            let theirs = play(&folder, scenario, &peers.program(peer.program())?, peer.program())?;
            // A link of the peer's name, so that we answer to it.
            let link = folder.join("cosign");
            if !link.exists() {
                std::os::unix::fs::symlink(&ours, &link).context("cannot link our binary")?;
            }
            let own = play(&folder, scenario, &link, "sigward")?;
            for ((step, theirs), own) in scenario.steps.iter().zip(&theirs).zip(&own) {
                rows.push(compare(scenario, *peer, step, theirs, own));
            }
        }
    }
    std::fs::remove_file(folder.join("cosign")).ok();
    for row in rows.iter().filter(|row| !row.differs.is_empty()) {
        let why =
            row.explained.map_or_else(|| "NOT EXPLAINED".to_owned(), |why| format!("known: {why}"));
        println!(
            "{} / {} / {}: {} ({why})",
            row.scenario,
            row.peer.program(),
            row.line,
            row.differs.join(", ")
        );
        if row.explained.is_none() {
            println!("{}", row.detail);
        }
    }
    let open = rows.iter().filter(|row| !row.differs.is_empty() && row.explained.is_none()).count();
    let equal = rows.iter().filter(|row| row.differs.is_empty()).count();
    println!(
        "{} lines: {equal} the same, {} known differences, {open} not explained",
        rows.len(),
        rows.len() - equal - open
    );
    if options.write {
        let path = workspace::root().join("docs/differential-cosign.md");
        std::fs::write(&path, table(&rows)).context("cannot write the table")?;
    }
    Ok(open == 0)
}

/// Plays a scenario with one program, from a fresh folder and registry.
fn play(folder: &Path, scenario: &Scenario, program: &Path, name: &str) -> Result<Vec<Did>> {
    let scratch = Scratch::new(folder.join(format!("{}-{name}", scenario.name.replace(' ', "-"))))?;
    let registry = Registry::start(RegistryOptions::default())?;
    build(7).push(&registry, "shop/web", "v1");
    build(8).push(&registry, "shop/web", "v2");
    Recipe::new(9).build_index(&["amd64", "arm64"]).push(&registry, "shop/web", "index");
    let host = registry.host();
    for (name, text) in scenarios::FILES {
        scratch.write(name, &text.replace("HOST", &host))?;
    }
    let digest = sigward_testkit::digest::sha256(
        &registry.manifest("shop/web", "v1").context("the image is gone")?.bytes,
    );
    let home = scratch.folder().display().to_string();
    let own = [(host.as_str(), "HOST"), (home.as_str(), "FOLDER")];
    let shared = workspace::shared().unwrap_or_default().display().to_string();
    let certified = certificates::own()?;
    for (name, text) in [
        ("ca.pem", &certified.authority),
        ("leaf.pem", &certified.certificate),
        ("leaf.key", &certified.key),
    ] {
        scratch.write(name, text)?;
    }
    let mut before = snapshot::of(&registry);
    let mut did = Vec::new();
    for step in scenario.steps.iter() {
        let line = step
            .line
            .replace("HOST", &host)
            .replace("DIGEST", &digest)
            .replace(scenarios::SHARED, &shared);
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let mut command = scratch.command(program);
        let mut into = None;
        if let [rest @ .., ">", file] = words.as_slice() {
            (into, words) = (Some((*file).to_owned()), rest.to_vec());
        }
        command.args(&words);
        let ran = scratch.run(&mut command)?;
        let after = snapshot::of(&registry);
        if let Some(file) = into {
            scratch.write(&file, &ran.stdout)?;
        }
        did.push(Did {
            code: ran.code,
            stdout: normal::output(&ran.stdout, &own, step.order),
            registry: snapshot::change(&before, &after),
        });
        before = after;
    }
    std::fs::remove_dir_all(scratch.folder()).ok();
    Ok(did)
}

fn compare(scenario: &Scenario, peer: Peer, step: &Step, theirs: &Did, own: &Did) -> Row {
    let mut differs = Vec::new();
    let mut detail = String::new();
    if theirs.code != own.code {
        differs.push("exit code");
        let _written = writeln!(detail, "  exit code: {} there, {} here", theirs.code, own.code);
    }
    for (what, theirs, own) in [
        ("standard output", &theirs.stdout, &own.stdout),
        ("registry", &theirs.registry, &own.registry),
    ] {
        if theirs != own {
            differs.push(what);
            let _written = writeln!(detail, "  {what} there:\n{theirs}\n  {what} here:\n{own}");
        }
    }
    let known = EXPLAINED.iter().find(|known| {
        known.scenario == scenario.name
            && known.line.is_none_or(|line| step.line.contains(line))
            && known.peer.is_none_or(|only| only == peer)
    });
    Row {
        scenario: scenario.name,
        peer,
        line: step.line.clone().into_owned(),
        peer_code: theirs.code,
        our_code: own.code,
        explained: known.filter(|_| !differs.is_empty()).map(|known| known.why),
        differs,
        detail,
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "# Command lines on cosign and on Sigward\n\n\
         Written by `cargo xtask differential cosign --write`. The same words, each in a folder and before a registry of \
         its own; exit code, parsed standard output and the contents of the registry are compared. What differs is a row \
         of [COMPAT.md](../COMPAT.md).\n\n\
         | scenario | peer | line | exit codes | outcome |\n|---|---|---|---|---|\n",
    );
    for row in rows {
        let outcome = match row.explained {
            None if row.differs.is_empty() => "the same".to_owned(),
            None => format!("differs: {}", row.differs.join(", ")),
            Some(why) => format!("{}: {why}", row.differs.join(", ")),
        };
        let _written = writeln!(
            text,
            "| {} | {} | `{}` | {} / {} | {outcome} |",
            row.scenario,
            row.peer.program(),
            row.line.replace('|', "\\|"),
            row.peer_code,
            row.our_code
        );
    }
    text
}
