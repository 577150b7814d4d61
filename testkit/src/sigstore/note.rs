//! Checkpoints: tree heads as signed notes.

// SPEC: C2SP signed-note and tlog-checkpoint; Rekor's additions are in the reference of its API.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::merkle::{Hash, sha256};
use crate::keys::{Algorithm, KeyError, KeyPair};

/// The body of a checkpoint: origin, size, root, each on a line.
pub(crate) fn body(origin: &str, size: u64, root: &Hash) -> String {
    format!("{origin}\n{size}\n{}\n", STANDARD.encode(root))
}

/// One line of signature.
pub(crate) fn line(name: &str, hint: &[u8], signature: &[u8]) -> String {
    let hint: Vec<u8> = hint.iter().take(4).copied().collect();
    format!("\u{2014} {name} {}\n", STANDARD.encode([&hint, signature].concat()))
}

/// A whole note: body, empty line, signatures.
pub(crate) fn note(body: &str, lines: &[String]) -> String {
    format!("{body}\n{}", lines.concat())
}

/// The id of a key of Rekor v2, whose first four bytes are the hint in its notes.
// SPEC: C2SP signed-note: SHA-256(name || 0x0A || algorithm || key), 1 = Ed25519 (the raw key); 2 = ECDSA (its SPKI).
pub(crate) fn key_id(name: &str, key: &KeyPair) -> Hash {
    let spki = key.spki_der();
    let (algorithm, public) = if key.algorithm() == Algorithm::Ed25519 {
        (1_u8, spki.last_chunk::<32>().map_or(spki, |raw| raw.as_slice()))
    } else {
        (2, spki)
    };
    sha256(&[name.as_bytes(), b"\n", &[algorithm], public])
}

/// A witness's line over the same body: a timestamped cosignature.
// SPEC: C2SP tlog-cosignature v1: algorithm 4, signed text `cosignature/v1`, `time T`, body.
pub(crate) fn cosignature(
    name: &str,
    key: &KeyPair,
    body: &str,
    time: i64,
) -> Result<String, KeyError> {
    let spki = key.spki_der();
    let raw = spki.last_chunk::<32>().map_or(spki, |raw| raw.as_slice());
    let id = sha256(&[name.as_bytes(), b"\n", &[4], raw]);
    let signature = key.sign(format!("cosignature/v1\ntime {time}\n{body}").as_bytes())?;
    Ok(line(name, &id, &[time.to_be_bytes().as_slice(), &signature].concat()))
}
