//! Where things stand in a text, and what a parser says when it is none.
use crate::Value;
use crate::pointer;
use std::fmt;

/// A tree and the places of its nodes in the text it was read from, kept only where a person wrote it.
#[derive(Clone, Debug)]
pub struct Written {
    /// The tree.
    pub value: Value,
    /// The places, a tree of the same shape.
    pub spans: Spans,
}

/// The place of a node and of the nodes below it; a tree of its own, so that `Value` stays small.
///
/// The children of a list are its items. The children of a map are its members in the order of its
/// (sorted) keys: the same order as [`Map::iter`](crate::Map::iter). Where an alias or a merge key put a
/// node in, the place is that of the anchored text.
#[derive(Clone, Debug, Default)]
pub struct Spans(pub Span, pub Vec<Self>);

/// A range of bytes of a text, end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Written {
    /// The place of the node that a JSON pointer (RFC 6901) names, or of the nearest node above it that
    /// exists: a diagnostic about something missing points at what lacks it.
    pub fn span_of(&self, pointer: &str) -> Span {
        let mut node = (&self.value, &self.spans);
        for token in pointer::tokens(pointer) {
            let at = match node.0.view() {
                crate::View::Map(map) => map.keys().position(|key| key == token),
                crate::View::List(_) => token.parse::<usize>().ok(),
                crate::View::Null
                | crate::View::Bool(_)
                | crate::View::Int(_)
                | crate::View::Float(_)
                | crate::View::String(_) => None,
            };
            let below = at.and_then(|at| {
                let value = match node.0.as_list() {
                    Some(items) => items.get(at),
                    None => node.0.as_map().and_then(|map| map.values().nth(at)),
                };
                value.zip(node.1.1.get(at))
            });
            let Some(below) = below else { break };
            node = below;
        }
        node.1.0
    }
}

/// The line and column, both counted from one and the column in characters, of a byte of a text.
pub fn line_column(text: &str, offset: u32) -> (u32, u32) {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let lines = before.split(|b| *b == b'\n').count() - 1;
    // Continuation bytes of a character do not count.
    let column =
        before.get(line_start..).unwrap_or_default().iter().filter(|b| **b & 0xC0 != 0x80).count();
    (saturating(lines + 1), saturating(column + 1))
}

/// A size as 32 bits; texts are capped far below that.
pub(crate) fn saturating(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Why a text is not a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// One-based; 0 when not known.
    pub line: u32,
    /// One-based, in characters.
    pub column: u32,
    /// What is wrong.
    pub message: String,
}

impl ParseError {
    /// An error at a byte of a text.
    pub(crate) fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let (line, column) = line_column(text, saturating(offset));
        Self { line, column, message: message.into() }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return f.write_str(&self.message);
        }
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ParseError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_start_at_one() {
        let text = "a\nbé = c\n";
        assert_eq!(line_column(text, 0), (1, 1));
        assert_eq!(line_column(text, 2), (2, 1));
        assert_eq!(line_column(text, 5), (2, 3));
        assert_eq!(line_column(text, 999), (3, 1));
    }

    #[test]
    fn an_error_without_a_place_prints_none() {
        let error = ParseError { line: 0, column: 0, message: "too large".into() };
        assert_eq!(error.to_string(), "too large");
        assert_eq!(ParseError::at("ab", 1, "x").to_string(), "line 1, column 2: x");
    }
}
