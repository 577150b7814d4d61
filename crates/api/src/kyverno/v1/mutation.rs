//! `mutate`: how a resource is changed.
use super::{AnyAllConditions, Conditions, ContextEntry};
use crate::{
    kubernetes::LabelSelector,
    schema::{wire, words},
};
use sigward_document::Value;

wire! {
    /// How a resource is changed.
    pub struct Mutation {
        /// Operations of RFC 6902, as YAML or JSON text.
        patches_json6902("patchesJson6902"): String;
        /// A patch that is merged in, with anchors.
        patch_strategic_merge("patchStrategicMerge"): Option<Value>;
        /// Patches for each element of a list.
        for_each("foreach"): Vec<ForEachMutation>;
        /// Resources that are changed instead of the one that is admitted.
        targets("targets"): Vec<TargetResourceSpec>;
        /// Whether `targets` are changed as well when the policy is.
        mutate_existing_on_policy_update("mutateExistingOnPolicyUpdate"): Option<bool>;
    }
}

words! {
    /// The order in which elements are taken.
    pub enum ForEachOrder {
        /// From the first.
        Ascending = "Ascending",
        /// From the last.
        Descending = "Descending",
    }
}

wire! {
    /// A patch for each element of a list.
    pub struct ForEachMutation {
        /// An expression that yields the list.
        list("list"): String;
        /// The order in which elements are taken.
        order("order"): Option<ForEachOrder>;
        /// Data that the patch needs, for each element.
        context("context"): Vec<ContextEntry>;
        /// Conditions that must hold for the element to be patched.
        preconditions("preconditions"): Option<AnyAllConditions>, { "x-kubernetes-preserve-unknown-fields": true };
        /// A patch that is merged in, with anchors.
        patch_strategic_merge("patchStrategicMerge"): Option<Value>;
        /// Operations of RFC 6902, as YAML or JSON text.
        patches_json6902("patchesJson6902"): String;
        /// Patches for each element of a list inside the element.
        for_each("foreach"): Vec<ForEachMutation>, free;
    }
}

wire! {
    /// Resources that are changed instead of the one that is admitted.
    pub struct TargetResourceSpec {
        /// Group and version.
        api_version("apiVersion"): String;
        /// Kind, also with a subresource.
        kind("kind"): String;
        /// Namespace, with wildcards.
        namespace("namespace"): String;
        /// Name, with wildcards.
        name("name"): String;
        /// UID.
        uid("uid"): String;
        /// By labels.
        selector("selector"): Option<LabelSelector>;
        /// Data that the patch needs, for each target.
        context("context"): Vec<ContextEntry>;
        /// Conditions that must hold for the target to be changed.
        preconditions("preconditions"): Option<Conditions>, free;
    }
}
