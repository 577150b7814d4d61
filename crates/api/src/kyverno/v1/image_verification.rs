//! `verifyImages`: who must have signed an image, and what must have been attested about it.
use super::{Attestation, AttestorSet, Deny, FailureAction, ImageRegistryCredentials};
use crate::schema::{wire, words};
use std::collections::BTreeMap;

words! {
    /// In which form signatures and attestations are stored.
    pub enum ImageVerificationType {
        /// As cosign stores them.
        Cosign = "Cosign",
        /// As Sigstore bundles only.
        SigstoreBundle = "SigstoreBundle",
        /// As the Notary Project stores them.
        Notary = "Notary",
    }
}

wire! {
    /// Who must have signed some images, and what must have been attested about them.
    pub struct ImageVerification {
        /// What happens when the images are not verified: `Audit` or `Enforce`.
        failure_action("failureAction"): Option<FailureAction>;
        /// In which form signatures and attestations are stored: `Cosign` (the default), `SigstoreBundle` or `Notary`.
        kind("type"): Option<ImageVerificationType>;
        /// Deprecated: use `imageReferences`. A pattern of images.
        image("image"): String;
        /// Patterns of images that this is for; one must match the image in its full form, `registry/path:tag`.
        image_references("imageReferences"): Vec<String>;
        /// Patterns of images that this is not for.
        skip_image_references("skipImageReferences"): Vec<String>;
        /// Deprecated: use `attestors`. A public key in PEM, or where one is found.
        key("key"): String;
        /// Deprecated: use `attestors`. Certificates in PEM that signers' certificates descend from.
        roots("roots"): String;
        /// Deprecated: use `attestors`. The subject of a certificate.
        subject("subject"): String;
        /// Deprecated: use `attestors`. The issuer of an identity.
        issuer("issuer"): String;
        /// Deprecated: use `attestors`. Extensions of a certificate.
        additional_extensions("additionalExtensions"): BTreeMap<String, String>;
        /// Who must have signed: all of these.
        attestors("attestors"): Vec<AttestorSet>;
        /// What must have been attested: all of these.
        attestations("attestations"): Vec<Attestation>;
        /// Deprecated: use `annotations` of the attestor. What the signature must say besides.
        annotations("annotations"): BTreeMap<String, String>;
        /// Another repository that holds signatures and attestations.
        repository("repository"): String;
        /// Whether signatures are looked for among the image's referrers first.
        cosign_oci11("cosignOCI11"): Option<bool>;
        /// Whether tags are replaced by the digests that were verified.
        mutate_digest("mutateDigest"): Option<bool>, { "default": true };
        /// Whether images must carry a digest.
        verify_digest("verifyDigest"): Option<bool>, { "default": true };
        /// Whether images must have been verified.
        required("required"): Option<bool>, { "default": true };
        /// Whether a proof may be used again for the same image.
        use_cache("useCache"): Option<bool>, { "default": true };
        /// How to sign in to the registry.
        image_registry_credentials("imageRegistryCredentials"): Option<ImageRegistryCredentials>;
        /// Conditions over what was attested.
        validate("validate"): Option<ValidateImageVerification>;
    }
}

impl ImageVerification {
    /// `type`, or `Cosign`.
    pub fn effective_kind(&self) -> ImageVerificationType {
        self.kind.unwrap_or(ImageVerificationType::Cosign)
    }

    /// `imageReferences`, and after them the deprecated `image`.
    pub fn all_image_references(&self) -> impl Iterator<Item = &str> {
        let deprecated = Some(self.image.as_str()).filter(|image| !image.is_empty());
        self.image_references.iter().map(String::as_str).chain(deprecated)
    }

    /// `mutateDigest`, or true.
    pub fn effective_mutate_digest(&self) -> bool {
        self.mutate_digest.unwrap_or(true)
    }

    /// `verifyDigest`, or true.
    pub fn effective_verify_digest(&self) -> bool {
        self.verify_digest.unwrap_or(true)
    }

    /// `required`, or true.
    pub fn effective_required(&self) -> bool {
        self.required.unwrap_or(true)
    }

    /// `useCache`, or true.
    pub fn effective_use_cache(&self) -> bool {
        self.use_cache.unwrap_or(true)
    }
}

wire! {
    /// Conditions over what was attested by all attestations together.
    pub struct ValidateImageVerification {
        /// What is said when the image is refused.
        message("message"): String;
        /// The image is refused when these conditions hold.
        deny("deny"): Option<Deny>;
    }
}
