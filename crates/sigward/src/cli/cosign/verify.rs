//! `verify`: each image has a signature that satisfies.
use super::{
    Failure, Output, detached,
    evidence::{self, Checks, Wanted},
    flags::{CertificateVerifyFlags, CommonVerifyFlags, RegistryFlags, SecurityKeyFlags},
    pflag::go_bool,
    registry::{self, Subject},
};
use clap::Args;
use sigward_sigstore::{
    requirement::Shows,
    verified::{Signed, Store},
};
use std::{fmt::Write as _, path::PathBuf};

/// Verify a signature on the supplied container image.
#[derive(Args, Clone, Debug)]
pub(crate) struct Verify {
    /// images, by tag or digest
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<String>,
    /// path to the key file, KMS URI or Kubernetes Secret
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// extra key=value pairs
    #[arg(long, short = 'a', value_delimiter = ',')]
    pub(crate) annotations: Vec<String>,
    /// whether to check the claims found
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) check_claims: bool,
    /// output format for the signing image information (json|text)
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

/// Verifies each image in turn; stops at the first that does not satisfy.
pub(super) async fn run(output: &mut Output, it: Verify) -> Result<(), Failure> {
    if !matches!(it.output.as_str(), "json" | "text") {
        return Err(Failure::new(format!("invalid output format {:?}: json or text", it.output)));
    }
    let named =
        it.images.iter().map(|image| registry::parse(image)).collect::<Result<Vec<_>, _>>()?;
    let wanted = Wanted {
        key: it.key.as_deref(),
        common: &it.common,
        shows: Shows::Signature,
        annotations: &it.annotations,
        check_claims: it.check_claims,
        tag_prefix: it.registry.attachment_tag_prefix.as_deref(),
        signature_digest_algorithm: &it.signature_digest_algorithm,
    };
    if it.payload.is_some() && it.signature.is_none() {
        return Err(Failure::new("--payload is what --signature is over: it needs --signature"));
    }
    let requested = evidence::requested(output, &wanted)?;
    let requirement = evidence::requirement(&wanted, &requested)?;
    let client = registry::client_with(output, &it.registry, &named, Some(requested.workers))?;
    let annotations = !it.annotations.is_empty();
    for image in named {
        let subject = registry::resolve_for_verify(&client, image).await?;
        let payloads: Vec<serde_json::Value> = if let Some(signature) = &it.signature {
            let signature = detached::signature(signature)?;
            let payload =
                detached::verify(&subject, &requested, &signature, it.payload.as_deref())?;
            let checks = Checks { annotations, claims: requested.check_claims, log: false };
            evidence::header(output, &subject, checks);
            serde_json::from_slice(&payload).into_iter().collect()
        } else {
            let verified = evidence::prove(&client, &subject, &requirement).await?;
            evidence::header(output, &subject, Checks::of(&verified, annotations));
            verified
                .iter()
                .flat_map(|one| one.signed())
                .map(|signed| payload(&subject, signed))
                .collect()
        };
        if it.output == "text" {
            for payload in payloads {
                output.line(&go_json(&payload))?;
            }
        } else {
            output.line(&format!("\n{}", go_json(&serde_json::Value::Array(payloads))))?;
        }
    }
    Ok(())
}

/// What cosign prints for a signature: the stored payload, or one made up from a bundle's statement.
///
/// COMPAT: cosign 3.1: for a bundle `docker-reference` is the name of the command line and `type` the predicate type; test: prints_the_array_scripts_read
fn payload(subject: &Subject, signed: &Signed) -> serde_json::Value {
    let stored = match signed.store() {
        Store::Legacy => serde_json::from_slice::<serde_json::Value>(signed.bytes()).ok(),
        Store::Bundle => None,
    };
    stored.unwrap_or_else(|| {
        let optional: serde_json::Map<String, serde_json::Value> = signed
            .claims()
            .iter()
            .map(|(name, value)| {
                (name.to_string(), serde_json::to_value(value).unwrap_or_default())
            })
            .collect();
        serde_json::json!({
            "critical": {
                "identity": { "docker-reference": subject.named.name().as_str() },
                "image": { "docker-manifest-digest": subject.digest.digest.as_str() },
                "type": signed.predicate_type().unwrap_or("cosign container image signature"),
            },
            "optional": optional,
        })
    })
}

/// COMPAT: cosign 3.1: Go's encoder escapes what HTML could misread, and scripts compare the text; test: prints_json_as_go_does
fn go_json(value: &serde_json::Value) -> String {
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
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
    }
}
