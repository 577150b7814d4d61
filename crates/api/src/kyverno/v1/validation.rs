//! `validate`: what a resource must look like.
use super::{
    AnyAllConditions, AttestorSet, Conditions, ContextEntry, FailureAction, FailureActionOverride,
};
use crate::{kubernetes::LabelSelector, schema::wire};
use sigward_document::Value;

wire! {
    /// What a resource must look like, in one of several ways to say it.
    pub struct Validation {
        /// What happens when the rule fails: `Audit` or `Enforce`.
        failure_action("failureAction"): Option<FailureAction>;
        /// Another action for some namespaces.
        failure_action_overrides("failureActionOverrides"): Vec<FailureActionOverride>;
        /// Whether a resource that violated the rule before may be updated and still violate it.
        allow_existing_violations("allowExistingViolations"): Option<bool>, { "default": true };
        /// What is said when the rule fails; variables may be used.
        message("message"): String;
        /// The resource must look like this.
        pattern("pattern"): Option<Value>;
        /// The resource must look like one of these.
        any_pattern("anyPattern"): Option<Value>;
        /// The resource is refused when these conditions hold.
        deny("deny"): Option<Deny>;
        /// Checks for each element of a list.
        for_each("foreach"): Vec<ForEachValidation>;
        /// A level of the Pod Security Standards.
        pod_security("podSecurity"): Option<PodSecurity>;
        /// Signatures over the resource itself.
        manifests("manifests"): Option<Manifests>;
        /// Expressions in CEL.
        cel("cel"): Option<Cel>;
        /// Without effect.
        assert("assert"): Option<Value>;
    }
}

impl Validation {
    /// `allowExistingViolations`, or true.
    pub fn effective_allow_existing_violations(&self) -> bool {
        self.allow_existing_violations.unwrap_or(true)
    }
}

wire! {
    /// Conditions under which a resource is refused.
    pub struct Deny {
        /// `any` and `all`, or (deprecated) a list.
        conditions("conditions"): Option<Conditions>, free;
    }
}

wire! {
    /// A check for each element of a list.
    pub struct ForEachValidation {
        /// An expression that yields the list.
        list("list"): String;
        /// Whether patterns look at the element (true) or at the whole resource.
        element_scope("elementScope"): Option<bool>;
        /// Data that the check needs, for each element.
        context("context"): Vec<ContextEntry>;
        /// Conditions that must hold for the element to be checked.
        preconditions("preconditions"): Option<AnyAllConditions>, { "x-kubernetes-preserve-unknown-fields": true };
        /// The element must look like this.
        pattern("pattern"): Option<Value>;
        /// The element must look like one of these.
        any_pattern("anyPattern"): Option<Value>;
        /// The resource is refused when these conditions hold.
        deny("deny"): Option<Deny>;
        /// Checks for each element of a list inside the element.
        for_each("foreach"): Vec<ForEachValidation>, free;
    }
}

wire! {
    /// A level of the Pod Security Standards.
    pub struct PodSecurity {
        /// `privileged`, `baseline` or `restricted`.
        level("level"): String, { "enum": ["privileged", "baseline", "restricted"] };
        /// The Kubernetes version whose standards hold; the latest if not given.
        version("version"): String, { "enum": [
            "v1.19", "v1.20", "v1.21", "v1.22", "v1.23", "v1.24", "v1.25", "v1.26", "v1.27", "v1.28", "v1.29", "v1.30", "v1.31",
            "v1.32", "latest"
        ] };
        /// What is allowed nevertheless.
        exclude("exclude"): Vec<PodSecurityExclusion>;
    }
}

wire! {
    /// A control that is not applied, or not to some images or values.
    pub struct PodSecurityExclusion {
        /// Name of the control.
        control_name("controlName"): String, required, { "enum": [
            "HostProcess", "Host Namespaces", "Privileged Containers", "Capabilities", "HostPath Volumes", "Host Ports", "AppArmor",
            "SELinux", "/proc Mount Type", "Seccomp", "Sysctls", "Volume Types", "Privilege Escalation", "Running as Non-root",
            "Running as Non-root user"
        ] };
        /// Images of the containers that it is for, with wildcards.
        images("images"): Vec<String>;
        /// The field that it is for.
        restricted_field("restrictedField"): String;
        /// The values that are allowed in that field, with wildcards.
        values("values"): Vec<String>;
    }
}

wire! {
    /// Signatures over the resource itself.
    pub struct Manifests {
        /// Who must have signed.
        attestors("attestors"): Vec<AttestorSet>;
        /// Prefix of the annotations that hold the signature.
        annotation_domain("annotationDomain"): String;
        /// Fields that are not compared.
        ignore_fields("ignoreFields"): Vec<IgnoredFields>;
        /// Whether defaults are learned by a dry run.
        dry_run("dryRun"): Option<DryRun>;
        /// The repository that holds the signature.
        repository("repository"): String;
    }
}

wire! {
    /// Fields of some objects that are not compared.
    pub struct IgnoredFields {
        /// Paths, with wildcards.
        fields("fields"): Vec<String>;
        /// The objects.
        objects("objects"): Vec<IgnoredObject>;
    }
}

wire! {
    /// Objects by their kind and name, with wildcards.
    pub struct IgnoredObject {
        /// Group.
        group("group"): String;
        /// Version.
        version("version"): String;
        /// Kind.
        kind("kind"): String;
        /// Name.
        name("name"): String;
        /// Namespace.
        namespace("namespace"): String;
    }
}

wire! {
    /// Whether defaults are learned by a dry run.
    pub struct DryRun {
        /// Whether it is done.
        enable("enable"): Option<bool>;
        /// In which namespace.
        namespace("namespace"): String;
    }
}

wire! {
    /// Expressions in CEL.
    pub struct Cel {
        /// Expressions, all of which must be true.
        expressions("expressions"): Vec<CelValidation>;
        /// Expressions by name, for the others to use.
        variables("variables"): Vec<CelVariable>;
        /// Expressions whose values go into the audit log.
        audit_annotations("auditAnnotations"): Vec<CelAuditAnnotation>;
        /// Kind of the parameters.
        param_kind("paramKind"): Option<CelParamKind>;
        /// Which parameters.
        param_ref("paramRef"): Option<CelParamRef>;
        /// Whether a ValidatingAdmissionPolicy is made from the rule.
        generate("generate"): Option<bool>, { "default": false };
    }
}

wire! {
    /// An expression that must be true.
    pub struct CelValidation {
        /// CEL that yields a boolean.
        expression("expression"): String, required;
        /// What is said when it is false.
        message("message"): String;
        /// CEL that yields what is said when it is false.
        message_expression("messageExpression"): String;
        /// One word for programs.
        reason("reason"): Option<String>;
    }
}

wire! {
    /// An expression with a name.
    pub struct CelVariable {
        /// `variables.NAME` is its value.
        name("name"): String, required;
        /// CEL.
        expression("expression"): String, required;
    }
    with { "x-kubernetes-map-type": "atomic" }
}

wire! {
    /// An annotation of the audit event.
    pub struct CelAuditAnnotation {
        /// Its name.
        key("key"): String, required;
        /// CEL that yields a string or null.
        value_expression("valueExpression"): String, required;
    }
}

wire! {
    /// Kind of the parameters.
    pub struct CelParamKind {
        /// Group and version.
        api_version("apiVersion"): String;
        /// Kind.
        kind("kind"): String;
    }
    with { "x-kubernetes-map-type": "atomic" }
}

wire! {
    /// Which objects are the parameters.
    pub struct CelParamRef {
        /// Name.
        name("name"): String;
        /// Namespace.
        namespace("namespace"): String;
        /// By labels.
        selector("selector"): Option<LabelSelector>;
        /// `Allow` or `Deny` when there are none.
        parameter_not_found_action("parameterNotFoundAction"): Option<String>;
    }
    with { "x-kubernetes-map-type": "atomic" }
}
