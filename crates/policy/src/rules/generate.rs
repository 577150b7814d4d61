//! `generate`: objects that are made because of others.

/// What is made.
#[derive(Debug)]
pub(crate) enum Generate {}
