//! `validate` from the wire: exactly one check, and patterns that mean something.
mod for_each;
pub(super) mod pattern;

use super::{Sink, cluster_policy, conditions, names::Scope, pod_security, rule::Ground};
use crate::{
    matching::Block,
    rules::validate::{Check, Patterns, Validate},
};
use sigward_api::kyverno::v1;
use sigward_document::Value;

/// Kinds of Kubernetes that are sent to subresources alone: no object of theirs is ever there to be scanned.
const SUB_RESOURCE_KINDS: [&str; 8] = [
    "Eviction",
    "NodeProxyOptions",
    "PodAttachOptions",
    "PodExecOptions",
    "PodPortForwardOptions",
    "PodProxyOptions",
    "Scale",
    "ServiceProxyOptions",
];

/// What a check stands in.
#[derive(Clone, Copy)]
pub(super) struct Inside<'i> {
    /// The rule's place in the policy.
    ground: &'i Ground<'i>,
    /// The rule matches every kind.
    any_kind: bool,
}

/// Compiles a validate block; `document` is the same block as a tree.
pub(crate) fn compile(
    wire: &v1::Validation,
    document: &Value,
    path: &str,
    matches: &Block,
    scope: &Scope,
    ground: &Ground<'_>,
    sink: &mut Sink,
) -> Option<Validate> {
    if ground.background {
        for pattern in matches.kinds() {
            let what = match pattern.sub_resource.as_str() {
                "" if SUB_RESOURCE_KINDS.contains(&pattern.kind.as_str()) => {
                    pattern.kind.to_string()
                }
                "" => continue,
                sub_resource => format!("{}/{sub_resource}", pattern.kind),
            };
            sink.error_with(
                path,
                format!("the subresource `{what}` is not there in background mode"),
                "set `spec.background: false`",
            );
        }
    }
    if wire.assert.is_some() {
        sink.error_with(
            &format!("{path}.assert"),
            "assert has no effect: nothing would be checked",
            "write a pattern, or deny conditions",
        );
    }
    let checks = [
        ("pattern", wire.pattern.is_some()),
        ("anyPattern", wire.any_pattern.is_some()),
        ("deny", wire.deny.is_some()),
        ("foreach", !wire.for_each.is_empty()),
        ("podSecurity", wire.pod_security.is_some()),
        ("manifests", wire.manifests.is_some()),
        ("cel", wire.cel.is_some()),
    ];
    one_of(&checks, path, sink)?;
    let action = wire.failure_action.map(cluster_policy::action);
    let overrides_path = format!("{path}.failureActionOverrides");
    let overrides =
        cluster_policy::overrides(&wire.failure_action_overrides, &overrides_path, sink);
    let message = Value::string(&wire.message);
    let inside = Inside { ground, any_kind: matches.kinds().any(|kind| kind.kind == "*") };
    let check = check(wire, document, path, scope, inside, sink)?;
    Some(Validate {
        action,
        overrides,
        written_action: action.unwrap_or(ground.action),
        allow_existing: wire.effective_allow_existing_violations(),
        message: scope.template(message, &format!("{path}.message"), sink),
        check,
    })
}

fn check(
    wire: &v1::Validation,
    document: &Value,
    path: &str,
    scope: &Scope,
    inside: Inside<'_>,
    sink: &mut Sink,
) -> Option<Check> {
    for (present, field) in [(wire.manifests.is_some(), "manifests"), (wire.cel.is_some(), "cel")] {
        if present {
            sink.unsupported(&format!("{path}.{field}"), &format!("validate.{field}"));
            return None;
        }
    }
    if let Some(wire) = &wire.pod_security {
        let path = format!("{path}.podSecurity");
        return pod_security::compile(wire, &path, sink).map(Check::PodSecurity);
    }
    if !wire.for_each.is_empty() {
        let documents = document.get("foreach").and_then(Value::as_list).unwrap_or_default();
        let path = format!("{path}.foreach");
        if inside.any_kind {
            sink.error(&path, "wildcard kinds are not allowed together with foreach");
        }
        return for_each::compile(&wire.for_each, documents, &path, scope, inside, sink)
            .map(Check::ForEach);
    }
    simple(document, path, scope, inside, sink)
}

/// `deny`, `pattern`, `anyPattern`: the same in a rule and in a foreach.
fn simple(
    document: &Value,
    path: &str,
    scope: &Scope,
    inside: Inside<'_>,
    sink: &mut Sink,
) -> Option<Check> {
    let member = |name: &str| document.get(name).filter(|found| !found.is_null());
    if let Some(deny) = member("deny") {
        let path = format!("{path}.deny.conditions");
        let conditions = conditions::compile(deny.get("conditions"), &path, scope, sink);
        return Some(Check::Deny(conditions));
    }
    if let Some(document) = member("pattern") {
        let path = format!("{path}.pattern");
        pattern::check(document, &path, inside.any_kind, sink);
        let template = scope.template(document.clone(), &path, sink);
        return Some(Check::Patterns(Patterns::new(template, false)));
    }
    let document = member("anyPattern")?;
    let path = format!("{path}.anyPattern");
    let Some(list) = document.as_list().filter(|list| !list.is_empty()) else {
        sink.error(&path, "expected a list of patterns");
        return None;
    };
    for (i, one) in list.iter().enumerate() {
        pattern::check(one, &format!("{path}[{i}]"), inside.any_kind, sink);
    }
    let template = scope.template(document.clone(), &path, sink);
    Some(Check::Patterns(Patterns::new(template, true)))
}

/// Exactly one of the checks is there: of several, upstream would look at one and pass over the others.
pub(super) fn one_of(checks: &[(&str, bool)], path: &str, sink: &mut Sink) -> Option<()> {
    let found: Vec<&str> = checks.iter().filter(|(_, there)| *there).map(|(n, _)| *n).collect();
    let names: Vec<&str> = checks.iter().map(|(name, _)| *name).collect();
    match found.as_slice() {
        [_] => Some(()),
        [] => {
            sink.error(path, format!("one of {} must be specified", names.join(", ")));
            None
        }
        several => {
            sink.error(
                path,
                format!(
                    "only one of {} can be specified, found {}",
                    names.join(", "),
                    several.join(" and ")
                ),
            );
            None
        }
    }
}
