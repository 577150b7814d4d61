//! What to say of an image that was not verified.
use crate::{decision::ImageStatus, fact::Cause, message};
use smol_str::SmolStr;

/// Why an entry is not satisfied by an image.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// Undetermined for this cause; refuted without one.
    pub(crate) cause: Option<Cause>,
    /// What peers print behind the image's name.
    pub(crate) text: String,
    /// Which sentence the text is put into.
    pub(crate) about: About,
    /// Path of the attestor that decided.
    pub(crate) attestor: SmolStr,
    /// What was looked at.
    pub(crate) looked_at: Vec<String>,
    /// The next command, where one is known here.
    pub(crate) next: Option<String>,
    /// Whether nothing at all was found, so that signing is the next thing to do.
    pub(crate) unsigned: bool,
    /// How many attestors were satisfied all the same.
    pub(crate) verified: usize,
}

/// What a failure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// Signatures, or the image itself.
    Image,
    /// Attestations: how many of how many were verified.
    Attestations {
        /// Satisfied attestors.
        verified: usize,
        /// Wanted attestors.
        required: usize,
    },
    /// `validate.deny`.
    Deny,
}

impl Failure {
    /// The evidence says no.
    pub(crate) fn refuted(text: String) -> Self {
        Self {
            cause: None,
            text,
            about: About::Image,
            attestor: SmolStr::default(),
            looked_at: Vec::new(),
            next: None,
            unsigned: false,
            verified: 0,
        }
    }

    /// It could not be told.
    pub(crate) fn unknown(cause: Cause) -> Self {
        let text = message::cause(&cause);
        Self { cause: Some(cause), ..Self::refuted(text) }
    }

    /// There is no such tag.
    pub(crate) fn tag_absent(image: &str) -> Self {
        Self::refuted(format!("image tag not found: {image}"))
    }

    /// The same failure as that of one attestor.
    pub(crate) fn at(mut self, path: &str) -> Self {
        self.text = format!("{path}: {}", self.text);
        if self.attestor.is_empty() {
            self.attestor = SmolStr::new(path);
        }
        self
    }

    /// Several failures as one: undetermined when `undetermined` says so, with the first cause.
    pub(crate) fn joined(failures: Vec<Self>, undetermined: bool) -> Self {
        let text = failures.iter().map(|f| f.text.as_str()).collect::<Vec<_>>().join("; ");
        let mut joined = Self::refuted(text);
        joined.unsigned = failures.iter().all(|f| f.unsigned) && !failures.is_empty();
        let decisive = failures.iter().position(|f| f.cause.is_some() == undetermined);
        for (index, failure) in failures.into_iter().enumerate() {
            if Some(index) == decisive || (decisive.is_none() && index == 0) {
                joined.attestor = failure.attestor;
                joined.next = failure.next;
                joined.cause = failure.cause.filter(|_| undetermined);
            }
            for line in failure.looked_at {
                if !joined.looked_at.contains(&line) {
                    joined.looked_at.push(line);
                }
            }
        }
        joined
    }

    /// Of failures that each decide: what is refuted before what could not be told, then the first.
    pub(crate) fn decisive(failures: Vec<Self>) -> Option<Self> {
        let at = failures.iter().position(|failure| failure.cause.is_none()).unwrap_or(0);
        failures.into_iter().nth(at)
    }

    /// Which of the three outcomes.
    pub(crate) fn status(&self) -> ImageStatus {
        match &self.cause {
            Some(cause) => ImageStatus::Undetermined(cause.clone()),
            None => ImageStatus::Refuted,
        }
    }

    /// The whole sentence.
    pub(crate) fn message(&self, image: &str) -> String {
        match self.about {
            About::Image => message::failed(image, &self.text),
            About::Attestations { verified, required } => {
                message::attestations_failed(image, verified, required, &self.text)
            }
            About::Deny => message::denied(image, &self.text),
        }
    }
}
