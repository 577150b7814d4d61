//! `oci`: policies as an artifact of a registry.
use super::{
    create,
    input::{self, Git, Sorted, Wanted},
    registry,
};
use crate::cli::cosign::Failure;
use aws_lc_rs::digest;
use clap::{Args, Subcommand};
use sigward_document::{
    Value, parse_json,
    yaml::{YamlStyle, to_yaml_with},
};
use sigward_oci::{
    Access, Descriptor, Digest, DigestReference, ImageManifest, go_reference, media_type,
};
use sigward_policy::snapshot::Settings;
use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
};

// SPEC: Kyverno 1.19, `oci push`: media types and annotations.
const CONFIG: &str = "application/vnd.cncf.kyverno.config.v1+json";
const LAYER: &str = "application/vnd.cncf.kyverno.policy.layer.v1+yaml";
const KIND: &str = "io.kyverno.image.kind";
const NAME: &str = "io.kyverno.image.name";
const API_VERSION: &str = "io.kyverno.image.apiVersion";

/// The most policies of one artifact.
const MAX_POLICIES: usize = 1000;

/// Push and pull policies.
#[derive(Args, Clone, Debug)]
pub(crate) struct Oci {
    #[command(subcommand)]
    command: Ocis,
}

#[derive(Clone, Debug, Subcommand)]
enum Ocis {
    Push(Push),
    Pull(Pull),
}

/// Push policies as one artifact.
#[derive(Args, Clone, Debug)]
struct Push {
    /// policy files or folders
    #[arg(required = true)]
    policies: Vec<String>,
    /// where to push to
    #[arg(short, long, required = true)]
    image: String,
    /// allow registries that speak plain HTTP
    #[arg(long = "allowInsecureRegistry", alias = "allow-insecure-registry")]
    allow_insecure_registry: bool,
}

/// Pull policies into a folder, one file each.
#[derive(Args, Clone, Debug)]
struct Pull {
    /// the folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// where to pull from
    #[arg(short, long, required = true)]
    image: String,
    /// allow registries that speak plain HTTP
    #[arg(long = "allowInsecureRegistry", alias = "allow-insecure-registry")]
    allow_insecure_registry: bool,
}

impl Oci {
    /// # Errors
    /// Policies that cannot be used, a registry that refuses or cannot be reached, files that cannot be written.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match &self.command {
            Ocis::Push(push) => runtime.block_on(push.run()),
            Ocis::Pull(pull) => runtime.block_on(pull.run()),
        }
    }
}

fn say(text: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

fn sha256(bytes: &[u8]) -> Result<Digest, Failure> {
    let hash = digest::digest(&digest::SHA256, bytes);
    let hash: &[u8; 32] =
        hash.as_ref().try_into().map_err(|_length| Failure::new("sha256 is not 32 bytes"))?;
    Ok(Digest::sha256(hash))
}

fn descriptor(kind: &str, bytes: &[u8]) -> Result<Descriptor, Failure> {
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok(Descriptor::new(kind, sha256(bytes)?, size))
}

impl Push {
    async fn run(&self) -> Result<(), Failure> {
        let documents = input::documents(&self.policies, None, &Git::default())?;
        let sorted = Sorted::new(documents, Wanted::Policies, &Settings::default());
        let _closed = std::io::stderr().write_all(sorted.said.as_bytes());
        if let Some(kind) = sorted.unsupported.first() {
            return Err(Failure::new(format!("{kind} is not supported in this build")));
        }
        if let Some(invalid) = sorted.policies.iter().find(|one| one.compiled.is_err()) {
            return Err(Failure::new(format!("the policy {} cannot be used", invalid.name())));
        }
        if sorted.policies.is_empty() || sorted.broken > 0 {
            return Err(Failure::new(
                "no policies, or some that cannot be read: nothing was pushed",
            ));
        }
        if sorted.policies.len() > MAX_POLICIES {
            return Err(Failure::new(format!("more than {MAX_POLICIES} policies")));
        }
        let reference = go_reference(&self.image)?;
        let target = reference
            .tag_reference()
            .ok_or_else(|| Failure::new(format!("{} has no tag to push to", self.image)))?;
        let client = registry(self.allow_insecure_registry)?;
        let access = Access::default();
        let config = b"{}".to_vec();
        let mut layers = Vec::new();
        for loaded in &sorted.policies {
            let value = &loaded.document.written.value;
            let text = |name: &str| value.str_at(&[name]).unwrap_or_default().to_owned();
            say(&format!("Adding policy [{}]", loaded.name()))?;
            let bytes = to_yaml_with(value, YamlStyle::Kubernetes).into_bytes();
            let mut layer = descriptor(LAYER, &bytes)?;
            layer.annotations = BTreeMap::from([
                (KIND.to_owned(), text("kind")),
                (NAME.to_owned(), loaded.name().to_owned()),
                (API_VERSION.to_owned(), text("apiVersion")),
            ]);
            client.push_blob(&target.repository, bytes.into(), &access).await?;
            layers.push(layer);
        }
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: Some(media_type::OCI_MANIFEST.to_owned()),
            artifact_type: None,
            config: descriptor(CONFIG, &config)?,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        };
        client.push_blob(&target.repository, config.into(), &access).await?;
        let bytes = serde_json::to_vec(&manifest)?;
        say(&format!("Uploading [{}]...", self.image))?;
        let pushed = client
            .push_manifest(
                &target.repository,
                Some(&target.tag),
                media_type::OCI_MANIFEST,
                bytes.into(),
                &access,
            )
            .await?;
        say(&format!("Done: {}@{}", target.repository, pushed.digest))
    }
}

impl Pull {
    async fn run(&self) -> Result<(), Failure> {
        let reference = go_reference(&self.image)?;
        let client = registry(self.allow_insecure_registry)?;
        let access = Access::default();
        say(&format!("Downloading policies from an image [{}]...", self.image))?;
        let absent = || Failure::new(format!("there is no image {}", self.image));
        let (repository, bytes) = if let Some(pinned) = reference.digest_reference() {
            let bytes = client.manifest(&pinned, &access).await?.ok_or_else(absent)?;
            (pinned.repository, bytes)
        } else {
            let tag = reference.tag_reference().ok_or_else(absent)?;
            let fetched = client.manifest_by_tag(&tag, &access).await?.ok_or_else(absent)?;
            (tag.repository, fetched.bytes)
        };
        let tree = parse_json(&bytes)?;
        let manifest: ImageManifest = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::new(format!("{}: no image manifest: {error}", self.image)))?;
        let is_ours = tree.str_at(&["config", "mediaType"]) == Some(CONFIG);
        let layers: Vec<&Descriptor> =
            manifest.layers.iter().filter(|layer| layer.media_type == LAYER).collect();
        if !is_ours || layers.is_empty() {
            return Err(Failure::new(format!("{} holds no policies", self.image)));
        }
        if layers.len() > MAX_POLICIES {
            return Err(Failure::new(format!("more than {MAX_POLICIES} policies")));
        }
        std::fs::create_dir_all(&self.folder)?;
        for layer in layers {
            let blob =
                DigestReference { repository: repository.clone(), digest: layer.digest.clone() };
            let bytes = client
                .blob(&blob, Some(layer.size), &access)
                .await?
                .ok_or_else(|| Failure::new(format!("{blob} is not there")))?;
            let text = String::from_utf8(bytes.to_vec())
                .map_err(|_invalid| Failure::new(format!("{blob} is not text")))?;
            let document = sigward_document::parse_yaml(&text)?.value;
            let path = self.folder.join(file_name(&document)?);
            say(&format!("Saving policy into disk [{}]...", path.display()))?;
            create::write(&text, Some(Path::new(&path)))?;
        }
        say("Done.")
    }
}

/// `NAME.yaml`; a name that could leave the folder is refused.
fn file_name(document: &Value) -> Result<String, Failure> {
    let name = document.str_at(&["metadata", "name"]).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(Failure::new(format!("{name:?} is no name of a policy")));
    }
    Ok(format!("{name}.yaml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_never_names_a_file_outside_of_the_folder() {
        for (name, ok) in
            [("a-b.c", true), ("../x", false), ("", false), (".x", false), ("a/b", false)]
        {
            let metadata = Value::map([("name".into(), Value::string(name))]);
            let document = Value::map([("metadata".into(), metadata)]);
            assert_eq!(file_name(&document).is_ok(), ok, "{name}");
        }
    }
}
