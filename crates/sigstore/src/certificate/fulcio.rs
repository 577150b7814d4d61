//! What Fulcio writes into certificates about the identity token.
//!
//! SPEC: fulcio docs/oid-info.md: 1.3.6.1.4.1.57264.1.N; 1 to 6 are raw text, from 8 on UTF8String in DER.
use crate::der::{self, Reader};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// 1.3.6.1.4.1.57264.1, without the last arc.
const PREFIX: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01];

/// One of them, by its last arc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Extension(pub u8);

impl Extension {
    /// Issuer of the identity token, in the old encoding.
    pub const ISSUER_V1: Self = Self(1);
    /// GitHub: what triggered the workflow.
    pub const GITHUB_WORKFLOW_TRIGGER: Self = Self(2);
    /// GitHub: the commit.
    pub const GITHUB_WORKFLOW_SHA: Self = Self(3);
    /// GitHub: the workflow's name.
    pub const GITHUB_WORKFLOW_NAME: Self = Self(4);
    /// GitHub: the repository.
    pub const GITHUB_WORKFLOW_REPOSITORY: Self = Self(5);
    /// GitHub: branch or tag.
    pub const GITHUB_WORKFLOW_REF: Self = Self(6);
    /// Issuer of the identity token.
    pub const ISSUER: Self = Self(8);

    /// The names of 1 to 22, as Fulcio's documentation writes them; 7 stands in the subject.
    const NAMES: [(u8, &'static str); 21] = [
        (1, "Issuer"),
        (2, "GitHub Workflow Trigger"),
        (3, "GitHub Workflow SHA"),
        (4, "GitHub Workflow Name"),
        (5, "GitHub Workflow Repository"),
        (6, "GitHub Workflow Ref"),
        (8, "Issuer (V2)"),
        (9, "Build Signer URI"),
        (10, "Build Signer Digest"),
        (11, "Runner Environment"),
        (12, "Source Repository URI"),
        (13, "Source Repository Digest"),
        (14, "Source Repository Ref"),
        (15, "Source Repository Identifier"),
        (16, "Source Repository Owner URI"),
        (17, "Source Repository Owner Identifier"),
        (18, "Build Config URI"),
        (19, "Build Config Digest"),
        (20, "Build Trigger"),
        (21, "Run Invocation URI"),
        (22, "Source Repository Visibility At Signing"),
    ];

    /// Its name in Fulcio's documentation.
    pub fn name(self) -> Option<&'static str> {
        Self::NAMES.iter().find(|(arc, _)| *arc == self.0).map(|(_, name)| *name)
    }

    /// Its object identifier.
    pub fn oid(self) -> String {
        format!("1.3.6.1.4.1.57264.1.{}", self.0)
    }

    /// The one with this object identifier (`1.3.6.1.4.1.57264.1.N`).
    pub fn from_oid(oid: &str) -> Option<Self> {
        let arc = oid.strip_prefix("1.3.6.1.4.1.57264.1.")?;
        arc.parse().ok().filter(|arc| (1..0x80).contains(arc)).map(Self)
    }
}

/// All of them that a certificate has. One that is not encoded as it should be counts as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FulcioExtensions(BTreeMap<Extension, SmolStr>);

impl FulcioExtensions {
    pub(super) fn read<'a>(all: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let read = |(oid, contents): (&[u8], &[u8])| {
            let [arc @ 1..0x80] = oid.strip_prefix(PREFIX)? else { return None };
            let text = match *arc {
                1..=6 => contents,
                7 => return None,
                _ => {
                    let mut reader = Reader::new(contents);
                    let text = reader.take(der::UTF8_STRING)?;
                    reader.end()?;
                    text
                }
            };
            let text = std::str::from_utf8(text).ok()?;
            Some((Extension(*arc), SmolStr::new(text)))
        };
        Self(all.filter_map(read).collect())
    }

    /// What one of them says.
    pub fn get(&self, extension: Extension) -> Option<&str> {
        self.0.get(&extension).map(SmolStr::as_str)
    }

    /// All, by number.
    pub fn iter(&self) -> impl Iterator<Item = (Extension, &str)> {
        self.0.iter().map(|(extension, text)| (*extension, text.as_str()))
    }

    /// Issuer of the identity token: the new encoding before the old one.
    ///
    /// COMPAT: cosign 3.1.1: looks at 1.1 alone for legacy signatures and at 1.8 before 1.1 for
    /// bundles; here both forms are read alike. test: the_issuer_is_read_in_both_encodings
    pub fn issuer(&self) -> Option<&str> {
        self.get(Extension::ISSUER).or_else(|| self.get(Extension::ISSUER_V1))
    }
}
