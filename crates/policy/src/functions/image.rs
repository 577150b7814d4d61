//! `image_normalize`: the full name of an image.
use super::{ONE_STRING, Outcome};
use sigward_document::Value;
use sigward_jmespath::{Call, FunctionError, Functions};
use sigward_oci::kyverno_reference;
use smol_str::SmolStr;

/// How names without a registry are completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDefaults {
    /// The registry that is put in front (`defaultRegistry`).
    pub registry: SmolStr,
    /// Whether it is put there at all (`enableDefaultRegistryMutation`).
    pub mutation: bool,
}

impl Default for ImageDefaults {
    /// `docker.io`, put in front.
    fn default() -> Self {
        Self { registry: SmolStr::new_static("docker.io"), mutation: true }
    }
}

/// The functions and `image_normalize`, which completes names as configured.
pub(super) fn register(functions: &Functions, defaults: ImageDefaults) -> Functions {
    functions.with("image_normalize", ONE_STRING, move |call| image_normalize(call, &defaults))
}

/// `image_normalize('nginx')` → `"docker.io/nginx:latest"`
fn image_normalize(call: &mut Call<'_, '_, '_>, defaults: &ImageDefaults) -> Outcome {
    let text = call.string(0)?;
    match kyverno_reference(text, &defaults.registry, defaults.mutation) {
        Ok(reference) => Ok(Value::string(&reference.normal())),
        Err(error) => {
            let ImageDefaults { registry, mutation } = defaults;
            // The peer shows the name that it tried to read.
            let named = text.split_once('/').is_some_and(|(first, _)| {
                first == "localhost"
                    || first.contains(['.', ':'])
                    || first.chars().any(char::is_uppercase)
            });
            let full = if named { text.to_owned() } else { format!("{registry}/{text}") };
            Err(FunctionError::prefixed(format!(
                "bad image: {full}, defaultRegistry: {registry}, enableDefaultRegistryMutation: {mutation}: {error}"
            )))
        }
    }
}
