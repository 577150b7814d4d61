//! `Policy`: rules for one namespace.
use super::{PolicyStatus, Spec};
use crate::{kubernetes::ObjectMeta, schema::wire};

wire! {
    /// Rules that hold in the policy's own namespace only.
    pub struct Policy {
        /// Group and version of this document.
        api_version("apiVersion"): String;
        /// Kind of this document.
        kind("kind"): String;
        /// Name, namespace, labels and annotations.
        metadata("metadata"): ObjectMeta;
        /// What the policy demands and does.
        spec("spec"): Spec, required;
        /// What became of it. Written by the controller.
        status("status"): Option<PolicyStatus>;
    }
}
