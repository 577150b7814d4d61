//! `manifest verify`: the images of Kubernetes objects in a YAML file.
use crate::cli::cosign::{Failure, Output, pflag, signing, verify};
use clap::{Args, Subcommand};
use sigward_document::Value;
use std::path::{Path, PathBuf};

/// Provides utilities for discovering images in and performing operations on Kubernetes manifests.
#[derive(Args, Clone, Debug)]
pub(crate) struct Manifest {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What is done with them.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    Verify(Box<Verify>),
}

/// Verify all signatures of images specified in the manifest.
#[derive(Args, Clone, Debug)]
pub(crate) struct Verify {
    /// the file
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) flags: verify::VerifyFlags,
}

/// Verifies every image of the file, as `verify` would.
///
/// COMPAT: cosign 3.1: ephemeral containers and image volumes are overlooked; they run too; test: every_image_of_a_manifest_is_verified
pub(in crate::cli::cosign) async fn run(output: &mut Output, it: Manifest) -> Result<(), Failure> {
    let Verb::Verify(it) = it.verb;
    let path = pflag::exactly_one(&it.manifest)?;
    let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
    if !["yaml", "yml"].iter().any(|known| extension.eq_ignore_ascii_case(known)) {
        return Err(Failure::new(
            "check if extension is valid: only [.yaml .yml] manifests are supported at this time",
        ));
    }
    let bytes = signing::read_file(path, "could not read manifest: ")?;
    let images = images(&bytes, path)?;
    if images.is_empty() {
        return Err(Failure::new("no images found in manifest"));
    }
    output.say(&format!("Extracted image(s): {}", images.join(", ")));
    verify::run_images(output, &images, &it.flags).await
}

/// The images of all objects of the file, init containers first.
fn images(bytes: &[u8], path: &Path) -> Result<Vec<String>, Failure> {
    let wrong = |why: String| {
        Failure::new(format!(
            "unable to extract the container image references in the manifest {}: {why}",
            path.display()
        ))
    };
    let text = std::str::from_utf8(bytes).map_err(|_binary| wrong("it is not text".to_owned()))?;
    let mut images = Vec::new();
    for document in sigward_document::parse_yaml_stream(text) {
        let document = document.map_err(|error| wrong(error.to_string()))?;
        objects(&document.value, &mut images, 0);
    }
    Ok(images)
}

/// Where the kinds of workloads keep their Pod.
const SPECS: [&[&str]; 3] = [
    &["spec"],
    &["spec", "template", "spec"],
    &["spec", "jobTemplate", "spec", "template", "spec"],
];
/// How deep lists may lie in each other.
const MAX_DEPTH: usize = 4;

/// A `List` holds objects; anything else is one.
fn objects(object: &Value, images: &mut Vec<String>, depth: usize) {
    for item in object.get("items").and_then(Value::as_list).unwrap_or_default() {
        if depth < MAX_DEPTH {
            objects(item, images, depth + 1);
        }
    }
    for path in SPECS {
        let Some(spec) = object.at_path(path) else { continue };
        let elements = |name| spec.get(name).and_then(Value::as_list).unwrap_or_default();
        let containers = ["initContainers", "containers", "ephemeralContainers"];
        let named = containers.into_iter().flat_map(elements).map(|it| it.str_at(&["image"]));
        let mounted = elements("volumes").iter().map(|it| it.str_at(&["image", "reference"]));
        let all = named.chain(mounted).flatten().filter(|image| !image.is_empty());
        images.extend(all.map(str::to_owned));
    }
}
