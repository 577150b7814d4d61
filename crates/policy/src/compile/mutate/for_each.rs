//! `mutate.foreach` from the wire.
use super::Written;
use crate::{
    compile::{Sink, for_each, names::Scope, rule::Ground},
    rules::mutate::for_each::ForEach,
};
use sigward_api::kyverno::v1::{ForEachMutation, ForEachOrder};
use sigward_document::Value;

/// Compiles the lists of a rule or of an element.
pub(super) fn compile(
    wire: &[ForEachMutation],
    documents: &[Value],
    path: &str,
    scope: &Scope,
    ground: &Ground<'_>,
    sink: &mut Sink,
) -> Option<Vec<ForEach>> {
    for_each::all(wire, documents, path, sink, |wire, document, path, sink| {
        one(wire, document, path, scope, ground, sink)
    })
}

fn one(
    wire: &ForEachMutation,
    document: &Value,
    path: &str,
    scope: &Scope,
    ground: &Ground<'_>,
    sink: &mut Sink,
) -> Option<ForEach> {
    let head = for_each::head((&wire.list, &wire.context), document, path, scope, ground, sink)?;
    let written = Written {
        merge: wire.patch_strategic_merge.as_ref(),
        operations: &wire.patches_json6902,
        lists: &wire.for_each,
    };
    let change = written.compile(document, path, &head.scope, ground, sink)?;
    let descending =
        wire.order.map_or(change.is_descending(), |order| order == ForEachOrder::Descending);
    Some(ForEach {
        list: head.list,
        descending,
        context: head.context,
        preconditions: head.preconditions,
        change,
    })
}
