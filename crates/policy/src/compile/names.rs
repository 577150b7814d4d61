//! Which names an expression may use, said when the policy is loaded and not when a Pod is refused.
use super::Sink;
use crate::variables::Template;
use sigward_jmespath::{Expression, Roots};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// Names that context entries may not have, nor begin with and a dot.
pub(crate) const RESERVED: [&str; 7] = [
    "images",
    "request",
    "serviceAccountName",
    "serviceAccountNamespace",
    "element",
    "elementIndex",
    "target",
];

/// The names that are there at some place of a policy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// Context entries, attestations.
    pub(crate) declared: BTreeSet<SmolStr>,
    /// `background: true`: nobody asks, so nothing about the user is there.
    pub(crate) background: bool,
    /// Anything may be named: conditions over a predicate.
    pub(crate) open: bool,
    /// Inside a `foreach`: there is an element.
    pub(crate) element: bool,
}

impl Scope {
    /// Builds a template and says what is wrong with its expressions.
    pub(crate) fn template(
        &self,
        document: sigward_document::Value,
        path: &str,
        sink: &mut Sink,
    ) -> Template {
        self.template_at(document, path, &[], sink)
    }

    /// The same for a document whose errors and `{{ @ }}` say its place in the rule.
    pub(crate) fn template_at(
        &self,
        document: sigward_document::Value,
        path: &str,
        place: &[&str],
        sink: &mut Sink,
    ) -> Template {
        let (template, bad) = Template::new(document, place);
        for expression in bad {
            sink.error(
                &format!("{path}{}", field(&expression.path)),
                format!("invalid variable `{}`: {}", expression.expression, expression.reason),
            );
        }
        if let Some(error) = template.broken() {
            sink.error(path, error.to_string());
        }
        for (text, expression) in template.expressions() {
            self.check(text, expression, path, sink);
        }
        template
    }

    /// Says what is wrong with the names of one expression.
    pub(crate) fn check(&self, text: &str, expression: &Expression, path: &str, sink: &mut Sink) {
        if self.background {
            for forbidden in USER_NAMES {
                if mentions(text, forbidden) {
                    sink.error_with(
                        path,
                        format!("variable `{text}` is not available in background mode"),
                        "set `spec.background: false`",
                    );
                    return;
                }
            }
        }
        if self.open {
            return;
        }
        let Roots::Names(names) = expression.roots() else { return };
        // `""` is the name of nothing: people write it for an empty text, and it never resolves.
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            let element = name.starts_with("element") && !self.declared.contains(&name);
            if element && self.element {
                continue;
            }
            if element {
                sink.error(path, format!("variable `{text}` is only available inside a foreach"));
            } else if !KNOWN.contains(&name.as_str()) && !self.declared.contains(&name) {
                sink.error_with(
                    path,
                    format!("variable `{text}`: nothing is called `{name}` here"),
                    "declare it in `context`",
                );
            }
        }
    }
}

/// A JSON pointer as the path of a field.
fn field(pointer: &str) -> String {
    pointer.split('/').skip(1).fold(String::new(), |mut field, part| {
        if part.bytes().all(|b| b.is_ascii_digit()) {
            field.push('[');
            field.push_str(part);
            field.push(']');
        } else {
            field.push('.');
            field.push_str(part);
        }
        field
    })
}

/// Names that are always there.
const KNOWN: [&str; 6] =
    ["request", "images", "image", "serviceAccountName", "serviceAccountNamespace", "target"];

/// What only an admission request has.
const USER_NAMES: [&str; 5] = [
    "serviceAccountName",
    "serviceAccountNamespace",
    "request.userInfo",
    "request.roles",
    "request.clusterRoles",
];

/// Whether an expression names a path, as a word of its own.
fn mentions(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + path.len()..).and_then(|t| t.chars().next());
        let inside = |c: char| c.is_alphanumeric() || c == '_';
        !before.is_some_and(|c| inside(c) || c == '.') && !after.is_some_and(inside)
    })
}
