//! What is wanted from outside, what came back, and what is known in one request.
use sigward_document::Value;
use sigward_oci::{Access, Digest, DigestReference, TagReference};
pub use sigward_sigstore::outcome::{Cause, CauseKind};
use sigward_sigstore::{
    requirement::{PublicKey, Requirement},
    trust::TrustStore,
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
    /// The Namespace object of this name, for its labels. Answered with a [`Fact::Document`].
    Namespace(SmolStr),
    /// An object of the cluster, whole. Answered with a [`Fact::Document`].
    Object(ObjectName),
    /// A public key by reference: `k8s://namespace/name` is the member `cosign.pub` of a Secret. Answered with a
    /// [`Fact::Key`].
    PublicKey {
        /// As written in the policy, or made of `keys.secret`.
        reference: SmolStr,
    },
    /// A call to the API server. Answered with a [`Fact::Document`]: the parsed body.
    Call(Arc<Call>),
    /// An entry of the global context. Answered with a [`Fact::Document`].
    GlobalEntry {
        /// The entry.
        name: SmolStr,
        /// One of its projections.
        projection: Option<SmolStr>,
    },
    /// The addresses of a host name. Answered with a [`Fact::Document`]: a list of texts.
    Addresses {
        /// The name.
        host: SmolStr,
    },
    /// Roles and cluster roles bound to a user: `{roles: [ns:name…], clusterRoles: [name…]}`. Answered with a
    /// [`Fact::Document`].
    Roles {
        /// The user.
        username: SmolStr,
        /// All groups of the user.
        groups: Vec<SmolStr>,
    },
    /// The only fetch that takes a tag; every other takes the digest it gave. Answered with a [`Fact::Digest`].
    Tag {
        /// What to ask for.
        image: TagReference,
        /// Whose credentials.
        access: Access,
    },
    /// What a registry says about an image: `{manifest, manifestList, configData}`, each null when there is none.
    /// Answered with a [`Fact::Document`].
    ImageData {
        /// The image.
        image: DigestReference,
        /// Whose credentials.
        access: Access,
    },
    /// Whether an image satisfies a requirement. Answered with a [`Fact::Proof`].
    Proof {
        /// The image.
        image: DigestReference,
        /// Who must have signed what.
        requirement: Arc<Requirement>,
        /// Whose credentials.
        access: Access,
        /// `useCache`: whether an earlier proof may stand for a new one.
        use_cache: bool,
        /// The trust material that the requirement names.
        trust: Arc<TrustStore>,
    },
}

/// An object of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    /// `v1`, `apps/v1`, ….
    pub api_version: SmolStr,
    /// `ConfigMap`, ….
    pub kind: SmolStr,
    /// Empty for cluster-scoped kinds.
    pub namespace: SmolStr,
    /// `metadata.name`.
    pub name: SmolStr,
}

/// A call to the API server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// POST instead of GET.
    pub post: bool,
    /// Path and query.
    pub url: SmolStr,
    /// JSON, for POST.
    pub body: Option<SmolStr>,
}

/// What a fetch does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// May be asked early, together, again.
    Reads,
    /// Asked when evaluation stands before it, once, and never after the answer went out.
    Writes,
}

impl Fetch {
    /// What it does to the world.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Call(call) if call.post => Effect::Writes,
            Self::Call(_)
            | Self::Namespace(_)
            | Self::Object(_)
            | Self::PublicKey { .. }
            | Self::GlobalEntry { .. }
            | Self::Addresses { .. }
            | Self::Roles { .. }
            | Self::Tag { .. }
            | Self::ImageData { .. }
            | Self::Proof { .. } => Effect::Reads,
        }
    }
}

/// `Err`: it could not be told. Absent (404 only) is `Ok(None)`.
pub type Answer<T> = Result<T, Cause>;

/// What came back. A failed fetch is a fact: whether it denies is the policy's say.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A document, or that there is none.
    Document(Answer<Option<Value>>),
    /// What a tag stands for, or that there is no such tag.
    Digest(Answer<Option<Digest>>),
    /// A public key, or that there is none.
    Key(Answer<Option<PublicKey>>),
    /// The answer to a requirement. `Err` when it could not even be asked.
    Proof(Answer<Arc<Proof>>),
}

/// A fetch whose answer has a type.
pub trait Query {
    /// What an answer holds.
    type Found;
    /// The fetch.
    fn fetch(self) -> Fetch;
    /// `None` when a source answered in the wrong kind.
    fn read(fact: &Fact) -> Option<Answer<Self::Found>>;
}

/// Declares a query: its fields, its fetch, and the kind of fact that answers it.
macro_rules! query {
    ($(#[$doc:meta])* $name:ident ( $($field:ident : $type:ty),* ) => $fetch:expr, $fact:ident -> $found:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name($(pub $type),*);
        impl Query for $name {
            type Found = $found;
            fn fetch(self) -> Fetch {
                let Self($($field),*) = self;
                $fetch
            }
            fn read(fact: &Fact) -> Option<Answer<Self::Found>> {
                if let Fact::$fact(found) = fact { Some(found.clone()) } else { None }
            }
        }
    };
}

query! {
    /// What a tag stands for.
    TagDigest(image: TagReference, access: Access)
        => Fetch::Tag { image, access }, Digest -> Option<Digest>
}
query! {
    /// A Namespace object.
    NamespaceObject(name: SmolStr) => Fetch::Namespace(name), Document -> Option<Value>
}
query! {
    /// An object of the cluster.
    Object(name: ObjectName) => Fetch::Object(name), Document -> Option<Value>
}
query! {
    /// A public key by reference.
    KeyByReference(reference: SmolStr) => Fetch::PublicKey { reference }, Key -> Option<PublicKey>
}
query! {
    /// The answer to a call.
    CallAnswer(call: Arc<Call>) => Fetch::Call(call), Document -> Option<Value>
}
query! {
    /// An entry of the global context, or one of its projections.
    GlobalEntry(name: SmolStr, projection: Option<SmolStr>)
        => Fetch::GlobalEntry { name, projection }, Document -> Option<Value>
}
query! {
    /// The addresses of a host name.
    Addresses(host: SmolStr) => Fetch::Addresses { host }, Document -> Option<Value>
}
query! {
    /// What a registry says about an image.
    ImageDocument(image: DigestReference, access: Access)
        => Fetch::ImageData { image, access }, Document -> Option<Value>
}

/// The roles that are bound to a user.
#[derive(Clone, Debug)]
pub struct Roles {
    /// The user.
    pub username: SmolStr,
    /// All groups of the user.
    pub groups: Vec<SmolStr>,
}

impl Query for Roles {
    type Found = Option<Value>;
    fn fetch(self) -> Fetch {
        Fetch::Roles { username: self.username, groups: self.groups }
    }
    fn read(fact: &Fact) -> Option<Answer<Self::Found>> {
        if let Fact::Document(found) = fact { Some(found.clone()) } else { None }
    }
}

/// Whether an image satisfies a requirement.
#[derive(Clone, Debug)]
pub struct ProofOf {
    /// The image.
    pub image: DigestReference,
    /// Who must have signed what.
    pub requirement: Arc<Requirement>,
    /// Whose credentials.
    pub access: Access,
    /// Whether an earlier proof may stand for a new one.
    pub use_cache: bool,
    /// The trust material that the requirement names.
    pub trust: Arc<TrustStore>,
}

impl Query for ProofOf {
    type Found = Arc<Proof>;
    fn fetch(self) -> Fetch {
        Fetch::Proof {
            image: self.image,
            requirement: self.requirement,
            access: self.access,
            use_cache: self.use_cache,
            trust: self.trust,
        }
    }
    fn read(fact: &Fact) -> Option<Answer<Self::Found>> {
        if let Fact::Proof(found) = fact { Some(found.clone()) } else { None }
    }
}

/// Memory that answers at once: informers, the proof cache. Never waits, never fetches.
pub trait Memory: Send + Sync {
    /// What is known already. Must be what a fetch would have answered.
    fn peek(&self, fetch: &Fetch) -> Option<Fact>;
}

/// Remembers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMemory;

impl Memory for NoMemory {
    fn peek(&self, _fetch: &Fetch) -> Option<Fact> {
        None
    }
}

/// What this request knows. Grows only: the first answer to a fetch stays the answer.
#[derive(Clone)]
pub struct Facts {
    known: BTreeMap<Fetch, Fact>,
    wanted: BTreeSet<Fetch>,
    memory: Arc<dyn Memory>,
    sealed: Option<Cause>,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts")
            .field("known", &self.known.keys())
            .field("wanted", &self.wanted)
            .field("sealed", &self.sealed)
            .finish_non_exhaustive()
    }
}

/// Evaluation stands still here. No operator may swallow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspended;

impl Facts {
    /// Knows nothing but what memory holds.
    pub fn new(memory: Arc<dyn Memory>) -> Self {
        Self { known: BTreeMap::new(), wanted: BTreeSet::new(), memory, sealed: None }
    }

    /// The answer, or a note that it is wanted.
    ///
    /// # Errors
    /// [`Suspended`] when it is not known yet: evaluate again when it is.
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

    /// Notes an answer; a later answer to the same fetch is not heard.
    pub fn learn(&mut self, fetch: Fetch, fact: Fact) {
        self.known.entry(fetch).or_insert(fact);
    }

    /// What was asked for and is not known; forgets it.
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
