//! Patterns and merge patches for Pods, moved under the template of a controller.
use sigward_document::{Value, View};
use smol_str::SmolStr;

/// A validate block: patterns are moved, and what a message says of them. `deny`, `foreach`, `podSecurity` and `cel`
/// keep their shape: their paths are in texts.
pub(super) fn validate(block: &Value, template: &str) -> Value {
    let pivot = if block.get("anyPattern").is_some() { "anyPattern" } else { "pattern" };
    members(block, |key, value| match (key, value.view()) {
        ("pattern", _) => Some(under(template, value)),
        ("anyPattern", View::List(patterns)) => {
            Some(Value::list(patterns.iter().map(|pattern| under(template, pattern))))
        }
        ("message", View::String(text)) => {
            Some(Value::string(&references(text, pivot, &template.replace('.', "/"))))
        }
        _ => Some(value.clone()),
    })
}

/// A mutate block: merge patches are moved.
// COMPAT: Kyverno 1.19: a generated foreach loses its order, and whatever else is no list, context, precondition or
// patch; test: merge_patches_move_and_a_foreach_keeps_only_what_upstream_keeps
pub(super) fn mutate(block: &Value, template: &str) -> Value {
    if block.get("patchStrategicMerge").is_some_and(|patch| !patch.is_null()) {
        return members(block, |key, value| {
            (key == "patchStrategicMerge").then(|| under(template, value))
        });
    }
    members(block, |key, value| match (key, value.view()) {
        ("foreach", View::List(entries)) => Some(Value::list(entries.iter().map(|entry| {
            members(entry, |key, value| match key {
                "list" | "context" | "preconditions" => Some(value.clone()),
                "patchStrategicMerge" => Some(under(template, value)),
                _ => None,
            })
        }))),
        _ => Some(value.clone()),
    })
}

/// The members of a map that a function keeps.
fn members(block: &Value, keep: impl Fn(&str, &Value) -> Option<Value>) -> Value {
    let View::Map(map) = block.view() else { return block.clone() };
    Value::map(map.iter().filter_map(|(key, value)| Some((SmolStr::new(key), keep(key, value)?))))
}

fn under(template: &str, value: &Value) -> Value {
    template
        .rsplit('.')
        .fold(value.clone(), |inner, segment| Value::map([(SmolStr::new(segment), inner)]))
}

/// `$(…/pattern/spec)` in a message means the pattern's new place. The index of a pattern stays before it.
fn references(message: &str, pivot: &str, shift: &str) -> String {
    let mut out = String::new();
    let mut rest = message;
    while let Some(at) = rest.find("$(") {
        let (before, found) = rest.split_at(at);
        let (reference, after) = found.split_at(found.find(')').map_or(found.len(), |end| end + 1));
        out.push_str(before);
        match reference.split_once(&format!("{pivot}/")) {
            Some((head, tail)) if pivot == "anyPattern" => {
                let (index, tail) = tail.split_once('/').unwrap_or((tail, ""));
                out.extend([head, pivot, "/", index, "/", shift, "/", tail]);
            }
            Some((head, tail)) => out.extend([head, pivot, "/", shift, "/", tail]),
            None => out.push_str(reference),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(moved: &Value, expected: &str) {
        assert_eq!(*moved, sigward_document::parse_yaml(expected).unwrap().value);
    }

    fn yaml(text: &str) -> Value {
        sigward_document::parse_yaml(text).unwrap().value
    }

    #[test]
    fn patterns_move_under_the_template_and_all_else_stays() {
        check(
            &validate(
                &yaml("{message: m, failureAction: Enforce, pattern: {spec: {a: b}}}"),
                "spec.template",
            ),
            "{message: m, failureAction: Enforce, pattern: {spec: {template: {spec: {a: b}}}}}",
        );
        check(
            &validate(
                &yaml("{anyPattern: [{spec: 1}, {spec: 2}]}"),
                "spec.jobTemplate.spec.template",
            ),
            "{anyPattern: [{spec: {jobTemplate: {spec: {template: {spec: 1}}}}}, {spec: {jobTemplate: {spec: {template: {spec: 2}}}}}]}",
        );
        let deny = yaml("{message: m, deny: {conditions: {any: []}}}");
        assert_eq!(validate(&deny, "spec.template"), deny);
    }

    #[test]
    fn references_in_messages_follow_the_pattern() {
        check(
            &validate(
                &yaml("{message: 'is $(./../pattern/spec/a) or', pattern: {}}"),
                "spec.template",
            ),
            "{message: 'is $(./../pattern/spec/template/spec/a) or', pattern: {spec: {template: {}}}}",
        );
        check(
            &validate(&yaml("{message: '$(/anyPattern/1/spec)', anyPattern: []}"), "spec.template"),
            "{message: '$(/anyPattern/1/spec/template/spec)', anyPattern: []}",
        );
    }

    #[test]
    fn merge_patches_move_and_a_foreach_keeps_only_what_upstream_keeps() {
        check(
            &mutate(&yaml("{patchStrategicMerge: {spec: {a: b}}}"), "spec.template"),
            "{patchStrategicMerge: {spec: {template: {spec: {a: b}}}}}",
        );
        check(
            &mutate(
                &yaml("{foreach: [{list: l, order: Ascending, patchStrategicMerge: {spec: {}}}]}"),
                "spec.template",
            ),
            "{foreach: [{list: l, patchStrategicMerge: {spec: {template: {spec: {}}}}}]}",
        );
    }
}
