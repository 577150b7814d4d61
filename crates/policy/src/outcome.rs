//! From what was found out to what happens: status and blocking, for every rule, in one place.
use crate::{
    decision::{ImageStatus, RuleType, Status},
    fact::CauseKind,
    rules::verify_images::ImageResult,
    snapshot::{FailureAction, FailurePolicy},
};

/// A status, and whether it blocks the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// One of Kyverno's five.
    pub(crate) status: Status,
    /// Whether the request is refused for it.
    pub(crate) blocks: bool,
}

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'f> {
    /// One of the three outcomes of an image, or that nothing was asked of it.
    Image(&'f ImageStatus),
    /// The object is as the rule wants it.
    Pass,
    /// It is not.
    Fail,
    /// The rule could not be evaluated, for a reason of its own.
    Error,
    /// The rule does not apply.
    Skip,
}

/// The table of outcomes.
///
/// | found | status | blocks |
/// |---|---|---|
/// | verified, as wanted | pass | – |
/// | refuted, absent, not as wanted | fail | under Enforce |
/// | undetermined: denied, throttled, 5xx, malformed, too large, forbidden, trust not available, over budget | fail | under Enforce |
/// | undetermined: connection failed, timed out, deadline | error | under Enforce and failurePolicy Fail |
/// | an error of the rule itself | error | under Enforce and failurePolicy Fail |
// COMPAT: Kyverno 1.19: there an Audit policy blocks when the network is lost; test: an_audit_policy_never_blocks_on_network_loss
pub(crate) fn judge(
    found: Found<'_>,
    rule_type: RuleType,
    action: FailureAction,
    failure_policy: FailurePolicy,
) -> Judgement {
    let enforced = action == FailureAction::Enforce;
    let strict = failure_policy == FailurePolicy::Fail;
    let fail = Judgement { status: Status::Fail, blocks: enforced };
    // A mutate rule has no action: only the failure policy speaks for it.
    let enforced = enforced || rule_type == RuleType::Mutation;
    let error = Judgement { status: Status::Error, blocks: enforced && strict };
    match found {
        Found::Pass | Found::Image(ImageStatus::Verified | ImageStatus::NotVerified) => {
            Judgement { status: Status::Pass, blocks: false }
        }
        Found::Skip => Judgement { status: Status::Skip, blocks: false },
        Found::Fail | Found::Image(ImageStatus::Refuted) => fail,
        Found::Image(ImageStatus::Undetermined(cause)) => match cause.kind {
            CauseKind::Unreachable | CauseKind::TimedOut | CauseKind::Deadline => error,
            CauseKind::Denied
            | CauseKind::Throttled { .. }
            | CauseKind::Unavailable
            | CauseKind::Malformed
            | CauseKind::TooLarge
            | CauseKind::Forbidden
            | CauseKind::TrustUnavailable
            | CauseKind::Budget => fail,
        },
        Found::Error => error,
    }
}

/// The judgement of one image's result.
pub(crate) fn judge_image(
    result: &ImageResult,
    action: FailureAction,
    failure_policy: FailurePolicy,
) -> Judgement {
    let found = match (&result.outcome.status, result.own_error, &result.warning) {
        (_, true, _) => Found::Error,
        (ImageStatus::NotVerified, false, Some(_)) => Found::Skip,
        (status, false, _) => Found::Image(status),
    };
    judge(found, RuleType::ImageVerify, action, failure_policy)
}

/// Which of two statuses speaks for a rule: a failure before an error, since it blocks whenever an error does.
pub(crate) fn rank(status: Status) -> u8 {
    match status {
        Status::Skip => 0,
        Status::Pass => 1,
        Status::Warn => 2,
        Status::Error => 3,
        Status::Fail => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Cause;

    fn check(
        kind: Option<CauseKind>,
        action: FailureAction,
        policy: FailurePolicy,
        expected: (Status, bool),
    ) {
        let status = match kind {
            Some(kind) => ImageStatus::Undetermined(Cause { kind, place: "r".into(), said: None }),
            None => ImageStatus::Refuted,
        };
        let got = judge(Found::Image(&status), RuleType::ImageVerify, action, policy);
        assert_eq!((got.status, got.blocks), expected, "{kind:?} {action:?} {policy:?}");
    }

    #[test]
    fn the_table_of_outcomes_holds_row_by_row() {
        use FailureAction::{Audit, Enforce};
        use FailurePolicy::{Fail, Ignore};
        for (action, policy, blocks) in [
            (Enforce, Fail, true),
            (Enforce, Ignore, true),
            (Audit, Fail, false),
            (Audit, Ignore, false),
        ] {
            check(None, action, policy, (Status::Fail, blocks));
            for kind in [
                CauseKind::Denied,
                CauseKind::Throttled { retry_after_ms: 1 },
                CauseKind::Unavailable,
                CauseKind::Malformed,
                CauseKind::TooLarge,
                CauseKind::Forbidden,
                CauseKind::TrustUnavailable,
                CauseKind::Budget,
            ] {
                check(Some(kind), action, policy, (Status::Fail, blocks));
            }
        }
        for kind in [CauseKind::Unreachable, CauseKind::TimedOut, CauseKind::Deadline] {
            check(Some(kind), Enforce, Fail, (Status::Error, true));
            check(Some(kind), Enforce, Ignore, (Status::Error, false));
            check(Some(kind), Audit, Fail, (Status::Error, false));
        }
    }

    #[test]
    fn an_error_of_a_mutate_rule_blocks_by_failure_policy_alone() {
        let error = |policy| judge(Found::Error, RuleType::Mutation, FailureAction::Audit, policy);
        assert!(error(FailurePolicy::Fail).blocks);
        assert!(!error(FailurePolicy::Ignore).blocks);
    }
}
