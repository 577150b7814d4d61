//! The validating side of `verifyImages`: a digest must be there, and `required` images must be verified.
//!
//! Nothing is read from annotations, which any client can write: the proof is asked for again, and the proof
//! cache answers what was verified a moment ago.
use super::verify_images::{ImageResult, One, Proved, Results, VerifyImages, report::Failure};
use crate::{
    context::Context,
    decision::{ImageOutcome, ImageStatus},
    fact::Cause,
    images::pattern,
    message,
    stop::{Gather, Stop},
};
use smol_str::SmolStr;

/// What came of the check.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    /// One for each image that is checked, those that fail with a message.
    pub(crate) results: Results,
    /// Images that a skip pattern let through.
    pub(crate) skipped: Vec<SmolStr>,
    /// Whether any image passed otherwise.
    pub(crate) any_verified: bool,
}

impl VerifyImages {
    /// Checks every image with every entry that means it.
    pub(crate) fn check(&self, rule: &str, context: &mut Context<'_>) -> Result<Checked, Stop> {
        let entries = self.resolve(context)?;
        let images = context.images()?.clone();
        let mut checked =
            Checked { results: Results::default(), skipped: Vec::new(), any_verified: false };
        let mut gather = Gather::default();
        for image in &images.all {
            if let Err(reason) = &image.reference {
                checked.results.images.push(super::verify_images::unreadable(image, reason));
            }
        }
        for entry in &entries {
            if !entry.required && !entry.verify_digest {
                continue;
            }
            let access = entry.access_with(&images.pull_secrets, &context.request.namespace);
            for image in &images.all {
                let Ok(reference) = &image.reference else { continue };
                if !pattern::covers(&entry.patterns, reference) {
                    continue;
                }
                let one = One { rule, entry, image, reference, access: &access };
                match gather.take(one.check(context))? {
                    Some(Check::Skipped) => checked.skipped.push(one.normal()),
                    Some(Check::Passed) => checked.any_verified = true,
                    Some(Check::Failed(result)) => checked.results.images.push(*result),
                    None => {}
                }
            }
        }
        gather.done()?;
        Ok(checked)
    }
}

/// What came of one image.
enum Check {
    /// It is as it should be.
    Passed,
    /// A skip pattern.
    Skipped,
    /// It is not.
    Failed(Box<ImageResult>),
}

impl One<'_> {
    fn check(&self, context: &mut Context<'_>) -> Result<Check, Stop> {
        if self.entry.verify_digest && self.reference.digest.is_none() {
            if self.entry.mutate_digest
                && let Err(cause) = self.digest(context)?
            {
                // The digest is missing because the registry could not be asked: not a refusal, but not known.
                return Ok(self.unknown(cause));
            }
            return Ok(self.fails(ImageStatus::Refuted, message::missing_digest(&self.normal())));
        }
        if !self.entry.required {
            return Ok(Check::Passed);
        }
        if pattern::skips(&self.entry.skip, self.reference) {
            return Ok(Check::Skipped);
        }
        if !self.entry.asks_for_proof() {
            let text = message::unverified(&self.normal(), None);
            return Ok(self.fails(ImageStatus::Refuted, text));
        }
        let digest = match self.digest(context)? {
            Ok(Some(digest)) => digest,
            Ok(None) => return Ok(self.refused(Failure::tag_absent(&self.normal()))),
            Err(cause) => return Ok(self.unknown(cause)),
        };
        let mut names = Vec::new();
        Ok(match self.prove(&digest, &mut names, context)? {
            Proved::Verified { .. } => Check::Passed,
            Proved::Failed(failure) => self.refused(failure),
        })
    }

    fn unknown(&self, cause: Cause) -> Check {
        self.refused(Failure::unknown(cause))
    }

    fn refused(&self, failure: Failure) -> Check {
        let text = message::unverified(&self.normal(), Some(&failure.text));
        let status = failure.status();
        let mut failed = self.fails(status, text);
        if let Check::Failed(result) = &mut failed {
            result.outcome.attestor = failure.attestor;
            result.outcome.looked_at = failure.looked_at;
            result.outcome.next = failure.next;
        }
        failed
    }

    fn fails(&self, status: ImageStatus, text: String) -> Check {
        Check::Failed(Box::new(ImageResult {
            outcome: ImageOutcome {
                image: self.normal(),
                pointer: self.image.pointer.clone(),
                digest: self.reference.digest.clone(),
                status,
                pinned: false,
                attestor: SmolStr::default(),
                looked_at: Vec::new(),
                next: None,
            },
            message: Some(text),
            own_error: false,
            pin: None,
            recorded: None,
            warning: None,
        }))
    }
}
