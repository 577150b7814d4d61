//! How the story is told: text with colours on a terminal, plain text elsewhere, one JSON object a step for machines.
use serde::Serialize;
use std::{
    io::{IsTerminal as _, Write as _},
    time::Duration,
};

/// What one step did.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    pub(crate) number: usize,
    pub(crate) title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) aside: String,
    pub(crate) lines: Vec<Line>,
    /// Whether it did what the story says.
    pub(crate) as_expected: bool,
    pub(crate) milliseconds: f64,
    pub(crate) registry_requests: u64,
}

/// One line of a step.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "text")]
pub(crate) enum Line {
    /// What a user would type.
    Command(String),
    /// What came of it.
    Output(String),
    /// Admitted, verified.
    Good(String),
    /// Denied, refused: the product at work.
    Denied(String),
    /// It did not do what it should.
    Broken(String),
}

/// Where it is told.
#[derive(Debug)]
pub(crate) struct Screen {
    json: bool,
    colours: bool,
    steps: usize,
    expected: usize,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        let colours =
            !json && std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { json, colours, steps: 0, expected: 0 }
    }

    /// A line outside the steps; machines do not see it.
    pub(crate) fn text(&self, text: &str) {
        if !self.json {
            put(text);
        }
    }

    /// How many steps there were, and how many did what they say.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.steps, self.expected)
    }

    /// Tells one step, now.
    pub(crate) fn tell(&mut self, step: &Step) {
        self.steps += 1;
        self.expected += usize::from(step.as_expected);
        if self.json {
            put(&serde_json::to_string(step).unwrap_or_default());
            return;
        }
        let facts = match step.registry_requests {
            0 => duration(step.milliseconds),
            1 => format!("1 registry request   {}", duration(step.milliseconds)),
            n => format!("{n} registry requests   {}", duration(step.milliseconds)),
        };
        let title = format!("{:<3}{}", step.number, step.title);
        put(&format!(
            "{}{:>width$}",
            self.paint("1", &title),
            facts,
            width = 110_usize.saturating_sub(title.chars().count())
        ));
        if !step.aside.is_empty() {
            put(&format!("   {}", self.paint("2", &step.aside)));
        }
        for line in &step.lines {
            let (text, mark) = match line {
                Line::Command(text) => (text, self.paint("36", "$")),
                Line::Output(text) => (text, " ".to_owned()),
                Line::Good(text) => (text, self.paint("32", "✓")),
                Line::Denied(text) => (text, self.paint("31", "✗")),
                Line::Broken(text) => (text, self.paint("41", "!")),
            };
            for (position, part) in text.trim_end().lines().enumerate() {
                let part = part.trim_end();
                if part.is_empty() {
                    put("");
                } else if position == 0 {
                    put(&format!("   {mark} {part}"));
                } else {
                    put(&format!("     {part}"));
                }
            }
        }
        if !step.as_expected {
            put(&format!("   {} this step did not do what it says", self.paint("41", "!")));
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn put(line: &str) {
    // A closed pipe is the reader's business.
    let _closed = writeln!(std::io::stdout(), "{line}");
}

/// `7 ms`, `1.9 s`.
fn duration(milliseconds: f64) -> String {
    if milliseconds >= 1000.0 {
        format!("{:.1} s", milliseconds / 1000.0)
    } else {
        format!("{milliseconds:.0} ms")
    }
}

/// Milliseconds with fractions, for machines.
pub(crate) fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}
