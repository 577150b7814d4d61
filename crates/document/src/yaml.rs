//! Reads YAML as Kubernetes' tools do, with the place of every node.
// COMPAT: sigs.k8s.io/yaml 1.6 (go-yaml 2.4): the same scanner rules, scalars, merge keys and errors, recorded from it;
// test: texts_are_read_as_go_reads_them
use crate::json::Limits;
use crate::value::Value;
use crate::written::{ParseError, Written};
use std::borrow::Cow;

mod build;
mod print;
mod resolve;
mod scan;

#[cfg(test)]
mod tests;

pub use print::{YamlStyle, to_yaml, to_yaml_with};

/// What a map with two members of one name is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// An error that names the second place.
    #[default]
    Refuse,
    /// The last wins, as in go-yaml outside its strict mode.
    LastWins,
}

/// How YAML is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct YamlOptions {
    /// What of the text may be how large. Nodes that aliases repeat count each time.
    pub limits: YamlLimits,
    /// Two members of one name.
    pub duplicates: Duplicates,
}

/// How much a YAML text may ask of its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YamlLimits {
    /// The most bytes of text, of all documents together.
    pub bytes: usize,
    /// The deepest nesting of lists and maps.
    pub depth: usize,
    /// The most values of one document.
    pub nodes: usize,
    /// The most values of one document that aliases and merge keys repeat: what stops the exploding kind.
    pub alias_nodes: usize,
}

impl Default for YamlLimits {
    fn default() -> Self {
        let Limits { bytes, nodes, .. } = Limits::DEFAULT;
        // Less deep than JSON: a step of this parser takes more stack, and people do not nest that deep.
        Self { bytes, depth: 128, nodes, alias_nodes: 250_000 }
    }
}

/// What is wrong and at which byte.
#[derive(Debug)]
struct Fault {
    at: usize,
    message: Cow<'static, str>,
}

impl Fault {
    fn new(at: usize, message: impl Into<Cow<'static, str>>) -> Self {
        Self { at, message: message.into() }
    }

    fn in_text(self, text: &str) -> ParseError {
        ParseError::at(text, self.at, self.message)
    }
}

/// Parses a text of one document, refusing duplicate keys. An empty text is null; a second document that holds
/// something is an error.
pub fn parse_yaml(text: &str) -> Result<Written, ParseError> {
    parse_yaml_with(text, YamlOptions::default())
}

/// Parses a text of one document.
pub fn parse_yaml_with(text: &str, options: YamlOptions) -> Result<Written, ParseError> {
    let mut documents = Documents::new(text, options)?;
    let first = documents.next().transpose()?;
    let after = documents.place();
    match documents.next() {
        None => {
            Ok(first
                .unwrap_or_else(|| Written { value: Value::NULL, spans: crate::Spans::default() }))
        }
        Some(Err(error)) => Err(error),
        Some(Ok(second)) => {
            let at = usize::try_from(second.spans.0.start).unwrap_or(after);
            Err(ParseError::at(text, at, "expected one document, found another"))
        }
    }
}

/// Parses a text of documents between `---`, refusing duplicate keys. Documents that hold nothing are left out. A
/// document that does not parse is an error in its place, and reading goes on at the next `---`.
pub fn parse_yaml_stream(text: &str) -> Vec<Result<Written, ParseError>> {
    parse_yaml_stream_with(text, YamlOptions::default())
}

/// The same with a choice of limits and of what duplicate keys are.
pub fn parse_yaml_stream_with(
    text: &str,
    options: YamlOptions,
) -> Vec<Result<Written, ParseError>> {
    match Documents::new(text, options) {
        Ok(documents) => documents.collect(),
        Err(error) => vec![Err(error)],
    }
}

/// The documents of a text, one after the other.
struct Documents<'t> {
    text: &'t str,
    options: YamlOptions,
    /// `None` at the end.
    builder: Option<build::Builder<'t>>,
}

impl<'t> Documents<'t> {
    fn new(text: &'t str, options: YamlOptions) -> Result<Self, ParseError> {
        if text.len() > options.limits.bytes {
            let message = format!(
                "the text has {} bytes, more than the {} allowed",
                text.len(),
                options.limits.bytes
            );
            return Err(ParseError { line: 0, column: 0, message });
        }
        if !text.bytes().all(|b| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~'))
            && let Some((at, _)) = text.char_indices().find(|(_, c)| !is_allowed(*c))
        {
            return Err(ParseError::at(text, at, "control characters are not allowed"));
        }
        Ok(Self { text, options, builder: Some(build::Builder::new(text, 0, options)) })
    }

    /// The byte that reading has come to.
    fn place(&self) -> usize {
        self.builder.as_ref().map_or(self.text.len(), build::Builder::place)
    }
}

/// Characters that may stand in a YAML text.
const fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}

impl Iterator for Documents<'_> {
    type Item = Result<Written, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let builder = self.builder.as_mut()?;
            let started = builder.place();
            match builder.document() {
                Ok(None) => self.builder = None,
                Ok(Some(written))
                    if written.value.is_null() && written.spans.0.start == written.spans.0.end => {}
                Ok(Some(written)) => return Some(Ok(written)),
                Err(fault) => {
                    // INVARIANT: reading starts again behind where this document started, so it ends. A fault at a
                    // `---` is of the document before it.
                    let from = fault.at.saturating_sub(1).max(started);
                    self.builder = next_document(self.text, from)
                        .map(|at| build::Builder::new(self.text, at, self.options));
                    return Some(Err(fault.in_text(self.text)));
                }
            }
        }
    }
}

/// The start of the next line from a byte on that is `---`.
fn next_document(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        let rest = bytes.get(at..)?;
        at += rest.iter().position(|b| *b == b'\n')? + 1;
        let line = bytes.get(at..)?;
        if line.starts_with(b"---")
            && matches!(line.get(3), None | Some(b' ' | b'\t' | b'\n' | b'\r'))
        {
            return Some(at);
        }
    }
}
