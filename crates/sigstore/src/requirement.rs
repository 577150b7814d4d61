//! Who must have signed and what evidence is demanded: closed, so its hash is a cache key.
use smol_str::SmolStr;
use std::num::NonZeroU16;

/// Holds material, never names of material: a `k8s://` key is looked up before one is made,
/// so a rotated Secret is another requirement and invalidates nothing by hand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Requirement {
    One(Box<Attestor>),
    AtLeast { count: NonZeroU16, of: Vec<Requirement> },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attestor {
    pub who: Who,
    pub log: LogRule,
    pub shows: Shows,
    /// Where its signatures lie, when not beside the image.
    pub store: Option<SmolStr>,
    pub annotations: Vec<(SmolStr, SmolStr)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    Key(PublicKey),
    Keyless { trust: TrustId, issuer: SmolStr, subject: SmolStr },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shows {
    Signature,
    /// Every statement of this type, each signed by `who`.
    Statements {
        predicate_type: SmolStr,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogRule {
    EntryDemanded { trust: TrustId },
    InsecureIgnored,
}

/// SPKI DER.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub Vec<u8>);

/// The hash of one trusted root; a new root is another requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustId(pub [u8; 32]);

/// UTC, from the request; pure crates read no clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);
