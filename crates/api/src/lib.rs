//! The custom resources as they travel on the wire.
//!
//! One file per kind: [`kyverno::v1`] holds `ClusterPolicy` and `Policy`, [`kyverno::v2`] `PolicyException`, [`reports`] the
//! policy reports of the Kubernetes policy working group. Every type is written once, by the macro of [`schema`]: its fields,
//! how they are spelt, what they mean and what the API server is to check. From that come the Rust type, its `serde`
//! implementation and the structural schema, so that [`crds`] cannot say something else than what is read.
//!
//! Reading is lenient and checking is explicit. [`read`] returns the typed document together with everything that the API
//! server would have said about it: values of a wrong type, missing members, members that nobody knows. What a field means, and
//! whether a combination of fields makes sense, is not decided here.
pub mod crd;
pub mod kubernetes;
pub mod kyverno;
pub mod reports;
pub mod schema;

pub use crd::{crds, read};
