//! `attach attestation`: envelopes and bundles from files.
use super::{statement_type, target};
use crate::cli::cosign::{Failure, Output, flags::RegistryFlags, pflag, signing, time};
use clap::Args;
use sigward_oci::{Attachment, media_type};
use sigward_remote::Registry;
use sigward_sigstore::{
    dsse::Envelope,
    sign::{Blob, LegacyLayer},
    statement::{PAYLOAD_TYPE, Statement},
};
use std::{collections::BTreeMap, path::PathBuf};

/// Attach attestation to the supplied container image.
#[derive(Args, Clone, Debug)]
pub(crate) struct AttachAttestation {
    /// the image, by tag or digest
    #[arg(value_name = "IMAGE")]
    pub(crate) image: Vec<String>,
    /// path to the attestation envelope
    #[arg(long, value_delimiter = ',')]
    pub(crate) attestation: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// Most envelopes of one file.
const MAX_ENVELOPES: usize = 1000;

/// A Sigstore bundle becomes a referrer, envelopes (one JSON document behind the other) layers of the `.att` tag.
///
/// COMPAT: cosign 3.1: once a file is a bundle the files behind it are forgotten; here each is attached; test: every_file_is_attached
pub(in crate::cli::cosign) async fn run(
    output: &Output,
    it: AttachAttestation,
) -> Result<(), Failure> {
    let image = pflag::exactly_one(&it.image)?;
    if it.attestation.is_empty() {
        return Err(Failure::new("required flag(s) \"attestation\" not set"));
    }
    let (client, target) = target(output, &it.registry, image).await?;
    for path in &it.attestation {
        output.say(&format!("Using payload from: {}", path.display()));
        let bytes = signing::read_file(path, "")?;
        attach(&client, &it, &target, bytes).await.map_err(|Failure { message, code }| {
            Failure {
                message: format!("attaching payload from {}: {message}", path.display()),
                code,
            }
        })?;
    }
    Ok(())
}

async fn attach(
    client: &Registry,
    it: &AttachAttestation,
    target: &signing::Target,
    bytes: Vec<u8>,
) -> Result<(), Failure> {
    if let Some(predicate_type) = statement_type(&bytes)? {
        let created = time::stamp()?;
        return signing::push_bundle(client, target, bytes, &predicate_type, &created).await;
    }
    let form = signing::LegacyForm {
        attachment: Attachment::Attestation,
        tag_prefix: it.registry.attachment_tag_prefix.as_deref().unwrap_or_default(),
        created: None,
        replace: None,
    };
    signing::push_legacy(client, target, None, &layers(&bytes)?, form).await
}

/// COMPAT: cosign 3.1: its layers carry no `predicateType`; ours do, so that `download` and `--replace` find them;
/// test: an_envelope_from_a_file_is_attached_and_verifies
fn layers(bytes: &[u8]) -> Result<Vec<LegacyLayer>, Failure> {
    let mut layers = Vec::new();
    for document in serde_json::Deserializer::from_slice(bytes).into_iter::<serde_json::Value>() {
        if layers.len() >= MAX_ENVELOPES {
            return Err(Failure::new(format!(
                "the file holds more than {MAX_ENVELOPES} envelopes"
            )));
        }
        let envelope = Envelope::parse(document?.to_string().as_bytes())?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(Failure::new(format!(
                "invalid payloadType {} on envelope. Expected {PAYLOAD_TYPE}",
                envelope.payload_type.chars().take(200).collect::<String>()
            )));
        }
        let statement = Statement::parse(&envelope.payload)?;
        layers.push(LegacyLayer {
            blob: Blob::new(envelope.to_json().into_bytes()),
            media_type: media_type::DSSE_ENVELOPE,
            annotations: BTreeMap::from([
                ("dev.cosignproject.cosign/signature".to_owned(), String::new()),
                ("predicateType".to_owned(), statement.predicate_type.to_string()),
            ]),
        });
    }
    if layers.is_empty() {
        return Err(Failure::new("the file holds no envelope"));
    }
    Ok(layers)
}
