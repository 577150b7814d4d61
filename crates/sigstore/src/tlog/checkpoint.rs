//! Checkpoints: a log's signature over the size and the root of its tree, with those of witnesses.
//!
//! SPEC: C2SP signed-note.md and tlog-checkpoint.md.
use crate::{
    encoding::decode_base64,
    trust::{TransparencyLog, note_key_id},
};

/// Longest checkpoint in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Most signatures of one checkpoint.
const MAX_SIGNATURES: usize = 64;

/// A checkpoint, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// What is signed, its last line feed included.
    text: String,
    origin: String,
    size: u64,
    root: Vec<u8>,
    signatures: Vec<NoteSignature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct NoteSignature {
    name: String,
    hint: [u8; 4],
    signature: Vec<u8>,
}

/// Why a checkpoint proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// No text, blank line and signatures.
    #[error("malformed")]
    Malformed,
    /// Longer, or with more signatures, than is read.
    #[error("too large")]
    TooLarge,
    /// The log did not sign, or under another name or key.
    #[error("no signature by the log")]
    NotSigned,
    /// The log's signature does not match.
    #[error("invalid signature")]
    Signature,
    /// It is of another log.
    #[error("origin is another log")]
    Origin,
}

impl Checkpoint {
    /// Reads one.
    pub fn parse(envelope: &str) -> Result<Self, CheckpointError> {
        if envelope.len() > MAX_BYTES {
            return Err(CheckpointError::TooLarge);
        }
        let at = envelope.rfind("\n\n").ok_or(CheckpointError::Malformed)?;
        let (text, rest) = envelope.split_at_checked(at + 1).ok_or(CheckpointError::Malformed)?;
        let mut lines = text.lines();
        let mut line = || lines.next().filter(|line| !line.is_empty());
        let origin = line().ok_or(CheckpointError::Malformed)?.to_owned();
        let size = line().and_then(size).ok_or(CheckpointError::Malformed)?;
        let root = line()
            .and_then(decode_base64)
            .filter(|root| root.len() == 32)
            .ok_or(CheckpointError::Malformed)?;
        let mut signatures = Vec::new();
        let rest = rest.strip_prefix('\n').and_then(|rest| rest.strip_suffix('\n'));
        for line in rest.ok_or(CheckpointError::Malformed)?.split('\n') {
            if signatures.len() >= MAX_SIGNATURES {
                return Err(CheckpointError::TooLarge);
            }
            signatures.push(signature(line).ok_or(CheckpointError::Malformed)?);
        }
        Ok(Self { text: text.to_owned(), origin, size, root, signatures })
    }

    /// Entries of the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root.
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// What the log calls itself.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The first signature that goes by the log's name and key is the log's. Those of witnesses and
    /// strangers are passed over, in whatever order they stand.
    pub fn verify(&self, log: &TransparencyLog) -> Result<(), CheckpointError> {
        let by_key = log.is_named_by_key();
        let named = |name: &str| {
            if by_key {
                // Rekor 1: the origin is the name and the number of the tree.
                let rest = self.origin.strip_prefix(name);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" - "))
            } else {
                self.origin == name
            }
        };
        let id = log.checkpoint_key_id.as_ref().unwrap_or(&log.log_id);
        let ours = self.signatures.iter().find(|s| named(&s.name) && id.starts_with(&s.hint));
        let ours = ours.ok_or(CheckpointError::NotSigned)?;
        if !by_key && self.origin != log.host() && note_key_id(&self.origin, &log.key) != log.log_id
        {
            return Err(CheckpointError::Origin);
        }
        log.key
            .verify(self.text.as_bytes(), &ours.signature)
            .map_err(|_| CheckpointError::Signature)
    }
}

/// A number without sign or leading zeros.
fn size(line: &str) -> Option<u64> {
    let sound = line.bytes().all(|b| b.is_ascii_digit()) && (line == "0" || !line.starts_with('0'));
    sound.then(|| line.parse().ok()).flatten()
}

/// `— NAME BASE64(HINT SIGNATURE)`.
fn signature(line: &str) -> Option<NoteSignature> {
    let (name, text) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = decode_base64(text)?;
    let (hint, signature) = bytes.split_at_checked(4)?;
    if name.is_empty() || signature.is_empty() {
        return None;
    }
    Some(NoteSignature {
        name: name.to_owned(),
        hint: hint.try_into().ok()?,
        signature: signature.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOT: &str = "rs1YPY0ydAV0lxgfrq5pE4oRpUJwo3syeps5+eGUTDI=";

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let sound = format!("log\n7\n{ROOT}\n\n\u{2014} log AAAAAAA=\n");
        let checkpoint = Checkpoint::parse(&sound).unwrap();
        assert_eq!((checkpoint.size(), checkpoint.origin()), (7, "log"));
        for broken in [
            format!("7\n{ROOT}\n\n\u{2014} log AAAAAAA=\n"),
            format!("log\n{ROOT}\n\n\u{2014} log AAAAAAA=\n"),
            "log\n7\n\n\u{2014} log AAAAAAA=\n".to_owned(),
            format!("log\n07\n{ROOT}\n\n\u{2014} log AAAAAAA=\n"),
            format!("log\n7\n{ROOT}\n\u{2014} log AAAAAAA=\n"),
            format!("log\n7\n{ROOT}\n\n\u{2014} log AAAAAAA="),
            format!("log\n7\n{ROOT}\n\n\u{2014} log AAAA\n"),
            format!("log\n7\n{ROOT}\n\n"),
            format!("log\n7\n{ROOT}\n\n- log AAAAAAA=\n"),
            String::new(),
        ] {
            assert_eq!(Checkpoint::parse(&broken), Err(CheckpointError::Malformed), "{broken}");
        }
        let many = "\u{2014} log AAAAAAA=\n".repeat(MAX_SIGNATURES + 1);
        let many = Checkpoint::parse(&format!("log\n7\n{ROOT}\n\n{many}"));
        assert_eq!(many, Err(CheckpointError::TooLarge));
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String) {
            let _ = Checkpoint::parse(&text);
        }
    }
}
