//! Answers what policies ask of the cluster: namespaces, objects, keys, roles, calls to the API server.
use crate::{
    discovery::Discovery,
    index::Shared,
    kinds,
    object::{Key, resource},
};
use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::{Client, Resource as _, client::Body, core::ApiResource};
use sigward_document::Value;
use sigward_policy::{
    fact::{Answer, Call, Cause, CauseKind, Effect, Fact, Fetch, Memory, ObjectName},
    request::{GroupVersionKind, GroupVersionResource},
    resolve::Pending,
};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use zeroize::Zeroizing;

/// Reads a public key in PEM: which kinds of keys there are is not known here.
pub type KeyReader = Arc<dyn Fn(&[u8]) -> Fact + Send + Sync>;

/// Members of a Secret, decoded.
pub type SecretData = BTreeMap<SmolStr, Zeroizing<Vec<u8>>>;

/// What is asked of the API server, and how long and large an answer may be.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `--maxAPICallResponseLength`: bytes of an answer.
    pub response_bytes: usize,
    /// `--apiCallTimeout`: how long an answer may take.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { response_bytes: 10_000_000, timeout: Duration::from_secs(30) }
    }
}

/// The cluster, as policies see it. Equal questions in flight share one answer; dropping an answer does not stop the work.
pub struct Cluster {
    client: Client,
    known: Shared,
    discovery: Arc<ArcSwap<Discovery>>,
    read_key: KeyReader,
    limits: Limits,
    in_flight: Arc<Mutex<BTreeMap<Fetch, watch::Receiver<Option<Fact>>>>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Over what the index knows and, for the rest, the API server.
    pub fn new(
        client: Client,
        known: Shared,
        discovery: Arc<ArcSwap<Discovery>>,
        read_key: KeyReader,
        limits: Limits,
    ) -> Self {
        Self { client, known, discovery, read_key, limits, in_flight: Arc::default() }
    }

    /// The kind that a resource is served as; `None` when the API server does not serve it, or was not asked yet.
    pub fn kind_of(&self, resource: &GroupVersionResource) -> Option<GroupVersionKind> {
        self.discovery.load().kind_of(resource)
    }

    /// Whether this source answers such a question; registries answer the others.
    pub fn answers(fetch: &Fetch) -> bool {
        matches!(
            fetch,
            Fetch::Namespace(_)
                | Fetch::Object(_)
                | Fetch::PublicKey { .. }
                | Fetch::Call(_)
                | Fetch::Roles { .. }
        )
    }

    /// Answers a question for which [`Cluster::answers`] is true; to others, that it may not be asked here.
    pub fn fetch(self: &Arc<Self>, fetch: Fetch) -> Pending {
        let mut answer = self.join(&fetch);
        Box::pin(async move {
            let fact = match answer.wait_for(Option::is_some).await {
                Ok(fact) => fact.clone(),
                // The task that worked on it is gone: the process is ending.
                Err(_) => None,
            };
            let fact = fact.unwrap_or_else(|| {
                Fact::Document(Err(cause(CauseKind::Unavailable, "kubernetes", None)))
            });
            (fetch, fact)
        })
    }

    fn join(self: &Arc<Self>, fetch: &Fetch) -> watch::Receiver<Option<Fact>> {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = in_flight.get(fetch) {
            return answer.clone();
        }
        let (sender, receiver) = watch::channel(None);
        // What writes is asked once for each who asks.
        let shared = fetch.effect() == Effect::Reads;
        if shared {
            in_flight.insert(fetch.clone(), receiver.clone());
        }
        let (this, fetch) = (Arc::clone(self), fetch.clone());
        tokio::spawn(async move {
            let fact = this.answer(&fetch).await;
            if shared {
                // Gone before it is told: whoever asks later asks anew.
                this.in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&fetch);
            }
            let _nobody_waits = sender.send(Some(fact));
        });
        receiver
    }

    async fn answer(&self, fetch: &Fetch) -> Fact {
        if let Some(fact) = self.peek(fetch) {
            return fact;
        }
        match fetch {
            Fetch::Namespace(name) => {
                let namespaces = kinds::Watched::Namespace.resource();
                Fact::Document(self.object(&namespaces, &Key::new("", name)).await)
            }
            Fetch::Object(name) => Fact::Document(self.named(name).await),
            Fetch::PublicKey { reference } => self.public_key(reference).await,
            Fetch::Call(call) => Fact::Document(self.call(call).await),
            Fetch::Roles { .. } => {
                let said = Some("role bindings were not listed yet");
                Fact::Document(Err(cause(CauseKind::Unavailable, "rolebindings", said)))
            }
            Fetch::GlobalEntry { .. }
            | Fetch::Addresses { .. }
            | Fetch::Tag { .. }
            | Fetch::ImageData { .. }
            | Fetch::Proof { .. } => {
                Fact::Document(Err(cause(CauseKind::Forbidden, "kubernetes", None)))
            }
        }
    }

    async fn named(&self, name: &ObjectName) -> Answer<Option<Value>> {
        let found = match (name.api_version.as_str(), name.kind.as_str()) {
            ("v1", "ConfigMap") => Some((kinds::config_maps(), true)),
            ("v1", "Secret") => Some((kinds::secrets(), true)),
            (version, kind) => self.discovery.load().resource_of(version, kind),
        };
        let Some((resource, namespaced)) = found else {
            let place = format!("{} {}", name.api_version, name.kind);
            return Err(cause(CauseKind::Malformed, &place, Some("no such kind is served")));
        };
        let namespace = if namespaced { name.namespace.as_str() } else { "" };
        self.object(&resource, &Key::new(namespace, &name.name)).await
    }

    /// One object, whole.
    async fn object(&self, of: &ApiResource, key: &Key) -> Answer<Option<Value>> {
        let Some(path) = path_of(of, key) else { return Ok(None) };
        let place = format!("{} {key}", of.kind);
        let body = self.send(Request::get(path), Vec::new(), &place).await?;
        body.map(|body| parse(&body, &place)).transpose()
    }

    /// The members of a Secret; `None` when there is no such Secret. Nothing of it is logged.
    ///
    /// # Errors
    /// The API server cannot be reached or refuses.
    pub async fn secret(&self, namespace: &str, name: &str) -> Answer<Option<SecretData>> {
        let key = Key::new(namespace, name);
        let known = self.known.read().secret(&key).cloned();
        let secret = match known {
            Some(secret) => Some(secret),
            None => self.object(&kinds::secrets(), &key).await?,
        };
        Ok(secret.map(|secret| decode(&secret)))
    }

    async fn public_key(&self, reference: &str) -> Fact {
        let Some(key) = key_reference(reference) else {
            let said = Some("expected k8s://namespace/name");
            return Fact::Key(Err(cause(CauseKind::Malformed, reference, said)));
        };
        match self.secret(&key.namespace, &key.name).await {
            Ok(Some(data)) => self.key_of(&key, &data),
            Ok(None) => Fact::Key(Ok(None)),
            Err(cause) => Fact::Key(Err(cause)),
        }
    }

    /// COMPAT: cosign 3.1: the key is the member `cosign.pub`; test: a_key_is_read_from_the_member_cosign_pub
    fn key_of(&self, key: &Key, data: &SecretData) -> Fact {
        if let Some(pem) = data.get("cosign.pub") {
            return (self.read_key)(pem);
        }
        let place = format!("Secret {key}");
        Fact::Key(Err(cause(CauseKind::Malformed, &place, Some("it has no member cosign.pub"))))
    }

    /// A call to the API server by path.
    async fn call(&self, call: &Call) -> Answer<Option<Value>> {
        let place = call.url.as_str();
        if !place.starts_with('/') || place.starts_with("//") || place.chars().any(char::is_control)
        {
            return Err(cause(
                CauseKind::Forbidden,
                place,
                Some("only paths of the API server can be called"),
            ));
        }
        let request = if call.post {
            Request::post(place).header(header::CONTENT_TYPE, "application/json")
        } else {
            Request::get(place)
        };
        let body = call.body.as_ref().map(|body| body.as_bytes().to_vec()).unwrap_or_default();
        let body = self.send(request, body, place).await?;
        body.map(|body| parse(&body, place)).transpose()
    }

    /// Sends, and reads the answer within the limits. `None` for 404.
    async fn send(
        &self,
        request: http::request::Builder,
        body: Vec<u8>,
        place: &str,
    ) -> Answer<Option<Vec<u8>>> {
        let request = request
            .header(header::ACCEPT, "application/json")
            .body(Body::from(body))
            .map_err(|error| cause(CauseKind::Malformed, place, Some(&error.to_string())))?;
        let work = async {
            let response =
                self.client.send(request).await.map_err(|error| of_kube(&error, place))?;
            self.read(response, place).await
        };
        match tokio::time::timeout(self.limits.timeout, work).await {
            Ok(answer) => answer,
            Err(_) => Err(cause(CauseKind::TimedOut, place, None)),
        }
    }

    async fn read(&self, response: Response<Body>, place: &str) -> Answer<Option<Vec<u8>>> {
        let status = response.status();
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let body = Limited::new(response.into_body(), self.limits.response_bytes).collect().await;
        let body = match body {
            Ok(body) => body.to_bytes().to_vec(),
            Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
                let said = format!("more than {} bytes", self.limits.response_bytes);
                return Err(cause(CauseKind::TooLarge, place, Some(&said)));
            }
            Err(error) => {
                return Err(cause(CauseKind::Unavailable, place, Some(&error.to_string())));
            }
        };
        if status.is_success() {
            return Ok(Some(body));
        }
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let said = format!("HTTP {}: {}", status.as_u16(), message_of(&body));
        Err(cause(kind_of(status, retry_after), place, Some(&said)))
    }
}

impl Memory for Cluster {
    fn peek(&self, fetch: &Fetch) -> Option<Fact> {
        let known = self.known.read();
        match fetch {
            Fetch::Namespace(name) => {
                known.namespace(name).map(|tree| Fact::Document(Ok(Some(tree.clone()))))
            }
            Fetch::Roles { username, groups } => {
                known.roles(username, groups).map(|roles| Fact::Document(Ok(Some(roles))))
            }
            Fetch::Object(name) if name.api_version == "v1" => {
                let key = Key { namespace: name.namespace.clone(), name: name.name.clone() };
                let tree = match name.kind.as_str() {
                    "ConfigMap" => known.config_map(&key),
                    "Secret" => known.secret(&key),
                    _ => None,
                };
                tree.map(|tree| Fact::Document(Ok(Some(tree.clone()))))
            }
            Fetch::PublicKey { reference } => {
                let key = key_reference(reference)?;
                let data = decode(known.secret(&key)?);
                Some(self.key_of(&key, &data))
            }
            Fetch::Object(_)
            | Fetch::Call(_)
            | Fetch::GlobalEntry { .. }
            | Fetch::Addresses { .. }
            | Fetch::Tag { .. }
            | Fetch::ImageData { .. }
            | Fetch::Proof { .. } => None,
        }
    }
}

/// `k8s://namespace/name`.
fn key_reference(reference: &str) -> Option<Key> {
    let (namespace, name) = reference.trim().strip_prefix("k8s://")?.split_once('/')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains('/'))
        .then(|| Key::new(namespace, name))
}

/// The URL of an object; `None` for names that no object can have.
fn path_of(of: &ApiResource, key: &Key) -> Option<String> {
    let plain = |text: &str| {
        !text.is_empty()
            && text != "."
            && text != ".."
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c))
    };
    if !plain(&key.name) || !(key.namespace.is_empty() || plain(&key.namespace)) {
        return None;
    }
    let namespace = Some(key.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let collection = crate::object::Object::url_path(
        &resource(&of.group, &of.version, &of.kind, &of.plural),
        namespace,
    );
    Some(format!("{collection}/{}", key.name))
}

fn parse(body: &[u8], place: &str) -> Answer<Value> {
    sigward_document::parse_json(body)
        .map_err(|error| cause(CauseKind::Malformed, place, Some(&error.message)))
}

fn decode(secret: &Value) -> SecretData {
    let data = secret.at_path(&["data"]).and_then(Value::as_map);
    let members = data.into_iter().flat_map(sigward_document::Map::iter);
    members
        .filter_map(|(name, value)| {
            let bytes = STANDARD.decode(value.as_str()?).ok()?;
            Some((SmolStr::new(name), Zeroizing::new(bytes)))
        })
        .collect()
}

/// What a failed answer says: the message of a `Status`, or the text itself.
fn message_of(body: &[u8]) -> String {
    let status: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = status.as_ref().and_then(|status| status.get("message")?.as_str());
    message.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned)
}

fn kind_of(status: StatusCode, retry_after_seconds: Option<u32>) -> CauseKind {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => CauseKind::Denied,
        StatusCode::TOO_MANY_REQUESTS => CauseKind::Throttled {
            retry_after_ms: retry_after_seconds.unwrap_or(1).saturating_mul(1000),
        },
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => CauseKind::TimedOut,
        status if status.is_server_error() => CauseKind::Unavailable,
        _ => CauseKind::Malformed,
    }
}

/// A failure of the client as a cause: no answer came, whatever the reason.
fn of_kube(error: &kube::Error, place: &str) -> Cause {
    let mut said = error.to_string();
    let mut inner: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = inner.take() {
        let text = error.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        inner = error.source();
    }
    cause(CauseKind::Unreachable, place, Some(&said))
}

/// The other side's words, bounded and without control characters.
fn cause(kind: CauseKind, place: &str, said: Option<&str>) -> Cause {
    let clean = |text: &str| -> SmolStr {
        text.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(512)
            .collect::<String>()
            .trim()
            .into()
    };
    Cause { kind, place: clean(place), said: said.map(clean) }
}

#[cfg(test)]
mod tests;
