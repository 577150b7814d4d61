//! Signatures and attestations made with keys, in every form in which cosign 2 and 3 store them, sound or broken on purpose.
//!
//! [`Place`] says what is signed and where the signature goes; its methods do what the commands `cosign sign` and `cosign attest`
//! do. [`Knobs`] makes one thing about it wrong. The modules below make the same bytes without a registry:
//! [`legacy`] for `.sig` and `.att` tags, [`bundle`] for Sigstore bundles, [`statement`] for what is inside both.
//!
//! All of it follows what cosign 2.6.5 and 3.1.3 were seen to write, field order included.

pub mod bundle;
pub mod legacy;
mod place;
pub mod statement;

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};

pub use self::place::Place;
use crate::keys::{KeyError, KeyPair, Scheme};

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignError {
    /// The key could not sign.
    Key(KeyError),
    /// The registry has no such manifest.
    NoSubject {
        /// The tag or digest that was looked for.
        reference: String,
    },
    /// What is stored beside the image is not what cosign stores there, so that nothing can be added to it.
    NotOurs {
        /// The tag that holds it.
        tag: String,
    },
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(_) => f.write_str("cannot sign"),
            Self::NoSubject { reference } => write!(f, "the registry has no manifest {reference}"),
            Self::NotOurs { tag } => write!(f, "the tag {tag} holds something else"),
        }
    }
}

impl std::error::Error for SignError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Key(cause) => Some(cause),
            Self::NoSubject { .. } | Self::NotOurs { .. } => None,
        }
    }
}

impl From<KeyError> for SignError {
    fn from(cause: KeyError) -> Self {
        Self::Key(cause)
    }
}

/// What happens to the signature's bytes after signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Damage {
    /// Nothing.
    #[default]
    None,
    /// One bit is turned over.
    FlippedBit,
    /// The second half of the signature is missing; what is left is sound base64.
    Half,
    /// The base64 text ends in the middle of a group.
    TruncatedBase64,
    /// The text is not base64 at all.
    NotBase64,
    /// There is no signature, only an empty string.
    Empty,
    /// The base64 text has line breaks, which Go's decoder and therefore cosign accept.
    LineBreaks,
}

/// What is out of the ordinary about a signature. The default is exactly what cosign writes.
#[derive(Debug, Clone, Default)]
pub struct Knobs {
    /// Annotations given with `-a`.
    pub annotations: BTreeMap<String, String>,
    /// Another image digest inside the payload or statement: the signature of another image, moved here.
    pub digest: Option<String>,
    /// Another `docker-reference` (or subject name) than the registry and repository.
    pub reference: Option<String>,
    /// The key that really signs, while everything else (the hint) names the other one.
    pub signed_by: Option<KeyPair>,
    /// How the key signs.
    pub scheme: Scheme,
    /// What happens to the signature afterwards.
    pub damage: Damage,
    /// The payload that is stored in place of the one that was signed.
    pub payload: Option<Vec<u8>>,
    /// Another `critical.type`, `payloadType` (DSSE), or message digest algorithm (message signature).
    pub kind: Option<String>,
    /// Another payload type under the signature itself, while the envelope says [`kind`](Self::kind) or the right one.
    pub signed_kind: Option<String>,
    /// Another `_type` of the statement.
    pub statement_type: Option<String>,
    /// Another predicate type in the annotations of layer and manifest than in the statement.
    pub announced_predicate_type: Option<String>,
    /// Another hint in a bundle.
    pub hint: Option<String>,
    /// Keys that sign the same envelope as well, after the first.
    pub further_signers: Vec<KeyPair>,
    /// `org.opencontainers.image.created` of a referrer; empty means a fixed time.
    pub created: String,
    /// The artifact type that an entry of the fallback index says; nothing means the bundle's, as cosign 3.1.3 writes.
    /// cosign 3.1.1 wrote `application/vnd.oci.empty.v1+json`.
    pub fallback_artifact_type: Option<String>,
    /// Another media type of a bundle, inside it and around it.
    pub bundle_media_type: Option<String>,
}

impl Knobs {
    fn signature(&self, key: &KeyPair, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.signed_by.as_ref().unwrap_or(key).sign_by(self.scheme, message)
    }

    /// The base64 text of a signature after the damage.
    fn text(&self, mut signature: Vec<u8>) -> String {
        match self.damage {
            Damage::None => STANDARD.encode(signature),
            Damage::FlippedBit => {
                if let Some(last) = signature.last_mut() {
                    *last ^= 1;
                }
                STANDARD.encode(signature)
            }
            Damage::Half => {
                signature.truncate(signature.len() / 2);
                STANDARD.encode(signature)
            }
            Damage::TruncatedBase64 => {
                let text = STANDARD.encode(signature);
                text.chars().take(text.len().saturating_sub(3)).collect()
            }
            Damage::NotBase64 => "*** not base64 ***".to_owned(),
            Damage::Empty => String::new(),
            Damage::LineBreaks => {
                let text: Vec<char> = STANDARD.encode(signature).chars().collect();
                let lines: Vec<String> =
                    text.chunks(40).map(|line| line.iter().collect()).collect();
                lines.join("\r\n")
            }
        }
    }
}

/// JSON as Go's encoder writes it: `<`, `>`, `&` and the two line separators escaped.
fn go_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
    out
}

/// A JSON string literal.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
