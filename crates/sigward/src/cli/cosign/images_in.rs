//! `manifest verify` and `dockerfile verify`: the images that a file names, each verified.
mod dockerfile;
mod manifest;

pub(crate) use dockerfile::Dockerfile;
pub(crate) use manifest::Manifest;
pub(super) use {dockerfile::run as run_dockerfile, manifest::run as run_manifest};
