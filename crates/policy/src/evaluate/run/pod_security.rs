//! One `validate.podSecurity` rule: the Pod, what exceptions allow of it, and what is said of the rest.
use super::{
    super::Finished,
    Run,
    exceptions::{Age, key},
    outcome, skipped,
};
use crate::{
    compile::Policy,
    message,
    outcome::{Found, judge},
    pod_security::{Findings, PodSecurity},
    request::{Operation, Request},
    rule::Rule,
    rules::validate::Validate,
    snapshot::FailureAction,
    stop::{RuleError, Stop},
};
use sigward_document::Value;
use smol_str::SmolStr;

/// What came of one object.
struct Examined<'v> {
    findings: Option<Findings<'v>>,
    exceptions: Vec<SmolStr>,
    /// Whether an exception takes out the whole rule.
    plain: bool,
    /// Whether the Pod is as it must be, exceptions left out.
    clean: bool,
}

impl Run<'_> {
    /// What comes of the rule; nothing is said of what is deleted.
    pub(super) fn pod_security(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        (validate, standard): (&Validate, &PodSecurity),
        object: &Value,
        action: FailureAction,
    ) -> Result<Finished, Stop> {
        if self.request.operation == Operation::Delete {
            return Ok(Finished::default());
        }
        let examined = self.examine(policy, rule, standard, (self.request, object, Age::New))?;
        let skip = |text: String, exceptions: Vec<SmolStr>| {
            let mut finished = skipped(policy, rule, action, text);
            if let Some(outcome) = &mut finished.outcome {
                outcome.exceptions = exceptions;
            }
            finished
        };
        let Some(findings) = examined.findings else {
            let text = message::pod_security_excepted(&examined.exceptions, examined.plain);
            return Ok(skip(text, examined.exceptions));
        };
        let (found, text) = if examined.clean {
            (Found::Pass, message::pod_security_passed(&rule.name))
        } else if findings.is_clean() {
            let text = message::pod_security_excepted(&examined.exceptions, examined.plain);
            return Ok(skip(text, examined.exceptions));
        } else {
            let violated = self.violated_before(policy, rule, validate, |run, request, old| {
                let prior = run.examine(policy, rule, standard, (request, old, Age::Old))?;
                Ok(prior.findings.is_some_and(|findings| !findings.is_clean()))
            })?;
            if violated {
                return Ok(skip(message::EXISTING_VIOLATION.to_owned(), Vec::new()));
            }
            (Found::Fail, findings.message(&rule.name))
        };
        let judgement = judge(found, rule.action.rule_type(), action, policy.failure_policy());
        let mut outcome = outcome(policy, rule, judgement, action, text);
        let settings = self.snapshot.settings();
        outcome.properties = findings.properties(|image| {
            let (registry, mutation) =
                (&settings.default_registry, settings.default_registry_mutation);
            sigward_oci::kyverno_reference(image, registry, mutation).ok().map(|r| r.normal())
        });
        Ok(Finished { outcome: Some(outcome), ..Finished::default() })
    }

    fn examine<'v>(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        standard: &PodSecurity,
        (request, object, age): (&Request, &'v Value, Age),
    ) -> Result<Examined<'v>, Stop> {
        let all = self.exceptions(policy, rule, (request, object, age))?;
        if let Some(plain) = all.iter().find(|exception| exception.pod_security.is_empty()) {
            let exceptions = vec![key(plain)];
            return Ok(Examined { findings: None, exceptions, plain: true, clean: false });
        }
        let mut findings = standard.examine(object).map_err(|error| {
            let cause = Stop::from(RuleError::Object(error.to_string()));
            cause.of("Error while getting new resource")
        })?;
        let clean = findings.is_clean();
        for exclusion in all.iter().flat_map(|exception| &exception.pod_security) {
            findings.exempt(exclusion);
        }
        let exceptions = all.iter().map(|exception| key(exception)).collect();
        Ok(Examined { findings: Some(findings), exceptions, plain: false, clean })
    }
}
