//! Keys: read from every form that people keep them in, checked once, then used.
//!
//! Public keys are canonical SPKI in DER, so that one key is one identity however it was written.
//! Private keys are read from PKCS#1, SEC1, PKCS#8 and cosign's encrypted file.
mod chain;
mod encrypted;
mod pem;
mod private;
mod public;

pub use crate::certificate::Certificate;
pub use chain::{ChainError, MAX_CHAIN};
pub use encrypted::{EncryptedKeyError, decrypt_private_key, encrypt_private_key};
pub(crate) use pem::{parse as parse_pem_blocks, write as write_pem};
pub use private::{
    Ed25519Form, Entropy, EntropyError, MAX_KEY_FILE, PrivateKey, SignError, Signer,
};
pub use public::{MAX_KEYS, PublicKey, SignatureMismatch};

/// What kind of key it is; parameters that are not listed are refused when a key is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// ECDSA on NIST P-256; signs with SHA-256.
    EcdsaP256,
    /// ECDSA on NIST P-384; signs with SHA-384.
    EcdsaP384,
    /// ECDSA on NIST P-521; signs with SHA-512.
    EcdsaP521,
    /// RSA; signs with PKCS#1 v1.5 and SHA-256.
    Rsa {
        /// Length of the modulus, 2048 to 4096.
        bits: u16,
    },
    /// Ed25519.
    Ed25519,
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::EcdsaP256 => f.write_str("ECDSA P-256"),
            Self::EcdsaP384 => f.write_str("ECDSA P-384"),
            Self::EcdsaP521 => f.write_str("ECDSA P-521"),
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// Why a text is not a key that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No PEM block in it.
    #[error("no PEM block found")]
    NoPem,
    /// A block begins and does not end, or its base64 cannot be read.
    #[error("PEM block {label:?} is broken")]
    BrokenPem {
        /// What stands after `BEGIN`.
        label: String,
    },
    /// A block that is not the kind of key that is needed.
    #[error("unexpected PEM block {label:?}")]
    Label {
        /// What stands after `BEGIN`.
        label: String,
    },
    /// The old encryption of OpenSSL (`Proc-Type: 4,ENCRYPTED`) or PKCS#8's own.
    #[error("private key is encrypted in a way that is not supported")]
    ForeignEncryption,
    /// One key was expected.
    #[error("{found} keys found where one is expected")]
    Several {
        /// How many there are.
        found: usize,
    },
    /// Longer, or more keys, than is read.
    #[error("key material is too large")]
    TooLarge,
    /// The DER inside is not what the label says.
    #[error("malformed {what}")]
    Malformed {
        /// Which structure.
        what: &'static str,
    },
    /// An algorithm or a curve that is not supported.
    #[error("unsupported key algorithm {oid}")]
    Algorithm {
        /// Its object identifier in hexadecimal DER.
        oid: String,
    },
    /// An RSA key outside 2048 to 4096 bits.
    #[error("unsupported RSA key of {bits} bits (2048 to 4096 are)")]
    RsaSize {
        /// Length of the modulus.
        bits: usize,
    },
    /// A key that anyone could sign for, or a point that is not on its curve.
    #[error("weak or invalid key")]
    Weak,
}

#[cfg(test)]
mod tests;
