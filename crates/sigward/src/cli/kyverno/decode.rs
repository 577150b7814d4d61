//! Strict reading of the command line's own documents: a field that nobody knows is an error that names the nearest.
use sigward_document::{Value, View};
use sigward_policy::compile::nearest_name;
use std::collections::BTreeMap;

/// Why a document of `cli.kyverno.io` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// A field that nobody knows.
    #[error("unknown field {path:?}{}", nearest.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default())]
    Unknown {
        /// With its parents.
        path: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// A field of another type.
    #[error("{path:?} must be {expected}")]
    Type {
        /// With its parents.
        path: String,
        /// A noun with its article.
        expected: &'static str,
    },
    /// A field of an old schema.
    #[error("{path:?} is deprecated: use `{instead}` (`fix test` rewrites test files)")]
    Deprecated {
        /// With its parents.
        path: String,
        /// What took its place.
        instead: &'static str,
    },
    /// A field that must be there.
    #[error("{path:?} is missing")]
    Missing {
        /// With its parents.
        path: String,
    },
}

impl DecodeError {
    /// The field.
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Unknown { path, .. }
            | Self::Type { path, .. }
            | Self::Deprecated { path, .. }
            | Self::Missing { path } => path,
        }
    }
}

/// The members of one map, by their known names.
#[derive(Debug)]
pub(crate) struct Fields<'v> {
    path: String,
    members: BTreeMap<&'static str, &'v Value>,
}

impl<'v> Fields<'v> {
    /// Reads a map that may hold these names and no others.
    // COMPAT: Kyverno 1.19: as Go's decoder does, names are found whatever their case; test: a_field_is_found_whatever_its_case
    pub(crate) fn read(
        value: &'v Value,
        path: &str,
        known: &[&'static str],
    ) -> Result<Self, DecodeError> {
        let map = match value.view() {
            View::Map(map) => map,
            View::Null => {
                return Ok(Self { path: path.to_owned(), members: BTreeMap::new() });
            }
            View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) | View::List(_) => {
                return Err(DecodeError::Type { path: path.to_owned(), expected: "a map" });
            }
        };
        let mut members = BTreeMap::new();
        for (key, value) in map.iter() {
            let name = known
                .iter()
                .find(|name| **name == key)
                .or_else(|| known.iter().find(|name| name.eq_ignore_ascii_case(key)));
            match name {
                Some(name) if !value.is_null() => {
                    members.insert(*name, value);
                }
                Some(_) => {}
                None => {
                    return Err(DecodeError::Unknown {
                        path: joined(path, key),
                        nearest: nearest_name(key, known.iter().copied()),
                    });
                }
            }
        }
        Ok(Self { path: path.to_owned(), members })
    }

    /// The member, if it is there and not null.
    pub(crate) fn get(&self, name: &str) -> Option<&'v Value> {
        self.members.get(name).copied()
    }

    /// Its place in the document.
    pub(crate) fn path_of(&self, name: &str) -> String {
        joined(&self.path, name)
    }

    /// A text; empty when it is missing.
    pub(crate) fn text(&self, name: &str) -> Result<String, DecodeError> {
        let Some(value) = self.get(name) else { return Ok(String::new()) };
        let text = value.as_str().map(ToOwned::to_owned);
        text.ok_or_else(|| DecodeError::Type { path: self.path_of(name), expected: "a text" })
    }

    /// A text that must be there and hold something.
    pub(crate) fn required(&self, name: &str) -> Result<String, DecodeError> {
        match self.text(name)? {
            text if text.is_empty() => Err(DecodeError::Missing { path: self.path_of(name) }),
            text => Ok(text),
        }
    }

    /// A boolean; false when it is missing.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, DecodeError> {
        let Some(value) = self.get(name) else { return Ok(false) };
        let expected = "true or false";
        value.as_bool().ok_or_else(|| DecodeError::Type { path: self.path_of(name), expected })
    }

    /// A list; empty when it is missing.
    pub(crate) fn list(&self, name: &str) -> Result<&'v [Value], DecodeError> {
        let Some(value) = self.get(name) else { return Ok(&[]) };
        let expected = "a list";
        value.as_list().ok_or_else(|| DecodeError::Type { path: self.path_of(name), expected })
    }

    /// Texts; none when they are missing.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, DecodeError> {
        let item = |(at, item): (usize, &Value)| {
            item.as_str().map(ToOwned::to_owned).ok_or_else(|| DecodeError::Type {
                path: format!("{}[{at}]", self.path_of(name)),
                expected: "a text",
            })
        };
        self.list(name)?.iter().enumerate().map(item).collect()
    }

    /// The items of a list of maps, each with its known names.
    pub(crate) fn maps(
        &self,
        name: &str,
        known: &[&'static str],
    ) -> Result<Vec<Self>, DecodeError> {
        let path = self.path_of(name);
        let item = |(at, item)| Self::read(item, &format!("{path}[{at}]"), known);
        self.list(name)?.iter().enumerate().map(item).collect()
    }

    /// The members of a free map, in the order of their names.
    pub(crate) fn pairs(&self, name: &str) -> Result<Vec<(String, Value)>, DecodeError> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let map = value
            .as_map()
            .ok_or_else(|| DecodeError::Type { path: self.path_of(name), expected: "a map" })?;
        Ok(map.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect())
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigward_document::parse_json;

    #[test]
    fn an_unknown_field_names_the_nearest() {
        let value = parse_json(br#"{"polices":[]}"#).unwrap();
        let error = Fields::read(&value, "", &["policies", "resources"]).unwrap_err();
        assert_eq!(error.to_string(), r#"unknown field "polices" (did you mean `policies`?)"#);
    }

    #[test]
    fn a_field_is_found_whatever_its_case() {
        let value = parse_json(br#"{"isMUtatingPolicy":true}"#).unwrap();
        let fields = Fields::read(&value, "results[0]", &["isMutatingPolicy"]).unwrap();
        assert_eq!(fields.flag("isMutatingPolicy"), Ok(true));
    }

    #[test]
    fn a_field_of_another_type_is_named_with_its_parents() {
        let value = parse_json(br#"{"resources":["a",1]}"#).unwrap();
        let fields = Fields::read(&value, "results[2]", &["resources"]).unwrap();
        let error = fields.texts("resources").unwrap_err();
        assert_eq!(error.to_string(), r#""results[2].resources[1]" must be a text"#);
    }
}
