//! End-to-end runs: real programs against real programs, each case a claim with a name.

mod admission;
mod articles;
mod deploy;
mod exceptions;
mod faults;
mod interop;
mod quickstart;
pub(crate) mod registry;
mod rules;
mod sanity;
pub(crate) mod scratch;
mod sigstore;
mod stage;
mod standalone;
pub(crate) mod tools;
mod wire;
mod workloads;
pub(crate) mod world;

pub(crate) use world::build;

use std::collections::VecDeque;
use std::fmt;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use self::scratch::Scratch;
use self::world::{NotYet, World};
use crate::peers::Peers;
use crate::process;
use crate::workspace;

type Run = Box<dyn Fn(&World, &Scratch) -> Result<()> + Send + Sync>;

/// One claim and how it is shown.
struct Case {
    name: String,
    /// The claim as a sentence.
    claim: String,
    /// Whether it wants the machine for itself: a control plane, or numbers.
    alone: bool,
    /// Commands that our binary must have.
    needs: &'static [&'static str],
    run: Run,
}

impl Case {
    fn new(
        name: impl Into<String>,
        claim: impl Into<String>,
        run: impl Fn(&World, &Scratch) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            claim: claim.into(),
            alone: false,
            needs: &[],
            run: Box::new(run),
        }
    }

    /// Waits until our binary has these commands.
    fn needs(mut self, commands: &'static [&'static str]) -> Self {
        self.needs = commands;
        self
    }

    /// Runs while no other case does.
    fn alone(mut self) -> Self {
        self.alone = true;
        self
    }
}

/// How to run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only cases whose names contain one of these; all when empty.
    pub filters: Vec<String>,
    /// Use the release build of our binary.
    pub release: bool,
    /// Print the names and claims, run nothing.
    pub list: bool,
    /// Keep the folders of cases that passed.
    pub keep: bool,
}

/// How a case ended.
#[derive(Debug)]
enum Ending {
    Passed,
    /// Our binary does not have what it takes yet.
    Waits(String),
    Failed(String),
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cases whose claim holds.
    pub passed: usize,
    /// Cases whose claim does not hold.
    pub failed: usize,
    /// Cases that did not run.
    pub skipped: usize,
}

impl Summary {
    /// Whether the run may count as a success; where nothing may be skipped, skipping is failing.
    pub fn is_success(self) -> bool {
        self.failed == 0 && self.passed > 0 && !(workspace::in_ci() && self.skipped > 0)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e2e: {} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

fn cases() -> Vec<Case> {
    let mut cases = sanity::cases();
    cases.extend(interop::cases());
    cases.extend(sigstore::cases());
    cases.extend(quickstart::cases());
    cases.extend(standalone::cases());
    cases.extend(articles::cases());
    cases.extend(admission::cases());
    cases.extend(workloads::cases());
    cases.extend(rules::cases());
    cases.extend(exceptions::cases());
    cases.extend(deploy::cases());
    cases.extend(faults::cases());
    cases
}

/// Runs the cases and prints a line for each.
pub fn run(peers: Peers, options: &Options) -> Result<Summary> {
    let chosen: Vec<Case> = cases()
        .into_iter()
        .filter(|case| {
            options.filters.is_empty()
                || options.filters.iter().any(|part| case.name.contains(part))
        })
        .collect();
    if options.list {
        for case in &chosen {
            println!("{}: {}", case.name, case.claim);
        }
        println!("{} cases", chosen.len());
        return Ok(Summary { passed: chosen.len(), ..Summary::default() });
    }
    let folder = workspace::root().join("target/e2e");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("cannot clear the folder of the last run")?;
    }
    fs::create_dir_all(&folder)?;
    println!("running {} cases", chosen.len());
    let world = World::new(peers, folder, options.release);
    let (alone, together): (Vec<Case>, Vec<Case>) = chosen.into_iter().partition(|case| case.alone);
    let mut done = side_by_side(&world, together, options.keep)?;
    for case in alone {
        let ending = run_one(&world, &case, options.keep)?;
        done.push((case, ending));
    }
    Ok(report(&done))
}

/// Runs cases on two threads.
fn side_by_side(world: &World, cases: Vec<Case>, keep: bool) -> Result<Vec<(Case, Ending)>> {
    let queue = Mutex::new(VecDeque::from(cases));
    let done = Mutex::new(Vec::new());
    let poisoned = || anyhow!("a case broke the harness");
    thread::scope(|scope| {
        let worker = || -> Result<()> {
            loop {
                let Some(case) = queue.lock().map_err(|_| poisoned())?.pop_front() else {
                    return Ok(());
                };
                let ending = run_one(world, &case, keep)?;
                done.lock().map_err(|_| poisoned())?.push((case, ending));
            }
        };
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| poisoned())?)
    })?;
    done.into_inner().map_err(|_| poisoned())
}

fn run_one(world: &World, case: &Case, keep: bool) -> Result<Ending> {
    let scratch = Scratch::new(world.folder().join(&case.name))?;
    let started = Instant::now();
    let run = || {
        if !case.needs.is_empty() {
            world.sigward(case.needs)?;
        }
        (case.run)(world, &scratch)
    };
    let ended = panic::catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(anyhow!("the case itself panicked")));
    let took = started.elapsed();
    let ending = match ended {
        Ok(()) => Ending::Passed,
        Err(error) => match error.downcast_ref::<NotYet>() {
            Some(what) => Ending::Waits(what.to_string()),
            None => Ending::Failed(format!(
                "{error:#}\n\nwhat it ran ({}):\n{}",
                scratch.folder().display(),
                process::tail(&scratch.transcript())
            )),
        },
    };
    line(case, &ending, took);
    if !keep && !matches!(ending, Ending::Failed(_)) {
        fs::remove_dir_all(scratch.folder())?;
    }
    Ok(ending)
}

fn line(case: &Case, ending: &Ending, took: Duration) {
    let name = &case.name;
    match ending {
        Ending::Passed => println!("case {name} ... ok ({:.1} s)", took.as_secs_f64()),
        Ending::Failed(_) => println!("case {name} ... FAILED ({:.1} s)", took.as_secs_f64()),
        Ending::Waits(what) => println!("skipped: {name}: {what}"),
    }
}

fn report(done: &[(Case, Ending)]) -> Summary {
    let mut summary = Summary::default();
    for (case, ending) in done {
        match ending {
            Ending::Passed => summary.passed += 1,
            Ending::Waits(_) => summary.skipped += 1,
            Ending::Failed(error) => {
                summary.failed += 1;
                println!("\n---- {}\n     claim: {}\n{error}", case.name, case.claim);
            }
        }
    }
    println!();
    if workspace::in_ci() && summary.skipped > 0 {
        println!("{} cases were skipped, and here nothing may be", summary.skipped);
    }
    println!("{summary}");
    summary
}
