//! Who leads: one replica holds a Lease and writes; the others wait.
//!
//! The rules are those of client-go's leader election: a lease is taken when nobody holds it, or when it was not renewed for its
//! whole duration *as seen from here* (clocks of other machines are not compared); a holder that could not renew for the renew
//! deadline stops writing before anybody else may begin.
use crate::{
    kinds::leases,
    object::{Object, api, of_version},
};
use kube::{Client, api::PostParams};
use serde_json::json;
use sigward_document::Value;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;

/// Times of an election.
///
/// COMPAT: Kyverno 1.19: retry 2 s (`--leaderElectionRetryPeriod`), renew deadline 5 times, lease 6 times that.
#[derive(Clone, Debug)]
pub struct Timing {
    /// How often the lease is looked at.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { retry: Duration::from_secs(2) }
    }
}

impl Timing {
    fn renew_deadline(&self) -> Duration {
        self.retry * 5
    }
    fn lease(&self) -> Duration {
        self.retry * 6
    }
}

/// One lease, and who wants it.
#[derive(Clone, Debug)]
pub struct Election {
    /// The own namespace.
    pub namespace: String,
    /// `kyverno`.
    pub lease: String,
    /// Unique among replicas: the Pod's name.
    pub identity: String,
    /// How often, how long.
    pub timing: Timing,
}

/// What a lease says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Record {
    holder: String,
    renewed: String,
    seconds: u64,
    transitions: i64,
}

impl Record {
    fn of(lease: &Value) -> Self {
        let spec = lease.at_path(&["spec"]).unwrap_or(&Value::NULL);
        let number = |name: &str| spec.at_path(&[name]).and_then(Value::as_i64).unwrap_or_default();
        Self {
            holder: spec.str_at(&["holderIdentity"]).unwrap_or_default().to_owned(),
            renewed: spec.str_at(&["renewTime"]).unwrap_or_default().to_owned(),
            seconds: u64::try_from(number("leaseDurationSeconds")).unwrap_or_default(),
            transitions: number("leaseTransitions"),
        }
    }
}

/// A record, and when it was first seen in this form.
#[derive(Clone, Debug)]
struct Observed {
    record: Record,
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It is ours: renew it.
    Renew,
    /// It is nobody's any more: take it.
    Take,
    /// It is somebody's.
    Wait,
}

fn decide(observed: &Observed, now: Instant, identity: &str) -> Step {
    let record = &observed.record;
    if record.holder == identity {
        Step::Renew
    } else if record.holder.is_empty()
        || now.duration_since(observed.since) > Duration::from_secs(record.seconds)
    {
        Step::Take
    } else {
        Step::Wait
    }
}

impl Election {
    /// Tries for the lease until `stop` says so, and tells `leading` whenever it is won or lost. Gives it back at the end.
    pub async fn run(
        self,
        client: Client,
        leading: watch::Sender<bool>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut observed: Option<Observed> = None;
        let mut renewed: Option<Instant> = None;
        loop {
            let attempt = tokio::time::timeout(
                self.timing.renew_deadline(),
                self.attempt(&client, &mut observed),
            );
            match attempt.await {
                Ok(Ok(true)) => renewed = Some(Instant::now()),
                Ok(Ok(false)) => renewed = None,
                Ok(Err(error)) => {
                    tracing::debug!(%error, lease = %self.lease, "the lease cannot be reached");
                }
                Err(_) => tracing::debug!(lease = %self.lease, "the lease did not answer in time"),
            }
            let holds = renewed.is_some_and(|at| at.elapsed() < self.timing.renew_deadline());
            leading.send_if_modified(|leads| {
                let changed = *leads != holds;
                if changed {
                    tracing::info!(lease = %self.lease, identity = %self.identity, leads = holds, "leadership changed");
                }
                *leads = holds;
                changed
            });
            tokio::select! {
                () = tokio::time::sleep(self.timing.retry) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        let held = *leading.borrow();
        leading.send_replace(false);
        if held {
            let release = tokio::time::timeout(self.timing.retry, self.release(&client));
            if let Ok(Err(error)) = release.await {
                tracing::debug!(%error, lease = %self.lease, "the lease was not given back");
            }
        }
    }

    /// Looks once, and writes if it may. True when the lease is ours now.
    async fn attempt(
        &self,
        client: &Client,
        observed: &mut Option<Observed>,
    ) -> Result<bool, kube::Error> {
        let api = api(client, &leases(), &self.namespace);
        let Some(lease) = api.get_opt(&self.lease).await? else {
            let lease =
                self.lease_object(&self.identity, self.timing.lease().as_secs(), 0, None, None)?;
            return match api.create(&PostParams::default(), &lease).await {
                Ok(_) => Ok(true),
                Err(error) if is_conflict(&error) => Ok(false),
                Err(error) => Err(error),
            };
        };
        let now = Instant::now();
        let record = Record::of(lease.tree());
        if observed.as_ref().is_none_or(|observed| observed.record != record) {
            *observed = Some(Observed { record: record.clone(), since: now });
        }
        let step =
            observed.as_ref().map_or(Step::Wait, |observed| decide(observed, now, &self.identity));
        let transitions = match step {
            Step::Wait => return Ok(false),
            Step::Renew => record.transitions,
            Step::Take => record.transitions.saturating_add(1),
        };
        let acquired = match step {
            Step::Renew => lease.tree().str_at(&["spec", "acquireTime"]),
            Step::Take | Step::Wait => None,
        };
        let version = lease.tree().str_at(&["metadata", "resourceVersion"]);
        let new = self.lease_object(
            &self.identity,
            self.timing.lease().as_secs(),
            transitions,
            acquired,
            version,
        )?;
        match api.replace(&self.lease, &PostParams::default(), &new).await {
            Ok(_) => Ok(true),
            Err(error) if is_conflict(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn release(&self, client: &Client) -> Result<(), kube::Error> {
        let api = api(client, &leases(), &self.namespace);
        let Some(lease) = api.get_opt(&self.lease).await? else { return Ok(()) };
        let record = Record::of(lease.tree());
        if record.holder != self.identity {
            return Ok(());
        }
        let version = lease.tree().str_at(&["metadata", "resourceVersion"]);
        let free = self.lease_object("", 1, record.transitions, None, version)?;
        api.replace(&self.lease, &PostParams::default(), &free).await.map(|_| ())
    }

    fn lease_object(
        &self,
        holder: &str,
        seconds: u64,
        transitions: i64,
        acquired: Option<&str>,
        version: Option<&str>,
    ) -> Result<Object, kube::Error> {
        let now = crate::clock::rfc3339_micros(SystemTime::now());
        let object = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": { "namespace": self.namespace, "name": self.lease },
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": seconds,
                "acquireTime": acquired.unwrap_or(&now),
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        });
        of_version(object, version)
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(holder: &str, idle: Duration, expected: Step) {
        let record = Record { holder: holder.to_owned(), seconds: 12, ..Record::default() };
        let now = Instant::now() + Duration::from_mins(1);
        let observed = Observed { record, since: now.checked_sub(idle).unwrap() };
        assert_eq!(decide(&observed, now, "me"), expected, "{holder:?} idle for {idle:?}");
    }

    #[test]
    fn a_lease_is_taken_only_when_it_is_free_or_was_idle_for_its_whole_duration() {
        check("", Duration::ZERO, Step::Take);
        check("other", Duration::ZERO, Step::Wait);
        check("other", Duration::from_secs(12), Step::Wait);
        check("other", Duration::from_secs(13), Step::Take);
        check("me", Duration::from_secs(100), Step::Renew);
    }

    #[test]
    fn a_holder_stops_before_another_may_begin() {
        let timing = Timing::default();
        assert!(timing.renew_deadline() < timing.lease());
    }
}
