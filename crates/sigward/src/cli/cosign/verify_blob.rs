//! `verify-blob`: a file has a signature that satisfies.
use super::{
    Failure, Output, detached,
    evidence::{self, Kind},
    flags::{CertificateVerifyFlags, CommonVerifyFlags, SecurityKeyFlags},
    pflag::exactly_one,
    signing,
};
use clap::Args;
use sigward_oci::Digest;
use sigward_sigstore::{
    blob::{
        Artifact, BlobError, VerifiedBlob, verify_blob, verify_blob_bundle,
        verify_blob_legacy_bundle,
    },
    keys::PublicKey,
    statement::COSIGN_SIGN,
};
use std::path::{Path, PathBuf};

/// Verify a signature on the supplied blob.
#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyBlob {
    /// the file; `-` is standard input, `sha256:HEX` stands for a file that is not here
    #[arg(value_name = "BLOB")]
    pub(crate) blob: Vec<String>,
    /// path to the key file, KMS URI or Kubernetes Secret
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// path to bundle FILE
    #[arg(long)]
    pub(crate) bundle: Option<PathBuf>,
    /// signature content or path or remote URL
    #[arg(long, hide = true)]
    pub(crate) signature: Option<String>,
    /// path to RFC3161 timestamp FILE
    #[arg(long, hide = true)]
    pub(crate) rfc3161_timestamp: Option<PathBuf>,
    /// address of rekor STL server
    #[arg(long, hide = true)]
    pub(crate) rekor_url: Option<String>,
    /// digest algorithm to use when processing a signature
    #[arg(long, default_value = "sha256", hide = true)]
    pub(crate) signature_digest_algorithm: String,
    #[command(flatten)]
    pub(crate) certificates: CertificateVerifyFlags,
    #[command(flatten)]
    pub(crate) common: CommonVerifyFlags,
    #[command(flatten)]
    pub(crate) security_key: SecurityKeyFlags,
}

/// What is verified: the file, or what it hashes to.
enum Given {
    Bytes(Vec<u8>),
    Digest(Digest),
}

impl Given {
    fn artifact(&self) -> Artifact<'_> {
        match self {
            Self::Bytes(bytes) => Artifact::Bytes(bytes),
            Self::Digest(digest) => Artifact::Digest(digest),
        }
    }

    fn bytes(&self) -> Result<&[u8], Failure> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Digest(_) => Err(Failure::new(
                "a digest can stand for a file only beside a Sigstore bundle (--bundle)",
            )),
        }
    }
}

/// Verifies with the first of the keys that fits; prints nothing on standard output.
pub(super) fn run(output: &Output, it: &VerifyBlob) -> Result<(), Failure> {
    let blob = exactly_one(&it.blob)?;
    let keys = evidence::public_keys(
        output,
        it.key.as_deref(),
        &it.common,
        &it.signature_digest_algorithm,
        Kind::Blob,
    )?;
    let bundle = match &it.bundle {
        Some(path) => Some(signing::read_file(path, &format!("reading {}: ", path.display()))?),
        None => None,
    };
    let signature = match (&it.signature, &bundle) {
        (Some(_), Some(_)) => {
            return Err(Failure::new("--signature cannot be used with --bundle, which holds one"));
        }
        (Some(signature), None) => Some(detached::signature(signature)?),
        (None, Some(_)) => None,
        (None, None) => return Err(Failure::new("missing flag '--signature'")),
    };
    let given = read(blob)?;
    let mut refusal = None;
    for key in &keys {
        let verified = match (&bundle, &signature) {
            (Some(bundle), _) if it.common.new_bundle_format && is_sigstore_bundle(bundle) => {
                verify_blob_bundle(given.artifact(), bundle, key)
            }
            (Some(bundle), _) => verify_blob_legacy_bundle(given.bytes()?, bundle, key),
            (None, Some(signature)) => verify_blob(given.bytes()?, signature, key),
            (None, None) => Err(BlobError::Signature),
        };
        match verified
            .map_err(|error| refused(error, key, bundle.is_some()))
            .and_then(|verified| signature_only(&verified))
        {
            Ok(()) => {
                output.say("Verified OK");
                return Ok(());
            }
            Err(failure) => refusal = refusal.or(Some(failure)),
        }
    }
    Err(refusal.unwrap_or_else(|| Failure::new("no public key was given")))
}

fn read(blob: &str) -> Result<Given, Failure> {
    if let Ok(digest) = Digest::parse(blob)
        && !Path::new(blob).exists()
    {
        return Ok(Given::Digest(digest));
    }
    if blob.starts_with("http://") || blob.starts_with("https://") {
        return Err(Failure::new(format!(
            "{blob}: files by URL are not available in this build: fetch it first"
        )));
    }
    Ok(Given::Bytes(signing::read_blob(Path::new(blob), "")?))
}

/// The old bundle has no media type.
fn is_sigstore_bundle(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(bytes)
        .is_ok_and(|json| json.get("mediaType").is_some())
}

/// COMPAT: cosign 3.1: takes any statement about the file for a signature; here an attestation is none, as for images;
/// test: an_attestation_about_a_file_is_not_a_signature
fn signature_only(verified: &VerifiedBlob) -> Result<(), Failure> {
    match verified.statement() {
        Some(statement) if statement.predicate_type != COSIGN_SIGN => Err(Failure::new(format!(
            "the bundle holds an attestation of type {}, not a signature",
            statement.predicate_type
        ))),
        Some(_) | None => Ok(()),
    }
}

/// The peer's sentences for a signature that is not the key's.
fn refused(error: BlobError, key: &PublicKey, bundle: bool) -> Failure {
    if matches!(error, BlobError::Signature) {
        let why = detached::wrong_key(key);
        return Failure::new(if bundle {
            format!("failed to verify signature: could not verify message: {why}")
        } else {
            why
        });
    }
    Failure::from(error)
}
