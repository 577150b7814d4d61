//! What a rule may reach, said of its document as a whole: what is generated and changed must be within the policy's
//! namespace, a rule for every kind knows of metadata only, and a field that nothing reads is told of.
use super::{Sink, rule::Ground, validate::pattern};
use crate::{
    matching::Block,
    scope::{self, Scope},
};
use sigward_api::kyverno::v1::{self, CloneFrom, CloneList, ForEachMutation, Generation};
use sigward_document::Value;

/// Says what is wrong with the reach of a rule.
pub(super) fn check(
    wire: &v1::Rule,
    matches: &Block,
    path: &str,
    ground: &Ground<'_>,
    sink: &mut Sink,
) {
    let any_kind = matches.kinds().any(|pattern| pattern.kind == "*");
    if !ground.policy_namespace.is_empty() {
        for pattern in matches.kinds() {
            let is_cluster = match pattern.group.as_str() {
                "*" => scope::is_cluster_kind(&pattern.kind),
                group => scope::of(group, &pattern.kind) == Some(Scope::Cluster),
            };
            if is_cluster {
                sink.error(
                    &format!("{path}.match"),
                    format!(
                        "a Policy never sees `{}`, which is in no namespace: write a ClusterPolicy",
                        pattern.kind
                    ),
                );
            }
        }
    }
    if let Some(generation) = &wire.generate {
        let path = format!("{path}.generate");
        if any_kind {
            sink.error(&path, "a rule for every kind cannot generate");
        }
        same_kind(wire, generation, &path, sink);
        generated(&Target::of(generation), &path, ground, sink);
        for (i, one) in generation.for_each.iter().enumerate() {
            let target = Target {
                api_version: &one.api_version,
                kind: &one.kind,
                namespace: &one.namespace,
                clone_from: one.clone_from.as_ref(),
                clone_list: one.clone_list.as_ref(),
            };
            generated(&target, &format!("{path}.foreach[{i}]"), ground, sink);
        }
        let kept = generation.orphan_downstream_on_policy_delete == Some(true);
        if kept && generation.data.is_none() && generation.for_each.is_empty() {
            sink.warn(
                &format!("{path}.orphanDownstreamOnPolicyDelete"),
                "has no effect: a copy always stays when its policy goes",
            );
        }
    }
    if let Some(mutation) = &wire.mutate {
        let path = format!("{path}.mutate");
        for (i, target) in mutation.targets.iter().enumerate() {
            within(&target.namespace, &format!("{path}.targets[{i}].namespace"), ground, sink);
        }
        let merge = mutation.patch_strategic_merge.as_ref();
        merged(merge, &format!("{path}.patchStrategicMerge"), any_kind, sink);
        elements(&mutation.for_each, &path, sink);
    }
    let changes = wire.generate.is_some() || wire.mutate.is_some();
    if wire.skip_background_requests == Some(false) && !changes {
        sink.warn(
            &format!("{path}.skipBackgroundRequests"),
            "has no effect: only rules that generate or mutate are passed over for the background controller",
        );
    }
}

/// What is made, and from what.
struct Target<'w> {
    api_version: &'w str,
    kind: &'w str,
    namespace: &'w str,
    clone_from: Option<&'w CloneFrom>,
    clone_list: Option<&'w CloneList>,
}

impl<'w> Target<'w> {
    fn of(wire: &'w Generation) -> Self {
        Self {
            api_version: &wire.api_version,
            kind: &wire.kind,
            namespace: &wire.namespace,
            clone_from: wire.clone_from.as_ref(),
            clone_list: wire.clone_list.as_ref(),
        }
    }
}

fn generated(target: &Target<'_>, path: &str, ground: &Ground<'_>, sink: &mut Sink) {
    let namespace = format!("{path}.namespace");
    let kinds: Vec<&str> = match target.clone_list {
        Some(list) => list.kinds.iter().map(String::as_str).collect(),
        None if target.kind.contains("{{") => Vec::new(),
        None => vec![target.kind],
    };
    let scope_of = |written: &str| {
        let (version, kind) = match target.clone_list {
            Some(_) => written.rsplit_once('/')?,
            None => (target.api_version, written),
        };
        scope::of(scope::group(version), kind).map(|scope| (scope, kind.to_owned()))
    };
    let scopes: Vec<(Scope, String)> =
        kinds.into_iter().filter(|kind| !kind.is_empty()).filter_map(scope_of).collect();
    let Some((first, kind)) = scopes.first() else {
        return sources(target, None, path, ground, sink);
    };
    if scopes.iter().any(|(scope, _)| scope != first) {
        sink.error(
            &format!("{path}.cloneList.kinds"),
            "kinds with and without a namespace cannot be copied together",
        );
    }
    match first {
        Scope::Namespace if target.namespace.is_empty() => {
            sink.error(&namespace, format!("a {kind} needs a namespace"));
        }
        Scope::Cluster if !target.namespace.is_empty() && target.clone_list.is_none() => {
            sink.error(&namespace, format!("a {kind} is in no namespace"));
        }
        Scope::Namespace | Scope::Cluster => {}
    }
    within(target.namespace, &namespace, ground, sink);
    sources(target, Some(*first), path, ground, sink);
}

/// Where copies come from; `scope` is that of their kind, if it is known.
fn sources(
    target: &Target<'_>,
    scope: Option<Scope>,
    path: &str,
    ground: &Ground<'_>,
    sink: &mut Sink,
) {
    let from = |namespace: &str, path: &str, sink: &mut Sink| match scope {
        Some(Scope::Namespace) if namespace.is_empty() => {
            sink.error(path, "what is copied is in a namespace: say which");
        }
        Some(Scope::Cluster) if !namespace.is_empty() => {
            sink.error(path, "what is copied is in no namespace");
        }
        _ => within(namespace, path, ground, sink),
    };
    if let Some(source) = target.clone_from {
        if source.name.is_empty() {
            sink.error(&format!("{path}.clone.name"), "a clone needs the `name` of its source");
        }
        from(&source.namespace, &format!("{path}.clone.namespace"), sink);
    }
    if let Some(list) = target.clone_list {
        if list.kinds.is_empty() {
            sink.error(&format!("{path}.cloneList.kinds"), "a cloneList needs `kinds`");
        }
        from(&list.namespace, &format!("{path}.cloneList.namespace"), sink);
    }
}

/// A Policy reads and changes nothing outside its namespace.
fn within(namespace: &str, path: &str, ground: &Ground<'_>, sink: &mut Sink) {
    let own = ground.policy_namespace;
    if !own.is_empty() && !namespace.is_empty() && namespace != own && !namespace.contains("{{") {
        sink.error(path, format!("a Policy reaches no other namespace than its own, `{own}`"));
    }
}

/// A rule that makes what it is about would set itself off.
fn same_kind(wire: &v1::Rule, generation: &Generation, path: &str, sink: &mut Sink) {
    let direct = wire.match_resources.as_ref().map(v1::MatchResources::direct);
    let kinds = direct.and_then(|direct| direct.resources).map(|resources| resources.kinds);
    if !generation.kind.is_empty() && kinds.is_some_and(|kinds| kinds.contains(&generation.kind)) {
        sink.error(
            &format!("{path}.kind"),
            "the kind that is generated and the kind that is matched should not be the same",
        );
    }
}

fn elements(lists: &[ForEachMutation], path: &str, sink: &mut Sink) {
    for (i, one) in lists.iter().enumerate() {
        let path = format!("{path}.foreach[{i}]");
        let merge = one.patch_strategic_merge.as_ref();
        merged(merge, &format!("{path}.patchStrategicMerge"), false, sink);
        elements(&one.for_each, &path, sink);
    }
}

fn merged(merge: Option<&Value>, path: &str, any_kind: bool, sink: &mut Sink) {
    let Some(merge) = merge else { return };
    if any_kind {
        pattern::only_metadata(merge, path, sink);
    }
    if let Some(metadata) = merge.get("metadata") {
        pattern::metadata(metadata, &format!("{path}.metadata"), sink);
    }
}
