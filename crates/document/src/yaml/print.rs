//! Writes YAML as Go's libraries do: sorted keys, block style, their choice of quotes.
// COMPAT: go-yaml 3.0.4 with indents of 2 and 4 and sigs.k8s.io/yaml 1.6; test: values_print_as_go_prints_them. Not
// theirs: U+2028 and U+2029 are always escaped, `<<` and blocks that begin with a tab are always quoted, and the indent
// that a block says is the one it has; test: what_is_printed_reads_back.
use super::resolve;
use crate::value::{Map, Value, View};
use std::cmp::Ordering;
use std::fmt::Write as _;

/// Which library's form to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum YamlStyle {
    /// go-yaml 3 with an indent of 2: lists in maps are indented, lines are never broken. Kyverno's denials.
    #[default]
    GoYaml3,
    /// go-yaml 3 with its own indent, 4. The objects that Kyverno's command line prints.
    GoYaml3Wide,
    /// `sigs.k8s.io/yaml`: lists stand below the key's first letter, scalars are folded after 80 columns. What
    /// kubectl prints, and the reports of Kyverno's command line.
    Kubernetes,
}

/// A tree as a YAML document in the form of go-yaml 3; ends with a newline.
pub fn to_yaml(value: &Value) -> String {
    to_yaml_with(value, YamlStyle::GoYaml3)
}

/// A tree as a YAML document; ends with a newline.
pub fn to_yaml_with(value: &Value, style: YamlStyle) -> String {
    let width = if style == YamlStyle::GoYaml3Wide { 4 } else { 2 };
    let mut printer =
        Printer { out: String::new(), folds: style == YamlStyle::Kubernetes, width, deeper: 2 };
    printer.node(value, 0, Place::Document);
    printer.out
}

/// The column after which a line may be broken.
const WIDTH: usize = 80;

/// Where a node stands: behind `key:` or `-` (which it may share the line with), or alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Document,
    AfterKey,
    AfterDash,
}

struct Printer {
    out: String,
    /// The form of `sigs.k8s.io/yaml`.
    folds: bool,
    /// The columns of indents, but behind a dash, where it is always two.
    width: usize,
    /// How much deeper than what it is in the scalar stands that is printed next.
    deeper: usize,
}

impl Printer {
    /// Prints a node whose collection's members stand at that indentation, up to the end of its last line.
    fn node(&mut self, value: &Value, indent: usize, place: Place) {
        match value.view() {
            View::Map(map) if !map.is_empty() => self.map(map, indent, place),
            View::List(items) if !items.is_empty() => self.list(items, indent, place),
            View::Null
            | View::Bool(_)
            | View::Int(_)
            | View::Float(_)
            | View::String(_)
            | View::List(_)
            | View::Map(_) => {
                if place != Place::Document {
                    self.out.push(' ');
                }
                self.scalar(value, indent);
                self.out.push('\n');
            }
        }
    }

    /// Where what a member holds stands: at the next multiple of the width.
    const fn below(&self, indent: usize) -> usize {
        indent - indent % self.width + self.width
    }

    fn indent(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    fn map(&mut self, map: Map<'_>, indent: usize, place: Place) {
        // `- a: 1` shares the line with its dash; a map behind a key starts a line.
        match place {
            Place::AfterKey => self.out.push('\n'),
            Place::AfterDash => self.out.push(' '),
            Place::Document => {}
        }
        let mut first = place == Place::AfterDash;
        for (key, value) in natural_order(map, self.folds) {
            if !std::mem::take(&mut first) {
                self.indent(indent);
            }
            let alone = self.key(key, indent);
            self.deeper = if alone { 2 } else { self.below(indent) - indent };
            let flush = self.folds && value.as_list().is_some();
            match (alone, flush) {
                // Behind a key on lines of its own a value stands as behind a dash.
                (true, _) => self.node(value, indent + 2, Place::AfterDash),
                (false, true) => self.node(value, indent, Place::AfterKey),
                (false, false) => self.node(value, self.below(indent), Place::AfterKey),
            }
        }
    }

    fn list(&mut self, items: &[Value], indent: usize, place: Place) {
        match place {
            Place::AfterKey => self.out.push('\n'),
            Place::AfterDash => self.out.push(' '),
            Place::Document => {}
        }
        let mut first = place == Place::AfterDash;
        for item in items {
            if !std::mem::take(&mut first) {
                self.indent(indent);
            }
            self.out.push('-');
            self.deeper = 2;
            self.node(item, indent + 2, Place::AfterDash);
        }
    }

    /// A key and its colon. One that is long or has several lines is written with `?` on lines of its own: true.
    fn key(&mut self, key: &str, indent: usize) -> bool {
        let shape = Shape::of(key);
        let style = shape.style(key, true, self.folds);
        if shape.line_breaks || key.len() > 128 {
            self.out.push_str("? ");
            self.deeper = self.below(indent) - indent;
            let style = shape.style(key, false, self.folds);
            self.string(key, style, Some(self.below(indent)));
            self.out.push('\n');
            self.indent(indent);
            self.out.push(':');
            return true;
        }
        self.string(key, style, None);
        self.out.push(':');
        false
    }

    fn scalar(&mut self, value: &Value, indent: usize) {
        match value.view() {
            View::Null => self.out.push_str("null"),
            View::Bool(b) => self.out.push_str(if b { "true" } else { "false" }),
            View::Int(n) => {
                // Writing to a String cannot fail.
                let _ = write!(self.out, "{n}");
            }
            View::Float(n) => self.out.push_str(&float(n)),
            View::String(text) => {
                let style = Shape::of(text).style(text, false, self.folds);
                // A block behind a document's start is indented as well.
                self.string(text, style, Some(indent.max(2)));
            }
            View::List(_) => self.out.push_str("[]"),
            View::Map(_) => self.out.push_str("{}"),
        }
    }

    /// A string whose further lines stand at that indentation; `None` for a key, which has none.
    fn string(&mut self, text: &str, style: Style, indent: Option<usize>) {
        match style {
            Style::Plain => self.folded(text, indent, style, |c, out| out.push(c)),
            Style::Single => {
                self.out.push('\'');
                self.folded(text, indent, style, |c, out| match c {
                    '\'' => out.push_str("''"),
                    c => out.push(c),
                });
                self.out.push('\'');
            }
            Style::Double => {
                self.out.push('"');
                self.folded(text, indent, style, escaped);
                self.out.push('"');
            }
            Style::Literal => self.literal(text, indent.unwrap_or(2)),
        }
    }

    /// A text character by character. Beyond the width a space becomes a new line, as libyaml's emitter has it:
    /// not within a run of spaces, and in quotes not at either end.
    fn folded(
        &mut self,
        text: &str,
        indent: Option<usize>,
        style: Style,
        put: impl Fn(char, &mut String),
    ) {
        let Some(indent) = indent.filter(|_| self.folds) else {
            text.chars().for_each(|c| put(c, &mut self.out));
            return;
        };
        let mut line = self.out.rfind('\n').map_or(0, |at| at + 1);
        let mut spaces = false;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next_is_space = chars.peek().is_some_and(|(_, next)| *next == ' ');
            let inside = style == Style::Plain || (at > 0 && chars.peek().is_some());
            let may_break =
                c == ' ' && !spaces && inside && (style == Style::Double || !next_is_space);
            if may_break && self.out.get(line..).is_some_and(|line| line.chars().count() > WIDTH) {
                self.out.push('\n');
                line = self.out.len();
                self.indent(indent);
                if next_is_space {
                    self.out.push('\\');
                }
            } else {
                put(c, &mut self.out);
            }
            spaces = c == ' ';
        }
    }

    /// The text with its lines indented. The last break is left to whoever ends the line.
    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push('|');
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            // Writing to a String cannot fail.
            let _ = write!(self.out, "{}", self.deeper);
        }
        let mut backwards = text.chars().rev();
        match (backwards.next().is_some_and(is_break), backwards.next().is_none_or(is_break)) {
            (false, _) => self.out.push('-'),
            (true, true) => self.out.push('+'),
            (true, false) => {}
        }
        self.out.push('\n');
        let mut line_start = true;
        for c in text.strip_suffix('\n').unwrap_or(text).chars() {
            if line_start && !is_break(c) {
                self.indent(indent);
            }
            line_start = is_break(c);
            self.out.push(c);
        }
    }
}

/// A character of a double-quoted scalar.
fn escaped(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\0' => out.push_str("\\0"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\u{b}' => out.push_str("\\v"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        '\u{1b}' => out.push_str("\\e"),
        '\u{85}' => out.push_str("\\N"),
        '\u{2028}' => out.push_str("\\L"),
        '\u{2029}' => out.push_str("\\P"),
        c if is_printable(c) => out.push(c),
        c => {
            let code = u32::from(c);
            // Writing to a String cannot fail.
            let _ = match code {
                ..=0xFF => write!(out, "\\x{code:02X}"),
                0x100..=0xFFFF => write!(out, "\\u{code:04X}"),
                0x1_0000.. => write!(out, "\\U{code:08X}"),
            };
        }
    }
}

/// A float as go-yaml prints it.
fn float(n: f64) -> String {
    match n {
        n if n.is_nan() => ".nan".to_owned(),
        f64::INFINITY => ".inf".to_owned(),
        f64::NEG_INFINITY => "-.inf".to_owned(),
        n => resolve::go_general(&format!("{n:e}"), || n.to_string()),
    }
}

/// Characters that need no escape: as libyaml has it, without those beyond 16 bits. The line and paragraph
/// separators are escaped, so that no reader takes them for the end of a line.
const fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// What of a text rules out which style, as libyaml's emitter looks at it.
#[derive(Default)]
struct Shape {
    line_breaks: bool,
    special: bool,
    tabs: bool,
    /// Something that means something in a block, like `: ` or a leading `#`.
    indicators: bool,
    edge_space: bool,
    edge_break: bool,
    trailing_space: bool,
    /// A break, then a space; and the other way round.
    break_space: bool,
    space_break: bool,
}

const fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

impl Shape {
    fn of(text: &str) -> Self {
        let mut shape = Self {
            indicators: text.starts_with("---") || text.starts_with("..."),
            ..Self::default()
        };
        let (mut after_space, mut after_break, mut after_gap) = (false, false, true);
        let mut chars = text.chars().peekable();
        let mut first = true;
        while let Some(c) = chars.next() {
            let last = chars.peek().is_none();
            let before_gap =
                chars.peek().is_none_or(|next| matches!(next, ' ' | '\t') || is_break(*next));
            shape.indicators |= match c {
                '#' if first => true,
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
                | '@' | '`' => first,
                '?' | '-' => first && before_gap,
                ':' => before_gap,
                '#' => after_gap,
                _ => false,
            };
            shape.tabs |= c == '\t';
            shape.special |= c != '\t' && !is_printable(c);
            if c == ' ' {
                shape.edge_space |= first || last;
                shape.trailing_space |= last;
                shape.break_space |= after_break;
                (after_space, after_break) = (true, false);
            } else if is_break(c) {
                shape.line_breaks = true;
                shape.edge_break |= first || last;
                shape.space_break |= after_space;
                (after_space, after_break) = (false, true);
            } else {
                (after_space, after_break) = (false, false);
            }
            after_gap = matches!(c, ' ' | '\t') || is_break(c);
            first = false;
        }
        shape
    }

    /// go-yaml asks for a style, libyaml's emitter changes it where the text does not allow it.
    fn style(&self, text: &str, key: bool, folds: bool) -> Style {
        let quoted = if self.space_break || self.special || self.tabs || self.break_space {
            Style::Double
        } else {
            Style::Single
        };
        if text.contains('\n') {
            // The older library also takes a tab for a special character. The newer one prints a block that begins
            // with a tab, which neither can read.
            let unreadable =
                self.tabs && (folds || text.trim_start_matches('\n').starts_with('\t'));
            let block = !(self.trailing_space || self.space_break || self.special || unreadable);
            return if block && !key { Style::Literal } else { Style::Double };
        }
        if resolve::needs_quotes(text) {
            return Style::Double;
        }
        let plain = !(self.edge_space || self.edge_break || self.line_breaks || self.indicators);
        if plain && quoted == Style::Single { Style::Plain } else { quoted }
    }
}

/// The members in go-yaml's order of keys: numbers in them count by their worth, and what is no letter comes first.
fn natural_order(map: Map<'_>, older: bool) -> Vec<(&str, &Value)> {
    let mut members: Vec<(&str, &Value)> = map.iter().collect();
    if members.is_sorted_by(|(a, _), (b, _)| !key_less(b, a, older)) {
        return members;
    }
    // A merge sort of our own: go-yaml's order is not total for digits beyond 64 bits, and the standard
    // library's sort may panic on such.
    let mut width = 1;
    while width < members.len() {
        members = members
            .chunks(width.saturating_mul(2))
            .flat_map(|pair| {
                let (left, right) = pair.split_at(width.min(pair.len()));
                merge(left, right, older)
            })
            .collect();
        width = width.saturating_mul(2);
    }
    members
}

fn merge<'v>(
    left: &[(&'v str, &'v Value)],
    right: &[(&'v str, &'v Value)],
    older: bool,
) -> Vec<(&'v str, &'v Value)> {
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if key_less(b.0, a.0, older) { right.next() } else { left.next() };
        out.extend(next.copied());
    }
    out.extend(left.copied());
    out.extend(right.copied());
    out
}

/// go-yaml's `keyList.Less` for two texts. The older library does not look at digits before a letter, by which its
/// order runs in circles (`a2` < `a10` < `a1b` < `a2`): what it makes of such keys depends on its sort.
fn key_less(a: &str, b: &str, older: bool) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut digits = false;
    for (at, (x, y)) in a.iter().zip(&b).enumerate() {
        if x == y {
            digits = x.is_numeric() && !older;
            continue;
        }
        match (x.is_alphabetic(), y.is_alphabetic()) {
            (true, true) => return x < y,
            (x_letter, y_letter) if x_letter || y_letter => {
                return if digits { x_letter } else { y_letter };
            }
            _ => {}
        }
        // Leading zeros count when digits came before them.
        let mut prefix = 0_i64;
        if *x == '0' || *y == '0' {
            let before = a.iter().take(at).rev().take_while(|c| c.is_numeric());
            prefix = i64::from(before.into_iter().any(|c| *c != '0'));
        }
        let number = |chars: &[char]| {
            let run: Vec<char> =
                chars.iter().skip(at).take_while(|c| c.is_numeric()).copied().collect();
            let worth = run.iter().fold(prefix, |n, c| {
                n.wrapping_mul(10)
                    .wrapping_add(i64::from(u32::from(*c)).wrapping_sub(i64::from(u32::from('0'))))
            });
            (worth, run.len())
        };
        let order = number(&a).cmp(&number(&b));
        return if order == Ordering::Equal { x < y } else { order == Ordering::Less };
    }
    a.len() < b.len()
}
