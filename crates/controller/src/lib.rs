//! Everything said to the Kubernetes API: what is watched, what is answered, what is written.
//!
//! ```no_run
//! # async fn wire(registry: &mut prometheus_client::registry::Registry, read_key: sigward_controller::cluster::KeyReader)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! use sigward_controller::{Controller, options::Options};
//!
//! let client = sigward_controller::connect(None).await?;
//! let handle = Controller::start(client, Options::default(), read_key, registry);
//! // handle.snapshots:    the snapshot to decide on; None until everything was listed once
//! // handle.cluster:      answers what policies ask (`Cluster::fetch`), at once where it can (`Memory::peek`)
//! // handle.certificates: what the server presents, as it is renewed
//! // handle.decisions:    for reports and events, after the answer went out
//! # let _probe = handle.readiness();
//! handle.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Inside, [`index::Index`] takes watch events and yields snapshots: it has no client. What is written is computed as a value
//! first ([`webhooks`], [`status`], [`reports`], [`events`], [`certificates`]) and written by whoever leads ([`lease`]).
//! Reports and events may be dropped, and are counted; configurations, statuses and certificates are tried until they are
//! written. While the API server is away, the last snapshot serves.
pub mod about;
pub mod certificates;
pub mod clock;
pub mod cluster;
pub mod decided;
pub mod discovery;
pub mod events;
pub mod index;
pub mod kinds;
pub mod lease;
pub mod object;
pub mod options;
pub mod readiness;
pub mod reports;
pub mod settings;
pub mod status;
pub mod webhooks;

mod controller;
mod metrics;
mod uninstall;
mod watching;
mod writing;

pub use controller::{Controller, Handle};
pub use decided::Decided;
pub use readiness::Readiness;
pub use uninstall::{Uninstalled, scale_to_zero, uninstall};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use std::path::Path;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be read.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// Neither a kubeconfig nor a cluster around us.
    #[error("no kubeconfig was given and this is not a pod of a cluster")]
    Infer(#[from] kube::config::InferConfigError),
    /// Certificates or proxies of the configuration.
    #[error("no client can be made of the configuration")]
    Client(#[source] Box<kube::Error>),
}

/// Why a member of a Secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The API server refuses, or has no such Secret.
    #[error("the Secret {namespace}/{name} cannot be read")]
    Unreadable {
        /// Where it should be.
        namespace: String,
        /// Its name.
        name: String,
        /// The client's own words.
        #[source]
        source: Box<kube::Error>,
    },
    /// The Secret has no such member.
    #[error("the Secret {namespace}/{name} has no member {member}")]
    Missing {
        /// Where it is.
        namespace: String,
        /// Its name.
        name: String,
        /// What was wanted.
        member: String,
    },
}

/// The bytes of one member of a Secret, read once.
///
/// # Errors
/// [`SecretError`]
pub async fn secret_member(
    client: &Client,
    namespace: &str,
    name: &str,
    member: &str,
) -> Result<Vec<u8>, SecretError> {
    let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> =
        kube::Api::namespaced(client.clone(), namespace);
    let found = secrets.get(name).await.map_err(|source| SecretError::Unreadable {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        source: Box::new(source),
    })?;
    let bytes = found.data.and_then(|mut data| data.remove(member));
    bytes.map(|bytes| bytes.0).ok_or_else(|| SecretError::Missing {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        member: member.to_owned(),
    })
}

/// A client: of this kubeconfig, or as the environment says (`KUBECONFIG`, `~/.kube/config`, a Pod's service account).
///
/// # Errors
/// There is no configuration, or it cannot be used. The API server itself is not asked yet.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    connect_in(kubeconfig, None).await
}

/// The same in another context of the kubeconfig than its current one.
///
/// # Errors
/// As [`connect`], and when there is no such context.
pub async fn connect_in(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
) -> Result<Client, ConnectError> {
    let options = KubeConfigOptions { context: context.map(Into::into), ..Default::default() };
    let mut config = match (kubeconfig, context) {
        (Some(path), _) => {
            Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?
        }
        (None, Some(_)) => Config::from_kubeconfig(&options).await?,
        (None, None) => Config::infer().await?,
    };
    config.connect_timeout = Some(std::time::Duration::from_secs(5));
    Client::try_from(config).map_err(|error| ConnectError::Client(Box::new(error)))
}
