//! What `sign`, `attest` and `sign-blob` share: who is told about a signature, what is signed, and where it is put.
use super::{
    Failure, Output,
    flags::SigningSourceFlags,
    keys,
    registry::{self, fetch_failure},
};
use serde::Deserialize;
use sigward_oci::{
    Access, Attachment, Descriptor, Digest, DigestReference, GoReference, Manifest, TagReference,
    attached_tag,
};
use sigward_remote::Registry;
use sigward_sigstore::{
    keys::{PrivateKey, Signer as _},
    sign::{self, Attached, LegacyLayer, Manifests, Written},
};
use smol_str::SmolStr;
use std::{
    io::Read,
    path::{Path, PathBuf},
};

/// Most images that one `--recursive` signs, and how deep indexes may lie in each other.
const MAX_CHILDREN: usize = 1024;
const MAX_DEPTH: usize = 8;
/// Longest signing config, payload, predicate or statement that is read, in bytes.
const MAX_DOCUMENT: u64 = 128 << 20;
/// Longest file that is signed or verified, in bytes: all of it is in memory, since some keys sign all of it.
const MAX_BLOB: u64 = 4 << 30;

/// Checks that nobody else has to be told about the signature: this build knows no log and no timestamp authority.
///
/// COMPAT: cosign 3.1: a log entry is made unless `--tlog-upload=false` (or a signing config without services) says
/// otherwise, so signing is refused where cosign would have uploaded; test: signing_without_saying_no_log_is_refused_with_the_way_out
///
/// # Errors
/// Each names its way out.
pub(super) fn check_services(
    source: &SigningSourceFlags,
    new_bundle_format: bool,
) -> Result<(), Failure> {
    if !source.tlog_upload
        && (source.signing_config.is_some() || source.use_signing_config == Some(true))
    {
        return Err(Failure::new(
            "--tlog-upload=false is not supported with --signing-config or --use-signing-config. \
             Provide a signing config with --signing-config without a transparency log service",
        ));
    }
    if let Some(path) = &source.signing_config {
        if !new_bundle_format {
            return Err(Failure::new(
                "must provide --new-bundle-format or --bundle where applicable with --signing-config or --use-signing-config",
            ));
        }
        return check_signing_config(path);
    }
    if source.use_signing_config == Some(true) {
        return Err(Failure::new(
            "--use-signing-config needs the TUF repository, which is not available in this build: \
             with --signing-config FILE the services are read from a file",
        ));
    }
    if source.tlog_upload {
        return Err(Failure::new(
            "signing needs a transparency log, which is not available in this build: \
             with --tlog-upload=false (or a --signing-config file that lists no log) the signature is made without one",
        ));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SigningConfig {
    media_type: String,
    #[serde(default)]
    rekor_tlog_urls: Option<Vec<Service>>,
    #[serde(default)]
    tsa_urls: Option<Vec<Service>>,
}

#[derive(Deserialize)]
struct Service {
    #[serde(default)]
    url: String,
}

/// A signing config counts only when it lists no log and no timestamp authority. (Authorities and identity providers
/// are for those who have no key.)
fn check_signing_config(path: &Path) -> Result<(), Failure> {
    let bytes = read_file(path, "error reading signing config: ")?;
    let config: SigningConfig = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(format!("error reading signing config: {}: {error}", path.display()))
    })?;
    if config.media_type != "application/vnd.dev.sigstore.signingconfig.v0.2+json" {
        return Err(Failure::new(format!(
            "error reading signing config: {}: unsupported mediaType {:?}",
            path.display(),
            config.media_type
        )));
    }
    let listed = [
        ("a transparency log", config.rekor_tlog_urls),
        ("a timestamp authority", config.tsa_urls),
    ];
    for (what, services) in listed {
        if let Some(service) = services.iter().flatten().next() {
            return Err(Failure::new(format!(
                "{} lists {what} ({}), which is not available in this build: remove it from the file to sign without one",
                path.display(),
                service.url
            )));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrustedRoot {
    media_type: String,
}

/// A trusted root beside a key and without a log has nothing to say; but it has to be one.
///
/// # Errors
/// The file cannot be read, or is no trusted root.
pub(super) fn check_trusted_root(path: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let bytes = read_file(path, "loading trusted root: ")?;
    let root = serde_json::from_slice::<TrustedRoot>(&bytes).map_err(|error| {
        Failure::new(format!("loading trusted root: {}: {error}", path.display()))
    })?;
    let known = [
        "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "application/vnd.dev.sigstore.trustedroot.v0.2+json",
    ];
    if !known.contains(&root.media_type.as_str()) {
        return Err(Failure::new(format!(
            "loading trusted root: {}: unsupported mediaType {:?}",
            path.display(),
            root.media_type
        )));
    }
    Ok(())
}

/// The key of `--key`.
///
/// # Errors
/// There is none, or it cannot be used.
pub(super) fn signer(reference: Option<&str>) -> Result<PrivateKey, Failure> {
    match reference {
        Some(reference) => keys::private_key(reference),
        None => Err(Failure::new(
            "signing without --key is keyless signing, which is not available in this build",
        )),
    }
}

/// The bytes of a document, bounded.
///
/// # Errors
/// Go's words for what went wrong, behind `before`.
pub(super) fn read_file(path: &Path, before: &str) -> Result<Vec<u8>, Failure> {
    read_up_to(MAX_DOCUMENT, path, before)
}

/// A document, or standard input for `-`.
///
/// # Errors
/// As [`read_file`].
pub(super) fn read_input(path: &Path, before: &str) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        return bounded(std::io::stdin(), MAX_DOCUMENT, "standard input", before);
    }
    read_file(path, before)
}

/// A file of any kind, or standard input for `-`.
///
/// # Errors
/// As [`read_file`].
pub(super) fn read_blob(path: &Path, before: &str) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        return bounded(std::io::stdin(), MAX_BLOB, "standard input", before);
    }
    read_up_to(MAX_BLOB, path, before)
}

fn read_up_to(limit: u64, path: &Path, before: &str) -> Result<Vec<u8>, Failure> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path)
        .map_err(|error| Failure::new(format!("{before}open {name}: {}", keys::reason(&error))))?;
    bounded(file, limit, &name, before)
}

fn bounded(from: impl Read, limit: u64, name: &str, before: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format!("{before}read {name}: {}", keys::reason(&error))))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(Failure::new(format!("{before}{name} is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// One thing that is signed: an image or an index, by digest.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Host and path of the image, as cosign writes it into payloads.
    pub(super) repository: SmolStr,
    /// Its manifest.
    pub(super) descriptor: Descriptor,
}

/// Finds what a name stands for, once; with `recursive`, everything below an index as well.
///
/// # Errors
/// There is no such image, the registry could not be asked, or the index is too large.
pub(super) async fn targets(
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
    let known = |text: &&str| {
        sigward_oci::media_type::is_index(text) || sigward_oci::media_type::is_manifest(text)
    };
    let fallback = match manifest {
        Manifest::Image(_) => sigward_oci::media_type::OCI_MANIFEST,
        Manifest::Index(_) => sigward_oci::media_type::OCI_INDEX,
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

/// Where what was signed is kept: `COSIGN_REPOSITORY`, else beside the image.
pub(super) fn store_of(target: &Target) -> Result<SmolStr, Failure> {
    Ok(registry::signature_repository()?.unwrap_or_else(|| target.repository.clone()))
}

/// Puts a bundle beside an image: blobs, then the manifest that refers to the image.
///
/// # Errors
/// The registry refused or could not be reached.
pub(super) async fn push_bundle(
    client: &Registry,
    target: &Target,
    bundle: Vec<u8>,
    predicate_type: &str,
    created: &str,
) -> Result<(), Failure> {
    let repository = store_of(target)?;
    let referrer = sign::referrer(&target.descriptor, bundle, predicate_type, created)?;
    push_blobs(client, &repository, &referrer.written).await?;
    client
        .push_referrer(&repository, referrer.written.manifest.bytes.into(), &Access::default())
        .await
        .map_err(|error| fetch_failure(&error))?;
    Ok(())
}

async fn push_blobs(client: &Registry, repository: &str, written: &Written) -> Result<(), Failure> {
    for blob in &written.blobs {
        client
            .push_blob(repository, blob.bytes.clone().into(), &Access::default())
            .await
            .map_err(|error| fetch_failure(&error))?;
    }
    Ok(())
}

/// How a legacy manifest is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct LegacyForm<'a> {
    /// `.sig` or `.att`.
    pub(super) attachment: Attachment,
    /// `--attachment-tag-prefix`.
    pub(super) tag_prefix: &'a str,
    /// `--record-creation-timestamp`.
    pub(super) created: Option<&'a str>,
    /// `attest --replace`: attestations of this type go.
    pub(super) replace: Option<&'a str>,
}

/// Adds layers to what is attached under an image's tag.
///
/// # Errors
/// The registry refused or could not be reached, or something else lies under the tag.
pub(super) async fn push_legacy(
    client: &Registry,
    target: &Target,
    key: &PrivateKey,
    layers: &[LegacyLayer],
    form: LegacyForm<'_>,
) -> Result<(), Failure> {
    let repository = store_of(target)?;
    let tag = TagReference {
        tag: attached_tag(&target.descriptor.digest, form.attachment, form.tag_prefix),
        repository: repository.clone(),
    };
    let manifests = manifests()?;
    let fetched = client
        .manifest_by_tag(&tag, &Access::default())
        .await
        .map_err(|error| fetch_failure(&error))?;
    let mut existing = fetched.map(|fetched| fetched.bytes.to_vec());
    if let (Some(bytes), Some(predicate_type)) = (&existing, form.replace) {
        existing = Some(sign::replace_type(bytes, predicate_type)?);
    }
    let mut last = None;
    for layer in layers {
        match sign::append(existing.as_deref(), layer, key.public_key(), manifests, form.created)? {
            Attached::AlreadyThere => {}
            Attached::Written(written) => {
                push_blobs(client, &repository, &written).await?;
                existing = Some(written.manifest.bytes.clone());
                last = Some(written);
            }
        }
    }
    if let Some(written) = last {
        client
            .push_manifest(
                &repository,
                Some(&tag.tag),
                written.media_type,
                written.manifest.bytes.into(),
                &Access::default(),
            )
            .await
            .map_err(|error| fetch_failure(&error))?;
    }
    Ok(())
}

/// `COSIGN_DOCKER_MEDIA_TYPES`: manifests of attached tags in Docker's types.
fn manifests() -> Result<Manifests, Failure> {
    const VARIABLE: &str = "COSIGN_DOCKER_MEDIA_TYPES";
    let text = std::env::var(VARIABLE).unwrap_or_default();
    if text.is_empty() {
        return Ok(Manifests::Oci);
    }
    match super::pflag::go_bool(&text) {
        Ok(true) => Ok(Manifests::Docker),
        Ok(false) => Ok(Manifests::Oci),
        Err(why) => Err(Failure::new(format!("{VARIABLE}: {why}"))),
    }
}

/// The file for one of several outputs: `FILE`, or `FILE-sha256-HEX` where one name would stand for many.
///
/// COMPAT: cosign 3.1: with `--recursive` each file gets the digest behind its name; bundles do not there, and all but
/// the last are lost; test: recursive_output_files_carry_the_digest
pub(super) fn file_for(path: &Path, digest: &Digest, many: bool) -> PathBuf {
    if !many {
        return path.to_path_buf();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!("-{}-{}", digest.algorithm().as_str(), digest.hex()));
    PathBuf::from(name)
}

/// Writes a bundle for its owner alone, and says so.
pub(super) fn write_bundle(output: &Output, path: &Path, bundle: &[u8]) -> Result<(), Failure> {
    keys::write_file(path, bundle, 0o600)?;
    output.say(&format!("Wrote bundle to file {}", path.display()));
    Ok(())
}

/// cosign's old bundle around a signature in base64, without certificate or log entry.
pub(super) fn legacy_blob_bundle(signature: &str) -> String {
    serde_json::json!({ "base64Signature": signature }).to_string()
}

/// Puts the name of what was to be signed before a failure.
pub(super) fn signing_failed(what: &str) -> impl FnOnce(Failure) -> Failure {
    let before = format!("signing {what}: ");
    move |Failure { message, code }| Failure { message: before + &message, code }
}
