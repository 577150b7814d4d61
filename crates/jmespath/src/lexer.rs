//! Cuts the text of an expression into tokens.
use crate::error::ParseError;
use sigward_document::{Value, View, parse_json};
use smol_str::SmolStr;

/// A token and where it starts.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Byte offset.
    pub(crate) offset: usize,
}

/// What a token is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Star,
    Dot,
    Filter,
    Flatten,
    OpenParen,
    CloseParen,
    OpenBracket,
    CloseBracket,
    OpenBrace,
    CloseBrace,
    Or,
    Pipe,
    Number(i64),
    Identifier(SmolStr),
    Quoted(SmolStr),
    Comma,
    Colon,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    /// A JSON literal in backticks.
    Json(Value),
    /// A raw string in single quotes.
    Raw(SmolStr),
    Current,
    Ampersand,
    And,
    Not,
    /// A lone `=`.
    Unknown,
    End,
}

impl Kind {
    /// COMPAT: kyverno 1.19: go-jmespath names its tokens in messages; test: parse_errors_read_like_the_peers
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Star => "tStar",
            Self::Dot => "tDot",
            Self::Filter => "tFilter",
            Self::Flatten => "tFlatten",
            Self::OpenParen => "tLparen",
            Self::CloseParen => "tRparen",
            Self::OpenBracket => "tLbracket",
            Self::CloseBracket => "tRbracket",
            Self::OpenBrace => "tLbrace",
            Self::CloseBrace => "tRbrace",
            Self::Or => "tOr",
            Self::Pipe => "tPipe",
            Self::Number(_) => "tNumber",
            Self::Identifier(_) => "tUnquotedIdentifier",
            Self::Quoted(_) => "tQuotedIdentifier",
            Self::Comma => "tComma",
            Self::Colon => "tColon",
            Self::Less => "tLT",
            Self::LessOrEqual => "tLTE",
            Self::Greater => "tGT",
            Self::GreaterOrEqual => "tGTE",
            Self::Equal => "tEQ",
            Self::NotEqual => "tNE",
            Self::Json(_) => "tJSONLiteral",
            Self::Raw(_) => "tStringLiteral",
            Self::Current => "tCurrent",
            Self::Ampersand => "tExpref",
            Self::And => "tAnd",
            Self::Not => "tNot",
            Self::Unknown => "tUnknown",
            Self::End => "tEOF",
        }
    }
}

/// Cuts `text` into tokens; the last one is [`Kind::End`].
pub(crate) fn tokenize(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
        let offset = lexer.at;
        let kind = lexer.next_kind()?;
        let done = matches!(kind, Kind::End);
        tokens.push(Token { kind, offset });
        if done {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    /// Byte offset, always on a character boundary.
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// Takes `c` if it is next.
    fn eat(&mut self, c: char) -> bool {
        let next = self.rest().starts_with(c);
        if next {
            self.at += c.len_utf8();
        }
        next
    }

    fn error(&self, message: impl Into<String>, offset: usize) -> ParseError {
        ParseError::new(message, self.text, offset)
    }

    fn next_kind(&mut self) -> Result<Kind, ParseError> {
        let start = self.at;
        let Some(c) = self.bump() else { return Ok(Kind::End) };
        Ok(match c {
            'a'..='z' | 'A'..='Z' | '_' => {
                self.at = start;
                Kind::Identifier(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').into())
            }
            '.' => Kind::Dot,
            '*' => Kind::Star,
            ',' => Kind::Comma,
            ':' => Kind::Colon,
            '{' => Kind::OpenBrace,
            '}' => Kind::CloseBrace,
            ']' => Kind::CloseBracket,
            '(' => Kind::OpenParen,
            ')' => Kind::CloseParen,
            '@' => Kind::Current,
            '-' | '0'..='9' => self.number(start)?,
            '[' if self.eat('?') => Kind::Filter,
            '[' if self.eat(']') => Kind::Flatten,
            '[' => Kind::OpenBracket,
            '|' if self.eat('|') => Kind::Or,
            '|' => Kind::Pipe,
            '<' if self.eat('=') => Kind::LessOrEqual,
            '<' => Kind::Less,
            '>' if self.eat('=') => Kind::GreaterOrEqual,
            '>' => Kind::Greater,
            '!' if self.eat('=') => Kind::NotEqual,
            '!' => Kind::Not,
            '=' if self.eat('=') => Kind::Equal,
            '=' => Kind::Unknown,
            '&' if self.eat('&') => Kind::And,
            '&' => Kind::Ampersand,
            '"' => self.quoted(start)?,
            '\'' => self.raw()?,
            '`' => self.literal(start)?,
            other => return Err(self.error(format!("Unknown char: {other:?}"), start)),
        })
    }

    fn number(&mut self, start: usize) -> Result<Kind, ParseError> {
        self.take_while(|c| c.is_ascii_digit());
        let text = self.text.get(start..self.at).unwrap_or_default();
        match text.parse() {
            Ok(number) => Ok(Kind::Number(number)),
            Err(_) => Err(self.error(format!("Invalid number: {text}"), start)),
        }
    }

    /// The text up to `end`, which is taken too; a backslash keeps the character after it.
    fn until(&mut self, end: char) -> Result<&'t str, ParseError> {
        let start = self.at;
        loop {
            let here = self.at;
            match self.bump() {
                Some(c) if c == end => return Ok(self.text.get(start..here).unwrap_or_default()),
                Some('\\') => {
                    self.bump();
                }
                Some(_) => {}
                None => {
                    return Err(self.error(format!("Unclosed delimiter: {end}"), self.text.len()));
                }
            }
        }
    }

    fn quoted(&mut self, start: usize) -> Result<Kind, ParseError> {
        self.until('"')?;
        let text = self.text.get(start..self.at).unwrap_or_default();
        let value = parse_json(text.as_bytes()).map_err(|e| self.error(e.message, start))?;
        match value.view() {
            View::String(name) => Ok(Kind::Quoted(name.into())),
            View::Null
            | View::Bool(_)
            | View::Int(_)
            | View::Float(_)
            | View::List(_)
            | View::Map(_) => Err(self.error("Invalid quoted identifier", start)),
        }
    }

    /// SPEC: JMESPath "Raw String Literals": `\'` is a quote; any other pair stays as it is written.
    ///
    /// COMPAT: kyverno 1.19: there a string cannot end in backslashes (`'\\'` is unclosed);
    /// test: a_raw_string_may_end_in_backslashes
    fn raw(&mut self) -> Result<Kind, ParseError> {
        let mut value = String::new();
        loop {
            match self.bump() {
                Some('\'') => return Ok(Kind::Raw(value.into())),
                Some('\\') if self.eat('\'') => value.push('\''),
                Some('\\') => {
                    value.push('\\');
                    value.extend(self.bump());
                }
                Some(c) => value.push(c),
                None => return Err(self.error("Unclosed delimiter: '", self.text.len())),
            }
        }
    }

    fn literal(&mut self, start: usize) -> Result<Kind, ParseError> {
        let text = self.until('`')?.replace("\\`", "`");
        let value = parse_json(text.as_bytes()).map_err(|e| self.error(e.message, start + 1))?;
        Ok(Kind::Json(value))
    }
}
