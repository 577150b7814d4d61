//! The services of an instance behind HTTP, each on a port of its own, with faults and a log of what they were asked.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header, request::Parts, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{
    Identity, Instance, Options, Urls, locked,
    oidc::Issuer,
    rekor::Refusal,
    trust,
    tsa::Query,
    tuf::{Attack, Repository},
};
use crate::{
    keys::KeyError,
    registry::{Answer, Before, Class, Entry, Fault, Faults, Log, Payload, StartError, Tls},
    registry::{before, change, pairs},
    server::{Answers, Server},
    tls::{Authority, Identity as TlsIdentity, TlsError},
};

mod endpoints;

/// Largest request that is read, in bytes.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// One service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Service {
    /// The certificate authority.
    Fulcio,
    /// The transparency log, version 1.
    Rekor,
    /// The transparency log, version 2.
    RekorV2,
    /// The timestamp authority.
    Timestamps,
    /// The OIDC issuer, and what runners of GitHub, Buildkite and Google answer.
    Issuer,
    /// The TUF mirror.
    Mirror,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Fulcio, Self::Rekor, Self::RekorV2, Self::Timestamps, Self::Issuer, Self::Mirror];
}

/// How services listen.
#[derive(Debug, Clone, Default)]
pub struct ServicesOptions {
    /// The instance behind them.
    pub instance: Options,
    /// How the timestamp authority listens; the others speak plain HTTP.
    pub timestamps_tls: Tls,
}

/// What all connections of one service share.
#[derive(Debug)]
pub(crate) struct Endpoint {
    service: Service,
    address: SocketAddr,
    instance: Arc<Instance>,
    repository: Arc<Mutex<Repository>>,
    faults: Mutex<Faults>,
    log: Mutex<Log>,
}

/// The services of one instance, running.
#[derive(Debug)]
pub struct Services {
    instance: Arc<Instance>,
    repository: Arc<Mutex<Repository>>,
    servers: BTreeMap<Service, Server<Endpoint>>,
    authority: Option<Authority>,
}

impl Services {
    /// Starts all services on free ports of 127.0.0.1; when this returns, they answer.
    pub fn start(options: ServicesOptions) -> Result<Self, StartError> {
        let mut own = options.instance;
        // Checkpoints name hosts without ports.
        "127.0.0.1".clone_into(&mut own.rekor_host);
        "127.0.0.1".clone_into(&mut own.rekor_v2_host);
        let instance = Arc::new(Instance::new(own).map_err(no_key)?);
        let repository = Repository::new(instance.clock().clone()).map_err(no_key)?;
        let repository = Arc::new(Mutex::new(repository));
        let (authority, config) = match options.timestamps_tls {
            Tls::Plain => (None, None),
            tls @ (Tls::Server | Tls::Mutual) => {
                let authority = Authority::new("testkit timestamp TLS authority")?;
                let config = authority.loopback_server(tls == Tls::Mutual)?;
                (Some(authority), Some(config))
            }
        };
        let mut servers = BTreeMap::new();
        for service in Service::ALL {
            let tls = config.clone().filter(|_| service == Service::Timestamps);
            let (instance, repository) = (Arc::clone(&instance), Arc::clone(&repository));
            let make = move |address| Endpoint {
                service,
                address,
                instance,
                repository,
                faults: Mutex::default(),
                log: Mutex::default(),
            };
            servers.insert(service, Server::start("testkit-sigstore", 0, tls, make)?);
        }
        let made = Self { instance, repository, servers, authority };
        let ct_log = format!("{}/ct", made.url(Service::Fulcio));
        made.instance.set_urls(Urls {
            fulcio: made.url(Service::Fulcio),
            ct_log,
            rekor: made.url(Service::Rekor),
            rekor_v2: made.url(Service::RekorV2),
            timestamps: format!("{}/api/v1/timestamp", made.url(Service::Timestamps)),
            issuer: made.url(Service::Issuer),
            mirror: made.url(Service::Mirror),
        });
        made.publish_trust().map_err(no_key)?;
        Ok(made)
    }

    /// The instance behind the services.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// The TUF repository behind the mirror.
    pub fn repository(&self) -> MutexGuard<'_, Repository> {
        locked(&self.repository)
    }

    /// Publishes the trusted root, the signing configurations and the files of older clients as targets.
    pub fn publish_trust(&self) -> Result<(), KeyError> {
        let instance = &self.instance;
        let custom = |usage: &str, uri: &str| {
            Some(json!({ "sigstore": { "status": "Active", "usage": usage, "uri": uri } }))
        };
        let urls = instance.urls();
        let mut repository = self.repository();
        let mut put = |name: &str, text: String, custom| repository.put(name, text, custom);
        put("trusted_root.json", instance.trusted_root().to_string(), None);
        put("signing_config.v0.2.json", instance.signing_config(1).to_string(), None);
        put("signing_config_rekor_v2.v0.2.json", instance.signing_config(2).to_string(), None);
        put("rekor.pub", instance.rekor_key().public_pem(), custom("Rekor", &urls.rekor));
        put("ctfe.pub", instance.ct_log_key().public_pem(), custom("CTFE", &urls.ct_log));
        let root = trust::pem(&instance.fulcio_root());
        put("fulcio_v1.crt.pem", root, custom("Fulcio", &urls.fulcio));
        let intermediate = trust::pem(&instance.fulcio_intermediate());
        put("fulcio_intermediate_v1.crt.pem", intermediate, custom("Fulcio", &urls.fulcio));
        repository.publish(&Attack::None)
    }

    /// `http://127.0.0.1:PORT` of a service, without a slash at the end.
    pub fn url(&self, service: Service) -> String {
        let secure = service == Service::Timestamps && self.authority.is_some();
        let scheme = if secure { "https" } else { "http" };
        let address = self.servers.get(&service).map(|server| server.state.address.to_string());
        format!("{scheme}://{}", address.unwrap_or_default())
    }

    /// The certificate authority that clients of the timestamp authority have to trust; nothing over plain HTTP.
    pub fn timestamps_ca_pem(&self) -> Option<String> {
        self.authority.as_ref().map(Authority::pem)
    }

    /// A client certificate that the timestamp authority accepts; nothing over plain HTTP.
    pub fn timestamps_client(&self, name: &str) -> Result<Option<TlsIdentity>, TlsError> {
        self.authority.as_ref().map(|authority| authority.client(name)).transpose()
    }

    /// Who logs in at the issuer: the claims of the tokens. Nothing means a user who says no.
    pub fn set_user(&self, claims: Option<Value>) {
        self.instance.issuer.set_user(claims);
    }

    /// The user agrees to all logins of devices that wait.
    pub fn approve_devices(&self) {
        self.instance.issuer.approve();
    }

    /// Sets a fault of a service beside those that are set already.
    pub fn fault(&self, service: Service, fault: Fault) {
        if let Some(server) = self.servers.get(&service) {
            locked(&server.state.faults).add(fault);
        }
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.servers.values().for_each(|server| locked(&server.state.faults).clear());
    }

    /// What a service was asked, in order.
    pub fn requests(&self, service: Service) -> Vec<Entry> {
        self.servers
            .get(&service)
            .map(|server| locked(&server.state.log).entries())
            .unwrap_or_default()
    }

    /// How many requests a service got.
    pub fn count(&self, service: Service) -> u64 {
        self.servers.get(&service).map_or(0, |server| locked(&server.state.log).count(None, None))
    }

    /// Forgets what the services were asked.
    pub fn reset_logs(&self) {
        self.servers.values().for_each(|server| locked(&server.state.log).reset());
    }

    /// Closes the port of a service: from now on, connections are refused.
    pub fn go_down(&self, service: Service) {
        if let Some(server) = self.servers.get(&service) {
            server.down();
        }
    }

    /// Opens the port of a service again. Fails when somebody else took it meanwhile.
    pub fn come_back(&self, service: Service) -> std::io::Result<()> {
        self.servers.get(&service).map_or(Ok(()), Server::up)
    }
}

fn no_key(error: KeyError) -> StartError {
    StartError::Io(std::io::Error::other(error))
}

/// Counts a request as under way until it is answered or given up.
struct InFlight(Arc<Endpoint>);

impl Drop for InFlight {
    fn drop(&mut self) {
        locked(&self.0.log).ended();
    }
}

impl Answers for Endpoint {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn connected(&self) {
        locked(&self.log).connected();
    }

    async fn answer(self: Arc<Self>, parts: Parts, body: Incoming) -> Option<Response<Payload>> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let ticket = locked(&self.log).begin(Entry {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            class: Class::Other,
            repository: None,
            user_agent: agent.map(str::to_owned),
            had_authorization: parts.headers.contains_key(header::AUTHORIZATION),
            status: None,
        });
        let _in_flight = InFlight(Arc::clone(&self));
        let asked = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let effects = locked(&self.faults).of(&parts.method, parts.uri.path(), Class::Other);
        let answer = match before(&effects, asked).await {
            Before::Proceed => match Limited::new(body, MAX_BODY).collect().await {
                Ok(body) => endpoints::dispatch(&self, &parts, &body.to_bytes()),
                Err(_) => endpoints::refuse(400, "the request broke off or is too long"),
            },
            Before::Instead(answer) => answer,
            Before::Reset => return None,
        };
        let answer = change(&effects, answer);
        locked(&self.log).answered(ticket, answer.status.as_u16());
        Some(answer.into_response(parts.method == Method::HEAD))
    }
}
