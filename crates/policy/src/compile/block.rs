//! `match` and `exclude` from the wire.
use super::{KindPattern, Sink};
use crate::{
    matching::{
        Block, Filter, Joined, kind,
        selector::{Operator, Requirement, Selector},
        subject::Subject,
    },
    request::Operation,
};
use sigward_api::{
    kubernetes::LabelSelector,
    kyverno::v1::{MatchResources, ResourceDescription, ResourceFilter},
};
use sigward_document::wildcard;
use smol_str::SmolStr;

/// What a block stands in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// A namespaced `Policy`.
    pub(crate) namespaced: bool,
    /// `background: true`.
    pub(crate) background: bool,
    /// `match` needs kinds, `exclude` does not.
    pub(crate) needs_kinds: bool,
}

/// Compiles a block.
pub(crate) fn compile(wire: &MatchResources, path: &str, place: Place, sink: &mut Sink) -> Block {
    let direct = wire.direct();
    let has_direct = direct.resources.is_some()
        || !direct.roles.is_empty()
        || !direct.cluster_roles.is_empty()
        || !direct.subjects.is_empty();
    if !wire.any.is_empty() && !wire.all.is_empty() {
        sink.error(path, "`any` and `all` cannot be used together");
    }
    let listed = !wire.any.is_empty() || !wire.all.is_empty();
    if listed && direct.resources.is_some() {
        sink.error(path, "`any` or `all` cannot be used together with direct `resources`");
    }
    let (joined, filters) = if !wire.all.is_empty() {
        (Joined::All, list(&wire.all, &format!("{path}.all"), place, sink))
    } else if !wire.any.is_empty() {
        (Joined::Any, list(&wire.any, &format!("{path}.any"), place, sink))
    } else if has_direct {
        (Joined::Any, vec![filter(&direct, path, place, sink)])
    } else {
        (Joined::Any, Vec::new())
    };
    let block = Block { joined, filters };
    if place.needs_kinds && block.kinds().next().is_none() {
        sink.error(path, "at least one element must be specified in a kind block");
    } else if place.needs_kinds
        && let Some(at) = block.filters.iter().position(|filter| filter.kinds.is_empty())
    {
        // The API server sends what some filter names: objects of other kinds would never come here.
        sink.error_with(
            path,
            format!("filter {at} names no kinds: a rule is only asked about kinds that it names"),
            "name `kinds` in each filter",
        );
    }
    block
}

fn list(wire: &[ResourceFilter], path: &str, place: Place, sink: &mut Sink) -> Vec<Filter> {
    wire.iter()
        .enumerate()
        .map(|(i, one)| filter(one, &format!("{path}[{i}]"), place, sink))
        .collect()
}

fn filter(wire: &ResourceFilter, path: &str, place: Place, sink: &mut Sink) -> Filter {
    let mut filter = Filter {
        roles: wire.roles.iter().map(SmolStr::new).collect(),
        cluster_roles: wire.cluster_roles.iter().map(SmolStr::new).collect(),
        ..Filter::default()
    };
    for (i, role) in wire.roles.iter().enumerate() {
        if role.split(':').count() != 2 || role.starts_with(':') || role.ends_with(':') {
            sink.error(&format!("{path}.roles[{i}]"), "expected `namespace:name`");
        }
    }
    for (i, subject) in wire.subjects.iter().enumerate() {
        let path = format!("{path}.subjects[{i}]");
        if subject.name.is_empty() {
            sink.error(&path, "a subject needs a `name`");
        }
        let name = SmolStr::new(&subject.name);
        filter.subjects.push(match subject.kind.as_str() {
            "User" | "Group" if !subject.namespace.is_empty() => {
                sink.warn(
                    &format!("{path}.namespace"),
                    format!("has no effect: a {} is of no namespace", subject.kind),
                );
                if subject.kind == "User" { Subject::User(name) } else { Subject::Group(name) }
            }
            "User" => Subject::User(name),
            "Group" => Subject::Group(name),
            "ServiceAccount" => {
                if subject.namespace.is_empty() {
                    sink.error(&path, "a service account needs a `namespace`");
                }
                let account = format!("system:serviceaccount:{}:{name}", subject.namespace);
                Subject::ServiceAccount(SmolStr::new(account))
            }
            other => {
                let expected = "expected User, Group or ServiceAccount";
                sink.error(&path, format!("unknown kind of subject `{other}`: {expected}"));
                continue;
            }
        });
    }
    if let Some(resources) = &wire.resources {
        describe(resources, &mut filter, &format!("{path}.resources"), place, sink);
    }
    if place.background && filter.asks_for_user() {
        sink.error_with(
            path,
            "roles, clusterRoles and subjects are not available in background mode",
            "set `spec.background: false`",
        );
    }
    for (path_of, text) in texts(&filter) {
        if text.contains("{{") {
            sink.error(&format!("{path}{path_of}"), "variables are forbidden here");
        }
    }
    filter
}

fn describe(
    wire: &ResourceDescription,
    filter: &mut Filter,
    path: &str,
    place: Place,
    sink: &mut Sink,
) {
    filter.kinds = wire.kinds.iter().map(|k| kind::parse(k)).collect::<Vec<KindPattern>>();
    if let Some(name) = wire.name.as_ref().filter(|name| !name.is_empty()) {
        if !wire.names.is_empty() {
            sink.error(path, "both name and names can not be specified together");
        }
        sink.warn(&format!("{path}.name"), "`name` is deprecated: use `names`");
        filter.names.push(SmolStr::new(name));
    }
    filter.names.extend(wire.names.iter().map(SmolStr::new));
    filter.namespaces = wire.namespaces.iter().map(SmolStr::new).collect();
    if place.namespaced && !filter.namespaces.is_empty() {
        sink.error(&format!("{path}.namespaces"), "a namespaced Policy has no namespace filter");
    }
    filter.annotations =
        wire.annotations.iter().map(|(k, v)| (SmolStr::new(k), SmolStr::new(v))).collect();
    if let Some(wire) = &wire.selector {
        filter.selector = Some(selector(wire, &format!("{path}.selector"), sink));
    }
    if let Some(wire) = &wire.namespace_selector {
        let path = format!("{path}.namespaceSelector");
        filter.namespace_selector = Some(selector(wire, &path, sink));
    }
    for (i, operation) in wire.operations.iter().enumerate() {
        match operation.as_str() {
            "CREATE" => filter.operations.push(Operation::Create),
            "UPDATE" => filter.operations.push(Operation::Update),
            "DELETE" => filter.operations.push(Operation::Delete),
            "CONNECT" => filter.operations.push(Operation::Connect),
            other => sink.error(
                &format!("{path}.operations[{i}]"),
                format!("unknown operation `{other}`: expected CREATE, UPDATE, DELETE or CONNECT"),
            ),
        }
    }
}

/// Compiles a label selector.
pub(crate) fn selector(wire: &LabelSelector, path: &str, sink: &mut Sink) -> Selector {
    if wire.match_labels.is_empty() && wire.match_expressions.is_empty() {
        sink.error(path, "the requirements are not specified in selector");
    }
    let labels: Vec<(SmolStr, SmolStr)> =
        wire.match_labels.iter().map(|(k, v)| (SmolStr::new(k), SmolStr::new(v))).collect();
    for (key, value) in &labels {
        let plain = !wildcard::contains_wildcard(key) && !wildcard::contains_wildcard(value);
        if plain && (!is_label_key(key) || !is_label_value(value)) {
            sink.error(path, format!("`{key}: {value}` is not a valid label"));
        }
    }
    let mut expressions = Vec::new();
    for (i, requirement) in wire.match_expressions.iter().enumerate() {
        let values: Vec<SmolStr> = requirement.values.iter().map(SmolStr::new).collect();
        let path = format!("{path}.matchExpressions[{i}]");
        if !wildcard::contains_wildcard(&requirement.key) && !is_label_key(&requirement.key) {
            sink.error(&path, format!("`{}` is not a valid label key", requirement.key));
        }
        let alone = matches!(requirement.operator.as_str(), "Exists" | "DoesNotExist");
        if alone && !values.is_empty() {
            sink.error(&path, format!("`{}` takes no `values`", requirement.operator));
        }
        let listed = |values: Vec<SmolStr>, sink: &mut Sink| {
            if values.is_empty() {
                sink.error(&path, "`values` must not be empty");
            }
            values
        };
        let operator = match requirement.operator.as_str() {
            "In" => Operator::In(listed(values, sink)),
            "NotIn" => Operator::NotIn(listed(values, sink)),
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => {
                sink.error(&path, format!("unknown selector operator `{other}`"));
                continue;
            }
        };
        expressions.push(Requirement { key: SmolStr::new(&requirement.key), operator });
    }
    Selector { labels, expressions }
}

/// SPEC: Kubernetes labels: an optional DNS prefix and a slash, then a name like a value.
fn is_label_key(key: &str) -> bool {
    let name = match key.split_once('/') {
        Some((prefix, name)) => {
            let valid = !prefix.is_empty()
                && prefix.len() <= 253
                && prefix
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c));
            if !valid {
                return false;
            }
            name
        }
        None => key,
    };
    !name.is_empty() && is_label_value(name)
}

/// SPEC: Kubernetes labels: at most 63 letters, digits, `-`, `_`, `.`, with a letter or digit at both ends.
fn is_label_value(value: &str) -> bool {
    let ends = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    value.len() <= 63
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && ends(value.chars().next())
        && ends(value.chars().next_back())
}

fn texts(filter: &Filter) -> Vec<(&'static str, &SmolStr)> {
    let mut all: Vec<(&'static str, &SmolStr)> = Vec::new();
    all.extend(filter.kinds.iter().map(|k| (".resources.kinds", &k.kind)));
    all.extend(filter.names.iter().map(|n| (".resources.names", n)));
    all.extend(filter.namespaces.iter().map(|n| (".resources.namespaces", n)));
    all.extend(
        filter
            .annotations
            .iter()
            .flat_map(|(k, v)| [(".resources.annotations", k), (".resources.annotations", v)]),
    );
    let selectors = filter.selector.iter().chain(&filter.namespace_selector);
    all.extend(selectors.flat_map(|s| {
        s.labels.iter().flat_map(|(k, v)| [(".resources.selector", k), (".resources.selector", v)])
    }));
    all.extend(filter.roles.iter().map(|r| (".roles", r)));
    all.extend(filter.cluster_roles.iter().map(|r| (".clusterRoles", r)));
    all
}
