//! What `jp function` says about each function of policies.
use std::fmt;

/// A function as it is explained.
#[derive(Clone, Copy, Debug)]
pub(super) struct Described {
    name: &'static str,
    arguments: &'static str,
    result: &'static str,
    note: &'static str,
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, arguments, result, note } = self;
        write!(f, "Name: {name}\n  Signature: {name}({arguments}) {result}\n")?;
        if !note.is_empty() {
            writeln!(f, "  Note:      {note}")?;
        }
        writeln!(f)
    }
}

/// Every name.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name)
}

/// The function of that name.
pub(super) fn find(wanted: &str) -> Option<Described> {
    let found = FUNCTIONS.iter().find(|(name, ..)| *name == wanted)?;
    let (name, arguments, result, note) = *found;
    Some(Described { name, arguments, result, note })
}

/// Name, arguments, result, note; in the order of their names.
const FUNCTIONS: &[(&str, &str, &str, &str)] = &[
    ("add", "any, any", "any", "adds numbers, quantities or durations"),
    ("base64_decode", "string", "string", "standard alphabet, padded"),
    ("base64_encode", "string", "string", "standard alphabet, padded"),
    ("compare", "string, string", "number", "-1, 0 or 1, byte by byte"),
    ("divide", "any, any", "any", "divides numbers, quantities or durations; by zero is an error"),
    ("equal_fold", "string, string", "bool", "equal but for case"),
    ("image_normalize", "string", "string", "adds the default registry and tag to an image"),
    (
        "is_external_url",
        "string",
        "bool",
        "false when the host is, or resolves to, a private or loopback address",
    ),
    (
        "items",
        "object|array, string, string",
        "array",
        "a list of objects that hold key and value under the names given",
    ),
    ("label_match", "object, object", "bool", "every pair of the first is in the second"),
    ("lookup", "object|array, string|number", "any", "null when there is no such key or index"),
    ("md5", "string", "string", "hexadecimal"),
    ("modulo", "any, any", "any", "remainder of whole numbers, quantities or durations"),
    ("multiply", "any, any", "any", "multiplies numbers, or one with a quantity or duration"),
    ("object_from_lists", "array, array", "object", "keys and values; missing values are null"),
    ("parse_json", "string", "any", "a JSON text as a value"),
    ("parse_yaml", "string", "any", "a YAML text as a value"),
    ("path_canonicalize", "string", "string", "without doubled slashes, `.` and `..`"),
    ("pattern_match", "string, string|number", "bool", "`*` and `?` as in patterns"),
    ("random", "string", "string", "a text that the regular expression matches"),
    ("regex_match", "string, string|number", "bool", "anywhere in the text, unless anchored"),
    (
        "regex_replace_all",
        "string, string|number, string|number",
        "string",
        "`$1` stands for the first group",
    ),
    (
        "regex_replace_all_literal",
        "string, string|number, string|number",
        "string",
        "the replacement as it is",
    ),
    ("replace", "string, string, string, number", "string", "the first so many; -1 for all"),
    ("replace_all", "string, string, string", "string", ""),
    ("round", "number, number", "number", "to so many digits"),
    ("semver_compare", "string, string", "bool", "whether a version is in a range"),
    ("sha1", "string", "string", "hexadecimal"),
    ("sha256", "string", "string", "hexadecimal"),
    ("split", "string, string", "array[string]", ""),
    ("subtract", "any, any", "any", "subtracts numbers, quantities or durations"),
    ("sum", "array", "any", "adds the elements; an empty list is an error"),
    ("time_add", "string, string", "string", "a time and a duration"),
    ("time_after", "string, string", "bool", ""),
    ("time_before", "string, string", "bool", ""),
    ("time_between", "string, string, string", "bool", "the bounds are not between themselves"),
    ("time_diff", "string, string", "string", "from the first to the second"),
    ("time_now", "", "string", "RFC 3339"),
    ("time_now_utc", "", "string", "RFC 3339"),
    ("time_parse", "string, string", "string", "a layout as Go has them, or digits for epoch"),
    ("time_since", "string, string, string", "string", "layout, from, until; empty is now"),
    ("time_to_cron", "string", "string", ""),
    ("time_truncate", "string, string", "string", "down to a multiple of the duration"),
    ("time_utc", "string", "string", ""),
    ("to_boolean", "string", "bool", "true or false, whatever the case"),
    ("to_lower", "string", "string", ""),
    ("to_upper", "string", "string", ""),
    ("trim", "string, string", "string", "without the characters of the second at both ends"),
    ("trim_prefix", "string, string", "string", ""),
    ("truncate", "string, number", "string", "the number stands in backticks: truncate(@, `9`)"),
    ("x509_decode", "string", "object", "a certificate or request in PEM, with an RSA key"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::kyverno::language;

    #[test]
    fn every_function_of_policies_is_explained_and_none_besides() {
        let standard = sigward_jmespath::Functions::standard();
        let all = language::functions();
        // Policies have a `sum` of their own, which takes the standard one's place.
        let own = all
            .names()
            .into_iter()
            .filter(|name| standard.signature(name).is_none() || *name == "sum");
        let mut own: Vec<&str> = own.collect();
        own.sort_unstable();
        assert_eq!(own, names().collect::<Vec<_>>());
    }
}
