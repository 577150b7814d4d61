//! `verifyImages`: who must have signed an image, what must be attested, and the digest it is pinned to.
//!
//! One request resolves a tag once; every proof is asked with that digest, and only that digest is pinned.
pub(crate) mod attest;
pub(crate) mod entry;
pub(crate) mod report;
pub(crate) mod set;

use crate::{
    compile::verify_images::Source,
    context::Context,
    decision::{ImageOutcome, ImageStatus},
    fact::{Cause, TagDigest},
    images::{self, Image, pattern},
    message,
    pin::PinnedImage,
    rules::verify_images::{attest::Attested, entry::Entry, report::Failure},
    snapshot::FailureAction,
    stop::{Gather, Stop},
};
use sigward_document::{Frame, Value};
use sigward_oci::{Access, Digest, DigestReference, ImageReference};
use sigward_sigstore::requirement::Shows;
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// The entries of one rule.
#[derive(Debug)]
pub(crate) struct VerifyImages {
    /// In the order written.
    pub(crate) entries: Vec<Source>,
    /// What the entries say about the action: one `Enforce` makes the rule `Enforce`.
    pub(crate) action: Option<FailureAction>,
}

/// What is written into the annotations for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Recorded {
    /// Verified.
    Pass,
    /// A skip pattern.
    Skip,
    /// Not verified. The worst wins when several entries speak of one image.
    Fail,
}

impl Recorded {
    /// As scripts read it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skip => "skip",
            Self::Fail => "fail",
        }
    }
}

/// What came of one entry for one image.
#[derive(Clone, Debug)]
pub(crate) struct ImageResult {
    /// For reports and explanation.
    pub(crate) outcome: ImageOutcome,
    /// The user's text; none when there is nothing to say.
    pub(crate) message: Option<String>,
    /// An error of the rule's own making (conditions, unparsable name), which is no outcome of a proof.
    pub(crate) own_error: bool,
    /// A digest to be written into the object.
    pub(crate) pin: Option<PinnedImage>,
    /// For the annotations; none for entries without attestors.
    pub(crate) recorded: Option<Recorded>,
    /// An admission warning.
    pub(crate) warning: Option<String>,
}

/// All results of one rule, in the order of entries and images. Empty: the rule does not apply.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    /// One for each pair that has one.
    pub(crate) images: Vec<ImageResult>,
}

impl VerifyImages {
    /// Whether any image of the object is meant, or cannot be read at all.
    pub(crate) fn applies(&self, context: &mut Context<'_>) -> Result<bool, Stop> {
        let images = context.images()?;
        Ok(images.all.iter().any(|image| match &image.reference {
            Ok(reference) => self.entries.iter().any(|e| pattern::covers(e.patterns(), reference)),
            Err(_) => true,
        }))
    }

    /// The entries with their variables resolved.
    pub(crate) fn resolve(&self, context: &mut Context<'_>) -> Result<Vec<Arc<Entry>>, Stop> {
        self.entries.iter().map(|source| source.resolve(context)).collect()
    }

    /// Verifies every image of the object with every entry that means it.
    pub(crate) fn verify(&self, rule: &str, context: &mut Context<'_>) -> Result<Results, Stop> {
        let entries = self.resolve(context)?;
        let images = context.images()?.clone();
        let mut results = Results::default();
        for image in &images.all {
            if let Err(reason) = &image.reference {
                results.images.push(unreadable(image, reason));
            }
        }
        let mut gather = Gather::default();
        let mut names: BTreeMap<SmolStr, Vec<(SmolStr, Value)>> = BTreeMap::new();
        for entry in &entries {
            let access = entry.access_with(&images.pull_secrets, &context.request.namespace);
            for image in &images.all {
                let Ok(reference) = &image.reference else { continue };
                if !pattern::covers(&entry.patterns, reference) {
                    continue;
                }
                let known = names.entry(image.pointer.clone()).or_default();
                let one = One { rule, entry, image, reference, access: &access };
                let result = gather.take(one.verify(known, context))?;
                results.images.extend(result.flatten());
            }
        }
        gather.done()?;
        Ok(results)
    }
}

/// One entry on one image.
pub(crate) struct One<'o> {
    /// The rule's name.
    pub(crate) rule: &'o str,
    /// The entry.
    pub(crate) entry: &'o Entry,
    /// The field.
    pub(crate) image: &'o Image,
    /// What it names.
    pub(crate) reference: &'o ImageReference,
    /// Whose credentials, those of the object included.
    pub(crate) access: &'o Access,
}

/// What a proof of one entry on one image came to.
#[derive(Clone, Debug)]
pub(crate) enum Proved {
    /// Everything that the entry demands was proved of this digest.
    Verified {
        /// The witness whose digest may be pinned.
        witness: Arc<sigward_sigstore::verified::Verified>,
        /// The path of the attestor that decided.
        attestor: SmolStr,
        /// What was looked at.
        looked_at: Vec<String>,
        /// Whether attestations were asked for.
        attested: bool,
    },
    /// Refuted or undetermined.
    Failed(Failure),
}

impl One<'_> {
    /// `None`: nothing to say and nothing to do.
    fn verify(
        &self,
        names: &mut Vec<(SmolStr, Value)>,
        context: &mut Context<'_>,
    ) -> Result<Option<ImageResult>, Stop> {
        if pattern::skips(&self.entry.skip, self.reference) {
            return self.skip(context).map(Some);
        }
        if !self.entry.asks_for_proof() {
            return self.pin_only(context);
        }
        let digest = self.digest(context);
        if matches!(digest, Err(Stop::Suspended)) {
            self.want_keys(context);
        }
        let digest = match digest? {
            Ok(Some(digest)) => digest,
            Ok(None) => return Ok(Some(self.failed(None, Failure::tag_absent(&self.normal())))),
            Err(cause) => return Ok(Some(self.failed(None, Failure::unknown(cause)))),
        };
        match self.prove(&digest, names, context)? {
            Proved::Failed(failure) => Ok(Some(self.failed(Some(digest), failure))),
            Proved::Verified { witness, attestor, looked_at, attested } => {
                let wants_pin = self.entry.mutate_digest && self.reference.digest.is_none();
                let pin = match (wants_pin, self.reference.tag_reference()) {
                    (true, Some(tag)) => Some(PinnedImage::proved(tag, &witness)),
                    _ => None,
                };
                let message = message::verified(attested, &self.normal());
                let can_move = self.reference.digest.is_none() && pin.is_none();
                let next = (can_move && !self.entry.verify_digest)
                    .then(|| message::TAG_CAN_MOVE.to_owned());
                Ok(Some(ImageResult {
                    outcome: ImageOutcome {
                        image: self.normal(),
                        pointer: self.image.pointer.clone(),
                        digest: Some(digest),
                        status: ImageStatus::Verified,
                        pinned: pin.is_some(),
                        attestor,
                        looked_at,
                        next,
                    },
                    message: Some(message),
                    own_error: false,
                    pin,
                    recorded: Some(Recorded::Pass),
                    warning: None,
                }))
            }
        }
    }

    /// Everything that the entry demands, asked about one digest.
    pub(crate) fn prove(
        &self,
        digest: &Digest,
        names: &mut Vec<(SmolStr, Value)>,
        context: &mut Context<'_>,
    ) -> Result<Proved, Stop> {
        let subject =
            DigestReference { repository: self.reference.repository(), digest: digest.clone() };
        let fields = images::fields(self.reference, None);
        let frame = Value::map([(SmolStr::new_static("image"), fields)]);
        context.within(Frame::Hides, frame, |context| {
            let mut gather = Gather::default();
            let mut last = None;
            let mut failures = Vec::new();
            for (index, attestors) in self.entry.attestors.iter().enumerate() {
                let path = format!(".attestors[{index}]");
                match gather.take(self.attestor_set(&subject, attestors, &path, context))? {
                    Some(Ok(proved)) => last = Some(proved),
                    Some(Err(failure)) => failures.push(failure),
                    None => {}
                }
            }
            gather.done()?;
            if let Some(failure) = Failure::decisive(failures) {
                return Ok(Proved::Failed(failure));
            }
            let mut attested = false;
            if !self.entry.attestations.is_empty() {
                attested = true;
                match self.attestations(&subject, context)? {
                    Attested::Failed(failure) => return Ok(Proved::Failed(failure)),
                    Attested::Verified { proved, named } => {
                        last = last.or(Some(proved));
                        names.extend(named);
                    }
                }
            }
            if let Some(failure) = self.deny(names, context)? {
                return Ok(Proved::Failed(failure));
            }
            // INVARIANT: an entry that asks for proof has a set of attestors or an attestation, so `last` is set.
            let Some(proved) = last else {
                return Ok(Proved::Failed(Failure::refuted("no attestor was asked".into())));
            };
            Ok(Proved::Verified {
                witness: proved.witness,
                attestor: proved.attestor,
                looked_at: proved.looked_at,
                attested,
            })
        })
    }

    /// The digest that everything is asked about: as written, or what the tag stands for in this request.
    pub(crate) fn digest(
        &self,
        context: &mut Context<'_>,
    ) -> Result<Result<Option<Digest>, Cause>, Stop> {
        if let Some(digest) = &self.reference.digest {
            return Ok(Ok(Some(digest.clone())));
        }
        let Some(tag) = self.reference.tag_reference() else { return Ok(Ok(None)) };
        Ok(context.facts.ask(TagDigest(tag, self.access.clone()))?)
    }

    /// Notes the keys that will be needed once the digest is known, so that they are fetched beside it.
    fn want_keys(&self, context: &mut Context<'_>) {
        let attested = self.entry.attestations.iter().flat_map(|a| &a.attestors);
        for set in self.entry.attestors.iter().chain(attested) {
            // Whatever comes of it is looked at when its turn has come.
            let _noted = self.look_up(set, "", &Shows::Signature, context);
        }
    }

    /// The image as matched.
    pub(crate) fn normal(&self) -> SmolStr {
        self.reference.normal()
    }

    fn skip(&self, context: &mut Context<'_>) -> Result<ImageResult, Stop> {
        let policy = context.policy.name();
        let text = message::skipped(&self.normal(), policy, self.rule);
        let warning = message::warning(policy, self.rule, &text);
        let mut result = ImageResult {
            outcome: self.outcome(None, ImageStatus::NotVerified),
            message: Some(text),
            own_error: false,
            pin: None,
            recorded: self.entry.asks_for_proof().then_some(Recorded::Skip),
            warning: Some(warning),
        };
        if self.entry.mutate_digest && self.reference.digest.is_none() {
            match self.digest(context)? {
                Ok(Some(digest)) => self.pin_looked_up(digest, &mut result),
                Ok(None) => self.pin_failed(None, &mut result),
                Err(cause) => self.pin_failed(Some(cause), &mut result),
            }
        }
        Ok(result)
    }

    /// An entry with neither attestors nor attestations: all it does is pin.
    fn pin_only(&self, context: &mut Context<'_>) -> Result<Option<ImageResult>, Stop> {
        if !self.entry.mutate_digest || self.reference.digest.is_some() {
            return Ok(None);
        }
        let mut result = ImageResult {
            outcome: self.outcome(None, ImageStatus::NotVerified),
            message: Some(message::MUTATED_DIGEST.to_owned()),
            own_error: false,
            pin: None,
            recorded: None,
            warning: None,
        };
        match self.digest(context)? {
            Ok(Some(digest)) => self.pin_looked_up(digest, &mut result),
            Ok(None) => self.pin_failed(None, &mut result),
            Err(cause) => self.pin_failed(Some(cause), &mut result),
        }
        Ok(Some(result))
    }

    fn pin_looked_up(&self, digest: Digest, result: &mut ImageResult) {
        if let Some(tag) = self.reference.tag_reference() {
            result.pin =
                Some(PinnedImage::looked_up(tag, digest.clone(), Entry::pins_without_proof()));
            result.outcome.pinned = true;
        }
        result.outcome.digest = Some(digest);
    }

    /// The registry could not be asked, and nothing but the pin needed it.
    fn pin_failed(&self, cause: Option<Cause>, result: &mut ImageResult) {
        result.message = Some(message::pin_failed(&self.normal(), cause.as_ref()));
        result.outcome.next = Some(
            "set `mutateDigest: false` and `verifyDigest: false` if no digest is wanted".into(),
        );
        result.outcome.status = match cause {
            Some(cause) => ImageStatus::Undetermined(cause),
            None => ImageStatus::Refuted,
        };
    }

    fn failed(&self, digest: Option<Digest>, failure: Failure) -> ImageResult {
        let text = failure.message(&self.normal());
        let mut outcome = self.outcome(digest, failure.status());
        outcome.attestor = failure.attestor;
        outcome.looked_at = failure.looked_at;
        let subject = outcome.digest.as_ref().map(|digest| DigestReference {
            repository: self.reference.repository(),
            digest: digest.clone(),
        });
        outcome.next = failure.next.or_else(|| {
            let attested = matches!(failure.about, report::About::Attestations { .. });
            let kind = self.entry.attestations.first().filter(|_| attested);
            message::next(
                failure.cause.as_ref(),
                failure.unsigned,
                kind.map(|attestation| attestation.predicate_type.as_str()),
                subject.as_ref(),
            )
        });
        ImageResult {
            outcome,
            message: Some(text),
            own_error: false,
            pin: None,
            recorded: Some(Recorded::Fail),
            warning: None,
        }
    }

    fn outcome(&self, digest: Option<Digest>, status: ImageStatus) -> ImageOutcome {
        ImageOutcome {
            image: self.normal(),
            pointer: self.image.pointer.clone(),
            digest: digest.or_else(|| self.reference.digest.clone()),
            status,
            pinned: false,
            attestor: SmolStr::default(),
            looked_at: Vec::new(),
            next: None,
        }
    }
}

/// A field that names no image: an error of that image, which blocks; the others are still verified.
// COMPAT: Kyverno 1.19: one such name empties the whole set there; test: one_unparsable_image_does_not_shield_another
pub(crate) fn unreadable(image: &Image, reason: &str) -> ImageResult {
    ImageResult {
        outcome: ImageOutcome {
            image: image.written.clone(),
            pointer: image.pointer.clone(),
            digest: None,
            status: ImageStatus::Refuted,
            pinned: false,
            attestor: SmolStr::default(),
            looked_at: Vec::new(),
            next: None,
        },
        message: Some(message::unreadable_image(&image.written, &image.pointer, reason)),
        own_error: true,
        pin: None,
        recorded: None,
        warning: None,
    }
}
