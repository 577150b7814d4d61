//! The nearest known name for a field that nobody knows.
use serde_json::Value as Json;

/// The name that was probably meant at the end of a path such as `spec.rules[0].verifyImages[0].atestors`.
pub(super) fn nearest(schema: &Json, path: &str) -> Option<String> {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let schema = at(schema, parent)?;
    let known = schema.get("properties")?.as_object()?.keys();
    nearest_name(name, known.map(String::as_str)).map(ToOwned::to_owned)
}

/// The known name that was probably meant by another, if one is near enough.
pub fn nearest_name<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The schema of a place in a document.
fn at<'s>(schema: &'s Json, path: &str) -> Option<&'s Json> {
    path.split('.').filter(|step| !step.is_empty()).try_fold(schema, |schema, step| {
        let (name, indices) =
            step.split_once('[').map_or((step, 0), |(n, rest)| (n, 1 + rest.matches('[').count()));
        let mut schema = schema.get("properties")?.get(name)?;
        for _ in 0..indices {
            schema = schema.get("items").or_else(|| schema.get("additionalProperties"))?;
        }
        Some(schema)
    })
}

/// Levenshtein's distance without regard to case: edits that lead from one name to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (b, above) in b.iter().zip(row.iter().skip(1)) {
            let substituted = diagonal + usize::from(a != *b);
            left = substituted.min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigward_api::{crd::Resource as _, kyverno::v1::ClusterPolicy};

    fn check(path: &str, expected: Option<&str>) {
        assert_eq!(nearest(ClusterPolicy::known_schema(), path).as_deref(), expected, "{path}");
    }

    #[test]
    fn the_nearest_name_is_found_where_the_field_stands() {
        check("spec.rules[0].verifyImages[1].atestors", Some("attestors"));
        check("spec.rules[0].verifyimages", Some("verifyImages"));
        check("spec.validationFailureActions", Some("validationFailureAction"));
        check("spec.rules[0].verifyImages[0].banana", None);
        check("metadat", Some("metadata"));
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "SAME"), 0);
    }
}
