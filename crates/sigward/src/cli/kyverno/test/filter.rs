//! `--test-case-selector`: which results of test files are checked.
use sigward_document::wildcard;

/// Wildcards for policy, rule and resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    policy: String,
    rule: String,
    resource: String,
}

impl Filter {
    /// Reads `policy=…,rule=…,resource=…`, each part at most once and none required.
    ///
    /// # Errors
    /// A part that is none of the three.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let any = || "*".to_owned();
        let mut filter = Self { policy: any(), rule: any(), resource: any() };
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, pattern) = part.split_once('=').unwrap_or((part, ""));
            let slot = match name.trim() {
                "policy" => &mut filter.policy,
                "rule" => &mut filter.rule,
                "resource" => &mut filter.resource,
                _ => {
                    return Err(format!(
                        "invalid test-case-selector {part:?}: expected policy=…,rule=…,resource=…"
                    ));
                }
            };
            pattern.trim().clone_into(slot);
        }
        Ok(filter)
    }

    /// Whether a result is wanted; one without resources is about all.
    pub(super) fn wants(&self, policy: &str, rule: &str, resources: &[String]) -> bool {
        let resource = resources.is_empty()
            || resources.iter().any(|resource| wildcard::matches(&self.resource, resource));
        wildcard::matches(&self.policy, policy) && wildcard::matches(&self.rule, rule) && resource
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_names_policy_rule_and_resource() {
        let filter = Filter::parse("policy=disallow-*, resource=bad*").unwrap();
        assert!(filter.wants("disallow-latest", "r", &["bad-pod".into()]));
        assert!(!filter.wants("disallow-latest", "r", &["good-pod".into()]));
        assert!(!filter.wants("require-labels", "r", &["bad-pod".into()]));
        assert!(Filter::parse("kind=Pod").unwrap_err().contains("kind=Pod"));
    }
}
