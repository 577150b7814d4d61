//! `conformance-client`: the protocol by which Sigstore's public conformance suite drives a client.
//!
//! SPEC: sigstore-conformance, docs/cli_protocol.md: `sign-bundle` and `verify-bundle`, an artifact or its digest last,
//! 0 for verified and anything else for refused.
use super::{
    Failure, Output, evidence,
    flags::{self, FulcioFlags},
    pflag::{exactly_one, go_bool},
    signing, trust,
};
use clap::{Args, Subcommand};
use sigward_oci::Digest;
use sigward_sigstore::{
    blob::{Artifact, Demand, verify_blob_bundle_by},
    certificate::Identity,
    keys::Ed25519Form,
    requirement::{Attestor, Keyless, LogRule, SctRule, TimeRule, Who},
    sign::{attestation_bundle, sign_blob_bundle},
    trust::TrustStore,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Serves the public conformance suite's client protocol.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConformanceClient {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What the suite asks for.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    SignBundle(SignBundle),
    VerifyBundle(VerifyBundle),
}

/// Sign an artifact by the holder of an identity token.
#[derive(Args, Clone, Debug)]
pub(crate) struct SignBundle {
    /// the artifact
    #[arg(value_name = "ARTIFACT")]
    pub(crate) artifact: Vec<String>,
    /// use the staging instance
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) staging: bool,
    /// sign an in-toto statement
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) in_toto: bool,
    /// the identity token
    #[arg(long = "identity-token", id = "conformance_identity_token")]
    pub(crate) identity_token: Option<String>,
    /// where the bundle goes
    #[arg(long)]
    pub(crate) bundle: Option<PathBuf>,
    /// path to a trusted root
    #[arg(long)]
    pub(crate) trusted_root: Option<PathBuf>,
    /// path to a signing config
    #[arg(long)]
    pub(crate) signing_config: Option<PathBuf>,
}

/// Verify a bundle over an artifact.
#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyBundle {
    /// the artifact, or `sha256:HEX`
    #[arg(value_name = "ARTIFACT")]
    pub(crate) artifact: Vec<String>,
    /// use the staging instance
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) staging: bool,
    /// the bundle
    #[arg(long)]
    pub(crate) bundle: Option<PathBuf>,
    /// whom the certificate must name
    #[arg(long)]
    pub(crate) certificate_identity: Option<String>,
    /// who must have issued the identity token
    #[arg(long)]
    pub(crate) certificate_oidc_issuer: Option<String>,
    /// path to a public key
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// path to a trusted root
    #[arg(long)]
    pub(crate) trusted_root: Option<PathBuf>,
}

pub(super) async fn run(output: &Output, it: &ConformanceClient) -> Result<(), Failure> {
    match &it.verb {
        Verb::SignBundle(it) => sign(output, it).await,
        Verb::VerifyBundle(it) => verify(it),
    }
}

/// Signs with the services of the signing config, or with the public ones.
async fn sign(output: &Output, it: &SignBundle) -> Result<(), Failure> {
    let path = Path::new(exactly_one(&it.artifact)?);
    let missing = |flag: &str| Failure::new(format!("required flag(s) \"{flag}\" not set"));
    let bundle = it.bundle.as_deref().ok_or_else(|| missing("bundle"))?;
    if it.staging && it.signing_config.is_none() {
        return Err(Failure::new("--staging needs --signing-config, which says where staging is"));
    }
    let (oidc, fulcio, timestamp, mut source) = flags::services_of_nobody();
    let fulcio = FulcioFlags { identity_token: it.identity_token.clone(), ..fulcio };
    source.signing_config.clone_from(&it.signing_config);
    source.trusted_root.clone_from(&it.trusted_root);
    let given = signing::Flags {
        key: None,
        certificate: None,
        chain: None,
        issue_certificate: false,
        yes: true,
        new_bundle_format: true,
        oidc: &oidc,
        fulcio: &fulcio,
        timestamp: &timestamp,
        source: &source,
    };
    let party = signing::Party::new(output, &given).await?;
    let contents = signing::read_blob(path, "")?;
    let signed = if it.in_toto {
        let signed = attestation_bundle(contents, &party.key)?;
        party.surrounded(output, signed, &[], None).await?
    } else {
        let signed = sign_blob_bundle(&contents, &party.key, Ed25519Form::Pure)?;
        let artifact = Some((Artifact::Bytes(&contents), None));
        party.surrounded(output, signed, &contents, artifact).await?
    };
    signing::write_bundle(output, bundle, &signed)
}

fn verify(it: &VerifyBundle) -> Result<(), Failure> {
    let artifact = exactly_one(&it.artifact)?;
    let path =
        it.bundle.as_ref().ok_or_else(|| Failure::new("required flag(s) \"bundle\" not set"))?;
    let bundle = signing::read_file(path, "")?;
    let root = Arc::new(match &it.trusted_root {
        Some(path) => trust::read(path)?,
        None if it.staging => trust::staging()?,
        None => trust::material(trust::Named::default())?,
    });
    let id = root.id();
    let who = match (&it.key, &it.certificate_identity, &it.certificate_oidc_issuer) {
        (Some(key), None, None) => {
            super::keys::public_keys(key)?.into_iter().map(Who::Key).collect()
        }
        (None, Some(subject), Some(issuer)) => vec![Who::Keyless(Keyless {
            trust: id,
            identities: vec![Identity::exact(issuer, subject)],
            sct: SctRule::Demanded,
        })],
        _ => {
            return Err(Failure::new(
                "either --key, or --certificate-identity and --certificate-oidc-issuer, are needed",
            ));
        }
    };
    let bytes;
    let digest = Digest::parse(artifact).ok().filter(|_| !Path::new(artifact).exists());
    let artifact = if let Some(digest) = &digest {
        Artifact::Digest(digest)
    } else {
        bytes = signing::read_blob(Path::new(artifact), "")?;
        Artifact::Bytes(&bytes)
    };
    let trust: TrustStore = [root].into_iter().collect();
    let mut refusal = None;
    for who in who {
        let attestor = Attestor {
            time: TimeRule::Observed { timestamps: Some(id) },
            ..Attestor::new(who, LogRule::EntryDemanded { trust: id, online: None })
        };
        let demand = Demand { attestor: &attestor, trust: &trust, now: evidence::now() };
        match verify_blob_bundle_by(artifact, &bundle, &demand) {
            Ok(_verified) => return Ok(()),
            Err(error) => refusal = refusal.or(Some(Failure::from(error))),
        }
    }
    Err(refusal.unwrap_or_else(|| Failure::new("no public key was given")))
}
