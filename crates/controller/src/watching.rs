//! Watches: streams of events from the API server, restarted for ever, with growing pauses.
use crate::{
    index::{ObjectKind, Reference},
    kinds::{self, Watched},
    object::{Object, api},
    readiness::Health,
};
use futures_util::StreamExt as _;
use kube::{
    Client,
    core::ApiResource,
    runtime::{
        WatchStreamExt as _,
        utils::Backoff,
        watcher::{self, Event, watcher},
    },
};
use sigward_document::Value;
use std::{pin::pin, time::Duration};
use tokio::sync::mpsc;

/// The pauses after failures: short, since every second without the API server is a second of old policies.
#[derive(Debug, Default)]
struct Pauses(u32);

impl Iterator for Pauses {
    type Item = Duration;
    fn next(&mut self) -> Option<Duration> {
        let pause = Duration::from_millis(100) * 2_u32.saturating_pow(self.0.min(6));
        self.0 = self.0.saturating_add(1);
        Some(pause.min(Duration::from_secs(5)))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

/// What a watch brings to the index.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Of a kind that is always watched.
    Event(Watched, Box<Event<Object>>),
    /// Of one object that policies refer to; `None` when it is not there.
    Followed(Reference, Option<Value>),
    /// It cannot be watched: it is to be asked for.
    Unfollowed(Reference),
}

/// Watches a kind until nobody listens.
pub(crate) async fn kind(
    client: Client,
    of: Watched,
    namespace: String,
    config_map: String,
    health: Health,
    heard: mpsc::Sender<Heard>,
) {
    let (namespace, config) = match of {
        Watched::Configuration => (
            namespace.as_str(),
            watcher::Config::default().fields(&format!("metadata.name={config_map}")),
        ),
        Watched::OwnSecret => (namespace.as_str(), watcher::Config::default()),
        Watched::ClusterPolicy
        | Watched::Policy
        | Watched::PolicyException
        | Watched::Namespace
        | Watched::RoleBinding
        | Watched::ClusterRoleBinding => ("", watcher::Config::default()),
    };
    let mut events =
        pin!(watcher(api(&client, &of.resource(), namespace), config).backoff(Pauses::default()));
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                health.watched(of.as_str(), None);
                if heard.send(Heard::Event(of, Box::new(event))).await.is_err() {
                    return;
                }
            }
            Err(error) => health.watched(of.as_str(), Some(told(&error))),
        }
    }
}

/// Follows one object. Where watching is forbidden it ends: then the object is read when it is needed.
pub(crate) async fn one(client: Client, reference: Reference, heard: mpsc::Sender<Heard>) {
    let resource = match reference.kind {
        ObjectKind::Secret => kinds::secrets(),
        ObjectKind::ConfigMap => kinds::config_maps(),
    };
    let config =
        watcher::Config::default().fields(&format!("metadata.name={}", reference.key.name));
    let api = api(&client, &resource, &reference.key.namespace);
    let mut events = pin!(watcher(api, config).backoff(Pauses::default()));
    let mut found = None;
    while let Some(event) = events.next().await {
        let told = match event {
            Ok(Event::Init) => {
                found = None;
                continue;
            }
            Ok(Event::InitApply(object)) => {
                found = Some(object.into_tree());
                continue;
            }
            Ok(Event::InitDone) => Heard::Followed(reference.clone(), found.take()),
            Ok(Event::Apply(object)) => {
                Heard::Followed(reference.clone(), Some(object.into_tree()))
            }
            Ok(Event::Delete(_)) => Heard::Followed(reference.clone(), None),
            Err(error) => {
                if heard.send(Heard::Unfollowed(reference.clone())).await.is_err()
                    || is_forbidden(&error)
                {
                    return;
                }
                continue;
            }
        };
        if heard.send(told).await.is_err() {
            return;
        }
    }
}

/// Says when something of a kind with this label changes, without saying what.
pub(crate) async fn touched(
    client: Client,
    of: ApiResource,
    labels: String,
    wake: mpsc::Sender<()>,
) {
    let config = watcher::Config::default().labels(&labels);
    let mut events = pin!(watcher(api(&client, &of, ""), config).backoff(Pauses::default()));
    while let Some(event) = events.next().await {
        match event {
            // A full channel holds a wake-up already.
            Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone) => {
                if let Err(mpsc::error::TrySendError::Closed(())) = wake.try_send(()) {
                    return;
                }
            }
            Ok(Event::Init | Event::InitApply(_)) => {}
            Err(error) => tracing::debug!(%error, kind = %of.kind, "a watch was interrupted"),
        }
    }
}

fn is_forbidden(error: &watcher::Error) -> bool {
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.code,
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => 0,
    };
    code == 403
}

/// The API server's own words where there are some.
fn told(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.message.clone(),
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_seconds_and_start_anew_after_success() {
        let mut pauses = Pauses::default();
        let taken: Vec<u128> = pauses.by_ref().take(8).map(|pause| pause.as_millis()).collect();
        assert_eq!(taken, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        pauses.reset();
        assert_eq!(pauses.next(), Some(Duration::from_millis(100)));
    }
}
