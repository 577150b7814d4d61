//! Values of the command line over the names of a rule: they stand for what a cluster would have said.
use super::RESERVED;
use crate::request::{Presets, RulePresets};
use sigward_document::{Frame, Value, View};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What is laid over the names of one rule.
pub(super) struct Overlay<'e> {
    names: Value,
    rule: Option<&'e RulePresets>,
}

impl<'e> Overlay<'e> {
    /// Nothing, outside the command line.
    pub(super) fn new(presets: Option<&'e Presets>, rule: &str) -> Self {
        let Some(presets) = presets else { return Self { names: Value::NULL, rule: None } };
        let rule = presets.of_rule(rule);
        let names = match rule {
            Some(rule) => merged(&presets.variables, &rule.values),
            None => presets.variables.clone(),
        };
        Self { names, rule }
    }

    /// Whether something is said about a name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.get(name).is_some() || self.rule.is_some_and(|r| r.foreach.contains_key(name))
    }

    /// A name that always exists, with what is said laid over it.
    pub(super) fn over(&self, name: &str, value: Value) -> Value {
        match self.names.get(name) {
            Some(over) => merged(&value, over),
            None => value,
        }
    }

    /// Puts the other names in, with the values for the element of the moment.
    pub(super) fn put(&self, base: &mut BTreeMap<SmolStr, Value>, frames: &[(Frame, Value)]) {
        if let View::Map(map) = self.names.view() {
            for (name, value) in map.members() {
                if !RESERVED.contains(&name.as_str()) && !base.contains_key(name) {
                    base.insert(name.clone(), value.clone());
                }
            }
        }
        let Some(rule) = self.rule.filter(|rule| !rule.foreach.is_empty()) else { return };
        let index = frames.iter().rev().find_map(|(_, names)| names.get("elementIndex")?.as_i64());
        let index = index.and_then(|i| usize::try_from(i).ok()).unwrap_or(0);
        for (name, values) in &rule.foreach {
            if let Some(value) = values.get(index) {
                base.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Maps member by member, everything else replaced.
fn merged(under: &Value, over: &Value) -> Value {
    let (View::Map(_), View::Map(members)) = (under.view(), over.view()) else {
        return if over.is_null() { under.clone() } else { over.clone() };
    };
    let mut all = under.clone();
    for (key, value) in members.iter() {
        let value = match all.get(key) {
            Some(below) => merged(below, value),
            None => value.clone(),
        };
        all = all.with_member(key, value).unwrap_or(all);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigward_document::parse_json;

    fn json(text: &str) -> Value {
        parse_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_rule_s_values_are_laid_over_those_of_its_policy_and_reach_generated_rules() {
        let rule = RulePresets { values: json(r#"{"a":{"c":3}}"#), ..RulePresets::default() };
        let presets = Presets {
            variables: json(r#"{"a":{"b":1,"c":2},"request":{"operation":"UPDATE"}}"#),
            rules: [("r".into(), rule)].into(),
        };
        for (name, expected) in [("r", 3), ("autogen-r", 3), ("autogen-cronjob-r", 3), ("s", 2)] {
            let overlay = Overlay::new(Some(&presets), name);
            let mut base = BTreeMap::new();
            overlay.put(&mut base, &[]);
            let a = base.get("a").unwrap();
            assert_eq!(a.get("b").unwrap().as_i64(), Some(1));
            assert_eq!(a.get("c").unwrap().as_i64(), Some(expected), "{name}");
            assert!(!base.contains_key("request"), "what the request says comes first");
            let request = overlay.over("request", json(r#"{"operation":"CREATE","name":"n"}"#));
            assert_eq!(request, json(r#"{"operation":"UPDATE","name":"n"}"#));
        }
    }

    #[test]
    fn values_inside_a_foreach_go_by_the_element() {
        let foreach = [("image".into(), vec![json("\"x\""), json("\"y\"")])].into();
        let rules = [("r".into(), RulePresets { foreach, ..RulePresets::default() })].into();
        let presets = Presets { rules, ..Presets::default() };
        let overlay = Overlay::new(Some(&presets), "r");
        let mut base = BTreeMap::new();
        for (index, expected) in [(1, "y"), (0, "x")] {
            let frame = Value::map([("elementIndex".into(), Value::int(index))]);
            overlay.put(&mut base, &[(Frame::Hides, frame)]);
            assert_eq!(base.get("image").unwrap().as_str(), Some(expected));
        }
    }
}
