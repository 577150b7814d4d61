//! Attestations: statements that must be signed, and conditions over what they say.
use super::{
    One,
    entry::Attestation,
    report::{About, Failure},
    set::{ProvedSet, count},
};
use crate::{
    conditions::Held,
    context::Context,
    message,
    stop::{Gather, Stop},
};
use sigward_document::{Frame, Value};
use sigward_oci::DigestReference;
use sigward_sigstore::requirement::{self, Shows};
use smol_str::SmolStr;

/// What came of all attestations of an entry.
pub(crate) enum Attested {
    /// All are there and satisfy their conditions.
    Verified {
        /// The first witness.
        proved: ProvedSet,
        /// Predicates by the attestations' names.
        named: Vec<(SmolStr, Value)>,
    },
    /// One is missing, or does not satisfy.
    Failed(Failure),
}

impl One<'_> {
    /// Asks for every attestation; those that are not known are wanted together.
    pub(crate) fn attestations(
        &self,
        subject: &DigestReference,
        context: &mut Context<'_>,
    ) -> Result<Attested, Stop> {
        let mut gather = Gather::default();
        let mut first = None;
        let mut failures = Vec::new();
        let mut named = Vec::new();
        for (index, attestation) in self.entry.attestations.iter().enumerate() {
            let path = format!(".attestations[{index}]");
            match gather.take(self.attestation(subject, attestation, &path, context))? {
                Some(Ok(proved)) => {
                    if !attestation.name.is_empty()
                        && let Some(predicate) = proved.witness.predicates().first()
                    {
                        named.push((attestation.name.clone(), predicate.clone()));
                    }
                    first = first.or(Some(proved));
                }
                Some(Err(failure)) => failures.push(failure),
                None => {}
            }
        }
        gather.done()?;
        if let Some(failure) = Failure::decisive(failures) {
            return Ok(Attested::Failed(failure));
        }
        Ok(match first {
            Some(proved) => Attested::Verified { proved, named },
            None => Attested::Failed(Failure::refuted("no attestation was asked for".into())),
        })
    }

    fn attestation(
        &self,
        subject: &DigestReference,
        attestation: &Attestation,
        path: &str,
        context: &mut Context<'_>,
    ) -> Result<Result<ProvedSet, Failure>, Stop> {
        let shows = Shows::Statements { predicate_type: attestation.predicate_type.clone() };
        let mut gather = Gather::default();
        let mut first = None;
        let mut failures = Vec::new();
        for (index, set) in attestation.attestors.iter().enumerate() {
            let path = format!("{path}.attestors[{index}]");
            let Some(node) = gather.take(self.look_up(set, &path, &shows, context))? else {
                continue;
            };
            let mut one =
                |path: &str, attestor: &requirement::Attestor, context: &mut Context<'_>| {
                    self.statements(subject, attestation, path, attestor, context)
                };
            match gather.take(count(&node, &mut one, context))? {
                Some(Ok(proved)) => first = first.or(proved.into_iter().next()),
                Some(Err(mut failure)) => {
                    if failure.cause.is_none() {
                        failure.about =
                            About::Attestations { verified: failure.verified, required: set.count };
                    }
                    failures.push(failure);
                }
                None => {}
            }
        }
        gather.done()?;
        if let Some(failure) = Failure::decisive(failures) {
            return Ok(Err(failure));
        }
        Ok(first.ok_or_else(|| Failure::refuted("no attestor was asked".into())))
    }

    /// One attestor's statements of the wanted type: every one must satisfy the conditions.
    fn statements(
        &self,
        subject: &DigestReference,
        attestation: &Attestation,
        path: &str,
        attestor: &requirement::Attestor,
        context: &mut Context<'_>,
    ) -> Result<Result<ProvedSet, Failure>, Stop> {
        let proved = match self.leaf(subject, path, attestor, context)? {
            Ok(proved) => proved,
            Err(failure) => return Ok(Err(failure)),
        };
        let fail = |text: String| {
            let mut failure = Failure::refuted(text).at(path);
            failure.looked_at.clone_from(&proved.looked_at);
            Ok(Err(failure))
        };
        let predicates = proved.witness.predicates();
        if predicates.is_empty() {
            return fail(message::attestation_absent(&attestation.predicate_type));
        }
        for predicate in predicates {
            let held = context.within(Frame::Yields, predicate.clone(), |context| {
                let held = attestation.conditions.evaluate(context)?;
                Ok(Held { message: held.told(context)?, ..held })
            });
            match held {
                Ok(Held { holds: true, .. }) => {}
                Ok(held) => {
                    let said = [held.message, held.decided_by.unwrap_or_default()];
                    let said: Vec<String> = said.into_iter().filter(|s| !s.is_empty()).collect();
                    return fail(message::attestation_refused(
                        &self.normal(),
                        &attestation.predicate_type,
                        &said.join("; "),
                    ));
                }
                Err(Stop::Suspended) => return Err(Stop::Suspended),
                // What the predicate does not have is named; it never stands for zero or nothing.
                Err(Stop::Error(error)) => {
                    return fail(message::attestation_refused(
                        &self.normal(),
                        &attestation.predicate_type,
                        &error.to_string(),
                    ));
                }
            }
        }
        Ok(Ok(proved))
    }

    /// `validate.deny` over everything that was attested of the image so far.
    pub(crate) fn deny(
        &self,
        names: &[(SmolStr, Value)],
        context: &mut Context<'_>,
    ) -> Result<Option<Failure>, Stop> {
        let Some(deny) = &self.entry.deny else { return Ok(None) };
        if deny.conditions.is_empty() {
            return Ok(None);
        }
        let frame = Value::map(names.iter().cloned());
        context.within(Frame::Hides, frame, |context| {
            let held = deny.conditions.evaluate(context)?;
            if !held.holds {
                return Ok(None);
            }
            let own = deny.message.substitute(context)?;
            let own = own.as_str().unwrap_or_default().to_owned();
            let said: Vec<String> =
                [own, held.told(context)?].into_iter().filter(|s| !s.is_empty()).collect();
            let mut failure = Failure::refuted(said.join("; "));
            failure.about = About::Deny;
            Ok(Some(failure))
        })
    }
}
