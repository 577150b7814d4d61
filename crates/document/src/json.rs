//! Reads JSON as Go does: integers that fit `i64`, else floats; of equal keys the last wins.
use crate::value::{Value, sort_last_wins};
use crate::written::ParseError;
use smol_str::SmolStr;
use std::borrow::Cow;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// How much a text may ask of its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of text.
    pub bytes: usize,
    /// The deepest nesting of lists and maps. Reading, comparing and dropping a tree recurse.
    pub depth: usize,
    /// The most values, of every kind together.
    pub nodes: usize,
}

impl Limits {
    /// 16 MiB, 512 levels, 2 million values: far above what an API server sends (3 MiB an object).
    pub const DEFAULT: Self = Self { bytes: 16 << 20, depth: 512, nodes: 2_000_000 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Parses one JSON text within the default limits.
pub fn parse_json(text: &[u8]) -> Result<Value, ParseError> {
    parse_json_with(text, Limits::DEFAULT)
}

/// Parses one JSON text. As in Go, bytes that are no UTF-8 and escapes that are no character become U+FFFD.
pub fn parse_json_with(text: &[u8], limits: Limits) -> Result<Value, ParseError> {
    parse(text, limits, false)
}

/// Parses one JSON text and refuses an object with two members of one name.
pub fn parse_json_strict(text: &[u8], limits: Limits) -> Result<Value, ParseError> {
    parse(text, limits, true)
}

fn parse(bytes: &[u8], limits: Limits, strict: bool) -> Result<Value, ParseError> {
    if bytes.len() > limits.bytes {
        let message =
            format!("the text has {} bytes, more than the {} allowed", bytes.len(), limits.bytes);
        return Err(ParseError { line: 0, column: 0, message });
    }
    let text = to_text(bytes);
    let mut reader = Reader {
        text: &text,
        bytes: text.as_bytes(),
        at: 0,
        limits,
        strict,
        nodes: 0,
        members: Vec::with_capacity(64),
        items: Vec::with_capacity(64),
        fault: Fault { at: 0, message: Cow::Borrowed("") },
    };
    reader.document().map_err(|Stop| {
        let Fault { at, message } = reader.fault;
        ParseError::at(&text, at, message)
    })
}

/// The text, every byte that is no UTF-8 replaced.
// COMPAT: Go encoding/json: one U+FFFD for each such byte; test: bytes_that_are_no_utf8_become_replacement_characters.
fn to_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

/// What is wrong and at which byte; the line is counted once, at the end.
struct Fault {
    at: usize,
    message: Cow<'static, str>,
}

/// Reading stopped; the reader holds the fault. Without a size, a result is no larger than the value in it.
struct Stop;

struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    limits: Limits,
    strict: bool,
    nodes: usize,
    /// Members and items of the containers that are open, innermost last: one growing buffer each for the
    /// whole text, so that a container costs the one allocation it keeps.
    members: Vec<(SmolStr, Value)>,
    items: Vec<Value>,
    fault: Fault,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Value, Stop> {
        let value = self.value(self.limits.depth)?;
        self.skip_space();
        if self.at < self.bytes.len() {
            return Err(self.fault("unexpected text after the value"));
        }
        Ok(value)
    }

    /// Notes what is wrong here.
    #[cold]
    fn fault(&mut self, message: impl Into<Cow<'static, str>>) -> Stop {
        self.fault_at(self.at, message)
    }

    #[cold]
    fn fault_at(&mut self, at: usize, message: impl Into<Cow<'static, str>>) -> Stop {
        self.fault = Fault { at, message: message.into() };
        Stop
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Steps over one byte if it is the next.
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// What stands here, for a message.
    fn found(&self) -> String {
        let rest = self.text.get(self.at..).unwrap_or_default();
        rest.chars().next().map_or_else(|| "the end of the text".to_owned(), |c| format!("{c:?}"))
    }

    /// Notes that something else was expected here.
    #[cold]
    fn unexpected(&mut self, expected: &str) -> Stop {
        let message = format!("{expected}, found {}", self.found());
        self.fault(message)
    }

    fn value(&mut self, depth: usize) -> Result<Value, Stop> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(self.fault(format!("more than {} values", self.limits.nodes)));
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => {
                let depth = self.deeper(depth)?;
                self.object(depth)
            }
            Some(b'[') => {
                let depth = self.deeper(depth)?;
                self.array(depth)
            }
            Some(b'"') => self.string().map(Value::smol),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::bool(true)),
            Some(b'f') => self.word("false", Value::bool(false)),
            Some(b'n') => self.word("null", Value::NULL),
            Some(_) | None => Err(self.unexpected("expected a value")),
        }
    }

    fn deeper(&mut self, depth: usize) -> Result<usize, Stop> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(self.fault(format!("nested deeper than {} levels", self.limits.depth)));
        };
        Ok(depth)
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Stop> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return Err(self.fault(format!("expected `{word}`")));
        }
        self.at += word.len();
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Value, Stop> {
        self.at += 1;
        self.skip_space();
        if self.eat(b']') {
            return Ok(Value::empty_list());
        }
        let start = self.items.len();
        loop {
            let item = self.value(depth)?;
            self.items.push(item);
            self.skip_space();
            if self.eat(b']') {
                break;
            }
            if !self.eat(b',') {
                return Err(self.unexpected("expected `,` or `]` after an item"));
            }
        }
        Ok(Value::from_list(self.items.drain(start..).collect::<Arc<[_]>>()))
    }

    fn object(&mut self, depth: usize) -> Result<Value, Stop> {
        let opening = self.at;
        self.at += 1;
        self.skip_space();
        if self.eat(b'}') {
            return Ok(Value::empty_map());
        }
        let start = self.members.len();
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("expected a member name in quotes"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.eat(b':') {
                return Err(self.unexpected("expected `:` after a member name"));
            }
            let value = self.value(depth)?;
            self.members.push((key, value));
            self.skip_space();
            if self.eat(b'}') {
                break;
            }
            if !self.eat(b',') {
                return Err(self.unexpected("expected `,` or `}` after a member"));
            }
        }
        let repeated = sort_last_wins(&mut self.members, start);
        if repeated && self.strict {
            return Err(self.repeated_member(opening, depth));
        }
        Ok(Value::from_sorted(self.members.drain(start..).collect::<Arc<[_]>>()))
    }

    /// Reads an object that was just read once more, for the place of the first name that comes again.
    #[cold]
    fn repeated_member(&mut self, opening: usize, depth: usize) -> Stop {
        let mut seen = std::collections::BTreeSet::new();
        self.at = opening + 1;
        self.nodes = 0;
        loop {
            self.skip_space();
            let at = self.at;
            let Ok(key) = self.string() else { break };
            if let Some(key) = seen.replace(key) {
                return self.fault_at(at, format!("the member {key:?} is there twice"));
            }
            self.skip_space();
            self.at += 1;
            if self.value(depth).is_err() {
                break;
            }
            self.skip_space();
            self.at += 1;
        }
        self.fault_at(opening, "a member is there twice")
    }

    /// Reads a string; the opening quote is the next byte.
    fn string(&mut self) -> Result<SmolStr, Stop> {
        self.at += 1;
        let start = self.at;
        self.skip_plain();
        if self.eat(b'"') {
            return Ok(SmolStr::new(self.text.get(start..self.at - 1).unwrap_or_default()));
        }
        let mut out = String::from(self.text.get(start..self.at).unwrap_or_default());
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(SmolStr::from(out));
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => {
                    return Err(self
                        .fault(format!("a string holds the control character {}", self.found())));
                }
                None => return Err(self.fault("a string has no closing quote")),
            }
            let start = self.at;
            self.skip_plain();
            out.push_str(self.text.get(start..self.at).unwrap_or_default());
        }
    }

    /// Goes to the next quote, backslash or control character.
    fn skip_plain(&mut self) {
        self.at += plain_length(self.bytes.get(self.at..).unwrap_or_default());
    }

    fn escape(&mut self) -> Result<char, Stop> {
        let escape = self.bytes.get(self.at + 1).copied();
        let plain = match escape {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            Some(_) | None => return Err(self.fault("no such escape in a string")),
        };
        self.at += 2;
        Ok(plain)
    }

    /// `\uXXXX`, or two of them for a character beyond 16 bits. Half a pair becomes U+FFFD.
    fn unicode_escape(&mut self) -> Result<char, Stop> {
        let Some(first) = self.hex4(self.at) else {
            return Err(self.fault("expected four hexadecimal digits after \\u"));
        };
        self.at += 6;
        if (0xD800..0xDC00).contains(&first)
            && let Some(second @ 0xDC00..0xE000) = self.hex4(self.at)
        {
            self.at += 6;
            let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// The value of `\uXXXX` at a place.
    fn hex4(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
        // `from_str_radix` would take a sign.
        digits
            .bytes()
            .all(|b| b.is_ascii_hexdigit())
            .then(|| u32::from_str_radix(digits, 16).ok())?
    }

    fn number(&mut self) -> Result<Value, Stop> {
        let start = self.at;
        self.eat(b'-');
        let leading_zero = self.peek() == Some(b'0');
        let digits = self.digits()?;
        if leading_zero && digits > 1 {
            self.at = start;
            return Err(self.fault("a number starts with a zero"));
        }
        let mut integer = true;
        if self.eat(b'.') {
            integer = false;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            integer = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        if integer && let Ok(n) = text.parse::<i64>() {
            return Ok(Value::int(n));
        }
        match text.parse::<f64>() {
            Ok(n) if n.is_finite() => Ok(Value::float(n)),
            // COMPAT: Go encoding/json: a number beyond float64 is an error; test: numbers_are_those_of_go.
            Ok(_) | Err(_) => Err(self.fault_at(start, "a number is too large")),
        }
    }

    /// Steps over one or more digits and says how many.
    fn digits(&mut self) -> Result<usize, Stop> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.unexpected("expected a digit"));
        }
        Ok(self.at - start)
    }
}

/// How many bytes come before the first quote, backslash or control character: eight at a time.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let mut length = 0;
    let (chunks, tail) = bytes.as_chunks::<8>();
    for chunk in chunks {
        let word = u64::from_le_bytes(*chunk);
        // The high bit of each byte that is zero after the exclusive or; a borrow can only reach bytes above one
        // that is found, and the lowest is the one that counts.
        let equal = |byte: u8| {
            let word = word ^ ONES.wrapping_mul(u64::from(byte));
            word.wrapping_sub(ONES) & !word
        };
        let control = word.wrapping_sub(ONES.wrapping_mul(0x20)) & !word;
        let found = (equal(b'"') | equal(b'\\') | control) & HIGH;
        if found != 0 {
            return length + found.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    length + tail.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1F)).unwrap_or(tail.len())
}
