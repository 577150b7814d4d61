//! An OCI registry in this process, on a free port of 127.0.0.1, for tests and for the demo.
//!
//! It speaks distribution 1.1 well enough for cosign, docker and skopeo, keeps everything in memory, and runs on a thread of its
//! own, so that tests with and without an async runtime can use it. Dropping it closes every connection.

mod answer;
mod auth;
mod endpoints;
mod faults;
mod log;
mod names;
mod service;
mod state;
mod store;

use std::{collections::BTreeMap, fmt, io, net::SocketAddr};

use bytes::Bytes;
use http::Method;

use self::state::State;
pub(crate) use self::{
    answer::{Answer, Payload},
    faults::{Before, Faults, before, change},
    log::Log,
    names::pairs,
};
pub use self::{
    auth::{Account, Auth, Basic, Bearer},
    faults::{Effect, Fault},
    log::Entry,
    names::Class,
    store::Manifest,
};
use crate::{
    digest,
    server::Server,
    tls::{Authority, Identity, TlsError},
};

/// How a registry listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tls {
    /// Plain HTTP/1.1.
    #[default]
    Plain,
    /// HTTPS (HTTP/2 and HTTP/1.1) with a certificate of the registry's own authority for 127.0.0.1 and localhost.
    Server,
    /// The same, and clients must show a certificate: see [`Registry::client_identity`].
    Mutual,
}

/// How a registry behaves. `Options::default()` is a plain, open registry with the referrers API, on a free port.
#[derive(Debug, Clone)]
pub struct Options {
    /// Plain HTTP or HTTPS.
    pub tls: Tls,
    /// Who may do what; [`Registry::set_auth`] changes it later.
    pub auth: Auth,
    /// The port of 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Whether `/referrers/` exists. Without it the path answers 404, as distribution 2.8 does. [`Registry::set_referrers_api`]
    /// changes it later.
    pub referrers_api: bool,
    /// Entries in one page of referrers; 0 means all in one.
    pub referrers_page: usize,
    /// Whether `Location` headers are paths without a host. Both are allowed, and clients forget one of them.
    pub relative_locations: bool,
    /// Whether a manifest whose media type is not in the `Accept` header is a 404, as with distribution 2.8 and OCI manifests.
    pub strict_accept: bool,
    /// Largest blob that is taken, in bytes.
    pub max_blob_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tls: Tls::Plain,
            auth: Auth::Open,
            port: 0,
            referrers_api: true,
            referrers_page: 0,
            relative_locations: false,
            strict_accept: false,
            max_blob_bytes: 256 * 1024 * 1024,
        }
    }
}

/// Why a registry did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// No thread, no runtime, or no port.
    Io(io::Error),
    /// No certificates.
    Tls(TlsError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("cannot start the test registry"),
            Self::Tls(_) => f.write_str("cannot make the test registry's certificates"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(cause) => Some(cause),
            Self::Tls(cause) => Some(cause),
        }
    }
}

impl From<io::Error> for StartError {
    fn from(cause: io::Error) -> Self {
        Self::Io(cause)
    }
}

impl From<TlsError> for StartError {
    fn from(cause: TlsError) -> Self {
        Self::Tls(cause)
    }
}

/// A running registry. All methods take `&self`: share it behind an `Arc`, or hand out references.
#[derive(Debug)]
pub struct Registry {
    server: Server<State>,
    authority: Option<Authority>,
}

impl Registry {
    /// Starts a registry; when this returns, it answers.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let port = options.port;
        let (authority, config) = match options.tls {
            Tls::Plain => (None, None),
            Tls::Server | Tls::Mutual => {
                let authority = Authority::new("testkit registry authority")?;
                let config = authority.loopback_server(options.tls == Tls::Mutual)?;
                (Some(authority), Some(config))
            }
        };
        let make = |address| State::new(options, address);
        Ok(Self { server: Server::start("testkit-registry", port, config, make)?, authority })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.state.address
    }

    /// `127.0.0.1:PORT`, the first part of image names.
    pub fn host(&self) -> String {
        self.address().to_string()
    }

    /// `http://127.0.0.1:PORT` or `https://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        self.server.state.url()
    }

    /// The certificate authority that clients have to trust; nothing for a plain registry.
    pub fn ca_pem(&self) -> Option<String> {
        self.authority.as_ref().map(Authority::pem)
    }

    /// A client certificate that a [`Tls::Mutual`] registry accepts; nothing for a plain registry.
    pub fn client_identity(&self, name: &str) -> Result<Option<Identity>, TlsError> {
        self.authority.as_ref().map(|authority| authority.client(name)).transpose()
    }

    /// Ends it: connections are closed, the port is free, the content is gone. Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }

    /// Closes the port and all connections and keeps the content: from now on, connections are refused.
    pub fn go_down(&self) {
        self.server.down();
    }

    /// Opens the same port again after [`go_down`](Self::go_down). Fails when somebody else took it meanwhile.
    pub fn come_back(&self) -> io::Result<()> {
        self.server.up()
    }

    /// Changes who may do what.
    pub fn set_auth(&self, auth: Auth) {
        self.server.state.set_auth(auth);
    }

    /// From now on, no token that was given out before is accepted.
    pub fn revoke_tokens(&self) {
        self.server.state.revoke_tokens();
    }

    /// Switches the referrers API on or off.
    pub fn set_referrers_api(&self, on: bool) {
        self.server.state.set_referrers_api(on);
    }

    /// Whether the referrers API is there.
    pub fn has_referrers_api(&self) -> bool {
        self.server.state.referrers_api()
    }

    // Content.

    /// Puts a blob in and returns its digest.
    pub fn put_blob(&self, repository: &str, bytes: impl Into<Bytes>) -> String {
        let bytes = bytes.into();
        let digest = digest::sha256(&bytes);
        self.put_blob_as(repository, &digest, bytes);
        digest
    }

    /// Puts a blob in under a digest that need not be its own: a registry that lies.
    pub fn put_blob_as(&self, repository: &str, digest: &str, bytes: impl Into<Bytes>) {
        self.server.state.store().put_blob(repository, digest, bytes.into());
    }

    /// Puts a manifest in and returns its digest. `reference` is a tag that will point to it, or a digest, which it is then
    /// stored under whether or not it is its own. Nothing is checked, so that broken content can be put in.
    pub fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        bytes: impl Into<Bytes>,
    ) -> String {
        let bytes = bytes.into();
        let mut store = self.server.state.store();
        if digest::is_digest(reference) {
            store.put_manifest(repository, reference, media_type, bytes);
            return reference.to_owned();
        }
        let digest = digest::sha256(&bytes);
        store.put_manifest(repository, &digest, media_type, bytes);
        store.set_tag(repository, reference, &digest);
        digest
    }

    /// The manifest that a tag or digest names.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<Manifest> {
        self.server.state.store().manifest(repository, reference).cloned()
    }

    /// The blob with this digest.
    pub fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        self.server.state.store().blob(repository, digest)
    }

    /// Points a tag to a digest, which need not exist.
    pub fn set_tag(&self, repository: &str, tag: &str, digest: &str) {
        self.server.state.store().set_tag(repository, tag, digest);
    }

    /// Removes a tag and says whether it was there.
    pub fn remove_tag(&self, repository: &str, tag: &str) -> bool {
        self.server.state.store().remove_tag(repository, tag)
    }

    /// Removes a manifest with all its tags and says whether it was there.
    pub fn remove_manifest(&self, repository: &str, digest: &str) -> bool {
        self.server.state.store().remove_manifest(repository, digest)
    }

    /// Removes a blob and says whether it was there.
    pub fn remove_blob(&self, repository: &str, digest: &str) -> bool {
        self.server.state.store().remove_blob(repository, digest)
    }

    /// The tags of a repository, sorted; empty when there is no such repository.
    pub fn tags(&self, repository: &str) -> Vec<String> {
        self.server.state.store().tags(repository).unwrap_or_default()
    }

    /// All repositories, sorted.
    pub fn repositories(&self) -> Vec<String> {
        self.server.state.store().repositories().map(str::to_owned).collect()
    }

    /// The manifests that name `subject` as theirs, in the order in which they came.
    pub fn referrers(&self, repository: &str, subject: &str) -> Vec<Manifest> {
        self.server.state.store().referrers(repository, subject).into_iter().cloned().collect()
    }

    // What goes wrong.

    /// Sets a fault beside those that are set already.
    pub fn fault(&self, fault: Fault) {
        self.server.state.faults().add(fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.server.state.faults().clear();
    }

    // What it was asked.

    /// The requests since the start or the last reset, in the order in which they arrived.
    pub fn requests(&self) -> Vec<Entry> {
        self.server.state.log().entries()
    }

    /// How many requests there were since the start or the last reset.
    pub fn request_count(&self) -> u64 {
        self.server.state.log().count(None, None)
    }

    /// How many requests of one class there were.
    pub fn count_of(&self, class: Class) -> u64 {
        self.server.state.log().count(None, Some(class))
    }

    /// How many requests there were with this method and of this class.
    pub fn count(&self, method: &Method, class: Class) -> u64 {
        self.server.state.log().count(Some(method), Some(class))
    }

    /// All counters by method and class.
    pub fn counts(&self) -> BTreeMap<(String, Class), u64> {
        self.server.state.log().counts()
    }

    /// The largest number of requests that were being answered at the same time.
    pub fn peak_in_flight(&self) -> usize {
        self.server.state.log().peak()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> u64 {
        self.server.state.log().connections()
    }

    /// Forgets log and counters.
    pub fn reset_log(&self) {
        self.server.state.log().reset();
    }
}
