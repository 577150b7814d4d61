//! Test files of other projects, run by our binary and held against a ledger of what is known not to pass.
mod images;
mod ledger;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{e2e, workspace};
use ledger::Ledger;

/// Where test files of the command line live, below the conformance data.
const FOLDERS: [&str; 2] = ["kyverno/test/cli", "kyverno-policies"];
/// The name of a test file.
const FILE: &str = "kyverno-test.yaml";
/// What is known not to pass.
const LEDGER: &str = "conformance/cli.txt";

/// What came of one test file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Case {
    passed: usize,
    failed: Vec<String>,
    error: Option<String>,
}

impl Case {
    fn is_pass(&self) -> bool {
        self.passed > 0 && self.failed.is_empty() && self.error.is_none()
    }

    /// Why it does not pass, in one line.
    fn reason(&self) -> String {
        match (&self.error, self.failed.first()) {
            (Some(error), _) if needs_cel(error) => "needs CEL".to_owned(),
            (Some(error), _) => error.clone(),
            (None, Some(row)) => row.clone(),
            (None, None) => "no result was checked".to_owned(),
        }
    }
}

/// Whether a case was refused for a kind or a field that CEL is the language of.
fn needs_cel(error: &str) -> bool {
    let kinds = ["Validating", "Mutating", "Generating", "Deleting"];
    let of_kind = |kind: &str| {
        error.contains(&format!("{kind}Policy "))
            || error.contains(&format!("{kind}AdmissionPolicy"))
    };
    error.ends_with(" is not supported in this build")
        && (error.contains("validate.cel")
            || error.contains("CEL is not")
            || kinds.into_iter().any(of_kind))
}

/// Runs every `kyverno-test.yaml` of the conformance data with `sigward test`.
///
/// # Errors
/// The run and the ledger disagree in either direction, or something could not be started or read.
pub fn command_line(program: Option<&Path>, write: bool, verbose: bool) -> Result<()> {
    let Some(shared) = workspace::shared().map(|folder| folder.join("conformance")) else {
        println!("skipped: no conformance data beside the clone, and SIGWARD_SHARED is not set");
        return Ok(());
    };
    let program = match program {
        Some(program) => program.to_owned(),
        None => e2e::build(false)?,
    };
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for folder in FOLDERS {
        find(&shared, &shared.join(folder), &mut cases)?;
    }
    if cases.is_empty() {
        println!("skipped: no {FILE} below {}", shared.display());
        return Ok(());
    }
    run(&program, &shared, &FOLDERS, &mut cases)?;
    with_our_images(&program, &shared, &mut cases)?;
    print(&cases, verbose);
    let path = workspace::root().join(LEDGER);
    let known = Ledger::read(&path)?;
    let failing: BTreeMap<&str, String> = cases
        .iter()
        .filter(|(_, case)| !case.is_pass())
        .map(|(path, case)| (path.as_str(), case.reason()))
        .collect();
    if write {
        return known.rewritten(&failing).write(&path);
    }
    let known_here = |path: &str| cases.contains_key(path);
    let wrong = known.disagreements(&failing, known_here);
    if wrong.is_empty() {
        return Ok(());
    }
    bail!(
        "{}\n{} cases are not as {LEDGER} says (`cargo xtask conformance cli --write` rewrites it)",
        wrong.join("\n"),
        wrong.len()
    );
}

/// Runs the test files below some folders of `root`.
fn run(
    program: &Path,
    root: &Path,
    folders: &[&str],
    cases: &mut BTreeMap<String, Case>,
) -> Result<()> {
    let mut command = Command::new(program);
    command
        .args(["test", "--remove-color"])
        .args(folders)
        .current_dir(root)
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null());
    let done = command
        .output()
        .with_context(|| format!("cannot start {}", workspace::describe(&command)))?;
    read(&String::from_utf8_lossy(&done.stdout), cases);
    Ok(())
}

/// Runs cases about images of a public registry again, with images and keys of our own: that run counts.
fn with_our_images(
    program: &Path,
    shared: &Path,
    cases: &mut BTreeMap<String, Case>,
) -> Result<()> {
    let about_images = |path: &&String| images::speaks_of_them(shared, path);
    let ours: Vec<String> = cases.keys().filter(about_images).cloned().collect();
    if ours.is_empty() {
        return Ok(());
    }
    let images = images::Images::new()?;
    for path in &ours {
        images.take(shared, path)?;
        cases.insert(path.clone(), Case::default());
    }
    let paths: Vec<&str> = ours.iter().filter_map(|path| path.strip_suffix(FILE)).collect();
    run(program, images.folder(), &paths, cases)
}

/// Every test file below a folder, by its path below the conformance data.
fn find(shared: &Path, folder: &Path, cases: &mut BTreeMap<String, Case>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            find(shared, &path, cases)?;
        } else if path.file_name().is_some_and(|name| name == FILE) {
            let below = path.strip_prefix(shared)?.to_string_lossy().into_owned();
            cases.insert(below, Case::default());
        }
    }
    Ok(())
}

/// Reads what `sigward test` prints: a heading for each file, its rows or its error.
fn read(text: &str, cases: &mut BTreeMap<String, Case>) {
    let mut current: Option<&mut Case> = None;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let heading =
            line.strip_prefix("Loading test  ( ").and_then(|rest| rest.strip_suffix(" ) ..."));
        let unreadable = line.strip_prefix("  Path: ");
        if let Some(path) = heading.or(unreadable) {
            current = cases.get_mut(path);
            continue;
        }
        let Some(case) = current.as_deref_mut() else { continue };
        if let Some(error) = line.trim_start().strip_prefix("Error: ") {
            let first = if error.starts_with("failed to load") {
                lines.peek().map_or(error, |next| next.trim())
            } else {
                error
            };
            case.error = Some(first.to_owned());
        } else if let Some(row) = line.strip_prefix("│ ") {
            let cells: Vec<&str> = row.split('│').map(str::trim).collect();
            match cells.as_slice() {
                [_, _, _, _, "Pass", ..] => case.passed += 1,
                [_, policy, rule, resource, "Fail", reason, ..] => {
                    case.failed.push(format!("{policy}/{rule} {resource}: {reason}"));
                }
                _ => {}
            }
        }
    }
}

/// Passes by group, a group being the folder below each of [`FOLDERS`].
fn print(cases: &BTreeMap<String, Case>, verbose: bool) {
    let mut groups: BTreeMap<String, (usize, usize, usize, usize)> = BTreeMap::new();
    for (path, case) in cases {
        let depth = if path.starts_with(FOLDERS[0]) { 4 } else { 2 };
        let group: Vec<&str> = path.split('/').take(depth).collect();
        let (passed, all, rows, failed) = groups.entry(group.join("/")).or_default();
        *passed += usize::from(case.is_pass());
        *all += 1;
        *rows += case.passed;
        *failed += case.failed.len();
        if verbose && !case.is_pass() {
            println!("{path}: {}", case.reason());
        }
    }
    let mut total = (0, 0, 0, 0);
    for (group, (passed, all, rows, failed)) in groups {
        println!("{group:<50} {passed:>4} of {all:>4} cases, {rows:>5} rows, {failed:>4} wrong");
        total = (total.0 + passed, total.1 + all, total.2 + rows, total.3 + failed);
    }
    let (passed, all, rows, failed) = total;
    println!("conformance cli: {passed} of {all} cases pass, {rows} rows right, {failed} wrong");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_prints_is_read_case_by_case() {
        let text = "\
Loading test  ( a/kyverno-test.yaml ) ...
│ ID │ POLICY │ RULE │ RESOURCE │ RESULT │ REASON │
│ 1  │ p      │ r    │ v1/Pod/x │ Pass   │ Ok     │
Loading test  ( b/kyverno-test.yaml ) ...
│ 1  │ p      │ r    │ v1/Pod/x │ Fail   │ Want pass, got fail │
Loading test  ( c/kyverno-test.yaml ) ...
  Error: p: a generate rule is not supported in this build
Loading test  ( e/kyverno-test.yaml ) ...
  Error: ValidatingPolicy p is not supported in this build
";
        let names = ["a", "b", "c", "d", "e"].map(|name| format!("{name}/kyverno-test.yaml"));
        let mut cases: BTreeMap<String, Case> =
            names.iter().map(|name| (name.clone(), Case::default())).collect();
        read(text, &mut cases);
        let of = |at: usize| names.get(at).and_then(|name| cases.get(name)).unwrap();
        assert!(of(0).is_pass());
        assert_eq!(of(1).reason(), "p/r v1/Pod/x: Want pass, got fail");
        assert_eq!(of(2).reason(), "p: a generate rule is not supported in this build");
        assert_eq!(of(3).reason(), "no result was checked");
        assert_eq!(of(4).reason(), "needs CEL");
    }
}
