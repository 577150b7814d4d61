//! `PolicyException`: what some rules are not for.
use crate::{
    kubernetes::ObjectMeta,
    kyverno::v1::{AnyAllConditions, MatchResources, PodSecurityExclusion},
    schema::wire,
};

wire! {
    /// Some rules of some policies do not hold for some resources.
    pub struct PolicyException {
        /// Group and version of this document.
        api_version("apiVersion"): String;
        /// Kind of this document.
        kind("kind"): String;
        /// Name and namespace.
        metadata("metadata"): ObjectMeta;
        /// Which rules, and which resources.
        spec("spec"): PolicyExceptionSpec, required;
    }
}

wire! {
    /// Which rules do not hold for which resources.
    pub struct PolicyExceptionSpec {
        /// Whether it counts for resources that exist already.
        background("background"): Option<bool>;
        /// Which resources, by `any` or `all`.
        match_resources("match"): Option<MatchResources>, required;
        /// Conditions that must hold as well.
        conditions("conditions"): Option<AnyAllConditions>;
        /// Which rules.
        exceptions("exceptions"): Vec<Exception>, required;
        /// Which controls of the Pod Security Standards; only for rules with `validate.podSecurity`.
        pod_security("podSecurity"): Vec<PodSecurityExclusion>;
    }
}

impl PolicyExceptionSpec {
    /// `background`, or true.
    pub fn effective_background(&self) -> bool {
        self.background.unwrap_or(true)
    }
}

wire! {
    /// Rules of one policy.
    pub struct Exception {
        /// Name of the policy; `namespace/name` for a Policy.
        policy_name("policyName"): String, required;
        /// Names of its rules, with wildcards. Generated rules have names of their own.
        rule_names("ruleNames"): Vec<String>, required;
    }
}
