//! `mutate` from the wire: exactly one kind of patch, for the object or for others.
mod for_each;
mod targets;

use super::{Sink, names::Scope, rule::Ground, validate::one_of};
use crate::{
    rule::Action,
    rules::mutate::{
        Mutate,
        json_patch::{self, JsonPatch},
        targets::MutateExisting,
    },
};
use sigward_api::kyverno::v1::{ForEachMutation, Mutation};
use sigward_document::Value;

/// Compiles a mutate block; `document` is the same block as a tree.
pub(crate) fn compile(
    wire: &Mutation,
    document: &Value,
    path: &str,
    scope: &Scope,
    ground: &Ground<'_>,
    sink: &mut Sink,
) -> Option<Action> {
    if wire.mutate_existing_on_policy_update == Some(true) && wire.targets.is_empty() {
        sink.error_with(
            &format!("{path}.mutateExistingOnPolicyUpdate"),
            "mutateExistingOnPolicyUpdate is about `targets`, and there are none",
            "name the objects in `mutate.targets`",
        );
        return None;
    }
    let written = Written {
        merge: wire.patch_strategic_merge.as_ref(),
        operations: &wire.patches_json6902,
        lists: &wire.for_each,
    };
    // What one target declares the patch may name.
    let mut scope = scope.clone();
    let targets = targets::compile(wire, document, path, &mut scope, ground, sink);
    let change = written.compile(document, path, &scope, ground, sink)?;
    Some(if wire.targets.is_empty() {
        Action::Mutate(Box::new(change))
    } else {
        Action::MutateExisting(Box::new(MutateExisting { targets: targets?, change }))
    })
}

/// The ways to say what changes, of a rule or of an element.
#[derive(Clone, Copy)]
struct Written<'w> {
    merge: Option<&'w Value>,
    operations: &'w str,
    lists: &'w [ForEachMutation],
}

impl Written<'_> {
    fn compile(
        self,
        document: &Value,
        path: &str,
        scope: &Scope,
        ground: &Ground<'_>,
        sink: &mut Sink,
    ) -> Option<Mutate> {
        let ways = [
            ("patchStrategicMerge", self.merge.is_some()),
            ("patchesJson6902", !self.operations.trim().is_empty()),
            ("foreach", !self.lists.is_empty()),
        ];
        one_of(&ways, path, sink)?;
        // COMPAT: Kyverno 1.19 substitutes the whole rule, but of an element its patch alone; test:
        // a_mutate_rule_that_fails_says_which_part_of_it_did
        let place = |field| if scope.element { vec![field] } else { vec!["mutate", field] };
        if let Some(merge) = self.merge {
            let path = format!("{path}.patchStrategicMerge");
            if merge.as_map().is_none() {
                sink.error(&path, "expected a map: a part of the object");
                return None;
            }
            let place = place("patchStrategicMerge");
            let patch = scope.template_at(merge.clone(), &path, &place, sink);
            return Some(Mutate::Merge(patch));
        }
        if !self.lists.is_empty() {
            let path = format!("{path}.foreach");
            let documents = document.get("foreach").and_then(Value::as_list).unwrap_or_default();
            return for_each::compile(self.lists, documents, &path, scope, ground, sink)
                .map(Mutate::ForEach);
        }
        let path = format!("{path}.patchesJson6902");
        check(self.operations, scope.element, &path, sink);
        let place = place("patchesJson6902");
        let patches = scope.template_at(Value::string(self.operations), &path, &place, sink);
        Some(Mutate::JsonPatch(JsonPatch { patches }))
    }
}

/// What can be said before variables are resolved.
fn check(text: &str, element: bool, path: &str, sink: &mut Sink) {
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
            // COMPAT: Kyverno 1.19: for an element, the place may be told by variables; test: a_foreach_changes_what_the_element_before_left
            if pointer.contains("{{") && element {
                continue;
            }
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
