//! `validate.foreach` from the wire.
use super::{Inside, one_of, simple};
use crate::{
    compile::{Sink, for_each, names::Scope},
    rules::validate::{Check, ForEach},
};
use sigward_api::kyverno::v1;
use sigward_document::Value;

/// Compiles the lists of a rule or of an element.
pub(super) fn compile(
    wire: &[v1::ForEachValidation],
    documents: &[Value],
    path: &str,
    scope: &Scope,
    inside: Inside<'_>,
    sink: &mut Sink,
) -> Option<Vec<ForEach>> {
    for_each::all(wire, documents, path, sink, |wire, document, path, sink| {
        one(wire, document, path, scope, inside, sink)
    })
}

fn one(
    wire: &v1::ForEachValidation,
    document: &Value,
    path: &str,
    scope: &Scope,
    inside: Inside<'_>,
    sink: &mut Sink,
) -> Option<ForEach> {
    let checks = [
        ("pattern", wire.pattern.is_some()),
        ("anyPattern", wire.any_pattern.is_some()),
        ("deny", wire.deny.is_some()),
        ("foreach", !wire.for_each.is_empty()),
    ];
    one_of(&checks, path, sink)?;
    let head =
        for_each::head((&wire.list, &wire.context), document, path, scope, inside.ground, sink)?;
    let check = if wire.for_each.is_empty() {
        simple(document, path, &head.scope, inside, sink)?
    } else {
        let documents = document.get("foreach").and_then(Value::as_list).unwrap_or_default();
        let path = format!("{path}.foreach");
        Check::ForEach(compile(&wire.for_each, documents, &path, &head.scope, inside, sink)?)
    };
    Some(ForEach {
        list: head.list,
        element_scope: wire.element_scope,
        context: head.context,
        preconditions: head.preconditions,
        check,
    })
}
