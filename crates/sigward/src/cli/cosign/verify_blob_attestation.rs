//! `verify-blob-attestation`: a file has an attestation of the wanted type that satisfies.
use super::{
    Failure, Output,
    demand::{self, Asked},
    detached,
    evidence::{self, Kind},
    flags::{CertificateVerifyFlags, CommonVerifyFlags, SecurityKeyFlags},
    pflag::go_bool,
    signing,
};
use clap::Args;
use sigward_oci::Digest;
use sigward_sigstore::{
    blob::{Artifact, BlobError, Demand, verify_blob_attestation_by},
    requirement::Who,
    sign::PredicateType,
};
use std::path::{Path, PathBuf};

/// Verify an attestation on the supplied blob.
#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyBlobAttestation {
    /// the file; `-` is standard input
    #[arg(value_name = "BLOB")]
    pub(crate) blob: Vec<String>,
    /// path to the public key file, KMS URI or Kubernetes Secret
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// path to bundle FILE
    #[arg(long)]
    pub(crate) bundle: Option<PathBuf>,
    /// specify a predicate type (slsaprovenance|slsaprovenance02|slsaprovenance1|link|spdx|spdxjson|cyclonedx|vuln|openvex|custom) or an URI
    #[arg(long = "type", default_value = "custom")]
    pub(crate) predicate_type: String,
    /// if true, verifies the digest exists in the in-toto subject. If false, only the DSSE envelope is verified
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) check_claims: bool,
    /// digest to use for verifying in-toto subject (instead of providing a blob)
    #[arg(long)]
    pub(crate) digest: Option<String>,
    /// digest algorithm to use for verifying in-toto subject (instead of providing a blob)
    #[arg(long = "digestAlg")]
    pub(crate) digest_alg: Option<String>,
    /// path to base64-encoded signature over attestation in DSSE format
    #[arg(long, hide = true)]
    pub(crate) signature: Option<PathBuf>,
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

/// What the statement must be about.
enum Subject {
    Bytes(Vec<u8>),
    Digest(Digest),
    /// `--check-claims=false`.
    Anything,
}

/// Verifies with the first of the keys that fits; prints nothing on standard output.
pub(super) fn run(output: &Output, it: &VerifyBlobAttestation) -> Result<(), Failure> {
    let predicate_type = PredicateType::parse(&it.predicate_type)?;
    let demanded = demand::demanded(
        output,
        &Asked {
            rekor_url: None,
            key: it.key.as_deref(),
            certificates: &it.certificates,
            common: &it.common,
            signature_digest_algorithm: &it.signature_digest_algorithm,
            kind: Kind::Attestation,
        },
    )?;
    let attestation = match (&it.bundle, &it.signature) {
        (Some(_), Some(_)) => {
            return Err(Failure::new("--signature cannot be used with --bundle, which holds one"));
        }
        (Some(path), None) | (None, Some(path)) => {
            signing::read_file(path, &format!("reading {}: ", path.display()))?
        }
        (None, None) => return Err(Failure::new("missing flag '--signature' or '--bundle'")),
    };
    let subject = subject(output, it)?;
    let about = match &subject {
        Subject::Bytes(bytes) => Some(Artifact::Bytes(bytes)),
        Subject::Digest(digest) => Some(Artifact::Digest(digest)),
        Subject::Anything => None,
    };
    let sigstore = detached::is_sigstore_bundle(&attestation);
    let beside = detached::Beside::read(
        &it.certificates,
        it.rfc3161_timestamp.as_deref(),
        &it.common,
        sigstore,
    )?;
    let mut refusal = None;
    for attestor in demanded.attestors() {
        let demand = Demand { attestor: &attestor, trust: &demanded.trust, now: evidence::now() };
        let wanted = Some(predicate_type.uri());
        match verify_blob_attestation_by(about, &attestation, wanted, &beside.detached(), &demand) {
            Ok(_verified) => {
                output.say("Verified OK");
                return Ok(());
            }
            Err(error) => {
                refusal = refusal.or(Some(refused(error, &attestor.who, &it.predicate_type)));
            }
        }
    }
    Err(refusal.unwrap_or_else(|| Failure::new("no public key was given")))
}

fn subject(output: &Output, it: &VerifyBlobAttestation) -> Result<Subject, Failure> {
    if !it.check_claims {
        return Ok(Subject::Anything);
    }
    match (it.blob.as_slice(), &it.digest, &it.digest_alg) {
        ([blob], digest, algorithm) => {
            if digest.is_some() {
                output.say("WARNING: Ignoring provided --digest in favor of provided blob");
            }
            // Every digest of the file counts; the name has only to be one that can.
            if let Some(name) =
                algorithm.as_deref().filter(|it| !matches!(*it, "sha256" | "sha512"))
            {
                return Err(unknown(name));
            }
            Ok(Subject::Bytes(signing::read_blob(Path::new(blob), "")?))
        }
        ([], Some(digest), Some(algorithm)) => {
            let text = format!("{algorithm}:{}", digest.to_ascii_lowercase());
            let digest = Digest::parse(&text).map_err(|_wrong| match algorithm.as_str() {
                "sha256" | "sha512" => {
                    Failure::new(format!("unable to decode provided digest: {digest}"))
                }
                other => unknown(other),
            })?;
            Ok(Subject::Digest(digest))
        }
        ([], _, _) => Err(Failure::new(
            "no path to blob or digest and digest algorithm given: pass a path or set --digest and --digestAlg, or --check-claims=false",
        )),
        (more, _, _) => {
            Err(Failure::new(format!("accepts at most 1 arg(s), received {}", more.len())))
        }
    }
}

fn unknown(algorithm: &str) -> Failure {
    Failure::new(format!("unknown digest algorithm {algorithm:?}: sha256 or sha512"))
}

/// The peer's sentences for an attestation that is not the key's, or of another type.
fn refused(error: BlobError, who: &Who, typed: &str) -> Failure {
    if matches!(error, BlobError::Signature) {
        return Failure::new(format!(
            "failed to verify signature: could not verify envelope: {}",
            detached::wrong_signer(who)
        ));
    }
    if let BlobError::PredicateType { found, .. } = &error {
        return Failure::new(format!("invalid predicate type, expected {typed} got {found}"));
    }
    Failure::from(error)
}
