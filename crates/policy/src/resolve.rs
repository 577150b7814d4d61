//! Evaluate, ask for what is missing, evaluate again when any answer comes. Awaits; needs no runtime.
use crate::{
    decision::Decision,
    evaluate::{Probe, Progress, Step, evaluate},
    fact::{Effect, Fact, Facts, Fetch, Memory},
    request::Request,
    snapshot::Snapshot,
};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use sigward_sigstore::outcome::{Cause, CauseKind};
use smol_str::SmolStr;
use std::{collections::BTreeSet, fmt, pin::Pin, sync::Arc};

/// Fetches of one request. Bounds rounds as well: every round asks for something new.
pub const MAX_FETCHES: usize = 256;

/// An answer on its way, with the fetch that it answers.
pub type Pending = Pin<Box<dyn Future<Output = (Fetch, Fact)> + Send>>;

/// Answers every fetch: failure is a fact. Dropping a pending answer does not stop its work,
/// and equal fetches in flight share one.
pub trait FactSource: Send + Sync {
    /// Begins to answer.
    fn fetch(&self, fetch: Fetch) -> Pending;
}

/// One request on its way to a decision.
pub struct Resolution {
    snapshot: Arc<Snapshot>,
    request: Arc<Request>,
    source: Arc<dyn FactSource>,
    probe: Box<dyn Probe>,
    facts: Facts,
    progress: Progress,
    asked: BTreeSet<Fetch>,
    pending: FuturesUnordered<Pending>,
    answered: bool,
}

impl fmt::Debug for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolution")
            .field("uid", &self.request.uid)
            .field("asked", &self.asked)
            .field("pending", &self.pending.len())
            .field("answered", &self.answered)
            .finish_non_exhaustive()
    }
}

impl Resolution {
    /// Nothing is evaluated or asked yet.
    pub fn new(
        snapshot: Arc<Snapshot>,
        request: Arc<Request>,
        memory: Arc<dyn Memory>,
        source: Arc<dyn FactSource>,
        probe: Box<dyn Probe>,
    ) -> Self {
        Self {
            snapshot,
            request,
            source,
            probe,
            facts: Facts::new(memory),
            progress: Progress::default(),
            asked: BTreeSet::new(),
            pending: FuturesUnordered::new(),
            answered: false,
        }
    }

    /// Until decided. Cancel-safe: all state is in `self`, so it may be dropped at the deadline and run again.
    pub async fn run(&mut self) -> Decision {
        loop {
            let step = evaluate(
                &self.snapshot,
                &self.request,
                &mut self.facts,
                &mut self.progress,
                self.probe.as_mut(),
            );
            let wanted = match step {
                Step::Done(decision) => return decision,
                Step::Need(wanted) => wanted,
            };
            for fetch in wanted {
                if self.asked.contains(&fetch) {
                    continue;
                }
                if self.answered && fetch.effect() == Effect::Writes {
                    // What changes the world is never asked for after the answer went out.
                    self.facts.learn(fetch.clone(), refused(&fetch));
                    continue;
                }
                if self.asked.len() >= MAX_FETCHES {
                    return self.conclude(CauseKind::Budget);
                }
                self.asked.insert(fetch.clone());
                self.pending.push(self.source.fetch(fetch));
            }
            match self.pending.next().await {
                Some((fetch, fact)) => self.facts.learn(fetch, fact),
                None if self.answered => {}
                None => return self.conclude(CauseKind::Budget),
            }
            while let Some(Some((fetch, fact))) = self.pending.next().now_or_never() {
                self.facts.learn(fetch, fact);
            }
        }
    }

    /// The decision on what is known now; the rest is undetermined. Total, never waits.
    ///
    /// [`Self::run`] may be called again afterwards: it finishes the work for the caches' sake and starts nothing
    /// that changes the world.
    pub fn conclude(&mut self, kind: CauseKind) -> Decision {
        self.answered = true;
        let cause = Cause { kind, place: SmolStr::default(), said: None };
        let mut facts = self.facts.sealed(cause);
        match evaluate(
            &self.snapshot,
            &self.request,
            &mut facts,
            &mut self.progress.clone(),
            self.probe.as_mut(),
        ) {
            Step::Done(decision) => decision,
            // INVARIANT: sealed facts never suspend; if they did, the answer is no.
            Step::Need(_) => Decision {
                allowed: false,
                message: Some("the request could not be decided in time".into()),
                patch: Vec::new(),
                object: sigward_document::Value::NULL,
                warnings: Vec::new(),
                rules: Vec::new(),
                generated: Vec::new(),
                snapshot: self.snapshot.id(),
            },
        }
    }

    /// The request.
    pub fn request(&self) -> &Arc<Request> {
        &self.request
    }
}

/// The answer to a write that is not asked for any more.
fn refused(fetch: &Fetch) -> Fact {
    let place = match fetch {
        Fetch::Call(call) => call.url.clone(),
        Fetch::Namespace(_)
        | Fetch::Object(_)
        | Fetch::PublicKey { .. }
        | Fetch::GlobalEntry { .. }
        | Fetch::Addresses { .. }
        | Fetch::Roles { .. }
        | Fetch::Tag { .. }
        | Fetch::ImageData { .. }
        | Fetch::Proof { .. } => SmolStr::default(),
    };
    Fact::Document(Err(Cause { kind: CauseKind::Deadline, place, said: None }))
}
