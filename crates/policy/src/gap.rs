//! Stands in for the YAML printer and parser until they are there.
use sigward_document::{Value, View};
pub(crate) struct W { pub(crate) value: Value }
pub(crate) fn parse_yaml(text: &str) -> Result<W, sigward_document::ParseError> {
    sigward_document::parse_json(text.as_bytes()).map(|value| W { value })
}
pub(crate) fn to_yaml(v: &Value) -> String {
    let mut s = String::new();
    if let View::Map(m) = v.view() {
        for (k, v) in m.iter() {
            s.push_str(&format!("{k}:\n"));
            if let View::Map(m) = v.view() {
                for (k, v) in m.iter() { s.push_str(&format!("  {k}: '{}'\n", v.as_str().unwrap_or(""))); }
            }
        }
    }
    s
}
