//! The custom resources as they travel on the wire.
