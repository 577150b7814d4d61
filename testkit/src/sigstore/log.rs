//! What both Rekors have in common: an append-only tree with its proofs and checkpoints, and the ways in which they are wrong.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    knobs::{Checkpoint, Knobs, Proof},
    merkle::{self, Hash},
    note,
};
use crate::keys::{Algorithm, KeyError, KeyPair};

/// A log: its key, its name, and all that it was told.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) key: KeyPair,
    pub(crate) stranger: KeyPair,
    witness: KeyPair,
    /// First line of checkpoints.
    pub(crate) origin: String,
    /// The name on the signature line.
    signer: String,
    /// What the hint of the signature line is cut from.
    hint: Hash,
    pub(crate) leaves: Vec<Hash>,
    pub(crate) bodies: Vec<Vec<u8>>,
}

/// An inclusion proof with the checkpoint that it belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Inclusion {
    pub(crate) index: u64,
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) hashes: Vec<Hash>,
    /// Nothing when the checkpoint is to be missing.
    pub(crate) checkpoint: Option<String>,
}

impl Log {
    /// A log that holds `filling` entries of no meaning, so that proofs have something to prove.
    pub(crate) fn new(
        key: KeyPair,
        origin: String,
        signer: String,
        hint: Hash,
        filling: usize,
    ) -> Result<Self, KeyError> {
        let bodies: Vec<Vec<u8>> =
            (0..filling).map(|at| format!("{{\"filling\":{at}}}").into_bytes()).collect();
        Ok(Self {
            stranger: KeyPair::generate(key.algorithm())?,
            witness: KeyPair::generate(Algorithm::Ed25519)?,
            key,
            origin,
            signer,
            hint,
            leaves: bodies.iter().map(|body| merkle::leaf(body)).collect(),
            bodies,
        })
    }

    /// Adds an entry and returns its index; an entry that is there already keeps its own.
    pub(crate) fn append(&mut self, body: &[u8]) -> (usize, bool) {
        let leaf = merkle::leaf(body);
        if let Some(at) = self.leaves.iter().position(|known| *known == leaf) {
            return (at, false);
        }
        self.leaves.push(leaf);
        self.bodies.push(body.to_vec());
        (self.leaves.len() - 1, true)
    }

    /// The checkpoint of the first `size` entries.
    pub(crate) fn checkpoint(&self, size: usize) -> Result<String, KeyError> {
        let root = merkle::root(self.leaves.get(..size).unwrap_or(&self.leaves));
        self.signed(&note::body(&self.origin, size as u64, &root))
    }

    fn signed(&self, body: &str) -> Result<String, KeyError> {
        let signature = self.key.sign(body.as_bytes())?;
        Ok(note::note(body, &[note::line(&self.signer, &self.hint, &signature)]))
    }

    /// The proof of an entry in the tree as it is now; nothing where it is to be missing.
    pub(crate) fn inclusion(
        &self,
        index: usize,
        knobs: &Knobs,
    ) -> Result<Option<Inclusion>, KeyError> {
        let size = self.leaves.len();
        let mut root = merkle::root(&self.leaves);
        let mut hashes = merkle::proof(&self.leaves, index);
        let mut shown = index as u64;
        match knobs.proof {
            Proof::Good => {}
            Proof::Missing => return Ok(None),
            Proof::BadHash => match hashes.first_mut() {
                Some(first) => first[0] ^= 1,
                None => hashes.push(root),
            },
            Proof::BadRoot => root[0] ^= 1,
            Proof::BadIndex => shown = shown.checked_sub(1).unwrap_or(1),
        }
        let checkpoint = self.shown_checkpoint(index, size, root, knobs.checkpoint)?;
        Ok(Some(Inclusion { index: shown, size: size as u64, root, hashes, checkpoint }))
    }

    fn shown_checkpoint(
        &self,
        index: usize,
        size: usize,
        root: Hash,
        knob: Checkpoint,
    ) -> Result<Option<String>, KeyError> {
        let body = note::body(&self.origin, size as u64, &root);
        let sign = |body: &str| self.key.sign(body.as_bytes());
        let line = |signature: &[u8]| note::line(&self.signer, &self.hint, signature);
        Ok(Some(match knob {
            Checkpoint::Good => self.signed(&body)?,
            Checkpoint::Missing => return Ok(None),
            Checkpoint::BadSignature => {
                let mut signature = sign(&body)?;
                if let Some(last) = signature.last_mut() {
                    *last ^= 1;
                }
                note::note(&body, &[line(&signature)])
            }
            Checkpoint::Stale => self.checkpoint(index)?,
            Checkpoint::OtherOrigin => {
                self.signed(&note::body("another.log.invalid", size as u64, &root))?
            }
            Checkpoint::OtherRoot => {
                let mut other = root;
                other[0] ^= 1;
                self.signed(&note::body(&self.origin, size as u64, &other))?
            }
            Checkpoint::BadHint => {
                let mut hint = self.hint;
                hint[0] ^= 1;
                note::note(&body, &[note::line(&self.signer, &hint, &sign(&body)?)])
            }
            Checkpoint::Crowded => {
                let own = line(&sign(&body)?);
                let foreign = self.stranger.sign(body.as_bytes())?;
                let foreign = note::line("stranger.invalid", &[1, 2, 3, 4], &foreign);
                note::note(&body, &[foreign, own.clone(), own])
            }
            Checkpoint::Witnessed => {
                let own = line(&sign(&body)?);
                let witness = note::cosignature("witness.invalid", &self.witness, &body, 1)?;
                note::note(&body, &[own, witness])
            }
        }))
    }
}

/// Standard base64.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
