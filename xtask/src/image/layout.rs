//! An OCI image layout: blobs by digest, and an index that names the image.
//!
//! SPEC: OCI image specification 1.1, "OCI Image Layout".

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::archive::Archive;

/// An image in memory.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// By hexadecimal digest.
    blobs: BTreeMap<String, Vec<u8>>,
    index: Vec<u8>,
    digest: String,
}

/// `sha256:…` of these bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    hash.as_ref().iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _never = write!(text, "{byte:02x}");
        text
    })
}

impl Layout {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Keeps a blob and gives its descriptor.
    pub(super) fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = digest_of(&bytes);
        let descriptor = json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() });
        self.blobs.insert(digest.trim_start_matches("sha256:").to_owned(), bytes);
        descriptor
    }

    /// Puts the image together; its manifest is the only one of the index.
    pub(super) fn manifest(
        &mut self,
        config: &Value,
        layers: &[Value],
        annotations: &Value,
        architecture: &str,
    ) -> Result<()> {
        const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers, "annotations": annotations,
        });
        let manifest = serde_json::to_vec(&manifest)?;
        self.digest = digest_of(&manifest);
        let descriptor = json!({
            "mediaType": MANIFEST,
            "digest": self.digest,
            "size": manifest.len(),
            "platform": { "architecture": architecture, "os": "linux" },
            // What `load` of cosign's kind looks for in a folder.
            "annotations": {
                "dev.cosignproject.cosign/image": "", "kind": "dev.cosignproject.cosign/image",
            },
        });
        self.add(MANIFEST, manifest);
        self.index = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [descriptor],
        }))?;
        Ok(())
    }

    /// The digest of the image.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// A blob, by its digest.
    #[cfg(test)]
    pub(super) fn blob(&self, digest: &str) -> Option<&[u8]> {
        self.blobs.get(digest.trim_start_matches("sha256:")).map(Vec::as_slice)
    }

    /// Every file of the layout.
    fn files(&self) -> impl Iterator<Item = (String, &[u8])> {
        let blobs =
            self.blobs.iter().map(|(name, bytes)| (format!("blobs/sha256/{name}"), &bytes[..]));
        blobs.chain([
            ("index.json".to_owned(), self.index.as_slice()),
            ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.as_slice()),
        ])
    }

    /// Writes the layout into a folder, in place of what was there.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        if folder.exists() {
            let is_empty = fs::read_dir(folder).is_ok_and(|mut inside| inside.next().is_none());
            ensure!(
                is_empty || folder.join("oci-layout").is_file(),
                "{} holds something else than an image layout, and is left alone",
                folder.display()
            );
            fs::remove_dir_all(folder)
                .with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(folder.join("blobs/sha256"))?;
        for (name, bytes) in self.files() {
            let path = folder.join(name);
            fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// The layout as a tar archive, as `ctr image import` and `skopeo` read it.
    pub(crate) fn archive(&self) -> Result<Vec<u8>> {
        let mut archive = Archive::new();
        for folder in ["blobs", "blobs/sha256"] {
            archive.folder(folder, 0o755, 0)?;
        }
        for (name, bytes) in self.files() {
            archive.file(&name, 0o644, bytes)?;
        }
        Ok(archive.finish())
    }
}
