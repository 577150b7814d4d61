//! What `foreach` of every kind of rule has in common: the list, and what holds for each of its elements.
use super::{Sink, conditions, context, names::Scope, rule::Ground};
use crate::{conditions::Conditions, context::entry::ContextEntry};
use sigward_api::kyverno::v1;
use sigward_document::Value;
use sigward_jmespath::Expression;

/// Lists in lists, at most this deep.
const MAX_NESTING: usize = 16;

/// One list, without what is done for its elements.
pub(super) struct Head {
    /// What may be named inside.
    pub(super) scope: Scope,
    /// What yields the list.
    pub(super) list: Expression,
    /// Data for each element.
    pub(super) context: Vec<ContextEntry>,
    /// Elements for which they do not hold are passed over.
    pub(super) preconditions: Conditions,
}

/// Compiles the lists of a rule or of an element, all or none.
pub(super) fn all<W, T>(
    wire: &[W],
    documents: &[Value],
    path: &str,
    sink: &mut Sink,
    mut one: impl FnMut(&W, &Value, &str, &mut Sink) -> Option<T>,
) -> Option<Vec<T>> {
    if path.matches(".foreach[").count() >= MAX_NESTING {
        sink.error(path, format!("foreach may be nested at most {MAX_NESTING} times"));
        return None;
    }
    let lists: Vec<T> = wire
        .iter()
        .zip(documents)
        .enumerate()
        .filter_map(|(i, (wire, document))| one(wire, document, &format!("{path}[{i}]"), sink))
        .collect();
    (lists.len() == wire.len()).then_some(lists)
}

/// Compiles `list`, `context` and `preconditions`.
pub(super) fn head(
    (list, context): (&str, &[v1::ContextEntry]),
    document: &Value,
    path: &str,
    scope: &Scope,
    ground: &Ground<'_>,
    sink: &mut Sink,
) -> Option<Head> {
    let expression = match Expression::parse(list) {
        Ok(expression) => {
            scope.check(list, &expression, &format!("{path}.list"), sink);
            expression
        }
        Err(error) => {
            let message = format!("failed to parse JMESPath `{list}`: {error}");
            sink.error(&format!("{path}.list"), message);
            return None;
        }
    };
    let mut scope = Scope { element: true, ..scope.clone() };
    let context = context::compile(
        context,
        &format!("{path}.context"),
        &mut scope,
        ground.settings,
        ground.policy_namespace,
        sink,
    );
    let preconditions = conditions::compile(
        document.get("preconditions"),
        &format!("{path}.preconditions"),
        &scope,
        sink,
    );
    Some(Head { scope, list: expression, context, preconditions })
}
