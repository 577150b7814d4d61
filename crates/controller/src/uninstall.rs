//! Takes away what the API server would keep calling when nobody is there to answer.
use crate::{kinds, object::api, options::Options, webhooks::reconcile};
use kube::{
    Client,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use sigward_document::Value;

/// What was taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uninstalled {
    /// Webhook configurations.
    pub webhook_configurations: usize,
    /// Leases.
    pub leases: usize,
}

/// The Lease of the leader.
pub(crate) const LEASE: &str = "kyverno";
/// The Lease of the liveness monitor.
const HEALTH: &str = "kyverno-health";

/// Removes webhook configurations and leases. Policies, reports, Secrets and roles stay.
///
/// # Errors
/// The API server refuses or cannot be reached. What was removed before stays removed; it may be tried again.
pub async fn uninstall(client: &Client, options: &Options) -> Result<Uninstalled, kube::Error> {
    let webhook_configurations = reconcile::remove_all(client).await?;
    let mut leases = 0;
    let api = api(client, &kinds::leases(), &options.namespace);
    for name in [LEASE, HEALTH] {
        match api.delete(name, &DeleteParams::default()).await {
            Ok(_) => leases += 1,
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Uninstalled { webhook_configurations, leases })
}

/// Scales the Deployment to zero, so that no process is left that would register again. None is no error.
///
/// COMPAT: Kyverno's chart does the same before it removes webhooks.
///
/// # Errors
/// The API server refuses or cannot be reached.
pub async fn scale_to_zero(client: &Client, options: &Options) -> Result<(), kube::Error> {
    let api = api(client, &kinds::deployments(), &options.namespace);
    let none = json!({ "spec": { "replicas": 0 } });
    match api.patch_scale(&options.deployment, &PatchParams::default(), &Patch::Merge(none)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether nobody will come after this process: the Deployment is gone, going, or scaled to zero.
///
/// COMPAT: Kyverno 1.19, `pkg/utils/runtime`: then webhooks are removed at shutdown. Outside a cluster there is no Deployment.
pub(crate) async fn is_last(client: &Client, options: &Options) -> Result<bool, kube::Error> {
    let deployment =
        api(client, &kinds::deployments(), &options.namespace).get_opt(&options.deployment).await?;
    let Some(deployment) = deployment else { return Ok(true) };
    let tree = deployment.tree();
    let going = tree.str_at(&["metadata", "deletionTimestamp"]).is_some();
    let replicas = tree.at_path(&["spec", "replicas"]).and_then(Value::as_i64);
    Ok(going || replicas == Some(0))
}
