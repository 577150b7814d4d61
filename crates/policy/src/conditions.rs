//! Conditions: `key operator value`, joined by `any` and `all`.
pub(crate) mod operator;

use crate::{
    stop::{RuleError, Stop},
    variables::{Resolver, Template},
};
use operator::Operator;
use sigward_document::Value;
use smol_str::SmolStr;

/// Preconditions, deny conditions, attestation conditions: all blocks must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    /// In the order written.
    pub(crate) blocks: Vec<AnyAll>,
}

/// One block; an absent list asks nothing, an empty `any` never holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnyAll {
    /// One must hold.
    pub(crate) any: Option<Vec<Condition>>,
    /// Every one must hold; the old form of a plain list is this.
    pub(crate) all: Option<Vec<Condition>>,
}

/// One comparison.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    /// What is looked at.
    pub(crate) key: Template,
    /// Read without regard to case; a text that is no operator is an error when it is reached.
    pub(crate) operator: Result<Operator, SmolStr>,
    /// What it is compared with.
    pub(crate) value: Template,
    /// What to say when it decides.
    pub(crate) message: Template,
}

/// Whether conditions hold, and what the deciding ones have to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// The result.
    pub(crate) holds: bool,
    /// Messages of the conditions that agree with the result, joined, with their variables as they are written:
    /// what is not told need not be resolved.
    pub(crate) message: String,
    /// The comparison that decided a negative result, for a person: `8 LessThanOrEquals 0`.
    pub(crate) decided_by: Option<String>,
}

impl Conditions {
    /// Whether there is nothing to evaluate.
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Evaluates block after block; the first that does not hold decides.
    pub(crate) fn evaluate(&self, resolver: &mut dyn Resolver) -> Result<Held, Stop> {
        let mut messages = Vec::new();
        for block in &self.blocks {
            let held = block.evaluate(resolver)?;
            if !held.holds {
                return Ok(held);
            }
            if !held.message.is_empty() {
                messages.push(held.message);
            }
        }
        // COMPAT: Kyverno 1.19: a list joins without a space; test: messages_are_joined_as_upstream_joins_them
        Ok(Held { holds: true, message: messages.join(";"), decided_by: None })
    }
}

impl Held {
    /// The message with its variables resolved; where one has no value, as it is written.
    pub(crate) fn told(&self, resolver: &mut dyn Resolver) -> Result<String, Stop> {
        match resolved(&self.message, resolver) {
            Ok(value) => Ok(value.as_str().map_or_else(|| value.to_json(), ToOwned::to_owned)),
            Err(Stop::Suspended) => Err(Stop::Suspended),
            Err(Stop::Error(_)) => Ok(self.message.clone()),
        }
    }
}

/// A text that is put together while a rule runs, with its variables resolved.
pub(crate) fn resolved(text: &str, resolver: &mut dyn Resolver) -> Result<Value, Stop> {
    Template::new(Value::string(text), &[]).0.substitute(resolver)
}

impl AnyAll {
    fn evaluate(&self, resolver: &mut dyn Resolver) -> Result<Held, Stop> {
        let mut yes = Vec::new();
        let mut no = Vec::new();
        let mut decided_by = None;
        let mut any = self.any.is_none();
        for condition in self.any.iter().flatten() {
            let one = condition.evaluate(resolver)?;
            if one.holds {
                yes.push(one.message);
                any = true;
                break;
            }
            decided_by = decided_by.or(one.decided_by);
            no.push(one.message);
        }
        let mut all = true;
        if any {
            decided_by = None;
        }
        for condition in self.all.iter().flatten() {
            let one = condition.evaluate(resolver)?;
            if one.holds {
                yes.push(one.message);
            } else {
                all = false;
                decided_by = decided_by.or(one.decided_by);
                no.push(one.message);
                break;
            }
        }
        let holds = any && all;
        let said = if holds { yes } else { no };
        let said: Vec<String> = said.into_iter().filter(|m| !m.is_empty()).collect();
        Ok(Held { holds, message: said.join("; "), decided_by: decided_by.filter(|_| !holds) })
    }
}

impl Condition {
    fn evaluate(&self, resolver: &mut dyn Resolver) -> Result<Held, Stop> {
        let operator = match &self.operator {
            Ok(operator) => *operator,
            Err(unknown) => {
                return Err(RuleError::Condition(format!("unknown operator `{unknown}`")).into());
            }
        };
        let key = self
            .key
            .substitute(resolver)
            .map_err(|stop| stop.of("failed to substitute variables in condition key"))?;
        let value = self
            .value
            .substitute(resolver)
            .map_err(|stop| stop.of("failed to substitute variables in condition value"))?;
        let holds = operator.holds(&key, &value);
        let message = self.message.document().as_str().unwrap_or_default().to_owned();
        let decided_by = (!holds).then(|| {
            format!("{} = {}, wanted: {operator} {}", self.written(), short(&key), short(&value))
        });
        Ok(Held { holds, message, decided_by })
    }

    /// The key as it stands in the policy, without braces.
    fn written(&self) -> String {
        let text = self.key.document().as_str().unwrap_or("key");
        text.trim_start_matches("{{").trim_end_matches("}}").trim().to_owned()
    }
}

/// A value in few characters: conditions over a whole predicate would fill the screen.
fn short(value: &Value) -> String {
    let text = value.to_json();
    if text.chars().count() <= 120 {
        return text;
    }
    text.chars().take(117).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests;
