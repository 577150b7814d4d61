//! One rule from the wire.
use super::{
    Sink, block, conditions, context, generate, mutate, names::Scope, reach, validate,
    verify_images,
};
use crate::{
    images::extract::Extractor,
    matching::kind,
    rule::{Action, Rule},
    snapshot::{FailureAction, Settings},
};
use sigward_api::kyverno::v1;
use sigward_document::{Value, wildcard};
use sigward_jmespath::Expression;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What a rule stands on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'g> {
    /// The process's settings.
    pub(crate) settings: &'g Settings,
    /// Empty for a cluster policy.
    pub(crate) policy_namespace: &'g str,
    /// `spec.background`.
    pub(crate) background: bool,
    /// The policy's own action.
    pub(crate) action: FailureAction,
}

/// Compiles a rule; `document` is the same rule as a tree, for what the types cannot hold.
pub(crate) fn compile(
    wire: &v1::Rule,
    document: &Value,
    path: &str,
    ground: &Ground<'_>,
    sink: &mut Sink,
) -> Option<Rule> {
    if wire.name.is_empty() {
        sink.error(&format!("{path}.name"), "a rule needs a name");
    }
    if wire.name.len() > 63 {
        sink.error(&format!("{path}.name"), "must be no more than 63 characters");
    }
    if !one_action(wire, path, sink) {
        return None;
    }
    let place = block::Place {
        namespaced: !ground.policy_namespace.is_empty(),
        background: ground.background,
        needs_kinds: true,
    };
    let match_path = format!("{path}.match");
    let default = v1::MatchResources::default();
    let match_wire = wire.match_resources.as_ref().unwrap_or(&default);
    let matches = block::compile(match_wire, &match_path, place, sink);
    let exclude = match &wire.exclude_resources {
        Some(exclude) => {
            let same = exclude == match_wire;
            let place = block::Place { needs_kinds: false, ..place };
            let exclude = block::compile(exclude, &format!("{path}.exclude"), place, sink);
            if same {
                sink.error(path, "rule is matching an empty set");
            } else if exclude.covers(&matches) {
                sink.warn(path, "exclude takes out all that the rule matches: it never applies");
            }
            exclude
        }
        None => crate::matching::Block::default(),
    };
    if ground.background && matches.kinds().any(|pattern| pattern.kind == "*") {
        sink.error_with(
            &match_path,
            "wildcard policy not allowed in background mode",
            "set `spec.background: false`",
        );
    }
    for filter in &matches.filters {
        if filter.kinds.len() > 1 && filter.kinds.iter().any(|pattern| pattern.kind == "*") {
            sink.error(&match_path, "the kind `*` cannot stand beside other kinds");
        }
    }
    reach::check(wire, &matches, path, ground, sink);
    if let Some(document) = document.get("exclude") {
        empty_exclude(document, path, sink);
    }
    let mut scope = Scope { background: ground.background, ..Scope::default() };
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
    if !wire.cel_preconditions.is_empty() {
        sink.unsupported(&format!("{path}.celPreconditions"), "CEL");
    }
    let properties = wire
        .report_properties
        .iter()
        .map(|(key, text)| {
            let path = format!("{path}.reportProperties[{key}]");
            (SmolStr::new(key), scope.template(Value::string(text), &path, sink))
        })
        .collect();
    let extractors = extractors(wire, path, sink);
    if wire.verify_images.is_empty() && !extractors.is_empty() {
        sink.error(
            &format!("{path}.imageExtractors"),
            "imageExtractors are only for verifyImages rules",
        );
    }
    let action = if let Some(mutation) = &wire.mutate {
        let document = document.get("mutate").unwrap_or(&Value::NULL);
        mutate::compile(mutation, document, &format!("{path}.mutate"), &scope, ground, sink)
    } else if let Some(validation) = &wire.validate {
        let document = document.get("validate").unwrap_or(&Value::NULL);
        let path = format!("{path}.validate");
        validate::compile(validation, document, &path, &matches, &scope, ground, sink)
            .map(|validate| Action::Validate(Box::new(validate)))
    } else if let Some(wire) = &wire.generate {
        let path = format!("{path}.generate");
        generate::compile(wire, &path, ground.settings, &scope, sink)
            .map(|generate| Action::Generate(Box::new(generate)))
    } else {
        check_kinds(&matches, &match_path, sink);
        check_pins(wire, &extractors, path, sink);
        verify_images::compile(wire, document, path, &scope, ground, sink)
            .map(|verify| Action::VerifyImages(Box::new(verify)))
    }?;
    Some(Rule {
        name: SmolStr::new(&wire.name),
        only: None,
        matches,
        exclude,
        context: entries,
        preconditions,
        extractors,
        properties,
        action,
    })
}

/// A list without filters excludes nothing: the filters were forgotten, or are somewhere else.
fn empty_exclude(exclude: &Value, path: &str, sink: &mut Sink) {
    for list in ["any", "all"] {
        if exclude.get(list).and_then(Value::as_list).is_some_and(<[Value]>::is_empty) {
            sink.error(&format!("{path}.exclude.{list}"), "an empty list excludes nothing");
        }
    }
}

/// Exactly one action.
fn one_action(wire: &v1::Rule, path: &str, sink: &mut Sink) -> bool {
    let actions = usize::from(wire.mutate.is_some())
        + usize::from(wire.validate.is_some())
        + usize::from(wire.generate.is_some())
        + usize::from(!wire.verify_images.is_empty());
    if actions != 1 {
        sink.error(
            path,
            "a rule must define exactly one of mutate, validate, generate and verifyImages",
        );
    }
    actions == 1
}

/// What a jmesPath makes up cannot be written back.
fn check_pins(
    wire: &v1::Rule,
    extractors: &BTreeMap<SmolStr, Vec<Extractor>>,
    path: &str,
    sink: &mut Sink,
) {
    let transforms = extractors.values().flatten().any(|extractor| extractor.jmes_path.is_some());
    if transforms && wire.verify_images.iter().any(v1::ImageVerification::effective_mutate_digest) {
        sink.error_with(
            &format!("{path}.imageExtractors"),
            "an image that jmesPath transforms cannot be pinned",
            "set `mutateDigest: false`",
        );
    }
}

fn check_kinds(matches: &crate::matching::Block, path: &str, sink: &mut Sink) {
    let kinds: Vec<_> = matches.kinds().collect();
    for pattern in &kinds {
        if wildcard::contains_wildcard(&pattern.kind) {
            sink.error(
                path,
                format!("wildcard kind `{}` is not allowed in verifyImages rules", pattern.kind),
            );
        }
    }
    let controllers = [
        "Deployment",
        "DaemonSet",
        "StatefulSet",
        "ReplicaSet",
        "ReplicationController",
        "Job",
        "CronJob",
    ];
    let only = !kinds.is_empty() && kinds.iter().all(|k| controllers.contains(&k.kind.as_str()));
    if only {
        sink.warn_with(
            path,
            "the rule matches controllers only: a Pod that is made directly, or by another controller, is not checked",
            "match `Pod`: rules for its controllers are generated",
        );
    }
}

fn extractors(wire: &v1::Rule, path: &str, sink: &mut Sink) -> BTreeMap<SmolStr, Vec<Extractor>> {
    let mut all = BTreeMap::new();
    for (kind_name, list) in &wire.image_extractors {
        let mut own = Vec::new();
        for (i, one) in list.iter().enumerate() {
            let path = format!("{path}.imageExtractors[{kind_name}][{i}]");
            own.extend(extractor(one, &path, sink));
        }
        let written = kind::parse(kind_name);
        all.insert(written.kind, own);
    }
    all
}

fn extractor(one: &v1::ImageExtractor, path: &str, sink: &mut Sink) -> Option<Extractor> {
    let mut segments: Vec<SmolStr> =
        one.path.split('/').filter(|s| !s.is_empty()).map(SmolStr::new).collect();
    let value = if one.value.is_empty() {
        match segments.pop() {
            Some(last) if last != "*" => last,
            _ => {
                sink.error(&format!("{path}.path"), "expected a path that ends in a field");
                return None;
            }
        }
    } else {
        SmolStr::new(&one.value)
    };
    let jmes_path = if one.jmes_path.is_empty() {
        None
    } else {
        match Expression::parse(&one.jmes_path) {
            Ok(expression) => Some(expression),
            Err(error) => {
                sink.error(&format!("{path}.jmesPath"), error.to_string());
                return None;
            }
        }
    };
    Some(Extractor {
        path: segments,
        value,
        key: (!one.key.is_empty()).then(|| SmolStr::new(&one.key)),
        group: SmolStr::new(if one.name.is_empty() { "custom" } else { &one.name }),
        jmes_path,
    })
}
