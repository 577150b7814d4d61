//! Which images a name stands for, looked up once, with the images below an index.
use crate::cli::cosign::{
    Failure, Output,
    registry::{self, fetch_failure},
};
use sigward_oci::{
    Access, Descriptor, Digest, DigestReference, GoReference, Manifest, TagReference, media_type,
};
use sigward_remote::Registry;
use smol_str::SmolStr;

/// Most images that one `--recursive` signs, and how deep indexes may lie in each other.
const MAX_CHILDREN: usize = 1024;
const MAX_DEPTH: usize = 8;

/// One thing that is signed: an image or an index, by digest.
#[derive(Clone, Debug)]
pub(in crate::cli::cosign) struct Target {
    /// Host and path of the image, as cosign writes it into payloads.
    pub(in crate::cli::cosign) repository: SmolStr,
    /// Its manifest.
    pub(in crate::cli::cosign) descriptor: Descriptor,
}

/// Finds what a name stands for, once; with `recursive`, everything below an index as well.
///
/// # Errors
/// There is no such image, the registry could not be asked, or the index is too large.
pub(in crate::cli::cosign) async fn targets(
    client: &Registry,
    output: &Output,
    named: &GoReference,
    recursive: bool,
) -> Result<Vec<Target>, Failure> {
    if named.digest.is_none() {
        warn_about_tag(output, named);
    }
    let repository = named.repository();
    let (digest, media_type, bytes) = entity(client, named).await?;
    let manifest = Manifest::parse(&bytes, media_type.as_deref())
        .map_err(|error| Failure::new(format!("accessing entity: {}: {error}", named.name())))?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let own_type = media_type_of(&manifest, media_type.as_deref());
    let mut found = vec![Target {
        repository: repository.clone(),
        descriptor: Descriptor::new(own_type, digest, size),
    }];
    if recursive {
        descend(client, &repository, manifest, &mut found).await?;
    }
    Ok(found)
}

/// Finds what one name stands for, and nothing below it.
///
/// # Errors
/// As [`targets`].
pub(in crate::cli::cosign) async fn target(
    client: &Registry,
    output: &Output,
    named: &GoReference,
) -> Result<Target, Failure> {
    let mut found = targets(client, output, named, false).await?;
    found.pop().ok_or_else(|| no_entity(named, named.tag.as_deref().unwrap_or_default()))
}

async fn descend(
    client: &Registry,
    repository: &SmolStr,
    manifest: Manifest,
    found: &mut Vec<Target>,
) -> Result<(), Failure> {
    let mut level = vec![manifest];
    for _ in 0..MAX_DEPTH {
        let children: Vec<Descriptor> = level
            .drain(..)
            .flat_map(|manifest| match manifest {
                Manifest::Index(index) => index.manifests,
                Manifest::Image(_) => Vec::new(),
            })
            .collect();
        if children.is_empty() {
            return Ok(());
        }
        for child in children {
            // The same image may be listed twice; it is signed once.
            if found.iter().any(|known| known.descriptor.digest == child.digest) {
                continue;
            }
            if found.len() > MAX_CHILDREN {
                return Err(Failure::new(format!(
                    "the index holds more than {MAX_CHILDREN} images"
                )));
            }
            let reference =
                DigestReference { repository: repository.clone(), digest: child.digest.clone() };
            let bytes = client
                .manifest(&reference, &Access::default())
                .await
                .map_err(|error| fetch_failure(&error))?
                .ok_or_else(|| {
                    Failure::new(format!(
                        "accessing entity: entity not found in registry: {reference}"
                    ))
                })?;
            let manifest = Manifest::parse(&bytes, Some(&child.media_type))
                .map_err(|error| Failure::new(format!("accessing entity: {reference}: {error}")))?;
            found.push(Target {
                repository: repository.clone(),
                descriptor: Descriptor::new(
                    child.media_type,
                    child.digest,
                    u64::try_from(bytes.len()).unwrap_or(u64::MAX),
                ),
            });
            level.push(manifest);
        }
    }
    if level.iter().any(|manifest| matches!(manifest, Manifest::Index(_))) {
        return Err(Failure::new(format!("indexes lie in each other deeper than {MAX_DEPTH}")));
    }
    Ok(())
}

async fn entity(
    client: &Registry,
    named: &GoReference,
) -> Result<(Digest, Option<SmolStr>, Vec<u8>), Failure> {
    let access = Access::default();
    if let Some(reference) = named.digest_reference() {
        return match client.manifest(&reference, &access).await {
            Ok(Some(bytes)) => Ok((reference.digest, None, bytes.to_vec())),
            Ok(None) => Err(no_entity(named, reference.digest.as_str())),
            Err(error) => Err(fetch_failure(&error)),
        };
    }
    let tag = TagReference {
        repository: named.repository(),
        tag: named.tag.clone().unwrap_or_else(|| "latest".into()),
    };
    match client.manifest_by_tag(&tag, &access).await {
        Ok(Some(fetched)) => Ok((fetched.digest, fetched.media_type, fetched.bytes.to_vec())),
        Ok(None) => Err(no_entity(named, &tag.tag)),
        Err(error) => Err(fetch_failure(&error)),
    }
}

/// COMPAT: cosign 3.1: signing what is not there ends with code 1, not with `verify`'s 11; test: signing_a_missing_image_says_which
fn no_entity(named: &GoReference, reference: &str) -> Failure {
    let registry::Missing { url, said } = registry::missing(&named.repository(), reference);
    Failure::new(format!(
        "accessing entity: entity not found in registry, error: GET {url}: {said}"
    ))
}

fn media_type_of(manifest: &Manifest, told: Option<&str>) -> String {
    let own = match manifest {
        Manifest::Image(image) => image.media_type.as_deref(),
        Manifest::Index(index) => index.media_type.as_deref(),
    };
    let known = |text: &&str| media_type::is_index(text) || media_type::is_manifest(text);
    let fallback = match manifest {
        Manifest::Image(_) => media_type::OCI_MANIFEST,
        Manifest::Index(_) => media_type::OCI_INDEX,
    };
    own.filter(known).or(told.filter(known)).unwrap_or(fallback).to_owned()
}

/// Said whenever what is signed was named by a tag: the tag may have moved since it was looked at.
fn warn_about_tag(output: &Output, named: &GoReference) {
    output.say(&format!(
        "WARNING: Image reference {} uses a tag, not a digest, to identify the image to sign.\n    \
         This can lead you to sign a different image than the intended one. Please use a\n    \
         digest (example.com/ubuntu@sha256:abc123...) rather than tag\n    \
         (example.com/ubuntu:latest) for the input to cosign. The ability to refer to\n    \
         images by tag will be removed in a future release.\n",
        named.name()
    ));
}
