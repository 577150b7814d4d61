//! Everything said to registries: here only the driver of a proof.
use sigward_sigstore::prover::{Ask, Evidence, ProofStep, Prover};
use sigward_sigstore::verified::Proof;

pub trait Transport {
    fn answer(&self, asks: Vec<Ask>) -> impl Future<Output = Vec<(Ask, Evidence)>> + Send;
}

/// The whole of it: no rule of what is enough lives here.
pub async fn prove(mut prover: Prover, transport: &(impl Transport + Sync)) -> Proof {
    let mut answers = Vec::new();
    loop {
        match prover.step(answers) {
            ProofStep::Done(proof) => return proof,
            ProofStep::Need(asks) => answers = transport.answer(asks).await,
        }
    }
}
