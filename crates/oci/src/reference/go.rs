//! cosign's names: the form that go-containerregistry gives them.
use super::{DigestReference, ReferenceError, TagReference, grammar};
use crate::Digest;
use smol_str::{SmolStr, format_smolstr};

/// Longest tag of go-containerregistry, one less than the grammar allows.
const LONGEST_TAG: usize = 127;
/// Longest repository of go-containerregistry.
const LONGEST_PATH: usize = 255;
/// Where a name without a host lives.
const DEFAULT_REGISTRY: &str = "index.docker.io";

/// An image as cosign names it on its command line and in its output.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GoReference {
    /// Host with port; `index.docker.io` when none was written.
    pub registry: SmolStr,
    /// The repository; single names of Docker Hub stand under `library/`.
    pub path: SmolStr,
    /// As written; `latest` when neither tag nor digest was; dropped beside a digest.
    pub tag: Option<SmolStr>,
    /// As written.
    pub digest: Option<Digest>,
}

/// Parses a name as go-containerregistry does in its weak mode.
///
/// COMPAT: cosign 3.1: a first element is a host only when it holds `.` or `:`, so that
/// `localhost/a` is a repository of Docker Hub; test: `cosigns_names_are_completed`.
/// Stricter than it in one way: paths follow the distribution grammar, since `a/../b` would name
/// another repository once it is part of a URL; test: `a_path_cannot_climb`.
pub fn go_reference(text: &str) -> Result<GoReference, ReferenceError> {
    let (named, digest) = match text.split_once('@') {
        Some((named, digest)) => (named, Some(Digest::parse(digest)?)),
        None => (text, None),
    };
    let (name, tag) = match named.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag).filter(|tag| !tag.is_empty())),
        _ => (named, None),
    };
    if name.is_empty() {
        return Err(ReferenceError::Empty);
    }
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) => (first, rest),
        _ => (DEFAULT_REGISTRY, name),
    };
    if !grammar::is_domain(registry) {
        return Err(ReferenceError::Format);
    }
    if !grammar::is_path(path) {
        let lower = path.to_lowercase();
        let only_case = lower != path && grammar::is_path(&lower);
        return Err(if only_case { ReferenceError::Uppercase } else { ReferenceError::Format });
    }
    if tag.is_some_and(|tag| tag.len() > LONGEST_TAG || !grammar::is_tag(tag)) {
        return Err(ReferenceError::Format);
    }
    let registry = if registry == "docker.io" { DEFAULT_REGISTRY } else { registry };
    let path = if registry == DEFAULT_REGISTRY && !path.contains('/') {
        format_smolstr!("library/{path}")
    } else {
        path.into()
    };
    // Completed, so that what is printed can be read again.
    if path.len() > LONGEST_PATH {
        return Err(ReferenceError::NameTooLong);
    }
    let tag = match (&digest, tag) {
        (Some(_), _) => None,
        (None, tag) => Some(SmolStr::new(tag.unwrap_or("latest"))),
    };
    Ok(GoReference { registry: registry.into(), path, tag, digest })
}

impl GoReference {
    /// Registry and path.
    pub fn repository(&self) -> SmolStr {
        format_smolstr!("{}/{}", self.registry, self.path)
    }

    /// The complete name, as cosign prints it.
    pub fn name(&self) -> SmolStr {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format_smolstr!("{}@{digest}", self.repository()),
            (None, tag) => {
                format_smolstr!("{}:{}", self.repository(), tag.as_deref().unwrap_or("latest"))
            }
        }
    }

    /// The identity, when the text carried a digest.
    pub fn digest_reference(&self) -> Option<DigestReference> {
        let digest = self.digest.clone()?;
        Some(DigestReference { repository: self.repository(), digest })
    }

    /// The question to ask, when the text carried no digest.
    pub fn tag_reference(&self) -> Option<TagReference> {
        let tag = self.tag.clone()?;
        Some(TagReference { repository: self.repository(), tag })
    }
}
