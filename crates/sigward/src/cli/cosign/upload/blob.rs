//! `upload blob`: one file as an image, or several as an index of platforms.
use super::OneFile;
use crate::cli::cosign::{
    Failure, Output, evidence, flags::RegistryFlags, pflag, registry, signing,
};
use clap::Args;
use sigward_oci::{Access, Descriptor, Index, Platform, media_type};
use sigward_sigstore::sign::Blob;
use std::{collections::BTreeMap, path::PathBuf};

/// Upload one or more blobs to the supplied container image address.
#[derive(Args, Clone, Debug)]
pub(crate) struct UploadBlob {
    /// where it goes
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Vec<String>,
    /// <filepath>:[platform/arch]
    #[arg(long, short = 'f', value_delimiter = ',')]
    pub(crate) files: Vec<String>,
    /// content type to set
    #[arg(long)]
    pub(crate) ct: Option<String>,
    /// annotations to set
    #[arg(long, short = 'a', value_delimiter = ',')]
    pub(crate) annotation: Vec<String>,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// `PATH`, `PATH:os` or `PATH:os/architecture`.
fn with_platform(text: &str) -> Result<(PathBuf, Option<Platform>), Failure> {
    let Some((path, platform)) = text.split_once(':') else { return Ok((text.into(), None)) };
    let mut parts = platform.split('/');
    let os = parts.next().unwrap_or_default().to_owned();
    let architecture = parts.next().unwrap_or_default().to_owned();
    if os.is_empty() || parts.next().is_some() {
        return Err(Failure::new(format!("{text}: a platform is os or os/architecture")));
    }
    Ok((path.into(), Some(Platform { os, architecture, ..Platform::default() })))
}

/// Pushes each file as an image; several become an index.
///
/// COMPAT: cosign 3.1: the digest of one file's image is all of standard output; test: a_file_is_uploaded_and_can_be_signed
pub(in crate::cli::cosign) async fn run(
    output: &mut Output,
    it: UploadBlob,
) -> Result<(), Failure> {
    let named = registry::parse(pflag::exactly_one(&it.image)?)?;
    if named.digest.is_some() {
        return Err(Failure::new("a file is uploaded to a tag: its digest is not known before"));
    }
    let annotations: BTreeMap<String, String> = evidence::pairs(&it.annotation)?
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let files = it.files.iter().map(|text| with_platform(text)).collect::<Result<Vec<_>, _>>()?;
    if files.is_empty() {
        return Err(Failure::new("no files uploaded?"));
    }
    // COMPAT: cosign 3.1: a file without a platform is left out of the index in silence; test: several_files_become_an_index
    if files.len() > 1 && files.iter().any(|(_, platform)| platform.is_none()) {
        return Err(Failure::new(
            "several files become an index: each needs a platform (FILE:os/architecture)",
        ));
    }
    let client = registry::client_for_images(output, &it.registry, std::slice::from_ref(&named))?;
    let (repository, tag) = (named.repository(), named.tag.as_deref().unwrap_or("latest"));
    let single = files.len() == 1;
    let mut entries = Vec::new();
    for (path, platform) in files {
        let bytes = signing::read_blob(&path, "")?;
        let kind = it.ct.clone().unwrap_or_else(|| content_type(&bytes).to_owned());
        output.say(&format!(
            "Uploading file from [{}] to [{}] with media type [{kind}]",
            path.display(),
            named.name()
        ));
        let image = OneFile::new(bytes, &kind, media_type::OCI_CONFIG, &annotations)?;
        image.push(&client, &repository, single.then_some(tag)).await?;
        output.say(&format!(
            "File [{}] is available directly at [{}/v2/{}/blobs/{}]",
            path.display(),
            named.registry,
            named.path,
            image.file()
        ));
        let mut entry = Descriptor::new(
            media_type::OCI_MANIFEST,
            image.manifest.digest.clone(),
            image.manifest.size(),
        );
        entry.platform = platform;
        entries.push(entry);
    }
    if let [only] = entries.as_slice()
        && single
    {
        output.say("Uploaded image to:");
        return output.line(&format!("{repository}@{}", only.digest));
    }
    let mut index = Index::new(entries);
    index.media_type = Some(media_type::OCI_INDEX.to_owned());
    index.annotations = annotations;
    let index = Blob::new(serde_json::to_vec(&index)?);
    let bytes = index.bytes.into();
    client
        .push_manifest(&repository, Some(tag), media_type::OCI_INDEX, bytes, &Access::default())
        .await
        .map_err(|error| registry::fetch_failure(&error))?;
    output.say(&format!("Uploading multi-platform index to {repository}@{}", index.digest));
    Ok(())
}

/// What the first bytes are, for the kinds that people upload.
///
/// SPEC: WHATWG MIME Sniffing, as far as Go's `http.DetectContentType` goes for these kinds.
fn content_type(bytes: &[u8]) -> &'static str {
    const MAGIC: &[(&[u8], &str)] = &[
        (b"%PDF-", "application/pdf"),
        (b"\x1f\x8b\x08", "application/x-gzip"),
        (b"PK\x03\x04", "application/zip"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"\0asm", "application/wasm"),
    ];
    let start = bytes.get(..512).unwrap_or(bytes);
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| start.starts_with(magic)) {
        return kind;
    }
    let trimmed = start.trim_ascii_start();
    if trimmed.starts_with(b"<?xml") {
        return "text/xml";
    }
    let html = [&b"<!DOCTYPE HTML"[..], b"<HTML", b"<HEAD", b"<BODY", b"<SCRIPT"];
    let tag = html
        .iter()
        .any(|tag| trimmed.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag)));
    if tag {
        return "text/html";
    }
    let binary = |byte: &u8| matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    if start.iter().any(binary) { "application/octet-stream" } else { "text/plain" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_first_bytes() {
        for (bytes, kind) in [
            (&b"hello\n"[..], "text/plain"),
            (b"", "text/plain"),
            (b"{\"a\":1}", "text/plain"),
            (b"\x7fELF\x02\x01\x01\0", "application/octet-stream"),
            (b"\x1f\x8b\x08\0", "application/x-gzip"),
            (b"  <html>", "text/html"),
            (b"<?xml version=\"1.0\"?>", "text/xml"),
            (b"\0asm\x01", "application/wasm"),
        ] {
            assert_eq!(content_type(bytes), kind, "{bytes:?}");
        }
    }

    #[test]
    fn a_platform_may_stand_behind_a_file() {
        let (path, platform) = with_platform("foo:linux/arm64").unwrap();
        let platform = platform.unwrap();
        assert_eq!(path, PathBuf::from("foo"));
        assert_eq!((platform.os.as_str(), platform.architecture.as_str()), ("linux", "arm64"));
        assert!(with_platform("foo").unwrap().1.is_none());
        assert!(with_platform("foo:").is_err() && with_platform("foo:a/b/c").is_err());
    }
}
