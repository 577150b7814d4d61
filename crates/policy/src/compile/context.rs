//! Context entries from the wire.
use super::{
    Sink,
    names::{RESERVED, Scope},
};
use crate::{
    context::entry::{ContextEntry, Source},
    snapshot::Settings,
    variables::Template,
};
use sigward_api::kyverno::v1::{self, HttpMethod};
use sigward_document::Value;
use sigward_jmespath::Expression;
use smol_str::SmolStr;

/// Compiles the entries of a rule; each may name those before it.
pub(crate) fn compile(
    wire: &[v1::ContextEntry],
    path: &str,
    scope: &mut Scope,
    settings: &Settings,
    policy_namespace: &str,
    sink: &mut Sink,
) -> Vec<ContextEntry> {
    let mut entries = Vec::new();
    for (i, one) in wire.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let reserved = RESERVED.iter().any(|name| {
            one.name == *name || one.name.strip_prefix(name).is_some_and(|r| r.starts_with('.'))
        });
        if one.name.is_empty() {
            sink.error(&path, "a name is required for context entries");
        } else if reserved {
            sink.error(&path, format!("entry name `{}` is invalid: it is reserved", one.name));
        }
        let source = source(one, &path, scope, settings, policy_namespace, sink);
        scope.declared.insert(SmolStr::new(&one.name));
        if let Some(source) = source {
            entries.push(ContextEntry { name: SmolStr::new(&one.name), source });
        }
    }
    entries
}

fn source(
    one: &v1::ContextEntry,
    path: &str,
    scope: &Scope,
    settings: &Settings,
    policy_namespace: &str,
    sink: &mut Sink,
) -> Option<Source> {
    let sources = usize::from(one.config_map.is_some())
        + usize::from(one.api_call.is_some())
        + usize::from(one.image_registry.is_some())
        + usize::from(one.variable.is_some())
        + usize::from(one.global_reference.is_some());
    if sources != 1 {
        sink.error(
            path,
            "exactly one of configMap, apiCall, imageRegistry, variable and globalReference is \
             required for context entries",
        );
        return None;
    }
    if one.global_reference.is_some() && !settings.answers_services {
        sink.unsupported(&format!("{path}.globalReference"), "the global context");
        return None;
    }
    let text = |text: &str, field: &str, sink: &mut Sink| {
        scope.template(Value::string(text), &format!("{path}.{field}"), sink)
    };
    if let Some(wire) = &one.config_map {
        if wire.name.is_empty() {
            sink.error(path, "a name is required for configMap context entry");
        }
        if wire.namespace.is_empty() && policy_namespace.is_empty() {
            sink.error(path, "a namespace is required for configMap context entry");
        }
        return Some(Source::ConfigMap {
            name: text(&wire.name, "configMap.name", sink),
            namespace: text(&wire.namespace, "configMap.namespace", sink),
        });
    }
    if let Some(wire) = &one.variable {
        if wire.value.is_none() && wire.jmes_path.is_empty() && wire.default.is_none() {
            sink.error(path, "a variable needs `value` or `jmesPath`");
        }
        if wire.default.is_some() && wire.jmes_path.is_empty() {
            sink.error(
                path,
                "a variable must define a default value only when jmesPath is defined",
            );
        }
        // An expression over a value sees nothing else.
        let over_value = wire.value.is_some();
        let document = |value: &Option<Value>, field: &str, sink: &mut Sink| {
            let value = value.clone()?;
            Some(scope.template(value, &format!("{path}.variable.{field}"), sink))
        };
        return Some(Source::Variable {
            value: document(&wire.value, "value", sink),
            default: document(&wire.default, "default", sink),
            jmes_path: expression(
                &wire.jmes_path,
                &format!("{path}.variable.jmesPath"),
                (!over_value).then_some(scope),
                scope,
                sink,
            ),
        });
    }
    if let Some(wire) = &one.api_call {
        if wire.service.is_some() && !settings.answers_services {
            sink.unsupported(&format!("{path}.apiCall.service"), "a call to a service");
            return None;
        }
        if let Some(service) = &wire.service {
            let field = format!("{path}.apiCall.service");
            if !wire.url_path.is_empty() {
                sink.error(&field, "an apiCall has a urlPath or a service, not both");
            }
            if !policy_namespace.is_empty() {
                sink.error(&field, "a Policy cannot call services");
            }
            if service.url.is_empty() {
                sink.error(&format!("{field}.url"), "a service needs a `url`");
            }
        } else if wire.url_path.is_empty() {
            sink.error(&format!("{path}.apiCall"), "a urlPath is required for an apiCall");
        }
        let post = wire.effective_method() == HttpMethod::Post;
        if !post && !wire.data.is_empty() {
            sink.error(&format!("{path}.apiCall.data"), "data needs the method POST");
        }
        let data = wire.data.iter().enumerate().map(|(i, pair)| {
            let value = pair.value.clone().unwrap_or(Value::NULL);
            let path = format!("{path}.apiCall.data[{i}].value");
            (SmolStr::new(&pair.key), scope.template(value, &path, sink))
        });
        let data = data.collect();
        let default = wire.default.clone();
        return Some(Source::ApiCall {
            url_path: match &wire.service {
                Some(service) => text(&service.url, "apiCall.service.url", sink),
                None => text(&wire.url_path, "apiCall.urlPath", sink),
            },
            post,
            data,
            default: default.map(|d| scope.template(d, &format!("{path}.apiCall.default"), sink)),
            jmes_path: expression(
                &wire.jmes_path,
                &format!("{path}.apiCall.jmesPath"),
                None,
                scope,
                sink,
            ),
        });
    }
    if let Some(wire) = &one.global_reference {
        let (name, projection) = match wire.name.split_once('.') {
            Some((name, projection)) => (name, Some(SmolStr::new(projection))),
            None => (wire.name.as_str(), None),
        };
        if name.is_empty() {
            sink.error(path, "a name is required for globalReference context entry");
        }
        let field = format!("{path}.globalReference.jmesPath");
        return Some(Source::Global {
            name: SmolStr::new(name),
            projection,
            jmes_path: expression(&wire.jmes_path, &field, None, scope, sink),
        });
    }
    let wire = one.image_registry.as_ref()?;
    if wire.reference.is_empty() {
        sink.error(path, "a reference is required for imageRegistry context entry");
    }
    let credentials = wire.image_registry_credentials.as_ref();
    let path_of = format!("{path}.imageRegistry.imageRegistryCredentials");
    Some(Source::ImageRegistry {
        reference: text(&wire.reference, "imageRegistry.reference", sink),
        jmes_path: expression(
            &wire.jmes_path,
            &format!("{path}.imageRegistry.jmesPath"),
            None,
            scope,
            sink,
        ),
        access: super::verify_images::access(
            credentials,
            &path_of,
            settings,
            policy_namespace,
            sink,
        ),
    })
}

/// An expression whose text may hold variables. Without variables it must parse; `names` are what it may name.
fn expression(
    text: &str,
    path: &str,
    names: Option<&Scope>,
    scope: &Scope,
    sink: &mut Sink,
) -> Option<Template> {
    if text.is_empty() {
        return None;
    }
    if !text.contains("{{") {
        match Expression::parse(text) {
            Ok(parsed) => {
                if let Some(names) = names {
                    names.check(text, &parsed, path, sink);
                }
            }
            Err(error) => sink.error(path, format!("failed to parse JMESPath `{text}`: {error}")),
        }
    }
    Some(scope.template(Value::string(text), path, sink))
}
