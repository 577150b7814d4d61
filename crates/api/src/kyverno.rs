//! The group `kyverno.io`.
pub mod v1;
pub mod v2;
