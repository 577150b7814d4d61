//! What is wanted from outside, what came back, and what is known in one request.
use sigward_document::Value;
use sigward_oci::{Access, Digest, DigestReference, TagReference};
pub use sigward_sigstore::outcome::{Cause, CauseKind};
use sigward_sigstore::{
    requirement::{PublicKey, Requirement},
    verified::Proof,
};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Complete: two equal fetches may share one answer. Never a secret inside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fetch {
    Namespace(SmolStr),
    Object(ObjectName),
    PublicKey {
        reference: SmolStr,
    },
    Call(Arc<Call>),
    GlobalEntry {
        name: SmolStr,
        projection: Option<SmolStr>,
    },
    Addresses {
        host: SmolStr,
    },
    /// Roles and cluster roles bound to a user: `{roles: [ns:name…], clusterRoles: [name…]}`.
    Roles {
        username: SmolStr,
        groups: Vec<SmolStr>,
    },
    /// The only fetch that takes a tag; every other takes the digest it gave.
    Tag {
        image: TagReference,
        access: Access,
    },
    ImageData {
        image: DigestReference,
        access: Access,
    },
    Proof {
        image: DigestReference,
        requirement: Arc<Requirement>,
        access: Access,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    pub api_version: SmolStr,
    pub kind: SmolStr,
    pub namespace: SmolStr,
    pub name: SmolStr,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub post: bool,
    pub url: SmolStr,
    pub body: Option<SmolStr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// May be asked early, together, again.
    Reads,
    /// Asked when evaluation stands before it, once, and never after the answer went out.
    Writes,
}

impl Fetch {
    pub fn effect(&self) -> Effect {
        match self {
            Fetch::Call(call) if call.post => Effect::Writes,
            Fetch::Call(_)
            | Fetch::Namespace(_)
            | Fetch::Object(_)
            | Fetch::PublicKey { .. }
            | Fetch::GlobalEntry { .. }
            | Fetch::Addresses { .. }
            | Fetch::Roles { .. }
            | Fetch::Tag { .. }
            | Fetch::ImageData { .. }
            | Fetch::Proof { .. } => Effect::Reads,
        }
    }
}

/// `Err`: it could not be told. Absent (404 only) is `Ok(None)`.
pub type Answer<T> = Result<T, Cause>;

#[derive(Clone, Debug)]
pub enum Fact {
    Document(Answer<Option<Value>>),
    Digest(Answer<Option<Digest>>),
    Key(Answer<Option<PublicKey>>),
    Proof(Answer<Arc<Proof>>),
}

/// A fetch whose answer has a type.
pub trait Query {
    type Found;
    fn fetch(self) -> Fetch;
    /// `None` when a source answered in the wrong kind.
    fn read(fact: &Fact) -> Option<Answer<Self::Found>>;
}

pub struct TagDigest(pub TagReference, pub Access);
impl Query for TagDigest {
    type Found = Option<Digest>;
    fn fetch(self) -> Fetch {
        Fetch::Tag { image: self.0, access: self.1 }
    }
    fn read(fact: &Fact) -> Option<Answer<Self::Found>> {
        if let Fact::Digest(found) = fact { Some(found.clone()) } else { None }
    }
}

/// Memory that answers at once: informers, the proof cache. Never waits, never fetches.
pub trait Memory: Send + Sync {
    fn peek(&self, fetch: &Fetch) -> Option<Fact>;
}

/// What this request knows. Grows only: the first answer to a fetch stays the answer.
#[derive(Clone)]
pub struct Facts {
    known: BTreeMap<Fetch, Fact>,
    wanted: BTreeSet<Fetch>,
    memory: Arc<dyn Memory>,
    sealed: Option<Cause>,
}

/// Evaluation stands still here. No operator may swallow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspended;

impl Facts {
    pub fn new(memory: Arc<dyn Memory>) -> Self {
        Self { known: BTreeMap::new(), wanted: BTreeSet::new(), memory, sealed: None }
    }
    pub fn ask<Q: Query>(&mut self, query: Q) -> Result<Answer<Q::Found>, Suspended> {
        let fetch = query.fetch();
        if !self.known.contains_key(&fetch)
            && let Some(fact) = self.memory.peek(&fetch)
        {
            self.known.insert(fetch.clone(), fact);
        }
        match (self.known.get(&fetch), &self.sealed) {
            (Some(fact), _) => Ok(Q::read(fact).unwrap_or_else(|| Err(wrong_kind()))),
            (None, Some(cause)) => Ok(Err(cause.clone())),
            (None, None) => {
                self.wanted.insert(fetch);
                Err(Suspended)
            }
        }
    }
    pub fn learn(&mut self, fetch: Fetch, fact: Fact) {
        self.known.entry(fetch).or_insert(fact);
    }
    pub fn take_wanted(&mut self) -> BTreeSet<Fetch> {
        std::mem::take(&mut self.wanted)
    }
    /// A copy in which whatever is not known is undetermined for this cause: cannot suspend.
    pub fn sealed(&self, cause: Cause) -> Self {
        Self { sealed: Some(cause), ..self.clone() }
    }
}

fn wrong_kind() -> Cause {
    Cause { kind: CauseKind::Malformed, place: "source".into(), said: None }
}
