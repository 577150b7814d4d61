//! `verify-attestation`: each image has an attestation of the wanted type that satisfies.
mod policy;

use super::{
    Failure, Output,
    demand::Asked,
    evidence::{self, Checks, Kind, Questions, Wanted},
    flags::{CertificateVerifyFlags, CommonVerifyFlags, RegistryFlags, SecurityKeyFlags},
    pflag::go_bool,
    registry,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use serde_json::{Map, Value};
use sigward_sigstore::{
    dsse::Envelope,
    requirement::Shows,
    sign::PredicateType,
    verified::{Signed, Store},
};
use std::path::{Path, PathBuf};

/// Verify an attestation on the supplied container image.
#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyAttestation {
    /// images, by tag or digest
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<String>,
    /// path to the key file, KMS URI or Kubernetes Secret
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// specify a predicate type or an URI
    #[arg(long = "type", default_value = "custom")]
    pub(crate) predicate_type: String,
    /// Rego files, or YAML files of JMESPath conditions, that each attestation must satisfy
    #[arg(long, value_delimiter = ',')]
    pub(crate) policy: Vec<PathBuf>,
    /// whether to check the claims found
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) check_claims: bool,
    /// output format for the signing image information (json|text)
    #[arg(long, short = 'o', default_value = "json")]
    pub(crate) output: String,
    /// whether the specified image is a path to an image saved locally via 'cosign save'
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) local_image: bool,
    /// address of rekor STL server
    #[arg(long, hide = true)]
    pub(crate) rekor_url: Option<String>,
    /// digest algorithm to use when processing a signature
    #[arg(long, default_value = "sha256", hide = true)]
    pub(crate) signature_digest_algorithm: String,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
    #[command(flatten)]
    pub(crate) certificates: CertificateVerifyFlags,
    #[command(flatten)]
    pub(crate) common: CommonVerifyFlags,
    #[command(flatten)]
    pub(crate) security_key: SecurityKeyFlags,
}

/// Verifies that each image carries an attestation of the type; prints the envelopes, one a line.
pub(super) async fn run(output: &mut Output, it: VerifyAttestation) -> Result<(), Failure> {
    let named = if it.local_image {
        Vec::new()
    } else {
        it.images.iter().map(|image| registry::parse(image)).collect::<Result<Vec<_>, _>>()?
    };
    let predicate_type = PredicateType::parse(&it.predicate_type)?;
    if it.output != "json" && it.output != "text" {
        return Err(Failure::new(format!("invalid output format {:?}: json or text", it.output)));
    }
    let wanted = Wanted {
        signer: Asked {
            rekor_url: it.rekor_url.as_deref(),
            key: it.key.as_deref(),
            certificates: &it.certificates,
            common: &it.common,
            signature_digest_algorithm: &it.signature_digest_algorithm,
            kind: Kind::Attestation,
        },
        shows: Shows::Statements { predicate_type: predicate_type.uri().into() },
        annotations: &[],
        check_claims: it.check_claims,
        tag_prefix: it.registry.attachment_tag_prefix.as_deref(),
    };
    let policies = policy::Policies::read(&it.policy)?;
    let requested = evidence::requested(output, &wanted)?;
    let requirement = evidence::requirement(&wanted, &requested)?;
    let client = registry::client_with(output, &it.registry, &named, Some(requested.workers))?;
    for image in &it.images {
        let (questions, subject) = if it.local_image {
            evidence::saved(Path::new(image))?
        } else {
            let subject = registry::resolve(&client, registry::parse(image)?).await?;
            (Questions::Registry(client.clone()), subject)
        };
        let shown = if it.local_image { image.into() } else { subject.named.name() };
        let verified =
            evidence::prove(&questions, &subject, &requirement, &requested.demanded.trust).await?;
        if !policies.is_empty() {
            let signed = verified.iter().flat_map(|one| one.signed());
            policies.check(output, &signed.map(statement).collect::<Result<Vec<_>, _>>()?)?;
        }
        evidence::header(output, &shown, Checks::of(&verified, false));
        for signed in verified.iter().flat_map(|one| one.signed()) {
            output.bytes(&envelope(signed))?;
            output.line("")?;
        }
    }
    Ok(())
}

/// The statement inside the envelope that was proved.
fn statement(signed: &Signed) -> Result<Vec<u8>, Failure> {
    Ok(Envelope::parse(signed.bytes())?.payload)
}

/// The envelope as cosign prints it: the stored bytes of an attached tag, Go's order of fields for one from a bundle.
///
/// COMPAT: cosign 3.1: `payload`, `payloadType`, `signatures`, and no key id that is empty; test: prints_the_envelope_of_a_bundle_in_go_s_order
fn envelope(signed: &Signed) -> Vec<u8> {
    let parsed = match signed.store() {
        Store::Bundle => Envelope::parse(signed.bytes()).ok(),
        Store::Legacy => None,
    };
    let Some(envelope) = parsed else { return signed.bytes().to_vec() };
    let signatures: Vec<Value> = envelope
        .signatures
        .iter()
        .map(|one| {
            let mut fields = Map::new();
            if !one.key_id.is_empty() {
                fields.insert("keyid".to_owned(), one.key_id.clone().into());
            }
            fields.insert("sig".to_owned(), STANDARD.encode(&one.signature).into());
            Value::Object(fields)
        })
        .collect();
    format!(
        r#"{{"payload":"{}","payloadType":{},"signatures":{}}}"#,
        STANDARD.encode(&envelope.payload),
        Value::from(envelope.payload_type),
        Value::Array(signatures)
    )
    .into_bytes()
}
