//! The scalars of YAML: plain, quoted and block, with their folding of lines.
use super::{Fault, Kind, Mark, Scan, Scanner};
use std::borrow::Cow;

/// Whitespace between two pieces of a flow scalar, until it is known what it folds to.
#[derive(Default)]
struct Gap<'t> {
    /// Where blanks within a line start; they count only if the line goes on.
    blanks: Option<(usize, usize)>,
    first_break: Option<&'t str>,
    more_breaks: String,
}

impl Gap<'_> {
    /// One break folds to a space, more than one to all but the first.
    fn fold_into(&mut self, text: &str, out: &mut String) {
        if let Some(first) = self.first_break.take() {
            if first != "\n" {
                out.push_str(first);
                out.push_str(&self.more_breaks);
            } else if self.more_breaks.is_empty() {
                out.push(' ');
            } else {
                out.push_str(&self.more_breaks);
            }
            self.more_breaks.clear();
        } else if let Some((start, end)) = self.blanks {
            out.push_str(text.get(start..end).unwrap_or_default());
        }
        self.blanks = None;
    }
}

impl<'t> Scanner<'t> {
    /// Reads blanks and breaks between pieces of a flow scalar.
    fn gap(&mut self, plain_indent: Option<isize>) -> Scan<Gap<'t>> {
        let mut gap = Gap::default();
        let start = self.mark.at;
        loop {
            if self.is_blank(self.mark.at) {
                let tab = self.byte() == Some(b'\t');
                if gap.first_break.is_some()
                    && tab
                    && plain_indent.is_some_and(|indent| self.column() < indent)
                {
                    return Err(self.fault("found a tab character that violates indentation"));
                }
                self.skip(1);
                if gap.first_break.is_none() {
                    gap.blanks = Some((start, self.mark.at));
                }
            } else if self.is_break(self.mark.at) {
                let read = self.skip_break();
                match gap.first_break {
                    None => gap.first_break = Some(read),
                    Some(_) => gap.more_breaks.push_str(read),
                }
            } else {
                return Ok(gap);
            }
        }
    }

    pub(super) fn plain_scalar(&mut self) -> Scan {
        let start = self.mark;
        let mut end = self.mark;
        // A scalar of one line is a part of the text; more lines are put together.
        let mut folded: Option<String> = None;
        let mut gap = Gap::default();
        let indent = self.indent + 1;
        let flow = self.in_flow();
        while !self.at_document_mark() && self.byte() != Some(b'#') {
            let piece = self.mark.at;
            self.skip_ordinary();
            while !self.is_gap(self.mark.at) {
                match self.byte() {
                    Some(b':') if self.is_gap(self.mark.at + 1) => break,
                    Some(b',' | b'?' | b'[' | b']' | b'{' | b'}') if flow => break,
                    _ => {
                        self.skip_char();
                        self.skip_ordinary();
                    }
                }
            }
            if self.mark.at > piece {
                if gap.first_break.is_some() {
                    let out = folded.get_or_insert_with(|| self.slice(start.at, end.at).to_owned());
                    gap.fold_into(self.text, out);
                    out.push_str(self.slice(piece, self.mark.at));
                } else if let Some(out) = &mut folded {
                    gap.fold_into(self.text, out);
                    out.push_str(self.slice(piece, self.mark.at));
                }
                end = self.mark;
                self.simple_key_allowed = false;
            }
            if !self.is_gap(self.mark.at) || self.byte().is_none() {
                break;
            }
            gap = self.gap(Some(indent))?;
            if gap.first_break.is_some() {
                self.simple_key_allowed = true;
            }
            if !flow && self.column() < indent {
                break;
            }
        }
        let text = folded.map_or_else(|| Cow::Borrowed(self.slice(start.at, end.at)), Cow::Owned);
        self.scalar(text, true, start, end);
        Ok(())
    }

    fn scalar(&mut self, text: Cow<'t, str>, plain: bool, start: Mark, end: Mark) {
        self.tokens.push_back(super::Token {
            kind: Kind::Scalar(text, plain),
            start: start.at,
            end: end.at,
        });
    }

    pub(super) fn quoted_scalar(&mut self, quote: u8) -> Scan {
        let start = self.mark;
        self.skip(1);
        if let Some(text) = self.quoted_in_one_piece(quote) {
            self.scalar(Cow::Borrowed(text), false, start, self.mark);
            return Ok(());
        }
        let mut out = String::new();
        loop {
            if self.at_document_mark() {
                return Err(Fault::new(
                    start.at,
                    "found unexpected document indicator in a quoted scalar",
                ));
            }
            let mut escaped_break = false;
            loop {
                let piece = self.mark.at;
                while !self.is_gap(self.mark.at)
                    && !matches!(self.byte(), Some(b'\'' | b'"' | b'\\'))
                {
                    self.skip_char();
                }
                out.push_str(self.slice(piece, self.mark.at));
                match self.byte() {
                    None => {
                        return Err(Fault::new(
                            start.at,
                            "found unexpected end of stream in a quoted scalar",
                        ));
                    }
                    Some(b'\'') if quote == b'\'' && self.ahead(1) == Some(b'\'') => {
                        out.push('\'');
                        self.skip(2);
                    }
                    Some(byte) if byte == quote => {
                        self.skip(1);
                        self.scalar(Cow::Owned(out), false, start, self.mark);
                        return Ok(());
                    }
                    Some(b'\\') if quote == b'"' && self.is_break(self.mark.at + 1) => {
                        self.skip(1);
                        self.skip_break();
                        escaped_break = true;
                        break;
                    }
                    Some(b'\\') if quote == b'"' => out.push(self.escape()?),
                    Some(byte @ (b'\'' | b'"' | b'\\')) => {
                        out.push(char::from(byte));
                        self.skip(1);
                    }
                    Some(_) => break,
                }
            }
            let mut gap = self.gap(None)?;
            if escaped_break {
                // The line goes on as if there were no break; blank lines after it count.
                if let Some(first) = gap.first_break.take() {
                    out.push_str(first);
                    out.push_str(&gap.more_breaks);
                }
            } else {
                gap.fold_into(self.text, &mut out);
            }
        }
    }

    /// The text up to the closing quote when it stands there literally, on one line.
    fn quoted_in_one_piece(&mut self, quote: u8) -> Option<&'t str> {
        let rest = self.bytes.get(self.mark.at..)?;
        let special = |b: &u8| *b == quote || matches!(b, b'\\' | b'\n' | b'\r' | 0xC2 | 0xE2);
        let length = rest.iter().position(special)?;
        let doubled = quote == b'\'' && rest.get(length + 1) == Some(&quote);
        if rest.get(length) != Some(&quote) || doubled {
            return None;
        }
        let text = self.slice(self.mark.at, self.mark.at + length);
        self.mark.at += length + 1;
        self.mark.column += text.chars().count() + 1;
        Some(text)
    }

    /// An escape of a double-quoted scalar; the backslash is the next byte.
    fn escape(&mut self) -> Scan<char> {
        let digits = match self.ahead(1) {
            Some(b'x') => 2,
            Some(b'u') => 4,
            Some(b'U') => 8,
            other => {
                let c = match other {
                    Some(b'0') => '\0',
                    Some(b'a') => '\u{7}',
                    Some(b'b') => '\u{8}',
                    Some(b't' | b'\t') => '\t',
                    Some(b'n') => '\n',
                    Some(b'v') => '\u{b}',
                    Some(b'f') => '\u{c}',
                    Some(b'r') => '\r',
                    Some(b'e') => '\u{1b}',
                    Some(c @ (b' ' | b'"' | b'\'' | b'\\' | b'/')) => char::from(c),
                    Some(b'N') => '\u{85}',
                    Some(b'_') => '\u{a0}',
                    Some(b'L') => '\u{2028}',
                    Some(b'P') => '\u{2029}',
                    Some(_) | None => return Err(self.fault("found unknown escape character")),
                };
                self.skip(2);
                return Ok(c);
            }
        };
        let start = self.mark.at + 2;
        let hex = self.slice(start, start + digits);
        let code = if hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            u32::from_str_radix(hex, 16).ok()
        } else {
            None
        };
        let Some(code) = code else {
            return Err(self.fault("did not find expected hexdecimal number"));
        };
        let Some(c) = char::from_u32(code) else {
            return Err(self.fault("found invalid Unicode character escape code"));
        };
        self.skip(2 + digits);
        Ok(c)
    }

    pub(super) fn block_scalar(&mut self, literal: bool) -> Scan {
        let start = self.mark;
        self.skip(1);
        let (keep, increment) = self.block_header()?;
        let mut end = self.mark;
        let around = self.indent.max(0);
        let mut indent = increment.map(|by| if self.indent >= 0 { around + by } else { by });
        let mut breaks = String::new();
        self.block_indentation(&mut indent, &mut breaks, &mut end)?;
        let indent_of = |indent: Option<isize>| indent.unwrap_or(1);
        let mut out = String::new();
        let mut line_break = "";
        let mut leading_blank = false;
        while self.column() == indent_of(indent) && self.byte().is_some() {
            let trailing_blank = self.is_blank(self.mark.at);
            if !literal && line_break.starts_with('\n') && !leading_blank && !trailing_blank {
                if breaks.is_empty() {
                    out.push(' ');
                }
            } else {
                out.push_str(line_break);
            }
            out.push_str(&breaks);
            breaks.clear();
            leading_blank = trailing_blank;
            let line = self.mark.at;
            self.skip_line();
            out.push_str(self.slice(line, self.mark.at));
            end = self.mark;
            line_break = if self.byte().is_some() { self.skip_break() } else { "" };
            self.block_indentation(&mut indent, &mut breaks, &mut end)?;
        }
        if keep != Some(false) {
            out.push_str(line_break);
        }
        if keep == Some(true) {
            out.push_str(&breaks);
        }
        self.scalar(Cow::Owned(out), false, start, end);
        Ok(())
    }

    /// `|+2`: what becomes of the last breaks (`+` keeps all, `-` none) and the indentation, in either order.
    fn block_header(&mut self) -> Scan<(Option<bool>, Option<isize>)> {
        let (mut keep, mut increment) = (None, None);
        loop {
            match self.byte() {
                Some(sign @ (b'+' | b'-')) if keep.is_none() => keep = Some(sign == b'+'),
                Some(b'0') if increment.is_none() => {
                    return Err(self.fault("found an indentation indicator equal to 0"));
                }
                Some(digit @ b'1'..=b'9') if increment.is_none() => {
                    increment = Some(isize::from(i16::from(digit - b'0')));
                }
                _ => break,
            }
            self.skip(1);
        }
        while self.is_blank(self.mark.at) {
            self.skip(1);
        }
        if self.byte() == Some(b'#') {
            self.skip_line();
        }
        if self.byte().is_some() && !self.is_break(self.mark.at) {
            return Err(self.fault("did not find expected comment or line break"));
        }
        if self.byte().is_some() {
            self.skip_break();
        }
        Ok((keep, increment))
    }

    /// Eats indentation and blank lines; the first line that holds something tells the indentation when the header
    /// did not.
    fn block_indentation(
        &mut self,
        indent: &mut Option<isize>,
        breaks: &mut String,
        end: &mut Mark,
    ) -> Scan {
        let mut deepest = 0;
        *end = self.mark;
        loop {
            let within = |column: isize| indent.is_none_or(|indent| column < indent);
            while within(self.column()) && self.byte() == Some(b' ') {
                self.skip(1);
            }
            deepest = deepest.max(self.column());
            if within(self.column()) && self.byte() == Some(b'\t') {
                return Err(
                    self.fault("found a tab character where an indentation space is expected")
                );
            }
            if !self.is_break(self.mark.at) {
                break;
            }
            breaks.push_str(self.skip_break());
            *end = self.mark;
        }
        if indent.is_none() {
            *indent = Some(deepest.max(self.indent + 1).max(1));
        }
        Ok(())
    }
}
