//! Tiny real images: one layer with one file, a config, a manifest, and indexes over several platforms.

mod tar;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    artifact::{Artifact, DOCKER_LIST, DOCKER_MANIFEST, Descriptor, OCI_INDEX, OCI_MANIFEST},
    digest,
    registry::Registry,
};

/// Which family of media types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// OCI image specification 1.1.
    #[default]
    Oci,
    /// Docker image manifest, version 2 schema 2.
    Docker,
}

/// What an image is made of. The same recipe makes the same bytes; another seed makes other content.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Makes the content of the only file, and so the digest.
    pub seed: u64,
    /// The family of media types.
    pub format: Format,
    /// Architecture, as Go calls it.
    pub architecture: String,
    /// Labels of the config.
    pub labels: BTreeMap<String, String>,
    /// Environment of the config, `NAME=value`.
    pub env: Vec<String>,
    /// User of the config; empty means root.
    pub user: String,
    /// Annotations of the manifest (OCI only).
    pub annotations: BTreeMap<String, String>,
    /// Creation time in the config, RFC 3339.
    pub created: String,
}

impl Recipe {
    /// An OCI image for linux/amd64 with nothing special about it.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            format: Format::Oci,
            architecture: "amd64".to_owned(),
            labels: BTreeMap::new(),
            env: vec![
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            ],
            user: String::new(),
            annotations: BTreeMap::new(),
            created: "2024-01-01T00:00:00Z".to_owned(),
        }
    }

    /// Builds it.
    pub fn build(&self) -> Artifact {
        let content = format!("seed {}\n", self.seed);
        let layer = tar::archive("hello.txt", content.as_bytes());
        let packed = Bytes::from(tar::gzip(&layer));
        let mut settings = json!({ "Env": self.env, "Cmd": ["/hello"], "WorkingDir": "/" });
        if let Some(fields) = settings.as_object_mut() {
            if !self.labels.is_empty() {
                fields.insert("Labels".to_owned(), json!(self.labels));
            }
            if !self.user.is_empty() {
                fields.insert("User".to_owned(), json!(self.user));
            }
        }
        let config = json!({
            "architecture": self.architecture, "os": "linux", "created": self.created, "config": settings,
            "rootfs": { "type": "layers", "diff_ids": [digest::sha256(&layer)] },
            "history": [{ "created": self.created, "created_by": "testkit" }],
        });
        let config = Bytes::from(config.to_string());
        let (media_type, config_type, layer_type) = match self.format {
            Format::Oci => (
                OCI_MANIFEST,
                "application/vnd.oci.image.config.v1+json",
                "application/vnd.oci.image.layer.v1.tar+gzip",
            ),
            Format::Docker => (
                DOCKER_MANIFEST,
                "application/vnd.docker.container.image.v1+json",
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
            ),
        };
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": media_type,
            "config": Descriptor::of(config_type, &config), "layers": [Descriptor::of(layer_type, &packed)],
        });
        if let (Format::Oci, false, Some(fields)) =
            (self.format, self.annotations.is_empty(), manifest.as_object_mut())
        {
            fields.insert("annotations".to_owned(), json!(self.annotations));
        }
        Artifact {
            media_type: media_type.to_owned(),
            manifest: manifest.to_string().into(),
            blobs: vec![config, packed],
        }
    }

    /// Builds an index (or Docker's manifest list) of this image for several architectures.
    pub fn build_index(&self, architectures: &[&str]) -> Index {
        let images: Vec<Artifact> = architectures
            .iter()
            .map(|&architecture| {
                Self { architecture: architecture.to_owned(), ..self.clone() }.build()
            })
            .collect();
        let entries = images.iter().zip(architectures).map(|(image, architecture)| {
            let mut entry = json!(image.descriptor());
            if let Some(fields) = entry.as_object_mut() {
                fields.insert(
                    "platform".to_owned(),
                    json!({ "architecture": architecture, "os": "linux" }),
                );
            }
            entry
        });
        let media_type = match self.format {
            Format::Oci => OCI_INDEX,
            Format::Docker => DOCKER_LIST,
        };
        let manifest = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries.collect::<Vec<Value>>() });
        let index = Artifact {
            media_type: media_type.to_owned(),
            manifest: manifest.to_string().into(),
            blobs: Vec::new(),
        };
        Index { index, images }
    }
}

/// The plain OCI image of a seed.
pub fn build(seed: u64) -> Artifact {
    Recipe::new(seed).build()
}

/// An index and the images that it names.
#[derive(Debug, Clone)]
pub struct Index {
    /// The index itself.
    pub index: Artifact,
    /// Its images, in its order.
    pub images: Vec<Artifact>,
}

impl Index {
    /// Puts the images, then the index, into a registry of this process. Returns the digest of the index.
    pub fn push(&self, registry: &Registry, repository: &str, tag: &str) -> String {
        for image in &self.images {
            image.push(registry, repository, &image.digest());
        }
        self.index.push(registry, repository, tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Options;

    #[test]
    fn a_seed_makes_the_same_image_each_time_and_another_seed_another() {
        assert_eq!(build(1), build(1));
        assert_ne!(build(1).digest(), build(2).digest());
        assert_ne!(build(1).blobs.last(), build(2).blobs.last());
    }

    #[test]
    fn a_manifest_describes_its_blobs() {
        for format in [Format::Oci, Format::Docker] {
            let image = Recipe { format, ..Recipe::new(7) }.build();
            let manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
            let described = [&manifest["config"], &manifest["layers"][0]];
            for (descriptor, blob) in described.into_iter().zip(&image.blobs) {
                assert_eq!(descriptor["digest"], digest::sha256(blob));
                assert_eq!(descriptor["size"], blob.len());
            }
            assert_eq!(manifest["mediaType"], image.media_type);
        }
    }

    #[test]
    fn what_a_recipe_says_is_in_the_image() {
        let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
        let recipe = Recipe {
            labels: labels.clone(),
            annotations: labels,
            user: "65532".to_owned(),
            ..Recipe::new(1)
        };
        let image = recipe.build();
        let config: Value = serde_json::from_slice(&image.blobs[0]).unwrap();
        assert_eq!(
            (&config["config"]["Labels"]["team"], &config["config"]["User"]),
            (&json!("shop"), &json!("65532"))
        );
        let manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
        assert_eq!(manifest["annotations"]["team"], "shop");
    }

    #[test]
    fn an_index_names_an_image_for_each_platform() {
        let registry = Registry::start(Options::default()).unwrap();
        let index = Recipe::new(3).build_index(&["amd64", "arm64"]);
        let digest = index.push(&registry, "shop/web", "v1");
        let stored: Value =
            serde_json::from_slice(&registry.manifest("shop/web", &digest).unwrap().bytes).unwrap();
        assert_eq!(stored["manifests"][1]["platform"]["architecture"], "arm64");
        for entry in stored["manifests"].as_array().unwrap() {
            assert!(registry.manifest("shop/web", entry["digest"].as_str().unwrap()).is_some());
        }
        assert_ne!(index.images[0].digest(), index.images[1].digest());
    }
}
