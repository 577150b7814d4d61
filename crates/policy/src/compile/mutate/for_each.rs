//! `mutate.foreach` from the wire.
use super::Written;
use crate::{
    compile::{Sink, conditions, context, names::Scope, rule::Ground},
    rules::mutate::for_each::ForEach,
};
use sigward_api::kyverno::v1::{ForEachMutation, ForEachOrder};
use sigward_document::Value;
use sigward_jmespath::Expression;

/// Lists in lists, at most this deep.
const MAX_NESTING: usize = 16;

/// Compiles the lists of a rule or of an element.
pub(super) fn compile(
    wire: &[ForEachMutation],
    documents: &[Value],
    path: &str,
    scope: &Scope,
    ground: &Ground<'_>,
    sink: &mut Sink,
) -> Option<Vec<ForEach>> {
    if path.matches(".foreach[").count() >= MAX_NESTING {
        sink.error(path, format!("foreach may be nested at most {MAX_NESTING} times"));
        return None;
    }
    let lists: Vec<ForEach> = wire
        .iter()
        .zip(documents)
        .enumerate()
        .filter_map(|(i, (wire, document))| {
            one(wire, document, &format!("{path}[{i}]"), scope, ground, sink)
        })
        .collect();
    (lists.len() == wire.len()).then_some(lists)
}

fn one(
    wire: &ForEachMutation,
    document: &Value,
    path: &str,
    scope: &Scope,
    ground: &Ground<'_>,
    sink: &mut Sink,
) -> Option<ForEach> {
    let list = match Expression::parse(&wire.list) {
        Ok(list) => {
            scope.check(&wire.list, &list, &format!("{path}.list"), sink);
            list
        }
        Err(error) => {
            let message = format!("failed to parse JMESPath `{}`: {error}", wire.list);
            sink.error(&format!("{path}.list"), message);
            return None;
        }
    };
    let mut scope = Scope { element: true, ..scope.clone() };
    let entries = context::compile(
        &wire.context,
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
    let written = Written {
        merge: wire.patch_strategic_merge.as_ref(),
        operations: &wire.patches_json6902,
        lists: &wire.for_each,
    };
    let change = written.compile(document, path, &scope, ground, sink)?;
    let descending =
        wire.order.map_or(change.is_descending(), |order| order == ForEachOrder::Descending);
    Some(ForEach { list, descending, context: entries, preconditions, change })
}
