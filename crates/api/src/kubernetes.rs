//! The parts of Kubernetes' own types that the custom resources are made with.
use crate::schema::{wire, words};
use std::collections::BTreeMap;

wire! {
    /// What every object carries: as much of `metadata` as is read here.
    pub struct ObjectMeta {
        /// Unique among objects of a kind, in its namespace.
        name("name"): String;
        /// Prefix of a name that the API server makes up.
        generate_name("generateName"): String;
        /// Empty for cluster-scoped kinds.
        namespace("namespace"): String;
        /// Unique in time and space.
        uid("uid"): String;
        /// Changes with every write.
        resource_version("resourceVersion"): String;
        /// Changes with every write of the specification.
        generation("generation"): i64;
        /// RFC 3339.
        creation_timestamp("creationTimestamp"): String;
        /// RFC 3339; set while the object is going away.
        deletion_timestamp("deletionTimestamp"): String;
        /// What selectors look at.
        labels("labels"): BTreeMap<String, String>;
        /// What selectors do not look at.
        annotations("annotations"): BTreeMap<String, String>;
        /// Removed together with these.
        owner_references("ownerReferences"): Vec<OwnerReference>;
    }
    with { "x-kubernetes-preserve-unknown-fields": true }
}

wire! {
    /// Whoever it belongs to; when all owners are gone, so is the object.
    pub struct OwnerReference {
        /// Group and version of the owner.
        api_version("apiVersion"): String, required;
        /// Kind of the owner.
        kind("kind"): String, required;
        /// Name of the owner.
        name("name"): String, required;
        /// UID of the owner.
        uid("uid"): String, required;
        /// Whether this is the owner that manages it.
        controller("controller"): Option<bool>;
        /// Whether the owner's removal waits for this object.
        block_owner_deletion("blockOwnerDeletion"): Option<bool>;
    }
}

wire! {
    /// Chooses objects by their labels. Both parts must hold; an empty selector chooses everything.
    pub struct LabelSelector {
        /// Label and value, all of which must be there. Policies may use wildcards in both.
        match_labels("matchLabels"): BTreeMap<String, String>;
        /// Requirements, all of which must hold.
        match_expressions("matchExpressions"): Vec<LabelSelectorRequirement>, { "x-kubernetes-list-type": "atomic" };
    }
    with { "x-kubernetes-map-type": "atomic" }
}

wire! {
    /// A label, an operator and values.
    pub struct LabelSelectorRequirement {
        /// The label's name.
        key("key"): String, required;
        /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
        operator("operator"): String, required;
        /// Not empty for `In` and `NotIn`, empty for the others.
        values("values"): Vec<String>, { "x-kubernetes-list-type": "atomic" };
    }
}

wire! {
    /// Points to an object or to a part of one.
    pub struct ObjectReference {
        /// Group and version.
        api_version("apiVersion"): String;
        /// A part of the object, such as `spec.containers{name}`.
        field_path("fieldPath"): String;
        /// Kind.
        kind("kind"): String;
        /// Name.
        name("name"): String;
        /// Empty for cluster-scoped kinds.
        namespace("namespace"): String;
        /// The version that was looked at.
        resource_version("resourceVersion"): String;
        /// UID.
        uid("uid"): String;
    }
    with { "x-kubernetes-map-type": "atomic" }
}

words! {
    /// Whether a condition holds.
    pub enum ConditionStatus {
        /// It holds.
        True = "True",
        /// It does not.
        False = "False",
        /// It cannot be told.
        Unknown = "Unknown",
    }
}

wire! {
    /// One aspect of an object's state (`metav1.Condition`).
    pub struct StatusCondition {
        /// `Ready`, …
        kind("type"): String, required, { "maxLength": 316 };
        /// Whether it holds.
        status("status"): Option<ConditionStatus>, required;
        /// One word, in camel case, for programs.
        reason("reason"): String, required, { "maxLength": 1024, "minLength": 1 };
        /// For people.
        message("message"): String, required, { "maxLength": 32768 };
        /// When `status` last changed, RFC 3339.
        last_transition_time("lastTransitionTime"): String, required, { "format": "date-time" };
        /// The `metadata.generation` that this was said about.
        observed_generation("observedGeneration"): Option<i64>, { "minimum": 0 };
    }
}
