//! Referrers: one manifest for each bundle.
//!
//! COMPAT: cosign 3.1.1: writes one layer for each referrer; its fallback index shows the empty
//! configuration's type instead of the bundle's, so the manifest tells.
//! test: a_fallback_index_without_types_is_examined
use super::{
    Ask,
    judge::{self, Court, Enveloped},
    legacy,
    search::{Candidate, Judged, Listing, SignedImage, What, malformed, place_of},
};
use crate::{
    bundle::{Bundle, BundleError, Content, HashName, Material, MessageSignature, Version},
    dsse::Envelope,
    encoding::printable,
    keys::Certificate,
    proofs::{self, Claim, Evidence},
    requirement::{Attestor, ClaimRule, Shows, Stores, Who},
    tlog::LoggedContent,
    verified::{Proved, RefusedBecause, SignatureForm, Signed, Store},
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
        let Some(certain) = may_be_bundle(&entry, attestor) else { continue };
        let want = Ask::Manifest { repository: repository.clone(), digest: entry.digest.clone() };
        match other_type(&entry.annotations, attestor) {
            Some(why) => refused.push((place_of(&want), why)),
            None => candidates.push(Candidate { want, what: What::Referrer { certain } }),
        }
    }
    Listing::Candidates { candidates, refused, untold: None }
}

/// True when a referrer that holds attached layers counts as well.
///
/// COMPAT: cosign 3.1.1: `--experimental-oci11` (Kyverno's `cosignOCI11`) looks for signatures there instead
/// of under the tag, and only in the last of them; here they count wherever signatures are looked for.
/// test: signatures_in_referrers_of_oci_1_1_count
fn takes_layers(attestor: &Attestor) -> bool {
    attestor.shows == Shows::Signature && attestor.order != Stores::BundleOnly
}

/// `Some(true)` when it says that it is a bundle, `Some(false)` when its manifest has to tell.
fn may_be_bundle(entry: &Descriptor, attestor: &Attestor) -> Option<bool> {
    if !media_type::is_manifest(&entry.media_type) {
        return None;
    }
    match entry.artifact_type.as_deref() {
        Some(kind) if media_type::is_sigstore_bundle(kind) => Some(true),
        None | Some("" | media_type::OCI_EMPTY) => Some(false),
        Some(media_type::COSIGN_SIGNATURE) if takes_layers(attestor) => Some(false),
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
    court: &Court<'_>,
    repository: &SmolStr,
) -> Judged {
    let place = place_of(&candidate.want);
    match &candidate.what {
        What::Referrer { certain } => referrer(bytes, *certain, court, repository, &place),
        What::Bundle => bundle(bytes, court, &place),
        What::Image(image) => over_manifest(bytes, image, court),
        What::Payload { .. } | What::Envelope { .. } | What::Searched { .. } => Judged::NotOne,
    }
}

/// A bundle's message signature, over the image's manifest.
fn over_manifest(bytes: &[u8], image: &SignedImage, court: &Court<'_>) -> Judged {
    let SignedImage { bundle, signature, evidence } = image;
    let answer = proofs::signer_key(court.attestor, evidence).and_then(|key| {
        key.verify(bytes, signature).map_err(|_| wrong_message())?;
        prove_message(court, evidence, signature, LoggedContent::Bytes(bytes))
    });
    match answer {
        Ok(proved) => message_passed(bundle.clone(), proved),
        Err(why) => Judged::Refused(why),
    }
}

fn prove_message(
    court: &Court<'_>,
    evidence: &Evidence,
    signature: &[u8],
    content: LoggedContent<'_>,
) -> Result<Proved, RefusedBecause> {
    let claim = Claim { signature, timestamped: signature, content, store: Store::Bundle };
    court.prove(evidence, &claim)
}

fn referrer(
    bytes: &[u8],
    certain: bool,
    court: &Court<'_>,
    repository: &SmolStr,
    place: &SmolStr,
) -> Judged {
    let manifest = match Manifest::parse(bytes, None) {
        Ok(Manifest::Image(manifest)) => manifest,
        Ok(Manifest::Index(_)) => return Judged::NotOne,
        Err(error) => return Judged::Untold(malformed(place, &error.to_string())),
    };
    let attestor = court.attestor;
    if manifest.config.media_type == media_type::COSIGN_SIGNATURE && takes_layers(attestor) {
        return Judged::Layers(legacy::layers(manifest.layers, attestor, repository, court.board));
    }
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

fn bundle(bytes: &[u8], court: &Court<'_>, place: &SmolStr) -> Judged {
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
    let evidence = match bundle.evidence(&court.attestor.who) {
        Ok(evidence) => evidence,
        Err(why) => return Judged::Refused(why),
    };
    match bundle.content {
        Content::Envelope(envelope) => statement(&envelope, &evidence, court, place),
        Content::Message(message) => image_message(message, evidence, court, place),
    }
}

fn statement(
    envelope: &Envelope,
    evidence: &Evidence,
    court: &Court<'_>,
    place: &SmolStr,
) -> Judged {
    let it = Enveloped { envelope, evidence, stored: None };
    // The digest is bound whatever the claims rule says, as in cosign.
    match judge::envelope(court, &it, ClaimRule::Checked) {
        Ok(stated) => Judged::Passed(
            Box::new(Signed {
                store: Store::Bundle,
                place: place.clone(),
                bytes: envelope.to_bundle_json().into_bytes(),
                claims: stated.claims,
                predicate_type: Some(stated.predicate_type),
                proved: stated.proved,
            }),
            Some(stated.predicate),
        ),
        Err(why) => Judged::Refused(why),
    }
}

/// A signature over the image's manifest: its hash is the image's digest, so mostly nothing has to
/// be fetched.
fn image_message(
    message: MessageSignature,
    evidence: Evidence,
    court: &Court<'_>,
    place: &SmolStr,
) -> Judged {
    let (attestor, subject) = (court.attestor, &court.board.subject);
    if let Shows::Statements { .. } = attestor.shows {
        return Judged::NotOne;
    }
    // It carries none.
    if attestor.claims == ClaimRule::Checked
        && let Some((name, _)) = attestor.annotations.first()
    {
        return Judged::Refused(RefusedBecause::WrongAnnotation { name: name.clone() });
    }
    let key = match proofs::signer_key(attestor, &evidence) {
        Ok(key) => key,
        Err(why) => return Judged::Refused(why),
    };
    let image = &subject.digest;
    if let Some(payload) = stated_digest(&message)
        && payload.algorithm() == image.algorithm()
        && payload != *image
    {
        return Judged::Refused(RefusedBecause::WrongDigest { payload });
    }
    if let Some(hash) = hash_bytes(image)
        && key.verify_sha256(&hash, &message.signature).is_ok()
    {
        let content = LoggedContent::Sha256(&hash);
        return match prove_message(court, &evidence, &message.signature, content) {
            Ok(proved) => message_passed(place.clone(), proved),
            Err(why) => Judged::Refused(why),
        };
    }
    if !key.could_have_made(&message.signature) {
        return Judged::Refused(wrong_message());
    }
    // Another hash, or Ed25519: the signature is over the bytes of the manifest.
    Judged::Then(Box::new(Candidate {
        want: Ask::Manifest { repository: subject.repository.clone(), digest: image.clone() },
        what: What::Image(Box::new(SignedImage {
            bundle: place.clone(),
            signature: message.signature,
            evidence,
        })),
    }))
}

/// The digest that the bundle states, when images have digests of that kind.
fn stated_digest(message: &MessageSignature) -> Option<Digest> {
    match &message.digest {
        Some((HashName::Sha256, hash)) => {
            <[u8; 32]>::try_from(hash.as_slice()).ok().map(|h| Digest::sha256(&h))
        }
        Some((HashName::Sha512, hash)) => {
            <[u8; 64]>::try_from(hash.as_slice()).ok().map(|h| Digest::sha512(&h))
        }
        Some((HashName::Sha384, _)) | None => None,
    }
}

fn wrong_message() -> RefusedBecause {
    RefusedBecause::WrongKey { of: SignatureForm::BundleMessage }
}

fn message_passed(place: SmolStr, proved: Proved) -> Judged {
    Judged::Passed(
        Box::new(Signed {
            store: Store::Bundle,
            place,
            bytes: Vec::new(),
            claims: Vec::new(),
            predicate_type: None,
            proved,
        }),
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

impl Bundle {
    /// What the bundle brings for its signature. A key must have signed by itself where a key is
    /// trusted, and the holder of a certificate where an identity is.
    ///
    /// SPEC: sigstore_bundle.proto: a chain must not hold the root: nobody would believe it anyway.
    pub(crate) fn evidence(&self, who: &Who) -> Result<Evidence, RefusedBecause> {
        let certificates = match (&self.material, who) {
            (Material::PublicKey { .. }, Who::Key(_)) => Vec::new(),
            (Material::PublicKey { .. }, Who::Keyless(_)) => {
                return Err(RefusedBecause::CertificateMissing);
            }
            (Material::Certificates(_), Who::Key(_)) => {
                return Err(RefusedBecause::CertificateForKey);
            }
            (Material::Certificates(chain), Who::Keyless(_)) => {
                let malformed = |error: crate::keys::KeyError| RefusedBecause::Malformed {
                    what: printable(&format!("certificate in bundle: {error}")),
                };
                let chain: Vec<_> = chain
                    .iter()
                    .map(|der| Certificate::parse_der(der).map_err(malformed))
                    .collect::<Result<_, _>>()?;
                if chain.iter().any(|one| one.is_ca() && one.is_self_issued()) {
                    let what = SmolStr::new_static("bundle: its chain holds a root certificate");
                    return Err(RefusedBecause::Malformed { what });
                }
                chain
            }
        };
        Ok(Evidence {
            certificates,
            entries: self.log_entries.clone(),
            timestamps: self.timestamps.clone(),
            sct: None,
        })
    }
}
