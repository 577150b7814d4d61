//! Attached tags: one layer for each signature or attestation.
//!
//! COMPAT: cosign 3.1.1: `sha256-….sig` holds payloads whose signatures are annotations,
//! `sha256-….att` holds envelopes. test: cosign_legacy_signatures_verify
use super::{
    Ask, Board, judge,
    search::{Candidate, Judged, Listing, What, malformed, place_of, too_large},
};
use crate::{
    dsse::Envelope,
    encoding::{decode_base64, printable},
    requirement::{Attestor, ClaimRule, Shows, Who},
    simple_signing::{Payload, PayloadError},
    verified::{RefusedBecause, SignatureForm, Signed, Store},
};
use sigward_oci::{Attachment, Digest, Manifest, attached_tag, media_type};
use smol_str::{SmolStr, format_smolstr};

/// The annotation of a layer that holds its signature in base64; empty for attestations.
pub(crate) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The annotation of an attestation's layer; not signed, so only good for not fetching.
pub(crate) const PREDICATE_TYPE: &str = "predicateType";

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
    let (mut candidates, mut refused, mut untold) = (Vec::new(), Vec::new(), None);
    for layer in manifest.layers {
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
                match signature(layer.annotations.get(SIGNATURE), attestor) {
                    Ok(signature) => What::Payload { signature },
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
                    _ => What::Envelope,
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

/// Judges a payload or an envelope.
pub(super) fn judge(
    bytes: &[u8],
    candidate: &Candidate,
    attestor: &Attestor,
    board: &Board,
) -> Judged {
    let place = place_of(&candidate.want);
    let Who::Key(key) = &attestor.who else {
        return Judged::Untold(malformed(&place, "no key"));
    };
    let image = &board.subject.digest;
    let answer = match &candidate.what {
        What::Payload { signature } => payload(bytes, signature, key, attestor, image),
        What::Envelope => Envelope::parse(bytes)
            .map_err(|error| RefusedBecause::Malformed { what: printable(&error.to_string()) })
            .and_then(|envelope| {
                let form = SignatureForm::Envelope;
                judge::envelope(&envelope, key, attestor, image, form, attestor.claims)
            })
            .map(|stated| (stated.claims, Some(stated.predicate_type), Some(stated.predicate))),
        What::Referrer { .. } | What::Bundle | What::Image { .. } => return Judged::NotOne,
    };
    match answer {
        Ok((claims, predicate_type, predicate)) => {
            let bytes = bytes.to_vec();
            Judged::Passed(
                Signed { store: Store::Legacy, place, bytes, claims, predicate_type },
                predicate,
            )
        }
        Err(why) => Judged::Refused(why),
    }
}

type Passed =
    (Vec<(SmolStr, sigward_document::Value)>, Option<SmolStr>, Option<sigward_document::Value>);

/// A payload signed by the key, naming this image, with the annotations.
fn payload(
    bytes: &[u8],
    signature: &[u8],
    key: &crate::keys::PublicKey,
    attestor: &Attestor,
    image: &Digest,
) -> Result<Passed, RefusedBecause> {
    key.verify(bytes, signature).map_err(|_| RefusedBecause::WrongKey { of: judge::form(key) })?;
    let payload = match (Payload::parse(bytes), attestor.claims) {
        (Ok(payload), _) => payload,
        (Err(_), ClaimRule::InsecureIgnored) => return Ok((Vec::new(), None, None)),
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
    Ok((payload.optional, None, None))
}
