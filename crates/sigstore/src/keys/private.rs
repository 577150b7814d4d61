//! Private keys: read, made from handed-in randomness, and used to sign.
//!
//! Whatever form a key is read from, it is kept as PKCS#8, which is what cosign encrypts.
use super::{
    Algorithm, KeyError, PublicKey, pem,
    public::{
        OID_EC, OID_ED25519, OID_P256, OID_P384, OID_P521, OID_RSA, curve, ec_spki, ed25519_spki,
        field_bytes, rsa_spki,
    },
};
use crate::{
    der::{self, Reader},
    encoding::hex,
};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{self as crypto, EcdsaKeyPair, KeyPair as _, RsaKeyPair},
};
use ed25519_dalek::{Digest as _, Sha512, Signer as _, SigningKey};
use std::fmt;
use zeroize::Zeroizing;

/// Longest key file that is read, in bytes.
pub const MAX_KEY_FILE: usize = 64 * 1024;

/// Where randomness comes from: the operating system in the binary, fixed bytes in a replay.
pub trait Entropy {
    /// Fills the whole of `out` with bytes that nobody can predict.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError>;
}

/// The source of randomness failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no randomness available")]
pub struct EntropyError;

/// Something that signs: a key in memory, later a key in a KMS.
pub trait Signer {
    /// The key that will verify.
    fn public_key(&self) -> &PublicKey;
    /// Signs the message: ECDSA gives DER, RSA PKCS#1 v1.5, Ed25519 64 bytes.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// The cryptographic library refused to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signing failed")]
pub struct SignError;

/// Which of the two forms of Ed25519 signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ed25519Form {
    /// Over the message; every verifier reads it.
    ///
    /// COMPAT: cosign 3.1.1: signs images prehashed, which neither it nor cosign 2 verifies.
    /// test: cosign_verifies_an_image_signed_with_ed25519
    #[default]
    Pure,
    /// Over SHA-512 of the message, as a transparency log wants it.
    Prehashed,
}

enum Key {
    Ecdsa(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
    // Its own Drop wipes it.
    Ed25519(Box<SigningKey>, Ed25519Form),
}

/// A private key. Never printed; wiped when dropped.
pub struct PrivateKey {
    key: Key,
    public: PublicKey,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl PrivateKey {
    /// Makes an ECDSA P-256 key, cosign's default.
    ///
    /// SPEC: FIPS 186-5 appendix A.2.2: candidates outside the range are thrown away.
    pub fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        // A candidate is out of range once in 2^32: the second failure is a broken source.
        for _ in 0..8 {
            let mut scalar = Zeroizing::new([0; 32]);
            entropy.fill(&mut *scalar)?;
            if let Ok(key) = Self::from_scalar(Algorithm::EcdsaP256, &*scalar) {
                return Ok(key);
            }
        }
        Err(EntropyError)
    }

    /// Makes an Ed25519 key.
    pub fn generate_ed25519(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        let mut seed = Zeroizing::new([0; 32]);
        entropy.fill(&mut *seed)?;
        Ok(Self::from_ed25519_seed(&seed))
    }

    /// Reads an unencrypted PEM: `PRIVATE KEY`, `EC PRIVATE KEY` or `RSA PRIVATE KEY`.
    pub fn parse_pem(text: &str) -> Result<Self, KeyError> {
        let blocks = pem::parse(text)?;
        // `openssl ecparam -genkey` writes the parameters in a block of their own.
        let mut blocks = blocks.iter().filter(|block| block.label != "EC PARAMETERS");
        let block = blocks.next().ok_or(KeyError::NoPem)?;
        let rest = blocks.count();
        if rest > 0 {
            return Err(KeyError::Several { found: rest + 1 });
        }
        match block.label.as_str() {
            "PRIVATE KEY" => Self::parse_pkcs8(&block.contents),
            "EC PRIVATE KEY" => Self::parse_sec1(&block.contents, None),
            "RSA PRIVATE KEY" => Self::parse_pkcs1(&block.contents),
            "ENCRYPTED PRIVATE KEY" => Err(KeyError::ForeignEncryption),
            label => Err(KeyError::Label { label: crate::encoding::printable(label).to_string() }),
        }
    }

    /// Reads PKCS#8.
    ///
    /// SPEC: RFC 5958 section 2, RFC 8410 section 7.
    pub fn parse_pkcs8(bytes: &[u8]) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed { what: "PKCS#8 private key" };
        let mut outer = Reader::new(bytes);
        let mut info = outer.enter(der::SEQUENCE).ok_or_else(malformed)?;
        outer.end().ok_or_else(malformed)?;
        info.positive().filter(|version| matches!(version, [0 | 1])).ok_or_else(malformed)?;
        let mut identifier = info.enter(der::SEQUENCE).ok_or_else(malformed)?;
        let inner = info.take(der::OCTET_STRING).ok_or_else(malformed)?;
        // Attributes and the public key may follow; the key is computed anew.
        let oid = identifier.take(der::OID).ok_or_else(malformed)?;
        match oid {
            OID_EC => {
                let curve_oid = identifier.take(der::OID).ok_or_else(malformed)?;
                Self::parse_sec1(inner, Some(curve(curve_oid)?))
            }
            OID_RSA => Self::parse_pkcs1(inner),
            OID_ED25519 => {
                let mut seed = Reader::new(inner);
                let seed = seed
                    .take(der::OCTET_STRING)
                    .filter(|_| seed.is_empty())
                    .and_then(|seed| <&[u8; 32]>::try_from(seed).ok())
                    .ok_or_else(malformed)?;
                Ok(Self::from_ed25519_seed(seed))
            }
            _ => Err(KeyError::Algorithm { oid: hex(oid) }),
        }
    }

    /// Signs in this form, when it is an Ed25519 key.
    #[must_use]
    pub fn with_ed25519_form(mut self, form: Ed25519Form) -> Self {
        if let Key::Ed25519(_, current) = &mut self.key {
            *current = form;
        }
        self
    }

    /// PKCS#8, wiped when dropped.
    pub fn to_pkcs8(&self) -> &Zeroizing<Vec<u8>> {
        &self.pkcs8
    }

    /// SPEC: RFC 5915 section 3 (SEC1).
    fn parse_sec1(bytes: &[u8], known: Option<Algorithm>) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed { what: "EC private key" };
        let mut outer = Reader::new(bytes);
        let mut key = outer.enter(der::SEQUENCE).ok_or_else(malformed)?;
        outer.end().ok_or_else(malformed)?;
        key.positive().filter(|version| *version == [1]).ok_or_else(malformed)?;
        let scalar = key.take(der::OCTET_STRING).ok_or_else(malformed)?;
        let mut algorithm = known;
        if let Some(mut parameters) = key.enter(der::CONTEXT_0) {
            let named = curve(parameters.take(der::OID).ok_or_else(malformed)?)?;
            if known.is_some_and(|known| known != named) {
                return Err(malformed());
            }
            algorithm = Some(named);
        }
        let point = match key.enter(der::CONTEXT_1) {
            Some(mut stated) => Some(stated.bits().ok_or_else(malformed)?),
            None => None,
        };
        // Without the curve's name its length tells; a foreign curve then fails on the point.
        let by_length = || match point?.len() {
            65 => Some(Algorithm::EcdsaP256),
            97 => Some(Algorithm::EcdsaP384),
            133 => Some(Algorithm::EcdsaP521),
            _ => None,
        };
        let algorithm = algorithm.or_else(by_length).ok_or_else(malformed)?;
        let made = Self::from_scalar(algorithm, scalar)?;
        if point.is_some_and(|point| point.first() == Some(&4) && !made.public.0.ends_with(point)) {
            return Err(KeyError::Weak);
        }
        Ok(made)
    }

    /// SPEC: RFC 8017 appendix A.1.2.
    fn parse_pkcs1(bytes: &[u8]) -> Result<Self, KeyError> {
        // First the size, so that what comes out says why a small key is refused.
        let malformed = || KeyError::Malformed { what: "RSA private key" };
        let mut outer = Reader::new(bytes);
        let mut numbers = outer.enter(der::SEQUENCE).ok_or_else(malformed)?;
        outer.end().ok_or_else(malformed)?;
        numbers.positive().filter(|version| *version == [0]).ok_or_else(malformed)?;
        let modulus = numbers.positive().ok_or_else(malformed)?;
        let exponent = numbers.positive().ok_or_else(malformed)?;
        let public = der::sequence(&[&der::integer(modulus), &der::integer(exponent)]);
        let public = PublicKey::parse_der(&rsa_spki(&public))?;
        let key = RsaKeyPair::from_der(bytes).map_err(|_| KeyError::Weak)?;
        let identifier =
            der::sequence(&[&der::element(der::OID, OID_RSA), &der::element(der::NULL, &[])]);
        let inner = Zeroizing::new(der::element(der::OCTET_STRING, bytes));
        let pkcs8 = Zeroizing::new(der::sequence(&[&der::integer(&[0]), &identifier, &inner]));
        Ok(Self { key: Key::Rsa(Box::new(key)), public, pkcs8 })
    }

    fn from_scalar(algorithm: Algorithm, scalar: &[u8]) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed { what: "EC private key" };
        let field = field_bytes(algorithm).ok_or_else(malformed)?;
        let (curve, signing) = match algorithm {
            Algorithm::EcdsaP384 => (OID_P384, &crypto::ECDSA_P384_SHA384_ASN1_SIGNING),
            Algorithm::EcdsaP521 => (OID_P521, &crypto::ECDSA_P521_SHA512_ASN1_SIGNING),
            Algorithm::EcdsaP256 | Algorithm::Rsa { .. } | Algorithm::Ed25519 => {
                (OID_P256, &crypto::ECDSA_P256_SHA256_ASN1_SIGNING)
            }
        };
        // Some writers drop leading zeros, some add one.
        let digits = scalar.len() - scalar.iter().take_while(|b| **b == 0).count();
        let (_, digits) = scalar.split_at_checked(scalar.len() - digits).ok_or_else(malformed)?;
        let zeros = field.checked_sub(digits.len()).ok_or_else(malformed)?;
        let scalar = Zeroizing::new([&vec![0; zeros][..], digits].concat());
        let bare = ec_pkcs8(curve, &scalar, None);
        let key = EcdsaKeyPair::from_pkcs8(signing, &bare).map_err(|_| KeyError::Weak)?;
        let point = key.public_key().as_ref().to_vec();
        let public = PublicKey::parse_der(&ec_spki(curve, &point))?;
        let pkcs8 = ec_pkcs8(curve, &scalar, Some(&point));
        Ok(Self { key: Key::Ecdsa(key), public, pkcs8 })
    }

    fn from_ed25519_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = PublicKey(ed25519_spki(key.verifying_key().as_bytes()));
        let identifier = der::sequence(&[&der::element(der::OID, OID_ED25519)]);
        let inner = Zeroizing::new(der::element(der::OCTET_STRING, seed));
        let inner = Zeroizing::new(der::element(der::OCTET_STRING, &inner));
        let pkcs8 = Zeroizing::new(der::sequence(&[&der::integer(&[0]), &identifier, &inner]));
        Self { key: Key::Ed25519(Box::new(key), Ed25519Form::default()), public, pkcs8 }
    }
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        match &self.key {
            Key::Ecdsa(key) => key
                .sign(&nonces(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| SignError),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&crypto::RSA_PKCS1_SHA256, &nonces(), message, &mut signature)
                    .map_err(|_| SignError)?;
                Ok(signature)
            }
            Key::Ed25519(key, Ed25519Form::Pure) => {
                key.try_sign(message).map(|s| s.to_bytes().to_vec()).map_err(|_| SignError)
            }
            Key::Ed25519(key, Ed25519Form::Prehashed) => key
                .sign_prehashed(Sha512::new_with_prefix(message), None)
                .map(|s| s.to_bytes().to_vec())
                .map_err(|_| SignError),
        }
    }
}

/// The randomness inside a signature. The library draws it itself, whatever it is handed.
fn nonces() -> SystemRandom {
    // INVARIANT: only the bytes of a new signature differ by it, never a decision.
    SystemRandom::new()
}

/// PKCS#8 as Go writes it: the curve outside only, the point inside.
fn ec_pkcs8(curve: &[u8], scalar: &[u8], point: Option<&[u8]>) -> Zeroizing<Vec<u8>> {
    let identifier =
        der::sequence(&[&der::element(der::OID, OID_EC), &der::element(der::OID, curve)]);
    let scalar = Zeroizing::new(der::element(der::OCTET_STRING, scalar));
    let point =
        point.map_or_else(Vec::new, |point| der::element(der::CONTEXT_1, &der::bit_string(point)));
    let key = Zeroizing::new(der::sequence(&[&der::integer(&[1]), &scalar, &point]));
    let key = Zeroizing::new(der::element(der::OCTET_STRING, &key));
    Zeroizing::new(der::sequence(&[&der::integer(&[0]), &identifier, &key]))
}
