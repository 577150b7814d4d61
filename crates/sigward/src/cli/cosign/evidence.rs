//! What must be proved, from the flags of a verifying command, and what a proof says to a person.
use super::{
    Failure, Output,
    flags::CommonVerifyFlags,
    keys,
    registry::{Subject, signature_repository},
};
use crate::exit_code;
use sigward_remote::Registry;
use sigward_sigstore::{
    outcome::Outcome,
    requirement::{Attestor, ClaimRule, LogRule, Requirement, Shows, Stores, Timestamp, Who},
    verified::{Proof, Refusal, Verified},
};
use smol_str::SmolStr;
use std::{
    num::NonZeroU16,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Said on standard error whenever no log is looked at.
const NO_LOG_WARNING: &str = "WARNING: Skipping tlog verification is an insecure practice that lacks transparency and auditability verification for the signature.";

/// What the flags ask for, before there is an image.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) key: Option<&'a str>,
    pub(super) common: &'a CommonVerifyFlags,
    pub(super) shows: Shows,
    pub(super) annotations: &'a [String],
    pub(super) check_claims: bool,
    pub(super) tag_prefix: Option<&'a str>,
    pub(super) signature_digest_algorithm: &'a str,
}

/// Turns flags into one closed requirement; after this no flag exists.
///
/// # Errors
/// No key, a demand that this build cannot check, or a key that cannot be read: each names its way out.
pub(super) fn requirement(
    output: &Output,
    wanted: &Wanted<'_>,
) -> Result<Arc<Requirement>, Failure> {
    let Some(reference) = wanted.key else {
        return Err(Failure::new(
            "verification without --key is keyless verification, which is not available in this build",
        ));
    };
    if !(wanted.common.insecure_ignore_tlog || wanted.common.private_infrastructure) {
        return Err(Failure::new(
            "a transparency log entry is demanded by default, and checking entries is not available in this build: \
             with --insecure-ignore-tlog the signature is verified without one",
        ));
    }
    // Each sound combination of key and hash is accepted; the flag can only name one that does not exist.
    if !matches!(wanted.signature_digest_algorithm, "sha256" | "sha384" | "sha512") {
        return Err(Failure::new(format!(
            "unsupported digest algorithm {:?} (sha256, sha384 and sha512 are tried)",
            wanted.signature_digest_algorithm
        )));
    }
    let store = signature_repository()?;
    let annotations = pairs(wanted.annotations)?;
    output.say(NO_LOG_WARNING);
    let attestors: Vec<Requirement> = keys::public_keys(reference)?
        .into_iter()
        .map(|key| {
            Requirement::One(Box::new(Attestor {
                shows: wanted.shows.clone(),
                store: store.clone(),
                annotations: annotations.clone(),
                order: if wanted.common.new_bundle_format {
                    Stores::BundleFirst
                } else {
                    Stores::LegacyOnly
                },
                tag_prefix: wanted.tag_prefix.unwrap_or_default().into(),
                claims: if wanted.check_claims {
                    ClaimRule::Checked
                } else {
                    ClaimRule::InsecureIgnored
                },
                ..Attestor::new(Who::Key(key), LogRule::InsecureIgnored)
            }))
        })
        .collect();
    Ok(Arc::new(match <[Requirement; 1]>::try_from(attestors) {
        Ok([one]) => one,
        Err(several) => Requirement::AtLeast { count: NonZeroU16::MIN, of: several },
    }))
}

/// `a=b` pairs, sorted, as the requirement wants them.
///
/// # Errors
/// A pair without `=`.
pub(super) fn pairs(annotations: &[String]) -> Result<Vec<(SmolStr, SmolStr)>, Failure> {
    let mut pairs = annotations
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => Ok((name.into(), value.into())),
            None => Err(Failure::new(format!("unable to parse annotation: {pair}"))),
        })
        .collect::<Result<Vec<(SmolStr, SmolStr)>, _>>()?;
    pairs.sort();
    pairs.dedup_by(|later, earlier| {
        later.0 == earlier.0 && {
            earlier.1 = later.1.clone();
            true
        }
    });
    Ok(pairs)
}

/// The present, for proofs that hold only for a time.
pub(super) fn now() -> Timestamp {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Timestamp(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// Proves one image, or says which of the other two outcomes it was.
///
/// # Errors
/// cosign's text and exit code for a refusal; the cause for what could not be told.
pub(super) async fn prove(
    registry: &Registry,
    subject: &Subject,
    requirement: &Arc<Requirement>,
) -> Result<Vec<Arc<Verified>>, Failure> {
    let proof: Proof =
        registry.prove(&subject.digest, requirement, &sigward_oci::Access::default(), now()).await;
    match proof.outcome {
        Outcome::Verified(verified) => Ok(verified),
        Outcome::Refuted(refusal) => Err(refused(&refusal)),
        Outcome::Undetermined(cause) => {
            Err(Failure::new(format!("could not be determined: {cause}")))
        }
    }
}

/// COMPAT: cosign 3.1: 10 when nothing is there, 12 for legacy signatures that do not match, 1 for bundles and
/// attestations; test: exit_codes_are_the_peer_s
fn refused(refusal: &Refusal) -> Failure {
    let code = match &refusal.shows {
        Shows::Statements { .. } => exit_code::FAILURE,
        Shows::Signature if refusal.nothing_found() => exit_code::NO_SIGNATURES,
        Shows::Signature if refusal.saw_bundle() => exit_code::FAILURE,
        Shows::Signature => exit_code::NO_MATCHING_SIGNATURES,
    };
    Failure { message: refusal.to_string(), code }
}

/// The header of a verified image, on standard error: what was checked, and nothing that was not.
///
/// COMPAT: cosign 3.1 prints the log line for bundles even when no log was looked at; we do not; test: says_only_what_was_checked
pub(super) fn header(
    output: &Output,
    subject: &Subject,
    verified: &[Arc<Verified>],
    annotations: bool,
) {
    output.say(&format!("\nVerification for {} --", subject.named.name()));
    output.say("The following checks were performed on each of these signatures:");
    if annotations {
        output.say("  - The specified annotations were verified.");
    }
    if verified.iter().all(|one| one.claims_checked()) {
        output.say("  - The cosign claims were validated");
    }
    if verified.iter().all(|one| one.log_checked()) {
        output.say("  - Existence of the claims in the transparency log was verified offline");
    }
    output.say("  - The signatures were verified against the specified public key");
}
