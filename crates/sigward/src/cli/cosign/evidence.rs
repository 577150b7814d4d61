//! What must be proved, from the flags of a verifying command, and what a proof says to a person.
use super::{
    Failure, Output,
    demand::{self, Demanded},
    registry::{self, Subject, signature_repository},
    transfer::layout::Layout,
};
use crate::exit_code;
use sigward_oci::{Access, Digest, DigestReference, Index, TagReference};
use sigward_remote::{Registry, Transport};
use sigward_sigstore::{
    outcome::{Cause, CauseKind, Outcome},
    prover::{Ask, Evidence, Limits, Prover, Thoroughness},
    requirement::{Attestor, ClaimRule, Requirement, Shows, Stores, Timestamp},
    trust::TrustStore,
    verified::{Refusal, Verified},
};
use smol_str::SmolStr;
use std::{
    num::NonZeroU16,
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::task::JoinSet;

/// What a command verifies, for its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The signature of an image.
    Signature,
    /// An attestation about an image.
    Attestation,
    /// The signature of a file.
    Blob,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Attestation => "attestation",
            Self::Blob => "blob",
        }
    }
}

/// What the flags ask for, before there is an image.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) signer: demand::Asked<'a>,
    pub(super) shows: Shows,
    pub(super) annotations: &'a [String],
    pub(super) check_claims: bool,
    pub(super) tag_prefix: Option<&'a str>,
}

/// The same, read and checked: material in place of names.
#[derive(Debug)]
pub(super) struct Requested {
    /// Who may have signed, and with what proofs.
    pub(super) demanded: Demanded,
    /// Pairs that the signature must carry.
    pub(super) annotations: Vec<(SmolStr, SmolStr)>,
    /// Whether digest and annotations are looked at.
    pub(super) check_claims: bool,
    /// `--max-workers`: requests to one registry at a time.
    pub(super) workers: usize,
}

/// Reads and checks what the flags of an image's verification ask for.
///
/// # Errors
/// As [`demand::demanded`]; and an annotation that is no pair.
pub(super) fn requested(output: &Output, wanted: &Wanted<'_>) -> Result<Requested, Failure> {
    let annotations = pairs(wanted.annotations)?;
    let workers = wanted.signer.common.max_workers;
    Ok(Requested {
        demanded: demand::demanded(output, &wanted.signer)?,
        annotations,
        check_claims: wanted.check_claims,
        workers: usize::try_from(workers).unwrap_or(usize::MAX).min(MAX_WORKERS),
    })
}

/// More requests at a time than this no registry is sent.
const MAX_WORKERS: usize = 256;

/// Turns flags into one closed requirement; after this no flag exists.
///
/// # Errors
/// `COSIGN_REPOSITORY` is no repository.
pub(super) fn requirement(
    wanted: &Wanted<'_>,
    requested: &Requested,
) -> Result<Arc<Requirement>, Failure> {
    let store = signature_repository()?;
    let attestors: Vec<Requirement> = requested
        .demanded
        .attestors()
        .map(|attestor| {
            Requirement::One(Box::new(Attestor {
                shows: wanted.shows.clone(),
                store: store.clone(),
                annotations: requested.annotations.clone(),
                order: if wanted.signer.common.new_bundle_format {
                    Stores::BundleFirst
                } else {
                    Stores::LegacyOnly
                },
                tag_prefix: wanted.tag_prefix.unwrap_or_default().into(),
                claims: if requested.check_claims {
                    ClaimRule::Checked
                } else {
                    ClaimRule::InsecureIgnored
                },
                ..attestor
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
    questions: &Questions,
    subject: &Subject,
    requirement: &Arc<Requirement>,
    trust: &Arc<TrustStore>,
) -> Result<Vec<Arc<Verified>>, Failure> {
    match outcome(questions, subject, requirement, trust).await? {
        Outcome::Verified(verified) => Ok(verified),
        Outcome::Refuted(refusal) => Err(refused(&refusal)),
        Outcome::Undetermined(cause) => Err(undetermined(&cause)),
    }
}

/// Proves one image: which of the three outcomes it was, with everything that was found.
///
/// # Errors
/// `COSIGN_MAX_ATTACHMENT_SIZE` is no size.
pub(super) async fn outcome(
    questions: &Questions,
    subject: &Subject,
    requirement: &Arc<Requirement>,
    trust: &Arc<TrustStore>,
) -> Result<Outcome<Vec<Arc<Verified>>, Refusal>, Failure> {
    let limits = Limits { layer_bytes: registry::attachment_limit()?, ..Limits::default() };
    // Every signature that passes is shown, as with cosign.
    let prover = Prover::new(subject.digest.clone(), Arc::clone(requirement), now())
        .with_limits(limits)
        .with_trust(Arc::clone(trust))
        .with_thoroughness(Thoroughness::All);
    Ok(sigward_remote::prove(prover, questions).await.outcome)
}

/// What could not be told, and why.
pub(super) fn undetermined(cause: &Cause) -> Failure {
    Failure::new(format!("could not be determined: {cause}"))
}

/// Whom a prover's questions are put to.
#[derive(Clone, Debug)]
pub(super) enum Questions {
    /// Registries, as the flags say.
    Registry(Registry),
    /// A folder that `save` wrote: nothing is asked over the network.
    Saved(Arc<Layout>),
}

impl Transport for Questions {
    async fn answer(&self, asks: Vec<Ask>) -> Vec<(Ask, Evidence)> {
        let mut work = JoinSet::new();
        for ask in asks {
            let questions = self.clone();
            work.spawn(async move {
                let evidence = match &questions {
                    Self::Registry(client) => fetch(client, &ask).await,
                    Self::Saved(layout) => look_up(layout, &ask),
                };
                (ask, evidence)
            });
        }
        work.join_all().await
    }
}

/// An image in a folder, under the name that it was saved from.
///
/// # Errors
/// The folder is no layout, or names no image.
pub(super) fn saved(folder: &Path) -> Result<(Questions, Subject), Failure> {
    let layout = Layout::open(folder)?;
    let entry = layout.root()?;
    let name = Layout::name_of(&entry).and_then(|name| registry::parse(name).ok());
    let repository = name.map_or_else(|| "localhost/saved".into(), |name| name.repository());
    let named = registry::parse(&format!("{repository}@{}", entry.digest))?;
    let digest = DigestReference { repository, digest: entry.digest };
    Ok((Questions::Saved(Arc::new(layout)), Subject { named, digest }))
}

fn look_up(layout: &Layout, ask: &Ask) -> Evidence {
    let found = match ask {
        Ask::Referrers { of, .. } => layout.referrers(of).and_then(|entries| {
            let index = Index::new(entries);
            Ok(Some(serde_json::to_vec(&index)?))
        }),
        Ask::Attached { tag, .. } => {
            layout.attached(tag).map(|found| found.map(|it| it.bytes.to_vec()))
        }
        Ask::Manifest { digest, .. } => layout.manifest(digest).map(|it| it.map(Into::into)),
        Ask::Blob { digest, size, .. } => {
            layout.blob(digest, Some(*size)).map(|it| it.map(Into::into))
        }
        Ask::LogEntry { log, .. } => return no_log(log),
    };
    found.map_err(|Failure { message, .. }| Cause {
        kind: CauseKind::Malformed,
        place: layout.folder().display().to_string().into(),
        said: Some(message.into()),
    })
}

fn no_log(log: &SmolStr) -> Evidence {
    let said = Some("nobody is asked about what was saved".into());
    Err(Cause { kind: CauseKind::Forbidden, place: log.clone(), said })
}

async fn fetch(client: &Registry, ask: &Ask) -> Evidence {
    let access = Access::default();
    let reference = |repository: &SmolStr, digest: &Digest| DigestReference {
        repository: repository.clone(),
        digest: digest.clone(),
    };
    let bytes = match ask {
        Ask::Referrers { repository, of } => {
            client.referrers(&reference(repository, of), &access).await
        }
        Ask::Attached { repository, tag } => {
            let tag = TagReference { repository: repository.clone(), tag: tag.clone() };
            let found = client.manifest_by_tag(&tag, &access).await;
            found.map(|found| found.map(|fetched| fetched.bytes))
        }
        Ask::Manifest { repository, digest } => {
            client.manifest(&reference(repository, digest), &access).await
        }
        Ask::Blob { repository, digest, size } => {
            client.blob(&reference(repository, digest), Some(*size), &access).await
        }
        Ask::LogEntry { log, key } => return client.search_log(log, key.clone()).await,
    };
    bytes.map(|bytes| bytes.map(Into::into)).map_err(|error| error.cause())
}

/// COMPAT: cosign 3.1: 10 when nothing is there, 12 for legacy signatures that do not match, 1 for bundles and
/// attestations; test: exit_codes_are_the_peer_s
pub(super) fn refused(refusal: &Refusal) -> Failure {
    let code = match &refusal.shows {
        Shows::Statements { .. } => exit_code::FAILURE,
        Shows::Signature if refusal.nothing_found() => exit_code::NO_SIGNATURES,
        Shows::Signature if refusal.saw_bundle() => exit_code::FAILURE,
        Shows::Signature => exit_code::NO_MATCHING_SIGNATURES,
    };
    Failure { message: refusal.to_string(), code }
}

/// What was checked about an image's signatures, for the header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checks {
    /// `--annotations` were asked for.
    pub(super) annotations: bool,
    /// Digest and annotations.
    pub(super) claims: bool,
    /// A log's entry.
    pub(super) log: bool,
    /// Signed by the holder of a certificate, not by a key.
    pub(super) certificate: bool,
}

impl Checks {
    /// What holds for each of the proofs.
    pub(super) fn of(verified: &[Arc<Verified>], annotations: bool) -> Self {
        Self {
            annotations,
            claims: verified.iter().all(|one| one.claims_checked()),
            log: verified.iter().all(|one| one.log_checked()),
            certificate: verified
                .iter()
                .flat_map(|one| one.signed())
                .any(|signed| signed.proved().certificate().is_some()),
        }
    }
}

/// The header of a verified image, on standard error: what was checked, and nothing that was not.
///
/// COMPAT: cosign 3.1 prints the log line for bundles even when no log was looked at; we do not; test: says_only_what_was_checked
pub(super) fn header(output: &Output, image: &str, checks: Checks) {
    output.say(&format!("\nVerification for {image} --"));
    output.say("The following checks were performed on each of these signatures:");
    if checks.annotations && checks.claims {
        output.say("  - The specified annotations were verified.");
    }
    if checks.claims {
        output.say("  - The cosign claims were validated");
    }
    if checks.log {
        output.say("  - Existence of the claims in the transparency log was verified offline");
    }
    output.say(if checks.certificate {
        "  - The code-signing certificate was verified using trusted certificate authority certificates"
    } else {
        "  - The signatures were verified against the specified public key"
    });
}
