//! One program on one folder: what it printed, read into rows and objects that can be compared.
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use sigward_document::{Value, parse_json, parse_yaml};

/// How long one command may take before it counts as hung.
const LIMIT: Duration = Duration::from_secs(90);

/// One of the two.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// What is started; its file name is what it answers to.
    pub(super) path: PathBuf,
    /// Where its output goes until it has ended.
    pub(super) streams: PathBuf,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With this exit code.
    Code(i32),
    /// With a panic.
    Panic,
    /// Not at all.
    Hung,
}

/// What one program made of one input.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// How it ended.
    pub(super) end: End,
    /// What it complained about when it evaluated nothing.
    pub(super) refused: Option<String>,
    /// Policies that it does not evaluate, with the reason.
    pub(super) skipped: BTreeMap<String, String>,
    /// Policy, rule and resource, with what was said of them; several of one name in their order.
    pub(super) rows: BTreeMap<Key, Vec<Row>>,
    /// Policy and resource, with the object as it was printed.
    pub(super) objects: BTreeMap<(String, String), Vec<Object>>,
    /// Everything on standard output.
    pub(super) stdout: String,
    /// Everything on standard error.
    pub(super) stderr: String,
}

/// Which row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) policy: String,
    pub(super) rule: String,
    pub(super) resource: String,
}

/// What a row says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) verdict: String,
    pub(super) message: String,
    /// Category, severity, scored, properties.
    pub(super) rest: String,
}

/// A printed object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Object {
    /// What it is.
    pub(super) value: Option<Value>,
    /// How it was printed.
    pub(super) text: String,
}

impl Program {
    /// Runs it in a folder.
    ///
    /// # Errors
    /// It cannot be started, or its output cannot be read.
    pub(super) fn run(&self, folder: &Path, words: &[&str]) -> Result<Answer> {
        let out = self.streams.with_extension("stdout");
        let err = self.streams.with_extension("stderr");
        let mut child = Command::new(&self.path)
            .args(words)
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(File::create(&out)?)
            .stderr(File::create(&err)?)
            .spawn()
            .with_context(|| format!("cannot start {}", self.path.display()))?;
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if started.elapsed() > LIMIT {
                child.kill()?;
                child.wait()?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(4));
        };
        let read = |path: &Path| -> Result<String> {
            Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())
        };
        let (stdout, stderr) = (read(&out)?, read(&err)?);
        let panicked = stderr.contains("goroutine ") || stderr.contains("panicked at");
        let end = match status.map(|status| status.code()) {
            None => End::Hung,
            Some(_) if panicked => End::Panic,
            Some(code) => code.map_or(End::Panic, End::Code),
        };
        Ok(Answer {
            end,
            refused: None,
            skipped: skipped(&format!("{stdout}\n{stderr}")),
            rows: BTreeMap::new(),
            objects: BTreeMap::new(),
            stdout,
            stderr,
        })
    }

    /// `apply` with a report in JSON.
    pub(super) fn apply(&self, folder: &Path, words: &[&str], flags: &[&str]) -> Result<Answer> {
        let report = ["--policy-report", "--output-format", "json"];
        let words: Vec<&str> = words.iter().chain(&report).chain(flags).copied().collect();
        let mut answer = self.run(folder, &words)?;
        match report_in(&answer.stdout) {
            Some((before, report)) => {
                answer.rows = report_rows(&report);
                answer.objects = objects(before);
            }
            // A report that has no rows is not printed by Kyverno.
            None if answer.end == End::Code(0) || !answer.skipped.is_empty() => {}
            None => answer.refused = Some(complaint(&answer)),
        }
        Ok(answer)
    }

    /// `test`, with what each row is checked against.
    pub(super) fn test(&self, folder: &Path) -> Result<Answer> {
        let words = ["test", ".", "--remove-color", "--detailed-results"];
        let mut answer = self.run(folder, &words)?;
        answer.rows = table_rows(&answer.stdout);
        if answer.rows.is_empty() && answer.skipped.is_empty() {
            answer.refused = Some(complaint(&answer));
        }
        Ok(answer)
    }
}

/// The policies of the lists that are headed by why they are not evaluated.
fn skipped(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !["Policies Skipped:", "Invalid Policies:"].contains(&line) {
            continue;
        }
        for line in lines.by_ref().take_while(|line| !line.starts_with("-----")) {
            let entry = line.split_once(". ").and_then(|(_, rest)| rest.split_once(": "));
            if let Some((name, reason)) = entry {
                found.insert(name.to_owned(), reason.to_owned());
            }
        }
    }
    found
}

/// The first thing that a program complains about.
fn complaint(answer: &Answer) -> String {
    let lines = || answer.stderr.lines().chain(answer.stdout.lines()).map(str::trim);
    lines()
        .find(|line| line.to_lowercase().contains("error"))
        .or_else(|| lines().find(|line| !line.is_empty() && !line.starts_with("Warning: ")))
        .unwrap_or_default()
        .to_owned()
}

/// What stands before the report of the cluster's policies, and that report. In JSON Kyverno prints none of those of
/// policies that have a namespace.
fn report_in(stdout: &str) -> Option<(&str, Value)> {
    let ours = "{\"apiVersion\":\"openreports.io/v1alpha1\",\"kind\":\"ClusterReport\"";
    let at = ["{\"kind\":\"ClusterReport\"", ours].iter().find_map(|start| stdout.find(start))?;
    let (before, report) = stdout.split_at(at);
    let report = report.lines().next()?;
    Some((before, parse_json(report.as_bytes()).ok()?))
}

fn report_rows(report: &Value) -> BTreeMap<Key, Vec<Row>> {
    let mut rows: BTreeMap<Key, Vec<Row>> = BTreeMap::new();
    for result in report.get("results").and_then(Value::as_list).unwrap_or_default() {
        let text =
            |field: &str| result.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let about = result.get("resources").and_then(|list| list.item(0));
        let part = |field: &str| about.and_then(|it| it.str_at(&[field])).unwrap_or_default();
        let resource = format!("{}/{}/{}", part("namespace"), part("kind"), part("name"));
        let key = Key { policy: text("policy"), rule: text("rule"), resource };
        let rest: Vec<String> = ["category", "severity", "scored", "properties"]
            .iter()
            .map(|field| result.get(field).map(Value::to_json).unwrap_or_default())
            .collect();
        let row = Row { verdict: text("result"), message: text("message"), rest: rest.join(" ") };
        rows.entry(key).or_default().push(row);
    }
    for several in rows.values_mut() {
        several.sort();
    }
    rows
}

/// The objects that `apply` prints under their headings.
fn objects(text: &str) -> BTreeMap<(String, String), Vec<Object>> {
    let mut found: BTreeMap<(String, String), Vec<Object>> = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let heading = line
            .strip_prefix("policy ")
            .and_then(|line| line.strip_suffix(':')?.split_once(" applied to "));
        let Some((policy, resource)) = heading else { continue };
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "---").collect();
        let text = text.join("\n").trim_end().to_owned();
        let value = parse_yaml(&text).ok().map(|written| written.value);
        let key = (policy.to_owned(), resource.to_owned());
        found.entry(key).or_default().push(Object { value, text });
    }
    found
}

/// The rows of the tables that `test` prints. A row that was wrapped goes on below, without a number.
fn table_rows(text: &str) -> BTreeMap<Key, Vec<Row>> {
    let mut lines: Vec<Vec<String>> = Vec::new();
    for line in text.lines() {
        let Some(line) = line.strip_prefix("│ ") else { continue };
        let cells = line.split('│').map(|cell| cell.trim().to_owned());
        match lines.last_mut().filter(|_| line.starts_with(' ')) {
            Some(row) => {
                for (cell, more) in row.iter_mut().zip(cells).filter(|(_, more)| !more.is_empty()) {
                    format!("{cell} {more}").trim().clone_into(cell);
                }
            }
            None => lines.push(cells.collect()),
        }
    }
    let mut rows: BTreeMap<Key, Vec<Row>> = BTreeMap::new();
    for cells in &lines {
        let [id, policy, rule, resource, verdict, rest @ ..] = cells.as_slice() else { continue };
        if id == "ID" || policy == "POLICY" {
            continue;
        }
        let [policy, rule, resource] = [policy, rule, resource].map(Clone::clone);
        // Where a line was wrapped nobody can tell how many blanks there were.
        let message = rest.join(" ");
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        let row = Row { verdict: verdict.clone(), message, rest: String::new() };
        rows.entry(Key { policy, rule, resource }).or_default().push(row);
    }
    for several in rows.values_mut() {
        several.sort();
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_and_the_objects_before_it_are_read() {
        let stdout = "\npolicy p applied to default/Pod/a:\nkind: Pod\nmetadata:\n    name: a\n\n---\n\n\nMutation:\n\
                      Mutation has been applied successfully.{\"kind\":\"ClusterReport\",\"results\":[{\"policy\":\"p\",\
                      \"rule\":\"r\",\"result\":\"pass\",\"message\":\"m\",\"scored\":true,\"resources\":[{\"kind\":\"Pod\",\
                      \"namespace\":\"default\",\"name\":\"a\"}]}]}\n";
        let (before, report) = report_in(stdout).unwrap();
        let rows = report_rows(&report);
        let (key, row) = rows.iter().next().unwrap();
        assert_eq!((key.policy.as_str(), key.resource.as_str()), ("p", "default/Pod/a"));
        assert_eq!(row.first().unwrap().verdict, "pass");
        let objects = objects(before);
        let object = objects.values().flatten().next().unwrap();
        assert_eq!(object.value.as_ref().unwrap().str_at(&["metadata", "name"]), Some("a"));
    }

    #[test]
    fn policies_that_are_not_evaluated_are_read_with_their_reasons() {
        let text = "-----\nPolicies Skipped:\n1. a: bad: worse\n2. b: x\n-----\nother: y\n";
        let read = skipped(text);
        assert_eq!(read.len(), 2);
        assert_eq!(read.get("a").unwrap(), "bad: worse");
    }

    #[test]
    fn a_table_is_read_without_its_head_and_with_what_was_wrapped() {
        let text = "│ ID │ POLICY │ RULE │ RESOURCE │ RESULT │ REASON │\n│ 1  │ p │ r │ v1/Pod/x │ Fail │ Want pass, │\n│    │   │   │          │      │ got fail   │\n";
        let rows = table_rows(text);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows.values().flatten().next().unwrap().message, "Want pass, got fail");
    }
}
