//! Label selectors, with Kyverno's wildcards in `matchLabels`.
use sigward_document::{Value, wildcard};
use smol_str::SmolStr;

/// A `LabelSelector`, checked. No requirement at all matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    /// Key and value, each with wildcards.
    pub(crate) labels: Vec<(SmolStr, SmolStr)>,
    /// Expressions, exact.
    pub(crate) expressions: Vec<Requirement>,
}

/// One entry of `matchExpressions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    /// The label.
    pub(crate) key: SmolStr,
    /// What is asked of it.
    pub(crate) operator: Operator,
}

/// The four set operators of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    /// The label is one of these.
    In(Vec<SmolStr>),
    /// The label is absent or none of these.
    NotIn(Vec<SmolStr>),
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl Selector {
    /// Whether a map of labels satisfies it; null is no labels.
    pub(crate) fn matches(&self, labels: &Value) -> bool {
        let label = |key: &str| labels.as_map().and_then(|m| m.get(key)).and_then(Value::as_str);
        self.labels.iter().all(|(key, value)| {
            if wildcard::contains_wildcard(key) || wildcard::contains_wildcard(value) {
                wild_pair(key, value, labels)
            } else {
                label(key) == Some(value)
            }
        }) && self.expressions.iter().all(|requirement| {
            let found = label(&requirement.key);
            match &requirement.operator {
                Operator::In(values) => found.is_some_and(|f| values.iter().any(|v| v == f)),
                Operator::NotIn(values) => found.is_none_or(|f| values.iter().all(|v| v != f)),
                Operator::Exists => found.is_some(),
                Operator::DoesNotExist => found.is_none(),
            }
        })
    }
}

/// The pair is replaced by the first label that it matches; without one its wildcard characters
/// become `0`, which then hardly ever is a label.
// COMPAT: Kyverno 1.19: wildcards of `matchLabels` resolve against the labels that are there; test: a_wildcard_label_matches_any_label_that_fits
fn wild_pair(key: &str, value: &str, labels: &Value) -> bool {
    let Some(map) = labels.as_map() else { return false };
    let fits = |k: &str, v: &Value| {
        wildcard::matches(key, k) && v.as_str().is_some_and(|v| wildcard::matches(value, v))
    };
    if map.iter().any(|(k, v)| fits(k, v)) {
        return true;
    }
    let zero = |text: &str| text.replace(['*', '?'], "0");
    map.get(&zero(key)).and_then(Value::as_str) == Some(&zero(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(selector: &Selector, labels: &[(&str, &str)], expected: bool) {
        let labels = Value::map(labels.iter().map(|(k, v)| (SmolStr::new(k), Value::string(v))));
        assert_eq!(selector.matches(&labels), expected, "{selector:?} on {labels:?}");
    }

    fn labels(key: &str, value: &str) -> Selector {
        Selector { labels: vec![(key.into(), value.into())], expressions: Vec::new() }
    }

    #[test]
    fn a_wildcard_label_matches_any_label_that_fits() {
        check(&labels("app.*/name", "w?b"), &[("app.k8s/name", "web")], true);
        check(&labels("app.*/name", "w?b"), &[("app.k8s/name", "wb")], false);
        check(&labels("app", "*"), &[("app", "")], true);
        check(&labels("app", "*"), &[], false);
    }

    #[test]
    fn expressions_take_no_wildcards() {
        let expression = |operator| Selector {
            labels: Vec::new(),
            expressions: vec![Requirement { key: "env".into(), operator }],
        };
        check(&expression(Operator::In(vec!["pro*".into()])), &[("env", "prod")], false);
        check(&expression(Operator::In(vec!["prod".into()])), &[("env", "prod")], true);
        check(&expression(Operator::NotIn(vec!["prod".into()])), &[], true);
        check(&expression(Operator::Exists), &[("env", "")], true);
        check(&expression(Operator::DoesNotExist), &[("env", "")], false);
    }

    #[test]
    fn an_empty_selector_matches_everything() {
        check(&Selector::default(), &[], true);
        check(&Selector::default(), &[("a", "b")], true);
    }
}
