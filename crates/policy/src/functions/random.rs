//! `random`: a text that a pattern matches, drawn from the host's seed.
use super::{Entry, ONE_STRING, Outcome};
use sigward_document::Value;
use sigward_jmespath::{Call, FunctionError};
use std::ops::RangeInclusive;

pub(super) const FUNCTIONS: &[Entry] = &[("random", ONE_STRING, random)];

/// Levels of groups.
const MAX_NESTING: u32 = 64;
/// The largest number of repetitions that may be written.
const MAX_REPEAT: u32 = 1000;
/// How often `*` and `+` repeat at most.
const UNBOUNDED: u32 = 4096;
/// Characters of a text.
const MAX_LENGTH: usize = 64 * 1024;

/// `random('[a-z]{4}-[0-9]')` → for example `"qkzu-7"`. The pattern is a POSIX extended regular expression, without
/// Perl's classes, as there.
///
/// COMPAT: kyverno 1.19: `.` and negated classes draw from all code points there, most of them unassigned; here from
/// printable ASCII as long as it has any. test: any_character_is_a_printable_one
fn random(call: &mut Call<'_, '_, '_>) -> Outcome {
    let pattern = call.string(0)?;
    if pattern.is_empty() {
        return Err(FunctionError::message("no pattern provided"));
    }
    let node =
        Parser { rest: pattern, whole: pattern, depth: 0 }.all().map_err(FunctionError::message)?;
    let mut source = Source(call.random());
    let mut text = String::new();
    node.generate(&mut source, &mut text, &mut 0).map_err(FunctionError::prefixed)?;
    call.steps(text.len())?;
    Ok(Value::string(&text))
}

/// SplitMix64 over the number that the host gave.
struct Source(u64);

impl Source {
    /// A number below `end`; the bias is under 2^-32 for the small ends of patterns.
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        u32::try_from((u128::from(z) * u128::from(end)) >> 64).unwrap_or(0)
    }
}

/// A part of a pattern.
#[derive(Debug)]
enum Node {
    Literal(char),
    /// One of these characters.
    Class(Vec<RangeInclusive<u32>>),
    Concat(Vec<Self>),
    Alternate(Vec<Self>),
    Repeat(Box<Self>, u32, u32),
}

impl Node {
    fn generate(
        &self,
        source: &mut Source,
        text: &mut String,
        steps: &mut usize,
    ) -> Result<(), String> {
        *steps += 1;
        if text.len() > MAX_LENGTH || *steps > 16 * MAX_LENGTH {
            return Err(format!("the text is longer than {MAX_LENGTH} characters"));
        }
        match self {
            Self::Literal(c) => text.push(*c),
            Self::Class(ranges) => {
                let size = |range: &RangeInclusive<u32>| range.end() - range.start() + 1;
                let mut drawn = source.below(ranges.iter().map(size).sum());
                for range in ranges {
                    if drawn < size(range) {
                        text.push(
                            char::from_u32(range.start() + drawn)
                                .unwrap_or(char::REPLACEMENT_CHARACTER),
                        );
                        break;
                    }
                    drawn -= size(range);
                }
            }
            Self::Concat(nodes) => {
                for node in nodes {
                    node.generate(source, text, steps)?;
                }
            }
            Self::Alternate(nodes) => {
                let drawn = source.below(u32::try_from(nodes.len()).unwrap_or(u32::MAX));
                if let Some(node) = usize::try_from(drawn).ok().and_then(|at| nodes.get(at)) {
                    node.generate(source, text, steps)?;
                }
            }
            Self::Repeat(node, least, most) => {
                for _ in 0..least + source.below(most - least + 1) {
                    node.generate(source, text, steps)?;
                }
            }
        }
        Ok(())
    }
}

struct Parser<'p> {
    rest: &'p str,
    whole: &'p str,
    depth: u32,
}

fn wrong(what: &str, part: &str) -> String {
    format!("error parsing regexp: {what}: `{part}`")
}

/// All code points.
const UNICODE: u32 = 0x0010_FFFF;
/// Printable ASCII.
const PRINTABLE: RangeInclusive<u32> = 0x20..=0x7E;

impl<'p> Parser<'p> {
    fn bump(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        Some(c)
    }

    fn eat(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn all(mut self) -> Result<Node, String> {
        let node = self.alternatives()?;
        if self.rest.is_empty() { Ok(node) } else { Err(wrong("unexpected )", self.whole)) }
    }

    fn alternatives(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(wrong("expression nests too deeply", self.whole));
        }
        let mut branches = vec![self.branch()?];
        while self.eat('|') {
            branches.push(self.branch()?);
        }
        self.depth -= 1;
        Ok(Node::Alternate(branches))
    }

    fn branch(&mut self) -> Result<Node, String> {
        let mut nodes = Vec::new();
        while !self.rest.is_empty() && !self.rest.starts_with(['|', ')']) {
            let before = self.rest;
            let Some(atom) = self.atom()? else { continue };
            nodes.push(self.repeated(atom, before)?);
        }
        Ok(Node::Concat(nodes))
    }

    fn atom(&mut self) -> Result<Option<Node>, String> {
        let before = self.rest;
        let Some(c) = self.bump() else { return Ok(None) };
        Ok(Some(match c {
            '(' => {
                let node = self.alternatives()?;
                if !self.eat(')') {
                    return Err(wrong("missing closing )", self.whole));
                }
                node
            }
            '[' => self.class(before)?,
            '.' => Node::Class(vec![PRINTABLE]),
            // A place in the text, not a character.
            '^' | '$' => return Ok(None),
            '\\' => Node::Literal(self.escaped(before)?),
            '*' | '+' | '?' => {
                return Err(wrong("missing argument to repetition operator", &c.to_string()));
            }
            other => Node::Literal(other),
        }))
    }

    /// The atom with the repetition behind it.
    fn repeated(&mut self, atom: Node, before: &str) -> Result<Node, String> {
        let start = self.rest;
        let (least, most) = match self.rest.chars().next() {
            Some('*') => (0, UNBOUNDED),
            Some('+') => (1, UNBOUNDED),
            Some('?') => (0, 1),
            Some('{') => {
                let Some((inside, _)) = self.rest.get(1..).and_then(|rest| rest.split_once('}'))
                else {
                    return Ok(atom);
                };
                let number = |text: &str| {
                    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                    digits.then(|| text.parse::<u32>().unwrap_or(u32::MAX))
                };
                let bounds = match inside.split_once(',') {
                    None => number(inside).map(|n| (n, n)),
                    Some((least, "")) => number(least).map(|least| (least, UNBOUNDED)),
                    Some((least, most)) => number(least).zip(number(most)),
                };
                let Some((least, most)) = bounds else { return Ok(atom) };
                if least > MAX_REPEAT || least > most || (most > MAX_REPEAT && most != UNBOUNDED) {
                    return Err(wrong("invalid repeat count", &format!("{{{inside}}}")));
                }
                self.rest = self.rest.get(inside.len() + 1..).unwrap_or_default();
                (least, most)
            }
            _ => return Ok(atom),
        };
        self.bump();
        if self.rest.starts_with(['*', '+', '?']) {
            let part = start.get(..start.len() - self.rest.len() + 1).unwrap_or(before);
            return Err(wrong("invalid nested repetition operator", part));
        }
        Ok(Node::Repeat(Box::new(atom), least, most))
    }

    fn escaped(&mut self, before: &str) -> Result<char, String> {
        let Some(c) = self.bump() else {
            return Err(wrong("trailing backslash at end of expression", ""));
        };
        Ok(match c {
            'a' => '\x07',
            'f' => '\x0C',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0B',
            c if c.is_ascii_punctuation() => c,
            _ => {
                let part = before.get(..before.len() - self.rest.len()).unwrap_or(before);
                return Err(wrong("invalid escape sequence", part));
            }
        })
    }

    fn class(&mut self, before: &'p str) -> Result<Node, String> {
        let unclosed = || wrong("missing closing ]", before);
        let negated = self.eat('^');
        let mut ranges: Vec<RangeInclusive<u32>> = Vec::new();
        let mut first = true;
        while first || !self.eat(']') {
            first = false;
            if let Some((name, rest)) =
                self.rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]"))
            {
                let named = posix(name).ok_or_else(|| {
                    wrong("invalid character class range", &format!("[:{name}:]"))
                })?;
                ranges.extend(named.iter().map(|(low, high)| u32::from(*low)..=u32::from(*high)));
                self.rest = rest;
                continue;
            }
            let item = self.rest;
            let low = self.class_character()?.ok_or_else(unclosed)?;
            let mut high = low;
            if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                self.bump();
                high = self.class_character()?.ok_or_else(unclosed)?;
            }
            if high < low {
                let part = item.get(..item.len() - self.rest.len()).unwrap_or(item);
                return Err(wrong("invalid character class range", part));
            }
            ranges.push(u32::from(low)..=u32::from(high));
        }
        if negated {
            let printable = without(PRINTABLE, &ranges);
            ranges = if printable.is_empty() { without(0..=UNICODE, &ranges) } else { printable };
        }
        if ranges.is_empty() {
            Err(wrong("empty character class", before))
        } else {
            Ok(Node::Class(ranges))
        }
    }

    fn class_character(&mut self) -> Result<Option<char>, String> {
        let before = self.rest;
        match self.bump() {
            Some('\\') => self.escaped(before).map(Some),
            other => Ok(other),
        }
    }
}

/// What of a range is in none of the others.
fn without(range: RangeInclusive<u32>, others: &[RangeInclusive<u32>]) -> Vec<RangeInclusive<u32>> {
    let mut others: Vec<_> = others.to_vec();
    others.sort_by_key(|other| *other.start());
    let (mut rest, mut next) = (Vec::new(), *range.start());
    for other in others {
        if *other.start() > next {
            rest.push(next..=(*other.start() - 1).min(*range.end()));
        }
        next = next.max(other.end().saturating_add(1));
        if next > *range.end() {
            return rest;
        }
    }
    rest.push(next..=*range.end());
    rest
}

/// SPEC: POSIX.1-2024 9.3.5 and 7.3.1, in the C locale.
fn posix(name: &str) -> Option<&'static [(char, char)]> {
    Some(match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7F')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1F'), ('\x7F', '\x7F')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    })
}
