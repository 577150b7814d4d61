//! The ledger: cases that do not pass, each with its reason. Every other case passes.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Paths of test files, with the reason why each does not pass.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    reasons: BTreeMap<String, String>,
}

/// The first lines of the file.
const HEAD: &str = "\
# Test files that do not pass, and why. Every other one passes, and `cargo xtask conformance cli` holds both.
# A line is `PATH: REASON`. A case that begins to pass has to leave.
";

impl Ledger {
    /// Reads the file; without one, everything passes.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut ledger = Self::default();
        for (at, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let Some((path, reason)) = line.split_once(": ") else {
                bail!("line {} of the ledger is not `PATH: REASON`: {line}", at + 1);
            };
            ledger.reasons.insert(path.to_owned(), reason.to_owned());
        }
        Ok(ledger)
    }

    /// Every case on which the ledger and a run differ.
    pub(super) fn disagreements(
        &self,
        failing: &BTreeMap<&str, String>,
        known: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let broken = failing
            .iter()
            .filter(|(path, _)| !self.reasons.contains_key(**path))
            .map(|(path, reason)| format!("{path} does not pass: {reason}"));
        let cured = self
            .reasons
            .keys()
            .filter(|path| known(path) && !failing.contains_key(path.as_str()))
            .map(|path| format!("{path} passes: take it out of the ledger"));
        broken.chain(cured).collect()
    }

    /// The ledger of a run; a reason that a person wrote stays.
    pub(super) fn rewritten(&self, failing: &BTreeMap<&str, String>) -> Self {
        let reasons = failing.iter().map(|(path, reason)| {
            let written = self.reasons.get(*path).cloned();
            ((*path).to_owned(), written.unwrap_or_else(|| reason.clone()))
        });
        Self { reasons: reasons.collect() }
    }

    /// Writes the file.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let mut text = HEAD.to_owned();
        for (path, reason) in &self.reasons {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{path}: {reason}");
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_that_breaks_and_one_that_is_cured_both_disagree() {
        let ledger = Ledger::parse("# head\na: needs CEL\nb: later\ngone: x\n").unwrap();
        let failing = BTreeMap::from([("a", "x".to_owned()), ("c", "new".to_owned())]);
        let wrong = ledger.disagreements(&failing, |path| path != "gone");
        assert_eq!(wrong, ["c does not pass: new", "b passes: take it out of the ledger"]);
        let rewritten = ledger.rewritten(&failing);
        assert_eq!(rewritten, Ledger::parse("a: needs CEL\nc: new\n").unwrap());
    }
}
