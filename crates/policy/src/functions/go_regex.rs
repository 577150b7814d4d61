//! Regular expressions as Go's `regexp` reads them, on top of our engine.
//!
//! Both are RE2's children and agree on meaning (leftmost first, linear time), not on spelling: Go's `\d`, `\w`, `\s`
//! and `\b` are ASCII, `[` and `&&` inside a class are characters, a brace that starts no repetition is one too, and
//! there are octal escapes and `\Q…\E`. So a pattern is rewritten, character by character.
//!
//! SPEC: Go 1.26 package `regexp/syntax`. COMPAT: kyverno 1.19: its texts of errors;
//! test: patterns_are_refused_as_go_refuses_them
use regex::{Regex, RegexBuilder};
use std::fmt::Write as _;

/// Bytes that a compiled pattern may take.
const MAX_COMPILED: usize = 4 * 1024 * 1024;
/// Bytes of a pattern's text.
const MAX_PATTERN: usize = 64 * 1024;
/// Levels of groups.
const MAX_NESTING: u32 = 200;
/// The largest number of repetitions that Go takes.
const MAX_REPEAT: u32 = 1000;

const DIGITS: &str = "0-9";
const SPACES: &str = r"\t\n\x0C\r ";
const WORD: &str = "0-9A-Za-z_";

/// Compiles a pattern in Go's spelling.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err("error parsing regexp: expression too large".into());
    }
    let translated = translate(pattern)?;
    let built =
        RegexBuilder::new(&translated).size_limit(MAX_COMPILED).nest_limit(MAX_NESTING).build();
    built.map_err(|error| {
        if let regex::Error::CompiledTooBig(_) = error {
            return "error parsing regexp: expression too large".to_owned();
        }
        // The engine draws the rewritten pattern over several lines; its last one says what is wrong.
        let text = error.to_string();
        let cause = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("error parsing regexp: {cause}: `{pattern}`")
    })
}

/// The same pattern in our engine's spelling.
fn translate(pattern: &str) -> Result<String, String> {
    let mut translator =
        Translator { rest: pattern, out: String::with_capacity(pattern.len() + 16), groups: 0 };
    translator.pattern(pattern)?;
    Ok(translator.out)
}

struct Translator<'p> {
    rest: &'p str,
    out: String,
    groups: u32,
}

fn wrong(what: &str, part: &str) -> String {
    format!("error parsing regexp: {what}: `{part}`")
}

impl<'p> Translator<'p> {
    fn bump(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// What was read since the rest was `before`.
    fn since(&self, before: &'p str) -> &'p str {
        before.get(..before.len() - self.rest.len()).unwrap_or_default()
    }

    /// A character that means itself, inside a class as well as outside.
    fn literal(&mut self, c: char) {
        if c.is_ascii_alphanumeric() || !c.is_ascii() {
            self.out.push(c);
        } else {
            let _ = write!(self.out, r"\x{{{:x}}}", u32::from(c));
        }
    }

    fn pattern(&mut self, whole: &str) -> Result<(), String> {
        // The repetition that was read last, if nothing came after it.
        let mut repeated: Option<&str> = None;
        // Whether there is nothing to repeat yet.
        let mut empty = true;
        loop {
            let before = self.rest;
            let Some(c) = self.bump() else { break };
            let repeats = match c {
                '\\' => {
                    self.escape(before, false)?;
                    false
                }
                '[' => {
                    self.class(before)?;
                    false
                }
                '(' => {
                    let opened = self.group(before)?;
                    self.groups += u32::from(opened);
                    // Flags are nothing that could be repeated, and leave what stands before them.
                    if !opened {
                        continue;
                    }
                    false
                }
                ')' => {
                    self.groups =
                        self.groups.checked_sub(1).ok_or_else(|| wrong("unexpected )", whole))?;
                    self.out.push(')');
                    false
                }
                '.' | '^' | '$' | '|' => {
                    self.out.push(c);
                    false
                }
                '*' | '+' | '?' => {
                    self.out.push(c);
                    true
                }
                '{' => {
                    if let Some((least, most, length)) = repetition(self.rest) {
                        let (text, rest) = self.rest.split_at_checked(length).unwrap_or_default();
                        let part = format!("{{{text}");
                        if least > MAX_REPEAT
                            || most.is_some_and(|most| most > MAX_REPEAT || most < least)
                        {
                            return Err(wrong("invalid repeat count", &part));
                        }
                        self.out.push_str(&part);
                        self.rest = rest;
                        true
                    } else {
                        self.literal(c);
                        false
                    }
                }
                other => {
                    self.literal(other);
                    false
                }
            };
            if !repeats {
                repeated = None;
                empty = matches!(c, '(' | '|');
                continue;
            }
            if empty {
                self.eat("?");
                return Err(wrong("missing argument to repetition operator", self.since(before)));
            }
            if let Some(first) = repeated {
                let part = first.get(..first.len() - self.rest.len()).unwrap_or(first);
                return Err(wrong("invalid nested repetition operator", part));
            }
            if self.eat("?") {
                self.out.push('?');
            }
            repeated = Some(before);
        }
        if self.groups > 0 { Err(wrong("missing closing )", whole)) } else { Ok(()) }
    }

    /// What follows an opening parenthesis: a name, or flags that Go has. False when it closes again at once.
    fn group(&mut self, before: &'p str) -> Result<bool, String> {
        self.out.push('(');
        if !self.eat("?") {
            return Ok(true);
        }
        if self.eat("P<") || self.eat("<") {
            let (name, rest) =
                self.rest.split_once('>').ok_or_else(|| wrong("invalid named capture", before))?;
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                let part = before.get(..before.len() - rest.len()).unwrap_or(before);
                return Err(wrong("invalid named capture", part));
            }
            let _ = write!(self.out, "?P<{name}>");
            self.rest = rest;
            return Ok(true);
        }
        self.out.push('?');
        loop {
            match self.bump() {
                Some(c @ ('i' | 'm' | 's' | 'U' | '-')) => self.out.push(c),
                Some(':') => {
                    self.out.push(':');
                    return Ok(true);
                }
                // Flags for what follows.
                Some(')') => {
                    self.out.push(')');
                    return Ok(false);
                }
                _ => return Err(wrong("invalid or unsupported Perl syntax", self.since(before))),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, before: &'p str, in_class: bool) -> Result<(), String> {
        let Some(c) = self.bump() else {
            return Err(wrong("trailing backslash at end of expression", ""));
        };
        let class = match c.to_ascii_lowercase() {
            'd' => Some(DIGITS),
            's' => Some(SPACES),
            'w' => Some(WORD),
            _ => None,
        };
        if let Some(class) = class {
            let negated = if c.is_ascii_uppercase() { "^" } else { "" };
            let _ = write!(self.out, "[{negated}{class}]");
            return Ok(());
        }
        match c {
            'b' if !in_class => self.out.push_str(r"(?-u:\b)"),
            'B' if !in_class => self.out.push_str(r"(?-u:\B)"),
            'A' | 'z' if !in_class => {
                self.out.push('\\');
                self.out.push(c);
            }
            'Q' if !in_class => {
                let (quoted, rest) = self.rest.split_once(r"\E").unwrap_or((self.rest, ""));
                quoted.chars().for_each(|c| self.literal(c));
                self.rest = rest;
            }
            'p' | 'P' => {
                let name = self
                    .property()
                    .ok_or_else(|| wrong("invalid character class range", before))?;
                let _ = write!(self.out, r"\{c}{{{name}}}");
            }
            _ => {
                let c = self
                    .escaped(c)
                    .ok_or_else(|| wrong("invalid escape sequence", self.since(before)))?;
                self.literal(c);
            }
        }
        Ok(())
    }

    /// The name of a Unicode class: a letter, or a name in braces.
    fn property(&mut self) -> Option<&'p str> {
        let before = self.rest;
        if self.eat("{") {
            let (name, rest) = self.rest.split_once('}')?;
            self.rest = rest;
            return Some(name);
        }
        self.bump()?;
        Some(self.since(before))
    }

    /// The character that an escape other than a class stands for.
    fn escaped(&mut self, c: char) -> Option<char> {
        Some(match c {
            'a' => '\x07',
            'f' => '\x0C',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0B',
            'x' => {
                let hex = if self.eat("{") {
                    let (hex, rest) = self.rest.split_once('}')?;
                    self.rest = rest;
                    hex
                } else {
                    let (hex, rest) = self.rest.split_at_checked(2)?;
                    self.rest = rest;
                    hex
                };
                let digits = !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit());
                digits
                    .then(|| u32::from_str_radix(hex, 16).ok())
                    .flatten()
                    .and_then(char::from_u32)?
            }
            '0'..='7' => {
                let more =
                    self.rest.bytes().take(2).take_while(|b| matches!(b, b'0'..=b'7')).count();
                // A single digit would be a reference to a group, which RE2 does not have.
                if c != '0' && more == 0 {
                    return None;
                }
                let (digits, rest) = self.rest.split_at_checked(more)?;
                self.rest = rest;
                u32::from_str_radix(&format!("{c}{digits}"), 8).ok().and_then(char::from_u32)?
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
            _ => return None,
        })
    }

    /// A class after its opening bracket.
    fn class(&mut self, before: &'p str) -> Result<(), String> {
        let unclosed = || wrong("missing closing ]", before);
        self.out.push('[');
        if self.eat("^") {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let item = self.rest;
            if item.is_empty() {
                return Err(unclosed());
            }
            if !first && self.eat("]") {
                self.out.push(']');
                return Ok(());
            }
            first = false;
            if let Some(name) =
                item.strip_prefix("[:").and_then(|rest| rest.split_once(":]")).map(|(name, _)| name)
            {
                if !name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'^') {
                    return Err(wrong("invalid character class range", &format!("[:{name}:]")));
                }
                let _ = write!(self.out, "[:{name}:]");
                self.rest = self.rest.get(name.len() + 4..).unwrap_or_default();
                continue;
            }
            if item.starts_with('\\')
                && item
                    .get(1..)
                    .is_some_and(|rest| rest.starts_with(['d', 'D', 's', 'S', 'w', 'W', 'p', 'P']))
            {
                self.bump();
                self.escape(item, true)?;
                continue;
            }
            let low = self.class_character().ok_or_else(unclosed)??;
            self.literal(low);
            // A hyphen before the end means itself.
            if self.rest.starts_with('-') && !self.rest.starts_with("-]") && self.rest.len() > 1 {
                self.bump();
                let high = self.class_character().ok_or_else(unclosed)??;
                if high < low {
                    return Err(wrong("invalid character class range", self.since(item)));
                }
                self.out.push('-');
                self.literal(high);
            }
        }
    }

    /// One character of a class; `None` at the end of the pattern.
    fn class_character(&mut self) -> Option<Result<char, String>> {
        let before = self.rest;
        let c = self.bump()?;
        if c != '\\' {
            return Some(Ok(c));
        }
        let escaped = self.bump().and_then(|c| self.escaped(c));
        Some(escaped.ok_or_else(|| wrong("invalid escape sequence", self.since(before))))
    }
}

/// The bounds of a repetition and the length of its text, brace included; `None` for a brace that means itself.
fn repetition(rest: &str) -> Option<(u32, Option<u32>, usize)> {
    let (inside, _) = rest.split_once('}')?;
    // Beyond any limit is still a repetition, refused as one.
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u32::MAX))
    };
    let (least, most) = match inside.split_once(',') {
        None => (number(inside)?, number(inside)),
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
    };
    Some((least, most, inside.len() + 1))
}

#[cfg(test)]
mod tests;
