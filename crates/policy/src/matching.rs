//! `match` and `exclude`: whether a rule is about a request, asking for no more of it than needed.
pub(crate) mod exclusion;
pub(crate) mod kind;
pub(crate) mod selector;
pub(crate) mod subject;

use crate::{
    compile::KindPattern,
    matching::{
        selector::Selector,
        subject::{Candidate, Envelope, Subject},
    },
    request::Operation,
    stop::Stop,
};
use sigward_document::{Value, wildcard};
use smol_str::SmolStr;

/// How the filters of a block add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Joined {
    /// `any`: one is enough.
    #[default]
    Any,
    /// `all`: every one.
    All,
}

/// A `match` or an `exclude` block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    /// How the filters add up; a direct block is `any` with one filter.
    pub(crate) joined: Joined,
    /// In the order written.
    pub(crate) filters: Vec<Filter>,
}

/// One filter: AND across its attributes, OR inside each list. An empty list asks nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// `resources.kinds`.
    pub(crate) kinds: Vec<KindPattern>,
    /// `resources.name` and `resources.names`, wildcards.
    pub(crate) names: Vec<SmolStr>,
    /// `resources.namespaces`, wildcards.
    pub(crate) namespaces: Vec<SmolStr>,
    /// `resources.annotations`: key and value, wildcards.
    pub(crate) annotations: Vec<(SmolStr, SmolStr)>,
    /// `resources.selector`.
    pub(crate) selector: Option<Selector>,
    /// `resources.namespaceSelector`.
    pub(crate) namespace_selector: Option<Selector>,
    /// `resources.operations`; empty for any.
    pub(crate) operations: Vec<Operation>,
    /// `roles`, as `namespace:name`.
    pub(crate) roles: Vec<SmolStr>,
    /// `clusterRoles`.
    pub(crate) cluster_roles: Vec<SmolStr>,
    /// `subjects`.
    pub(crate) subjects: Vec<Subject>,
}

/// Whether missing user information counts as a match.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UserInfo {
    /// In `match`: without a user the user filters are passed over.
    Passed,
    /// In `exclude`: without a user they do not match.
    Demanded,
}

impl Block {
    /// Whether a `match` block is about the candidate. A block with no filter matches nothing.
    pub(crate) fn matches(&self, candidate: &mut dyn Candidate) -> Result<bool, Stop> {
        self.holds(candidate, UserInfo::Passed)
    }

    /// Whether an `exclude` block takes the candidate out. An empty filter never does.
    pub(crate) fn excludes(&self, candidate: &mut dyn Candidate) -> Result<bool, Stop> {
        self.holds(candidate, UserInfo::Demanded)
    }

    fn holds(&self, candidate: &mut dyn Candidate, user: UserInfo) -> Result<bool, Stop> {
        if self.filters.is_empty() {
            return Ok(false);
        }
        for filter in &self.filters {
            let matched = filter.matches(candidate, user)?;
            match (self.joined, matched) {
                (Joined::Any, true) => return Ok(true),
                (Joined::All, false) => return Ok(false),
                (Joined::Any, false) | (Joined::All, true) => {}
            }
        }
        Ok(self.joined == Joined::All)
    }

    /// Whether this `exclude` surely takes out all that a `match` is about: seen by what is written alone.
    pub(crate) fn covers(&self, matches: &Self) -> bool {
        let by = |filter: &Filter| match self.joined {
            Joined::Any => self.filters.iter().any(|own| own.covers(filter)),
            Joined::All => {
                !self.filters.is_empty() && self.filters.iter().all(|own| own.covers(filter))
            }
        };
        match matches.joined {
            Joined::Any => !matches.filters.is_empty() && matches.filters.iter().all(by),
            Joined::All => matches.filters.iter().any(by),
        }
    }

    /// Whether a `match` block can be about a request with this envelope, whatever else it asks for.
    pub(crate) fn may_match(&self, envelope: &Envelope<'_>) -> bool {
        match self.joined {
            Joined::Any => self.filters.iter().any(|filter| filter.fits(envelope)),
            Joined::All => {
                !self.filters.is_empty() && self.filters.iter().all(|filter| filter.fits(envelope))
            }
        }
    }

    /// Every kind pattern that is written in the block.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &KindPattern> {
        self.filters.iter().flat_map(|filter| &filter.kinds)
    }
}

impl Filter {
    /// Whether nothing is asked at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
            && self.names.is_empty()
            && self.namespaces.is_empty()
            && self.annotations.is_empty()
            && self.selector.is_none()
            && self.namespace_selector.is_none()
            && self.operations.is_empty()
            && !self.asks_for_user()
    }

    /// Whether it asks who made the request.
    pub(crate) fn asks_for_user(&self) -> bool {
        !self.roles.is_empty() || !self.cluster_roles.is_empty() || !self.subjects.is_empty()
    }

    /// Whether it asks nothing that another filter does not ask. Who asks is never sure: a scan has no user.
    fn covers(&self, other: &Self) -> bool {
        let lists = |own: &[SmolStr], other: &[SmolStr]| own.is_empty() || own == other;
        !self.is_empty()
            && !self.asks_for_user()
            && (self.kinds.is_empty()
                || (!other.kinds.is_empty()
                    && other.kinds.iter().all(|kind| self.kinds.contains(kind))))
            && lists(&self.names, &other.names)
            && lists(&self.namespaces, &other.namespaces)
            && (self.annotations.is_empty() || self.annotations == other.annotations)
            && (self.selector.is_none() || self.selector == other.selector)
            && (self.namespace_selector.is_none()
                || self.namespace_selector == other.namespace_selector)
            && (self.operations.is_empty()
                || (!other.operations.is_empty()
                    && other.operations.iter().all(|o| self.operations.contains(o))))
    }

    /// What the envelope alone decides: operation, kind, namespace.
    fn fits(&self, envelope: &Envelope<'_>) -> bool {
        if self.is_empty() {
            return false;
        }
        if !self.operations.is_empty() && !self.operations.contains(&envelope.operation) {
            return false;
        }
        if !self.kinds.is_empty()
            && !self.kinds.iter().any(|k| kind::matches(k, envelope.kind, envelope.sub_resource))
        {
            return false;
        }
        let is_namespace = kind::is_namespace(envelope.kind);
        let namespace = if is_namespace { envelope.name } else { envelope.namespace };
        (self.namespaces.is_empty() || any_matches(&self.namespaces, namespace))
            && !(is_namespace && self.namespace_selector.is_some())
    }

    /// Cheapest first: the envelope, then the object, then the namespace's labels, then roles.
    fn matches(&self, candidate: &mut dyn Candidate, user: UserInfo) -> Result<bool, Stop> {
        let envelope = candidate.envelope();
        if !self.fits(&envelope) {
            return Ok(false);
        }
        if !self.names.is_empty() {
            let name = SmolStr::new(envelope.name);
            let name = if name.is_empty() { candidate.generate_name()? } else { name };
            if !any_matches(&self.names, &name) {
                return Ok(false);
            }
        }
        if let Some(selector) = &self.selector
            && !selector.matches(&candidate.metadata("labels")?)
        {
            return Ok(false);
        }
        if !self.annotations.is_empty() {
            let annotations = candidate.metadata("annotations")?;
            if !self.annotations.iter().all(|(k, v)| pair_matches(k, v, &annotations)) {
                return Ok(false);
            }
        }
        if let Some(selector) = &self.namespace_selector {
            // A cluster-scoped object has no namespace whose labels could match.
            if candidate.envelope().namespace.is_empty() {
                return Ok(false);
            }
            if !selector.matches(&candidate.namespace_labels()?) {
                return Ok(false);
            }
        }
        self.matches_user(candidate, user)
    }

    fn matches_user(&self, candidate: &mut dyn Candidate, user: UserInfo) -> Result<bool, Stop> {
        if !self.asks_for_user() {
            return Ok(true);
        }
        let Some(who) = candidate.envelope().user else { return Ok(user == UserInfo::Passed) };
        if !self.subjects.is_empty() && !self.subjects.iter().any(|s| s.matches(who)) {
            return Ok(false);
        }
        if self.roles.is_empty() && self.cluster_roles.is_empty() {
            return Ok(true);
        }
        let bound = candidate.roles()?;
        let roles = self.roles.is_empty() || self.roles.iter().any(|r| bound.roles.contains(r));
        let cluster_roles = self.cluster_roles.is_empty()
            || self.cluster_roles.iter().any(|r| bound.cluster_roles.contains(r));
        Ok(roles && cluster_roles)
    }
}

/// Whether any of the patterns matches the text.
pub(crate) fn any_matches(patterns: &[SmolStr], text: &str) -> bool {
    patterns.iter().any(|pattern| wildcard::matches(pattern, text))
}

fn pair_matches(key: &str, value: &str, pairs: &Value) -> bool {
    pairs.as_map().is_some_and(|map| {
        map.iter().any(|(k, v)| {
            wildcard::matches(key, k) && v.as_str().is_some_and(|v| wildcard::matches(value, v))
        })
    })
}

#[cfg(test)]
mod tests;
