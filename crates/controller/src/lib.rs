//! Everything said to the Kubernetes API.
pub mod index;
pub mod kinds;
pub mod object;
pub mod settings;
