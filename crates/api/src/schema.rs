//! One description of a type, from which its fields, its `serde` and its OpenAPI schema are made.
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json, json};
use sigward_document::Value;
use std::collections::BTreeMap;

pub mod check;

/// Has a structural OpenAPI v3 schema, as custom resource definitions want it.
pub trait Schema {
    /// The schema; without a description where only the field that holds it knows what it is for.
    ///
    /// SPEC: Kubernetes API conventions, "structural schemas": `type` everywhere but under
    /// `x-kubernetes-preserve-unknown-fields`, no references, no recursion.
    fn schema() -> Json;
}

/// Any JSON: nothing is checked and nothing is dropped.
pub fn free_form() -> Json {
    json!({ "x-kubernetes-preserve-unknown-fields": true })
}

impl Schema for String {
    fn schema() -> Json {
        json!({ "type": "string" })
    }
}

impl Schema for bool {
    fn schema() -> Json {
        json!({ "type": "boolean" })
    }
}

impl Schema for i32 {
    fn schema() -> Json {
        json!({ "type": "integer", "format": "int32" })
    }
}

impl Schema for i64 {
    fn schema() -> Json {
        json!({ "type": "integer", "format": "int64" })
    }
}

impl Schema for Value {
    fn schema() -> Json {
        free_form()
    }
}

impl<T: Schema> Schema for Option<T> {
    fn schema() -> Json {
        T::schema()
    }
}

impl<T: Schema> Schema for Box<T> {
    fn schema() -> Json {
        T::schema()
    }
}

impl<T: Schema> Schema for Vec<T> {
    fn schema() -> Json {
        json!({ "type": "array", "items": T::schema() })
    }
}

impl<T: Schema> Schema for BTreeMap<String, T> {
    fn schema() -> Json {
        json!({ "type": "object", "additionalProperties": T::schema() })
    }
}

/// Reads `null` as absent, as Go does.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Nothing is written for what is as it would be if it were not there.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The lines of a doc comment as one description: lines joined, paragraphs kept.
pub(crate) fn description(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines.iter().map(|line| line.trim()) {
        if line.is_empty() {
            text.push('\n');
        } else {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push(' ');
            }
            text.push_str(line);
        }
    }
    text.replace('`', "'")
}

/// One property: the schema of its type, the keywords of the field over it, and its description.
pub(crate) fn property(schema: Json, extra: Json, docs: &[&str]) -> Json {
    let mut schema = if let Json::Object(schema) = schema { schema } else { Map::new() };
    if let Json::Object(extra) = extra {
        schema.extend(extra);
    }
    schema.insert("description".to_owned(), Json::String(description(docs)));
    Json::Object(schema)
}

/// Declares a struct of the wire. For each field: its name in Rust, its name on the wire, its type, then
/// `required`, or `free` for "the API server is not to look inside", and keywords of its schema.
///
/// Every field may be absent or `null` when it is read: what is missing is said by the schema.
macro_rules! wire {
    (
        $(#[doc = $doc:literal])*
        pub struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $field:ident ($wire:literal) : $type:ty $(, $flag:ident)* $(, { $($extra:tt)* })? ;
            )*
        }
        $(with { $($over:tt)* })?
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $(
                $(#[doc = $field_doc])*
                #[serde(
                    rename = $wire,
                    default,
                    deserialize_with = "crate::schema::null_as_default",
                    skip_serializing_if = "crate::schema::is_default"
                )]
                pub $field: $type,
            )*
        }

        impl $crate::schema::Schema for $name {
            fn schema() -> serde_json::Value {
                let mut properties = serde_json::Map::new();
                let mut required: Vec<&str> = Vec::new();
                $(
                    let schema = $crate::schema::wire!(@schema $type $(, $flag)*);
                    let extra = serde_json::json!({ $($($extra)*)? });
                    properties.insert($wire.to_owned(), $crate::schema::property(schema, extra, &[$($field_doc),*]));
                    $($crate::schema::wire!(@required required, $wire, $flag);)*
                )*
                let mut schema = serde_json::Map::new();
                $(
                    if let serde_json::Value::Object(over) = serde_json::json!({ $($over)* }) {
                        schema.extend(over);
                    }
                )?
                schema.insert("type".to_owned(), "object".into());
                schema.insert("properties".to_owned(), properties.into());
                required.sort_unstable();
                if !required.is_empty() {
                    schema.insert("required".to_owned(), required.into());
                }
                schema.into()
            }
        }
    };
    (@schema $type:ty, free) => { $crate::schema::free_form() };
    (@schema $type:ty, free, $other:ident) => { $crate::schema::free_form() };
    (@schema $type:ty $(, $other:ident)*) => { <$type as $crate::schema::Schema>::schema() };
    (@required $list:ident, $wire:literal, required) => { $list.push($wire) };
    (@required $list:ident, $wire:literal, free) => {};
}
pub(crate) use wire;

/// Declares an enumeration of the wire. The first spelling is the one that is written; others are only read.
macro_rules! words {
    (
        $(#[doc = $doc:literal])*
        pub enum $name:ident {
            $( $(#[doc = $variant_doc:literal])* $variant:ident = $word:literal $(| $alias:literal)* ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $(
                $(#[doc = $variant_doc])*
                #[serde(rename = $word $(, alias = $alias)*)]
                $variant,
            )*
        }

        impl $name {
            /// As it is written on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl $crate::schema::Schema for $name {
            fn schema() -> serde_json::Value {
                serde_json::json!({ "type": "string", "enum": [$($($alias,)* $word),*] })
            }
        }
    };
}
pub(crate) use words;

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro declares what is public")]
mod tests {
    use super::*;

    wire! {
        /// A thing.
        pub struct Thing {
            /// Its name,
            /// on two lines.
            ///
            /// And a paragraph.
            name("name"): String, required, { "maxLength": 3 };
            /// Anything.
            inside("inSide"): Option<Box<Thing>>, free;
        }
        with { "not": { "required": ["name", "inSide"] } }
    }

    #[test]
    fn a_doc_comment_becomes_the_description() {
        let schema = Thing::schema();
        assert_eq!(
            schema["properties"]["name"]["description"],
            "Its name, on two lines.\nAnd a paragraph."
        );
        assert_eq!(schema["properties"]["name"]["maxLength"], 3);
        assert_eq!(schema["required"], json!(["name"]));
        assert_eq!(schema["not"], json!({ "required": ["name", "inSide"] }));
    }

    #[test]
    fn a_recursive_type_ends_where_it_is_free() {
        assert_eq!(
            Thing::schema()["properties"]["inSide"]["x-kubernetes-preserve-unknown-fields"],
            true
        );
    }

    #[test]
    fn null_is_read_as_absent() {
        let thing: Thing = serde_json::from_value(json!({ "name": null, "inSide": null })).unwrap();
        assert_eq!(thing, Thing::default());
        assert_eq!(serde_json::to_value(&thing).unwrap(), json!({}));
    }
}
