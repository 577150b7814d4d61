//! Which manifests belong to an image: its platforms, what is attached under tags, what refers to it.
use super::{End, Tagged};
use crate::cli::cosign::Failure;
use bytes::Bytes;
use sigward_oci::{Attachment, Descriptor, Digest, Manifest, Platform, attached_tag, media_type};
use sigward_sigstore::statement::COSIGN_SIGN;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// Most manifests of one image with everything that belongs to it.
const MAX_PIECES: usize = 4096;
/// How deep indexes, and what refers to what refers, may lie.
const MAX_DEPTH: usize = 8;
/// What a bundle's manifest says about the statement in it.
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// What a manifest is to the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::cosign) enum What {
    /// The image itself, or one of its platforms.
    Entity,
    /// Attached under a tag that is made of a digest.
    Attached(Attachment),
    /// A manifest whose `subject` it is.
    Referrer,
}

/// One manifest, ready to be stored.
#[derive(Clone, Debug)]
pub(in crate::cli::cosign) struct Piece {
    pub(in crate::cli::cosign) what: What,
    /// What it is attached to; itself for an entity.
    pub(in crate::cli::cosign) of: Digest,
    pub(in crate::cli::cosign) digest: Digest,
    pub(in crate::cli::cosign) media_type: String,
    pub(in crate::cli::cosign) bytes: Bytes,
    /// Under which it is found.
    pub(in crate::cli::cosign) tag: Option<SmolStr>,
    /// Configuration and layers.
    pub(in crate::cli::cosign) blobs: Vec<Descriptor>,
}

/// How much of what belongs to an image is wanted.
#[derive(Clone, Debug)]
pub(in crate::cli::cosign) struct Scope {
    /// The image itself.
    pub(in crate::cli::cosign) entity: bool,
    pub(in crate::cli::cosign) signatures: bool,
    pub(in crate::cli::cosign) attestations: bool,
    pub(in crate::cli::cosign) sboms: bool,
    /// Other artifacts that refer to it.
    pub(in crate::cli::cosign) others: bool,
    /// Only this platform of an index.
    pub(in crate::cli::cosign) platform: Option<String>,
    /// `--attachment-tag-prefix`.
    pub(in crate::cli::cosign) tag_prefix: String,
}

impl Scope {
    /// Everything.
    pub(in crate::cli::cosign) fn all() -> Self {
        Self {
            entity: true,
            signatures: true,
            attestations: true,
            sboms: true,
            others: true,
            platform: None,
            tag_prefix: String::new(),
        }
    }

    fn wants(&self, attachment: Attachment) -> bool {
        match attachment {
            Attachment::Signature => self.signatures,
            Attachment::Attestation => self.attestations,
            Attachment::Sbom => self.sboms,
        }
    }
}

/// Reads every manifest that belongs to `root`, in an order in which each can be stored: platforms before their index,
/// the image before what speaks of it, and the tag of the image last of all.
///
/// # Errors
/// Something is missing, malformed, or too much.
pub(in crate::cli::cosign) async fn gather(
    from: &End,
    root: Tagged,
    tag: Option<&str>,
    scope: &Scope,
) -> Result<Vec<Piece>, Failure> {
    let mut entities = Vec::new();
    let root = platform(from, root, scope).await?;
    let root_digest = root.digest.clone();
    descend(from, root, &mut entities).await?;
    let mut attachments = Vec::new();
    for entity in &entities {
        attached(from, &entity.digest, scope, &mut attachments).await?;
        referring(from, &entity.digest, scope, &mut attachments).await?;
        if attachments.len() + entities.len() > MAX_PIECES {
            return Err(Failure::new(format!(
                "more than {MAX_PIECES} manifests belong to the image"
            )));
        }
    }
    if !scope.entity {
        return Ok(attachments);
    }
    let root = entities.iter().find(|piece| piece.digest == root_digest).cloned();
    let mut pieces = entities;
    pieces.append(&mut attachments);
    // Whoever waits for the tag finds everything there.
    if let (Some(mut root), Some(tag)) = (root, tag) {
        root.tag = Some(tag.into());
        root.blobs.clear();
        pieces.push(root);
    }
    Ok(pieces)
}

/// What is attached to this one manifest, and nothing of its platforms.
///
/// # Errors
/// As [`gather`].
pub(in crate::cli::cosign) async fn gather_attached(
    from: &End,
    root: &Tagged,
    scope: &Scope,
) -> Result<Vec<Piece>, Failure> {
    let mut pieces = Vec::new();
    attached(from, &root.digest, scope, &mut pieces).await?;
    referring(from, &root.digest, scope, &mut pieces).await?;
    Ok(pieces)
}

/// The one platform of an index that is wanted; an image without an index is what it is.
///
/// # Errors
/// None fits, or several do.
pub(in crate::cli::cosign) async fn platform(
    from: &End,
    root: Tagged,
    scope: &Scope,
) -> Result<Tagged, Failure> {
    let Some(wanted) = &scope.platform else { return Ok(root) };
    let Manifest::Index(index) = parse(&root)? else { return Ok(root) };
    let known = || {
        let names: Vec<String> =
            index.manifests.iter().filter_map(|one| one.platform.as_ref().map(name)).collect();
        names.join(", ")
    };
    let mut fitting =
        index.manifests.iter().filter(|one| one.platform.as_ref().is_some_and(|p| fits(p, wanted)));
    let Some(entry) = fitting.next() else {
        return Err(Failure::new(format!(
            "unable to find an entity for {wanted}: the index has {}",
            known()
        )));
    };
    if fitting.next().is_some() {
        return Err(Failure::new(format!(
            "platform spec matches more than one image architecture: {}",
            known()
        )));
    }
    fetch(from, &What::Entity, entry).await
}

fn name(platform: &Platform) -> String {
    let Platform { os, architecture, variant, .. } = platform;
    let variant = variant.as_deref().map(|variant| format!("/{variant}")).unwrap_or_default();
    format!("{os}/{architecture}{variant}")
}

/// `os/architecture[/variant][:version]`; what is left out fits anything.
fn fits(platform: &Platform, wanted: &str) -> bool {
    let (wanted, version) = wanted.split_once(':').map_or((wanted, None), |(w, v)| (w, Some(v)));
    let mut parts = wanted.split('/');
    let os = parts.next().is_none_or(|os| os.is_empty() || os == platform.os);
    let architecture = parts.next().is_none_or(|it| it == platform.architecture);
    let variant = parts.next().is_none_or(|it| Some(it) == platform.variant.as_deref());
    let stated = platform.other.get("os.version").and_then(|version| version.as_str());
    os && architecture && variant && version.is_none_or(|version| Some(version) == stated)
}

async fn fetch(from: &End, what: &What, entry: &Descriptor) -> Result<Tagged, Failure> {
    let bytes = from.manifest(what, &entry.digest).await?.ok_or_else(|| {
        Failure::new(format!("manifest {} is listed and missing in {from}", entry.digest))
    })?;
    let media_type = Some(entry.media_type.as_str().into());
    Ok(Tagged { digest: entry.digest.clone(), media_type, bytes })
}

fn parse(tagged: &Tagged) -> Result<Manifest, Failure> {
    Manifest::parse(&tagged.bytes, tagged.media_type.as_deref())
        .map_err(|error| Failure::new(format!("manifest {}: {error}", tagged.digest)))
}

/// An image, or an index behind everything it lists.
async fn descend(from: &End, root: Tagged, found: &mut Vec<Piece>) -> Result<(), Failure> {
    // Level by level, and then turned round: what is listed comes before what lists it.
    let mut levels = vec![vec![root]];
    let mut seen = BTreeSet::new();
    let mut pieces = Vec::new();
    while let Some(level) = levels.pop() {
        let mut next = Vec::new();
        for tagged in level {
            if !seen.insert(tagged.digest.clone()) {
                continue;
            }
            if seen.len() > MAX_PIECES {
                return Err(Failure::new(format!("the index holds more than {MAX_PIECES} images")));
            }
            let manifest = parse(&tagged)?;
            if let Manifest::Index(index) = &manifest {
                for entry in &index.manifests {
                    next.push(fetch(from, &What::Entity, entry).await?);
                }
            }
            pieces.push(piece(What::Entity, tagged.digest.clone(), tagged, &manifest, None));
        }
        if !next.is_empty() {
            if pieces.len() > MAX_PIECES || levels.len() > MAX_DEPTH {
                return Err(Failure::new(format!(
                    "indexes lie in each other deeper than {MAX_DEPTH}"
                )));
            }
            levels.push(next);
        }
    }
    pieces.reverse();
    found.append(&mut pieces);
    Ok(())
}

fn piece(
    what: What,
    of: Digest,
    tagged: Tagged,
    manifest: &Manifest,
    tag: Option<SmolStr>,
) -> Piece {
    let Tagged { digest, media_type, bytes } = tagged;
    let (own, fallback, blobs) = match manifest {
        Manifest::Image(image) => {
            let blobs = std::iter::once(&image.config).chain(&image.layers);
            // A layer with addresses of its own may not be redistributed, and lies elsewhere.
            let blobs = blobs.filter(|blob| !blob.other.contains_key("urls")).cloned().collect();
            (image.media_type.clone(), media_type::OCI_MANIFEST, blobs)
        }
        Manifest::Index(index) => (index.media_type.clone(), media_type::OCI_INDEX, Vec::new()),
    };
    let known = |text: &String| media_type::is_index(text) || media_type::is_manifest(text);
    let media_type = own
        .filter(known)
        .or(media_type.map(Into::into).filter(known))
        .unwrap_or_else(|| fallback.to_owned());
    Piece { what, of, digest, media_type, bytes, tag, blobs }
}

/// The attached tags of one digest.
async fn attached(
    from: &End,
    of: &Digest,
    scope: &Scope,
    found: &mut Vec<Piece>,
) -> Result<(), Failure> {
    for attachment in [Attachment::Signature, Attachment::Attestation, Attachment::Sbom] {
        if !scope.wants(attachment) {
            continue;
        }
        let tag = attached_tag(of, attachment, &scope.tag_prefix);
        if let Some(tagged) = from.attached(&tag).await? {
            let manifest = parse(&tagged)?;
            let what = What::Attached(attachment);
            found.push(piece(what, of.clone(), tagged, &manifest, Some(tag)));
        }
    }
    Ok(())
}

/// What refers to one digest, and what refers to that.
async fn referring(
    from: &End,
    of: &Digest,
    scope: &Scope,
    found: &mut Vec<Piece>,
) -> Result<(), Failure> {
    let mut level = vec![of.clone()];
    for _ in 0..MAX_DEPTH {
        let mut next = Vec::new();
        for of in level.drain(..) {
            for entry in from.referrers(&of).await? {
                if found.iter().any(|known| known.digest == entry.digest) {
                    continue;
                }
                let tagged = fetch(from, &What::Referrer, &entry).await?;
                let manifest = parse(&tagged)?;
                if !wanted(scope, &manifest) {
                    continue;
                }
                next.push(tagged.digest.clone());
                found.push(piece(What::Referrer, of.clone(), tagged, &manifest, None));
                if found.len() > MAX_PIECES {
                    return Err(Failure::new(format!(
                        "more than {MAX_PIECES} manifests refer to {of}"
                    )));
                }
            }
        }
        if next.is_empty() {
            return Ok(());
        }
        level = next;
    }
    Ok(())
}

/// Bundles are signatures or attestations by what their manifest says; the rest are SBOMs by their type, or others.
fn wanted(scope: &Scope, manifest: &Manifest) -> bool {
    let Manifest::Image(image) = manifest else { return scope.others };
    let kind = image.referrer_type();
    if media_type::is_sigstore_bundle(kind) {
        return match image.annotations.get(PREDICATE_TYPE) {
            Some(found) if found != COSIGN_SIGN => scope.attestations,
            Some(_) | None => scope.signatures,
        };
    }
    if is_sbom(kind) { scope.sboms } else { scope.others }
}

/// By the types that SBOM tools give their artifacts.
pub(in crate::cli::cosign) fn is_sbom(kind: &str) -> bool {
    ["spdx", "cyclonedx", "vnd.syft", "artifact.sbom"].iter().any(|word| kind.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_fits_what_it_is_asked_for() {
        let platform = Platform {
            architecture: "arm".to_owned(),
            os: "linux".to_owned(),
            variant: Some("v7".to_owned()),
            ..Platform::default()
        };
        for (wanted, expected) in [
            ("linux/arm/v7", true),
            ("linux/arm", true),
            ("linux", true),
            ("linux/arm64", false),
            ("linux/arm/v6", false),
            ("windows/arm", false),
            ("linux/arm:10", false),
        ] {
            assert_eq!(fits(&platform, wanted), expected, "{wanted}");
        }
        assert_eq!(name(&platform), "linux/arm/v7");
    }
}
