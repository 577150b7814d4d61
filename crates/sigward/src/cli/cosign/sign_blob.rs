//! `sign-blob`: a signature over a file.
use super::{
    Failure, Output,
    flags::{FulcioFlags, OidcFlags, SecurityKeyFlags, SigningSourceFlags, TimestampFlags},
    keys,
    pflag::go_bool,
    signing::{self, Party},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use sigward_sigstore::{
    blob::{Artifact, verify_blob, verify_blob_bundle},
    bundle::{Bundle, Content},
    keys::{Algorithm, Ed25519Form, PrivateKey, Signer as _},
    sign::{self, legacy_blob_bundle},
};
use std::path::{Path, PathBuf};

/// Sign the supplied blob, outputting the base64-encoded signature to stdout.
#[derive(Args, Clone, Debug)]
pub(crate) struct SignBlob {
    /// files; `-` is standard input
    #[arg(value_name = "BLOB", required = true)]
    pub(crate) blobs: Vec<PathBuf>,
    /// path to the key file, KMS URI or Kubernetes Secret
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// write everything required to verify the blob to a FILE
    #[arg(long)]
    pub(crate) bundle: Option<PathBuf>,
    /// signing algorithm to use for signing/hashing
    #[arg(long)]
    pub(crate) signing_algorithm: Option<String>,
    /// path to the X.509 certificate in PEM format to include in the OCI Signature
    #[arg(long, alias = "cert")]
    pub(crate) certificate: Option<PathBuf>,
    /// path to a list of CA X.509 certificates in PEM format
    #[arg(long, alias = "cert-chain")]
    pub(crate) certificate_chain: Option<PathBuf>,
    /// issue a code signing certificate from Fulcio, even if a key is provided
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) issue_certificate: bool,
    /// skip confirmation prompts for non-destructive operations
    #[arg(long, short = 'y', num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) yes: bool,
    /// output bundle in new format that contains all verification material
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) new_bundle_format: bool,
    /// whether to base64 encode the output
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) b64: bool,
    /// write the signature to FILE
    #[arg(long, hide = true)]
    pub(crate) output: Option<PathBuf>,
    /// write the signature to FILE
    #[arg(long, hide = true)]
    pub(crate) output_signature: Option<PathBuf>,
    /// write the certificate to FILE
    #[arg(long, alias = "output-cert", hide = true)]
    pub(crate) output_certificate: Option<PathBuf>,
    /// write the RFC3161 timestamp to a file
    #[arg(long, hide = true)]
    pub(crate) rfc3161_timestamp: Option<PathBuf>,
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

impl SignBlob {
    /// Who signs, and who is told.
    fn flags(&self) -> signing::Flags<'_> {
        signing::Flags {
            key: self.key.as_deref(),
            certificate: self.certificate.as_deref(),
            chain: self.certificate_chain.as_deref(),
            issue_certificate: self.issue_certificate,
            yes: self.yes,
            new_bundle_format: self.new_bundle_format,
            oidc: &self.oidc,
            fulcio: &self.fulcio,
            timestamp: &self.timestamp,
            source: &self.source,
        }
    }
}

/// cosign's names of key types, and which keys they stand for.
const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("ecdsa-sha2-256-nistp256", Algorithm::EcdsaP256),
    ("ecdsa-sha2-384-nistp384", Algorithm::EcdsaP384),
    ("ecdsa-sha2-512-nistp521", Algorithm::EcdsaP521),
    ("rsa-sign-pkcs1-2048-sha256", Algorithm::Rsa { bits: 2048 }),
    ("rsa-sign-pkcs1-3072-sha256", Algorithm::Rsa { bits: 3072 }),
    ("rsa-sign-pkcs1-4096-sha256", Algorithm::Rsa { bits: 4096 }),
];

/// Signs each file in turn; stops at the first that cannot be signed.
pub(super) async fn run(output: &mut Output, it: &SignBlob) -> Result<(), Failure> {
    check_flags(output, it)?;
    let party = Party::new(output, &it.flags()).await?;
    check_algorithm(it.signing_algorithm.as_deref(), &party.key)?;
    for path in &it.blobs {
        sign_one(output, it, &party, path)
            .await
            .map_err(signing::signing_failed(&path.display().to_string()))?;
    }
    Ok(())
}

/// Refuses combinations in which a flag would have no effect, or an output would be lost.
fn check_flags(output: &Output, it: &SignBlob) -> Result<(), Failure> {
    if it.new_bundle_format && it.bundle.is_none() {
        return Err(Failure::new("must specify --bundle with --new-bundle-format"));
    }
    signing::check_services(&it.flags())?;
    signing::check_trusted_root(it.source.trusted_root.as_deref())?;
    if it.output.is_some() {
        output.say("WARNING: the '--output' flag is deprecated and will be removed in the future. Use '--output-signature'");
        if it.output_signature.is_some() {
            return Err(Failure::new(
                "--output and --output-signature are the same: give one of them",
            ));
        }
    }
    if !it.b64 && it.new_bundle_format && signature_file(it).is_none() {
        return Err(Failure::new(
            "--b64=false is about a bare signature: it needs --new-bundle-format=false or --output-signature",
        ));
    }
    // COMPAT: cosign 3.1: overwrites the file with each further blob; test: one_bundle_file_holds_one_bundle
    if it.blobs.len() > 1 && (it.bundle.is_some() || signature_file(it).is_some()) {
        return Err(Failure::new(format!(
            "an output file holds what belongs to one blob, and {} were given",
            it.blobs.len()
        )));
    }
    Ok(())
}

fn signature_file(it: &SignBlob) -> Option<&Path> {
    it.output_signature.as_deref().or(it.output.as_deref())
}

/// COMPAT: cosign 3.1: the name is checked and then means nothing beside a key; here it has to be the key's; test: the_signing_algorithm_must_be_the_key_s
fn check_algorithm(name: Option<&str>, key: &PrivateKey) -> Result<(), Failure> {
    let Some(name) = name else { return Ok(()) };
    let Some((_, wanted)) = ALGORITHMS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
        return Err(Failure::new(format!(
            "invalid signing algorithm: {name}. Supported algorithms are: {}",
            known.join(", ")
        )));
    };
    let found = key.public_key().algorithm()?;
    if found == *wanted {
        return Ok(());
    }
    Err(Failure::new(format!("--signing-algorithm {name} does not fit the key, which is {found}")))
}

async fn sign_one(
    output: &mut Output,
    it: &SignBlob,
    party: &Party,
    path: &Path,
) -> Result<(), Failure> {
    if path != Path::new("-") {
        output.say(&format!("Using payload from: {}", path.display()));
    }
    let contents = signing::read_blob(path, "getting payload: ")?;
    output.say("Signing artifact...");
    let key = &party.key;
    let signature = if it.new_bundle_format {
        let bundle = sign::sign_blob_bundle(&contents, key, Ed25519Form::Pure)?;
        verify_blob_bundle(Artifact::Bytes(&contents), &bundle, key.public_key())?;
        let artifact = Some((Artifact::Bytes(&contents), None));
        let bundle = party.surrounded(output, bundle, &contents, artifact).await?;
        if let Some(path) = &it.bundle {
            signing::write_bundle(output, path, &bundle)?;
        }
        match Bundle::parse(&bundle)?.content {
            Content::Message(message) => STANDARD.encode(message.signature),
            Content::Envelope(_) => String::new(),
        }
    } else {
        let signature = sign::sign_blob(&contents, key)?;
        verify_blob(&contents, signature.as_bytes(), key.public_key())?;
        let raw = STANDARD.decode(&signature)?;
        let around = party.around_bytes(output, &contents, &raw).await?;
        if let Some(path) = &it.bundle {
            let bundle = legacy_blob_bundle(&raw, &around).unwrap_or_default();
            signing::write_bundle(output, path, &bundle)?;
        }
        signature
    };
    if let Some(path) = &it.output_certificate {
        party.keep_certificate(output, path, it.b64)?;
    }
    let bare = if it.b64 { signature.into_bytes() } else { STANDARD.decode(&signature)? };
    match signature_file(it) {
        Some(path) => {
            keys::write_file(path, &bare, 0o600)?;
            output.say(&format!("Wrote signature to file {}", path.display()));
            Ok(())
        }
        None if it.new_bundle_format => Ok(()),
        None => {
            output.bytes(&bare)?;
            if it.b64 { output.line("") } else { Ok(()) }
        }
    }
}
