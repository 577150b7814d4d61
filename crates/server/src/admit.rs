//! The path of one request: resolve before the deadline, answer, let unfinished work go on.
use crate::{Options, Parts};
use futures_util::FutureExt;
use sigward_policy::{
    decision::Decision, fact::CauseKind, request::Request, resolve::Resolution, snapshot::Snapshot,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

/// When a request must be answered, and how long its work may go on.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// The answer leaves before this.
    pub answer_by: Instant,
    /// Detached work ends here.
    pub work_until: Instant,
}

impl Deadline {
    /// From the API server's `?timeout=`: a tenth, at most half a second, is kept for the way back.
    pub fn new(started: Instant, timeout: Duration, options: &Options) -> Self {
        let margin = (timeout / 10).min(Duration::from_millis(500));
        Self {
            answer_by: started + timeout.saturating_sub(margin),
            work_until: started + options.detached_for.max(timeout),
        }
    }
}

/// Decides by the deadline. What is unfinished then is undetermined in the answer and goes on detached, so that the
/// retry finds its facts; its own decision is nobody's.
pub async fn decide(
    parts: &Parts,
    snapshot: Arc<Snapshot>,
    request: Arc<Request>,
    deadline: Deadline,
    detached: &Arc<Semaphore>,
) -> Decision {
    let mut resolution = Resolution::new(
        snapshot,
        request,
        Arc::clone(&parts.memory),
        Arc::clone(&parts.source),
        (parts.probe)(),
    );
    // Most requests want nothing from outside: no timer is made for them.
    if let Some(decision) = resolution.run().now_or_never() {
        return decision;
    }
    if let Ok(decision) = timeout_at(deadline.answer_by, resolution.run()).await {
        return decision;
    }
    let decision = resolution.conclude(CauseKind::Deadline);
    parts.metrics.deadline_passed.inc();
    if let Ok(permit) = Arc::clone(detached).try_acquire_owned() {
        tokio::spawn(async move {
            let _nobodys = timeout_at(deadline.work_until, resolution.run()).await;
            drop(permit);
        });
    }
    decision
}
