//! `generate`: resources that are made for others.
use super::{AnyAllConditions, ContextEntry};
use crate::{kubernetes::LabelSelector, schema::wire};
use sigward_document::Value;

wire! {
    /// Resources that are made when another one appears.
    pub struct Generation {
        /// Whether resources that exist already count as well.
        generate_existing("generateExisting"): Option<bool>;
        /// Whether what was made follows its source.
        synchronize("synchronize"): Option<bool>;
        /// Whether what was made stays when the policy goes.
        orphan_downstream_on_policy_delete("orphanDownstreamOnPolicyDelete"): Option<bool>;
        /// Group and version of the new resource.
        api_version("apiVersion"): String;
        /// Kind of the new resource.
        kind("kind"): String;
        /// Namespace of the new resource.
        namespace("namespace"): String;
        /// Name of the new resource.
        name("name"): String;
        /// UID.
        uid("uid"): String;
        /// What it contains.
        data("data"): Option<Value>;
        /// Which resource it is a copy of.
        clone_from("clone"): Option<CloneFrom>;
        /// Which resources are copied.
        clone_list("cloneList"): Option<CloneList>;
        /// One for each element of a list.
        for_each("foreach"): Vec<ForEachGeneration>;
    }
}

wire! {
    /// A resource of the same kind that is copied.
    pub struct CloneFrom {
        /// Its namespace.
        namespace("namespace"): String;
        /// Its name.
        name("name"): String;
    }
}

wire! {
    /// Resources that are copied.
    pub struct CloneList {
        /// Their namespace.
        namespace("namespace"): String;
        /// Their kinds, as `version/Kind` or `group/version/Kind`.
        kinds("kinds"): Vec<String>;
        /// By labels.
        selector("selector"): Option<LabelSelector>;
    }
}

wire! {
    /// Resources for each element of a list.
    pub struct ForEachGeneration {
        /// An expression that yields the list.
        list("list"): String;
        /// Data that is needed for each element.
        context("context"): Vec<ContextEntry>;
        /// Conditions that must hold for the element.
        preconditions("preconditions"): Option<AnyAllConditions>, { "x-kubernetes-preserve-unknown-fields": true };
        /// Group and version of the new resource.
        api_version("apiVersion"): String;
        /// Kind of the new resource.
        kind("kind"): String;
        /// Namespace of the new resource.
        namespace("namespace"): String;
        /// Name of the new resource.
        name("name"): String;
        /// UID.
        uid("uid"): String;
        /// What it contains.
        data("data"): Option<Value>;
        /// Which resource it is a copy of.
        clone_from("clone"): Option<CloneFrom>;
        /// Which resources are copied.
        clone_list("cloneList"): Option<CloneList>;
    }
}
