//! `upload`: files as images, so that registries keep them and signatures can speak of them.
mod blob;
mod wasm;

use super::{Failure, Output, registry, verify::go_json};
use clap::{Args, Subcommand};
use sigward_oci::{Access, Digest, media_type};
use sigward_remote::Registry;
use sigward_sigstore::sign::Blob;
use std::collections::BTreeMap;

/// Provides utilities for uploading artifacts to a registry.
#[derive(Args, Clone, Debug)]
pub(crate) struct Upload {
    #[command(subcommand)]
    pub(crate) what: What,
}

/// What is uploaded.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum What {
    Blob(blob::UploadBlob),
    Wasm(wasm::UploadWasm),
}

pub(super) async fn run(output: &mut Output, it: Upload) -> Result<(), Failure> {
    match it.what {
        What::Blob(it) => blob::run(output, it).await,
        What::Wasm(it) => wasm::run(output, it).await,
    }
}

/// The configuration of an image around one layer, which runs nowhere.
///
/// COMPAT: cosign 3.1: these bytes, so that the same file becomes the same digest; test: a_file_is_uploaded_and_can_be_signed
pub(super) fn config_of(layer: &Digest) -> Vec<u8> {
    const NEVER: &str = "0001-01-01T00:00:00Z";
    format!(
        r#"{{"architecture":"","created":"{NEVER}","history":[{{"created":"{NEVER}"}}],"os":"","rootfs":{{"type":"layers","diff_ids":["{layer}"]}},"config":{{}}}}"#
    )
    .into_bytes()
}

/// An image around one file.
struct OneFile {
    blobs: [Blob; 2],
    manifest: Blob,
}

impl OneFile {
    fn new(
        file: Vec<u8>,
        layer_type: &str,
        config_type: &str,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let file = Blob::new(file);
        let config = Blob::new(config_of(&file.digest));
        let text = |text: &str| go_json(&text.into());
        // The fields in the order in which Go writes them: the digest is what users compare.
        let descriptor = |kind: &str, blob: &Blob| {
            let kind = text(kind);
            format!(r#"{{"mediaType":{kind},"size":{},"digest":"{}"}}"#, blob.size(), blob.digest)
        };
        let annotations = if annotations.is_empty() {
            String::new()
        } else {
            format!(r#","annotations":{}"#, go_json(&serde_json::to_value(annotations)?))
        };
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]{annotations}}}"#,
            media_type::OCI_MANIFEST,
            descriptor(config_type, &config),
            descriptor(layer_type, &file)
        );
        Ok(Self { blobs: [file, config], manifest: Blob::new(manifest.into_bytes()) })
    }

    fn file(&self) -> &Digest {
        let [file, _config] = &self.blobs;
        &file.digest
    }

    async fn push(
        &self,
        client: &Registry,
        repository: &str,
        tag: Option<&str>,
    ) -> Result<(), Failure> {
        let access = Access::default();
        let failed = |error| registry::fetch_failure(&error);
        for blob in &self.blobs {
            client
                .push_blob(repository, blob.bytes.clone().into(), &access)
                .await
                .map_err(failed)?;
        }
        let bytes = self.manifest.bytes.clone().into();
        client
            .push_manifest(repository, tag, media_type::OCI_MANIFEST, bytes, &access)
            .await
            .map(drop)
            .map_err(failed)
    }
}
