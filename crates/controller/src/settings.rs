//! The ConfigMap `kyverno`: what it says to the policies, and what it says to the webhooks.
use serde_json::Value as Json;
use sigward_document::Value;
use sigward_policy::snapshot::Settings;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What the ConfigMap says beyond [`Settings`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    /// `webhooks.namespaceSelector`: which namespaces the resource webhooks are called for.
    pub namespace_selector: Option<Json>,
    /// `webhooks.objectSelector`.
    pub object_selector: Option<Json>,
    /// `webhookAnnotations`.
    pub webhook_annotations: BTreeMap<String, String>,
    /// `webhookLabels`.
    pub webhook_labels: BTreeMap<String, String>,
    /// `matchConditions`: CEL that the API server evaluates before it calls.
    pub match_conditions: Vec<Json>,
    /// `generateSuccessEvents`.
    pub success_events: bool,
    /// Keys that could not be read, each with the reason. Everything else holds nevertheless.
    pub mistakes: Vec<String>,
}

/// Lays the ConfigMap over the settings of the process. A key that cannot be read keeps its default.
///
/// COMPAT: Kyverno 1.19, `pkg/config/config.go`; test: `each_key_of_the_config_map_has_its_effect`
pub fn read(base: &Settings, config_map: Option<&Value>) -> (Settings, Configuration) {
    let mut settings = base.clone();
    let mut configuration = Configuration::default();
    let data = config_map.and_then(|map| map.as_map()?.get("data")?.as_map());
    let Some(data) = data else { return (settings, configuration) };
    for (key, value) in data.iter() {
        let Some(text) = value.as_str() else { continue };
        let read = match key {
            "defaultRegistry" => {
                settings.default_registry = text.trim().into();
                Ok(())
            }
            "enableDefaultRegistryMutation" => {
                boolean(text).map(|on| settings.default_registry_mutation = on)
            }
            "resourceFilters" => {
                settings.resource_filters = text.into();
                Ok(())
            }
            "excludeGroups" => {
                settings.exclude_groups = list(text);
                Ok(())
            }
            "excludeUsernames" => {
                settings.exclude_usernames = list(text);
                Ok(())
            }
            "excludeRoles" => {
                settings.exclude_roles = list(text);
                Ok(())
            }
            "excludeClusterRoles" => {
                settings.exclude_cluster_roles = list(text);
                Ok(())
            }
            "maxContextSize" => bytes(text).map(|size| settings.max_context_size = size),
            "generateSuccessEvents" => boolean(text).map(|on| configuration.success_events = on),
            "webhooks" => webhooks(text).map(|(namespaces, objects)| {
                configuration.namespace_selector = namespaces;
                configuration.object_selector = objects;
            }),
            "webhookAnnotations" => {
                strings(text).map(|map| configuration.webhook_annotations = map)
            }
            "webhookLabels" => strings(text).map(|map| configuration.webhook_labels = map),
            "matchConditions" => conditions(text).map(|list| configuration.match_conditions = list),
            // Other keys are Kyverno's and have no meaning here yet.
            _ => Ok(()),
        };
        if let Err(reason) = read {
            configuration.mistakes.push(format!("{key}: {reason}"));
        }
    }
    (settings, configuration)
}

fn list(text: &str) -> Vec<SmolStr> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(SmolStr::new).collect()
}

fn boolean(text: &str) -> Result<bool, String> {
    match text.trim() {
        "true" | "True" | "TRUE" | "t" | "T" | "1" => Ok(true),
        "false" | "False" | "FALSE" | "f" | "F" | "0" => Ok(false),
        other => Err(format!("{other:?} is neither true nor false")),
    }
}

/// A size such as `2Mi`, in bytes; 0 is no limit.
fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (number, suffix) = text.split_at_checked(digits).unwrap_or((text, ""));
    let factor: u64 = match suffix {
        "" => 1,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        other => return Err(format!("{other:?} is no suffix of a size")),
    };
    let number: u64 = number.parse().map_err(|_| format!("{text:?} is no size"))?;
    number.checked_mul(factor).ok_or_else(|| format!("{text:?} is too large"))
}

fn json(text: &str) -> Result<Json, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn strings(text: &str) -> Result<BTreeMap<String, String>, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// One object, or a list with one object in it.
fn webhooks(text: &str) -> Result<(Option<Json>, Option<Json>), String> {
    let read = json(text)?;
    let one = match &read {
        Json::Array(list) => list.first(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => {
            Some(&read)
        }
    };
    let selector = |name: &str| {
        one.and_then(|one| one.get(name)).filter(|selector| selector.is_object()).cloned()
    };
    Ok((selector("namespaceSelector"), selector("objectSelector")))
}

fn conditions(text: &str) -> Result<Vec<Json>, String> {
    let read: Vec<Json> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let has = |one: &Json, name: &str| one.get(name).is_some_and(Json::is_string);
    if read.iter().all(|one| has(one, "name") && has(one, "expression")) {
        Ok(read)
    } else {
        Err("not a list of objects with name and expression".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(data: &Json) -> (Settings, Configuration) {
        let map =
            sigward_document::parse_json(json!({ "data": data }).to_string().as_bytes()).unwrap();
        read(&Settings::default(), Some(&map))
    }

    #[test]
    fn each_key_of_the_config_map_has_its_effect() {
        let (settings, configuration) = of(&json!({
            "defaultRegistry": "registry.example", "enableDefaultRegistryMutation": "false", "resourceFilters": "[Event,*,*]",
            "excludeGroups": "system:nodes, a", "excludeUsernames": "!b", "excludeRoles": "c", "excludeClusterRoles": "d",
            "maxContextSize": "4Mi", "generateSuccessEvents": "true",
            "webhooks": "[{\"namespaceSelector\":{\"matchLabels\":{\"a\":\"b\"}},\"objectSelector\":{\"matchLabels\":{\"c\":\"d\"}}}]",
            "webhookAnnotations": "{\"x\":\"y\"}", "webhookLabels": "{\"l\":\"m\"}",
            "matchConditions": "[{\"name\":\"n\",\"expression\":\"true\"}]",
        }));
        assert_eq!(settings.default_registry, "registry.example");
        assert!(!settings.default_registry_mutation);
        assert_eq!(settings.resource_filters, "[Event,*,*]");
        assert_eq!(settings.exclude_groups, ["system:nodes", "a"]);
        assert_eq!(settings.exclude_usernames, ["!b"]);
        assert_eq!(settings.exclude_roles, ["c"]);
        assert_eq!(settings.exclude_cluster_roles, ["d"]);
        assert_eq!(settings.max_context_size, 4 << 20);
        assert_eq!(configuration.namespace_selector, Some(json!({ "matchLabels": { "a": "b" } })));
        assert_eq!(configuration.object_selector, Some(json!({ "matchLabels": { "c": "d" } })));
        assert_eq!(configuration.webhook_annotations["x"], "y");
        assert_eq!(configuration.webhook_labels["l"], "m");
        assert_eq!(configuration.match_conditions.len(), 1);
        assert!(configuration.success_events);
        assert_eq!(configuration.mistakes, [""; 0]);
    }

    #[test]
    fn a_key_that_cannot_be_read_is_named_and_the_others_hold() {
        let (settings, configuration) = of(
            &json!({ "webhooks": "{", "maxContextSize": "2Xi", "defaultRegistry": "r", "matchConditions": "{}" }),
        );
        assert_eq!(settings.default_registry, "r");
        assert_eq!(settings.max_context_size, Settings::default().max_context_size);
        let named: Vec<&str> = configuration
            .mistakes
            .iter()
            .filter_map(|mistake| Some(mistake.split_once(':')?.0))
            .collect();
        assert_eq!(named, ["matchConditions", "maxContextSize", "webhooks"]);
    }

    #[test]
    fn no_config_map_means_the_settings_of_the_process() {
        let (settings, configuration) = read(&Settings::default(), None);
        assert_eq!(settings.default_registry, "docker.io");
        assert_eq!(configuration, Configuration::default());
    }
}
