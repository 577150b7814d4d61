//! `kyverno.io/v2`: `PolicyException`.
pub mod policy_exception;

pub use policy_exception::{Exception, PolicyException, PolicyExceptionSpec};

/// Group and version.
pub const API_VERSION: &str = "kyverno.io/v2";
