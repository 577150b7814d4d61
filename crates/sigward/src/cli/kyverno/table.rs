//! Result tables in the peer's frame.
use std::fmt::Write as _;

/// One line of a result table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// Counts from one over all tables of a run of one file.
    pub(crate) id: usize,
    /// As the test file names it.
    pub(crate) policy: String,
    /// The rule that answered, or as the test file names it.
    pub(crate) rule: String,
    /// `apiVersion/Kind/namespace/name`.
    pub(crate) resource: String,
    /// `Pass` or `Fail`, or the status of a rule.
    pub(crate) result: &'static str,
    /// Why.
    pub(crate) reason: String,
    /// The rule's own words.
    pub(crate) message: String,
    /// Whether it counts as a failure.
    pub(crate) failed: bool,
}

impl Row {
    /// The cells in the order of the columns.
    pub(crate) fn cells(&self, detailed: bool) -> Vec<(&'static str, String)> {
        let mut cells = vec![
            ("ID", self.id.to_string()),
            ("POLICY", self.policy.clone()),
            ("RULE", self.rule.clone()),
            ("RESOURCE", self.resource.clone()),
            ("RESULT", self.result.to_owned()),
            ("REASON", self.reason.clone()),
        ];
        if detailed {
            cells.push(("MESSAGE", self.message.clone()));
        }
        cells
    }
}

/// Whether and how colours are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Colour {
    /// No escapes.
    #[default]
    Off,
    /// For a terminal.
    On,
}

/// The rows in a frame.
pub(crate) fn render(rows: &[Row], detailed: bool, colour: Colour) -> String {
    let cells: Vec<Vec<(&str, String)>> = rows.iter().map(|row| row.cells(detailed)).collect();
    let names: Vec<&str> =
        Row::default().cells(detailed).into_iter().map(|(name, _)| name).collect();
    let widths: Vec<usize> = names
        .iter()
        .enumerate()
        .map(|(column, name)| {
            let widest =
                cells.iter().filter_map(|row| row.get(column)).map(|(_, cell)| width(cell));
            widest.max().unwrap_or(0).max(name.len())
        })
        .collect();
    let mut text = String::new();
    rule(&widths, &mut text);
    line(names.iter().map(|name| (*name).to_owned()), &widths, &mut text, |cell| match colour {
        Colour::On => format!("\u{1b}[32m{cell}\u{1b}[0m"),
        Colour::Off => cell,
    });
    rule(&widths, &mut text);
    for (row, cells) in rows.iter().zip(cells) {
        let height = cells.iter().map(|(_, cell)| cell.lines().count()).max().unwrap_or(1).max(1);
        for at in 0..height {
            let part = |cell: &str| cell.lines().nth(at).unwrap_or_default().to_owned();
            let parts = cells.iter().map(|(_, cell)| part(cell));
            line(parts, &widths, &mut text, |cell| match (colour, row.failed) {
                (Colour::On, true) => format!("\u{1b}[31m{cell}\u{1b}[0m"),
                _ => cell,
            });
        }
    }
    rule(&widths, &mut text);
    text
}

/// The widest line of a cell, in characters.
fn width(cell: &str) -> usize {
    cell.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

fn rule(widths: &[usize], text: &mut String) {
    for width in widths {
        let _ = write!(text, "│{}", "─".repeat(width + 2));
    }
    text.push_str("│\n");
}

fn line(
    cells: impl Iterator<Item = String>,
    widths: &[usize],
    text: &mut String,
    paint: impl Fn(String) -> String,
) {
    for (cell, width) in cells.zip(widths) {
        let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
        let _ = write!(text, "│ {} ", paint(format!("{cell}{padding}")));
    }
    text.push_str("│\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_framed_as_the_peer_frames_it() {
        let row = Row {
            id: 1,
            policy: "missing".into(),
            rule: "r".into(),
            resource: "v1/Pod/default/a".into(),
            result: "Fail",
            reason: "Not found".into(),
            message: "two\nlines".into(),
            failed: true,
        };
        let expected = "\
│────│─────────│──────│──────────────────│────────│───────────│
│ ID │ POLICY  │ RULE │ RESOURCE         │ RESULT │ REASON    │
│────│─────────│──────│──────────────────│────────│───────────│
│ 1  │ missing │ r    │ v1/Pod/default/a │ Fail   │ Not found │
│────│─────────│──────│──────────────────│────────│───────────│
";
        assert_eq!(render(std::slice::from_ref(&row), false, Colour::Off), expected);
        assert!(render(&[row], true, Colour::Off).contains("│ two     │\n"));
    }
}
