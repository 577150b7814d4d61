//! The tags under which signatures, attestations and referrers of an image are found.
use crate::Digest;
use smol_str::{SmolStr, format_smolstr};

/// What cosign attaches to an image by a tag that is derived from its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attachment {
    /// `.sig`: simple-signing payloads, one layer for each signature.
    Signature,
    /// `.att`: DSSE envelopes, one layer for each attestation.
    Attestation,
    /// `.sbom`: one layer, not signed by itself.
    Sbom,
}

impl Attachment {
    /// The end of the tag, without the dot.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Signature => "sig",
            Self::Attestation => "att",
            Self::Sbom => "sbom",
        }
    }
}

/// `PREFIXsha256-HEX.sig` and its siblings; `prefix` is `--attachment-tag-prefix`, mostly empty.
pub fn attached_tag(digest: &Digest, attachment: Attachment, prefix: &str) -> SmolStr {
    format_smolstr!(
        "{prefix}{}-{}.{}",
        digest.algorithm().as_str(),
        digest.hex(),
        attachment.suffix()
    )
}

/// The tag that lists referrers where a registry lacks the referrers API: `sha256-HEX`.
///
/// SPEC: OCI distribution-spec 1.1 "Referrers Tag Schema": the algorithm is cut at 32 characters,
/// the encoded part at 64 (which shortens sha512).
pub fn referrers_tag(digest: &Digest) -> SmolStr {
    let hex = digest.hex();
    let hex = hex.get(..64).unwrap_or(hex);
    format_smolstr!("{}-{hex}", digest.algorithm().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> Digest {
        Digest::sha256(&[0xab; 32])
    }

    #[test]
    fn attached_tags_are_spelled_as_cosign_spells_them() {
        let hex = "ab".repeat(32);
        for (attachment, end) in [
            (Attachment::Signature, "sig"),
            (Attachment::Attestation, "att"),
            (Attachment::Sbom, "sbom"),
        ] {
            assert_eq!(attached_tag(&digest(), attachment, ""), format!("sha256-{hex}.{end}"));
            assert_eq!(
                attached_tag(&digest(), attachment, "dev-"),
                format!("dev-sha256-{hex}.{end}")
            );
        }
    }

    #[test]
    fn the_fallback_tag_of_a_long_digest_is_cut() {
        assert_eq!(referrers_tag(&digest()), format!("sha256-{}", "ab".repeat(32)));
        let long = Digest::sha512(&[0xcd; 64]);
        assert_eq!(referrers_tag(&long), format!("sha512-{}", "cd".repeat(32)));
    }
}
