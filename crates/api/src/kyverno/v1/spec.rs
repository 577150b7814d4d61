//! `spec` of a policy: its rules, and how they act.
use super::{MatchCondition, Rule};
use crate::{
    kubernetes::LabelSelector,
    schema::{wire, words},
};

words! {
    /// How many rules of a policy apply to one resource.
    pub enum ApplyRules {
        /// Every rule that matches.
        All = "All",
        /// The first rule that matches and is not skipped.
        One = "One",
    }
}

words! {
    /// What a request meets when a policy cannot be asked or evaluated.
    pub enum FailurePolicy {
        /// It is admitted.
        Ignore = "Ignore",
        /// It is refused.
        Fail = "Fail",
    }
}

words! {
    /// What a request meets when a rule fails. The spellings in lower case are deprecated.
    pub enum FailureAction {
        /// It is admitted and the failure is reported.
        Audit = "Audit" | "audit",
        /// It is refused.
        Enforce = "Enforce" | "enforce",
    }
}

wire! {
    /// What the policy demands and does.
    pub struct Spec {
        /// The rules, each with one action. Names are unique.
        rules("rules"): Vec<Rule>;
        /// How many rules apply to one resource: all that match (the default), or the first.
        apply_rules("applyRules"): Option<ApplyRules>;
        /// Deprecated: use `webhookConfiguration.failurePolicy`.
        failure_policy("failurePolicy"): Option<FailurePolicy>;
        /// Deprecated: use `failureAction` of the rule. What happens when a rule fails.
        validation_failure_action("validationFailureAction"): Option<FailureAction>, { "default": "Audit" };
        /// Deprecated: use `failureActionOverrides` of the rule. Another action for some namespaces.
        validation_failure_action_overrides("validationFailureActionOverrides"): Vec<FailureActionOverride>;
        /// Whether failures that do not block are told to the client as warnings.
        emit_warning("emitWarning"): Option<bool>, { "default": false };
        /// Whether the rules are applied to admission requests.
        admission("admission"): Option<bool>, { "default": true };
        /// Whether the rules are applied to resources that exist already.
        background("background"): Option<bool>, { "default": true };
        /// Deprecated, without effect.
        schema_validation("schemaValidation"): Option<bool>;
        /// Deprecated: use `webhookConfiguration.timeoutSeconds`.
        webhook_timeout_seconds("webhookTimeoutSeconds"): Option<i32>;
        /// Deprecated: use `mutateExistingOnPolicyUpdate` of the rule.
        mutate_existing_on_policy_update("mutateExistingOnPolicyUpdate"): Option<bool>;
        /// Deprecated and refused: use `generateExisting` of the rule.
        generate_existing_on_policy_update("generateExistingOnPolicyUpdate"): Option<bool>;
        /// Deprecated: use `generateExisting` of the rule.
        generate_existing("generateExisting"): Option<bool>;
        /// Whether generate rules write by server-side apply.
        use_server_side_apply("useServerSideApply"): Option<bool>;
        /// How the API server is to call for this policy.
        webhook_configuration("webhookConfiguration"): Option<WebhookConfiguration>;
    }
}

impl Spec {
    /// `applyRules`, or `All`.
    pub fn effective_apply_rules(&self) -> ApplyRules {
        self.apply_rules.unwrap_or(ApplyRules::All)
    }

    /// `webhookConfiguration.failurePolicy`, else `failurePolicy`, else `Fail`.
    pub fn effective_failure_policy(&self) -> FailurePolicy {
        self.webhook_configuration
            .as_ref()
            .and_then(|configuration| configuration.failure_policy)
            .or(self.failure_policy)
            .unwrap_or(FailurePolicy::Fail)
    }

    /// `webhookConfiguration.timeoutSeconds`, else `webhookTimeoutSeconds`; seconds, not checked.
    pub fn effective_timeout_seconds(&self) -> Option<i32> {
        self.webhook_configuration
            .as_ref()
            .and_then(|configuration| configuration.timeout_seconds)
            .or(self.webhook_timeout_seconds)
    }

    /// `validationFailureAction`, or `Audit`.
    pub fn effective_failure_action(&self) -> FailureAction {
        self.validation_failure_action.unwrap_or(FailureAction::Audit)
    }

    /// `admission`, or true.
    pub fn effective_admission(&self) -> bool {
        self.admission.unwrap_or(true)
    }

    /// `background`, or true.
    pub fn effective_background(&self) -> bool {
        self.background.unwrap_or(true)
    }

    /// `emitWarning`, or false.
    pub fn effective_emit_warning(&self) -> bool {
        self.emit_warning.unwrap_or(false)
    }
}

wire! {
    /// Another failure action for some namespaces.
    pub struct FailureActionOverride {
        /// The action in these namespaces.
        action("action"): Option<FailureAction>;
        /// Names of namespaces, with wildcards.
        namespaces("namespaces"): Vec<String>;
        /// Namespaces by their labels. When `namespaces` is there as well, both must match.
        namespace_selector("namespaceSelector"): Option<LabelSelector>;
    }
}

wire! {
    /// How the API server is to call for this policy.
    pub struct WebhookConfiguration {
        /// What happens to a request when the policy cannot be asked or evaluated: `Fail` (the default) or `Ignore`.
        failure_policy("failurePolicy"): Option<FailurePolicy>;
        /// How many seconds the API server waits for the answer, 1 to 30.
        timeout_seconds("timeoutSeconds"): Option<i32>;
        /// CEL that the API server evaluates before it calls; it calls only if all are true.
        match_conditions("matchConditions"): Vec<MatchCondition>;
    }
}
