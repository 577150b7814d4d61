//! `kyverno.io/v1`: `ClusterPolicy` and `Policy`, which differ only in where they apply.
pub mod attestor;
pub mod cluster_policy;
pub mod conditions;
pub mod context;
pub mod generation;
pub mod image_verification;
pub mod match_resources;
pub mod mutation;
pub mod policy;
pub mod rule;
pub mod spec;
pub mod status;
pub mod validation;

pub use attestor::{
    Attestation, Attestor, AttestorSet, CertificateAttestor, CtLog, KeylessAttestor, Rekor,
    SecretReference, StaticKeyAttestor,
};
pub use cluster_policy::ClusterPolicy;
pub use conditions::{AnyAllConditions, Condition, Conditions};
pub use context::{
    ApiCall, ConfigMapReference, ContextEntry, GlobalReference, HttpHeader, HttpMethod,
    ImageRegistry, ImageRegistryCredentials, RequestData, ServiceCall, Variable,
};
pub use generation::{CloneFrom, CloneList, ForEachGeneration, Generation};
pub use image_verification::{ImageVerification, ImageVerificationType, ValidateImageVerification};
pub use match_resources::{MatchResources, ResourceDescription, ResourceFilter, Subject};
pub use mutation::{ForEachMutation, ForEachOrder, Mutation, TargetResourceSpec};
pub use policy::Policy;
pub use rule::{ImageExtractor, MatchCondition, Rule};
pub use spec::{
    ApplyRules, FailureAction, FailureActionOverride, FailurePolicy, Spec, WebhookConfiguration,
};
pub use status::{AutogenStatus, PolicyStatus, RuleCount, ValidatingAdmissionPolicyStatus};
pub use validation::{
    Cel, CelAuditAnnotation, CelParamKind, CelParamRef, CelValidation, CelVariable, Deny, DryRun,
    ForEachValidation, IgnoredFields, IgnoredObject, Manifests, PodSecurity, PodSecurityExclusion,
    Validation,
};

/// Group and version.
pub const API_VERSION: &str = "kyverno.io/v1";
