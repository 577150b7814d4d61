//! Builds a document from tokens: libyaml's grammar, anchors, merge keys, duplicates and budgets.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a token that cannot stand somewhere is one error, whatever it is"
)]

use super::resolve::{self, Scalar};
use super::scan::{Kind, Scanner, Token};
use super::{Duplicates, Fault, YamlOptions};
use crate::value::{Kind as ValueKind, Value};
use crate::written::{Span, Spans, Written, saturating};
use smol_str::SmolStr;
use std::borrow::Cow;
use std::collections::BTreeMap;

pub(super) struct Builder<'t> {
    scanner: Scanner<'t>,
    options: YamlOptions,
    /// True until the first document: later ones must start with `---`.
    first: bool,
    place: usize,
    handles: BTreeMap<&'t str, &'t str>,
    /// `None` while the anchored node is still being read.
    anchors: BTreeMap<&'t str, Option<Node>>,
    nodes: usize,
    alias_nodes: usize,
}

/// A node that was read.
#[derive(Clone)]
struct Node {
    value: Value,
    spans: Spans,
    /// Itself and all below it, aliases unfolded.
    count: usize,
    /// A scalar's text as a map key, which is not always that of its value.
    key: Option<Result<SmolStr, &'static str>>,
    /// A plain `<<`.
    merges: bool,
}

impl Node {
    /// The node as a value: numbers that JSON does not have are none.
    fn checked(self) -> Build<Self> {
        if self.value.as_f64().is_some_and(|n| !n.is_finite()) {
            let at = usize::try_from(self.spans.0.start).unwrap_or(0);
            return Err(Fault::new(at, "JSON has no NaN and no infinity"));
        }
        Ok(self)
    }
}

/// A member on its way into a map.
struct Entry {
    key: SmolStr,
    value: Value,
    spans: Spans,
    /// Where an own key stands; `None` when a merge key brought it.
    at: Option<usize>,
}

type Build<T> = Result<T, Fault>;

impl<'t> Builder<'t> {
    /// Reads from a byte of the text on, which begins a line.
    pub(super) fn new(text: &'t str, at: usize, options: YamlOptions) -> Self {
        Self {
            scanner: Scanner::new(text, at, options.limits.depth),
            options,
            first: true,
            place: at,
            handles: BTreeMap::new(),
            anchors: BTreeMap::new(),
            nodes: 0,
            alias_nodes: 0,
        }
    }

    /// The byte after the last token that was taken.
    pub(super) const fn place(&self) -> usize {
        self.place
    }

    fn take(&mut self) -> Build<Token<'t>> {
        let token = self.scanner.next()?;
        self.place = self.place.max(token.end);
        Ok(token)
    }

    fn peek(&mut self) -> Build<&Kind<'t>> {
        Ok(&self.scanner.peek()?.kind)
    }

    /// Takes the next token if it is of that kind.
    fn eat(&mut self, kind: &Kind<'t>) -> Build<bool> {
        let found = self.peek()? == kind;
        if found && *kind != Kind::StreamEnd {
            self.take()?;
        }
        Ok(found)
    }

    /// The next token is none that can stand here.
    fn unexpected<T>(&mut self, message: &'static str) -> Build<T> {
        Err(Fault::new(self.scanner.peek()?.start, message))
    }

    /// The next document, `None` at the end of the text.
    pub(super) fn document(&mut self) -> Build<Option<Written>> {
        while self.eat(&Kind::DocumentEnd)? {}
        self.anchors.clear();
        self.handles = BTreeMap::from([("!", "!"), ("!!", "tag:yaml.org,2002:")]);
        (self.nodes, self.alias_nodes) = (0, 0);
        let mut directives = false;
        loop {
            let implicit = self.first && !directives;
            match self.peek()? {
                Kind::StreamEnd if !directives => return Ok(None),
                Kind::Version => {}
                Kind::TagDirective(handle, prefix) => {
                    let (handle, prefix) = (*handle, *prefix);
                    self.handles.insert(handle, prefix);
                }
                Kind::DocumentStart => {
                    self.take()?;
                    break;
                }
                _ if implicit => break,
                _ => return self.unexpected("did not find expected <document start>"),
            }
            directives = true;
            self.take()?;
        }
        self.first = false;
        let node = match self.peek()? {
            Kind::Version
            | Kind::TagDirective(..)
            | Kind::DocumentStart
            | Kind::DocumentEnd
            | Kind::StreamEnd => self.nothing()?,
            _ => self.node(self.options.limits.depth, true, false)?,
        };
        let node = node.checked()?;
        // What follows must be cut before the document counts as read: what cannot follow it is its own error.
        self.eat(&Kind::DocumentEnd)?;
        Ok(Some(Written { value: node.value, spans: node.spans }))
    }

    /// The null that stands where nothing does.
    fn nothing(&mut self) -> Build<Node> {
        let at = self.scanner.peek()?.start;
        self.scalar(&Scalar::Null, at, at)
    }

    fn scalar(&mut self, scalar: &Scalar<'_>, start: usize, end: usize) -> Build<Node> {
        let mut node = self.counted(scalar.value(), Vec::new(), start, end, 1)?;
        node.key = Some(scalar.key());
        Ok(node)
    }

    fn counted(
        &mut self,
        value: Value,
        below: Vec<Spans>,
        start: usize,
        end: usize,
        count: usize,
    ) -> Build<Node> {
        self.nodes += 1;
        if self.nodes > self.options.limits.nodes {
            return Err(Fault::new(
                start,
                format!("more than {} values", self.options.limits.nodes),
            ));
        }
        let span = Span { start: saturating(start), end: saturating(end) };
        Ok(Node { value, spans: Spans(span, below), count, key: None, merges: false })
    }

    fn node(&mut self, depth: usize, block: bool, indentless: bool) -> Build<Node> {
        let (mut anchor, mut tag) = (None, None);
        let start = self.scanner.peek()?.start;
        loop {
            match self.peek()? {
                Kind::Alias(_) if anchor.is_none() && tag.is_none() => return self.alias(),
                Kind::Anchor(name) if anchor.is_none() => anchor = Some(*name),
                Kind::Tag(handle, suffix) if tag.is_none() => tag = Some((*handle, *suffix)),
                _ => break,
            }
            self.take()?;
        }
        let tag = tag.map(|tag| self.tag(start, tag)).transpose()?;
        if let Some(name) = anchor {
            self.anchors.insert(name, None);
        }
        let node = self.content(depth, block, indentless, anchor.is_some(), tag.as_deref())?;
        if let Some(name) = anchor {
            self.anchors.insert(name, Some(node.clone()));
        }
        Ok(node)
    }

    /// A tag in its long form; `None` for the tag that says "a string", `!`.
    fn tag(&self, at: usize, (handle, suffix): (&str, &str)) -> Build<Cow<'static, str>> {
        if handle.is_empty() {
            return Ok(Cow::Owned(suffix.to_owned()));
        }
        let prefix =
            self.handles.get(handle).ok_or_else(|| Fault::new(at, "found undefined tag handle"))?;
        Ok(Cow::Owned([prefix, suffix].concat()))
    }

    fn content(
        &mut self,
        depth: usize,
        block: bool,
        indentless: bool,
        anchored: bool,
        tag: Option<&str>,
    ) -> Build<Node> {
        let collection = match self.peek()? {
            Kind::Scalar(..) => return self.written_scalar(tag),
            Kind::BlockEntry => indentless,
            Kind::FlowSequenceStart | Kind::FlowMappingStart => true,
            Kind::BlockSequenceStart | Kind::BlockMappingStart => block,
            _ => false,
        };
        if !collection {
            if anchored || tag.is_some() {
                let at = self.scanner.peek()?.start;
                let scalar = tag.map_or(Ok(Scalar::Null), |tag| resolve::tagged(tag, ""));
                return self.scalar(&scalar.map_err(|message| Fault::new(at, message))?, at, at);
            }
            return self.unexpected("did not find expected node content");
        }
        let at = self.scanner.peek()?.start;
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Fault::new(
                at,
                format!("nested deeper than {} levels", self.options.limits.depth),
            ));
        };
        let opening =
            if *self.peek()? == Kind::BlockEntry { None } else { Some(self.take()?.kind) };
        match opening {
            None => self.indentless_sequence(depth, at),
            Some(Kind::BlockSequenceStart) => self.block_sequence(depth, at),
            Some(Kind::BlockMappingStart) => self.block_mapping(depth, at),
            Some(Kind::FlowSequenceStart) => self.flow_sequence(depth, at),
            Some(_) => self.flow_mapping(depth, at),
        }
    }

    fn written_scalar(&mut self, tag: Option<&str>) -> Build<Node> {
        let Token { kind: Kind::Scalar(text, plain), start, end } = self.take()? else {
            return self.unexpected("did not find expected node content");
        };
        if tag == Some("tag:yaml.org,2002:binary") {
            let text = decoded(&text)
                .ok_or_else(|| Fault::new(start, "!!binary value contains invalid base64 data"))?;
            return self.scalar(&Scalar::Text(&text), start, end);
        }
        let scalar = match tag {
            None if plain => Ok(resolve::plain(&text)),
            None => Ok(Scalar::Text(&text)),
            Some(tag) => resolve::tagged(tag, &text),
        };
        let scalar = scalar.map_err(|message| Fault::new(start, message))?;
        let mut node = self.scalar(&scalar, start, end)?;
        node.merges = tag.is_none() && plain && text == "<<";
        Ok(node)
    }

    /// The node of an anchor once more: shared, but counted as if it were written out.
    fn alias(&mut self) -> Build<Node> {
        let token = self.take()?;
        let Kind::Alias(name) = token.kind else {
            return self.unexpected("did not find expected node content");
        };
        let node = match self.anchors.get(name) {
            Some(Some(node)) => node.clone(),
            Some(None) => {
                return Err(Fault::new(
                    token.start,
                    format!("anchor '{name}' value contains itself"),
                ));
            }
            None => {
                return Err(Fault::new(token.start, format!("unknown anchor '{name}' referenced")));
            }
        };
        self.repeat(node.count, token.start)?;
        Ok(Node { merges: false, ..node })
    }

    fn repeat(&mut self, count: usize, at: usize) -> Build<()> {
        self.alias_nodes = self.alias_nodes.saturating_add(count);
        if self.alias_nodes > self.options.limits.alias_nodes {
            return Err(Fault::new(at, "document contains excessive aliasing"));
        }
        Ok(())
    }

    // Collections. Each is entered behind its opening token.

    /// A node, or null when the next token is one of those that end it here.
    fn node_unless(
        &mut self,
        depth: usize,
        block: bool,
        indentless: bool,
        ends: &[Kind<'t>],
    ) -> Build<Node> {
        if ends.contains(self.peek()?) {
            self.nothing()
        } else {
            self.node(depth, block, indentless)
        }
    }

    fn list(&mut self, items: Vec<Node>, start: usize, end: usize) -> Build<Node> {
        let mut count = 1_usize;
        let mut below = Vec::with_capacity(items.len());
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let item = item.checked()?;
            count = count.saturating_add(item.count);
            below.push(item.spans);
            values.push(item.value);
        }
        self.counted(Value::list(values), below, start, end, count)
    }

    fn block_sequence(&mut self, depth: usize, start: usize) -> Build<Node> {
        let mut items = Vec::new();
        while self.eat(&Kind::BlockEntry)? {
            items.push(self.node_unless(
                depth,
                true,
                false,
                &[Kind::BlockEntry, Kind::BlockEnd],
            )?);
        }
        let end = self.place;
        if !self.eat(&Kind::BlockEnd)? {
            return self.unexpected("did not find expected '-' indicator");
        }
        self.list(items, start, end)
    }

    /// A sequence at the indentation of the map it is in.
    fn indentless_sequence(&mut self, depth: usize, start: usize) -> Build<Node> {
        let mut items = Vec::new();
        while self.eat(&Kind::BlockEntry)? {
            let ends = [Kind::BlockEntry, Kind::Key, Kind::Value, Kind::BlockEnd];
            items.push(self.node_unless(depth, true, false, &ends)?);
        }
        self.list(items, start, self.place)
    }

    fn block_mapping(&mut self, depth: usize, start: usize) -> Build<Node> {
        let ends = [Kind::Key, Kind::Value, Kind::BlockEnd];
        let mut entries = Vec::new();
        let mut count = 1;
        while self.eat(&Kind::Key)? {
            let key = self.node_unless(depth, true, true, &ends)?;
            let value = if self.eat(&Kind::Value)? {
                self.node_unless(depth, true, true, &ends)?
            } else {
                self.nothing()?
            };
            self.enter(&mut entries, &mut count, key, value)?;
        }
        let end = self.place;
        if !self.eat(&Kind::BlockEnd)? {
            return self.unexpected("did not find expected key");
        }
        self.map(entries, start, end, count)
    }

    fn flow_sequence(&mut self, depth: usize, start: usize) -> Build<Node> {
        let mut items = Vec::new();
        while !self.eat(&Kind::FlowSequenceEnd)? {
            if !items.is_empty() {
                if !self.eat(&Kind::FlowEntry)? {
                    return self.unexpected("did not find expected ',' or ']'");
                }
                if self.eat(&Kind::FlowSequenceEnd)? {
                    break;
                }
            }
            let at = self.scanner.peek()?.start;
            if self.eat(&Kind::Key)? {
                // `[a: b]` is a list of one map.
                let Some(depth) = depth.checked_sub(1) else {
                    return Err(Fault::new(at, "nested too deeply"));
                };
                let ends = [Kind::Value, Kind::FlowEntry, Kind::FlowSequenceEnd];
                let key = self.node_unless(depth, false, false, &ends)?;
                let value = if self.eat(&Kind::Value)? {
                    self.node_unless(
                        depth,
                        false,
                        false,
                        &[Kind::FlowEntry, Kind::FlowSequenceEnd],
                    )?
                } else {
                    self.nothing()?
                };
                let (mut entries, mut count) = (Vec::new(), 1);
                self.enter(&mut entries, &mut count, key, value)?;
                items.push(self.map(entries, at, self.place, count)?);
            } else {
                items.push(self.node(depth, false, false)?);
            }
        }
        self.list(items, start, self.place)
    }

    fn flow_mapping(&mut self, depth: usize, start: usize) -> Build<Node> {
        let mut entries = Vec::new();
        let (mut count, mut read) = (1, 0_usize);
        while !self.eat(&Kind::FlowMappingEnd)? {
            if read > 0 {
                if !self.eat(&Kind::FlowEntry)? {
                    return self.unexpected("did not find expected ',' or '}'");
                }
                if self.eat(&Kind::FlowMappingEnd)? {
                    break;
                }
            }
            read += 1;
            let key = if self.eat(&Kind::Key)? {
                self.node_unless(
                    depth,
                    false,
                    false,
                    &[Kind::Value, Kind::FlowEntry, Kind::FlowMappingEnd],
                )?
            } else {
                self.node(depth, false, false)?
            };
            let value = if self.eat(&Kind::Value)? {
                self.node_unless(depth, false, false, &[Kind::FlowEntry, Kind::FlowMappingEnd])?
            } else {
                self.nothing()?
            };
            self.enter(&mut entries, &mut count, key, value)?;
        }
        self.map(entries, start, self.place, count)
    }

    // Maps.

    /// Puts a member, or the members that a merge key brings, among the entries.
    fn enter(
        &mut self,
        entries: &mut Vec<Entry>,
        count: &mut usize,
        key: Node,
        value: Node,
    ) -> Build<()> {
        let at = usize::try_from(key.spans.0.start).unwrap_or(0);
        *count = count.saturating_add(value.count).saturating_add(1);
        let value = value.checked()?;
        if key.merges {
            return self.merge(entries, &value, at);
        }
        let key = match key.key {
            Some(text) => text.map_err(|message| Fault::new(at, message))?,
            None => return Err(Fault::new(at, "a key is a list or a map")),
        };
        entries.push(Entry { key, value: value.value, spans: value.spans, at: Some(at) });
        Ok(())
    }

    /// Of several maps the first wins, so they go in from the back: of equal keys the last entry wins.
    fn merge(&mut self, entries: &mut Vec<Entry>, from: &Node, at: usize) -> Build<()> {
        let wrong = || Fault::new(at, "map merge requires map or sequence of maps as the value");
        let parts: Vec<(&Value, &Spans)> = match from.value.as_list() {
            Some(items) => items.iter().zip(&from.spans.1).rev().collect(),
            None => vec![(&from.value, &from.spans)],
        };
        for (value, spans) in parts {
            let map = value.as_map().ok_or_else(wrong)?;
            self.repeat(map.len(), at)?;
            for ((key, value), spans) in map.members().zip(&spans.1) {
                entries.push(Entry {
                    key: key.clone(),
                    value: value.clone(),
                    spans: spans.clone(),
                    at: None,
                });
            }
        }
        Ok(())
    }

    fn map(
        &mut self,
        mut entries: Vec<Entry>,
        start: usize,
        end: usize,
        count: usize,
    ) -> Build<Node> {
        // Stable, so that of equal keys the last written stays last.
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        let mut members: Vec<(SmolStr, Value)> = Vec::with_capacity(entries.len());
        let mut below: Vec<Spans> = Vec::with_capacity(entries.len());
        let mut last_own: Option<usize> = None;
        for entry in entries {
            let again = members.last().is_some_and(|(key, _)| *key == entry.key);
            if again {
                if let (Some(at), Some(_), Duplicates::Refuse) =
                    (entry.at, last_own, self.options.duplicates)
                {
                    return Err(Fault::new(at, format!("key {:?} already set in map", entry.key)));
                }
                members.pop();
                below.pop();
            }
            last_own = if again { entry.at.or(last_own) } else { entry.at };
            members.push((entry.key, entry.value));
            below.push(entry.spans);
        }
        let value = Value::from_sorted(members.into_iter().collect());
        debug_assert_eq!(value.kind(), ValueKind::Object, "a map");
        self.counted(value, below, start, end, count)
    }
}

/// The text of base64 data; bytes that are no UTF-8 become U+FFFD, as in the JSON that Go makes of them.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let (mut bits, mut count, mut padding) = (0_u32, 0_u32, 0_u32);
    for byte in text.bytes().filter(|b| !matches!(b, b'\n' | b'\r')) {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        bits = bits << 6 | u32::from(digit);
        count += 1;
        if count % 4 == 0 {
            bytes.extend_from_slice(bits.to_be_bytes().get(1..)?);
            bits = 0;
        }
    }
    match (count % 4, padding) {
        (0, 0) => {}
        (2, 2) => bytes.push(u8::try_from(bits >> 4 & 0xFF).ok()?),
        (3, 1) => bytes
            .extend_from_slice(u16::try_from(bits >> 2 & 0xFFFF).ok()?.to_be_bytes().as_slice()),
        _ => return None,
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
