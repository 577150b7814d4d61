//! What can be answered without asking the API server: namespaces, roles, and the objects that policies refer to.
use super::{
    references::{ObjectKind, Reference},
    roles::Roles,
};
use crate::{kinds::Watched, object::Key};
use sigward_document::Value;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// `None` everywhere means "not known": then the API server has to be asked. Absence is known only of what is watched.
#[derive(Debug, Default)]
pub struct Known {
    namespaces: BTreeMap<Key, Value>,
    roles: Roles,
    own_secrets: BTreeMap<Key, Value>,
    followed: BTreeMap<Reference, Option<Value>>,
    complete: BTreeSet<Watched>,
}

impl Known {
    pub(super) fn keys(&self, of: Watched) -> Vec<Key> {
        match of {
            Watched::Namespace => self.namespaces.keys().cloned().collect(),
            Watched::OwnSecret => self.own_secrets.keys().cloned().collect(),
            Watched::RoleBinding => self.roles.keys(true),
            Watched::ClusterRoleBinding => self.roles.keys(false),
            Watched::ClusterPolicy
            | Watched::Policy
            | Watched::PolicyException
            | Watched::Configuration => Vec::new(),
        }
    }

    pub(super) fn apply(&mut self, of: Watched, key: Key, tree: Value) {
        match of {
            Watched::Namespace => {
                self.namespaces.insert(key, tree);
            }
            Watched::OwnSecret => {
                self.own_secrets.insert(key, tree);
            }
            Watched::RoleBinding | Watched::ClusterRoleBinding => self.roles.apply(key, &tree),
            Watched::ClusterPolicy
            | Watched::Policy
            | Watched::PolicyException
            | Watched::Configuration => {}
        }
    }

    pub(super) fn delete(&mut self, of: Watched, key: &Key) {
        match of {
            Watched::Namespace => {
                self.namespaces.remove(key);
            }
            Watched::OwnSecret => {
                self.own_secrets.remove(key);
            }
            Watched::RoleBinding | Watched::ClusterRoleBinding => self.roles.delete(key),
            Watched::ClusterPolicy
            | Watched::Policy
            | Watched::PolicyException
            | Watched::Configuration => {}
        }
    }

    pub(super) fn listed(&mut self, of: Watched) {
        self.complete.insert(of);
    }

    /// A namespace that was heard of. One that was not may be new: the caller asks.
    pub fn namespace(&self, name: &str) -> Option<&Value> {
        self.namespaces.get(&Key::new("", name))
    }

    /// The roles of a user; `None` before all bindings were listed.
    pub fn roles(&self, username: &str, groups: &[SmolStr]) -> Option<Value> {
        let complete = [Watched::RoleBinding, Watched::ClusterRoleBinding]
            .iter()
            .all(|kind| self.complete.contains(kind));
        complete.then(|| self.roles.of(username, groups))
    }

    /// A Secret of the own namespace, or one that a policy refers to.
    pub fn secret(&self, key: &Key) -> Option<&Value> {
        let followed = Reference { kind: ObjectKind::Secret, key: key.clone() };
        self.own_secrets.get(key).or_else(|| self.followed.get(&followed)?.as_ref())
    }

    /// A ConfigMap that a policy refers to.
    pub fn config_map(&self, key: &Key) -> Option<&Value> {
        self.followed.get(&Reference { kind: ObjectKind::ConfigMap, key: key.clone() })?.as_ref()
    }

    /// What the watch of a single object brought: the object, or that it is not there.
    pub fn follow(&mut self, reference: Reference, tree: Option<Value>) {
        self.followed.insert(reference, tree);
    }

    /// Nobody watches it any more.
    pub fn unfollow(&mut self, reference: &Reference) {
        self.followed.remove(reference);
    }
}

/// One [`Known`], written by the index and read by requests. Locks are held for a look-up, never across an await.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<RwLock<Known>>);

impl Shared {
    /// To look something up.
    pub fn read(&self) -> RwLockReadGuard<'_, Known> {
        // A writer that panicked leaves maps that are each whole.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// To change something.
    pub fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
