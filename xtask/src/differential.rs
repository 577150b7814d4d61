//! The same inputs put to ours and to the peers, and the answers compared.
pub mod cosign;
pub mod kyverno;
