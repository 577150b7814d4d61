//! `attest-blob`: a signed statement about a file.
use super::{
    Failure, Output,
    flags::{FulcioFlags, OidcFlags, SecurityKeyFlags, SigningSourceFlags, TimestampFlags},
    keys,
    pflag::{exactly_one, go_bool},
    signing::{self, Party},
    time,
};
use clap::Args;
use sigward_oci::Digest;
use sigward_sigstore::{
    blob::{Artifact, verify_blob_attestation},
    keys::{PrivateKey, Signer as _},
    sign::{
        Blob, PredicateType, attestation_bundle, attestation_layer, attestation_statement,
        legacy_blob_bundle,
    },
    statement::Statement,
};
use std::path::{Path, PathBuf};

/// Attest the supplied blob.
#[derive(Args, Clone, Debug)]
pub(crate) struct AttestBlob {
    /// the file; `-` is standard input
    #[arg(value_name = "BLOB")]
    pub(crate) blob: Vec<PathBuf>,
    /// path to the private key file, KMS URI or Kubernetes Secret
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// path to the predicate file
    #[arg(long)]
    pub(crate) predicate: Option<PathBuf>,
    /// path to the statement file
    #[arg(long)]
    pub(crate) statement: Option<PathBuf>,
    /// specify a predicate type (slsaprovenance|slsaprovenance02|slsaprovenance1|link|spdx|spdxjson|cyclonedx|vuln|openvex|custom) or an URI
    #[arg(long = "type", default_value = "custom")]
    pub(crate) predicate_type: String,
    /// hash of blob in hexadecimal (base16). Used if you want to sign an artifact stored elsewhere and have the hash
    #[arg(long)]
    pub(crate) hash: Option<String>,
    /// write everything required to verify the blob to a FILE
    #[arg(long)]
    pub(crate) bundle: Option<PathBuf>,
    /// path to the X.509 certificate for signing attestation
    #[arg(long, alias = "cert")]
    pub(crate) certificate: Option<PathBuf>,
    /// path to a list of CA X.509 certificates in PEM format
    #[arg(long, alias = "cert-chain")]
    pub(crate) certificate_chain: Option<PathBuf>,
    /// skip confirmation prompts for non-destructive operations
    #[arg(long, short = 'y', num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) yes: bool,
    /// output bundle in new format that contains all verification material
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) new_bundle_format: bool,
    /// write the signature to FILE
    #[arg(long, hide = true)]
    pub(crate) output_signature: Option<PathBuf>,
    /// write the attestation to FILE
    #[arg(long, hide = true)]
    pub(crate) output_attestation: Option<PathBuf>,
    /// write the certificate to FILE
    #[arg(long, alias = "output-cert", hide = true)]
    pub(crate) output_certificate: Option<PathBuf>,
    /// path to an RFC 3161 timestamp bundle FILE
    #[arg(long, hide = true)]
    pub(crate) rfc3161_timestamp_bundle: Option<PathBuf>,
    /// specifies the type to be used for a rekor entry upload (dsse|intoto)
    #[arg(long, hide = true)]
    pub(crate) rekor_entry_type: Option<String>,
    #[command(flatten)]
    pub(crate) oidc: OidcFlags,
    #[command(flatten)]
    pub(crate) fulcio: FulcioFlags,
    #[command(flatten)]
    pub(crate) security_key: SecurityKeyFlags,
    #[command(flatten)]
    pub(crate) timestamp: TimestampFlags,
    #[command(flatten)]
    pub(crate) source: SigningSourceFlags,
}

impl AttestBlob {
    /// Who signs, and who is told.
    fn flags(&self) -> signing::Flags<'_> {
        signing::Flags {
            key: self.key.as_deref(),
            certificate: self.certificate.as_deref(),
            chain: self.certificate_chain.as_deref(),
            issue_certificate: false,
            yes: self.yes,
            new_bundle_format: self.new_bundle_format,
            oidc: &self.oidc,
            fulcio: &self.fulcio,
            timestamp: &self.timestamp,
            source: &self.source,
        }
    }
}

/// What is said, and about what.
struct Said {
    statement: Vec<u8>,
    predicate_type: String,
    /// `None` for a whole statement that is signed without its file.
    about: Option<Digest>,
}

/// Signs the statement and writes it where the flags say.
pub(super) async fn run(output: &mut Output, it: &AttestBlob) -> Result<(), Failure> {
    check_flags(it)?;
    let said = said(output, it)?;
    let party = Party::new(output, &it.flags()).await?;
    let key = &party.key;
    if it.new_bundle_format {
        let bundle = attestation_bundle(said.statement.clone(), key)?;
        check(&said, &bundle, key)?;
        let about = said
            .about
            .as_ref()
            .map(|digest| (Artifact::Digest(digest), Some(said.predicate_type.as_str())));
        let bundle = party.surrounded(output, bundle, &[], about).await?;
        if let Some(path) = &it.bundle {
            signing::write_bundle(output, path, &bundle)?;
        }
    } else {
        let layer = attestation_layer(said.statement.clone(), &said.predicate_type, key)?;
        let envelope = layer.blob.bytes;
        check(&said, &envelope, key)?;
        let around = party.around_envelope(output, &envelope).await?;
        if let Some(path) = &it.bundle {
            let bundle = legacy_blob_bundle(&envelope, &around).unwrap_or_default();
            signing::write_bundle(output, path, &bundle)?;
        }
        if let Some(path) = &it.output_signature {
            keys::write_file(path, &envelope, 0o600)?;
            output.say(&format!("Signature written in {}", path.display()));
        } else {
            output.bytes(&envelope)?;
            output.line("")?;
        }
    }
    if let Some(path) = &it.output_certificate {
        party.keep_certificate(output, path, false)?;
    }
    if let Some(path) = &it.output_attestation {
        keys::write_file(path, &said.statement, 0o600)?;
        output.say(&format!("Attestation written in {}", path.display()));
    }
    Ok(())
}

/// Refuses combinations in which a flag would have no effect, or an output would be lost.
fn check_flags(it: &AttestBlob) -> Result<(), Failure> {
    if it.predicate.is_some() == it.statement.is_some() {
        return Err(Failure::new("one of --predicate or --statement must be set"));
    }
    if it.new_bundle_format && it.bundle.is_none() {
        return Err(Failure::new("must specify --bundle with --new-bundle-format"));
    }
    if it.new_bundle_format && it.output_signature.is_some() {
        return Err(Failure::new(
            "--output-signature has no meaning for a bundle: with --new-bundle-format=false it has",
        ));
    }
    if it.statement.is_some() && it.hash.is_some() {
        return Err(Failure::new(
            "--hash is the subject of a --predicate: a --statement names its own",
        ));
    }
    signing::check_services(&it.flags())?;
    signing::check_trusted_root(it.source.trusted_root.as_deref())
}

fn said(output: &Output, it: &AttestBlob) -> Result<Said, Failure> {
    if let Some(path) = &it.statement {
        output.say(&format!("Using statement from: {}", path.display()));
        let statement = signing::read_input(path, "could not read statement: ")?;
        let parsed = Statement::parse(&statement).map_err(|error| {
            let Failure { message, code } = Failure::from(error);
            Failure { message: format!("invalid statement: {message}"), code }
        })?;
        if parsed.predicate_type.is_empty() || parsed.subjects.is_empty() {
            return Err(Failure::new("invalid statement: it needs a predicateType and a subject"));
        }
        let about = match it.blob.as_slice() {
            [] => None,
            blobs => Some(digest(output, exactly_one(blobs)?)?),
        };
        let predicate_type = parsed.predicate_type.to_string();
        return Ok(Said { statement, predicate_type, about });
    }
    let predicate_type = PredicateType::parse(&it.predicate_type)?;
    let (about, name) = match (&it.hash, it.blob.as_slice()) {
        (Some(hash), blobs) => {
            let name = blobs.first().map(|path| base_name(path)).unwrap_or_default();
            (hashed(hash)?, name)
        }
        (None, blobs) => {
            let path = exactly_one(blobs)?;
            (digest(output, path)?, base_name(path))
        }
    };
    let path = it.predicate.as_deref().unwrap_or(Path::new(""));
    let file = signing::read_input(path, "getting predicate reader: ")?;
    let predicate = predicate_type.wrap(&file, &time::stamp()?)?;
    Ok(Said {
        statement: attestation_statement(&name, &about, &predicate_type, &predicate),
        predicate_type: predicate_type.uri().to_owned(),
        about: Some(about),
    })
}

fn base_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// COMPAT: cosign 3.1: any text is written as the digest; here it has to be one; test: a_file_that_is_elsewhere_is_attested_by_its_hash
fn hashed(hash: &str) -> Result<Digest, Failure> {
    Digest::parse(&format!("sha256:{}", hash.to_ascii_lowercase()))
        .map_err(|_wrong| Failure::new(format!("--hash {hash} is not a SHA-256 in hexadecimal")))
}

fn digest(output: &Output, path: &Path) -> Result<Digest, Failure> {
    if path != Path::new("-") {
        output.say(&format!("Using payload from: {}", path.display()));
    }
    Ok(Blob::new(signing::read_blob(path, "")?).digest)
}

/// The witness of a sound key pair and, for a given statement, that it speaks of the file.
fn check(said: &Said, signed: &[u8], key: &PrivateKey) -> Result<(), Failure> {
    let about = said.about.as_ref().map(Artifact::Digest);
    verify_blob_attestation(about, signed, Some(&said.predicate_type), key.public_key())
        .map(drop)
        .map_err(|error| {
            let Failure { message, code } = Failure::from(error);
            Failure { message: format!("what was signed does not verify: {message}"), code }
        })
}
