//! `{{ variables }}` in a document: found when a policy is compiled, resolved when a rule is evaluated.
pub(crate) mod reference;
pub(crate) mod scan;

use crate::stop::{RuleError, Stop};
use scan::Variable;
use sigward_document::{Value, View};
use sigward_jmespath::Expression;
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// Passes over one text before it is taken to never end.
const MAX_PASSES: usize = 32;
/// Bytes of one text after substitution.
const MAX_TEXT: usize = 1 << 20;
/// Levels of a document that is substituted.
const MAX_DEPTH: usize = 128;

/// A document with variables in it.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    document: Value,
    path: Vec<SmolStr>,
    /// True when there is nothing to do: the document is its own result.
    plain: bool,
    /// The expressions that are written in the document itself, parsed once.
    expressions: Arc<BTreeMap<SmolStr, Expression>>,
    /// A `$(reference)` that leads nowhere: the rule's error when it is evaluated.
    broken: Option<RuleError>,
}

/// One expression of a document that does not parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadExpression {
    /// Where, as a JSON pointer within the document.
    pub(crate) path: String,
    /// As written between the braces.
    pub(crate) expression: SmolStr,
    /// The parser's words.
    pub(crate) reason: String,
}

/// Answers expressions; knows what the names mean at this point of the rule.
pub(crate) trait Resolver {
    /// The value of an expression; the text is the expression's own.
    fn resolve(&mut self, text: &str, expression: &Expression) -> Result<Value, Unresolved>;
    /// Whether the request removes its object: `request.object` then reads the old one.
    fn is_delete(&self) -> bool;
}

/// Why an expression has no value.
#[derive(Clone, Debug)]
pub(crate) enum Unresolved {
    /// Evaluation stands still.
    Stopped(Stop),
    /// The language's error text.
    Failed(String),
}

impl Template {
    /// Finds and parses the variables of a document; `path` is its place in the rule, for `{{ @ }}`.
    pub(crate) fn new(document: Value, path: &[&str]) -> (Self, Vec<BadExpression>) {
        let (document, broken) = match reference::resolve(&document) {
            Ok(resolved) => (resolved, None),
            Err(error) => (document, Some(error)),
        };
        let mut expressions = BTreeMap::new();
        let mut bad = Vec::new();
        let mut escaped = false;
        each_text(&document, &mut Vec::new(), &mut |at, text| {
            escaped |= text.contains("\\{{") || text.contains("\\$(");
            for variable in scan::variables(text) {
                if variable.expression == "@" || expressions.contains_key(variable.expression) {
                    continue;
                }
                match Expression::parse(variable.expression) {
                    Ok(parsed) => {
                        expressions.insert(SmolStr::new(variable.expression), parsed);
                    }
                    Err(error) if !variable.expression.contains("{{") => {
                        bad.push(BadExpression {
                            path: pointer(at),
                            expression: SmolStr::new(variable.expression),
                            reason: error.to_string(),
                        });
                    }
                    Err(_) => {}
                }
            }
        });
        let mut has_at = false;
        each_text(&document, &mut Vec::new(), &mut |_, text| {
            has_at |= scan::variables(text).any(|v| v.expression == "@");
        });
        let plain = expressions.is_empty() && bad.is_empty() && !has_at && !escaped;
        let template = Self {
            document,
            path: path.iter().map(SmolStr::new).collect(),
            plain,
            expressions: Arc::new(expressions),
            broken,
        };
        (template, bad)
    }

    /// Whether the document has no variables.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain && self.broken.is_none()
    }

    /// What is wrong with a `$(reference)` of the document, whatever the request.
    pub(crate) fn broken(&self) -> Option<&RuleError> {
        self.broken.as_ref()
    }

    /// The document as it is written.
    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// The text of every variable in the document.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = (&SmolStr, &Expression)> {
        self.expressions.iter()
    }

    /// The document with every variable resolved.
    pub(crate) fn substitute(&self, resolver: &mut dyn Resolver) -> Result<Value, Stop> {
        if let Some(error) = &self.broken {
            return Err(error.clone().into());
        }
        if self.plain {
            return Ok(self.document.clone());
        }
        let mut path = self.path.clone();
        self.node(&self.document, &mut path, resolver)
    }

    fn node(
        &self,
        node: &Value,
        path: &mut Vec<SmolStr>,
        resolver: &mut dyn Resolver,
    ) -> Result<Value, Stop> {
        if path.len() > MAX_DEPTH {
            return Err(RuleError::Expansion { path: pointer(path).into() }.into());
        }
        match node.view() {
            View::String(text) => self.text(text, path, resolver),
            View::List(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    path.push(SmolStr::new(index.to_string()));
                    let item = self.node(item, path, resolver);
                    path.pop();
                    resolved.push(item?);
                }
                Ok(Value::list(resolved))
            }
            View::Map(map) => {
                let mut resolved = Vec::new();
                for (key, value) in map.iter() {
                    path.push(SmolStr::new(key));
                    let pair = self.pair(key, value, path, resolver);
                    path.pop();
                    resolved.push(pair?);
                }
                Ok(Value::map(resolved))
            }
            View::Null | View::Bool(_) | View::Int(_) | View::Float(_) => Ok(node.clone()),
        }
    }

    fn pair(
        &self,
        key: &str,
        value: &Value,
        path: &mut Vec<SmolStr>,
        resolver: &mut dyn Resolver,
    ) -> Result<(SmolStr, Value), Stop> {
        let value = self.node(value, path, resolver)?;
        if !key.contains("{{") {
            return Ok((SmolStr::new(key), value));
        }
        let key = self.text(key, path, resolver)?;
        Ok((SmolStr::new(embedded(&key)), value))
    }

    /// A text that is one variable keeps the value's type; in the middle of a text a value is written
    /// out. What was written out is looked at again, until there is nothing to resolve.
    fn text(
        &self,
        text: &str,
        path: &[SmolStr],
        resolver: &mut dyn Resolver,
    ) -> Result<Value, Stop> {
        let mut current = String::new();
        let mut passes = 0;
        loop {
            let source: &str = if passes == 0 { text } else { &current };
            let mut out = String::new();
            let mut rest = 0;
            let mut shallow = false;
            let mut any = false;
            for variable in scan::variables(source) {
                any = true;
                let value = self.variable(&variable, path, resolver)?;
                if variable.start == 0 && variable.end == source.len() {
                    return Ok(value);
                }
                shallow |= variable.shallow;
                out.push_str(source.get(rest..variable.start).unwrap_or_default());
                out.push_str(&embedded(&value));
                rest = variable.end;
            }
            if !any {
                return Ok(Value::string(&scan::unescape(source)));
            }
            out.push_str(source.get(rest..).unwrap_or_default());
            passes += 1;
            if passes > MAX_PASSES || out.len() > MAX_TEXT {
                return Err(RuleError::Expansion { path: pointer(path).into() }.into());
            }
            if shallow {
                return Ok(Value::string(&scan::unescape(&out)));
            }
            current = out;
        }
    }

    fn variable(
        &self,
        variable: &Variable<'_>,
        path: &[SmolStr],
        resolver: &mut dyn Resolver,
    ) -> Result<Value, Stop> {
        let text = if variable.expression == "@" {
            own_path(path)
        } else if resolver.is_delete() && variable.expression.contains("request.object") {
            // COMPAT: Kyverno 1.19: on DELETE the object is the old one; test: on_delete_the_object_is_the_old_object
            variable.expression.replace("request.object", "request.oldObject")
        } else {
            variable.expression.to_owned()
        };
        let parsed;
        let expression = if let Some(known) = self.expressions.get(text.as_str()) {
            known
        } else {
            parsed = Expression::parse(&text).map_err(|error| {
                failed(&text, path, format!("incorrect JMESPath expression: {error}"))
            })?;
            &parsed
        };
        match resolver.resolve(&text, expression) {
            Ok(value) => Ok(value),
            Err(Unresolved::Stopped(stop)) => Err(stop),
            Err(Unresolved::Failed(reason)) => Err(failed(&text, path, reason)),
        }
    }
}

fn failed(expression: &str, path: &[SmolStr], reason: String) -> Stop {
    Stop::Error(RuleError::Variable {
        expression: SmolStr::new(expression),
        path: pointer(path).into(),
        reason,
    })
}

/// A value in the middle of a text: strings as they are, all else as compact JSON.
fn embedded(value: &Value) -> String {
    match value.view() {
        View::String(text) => text.to_owned(),
        View::Null
        | View::Bool(_)
        | View::Int(_)
        | View::Float(_)
        | View::List(_)
        | View::Map(_) => value.to_json(),
    }
}

/// `{{ @ }}`: the same place in the object as this place in the rule's pattern.
// COMPAT: Kyverno 1.19: two leading segments are dropped (`validate/pattern`), and all up to the last `foreach`; test: at_stands_for_the_same_place_in_the_object
fn own_path(path: &[SmolStr]) -> String {
    let after = path.iter().rposition(|p| p == "foreach").map_or(0, |at| at + 1);
    let own = path.get(after..).unwrap_or_default();
    let own = own.get(2..).unwrap_or_default();
    let mut text = String::from("request.object");
    for segment in own {
        if segment.bytes().all(|b| b.is_ascii_digit()) {
            text.push('[');
            text.push_str(segment);
            text.push(']');
        } else {
            text.push('.');
            let plain = segment.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if plain {
                text.push_str(segment);
            } else {
                text.push_str(&Value::string(segment).to_json());
            }
        }
    }
    text
}

fn pointer(path: &[SmolStr]) -> String {
    path.iter().fold(String::new(), |mut text, segment| {
        text.push('/');
        text.push_str(segment);
        text
    })
}

/// Visits every string of a document, keys included.
fn each_text<'v>(
    value: &'v Value,
    path: &mut Vec<SmolStr>,
    visit: &mut dyn FnMut(&[SmolStr], &'v str),
) {
    match value.view() {
        View::String(text) => visit(path, text),
        View::List(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(SmolStr::new(index.to_string()));
                each_text(item, path, visit);
                path.pop();
            }
        }
        View::Map(map) => {
            for (key, item) in map.iter() {
                path.push(SmolStr::new(key));
                visit(path, key);
                each_text(item, path, visit);
                path.pop();
            }
        }
        View::Null | View::Bool(_) | View::Int(_) | View::Float(_) => {}
    }
}

#[cfg(test)]
mod tests;
