//! `ClusterPolicyReport`: what policies said about a cluster-scoped resource.
use super::{PolicyReportResult, PolicyReportSummary};
use crate::{
    kubernetes::{LabelSelector, ObjectMeta, ObjectReference},
    schema::wire,
};

wire! {
    /// What policies said about a cluster-scoped resource.
    pub struct ClusterPolicyReport {
        /// Group and version of this document.
        api_version("apiVersion"): String;
        /// Kind of this document.
        kind("kind"): String;
        /// Name and owner.
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
