//! Everything that a change must pass, in one run: a line per stage, and cargo's own test lines at the end.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::peers::{self, Readiness};
use crate::{conformance, deny, e2e, fuzz, layers, tidy, workspace};

/// Every test there is.
const WHOLE: &[&str] = &["--workspace"];
/// The binary as the container image has it.
const BARE: &[&str] = &["--package", "sigward", "--no-default-features"];

/// What one stage came to.
struct Stage {
    name: &'static str,
    took: Duration,
    error: Option<String>,
}

/// The stages that have run.
#[derive(Default)]
struct Run {
    stages: Vec<Stage>,
}

impl Run {
    /// Runs one stage; a failure is kept and the next stage runs all the same, so that one run shows all.
    fn stage(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> bool {
        println!("\n==> {name}");
        let started = Instant::now();
        let error = work().err().map(|error| format!("{error:#}"));
        if let Some(error) = &error {
            println!("{error}");
        }
        self.stages.push(Stage { name, took: started.elapsed(), error });
        self.stages.last().is_some_and(|stage| stage.error.is_none())
    }

    fn is_success(&self) -> bool {
        self.stages.iter().all(|stage| stage.error.is_none())
    }

    fn print(&self) {
        for Stage { name, took, error } in &self.stages {
            let ending = if error.is_none() { "ok" } else { "FAILED" };
            println!("stage {name:<20} {ending:<6} {:>6.1} s", took.as_secs_f64());
        }
    }
}

/// Runs all stages; gives whether all passed.
pub fn run() -> Result<bool> {
    let started = Instant::now();
    let mut run = Run::default();
    // The peers are built by Go beside everything that cargo does: both have idle moments, and a machine that has them
    // already loses nothing.
    let peers = thread::spawn(|| {
        let started = Instant::now();
        (peers::prepare(peers::END_TO_END, workspace::in_ci()), started.elapsed())
    });
    run.stage("components", components);
    run.stage("fmt", || {
        workspace::run(workspace::cargo().args(["fmt", "--all", "--", "--check", "-l"]))
    });
    run.stage("layers", || nothing(&layers::check()?));
    run.stage("tidy", || nothing(&tidy::check()?));
    run.stage("clippy", || {
        let words = [
            "clippy",
            "--quiet",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        workspace::run(cargo().args(words))
    });
    run.stage("doc", || {
        workspace::run(cargo().args([
            "doc",
            "--quiet",
            "--locked",
            "--workspace",
            "--no-deps",
            "--lib",
        ]))
    });
    run.stage("build", || {
        for words in [WHOLE, BARE] {
            workspace::run(cargo().args(["test", "--quiet", "--locked", "--no-run"]).args(words))?;
        }
        Ok(())
    });
    run.stage("deny", deny::check);
    run.stage("fuzz", || fuzz::run(fuzz::BRIEFLY, &[]));
    let mut readiness = None;
    let has_peers = run.stage("peers", || {
        let (made, took) =
            peers.join().map_err(|_| anyhow::anyhow!("building the peers panicked"))?;
        println!("the peers took {:.0} s beside the stages above", took.as_secs_f64());
        readiness = Some(made?);
        Ok(())
    });
    // From here on nothing else runs: tests have deadlines.
    let mut closing = Vec::new();
    run.stage("test", || test(WHOLE, &mut closing));
    run.stage("test without features", || test(BARE, &mut closing));
    run.stage("conformance", || conformance::command_line(None, false, false));
    let mut summary = None;
    if has_peers {
        run.stage("e2e", || match readiness.take().context("no peers")? {
            Readiness::Ready(peers) => {
                let done = e2e::run(peers, &e2e::Options::default())?;
                summary = Some(done);
                if done.is_success() { Ok(()) } else { bail!("not every claim holds") }
            }
            Readiness::Missing(missing) => peers::skip("e2e", &missing).map(drop),
        });
    }

    println!("\n==> in short, after {:.0} s", started.elapsed().as_secs_f64());
    run.print();
    if let Some(summary) = summary {
        println!("{summary}");
    }
    for line in closing {
        println!("{line}");
    }
    Ok(run.is_success())
}

/// The parts of the toolchain that a minimal installation lacks.
fn components() -> Result<()> {
    for (component, word) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        let there = workspace::cargo()
            .args([word, "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !there {
            workspace::run(Command::new("rustup").args(["component", "add", component]))?;
        }
    }
    Ok(())
}

/// Cargo, without incremental state where nobody will build a second time.
fn cargo() -> Command {
    let mut command = workspace::cargo();
    if workspace::in_ci() {
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// A check that found nothing.
fn nothing(found: &[String]) -> Result<()> {
    if !found.is_empty() {
        bail!("{}\n{} out of order", found.join("\n"), found.len());
    }
    Ok(())
}

/// Runs `cargo test`, shows its output as it comes, and keeps its closing lines.
fn test(words: &[&str], closing: &mut Vec<String>) -> Result<()> {
    let mut command = cargo();
    command.args(["test", "--locked", "--no-fail-fast"]).args(words);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", workspace::describe(&command)))?;
    let output = child.stdout.take().context("cargo has no standard output")?;
    let mut ran = 0;
    for line in BufReader::new(output).lines() {
        let line = line.context("cannot read what cargo prints")?;
        println!("{line}");
        if line.starts_with("test result: ") {
            ran += passed(&line);
            closing.push(line);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{} ended with {status}", workspace::describe(&command));
    }
    if ran == 0 && words == WHOLE {
        bail!("{} ran no test", workspace::describe(&command));
    }
    Ok(())
}

/// The number before `passed` in a closing line.
fn passed(line: &str) -> usize {
    let words: Vec<&str> = line.split_whitespace().collect();
    words
        .windows(2)
        .find(|pair| matches!(pair, [_, word] if word.starts_with("passed")))
        .and_then(|pair| pair.first()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_stage_fails_the_run_and_the_next_one_runs() {
        let mut run = Run::default();
        assert!(!run.stage("one", || bail!("broken")));
        assert!(run.stage("two", || Ok(())));
        assert!(!run.is_success());
    }

    #[test]
    fn the_number_of_passed_tests_is_read() {
        let line = "test result: ok. 34 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.04s";
        assert_eq!(passed(line), 34);
    }
}
