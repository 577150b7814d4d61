//! `upload`: files as images, so that registries keep them and signatures can speak of them.
mod blob;
mod wasm;

use super::{Failure, Output, registry};
use clap::{Args, Subcommand};
use sigward_oci::{Access, Descriptor, Digest, ImageManifest, media_type};
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

/// The configuration of an image that runs nowhere.
pub(super) const EMPTY_CONFIG: &[u8] =
    br#"{"architecture":"","created":"0001-01-01T00:00:00Z","os":"","rootfs":{"type":"layers","diff_ids":[]},"config":{}}"#;

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
        annotations: BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let (file, config) = (Blob::new(file), Blob::new(EMPTY_CONFIG.to_vec()));
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: Some(media_type::OCI_MANIFEST.to_owned()),
            artifact_type: None,
            config: Descriptor::new(config_type, config.digest.clone(), config.size()),
            layers: vec![Descriptor::new(layer_type, file.digest.clone(), file.size())],
            subject: None,
            annotations,
        };
        let manifest = Blob::new(serde_json::to_vec(&manifest)?);
        Ok(Self { blobs: [file, config], manifest })
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
