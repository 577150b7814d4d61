//! `mutate.targets` from the wire.
use crate::{
    compile::{Sink, block, conditions, context, names::Scope, rule::Ground},
    rules::mutate::targets::Target,
};
use sigward_api::kyverno::v1::{Mutation, TargetResourceSpec};
use sigward_document::Value;

/// Compiles the targets, all or none; what their contexts declare is added to `scope`.
pub(super) fn compile(
    wire: &Mutation,
    document: &Value,
    path: &str,
    scope: &mut Scope,
    ground: &Ground<'_>,
    sink: &mut Sink,
) -> Option<Vec<Target>> {
    let documents = document.get("targets").and_then(Value::as_list).unwrap_or_default();
    let path = format!("{path}.targets");
    if !wire.targets.is_empty() && !ground.settings.update_requests {
        sink.warn(
            &path,
            "nobody changes existing objects in this build: the rule waits, and changes nothing",
        );
    }
    let outside = scope.clone();
    let mut targets: Vec<Target> = Vec::with_capacity(wire.targets.len());
    for (i, (wire, document)) in wire.targets.iter().zip(documents).enumerate() {
        let mut inside = outside.clone();
        targets.extend(one(wire, document, &format!("{path}[{i}]"), &mut inside, ground, sink));
        scope.declared.append(&mut inside.declared);
    }
    (targets.len() == wire.targets.len()).then_some(targets)
}

fn one(
    wire: &TargetResourceSpec,
    document: &Value,
    path: &str,
    scope: &mut Scope,
    ground: &Ground<'_>,
    sink: &mut Sink,
) -> Option<Target> {
    for (text, field) in [(&wire.api_version, "apiVersion"), (&wire.kind, "kind")] {
        if text.is_empty() {
            sink.error(&format!("{path}.{field}"), format!("a target needs `{field}`"));
            return None;
        }
    }
    if wire.kind.contains('/') {
        sink.unsupported(&format!("{path}.kind"), "a subresource as a target");
        return None;
    }
    if wire.selector.is_some() && !wire.name.is_empty() {
        sink.error(path, "a target has a name or a selector, not both");
        return None;
    }
    let which = Value::map(
        [
            ("apiVersion", &wire.api_version),
            ("kind", &wire.kind),
            ("namespace", &wire.namespace),
            ("name", &wire.name),
            ("uid", &wire.uid),
        ]
        .map(|(name, text)| (name.into(), Value::string(text))),
    );
    let selector = wire
        .selector
        .as_ref()
        .map(|selector| block::selector(selector, &format!("{path}.selector"), sink));
    let which = scope.template(which, path, sink);
    let context = context::compile(
        &wire.context,
        &format!("{path}.context"),
        scope,
        ground.settings,
        ground.policy_namespace,
        sink,
    );
    let preconditions = conditions::compile(
        document.get("preconditions"),
        &format!("{path}.preconditions"),
        scope,
        sink,
    );
    Some(Target { which, selector, context, preconditions })
}
