//! Writes JSON as Go's `encoding/json` does: sorted keys, shortest floats, the same escapes.
use crate::value::{Value, View};
use std::fmt::{self, Write as _};

/// Whether `<`, `>` and `&` are escaped, as Go's `json.Marshal` does and its `SetEscapeHTML(false)` does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escape {
    /// Only what JSON and JavaScript need.
    #[default]
    Plain,
    /// Also `<`, `>`, `&`, as `\u003c` and so on.
    Html,
}

impl Value {
    /// Compact JSON without HTML escapes.
    pub fn to_json(&self) -> String {
        self.to_json_with(Escape::Plain)
    }

    /// Compact JSON; [`Escape::Html`] gives the bytes of Go's `json.Marshal`.
    pub fn to_json_with(&self, escape: Escape) -> String {
        let mut out = String::new();
        self.write_json(&mut out, escape);
        out
    }

    /// Appends compact JSON to a text.
    pub fn write_json(&self, out: &mut String, escape: Escape) {
        Printer { out, escape, indent: None }.value(self, 0);
    }

    /// JSON with one member or item a line, without HTML escapes: Go's `MarshalIndent` with no prefix. Empty
    /// lists and maps stay `[]` and `{}`; there is no newline at the end.
    pub fn to_json_pretty(&self, indent: &str) -> String {
        self.to_json_pretty_with(indent, Escape::Plain)
    }

    /// The same with a choice of escapes.
    pub fn to_json_pretty_with(&self, indent: &str, escape: Escape) -> String {
        let mut out = String::new();
        Printer { out: &mut out, escape, indent: Some(indent) }.value(self, 0);
        out
    }
}

impl fmt::Display for Value {
    /// Compact JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

/// A text as a JSON string in quotes.
pub fn json_string(text: &str, escape: Escape) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    Printer { out: &mut out, escape, indent: None }.string(text);
    out
}

/// A float as Go's `encoding/json` prints it: shortest digits that read back, an exponent from 1e21 on and
/// below 1e-6. What JSON has no form for is `null`.
pub fn json_float(n: f64) -> String {
    let mut out = String::new();
    write_float(&mut out, n);
    out
}

// COMPAT: Go encoding/json floatEncoder; test: floats_print_as_go_prints_them.
fn write_float(out: &mut String, n: f64) {
    if !n.is_finite() {
        out.push_str("null");
        return;
    }
    let size = n.abs();
    // Writing to a String cannot fail.
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{n:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                let _ = write!(out, "{digits}e+{exponent}");
            }
            _ => out.push_str(&text),
        }
    } else {
        let _ = write!(out, "{n}");
    }
}

struct Printer<'o> {
    out: &'o mut String,
    escape: Escape,
    indent: Option<&'o str>,
}

impl Printer<'_> {
    fn value(&mut self, value: &Value, level: usize) {
        match value.view() {
            View::Null => self.out.push_str("null"),
            View::Bool(true) => self.out.push_str("true"),
            View::Bool(false) => self.out.push_str("false"),
            View::Int(n) => {
                let _ = write!(self.out, "{n}");
            }
            View::Float(n) => write_float(self.out, n),
            View::String(text) => self.string(text),
            View::List([]) => self.out.push_str("[]"),
            View::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.out.push(if at == 0 { '[' } else { ',' });
                    self.line(level + 1);
                    self.value(item, level + 1);
                }
                self.line(level);
                self.out.push(']');
            }
            View::Map(map) if map.is_empty() => self.out.push_str("{}"),
            View::Map(map) => {
                for (at, (key, value)) in map.iter().enumerate() {
                    self.out.push(if at == 0 { '{' } else { ',' });
                    self.line(level + 1);
                    self.string(key);
                    self.out.push_str(if self.indent.is_some() { ": " } else { ":" });
                    self.value(value, level + 1);
                }
                self.line(level);
                self.out.push('}');
            }
        }
    }

    /// A new line when the form is indented.
    fn line(&mut self, level: usize) {
        let Some(indent) = self.indent else { return };
        self.out.push('\n');
        for _ in 0..level {
            self.out.push_str(indent);
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|b| self.special(b)) {
            let (plain, special) = rest.split_at(at);
            self.out.push_str(plain);
            let mut chars = special.chars();
            if let Some(c) = chars.next() {
                self.escaped(c);
            }
            rest = chars.as_str();
        }
        self.out.push_str(rest);
        self.out.push('"');
    }

    /// Whether a byte may begin a character that has an escape; 0xE2 begins U+2028 and U+2029.
    const fn special(&self, byte: u8) -> bool {
        match byte {
            0..=0x1F | b'"' | b'\\' | 0xE2 => true,
            b'<' | b'>' | b'&' => matches!(self.escape, Escape::Html),
            _ => false,
        }
    }

    // COMPAT: Go 1.22 encoding/json: \b and \f are short, the line separators of JavaScript are escaped;
    // test: strings_are_escaped_as_go_escapes_them.
    fn escaped(&mut self, c: char) {
        match c {
            '"' => self.out.push_str("\\\""),
            '\\' => self.out.push_str("\\\\"),
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\t' => self.out.push_str("\\t"),
            '\u{8}' => self.out.push_str("\\b"),
            '\u{c}' => self.out.push_str("\\f"),
            '\0'..='\x1F' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(self.out, "\\u{:04x}", u32::from(c));
            }
            other => self.out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_json;

    #[test]
    fn floats_print_as_go_prints_them() {
        // Recorded from Go 1.26's json.Marshal.
        for (n, want) in [
            (1.0, "1"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.25e-10, "1.25e-10"),
            (-2.5e22, "-2.5e+22"),
            (123_456_789.125, "123456789.125"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
        ] {
            assert_eq!(json_float(n), want);
        }
        assert_eq!(json_float(f64::NAN), "null");
    }

    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        let check =
            |text: &str, escape: Escape, want: &str| assert_eq!(json_string(text, escape), want);
        check("a\"\\\n\r\t\u{8}\u{c}\u{1}", Escape::Plain, r#""a\"\\\n\r\t\b\f\u0001""#);
        check("\u{2028}é\u{2029}→\u{7f}", Escape::Plain, "\"\\u2028é\\u2029→\u{7f}\"");
        check("<a>&", Escape::Plain, "\"<a>&\"");
        check("<a>&", Escape::Html, r#""\u003ca\u003e\u0026""#);
    }

    #[test]
    fn the_indented_form_is_that_of_marshal_indent() {
        let value = parse_json(br#"{"b":[1,{"c":null}],"a":{},"d":[]}"#).unwrap();
        let want = "{\n  \"a\": {},\n  \"b\": [\n    1,\n    {\n      \"c\": null\n    }\n  ],\n  \"d\": []\n}";
        assert_eq!(value.to_json_pretty("  "), want);
        assert_eq!(value.to_json(), r#"{"a":{},"b":[1,{"c":null}],"d":[]}"#);
    }
}
