//! Cuts a YAML text into tokens, as libyaml and so every Go YAML library does.
// SPEC: YAML 1.1 with libyaml's readings: indentation opens and closes blocks, and a key is known as one only when
// its `:` comes, on the same line and within 1,024 bytes. Errors keep libyaml's words.
use super::Fault;
use std::borrow::Cow;
use std::collections::VecDeque;

mod scalar;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind<'t> {
    StreamEnd,
    /// `%YAML 1.1`
    Version,
    /// `%TAG !e! prefix`
    TagDirective(&'t str, &'t str),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'t str),
    Anchor(&'t str),
    /// Handle (`!`, `!!`, `!e!`, or empty for a verbatim tag) and suffix.
    Tag(&'t str, &'t str),
    /// Text, and whether it was written plain: only plain scalars may be anything but strings.
    Scalar(Cow<'t, str>, bool),
}

/// A token and the bytes it covers.
#[derive(Clone, Debug)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind<'t>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A place that may turn out to be a key.
#[derive(Clone, Copy)]
struct SimpleKey {
    /// It must be a key: nothing else may stand at this column.
    required: bool,
    /// The number of the token that a `Key` would go before.
    token: usize,
    mark: Mark,
}

#[derive(Clone, Copy, Default)]
struct Mark {
    at: usize,
    line: usize,
    /// In characters.
    column: usize,
}

pub(super) struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    mark: Mark,
    /// Tokens cut but not yet taken, and how many were taken.
    tokens: VecDeque<Token<'t>>,
    taken: usize,
    ended: bool,
    /// The column of the innermost block, -1 outside all; and those around it.
    indent: isize,
    indents: Vec<isize>,
    simple_key_allowed: bool,
    /// One slot for the block context and one for each open flow collection.
    simple_keys: Vec<Option<SimpleKey>>,
    /// The most blocks or flow collections within one another.
    depth: usize,
}

type Scan<T = ()> = Result<T, Fault>;

impl<'t> Scanner<'t> {
    /// A scanner that starts at a byte of the text, which begins a line.
    pub(super) fn new(text: &'t str, at: usize, depth: usize) -> Self {
        // A byte-order mark counts for nothing.
        let at = if at == 0 && text.starts_with('\u{feff}') { 3 } else { at };
        Self {
            text,
            bytes: text.as_bytes(),
            mark: Mark { at, ..Mark::default() },
            tokens: VecDeque::new(),
            taken: 0,
            ended: false,
            indent: -1,
            indents: Vec::new(),
            simple_key_allowed: true,
            simple_keys: vec![None],
            depth,
        }
    }

    /// The next token, left in place.
    pub(super) fn peek(&mut self) -> Scan<&Token<'t>> {
        while self.needs_more()? {
            self.fetch()?;
        }
        let end = Fault::new(self.mark.at, "unexpected end of the text");
        self.tokens.front().ok_or(end)
    }

    /// The next token, taken. Behind the end of the stream there is none.
    pub(super) fn next(&mut self) -> Scan<Token<'t>> {
        self.peek()?;
        self.taken += 1;
        let end = Fault::new(self.mark.at, "unexpected end of the text");
        self.tokens.pop_front().ok_or(end)
    }

    /// More must be cut when there is nothing, or when the first token may still get a `Key` before it.
    fn needs_more(&mut self) -> Scan<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.tokens.is_empty() {
            return Ok(true);
        }
        if self.simple_keys.iter().all(Option::is_none) {
            return Ok(false);
        }
        self.drop_stale_keys()?;
        Ok(self.simple_keys.iter().flatten().any(|key| key.token == self.taken))
    }

    // Bytes and characters.

    fn byte_at(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn byte(&self) -> Option<u8> {
        self.byte_at(self.mark.at)
    }

    fn ahead(&self, by: usize) -> Option<u8> {
        self.byte_at(self.mark.at + by)
    }

    /// The length of a line break, 0 for none. YAML 1.1 counts NEL, LS and PS.
    fn break_length(&self, at: usize) -> usize {
        match (self.byte_at(at), self.byte_at(at + 1)) {
            (Some(b'\r'), Some(b'\n')) | (Some(0xC2), Some(0x85)) => 2,
            (Some(b'\r' | b'\n'), _) => 1,
            (Some(0xE2), Some(0x80)) if matches!(self.byte_at(at + 2), Some(0xA8 | 0xA9)) => 3,
            _ => 0,
        }
    }

    fn is_break(&self, at: usize) -> bool {
        self.break_length(at) > 0
    }

    fn is_blank(&self, at: usize) -> bool {
        matches!(self.byte_at(at), Some(b' ' | b'\t'))
    }

    /// Blank, break or the end.
    fn is_gap(&self, at: usize) -> bool {
        match self.byte_at(at) {
            None | Some(b' ' | b'\t' | b'\n' | b'\r') => true,
            Some(0xC2 | 0xE2) => self.is_break(at),
            Some(_) => false,
        }
    }

    /// Steps over ASCII characters of one line.
    fn skip(&mut self, count: usize) {
        self.mark.at += count;
        self.mark.column += count;
    }

    /// Steps over ASCII characters that mean nothing within a scalar of any form.
    fn skip_ordinary(&mut self) {
        let rest = self.bytes.get(self.mark.at..).unwrap_or_default();
        let count = rest.iter().position(|b| !is_ordinary(*b)).unwrap_or(rest.len());
        self.skip(count);
    }

    /// Steps over one character that is no break.
    fn skip_char(&mut self) {
        self.mark.at += match self.byte() {
            None => 0,
            Some(0..=0x7F) => 1,
            Some(0x80..=0xDF) => 2,
            Some(0xE0..=0xEF) => 3,
            Some(0xF0..) => 4,
        };
        self.mark.column += 1;
    }

    /// Steps over a break and gives it as it counts in a scalar: LS and PS stay, the others are `\n`.
    fn skip_break(&mut self) -> &'t str {
        let length = self.break_length(self.mark.at);
        let read = if length == 3 { self.slice(self.mark.at, self.mark.at + 3) } else { "\n" };
        self.mark = Mark { at: self.mark.at + length, line: self.mark.line + 1, column: 0 };
        read
    }

    /// Goes to the break or the end.
    fn skip_line(&mut self) {
        loop {
            let rest = self.bytes.get(self.mark.at..).unwrap_or_default();
            let count =
                rest.iter().position(|b| !matches!(b, b'\t' | b' '..=b'~')).unwrap_or(rest.len());
            self.skip(count);
            if self.byte().is_none() || self.is_break(self.mark.at) {
                return;
            }
            self.skip_char();
        }
    }

    fn slice(&self, start: usize, end: usize) -> &'t str {
        self.text.get(start..end).unwrap_or_default()
    }

    fn fault(&self, message: &'static str) -> Fault {
        Fault::new(self.mark.at, message)
    }

    fn in_flow(&self) -> bool {
        self.simple_keys.len() > 1
    }

    fn column(&self) -> isize {
        isize::try_from(self.mark.column).unwrap_or(isize::MAX)
    }

    /// `---` or `...` alone at the start of a line.
    fn at_document_mark(&self) -> bool {
        let rest = self.bytes.get(self.mark.at..).unwrap_or_default();
        self.mark.column == 0
            && (rest.starts_with(b"---") || rest.starts_with(b"..."))
            && self.is_gap(self.mark.at + 3)
    }

    // Tokens.

    fn push(&mut self, kind: Kind<'t>, start: Mark) {
        self.tokens.push_back(Token { kind, start: start.at, end: self.mark.at });
    }

    /// A token of so many ASCII characters.
    fn punctuation(&mut self, kind: Kind<'t>, length: usize) {
        let start = self.mark;
        self.skip(length);
        self.push(kind, start);
    }

    fn fetch(&mut self) -> Scan {
        self.skip_to_token();
        self.drop_stale_keys()?;
        self.close_blocks(self.column());
        let Some(byte) = self.byte() else { return self.end_stream() };
        if self.mark.column == 0 && byte == b'%' {
            return self.directive();
        }
        if self.at_document_mark() {
            self.close_blocks(-1);
            self.drop_key()?;
            self.simple_key_allowed = false;
            let kind = if byte == b'-' { Kind::DocumentStart } else { Kind::DocumentEnd };
            self.punctuation(kind, 3);
            return Ok(());
        }
        let (flow, gap) = (self.in_flow(), self.is_gap(self.mark.at + 1));
        match byte {
            b'[' => self.open_flow(Kind::FlowSequenceStart),
            b'{' => self.open_flow(Kind::FlowMappingStart),
            b']' => self.close_flow(Kind::FlowSequenceEnd),
            b'}' => self.close_flow(Kind::FlowMappingEnd),
            b',' => {
                self.drop_key()?;
                self.simple_key_allowed = true;
                self.punctuation(Kind::FlowEntry, 1);
                Ok(())
            }
            b'-' if gap => self.block_entry(),
            b'?' if flow || gap => self.explicit_key(),
            b':' if flow || gap => self.value(),
            b'*' | b'&' => self.anchor(byte == b'*'),
            b'!' => self.tag(),
            b'|' | b'>' if !flow => {
                self.drop_key()?;
                self.simple_key_allowed = true;
                self.block_scalar(byte == b'|')
            }
            b'\'' | b'"' => {
                self.save_key()?;
                self.simple_key_allowed = false;
                self.quoted_scalar(byte)
            }
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => {
                Err(self.fault("found character that cannot start any token"))
            }
            _ => {
                self.save_key()?;
                self.simple_key_allowed = false;
                self.plain_scalar()
            }
        }
    }

    /// Goes over blanks, comments and breaks. A tab may not stand where indentation would.
    fn skip_to_token(&mut self) {
        loop {
            let tabs = self.in_flow() || !self.simple_key_allowed;
            while self.byte() == Some(b' ') || (tabs && self.byte() == Some(b'\t')) {
                self.skip(1);
            }
            if self.byte() == Some(b'#') {
                self.skip_line();
            }
            if !self.is_break(self.mark.at) {
                return;
            }
            self.skip_break();
            if !self.in_flow() {
                self.simple_key_allowed = true;
            }
        }
    }

    fn end_stream(&mut self) -> Scan {
        self.close_blocks(-1);
        self.drop_key()?;
        self.ended = true;
        self.push(Kind::StreamEnd, self.mark);
        Ok(())
    }

    // Keys that show only by their `:`.

    fn drop_stale_keys(&mut self) -> Scan {
        let mark = self.mark;
        for slot in &mut self.simple_keys {
            if let Some(key) = slot
                && (key.mark.line < mark.line || key.mark.at + 1024 < mark.at)
            {
                if key.required {
                    return Err(Fault::new(key.mark.at, "could not find expected ':'"));
                }
                *slot = None;
            }
        }
        Ok(())
    }

    fn save_key(&mut self) -> Scan {
        if !self.simple_key_allowed {
            return Ok(());
        }
        let required = !self.in_flow() && self.indent == self.column();
        let key = SimpleKey { required, token: self.taken + self.tokens.len(), mark: self.mark };
        self.drop_key()?;
        if let Some(slot) = self.simple_keys.last_mut() {
            *slot = Some(key);
        }
        Ok(())
    }

    fn drop_key(&mut self) -> Scan {
        let Some(slot) = self.simple_keys.last_mut() else { return Ok(()) };
        match slot.take() {
            Some(key) if key.required => {
                Err(Fault::new(key.mark.at, "could not find expected ':'"))
            }
            Some(_) | None => Ok(()),
        }
    }

    // Blocks.

    /// Opens a block when this column is deeper than the innermost one. `before` is the number of the token
    /// that the opening goes in front of.
    fn open_block(
        &mut self,
        column: isize,
        before: Option<usize>,
        kind: Kind<'t>,
        mark: Mark,
    ) -> Scan {
        if self.in_flow() || self.indent >= column {
            return Ok(());
        }
        if self.indents.len() >= self.depth {
            return Err(Fault::new(mark.at, "nested too deeply"));
        }
        self.indents.push(self.indent);
        self.indent = column;
        self.insert(before, Token { kind, start: mark.at, end: mark.at });
        Ok(())
    }

    fn insert(&mut self, before: Option<usize>, token: Token<'t>) {
        let at = before.map_or(self.tokens.len(), |number| number.saturating_sub(self.taken));
        self.tokens.insert(at.min(self.tokens.len()), token);
    }

    /// Closes the blocks that are deeper than this column.
    fn close_blocks(&mut self, column: isize) {
        if self.in_flow() {
            return;
        }
        while self.indent > column {
            self.push(Kind::BlockEnd, self.mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn block_entry(&mut self) -> Scan {
        if !self.in_flow() {
            if !self.simple_key_allowed {
                return Err(self.fault("block sequence entries are not allowed in this context"));
            }
            self.open_block(self.column(), None, Kind::BlockSequenceStart, self.mark)?;
        }
        self.drop_key()?;
        self.simple_key_allowed = true;
        self.punctuation(Kind::BlockEntry, 1);
        Ok(())
    }

    fn explicit_key(&mut self) -> Scan {
        if !self.in_flow() {
            if !self.simple_key_allowed {
                return Err(self.fault("mapping keys are not allowed in this context"));
            }
            self.open_block(self.column(), None, Kind::BlockMappingStart, self.mark)?;
        }
        self.drop_key()?;
        self.simple_key_allowed = !self.in_flow();
        self.punctuation(Kind::Key, 1);
        Ok(())
    }

    fn value(&mut self) -> Scan {
        let key = self.simple_keys.last_mut().and_then(Option::take);
        if let Some(key) = key {
            // The key is known as one only now: its token and the mapping's go before what was read since.
            let token = Token { kind: Kind::Key, start: key.mark.at, end: key.mark.at };
            self.insert(Some(key.token), token);
            let column = isize::try_from(key.mark.column).unwrap_or(isize::MAX);
            self.open_block(column, Some(key.token), Kind::BlockMappingStart, key.mark)?;
            self.simple_key_allowed = false;
        } else {
            if !self.in_flow() {
                if !self.simple_key_allowed {
                    return Err(self.fault("mapping values are not allowed in this context"));
                }
                self.open_block(self.column(), None, Kind::BlockMappingStart, self.mark)?;
            }
            self.simple_key_allowed = !self.in_flow();
        }
        self.punctuation(Kind::Value, 1);
        Ok(())
    }

    // Flow collections.

    fn open_flow(&mut self, kind: Kind<'t>) -> Scan {
        self.save_key()?;
        if self.simple_keys.len() > self.depth {
            return Err(self.fault("nested too deeply"));
        }
        self.simple_keys.push(None);
        self.simple_key_allowed = true;
        self.punctuation(kind, 1);
        Ok(())
    }

    fn close_flow(&mut self, kind: Kind<'t>) -> Scan {
        self.drop_key()?;
        if self.in_flow() {
            self.simple_keys.pop();
        }
        self.simple_key_allowed = false;
        self.punctuation(kind, 1);
        Ok(())
    }

    // What starts with a character of its own.

    fn directive(&mut self) -> Scan {
        self.close_blocks(-1);
        self.drop_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        while self.byte().is_some() && !self.is_break(self.mark.at) {
            self.skip_char();
        }
        let mut words = self.slice(start.at, self.mark.at).split_ascii_whitespace();
        let kind = match (words.next(), words.next(), words.next()) {
            (Some("%YAML"), Some("1.1" | "1.2"), _) => Kind::Version,
            (Some("%YAML"), _, _) => {
                return Err(Fault::new(start.at, "found incompatible YAML document"));
            }
            (Some("%TAG"), Some(handle), Some(prefix)) if handle.starts_with('!') => {
                Kind::TagDirective(handle, prefix)
            }
            (Some("%TAG"), _, _) => {
                return Err(Fault::new(start.at, "did not find expected tag directive"));
            }
            _ => return Err(Fault::new(start.at, "found unknown directive name")),
        };
        self.push(kind, start);
        Ok(())
    }

    fn anchor(&mut self, alias: bool) -> Scan {
        self.save_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        self.skip(1);
        while self.byte().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            self.skip(1);
        }
        let name = self.slice(start.at + 1, self.mark.at);
        let ends = self.is_gap(self.mark.at)
            || matches!(self.byte(), Some(b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'));
        if name.is_empty() || !ends {
            return Err(Fault::new(
                start.at,
                "did not find expected alphabetic or numeric character",
            ));
        }
        self.push(if alias { Kind::Alias(name) } else { Kind::Anchor(name) }, start);
        Ok(())
    }

    fn tag(&mut self) -> Scan {
        self.save_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        if self.ahead(1) == Some(b'<') {
            while self.byte() != Some(b'>') {
                if self.is_gap(self.mark.at) {
                    return Err(Fault::new(start.at, "did not find the expected '>'"));
                }
                self.skip_char();
            }
            self.skip(1);
            let suffix = self.slice(start.at + 2, self.mark.at - 1);
            self.push(Kind::Tag("", suffix), start);
        } else {
            let flow = self.in_flow();
            let closes =
                |scanner: &Self| flow && matches!(scanner.byte(), Some(b',' | b']' | b'}'));
            while !self.is_gap(self.mark.at) && !closes(self) {
                self.skip_char();
            }
            let whole = self.slice(start.at, self.mark.at);
            // `!!x` and `!e!x` have a handle of two marks, `!x` of one.
            let (handle, suffix) = match whole.rfind('!') {
                Some(last) if last > 0 => whole.split_at(last + 1),
                _ => whole.split_at(1),
            };
            self.push(Kind::Tag(handle, suffix), start);
        }
        let ends = self.is_gap(self.mark.at) || self.in_flow();
        if ends {
            Ok(())
        } else {
            Err(self.fault("did not find expected whitespace or line break"))
        }
    }
}

/// True for characters that neither end nor change a scalar: no blank, break, indicator or quote.
const fn is_ordinary(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'/' | b'_' | b'=' | b'@' | b'(' | b')' | b'$' | b'+' | b';' | b'~' | b'^')
}
