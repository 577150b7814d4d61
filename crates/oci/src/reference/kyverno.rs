//! Kyverno's normal form, which patterns of policies are matched against.
use super::{DigestReference, ReferenceError, TagReference, grammar};
use crate::{Digest, location::is_host};
use smol_str::{SmolStr, format_smolstr};

/// An image as policies see it: the fields of the variable `images.<list>.<container>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageReference {
    /// Host with port; empty when the default registry was only assumed and mutation is off.
    pub registry: SmolStr,
    /// The repository without the registry.
    pub path: SmolStr,
    /// The last element of the path.
    pub name: SmolStr,
    /// As written, `latest` when neither tag nor digest was, none with a digest alone.
    pub tag: Option<SmolStr>,
    /// As written.
    pub digest: Option<Digest>,
}

/// Parses a name as Kyverno does.
///
/// The default registry is put in front unless the first element is a host; with
/// `default_mutation` off (`enableDefaultRegistryMutation: false`) it helps parsing but does not
/// show in the result.
///
/// COMPAT: Kyverno 1.19: no `library/`, and the tag of `a:tag@digest` is not part of the normal
/// form; test: `the_normal_form_is_kyvernos`.
pub fn kyverno_reference(
    text: &str,
    default_registry: &str,
    default_mutation: bool,
) -> Result<ImageReference, ReferenceError> {
    let has_host = text.split_once('/').is_some_and(|(first, _)| is_host(first));
    let full = if has_host { text.into() } else { format_smolstr!("{default_registry}/{text}") };
    let parts = grammar::parse(&full)?;
    let registry = if has_host || default_mutation { parts.domain.unwrap_or("") } else { "" };
    let name = parts.path.rsplit_once('/').map_or(parts.path, |(_, name)| name);
    let tag = match (parts.tag, &parts.digest) {
        (None, None) => Some(SmolStr::new_static("latest")),
        (tag, _) => tag.map(SmolStr::new),
    };
    Ok(ImageReference {
        registry: registry.into(),
        path: parts.path.into(),
        name: name.into(),
        tag,
        digest: parts.digest,
    })
}

impl ImageReference {
    /// Registry and path: what a registry is asked for, and what a pin keeps.
    pub fn repository(&self) -> SmolStr {
        if self.registry.is_empty() {
            self.path.clone()
        } else {
            format_smolstr!("{}/{}", self.registry, self.path)
        }
    }

    /// The text that patterns are matched against: `registry/path:tag`, or `registry/path@digest`
    /// **without the tag** when a digest is present.
    pub fn normal(&self) -> SmolStr {
        match &self.digest {
            Some(digest) => format_smolstr!("{}@{digest}", self.repository()),
            None => self.with_tag(),
        }
    }

    /// `registry/path:tag`: the variable `referenceWithTag`. Without a tag nothing follows the
    /// colon, as upstream prints it.
    pub fn with_tag(&self) -> SmolStr {
        format_smolstr!("{}:{}", self.repository(), self.tag.as_deref().unwrap_or(""))
    }

    /// The identity, when the text carried a digest.
    pub fn digest_reference(&self) -> Option<DigestReference> {
        let digest = self.digest.clone()?;
        Some(DigestReference { repository: self.repository(), digest })
    }

    /// The question to ask, when there is a tag.
    pub fn tag_reference(&self) -> Option<TagReference> {
        let tag = self.tag.clone()?;
        Some(TagReference { repository: self.repository(), tag })
    }
}
