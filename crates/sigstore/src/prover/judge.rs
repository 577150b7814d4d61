//! The checks that both stores share: each one binds one element to another.
use super::Board;
use crate::{
    dsse::Envelope,
    keys::{Algorithm, PublicKey},
    proofs::{self, Claim, Evidence, Material},
    requirement::{Attestor, ClaimRule, Shows},
    statement::{COSIGN_SIGN, PAYLOAD_TYPE, Statement},
    tlog::LoggedContent,
    verified::{Proved, RefusedBecause, SignatureForm, Store},
};
use sigward_document::{Value, View};
use smol_str::SmolStr;

/// The predicate type that a statement must have to count.
pub(super) fn wanted_type(shows: &Shows) -> &str {
    match shows {
        Shows::Signature => COSIGN_SIGN,
        Shows::Statements { predicate_type } => predicate_type,
    }
}

/// One and the same signature carries all the annotations, as strings.
///
/// COMPAT: Kyverno 1.19: looks for the annotations in any of the verified signatures.
/// test: annotations_are_met_by_one_signature
pub(super) fn annotations(
    wanted: &[(SmolStr, SmolStr)],
    signed: &[(SmolStr, Value)],
) -> Result<(), RefusedBecause> {
    for (name, text) in wanted {
        let there = signed.iter().any(|(signed_name, value)| {
            signed_name == name && matches!(value.view(), View::String(s) if s == text.as_str())
        });
        if !there {
            return Err(RefusedBecause::WrongAnnotation { name: name.clone() });
        }
    }
    Ok(())
}

/// How a bare signature of this key is spoken of.
pub(super) fn form(key: &PublicKey) -> SignatureForm {
    match key.algorithm() {
        Ok(Algorithm::Rsa { .. }) => SignatureForm::Rsa,
        Ok(Algorithm::Ed25519) => SignatureForm::Ed25519,
        Ok(Algorithm::EcdsaP256 | Algorithm::EcdsaP384 | Algorithm::EcdsaP521) | Err(_) => {
            SignatureForm::Ecdsa
        }
    }
}

/// What a statement that passed brings.
pub(super) struct Stated {
    pub(super) predicate_type: SmolStr,
    pub(super) claims: Vec<(SmolStr, Value)>,
    pub(super) predicate: Value,
    pub(super) proved: Proved,
}

/// By whom and by what a candidate is judged.
pub(super) struct Court<'a> {
    pub(super) attestor: &'a Attestor,
    pub(super) board: &'a Board,
    pub(super) material: Material<'a>,
}

impl Court<'_> {
    /// Weighs what surrounds a signature that was checked.
    pub(super) fn prove(
        &self,
        evidence: &Evidence,
        claim: &Claim<'_>,
    ) -> Result<Proved, RefusedBecause> {
        proofs::prove(self.attestor, &self.material, self.board.now, evidence, claim)
    }
}

/// One envelope, how it is stored and what came with it.
pub(super) struct Enveloped<'a> {
    pub(super) envelope: &'a Envelope,
    pub(super) evidence: &'a Evidence,
    /// The bytes of a layer that is the envelope; logs and timestamps may be about all of it.
    pub(super) stored: Option<&'a [u8]>,
}

/// An envelope by the attestor, about the image, of the wanted type, with the annotations.
pub(super) fn envelope(
    court: &Court<'_>,
    it: &Enveloped<'_>,
    claims: ClaimRule,
) -> Result<Stated, RefusedBecause> {
    let (attestor, image, envelope) = (court.attestor, &court.board.subject.digest, it.envelope);
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(RefusedBecause::WrongPayloadType {
            found: crate::encoding::printable(&envelope.payload_type),
        });
    }
    let (store, of) = match it.stored {
        Some(_) => (Store::Legacy, SignatureForm::Envelope),
        None => (Store::Bundle, SignatureForm::BundleEnvelope),
    };
    let key = proofs::signer_key(attestor, it.evidence)?;
    let signed = envelope.signature_by(key).map_err(|_| RefusedBecause::WrongKey { of })?;
    let proved = court.prove(
        it.evidence,
        &Claim {
            signature: &signed.signature,
            timestamped: it.stored.unwrap_or(&signed.signature),
            content: LoggedContent::Envelope {
                payload_type: &envelope.payload_type,
                payload: &envelope.payload,
                stored: it.stored,
            },
            store,
        },
    )?;
    let statement = Statement::parse(&envelope.payload).map_err(|error| {
        RefusedBecause::Malformed { what: crate::encoding::printable(&error.to_string()) }
    })?;
    let mut subjects = statement.about(image).peekable();
    if claims == ClaimRule::Checked && subjects.peek().is_none() {
        return Err(match statement.first_digest() {
            Some(payload) => RefusedBecause::WrongDigest { payload },
            None => RefusedBecause::NoDigest,
        });
    }
    if statement.predicate_type != wanted_type(&attestor.shows) {
        return Err(RefusedBecause::OtherPredicateType {
            found: crate::encoding::printable(&statement.predicate_type),
        });
    }
    // Of several subjects that are this image, one must carry all the annotations.
    let mut answer = Ok(Vec::new());
    for subject in subjects {
        answer = match attestor.claims {
            ClaimRule::Checked => annotations(&attestor.annotations, &subject.annotations),
            ClaimRule::InsecureIgnored => Ok(()),
        }
        .map(|()| subject.annotations.clone());
        if answer.is_ok() {
            break;
        }
    }
    let claims = answer?;
    Ok(Stated {
        predicate_type: statement.predicate_type.clone(),
        claims,
        predicate: statement.predicate.clone(),
        proved,
    })
}
