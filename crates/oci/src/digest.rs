//! Content digests, checked when they are made.
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use smol_str::SmolStr;
use std::{fmt, str::FromStr};

/// `sha256:…` or `sha512:…`, lower-case hexadecimal of the right length: checked once, here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(SmolStr);

/// The hash functions that a digest may name.
///
/// SPEC: OCI image-spec 1.1 descriptor.md "Registered Algorithms": sha256 and sha512.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, 64 hexadecimal digits.
    Sha256,
    /// SHA-512, 128 hexadecimal digits.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The length of the encoded hash in characters.
    pub const fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// Why a text is not a digest; the wording is that of the go-digest library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// No `algorithm:` in front, or something that is not lower-case hexadecimal behind it.
    #[error("invalid checksum digest format")]
    Format,
    /// An algorithm other than sha256 and sha512.
    #[error("unsupported digest algorithm")]
    Algorithm,
    /// Not as many digits as the algorithm gives.
    #[error("invalid checksum digest length")]
    Length,
}

impl Digest {
    /// Reads `algorithm:hex`.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let (name, hex) = text.split_once(':').ok_or(DigestError::Format)?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ if name.is_empty() => return Err(DigestError::Format),
            _ => return Err(DigestError::Algorithm),
        };
        if hex.len() != algorithm.hex_length() {
            return Err(DigestError::Length);
        }
        // Upper case is refused: two spellings of one identity would be two cache keys.
        if !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(DigestError::Format);
        }
        Ok(Self(SmolStr::new(text)))
    }

    /// The digest whose SHA-256 hash was computed by the caller.
    pub fn sha256(hash: &[u8; 32]) -> Self {
        Self::of(Algorithm::Sha256, hash)
    }

    /// The digest whose SHA-512 hash was computed by the caller.
    pub fn sha512(hash: &[u8; 64]) -> Self {
        Self::of(Algorithm::Sha512, hash)
    }

    fn of(algorithm: Algorithm, hash: &[u8]) -> Self {
        let mut text = String::with_capacity(8 + algorithm.hex_length());
        text.push_str(algorithm.as_str());
        text.push(':');
        for byte in hash {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
        }
        Self(text.into())
    }

    /// `algorithm:hex`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash function.
    pub fn algorithm(&self) -> Algorithm {
        if self.0.starts_with("sha512:") { Algorithm::Sha512 } else { Algorithm::Sha256 }
    }

    /// The part behind the colon.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for Digest {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::parse(text)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = SmolStr::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: DigestError) {
        assert_eq!(Digest::parse(text), Err(expected), "{text}");
    }

    #[test]
    fn rejects_a_digest_of_the_wrong_length() {
        check(&format!("sha256:{}", "a".repeat(63)), DigestError::Length);
        check(&format!("sha256:{}", "a".repeat(65)), DigestError::Length);
        check(&format!("sha512:{}", "a".repeat(64)), DigestError::Length);
        check("sha256:", DigestError::Length);
    }

    #[test]
    fn rejects_a_digest_that_is_not_lower_case_hexadecimal() {
        check(&format!("sha256:{}", "A".repeat(64)), DigestError::Format);
        check(&format!("sha256:{}", "g".repeat(64)), DigestError::Format);
        check(&"a".repeat(64), DigestError::Format);
        check("", DigestError::Format);
        check(":abc", DigestError::Format);
    }

    #[test]
    fn rejects_algorithms_that_nobody_registered() {
        check(&format!("md5:{}", "a".repeat(32)), DigestError::Algorithm);
        check(&format!("SHA256:{}", "a".repeat(64)), DigestError::Algorithm);
        check(&format!("sha384:{}", "a".repeat(96)), DigestError::Algorithm);
    }

    #[test]
    fn a_json_document_cannot_smuggle_a_bad_digest() {
        assert!(serde_json::from_str::<Digest>("\"sha256:../../x\"").is_err());
    }

    proptest! {
        #[test]
        fn a_hash_makes_a_digest_that_parses_to_itself(hash: [u8; 32]) {
            let digest = Digest::sha256(&hash);
            prop_assert_eq!(Digest::parse(digest.as_str()), Ok(digest.clone()));
            prop_assert_eq!(digest.algorithm(), Algorithm::Sha256);
            prop_assert_eq!(digest.hex().len(), 64);
        }

        #[test]
        fn no_text_panics(text in ".{0,160}") {
            let _ = Digest::parse(&text);
        }
    }
}
