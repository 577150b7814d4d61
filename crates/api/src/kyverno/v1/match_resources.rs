//! `match` and `exclude`: filters over resources and over who sends them.
use crate::{kubernetes::LabelSelector, schema::wire};
use std::collections::BTreeMap;

wire! {
    /// Filters over resources and over who sends them: `any`, or `all`, or (deprecated) one filter without a list.
    pub struct MatchResources {
        /// Filters, one of which must match.
        any("any"): Vec<ResourceFilter>;
        /// Filters, all of which must match.
        all("all"): Vec<ResourceFilter>;
        /// Deprecated here: roles in namespaces, one of which the sender must have.
        roles("roles"): Vec<String>;
        /// Deprecated here: cluster roles, one of which the sender must have.
        cluster_roles("clusterRoles"): Vec<String>;
        /// Deprecated here: users, groups and service accounts, one of which the sender must be.
        subjects("subjects"): Vec<Subject>;
        /// Deprecated here: what the resource is.
        resources("resources"): Option<ResourceDescription>;
    }
    with { "not": { "required": ["any", "all"] } }
}

impl MatchResources {
    /// The deprecated form as a filter of its own; empty when `any` or `all` is used.
    pub fn direct(&self) -> ResourceFilter {
        ResourceFilter {
            roles: self.roles.clone(),
            cluster_roles: self.cluster_roles.clone(),
            subjects: self.subjects.clone(),
            resources: self.resources.clone(),
        }
    }
}

wire! {
    /// One filter: each part that is given must match.
    pub struct ResourceFilter {
        /// Roles as `namespace:name`, one of which the sender must have.
        roles("roles"): Vec<String>;
        /// Cluster roles, one of which the sender must have.
        cluster_roles("clusterRoles"): Vec<String>;
        /// Users, groups and service accounts, one of which the sender must be.
        subjects("subjects"): Vec<Subject>;
        /// What the resource is.
        resources("resources"): Option<ResourceDescription>;
    }
}

wire! {
    /// What a resource is: each part that is given must match, by one of its entries.
    pub struct ResourceDescription {
        /// Kinds as `Kind`, `version/Kind`, `group/version/Kind`, each also with `/subresource`, with wildcards.
        kinds("kinds"): Vec<String>;
        /// Deprecated: use `names`. Name, with wildcards.
        name("name"): Option<String>;
        /// Names, with wildcards.
        names("names"): Vec<String>;
        /// Namespaces, with wildcards.
        namespaces("namespaces"): Vec<String>;
        /// Annotations that the resource must have, with wildcards in names and values.
        annotations("annotations"): BTreeMap<String, String>;
        /// The resource's labels, with wildcards in `matchLabels`.
        selector("selector"): Option<LabelSelector>;
        /// The labels of the resource's namespace.
        namespace_selector("namespaceSelector"): Option<LabelSelector>;
        /// `CREATE`, `UPDATE`, `DELETE`, `CONNECT`.
        operations("operations"): Vec<String>,
            { "items": { "type": "string", "enum": ["CREATE", "CONNECT", "UPDATE", "DELETE"] } };
    }
    with { "not": { "required": ["name", "names"] } }
}

wire! {
    /// Who sends a request, as in a role binding.
    pub struct Subject {
        /// `User`, `Group` or `ServiceAccount`.
        kind("kind"): String, required;
        /// Group of the kind.
        api_group("apiGroup"): String;
        /// Name, with wildcards.
        name("name"): String, required;
        /// Namespace of a service account.
        namespace("namespace"): String;
    }
    with { "x-kubernetes-map-type": "atomic" }
}
