//! `PolicyReport`: what policies said about a resource in a namespace.
use crate::{
    kubernetes::{LabelSelector, ObjectMeta, ObjectReference},
    schema::{wire, words},
};
use std::collections::BTreeMap;

wire! {
    /// What policies said about a resource in a namespace.
    pub struct PolicyReport {
        /// Group and version of this document.
        api_version("apiVersion"): String;
        /// Kind of this document.
        kind("kind"): String;
        /// Name, namespace and owner.
        metadata("metadata"): ObjectMeta;
        /// The resource that all results are about.
        scope("scope"): Option<ObjectReference>;
        /// The resources that the results are about, by labels.
        scope_selector("scopeSelector"): Option<LabelSelector>;
        /// How many results of each kind there are.
        summary("summary"): Option<PolicyReportSummary>;
        /// One for each rule.
        results("results"): Vec<PolicyReportResult>;
    }
}

words! {
    /// What came of a rule.
    pub enum PolicyResult {
        /// The resource is as the rule demands.
        Pass = "pass",
        /// It is not.
        Fail = "fail",
        /// It is not, and the policy is not scored.
        Warn = "warn",
        /// The rule could not be evaluated.
        Error = "error",
        /// The rule was not for the resource.
        Skip = "skip",
    }
}

words! {
    /// How bad a failure is.
    pub enum PolicySeverity {
        /// Worst.
        Critical = "critical",
        /// Bad.
        High = "high",
        /// Least of the three ordinary ones.
        Low = "low",
        /// Between both.
        Medium = "medium",
        /// Only to be known.
        Info = "info",
    }
}

/// How many results of each kind there are; zeros are written too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct PolicyReportSummary {
    /// Results `pass`.
    pub pass: i64,
    /// Results `fail`.
    pub fail: i64,
    /// Results `warn`.
    pub warn: i64,
    /// Results `error`.
    pub error: i64,
    /// Results `skip`.
    pub skip: i64,
}

impl PolicyReportSummary {
    /// Counts the results. One without a result counts as `skip`.
    pub fn of(results: &[PolicyReportResult]) -> Self {
        let mut summary = Self::default();
        for result in results {
            let count = match result.result.unwrap_or(PolicyResult::Skip) {
                PolicyResult::Pass => &mut summary.pass,
                PolicyResult::Fail => &mut summary.fail,
                PolicyResult::Warn => &mut summary.warn,
                PolicyResult::Error => &mut summary.error,
                PolicyResult::Skip => &mut summary.skip,
            };
            *count += 1;
        }
        summary
    }
}

impl crate::schema::Schema for PolicyReportSummary {
    fn schema() -> serde_json::Value {
        let count = |what: &str| serde_json::json!({ "type": "integer", "description": what });
        serde_json::json!({
            "type": "object",
            "properties": {
                "pass": count("Results 'pass'."),
                "fail": count("Results 'fail'."),
                "warn": count("Results 'warn'."),
                "error": count("Results 'error'."),
                "skip": count("Results 'skip'."),
            }
        })
    }
}

wire! {
    /// What one rule said.
    pub struct PolicyReportResult {
        /// Who evaluated the rule.
        source("source"): String;
        /// Name of the policy; `namespace/name` for a Policy.
        policy("policy"): String, required;
        /// Name of the rule.
        rule("rule"): String;
        /// What the policy is about.
        category("category"): String;
        /// How bad a failure is.
        severity("severity"): Option<PolicySeverity>;
        /// When it was evaluated.
        timestamp("timestamp"): Option<Timestamp>;
        /// What came of it.
        result("result"): Option<PolicyResult>;
        /// Whether it counts.
        scored("scored"): bool;
        /// The resources it is about, where the report has no `scope`.
        resources("resources"): Vec<ObjectReference>;
        /// The same by labels.
        resource_selector("resourceSelector"): Option<LabelSelector>;
        /// For people.
        message("message"): String;
        /// More, by name.
        properties("properties"): BTreeMap<String, String>;
    }
}

/// A time, in two parts that are always written.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(default)]
pub struct Timestamp {
    /// Seconds since 1970, UTC.
    pub seconds: i64,
    /// Nanoseconds of that second.
    pub nanos: i32,
}

impl crate::schema::Schema for Timestamp {
    fn schema() -> serde_json::Value {
        serde_json::json!({
            "type": "object",
            "required": ["nanos", "seconds"],
            "properties": {
                "seconds": { "type": "integer", "format": "int64", "description": "Seconds since 1970, UTC." },
                "nanos": { "type": "integer", "format": "int32", "description": "Nanoseconds of that second." },
            }
        })
    }
}
