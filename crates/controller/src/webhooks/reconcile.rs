//! Brings the configurations at the API server to what is wanted, and takes them away again.
use super::{FINE_GRAINED, MANAGED_BY, WebhookConfiguration, same_metadata};
use crate::{
    kinds::{mutating_webhook_configurations, validating_webhook_configurations},
    object::{Object, api, of_version},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::Value as Json;
use std::collections::BTreeMap;

fn api_of(client: &Client, validating: bool) -> Api<Object> {
    let resource = if validating {
        validating_webhook_configurations()
    } else {
        mutating_webhook_configurations()
    };
    api(client, &resource, "")
}

/// What one pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Configurations that were not there.
    pub created: usize,
    /// Configurations that were different.
    pub replaced: usize,
    /// Webhooks that the API server refuses as they are wanted, and why.
    pub refused: BTreeMap<String, String>,
}

/// How often a configuration is made smaller before it is given up.
const ATTEMPTS: usize = 8;

/// Creates what is missing and replaces what differs, also what somebody patched by hand. Writes nothing otherwise.
///
/// One bad webhook is one bad webhook: where the API server refuses some (their CEL does not compile), the others are written.
///
/// # Errors
/// The API server refuses everything or cannot be reached; the next pass tries again.
pub async fn apply(
    client: &Client,
    wanted: &[WebhookConfiguration],
) -> Result<Applied, kube::Error> {
    let mut applied = Applied::default();
    for configuration in wanted {
        let mut object = configuration.object.clone();
        let mut attempt = 1;
        while let Err(error) = apply_one(client, configuration, &object, &mut applied).await {
            let refused = refused_webhooks(&error);
            if refused.is_empty() || attempt == ATTEMPTS {
                return Err(error);
            }
            take_out(&mut object, &refused, &mut applied.refused);
            attempt += 1;
        }
    }
    Ok(applied)
}

async fn apply_one(
    client: &Client,
    configuration: &WebhookConfiguration,
    object: &Json,
    applied: &mut Applied,
) -> Result<(), kube::Error> {
    let api = api_of(client, configuration.validating);
    let params = PostParams::default();
    if let Some(stored) = api.get_opt(configuration.name).await? {
        let before = serde_json::to_value(&stored).map_err(kube::Error::SerdeError)?;
        if !same_webhooks(object, &before) || !same_metadata(object, &before) {
            api.replace(
                configuration.name,
                &params,
                &of_version(object.clone(), stored.version())?,
            )
            .await?;
            applied.replaced += 1;
        }
    } else {
        api.create(&params, &of_version(object.clone(), None)?).await?;
        applied.created += 1;
    }
    Ok(())
}

/// Positions of webhooks that the API server names in a refusal, each with what it says.
fn refused_webhooks(error: &kube::Error) -> BTreeMap<usize, String> {
    let kube::Error::Api(status) = error else { return BTreeMap::new() };
    let causes =
        status.details.iter().filter(|_| status.code == 422).flat_map(|details| &details.causes);
    causes
        .filter_map(|cause| {
            let (index, _) = cause.field.strip_prefix("webhooks[")?.split_once(']')?;
            Some((index.parse().ok()?, cause.message.clone()))
        })
        .collect()
}

/// A policy's own webhook goes. One that is shared stays and loses the conditions of the ConfigMap: it is called for more than
/// is wanted, never for less.
fn take_out(
    object: &mut Json,
    positions: &BTreeMap<usize, String>,
    refused: &mut BTreeMap<String, String>,
) {
    let Some(webhooks) = object.get_mut("webhooks").and_then(Json::as_array_mut) else { return };
    let mut position = 0;
    webhooks.retain_mut(|webhook| {
        let reason = positions.get(&position);
        position += 1;
        let Some(reason) = reason else { return true };
        let name = webhook.get("name").and_then(Json::as_str).unwrap_or_default().to_owned();
        let shared = !name.contains(FINE_GRAINED);
        let had_conditions = webhook
            .as_object_mut()
            .is_some_and(|webhook| webhook.remove("matchConditions").is_some());
        refused.insert(name, reason.clone());
        shared && had_conditions
    });
}

/// No list and an empty one are the same.
fn same_webhooks(wanted: &Json, stored: &Json) -> bool {
    let list = |object: &Json| {
        object.get("webhooks").and_then(Json::as_array).cloned().unwrap_or_default()
    };
    list(wanted) == list(stored)
}

/// Takes away every configuration that carries our label; says how many there were.
///
/// # Errors
/// The API server refuses or cannot be reached.
pub async fn remove_all(client: &Client) -> Result<usize, kube::Error> {
    let ours = ListParams::default().labels(&format!("{}={}", MANAGED_BY.0, MANAGED_BY.1));
    let mut removed = 0;
    for validating in [true, false] {
        let api = api_of(client, validating);
        for configuration in api.list(&ours).await?.items {
            let name = configuration.key().name;
            match api.delete(&name, &DeleteParams::default()).await {
                Ok(_) => removed += 1,
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(removed)
}
