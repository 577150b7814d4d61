//! One validate rule.
use super::{super::Finished, Run};
use crate::{
    compile::Policy, rule::Rule, rules::validate::Validate, snapshot::FailureAction, stop::Stop,
};
use sigward_document::Value;

impl Run<'_> {
    /// What comes of a validate rule whose match holds.
    #[expect(clippy::unused_self, reason = "no validate rule can be compiled yet")]
    pub(super) fn validate(
        &mut self,
        _policy: &Policy,
        _rule: &Rule,
        validate: &Validate,
        _object: &Value,
        _action: FailureAction,
    ) -> Result<Finished, Stop> {
        match *validate {}
    }
}
