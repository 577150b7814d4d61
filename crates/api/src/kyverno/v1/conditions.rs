//! Conditions: a key, an operator and a value, in lists of which all or any must hold.
use crate::schema::{Schema, free_form, wire};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{
        MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer, value::SeqAccessDeserializer,
    },
};
use serde_json::Value as Json;
use sigward_document::Value;

wire! {
    /// A key, an operator and a value.
    pub struct Condition {
        /// What is looked at; usually a variable.
        key("key"): Option<Value>;
        /// How both are compared.
        operator("operator"): String, { "enum": [
            "Equals", "NotEquals", "In", "AnyIn", "AllIn", "NotIn", "AnyNotIn", "AllNotIn",
            "GreaterThanOrEquals", "GreaterThan", "LessThanOrEquals", "LessThan",
            "DurationGreaterThanOrEquals", "DurationGreaterThan", "DurationLessThanOrEquals", "DurationLessThan"
        ] };
        /// What it is compared with.
        value("value"): Option<Value>;
        /// What is said when it does not hold.
        message("message"): Option<String>;
    }
}

wire! {
    /// Conditions of which one must hold, and conditions that must all hold. Both lists must be satisfied; an empty one is.
    pub struct AnyAllConditions {
        /// One of these must hold.
        any("any"): Vec<Condition>;
        /// All of these must hold.
        all("all"): Vec<Condition>;
    }
}

/// Both ways to write conditions. The list is deprecated; all of its conditions must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Conditions {
    /// `any` and `all`.
    AnyAll(AnyAllConditions),
    /// A plain list.
    List(Vec<Condition>),
}

impl Conditions {
    /// One shape for both: a list is `all`.
    pub fn normal(&self) -> AnyAllConditions {
        match self {
            Self::AnyAll(conditions) => conditions.clone(),
            Self::List(all) => AnyAllConditions { any: Vec::new(), all: all.clone() },
        }
    }
}

impl Serialize for Conditions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AnyAll(conditions) => conditions.serialize(serializer),
            Self::List(all) => all.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Conditions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Conditions;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map with any and all, or a list of conditions")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Conditions, A::Error> {
                AnyAllConditions::deserialize(MapAccessDeserializer::new(map))
                    .map(Conditions::AnyAll)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Conditions, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Conditions::List)
            }
        }
        // Not "untagged": an error keeps its place in the document.
        deserializer.deserialize_any(Either)
    }
}

impl Schema for Conditions {
    fn schema() -> Json {
        free_form()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_forms_are_read_and_the_list_means_all() {
        let condition = json!({ "key": "{{ a }}", "operator": "Equals", "value": [1] });
        let list: Conditions = serde_json::from_value(json!([condition])).unwrap();
        let map: Conditions = serde_json::from_value(json!({ "all": [condition] })).unwrap();
        assert_ne!(list, map);
        assert_eq!(list.normal(), map.normal());
        assert_eq!(serde_json::to_value(&list).unwrap(), json!([condition]));
    }

    #[test]
    fn a_scalar_is_no_condition() {
        let error = serde_json::from_value::<Conditions>(json!("x")).unwrap_err().to_string();
        assert!(error.contains("a list of conditions"), "{error}");
    }
}
