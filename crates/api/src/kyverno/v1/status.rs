//! `status` of a policy: what became of it.
use crate::{kubernetes::StatusCondition, schema::wire};
use sigward_document::Value;

wire! {
    /// What became of the policy. Written by the controller.
    pub struct PolicyStatus {
        /// Deprecated: use the condition `Ready`.
        ready("ready"): Option<bool>;
        /// `Ready`: the policy is in force.
        conditions("conditions"): Vec<StatusCondition>;
        /// The rules that were made from those for Pods.
        autogen("autogen"): Option<AutogenStatus>;
        /// How many rules of each type there are, generated ones left out.
        rule_count("rulecount"): Option<RuleCount>;
        /// Whether a ValidatingAdmissionPolicy was made from it.
        validating_admission_policy("validatingadmissionpolicy"): Option<ValidatingAdmissionPolicyStatus>;
    }
}

wire! {
    /// The rules that were made from those for Pods, for controllers of Pods.
    pub struct AutogenStatus {
        /// As if they stood in the policy.
        rules("rules"): Vec<Value>,
            { "items": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } };
    }
}

/// Numbers of rules; zeros are written too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct RuleCount {
    /// Rules with `validate`.
    pub validate: i32,
    /// Rules with `generate`.
    pub generate: i32,
    /// Rules with `mutate`.
    pub mutate: i32,
    /// Rules with `verifyImages`.
    #[serde(rename = "verifyimages")]
    pub verify_images: i32,
}

impl crate::schema::Schema for RuleCount {
    fn schema() -> serde_json::Value {
        let count = |what: &str| serde_json::json!({ "type": "integer", "description": what });
        serde_json::json!({
            "type": "object",
            "required": ["generate", "mutate", "validate", "verifyimages"],
            "properties": {
                "validate": count("Rules with 'validate'."),
                "generate": count("Rules with 'generate'."),
                "mutate": count("Rules with 'mutate'."),
                "verifyimages": count("Rules with 'verifyImages'."),
            }
        })
    }
}

/// Whether a ValidatingAdmissionPolicy was made; both members are always written.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ValidatingAdmissionPolicyStatus {
    /// Whether it was.
    pub generated: bool,
    /// Why not, where it was not.
    pub message: String,
}

impl crate::schema::Schema for ValidatingAdmissionPolicyStatus {
    fn schema() -> serde_json::Value {
        serde_json::json!({
            "type": "object",
            "required": ["generated", "message"],
            "properties": {
                "generated": { "type": "boolean", "description": "Whether it was." },
                "message": { "type": "string", "description": "Why not, where it was not." },
            }
        })
    }
}
