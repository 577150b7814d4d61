//! `download`: signatures, attestations and SBOMs of an image as they are stored, verified by nobody.
mod attestation;
mod sbom;
mod signature;

use super::{
    Failure, Output, copy,
    flags::RegistryFlags,
    pflag, registry,
    transfer::{self, End, Piece, Repository, Scope, Tagged, What as Part},
};
use clap::{Args, Subcommand};
use sigward_oci::{Attachment, Descriptor, Manifest, media_type};
use smol_str::SmolStr;

/// Provides utilities for downloading artifacts and attached artifacts in a registry.
#[derive(Args, Clone, Debug)]
pub(crate) struct Download {
    #[command(subcommand)]
    pub(crate) what: What,
}

/// What is downloaded.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum What {
    Attestation(attestation::DownloadAttestation),
    Sbom(sbom::DownloadSbom),
    Signature(signature::DownloadSignature),
}

pub(super) async fn run(output: &mut Output, it: Download) -> Result<(), Failure> {
    match it.what {
        What::Attestation(it) => attestation::run(output, it).await,
        What::Sbom(it) => sbom::run(output, it).await,
        What::Signature(it) => signature::run(output, it).await,
    }
}

/// Most layers of one attached tag that are printed.
///
/// COMPAT: cosign 3.1: 100, and the rest is passed over in silence; here more is an error; test: no_more_than_a_hundred_are_downloaded
const MAX_LAYERS: usize = 100;

/// What belongs to one image.
struct Found {
    from: End,
    pieces: Vec<Piece>,
}

/// Looks for what is attached to an image, or to one platform of it.
async fn find(
    output: &Output,
    flags: &RegistryFlags,
    image: &[String],
    platform: Option<String>,
    scope: Scope,
) -> Result<Found, Failure> {
    let named = registry::parse(pflag::exactly_one(image)?)?;
    let client = registry::client(output, flags, std::slice::from_ref(&named))?;
    let from = End::Registry(Repository {
        client: client.clone(),
        images: named.repository(),
        store: registry::signature_repository()?.unwrap_or_else(|| named.repository()),
    });
    let scope = Scope {
        entity: false,
        others: false,
        platform: platform.filter(|platform| !platform.is_empty()),
        tag_prefix: flags.attachment_tag_prefix.clone().unwrap_or_default(),
        ..scope
    };
    let root = match &named.digest {
        // COMPAT: cosign 3.1: what is attached to a digest is found when the image itself is gone; test: what_is_attached_to_a_missing_image_is_found
        Some(digest) if scope.platform.is_none() => {
            Tagged { digest: digest.clone(), media_type: None, bytes: bytes::Bytes::new() }
        }
        _ => transfer::platform(&from, copy::root(&client, named).await?, &scope).await?,
    };
    let pieces = transfer::gather_attached(&from, &root, &scope).await?;
    Ok(Found { from, pieces })
}

impl Found {
    /// The bundles, as they are stored; one line each, so line ends inside go.
    async fn bundles(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let mut bundles = Vec::new();
        for piece in self.pieces.iter().filter(|piece| piece.what == Part::Referrer) {
            for layer in self.layers(piece)? {
                if media_type::is_sigstore_bundle(&layer.media_type) {
                    bundles.push(one_line(self.from.attachment(&layer).await?)?);
                }
            }
        }
        Ok(bundles)
    }

    /// The layers under the attached tag.
    fn attached(&self, attachment: Attachment) -> Result<Vec<Descriptor>, Failure> {
        let part = Part::Attached(attachment);
        match self.pieces.iter().find(|piece| piece.what == part) {
            Some(piece) => self.layers(piece),
            None => Ok(Vec::new()),
        }
    }

    #[expect(clippy::unused_self, reason = "the layers belong to what was found")]
    fn layers(&self, piece: &Piece) -> Result<Vec<Descriptor>, Failure> {
        let layers = match Manifest::parse(&piece.bytes, Some(&piece.media_type)) {
            Ok(Manifest::Image(image)) => image.layers,
            Ok(Manifest::Index(_)) => Vec::new(),
            Err(error) => return Err(Failure::new(format!("manifest {}: {error}", piece.digest))),
        };
        if layers.len() > MAX_LAYERS {
            return Err(Failure::new(format!(
                "manifest {} has {} layers: no more than {MAX_LAYERS} are downloaded",
                piece.digest,
                layers.len()
            )));
        }
        Ok(layers)
    }
}

/// JSON as it is, or compacted when it would not fit a line.
fn one_line(bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
    if !bytes.contains(&b'\n') {
        return Ok(bytes);
    }
    Ok(serde_json::to_vec(&serde_json::from_slice::<serde_json::Value>(&bytes)?)?)
}

/// The annotation of a layer, empty when it has none.
fn annotation<'a>(layer: &'a Descriptor, name: &str) -> &'a str {
    layer.annotations.get(name).map(String::as_str).unwrap_or_default()
}

/// Nothing but these.
fn only(signatures: bool, attestations: bool, sboms: bool) -> Scope {
    Scope { signatures, attestations, sboms, tag_prefix: String::new(), ..Scope::all() }
}

/// A name for messages.
fn named(image: &[String]) -> SmolStr {
    image.first().map(SmolStr::from).unwrap_or_default()
}
