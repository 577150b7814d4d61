//! What the API server serves: kinds to the resources that webhooks and URLs name.
use kube::{Client, core::ApiResource};
use sigward_document::wildcard;
use sigward_policy::{
    compile::KindPattern,
    request::{GroupVersionKind, GroupVersionResource},
};
use std::collections::BTreeSet;

/// One resource or subresource that is served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    /// Empty for the core group.
    pub group: String,
    /// `v1`, ….
    pub version: String,
    /// The kind of what is sent and answered; of a subresource, of the object that it belongs to.
    pub kind: String,
    /// Plural name, as in URLs.
    pub resource: String,
    /// Empty for the object itself.
    pub sub_resource: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

impl Served {
    /// `pods`, or `pods/exec`.
    pub fn path(&self) -> String {
        if self.sub_resource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.sub_resource)
        }
    }
}

/// Everything that is served, groups in the API server's order of preference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    served: Vec<Served>,
}

impl Discovery {
    /// Asks the API server: two requests.
    ///
    /// # Errors
    /// The API server cannot be reached, or is older than 1.27 and does not know aggregated discovery.
    pub async fn ask(client: &Client) -> Result<Self, kube::Error> {
        let core = client.list_core_api_versions_aggregated().await?;
        let groups = client.list_api_groups_aggregated().await?;
        let mut served = Vec::new();
        for group in core.items.iter().chain(&groups.items) {
            let name = group
                .metadata
                .as_ref()
                .and_then(|metadata| metadata.name.clone())
                .unwrap_or_default();
            for version in &group.versions {
                for resource in &version.resources {
                    let kind = resource
                        .response_kind
                        .as_ref()
                        .and_then(|kind| kind.kind.clone())
                        .unwrap_or_default();
                    let whole = Served {
                        group: name.clone(),
                        version: version.version.clone().unwrap_or_default(),
                        kind,
                        resource: resource.resource.clone().unwrap_or_default(),
                        sub_resource: String::new(),
                        namespaced: resource.scope.as_deref() == Some("Namespaced"),
                    };
                    served.extend(resource.subresources.iter().map(|part| Served {
                        sub_resource: part.subresource.clone().unwrap_or_default(),
                        ..whole.clone()
                    }));
                    served.push(whole);
                }
            }
        }
        Ok(Self { served })
    }

    /// From a table, for tests and for machines without an API server.
    pub fn from_served(served: Vec<Served>) -> Self {
        Self { served }
    }

    /// All resources that a pattern of a policy means. Empty: nothing of that kind is served (yet).
    pub fn resolve(&self, pattern: &KindPattern) -> BTreeSet<&Served> {
        self.served
            .iter()
            .filter(|served| {
                wildcard::matches(&pattern.group, &served.group)
                    && wildcard::matches(&pattern.version, &served.version)
                    && wildcard::matches(&pattern.kind, &served.kind)
                    && wildcard::matches(&pattern.sub_resource, &served.sub_resource)
            })
            .collect()
    }

    /// The kind that a resource is served as.
    pub fn kind_of(&self, resource: &GroupVersionResource) -> Option<GroupVersionKind> {
        let found = self.served.iter().find(|served| {
            served.sub_resource.is_empty()
                && resource.group == served.group
                && resource.version == served.version
                && resource.resource == served.resource
        })?;
        Some(GroupVersionKind {
            group: resource.group.clone(),
            version: resource.version.clone(),
            kind: found.kind.as_str().into(),
        })
    }

    /// The resource of a kind in a group and version, and whether its objects live in namespaces.
    pub fn resource_of(&self, api_version: &str, kind: &str) -> Option<(ApiResource, bool)> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.served
            .iter()
            .find(|served| {
                served.sub_resource.is_empty()
                    && served.group == group
                    && served.version == version
                    && served.kind == kind
            })
            .map(|served| {
                (crate::object::resource(group, version, kind, &served.resource), served.namespaced)
            })
    }
}
