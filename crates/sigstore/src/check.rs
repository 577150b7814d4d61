//! Every check that stands between a candidate and a proof, by name.
use crate::verified::RefusedBecause;

/// One check. For each there is a test in which exactly that check fails: `tests/verify/checks.rs`
/// goes through [`Check::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Something is there at all.
    Found,
    /// The key signed these bytes.
    Signature,
    /// What was signed is this image.
    ImageDigest,
    /// What was signed names an image.
    NamesImage,
    /// One signature carries all annotations.
    Annotations,
    /// The statement is of the wanted type; a signature is no attestation.
    PredicateType,
    /// The envelope says that it holds a statement.
    PayloadType,
    /// A key signed, and not the holder of a certificate.
    KeyMaterial,
    /// The candidate can be read as what it claims to be.
    Shape,
    /// The signature comes with a log entry, where one is demanded.
    LogEntry,
    /// The log entry is proved, and about this signature, key and payload.
    LogProof,
    /// The signature comes with a certificate, where the holder of one must have signed.
    SignerCertificate,
    /// The certificate was issued by a trusted root and valid when it was used.
    CertificatePath,
    /// A certificate log knows the certificate.
    CertificateLog,
    /// A timestamp is there, where one is demanded.
    Timestamp,
    /// A timestamp that is needed holds.
    TimestampProof,
    /// Something proves when the certificate was used.
    ProvenTime,
    /// The trust material that the requirement names is at hand.
    TrustMaterial,
    /// Bytes are what their digest says.
    ContentDigest,
    /// A list of candidates can be read.
    Listing,
    /// No more candidates than are examined.
    CandidateCount,
    /// No layer longer than is read.
    LayerSize,
    /// No manifest longer than is read.
    ManifestSize,
    /// A bundle is of a version that is known.
    BundleVersion,
    /// The certificate's holder is the wanted identity.
    Identity,
    /// The registry answered.
    Answered,
}

impl Check {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::Found,
        Self::Signature,
        Self::ImageDigest,
        Self::NamesImage,
        Self::Annotations,
        Self::PredicateType,
        Self::PayloadType,
        Self::KeyMaterial,
        Self::Shape,
        Self::LogEntry,
        Self::LogProof,
        Self::SignerCertificate,
        Self::CertificatePath,
        Self::CertificateLog,
        Self::Timestamp,
        Self::TimestampProof,
        Self::ProvenTime,
        Self::TrustMaterial,
        Self::ContentDigest,
        Self::Listing,
        Self::CandidateCount,
        Self::LayerSize,
        Self::ManifestSize,
        Self::BundleVersion,
        Self::Identity,
        Self::Answered,
    ];
}

impl RefusedBecause {
    /// The check that failed.
    pub fn check(&self) -> Check {
        match self {
            Self::NothingFound => Check::Found,
            Self::WrongDigest { .. } => Check::ImageDigest,
            Self::NoDigest => Check::NamesImage,
            Self::WrongKey { .. } => Check::Signature,
            Self::WrongAnnotation { .. } => Check::Annotations,
            Self::OtherPredicateType { .. } => Check::PredicateType,
            Self::WrongPayloadType { .. } => Check::PayloadType,
            Self::CertificateForKey => Check::KeyMaterial,
            Self::Malformed { .. } => Check::Shape,
            Self::LogEntryMissing => Check::LogEntry,
            Self::LogEntry { .. } => Check::LogProof,
            Self::CertificateMissing => Check::SignerCertificate,
            Self::Certificate { .. } => Check::CertificatePath,
            Self::Sct { .. } => Check::CertificateLog,
            Self::Identity { .. } => Check::Identity,
            Self::TimestampMissing => Check::Timestamp,
            Self::Timestamp { .. } => Check::TimestampProof,
            Self::NoTime => Check::ProvenTime,
        }
    }
}
