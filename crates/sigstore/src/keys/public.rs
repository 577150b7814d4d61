//! Public keys: canonical SPKI, and whether a signature is theirs.
use super::{Algorithm, Certificate, KeyError, pem};
use crate::{
    der::{self, Reader},
    encoding::{encode_base64, hex, sha256},
};
use aws_lc_rs::{
    digest,
    signature::{self as crypto, UnparsedPublicKey, VerificationAlgorithm},
};
use ed25519_dalek::{Digest as _, Sha512, VerifyingKey};
use smol_str::SmolStr;
use std::borrow::Cow;

/// Most keys that are read from one text.
pub const MAX_KEYS: usize = 64;

/// A public key as SPKI in DER.
///
/// The functions that read one give it its canonical form (uncompressed point, named curve), so
/// that equal keys are equal bytes. Bytes that are no key verify nothing.
///
/// SPEC: RFC 5280 section 4.1 (SubjectPublicKeyInfo), RFC 5480, RFC 8017 appendix A, RFC 8410.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub Vec<u8>);

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

/// The signature was not made by this key over these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature does not match")]
pub struct SignatureMismatch;

pub(super) const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
pub(super) const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
pub(super) const OID_P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
pub(super) const OID_P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
pub(super) const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
pub(super) const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// A curve's algorithm by its object identifier.
pub(super) fn curve(oid: &[u8]) -> Result<Algorithm, KeyError> {
    match oid {
        OID_P256 => Ok(Algorithm::EcdsaP256),
        OID_P384 => Ok(Algorithm::EcdsaP384),
        OID_P521 => Ok(Algorithm::EcdsaP521),
        _ => Err(KeyError::Algorithm { oid: hex(oid) }),
    }
}

/// Length of a coordinate in bytes; `None` when it is no curve.
pub(super) fn field_bytes(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::EcdsaP256 => Some(32),
        Algorithm::EcdsaP384 => Some(48),
        Algorithm::EcdsaP521 => Some(66),
        Algorithm::Rsa { .. } | Algorithm::Ed25519 => None,
    }
}

/// The parts of a key that verification needs, borrowed from its SPKI.
struct Parts<'a> {
    algorithm: Algorithm,
    /// The point, the PKCS#1 structure, or the 32 bytes.
    key: &'a [u8],
}

impl PublicKey {
    /// Reads SPKI in DER and checks that it is a key of a supported kind.
    pub fn parse_der(spki: &[u8]) -> Result<Self, KeyError> {
        let parts = parts(spki)?;
        let sound = match parts.algorithm {
            Algorithm::EcdsaP256 => parses(&crypto::ECDSA_P256_SHA256_ASN1, parts.key),
            Algorithm::EcdsaP384 => parses(&crypto::ECDSA_P384_SHA384_ASN1, parts.key),
            Algorithm::EcdsaP521 => parses(&crypto::ECDSA_P521_SHA512_ASN1, parts.key),
            Algorithm::Rsa { .. } => parses(&crypto::RSA_PKCS1_2048_8192_SHA256, parts.key),
            Algorithm::Ed25519 => ed25519(parts.key).is_some_and(|key| !key.is_weak()),
        };
        if !sound {
            return Err(KeyError::Weak);
        }
        Ok(Self(spki.to_vec()))
    }

    /// Reads an RSA key in PKCS#1, as some logs publish theirs.
    pub fn parse_pkcs1(bytes: &[u8]) -> Result<Self, KeyError> {
        Self::parse_der(&rsa_spki(bytes))
    }

    /// The Ed25519 key of these 32 bytes.
    pub(crate) fn from_ed25519(bytes: &[u8]) -> Result<Self, KeyError> {
        Self::parse_der(&ed25519_spki(bytes))
    }

    /// The P-256 key of this uncompressed point.
    pub(crate) fn from_p256_point(point: &[u8]) -> Result<Self, KeyError> {
        Self::parse_der(&ec_spki(OID_P256, point))
    }

    /// Reads one key: `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`; more than one is an error.
    pub fn parse_pem(text: &str) -> Result<Self, KeyError> {
        let mut keys = Self::parse_pem_all(text)?;
        match (keys.pop(), keys.len()) {
            (Some(key), 0) => Ok(key),
            (_, rest) => Err(KeyError::Several { found: rest + 1 }),
        }
    }

    /// Reads all keys of a text, in order; one that cannot be read is an error of the whole, since
    /// a key left out would change what a count means.
    pub fn parse_pem_all(text: &str) -> Result<Vec<Self>, KeyError> {
        let blocks = pem::parse(text)?;
        if blocks.len() > MAX_KEYS {
            return Err(KeyError::TooLarge);
        }
        let read = |block: &pem::Block| match block.label.as_str() {
            "PUBLIC KEY" => Self::parse_der(&block.contents),
            "RSA PUBLIC KEY" => Self::parse_der(&rsa_spki(&block.contents)),
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
                Certificate::parse_der(&block.contents).map(|c| c.key().clone())
            }
            _ => {
                Err(KeyError::Label { label: crate::encoding::printable(&block.label).to_string() })
            }
        };
        blocks.iter().map(read).collect()
    }

    /// What kind of key it is; an error when the bytes were not read by one of the above.
    pub fn algorithm(&self) -> Result<Algorithm, KeyError> {
        parts(&self.0).map(|parts| parts.algorithm)
    }

    /// The SPKI.
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }

    /// What the SPKI wraps: the point, the PKCS#1 structure, or the 32 bytes.
    pub(crate) fn key_bytes(&self) -> Option<&[u8]> {
        parts(&self.0).ok().map(|parts| parts.key)
    }

    /// The 32 bytes of an Ed25519 key.
    pub(crate) fn ed25519_bytes(&self) -> Option<&[u8]> {
        let parts = parts(&self.0).ok()?;
        (parts.algorithm == Algorithm::Ed25519).then_some(parts.key)
    }

    /// `-----BEGIN PUBLIC KEY-----`, as `cosign.pub` holds it.
    pub fn to_pem(&self) -> String {
        std::mem::take(&mut *pem::write("PUBLIC KEY", &self.0))
    }

    /// The key's identity: SHA-256 over the SPKI, in lower-case hexadecimal.
    pub fn id(&self) -> SmolStr {
        SmolStr::new(hex(&sha256(&self.0)))
    }

    /// The key's identity as a bundle names it: the same hash in base64.
    pub fn hint(&self) -> String {
        encode_base64(&sha256(&self.0))
    }

    /// False when no signature of this length can be this key's, whatever was signed.
    pub fn could_have_made(&self, signature: &[u8]) -> bool {
        let Ok(parts) = parts(&self.0) else { return false };
        match (parts.algorithm, field_bytes(parts.algorithm)) {
            (Algorithm::Rsa { bits }, _) => signature.len() == usize::from(bits).div_ceil(8),
            (Algorithm::Ed25519, _) => signature.len() == 64,
            (_, Some(field)) => {
                signature.len() == 2 * field || ecdsa_fits(signature, field).is_some()
            }
            (_, None) => false,
        }
    }

    /// Checks a signature over bytes of which only the SHA-256 hash is at hand: ECDSA and RSA with
    /// that hash. Ed25519 and other hashes need the bytes.
    pub fn verify_sha256(
        &self,
        hash: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), SignatureMismatch> {
        let parts = parts(&self.0).map_err(|_| SignatureMismatch)?;
        let candidates: &[&'static dyn VerificationAlgorithm] = match parts.algorithm {
            Algorithm::EcdsaP256 => &[&crypto::ECDSA_P256_SHA256_ASN1],
            Algorithm::EcdsaP384 => &[&crypto::ECDSA_P384_SHA256_ASN1],
            Algorithm::EcdsaP521 => &[&crypto::ECDSA_P521_SHA256_ASN1],
            Algorithm::Rsa { .. } => {
                &[&crypto::RSA_PKCS1_2048_8192_SHA256, &crypto::RSA_PSS_2048_8192_SHA256]
            }
            Algorithm::Ed25519 => &[],
        };
        let hash = digest::Digest::import_less_safe(hash, &digest::SHA256)
            .map_err(|_| SignatureMismatch)?;
        let signature = as_der(parts.algorithm, signature)?;
        for algorithm in candidates {
            let key = UnparsedPublicKey::new(*algorithm, parts.key);
            if key.verify_digest(&hash, &signature).is_ok() {
                return Ok(());
            }
        }
        Err(SignatureMismatch)
    }

    /// Checks a signature over `message` in each sound combination of this key and a hash: ECDSA
    /// with SHA-256, SHA-384 or SHA-512 (DER, or the two numbers side by side), RSA PKCS#1 v1.5 and
    /// PSS with the same three, Ed25519 pure and prehashed.
    ///
    /// COMPAT: cosign 3.1.1: signs P-384 with SHA-384, P-521 with SHA-512 and Ed25519 prehashed,
    /// and then verifies with SHA-256 and pure Ed25519, so its own signatures fail by default. All
    /// of these are unforgeable and domain separated; here each verifies.
    /// test: each_sound_combination_verifies
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureMismatch> {
        let parts = parts(&self.0).map_err(|_| SignatureMismatch)?;
        let candidates: &[&'static dyn VerificationAlgorithm] = match parts.algorithm {
            Algorithm::EcdsaP256 => &[
                &crypto::ECDSA_P256_SHA256_ASN1,
                &crypto::ECDSA_P256_SHA384_ASN1,
                &crypto::ECDSA_P256_SHA512_ASN1,
            ],
            Algorithm::EcdsaP384 => &[
                &crypto::ECDSA_P384_SHA384_ASN1,
                &crypto::ECDSA_P384_SHA256_ASN1,
                &crypto::ECDSA_P384_SHA512_ASN1,
            ],
            Algorithm::EcdsaP521 => &[
                &crypto::ECDSA_P521_SHA512_ASN1,
                &crypto::ECDSA_P521_SHA256_ASN1,
                &crypto::ECDSA_P521_SHA384_ASN1,
            ],
            Algorithm::Rsa { .. } => &[
                &crypto::RSA_PKCS1_2048_8192_SHA256,
                &crypto::RSA_PKCS1_2048_8192_SHA384,
                &crypto::RSA_PKCS1_2048_8192_SHA512,
                &crypto::RSA_PSS_2048_8192_SHA256,
                &crypto::RSA_PSS_2048_8192_SHA384,
                &crypto::RSA_PSS_2048_8192_SHA512,
            ],
            Algorithm::Ed25519 => return verify_ed25519(parts.key, message, signature),
        };
        let signature = as_der(parts.algorithm, signature)?;
        for algorithm in candidates {
            if UnparsedPublicKey::new(*algorithm, parts.key).verify(message, &signature).is_ok() {
                return Ok(());
            }
        }
        Err(SignatureMismatch)
    }
}

fn parses(algorithm: &'static dyn VerificationAlgorithm, key: &[u8]) -> bool {
    UnparsedPublicKey::new(algorithm, key).parse().is_ok()
}

/// Takes SPKI apart; checks the shape, not the numbers.
fn parts(spki: &[u8]) -> Result<Parts<'_>, KeyError> {
    let malformed = || KeyError::Malformed { what: "public key" };
    let mut outer = Reader::new(spki);
    let mut info = outer.enter(der::SEQUENCE).ok_or_else(malformed)?;
    outer.end().ok_or_else(malformed)?;
    let mut identifier = info.enter(der::SEQUENCE).ok_or_else(malformed)?;
    let key = info.bits().ok_or_else(malformed)?;
    info.end().ok_or_else(malformed)?;
    let oid = identifier.take(der::OID).ok_or_else(malformed)?;
    let algorithm = match oid {
        OID_EC => {
            let algorithm = curve(identifier.take(der::OID).ok_or_else(malformed)?)?;
            let field = field_bytes(algorithm).ok_or_else(malformed)?;
            // Uncompressed only: a second spelling would be a second identity, and Go refuses it.
            if key.first() != Some(&4) || key.len() != 1 + 2 * field {
                return Err(malformed());
            }
            algorithm
        }
        OID_RSA => {
            identifier.take(der::NULL).filter(|null| null.is_empty()).ok_or_else(malformed)?;
            let mut outer = Reader::new(key);
            let mut numbers = outer.enter(der::SEQUENCE).ok_or_else(malformed)?;
            outer.end().ok_or_else(malformed)?;
            let modulus = numbers.positive().ok_or_else(malformed)?;
            numbers.positive().ok_or_else(malformed)?;
            numbers.end().ok_or_else(malformed)?;
            let leading = modulus.first().map_or(0, |first| first.leading_zeros());
            let bits =
                (modulus.len() * 8).saturating_sub(usize::try_from(leading).unwrap_or_default());
            match u16::try_from(bits) {
                Ok(bits @ 2048..=4096) => Algorithm::Rsa { bits },
                _ => return Err(KeyError::RsaSize { bits }),
            }
        }
        OID_ED25519 if key.len() == 32 => Algorithm::Ed25519,
        OID_ED25519 => return Err(malformed()),
        _ => return Err(KeyError::Algorithm { oid: hex(oid) }),
    };
    identifier.end().ok_or_else(malformed)?;
    Ok(Parts { algorithm, key })
}

/// SPKI around PKCS#1.
pub(super) fn rsa_spki(pkcs1: &[u8]) -> Vec<u8> {
    let oid = der::element(der::OID, OID_RSA);
    let identifier = der::sequence(&[&oid, &der::element(der::NULL, &[])]);
    der::sequence(&[&identifier, &der::bit_string(pkcs1)])
}

/// SPKI around an uncompressed point.
pub(super) fn ec_spki(curve: &[u8], point: &[u8]) -> Vec<u8> {
    let identifier =
        der::sequence(&[&der::element(der::OID, OID_EC), &der::element(der::OID, curve)]);
    der::sequence(&[&identifier, &der::bit_string(point)])
}

/// SPKI around the 32 bytes.
pub(super) fn ed25519_spki(key: &[u8]) -> Vec<u8> {
    let identifier = der::sequence(&[&der::element(der::OID, OID_ED25519)]);
    der::sequence(&[&identifier, &der::bit_string(key)])
}

/// A signature as the library wants it: ECDSA's two numbers side by side become DER.
fn as_der(algorithm: Algorithm, signature: &[u8]) -> Result<Cow<'_, [u8]>, SignatureMismatch> {
    match field_bytes(algorithm) {
        Some(field) if ecdsa_fits(signature, field).is_none() => {
            ecdsa_from_raw(signature, field).map(Cow::Owned).ok_or(SignatureMismatch)
        }
        _ => Ok(Cow::Borrowed(signature)),
    }
}

/// `Some` when it is DER of two positive numbers that fit the field.
fn ecdsa_fits(signature: &[u8], field: usize) -> Option<()> {
    let mut outer = Reader::new(signature);
    let mut numbers = outer.enter(der::SEQUENCE)?;
    outer.end()?;
    for _ in 0..2 {
        if numbers.positive()?.len() > field {
            return None;
        }
    }
    numbers.end()
}

/// DER from `r||s`.
fn ecdsa_from_raw(signature: &[u8], field: usize) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at_checked(field)?;
    if s.len() != field {
        return None;
    }
    Some(der::sequence(&[&der::integer(r), &der::integer(s)]))
}

fn ed25519(key: &[u8]) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(key.try_into().ok()?).ok()
}

fn verify_ed25519(key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureMismatch> {
    if UnparsedPublicKey::new(&crypto::ED25519, key).verify(message, signature).is_ok() {
        return Ok(());
    }
    // SPEC: RFC 8032 section 5.1: the prehashed form signs under its own prefix, so a signature of
    // one form is never one of the other.
    let key = ed25519(key).ok_or(SignatureMismatch)?;
    let signature =
        ed25519_dalek::Signature::from_slice(signature).map_err(|_| SignatureMismatch)?;
    let hash = Sha512::new_with_prefix(message);
    key.verify_prehashed_strict(hash, None, &signature).map_err(|_| SignatureMismatch)
}
