//! The fuzz targets of `fuzz/`: built with the fuzzer's counters by the stable compiler, each run for a while from its seeds.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// How long CI runs each target, in seconds.
pub const BRIEFLY: u64 = 3;
/// A single input that takes longer than this is a finding, in seconds. Wide, as machines that build are slow.
const SLOWEST: u64 = 20;
/// A target that grows past this is a finding, in MiB.
const LARGEST: u64 = 1024;
/// The longest input that is made, in bytes.
const LONGEST: u64 = 4096;

/// What a run came to.
struct Ran {
    /// Inputs that were tried.
    runs: u64,
    /// Where the input lies that breaks the law, and the end of what was said about it.
    finding: Option<(PathBuf, String)>,
}

/// Builds all targets and runs those that are named, or each of them when none is; one line per target.
///
/// # Errors
/// A target does not build, has no seeds, or found something.
pub fn run(seconds: u64, names: &[String]) -> Result<()> {
    let folder = workspace::root().join("fuzz");
    let known = targets(&folder)?;
    for name in names {
        if !known.contains(name) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            bail!("there is no fuzz target `{name}`: there are {}", known.join(", "));
        }
    }
    let chosen: Vec<&String> =
        known.iter().filter(|n| names.is_empty() || names.contains(n)).collect();
    if !has_runtime_compiler() {
        let reason = "there is no C++ compiler for the fuzzer's runtime (set CXX, or install g++)";
        if workspace::in_ci() {
            bail!("{reason}");
        }
        println!("skipped: fuzz, as {reason}");
        return Ok(());
    }
    build(&folder, if names.is_empty() { &[] } else { &chosen })?;
    let mut found = Vec::new();
    // Each is one thread: as many at a time as there are cores.
    let at_a_time = thread::available_parallelism().map_or(1, usize::from);
    for some in chosen.chunks(at_a_time) {
        let ran = thread::scope(|scope| {
            let running: Vec<_> = some
                .iter()
                .map(|name| scope.spawn(|| run_target(&folder, name, seconds)))
                .collect();
            running.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
        });
        for (name, ran) in some.iter().zip(ran) {
            let ran =
                ran.map_err(|_| anyhow::anyhow!("running the fuzz target `{name}` panicked"))??;
            let seeds = fs::read_dir(folder.join("seeds").join(name))?.count();
            let Some((input, said)) = ran.finding else {
                println!("fuzz {name:<12} ok     {:>8} runs, seeds: {seeds}", ran.runs);
                continue;
            };
            let input = input.display();
            println!("{said}\nfuzz {name:<12} FAILED {:>8} runs; the input is {input}", ran.runs);
            found.push(name.as_str());
        }
    }
    if !found.is_empty() {
        bail!("found something: {}", found.join(", "));
    }
    Ok(())
}

/// The names of all targets. Each has seeds: from nothing, nothing is reached in seconds.
fn targets(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in
        fs::read_dir(folder.join("fuzz_targets")).context("cannot list fuzz/fuzz_targets")?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
        {
            if !folder.join("seeds").join(name).is_dir() {
                bail!("the fuzz target `{name}` has no seeds");
            }
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

/// Whether the fuzzer's runtime, which is C++, can be compiled.
fn has_runtime_compiler() -> bool {
    env::var_os("CXX").is_some()
        || ["c++", "g++", "clang++"].into_iter().any(|name| workspace::find_program(name).is_some())
}

/// Builds with counters in our own crates. What others wrote is taken from the workspace's build where it is the same.
fn build(folder: &Path, names: &[&String]) -> Result<()> {
    // As cargo takes it when it builds the workspace: relative to the root.
    let shared = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let shared = workspace::root().join(shared);
    let mut command = workspace::cargo();
    command
        .current_dir(folder)
        .args(["build", "--quiet", "--locked"])
        .env("CARGO_BUILD_BUILD_DIR", shared)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env("CARGO_INCREMENTAL", "0")
        .env("RUSTC_WRAPPER", folder.join("instrument"));
    for name in names {
        command.args(["--bin", name]);
    }
    workspace::run(&mut command)
}

/// Runs one target. What it learns and finds stays below `fuzz/`, out of git.
fn run_target(folder: &Path, name: &str, seconds: u64) -> Result<Ran> {
    let corpus = folder.join("corpus").join(name);
    let artifacts = folder.join("artifacts").join(name);
    fs::create_dir_all(&corpus).context("cannot make a folder for the corpus")?;
    fs::create_dir_all(&artifacts).context("cannot make a folder for findings")?;
    let log = artifacts.join("log");
    let output = File::create(&log).context("cannot make the fuzzer's log")?;
    let status = Command::new(folder.join("target/debug").join(name))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={SLOWEST}"))
        .arg(format!("-rss_limit_mb={LARGEST}"))
        .arg(format!("-max_len={LONGEST}"))
        // The same inputs in the same order on every machine, as far as time allows.
        .args(["-seed=1", "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(&corpus)
        .arg(folder.join("seeds").join(name))
        // The law that broke is named by its message; the input is there for the rest.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .status()
        .with_context(|| format!("cannot start the fuzz target `{name}`"))?;
    let said = String::from_utf8_lossy(&fs::read(&log).context("cannot read the fuzzer's log")?)
        .into_owned();
    let ran = judge(&said, status.success());
    if status.success() && ran.runs == 0 {
        bail!("the fuzz target `{name}` ran nothing\n{said}");
    }
    Ok(Ran {
        finding: ran
            .finding
            .map(|(input, said)| (if input.as_os_str().is_empty() { log } else { input }, said)),
        ..ran
    })
}

/// Reads the fuzzer's log.
fn judge(said: &str, is_success: bool) -> Ran {
    let after =
        |mark: &str| said.lines().rev().find_map(|line| Some(line.split_once(mark)?.1.trim()));
    let runs = after("stat::number_of_executed_units:").and_then(|number| number.parse().ok());
    let finding = (!is_success).then(|| {
        let lines: Vec<&str> = said
            .lines()
            .filter(|line| {
                !line.starts_with('#') && !line.starts_with("stat::") && !line.starts_with("INFO:")
            })
            .collect();
        let tail = lines.get(lines.len().saturating_sub(30)..).unwrap_or_default();
        (PathBuf::from(after("Test unit written to").unwrap_or_default()), tail.join("\n"))
    });
    Ran { runs: runs.unwrap_or(0), finding }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_run_is_counted() {
        let ran = judge("#2 INITED\nDone 5 runs\nstat::number_of_executed_units: 1234\n", true);
        assert_eq!(ran.runs, 1234);
        assert!(ran.finding.is_none());
    }

    #[test]
    fn a_finding_names_its_input() {
        let said = "INFO: Seed: 1\nthread '<unnamed>' panicked at x.rs:1:1:\nswallowed\nartifact_prefix='a/'; Test unit written to a/crash-1\nstat::number_of_executed_units: 7\n";
        let ran = judge(said, false);
        let (input, text) = ran.finding.unwrap();
        assert_eq!((ran.runs, input), (7, PathBuf::from("a/crash-1")));
        assert!(text.contains("swallowed") && !text.contains("INFO"));
    }

    #[test]
    fn every_target_has_seeds_and_is_built() {
        let folder = workspace::root().join("fuzz");
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let names = targets(&folder).unwrap();
        assert_eq!(manifest.matches("[[bin]]").count(), names.len());
        for name in names {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        }
    }
}
