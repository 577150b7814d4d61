//! What a policy or an exception allows nevertheless: a control, for some images, in one field, with some values.
use super::field::FieldError;
use crate::matching::any_matches;
use smol_str::SmolStr;

/// One entry of `exclude`, or of an exception's `podSecurity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exclusion {
    /// `Capabilities`, `Host Ports`, …
    pub(crate) control: SmolStr,
    /// Wildcards over images as the Pod writes them; empty speaks of the Pod itself.
    pub(crate) images: Vec<SmolStr>,
    /// `spec.containers[*].securityContext.capabilities.add`; empty for every field of the control.
    pub(crate) field: SmolStr,
    /// Wildcards over the values that are allowed; empty for every value.
    pub(crate) values: Vec<SmolStr>,
}

impl Exclusion {
    /// Whether it speaks of containers with this image.
    pub(super) fn covers_image(&self, image: &str) -> bool {
        any_matches(&self.images, image)
    }

    /// Whether it allows this field with all its values. A field that is not set has none.
    pub(super) fn covers(&self, error: &FieldError) -> bool {
        (self.field.is_empty() || error.shape() == self.field.as_str())
            && (self.values.is_empty()
                || error.bad.values().iter().all(|value| any_matches(&self.values, value)))
    }
}
