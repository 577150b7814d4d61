//! Gathers what is to be said about a document, and its errors most of all.
use super::{Compiled, Diagnostic, Severity};

/// Diagnostics in document order.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    diagnostics: Vec<Diagnostic>,
}

/// Diagnostics of one document. More say nothing new.
const MAX: usize = 200;

impl Sink {
    /// The document is refused.
    pub(crate) fn error(&mut self, path: &str, message: impl Into<String>) {
        self.say(Severity::Error, path, message.into(), None);
    }

    /// The document is refused, and this is the way out.
    pub(crate) fn error_with(
        &mut self,
        path: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.say(Severity::Error, path, message.into(), Some(help.into()));
    }

    /// The user is told.
    pub(crate) fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.say(Severity::Warning, path, message.into(), None);
    }

    /// The user is told, with a way out.
    pub(crate) fn warn_with(
        &mut self,
        path: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.say(Severity::Warning, path, message.into(), Some(help.into()));
    }

    /// Something that a later build will do; ignoring it would weaken what was written.
    pub(crate) fn unsupported(&mut self, path: &str, what: &str) {
        self.error(path, format!("{what} is not supported in this build"));
    }

    /// Whether anything refuses the document.
    pub(crate) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }

    /// The first error, as path and text.
    pub(crate) fn first_error(&self) -> Option<(&str, &str)> {
        let first = self.diagnostics.iter().find(|d| d.severity == Severity::Error)?;
        Some((&first.path, &first.message))
    }

    /// Only the errors of another sink: its warnings have been given already.
    pub(crate) fn take_errors(&mut self, other: Self) {
        for diagnostic in other.diagnostics {
            let said = self
                .diagnostics
                .iter()
                .any(|d| d.severity == Severity::Error && d.message == diagnostic.message);
            if diagnostic.severity == Severity::Error && !said {
                self.diagnostics.push(diagnostic);
            }
        }
    }

    /// The result: a value only without errors.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Compiled<T> {
        let value = if self.has_errors() { None } else { value };
        Compiled { value, diagnostics: self.diagnostics }
    }

    fn say(&mut self, severity: Severity, path: &str, message: String, help: Option<String>) {
        let diagnostic = Diagnostic { severity, path: path.to_owned(), message, help };
        let full = self.diagnostics.len() >= MAX && severity == Severity::Warning;
        if !full && !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }
}
