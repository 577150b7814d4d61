//! `validate.foreach` from the wire.
use super::{Inside, one_of, simple};
use crate::{
    compile::{Sink, conditions, context, names::Scope},
    rules::validate::{Check, ForEach},
};
use sigward_api::kyverno::v1;
use sigward_document::Value;
use sigward_jmespath::Expression;

/// Lists in lists, at most this deep.
const MAX_NESTING: usize = 16;

/// Compiles the lists of a rule or of an element.
pub(super) fn compile(
    wire: &[v1::ForEachValidation],
    documents: &[Value],
    path: &str,
    scope: &Scope,
    inside: Inside<'_>,
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
            one(wire, document, &format!("{path}[{i}]"), scope, inside, sink)
        })
        .collect();
    (lists.len() == wire.len()).then_some(lists)
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
        inside.ground.settings,
        inside.ground.policy_namespace,
        sink,
    );
    let preconditions = conditions::compile(
        document.get("preconditions"),
        &format!("{path}.preconditions"),
        &scope,
        sink,
    );
    let check = if wire.for_each.is_empty() {
        simple(document, path, &scope, inside, sink)?
    } else {
        let documents = document.get("foreach").and_then(Value::as_list).unwrap_or_default();
        let path = format!("{path}.foreach");
        Check::ForEach(compile(&wire.for_each, documents, &path, &scope, inside, sink)?)
    };
    Some(ForEach {
        list,
        element_scope: wire.element_scope,
        context: entries,
        preconditions,
        check,
    })
}
