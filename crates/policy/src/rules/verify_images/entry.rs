//! One entry of `verifyImages`, checked: what is demanded of which images.
use crate::{conditions::Conditions, pin::PinOnly, variables::Template};
use sigward_oci::Access;
use sigward_sigstore::{
    certificate::Identity,
    requirement::{PublicKey, SctRule},
    trust::{TrustStore, TrustedRoot},
};
use smol_str::SmolStr;
use std::sync::Arc;

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// `imageReferences` and `image`.
    pub(crate) patterns: Vec<SmolStr>,
    /// `skipImageReferences`.
    pub(crate) skip: Vec<SmolStr>,
    /// `type: SigstoreBundle`: signatures in cosign's older form do not count.
    pub(crate) bundles_only: bool,
    /// All must be satisfied.
    pub(crate) attestors: Vec<Set>,
    /// All must be satisfied.
    pub(crate) attestations: Vec<Attestation>,
    /// Whether tags are replaced by what was verified.
    pub(crate) mutate_digest: bool,
    /// Whether images must carry a digest.
    pub(crate) verify_digest: bool,
    /// Whether images must be verified when they are validated.
    pub(crate) required: bool,
    /// Whether an earlier proof may stand for a new one.
    pub(crate) use_cache: bool,
    /// Whose credentials, those of the object left out.
    pub(crate) access: Access,
    /// `validate.deny`.
    pub(crate) deny: Option<Deny>,
    /// All the trust material that its attestors name.
    pub(crate) trust: Arc<TrustStore>,
}

/// Several attestors, of which `count` must have signed.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    /// At least one, at most the number of entries.
    pub(crate) count: usize,
    /// One for each key: several keys in one PEM are several entries.
    pub(crate) entries: Vec<Attestor>,
}

/// One attestor.
#[derive(Clone, Debug)]
pub(crate) struct Attestor {
    /// Who signs.
    pub(crate) who: Who,
    /// What one signature must say besides.
    pub(crate) annotations: Vec<(SmolStr, SmolStr)>,
    /// The repository of its signatures, when not the image's.
    pub(crate) store: Option<SmolStr>,
    /// What must be proved besides the signature.
    pub(crate) proofs: Proofs,
}

/// What must be proved besides a signature, and by what it is judged.
#[derive(Clone, Debug)]
pub(crate) struct Proofs {
    /// Whether a transparency log must hold it.
    pub(crate) log: Log,
    /// Whether a certificate log must know the signer's certificate.
    pub(crate) sct: SctRule,
    /// The material.
    pub(crate) trust: Trust,
}

impl Proofs {
    /// Nothing.
    pub(crate) fn nothing() -> Self {
        Self { log: Log::InsecureIgnored, sct: SctRule::InsecureIgnored, trust: Trust::NotNeeded }
    }
}

/// Whether a transparency log must hold a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// It must; the log to search when the signature brings no entry.
    Demanded { online: Option<SmolStr> },
    /// No log is looked at.
    InsecureIgnored,
}

/// By what proofs are judged.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// There is nothing to judge.
    NotNeeded,
    /// This.
    Root(Arc<TrustedRoot>),
    /// The process lacks this, and so cannot tell.
    Missing(&'static str),
}

/// All the trust material that some attestors name.
pub(crate) fn trust_of(attestors: &[Set], attestations: &[Attestation]) -> TrustStore {
    fn add(set: &Set, store: &mut TrustStore) {
        for attestor in &set.entries {
            if let Trust::Root(root) = &attestor.proofs.trust {
                store.insert(Arc::clone(root));
            }
            if let Who::Nested(set) = &attestor.who {
                add(set, store);
            }
        }
    }
    let mut store = TrustStore::new();
    let of_attestations = attestations.iter().flat_map(|attestation| &attestation.attestors);
    for set in attestors.iter().chain(of_attestations) {
        add(set, &mut store);
    }
    store
}

/// Who signs.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    /// The holder of this key, which stands in the policy.
    Key(PublicKey),
    /// The holder of the key that a certificate in the policy names.
    Certificate(PublicKey),
    /// The holder of a key that stands elsewhere: `k8s://namespace/name`.
    Reference(SmolStr),
    /// What stands in the policy cannot be read as a key: nobody satisfies it.
    Broken(SmolStr),
    /// The holder of a certificate that names one of these; anybody's when there is none.
    Keyless(Vec<Identity>),
    /// The holder of any certificate of the chain in the policy.
    Chain,
    /// A set of its own.
    Nested(Box<Set>),
}

impl Who {
    /// The last word of its path in messages.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Key(_) | Self::Reference(_) | Self::Broken(_) => "keys",
            Self::Certificate(_) | Self::Chain => "certificates",
            Self::Keyless(_) => "keyless",
            Self::Nested(_) => "attestor",
        }
    }
}

/// A signed statement that is demanded.
#[derive(Clone, Debug)]
pub(crate) struct Attestation {
    /// The variable that `validate` finds it under; may be empty.
    pub(crate) name: SmolStr,
    /// The predicate's type.
    pub(crate) predicate_type: SmolStr,
    /// All must be satisfied.
    pub(crate) attestors: Vec<Set>,
    /// Over every statement of the type.
    pub(crate) conditions: Conditions,
}

/// `validate`: the image is refused when the conditions hold.
#[derive(Clone, Debug)]
pub(crate) struct Deny {
    /// Over what was attested.
    pub(crate) conditions: Conditions,
    /// What to say.
    pub(crate) message: Template,
}

impl Entry {
    /// Whether anything has to be proved; else the entry only pins.
    pub(crate) fn asks_for_proof(&self) -> bool {
        !self.attestors.is_empty() || !self.attestations.is_empty()
    }

    /// The right to pin what was only looked up: for skipped images and entries that ask for no proof.
    pub(crate) fn pins_without_proof() -> PinOnly {
        PinOnly::granted()
    }

    /// The entry's credentials and the pull secrets of the object's own namespace.
    pub(crate) fn access_with(&self, pull_secrets: &[SmolStr], namespace: &SmolStr) -> Access {
        let mut access = self.access.clone();
        for name in pull_secrets {
            let secret = (namespace.clone(), name.clone());
            if !access.secrets.contains(&secret) {
                access.secrets.push(secret);
            }
        }
        access
    }
}
