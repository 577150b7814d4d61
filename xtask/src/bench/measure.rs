//! What one run of a program costs: wall clock, CPU, peak memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::{Deserialize, Serialize};

use super::figures::Figures;
use crate::workspace;

/// What one run cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Seconds from start to end.
    pub wall: f64,
    /// Seconds of CPU, user and system.
    pub cpu: f64,
    /// Peak resident memory, in bytes.
    pub memory: f64,
}

impl Cost {
    /// Keeps the numbers for the aims.
    pub(super) fn put(&self, figures: &mut Figures, work: &str, who: &str) {
        figures.put(work, who, "wall", self.wall);
        figures.put(work, who, "cpu", self.cpu);
        figures.put(work, who, "memory", self.memory);
    }
}

/// Runs a program as this process's only child and writes what it cost to a file.
///
/// The kernel adds up the usage of all children of a process, and keeps the largest peak: only a process with one child
/// knows that child's. So each run has a small process of its own.
pub fn run_only_child(to: &Path, words: &[String]) -> Result<()> {
    let (program, arguments) = words.split_first().context("no program to measure")?;
    let started = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    let wall = started.elapsed().as_secs_f64();
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)
        .context("the kernel does not tell what a child used")?;
    let microseconds =
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let cost = Cost {
        wall,
        cpu: f64::from(u32::try_from(microseconds)?) / 1e6,
        memory: f64::from(u32::try_from(usage.max_rss())?) * 1024.0,
    };
    fs::write(to, serde_json::to_string(&cost)?)
        .with_context(|| format!("cannot write {}", to.display()))
}

/// Measures one run of a command, with its environment and folder.
pub(super) fn measure(command: &Command, to: &Path) -> Result<Cost> {
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let mut outer = Command::new(own);
    outer
        .arg("measure")
        .arg("--to")
        .arg(to)
        .arg("--")
        .arg(command.get_program())
        .args(command.get_args());
    outer.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    workspace::output(&mut outer)?;
    let text = fs::read_to_string(to).with_context(|| format!("cannot read {}", to.display()))?;
    serde_json::from_str(&text).context("the measurement is damaged")
}

/// The middle of each figure over several runs.
pub(super) fn median(costs: &[Cost]) -> Cost {
    let middle = |figure: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = costs.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Cost {
        wall: middle(|cost| cost.wall),
        cpu: middle(|cost| cost.cpu),
        memory: middle(|cost| cost.memory),
    }
}

/// Seconds as a reader likes them.
pub(super) fn time(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.2} s") }
}

/// The size of a file, in bytes.
pub(super) fn size(path: &PathBuf) -> Result<f64> {
    let bytes =
        fs::metadata(path).with_context(|| format!("cannot find {}", path.display()))?.len();
    Ok(f64::from(u32::try_from(bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_taken_figure_by_figure() {
        let cost = |wall, cpu, memory| Cost { wall, cpu, memory };
        let found = median(&[cost(3.0, 1.0, 2.0), cost(1.0, 3.0, 1.0), cost(2.0, 2.0, 3.0)]);
        assert_eq!(found, cost(2.0, 2.0, 2.0));
    }

    #[test]
    fn a_program_that_fails_is_not_measured() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("cost");
        assert!(run_only_child(&to, &["false".to_owned()]).is_err());
        assert!(!to.exists());
    }

    #[test]
    fn time_spent_asleep_is_wall_and_not_cpu() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("cost");
        run_only_child(&to, &["sleep".to_owned(), "0.2".to_owned()]).unwrap();
        let cost: Cost = serde_json::from_str(&fs::read_to_string(to).unwrap()).unwrap();
        assert!(cost.wall >= 0.2 && cost.cpu < cost.wall, "{cost:?}");
        assert!(cost.memory > 100_000.0, "{cost:?}");
    }
}
