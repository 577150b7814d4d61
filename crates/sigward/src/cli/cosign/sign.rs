//! `sign`: a signature over the digest of each image, stored beside it.
use super::{
    Failure, Output, evidence,
    flags::{
        FulcioFlags, OidcFlags, RegistryFlags, SecurityKeyFlags, SigningSourceFlags, TimestampFlags,
    },
    keys,
    pflag::go_bool,
    registry,
    signing::{self, LegacyForm, Party, Target},
    time,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use sigward_oci::{Attachment, Digest, media_type};
use sigward_remote::Registry;
use sigward_sigstore::{
    blob::{Artifact, verify_blob, verify_blob_attestation},
    sign::{Blob, LegacyLayer, attestation_bundle, signature_bundle, signature_layer},
    statement::COSIGN_SIGN,
};
use std::{collections::BTreeMap, path::PathBuf};

/// Where a layer of an attached tag keeps its signature.
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// Sign the supplied container image.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "clap makes the flags of the names")]
pub(crate) struct Sign {
    /// images, by tag or digest
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<String>,
    /// path to the key file, KMS URI or Kubernetes Secret
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// extra key=value pairs
    #[arg(long, short = 'a', value_delimiter = ',')]
    pub(crate) annotations: Vec<String>,
    /// if a multi-arch image is specified, additionally sign each discrete image
    #[arg(long, short = 'r', num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) recursive: bool,
    /// skip confirmation prompts for non-destructive operations
    #[arg(long, short = 'y', num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) yes: bool,
    /// whether to upload the signature
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) upload: bool,
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
    /// path to a payload file to use rather than generating one
    #[arg(long)]
    pub(crate) payload: Option<PathBuf>,
    /// mode for fetching references from the registry (legacy|oci-1-1)
    #[arg(long)]
    pub(crate) registry_referrers_mode: Option<String>,
    /// output bundle in new format that contains all verification material
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) new_bundle_format: bool,
    /// write the signature to FILE
    #[arg(long, hide = true)]
    pub(crate) output_signature: Option<PathBuf>,
    /// write the signed payload to FILE
    #[arg(long, hide = true)]
    pub(crate) output_payload: Option<PathBuf>,
    /// write the certificate to FILE
    #[arg(long, alias = "output-cert", hide = true)]
    pub(crate) output_certificate: Option<PathBuf>,
    /// manually set the .critical.docker-reference field for the signed identity
    #[arg(long, value_delimiter = ',', hide = true)]
    pub(crate) sign_container_identity: Vec<String>,
    /// set the createdAt timestamp in the signature artifact to the time it was created
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set, hide = true)]
    pub(crate) record_creation_timestamp: bool,
    /// DEPRECATED, related image attachment to sign
    #[arg(long, hide = true)]
    pub(crate) attachment: Option<String>,
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

impl Sign {
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

/// What is the same for every image of a command line.
struct Work<'a> {
    it: &'a Sign,
    party: Party,
    annotations: BTreeMap<String, String>,
    payload: Option<Vec<u8>>,
    created: String,
    /// More than one thing is signed, so output files carry its digest.
    many: bool,
}

impl Work<'_> {
    /// `--output-certificate`.
    fn keep_certificate(&self, output: &Output, digest: &Digest) -> Result<(), Failure> {
        let Some(path) = &self.it.output_certificate else { return Ok(()) };
        self.party.keep_certificate(output, &signing::file_for(path, digest, self.many), false)
    }
}

/// Signs each image in turn; stops at the first that cannot be signed.
pub(super) async fn run(output: &mut Output, it: Sign) -> Result<(), Failure> {
    check_flags(&it)?;
    let named =
        it.images.iter().map(|image| registry::parse(image)).collect::<Result<Vec<_>, _>>()?;
    let annotations = evidence::pairs(&it.annotations)?
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let payload = match &it.payload {
        Some(path) => {
            output.say(&format!("Using payload from: {}", path.display()));
            Some(signing::read_file(path, "payload from file: ")?)
        }
        None => None,
    };
    let party = Party::new(output, &it.flags()).await?;
    let work = Work {
        many: it.recursive || named.len() > 1,
        party,
        annotations,
        payload,
        created: time::stamp()?,
        it: &it,
    };
    let client = registry::client(output, &it.registry, &named)?;
    let all: Vec<&str> = it.images.iter().map(String::as_str).collect();
    for image in &named {
        sign_image(output, &client, &work, image)
            .await
            .map_err(signing::signing_failed(&format!("[{}]", all.join(" "))))?;
    }
    Ok(())
}

/// `--registry-referrers-mode` for what refers to an image.
const AS_REFERRERS: &str = "oci-1-1";

/// How signatures of the older format are stored.
///
/// COMPAT: cosign 3.1: the mode `oci-1-1` is an experiment that the environment has to allow, and means nothing for
/// bundles; there it is refused here; test: signatures_of_the_older_format_can_be_referrers
fn check_mode(it: &Sign) -> Result<(), Failure> {
    let Some(mode) = it.registry_referrers_mode.as_deref() else { return Ok(()) };
    if it.new_bundle_format {
        return Err(Failure::new(
            "--registry-referrers-mode is about the older format: it needs --new-bundle-format=false, and bundles are referrers anyway",
        ));
    }
    match mode {
        "legacy" => Ok(()),
        AS_REFERRERS => {
            let allowed = std::env::var("COSIGN_EXPERIMENTAL").unwrap_or_default();
            if !go_bool(&allowed).unwrap_or(false) {
                return Err(Failure::new(
                    "in order to use mode \"oci-1-1\", you must set COSIGN_EXPERIMENTAL=1",
                ));
            }
            if it.registry.attachment_tag_prefix.is_some() {
                return Err(Failure::new("--attachment-tag-prefix has no meaning for a referrer"));
            }
            Ok(())
        }
        other => Err(Failure::new(format!(
            "invalid registry-referrers-mode {other:?}: legacy or oci-1-1"
        ))),
    }
}

/// Refuses combinations in which a flag would have no effect.
fn check_flags(it: &Sign) -> Result<(), Failure> {
    check_mode(it)?;
    signing::check_services(&it.flags())?;
    signing::check_trusted_root(it.source.trusted_root.as_deref())?;
    if it.new_bundle_format {
        if !it.upload && it.bundle.is_none() {
            return Err(Failure::new(
                "must enable upload to the OCI registry or specify a local --bundle path with --new-bundle-format",
            ));
        }
        let legacy_only = [
            ("--output-signature", it.output_signature.is_some()),
            ("--output-payload", it.output_payload.is_some()),
            ("--sign-container-identity", !it.sign_container_identity.is_empty()),
            ("--attachment-tag-prefix", it.registry.attachment_tag_prefix.is_some()),
        ];
        if let Some((flag, _)) = legacy_only.into_iter().find(|(_, given)| *given) {
            return Err(Failure::new(format!(
                "{flag} has no meaning in a bundle: with --new-bundle-format=false it has"
            )));
        }
    } else if it.bundle.is_some() {
        return Err(Failure::new("--bundle holds a bundle: it needs --new-bundle-format"));
    }
    if it.sign_container_identity.len() > 1
        && (it.output_signature.is_some() || it.output_payload.is_some())
    {
        return Err(Failure::new(
            "--output-signature and --output-payload hold one signature: they need one --sign-container-identity",
        ));
    }
    if it.payload.is_some() && !it.annotations.is_empty() {
        return Err(Failure::new(
            "--annotations are written into the payload: they cannot be used with --payload",
        ));
    }
    if it.payload.is_some() && !it.sign_container_identity.is_empty() {
        return Err(Failure::new(
            "--sign-container-identity is written into the payload: it cannot be used with --payload",
        ));
    }
    Ok(())
}

async fn sign_image(
    output: &Output,
    client: &Registry,
    work: &Work<'_>,
    image: &sigward_oci::GoReference,
) -> Result<(), Failure> {
    for target in signing::targets(client, output, image, work.it.recursive).await? {
        output.say("Signing artifact...");
        if work.it.new_bundle_format {
            sign_bundle(output, client, work, &target).await?;
        } else {
            sign_legacy(output, client, work, &target).await?;
        }
    }
    Ok(())
}

async fn sign_bundle(
    output: &Output,
    client: &Registry,
    work: &Work<'_>,
    target: &Target,
) -> Result<(), Failure> {
    let digest = &target.descriptor.digest;
    let bundle = match &work.payload {
        Some(payload) => attestation_bundle(payload.clone(), &work.party.key)?,
        None => signature_bundle(digest, &work.annotations, &work.party.key)?,
    };
    // A key file whose halves do not belong together, or a payload about something else, ends here and not at the reader.
    verify_blob_attestation(
        Some(Artifact::Digest(digest)),
        &bundle,
        Some(COSIGN_SIGN),
        work.party.public_key(),
    )
    .map_err(self_check)?;
    let about = Some((Artifact::Digest(digest), Some(COSIGN_SIGN)));
    let bundle = work.party.surrounded(output, bundle, &[], about).await?;
    work.keep_certificate(output, digest)?;
    if let Some(path) = &work.it.bundle {
        signing::write_bundle(output, &signing::file_for(path, digest, work.many), &bundle)?;
    }
    if work.it.upload {
        output.say(&format!("Pushing signature to: {}", signing::store_of(target)?));
        signing::push_bundle(client, target, bundle, COSIGN_SIGN, &work.created).await?;
    }
    Ok(())
}

async fn sign_legacy(
    output: &Output,
    client: &Registry,
    work: &Work<'_>,
    target: &Target,
) -> Result<(), Failure> {
    let digest = &target.descriptor.digest;
    let layers = match &work.payload {
        Some(payload) => {
            let signature = sigward_sigstore::sign::sign_blob(payload, &work.party.key)?;
            vec![LegacyLayer {
                blob: Blob::new(payload.clone()),
                media_type: media_type::COSIGN_SIMPLE_SIGNING,
                annotations: BTreeMap::from([(SIGNATURE_ANNOTATION.to_owned(), signature)]),
            }]
        }
        None => identities(&work.it.sign_container_identity, target)
            .into_iter()
            .map(|identity| signature_layer(identity, digest, &work.annotations, &work.party.key))
            .collect::<Result<Vec<_>, _>>()?,
    };
    let mut told = Vec::with_capacity(layers.len());
    for layer in layers {
        let signature = layer.annotations.get(SIGNATURE_ANNOTATION).map_or("", String::as_str);
        verify_blob(&layer.blob.bytes, signature.as_bytes(), work.party.public_key())
            .map_err(self_check)?;
        let files = [
            (&work.it.output_signature, signature.as_bytes()),
            (&work.it.output_payload, &layer.blob.bytes),
        ];
        for (path, content) in files {
            if let Some(path) = path {
                keys::write_file(&signing::file_for(path, digest, work.many), content, 0o600)?;
            }
        }
        let raw = STANDARD.decode(signature)?;
        let around = work.party.around_bytes(output, &layer.blob.bytes, &raw).await?;
        told.push(layer.with_surroundings(&around));
    }
    let layers = told;
    work.keep_certificate(output, digest)?;
    if !work.it.upload {
        return Ok(());
    }
    output.say(&format!("Pushing signature to: {}", signing::store_of(target)?));
    if work.it.registry_referrers_mode.as_deref() == Some(AS_REFERRERS) {
        let created = work.it.record_creation_timestamp.then_some(work.created.as_str());
        return signing::push_layers_as_referrers(client, target, &layers, created).await;
    }
    let form = LegacyForm {
        attachment: Attachment::Signature,
        tag_prefix: work.it.registry.attachment_tag_prefix.as_deref().unwrap_or_default(),
        created: work.it.record_creation_timestamp.then_some(work.created.as_str()),
        replace: None,
    };
    signing::push_legacy(client, target, Some(work.party.public_key()), &layers, form).await
}

/// What stands as `docker-reference`: the repository, unless other names are given.
fn identities<'a>(given: &'a [String], target: &'a Target) -> Vec<&'a str> {
    if given.is_empty() {
        return vec![target.repository.as_str()];
    }
    given.iter().map(String::as_str).collect()
}

fn self_check(error: sigward_sigstore::blob::BlobError) -> Failure {
    let Failure { message, code } = Failure::from(error);
    Failure { message: format!("what was signed does not verify: {message}"), code }
}
