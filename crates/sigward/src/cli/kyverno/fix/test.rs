//! Test files: the fields that moved, and results joined.
use super::Fixed;
use sigward_document::Value;
use smol_str::SmolStr;

/// Brings a `Test` document to today's schema.
pub(super) fn fix(document: &Value, compress: bool) -> Fixed {
    let mut fixed = Fixed::new(document.clone());
    for (key, value) in [("apiVersion", "cli.kyverno.io/v1alpha1"), ("kind", "Test")] {
        if fixed.value.str_at(&[key]) != Some(value) {
            fixed.say(format!("{key} is not set to {value}, it was set"));
            fixed.value = fixed.value.with_member(key, Value::string(value)).unwrap_or(fixed.value);
        }
    }
    if let Some(name) = fixed.value.get("name").cloned() {
        fixed.say("name is deprecated, it was moved to metadata.name");
        let moved = fixed.value.with_path(&["metadata", "name"], name);
        let moved = moved.and_then(|value| value.without_member("name"));
        fixed.value = moved.unwrap_or(fixed.value);
    }
    let results = fixed.value.get("results").and_then(Value::as_list).unwrap_or_default().to_vec();
    let mut kept: Vec<Value> = Vec::new();
    for (at, result) in results.iter().enumerate() {
        let today = result_of_today(result, at, &mut fixed);
        let twin = kept.iter_mut().find(|known| compress && is_twin(known, &today));
        match twin {
            Some(known) => {
                *known = joined(known, &today);
                fixed.changes.push(format!("results[{at}] was joined with an equal one"));
            }
            None => kept.push(today),
        }
    }
    if !results.is_empty() {
        fixed.value = fixed.value.with_member("results", Value::list(kept)).unwrap_or(fixed.value);
    }
    fixed
}

fn result_of_today(result: &Value, at: usize, fixed: &mut Fixed) -> Value {
    let mut today = result.clone();
    for (old, new) in [("status", "result"), ("patchedResource", "patchedResources")] {
        if let Some(value) = today.get(old).cloned() {
            fixed.say(format!("results[{at}].{old} is deprecated, it was moved to {new}"));
            let kept = if today.get(new).is_some() {
                Some(today.clone())
            } else {
                today.with_member(new, value)
            };
            today = kept.and_then(|value| value.without_member(old)).unwrap_or(today);
        }
    }
    let namespace = today.str_at(&["namespace"]).unwrap_or_default().to_owned();
    let named = |name: &str| {
        if namespace.is_empty() || name.contains('/') {
            Value::string(name)
        } else {
            Value::string(&format!("{namespace}/{name}"))
        }
    };
    let mut resources: Vec<Value> =
        resources(&today).filter_map(Value::as_str).map(named).collect();
    if let Some(resource) = today.str_at(&["resource"]) {
        fixed.say(format!("results[{at}].resource is deprecated, it was moved to resources"));
        resources.push(named(resource));
    }
    if !namespace.is_empty() {
        fixed.say(format!("results[{at}].namespace is deprecated, it was moved to resources"));
    }
    for old in ["resource", "namespace"] {
        today = today.without_member(old).unwrap_or(today);
    }
    if !resources.is_empty() {
        today = today.with_member("resources", Value::list(resources)).unwrap_or(today);
    }
    today
}

fn resources(result: &Value) -> impl Iterator<Item = &Value> {
    result.get("resources").and_then(Value::as_list).unwrap_or_default().iter()
}

/// Equal but for `resources`.
fn is_twin(one: &Value, other: &Value) -> bool {
    let bare = |value: &Value| value.without_member("resources");
    resources(one).next().is_some() && resources(other).next().is_some() && bare(one) == bare(other)
}

fn joined(one: &Value, other: &Value) -> Value {
    let all = Value::list(resources(one).chain(resources(other)).cloned());
    one.with_member(&SmolStr::new_static("resources"), all).unwrap_or_else(|| one.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigward_document::parse_yaml;

    #[test]
    fn an_old_test_file_comes_to_today_s_schema_and_stays_there() {
        let old = "name: t\nresults:\n- {policy: p, rule: r, resource: a, namespace: s, status: pass}\n- {policy: p, rule: r, resources: [s/b], result: pass, patchedResource: x.yaml}\n- {policy: p, rule: r, resources: [s/c], result: pass}\n";
        let fixed = fix(&parse_yaml(old).unwrap().value, true);
        let expected = "apiVersion: cli.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: t}\nresults:\n- {policy: p, rule: r, resources: [s/a, s/c], result: pass}\n- {policy: p, rule: r, resources: [s/b], result: pass, patchedResources: x.yaml}\n";
        assert_eq!(fixed.value, parse_yaml(expected).unwrap().value);
        assert!(fix(&fixed.value, true).changes.is_empty());
    }
}
