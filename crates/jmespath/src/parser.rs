//! Tokens to nodes: an operator-precedence (Pratt) parser with a limit on depth.
//!
//! COMPAT: kyverno 1.19: precedences, leniences (a comma between arguments or members may be missing, one
//! after the last argument may be there) and messages are those of go-jmespath;
//! test: parse_errors_read_like_the_peers, commas_are_as_lenient_as_the_peers
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a parser asks for a few of the tokens or nodes; all others are one case, and so is a new one"
)]

use crate::error::ParseError;
use crate::functions::hash;
use crate::lexer::{Kind, Token, tokenize};
use crate::node::{Comparator, Invocation, Node};
use smol_str::SmolStr;

/// Levels of nesting that an expression may have.
const MAX_DEPTH: u32 = 128;
/// Levels of lists and maps that an expression may put around its input, over all its stages: bounds the
/// depth of any value it can build, and so the recursion of whoever walks or drops that value.
const MAX_GROWTH: u32 = 1024;
/// Bytes of text that an expression may have.
const MAX_BYTES: usize = 256 * 1024;

/// Parses a whole text.
pub(crate) fn parse(text: &str) -> Result<Node, ParseError> {
    if text.len() > MAX_BYTES {
        let message = format!("the expression is longer than {MAX_BYTES} bytes");
        return Err(ParseError { message, expression: String::new(), offset: 0 });
    }
    let mut parser = Parser { text, tokens: tokenize(text)?, at: 0, depth: 0 };
    let tree = parser.expression(0)?;
    if matches!(parser.kind(), Kind::End) {
        Ok(tree.node)
    } else {
        let name = parser.kind().name();
        Err(parser.error(format!("Unexpected token at the end of the expression: {name}")))
    }
}

/// How strongly an operator binds what stands on its left.
fn power(kind: &Kind) -> u8 {
    match kind {
        Kind::Pipe => 1,
        Kind::Or => 2,
        Kind::And => 3,
        Kind::Equal
        | Kind::NotEqual
        | Kind::Less
        | Kind::LessOrEqual
        | Kind::Greater
        | Kind::GreaterOrEqual => COMPARATOR,
        Kind::Flatten => FLATTEN,
        Kind::Star => STAR,
        Kind::Filter => FILTER,
        Kind::Dot => DOT,
        Kind::Not => NOT,
        Kind::OpenBrace => 50,
        Kind::OpenBracket => 55,
        Kind::OpenParen => 60,
        Kind::CloseParen
        | Kind::CloseBracket
        | Kind::CloseBrace
        | Kind::Number(_)
        | Kind::Identifier(_)
        | Kind::Quoted(_)
        | Kind::Comma
        | Kind::Colon
        | Kind::Json(_)
        | Kind::Raw(_)
        | Kind::Current
        | Kind::Ampersand
        | Kind::Unknown
        | Kind::End => 0,
    }
}

const COMPARATOR: u8 = 5;
const FLATTEN: u8 = 9;
/// Below this a token ends the right side of a projection.
const PROJECTION_STOP: u8 = 10;
const STAR: u8 = 20;
const FILTER: u8 = 21;
const DOT: u8 = 40;
const NOT: u8 = 45;

/// A node and its measures.
struct Tree {
    node: Node,
    /// Levels of nodes that evaluation recurses through.
    depth: u32,
    /// Levels of lists and maps that it may put around its input.
    growth: u32,
}

impl Tree {
    fn leaf(node: Node) -> Self {
        Self { node, depth: 1, growth: 0 }
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    at: usize,
    depth: u32,
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> &Kind {
        self.tokens.get(self.at.saturating_add(ahead)).map_or(&Kind::End, |t| &t.kind)
    }

    fn kind(&self) -> &Kind {
        self.peek(0)
    }

    /// Where the next token starts.
    fn offset(&self) -> usize {
        self.tokens.get(self.at).map_or(self.text.len(), |t| t.offset)
    }

    fn advance(&mut self) -> Kind {
        let kind = self.kind().clone();
        self.at += 1;
        kind
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError::new(message, self.text, self.offset())
    }

    fn expect(&mut self, wanted: &Kind) -> Result<(), ParseError> {
        if std::mem::discriminant(self.kind()) == std::mem::discriminant(wanted) {
            self.at += 1;
            return Ok(());
        }
        let received = self.kind().name();
        Err(self.error(format!("Expected {}, received: {received}", wanted.name())))
    }

    /// A node over others, measured.
    fn over(&self, node: Node, depth: u32, growth: u32) -> Result<Tree, ParseError> {
        if depth > MAX_DEPTH || growth > MAX_GROWTH {
            return Err(
                self.error(format!("the expression is nested deeper than {MAX_DEPTH} levels"))
            );
        }
        Ok(Tree { node, depth, growth })
    }

    fn expression(&mut self, binding: u8) -> Result<Tree, ParseError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(
                self.error(format!("the expression is nested deeper than {MAX_DEPTH} levels"))
            );
        }
        let mut left = self.prefix()?;
        while binding < power(self.kind()) {
            left = self.infix(left)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    /// What an expression may start with.
    fn prefix(&mut self) -> Result<Tree, ParseError> {
        let offset = self.offset();
        let here = |message: String| ParseError::new(message, self.text, offset);
        match self.kind().clone() {
            Kind::Json(value) => {
                self.at += 1;
                Ok(Tree::leaf(Node::Literal(value)))
            }
            Kind::Raw(text) => {
                self.at += 1;
                Ok(Tree::leaf(Node::Literal(sigward_document::Value::string(&text))))
            }
            Kind::Identifier(name) => {
                self.at += 1;
                if matches!(self.kind(), Kind::OpenParen) {
                    self.at += 1;
                    return self.call(name, offset);
                }
                Ok(Tree::leaf(Node::Path([name].into())))
            }
            Kind::Quoted(name) => {
                if matches!(self.peek(1), Kind::OpenParen) {
                    return Err(here("Can't have quoted identifier as function Name.".into()));
                }
                self.at += 1;
                Ok(Tree::leaf(Node::Path([name].into())))
            }
            Kind::Star => {
                self.at += 1;
                let right = if matches!(self.kind(), Kind::CloseBracket) {
                    Tree::leaf(Node::Current)
                } else {
                    self.projected(STAR)?
                };
                self.values(Tree::leaf(Node::Current), right)
            }
            Kind::Filter => {
                self.at += 1;
                self.filter(Tree::leaf(Node::Current))
            }
            Kind::OpenBrace => {
                self.at += 1;
                self.hash()
            }
            Kind::Flatten => {
                self.at += 1;
                self.flatten(Tree::leaf(Node::Current))
            }
            Kind::OpenBracket => {
                self.at += 1;
                match (self.kind(), self.peek(1)) {
                    (Kind::Number(_) | Kind::Colon, _) => self.index(Tree::leaf(Node::Current)),
                    (Kind::Star, Kind::CloseBracket) => {
                        self.at += 2;
                        let right = self.projected(STAR)?;
                        self.project(Tree::leaf(Node::Current), right)
                    }
                    _ => self.list(),
                }
            }
            Kind::Current => {
                self.at += 1;
                Ok(Tree::leaf(Node::Current))
            }
            Kind::Ampersand => {
                self.at += 1;
                let inner = self.expression(0)?;
                self.over(Node::Reference(Box::new(inner.node)), inner.depth + 1, inner.growth)
            }
            Kind::Not => {
                self.at += 1;
                let inner = self.expression(NOT)?;
                self.over(Node::Not(Box::new(inner.node)), inner.depth + 1, inner.growth)
            }
            Kind::OpenParen => {
                self.at += 1;
                let inner = self.expression(0)?;
                self.expect(&Kind::CloseParen)?;
                Ok(inner)
            }
            Kind::End => Err(here("Incomplete expression".into())),
            other @ (Kind::Dot
            | Kind::CloseParen
            | Kind::CloseBracket
            | Kind::CloseBrace
            | Kind::Or
            | Kind::Pipe
            | Kind::Number(_)
            | Kind::Comma
            | Kind::Colon
            | Kind::Less
            | Kind::LessOrEqual
            | Kind::Greater
            | Kind::GreaterOrEqual
            | Kind::Equal
            | Kind::NotEqual
            | Kind::And
            | Kind::Unknown) => Err(here(format!("Invalid token: {}", other.name()))),
        }
    }

    /// What may follow a complete expression.
    fn infix(&mut self, left: Tree) -> Result<Tree, ParseError> {
        let kind = self.advance();
        let comparator = match kind {
            Kind::Dot => {
                if matches!(self.kind(), Kind::Star) {
                    self.at += 1;
                    let right = self.projected(DOT)?;
                    return self.values(left, right);
                }
                let right = self.after_dot(DOT)?;
                return self.chain(left, right);
            }
            Kind::Pipe => {
                let right = self.expression(power(&kind))?;
                let growth = left.growth + right.growth;
                return self.series(left, right, growth, Node::Pipe, |node| match node {
                    Node::Pipe(stages) => Ok(stages),
                    other => Err(other),
                });
            }
            Kind::Or => {
                let right = self.expression(power(&kind))?;
                let growth = left.growth.max(right.growth);
                return self.series(left, right, growth, Node::Or, |node| match node {
                    Node::Or(members) => Ok(members),
                    other => Err(other),
                });
            }
            Kind::And => {
                let right = self.expression(power(&kind))?;
                let growth = left.growth.max(right.growth);
                return self.series(left, right, growth, Node::And, |node| match node {
                    Node::And(members) => Ok(members),
                    other => Err(other),
                });
            }
            Kind::Filter => return self.filter(left),
            Kind::Flatten => return self.flatten(left),
            Kind::OpenBracket => {
                if matches!(self.kind(), Kind::Number(_) | Kind::Colon) {
                    return self.index(left);
                }
                self.expect(&Kind::Star)?;
                self.expect(&Kind::CloseBracket)?;
                let right = self.projected(STAR)?;
                return self.project(left, right);
            }
            Kind::Equal => Comparator::Equal,
            Kind::NotEqual => Comparator::NotEqual,
            Kind::Less => Comparator::Less,
            Kind::LessOrEqual => Comparator::LessOrEqual,
            Kind::Greater => Comparator::Greater,
            Kind::GreaterOrEqual => Comparator::GreaterOrEqual,
            other => {
                self.at -= 1;
                return Err(self.error(format!("Unexpected token: {}", other.name())));
            }
        };
        let right = self.expression(COMPARATOR)?;
        let (depth, growth) = (left.depth.max(right.depth) + 1, left.growth.max(right.growth));
        self.over(
            Node::Compare(comparator, Box::new(left.node), Box::new(right.node)),
            depth,
            growth,
        )
    }

    /// A call whose name and opening parenthesis are taken.
    fn call(&mut self, name: SmolStr, offset: usize) -> Result<Tree, ParseError> {
        let mut arguments = Vec::new();
        // What a function returns is at most two levels deeper than its arguments (`items`).
        let (mut depth, mut growth) = (0, 2u32);
        while !matches!(self.kind(), Kind::CloseParen) {
            let argument = self.expression(0)?;
            depth = argument.depth.max(depth);
            growth = growth.saturating_add(argument.growth);
            arguments.push(argument.node);
            if matches!(self.kind(), Kind::Comma) {
                self.at += 1;
            }
        }
        self.at += 1;
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        let call = Invocation { hash: hash(&name), name, arguments, offset };
        self.over(Node::Call(Box::new(call)), depth + 1, growth)
    }

    /// The inside of `[…]` after the bracket: a number or a slice.
    fn index(&mut self, left: Tree) -> Result<Tree, ParseError> {
        if let (Kind::Number(index), true) =
            (self.kind().clone(), !matches!(self.peek(1), Kind::Colon))
        {
            self.at += 1;
            self.expect(&Kind::CloseBracket)?;
            return self.chain(left, Tree::leaf(Node::Index(index)));
        }
        let mut parts = [None; 3];
        let mut part = 0;
        while !matches!(self.kind(), Kind::CloseBracket) {
            match (self.kind().clone(), parts.get_mut(part)) {
                (Kind::Colon, Some(_)) => part += 1,
                (Kind::Number(number), Some(slot)) => *slot = Some(number),
                (_, Some(_)) => {
                    let received = self.kind().name();
                    return Err(
                        self.error(format!("Expected tColon or tNumber, received: {received}"))
                    );
                }
                (_, None) => self.expect(&Kind::CloseBracket)?,
            }
            self.at += 1;
        }
        if part > 2 {
            return Err(self.error("Expected tRbracket, received: tColon"));
        }
        self.at += 1;
        let [start, stop, step] = parts;
        let slice = self.chain(left, Tree::leaf(Node::Slice { start, stop, step }))?;
        let right = self.projected(STAR)?;
        self.project(slice, right)
    }

    /// The members of `[a, b]` after the bracket.
    fn list(&mut self) -> Result<Tree, ParseError> {
        let (mut members, mut depth, mut growth) = (Vec::new(), 0, 0);
        loop {
            let member = self.expression(0)?;
            depth = member.depth.max(depth);
            growth = member.growth.max(growth);
            members.push(member.node);
            if matches!(self.kind(), Kind::CloseBracket) {
                self.at += 1;
                return self.over(Node::List(members), depth + 1, growth + 1);
            }
            self.expect(&Kind::Comma)?;
        }
    }

    /// The members of `{k: a}` after the brace.
    fn hash(&mut self) -> Result<Tree, ParseError> {
        let (mut members, mut depth, mut growth) = (Vec::new(), 0, 0);
        loop {
            let (Kind::Identifier(key) | Kind::Quoted(key)) = self.kind().clone() else {
                return Err(self.error("Expected tQuotedIdentifier or tUnquotedIdentifier"));
            };
            self.at += 1;
            self.expect(&Kind::Colon)?;
            let member = self.expression(0)?;
            depth = member.depth.max(depth);
            growth = member.growth.max(growth);
            members.push((key, member.node));
            match self.kind() {
                Kind::Comma => self.at += 1,
                Kind::CloseBrace => {
                    self.at += 1;
                    return self.over(Node::Hash(members), depth + 1, growth + 1);
                }
                _ => {}
            }
        }
    }

    /// `[?condition]` after the bracket, and what it projects.
    fn filter(&mut self, left: Tree) -> Result<Tree, ParseError> {
        let condition = self.expression(0)?;
        self.expect(&Kind::CloseBracket)?;
        let right = if matches!(self.kind(), Kind::Flatten) {
            Tree::leaf(Node::Current)
        } else {
            self.projected(FILTER)?
        };
        let depth = left.depth.max(right.depth).max(condition.depth) + 1;
        let growth = left.growth + right.growth + condition.growth;
        let [left, condition, right] = [left, condition, right].map(|t| Box::new(t.node));
        self.over(Node::Filter { left, condition, right }, depth, growth)
    }

    /// What follows `left[]`.
    fn flatten(&mut self, left: Tree) -> Result<Tree, ParseError> {
        let right = self.projected(FLATTEN)?;
        let (depth, growth) = (left.depth.max(right.depth) + 1, left.growth + right.growth);
        let [left, right] = [left, right].map(|t| Box::new(t.node));
        self.over(Node::Flatten { left, right }, depth, growth)
    }

    fn project(&self, left: Tree, right: Tree) -> Result<Tree, ParseError> {
        let (depth, growth) = (left.depth.max(right.depth) + 1, left.growth + right.growth);
        let [left, right] = [left, right].map(|t| Box::new(t.node));
        self.over(Node::Project { left, right }, depth, growth)
    }

    fn values(&self, left: Tree, right: Tree) -> Result<Tree, ParseError> {
        let (depth, growth) = (left.depth.max(right.depth) + 1, left.growth + right.growth);
        let [left, right] = [left, right].map(|t| Box::new(t.node));
        self.over(Node::Values { left, right }, depth, growth)
    }

    /// The right side of a projection: what is done to each element.
    fn projected(&mut self, binding: u8) -> Result<Tree, ParseError> {
        match self.kind() {
            kind if power(kind) < PROJECTION_STOP => Ok(Tree::leaf(Node::Current)),
            Kind::OpenBracket | Kind::Filter => self.expression(binding),
            Kind::Dot => {
                self.at += 1;
                self.after_dot(binding)
            }
            other => {
                let name = other.name();
                Err(self.error(format!("Unexpected token: {name}")))
            }
        }
    }

    fn after_dot(&mut self, binding: u8) -> Result<Tree, ParseError> {
        match self.kind() {
            Kind::Quoted(_) | Kind::Identifier(_) | Kind::Star => self.expression(binding),
            Kind::OpenBracket => {
                self.at += 1;
                self.list()
            }
            Kind::OpenBrace => {
                self.at += 1;
                self.hash()
            }
            _ => Err(self.error("Expected identifier, lbracket, or lbrace")),
        }
    }

    /// `left` then `right`, each flattened into one row; paths in a row become one path.
    fn chain(&self, left: Tree, right: Tree) -> Result<Tree, ParseError> {
        // A chain counts itself; what is spliced out of one does not.
        let inner = |tree: &Tree| tree.depth - u32::from(matches!(tree.node, Node::Chain(_)));
        let (depth, growth) = (inner(&left).max(inner(&right)), left.growth + right.growth);
        let mut row = match left.node {
            Node::Chain(row) => row,
            Node::Current => Vec::new(),
            other => vec![other],
        };
        let more = match right.node {
            Node::Chain(more) => more,
            other => vec![other],
        };
        for next in more {
            match (row.last_mut(), next) {
                (Some(Node::Path(keys)), Node::Path(more)) => {
                    *keys = keys.iter().cloned().chain(more).collect();
                }
                (_, next) => row.push(next),
            }
        }
        match <[Node; 1]>::try_from(row) {
            Ok([only]) => self.over(only, depth, growth),
            Err(row) => self.over(Node::Chain(row), depth + 1, growth),
        }
    }

    /// `left` and `right` in one row of an operator that reads the same however it is grouped.
    fn series(
        &self,
        left: Tree,
        right: Tree,
        growth: u32,
        row: fn(Vec<Node>) -> Node,
        open: fn(Node) -> Result<Vec<Node>, Node>,
    ) -> Result<Tree, ParseError> {
        match open(left.node) {
            Ok(mut members) => {
                members.push(right.node);
                self.over(row(members), left.depth.max(right.depth + 1), growth)
            }
            Err(first) => {
                self.over(row(vec![first, right.node]), left.depth.max(right.depth) + 1, growth)
            }
        }
    }
}
