//! Who asks, and what a filter may ask about a request.
use crate::{
    request::{GroupVersionKind, Operation, User},
    stop::Stop,
};
use sigward_document::{Value, wildcard};
use smol_str::SmolStr;

/// One entry of `subjects`, with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// `User`, by name.
    User(SmolStr),
    /// `Group`, by name.
    Group(SmolStr),
    /// `ServiceAccount`: the user name it has at the API server.
    ServiceAccount(SmolStr),
}

impl Subject {
    /// Whether the user is meant.
    pub(crate) fn matches(&self, user: &User) -> bool {
        match self {
            Self::User(pattern) | Self::ServiceAccount(pattern) => {
                wildcard::matches(pattern, &user.username)
            }
            Self::Group(pattern) => user.groups.iter().any(|g| wildcard::matches(pattern, g)),
        }
    }
}

/// The parts of a request that are known without reading the object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'r> {
    /// What is being done.
    pub(crate) operation: Operation,
    /// The object's kind.
    pub(crate) kind: &'r GroupVersionKind,
    /// Empty for the object itself.
    pub(crate) sub_resource: &'r str,
    /// May be empty: the API server will make one of `generateName`.
    pub(crate) name: &'r str,
    /// Empty for cluster-scoped kinds.
    pub(crate) namespace: &'r str,
    /// Absent in a background scan.
    pub(crate) user: Option<&'r User>,
}

/// Names of the roles that are bound to the user.
#[derive(Clone, Debug, Default)]
pub(crate) struct BoundRoles {
    /// `namespace:name`.
    pub(crate) roles: Vec<SmolStr>,
    /// `name`.
    pub(crate) cluster_roles: Vec<SmolStr>,
}

/// What filters ask. Each answer may have to be fetched first.
pub(crate) trait Candidate {
    /// Known at once.
    fn envelope(&self) -> Envelope<'_>;
    /// `metadata.generateName`, empty when absent.
    fn generate_name(&mut self) -> Result<SmolStr, Stop>;
    /// `metadata.labels` or `metadata.annotations`; null when absent.
    fn metadata(&mut self, member: &str) -> Result<Value, Stop>;
    /// The labels of the object's namespace.
    fn namespace_labels(&mut self) -> Result<Value, Stop>;
    /// The roles of the one who asks.
    fn roles(&mut self) -> Result<BoundRoles, Stop>;
}
