//! Attached tags: one layer for each signature or attestation.
//!
//! COMPAT: cosign 3.1.1: `sha256-….sig` holds payloads whose signatures are annotations,
//! `sha256-….att` holds envelopes. test: cosign_legacy_signatures_verify
use super::{
    Ask, Board,
    judge::{self, Court, Enveloped},
    search::{Candidate, Judged, Listing, What, malformed, place_of, too_large},
};
use crate::{
    dsse::Envelope,
    encoding::{decode_base64, printable},
    keys::{Certificate, PublicKey},
    proofs::{self, Claim, Evidence},
    requirement::{Attestor, ClaimRule, LogRule, Shows, Who},
    sign,
    simple_signing::{Payload, PayloadError},
    timestamp,
    tlog::{LogEntry, LoggedContent},
    verified::{Proved, RefusedBecause, Signed, Store},
};
use sigward_oci::{Attachment, Descriptor, Digest, Manifest, attached_tag, media_type};
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeMap;

/// The annotation of a layer that holds its signature in base64; empty for attestations.
pub(crate) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The annotation of an attestation's layer; not signed, so only good for not fetching.
pub(crate) const PREDICATE_TYPE: &str = "predicateType";
/// The annotation that holds the signer's certificate in PEM.
pub(crate) const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
/// The annotation that holds the certificates above it in PEM; may be empty.
pub(crate) const CHAIN: &str = "dev.sigstore.cosign/chain";
/// The annotation that holds the log's promise.
pub(crate) const BUNDLE: &str = "dev.sigstore.cosign/bundle";
/// The annotation that holds a timestamp.
pub(crate) const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// The annotations of a layer.
pub(super) type Annotations = BTreeMap<String, String>;

/// The tag that holds what the attestor must show.
pub(super) fn tag(digest: &Digest, attestor: &Attestor) -> SmolStr {
    let attachment = match attestor.shows {
        Shows::Signature => Attachment::Signature,
        Shows::Statements { .. } => Attachment::Attestation,
    };
    attached_tag(digest, attachment, &attestor.tag_prefix)
}

/// The layers that can match, without fetching those that cannot.
pub(super) fn list(
    bytes: &[u8],
    attestor: &Attestor,
    repository: &SmolStr,
    board: &Board,
) -> Listing {
    let place = format_smolstr!("{repository}:{}", tag(&board.subject.digest, attestor));
    let manifest = match Manifest::parse(bytes, None) {
        Ok(Manifest::Image(manifest)) => manifest,
        Ok(Manifest::Index(_)) => {
            return Listing::Untold(malformed(&place, "an index where a manifest is expected"));
        }
        Err(error) => return Listing::Untold(malformed(&place, &error.to_string())),
    };
    layers(manifest.layers, attestor, repository, board)
}

/// Those of a manifest's layers that can match.
pub(super) fn layers(
    layers: Vec<Descriptor>,
    attestor: &Attestor,
    repository: &SmolStr,
    board: &Board,
) -> Listing {
    let (mut candidates, mut refused, mut untold) = (Vec::new(), Vec::new(), None);
    for layer in layers {
        let want = Ask::Blob {
            repository: repository.clone(),
            digest: layer.digest.clone(),
            size: layer.size,
        };
        let what = match &attestor.shows {
            Shows::Signature => {
                if media_type::essence(&layer.media_type) != media_type::COSIGN_SIMPLE_SIGNING {
                    continue;
                }
                match sighted(&layer.annotations, attestor)
                    .and_then(|()| signature(layer.annotations.get(SIGNATURE), attestor))
                {
                    Ok(signature) => {
                        What::Payload { signature, annotations: Box::new(layer.annotations) }
                    }
                    Err(why) => {
                        refused.push((place_of(&want), why));
                        continue;
                    }
                }
            }
            Shows::Statements { predicate_type } => {
                if media_type::essence(&layer.media_type) != media_type::DSSE_ENVELOPE {
                    continue;
                }
                match layer.annotations.get(PREDICATE_TYPE) {
                    Some(found) if found != predicate_type => {
                        let found = printable(found);
                        refused
                            .push((place_of(&want), RefusedBecause::OtherPredicateType { found }));
                        continue;
                    }
                    _ => match sighted(&layer.annotations, attestor) {
                        Ok(()) => What::Envelope { annotations: Box::new(layer.annotations) },
                        Err(why) => {
                            refused.push((place_of(&want), why));
                            continue;
                        }
                    },
                }
            }
        };
        if layer.size > board.limits.layer_bytes {
            // Seen before any byte of it is fetched; it may be the one that counts.
            untold.get_or_insert(too_large(&place_of(&want), "layer is too large"));
            continue;
        }
        candidates.push(Candidate { want, what });
    }
    Listing::Candidates { candidates, refused, untold }
}

/// The signature of a layer, unless it cannot be this key's.
fn signature(annotation: Option<&String>, attestor: &Attestor) -> Result<Vec<u8>, RefusedBecause> {
    let bad = |what: &'static str| RefusedBecause::Malformed { what: SmolStr::new_static(what) };
    let text = annotation.filter(|text| !text.is_empty()).ok_or(bad("layer: no signature"))?;
    let signature = decode_base64(text).ok_or(bad("layer: signature is not base64"))?;
    match &attestor.who {
        Who::Key(key) if !key.could_have_made(&signature) => {
            Err(RefusedBecause::WrongKey { of: judge::form(key) })
        }
        Who::Key(_) | Who::Keyless { .. } => Ok(signature),
    }
}

/// What can be told before a byte of the layer is fetched.
fn sighted(annotations: &Annotations, attestor: &Attestor) -> Result<(), RefusedBecause> {
    match attestor.who {
        Who::Keyless(_) if annotations.get(CERTIFICATE).is_none_or(String::is_empty) => {
            Err(RefusedBecause::CertificateMissing)
        }
        Who::Key(_) | Who::Keyless(_) => Ok(()),
    }
}

/// Reads from the annotations what the attestor asks for, and nothing else.
fn evidence(annotations: &Annotations, attestor: &Attestor) -> Result<Evidence, RefusedBecause> {
    let get = |name: &str| annotations.get(name).map(String::as_str).filter(|t| !t.is_empty());
    let bad = |what: &'static str| RefusedBecause::Malformed { what: SmolStr::new_static(what) };
    let mut evidence = Evidence::default();
    if let Who::Keyless(_) = attestor.who {
        let pem = get(CERTIFICATE).ok_or(RefusedBecause::CertificateMissing)?;
        let leaf = Certificate::parse_pem(pem).map_err(|_| bad("layer: certificate"))?;
        evidence.certificates.push(leaf);
        if let Some(pem) = get(CHAIN) {
            let chain = Certificate::parse_pem_all(pem).map_err(|_| bad("layer: chain"))?;
            evidence.certificates.extend(chain);
        }
    }
    if let (LogRule::EntryDemanded { .. }, Some(text)) = (&attestor.log, get(BUNDLE)) {
        let entry = LogEntry::parse_annotation(text).map_err(|_| bad("layer: log entry"))?;
        evidence.entries.push(entry);
    }
    if let (Some(_), Some(text)) = (attestor.time.timestamps(), get(TIMESTAMP)) {
        evidence.timestamps.push(timestamp::parse_annotation(text).ok_or(bad("layer: timestamp"))?);
    }
    Ok(evidence)
}

/// A layer's annotations, and its signature when that is not inside.
fn layer(what: &What) -> Option<(Option<&[u8]>, &Annotations)> {
    match what {
        What::Payload { signature, annotations } => Some((Some(signature), annotations)),
        What::Envelope { annotations } => Some((None, annotations)),
        What::Referrer { .. } | What::Bundle | What::Image(_) | What::Searched { .. } => None,
    }
}

/// Judges a payload or an envelope; `found` are the log's entries of a search, once it was made.
pub(super) fn judge(
    bytes: &[u8],
    candidate: &Candidate,
    court: &Court<'_>,
    found: Option<Vec<LogEntry>>,
) -> Judged {
    let place = place_of(&candidate.want);
    let Some((signature, annotations)) = layer(&candidate.what) else { return Judged::NotOne };
    let searched = found.is_some();
    let evidence = evidence(annotations, court.attestor).map(|mut evidence| {
        evidence.entries.extend(found.unwrap_or_default());
        evidence
    });
    let answer = evidence.and_then(|evidence| match signature {
        Some(signature) => payload(bytes, signature, &evidence, court),
        None => statement(bytes, &evidence, court),
    });
    match answer {
        Ok(passed) => Judged::Passed(
            Box::new(Signed {
                store: Store::Legacy,
                place,
                bytes: bytes.to_vec(),
                claims: passed.claims,
                predicate_type: passed.predicate_type,
                proved: passed.proved,
            }),
            passed.predicate,
        ),
        Err(RefusedBecause::LogEntryMissing) if !searched => {
            match search_for(bytes, candidate, court.attestor) {
                Some(next) => Judged::Then(Box::new(next)),
                None => Judged::Refused(RefusedBecause::LogEntryMissing),
            }
        }
        Err(why) => Judged::Refused(why),
    }
}

/// The question to the log for the entry that the layer does not bring, where one may be asked.
fn search_for(bytes: &[u8], candidate: &Candidate, attestor: &Attestor) -> Option<Candidate> {
    let (signature, annotations) = layer(&candidate.what)?;
    let LogRule::EntryDemanded { online: Some(log), .. } = &attestor.log else { return None };
    let verifier = match &attestor.who {
        Who::Key(key) => key.to_pem(),
        Who::Keyless(_) => annotations.get(CERTIFICATE)?.clone(),
    };
    let key = match &attestor.who {
        Who::Key(key) => key.clone(),
        Who::Keyless(_) => PublicKey::parse_pem(&verifier).ok()?,
    };
    let proposed = match signature {
        Some(signature) => sign::rekor_v1_hashedrekord(bytes, signature, &key, &verifier),
        None => sign::rekor_v1_dsse(bytes, &verifier)?,
    };
    Some(Candidate {
        want: Ask::LogEntry {
            log: log.clone(),
            key: format!(r#"{{"entries":[{proposed}]}}"#).into_bytes(),
        },
        what: What::Searched { of: Box::new(candidate.clone()) },
    })
}

struct Passed {
    claims: Vec<(SmolStr, sigward_document::Value)>,
    predicate_type: Option<SmolStr>,
    predicate: Option<sigward_document::Value>,
    proved: Proved,
}

fn statement(
    bytes: &[u8],
    evidence: &Evidence,
    court: &Court<'_>,
) -> Result<Passed, RefusedBecause> {
    let envelope = Envelope::parse(bytes)
        .map_err(|error| RefusedBecause::Malformed { what: printable(&error.to_string()) })?;
    let it = Enveloped { envelope: &envelope, evidence, stored: Some(bytes) };
    let stated = judge::envelope(court, &it, court.attestor.claims)?;
    Ok(Passed {
        claims: stated.claims,
        predicate_type: Some(stated.predicate_type),
        predicate: Some(stated.predicate),
        proved: stated.proved,
    })
}

/// A payload signed by the attestor, naming this image, with the annotations.
fn payload(
    bytes: &[u8],
    signature: &[u8],
    evidence: &Evidence,
    court: &Court<'_>,
) -> Result<Passed, RefusedBecause> {
    let (attestor, image) = (court.attestor, &court.board.subject.digest);
    let key = proofs::signer_key(attestor, evidence)?;
    key.verify(bytes, signature).map_err(|_| RefusedBecause::WrongKey { of: judge::form(key) })?;
    let claim = Claim {
        signature,
        timestamped: signature,
        content: LoggedContent::Bytes(bytes),
        store: Store::Legacy,
    };
    let proved = court.prove(evidence, &claim)?;
    let passed = |claims| Passed { claims, predicate_type: None, predicate: None, proved };
    let payload = match (Payload::parse(bytes), attestor.claims) {
        (Ok(payload), _) => payload,
        (Err(_), ClaimRule::InsecureIgnored) => return Ok(passed(Vec::new())),
        (Err(PayloadError::NoDigest), ClaimRule::Checked) => return Err(RefusedBecause::NoDigest),
        (Err(error @ PayloadError::Malformed), ClaimRule::Checked) => {
            return Err(RefusedBecause::Malformed { what: printable(&error.to_string()) });
        }
    };
    if attestor.claims == ClaimRule::Checked {
        if payload.digest != *image {
            return Err(RefusedBecause::WrongDigest { payload: payload.digest });
        }
        judge::annotations(&attestor.annotations, &payload.optional)?;
    }
    Ok(passed(payload.optional))
}
