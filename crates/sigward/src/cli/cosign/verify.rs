//! `verify`: each image has a signature that satisfies.
mod keyless;
mod many;
mod report;

use super::{
    Failure, Output,
    demand::Asked,
    detached,
    evidence::{self, Checks, Kind, Questions, Requested, Wanted},
    flags::{CertificateVerifyFlags, CommonVerifyFlags, RegistryFlags, SecurityKeyFlags},
    pflag::go_bool,
    registry::{self, Subject},
};
use clap::Args;
use serde_json::Value;
use sigward_remote::Registry;
use sigward_sigstore::{
    requirement::{Requirement, Shows},
    trust::TrustStore,
    verified::{Signed, Store},
};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Verify a signature on the supplied container image.
#[derive(Args, Clone, Debug)]
pub(crate) struct Verify {
    /// images, by tag or digest
    #[arg(value_name = "IMAGE", required_unless_present = "references")]
    pub(crate) images: Vec<String>,
    /// read the images from a file, one a line (`-` is standard input), verify all of them, and report on each
    #[arg(long, short = 'r', value_name = "FILE")]
    pub(crate) references: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) flags: VerifyFlags,
}

/// What is demanded of each image, for every command that verifies images.
#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyFlags {
    /// path to the key file, KMS URI or Kubernetes Secret
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// extra key=value pairs
    #[arg(long, short = 'a', value_delimiter = ',')]
    pub(crate) annotations: Vec<String>,
    /// whether to check the claims found
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) check_claims: bool,
    /// output format for the signing image information (json|text|report)
    #[arg(long, short = 'o', default_value = "json")]
    pub(crate) output: String,
    /// whether the specified image is a path to an image saved locally via 'cosign save'
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) local_image: bool,
    /// payload path or remote URL
    #[arg(long)]
    pub(crate) payload: Option<PathBuf>,
    /// address of rekor STL server
    #[arg(long, hide = true)]
    pub(crate) rekor_url: Option<String>,
    /// signature content or path or remote URL
    #[arg(long, hide = true)]
    pub(crate) signature: Option<String>,
    /// digest algorithm to use when processing a signature (sha224|sha256|sha384|sha512)
    #[arg(long, default_value = "sha256", hide = true)]
    pub(crate) signature_digest_algorithm: String,
    /// DEPRECATED, related image attachment to verify
    #[arg(long, hide = true)]
    pub(crate) attachment: Option<String>,
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
    #[command(flatten)]
    pub(crate) certificates: CertificateVerifyFlags,
    #[command(flatten)]
    pub(crate) common: CommonVerifyFlags,
    #[command(flatten)]
    pub(crate) security_key: SecurityKeyFlags,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// cosign's array of payloads.
    Json,
    /// cosign's payloads, one a line.
    Text,
    /// One object for each image, whatever came of it.
    Report,
}

/// Verifies each image in turn, and stops at the first that does not satisfy; or all images of a file.
pub(super) async fn run(output: &mut Output, it: Verify) -> Result<(), Failure> {
    match &it.references {
        Some(path) => many::run(output, path, &it.images, &it.flags).await,
        None => run_images(output, &it.images, &it.flags).await,
    }
}

/// Everything about a verification but the image.
struct Work<'a> {
    flags: &'a VerifyFlags,
    requested: Requested,
    requirement: Arc<Requirement>,
}

impl<'a> Work<'a> {
    fn new(output: &Output, flags: &'a VerifyFlags) -> Result<Self, Failure> {
        let wanted = Wanted {
            signer: Asked {
                rekor_url: flags.rekor_url.as_deref(),
                key: flags.key.as_deref(),
                certificates: &flags.certificates,
                common: &flags.common,
                signature_digest_algorithm: &flags.signature_digest_algorithm,
                kind: Kind::Signature,
            },
            shows: Shows::Signature,
            annotations: &flags.annotations,
            check_claims: flags.check_claims,
            tag_prefix: flags.registry.attachment_tag_prefix.as_deref(),
        };
        if flags.payload.is_some() && flags.signature.is_none() {
            return Err(Failure::new(
                "--payload is what --signature is over: it needs --signature",
            ));
        }
        let requested = evidence::requested(output, &wanted)?;
        let requirement = evidence::requirement(&wanted, &requested)?;
        Ok(Self { flags, requested, requirement })
    }

    fn trust(&self) -> &Arc<TrustStore> {
        &self.requested.demanded.trust
    }

    fn format(&self) -> Result<Format, Failure> {
        match self.flags.output.as_str() {
            "json" => Ok(Format::Json),
            "text" => Ok(Format::Text),
            "report" => Ok(Format::Report),
            other => {
                Err(Failure::new(format!("invalid output format {other:?}: json, text or report")))
            }
        }
    }

    /// One image, by reference or by folder.
    async fn subject(
        &self,
        client: &Registry,
        image: &str,
    ) -> Result<(Questions, Subject), Failure> {
        if self.flags.local_image {
            return evidence::saved(Path::new(image));
        }
        let subject = registry::resolve_for_verify(client, registry::parse(image)?).await?;
        Ok((Questions::Registry(client.clone()), subject))
    }
}

/// Verifies each image in turn; stops at the first that does not satisfy.
pub(super) async fn run_images(
    output: &mut Output,
    images: &[String],
    flags: &VerifyFlags,
) -> Result<(), Failure> {
    let named = if flags.local_image {
        Vec::new()
    } else {
        images.iter().map(|image| registry::parse(image)).collect::<Result<Vec<_>, _>>()?
    };
    let work = Work::new(output, flags)?;
    let format = work.format()?;
    let workers = Some(work.requested.workers);
    let client = registry::client_with(output, &flags.registry, &named, workers)?;
    for image in images {
        if format == Format::Report {
            let report = report::Report::of(&work, &client, image).await;
            output.line(&report.json().to_string())?;
            report.into_result()?;
            continue;
        }
        let payloads = verify_one(output, &work, &client, image).await?;
        if format == Format::Text {
            for payload in payloads {
                output.line(&go_json(&payload))?;
            }
        } else {
            output.line(&format!("\n{}", go_json(&Value::Array(payloads))))?;
        }
    }
    Ok(())
}

async fn verify_one(
    output: &Output,
    work: &Work<'_>,
    client: &Registry,
    image: &str,
) -> Result<Vec<Value>, Failure> {
    let (questions, subject) = work.subject(client, image).await?;
    let annotations = !work.flags.annotations.is_empty();
    let shown = if work.flags.local_image { image.into() } else { subject.named.name() };
    if let Some(signature) = &work.flags.signature {
        let signature = detached::signature(signature)?;
        let payload = work.flags.payload.as_deref();
        let payload = detached::verify(&subject, &work.requested, &signature, payload)?;
        let claims = work.requested.check_claims;
        evidence::header(
            output,
            &shown,
            Checks { annotations, claims, log: false, certificate: false },
        );
        return Ok(serde_json::from_slice(&payload).into_iter().collect());
    }
    let verified = evidence::prove(&questions, &subject, &work.requirement, work.trust()).await?;
    evidence::header(output, &shown, Checks::of(&verified, annotations));
    if work.flags.output == "text" {
        keyless::say(output, &verified);
    }
    let signed = verified.iter().flat_map(|one| one.signed());
    Ok(signed.map(|signed| payload(&subject, signed)).collect())
}

/// What cosign prints for a signature: the stored payload, or one made up from a bundle's statement.
///
/// COMPAT: cosign 3.1: for a bundle `docker-reference` is the name of the command line and `type` the predicate type; test: prints_the_array_scripts_read
fn payload(subject: &Subject, signed: &Signed) -> Value {
    let stored = match signed.store() {
        Store::Legacy => serde_json::from_slice::<Value>(signed.bytes()).ok(),
        Store::Bundle => None,
    };
    if let Some(payload) = stored {
        return keyless::with_certificate(payload, signed);
    }
    let optional: serde_json::Map<String, Value> = signed
        .claims()
        .iter()
        .map(|(name, value)| (name.to_string(), serde_json::to_value(value).unwrap_or_default()))
        .collect();
    serde_json::json!({
        "critical": {
            "identity": { "docker-reference": subject.named.name().as_str() },
            "image": { "docker-manifest-digest": subject.digest.digest.as_str() },
            "type": signed.predicate_type().unwrap_or("cosign container image signature"),
        },
        "optional": optional,
    })
}

/// COMPAT: cosign 3.1: Go's encoder escapes what HTML could misread, and scripts compare the text; test: prints_json_as_go_does
pub(super) fn go_json(value: &Value) -> String {
    let plain = value.to_string();
    let mut escaped = String::with_capacity(plain.len());
    for character in plain.chars() {
        // Outside of strings none of these can stand.
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a String cannot fail.
                let _written = write!(escaped, "\\u{:04x}", u32::from(character));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_json_as_go_does() {
        let value = serde_json::json!({ "a": "<b>&\u{2028}\u{2029}\"é", "<": 1 });
        let printed = go_json(&value);
        assert_eq!(printed, r#"{"\u003c":1,"a":"\u003cb\u003e\u0026\u2028\u2029\"é"}"#);
        assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), value);
    }
}
