//! Sigstore bundles: one signed thing with all the material that verifies it.
//!
//! SPEC: sigstore protobuf-specs 0.5, sigstore_bundle.proto, in protobuf's JSON mapping: lower camel
//! case or the names of the fields, either base64, 64-bit integers as strings.
use crate::{
    dsse::{self, Envelope, EnvelopeError},
    encoding::{EnumValue, decode_base64_protobuf},
    tlog::{EntryError, LogEntry, WireEntry},
};
use serde::Deserialize;

/// The media type that is written.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Most log entries, and most timestamps, of one bundle.
pub const MAX_ENTRIES: usize = 32;

/// Which rules a bundle is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// Log entries need an inclusion promise.
    V01,
    /// Log entries need an inclusion proof.
    V02,
    /// No certificate chains; the only one that counts in a registry.
    V03,
}

/// A bundle whose structure is sound; nothing in it is verified yet.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The rules that it was checked by.
    pub version: Version,
    /// What was signed.
    pub content: Content,
    /// By what it says it can be verified.
    pub material: Material,
    /// The log entries that it brings.
    pub log_entries: Vec<LogEntry>,
    /// The timestamps that it brings: RFC 3161 responses.
    pub timestamps: Vec<Vec<u8>>,
}

/// What was signed.
#[derive(Clone, Debug)]
pub enum Content {
    /// An envelope with exactly one signature.
    Envelope(Envelope),
    /// A signature over an artifact that is not in the bundle.
    Message(MessageSignature),
}

/// A signature over an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSignature {
    /// Digest of the artifact, when it is stated.
    ///
    /// COMPAT: cosign 3.1.1: writes an empty one for Ed25519 without a log and then refuses it; here
    /// the signature is checked over the bytes. test: a_missing_message_digest_is_no_obstacle
    pub digest: Option<(HashName, Vec<u8>)>,
    /// The signature.
    pub signature: Vec<u8>,
}

/// Hash functions of message digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashName {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// By what a bundle says it can be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Material {
    /// A key, by a hint that nobody has to believe.
    PublicKey {
        /// As it is spelled.
        hint: String,
    },
    /// Certificates in DER, the leaf first.
    Certificates(Vec<Vec<u8>>),
}

/// Why bytes are no sound bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Not JSON of this shape.
    #[error("malformed bundle")]
    Malformed,
    /// A version that is not known: there may be a signature in it.
    #[error("unsupported bundle version {media_type:?}")]
    Version {
        /// What the bundle says.
        media_type: String,
    },
    /// Neither or both of envelope and message signature.
    #[error("bundle must hold exactly one of an envelope and a message signature")]
    Content,
    /// None or several of key, certificate and chain.
    #[error("bundle must hold exactly one of a key, a certificate and a chain")]
    Material,
    /// The envelope is broken.
    #[error("bundle's envelope")]
    Envelope(#[from] EnvelopeError),
    /// The envelope does not have exactly one signature.
    #[error("bundle's envelope has {found} signatures, exactly one is allowed")]
    Signatures {
        /// How many.
        found: usize,
    },
    /// Something that must be base64 is not.
    #[error("bundle holds bad base64")]
    Base64,
    /// A hash function that message digests do not use, or a digest that is not as long as its hash.
    #[error("unsupported hash in bundle")]
    Hash,
    /// A log entry without what its version demands.
    #[error("log entry without {missing}")]
    LogEntry {
        /// `inclusion promise` or `inclusion proof`.
        missing: &'static str,
    },
    /// A log entry that cannot be read.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// More log entries or timestamps than are read.
    #[error("bundle has too many log entries or timestamps")]
    TooMany,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(
        rename = "mediaType",
        alias = "media_type",
        default,
        deserialize_with = "crate::encoding::or_default"
    )]
    media_type: String,
    #[serde(rename = "verificationMaterial", alias = "verification_material")]
    material: WireMaterial,
    #[serde(rename = "messageSignature", alias = "message_signature", default)]
    message: Option<WireMessage>,
    #[serde(rename = "dsseEnvelope", alias = "dsse_envelope", default)]
    envelope: Option<dsse::Wire>,
}

#[derive(Deserialize)]
struct WireMaterial {
    #[serde(rename = "publicKey", alias = "public_key", default)]
    public_key: Option<WireKey>,
    #[serde(rename = "x509CertificateChain", alias = "x509_certificate_chain", default)]
    chain: Option<WireChain>,
    #[serde(default)]
    certificate: Option<WireCertificate>,
    #[serde(rename = "tlogEntries", alias = "tlog_entries", default)]
    entries: Option<Vec<WireEntry>>,
    #[serde(rename = "timestampVerificationData", alias = "timestamp_verification_data", default)]
    timestamps: Option<WireTimestamps>,
}

#[derive(Deserialize)]
struct WireKey {
    #[serde(default, deserialize_with = "crate::encoding::or_default")]
    hint: String,
}

#[derive(Deserialize)]
struct WireChain {
    #[serde(default, deserialize_with = "crate::encoding::or_default")]
    certificates: Vec<WireCertificate>,
}

#[derive(Deserialize)]
struct WireCertificate {
    #[serde(
        rename = "rawBytes",
        alias = "raw_bytes",
        default,
        deserialize_with = "crate::encoding::or_default"
    )]
    raw: String,
}

#[derive(Deserialize)]
struct WireTimestamps {
    #[serde(rename = "rfc3161Timestamps", alias = "rfc3161_timestamps", default)]
    rfc3161: Option<Vec<WireTimestamp>>,
}

#[derive(Deserialize)]
struct WireTimestamp {
    #[serde(
        rename = "signedTimestamp",
        alias = "signed_timestamp",
        default,
        deserialize_with = "crate::encoding::or_default"
    )]
    signed: String,
}

#[derive(Deserialize)]
struct WireMessage {
    #[serde(rename = "messageDigest", alias = "message_digest", default)]
    digest: Option<WireDigest>,
    #[serde(default, deserialize_with = "crate::encoding::or_default")]
    signature: String,
}

#[derive(Deserialize)]
struct WireDigest {
    #[serde(default)]
    algorithm: Option<EnumValue>,
    #[serde(default, deserialize_with = "crate::encoding::or_default")]
    digest: String,
}

impl Bundle {
    /// Reads a bundle and checks its structure by the rules of its version.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let mut wire: Wire = crate::encoding::parse_object(bytes).ok_or(BundleError::Malformed)?;
        let version = version(&wire.media_type).ok_or_else(|| BundleError::Version {
            media_type: crate::encoding::printable(&wire.media_type).to_string(),
        })?;
        let (log_entries, timestamps) = read_entries(&mut wire.material, version)?;
        let material = material(wire.material, version)?;
        let content = match (wire.envelope, wire.message) {
            (Some(envelope), None) => {
                let envelope = Envelope::from_wire(envelope, decode_base64_protobuf)?;
                if envelope.signatures.len() != 1 {
                    return Err(BundleError::Signatures { found: envelope.signatures.len() });
                }
                Content::Envelope(envelope)
            }
            (None, Some(message)) => Content::Message(message.decode()?),
            _ => return Err(BundleError::Content),
        };
        Ok(Self { version, content, material, log_entries, timestamps })
    }
}

impl WireMessage {
    fn decode(self) -> Result<MessageSignature, BundleError> {
        let signature = decode_base64_protobuf(&self.signature).ok_or(BundleError::Base64)?;
        let digest = match self.digest {
            None => None,
            Some(WireDigest { algorithm: None, digest }) if digest.is_empty() => None,
            Some(WireDigest { algorithm, digest }) => {
                let algorithm = match algorithm.map(EnumValue::into_name).as_deref() {
                    Some("SHA2_256" | "1") => HashName::Sha256,
                    Some("SHA2_384" | "2") => HashName::Sha384,
                    Some("SHA2_512" | "3") => HashName::Sha512,
                    Some(_) | None => return Err(BundleError::Hash),
                };
                let digest = decode_base64_protobuf(&digest).ok_or(BundleError::Base64)?;
                let length = match algorithm {
                    HashName::Sha256 => 32,
                    HashName::Sha384 => 48,
                    HashName::Sha512 => 64,
                };
                if digest.len() != length {
                    return Err(BundleError::Hash);
                }
                Some((algorithm, digest))
            }
        };
        Ok(MessageSignature { digest, signature })
    }
}

/// SPEC: sigstore bundle media types; anything else may be a newer version.
fn version(media_type: &str) -> Option<Version> {
    match media_type {
        "application/vnd.dev.sigstore.bundle+json;version=0.1" => Some(Version::V01),
        "application/vnd.dev.sigstore.bundle+json;version=0.2" => Some(Version::V02),
        "application/vnd.dev.sigstore.bundle+json;version=0.3" | MEDIA_TYPE => Some(Version::V03),
        _ => None,
    }
}

/// SPEC: sigstore_bundle.proto: 0.1 needs a promise in each entry, later versions a proof that ends in
/// a checkpoint.
fn read_entries(
    material: &mut WireMaterial,
    version: Version,
) -> Result<(Vec<LogEntry>, Vec<Vec<u8>>), BundleError> {
    let entries = material.entries.take().unwrap_or_default();
    let timestamps = material.timestamps.take().and_then(|t| t.rfc3161).unwrap_or_default();
    if entries.len() > MAX_ENTRIES || timestamps.len() > MAX_ENTRIES {
        return Err(BundleError::TooMany);
    }
    let entries: Vec<_> = entries.into_iter().map(WireEntry::read).collect::<Result<_, _>>()?;
    for entry in &entries {
        if version == Version::V01 && entry.promise.is_none() {
            return Err(BundleError::LogEntry { missing: "inclusion promise" });
        }
        if version > Version::V01 {
            let proof = entry.proof.as_ref();
            let proof = proof.ok_or(BundleError::LogEntry { missing: "inclusion proof" })?;
            if proof.checkpoint.is_empty() {
                return Err(BundleError::LogEntry { missing: "checkpoint" });
            }
        }
    }
    let decode = |timestamp: WireTimestamp| decode_base64_protobuf(&timestamp.signed);
    let timestamps: Option<_> = timestamps.into_iter().map(decode).collect();
    Ok((entries, timestamps.ok_or(BundleError::Base64)?))
}

fn material(wire: WireMaterial, version: Version) -> Result<Material, BundleError> {
    let decode = |certificate: WireCertificate| {
        decode_base64_protobuf(&certificate.raw)
            .filter(|raw| !raw.is_empty())
            .ok_or(BundleError::Base64)
    };
    match (wire.public_key, wire.certificate, wire.chain) {
        (Some(key), None, None) => Ok(Material::PublicKey { hint: key.hint }),
        (None, Some(certificate), None) => Ok(Material::Certificates(vec![decode(certificate)?])),
        (None, None, Some(chain)) if version < Version::V03 => {
            let chain: Vec<_> =
                chain.certificates.into_iter().map(decode).collect::<Result<_, _>>()?;
            if chain.is_empty() || chain.len() > MAX_ENTRIES {
                return Err(BundleError::Material);
            }
            Ok(Material::Certificates(chain))
        }
        _ => Err(BundleError::Material),
    }
}

#[cfg(test)]
mod tests;
