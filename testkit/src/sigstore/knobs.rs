//! What is out of the ordinary about a private Sigstore: one thing at a time, for negative tests.

/// The signed certificate timestamps inside a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Sct {
    /// One, of the log that is trusted.
    #[default]
    Good,
    /// None, as of a Fulcio without a log.
    Missing,
    /// One by the right key that names another log.
    WrongLogId,
    /// One of a log that nobody knows.
    UnknownLog,
    /// One whose signature is broken.
    BadSignature,
    /// Two of the same log.
    Twice,
    /// One of an unknown log, then a good one.
    UnknownThenGood,
    /// One that carries extensions, as logs with an index in them do.
    WithExtensions,
    /// One of the trusted log that was made for another certificate.
    OfAnotherCertificate,
}

/// What a certificate is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Purpose {
    /// What it has to be: signing code, or stamping times.
    #[default]
    Right,
    /// Serving TLS.
    Server,
    /// Nothing is said.
    Unsaid,
}

/// The promise of Rekor v1, the signed entry timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Promise {
    /// Sound.
    #[default]
    Good,
    /// Not there.
    Missing,
    /// One bit is turned over.
    BadSignature,
    /// By another key than the log's.
    OtherKey,
}

/// The inclusion proof of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Proof {
    /// Sound.
    #[default]
    Good,
    /// Not there.
    Missing,
    /// One hash on the path is another.
    BadHash,
    /// The root is another, in proof and checkpoint alike.
    BadRoot,
    /// The index is that of the entry before.
    BadIndex,
}

/// The checkpoint beside an inclusion proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Checkpoint {
    /// Sound.
    #[default]
    Good,
    /// Not there.
    Missing,
    /// One bit of the signature is turned over.
    BadSignature,
    /// That of the tree before this entry.
    Stale,
    /// Of another log, by the right key.
    OtherOrigin,
    /// With another root than the proof.
    OtherRoot,
    /// The hint names another key.
    BadHint,
    /// Signed twice, by the log and by strangers, in odd order.
    Crowded,
    /// Cosigned by a witness.
    Witnessed,
}

/// What the timestamp authority answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Stamp {
    /// A sound token.
    #[default]
    Good,
    /// A token with one bit of its signature turned over.
    BadSignature,
    /// A token over something else.
    OtherImprint,
    /// A token with another nonce.
    OtherNonce,
    /// A token without the nonce that was asked for.
    NoNonce,
    /// A refusal with a reason.
    Rejected,
    /// A token without the certificate that was asked for.
    NoCertificate,
    /// A token by a key that its certificate does not hold.
    OtherKey,
    /// Something that is no answer at all.
    Garbage,
}

/// All that can be wrong while an instance runs. The default is a sound Sigstore.
#[derive(Debug, Clone, Default)]
pub struct Knobs {
    /// The timestamps of the certificate log.
    pub sct: Sct,
    /// What leaf certificates are good for.
    pub purpose: Purpose,
    /// Seconds that leaf certificates live; nothing means ten minutes.
    pub leaf_seconds: Option<i64>,
    /// A second subject alternative name (an email address) in leaf certificates.
    pub second_name: Option<String>,
    /// Leaf certificates have no subject alternative name.
    pub no_name: bool,
    /// Leaf certificates lack the old extension of the issuer (1.1).
    pub no_old_issuer: bool,
    /// Leaf certificates lack the new extension of the issuer (1.8).
    pub no_new_issuer: bool,
    /// Leaf certificates carry a critical extension that nobody knows.
    pub unknown_critical: bool,
    /// Leaf certificates are signed by a key that their issuer does not hold.
    pub other_issuer_key: bool,
    /// The certificate says that it holds another key than the one that was asked for.
    pub other_leaf_key: bool,

    /// The promise of Rekor v1.
    pub promise: Promise,
    /// The inclusion proof, of both Rekors.
    pub proof: Proof,
    /// The checkpoint, of both Rekors.
    pub checkpoint: Checkpoint,
    /// Rekor v1 logs at this time (seconds since 1970) instead of now.
    pub integrated_time: Option<i64>,
    /// The log id of entries, instead of that of the log.
    pub log_id: Option<Vec<u8>>,

    /// What the timestamp authority answers.
    pub stamp: Stamp,
    /// Timestamps say this time (seconds since 1970) instead of now.
    pub stamp_time: Option<i64>,
}
