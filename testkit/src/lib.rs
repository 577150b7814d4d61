//! A registry, keys, images and signatures in one box, for tests and the demo; speaks bytes, never house types.
//!
//! Everything here is a second implementation on purpose: it shares no code with the crates that it helps to test, so that an
//! error in one of them cannot hide behind the same error in the other.

pub mod artifact;
mod der;
pub mod digest;
pub mod image;
pub mod keys;
pub mod registry;
mod server;
pub mod signing;
pub mod sigstore;
pub mod tls;
