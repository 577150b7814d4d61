//! Kinds and operations of policies as rules of a webhook.
use crate::discovery::{Discovery, Served};
use serde_json::{Value as Json, json};
use sigward_policy::{
    compile::{KindPattern, WebhookRule},
    request::Operation,
};
use std::collections::{BTreeMap, BTreeSet};

/// Which of the two configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Mutate rules and image verification.
    Mutating,
    /// Validate rules, and what image verification demands of the stored object.
    Validating,
}

/// Where a resource is, as a rule of a webhook says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    group: String,
    version: String,
    scope: &'static str,
}

/// Resources and the operations that they are wanted for.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    wanted: BTreeMap<(Place, String), BTreeSet<Operation>>,
}

impl Rules {
    /// Nothing is to be called for.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Adds what a policy wants. False when it wants nothing in this phase.
    pub fn add(&mut self, rules: &[WebhookRule], phase: Phase, discovery: &Discovery) -> bool {
        let mut added = false;
        for rule in rules {
            let (wanted, allowed): (bool, &[Operation]) = match phase {
                // COMPAT: Kyverno 1.19: a mutating webhook is never called for DELETE;
                // test: deletions_are_never_mutated
                Phase::Mutating => {
                    (rule.mutating, &[Operation::Create, Operation::Update, Operation::Connect])
                }
                Phase::Validating => (
                    rule.validating,
                    &[Operation::Create, Operation::Update, Operation::Delete, Operation::Connect],
                ),
            };
            let operations: BTreeSet<Operation> = rule
                .operations
                .iter()
                .copied()
                .filter(|operation| allowed.contains(operation))
                .collect();
            if !wanted || operations.is_empty() {
                continue;
            }
            for kind in &rule.kinds {
                added |= self.add_kind(kind, &operations, discovery);
            }
        }
        added
    }

    /// `--autoUpdateWebhooks=false`: everything, in one rule.
    pub fn add_everything(&mut self, phase: Phase) {
        let mut operations =
            BTreeSet::from([Operation::Create, Operation::Update, Operation::Connect]);
        if phase == Phase::Validating {
            operations.insert(Operation::Delete);
        }
        let place = Place { group: "*".to_owned(), version: "*".to_owned(), scope: "*" };
        self.insert(place, "*/*", &operations);
    }

    fn add_kind(
        &mut self,
        kind: &KindPattern,
        operations: &BTreeSet<Operation>,
        discovery: &Discovery,
    ) -> bool {
        if kind.kind == "*" {
            // Every kind: no table of what is served today would cover what is served tomorrow.
            let resource = match kind.sub_resource.as_str() {
                "" => "*".to_owned(),
                part => format!("*/{part}"),
            };
            let place = Place {
                group: kind.group.to_string(),
                version: kind.version.to_string(),
                scope: "*",
            };
            self.insert(place, &resource, operations);
            return true;
        }
        let served = discovery.resolve(kind);
        for resource in &served {
            self.add_served(resource, operations);
        }
        !served.is_empty()
    }

    fn add_served(&mut self, served: &Served, operations: &BTreeSet<Operation>) {
        let scope = if served.namespaced { "Namespaced" } else { "Cluster" };
        let place = Place { group: served.group.clone(), version: served.version.clone(), scope };
        self.insert(place.clone(), &served.path(), operations);
        if served.group.is_empty() && served.resource == "pods" && served.sub_resource.is_empty() {
            // An ephemeral container is an image like any other, whatever this API server says that it serves.
            self.insert(place, "pods/ephemeralcontainers", operations);
        }
    }

    fn insert(&mut self, place: Place, resource: &str, operations: &BTreeSet<Operation>) {
        self.wanted.entry((place, resource.to_owned())).or_default().extend(operations);
    }

    /// The rules: resources of one place that are wanted for the same operations stand in one rule.
    pub fn to_json(&self) -> Json {
        let mut grouped: BTreeMap<(&Place, &BTreeSet<Operation>), Vec<&str>> = BTreeMap::new();
        for ((place, resource), operations) in &self.wanted {
            grouped.entry((place, operations)).or_default().push(resource);
        }
        let rules = grouped.into_iter().map(|((place, operations), resources)| {
            json!({
                "apiGroups": [place.group],
                "apiVersions": [place.version],
                "operations": operations.iter().map(|operation| operation.as_str()).collect::<Vec<_>>(),
                "resources": resources,
                "scope": place.scope,
            })
        });
        rules.collect()
    }
}
