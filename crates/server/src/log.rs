//! The log lines of a decision: who looks for the reason of a refusal finds it in the process log too.
use sigward_policy::{
    decision::{Decision, RuleOutcome, Status},
    request::Request,
};

/// Most lines for one request.
const MOST_LINES: usize = 16;

/// Rules that did not hold, blocking or not, in order.
fn worth_a_line(decision: &Decision) -> impl Iterator<Item = &RuleOutcome> {
    decision
        .rules
        .iter()
        .filter(|rule| matches!(rule.status, Status::Fail | Status::Warn | Status::Error))
        .take(MOST_LINES)
}

/// Writes a line for each rule that did not hold.
pub(crate) fn decided(request: &Request, decision: &Decision) {
    for rule in worth_a_line(decision) {
        // What a client wrote is quoted: a line end in it starts no line of ours.
        tracing::info!(
            kind = ?request.kind.kind,
            namespace = ?request.namespace,
            name = ?request.name,
            user = ?request.user.as_ref().map_or("", |user| user.username.as_str()),
            policy = %rule.policy,
            rule = %rule.rule,
            result = rule.status.as_str(),
            message = ?rule.message,
            "{}", if rule.blocks { "refused" } else { "a rule did not hold" },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigward_document::Value;
    use sigward_policy::{
        decision::RuleType,
        snapshot::{FailureAction, FailurePolicy, PolicyName},
    };

    fn rule(status: Status) -> RuleOutcome {
        RuleOutcome {
            policy: PolicyName { namespace: "".into(), name: "p".into() },
            rule: status.as_str().into(),
            rule_type: RuleType::ImageVerify,
            status,
            message: String::new(),
            action: FailureAction::Enforce,
            failure_policy: FailurePolicy::Fail,
            blocks: false,
            target: None,
            images: Vec::new(),
            exceptions: Vec::new(),
            properties: Vec::new(),
        }
    }

    fn check(statuses: &[Status], expected: usize) {
        let decision = Decision {
            allowed: false,
            message: None,
            patch: Vec::new(),
            object: Value::NULL,
            warnings: Vec::new(),
            rules: statuses.iter().copied().map(rule).collect(),
            generated: Vec::new(),
            snapshot: 1,
        };
        assert_eq!(worth_a_line(&decision).count(), expected);
    }

    #[test]
    fn rules_that_held_or_did_not_apply_are_silent() {
        check(&[Status::Pass, Status::Skip], 0);
        check(&[Status::Pass, Status::Fail, Status::Warn, Status::Error], 3);
    }

    #[test]
    fn one_request_writes_a_bounded_number_of_lines() {
        check(&[Status::Fail; 100], MOST_LINES);
    }
}
