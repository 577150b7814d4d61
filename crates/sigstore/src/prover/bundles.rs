//! Referrers: one manifest for each bundle.
//!
//! COMPAT: cosign 3.1.1: writes one layer for each referrer; its fallback index shows the empty
//! configuration's type instead of the bundle's, so the manifest tells.
//! test: a_fallback_index_without_types_is_examined
use super::{
    Ask, Board, judge,
    search::{Candidate, Judged, Listing, What, malformed, place_of},
};
use crate::{
    bundle::{Bundle, BundleError, Content, HashName, Material, MessageSignature, Version},
    dsse::Envelope,
    encoding::printable,
    keys::PublicKey,
    requirement::{Attestor, ClaimRule, Shows, Who},
    verified::{RefusedBecause, SignatureForm, Signed, Store},
};
use sigward_oci::{Algorithm, Descriptor, Digest, Manifest, ManifestError, media_type};
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeMap;

/// The annotation of a referrer that says whether it holds an envelope or a message signature.
pub(crate) const CONTENT: &str = "dev.sigstore.bundle.content";
/// The annotation of a referrer that says what its statement is about; not signed.
pub(crate) const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// The referrers that can be bundles of the wanted type.
pub(super) fn list(bytes: &[u8], attestor: &Attestor, repository: &SmolStr) -> Listing {
    let index = match Manifest::parse(bytes, None) {
        Ok(Manifest::Index(index)) => index,
        // COMPAT: cosign 3.1.1: `copy` puts the image itself under the fallback tag.
        // test: a_fallback_tag_that_is_no_index_is_empty
        Ok(Manifest::Image(_)) | Err(ManifestError::MediaType(_)) => {
            return Listing::empty();
        }
        Err(error) => {
            let place = format_smolstr!("referrers in {repository}");
            return Listing::Untold(malformed(&place, &error.to_string()));
        }
    };
    let (mut candidates, mut refused) = (Vec::new(), Vec::new());
    for entry in index.manifests {
        let Some(certain) = may_be_bundle(&entry) else { continue };
        let want = Ask::Manifest { repository: repository.clone(), digest: entry.digest.clone() };
        match other_type(&entry.annotations, attestor) {
            Some(why) => refused.push((place_of(&want), why)),
            None => candidates.push(Candidate { want, what: What::Referrer { certain } }),
        }
    }
    Listing::Candidates { candidates, refused, untold: None }
}

/// `Some(true)` when it says that it is a bundle, `Some(false)` when its manifest has to tell.
fn may_be_bundle(entry: &Descriptor) -> Option<bool> {
    if !media_type::is_manifest(&entry.media_type) {
        return None;
    }
    match entry.artifact_type.as_deref() {
        Some(kind) if media_type::is_sigstore_bundle(kind) => Some(true),
        None | Some("" | media_type::OCI_EMPTY) => Some(false),
        Some(_) => None,
    }
}

/// The reason when annotations say that it is a statement of another type than the wanted one.
fn other_type(
    annotations: &BTreeMap<String, String>,
    attestor: &Attestor,
) -> Option<RefusedBecause> {
    match annotations.get(PREDICATE_TYPE) {
        Some(found) if found != judge::wanted_type(&attestor.shows) => {
            Some(RefusedBecause::OtherPredicateType { found: printable(found) })
        }
        _ => None,
    }
}

/// Judges a referrer's manifest, a bundle, or the image under a message signature.
pub(super) fn judge(
    bytes: &[u8],
    candidate: &Candidate,
    attestor: &Attestor,
    repository: &SmolStr,
    board: &Board,
) -> Judged {
    let place = place_of(&candidate.want);
    let Who::Key(key) = &attestor.who else {
        return Judged::Untold(malformed(&place, "no key"));
    };
    match &candidate.what {
        What::Referrer { certain } => referrer(bytes, *certain, attestor, repository, &place),
        What::Bundle => bundle(bytes, key, attestor, &place, board),
        What::Image { bundle, signature } => match key.verify(bytes, signature) {
            Ok(()) => message_passed(bundle.clone()),
            Err(_) => Judged::Refused(wrong_message()),
        },
        What::Payload { .. } | What::Envelope => Judged::NotOne,
    }
}

fn referrer(
    bytes: &[u8],
    certain: bool,
    attestor: &Attestor,
    repository: &SmolStr,
    place: &SmolStr,
) -> Judged {
    let manifest = match Manifest::parse(bytes, None) {
        Ok(Manifest::Image(manifest)) => manifest,
        Ok(Manifest::Index(_)) => return Judged::NotOne,
        Err(error) => return Judged::Untold(malformed(place, &error.to_string())),
    };
    let layer = match manifest.layers.as_slice() {
        [layer] if media_type::is_sigstore_bundle(&layer.media_type) => layer,
        _ if certain => {
            let what = SmolStr::new_static("referrer: not one layer that is a bundle");
            return Judged::Refused(RefusedBecause::Malformed { what });
        }
        _ => return Judged::NotOne,
    };
    if let Some(why) = other_type(&manifest.annotations, attestor) {
        return Judged::Refused(why);
    }
    Judged::Then(Box::new(Candidate {
        want: Ask::Blob {
            repository: repository.clone(),
            digest: layer.digest.clone(),
            size: layer.size,
        },
        what: What::Bundle,
    }))
}

fn bundle(
    bytes: &[u8],
    key: &PublicKey,
    attestor: &Attestor,
    place: &SmolStr,
    board: &Board,
) -> Judged {
    let bundle = match Bundle::parse(bytes) {
        Ok(bundle) => bundle,
        // A newer version may hold the signature that is looked for.
        Err(error @ BundleError::Version { .. }) => {
            return Judged::Untold(malformed(place, &error.to_string()));
        }
        Err(error) => {
            return Judged::Refused(RefusedBecause::Malformed {
                what: printable(&error.to_string()),
            });
        }
    };
    if bundle.version != Version::V03 {
        // COMPAT: cosign 3.1.1: only 0.3 counts in a registry.
        // test: an_old_bundle_in_a_registry_does_not_count
        let what = SmolStr::new_static("bundle: older than version 0.3");
        return Judged::Refused(RefusedBecause::Malformed { what });
    }
    if matches!(bundle.material, Material::Certificates(_)) {
        return Judged::Refused(RefusedBecause::CertificateForKey);
    }
    match bundle.content {
        Content::Envelope(envelope) => statement(&envelope, key, attestor, place, board),
        Content::Message(message) => image_message(message, key, attestor, place, board),
    }
}

fn statement(
    envelope: &Envelope,
    key: &PublicKey,
    attestor: &Attestor,
    place: &SmolStr,
    board: &Board,
) -> Judged {
    let form = SignatureForm::BundleEnvelope;
    // The digest is bound whatever the claims rule says, as in cosign.
    let rule = ClaimRule::Checked;
    match judge::envelope(envelope, key, attestor, &board.subject.digest, form, rule) {
        Ok(stated) => Judged::Passed(
            Signed {
                store: Store::Bundle,
                place: place.clone(),
                bytes: envelope.to_bundle_json().into_bytes(),
                claims: stated.claims,
                predicate_type: Some(stated.predicate_type),
            },
            Some(stated.predicate),
        ),
        Err(why) => Judged::Refused(why),
    }
}

/// A signature over the image's manifest: its hash is the image's digest, so mostly nothing has to
/// be fetched.
fn image_message(
    message: MessageSignature,
    key: &PublicKey,
    attestor: &Attestor,
    place: &SmolStr,
    board: &Board,
) -> Judged {
    if let Shows::Statements { .. } = attestor.shows {
        return Judged::NotOne;
    }
    // It carries none.
    if attestor.claims == ClaimRule::Checked
        && let Some((name, _)) = attestor.annotations.first()
    {
        return Judged::Refused(RefusedBecause::WrongAnnotation { name: name.clone() });
    }
    let image = &board.subject.digest;
    let stated = match &message.digest {
        Some((HashName::Sha256, hash)) => {
            <[u8; 32]>::try_from(hash.as_slice()).ok().map(|h| Digest::sha256(&h))
        }
        Some((HashName::Sha512, hash)) => {
            <[u8; 64]>::try_from(hash.as_slice()).ok().map(|h| Digest::sha512(&h))
        }
        Some((HashName::Sha384, _)) | None => None,
    };
    if let Some(payload) = stated
        && payload.algorithm() == image.algorithm()
        && payload != *image
    {
        return Judged::Refused(RefusedBecause::WrongDigest { payload });
    }
    if let Some(hash) = hash_bytes(image)
        && key.verify_sha256(&hash, &message.signature).is_ok()
    {
        return message_passed(place.clone());
    }
    if !key.could_have_made(&message.signature) {
        return Judged::Refused(wrong_message());
    }
    // Another hash, or Ed25519: the signature is over the bytes of the manifest.
    Judged::Then(Box::new(Candidate {
        want: Ask::Manifest { repository: board.subject.repository.clone(), digest: image.clone() },
        what: What::Image { bundle: place.clone(), signature: message.signature },
    }))
}

fn wrong_message() -> RefusedBecause {
    RefusedBecause::WrongKey { of: SignatureForm::BundleMessage }
}

fn message_passed(place: SmolStr) -> Judged {
    Judged::Passed(
        Signed {
            store: Store::Bundle,
            place,
            bytes: Vec::new(),
            claims: Vec::new(),
            predicate_type: None,
        },
        None,
    )
}

/// The 32 bytes of a SHA-256 digest.
fn hash_bytes(digest: &Digest) -> Option<[u8; 32]> {
    if digest.algorithm() != Algorithm::Sha256 {
        return None;
    }
    crate::encoding::unhex(digest.hex())
}
