//! What the ConfigMap takes out of every policy's sight: `resourceFilters` and `exclude…`.
use crate::{
    compile::KindPattern,
    matching::{kind, subject::Envelope},
    request::User,
    snapshot::Settings,
};
use sigward_document::wildcard;
use smol_str::SmolStr;

/// The exclusions of one snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exclusions {
    resources: Vec<ResourceFilter>,
    usernames: Names,
    groups: Names,
    roles: Names,
    cluster_roles: Names,
}

#[derive(Clone, Debug)]
struct ResourceFilter {
    kind: KindPattern,
    namespace: SmolStr,
    name: SmolStr,
}

/// Wildcards; an entry that begins with `!` includes, and wins.
#[derive(Clone, Debug, Default)]
struct Names {
    excluded: Vec<SmolStr>,
    included: Vec<SmolStr>,
}

impl Names {
    fn new(entries: &[SmolStr]) -> Self {
        let mut names = Self::default();
        for entry in entries {
            match entry.strip_prefix('!') {
                Some(included) => names.included.push(SmolStr::new(included)),
                None => names.excluded.push(entry.clone()),
            }
        }
        names
    }

    fn matches(patterns: &[SmolStr], names: &[SmolStr]) -> bool {
        names.iter().any(|name| patterns.iter().any(|p| wildcard::matches(p, name)))
    }
}

impl Exclusions {
    /// Reads what the settings hold as text.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            resources: parse_resource_filters(&settings.resource_filters),
            usernames: Names::new(&settings.exclude_usernames),
            groups: Names::new(&settings.exclude_groups),
            roles: Names::new(&settings.exclude_roles),
            cluster_roles: Names::new(&settings.exclude_cluster_roles),
        }
    }

    /// Whether the object is filtered out, by kind, namespace and name.
    pub(crate) fn resource(&self, envelope: &Envelope<'_>) -> bool {
        self.resources.iter().any(|filter| {
            if !kind::matches(&filter.kind, envelope.kind, envelope.sub_resource) {
                return false;
            }
            if kind::is_namespace(envelope.kind) {
                // COMPAT: Kyverno 1.19: `[*,kube-system,*]` also means the Namespace of that name; test: a_filter_on_a_namespace_covers_the_namespace_itself
                return wildcard::matches(&filter.namespace, envelope.name)
                    || (filter.namespace.is_empty()
                        && wildcard::matches(&filter.name, envelope.name));
            }
            wildcard::matches(&filter.namespace, envelope.namespace)
                && wildcard::matches(&filter.name, envelope.name)
        })
    }

    /// Whether the one who asks is excluded by user name or group.
    pub(crate) fn user(&self, user: &User) -> bool {
        let name = std::slice::from_ref(&user.username);
        if Names::matches(&self.usernames.included, name)
            || Names::matches(&self.groups.included, &user.groups)
        {
            return false;
        }
        Names::matches(&self.usernames.excluded, name)
            || Names::matches(&self.groups.excluded, &user.groups)
    }

    /// Whether roles must be known to answer.
    pub(crate) fn asks_for_roles(&self) -> bool {
        !self.roles.excluded.is_empty() || !self.cluster_roles.excluded.is_empty()
    }

    /// Whether the one who asks is excluded by a role.
    pub(crate) fn bound(&self, roles: &[SmolStr], cluster_roles: &[SmolStr]) -> bool {
        if Names::matches(&self.roles.included, roles)
            || Names::matches(&self.cluster_roles.included, cluster_roles)
        {
            return false;
        }
        Names::matches(&self.roles.excluded, roles)
            || Names::matches(&self.cluster_roles.excluded, cluster_roles)
    }
}

/// `[kind,namespace,name][…]`; missing parts are `*` for the kind and the name, and spaces are ignored.
fn parse_resource_filters(text: &str) -> Vec<ResourceFilter> {
    let mut filters = Vec::new();
    for group in text.split('[').skip(1) {
        let Some((inside, _)) = group.split_once(']') else { continue };
        let mut parts = inside.split(',').map(str::trim);
        let kind = parts.next().filter(|k| !k.is_empty()).unwrap_or("*");
        let kind = if kind == "*" { "*/*" } else { kind };
        let namespace = parts.next();
        let name = parts.next();
        filters.push(ResourceFilter {
            kind: kind::parse(kind),
            namespace: SmolStr::new(namespace.unwrap_or("*")),
            name: SmolStr::new(name.unwrap_or("*")),
        });
    }
    filters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{GroupVersionKind, Operation};

    fn check(filters: &str, object: (&str, &str, &str, &str), expected: bool) {
        let settings = Settings { resource_filters: SmolStr::new(filters), ..Settings::default() };
        let (kind, sub_resource, namespace, name) = object;
        let gvk = GroupVersionKind { group: "".into(), version: "v1".into(), kind: kind.into() };
        let envelope = Envelope {
            operation: Operation::Create,
            kind: &gvk,
            sub_resource,
            name,
            namespace,
            user: None,
        };
        assert_eq!(Exclusions::new(&settings).resource(&envelope), expected, "{object:?}");
    }

    #[test]
    fn filters_by_kind_namespace_and_name() {
        let filters = "[Event,*,*][*,kube-system,*] [Node,*,*][Pod/binding,*,*]";
        check(filters, ("Event", "", "default", "a"), true);
        check(filters, ("Pod", "", "kube-system", "a"), true);
        check(filters, ("Pod", "", "default", "a"), false);
        check(filters, ("Pod", "binding", "default", "a"), true);
        check(filters, ("Node", "", "", "a"), true);
    }

    #[test]
    fn a_filter_on_a_namespace_covers_the_namespace_itself() {
        check("[*,kube-system,*]", ("Namespace", "", "", "kube-system"), true);
        check("[*,kube-system,*]", ("Namespace", "", "", "default"), false);
    }

    #[test]
    fn an_inclusion_wins_over_an_exclusion() {
        let settings = Settings {
            exclude_groups: vec!["system:*".into(), "!system:masters".into()],
            ..Settings::default()
        };
        let exclusions = Exclusions::new(&settings);
        let user = |groups: &[&str]| User {
            groups: groups.iter().map(SmolStr::new).collect(),
            ..User::default()
        };
        assert!(exclusions.user(&user(&["system:nodes"])));
        assert!(!exclusions.user(&user(&["system:nodes", "system:masters"])));
        assert!(!exclusions.user(&user(&["dev"])));
    }
}
