//! The texts of `apply`.
use super::Judged;
use crate::cli::{
    cosign::Failure,
    kyverno::{
        github,
        input::{Loaded, Sorted},
        processor::Response,
        sarif::{Finding, Level},
        table::Row,
    },
};
use sigward_document::{
    Value,
    yaml::{YamlStyle, to_yaml_with},
};
use sigward_policy::{
    decision::{ImageStatus, RuleOutcome, RuleType, Status},
    snapshot::FailureAction,
};
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
};

/// How many results of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) pass: usize,
    pub(super) fail: usize,
    pub(super) warn: usize,
    pub(super) error: usize,
    pub(super) skip: usize,
}

impl Counts {
    pub(super) fn add(&mut self, status: Status) {
        *match status {
            Status::Pass => &mut self.pass,
            Status::Fail => &mut self.fail,
            Status::Warn => &mut self.warn,
            Status::Error => &mut self.error,
            Status::Skip => &mut self.skip,
        } += 1;
    }
}

/// What one rule said about one resource.
#[derive(Debug)]
pub(super) struct Outcome<'j> {
    /// The resource.
    pub(super) judged: &'j Judged,
    /// Place of the policy among those given.
    pub(super) policy: usize,
    /// Which answer of the policy it belongs to.
    pub(super) response: usize,
    /// The rule's outcome.
    pub(super) rule: &'j RuleOutcome,
    /// The status that counts.
    pub(super) status: Status,
}

/// The outcomes of one resource; what an Audit rule refuses may count as a warning.
pub(super) fn outcomes<'j>(
    judged: &'j Judged,
    policies: &'j [Loaded],
    audit_warn: bool,
) -> impl Iterator<Item = Outcome<'j>> {
    judged.responses.iter().enumerate().flat_map(move |(at, response)| {
        response.rules.iter().map(move |rule| {
            let unscored = policies
                .get(response.policy)
                .is_some_and(|loaded| loaded.annotation("policies.kyverno.io/scored") == "false");
            let warns = unscored || (audit_warn && rule.action == FailureAction::Audit);
            let status =
                if rule.status == Status::Fail && warns { Status::Warn } else { rule.status };
            Outcome { judged, policy: response.policy, response: at, rule, status }
        })
    })
}

/// `namespace/Kind/name`.
pub(super) fn place(resource: &Value) -> String {
    let text = |path: &[&str]| resource.str_at(path).unwrap_or_default();
    let parts = [
        text(&["metadata", "namespace"]),
        text(&["kind"]),
        match text(&["metadata", "name"]) {
            "" => text(&["metadata", "generateName"]),
            name => name,
        },
    ];
    parts.join("/")
}

/// Writes to standard output.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        // The reader has seen enough: `apply | head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn line(text: &str) {
    let _closed = writeln!(std::io::stdout(), "{text}");
}

pub(super) fn header(policies: &[Loaded], resources: usize, exceptions: usize) {
    let compiled = policies.iter().filter_map(|one| one.compiled.as_ref().ok());
    let rules: usize = compiled.map(|policy| policy.rule_names().len()).sum();
    let with =
        if exceptions > 0 { format!(" with {exceptions} exception(s)") } else { String::new() };
    line(&format!("\nApplying {rules} policy rule(s) to {resources} resource(s){with}..."));
}

pub(super) fn footer(counts: &Counts) {
    let Counts { pass, fail, warn, error, skip } = counts;
    line(&format!("\npass: {pass}, fail: {fail}, warn: {warn}, error: {error}, skip: {skip} "));
}

/// Names the policies that are not evaluated; each counts as an error.
pub(super) fn unusable(policies: &Sorted, quiet: bool) -> usize {
    let invalid = policies.policies.iter().filter_map(|loaded| {
        loaded.compiled.as_ref().err().map(|reason| format!("{}: {reason}", loaded.name()))
    });
    let invalid: Vec<String> = invalid.collect();
    let unsupported: Vec<String> = policies
        .unsupported
        .iter()
        .map(|name| format!("{name}: this kind is not supported in this build"))
        .collect();
    for (title, lines) in [("Policies Skipped", &unsupported), ("Invalid Policies", &invalid)] {
        if lines.is_empty() {
            continue;
        }
        let dashes = "-".repeat(70);
        let mut text = format!("{dashes}\n{title}:\n");
        for (number, name) in lines.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}. {name}", number + 1);
        }
        let text = format!("{text}{dashes}");
        if quiet {
            let _closed = writeln!(std::io::stderr(), "{text}");
        } else {
            line(&text);
        }
    }
    invalid.len() + unsupported.len()
}

/// The resources that mutate rules changed, or all of them as they came out when only they are wanted.
pub(super) fn mutated(judged: &[Judged], policies: &[Loaded], only: bool) -> String {
    let mut text = String::new();
    if only {
        for one in judged {
            let object = one.responses.last().map_or(&one.subject.resource, |last| &last.object);
            text.push_str(&to_yaml_with(object, YamlStyle::GoYaml3Wide));
            text.push_str("---\n");
            for target in one.responses.iter().flat_map(Response::targets) {
                text.push_str(&to_yaml_with(target, YamlStyle::GoYaml3Wide));
                text.push_str("---\n");
            }
        }
        return text;
    }
    for (one, response) in changes(judged) {
        let name = policies.get(response.policy).map(Loaded::name).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\npolicy {name} applied to {}:\n{}\n---\n",
            place(&one.subject.resource),
            to_yaml_with(&response.object, YamlStyle::GoYaml3Wide)
        );
        if response.targets().next().is_some() {
            text.push_str("patched targets: \n");
        }
        for target in response.targets() {
            let _ = write!(text, "\n{}\n---\n\n", to_yaml_with(target, YamlStyle::GoYaml3Wide));
        }
        text.push_str("\n\nMutation:\nMutation has been applied successfully.\n");
    }
    for one in judged {
        for response in one.responses.iter().filter(|one| !one.generated.is_empty()) {
            let name = policies.get(response.policy).map(Loaded::name).unwrap_or_default();
            let _ = writeln!(text, "\npolicy {name} applied to {}:", place(&one.subject.resource));
            for (_, object) in &response.generated {
                let _ = writeln!(text, "{}\n---", to_yaml_with(object, YamlStyle::GoYaml3Wide));
            }
            text.push_str("\n\nGenerate:\nGeneration completed successfully.\n");
        }
    }
    text
}

/// Each policy that changed a resource, or others because of it.
fn changes(judged: &[Judged]) -> impl Iterator<Item = (&Judged, &Response)> {
    judged.iter().flat_map(|one| {
        let mut before = &one.subject.resource;
        one.responses.iter().filter_map(move |response| {
            let changed = response.object != *before || response.targets().next().is_some();
            before = &response.object;
            changed.then_some((one, response))
        })
    })
}

/// Writes mutated resources to `NAME-mutated.yaml` in a folder, or all into one file.
///
/// `written` are the files that this run has begun: what comes later is added to them.
pub(super) fn write_mutated(
    judged: &[Judged],
    output: &Path,
    written: &mut BTreeSet<PathBuf>,
) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::new(format!("cannot write {}: {error}", path.display()))
    };
    let is_folder = output.is_dir() || output.extension().is_none();
    if is_folder {
        std::fs::create_dir_all(output).map_err(|error| failed(output, error))?;
    }
    for one in judged {
        let Some((_, last)) = changes(std::slice::from_ref(one)).last() else { continue };
        let object = &last.object;
        let name = object.str_at(&["metadata", "name"]).unwrap_or("resource");
        // A name is a path's last part, whatever stands in it.
        let name = name.replace(['/', '\\'], "_");
        let path =
            if is_folder { output.join(format!("{name}-mutated.yaml")) } else { output.to_owned() };
        let targets = one.responses.iter().flat_map(Response::targets);
        let mut text = String::new();
        for object in [object].into_iter().chain(targets) {
            text.push_str(&to_yaml_with(object, YamlStyle::GoYaml3Wide));
            text.push_str("\n---\n");
        }
        let first = written.insert(path.clone());
        std::fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(first)
            .append(!first)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// Everything that is not as it should be, by policy and resource.
pub(super) fn violations(outcomes: &[Outcome<'_>], explain: bool) -> String {
    let mut text = String::new();
    let wanted: Vec<&Outcome<'_>> = outcomes
        .iter()
        .filter(|one| explain || matches!(one.status, Status::Fail | Status::Error | Status::Warn))
        .collect();
    let same = |one: &&Outcome<'_>, other: &&Outcome<'_>| {
        std::ptr::eq(one.judged, other.judged) && one.response == other.response
    };
    for group in wanted.chunk_by(|one, other| same(one, other)) {
        let Some(first) = group.first() else { continue };
        let is = |status: Status| group.iter().any(|one| one.status == status);
        let verb = if is(Status::Fail) || is(Status::Error) {
            "failed"
        } else if is(Status::Warn) {
            "failed as audit warning"
        } else {
            "applied"
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "policy {} -> resource {} {verb}:",
            first.rule.policy,
            place(&first.judged.subject.resource)
        );
        for (number, one) in group.iter().enumerate() {
            let message =
                if one.rule.message.is_empty() { "validation failed" } else { &one.rule.message };
            let _ = writeln!(text, "{} - {} {message}", number + 1, one.rule.rule);
            images(one.rule, &mut text);
        }
    }
    text
}

/// What was found out about each image.
fn images(rule: &RuleOutcome, text: &mut String) {
    if rule.rule_type != RuleType::ImageVerify {
        return;
    }
    for image in &rule.images {
        let digest = image.digest.as_ref().map(|digest| format!(" → {digest}"));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    image     {}{}", image.image, digest.unwrap_or_default());
        let _ = writeln!(text, "    outcome   {}", outcome(&image.status));
        for looked in &image.looked_at {
            let _ = writeln!(text, "    looked at {looked}");
        }
        if let Some(next) = &image.next {
            let _ = writeln!(text, "    next      {next}");
        }
    }
}

/// Which of the three outcomes, in words.
fn outcome(status: &ImageStatus) -> String {
    match status {
        ImageStatus::Verified => "verified".to_owned(),
        ImageStatus::Refuted => "refuted".to_owned(),
        ImageStatus::Undetermined(cause) => format!("undetermined: {cause}"),
        ImageStatus::NotVerified => "not verified: nothing was asked of it".to_owned(),
    }
}

/// Rows of a table that has so many already.
pub(super) fn rows(outcomes: &[Outcome<'_>], before: usize) -> Vec<Row> {
    let row = |(at, one): (usize, &Outcome<'_>)| Row {
        id: before + at + 1,
        policy: one.rule.policy.to_string(),
        rule: one.rule.rule.to_string(),
        resource: place(&one.judged.subject.resource),
        result: match one.status {
            Status::Pass => "Pass",
            Status::Fail => "Fail",
            Status::Warn => "Warn",
            Status::Error => "Error",
            Status::Skip => "Skip",
        },
        reason: String::new(),
        message: one.rule.message.clone(),
        failed: matches!(one.status, Status::Fail | Status::Error),
    };
    outcomes.iter().enumerate().map(row).collect()
}

fn bad<'o, 'j>(outcomes: &'o [Outcome<'j>]) -> impl Iterator<Item = &'o Outcome<'j>> {
    outcomes.iter().filter(|one| matches!(one.status, Status::Fail | Status::Error | Status::Warn))
}

/// All that is not as it should be, for code scanning.
pub(super) fn findings(outcomes: &[Outcome<'_>]) -> impl Iterator<Item = Finding> {
    bad(outcomes).map(|one| Finding {
        rule: format!("{}/{}", one.rule.policy, one.rule.rule),
        level: if one.status == Status::Warn { Level::Warning } else { Level::Error },
        message: format!("{}: {}", place(&one.judged.subject.resource), one.rule.message),
        file: one.judged.subject.file.display().to_string(),
        line: one.judged.subject.line,
    })
}

/// The same as annotations of GitHub's workflows.
pub(super) fn annotations(outcomes: &[Outcome<'_>]) -> String {
    bad(outcomes)
        .map(|one| {
            let kind = if one.status == Status::Warn { "warning" } else { "error" };
            let title = format!("{}/{}", one.rule.policy, one.rule.rule);
            let message = format!("{}: {}", place(&one.judged.subject.resource), one.rule.message);
            github::annotation(
                kind,
                &one.judged.subject.file,
                one.judged.subject.line,
                &title,
                &message,
            )
        })
        .collect()
}
