//! Decisions over real images and real signatures: each file is a chapter, each test a claim.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod articles;
mod conformance;
mod context;
mod deadline;
mod diagnostics;
mod keyless;
mod main_story;
mod mutate;
mod pod_security;
mod properties;
mod security_behaviours;
mod unusable;
mod validate;
mod validate_amplification;
mod validate_properties;
mod verify_images;
mod world;
