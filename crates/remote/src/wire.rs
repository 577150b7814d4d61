//! HTTP as registries speak it: connections, guards, retries, tokens. Knows no manifest.
pub(crate) mod body;
pub(crate) mod challenge;
pub(crate) mod clients;
pub(crate) mod exchange;
pub(crate) mod guard;
pub(crate) mod host;
pub(crate) mod pause;
pub(crate) mod tls;
pub(crate) mod token;
