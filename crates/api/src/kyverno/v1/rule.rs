//! A rule: which resources, under which conditions, and the one thing that is done.
use super::{
    Conditions, ContextEntry, Generation, ImageVerification, MatchResources, Mutation, Validation,
};
use crate::schema::wire;
use std::collections::BTreeMap;

wire! {
    /// Which resources, under which conditions, and one action: `mutate`, `validate`, `generate` or `verifyImages`.
    pub struct Rule {
        /// Unique in the policy.
        name("name"): String, required, { "maxLength": 63 };
        /// Data that the rule needs, by name.
        context("context"): Vec<ContextEntry>;
        /// Properties for the report of this rule; variables may be used in the values.
        report_properties("reportProperties"): BTreeMap<String, String>;
        /// Which resources and requests the rule is for.
        match_resources("match"): Option<MatchResources>, required;
        /// Which of those it is not for.
        exclude_resources("exclude"): Option<MatchResources>;
        /// Where images are found in resources other than Pods and their controllers, by kind.
        image_extractors("imageExtractors"): BTreeMap<String, Vec<ImageExtractor>>;
        /// Conditions that must hold for the rule to apply: `any` and `all`, or (deprecated) a list.
        preconditions("preconditions"): Option<Conditions>, free;
        /// CEL conditions that must hold for the rule to apply; only together with `validate.cel`.
        cel_preconditions("celPreconditions"): Vec<MatchCondition>;
        /// Changes the resource.
        mutate("mutate"): Option<Mutation>;
        /// Checks the resource.
        validate("validate"): Option<Validation>;
        /// Creates other resources.
        generate("generate"): Option<Generation>;
        /// Checks signatures and attestations of images, and pins their digests.
        verify_images("verifyImages"): Vec<ImageVerification>;
        /// Whether requests of the background controller are passed over.
        skip_background_requests("skipBackgroundRequests"): Option<bool>, { "default": true };
    }
}

impl Rule {
    /// `skipBackgroundRequests`, or true.
    pub fn effective_skip_background_requests(&self) -> bool {
        self.skip_background_requests.unwrap_or(true)
    }
}

wire! {
    /// A place in a resource where an image is named.
    pub struct ImageExtractor {
        /// Path of the field, with slashes; `*` goes over all elements of a list or map.
        path("path"): String, required;
        /// The member under `path` that holds the image, where `path` leads to a map.
        value("value"): String;
        /// The group in the variable `images`; `custom` if not given.
        name("name"): String;
        /// The member under `path` that names the image in that group.
        key("key"): String;
        /// An expression over the value that yields the image.
        jmes_path("jmesPath"): String;
    }
}

wire! {
    /// A CEL expression with a name.
    pub struct MatchCondition {
        /// Unique in its list.
        name("name"): String, required;
        /// CEL that yields a boolean.
        expression("expression"): String, required;
    }
}
