//! One entry of `verifyImages`, checked: what is demanded of which images.
use crate::{conditions::Conditions, pin::PinOnly, variables::Template};
use sigward_oci::Access;
use sigward_sigstore::requirement::PublicKey;
use smol_str::SmolStr;

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
    /// An identity with a short-lived certificate: not available in this build.
    Keyless,
    /// A set of its own.
    Nested(Box<Set>),
}

impl Who {
    /// The last word of its path in messages.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Key(_) | Self::Reference(_) | Self::Broken(_) => "keys",
            Self::Certificate(_) => "certificates",
            Self::Keyless => "keyless",
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
