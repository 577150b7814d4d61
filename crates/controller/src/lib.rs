//! Everything said to the Kubernetes API.
pub mod certificates;
pub mod clock;
pub mod discovery;
pub mod index;
pub mod kinds;
pub mod lease;
pub mod object;
pub mod settings;
pub mod webhooks;
