//! Policies on the command line: `test` on the public library, `apply` on a thousand Pods; ours beside Kyverno's.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::figures::Measured;
use super::measure::{self, Cost};
use super::names::{KYVERNO, SIGWARD};
use super::{Bench, names, pod_security};
use crate::workspace;

/// Pods in the one file.
const PODS: usize = 1_000;
/// Seconds each: fewer runs tell as much.
const RUNS: usize = 5;
/// Groups of the library whose policies are written in CEL end like this.
const CEL: [&str; 5] = ["-cel", "-vpol", "-mpol", "-gpol", "-dpol"];

/// Both works, on both programs.
pub(super) fn measure(bench: &Bench<'_>) -> Result<Measured> {
    let mut measured = Measured::default();
    writeln!(
        measured.tables,
        "| work | program | results | wall | CPU | peak memory | wall, of Kyverno's | CPU, of Kyverno's |\n|---|---|---|---|---|---|---|---|"
    )?;
    match library()? {
        Some((folder, groups)) => {
            let mut words = vec!["test".to_owned(), "--remove-color".to_owned()];
            words.extend(groups);
            one(bench, &mut measured, names::LIBRARY, &folder, &words, &tested)?;
        }
        None => println!("skipped: {}: the library is not there", names::LIBRARY),
    }
    let folder = bench.scratch.path("pod-security");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("policies.yaml"), pod_security::POLICIES)?;
    fs::write(folder.join("pods.yaml"), pods())?;
    let words = ["apply", "policies.yaml", "--resource", "pods.yaml"].map(str::to_owned);
    one(bench, &mut measured, names::APPLY, &folder, &words, &applied)?;
    Ok(measured)
}

/// The library and its groups without CEL; nothing where it is not at hand.
fn library() -> Result<Option<(PathBuf, Vec<String>)>> {
    let Some(folder) =
        workspace::shared().map(|shared| shared.join("conformance/kyverno-policies"))
    else {
        return Ok(None);
    };
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(None) };
    let mut groups = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() && !CEL.iter().any(|end| name.ends_with(end)) {
            groups.push(name);
        }
    }
    groups.sort();
    Ok(Some((folder, groups)))
}

/// Pods that differ in name, labels and image, and obey every one of the policies.
fn pods() -> String {
    (0..PODS).map(|serial| pod_security::pod(serial, "default").to_string() + "\n---\n").collect()
}

/// How many results a run of `test` passed; an error if one failed.
fn tested(said: &str) -> Result<f64> {
    let count = said
        .lines()
        .find_map(|line| {
            line.strip_prefix("Test Summary: ")?.strip_suffix(" tests passed and 0 tests failed")
        })
        .with_context(|| format!("not all tests passed: {}", end(said)))?;
    Ok(count.parse()?)
}

/// How many rules passed; an error if one did anything else.
fn applied(said: &str) -> Result<f64> {
    let rest = said.lines().find_map(|line| line.strip_prefix("pass: "));
    let rest = rest.with_context(|| format!("no summary: {}", end(said)))?;
    let (count, others) = rest.split_once(',').context("a short summary")?;
    let nothing = "fail: 0, warn: 0, error: 0, skip: 0";
    ensure!(others.trim() == nothing, "not all rules passed: {rest}");
    let count: f64 = count.parse()?;
    ensure!(count >= 18_000.0, "only {count} rules passed");
    Ok(count)
}

fn end(said: &str) -> String {
    let from = said.char_indices().rev().nth(500).map_or(0, |(at, _)| at);
    said.get(from..).unwrap_or_default().to_owned()
}

/// One work on both programs, in turns; what each says is checked before and after.
fn one(
    bench: &Bench<'_>,
    measured: &mut Measured,
    work: &str,
    folder: &Path,
    words: &[String],
    read: &dyn Fn(&str) -> Result<f64>,
) -> Result<()> {
    let kyverno = bench.world.peers().program("kubectl-kyverno")?;
    let mut programs = vec![(KYVERNO, kyverno)];
    if !bench.options.peers_only {
        programs.push((SIGWARD, bench.world.sigward(&["apply", "test"])?));
    }
    let command = |program: &Path| -> Command {
        let mut command = bench.scratch.command(program);
        command.args(words).current_dir(folder);
        command
    };
    let judge = || -> Result<Vec<f64>> {
        let said = programs.iter().map(|(_, program)| bench.scratch.succeed(&mut command(program)));
        said.map(|said| read(&said?)).collect()
    };
    let results = judge()?;
    let runs = bench.options.runs.min(RUNS);
    let mut costs: Vec<Vec<Cost>> = programs.iter().map(|_| Vec::new()).collect();
    for _ in 0..runs {
        for ((_, program), costs) in programs.iter().zip(&mut costs) {
            costs.push(measure::measure(&command(program), &bench.scratch.path("cost.json"))?);
        }
    }
    ensure!(judge()? == results, "{work}: the second time the answer was another");
    let costs: Vec<Cost> = costs.iter().map(|costs| measure::median(costs)).collect();
    let base = costs.first().context("no program was measured")?;
    for (((who, _), cost), results) in programs.iter().zip(&costs).zip(&results) {
        cost.put(&mut measured.figures, work, who);
        writeln!(
            measured.tables,
            "| {work} | {who} | {results} | {} | {} | {:.1} MiB | 1/{:.1} | 1/{:.1} |",
            measure::time(cost.wall),
            measure::time(cost.cpu),
            cost.memory / 1_048_576.0,
            base.wall / cost.wall,
            base.cpu / cost.cpu,
        )?;
    }
    eprintln!("{work}: done");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_without_a_failure_counts() {
        assert!(
            tested("Test Summary: 7 tests passed and 0 tests failed\n")
                .is_ok_and(|n| (n - 7.0).abs() < 0.5)
        );
        assert!(tested("Test Summary: 7 tests passed and 1 tests failed\n").is_err());
        assert!(tested("").is_err());
        let all = "pass: 20000, fail: 0, warn: 0, error: 0, skip: 0 \n";
        assert!(applied(all).is_ok_and(|n| (n - 20_000.0).abs() < 0.5));
        assert!(applied(&all.replace("fail: 0", "fail: 1")).is_err());
        assert!(applied("pass: 20, fail: 0, warn: 0, error: 0, skip: 0 \n").is_err());
    }
}
