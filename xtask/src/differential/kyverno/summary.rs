//! What a run counted, by kind of input, and what it found, by group; as a page and as a table.
use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use super::compare::{Compared, Finding};

/// Counts of one kind of input.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Pairs of runs, one of each program.
    pub(super) runs: usize,
    /// Changed documents, or cases as they are.
    pub(super) inputs: usize,
    /// Rows of either side.
    pub(super) rows: usize,
    /// Rows that are the same.
    pub(super) same: usize,
    /// Printed objects that are the same.
    pub(super) objects: usize,
    /// Differences that the ledger explains.
    pub(super) known: usize,
    /// Differences that it does not.
    pub(super) different: usize,
    /// Inputs on which a program crashed or hung.
    pub(super) crashes: usize,
}

/// Findings that look alike.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// How often.
    pub(super) count: usize,
    /// Why, when the ledger says it.
    pub(super) reason: Option<String>,
    /// The first of them.
    pub(super) example: Finding,
    /// Of which case.
    pub(super) case: String,
    /// Where its smallest input is kept.
    pub(super) kept: Option<String>,
}

/// Everything that a run counts.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// By kind of input.
    pub(super) counts: BTreeMap<&'static str, Counts>,
    /// By what they look like.
    pub(super) groups: BTreeMap<String, Group>,
}

impl Summary {
    /// Adds a pair of runs.
    pub(super) fn add(&mut self, input: &'static str, inputs: usize, compared: &Compared) {
        let counts = self.counts.entry(input).or_default();
        counts.runs += 1;
        counts.inputs += inputs;
        counts.rows += compared.rows;
        counts.same += compared.same;
        counts.objects += compared.objects;
    }

    /// Counts of all kinds of input together.
    pub(super) fn total(&self) -> Counts {
        self.counts.values().fold(Counts::default(), |sum, one| Counts {
            runs: sum.runs + one.runs,
            inputs: sum.inputs + one.inputs,
            rows: sum.rows + one.rows,
            same: sum.same + one.same,
            objects: sum.objects + one.objects,
            known: sum.known + one.known,
            different: sum.different + one.different,
            crashes: sum.crashes + one.crashes,
        })
    }

    /// The table of counts.
    pub(super) fn table(&self) -> String {
        let mut text = String::from(
            "| inputs | runs of each | inputs | rows | the same | objects the same | known | different | crashed or hung |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        let total = self.total();
        let all = self.counts.iter().map(|(name, counts)| (*name, counts));
        for (name, it) in all.chain([("together", &total)]) {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
                it.runs,
                it.inputs,
                it.rows,
                it.same,
                it.objects,
                it.known,
                it.different,
                it.crashes
            );
        }
        text
    }

    /// The page of docs/.
    pub(super) fn page(&self, cases: usize, seed: u64, rounds: u64, took: Duration) -> String {
        let as_they_are = if self.counts.keys().any(|input| input.starts_with("cases")) {
            "as they are, as `test` and, unrolled, as `apply`; then "
        } else {
            ""
        };
        let mut text = format!(
            "# Kyverno's command line and Sigward\n\n\
             Written by `cargo xtask differential kyverno --write`: kubectl-kyverno 1.19.1 and `sigward` called as `kyverno`, \
             on the {cases} test folders of Kyverno and of its policy library that rest on no CEL and ask no registry, \
             {as_they_are}changed in {rounds} rounds (seed {seed}, {} minutes). Verdict, message, category, severity and \
             properties of each row, each printed object and the exit code are compared; reports of policies that have a \
             namespace are not, since Kyverno prints none in JSON.\n\n",
            took.as_secs() / 60
        );
        text.push_str(&self.table());
        for (title, known) in [("What differs and is known", true), ("What differs", false)] {
            let groups: Vec<&Group> =
                self.groups.values().filter(|group| group.reason.is_some() == known).collect();
            if groups.is_empty() {
                continue;
            }
            let _ = write!(text, "\n## {title}\n\n");
            if known {
                known_lines(&groups, &mut text);
            } else {
                for group in groups {
                    let _ = writeln!(
                        text,
                        "* {} × {}: there `{}`, here `{}`",
                        group.count,
                        group.example.kind,
                        cut(&group.example.there),
                        cut(&group.example.here)
                    );
                }
            }
        }
        text
    }

    /// What is not known, for the person who looks into it.
    pub(super) fn unexplained(&self) -> String {
        let mut text = String::new();
        for group in self.groups.values().filter(|group| group.reason.is_none()) {
            let Finding { kind, about, there, here } = &group.example;
            let _ = writeln!(text, "\n{kind} × {} ({})", group.count, group.case);
            if let Some(about) = about {
                let _ = writeln!(text, "  {} / {} / {}", about.policy, about.rule, about.resource);
            }
            let _ = writeln!(text, "  there: {there}\n  here:  {here}");
            if let Some(kept) = &group.kept {
                let _ = writeln!(text, "  input: {kept}");
            }
        }
        text
    }
}

/// One line a reason, the frequent first.
fn known_lines(groups: &[&Group], text: &mut String) {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for group in groups {
        *reasons.entry(group.reason.as_deref().unwrap_or_default()).or_default() += group.count;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    text.push_str("| how often | why |\n|---|---|\n");
    for (reason, count) in reasons {
        let _ = writeln!(text, "| {count} | {reason} |");
    }
}

/// One short line of a text.
fn cut(text: &str) -> String {
    text.replace(['`', '\n'], " ").chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_sums_what_each_kind_of_input_counted() {
        let mut summary = Summary::default();
        let compared = Compared { rows: 3, same: 2, ..Compared::default() };
        summary.add("a", 1, &compared);
        summary.add("b", 2, &compared);
        assert!(summary.table().contains("| together | 2 | 3 | 6 | 4 |"));
    }
}
