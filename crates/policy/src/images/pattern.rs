//! Patterns over image names, and the gap that a digest would slip through.
use sigward_document::wildcard;
use sigward_oci::ImageReference;
use smol_str::SmolStr;

/// Patterns longer than this are refused when the policy is compiled.
pub(crate) const MAX_PATTERN: usize = 1024;

/// Whether any of `imageReferences` means the image.
///
/// A pattern such as `repo:*` was written to mean every image of the repository, but the normal form of
/// `repo:v1@sha256:…` has no tag. It is therefore also compared without its tag.
// COMPAT: Kyverno 1.19: a digest slips past `repo:*` there; test: a_digest_reference_does_not_slip_past_a_tag_pattern
pub(crate) fn covers(patterns: &[SmolStr], image: &ImageReference) -> bool {
    let normal = image.normal();
    patterns.iter().any(|pattern| {
        wildcard::matches(pattern, &normal)
            || (image.digest.is_some() && covers_digest(pattern, image))
    })
}

/// Whether any of `skipImageReferences` means the image: exactly as written, since a skip weakens.
pub(crate) fn skips(patterns: &[SmolStr], image: &ImageReference) -> bool {
    let normal = image.normal();
    patterns.iter().any(|pattern| wildcard::matches(pattern, &normal))
}

/// Whether a pattern names tags by wildcard, so that digests would slip past it.
pub(crate) fn names_tags_by_wildcard(pattern: &str) -> bool {
    tag_of(pattern).is_some_and(|(_, tag)| wildcard::contains_wildcard(tag))
}

fn covers_digest(pattern: &str, image: &ImageReference) -> bool {
    let Some((repository, tag)) = tag_of(pattern) else { return false };
    if !wildcard::matches(repository, &image.repository()) {
        return false;
    }
    // The tag that is written beside the digest says which it is meant to be. Without one any tag may be
    // meant, and a wildcard was written to mean many.
    match &image.tag {
        Some(written) => wildcard::matches(tag, written) || wildcard::contains_wildcard(tag),
        None => wildcard::contains_wildcard(tag),
    }
}

/// The part behind the last `:` of the last path element, when it is no digest.
fn tag_of(pattern: &str) -> Option<(&str, &str)> {
    let (repository, tag) = pattern.rsplit_once(':')?;
    (!tag.contains('/') && !repository.contains('@')).then_some((repository, tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigward_oci::kyverno_reference;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn check(pattern: &str, image: &str, expected: bool) {
        let image = kyverno_reference(image, "docker.io", true).unwrap();
        assert_eq!(covers(&[pattern.into()], &image), expected, "{pattern} on {}", image.normal());
    }

    #[test]
    fn a_star_crosses_slashes_colons_and_at_signs() {
        check("ghcr.io/*", "ghcr.io/a/b:v1", true);
        check("*", "nginx", true);
        check("docker.io/library/*", "nginx", false);
        check("docker.io/nginx:?", "nginx:v1", false);
        check("ghcr.io/a/b*", "ghcr.io/a/b-evil/x:v1", true);
    }

    #[test]
    fn a_digest_reference_does_not_slip_past_a_tag_pattern() {
        check("ghcr.io/a/b:*", &format!("ghcr.io/a/b@{DIGEST}"), true);
        check("ghcr.io/a/b:*", &format!("ghcr.io/a/b:v1@{DIGEST}"), true);
        check("ghcr.io/a/b:v*", &format!("ghcr.io/a/b:v1@{DIGEST}"), true);
        check("ghcr.io/a/b:v1", &format!("ghcr.io/a/b:v1@{DIGEST}"), true);
        check("ghcr.io/a/b:v1", &format!("ghcr.io/a/b@{DIGEST}"), false);
        check("ghcr.io/a/b:*", &format!("ghcr.io/a/c@{DIGEST}"), false);
        check("localhost:5000/*", &format!("localhost:5000/c@{DIGEST}"), true);
        check("localhost:5000/c:*", &format!("localhost:5000/c@{DIGEST}"), true);
    }

    #[test]
    fn skip_patterns_are_taken_as_written() {
        let image = kyverno_reference(&format!("ghcr.io/a/b@{DIGEST}"), "docker.io", true).unwrap();
        assert!(!skips(&["ghcr.io/a/b:*".into()], &image));
        assert!(skips(&["ghcr.io/a/b@*".into()], &image));
    }
}
