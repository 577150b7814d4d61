//! Everything said to the Kubernetes API.
pub mod about;
pub mod certificates;
pub mod clock;
pub mod cluster;
pub mod decided;
pub mod discovery;
pub mod events;
pub mod index;
pub mod kinds;
pub mod lease;
pub mod object;
pub mod reports;
pub mod settings;
pub mod status;
pub mod webhooks;
