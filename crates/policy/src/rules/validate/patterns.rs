//! `pattern` and `anyPattern`.
use super::{Told, Verdict};
use crate::{
    context::Context,
    pattern::{Mismatch, Pattern},
    request::Operation,
    stop::{RuleError, Stop},
    variables::Template,
};
use sigward_document::Value;
use std::borrow::Cow;

/// One pattern, or several of which one must match.
#[derive(Debug)]
pub(crate) struct Patterns {
    template: Template,
    many: bool,
    /// Compiled when the policy is loaded, where no variables stand in them.
    compiled: Option<Vec<Pattern>>,
}

impl Patterns {
    /// `pattern`, or `anyPattern` with a list.
    pub(crate) fn new(template: Template, many: bool) -> Self {
        let compiled = template.is_plain().then(|| compile(template.document(), many));
        Self { template, many, compiled }
    }

    /// Checks an element, or the object. What is deleted is not looked at.
    pub(super) fn check(
        &self,
        told: Told<'_>,
        element: Option<&Value>,
        context: &mut Context<'_>,
    ) -> Result<Option<Verdict>, Stop> {
        let patterns = self.resolved(context)?;
        if element.is_none() && context.request.operation == Operation::Delete {
            return Ok(None);
        }
        let object;
        let object = if let Some(element) = element {
            element
        } else {
            object = context.object.clone();
            &object
        };
        if self.many {
            return any(&patterns, object, told, context).map(Some);
        }
        let Some(pattern) = patterns.first() else { return Ok(None) };
        let rule = told.rule;
        match pattern.matches(object) {
            Ok(()) => Ok(Some(Verdict::Pass(told.passed()))),
            Err(Mismatch::Skip(reason)) => Ok(Some(Verdict::Skip(reason))),
            Err(Mismatch::Fail { path, reason }) => {
                let what = format!("rule {rule} failed at path {path}");
                Ok(Some(Verdict::Fail(told.failed(&what, &reason, context)?)))
            }
            Err(Mismatch::Error(reason)) => {
                let what = format!("rule {rule} execution error: {reason}");
                Err(RuleError::Pattern(told.failed(&what, &reason, context)?).into())
            }
        }
    }

    fn resolved(&self, context: &mut Context<'_>) -> Result<Cow<'_, [Pattern]>, Stop> {
        if let Some(compiled) = &self.compiled {
            return Ok(Cow::Borrowed(compiled));
        }
        let document = self
            .template
            .substitute(context)
            .map_err(|stop| stop.of("variable substitution failed"))?;
        Ok(Cow::Owned(compile(&document, self.many)))
    }
}

fn compile(document: &Value, many: bool) -> Vec<Pattern> {
    match document.as_list() {
        Some(list) if many => list.iter().map(Pattern::compile).collect(),
        _ => vec![Pattern::compile(document)],
    }
}

/// The first that matches decides; else failures before skips.
fn any(
    patterns: &[Pattern],
    object: &Value,
    told: Told<'_>,
    context: &mut Context<'_>,
) -> Result<Verdict, Stop> {
    let rule = told.rule;
    let (mut failed, mut skipped) = (Vec::new(), Vec::new());
    for (at, pattern) in patterns.iter().enumerate() {
        match pattern.matches(object) {
            Ok(()) => {
                let text = format!("validation rule '{rule}' anyPattern[{at}] passed.");
                return Ok(Verdict::Pass(text));
            }
            Err(Mismatch::Skip(reason)) => {
                skipped.push(format!("rule {rule}[{at}] skipped: {reason}"));
            }
            Err(Mismatch::Fail { path, .. }) => {
                failed.push(format!("rule {rule}[{at}] failed at path {path}"));
            }
            Err(Mismatch::Error(reason)) => {
                failed.push(format!("rule {rule}[{at}] failed: {reason}"));
            }
        }
    }
    if failed.is_empty() && !skipped.is_empty() {
        return Ok(Verdict::Skip(skipped.join(" ")));
    }
    let what = failed.join(" ");
    told.failed(&what, &what, context).map(Verdict::Fail)
}
