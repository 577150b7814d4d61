//! What surrounds a signature: the certificate of its maker, the log that knows it, the time it was made.
//!
//! Bundles, attached tags and files bring the same evidence in other wrappings; this is the one place
//! where it is weighed. What is needed is said by the requirement, never by what is brought.
use crate::{
    certificate::{PathError, SubjectName, Usage, build_path, sct},
    encoding::printable,
    keys::{Certificate, PublicKey},
    requirement::{Attestor, Keyless, LogRule, SctRule, TimeRule, Timestamp, TrustId, Who},
    timestamp::{self, SignedTimestamp, TimestampError},
    tlog::{self, LogEntry, LogError, LoggedContent, Subject, Verifier},
    trust::{CertificateAuthority, TrustStore, TrustedRoot},
    verified::{Proved, RefusedBecause, Store},
};
use smol_str::SmolStr;

/// What a candidate brings with its signature; nothing in it is verified.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// The signer's certificate, then those above it that are brought along.
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) entries: Vec<LogEntry>,
    pub(crate) timestamps: Vec<Vec<u8>>,
    pub(crate) sct: Option<sct::Sct>,
}

/// The signature that the evidence is for. It was checked with [`signer_key`] already.
pub(crate) struct Claim<'a> {
    pub(crate) signature: &'a [u8],
    /// What timestamps are over: the signature, or a whole envelope.
    pub(crate) timestamped: &'a [u8],
    pub(crate) content: LoggedContent<'a>,
    pub(crate) store: Store,
}

/// The trust material of one attestor, looked up.
pub(crate) struct Material<'a> {
    authorities: Option<&'a TrustedRoot>,
    logs: Option<&'a TrustedRoot>,
    timestamps: Option<&'a TrustedRoot>,
}

impl<'a> Material<'a> {
    /// All that the attestor names, or the first that is not at hand.
    pub(crate) fn of(attestor: &Attestor, trust: &'a TrustStore) -> Result<Self, TrustId> {
        let get = |id: Option<TrustId>| match id {
            None => Ok(None),
            Some(id) => trust.get(id).map(|root| Some(&**root)).ok_or(id),
        };
        let authorities = match &attestor.who {
            Who::Key(_) => None,
            Who::Keyless(keyless) => Some(keyless.trust),
        };
        let logs = match &attestor.log {
            LogRule::EntryDemanded { trust, .. } => Some(*trust),
            LogRule::InsecureIgnored => None,
        };
        Ok(Self {
            authorities: get(authorities)?,
            logs: get(logs)?,
            timestamps: get(attestor.time.timestamps())?,
        })
    }
}

/// The key that must have made the signature: the attestor's, or the certificate's, which is trusted
/// only after [`prove`].
pub(crate) fn signer_key<'a>(
    attestor: &'a Attestor,
    evidence: &'a Evidence,
) -> Result<&'a PublicKey, RefusedBecause> {
    match (&attestor.who, evidence.certificates.first()) {
        (Who::Key(key), _) => Ok(key),
        (Who::Keyless(_), Some(certificate)) => Ok(certificate.key()),
        (Who::Keyless(_), None) => Err(RefusedBecause::CertificateMissing),
    }
}

/// Weighs the evidence for a signature that was checked.
pub(crate) fn prove(
    attestor: &Attestor,
    material: &Material<'_>,
    now: Timestamp,
    evidence: &Evidence,
    claim: &Claim<'_>,
) -> Result<Proved, RefusedBecause> {
    let certificate = match (&attestor.who, evidence.certificates.first()) {
        (Who::Key(_), _) => None,
        (Who::Keyless(_), Some(certificate)) => Some(certificate),
        (Who::Keyless(_), None) => return Err(RefusedBecause::CertificateMissing),
    };
    let (timestamps, trouble) = timestamps(evidence, material, claim);
    if matches!(attestor.time, TimeRule::TimestampDemanded { .. }) && timestamps.is_empty() {
        return Err(match trouble {
            Some(why) => RefusedBecause::Timestamp { why },
            None => RefusedBecause::TimestampMissing,
        });
    }
    let entries = log_entries(attestor, material, evidence, claim, certificate)?;
    let mut times: Vec<_> = timestamps.iter().map(|timestamp| timestamp.time).collect();
    check_windows(&entries, material, &times)?;
    times.extend(entries.iter().filter_map(|entry| entry.time()));
    let mut proved = Proved {
        certificate: certificate.cloned(),
        log_entries: entries.into_iter().cloned().collect(),
        timestamps,
        holds_until: None,
    };
    let (Who::Keyless(keyless), Some(certificate)) = (&attestor.who, certificate) else {
        return Ok(proved);
    };
    if times.is_empty() {
        match (attestor.time, trouble) {
            (TimeRule::InsecureNow { .. }, _) => {
                times.push(now);
                proved.holds_until = Some(Timestamp(certificate.not_after().0.saturating_add(1)));
            }
            (_, Some(why)) => return Err(RefusedBecause::Timestamp { why }),
            (_, None) => return Err(RefusedBecause::NoTime),
        }
    }
    let root =
        material.authorities.ok_or(RefusedBecause::Certificate { why: PathError::NoRoot })?;
    check_certificate(keyless, root, evidence, certificate, &times)
        .and_then(|()| check_identity(keyless, certificate, claim.store))?;
    Ok(proved)
}

/// The timestamps that hold, one of each authority, and what is wrong with the last that does not.
/// One that does not hold is no harm where another does.
fn timestamps(
    evidence: &Evidence,
    material: &Material<'_>,
    claim: &Claim<'_>,
) -> (Vec<SignedTimestamp>, Option<TimestampError>) {
    let Some(root) = material.timestamps else { return (Vec::new(), None) };
    let authorities = &root.parts().timestamp_authorities;
    let (mut held, mut trouble) = (Vec::<SignedTimestamp>::new(), None);
    for response in &evidence.timestamps {
        match timestamp::verify(response, claim.timestamped, authorities) {
            Ok(found) if held.iter().any(|there| there.authority == found.authority) => {}
            Ok(found) => held.push(found),
            Err(why) => trouble = Some(why),
        }
    }
    (held, trouble)
}

fn log_entries<'a>(
    attestor: &Attestor,
    material: &Material<'_>,
    evidence: &'a Evidence,
    claim: &Claim<'_>,
    certificate: Option<&Certificate>,
) -> Result<Vec<&'a LogEntry>, RefusedBecause> {
    let Some(root) = material.logs else { return Ok(Vec::new()) };
    if evidence.entries.is_empty() {
        return Err(RefusedBecause::LogEntryMissing);
    }
    let verifier = match (certificate, &attestor.who) {
        (Some(certificate), _) => Verifier::Certificate(certificate),
        (None, Who::Key(key)) => Verifier::Key(key),
        (None, Who::Keyless(_)) => return Err(RefusedBecause::CertificateMissing),
    };
    let subject = Subject { signature: claim.signature, verifier, content: claim.content };
    let logs = &root.parts().tlogs;
    let entries = tlog::verify(&evidence.entries, logs, &subject, certificate)
        .map_err(|why| RefusedBecause::LogEntry { why })?;
    match tlog::distinct(&entries, logs) {
        0 => Err(RefusedBecause::LogEntryMissing),
        _ => Ok(entries),
    }
}

/// Rekor 2 signs no time, so whether its key could be believed is asked of the timestamps.
fn check_windows(
    entries: &[&LogEntry],
    material: &Material<'_>,
    times: &[Timestamp],
) -> Result<(), RefusedBecause> {
    let logs = material.logs.map(|root| root.parts().tlogs.as_slice()).unwrap_or_default();
    for entry in entries.iter().filter(|entry| entry.time().is_none()) {
        let mut named = logs.iter().filter(|log| log.log_id == entry.log_id);
        let holds =
            times.is_empty() || named.any(|log| times.iter().any(|at| log.valid_for.contains(*at)));
        if !holds {
            return Err(RefusedBecause::LogEntry { why: LogError::OutOfValidity });
        }
    }
    Ok(())
}

/// One authority issued the certificate, and could at every one of the times; a log knows it.
fn check_certificate(
    keyless: &Keyless,
    root: &TrustedRoot,
    evidence: &Evidence,
    certificate: &Certificate,
    times: &[Timestamp],
) -> Result<(), RefusedBecause> {
    let brought = evidence.certificates.get(1..).unwrap_or_default();
    let mut why = PathError::NoRoot;
    for authority in &root.parts().certificate_authorities {
        match issuer(authority, brought, certificate, times) {
            Ok(issuer) => {
                return match keyless.sct {
                    SctRule::InsecureIgnored => Ok(()),
                    SctRule::Demanded => {
                        let logs = &root.parts().ctlogs;
                        sct::verify(certificate, issuer, evidence.sct.as_ref(), logs)
                            .map_err(|why| RefusedBecause::Sct { why })
                    }
                };
            }
            // What is said of the authority that issued it tells more than "no path".
            Err(PathError::NoRoot) if why != PathError::NoRoot => {}
            Err(found) => why = found,
        }
    }
    Err(RefusedBecause::Certificate { why })
}

/// Who issued the certificate under this authority.
fn issuer<'a>(
    authority: &'a CertificateAuthority,
    brought: &'a [Certificate],
    certificate: &Certificate,
    times: &[Timestamp],
) -> Result<&'a Certificate, PathError> {
    let (root, between) = authority.chain.split_last().ok_or(PathError::NoRoot)?;
    let between: Vec<_> = between.iter().chain(brought).collect();
    let mut found = Err(PathError::NoRoot);
    for at in times {
        if !authority.valid_for.contains(*at) {
            return Err(PathError::NoRoot);
        }
        found = Ok(build_path(certificate, &between, &[root], Usage::CodeSigning, *at)?);
    }
    found
}

fn check_identity(
    keyless: &Keyless,
    certificate: &Certificate,
    store: Store,
) -> Result<(), RefusedBecause> {
    let mut answer = Ok(());
    for identity in &keyless.identities {
        answer = identity.check(certificate);
        if answer.is_ok() {
            break;
        }
    }
    answer.map_err(|why| {
        let names = certificate.subject_names();
        let subjects: Vec<_> = names.iter().map(SubjectName::as_str).collect();
        let issuer = certificate.fulcio();
        RefusedBecause::Identity {
            why: Box::new(why),
            subjects: printable(&subjects.join(" ")),
            issuer: issuer.issuer().map(printable).unwrap_or_default(),
            store,
        }
    })
}

/// How the signer is called where there is room for one name.
pub(crate) fn signer_name(attestor: &Attestor, proved: Option<&Proved>) -> SmolStr {
    match &attestor.who {
        Who::Key(key) => key.id(),
        Who::Keyless(_) => proved
            .and_then(Proved::certificate)
            .and_then(|certificate| certificate.subject_names().into_iter().next())
            .map(|name| SmolStr::new(name.as_str()))
            .unwrap_or_default(),
    }
}
