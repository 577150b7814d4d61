//! Who must have signed and what evidence is demanded: closed, so its hash is a cache key.
use crate::certificate::Identity;
pub use crate::keys::PublicKey;
use smol_str::SmolStr;
use std::num::NonZeroU16;

/// Holds material, never names of material: a `k8s://` key is looked up before one is made,
/// so a rotated Secret is another requirement and invalidates nothing by hand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Requirement {
    /// This attestor.
    One(Box<Attestor>),
    /// So many of these; a count larger than the list is never met.
    AtLeast {
        /// How many must be verified.
        count: NonZeroU16,
        /// Among these, asked in order.
        of: Vec<Self>,
    },
}

/// One party that must have signed, and all that its signature must show.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attestor {
    /// The signer.
    pub who: Who,
    /// Whether a transparency log must know the signature.
    pub log: LogRule,
    /// What proves when it was signed, where that matters.
    pub time: TimeRule,
    /// A signature, or statements of one type.
    pub shows: Shows,
    /// The repository where its signatures lie, when not beside the image.
    pub store: Option<SmolStr>,
    /// Pairs that one and the same signature must carry, all of them; sorted by the maker.
    pub annotations: Vec<(SmolStr, SmolStr)>,
    /// Which of the two ways of storing signatures count, and which is asked first.
    pub order: Stores,
    /// What stands before `sha256-….sig` in attached tags (`--attachment-tag-prefix`); mostly empty.
    pub tag_prefix: SmolStr,
    /// Whether the signature must speak of this image.
    pub claims: ClaimRule,
}

impl Attestor {
    /// A signature by this key, beside the image, in either store; no log entry is looked for.
    pub fn insecure_ignoring_log(key: PublicKey) -> Self {
        Self::new(Who::Key(key), LogRule::InsecureIgnored)
    }

    /// A signature by `who`, beside the image, in either store.
    pub fn new(who: Who, log: LogRule) -> Self {
        Self {
            who,
            log,
            time: TimeRule::default(),
            shows: Shows::Signature,
            store: None,
            annotations: Vec::new(),
            order: Stores::default(),
            tag_prefix: SmolStr::default(),
            claims: ClaimRule::default(),
        }
    }
}

/// The signer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    /// The holder of this key.
    Key(PublicKey),
    /// The holder of a certificate.
    Keyless(Keyless),
}

/// The holder of a certificate that was valid when it signed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Keyless {
    /// The roots that may have issued it, and the logs that may know it.
    pub trust: TrustId,
    /// Whom it must name: one of these. When there is none, anyone whom the roots know.
    pub identities: Vec<Identity>,
    /// Whether a certificate log must know it.
    pub sct: SctRule,
}

/// Whether a certificate log must know the certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SctRule {
    /// A log of the trusted root must have signed a timestamp for it.
    #[default]
    Demanded,
    /// No timestamp is looked at (`--insecure-ignore-sct`).
    InsecureIgnored,
}

/// What proves when something was signed. A certificate must be valid at each time that is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimeRule {
    /// The log's promise or a timestamp. A certificate needs at least one of them, a key none.
    Observed {
        /// The root whose authorities may have signed timestamps; none are looked at without it.
        timestamps: Option<TrustId>,
    },
    /// At least one timestamp, whatever the log says (`--use-signed-timestamps`).
    TimestampDemanded {
        /// The root whose authorities may have signed it.
        timestamps: TrustId,
    },
    /// As `Observed`; the present counts where nothing proves another time.
    InsecureNow {
        /// The root whose authorities may have signed timestamps.
        timestamps: Option<TrustId>,
    },
}

impl Default for TimeRule {
    fn default() -> Self {
        Self::Observed { timestamps: None }
    }
}

impl TimeRule {
    /// The root whose authorities may have signed timestamps.
    pub fn timestamps(&self) -> Option<TrustId> {
        match self {
            Self::Observed { timestamps } | Self::InsecureNow { timestamps } => *timestamps,
            Self::TimestampDemanded { timestamps } => Some(*timestamps),
        }
    }
}

/// What the signer says about the image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shows {
    /// "I signed this": a simple-signing payload, a message signature, or a statement whose
    /// predicate type is [`crate::statement::COSIGN_SIGN`]. Attestations of other types never count.
    #[default]
    Signature,
    /// Every statement of this type, each signed by `who`; at least one.
    Statements {
        /// The predicate type, compared literally.
        predicate_type: SmolStr,
    },
}

/// Whether a transparency log must know the signature.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogRule {
    /// A log of this trusted root must hold the entry.
    EntryDemanded {
        /// The trusted root.
        trust: TrustId,
        /// The Rekor 1 instance to search when the signature brings no entry; its keys are the
        /// trusted root's all the same.
        online: Option<SmolStr>,
    },
    /// No log is looked at, and the proof says so.
    InsecureIgnored,
}

/// Which stores are read. For a signature the second is asked only when the first does not satisfy;
/// for statements both are read, because a condition must hold for each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stores {
    /// Attached tags, then bundles: fewest requests where cosign 2 signs.
    LegacyFirst,
    /// Bundles, then attached tags: fewest requests where cosign 3 signs.
    #[default]
    BundleFirst,
    /// Bundles alone (`type: SigstoreBundle`).
    BundleOnly,
    /// Attached tags alone (`--new-bundle-format=false`).
    LegacyOnly,
}

/// Whether what was signed must name the image and carry the annotations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClaimRule {
    /// The signed digest is the image's and the annotations are there.
    #[default]
    Checked,
    /// Neither is looked at (`--check-claims=false`), and the proof says so.
    InsecureIgnored,
}

/// The hash of one trusted root; a new root is another requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustId(pub [u8; 32]);

/// Seconds since 1970, UTC, from the request; pure crates read no clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Reads RFC 3339; a fraction of a second is cut off. `None` when it is no time.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        crate::time::parse_rfc3339(text).map(|(time, _cut)| time)
    }
}
