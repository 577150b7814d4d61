//! Conditions from the wire: plain lists, `any` and `all`, and lists of such.
use super::{Sink, names::Scope};
use crate::conditions::{AnyAll, Condition, Conditions, operator::Operator};
use sigward_document::{Value, View};
use smol_str::SmolStr;

/// Reads conditions in any of their forms. Absent is none, which always hold.
pub(crate) fn compile(
    document: Option<&Value>,
    path: &str,
    scope: &Scope,
    sink: &mut Sink,
) -> Conditions {
    let Some(document) = document else { return Conditions::default() };
    match document.view() {
        View::Null => Conditions::default(),
        View::Map(_) => Conditions { blocks: vec![block(document, path, scope, sink)] },
        View::List(items) => {
            let is_block = |item: &Value| item.get("any").is_some() || item.get("all").is_some();
            if items.iter().any(is_block) {
                let blocks = items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| block(item, &format!("{path}[{i}]"), scope, sink))
                    .collect();
                return Conditions { blocks };
            }
            if items.is_empty() {
                return Conditions::default();
            }
            let blocks = list(items, path, scope, sink)
                .into_iter()
                .map(|condition| AnyAll { any: None, all: Some(vec![condition]) })
                .collect();
            Conditions { blocks }
        }
        View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => {
            sink.error(path, "expected a list of conditions, or `any` and `all`");
            Conditions::default()
        }
    }
}

fn block(document: &Value, path: &str, scope: &Scope, sink: &mut Sink) -> AnyAll {
    let View::Map(map) = document.view() else {
        sink.error(path, "expected `any` or `all`");
        return AnyAll::default();
    };
    for (key, _) in map.iter() {
        if key != "any" && key != "all" {
            sink.error(path, format!("unknown field `{key}`: expected `any` or `all`"));
        }
    }
    let mut part = |name: &str| {
        let items = map.get(name).filter(|v| !v.is_null())?;
        let path = format!("{path}.{name}");
        let Some(items) = items.as_list() else {
            sink.error(&path, "expected a list of conditions");
            return None;
        };
        Some(list(items, &path, scope, sink))
    };
    AnyAll { any: part("any"), all: part("all") }
}

fn list(items: &[Value], path: &str, scope: &Scope, sink: &mut Sink) -> Vec<Condition> {
    items
        .iter()
        .enumerate()
        .filter_map(|(i, item)| condition(item, &format!("{path}[{i}]"), scope, sink))
        .collect()
}

fn condition(item: &Value, path: &str, scope: &Scope, sink: &mut Sink) -> Option<Condition> {
    let View::Map(map) = item.view() else {
        sink.error(path, "expected a condition");
        return None;
    };
    for (key, _) in map.iter() {
        if !["key", "operator", "value", "message"].contains(&key) {
            sink.error(path, format!("unknown field `{key}` in a condition"));
        }
    }
    for key in ["key", "operator", "value"] {
        if map.get(key).is_none() {
            sink.error(path, format!("a condition needs `{key}`"));
        }
    }
    let written = map.get("operator")?.as_str().unwrap_or_default();
    let operator = Operator::parse(written).ok_or_else(|| SmolStr::new(written));
    match &operator {
        Ok(operator) => {
            if let Some(instead) = operator.deprecated() {
                let path = format!("{path}.operator");
                sink.warn(&path, format!("operator `{written}` is deprecated: use {instead}"));
            }
        }
        Err(unknown) => {
            sink.error(&format!("{path}.operator"), format!("unknown operator `{unknown}`"));
        }
    }
    let key = map.get("key")?.clone();
    let value = map.get("value")?.clone();
    check_operation(&key, &value, path, sink);
    let message = map.get("message").cloned().unwrap_or(Value::NULL);
    Some(Condition {
        key: scope.template(key, &format!("{path}.key"), sink),
        operator,
        value: scope.template(value, &format!("{path}.value"), sink),
        message: scope.template(message, &format!("{path}.message"), sink),
    })
}

/// `{{request.operation}}` is one of four words.
fn check_operation(key: &Value, value: &Value, path: &str, sink: &mut Sink) {
    let Some(key) = key.as_str() else { return };
    if key.replace(' ', "") != "{{request.operation}}" {
        return;
    }
    let values: Vec<&Value> = value.as_list().map_or_else(|| vec![value], |v| v.iter().collect());
    for value in values {
        let Some(text) = value.as_str() else { continue };
        if !text.contains("{{") && !["CREATE", "UPDATE", "DELETE", "CONNECT"].contains(&text) {
            sink.error(
                &format!("{path}.value"),
                format!("unknown operation `{text}`: expected CREATE, UPDATE, DELETE or CONNECT"),
            );
        }
    }
}
