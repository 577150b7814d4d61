//! Decides: policies, a request and facts in; a decision, or what is still wanted, out.
//!
//! The life of a request: [`request::Request`] meets an immutable [`snapshot::Snapshot`] in
//! [`evaluate::evaluate`]; what the rules want from outside is a [`fact::Fetch`], answered by the edge
//! through [`resolve::Resolution`]; what comes out is a [`decision::Decision`].
//! Nothing here opens a socket, reads a clock or a file, or logs.
pub mod compile;
pub mod decision;
pub mod evaluate;
pub mod fact;
pub mod functions;
pub mod pin;
pub mod request;
pub mod resolve;
pub mod snapshot;
