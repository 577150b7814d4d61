//! Driving a proof: the prover asks, the registry answers; proofs are remembered, doubts are not.
use crate::{
    error::FetchError,
    flight::{Flights, Progress},
    observer::Memory,
    options::Options,
    registry::Registry,
};
use quick_cache::{Weighter, sync::Cache};
use sigward_oci::{Access, Digest, DigestReference, TagReference};
use sigward_sigstore::{
    outcome::{Cause, CauseKind, Outcome},
    prover::{Ask, Evidence, Limits, ProofStep, Prover},
    requirement::{Attestor, Requirement, Shows, Timestamp},
    trust::TrustStore,
    verified::{Proof, Verified},
};
use smol_str::{SmolStr, ToSmolStr};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// Rounds of questions that one proof may take: a bound on a defect, far above any real proof.
const ROUNDS: u32 = 64;

/// Who answers the questions of a prover.
pub trait Transport {
    /// Answers all of them, in any order.
    fn answer(&self, asks: Vec<Ask>) -> impl Future<Output = Vec<(Ask, Evidence)>> + Send;
}

/// The whole of it: no rule of what is enough lives here.
pub async fn prove(prover: Prover, transport: &(impl Transport + Sync)) -> Proof {
    let crypto = Semaphore::new(1);
    drive(prover, transport, &crypto).await
}

async fn drive(
    mut prover: Prover,
    transport: &(impl Transport + Sync),
    crypto: &Semaphore,
) -> Proof {
    let mut answers = Vec::new();
    for _ in 0..ROUNDS {
        // Checking signatures takes the processor for a while: beside the reactor, and not more
        // of it at once than there are cores.
        let stepped = if answers.is_empty() {
            let step = prover.step(answers);
            Ok((prover, step))
        } else {
            let _permit = crypto.acquire().await;
            tokio::task::spawn_blocking(move || {
                let step = prover.step(answers);
                (prover, step)
            })
            .await
        };
        let Ok((next, step)) = stepped else {
            return undetermined(CauseKind::Unavailable, "", "verification was stopped");
        };
        prover = next;
        match step {
            ProofStep::Done(proof) => return proof,
            ProofStep::Need(asks) => answers = transport.answer(asks).await,
        }
    }
    undetermined(CauseKind::Budget, "", "too many rounds of questions")
}

fn undetermined(kind: CauseKind, place: &str, said: &'static str) -> Proof {
    let said = Some(SmolStr::new_static(said));
    Proof::undetermined(Cause { kind, place: place.into(), said })
}

/// The caller's time is over; it is told what was being waited for, and what went wrong before.
fn overdue(image: &DigestReference, progress: &Progress) -> Proof {
    let place =
        progress.waiting().map_or_else(|| image.repository.clone(), |place| place.to_smolstr());
    let said = progress.last().unwrap_or_else(|| {
        SmolStr::new_static(
            "no answer yet; verification goes on, and the next try may find it done",
        )
    });
    Proof::undetermined(Cause { kind: CauseKind::Deadline, place, said: Some(said) })
}

/// A leaf that was proved, and where. The place of its signatures is part of the key, so that a
/// hit gives the answer that a miss would give.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ProofKey {
    store: SmolStr,
    digest: Digest,
    attestor: Attestor,
    /// Which statements there are may depend on who looks; whether a signature is good does not.
    access: Option<Access>,
}

/// A proof with the moment from which it is no longer used.
type Held = (Arc<Verified>, Instant);

#[derive(Clone)]
struct ByBytes;

impl Weighter<ProofKey, Held> for ByBytes {
    fn weight(&self, _: &ProofKey, held: &Held) -> u64 {
        // The key holds key material and names, a few hundred bytes.
        (held.0.weight() as u64).saturating_add(512)
    }
}

/// Bytes that a proof by a key takes, roughly: the size of the memory is given in proofs.
const TYPICAL_WEIGHT: u64 = 2048;

type Question = (DigestReference, Arc<Requirement>, Access);

/// Proofs, and those under way.
pub(crate) struct Proofs {
    held: Option<Cache<ProofKey, Held, ByBytes>>,
    life: Duration,
    flights: Flights<Question, Proof>,
    crypto: Arc<Semaphore>,
}

impl fmt::Debug for Proofs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Proofs").field("life", &self.life).finish_non_exhaustive()
    }
}

impl Proofs {
    pub(crate) fn new(options: &Options) -> Self {
        let keeps = options.proof_entries > 0 && !options.proof_ttl.is_zero();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            held: keeps.then(|| {
                let bytes = (options.proof_entries as u64).saturating_mul(TYPICAL_WEIGHT);
                Cache::with_weighter(options.proof_entries, bytes, ByBytes)
            }),
            life: options.proof_ttl,
            flights: Flights::default(),
            crypto: Arc::new(Semaphore::new(cores)),
        }
    }

    /// Tells the prover what is known; true when that is anything.
    fn recall(
        &self,
        prover: &mut Prover,
        image: &DigestReference,
        requirement: &Requirement,
        access: &Access,
    ) -> bool {
        let Some(held) = &self.held else { return false };
        let now = Instant::now();
        let mut any = false;
        each_leaf(requirement, &mut |attestor| {
            let key = proof_key(image, attestor, access);
            match held.get(&key) {
                Some((proof, until)) if now < until => {
                    prover.recall(attestor.clone(), proof);
                    any = true;
                }
                Some(_) => drop(held.remove(&key)),
                None => {}
            }
        });
        any
    }

    /// Keeps what was proved. Refusals, absence and doubt are not kept: whoever signs and tries
    /// again must succeed at once.
    fn keep(
        &self,
        image: &DigestReference,
        requirement: &Requirement,
        access: &Access,
        proof: &Proof,
    ) {
        let Some(held) = &self.held else { return };
        let now = Instant::now();
        for (path, leaf) in &proof.leaves {
            if let Outcome::Verified(verified) = leaf
                && let Some(attestor) = leaf_at(requirement, path)
            {
                let key = proof_key(image, attestor, access);
                // A recalled proof comes back among the leaves: its time does not start anew.
                let known = held
                    .peek(&key)
                    .is_some_and(|(known, until)| Arc::ptr_eq(&known, verified) && now < until);
                if !known {
                    held.insert(key, (Arc::clone(verified), now + self.life));
                }
            }
        }
    }
}

fn proof_key(image: &DigestReference, attestor: &Attestor, access: &Access) -> ProofKey {
    let access = match attestor.shows {
        Shows::Signature => None,
        Shows::Statements { .. } => Some(access.clone()),
    };
    ProofKey {
        store: attestor.store.clone().unwrap_or_else(|| image.repository.clone()),
        digest: image.digest.clone(),
        attestor: attestor.clone(),
        access,
    }
}

fn each_leaf(requirement: &Requirement, visit: &mut impl FnMut(&Attestor)) {
    match requirement {
        Requirement::One(attestor) => visit(attestor),
        Requirement::AtLeast { of, .. } => of.iter().for_each(|one| each_leaf(one, visit)),
    }
}

fn leaf_at<'a>(requirement: &'a Requirement, path: &[u16]) -> Option<&'a Attestor> {
    match (requirement, path) {
        (Requirement::One(attestor), []) => Some(attestor),
        (Requirement::AtLeast { of, .. }, [first, rest @ ..]) => {
            leaf_at(of.get(usize::from(*first))?, rest)
        }
        (Requirement::One(_), _) | (Requirement::AtLeast { .. }, []) => None,
    }
}

impl Registry {
    /// A client whose proofs are judged by this material. What a requirement names and it lacks is
    /// undetermined.
    #[must_use]
    pub fn with_trust(&self, trust: Arc<TrustStore>) -> Self {
        let mut with = self.clone();
        with.trust = trust;
        with
    }

    /// Proves a requirement about an image. Equal work in flight is done once, and goes on when its
    /// callers leave; leaves that were proved are remembered.
    pub async fn prove(
        &self,
        image: &DigestReference,
        requirement: &Arc<Requirement>,
        access: &Access,
        now: Timestamp,
    ) -> Proof {
        let question = (image.clone(), Arc::clone(requirement), access.clone());
        let (arrival, joined) = self.inner.proofs.flights.join(question, |progress| {
            let registry = self.detached(progress);
            let (image, requirement, access) =
                (image.clone(), Arc::clone(requirement), access.clone());
            async move { registry.prove_alone(&image, &requirement, access, now).await }
        });
        self.inner.exchange.observer.memory(Memory::Flight, joined);
        let place = image.repository.as_str();
        let progress = arrival.progress();
        let answer = match self.patience() {
            None => arrival.wait().await,
            Some(patience) => match tokio::time::timeout(patience, arrival.wait()).await {
                Ok(answer) => answer,
                Err(_) => return overdue(image, &progress),
            },
        };
        answer.unwrap_or_else(|| {
            undetermined(CauseKind::Unavailable, place, "verification was stopped")
        })
    }

    /// The proof of a requirement, when memory alone gives it: no waiting, no request.
    pub fn peek_proof(
        &self,
        image: &DigestReference,
        requirement: &Arc<Requirement>,
        access: &Access,
        now: Timestamp,
    ) -> Option<Proof> {
        let mut prover = self.prover(image, requirement, now);
        let known = self.inner.proofs.recall(&mut prover, image, requirement, access);
        let proof = match known.then(|| prover.step(Vec::new())) {
            Some(ProofStep::Done(proof)) if matches!(proof.outcome, Outcome::Verified(_)) => {
                Some(proof)
            }
            Some(ProofStep::Done(_) | ProofStep::Need(_)) | None => None,
        };
        self.inner.exchange.observer.memory(Memory::Proof, proof.is_some());
        proof
    }

    /// Drives one prover to its end, with whatever limits it was given. Nothing is remembered and
    /// nobody joins: the way of a command line, which wants to see every signature.
    pub async fn prove_once(&self, prover: Prover, access: &Access) -> Proof {
        let questions = Questions { registry: self.clone(), access: access.clone() };
        drive(prover, &questions, &self.inner.proofs.crypto).await
    }

    /// A prover with the limits of this client's options.
    fn prover(
        &self,
        image: &DigestReference,
        requirement: &Arc<Requirement>,
        now: Timestamp,
    ) -> Prover {
        let options = &self.inner.exchange.options;
        Prover::new(image.clone(), Arc::clone(requirement), now)
            .with_limits(Limits {
                candidates: options.caps.candidates,
                layer_bytes: options.caps.attachment,
                manifest_bytes: usize::try_from(options.caps.manifest).unwrap_or(usize::MAX),
            })
            .with_thoroughness(options.thoroughness)
            .with_trust(Arc::clone(&self.trust))
    }

    async fn prove_alone(
        &self,
        image: &DigestReference,
        requirement: &Arc<Requirement>,
        access: Access,
        now: Timestamp,
    ) -> Proof {
        let proofs = &self.inner.proofs;
        let mut prover = self.prover(image, requirement, now);
        proofs.recall(&mut prover, image, requirement, &access);
        let questions = Questions { registry: self.clone(), access };
        let work = drive(prover, &questions, &proofs.crypto);
        let limit = self.inner.exchange.options.times.work;
        let Ok(proof) = tokio::time::timeout(limit, work).await else {
            return undetermined(
                CauseKind::TimedOut,
                &image.repository,
                "verification took too long",
            );
        };
        proofs.keep(image, requirement, &questions.access, &proof);
        proof
    }
}

/// A prover's questions, put to registries with one caller's access.
struct Questions {
    registry: Registry,
    access: Access,
}

impl Transport for Questions {
    async fn answer(&self, asks: Vec<Ask>) -> Vec<(Ask, Evidence)> {
        futures_util::future::join_all(asks.into_iter().map(|ask| async {
            let evidence = self.one(&ask).await;
            (ask, evidence)
        }))
        .await
    }
}

impl Questions {
    async fn one(&self, ask: &Ask) -> Evidence {
        if let Ask::LogEntry { log, key } = ask {
            return self.registry.search_log(log, key.clone()).await;
        }
        self.of_registry(ask).await.map_err(|error| error.cause())
    }

    async fn of_registry(&self, ask: &Ask) -> Result<Option<Vec<u8>>, FetchError> {
        let reference = |repository: &SmolStr, digest: &Digest| DigestReference {
            repository: repository.clone(),
            digest: digest.clone(),
        };
        let (registry, access) = (&self.registry, &self.access);
        let bytes = match ask {
            Ask::Referrers { repository, of } => {
                registry.referrers(&reference(repository, of), access).await?
            }
            Ask::Attached { repository, tag } => {
                let tag = TagReference { repository: repository.clone(), tag: tag.clone() };
                registry.manifest_by_tag(&tag, access).await?.map(|fetched| fetched.bytes)
            }
            Ask::Manifest { repository, digest } => {
                registry.manifest(&reference(repository, digest), access).await?
            }
            Ask::Blob { repository, digest, size } => {
                registry.blob(&reference(repository, digest), Some(*size), access).await?
            }
            // A log is no registry: see [`Self::one`].
            Ask::LogEntry { .. } => return Ok(None),
        };
        Ok(bytes.map(Into::into))
    }
}
