//! `generate` from the wire.
use super::{Sink, block, names::Scope};
use crate::{
    rules::generate::{Generate, Source},
    snapshot::Settings,
};
use sigward_api::kyverno::v1::Generation;
use sigward_document::Value;
use smol_str::SmolStr;

/// Compiles a generate block. Where nobody would make the objects that is said: a rule that does nothing in silence is
/// worse than none.
pub(crate) fn compile(
    wire: &Generation,
    path: &str,
    settings: &Settings,
    scope: &Scope,
    sink: &mut Sink,
) -> Option<Generate> {
    if !settings.update_requests {
        sink.warn(path, "nobody makes objects in this build: the rule waits, and makes nothing");
    }
    if !wire.for_each.is_empty() {
        sink.unsupported(&format!("{path}.foreach"), "generate.foreach");
        return None;
    }
    let sources = usize::from(wire.data.is_some())
        + usize::from(wire.clone_from.is_some())
        + usize::from(wire.clone_list.is_some());
    if sources != 1 {
        sink.error(path, "a generate rule needs exactly one of data, clone, cloneList and foreach");
        return None;
    }
    if wire.clone_list.is_none() {
        for (text, field) in
            [(&wire.api_version, "apiVersion"), (&wire.kind, "kind"), (&wire.name, "name")]
        {
            if text.is_empty() {
                sink.error(&format!("{path}.{field}"), format!("a generate rule needs `{field}`"));
            }
        }
    }
    let mut text = |text: &str, field: &str| {
        scope.template(Value::string(text), &format!("{path}.{field}"), sink)
    };
    let source = if let Some(data) = &wire.data {
        Source::Data(scope.template(data.clone(), &format!("{path}.data"), sink))
    } else if let Some(from) = &wire.clone_from {
        let from = Value::map([
            ("namespace".into(), Value::string(&from.namespace)),
            ("name".into(), Value::string(&from.name)),
        ]);
        Source::Clone(scope.template(from, &format!("{path}.clone"), sink))
    } else {
        let list = wire.clone_list.as_ref()?;
        let namespace = text(&list.namespace, "cloneList.namespace");
        let selector = list
            .selector
            .as_ref()
            .map(|selector| block::selector(selector, &format!("{path}.cloneList.selector"), sink));
        let kinds = list.kinds.iter().enumerate().filter_map(|(i, written)| {
            let split = written.rsplit_once('/');
            if split.is_none() {
                let path = format!("{path}.cloneList.kinds[{i}]");
                sink.error(&path, "expected `version/Kind` or `group/version/Kind`");
            }
            split.map(|(version, kind)| (SmolStr::new(version), SmolStr::new(kind)))
        });
        Source::CloneList { namespace, kinds: kinds.collect(), selector }
    };
    let which = Value::map([
        ("apiVersion".into(), Value::string(&wire.api_version)),
        ("kind".into(), Value::string(&wire.kind)),
        ("namespace".into(), Value::string(&wire.namespace)),
        ("name".into(), Value::string(&wire.name)),
    ]);
    Some(Generate { which: scope.template(which, path, sink), source })
}
