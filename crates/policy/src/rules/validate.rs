//! `validate`: what an object must look like.

/// What is checked, and what is said.
#[derive(Debug)]
pub(crate) enum Validate {}
