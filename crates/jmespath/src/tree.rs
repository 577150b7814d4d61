//! An expression as a tree of its operations, for people who debug it.
// COMPAT: kyverno 1.19: names and shape are those of `kyverno jp parse`; slices and literals print as JSON does, not as Go's pointers; test: a_tree_prints_as_the_peer_prints_it
use crate::expression::Expression;
use crate::node::{Comparator, Node};
use sigward_document::Value;
use std::fmt::Write as _;

impl Expression {
    /// The tree, one operation a line, with a line break at the end.
    pub fn tree(&self) -> String {
        let mut text = String::new();
        branch(self.node()).print(0, &mut text);
        text
    }
}

/// An operation, what it holds, and what it works on.
struct Branch {
    name: &'static str,
    value: Option<String>,
    children: Vec<Self>,
}

impl Branch {
    const fn new(name: &'static str, children: Vec<Self>) -> Self {
        Self { name, value: None, children }
    }

    fn with(name: &'static str, value: String, children: Vec<Self>) -> Self {
        Self { name, value: Some(value), children }
    }

    fn print(&self, indent: usize, text: &mut String) {
        let spaces = " ".repeat(indent);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{spaces}{} {{", self.name);
        if let Some(value) = &self.value {
            let _ = writeln!(text, "{spaces}  value: {value}");
        }
        if !self.children.is_empty() {
            let _ = writeln!(text, "{spaces}  children: {{");
            for child in &self.children {
                child.print(indent + 4, text);
            }
        }
        let _ = writeln!(text, "{spaces}}}");
    }
}

fn quoted(text: &str) -> String {
    Value::string(text).to_json()
}

fn identity() -> Branch {
    Branch::new("ASTIdentity", Vec::new())
}

fn field(name: &str) -> Branch {
    Branch::with("ASTField", quoted(name), Vec::new())
}

/// What stands where nothing was written is no operation of the peer's.
fn operand(node: &Node) -> Branch {
    if matches!(node, Node::Current) { identity() } else { branch(node) }
}

fn pair(name: &'static str, one: Branch, other: Branch) -> Branch {
    Branch::new(name, vec![one, other])
}

/// Operators in a row, the first two first.
fn row(name: &'static str, nodes: &[Node]) -> Branch {
    let mut branches = nodes.iter().map(operand);
    let first = branches.next().unwrap_or_else(identity);
    branches.fold(first, |left, right| pair(name, left, right))
}

/// What is read of what was read before.
fn step(left: Option<Branch>, node: &Node) -> Branch {
    match node {
        Node::Path(keys) => keys
            .iter()
            .fold(left, |left, key| {
                Some(match left {
                    Some(left) => pair("ASTSubexpression", left, field(key)),
                    None => field(key),
                })
            })
            .unwrap_or_else(identity),
        Node::Index(index) => {
            let leaf = Branch::with("ASTIndex", index.to_string(), Vec::new());
            pair("ASTIndexExpression", left.unwrap_or_else(identity), leaf)
        }
        Node::Slice { start, stop, step } => {
            let part = |n: &Option<i64>| n.map(|n| n.to_string()).unwrap_or_default();
            let value = format!("[{}:{}:{}]", part(start), part(stop), part(step));
            let leaf = Branch::with("ASTSlice", value, Vec::new());
            pair("ASTIndexExpression", left.unwrap_or_else(identity), leaf)
        }
        Node::Current
        | Node::Literal(_)
        | Node::Chain(_)
        | Node::Pipe(_)
        | Node::Or(_)
        | Node::And(_)
        | Node::Not(_)
        | Node::Compare(..)
        | Node::Project { .. }
        | Node::Filter { .. }
        | Node::Flatten { .. }
        | Node::Values { .. }
        | Node::List(_)
        | Node::Hash(_)
        | Node::Call(_)
        | Node::Reference(_) => match left {
            Some(left) => pair("ASTSubexpression", left, branch(node)),
            None => branch(node),
        },
    }
}

fn branch(node: &Node) -> Branch {
    match node {
        Node::Current => Branch::new("ASTCurrentNode", Vec::new()),
        Node::Path(_) | Node::Index(_) | Node::Slice { .. } => step(None, node),
        Node::Literal(value) => Branch::with("ASTLiteral", value.to_json(), Vec::new()),
        Node::Chain(nodes) => {
            nodes.iter().fold(None, |left, node| Some(step(left, node))).unwrap_or_else(identity)
        }
        Node::Pipe(nodes) => row("ASTPipe", nodes),
        Node::Or(nodes) => row("ASTOrExpression", nodes),
        Node::And(nodes) => row("ASTAndExpression", nodes),
        Node::Not(inner) => Branch::new("ASTNotExpression", vec![branch(inner)]),
        Node::Compare(comparator, left, right) => {
            let name = match comparator {
                Comparator::Equal => "tEQ",
                Comparator::NotEqual => "tNE",
                Comparator::Less => "tLT",
                Comparator::LessOrEqual => "tLTE",
                Comparator::Greater => "tGT",
                Comparator::GreaterOrEqual => "tGTE",
            };
            Branch::with("ASTComparator", name.into(), vec![branch(left), branch(right)])
        }
        Node::Project { left, right } => pair("ASTProjection", operand(left), operand(right)),
        Node::Filter { left, condition, right } => Branch::new(
            "ASTFilterProjection",
            vec![operand(left), operand(right), branch(condition)],
        ),
        Node::Flatten { left, right } => {
            let flat = Branch::new("ASTFlatten", vec![operand(left)]);
            pair("ASTProjection", flat, operand(right))
        }
        Node::Values { left, right } => pair("ASTValueProjection", operand(left), operand(right)),
        Node::List(nodes) => Branch::new("ASTMultiSelectList", nodes.iter().map(branch).collect()),
        Node::Hash(members) => {
            let member = |(key, node): &(_, Node)| {
                let key: &smol_str::SmolStr = key;
                Branch::with("ASTKeyValPair", quoted(key), vec![branch(node)])
            };
            Branch::new("ASTMultiSelectHash", members.iter().map(member).collect())
        }
        Node::Call(call) => {
            let arguments = call.arguments.iter().map(branch).collect();
            Branch::with("ASTFunctionExpression", quoted(&call.name), arguments)
        }
        Node::Reference(inner) => Branch::new("ASTExpRef", vec![branch(inner)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expected: &str) {
        assert_eq!(Expression::parse(expression).unwrap().tree(), expected, "{expression}");
    }

    #[test]
    fn a_tree_prints_as_the_peer_prints_it() {
        // Recorded from `kyverno jp parse`.
        check(
            "a.b",
            "ASTSubexpression {\n  children: {\n    ASTField {\n      value: \"a\"\n    }\n    ASTField {\n      value: \"b\"\n    }\n}\n",
        );
        check(
            "a[0]",
            "ASTIndexExpression {\n  children: {\n    ASTField {\n      value: \"a\"\n    }\n    ASTIndex {\n      value: 0\n    }\n}\n",
        );
        check(
            "a[?b=='c'].d",
            "ASTFilterProjection {\n  children: {\n    ASTField {\n      value: \"a\"\n    }\n    ASTField {\n      value: \"d\"\n    }\n    ASTComparator {\n      value: tEQ\n      children: {\n        ASTField {\n          value: \"b\"\n        }\n        ASTLiteral {\n          value: \"c\"\n        }\n    }\n}\n",
        );
        check(
            "f(&a, @)",
            "ASTFunctionExpression {\n  value: \"f\"\n  children: {\n    ASTExpRef {\n      children: {\n        ASTField {\n          value: \"a\"\n        }\n    }\n    ASTCurrentNode {\n    }\n}\n",
        );
        check(
            "a[]",
            "ASTProjection {\n  children: {\n    ASTFlatten {\n      children: {\n        ASTField {\n          value: \"a\"\n        }\n    }\n    ASTIdentity {\n    }\n}\n",
        );
        check(
            "*",
            "ASTValueProjection {\n  children: {\n    ASTIdentity {\n    }\n    ASTIdentity {\n    }\n}\n",
        );
    }
}
