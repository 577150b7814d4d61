//! Diagnostics as a person reads them: place, field, message, the line itself, and the way out.
use crate::shelf::{Broken, Document};
use sigward_policy::compile::{Diagnostic, Severity};
use std::{fmt::Write as _, io::Write as _};

/// The longest part of a line that is shown.
const MAX_LINE: usize = 160;

/// Says diagnostics on standard error, each as `file:line:column: severity: field: message (help)` with its line.
pub(crate) fn say(document: &Document, diagnostics: &[Diagnostic]) {
    let mut text = String::new();
    for diagnostic in diagnostics {
        draw(document, diagnostic, &mut text);
    }
    let _closed = std::io::stderr().write_all(text.as_bytes());
}

/// One diagnostic and the line that it is about.
pub(crate) fn draw(document: &Document, diagnostic: &Diagnostic, text: &mut String) {
    let Diagnostic { severity, path, message, help } = diagnostic;
    let severity = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let help = help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
    let (line, column) = document.line_of(path);
    let field = if path.is_empty() { String::new() } else { format!("{path}: ") };
    let place = document.path.display();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{place}:{line}:{column}: {severity}: {field}{message}{help}");
    excerpt(&document.text, line, column, text);
}

/// What could not be parsed, with the line where the parser stopped.
pub(crate) fn broken(broken: &Broken) -> String {
    let hint = hint(broken).map(|hint| format!(" ({hint})")).unwrap_or_default();
    let mut text = format!("{broken}{hint}\n");
    excerpt(&broken.text, broken.error.line, broken.error.column, &mut text);
    text
}

/// The way out of what people run into most.
fn hint(broken: &Broken) -> Option<&'static str> {
    let line = usize::try_from(broken.error.line).ok()?.checked_sub(1)?;
    let written = broken.text.lines().nth(line)?;
    let indent = written.len() - written.trim_start().len();
    if written.get(..indent)?.contains('\t') {
        return Some("a line is indented with spaces, not with tabs");
    }
    broken.error.message.contains("already set").then_some("keep one of the two")
}

/// The line with its number, and a mark below its column.
fn excerpt(source: &str, line: u32, column: u32, text: &mut String) {
    let Some(at) = usize::try_from(line).ok().and_then(|line| line.checked_sub(1)) else { return };
    let Some(written) = source.lines().nth(at) else { return };
    let shown: String = written.chars().take(MAX_LINE).collect();
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let before = usize::try_from(column).unwrap_or(1).saturating_sub(1).min(MAX_LINE);
    // A tab stays one, so that the mark stands below what it means.
    let indent: String = written
        .chars()
        .take(before)
        .map(|character| if character == '\t' { '\t' } else { ' ' })
        .collect();
    let _ = writeln!(text, " {number} | {shown}\n {margin} | {indent}^");
}
