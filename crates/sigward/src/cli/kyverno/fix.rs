//! `fix`: files of an old schema in today's.
mod policy;
mod test;

use super::create;
use crate::{
    cli::cosign::Failure,
    shelf::{Document, Documents},
};
use clap::{Args, Subcommand};
use sigward_document::{
    Value,
    yaml::{YamlStyle, to_yaml_with},
};
use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
};

/// Rewrite files of an old schema.
#[derive(Args, Clone, Debug)]
pub(crate) struct Fix {
    #[command(subcommand)]
    command: Fixes,
}

#[derive(Clone, Debug, Subcommand)]
enum Fixes {
    Test(FixTest),
    Policy(FixPolicy),
}

/// Rewrite test files. Comments are lost.
#[derive(Args, Clone, Debug)]
struct FixTest {
    /// folders or files
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// name of the test files
    #[arg(short, long, default_value = "kyverno-test.yaml")]
    file_name: String,
    /// write the files; without it only what would change is said
    #[arg(long)]
    save: bool,
    /// write files in which nothing changes, too
    #[arg(long)]
    force: bool,
    /// join results that differ in their resources only
    #[arg(long)]
    compress: bool,
}

/// Rewrite policy files. Comments are lost.
#[derive(Args, Clone, Debug)]
struct FixPolicy {
    /// folders or files
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// write the files; without it only what would change is said
    #[arg(long)]
    save: bool,
}

/// A document after the changes, and what they were.
#[derive(Debug)]
struct Fixed {
    value: Value,
    changes: Vec<String>,
}

impl Fixed {
    const fn new(value: Value) -> Self {
        Self { value, changes: Vec::new() }
    }

    fn say(&mut self, change: impl Into<String>) {
        self.changes.push(change.into());
    }
}

impl Fix {
    /// # Errors
    /// Files that cannot be read or written.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.command {
            Fixes::Test(it) => {
                let wanted =
                    |path: &Path| path.file_name().is_some_and(|n| n == it.file_name.as_str());
                let fix = |value: &Value| test::fix(value, it.compress);
                each_file(&it.paths, "test file", &wanted, &fix, it.save, it.force)
            }
            Fixes::Policy(it) => {
                each_file(&it.paths, "file", &|_| true, &policy::fix, it.save, false)
            }
        }
    }
}

/// Fixes every file, document by document.
fn each_file(
    paths: &[PathBuf],
    what: &str,
    wanted: &dyn Fn(&Path) -> bool,
    fix: &dyn Fn(&Value) -> Fixed,
    save: bool,
    force: bool,
) -> Result<(), Failure> {
    let documents = Documents::read(paths)?;
    let mut files: BTreeMap<&Path, Vec<&Document>> = BTreeMap::new();
    let named = |path: &Path| wanted(path) || paths.iter().any(|given| given == path);
    for document in documents.read.iter().filter(|document| named(&document.path)) {
        files.entry(&document.path).or_default().push(document);
    }
    let mut out = std::io::stdout().lock();
    let broken = documents.broken.iter().filter(|one| named(&one.path));
    let broken: Vec<String> = broken.map(ToString::to_string).collect();
    for (path, documents) in files {
        writeln!(out, "Processing {what} ({})...", path.display())?;
        if broken.iter().any(|error| error.starts_with(&path.display().to_string())) {
            writeln!(out, "  ERROR: it holds a document that cannot be read, and is left alone")?;
            continue;
        }
        let fixed: Vec<Fixed> = documents.iter().map(|one| fix(&one.written.value)).collect();
        for change in fixed.iter().flat_map(|one| &one.changes) {
            writeln!(out, "  WARNING: {change}")?;
        }
        if save && (force || fixed.iter().any(|one| !one.changes.is_empty())) {
            writeln!(out, "  Saving {what} ({})...", path.display())?;
            let texts: Vec<String> =
                fixed.iter().map(|one| to_yaml_with(&one.value, YamlStyle::Kubernetes)).collect();
            create::write(&texts.join("---\n"), Some(path))?;
        }
        writeln!(out, "  OK")?;
    }
    writeln!(out, "Done.")?;
    match broken.first() {
        Some(error) => Err(Failure::new(error.clone())),
        None => Ok(()),
    }
}
