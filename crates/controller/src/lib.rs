//! Everything said to the Kubernetes API.
pub mod discovery;
pub mod index;
pub mod kinds;
pub mod object;
pub mod settings;
pub mod webhooks;
