//! The ledger of known differences: what Kyverno says, what we say, and why that is right.
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use sigward_document::{Value, parse_yaml, wildcard};

use super::compare::Finding;

/// One line of the ledger.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Known {
    kind: String,
    there: String,
    here: String,
    /// Why, with the row of COMPAT.md.
    pub(super) reason: String,
}

/// Reads the ledger.
///
/// # Errors
/// It is not there, or an entry lacks a field.
pub(super) fn read(path: &Path) -> Result<Vec<Known>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("{} is no ledger", path.display()))
}

fn parse(text: &str) -> Result<Vec<Known>> {
    let document = parse_yaml(text)?.value;
    if document.is_null() {
        return Ok(Vec::new());
    }
    let entries = document.as_list().context("it holds no list")?;
    entries
        .iter()
        .map(|entry| {
            let field = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
            let (Some(kind), Some(reason)) = (field("kind"), field("reason")) else {
                bail!("an entry has no `kind` or no `reason`: {}", entry.to_json());
            };
            let pattern = |name| field(name).unwrap_or_else(|| "*".to_owned());
            Ok(Known { kind, there: pattern("there"), here: pattern("here"), reason })
        })
        .collect()
}

impl Known {
    /// Whether this is the difference that a finding is.
    pub(super) fn explains(&self, finding: &Finding) -> bool {
        wildcard::matches(&self.kind, finding.kind)
            && wildcard::matches(&self.there, &finding.there)
            && wildcard::matches(&self.here, &finding.here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_explains_what_its_patterns_match() {
        let known = parse("- {kind: message, there: '*e+06*', reason: floats}\n").unwrap();
        let of = |there: &str| Finding {
            kind: "message",
            about: None,
            there: there.to_owned(),
            here: "1000000".to_owned(),
        };
        let entry = known.first().unwrap();
        assert!(entry.explains(&of("is 1e+06 bytes")));
        assert!(!entry.explains(&of("is 12 bytes")));
        assert!(parse("- {kind: message}\n").is_err());
    }
}
