//! `mutate` from the wire: JSON patches; what this build does not do is refused.
use super::{Sink, names::Scope};
use crate::rules::mutate::{
    Mutate,
    json_patch::{self, JsonPatch},
};
use sigward_api::kyverno::v1::Mutation;
use sigward_document::Value;

/// Compiles a mutate block.
pub(crate) fn compile(
    wire: &Mutation,
    path: &str,
    scope: &Scope,
    sink: &mut Sink,
) -> Option<Mutate> {
    for (present, field) in [
        (wire.patch_strategic_merge.is_some(), "patchStrategicMerge"),
        (!wire.for_each.is_empty(), "foreach"),
        (!wire.targets.is_empty(), "targets"),
        (wire.mutate_existing_on_policy_update == Some(true), "mutateExistingOnPolicyUpdate"),
    ] {
        if present {
            sink.unsupported(&format!("{path}.{field}"), &format!("mutate.{field}"));
            return None;
        }
    }
    let path = format!("{path}.patchesJson6902");
    if wire.patches_json6902.trim().is_empty() {
        sink.error(&path, "a mutate rule needs patchesJson6902");
        return None;
    }
    check(&wire.patches_json6902, &path, sink);
    let patches = scope.template(Value::string(&wire.patches_json6902), &path, sink);
    Some(Mutate::JsonPatch(JsonPatch { patches }))
}

/// What can be said before variables are resolved.
fn check(text: &str, path: &str, sink: &mut Sink) {
    let written = match sigward_document::parse_yaml(text) {
        Ok(written) => written.value,
        Err(_) if text.contains("{{") => return,
        Err(error) => {
            sink.error(path, format!("not a list of operations: {}", error.message));
            return;
        }
    };
    for (i, operation) in written.as_list().unwrap_or_default().iter().enumerate() {
        for member in ["path", "from"] {
            let Some(pointer) = operation.get(member).and_then(Value::as_str) else { continue };
            if pointer.contains("{{") {
                sink.error(path, format!("operation {i}: variables are forbidden in `{member}`"));
            } else if !pointer.starts_with('/') {
                sink.error(path, format!("operation {i}: `{member}` must begin with `/`"));
            }
        }
    }
    if !text.contains("{{")
        && let Err(reason) = json_patch::parse(text)
    {
        sink.error(path, reason);
    }
}
