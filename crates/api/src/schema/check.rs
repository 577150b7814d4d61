//! What the API server would say about a document: a walk over the document beside its structural schema.
use serde_json::Value as Json;
use sigward_document::{Value, View};

/// What is wrong with one place of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `spec.rules[0].name`; empty for the document itself.
    pub path: String,
    /// Which rule of the schema is broken.
    pub kind: FindingKind,
    /// What is wrong: lower case, no full stop, without the path.
    pub message: String,
}

/// Which rule of a schema is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingKind {
    /// Nobody knows this member: the API server drops it.
    Unknown,
    /// A member that must be there is not.
    Missing,
    /// A value of another type.
    Type,
    /// A value of the right type that is not allowed.
    Value,
}

/// How many findings are kept: a document of garbage is not to be answered by more garbage.
const MAX_FINDINGS: usize = 100;

/// Compares the document with the schema. Findings come in document order, at most one hundred.
///
/// SPEC: Kubernetes `apiextensions.k8s.io/v1`, validation and pruning of structural schemas. The keywords are those
/// that the schemas of this crate use.
pub fn check(schema: &Json, document: &Value) -> Vec<Finding> {
    let mut walk = Walk { path: String::new(), findings: Vec::new() };
    walk.value(schema, document);
    walk.findings
}

struct Walk {
    path: String,
    findings: Vec<Finding>,
}

impl Walk {
    fn say(&mut self, kind: FindingKind, message: String) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { path: self.path.clone(), kind, message });
        }
    }

    /// Runs `inside` at a place below this one.
    fn at(&mut self, step: &str, inside: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if !self.path.is_empty() && !step.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(step);
        inside(self);
        self.path.truncate(length);
    }

    fn value(&mut self, schema: &Json, value: &Value) {
        if self.findings.len() >= MAX_FINDINGS {
            return;
        }
        if let Some(expected) = schema.get("type").and_then(Json::as_str)
            && !is_of(expected, value)
        {
            self.say(FindingKind::Type, format!("must be of type {expected}: {}", type_of(value)));
            return;
        }
        self.words(schema, value);
        match value.view() {
            View::Map(_) => self.map(schema, value),
            View::List(items) => {
                if let Some(schema) = schema.get("items") {
                    for (index, item) in items.iter().enumerate() {
                        self.at(&format!("[{index}]"), |walk| walk.value(schema, item));
                    }
                }
            }
            View::Null | View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => {}
        }
    }

    /// `enum` and the limits of strings and numbers.
    fn words(&mut self, schema: &Json, value: &Value) {
        match value.view() {
            View::String(text) => {
                if let Some(allowed) = schema.get("enum").and_then(Json::as_array)
                    && !allowed.iter().any(|word| word.as_str() == Some(text))
                {
                    let words: Vec<String> = allowed.iter().map(ToString::to_string).collect();
                    self.say(
                        FindingKind::Value,
                        format!(
                            "unsupported value {text:?}: supported values are {}",
                            words.join(", ")
                        ),
                    );
                }
                if let Some(limit) = schema.get("maxLength").and_then(Json::as_u64)
                    && text.chars().count() as u64 > limit
                {
                    self.say(
                        FindingKind::Value,
                        format!("may not be longer than {limit} characters"),
                    );
                }
                if let Some(limit) = schema.get("minLength").and_then(Json::as_u64)
                    && (text.chars().count() as u64) < limit
                {
                    self.say(
                        FindingKind::Value,
                        format!("must be at least {limit} characters long"),
                    );
                }
            }
            View::Int(number) => {
                if let Some(limit) = schema.get("minimum").and_then(Json::as_i64)
                    && number < limit
                {
                    self.say(
                        FindingKind::Value,
                        format!("must be greater than or equal to {limit}: {number}"),
                    );
                }
            }
            View::Null | View::Bool(_) | View::Float(_) | View::List(_) | View::Map(_) => {}
        }
    }

    fn map(&mut self, schema: &Json, value: &Value) {
        let View::Map(members) = value.view() else { return };
        let has = |name: &str| {
            members.get(name).is_some_and(|member| !matches!(member.view(), View::Null))
        };
        let all_of = |list: &Json| {
            list.get("required")
                .and_then(Json::as_array)
                .is_some_and(|names| names.iter().filter_map(Json::as_str).all(has))
        };
        for name in schema
            .get("required")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
        {
            if !has(name) {
                self.at(name, |walk| walk.say(FindingKind::Missing, "required value".to_owned()));
            }
        }
        if let Some(not) = schema.get("not")
            && all_of(not)
        {
            self.say(
                FindingKind::Value,
                format!("may not have {} together", names_of(not, " and ")),
            );
        }
        if let Some(choices) = schema.get("oneOf").and_then(Json::as_array) {
            let chosen = choices.iter().filter(|choice| all_of(choice)).count();
            if chosen != 1 {
                let names: Vec<String> =
                    choices.iter().map(|choice| names_of(choice, " and ")).collect();
                self.say(
                    FindingKind::Value,
                    format!("must have exactly one of {}", names.join(", ")),
                );
            }
        }
        let properties = schema.get("properties").and_then(Json::as_object);
        let additional = schema.get("additionalProperties");
        let open = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Json::Bool(true))
            || (properties.is_none() && additional.is_none());
        for (name, member) in members.iter() {
            let known = properties.and_then(|properties| properties.get(name)).or(additional);
            match known {
                // A null is dropped by the API server before it looks at the type.
                Some(_) if matches!(member.view(), View::Null) => {}
                Some(schema) => self.at(name, |walk| walk.value(schema, member)),
                None if open => {}
                None => {
                    self.at(name, |walk| {
                        walk.say(FindingKind::Unknown, "unknown field".to_owned());
                    });
                }
            }
        }
    }
}

fn names_of(schema: &Json, between: &str) -> String {
    let names = schema.get("required").and_then(Json::as_array);
    names.into_iter().flatten().filter_map(Json::as_str).collect::<Vec<_>>().join(between)
}

fn is_of(expected: &str, value: &Value) -> bool {
    match value.view() {
        View::Map(_) => expected == "object",
        View::List(_) => expected == "array",
        View::String(_) => expected == "string",
        View::Bool(_) => expected == "boolean",
        View::Int(_) => expected == "integer" || expected == "number",
        View::Float(_) => expected == "number",
        View::Null => false,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value.view() {
        View::Map(_) => "object",
        View::List(_) => "array",
        View::String(_) => "string",
        View::Bool(_) => "boolean",
        View::Int(_) => "integer",
        View::Float(_) => "number",
        View::Null => "null",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use sigward_document::parse_json;

    fn findings(schema: &Json, document: &Json) -> Vec<(String, FindingKind)> {
        let document = parse_json(document.to_string().as_bytes()).unwrap();
        check(schema, &document).into_iter().map(|finding| (finding.path, finding.kind)).collect()
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        let schema = json!({
            "type": "object", "required": ["name"],
            "properties": {
                "name": { "type": "string", "maxLength": 3 },
                "list": { "type": "array", "items": { "type": "object", "properties": { "n": { "type": "integer", "minimum": 1 } } } },
                "word": { "type": "string", "enum": ["A"] },
                "free": { "x-kubernetes-preserve-unknown-fields": true },
            }
        });
        let document = json!({ "list": [{ "n": 1 }, { "n": 0, "x": 1 }, { "n": "1" }], "word": "B", "free": { "y": 1 }, "z": 1 });
        assert_eq!(
            findings(&schema, &document),
            [
                ("name".to_owned(), FindingKind::Missing),
                ("list[1].n".to_owned(), FindingKind::Value),
                ("list[1].x".to_owned(), FindingKind::Unknown),
                ("list[2].n".to_owned(), FindingKind::Type),
                ("word".to_owned(), FindingKind::Value),
                ("z".to_owned(), FindingKind::Unknown),
            ]
        );
        assert_eq!(findings(&schema, &json!({ "name": "abc", "list": null })), []);
    }

    #[test]
    fn findings_are_bounded() {
        let schema = json!({ "type": "object", "properties": {} });
        let document: serde_json::Map<String, Json> =
            (0..1000).map(|n| (n.to_string(), json!(1))).collect();
        assert_eq!(findings(&schema, &document.into()).len(), MAX_FINDINGS);
    }
}
