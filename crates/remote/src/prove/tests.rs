//! Claims about proofs.
