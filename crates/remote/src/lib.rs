//! Everything said to registries and to Sigstore's services: verbs on `oci` and `sigstore` types, with bounded
//! reading, typed outcomes, shared answers, and no idea why it is asked.
//!
//! * [`Registry`] is the client of registries; clones share connections, tokens, memories and permits.
//! * [`Services`] is that of certificate authorities, logs, timestamp authorities and identity providers.
//! * Every `Ok(None)` is a 404 and nothing else; whatever else went wrong is a [`FetchError`].
//! * Work is detached: a caller who leaves does not stop it, and equal questions share an answer.
mod credentials;
mod error;
mod flight;
mod observer;
mod options;
mod prove;
mod registry;
mod service;
mod tuf;
mod wire;

pub use credentials::{
    CloudEnvironment, ConfigError, Credentials, Key, Login, NoSecrets, PullSecret,
    PullSecretFuture, docker_configs, with_login,
};
pub use error::{FetchError, Guard, Malformed, Place, Underlying, Unreachable};
pub use observer::{Memory, Observer, Operation, Unobserved};
pub use options::{Caps, HostOptions, Options, Proxies, Secret, Times};
pub use prove::{Transport, prove};
pub use registry::{Fetched, ImageData, Pushed, Registry};
pub use service::{
    Client as OidcClient, DeviceLogin, Google, Issued, Provider, ServiceError, Services,
};
pub use tuf::{Cache, CacheError, MirrorError, TufMirror};
pub use wire::tls::TlsError;
