//! `test`: policies against resources, as `kyverno-test.yaml` files expect it.
mod case;
mod compare;
mod file;
mod filter;
mod output;
mod rows;
mod watch;

use super::{
    color::Colours,
    input::{self, Git},
    table::{self, Row},
};
use crate::cli::cosign::Failure;
use clap::Args;
use file::{Found, Unreadable};
use filter::Filter;
use output::Format;
use std::{
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Run tests from a local filesystem or a remote git repository.
#[derive(Args, Clone, Debug)]
pub(crate) struct Test {
    /// folders with test files, or git repositories
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,
    /// name of the test files
    #[arg(short = 'f', long, default_value = "kyverno-test.yaml")]
    file_name: String,
    /// branch of the git repository
    #[arg(short = 'b', long, default_value = "")]
    git_branch: String,
    /// which results to check
    #[arg(short = 't', long = "test-case-selector", default_value = "policy=*,rule=*,resource=*")]
    selector: String,
    /// json, yaml, markdown, junit, sarif or github
    #[arg(short = 'o', long)]
    output_format: Option<Format>,
    /// let context entries ask registries (image verification always does)
    #[arg(long)]
    registry: bool,
    /// show failed results only
    #[arg(long)]
    fail_only: bool,
    /// no colours
    #[arg(long)]
    remove_color: bool,
    /// show messages
    #[arg(long)]
    detailed_results: bool,
    /// no test found is an error
    #[arg(long)]
    require_tests: bool,
    /// deprecated kinds are errors
    #[arg(long)]
    warnings_as_errors: bool,
    /// signatures made with keys need no transparency log entry: for private infrastructure
    #[arg(long)]
    insecure_ignore_tlog_for_keys: bool,
    /// what certificates, log entries and timestamps are judged by (`trusted_root.json`)
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// allow registries that speak plain HTTP
    #[arg(long = "allowInsecureRegistry", alias = "allow-insecure-registry")]
    allow_insecure_registry: bool,
    /// run again whenever a file changes
    #[arg(long)]
    watch: bool,
}

/// Test files, and the clones that some of them lie in.
#[derive(Debug, Default)]
struct Files {
    found: Vec<Found>,
    unreadable: Vec<Unreadable>,
    clones: Vec<input::Clone>,
}

/// What came of one test file.
#[derive(Debug, Default)]
struct Ran {
    /// What is printed before the results.
    text: String,
    /// One for each result that was checked.
    rows: Vec<Row>,
    /// Why it could not be run.
    error: Option<String>,
    /// Where it is.
    path: PathBuf,
}

/// What all of them came to.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    passed: usize,
    failed: usize,
    not_run: usize,
}

impl Test {
    /// Exit code 0 when every result is as expected; 1 otherwise.
    ///
    /// # Errors
    /// Results that are not as expected, tests that could not be run, input that cannot be used.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        if self.watch {
            return watch::run(&self.paths, || self.once());
        }
        self.once()
    }

    fn once(&self) -> Result<(), Failure> {
        let filter = Filter::parse(&self.selector).map_err(Failure::new)?;
        let Files { found, unreadable, clones: _alive } = self.find()?;
        let mut out = std::io::stdout().lock();
        let mut say = |text: &str| {
            let _closed = out.write_all(text.as_bytes());
        };
        if !unreadable.is_empty() {
            say("\nTest errors:\n");
            for Unreadable { path, error } in &unreadable {
                say(&format!("  Path: {}\n    Error: {error}\n", path.display()));
            }
        }
        if found.is_empty() {
            say("\nNo test yamls available\n");
            return match (unreadable.is_empty(), self.require_tests) {
                (true, false) => Ok(()),
                (true, true) => Err(Failure::new("no tests found")),
                (false, _) => Err(Failure::new("no test file could be read")),
            };
        }
        let context = case::Context::new(self)?;
        let colour = Colours::choose(self.remove_color);
        let mut totals = Totals { not_run: unreadable.len(), ..Totals::default() };
        let mut failed: Vec<Row> = Vec::new();
        let mut document = output::Document::new(self.output_format, self.detailed_results);
        for ran in run_all(&found, &context, &filter) {
            let bad = ran.rows.iter().filter(|row| row.failed).count();
            totals.failed += bad;
            totals.passed += ran.rows.len() - bad;
            if !document.is_alone() {
                say(&ran.text);
            }
            if let Some(error) = &ran.error {
                totals.not_run += 1;
                document.error(&ran.path, error);
                if !document.is_alone() {
                    say(&format!("  Error: {error}\n\n"));
                }
                continue;
            }
            failed.extend(ran.rows.iter().filter(|row| row.failed).cloned());
            match self.output_format {
                Some(_) => say(&document.part(&ran.path, &ran.rows)),
                None if self.fail_only => {}
                None => {
                    let table = table::render(&ran.rows, self.detailed_results, colour);
                    say(&format!("\n{table}\n"));
                }
            }
        }
        say(&document.end());
        if !document.is_alone() {
            say(&summary(totals, self.fail_only));
            if totals.failed > 0 && self.fail_only {
                let table = table::render(&failed, self.detailed_results, colour);
                say(&format!("Aggregated Failed Test Cases : \n{table}"));
            }
        }
        match (totals.failed, totals.not_run) {
            (0, 0) => Ok(()),
            (0, not_run) => Err(Failure::new(format!("{not_run} tests could not be run"))),
            (failed, 0) => Err(Failure::new(format!("{failed} tests failed"))),
            (failed, not_run) => {
                Err(Failure::new(format!("{failed} tests failed, {not_run} could not be run")))
            }
        }
    }

    /// Test files below all paths; clones live as long as they are read.
    fn find(&self) -> Result<Files, Failure> {
        let git = Git { branch: self.git_branch.clone(), ..Git::default() };
        let Files { mut found, mut unreadable, mut clones } = Files::default();
        for path in &self.paths {
            if input::is_address(path) {
                let clone = input::clone(path, &git)?;
                file::find(&clone.folder, &self.file_name, &mut found, &mut unreadable)?;
                clones.push(clone);
            } else {
                file::find(Path::new(path), &self.file_name, &mut found, &mut unreadable)?;
            }
        }
        Ok(Files { found, unreadable, clones })
    }
}

/// Runs all tests on all cores; the results come in the order of the tests.
fn run_all(found: &[Found], context: &case::Context<'_>, filter: &Filter) -> Vec<Ran> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Ran)>> = Mutex::new(Vec::new());
    let work = || {
        while let Some((at, one)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            found.get(at).map(|one| (at, one))
        } {
            let Some(ran) = case::run(one, context, filter) else { continue };
            done.lock().unwrap_or_else(PoisonError::into_inner).push((at, ran));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(found.len());
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, ran)| ran).collect()
}

/// The closing lines.
fn summary(totals: Totals, fail_only: bool) -> String {
    let Totals { passed, failed, not_run } = totals;
    let mut text = if fail_only {
        format!("\nTest Summary: {failed} out of {} tests failed\n\n", passed + failed)
    } else {
        format!("\nTest Summary: {passed} tests passed and {failed} tests failed\n\n")
    };
    if not_run > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, "Not run: {not_run} test files\n\n");
    }
    text
}
