//! From what policies said to rows of a result table.
use super::{
    compare::{Comparison, Expectations},
    file::Expected,
};
use crate::cli::kyverno::{input::Loaded, processor::Response, table::Row};
use sigward_document::Value;
use sigward_policy::{
    decision::{RuleOutcome, RuleType, Status},
    request::Operation,
};
use std::collections::BTreeMap;

/// One resource and what every policy said about it.
#[derive(Debug)]
pub(super) struct Evaluated {
    pub(super) resource: Value,
    pub(super) responses: Vec<Response>,
}

/// What one run of all policies came to.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) triggers: Vec<Evaluated>,
}

/// All rows of a test file, in the order of its results.
pub(super) fn check(
    results: &[Expected],
    policies: &[Loaded],
    answers: &BTreeMap<Option<Operation>, Answers>,
    expectations: &Expectations<'_>,
) -> Vec<Row> {
    let nothing = Answers::default();
    let mut table = Table { policies, expectations, rows: Vec::new() };
    for expected in results {
        table.check(expected, answers.get(&expected.operation).unwrap_or(&nothing));
    }
    table.rows
}

struct Table<'t> {
    policies: &'t [Loaded],
    expectations: &'t Expectations<'t>,
    rows: Vec<Row>,
}

impl Table<'_> {
    fn check(&mut self, expected: &Expected, answers: &Answers) {
        let targets = self.targets(expected, answers);
        let named: Vec<&Evaluated> =
            answers.triggers.iter().filter(|one| is_named(expected, &one.resource)).collect();
        // COMPAT: Kyverno 1.19: names that match nothing widen the check to everything; test: a_name_that_matches_nothing_checks_everything
        let candidates = if named.is_empty() && targets.is_empty() {
            answers.triggers.iter().collect()
        } else {
            named
        };
        for candidate in candidates {
            self.candidate(expected, candidate);
        }
        for (object, outcome) in targets {
            self.row(expected, &object, &outcome, &object);
        }
    }

    /// Objects that mutate rules changed beside the trigger, where the test names them.
    fn targets(&self, expected: &Expected, answers: &Answers) -> Vec<(Value, RuleOutcome)> {
        let mut found = Vec::new();
        for response in answers.triggers.iter().flat_map(|one| &one.responses) {
            if !self.is_policy(expected, response.policy) {
                continue;
            }
            for outcome in response.rules.iter().filter(|one| is_rule(expected, &one.rule)) {
                if let Some(object) = &outcome.target
                    && is_named(expected, object)
                {
                    found.push((object.clone(), outcome.clone()));
                }
            }
        }
        found
    }

    fn candidate(&mut self, expected: &Expected, candidate: &Evaluated) {
        let before = self.rows.len();
        let resource = &candidate.resource;
        let mut ignored = false;
        let mut asked = false;
        for response in &candidate.responses {
            if !self.is_policy(expected, response.policy) {
                continue;
            }
            asked = true;
            for outcome in response.rules.iter().filter(|one| is_rule(expected, &one.rule)) {
                match outcome.rule_type {
                    // Nothing was made: the rule itself is what there is to check.
                    RuleType::Generation if response.generated.is_empty() => {
                        self.status_row(expected, resource, outcome, None);
                    }
                    RuleType::Generation => {
                        for (rule, object) in &response.generated {
                            if *rule == outcome.rule {
                                ignored |= self.row(expected, object, outcome, object);
                            }
                        }
                    }
                    RuleType::Mutation => {
                        ignored |= self.row(expected, resource, outcome, &response.object);
                    }
                    RuleType::Validation | RuleType::ImageVerify => {
                        ignored |= self.row(expected, resource, outcome, resource);
                    }
                }
            }
        }
        if self.rows.len() > before || ignored {
            return;
        }
        let invalid = self.policies.iter().find_map(|loaded| {
            let reason = loaded.compiled.as_ref().err()?;
            is_name(&expected.policy, loaded.name()).then(|| reason.clone())
        });
        let (result, reason, message, failed) = match (invalid, asked) {
            (Some(error), _) => ("Fail", "Invalid policy", error, true),
            // COMPAT: Kyverno 1.19: a rule that says nothing passes, whatever was expected; test: a_rule_that_says_nothing_is_excluded
            (None, true) => ("Pass", "Excluded", "Excluded".to_owned(), false),
            (None, false) => ("Fail", "Not found", "Not found".to_owned(), true),
        };
        self.push(Row {
            id: 0,
            policy: expected.policy.clone(),
            rule: expected.rule.clone(),
            resource: key(resource),
            result,
            reason: reason.to_owned(),
            message,
            failed,
        });
    }

    /// One row; true when there is none since the file of expected objects does not hold the object.
    fn row(
        &mut self,
        expected: &Expected,
        shown: &Value,
        outcome: &RuleOutcome,
        actual: &Value,
    ) -> bool {
        let mut found = None;
        let files = Some(&expected.patched).filter(|path| !path.is_empty());
        for path in files.into_iter().chain(&expected.generated) {
            match self.expectations.compare(path, actual) {
                Comparison::Equal => {
                    found = Some(("Ok".to_owned(), outcome.message.clone(), false));
                    break;
                }
                Comparison::Differs(message) => {
                    found = Some(("Resource diff".to_owned(), message, true));
                }
                Comparison::Absent(_) if !expected.fail_on_missing => {}
                Comparison::Absent(message) | Comparison::Error(message) => {
                    found = Some(("Resource error".to_owned(), message, true));
                }
            }
        }
        let asks = !expected.patched.is_empty() || !expected.generated.is_empty();
        if asks && found.is_none() {
            return true;
        }
        self.status_row(expected, shown, outcome, found);
        false
    }

    /// The row of a rule's status, unless the comparison with a file has failed already.
    fn status_row(
        &mut self,
        expected: &Expected,
        shown: &Value,
        outcome: &RuleOutcome,
        found: Option<(String, String, bool)>,
    ) {
        let status = status(outcome, self.policies);
        let (reason, message, failed) = match found {
            Some(found @ (_, _, true)) => found,
            _ if status == expected.result => ("Ok".to_owned(), outcome.message.clone(), false),
            _ => {
                let (want, got) = (expected.result.as_str(), status.as_str());
                (format!("Want {want}, got {got}"), outcome.message.clone(), true)
            }
        };
        self.push(Row {
            id: 0,
            policy: expected.policy.clone(),
            rule: outcome.rule.to_string(),
            resource: key(shown),
            result: if failed { "Fail" } else { "Pass" },
            reason,
            message,
            failed,
        });
    }

    fn push(&mut self, row: Row) {
        let id = self.rows.len() + 1;
        self.rows.push(Row { id, ..row });
    }

    fn is_policy(&self, expected: &Expected, at: usize) -> bool {
        self.policies.get(at).is_some_and(|loaded| is_name(&expected.policy, loaded.name()))
    }
}

/// The status as reports have it: what a policy that is not scored refuses is a warning.
fn status(outcome: &RuleOutcome, policies: &[Loaded]) -> Status {
    let unscored = policies.iter().any(|loaded| {
        loaded.name() == outcome.policy.name
            && loaded.annotation("policies.kyverno.io/scored") == "false"
    });
    if outcome.status == Status::Fail && unscored { Status::Warn } else { outcome.status }
}

/// Whether a name of the test file, with or without a namespace, is the policy's.
fn is_name(written: &str, name: &str) -> bool {
    written.rsplit('/').next() == Some(name)
}

/// Whether a rule is the one that the test file names; generated ones go by the name they were made from.
fn is_rule(expected: &Expected, rule: &str) -> bool {
    let written = expected.rule.as_str();
    written.is_empty()
        || rule == written
        || rule.strip_prefix("autogen-") == Some(written)
        || rule.strip_prefix("autogen-cronjob-") == Some(written)
}

/// Whether `resources` or `resourceSpecs` name an object.
// COMPAT: Kyverno 1.19: `resourceSpecs` count only beside `resources`; test: resource_specs_alone_are_not_read
fn is_named(expected: &Expected, object: &Value) -> bool {
    let text = |path: &[&str]| object.str_at(path).unwrap_or_default();
    let (namespace, name) = (text(&["metadata", "namespace"]), text(&["metadata", "name"]));
    let by_name = expected.resources.iter().any(|written| match written.split_once('/') {
        Some((of, one)) => of == namespace && one == name,
        None => written == name,
    });
    let by_spec = !expected.resources.is_empty()
        && expected.specs.iter().any(|spec| spec.namespace == namespace && spec.name == name);
    by_name || by_spec
}

/// `apiVersion/Kind/namespace/name`.
fn key(object: &Value) -> String {
    let text = |path: &[&str]| object.str_at(path).unwrap_or_default();
    format!(
        "{}/{}/{}/{}",
        text(&["apiVersion"]),
        text(&["kind"]),
        text(&["metadata", "namespace"]),
        text(&["metadata", "name"])
    )
}
