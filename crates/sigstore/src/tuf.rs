//! A TUF client that neither asks nor remembers: metadata and a time in, what is to be fetched next or what is trusted out.
//!
//! [`Update`] says which file it wants and is given its bytes; what it trusts in the end is a [`Repository`], whose
//! [`Kept`] files the caller keeps for the next time. What is kept is checked again each time it is read.
//!
//! SPEC: The Update Framework 1.0.34, section 5 (detailed client workflow). Whatever a mirror sends is bounded, verified
//! before it is read further, and never becomes a path unless [`path`] let it pass.
mod error;
mod metadata;
pub mod path;
mod trusted;
mod update;

pub use error::{Problem, TufError};
pub use metadata::{MAX_SIGNATURES, TargetFile, canonical};
pub use trusted::{Delegated, Find, Repository};
pub use update::{Ask, Kept, Update};

/// Bytes of a root that are read at most.
pub const MAX_ROOT: u64 = 512_000;
/// Bytes of a timestamp that are read at most.
pub const MAX_TIMESTAMP: u64 = 16_384;
/// Bytes of a snapshot that are read at most.
pub const MAX_SNAPSHOT: u64 = 2_000_000;
/// Bytes of targets metadata that are read at most.
pub const MAX_TARGETS: u64 = 5_000_000;
/// Bytes of a target that are read at most, whatever its metadata say.
pub const MAX_TARGET: u64 = 8_000_000;
/// Roots that follow one another in one update.
pub const MAX_ROTATIONS: u32 = 256;
/// Delegated roles that are looked at for one target.
pub const MAX_DELEGATIONS: usize = 32;

#[cfg(test)]
mod tests;
