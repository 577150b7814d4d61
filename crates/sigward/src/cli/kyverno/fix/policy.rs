//! Policies: words of actions, filters that stood alone, and the action of a whole policy.
use super::Fixed;
use crate::cli::kyverno::kinds::{Role, role};
use sigward_document::{Value, View};
use smol_str::SmolStr;

/// Brings a `ClusterPolicy` or `Policy` to today's schema; other documents stay as they are.
pub(super) fn fix(document: &Value) -> Fixed {
    let mut fixed = Fixed::new(document.clone());
    if role(document) != Role::Policy {
        return fixed;
    }
    let rules = document.at_path(&["spec", "rules"]).and_then(Value::as_list).unwrap_or_default();
    let action = document.str_at(&["spec", "validationFailureAction"]).map(capitalised);
    let mut kept = Vec::with_capacity(rules.len());
    for (at, rule) in rules.iter().enumerate() {
        let mut rule = rule.clone();
        for block in ["match", "exclude"] {
            rule = filters(&rule, block, at, &mut fixed);
        }
        if let (Some(action), Some(validate)) = (&action, rule.get("validate"))
            && validate.get("failureAction").is_none()
        {
            let with = validate.with_member("failureAction", Value::string(action));
            rule = with.and_then(|with| rule.with_member("validate", with)).unwrap_or(rule);
            fixed.say(format!("rules[{at}].validate.failureAction was set to {action}"));
        }
        kept.push(actions(&rule, &format!("rules[{at}]"), &mut fixed));
    }
    if rules.is_empty() {
        return fixed;
    }
    let with = fixed.value.with_path(&["spec", "rules"], Value::list(kept));
    fixed.value = with.unwrap_or(fixed.value);
    if let Some(spec) = fixed.value.get("spec").filter(|spec| {
        let only_validates = rules.iter().all(|rule| rule.get("verifyImages").is_none());
        only_validates && spec.get("validationFailureAction").is_some()
    }) {
        let spec = spec.without_member("validationFailureAction").unwrap_or_else(|| spec.clone());
        fixed.value = fixed.value.with_member("spec", spec).unwrap_or(fixed.value);
        fixed.say("spec.validationFailureAction is deprecated, it was moved to the rules");
    }
    fixed
}

fn capitalised(action: &str) -> String {
    match action {
        "enforce" => "Enforce".to_owned(),
        "audit" => "Audit".to_owned(),
        other => other.to_owned(),
    }
}

/// A filter that stands alone becomes the only one of `any`.
fn filters(rule: &Value, block: &str, at: usize, fixed: &mut Fixed) -> Value {
    let Some(old) = rule.get(block).filter(|old| {
        old.as_map().is_some_and(|map| !map.is_empty())
            && old.get("any").is_none()
            && old.get("all").is_none()
    }) else {
        return rule.clone();
    };
    fixed.say(format!("rules[{at}].{block} without any or all is deprecated, it was moved to any"));
    let new = Value::map([("any".into(), Value::list([old.clone()]))]);
    rule.with_member(block, new).unwrap_or_else(|| rule.clone())
}

/// `enforce` and `audit` with a capital, wherever a field of actions holds them.
fn actions(value: &Value, path: &str, fixed: &mut Fixed) -> Value {
    match value.view() {
        View::Map(map) => {
            let mut members = Vec::with_capacity(map.len());
            for (key, child) in map.iter() {
                let path = format!("{path}.{key}");
                let is_action = matches!(key, "failureAction" | "action");
                let child = match child.as_str() {
                    Some(word @ ("enforce" | "audit")) if is_action => {
                        fixed.say(format!(
                            "{path}: {word} is deprecated, it is {}",
                            capitalised(word)
                        ));
                        Value::string(&capitalised(word))
                    }
                    Some(_) => child.clone(),
                    // Patches and patterns hold words of others.
                    None if matches!(key, "mutate" | "pattern" | "anyPattern") => child.clone(),
                    None => actions(child, &path, fixed),
                };
                members.push((SmolStr::new(key), child));
            }
            Value::map(members)
        }
        View::List(items) => Value::list(
            items.iter().enumerate().map(|(i, item)| actions(item, &format!("{path}[{i}]"), fixed)),
        ),
        View::Null | View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => {
            value.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigward_document::parse_yaml;

    #[test]
    fn an_old_policy_comes_to_today_s_schema_and_stays_there() {
        let policy = |spec: &str| {
            let head =
                "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec: ";
            parse_yaml(&format!("{head}{spec}\n")).unwrap().value
        };
        let fixed = fix(&policy(
            "{validationFailureAction: enforce, rules: [{name: r, match: {resources: {kinds: [Pod]}}, validate: {pattern: {action: audit}}}]}",
        ));
        let expected = policy(
            "{rules: [{name: r, match: {any: [{resources: {kinds: [Pod]}}]}, validate: {failureAction: Enforce, pattern: {action: audit}}}]}",
        );
        assert_eq!(fixed.value, expected);
        assert!(fix(&fixed.value).changes.is_empty());
    }
}
