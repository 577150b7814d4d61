//! Brings the configurations at the API server to what is wanted, and takes them away again.
use super::{MANAGED_BY, WebhookConfiguration, same_metadata};
use crate::{
    kinds::{mutating_webhook_configurations, validating_webhook_configurations},
    object::{Object, api, of_version},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::Value as Json;

fn api_of(client: &Client, validating: bool) -> Api<Object> {
    let resource = if validating {
        validating_webhook_configurations()
    } else {
        mutating_webhook_configurations()
    };
    api(client, &resource, "")
}

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Configurations that were not there.
    pub created: usize,
    /// Configurations that were different.
    pub replaced: usize,
}

/// Creates what is missing and replaces what differs, also what somebody patched by hand. Writes nothing otherwise.
///
/// # Errors
/// The API server refuses or cannot be reached; the next pass tries again.
pub async fn apply(
    client: &Client,
    wanted: &[WebhookConfiguration],
) -> Result<Applied, kube::Error> {
    let mut applied = Applied::default();
    for configuration in wanted {
        let api = api_of(client, configuration.validating);
        match api.get_opt(configuration.name).await? {
            None => {
                let object = of_version(configuration.object.clone(), None)?;
                api.create(&PostParams::default(), &object).await?;
                applied.created += 1;
            }
            Some(stored) => {
                let before = serde_json::to_value(&stored).map_err(kube::Error::SerdeError)?;
                if same_webhooks(&configuration.object, &before)
                    && same_metadata(&configuration.object, &before)
                {
                    continue;
                }
                let object = of_version(configuration.object.clone(), stored.version())?;
                api.replace(configuration.name, &PostParams::default(), &object).await?;
                applied.replaced += 1;
            }
        }
    }
    Ok(applied)
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
