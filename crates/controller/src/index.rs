//! Watch events in, snapshots out: what the cluster looks like, as far as policies care. No client in here.
//!
//! ```text
//! ClusterPolicy, Policy ──compile──▶ ┐
//! PolicyException ───────compile──▶  ├─▶ Snapshot (one Arc, swapped)
//! ConfigMap kyverno ─────settings──▶ ┘
//! Namespace, bindings, referenced Secrets and ConfigMaps ──▶ Known (answers at once, or says that it does not know)
//! ```
//!
//! One bad object is one bad object: a policy that does not compile keeps its last good form, and says so.
use crate::{
    kinds::Watched,
    object::{Key, Object},
    settings::{self, Configuration},
};
use kube::runtime::watcher::Event;
use sigward_document::Value;
use sigward_policy::{
    compile::{
        Compiled, Diagnostic, Exception, Policy, Severity, compile_exception, compile_policy,
        compile_unusable,
    },
    snapshot::{PolicyName, Settings, Snapshot},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub mod known;
pub mod references;
pub mod roles;

pub use known::{Known, Shared};
pub use references::{ObjectKind, Reference};

/// A stored policy and what became of it.
#[derive(Clone, Debug)]
pub struct StoredPolicy {
    /// As the API server has it.
    pub document: Value,
    /// The last form that compiled; `None` if none ever did.
    pub compiled: Option<Arc<Policy>>,
    /// What is to be said about the stored form.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether `compiled` is the stored form.
    pub current: bool,
    /// Where none ever compiled: its rules as errors wherever they match.
    pub unusable: Option<Arc<Policy>>,
}

impl StoredPolicy {
    /// What requests meet: the last form that compiled, or rules that only say that they cannot be evaluated.
    pub fn in_force(&self) -> Option<&Arc<Policy>> {
        self.compiled.as_ref().or(self.unusable.as_ref())
    }

    /// The first error, where the stored form did not compile.
    pub fn error(&self) -> Option<&Diagnostic> {
        self.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// What an event changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// The snapshot: policies, exceptions, settings.
    pub snapshot: bool,
    /// What is stored of a policy beside what it says: its status, its version.
    pub documents: bool,
    /// Which Secrets and ConfigMaps policies refer to.
    pub references: bool,
    /// Secrets of the own namespace.
    pub secrets: bool,
}

/// Everything that was heard from the API server, compiled.
#[derive(Debug)]
pub struct Index {
    base: Settings,
    configuration: Arc<Configuration>,
    settings: Arc<Settings>,
    config_map: Option<(Key, Value)>,
    policies: BTreeMap<PolicyName, StoredPolicy>,
    exceptions: BTreeMap<Key, Option<Arc<Exception>>>,
    exception_documents: BTreeMap<Key, Value>,
    known: Shared,
    synced: BTreeSet<Watched>,
    /// What a running list has brought so far.
    listing: BTreeMap<Watched, BTreeMap<Key, Value>>,
    next_snapshot: u64,
}

impl Index {
    /// Nothing is known yet. `base` are the settings of the process, without the ConfigMap.
    pub fn new(base: Settings) -> Self {
        let (settings, configuration) = settings::read(&base, None);
        Self {
            base,
            configuration: Arc::new(configuration),
            settings: Arc::new(settings),
            config_map: None,
            policies: BTreeMap::new(),
            exceptions: BTreeMap::new(),
            exception_documents: BTreeMap::new(),
            known: Shared::default(),
            synced: BTreeSet::new(),
            listing: BTreeMap::new(),
            next_snapshot: 1,
        }
    }

    /// Takes one event of a watch.
    pub fn take(&mut self, of: Watched, event: Event<Object>) -> Changed {
        match event {
            Event::Init => {
                self.listing.insert(of, BTreeMap::new());
                Changed::default()
            }
            Event::InitApply(object) => {
                self.listing.entry(of).or_default().insert(object.key(), object.into_tree());
                Changed::default()
            }
            Event::InitDone => {
                let listed = self.listing.remove(&of).unwrap_or_default();
                let first = self.synced.insert(of);
                self.known.write().listed(of);
                let mut changed = self.replace(of, listed);
                changed.snapshot |= first;
                changed.references |= first;
                changed
            }
            Event::Apply(object) => self.apply(of, object.key(), object.into_tree()),
            Event::Delete(object) => self.delete(of, &object.key()),
        }
    }

    /// Everything of a kind, at once: what is not in it is gone.
    fn replace(&mut self, of: Watched, listed: BTreeMap<Key, Value>) -> Changed {
        let mut changed = Changed::default();
        for key in self.keys(of) {
            if !listed.contains_key(&key) {
                changed |= self.delete(of, &key);
            }
        }
        for (key, tree) in listed {
            changed |= self.apply(of, key, tree);
        }
        changed
    }

    fn keys(&self, of: Watched) -> Vec<Key> {
        match of {
            Watched::ClusterPolicy => {
                self.policies.keys().filter(|name| name.namespace.is_empty()).map(key_of).collect()
            }
            Watched::Policy => {
                self.policies.keys().filter(|name| !name.namespace.is_empty()).map(key_of).collect()
            }
            Watched::PolicyException => self.exceptions.keys().cloned().collect(),
            Watched::Configuration => self.config_map.iter().map(|(key, _)| key.clone()).collect(),
            Watched::Namespace
            | Watched::RoleBinding
            | Watched::ClusterRoleBinding
            | Watched::OwnSecret => self.known.read().keys(of),
        }
    }

    fn apply(&mut self, of: Watched, key: Key, tree: Value) -> Changed {
        match of {
            Watched::ClusterPolicy | Watched::Policy => self.apply_policy(&key, tree),
            Watched::PolicyException => {
                self.exceptions.insert(key.clone(), exception(&key, &tree, &self.settings));
                self.exception_documents.insert(key, tree);
                Changed { snapshot: true, ..Changed::default() }
            }
            Watched::Configuration => self.configure(Some((key, tree))),
            Watched::Namespace
            | Watched::RoleBinding
            | Watched::ClusterRoleBinding
            | Watched::OwnSecret => {
                self.known.write().apply(of, key, tree);
                Changed { secrets: of == Watched::OwnSecret, ..Changed::default() }
            }
        }
    }

    fn delete(&mut self, of: Watched, key: &Key) -> Changed {
        match of {
            Watched::ClusterPolicy | Watched::Policy => {
                let gone = self.policies.remove(&name_of(key)).is_some();
                Changed { snapshot: gone, references: gone, ..Changed::default() }
            }
            Watched::PolicyException => {
                let gone = self.exceptions.remove(key).is_some();
                self.exception_documents.remove(key);
                Changed { snapshot: gone, ..Changed::default() }
            }
            Watched::Configuration => self.configure(None),
            Watched::Namespace
            | Watched::RoleBinding
            | Watched::ClusterRoleBinding
            | Watched::OwnSecret => {
                self.known.write().delete(of, key);
                Changed { secrets: of == Watched::OwnSecret, ..Changed::default() }
            }
        }
    }

    /// The controller's own writes of the status come back as events; they change nothing.
    fn apply_policy(&mut self, key: &Key, tree: Value) -> Changed {
        let name = name_of(key);
        let before = self.policies.get(&name);
        if let Some(before) = before
            && says_the_same(&before.document, &tree)
        {
            if let Some(stored) = self.policies.get_mut(&name) {
                stored.document = tree;
            }
            return Changed { documents: true, ..Changed::default() };
        }
        let last_good = before.and_then(|before| before.compiled.clone());
        self.policies.insert(name, compile(tree, last_good, &self.settings));
        Changed { snapshot: true, references: true, ..Changed::default() }
    }

    /// New settings: everything is compiled again, since settings are part of what it means.
    fn configure(&mut self, config_map: Option<(Key, Value)>) -> Changed {
        let data = |map: &Option<(Key, Value)>| {
            map.as_ref().and_then(|(_, tree)| tree.at_path(&["data"]).cloned())
        };
        if data(&self.config_map) == data(&config_map) {
            self.config_map = config_map;
            return Changed::default();
        }
        let (settings, configuration) =
            settings::read(&self.base, config_map.as_ref().map(|(_, tree)| tree));
        for mistake in &configuration.mistakes {
            tracing::warn!(%mistake, "a key of the configuration is not used");
        }
        self.config_map = config_map;
        self.configuration = Arc::new(configuration);
        self.settings = Arc::new(settings);
        for stored in self.policies.values_mut() {
            *stored = compile(stored.document.clone(), stored.compiled.clone(), &self.settings);
        }
        for (key, document) in &self.exception_documents {
            self.exceptions.insert(key.clone(), exception(key, document, &self.settings));
        }
        Changed { snapshot: true, references: true, ..Changed::default() }
    }

    /// Which kinds have not been listed completely yet.
    pub fn missing(&self) -> impl Iterator<Item = Watched> + '_ {
        Watched::ALL.into_iter().filter(|kind| !self.synced.contains(kind))
    }

    /// The snapshot of now, with an id of its own; `None` before everything was listed once.
    pub fn snapshot(&mut self) -> Option<Arc<Snapshot>> {
        if self.missing().next().is_some() {
            return None;
        }
        let policies =
            self.policies.values().filter_map(|stored| stored.in_force().cloned()).collect();
        let exceptions = self.exceptions.values().flatten().cloned().collect();
        let id = self.next_snapshot;
        self.next_snapshot += 1;
        Some(Arc::new(Snapshot::new(id, policies, exceptions, Arc::clone(&self.settings))))
    }

    /// All stored policies, by name.
    pub fn policies(&self) -> &BTreeMap<PolicyName, StoredPolicy> {
        &self.policies
    }

    /// What the ConfigMap says about webhooks and events.
    pub fn configuration(&self) -> &Arc<Configuration> {
        &self.configuration
    }

    /// The settings that hold now.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What can be answered without asking, shared with whoever answers.
    pub fn known(&self) -> &Shared {
        &self.known
    }

    /// The Secrets and ConfigMaps that policies refer to by name.
    pub fn references(&self) -> BTreeSet<Reference> {
        self.policies
            .values()
            .flat_map(|stored| references::of(&stored.document, &self.settings))
            .collect()
    }
}

fn compile(document: Value, last_good: Option<Arc<Policy>>, settings: &Settings) -> StoredPolicy {
    let Compiled { value, diagnostics } = compile_policy(&document, settings);
    let current = value.is_some();
    let compiled = value.map(Arc::new).or(last_good);
    let error = diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error);
    let unusable = match (&compiled, error) {
        (None, Some(error)) => {
            let reason = format!("{}: {}", error.path, error.message);
            compile_unusable(&document, &reason, settings).map(Arc::new)
        }
        _ => None,
    };
    StoredPolicy { document, compiled, diagnostics, current, unusable }
}

/// An exception that does not compile excepts nothing. It has no status to say so.
fn exception(key: &Key, document: &Value, settings: &Settings) -> Option<Arc<Exception>> {
    let Compiled { value, diagnostics } = compile_exception(document, settings);
    if let Some(error) =
        diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error)
    {
        tracing::warn!(exception = %key, path = %error.path, error = %error.message, "an exception is not in force");
    }
    value.map(Arc::new)
}

/// Whether both differ at most in what the API server and status writers put there.
fn says_the_same(before: &Value, after: &Value) -> bool {
    let part = |tree: &Value, path: &[&str]| tree.at_path(path).cloned().unwrap_or(Value::NULL);
    [&["spec"][..], &["metadata", "annotations"], &["metadata", "labels"], &["metadata", "uid"]]
        .into_iter()
        .all(|path| part(before, path) == part(after, path))
}

fn name_of(key: &Key) -> PolicyName {
    PolicyName { namespace: key.namespace.clone(), name: key.name.clone() }
}

fn key_of(name: &PolicyName) -> Key {
    Key { namespace: name.namespace.clone(), name: name.name.clone() }
}

impl std::ops::BitOrAssign for Changed {
    fn bitor_assign(&mut self, other: Self) {
        self.snapshot |= other.snapshot;
        self.documents |= other.documents;
        self.references |= other.references;
        self.secrets |= other.secrets;
    }
}

#[cfg(test)]
mod tests;
