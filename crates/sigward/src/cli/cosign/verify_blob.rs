//! `verify-blob`: a file has a signature that satisfies.
use super::{
    Failure, Output,
    demand::{self, Asked},
    detached,
    evidence::{self, Kind},
    flags::{CertificateVerifyFlags, CommonVerifyFlags, SecurityKeyFlags},
    pflag::exactly_one,
    signing,
};
use clap::Args;
use sigward_oci::Digest;
use sigward_sigstore::{
    blob::{
        Artifact, BlobError, Demand, VerifiedBlob, verify_blob_bundle_by, verify_blob_detached,
        verify_blob_legacy_bundle_by,
    },
    requirement::Who,
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

/// Verifies with the first of the signers that fits; prints nothing on standard output.
pub(super) fn run(output: &Output, it: &VerifyBlob) -> Result<(), Failure> {
    let blob = exactly_one(&it.blob)?;
    let demanded = demand::demanded(
        output,
        &Asked {
            rekor_url: None,
            key: it.key.as_deref(),
            certificates: &it.certificates,
            common: &it.common,
            signature_digest_algorithm: &it.signature_digest_algorithm,
            kind: Kind::Blob,
        },
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
    let sigstore = bundle.as_ref().is_some_and(|it| detached::is_sigstore_bundle(it))
        && it.common.new_bundle_format;
    let beside = detached::Beside::read(
        &it.certificates,
        it.rfc3161_timestamp.as_deref(),
        &it.common,
        sigstore,
    )?;
    let given = read(blob)?;
    let mut refusal = None;
    for attestor in demanded.attestors() {
        let demand = Demand { attestor: &attestor, trust: &demanded.trust, now: evidence::now() };
        let verified = match (&bundle, &signature) {
            (Some(bundle), _) if sigstore => {
                verify_blob_bundle_by(given.artifact(), bundle, &demand)
            }
            (Some(bundle), _) => verify_blob_legacy_bundle_by(
                given.bytes()?,
                bundle,
                beside.timestamp.as_deref(),
                &demand,
            ),
            (None, Some(signature)) => {
                verify_blob_detached(given.bytes()?, signature, &beside.detached(), &demand)
            }
            (None, None) => Err(BlobError::Signature),
        };
        match verified
            .map_err(|error| refused(error, &attestor.who, bundle.is_some()))
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
fn refused(error: BlobError, who: &Who, bundle: bool) -> Failure {
    if matches!(error, BlobError::Signature) {
        let why = detached::wrong_signer(who);
        return Failure::new(if bundle {
            format!("failed to verify signature: could not verify message: {why}")
        } else {
            why
        });
    }
    Failure::from(error)
}
