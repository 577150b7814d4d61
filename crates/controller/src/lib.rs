//! Everything said to the Kubernetes API.
