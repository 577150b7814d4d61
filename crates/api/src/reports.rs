//! The group `wgpolicyk8s.io`: policy reports.
pub mod cluster_policy_report;
pub mod policy_report;

pub use cluster_policy_report::ClusterPolicyReport;
pub use policy_report::{
    PolicyReport, PolicyReportResult, PolicyReportSummary, PolicyResult, PolicySeverity, Timestamp,
};

/// Group and version.
pub const API_VERSION: &str = "wgpolicyk8s.io/v1alpha2";
