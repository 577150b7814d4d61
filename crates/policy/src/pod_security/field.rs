//! What is wrong with a Pod, field by field, in the words of Kubernetes' API validation.
use smol_str::SmolStr;
use std::fmt::Write as _;

/// One field that breaks a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldError {
    /// `spec.containers[0].securityContext.privileged`, from the Pod on.
    pub(super) field: String,
    /// Whether the field is one of a container's.
    pub(super) container: bool,
    /// What is wrong with it.
    pub(super) bad: Bad,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It must be set.
    Missing,
    /// It must not be set, whatever its value.
    Present,
    /// A value that is forbidden; the empty text shows as no value.
    Text(SmolStr),
    /// A value that is forbidden.
    Bool(bool),
    /// A value that is forbidden.
    Int(i64),
    /// Members that are forbidden.
    List(Vec<SmolStr>),
}

impl Bad {
    /// The values that an exclusion has to allow.
    pub(super) fn values(&self) -> Vec<SmolStr> {
        match self {
            Self::Missing | Self::Present => Vec::new(),
            Self::Text(text) if text.is_empty() => Vec::new(),
            Self::Text(text) => vec![text.clone()],
            Self::Bool(value) => vec![SmolStr::new(if *value { "true" } else { "false" })],
            Self::Int(value) => vec![smol_str::format_smolstr!("{value}")],
            Self::List(values) => values.clone(),
        }
    }
}

impl FieldError {
    /// The field as exclusions write it: every number is a star.
    // COMPAT: Kyverno 1.19: digits in the key of an annotation as well; test: a_restricted_field_has_stars_for_numbers
    pub(super) fn shape(&self) -> String {
        let mut shape = String::with_capacity(self.field.len());
        let mut in_number = false;
        for c in self.field.chars() {
            if c.is_ascii_digit() {
                if !in_number {
                    shape.push('*');
                }
                in_number = true;
            } else {
                shape.push(c);
                in_number = false;
            }
        }
        shape
    }

    /// Writes the error; `field` is the field as it stands in the object.
    pub(super) fn render(&self, field: &str, out: &mut String) {
        let forbidden = ": Forbidden";
        let found = " is forbidden, forbidden values found: ";
        out.push_str(field);
        // Writing into a string cannot fail.
        let _ = match &self.bad {
            Bad::Missing => write!(out, ": Required value"),
            Bad::Present => write!(out, "{forbidden}"),
            Bad::Text(text) if text.is_empty() => write!(out, "{forbidden}"),
            Bad::Text(text) => write!(out, "{found}{text}"),
            Bad::Bool(value) => write!(out, "{found}{value}"),
            Bad::Int(value) => write!(out, "{found}{value}"),
            Bad::List(values) => write!(out, "{found}[{}]", values.join(" ")),
        };
    }
}
