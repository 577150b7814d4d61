//! What was measured, by name, and kept between runs: each part can be taken alone and the document still be whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Part;
use crate::workspace;

/// Numbers by the work they belong to, who did it, and what was measured of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// Keeps one number. Seconds, bytes or counts, as they were measured.
    pub(super) fn put(&mut self, work: &str, who: &str, what: &str, value: f64) {
        self.0.insert(key(work, who, what), value);
    }

    /// The number, if that work was measured.
    pub(super) fn get(&self, work: &str, who: &str, what: &str) -> Option<f64> {
        self.0.get(&key(work, who, what)).copied()
    }

    /// Takes over what another part measured.
    pub(super) fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().map(|(name, value)| (name.clone(), *value)));
    }
}

fn key(work: &str, who: &str, what: &str) -> String {
    format!("{work} | {who} | {what}")
}

/// What one part came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Measured {
    /// The tables, as Markdown.
    pub(super) tables: String,
    /// The same numbers, for the aims.
    pub(super) figures: Figures,
    /// When, with what, on a machine how busy.
    pub(super) provenance: String,
}

impl Measured {
    /// Keeps the part for the document.
    pub(super) fn save(&self, part: Part) -> Result<()> {
        let path = file(part);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        fs::write(&path, serde_json::to_string_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// What was kept of a part the last time; nothing when it never ran.
    pub(super) fn load(part: Part) -> Result<Option<Self>> {
        let path = file(part);
        if !path.exists() {
            return Ok(None);
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let measured = serde_json::from_str(&text);
        Ok(Some(measured.with_context(|| format!("{} is not of this tool", path.display()))?))
    }
}

fn file(part: Part) -> PathBuf {
    workspace::root().join(format!("target/bench/{}.json", part.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_work_who_and_what() {
        let mut figures = Figures::default();
        figures.put("verify", "sigward", "wall", 0.5);
        assert_eq!(figures.get("verify", "sigward", "wall"), Some(0.5));
        assert_eq!(figures.get("verify", "cosign3", "wall"), None);
        let mut all = Figures::default();
        all.extend(&figures);
        assert_eq!(all, figures);
    }
}
