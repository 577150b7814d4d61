//! Key pairs of every kind that cosign knows, and plain signatures with them.

pub(crate) mod der;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa,
    signature::{
        self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaEncoding,
        RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Digest as _, Sha512, SigningKey};

use crate::{digest, tls::TlsError};

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// ECDSA on P-256, cosign's own choice.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// ECDSA on P-521.
    EcdsaP521,
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits: seconds to make; prefer [`KeyPair::shared`].
    Rsa4096,
    /// Ed25519.
    Ed25519,
}

impl Algorithm {
    /// All kinds whose keys are made in no time.
    pub const QUICK: [Self; 4] = [Self::EcdsaP256, Self::EcdsaP384, Self::EcdsaP521, Self::Ed25519];
}

/// How a message is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Scheme {
    /// What suits the key: SHA-256, -384 or -512 by the size of the curve, ECDSA signatures in DER, RSA as PKCS#1 v1.5 with
    /// SHA-256, and pure Ed25519. cosign 3 does the same by default, except that it signs images with Ed25519ph.
    #[default]
    Default,
    /// SHA-256 whatever the curve, as cosign 2 does. Not for P-384, for want of an implementation.
    Sha256,
    /// RSA PKCS#1 v1.5 with SHA-512.
    RsaSha512,
    /// RSA PSS with SHA-256.
    RsaPssSha256,
    /// ECDSA as the two numbers side by side instead of DER.
    EcdsaRaw,
    /// Ed25519 over the SHA-512 of the message (Ed25519ph, no context), as cosign 3 signs images.
    Ed25519ph,
}

/// Why there is no key or no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The library made no key, or rejected one.
    NoKey,
    /// This kind of key cannot sign by this scheme.
    WrongScheme(Algorithm, Scheme),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("cannot make a test key"),
            Self::WrongScheme(algorithm, scheme) => {
                write!(f, "a {algorithm:?} key cannot sign by {scheme:?}")
            }
        }
    }
}

impl std::error::Error for KeyError {}

impl From<aws_lc_rs::error::Unspecified> for KeyError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::NoKey
    }
}

impl From<aws_lc_rs::error::KeyRejected> for KeyError {
    fn from(_: aws_lc_rs::error::KeyRejected) -> Self {
        Self::NoKey
    }
}

/// A key pair. Cloning is cheap.
#[derive(Clone)]
pub struct KeyPair(Arc<Inner>);

struct Inner {
    algorithm: Algorithm,
    pkcs8: Vec<u8>,
    spki: Vec<u8>,
    rsa: Option<RsaKeyPair>,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("algorithm", &self.0.algorithm)
            .field("hint", &self.hint())
            .finish_non_exhaustive()
    }
}

impl KeyPair {
    /// A fresh key pair.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let (pkcs8, spki, rsa) = match algorithm {
            Algorithm::EcdsaP256 | Algorithm::EcdsaP384 | Algorithm::EcdsaP521 => {
                let kind = curve(algorithm, Scheme::Default).ok_or(KeyError::NoKey)?;
                let pkcs8 = EcdsaKeyPair::generate_pkcs8(kind, &random)?;
                let pair = EcdsaKeyPair::from_pkcs8(kind, pkcs8.as_ref())?;
                (pkcs8.as_ref().to_vec(), spki(pair.public_key())?, None)
            }
            Algorithm::Ed25519 => {
                // Version 1 of PKCS#8: version 2 is unknown to Go and to old OpenSSL.
                let pkcs8 = Ed25519KeyPair::generate_pkcs8v1(&random)?;
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8.as_ref())?;
                (pkcs8.as_ref().to_vec(), spki(pair.public_key())?, None)
            }
            Algorithm::Rsa2048 => rsa_pair(rsa::KeySize::Rsa2048)?,
            Algorithm::Rsa3072 => rsa_pair(rsa::KeySize::Rsa3072)?,
            Algorithm::Rsa4096 => rsa_pair(rsa::KeySize::Rsa4096)?,
        };
        Ok(Self(Arc::new(Inner { algorithm, pkcs8, spki, rsa })))
    }

    /// A key pair that is made once in this process: for RSA, which is slow to make, and where any key will do.
    pub fn shared(algorithm: Algorithm) -> Result<Self, KeyError> {
        static MADE: Mutex<Vec<KeyPair>> = Mutex::new(Vec::new());
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pair) = made.iter().find(|pair| pair.algorithm() == algorithm) {
            return Ok(pair.clone());
        }
        let pair = Self::generate(algorithm)?;
        made.push(pair.clone());
        Ok(pair)
    }

    /// The kind of this key.
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// The public key as DER of a SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki
    }

    /// The public key as PEM (`PUBLIC KEY`), as in `cosign.pub`.
    pub fn public_pem(&self) -> String {
        der::pem("PUBLIC KEY", &self.0.spki)
    }

    /// The public key of an RSA pair as PEM of PKCS#1 (`RSA PUBLIC KEY`).
    pub fn public_pkcs1_pem(&self) -> Option<String> {
        self.0.rsa.as_ref()?;
        der::inside_spki(&self.0.spki).map(|inner| der::pem("RSA PUBLIC KEY", inner))
    }

    /// The private key as PEM of PKCS#8 (`PRIVATE KEY`), not encrypted.
    pub fn private_pem(&self) -> String {
        der::pem("PRIVATE KEY", &self.0.pkcs8)
    }

    /// The private key in its older form: SEC1 (`EC PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`); Ed25519 has none.
    pub fn private_traditional_pem(&self) -> Option<String> {
        let label = match self.0.algorithm {
            Algorithm::EcdsaP256 | Algorithm::EcdsaP384 | Algorithm::EcdsaP521 => "EC PRIVATE KEY",
            Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => "RSA PRIVATE KEY",
            Algorithm::Ed25519 => return None,
        };
        der::inside_pkcs8(&self.0.pkcs8).map(|inner| der::pem(label, inner))
    }

    /// The hint by which bundles name a key: base64 of the SHA-256 of [`spki_der`](Self::spki_der).
    pub fn hint(&self) -> String {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.0.spki);
        STANDARD.encode(hash)
    }

    /// Hexadecimal SHA-256 of [`spki_der`](Self::spki_der).
    pub fn fingerprint(&self) -> String {
        digest::sha256_hex(&self.0.spki)
    }

    /// Signs `message` by [`Scheme::Default`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign_by(Scheme::Default, message)
    }

    /// Signs `message` by a scheme.
    pub fn sign_by(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let wrong = KeyError::WrongScheme(self.0.algorithm, scheme);
        if let Some(pair) = &self.0.rsa {
            let padding: &'static dyn RsaEncoding = match scheme {
                Scheme::Default | Scheme::Sha256 => &signature::RSA_PKCS1_SHA256,
                Scheme::RsaSha512 => &signature::RSA_PKCS1_SHA512,
                Scheme::RsaPssSha256 => &signature::RSA_PSS_SHA256,
                Scheme::EcdsaRaw | Scheme::Ed25519ph => return Err(wrong),
            };
            let mut bytes = vec![0; pair.public_modulus_len()];
            pair.sign(padding, &SystemRandom::new(), message, &mut bytes)?;
            return Ok(bytes);
        }
        if self.0.algorithm == Algorithm::Ed25519 {
            return match scheme {
                Scheme::Default | Scheme::Sha256 => {
                    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&self.0.pkcs8)?;
                    Ok(pair.sign(message).as_ref().to_vec())
                }
                Scheme::Ed25519ph => self.sign_prehashed(message),
                Scheme::RsaSha512 | Scheme::RsaPssSha256 | Scheme::EcdsaRaw => Err(wrong),
            };
        }
        let kind = curve(self.0.algorithm, scheme).ok_or(wrong)?;
        let pair = EcdsaKeyPair::from_pkcs8(kind, &self.0.pkcs8)?;
        Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec())
    }

    // SPEC: RFC 8032 section 5.1, Ed25519ph. aws-lc-rs does not have it.
    fn sign_prehashed(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let seed = der::inside_pkcs8(&self.0.pkcs8)
            .and_then(|octets| octets.last_chunk())
            .ok_or(KeyError::NoKey)?;
        let hash = Sha512::new_with_prefix(message);
        let signature =
            SigningKey::from_bytes(seed).sign_prehashed(hash, None).map_err(|_| KeyError::NoKey)?;
        Ok(signature.to_bytes().to_vec())
    }

    /// A certificate over this key, signed by itself, PEM: a certificate in place of a key.
    pub fn certificate_pem(&self, name: &str) -> Result<String, TlsError> {
        crate::tls::self_signed(&self.private_pem(), name)
    }
}

/// PKCS#8, SubjectPublicKeyInfo, and the pair itself for RSA, whose keys are slow to check again.
type Parts = (Vec<u8>, Vec<u8>, Option<RsaKeyPair>);

fn rsa_pair(size: rsa::KeySize) -> Result<Parts, KeyError> {
    let pair = RsaKeyPair::generate(size)?;
    let pkcs8: Pkcs8V1Der<'static> = pair.as_der()?;
    Ok((pkcs8.as_ref().to_vec(), spki(pair.public_key())?, Some(pair)))
}

fn spki(key: &dyn AsDer<PublicKeyX509Der<'static>>) -> Result<Vec<u8>, KeyError> {
    Ok(key.as_der()?.as_ref().to_vec())
}

fn curve(algorithm: Algorithm, scheme: Scheme) -> Option<&'static EcdsaSigningAlgorithm> {
    match (algorithm, scheme) {
        (Algorithm::EcdsaP256, Scheme::Default | Scheme::Sha256) => {
            Some(&signature::ECDSA_P256_SHA256_ASN1_SIGNING)
        }
        (Algorithm::EcdsaP256, Scheme::EcdsaRaw) => {
            Some(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)
        }
        (Algorithm::EcdsaP384, Scheme::Default) => Some(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
        (Algorithm::EcdsaP384, Scheme::EcdsaRaw) => {
            Some(&signature::ECDSA_P384_SHA384_FIXED_SIGNING)
        }
        (Algorithm::EcdsaP521, Scheme::Default) => Some(&signature::ECDSA_P521_SHA512_ASN1_SIGNING),
        (Algorithm::EcdsaP521, Scheme::Sha256) => Some(&signature::ECDSA_P521_SHA256_ASN1_SIGNING),
        (Algorithm::EcdsaP521, Scheme::EcdsaRaw) => {
            Some(&signature::ECDSA_P521_SHA512_FIXED_SIGNING)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{UnparsedPublicKey, VerificationAlgorithm};

    use super::*;

    fn check(algorithm: Algorithm, scheme: Scheme, verifier: &'static dyn VerificationAlgorithm) {
        let pair = KeyPair::shared(algorithm).unwrap();
        let signature = pair.sign_by(scheme, b"message").unwrap();
        let key = UnparsedPublicKey::new(verifier, pair.spki_der());
        assert!(key.verify(b"message", &signature).is_ok(), "{algorithm:?} {scheme:?}");
        assert!(key.verify(b"massage", &signature).is_err(), "{algorithm:?} {scheme:?}");
    }

    #[test]
    fn every_kind_of_key_signs_by_its_schemes() {
        check(Algorithm::EcdsaP256, Scheme::Default, &signature::ECDSA_P256_SHA256_ASN1);
        check(Algorithm::EcdsaP256, Scheme::EcdsaRaw, &signature::ECDSA_P256_SHA256_FIXED);
        check(Algorithm::EcdsaP384, Scheme::Default, &signature::ECDSA_P384_SHA384_ASN1);
        check(Algorithm::EcdsaP521, Scheme::Default, &signature::ECDSA_P521_SHA512_ASN1);
        check(Algorithm::EcdsaP521, Scheme::Sha256, &signature::ECDSA_P521_SHA256_ASN1);
        check(Algorithm::Rsa2048, Scheme::Default, &signature::RSA_PKCS1_2048_8192_SHA256);
        check(Algorithm::Rsa2048, Scheme::RsaSha512, &signature::RSA_PKCS1_2048_8192_SHA512);
        check(Algorithm::Rsa2048, Scheme::RsaPssSha256, &signature::RSA_PSS_2048_8192_SHA256);
        check(Algorithm::Ed25519, Scheme::Default, &signature::ED25519);
        let pair = KeyPair::shared(Algorithm::EcdsaP384).unwrap();
        assert_eq!(
            pair.sign_by(Scheme::Sha256, b""),
            Err(KeyError::WrongScheme(Algorithm::EcdsaP384, Scheme::Sha256))
        );
    }

    #[test]
    fn ed25519ph_signs_the_hash_and_is_not_pure_ed25519() {
        let pair = KeyPair::shared(Algorithm::Ed25519).unwrap();
        let signature = pair.sign_by(Scheme::Ed25519ph, b"message").unwrap();
        let public: &[u8; 32] = der::inside_spki(pair.spki_der()).unwrap().try_into().unwrap();
        let key = ed25519_dalek::VerifyingKey::from_bytes(public).unwrap();
        let parsed = ed25519_dalek::Signature::from_slice(&signature).unwrap();
        assert!(key.verify_prehashed(Sha512::new_with_prefix(b"message"), None, &parsed).is_ok());
        assert!(
            UnparsedPublicKey::new(&signature::ED25519, pair.spki_der())
                .verify(b"message", &signature)
                .is_err()
        );
    }

    #[test]
    fn a_certificate_holds_the_key() {
        for algorithm in Algorithm::QUICK.into_iter().chain([Algorithm::Rsa2048]) {
            let pair = KeyPair::shared(algorithm).unwrap();
            let pem = pair.certificate_pem("me").unwrap();
            let der = STANDARD
                .decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>())
                .unwrap();
            assert!(
                der.windows(pair.spki_der().len()).any(|window| window == pair.spki_der()),
                "{algorithm:?}"
            );
        }
    }

    #[test]
    fn fresh_keys_differ_and_shared_keys_do_not() {
        let fresh = || KeyPair::generate(Algorithm::EcdsaP256).unwrap().fingerprint();
        assert_ne!(fresh(), fresh());
        let shared = || KeyPair::shared(Algorithm::Rsa2048).unwrap().fingerprint();
        assert_eq!(shared(), shared());
    }

    #[test]
    fn the_older_forms_hold_the_same_key() {
        let rsa = KeyPair::shared(Algorithm::Rsa2048).unwrap();
        let body = |pem: String| {
            STANDARD
                .decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>())
                .unwrap()
        };
        let private = body(rsa.private_traditional_pem().unwrap());
        assert!(RsaKeyPair::from_der(&private).is_ok());
        let public = body(rsa.public_pkcs1_pem().unwrap());
        let key = UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, public);
        assert!(key.verify(b"m", &rsa.sign(b"m").unwrap()).is_ok());
        let ec = KeyPair::shared(Algorithm::EcdsaP256).unwrap();
        let private = body(ec.private_traditional_pem().unwrap());
        assert!(
            EcdsaKeyPair::from_private_key_der(
                &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
                &private
            )
            .is_ok()
        );
        assert!(KeyPair::shared(Algorithm::Ed25519).unwrap().private_traditional_pem().is_none());
    }

    #[test]
    fn the_private_key_is_not_shown() {
        let pair = KeyPair::shared(Algorithm::EcdsaP256).unwrap();
        assert!(format!("{pair:?}").len() < 120);
    }
}
