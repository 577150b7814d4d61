//! What came of one image, for machines: the three outcomes, and the reason of every candidate that failed.
//!
//! The schema is documented in `docs/verify-report.md`; test: a_report_names_the_reason_of_each_candidate
use super::{Work, payload};
use crate::{
    cli::cosign::{
        Failure,
        evidence::{self, Checks},
        registry::Subject,
    },
    exit_code,
};
use serde_json::{Value, json};
use sigward_remote::Registry;
use sigward_sigstore::{
    outcome::Outcome,
    verified::{Refusal, Signed, Store, Verified},
};
use std::sync::Arc;

/// One image of a command line, and what was found out about it.
pub(super) struct Report {
    image: String,
    subject: Option<Subject>,
    found: Found,
}

enum Found {
    Verified { checks: Checks, signed: Vec<Value> },
    Refuted { refusal: Refusal, failure: Failure },
    Undetermined(Failure),
}

impl Report {
    /// Verifies one image; nothing that can be said about it ends the command.
    pub(super) async fn of(work: &Work<'_>, client: &Registry, image: &str) -> Self {
        let image = image.to_owned();
        if work.flags.signature.is_some() {
            let why =
                "--signature gives no report: it is about one signature and not about an image";
            return Self { image, subject: None, found: Found::Undetermined(Failure::new(why)) };
        }
        let (questions, subject) = match work.subject(client, &image).await {
            Ok(found) => found,
            Err(failure) => {
                return Self { image, subject: None, found: Found::Undetermined(failure) };
            }
        };
        let found = match evidence::outcome(&questions, &subject, &work.requirement, work.trust())
            .await
        {
            Err(failure) => Found::Undetermined(failure),
            Ok(Outcome::Verified(verified)) => verified_found(work, &subject, &verified),
            Ok(Outcome::Refuted(refusal)) => {
                let failure = evidence::refused(&refusal);
                Found::Refuted { refusal, failure }
            }
            Ok(Outcome::Undetermined(cause)) => Found::Undetermined(evidence::undetermined(&cause)),
        };
        Self { image, subject: Some(subject), found }
    }

    /// The code with which the command ends when this image is the first that failed.
    pub(super) fn code(&self) -> u8 {
        match &self.found {
            Found::Verified { .. } => exit_code::SUCCESS,
            Found::Refuted { failure, .. } | Found::Undetermined(failure) => failure.code,
        }
    }

    /// What a person reads: one line.
    pub(super) fn line(&self) -> String {
        let name = match &self.subject {
            Some(subject) => format!("{} ({})", self.image, subject.digest.digest),
            None => self.image.clone(),
        };
        match &self.found {
            Found::Verified { signed, .. } => format!("{name}: verified ({})", signed.len()),
            Found::Refuted { failure, .. } => format!("{name}: refuted: {}", failure.message),
            Found::Undetermined(failure) => format!("{name}: undetermined: {}", failure.message),
        }
    }

    pub(super) fn json(&self) -> Value {
        let digest = self.subject.as_ref().map(|subject| subject.digest.digest.as_str());
        let mut report = json!({ "image": self.image, "digest": digest, "exitCode": self.code() });
        let (outcome, rest) = match &self.found {
            Found::Verified { checks, signed } => (
                "verified",
                json!({
                    "checks": {
                        "claims": checks.claims,
                        "annotations": checks.annotations && checks.claims,
                        "transparencyLog": checks.log,
                    },
                    "signatures": signed,
                }),
            ),
            Found::Refuted { refusal, failure } => (
                "refuted",
                json!({ "message": failure.message, "candidates": candidates(refusal) }),
            ),
            Found::Undetermined(failure) => ("undetermined", json!({ "message": failure.message })),
        };
        if let (Value::Object(report), Value::Object(rest)) = (&mut report, rest) {
            report.insert("outcome".to_owned(), outcome.into());
            report.extend(rest);
        }
        report
    }

    /// The failure of an image that was not verified.
    pub(super) fn into_result(self) -> Result<(), Failure> {
        match self.found {
            Found::Verified { .. } => Ok(()),
            Found::Refuted { failure, .. } | Found::Undetermined(failure) => Err(failure),
        }
    }
}

fn verified_found(work: &Work<'_>, subject: &Subject, verified: &[Arc<Verified>]) -> Found {
    let signed = verified.iter().flat_map(|one| one.signed());
    Found::Verified {
        checks: Checks::of(verified, !work.flags.annotations.is_empty()),
        signed: signed.map(|one| signature(subject, one)).collect(),
    }
}

fn signature(subject: &Subject, signed: &Signed) -> Value {
    let store = match signed.store() {
        Store::Bundle => "bundle",
        Store::Legacy => "legacy",
    };
    json!({ "place": signed.place(), "store": store, "payload": payload(subject, signed) })
}

fn candidates(refusal: &Refusal) -> Vec<Value> {
    let reason = |(place, why): &(
        smol_str::SmolStr,
        sigward_sigstore::verified::RefusedBecause,
    )| { json!({ "place": place.as_str(), "reason": why.to_string() }) };
    refusal.candidates.iter().map(reason).collect()
}
