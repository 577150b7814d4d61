//! Decides: policies, a request and facts in; a decision, or what is still wanted, out.
//!
//! The life of a request: [`request::Request`] meets an immutable [`snapshot::Snapshot`] in
//! [`evaluate::evaluate`]; what the rules want from outside is a [`fact::Fetch`], answered by the edge
//! through [`resolve::Resolution`]; what comes out is a [`decision::Decision`].
//! Nothing here opens a socket, reads a clock or a file, or logs.
mod annotation;
pub mod compile;
mod conditions;
mod context;
pub mod decision;
pub mod evaluate;
mod explain;
pub mod fact;
pub mod functions;
mod images;
mod matching;
mod message;
mod outcome;
mod pattern;
pub mod pin;
mod pod_security;
pub mod request;
pub mod resolve;
mod rule;
mod rules;
pub mod scope;
pub mod snapshot;
mod stop;
mod variables;
