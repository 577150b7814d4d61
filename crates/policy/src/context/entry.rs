//! Context entries: data under a name, fetched when an expression first reads it.
use super::Context;
use crate::{
    fact::{Call, CallAnswer, Cause, GlobalEntry, ImageDocument, Object, ObjectName, TagDigest},
    stop::{RuleError, Stop},
    variables::{Template, Unresolved},
};
use sigward_document::{Value, View};
use sigward_jmespath::Expression;
use sigward_oci::{Access, DigestReference, kyverno_reference};
use smol_str::SmolStr;
use std::sync::Arc;

/// One entry of `context`, checked.
#[derive(Clone, Debug)]
pub(crate) struct ContextEntry {
    /// The name under which expressions find it.
    pub(crate) name: SmolStr,
    /// Where it comes from.
    pub(crate) source: Source,
}

/// Where an entry's value comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// `variable`.
    Variable {
        /// Any document.
        value: Option<Template>,
        /// An expression over the value, or over the context.
        jmes_path: Option<Template>,
        /// Instead of nothing.
        default: Option<Template>,
    },
    /// `configMap`.
    ConfigMap {
        /// Its name.
        name: Template,
        /// Its namespace; empty for the policy's own, or `default`.
        namespace: Template,
    },
    /// `apiCall` to the API server.
    ApiCall {
        /// Path and query.
        url_path: Template,
        /// `method: POST`.
        post: bool,
        /// Members of the body.
        data: Vec<(SmolStr, Template)>,
        /// Instead of an answer.
        default: Option<Template>,
        /// An expression over the answer.
        jmes_path: Option<Template>,
    },
    /// `globalReference`.
    Global {
        /// The entry.
        name: SmolStr,
        /// One of its projections.
        projection: Option<SmolStr>,
        /// An expression over it.
        jmes_path: Option<Template>,
    },
    /// `imageRegistry`.
    ImageRegistry {
        /// The image.
        reference: Template,
        /// An expression over the answer.
        jmes_path: Option<Template>,
        /// Whose credentials.
        access: Access,
    },
}

impl ContextEntry {
    /// Fetches and computes the value.
    pub(crate) fn load(&self, context: &mut Context<'_>) -> Result<Value, Stop> {
        match &self.source {
            Source::Variable { value, jmes_path, default } => {
                self.variable(value.as_ref(), jmes_path.as_ref(), default.as_ref(), context)
            }
            Source::ConfigMap { name, namespace } => self.config_map(name, namespace, context),
            Source::ApiCall { url_path, post, data, default, jmes_path } => {
                let answer = self.call(url_path, *post, data, context)?;
                match answer {
                    Ok(found) => self.transform(jmes_path.as_ref(), found, context),
                    // COMPAT: Kyverno 1.19: the default stands for the answer, without jmesPath; test: a_failed_call_yields_its_default_untransformed
                    Err(reason) => match default {
                        Some(default) => default.substitute(context),
                        None => Err(self.failed(reason)),
                    },
                }
            }
            Source::Global { name, projection, jmes_path } => {
                let asked = GlobalEntry(name.clone(), projection.clone());
                let what = format!("global context entry {name}");
                match context.facts.ask(asked)? {
                    Ok(Some(found)) => self.transform(jmes_path.as_ref(), found, context),
                    Ok(None) => Err(self.failed(format!("{what} does not exist"))),
                    Err(cause) => Err(self.unknown(&what, &cause)),
                }
            }
            Source::ImageRegistry { reference, jmes_path, access } => {
                let found = self.image(reference, access, context)?;
                self.transform(jmes_path.as_ref(), found, context)
            }
        }
    }

    fn failed(&self, reason: impl Into<String>) -> Stop {
        RuleError::Context { entry: self.name.clone(), reason: reason.into() }.into()
    }

    fn variable(
        &self,
        value: Option<&Template>,
        jmes_path: Option<&Template>,
        default: Option<&Template>,
        context: &mut Context<'_>,
    ) -> Result<Value, Stop> {
        let expression = jmes_path.map(|path| self.expression(path, context)).transpose()?;
        let value = value.map(|value| self.substituted(value, context)).transpose()?;
        let found = match (value, &expression) {
            (Some(value), Some(expression)) => context.query_over(expression, &value),
            (Some(value), None) => Ok(value),
            (None, Some(expression)) => context.query(expression),
            (None, None) => Ok(Value::NULL),
        };
        let found = match found {
            Ok(found) => found,
            Err(Unresolved::Stopped(stop)) => return Err(stop),
            Err(Unresolved::Failed(reason)) if default.is_none() => {
                let path = expression.as_ref().map_or("", Expression::text);
                let reason = format!("failed to apply jmespath {path} to variable <nil>: {reason}");
                return Err(RuleError::Computed(reason).into());
            }
            Err(Unresolved::Failed(_)) => Value::NULL,
        };
        if !found.is_null() {
            return Ok(found);
        }
        let default = match default {
            Some(default) => self.substituted(default, context)?,
            None => Value::NULL,
        };
        if default.is_null() {
            let name = &self.name;
            let reason = format!(
                "failed to add context entry for variable {name} since it evaluated to nil"
            );
            return Err(RuleError::Computed(reason).into());
        }
        Ok(default)
    }

    /// A part of the entry without its variables.
    fn substituted(&self, part: &Template, context: &mut Context<'_>) -> Result<Value, Stop> {
        part.substitute(context).map_err(|stop| match stop {
            Stop::Error(error @ RuleError::Variable { .. }) => {
                let document = part.document();
                let written = document.as_str().map_or_else(|| document.to_json(), str::to_owned);
                let name = &self.name;
                let reason = format!(
                    "failed to substitute variables in context entry {name} {written}: {error}"
                );
                Stop::Error(RuleError::Computed(reason))
            }
            stop @ (Stop::Suspended | Stop::Error(_)) => stop,
        })
    }

    fn config_map(
        &self,
        name: &Template,
        namespace: &Template,
        context: &mut Context<'_>,
    ) -> Result<Value, Stop> {
        let name = self.text(name, context)?;
        let mut namespace = self.text(namespace, context)?;
        let own = context.policy.name().namespace.clone();
        if namespace.is_empty() {
            namespace = if own.is_empty() { SmolStr::new_static("default") } else { own.clone() };
        }
        if !own.is_empty() && namespace != own {
            return Err(self.failed(format!(
                "a Policy in namespace `{own}` cannot read the ConfigMap {namespace}/{name}"
            )));
        }
        let object = ObjectName {
            api_version: SmolStr::new_static("v1"),
            kind: SmolStr::new_static("ConfigMap"),
            namespace: namespace.clone(),
            name: name.clone(),
        };
        match context.facts.ask(Object(object))? {
            Ok(Some(found)) => {
                let member = |key: &str| found.get(key).cloned().unwrap_or(Value::NULL);
                Ok(Value::map([
                    ("data".into(), member("data")),
                    ("metadata".into(), member("metadata")),
                ]))
            }
            Ok(None) => Err(self.failed(format!("ConfigMap {namespace}/{name} does not exist"))),
            Err(cause) => Err(self.unknown(&format!("ConfigMap {namespace}/{name}"), &cause)),
        }
    }

    fn unknown(&self, what: &str, cause: &Cause) -> Stop {
        self.failed(format!("could not read {what}: {}", crate::message::cause(cause)))
    }

    /// `Ok(Err)` is a failed call, for which a default may stand.
    fn call(
        &self,
        url_path: &Template,
        post: bool,
        data: &[(SmolStr, Template)],
        context: &mut Context<'_>,
    ) -> Result<Result<Value, String>, Stop> {
        let url = self.text(url_path, context)?;
        let own = &context.policy.name().namespace;
        if !own.is_empty() && !is_under(&url, own) {
            return Err(self.failed(format!(
                "a Policy in namespace `{own}` can only call paths under /namespaces/{own}/"
            )));
        }
        let body = if post {
            let mut pairs = Vec::with_capacity(data.len());
            for (key, value) in data {
                pairs.push((key.clone(), value.substitute(context)?));
            }
            Some(SmolStr::new(Value::map(pairs).to_json()))
        } else {
            None
        };
        let call = Call { post, url: url.clone(), body };
        Ok(match context.facts.ask(CallAnswer(Arc::new(call)))? {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(format!("failed to call {url}: HTTP 404 Not Found")),
            Err(cause) => Err(format!("failed to call {url}: {}", crate::message::cause(&cause))),
        })
    }

    fn image(
        &self,
        reference: &Template,
        access: &Access,
        context: &mut Context<'_>,
    ) -> Result<Value, Stop> {
        let text = self.text(reference, context)?;
        let settings = context.settings;
        let parsed = kyverno_reference(
            &text,
            &settings.default_registry,
            settings.default_registry_mutation,
        )
        .map_err(|error| self.failed(format!("bad image `{text}`: {error}")))?;
        let resolved = if let Some(resolved) = parsed.digest_reference() {
            resolved
        } else {
            let Some(tag) = parsed.tag_reference() else {
                return Err(self.failed(format!("bad image `{text}`: no tag")));
            };
            let repository = tag.repository.clone();
            match context.facts.ask(TagDigest(tag, access.clone()))? {
                Ok(Some(digest)) => DigestReference { repository, digest },
                Ok(None) => return Err(self.failed(format!("image {text} does not exist"))),
                Err(cause) => return Err(self.unknown(&format!("image {text}"), &cause)),
            }
        };
        let found = match context.facts.ask(ImageDocument(resolved.clone(), access.clone()))? {
            Ok(Some(found)) => found,
            Ok(None) => return Err(self.failed(format!("image {resolved} does not exist"))),
            Err(cause) => return Err(self.unknown(&format!("image {resolved}"), &cause)),
        };
        let identifier = match (&parsed.digest, &parsed.tag) {
            (Some(digest), _) => SmolStr::new(digest.as_str()),
            (None, Some(tag)) => tag.clone(),
            (None, None) => SmolStr::default(),
        };
        let go = sigward_oci::go_reference(&text).ok();
        let registry = go.as_ref().map_or(&parsed.registry, |go| &go.registry);
        let repository = go.as_ref().map_or(&parsed.path, |go| &go.path);
        let mut pairs: Vec<(SmolStr, Value)> = vec![
            ("image".into(), Value::string(&text)),
            ("resolvedImage".into(), {
                Value::string(&format!("{registry}/{repository}@{}", resolved.digest))
            }),
            ("registry".into(), Value::string(registry)),
            ("repository".into(), Value::string(repository)),
            ("identifier".into(), Value::string(&identifier)),
        ];
        if let View::Map(map) = found.view() {
            pairs.extend(map.iter().map(|(k, v)| (SmolStr::new(k), v.clone())));
        }
        Ok(Value::map(pairs))
    }

    fn transform(
        &self,
        jmes_path: Option<&Template>,
        found: Value,
        context: &mut Context<'_>,
    ) -> Result<Value, Stop> {
        let Some(path) = jmes_path else { return Ok(found) };
        let expression = self.expression(path, context)?;
        match context.query_over(&expression, &found) {
            Ok(value) => Ok(value),
            Err(Unresolved::Stopped(stop)) => Err(stop),
            Err(Unresolved::Failed(reason)) => Err(self.failed(reason)),
        }
    }

    /// An expression whose text may hold variables.
    fn expression(&self, path: &Template, context: &mut Context<'_>) -> Result<Expression, Stop> {
        let text = self.substituted(path, context)?;
        let text = text.as_str().ok_or_else(|| self.failed("expected a text"))?;
        Expression::parse(text)
            .map_err(|error| self.failed(format!("incorrect JMESPath expression: {error}")))
    }

    fn text(&self, template: &Template, context: &mut Context<'_>) -> Result<SmolStr, Stop> {
        let value = template.substitute(context)?;
        match value.view() {
            View::String(text) => Ok(SmolStr::new(text)),
            View::Null => Ok(SmolStr::default()),
            View::Bool(_) | View::Int(_) | View::Float(_) | View::List(_) | View::Map(_) => {
                Err(self.failed("expected a text"))
            }
        }
    }
}

/// Whether a path stays in a namespace, however it is spelled: no escapes, no way up.
fn is_under(url: &str, namespace: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    !path.contains('%')
        && !path.split('/').any(|part| part == "..")
        && clean(path).contains(&format!("/namespaces/{namespace}/"))
}

/// Go's `path.Clean`, as far as it matters here: no `//` and no `.`.
fn clean(path: &str) -> String {
    let kept: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let mut cleaned = String::from("/");
    cleaned.push_str(&kept.join("/"));
    cleaned.push('/');
    cleaned
}
