//! `attest`: a signed statement about an image, stored beside it.
use super::{
    Failure, Output,
    flags::{
        FulcioFlags, OidcFlags, RegistryFlags, SecurityKeyFlags, SigningSourceFlags, TimestampFlags,
    },
    pflag::go_bool,
    registry,
    signing::{self, LegacyForm, Party, Target},
    time,
};
use clap::Args;
use sigward_oci::{Attachment, GoReference};
use sigward_remote::Registry;
use sigward_sigstore::{
    blob::{Artifact, verify_blob_attestation},
    sign::{
        PredicateType, attestation_bundle, attestation_layer, attestation_statement,
        legacy_blob_bundle,
    },
    statement::Statement,
};
use std::path::{Path, PathBuf};

/// Attest the supplied container image.
#[derive(Args, Clone, Debug)]
pub(crate) struct Attest {
    /// images, by tag or digest
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<String>,
    /// path to the key file, KMS URI or Kubernetes Secret
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// path to the predicate file
    #[arg(long)]
    pub(crate) predicate: Option<PathBuf>,
    /// path to the statement file
    #[arg(long, conflicts_with = "predicate")]
    pub(crate) statement: Option<PathBuf>,
    /// specify a predicate type (slsaprovenance|slsaprovenance02|slsaprovenance1|link|spdx|spdxjson|cyclonedx|vuln|openvex|custom) or an URI
    #[arg(long = "type", default_value = "custom")]
    pub(crate) predicate_type: String,
    /// do not upload the generated attestation
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) no_upload: bool,
    /// write everything required to verify the image to a FILE
    #[arg(long)]
    pub(crate) bundle: Option<PathBuf>,
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
    /// replace the existing attestation of the same type
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) replace: bool,
    /// specifies the type to be used for a rekor entry upload (dsse|intoto)
    #[arg(long, hide = true)]
    pub(crate) rekor_entry_type: Option<String>,
    /// set the createdAt timestamp in the signature artifact to the time it was created
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) record_creation_timestamp: bool,
    /// if a multi-arch image is specified, additionally attest each discrete image
    #[arg(long, short = 'r', num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
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

impl Attest {
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

/// What is said about every image of a command line.
enum Said {
    /// A predicate, wrapped as its type wants it.
    Predicate { predicate_type: PredicateType, predicate: String },
    /// A whole statement, signed as it stands.
    Statement { bytes: Vec<u8>, predicate_type: String },
}

struct Work<'a> {
    it: &'a Attest,
    party: Party,
    said: Said,
    created: String,
    /// More than one thing is attested, so output files carry its digest.
    many: bool,
}

/// Attests each image in turn; stops at the first that cannot be attested.
pub(super) async fn run(output: &mut Output, it: Attest) -> Result<(), Failure> {
    check_flags(&it)?;
    let named =
        it.images.iter().map(|image| registry::parse(image)).collect::<Result<Vec<_>, _>>()?;
    let first = it.images.first().map(String::as_str).unwrap_or_default();
    let created = time::stamp()?;
    let said = said(output, &it, &created).map_err(signing::signing_failed(first))?;
    let party = Party::new(output, &it.flags()).await.map_err(signing::signing_failed(first))?;
    let client = registry::client(output, &it.registry, &named)?;
    let work = Work { many: it.recursive || named.len() > 1, party, said, created, it: &it };
    for (image, typed) in named.iter().zip(&it.images) {
        attest_image(output, &client, &work, image)
            .await
            .map_err(signing::signing_failed(typed))?;
    }
    Ok(())
}

/// Refuses combinations in which a flag would have no effect.
fn check_flags(it: &Attest) -> Result<(), Failure> {
    if it.predicate.is_none() && it.statement.is_none() {
        return Err(Failure::new(
            "at least one of the flags in the group [predicate statement] is required",
        ));
    }
    signing::check_services(&it.flags())?;
    signing::check_trusted_root(it.source.trusted_root.as_deref())?;
    if it.new_bundle_format {
        if it.no_upload && it.bundle.is_none() {
            return Err(Failure::new(
                "must enable upload to the OCI registry or specify a local --bundle path with --new-bundle-format",
            ));
        }
        // COMPAT: cosign 3.1: accepts --replace there and replaces nothing; test: replace_is_for_the_legacy_format
        let legacy_only = [
            ("--replace", it.replace),
            ("--attachment-tag-prefix", it.registry.attachment_tag_prefix.is_some()),
        ];
        if let Some((flag, _)) = legacy_only.into_iter().find(|(_, given)| *given) {
            return Err(Failure::new(format!(
                "{flag} has no meaning for bundles: with --new-bundle-format=false it has"
            )));
        }
    }
    Ok(())
}

fn said(output: &Output, it: &Attest, created: &str) -> Result<Said, Failure> {
    if let Some(path) = &it.statement {
        say_source(output, path);
        let bytes = signing::read_input(path, "getting statement reader: ")?;
        let statement = Statement::parse(&bytes)?;
        if statement.predicate_type.is_empty() {
            return Err(Failure::new("the statement has no predicateType"));
        }
        return Ok(Said::Statement { bytes, predicate_type: statement.predicate_type.to_string() });
    }
    let predicate_type = PredicateType::parse(&it.predicate_type)?;
    let Some(path) = &it.predicate else {
        return Err(Failure::new("predicate cannot be empty"));
    };
    say_source(output, path);
    let file = signing::read_input(path, "getting predicate reader: ")?;
    let predicate = predicate_type.wrap(&file, created)?;
    Ok(Said::Predicate { predicate_type, predicate })
}

fn say_source(output: &Output, path: &Path) {
    if path == Path::new("-") {
        output.say("Using payload from: standard input");
    } else {
        output.say(&format!("Using payload from: {}", path.display()));
    }
}

async fn attest_image(
    output: &Output,
    client: &Registry,
    work: &Work<'_>,
    image: &GoReference,
) -> Result<(), Failure> {
    for target in signing::targets(client, output, image, work.it.recursive).await? {
        output.say("Signing artifact...");
        attest_target(output, client, work, &target).await?;
    }
    Ok(())
}

async fn attest_target(
    output: &Output,
    client: &Registry,
    work: &Work<'_>,
    target: &Target,
) -> Result<(), Failure> {
    let digest = &target.descriptor.digest;
    let (statement, predicate_type) = match &work.said {
        Said::Predicate { predicate_type, predicate } => (
            attestation_statement(&target.repository, digest, predicate_type, predicate),
            predicate_type.uri(),
        ),
        Said::Statement { bytes, predicate_type } => (bytes.clone(), predicate_type.as_str()),
    };
    // The witness of a sound key pair and, for a given statement, that it speaks of this image.
    let check = |signed: &[u8]| {
        verify_blob_attestation(
            Some(Artifact::Digest(digest)),
            signed,
            Some(predicate_type),
            work.party.public_key(),
        )
        .map_err(|error| {
            let Failure { message, code } = Failure::from(error);
            Failure { message: format!("what was signed does not verify: {message}"), code }
        })
    };
    if work.it.new_bundle_format {
        let bundle = attestation_bundle(statement, &work.party.key)?;
        check(&bundle)?;
        let about = Some((Artifact::Digest(digest), Some(predicate_type)));
        let bundle = work.party.surrounded(output, bundle, &[], about).await?;
        if let Some(path) = &work.it.bundle {
            signing::write_bundle(output, &signing::file_for(path, digest, work.many), &bundle)?;
        }
        if !work.it.no_upload {
            signing::push_bundle(client, target, bundle, predicate_type, &work.created).await?;
        }
        return Ok(());
    }
    let layer = attestation_layer(statement, predicate_type, &work.party.key)?;
    check(&layer.blob.bytes)?;
    let around = work.party.around_envelope(output, &layer.blob.bytes).await?;
    let layer = layer.with_surroundings(&around);
    if let Some(path) = &work.it.bundle {
        // COMPAT: cosign 3.1: the file of the legacy format holds the envelope in base64; test: a_legacy_attestation_bundle_holds_the_envelope
        let bundle = legacy_blob_bundle(&layer.blob.bytes, &around).unwrap_or_default();
        let path = signing::file_for(path, digest, work.many);
        signing::write_bundle(output, &path, &bundle)?;
    }
    if work.it.no_upload {
        return Ok(());
    }
    let form = LegacyForm {
        attachment: Attachment::Attestation,
        tag_prefix: work.it.registry.attachment_tag_prefix.as_deref().unwrap_or_default(),
        created: work.it.record_creation_timestamp.then_some(work.created.as_str()),
        replace: work.it.replace.then_some(predicate_type),
    };
    signing::push_legacy(client, target, Some(work.party.public_key()), &[layer], form).await
}
