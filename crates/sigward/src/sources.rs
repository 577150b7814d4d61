//! A fetch to its source, one line each: no cache, no retry, no rule lives here.
use sigward_document::{Map, Value, parse_json};
use sigward_policy::{
    fact::{Answer, Cause, CauseKind, Fact, Fetch, Memory},
    request::Timestamp,
    resolve::{FactSource, Pending},
};
use sigward_remote::{FetchError, Registry};
use sigward_server::TRACE;
use sigward_sigstore::prover::Prover;
use smol_str::SmolStr;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tracing::Instrument as _;

/// What a cluster, or files in its place, can answer.
pub(crate) trait Objects: Send + Sync {
    /// What memory knows, at once.
    fn peek(&self, fetch: &Fetch) -> Option<Fact>;
    /// The answer, however long it takes; failure is a fact.
    fn answer(&self, fetch: Fetch) -> Pending;
}

/// The registries and the cluster behind one engine.
pub(crate) struct Sources {
    pub(crate) registry: Registry,
    pub(crate) objects: Arc<dyn Objects>,
    /// Whether `context.imageRegistry` may ask registries; the command line wants `--registry` for it.
    pub(crate) image_data: bool,
}

impl Memory for Sources {
    fn peek(&self, fetch: &Fetch) -> Option<Fact> {
        match fetch {
            Fetch::Proof { image, requirement, access, use_cache: true, trust } => self
                .registry
                .with_trust(Arc::clone(trust))
                .peek_proof(image, requirement, access, now())
                .map(|proof| Fact::Proof(Ok(Arc::new(proof)))),
            Fetch::Proof { .. }
            | Fetch::Tag { .. }
            | Fetch::ImageData { .. }
            | Fetch::Addresses { .. } => None,
            Fetch::Namespace(_)
            | Fetch::Object(_)
            | Fetch::PublicKey { .. }
            | Fetch::Call(_)
            | Fetch::GlobalEntry { .. }
            | Fetch::Roles { .. } => self.objects.peek(fetch),
        }
    }
}

impl FactSource for Sources {
    fn fetch(&self, fetch: Fetch) -> Pending {
        let registry = self.registry.clone();
        match &fetch {
            Fetch::Tag { image, access } => {
                let (image, access) = (image.clone(), access.clone());
                pending(fetch, async move {
                    Fact::Digest(told(registry.resolve_tag(&image, &access).await))
                })
            }
            Fetch::ImageData { image, .. } if !self.image_data => {
                let cause = Cause {
                    kind: CauseKind::Forbidden,
                    place: SmolStr::new(image.to_string()),
                    said: Some("image data is read with --registry only".into()),
                };
                pending(fetch, std::future::ready(Fact::Document(Err(cause))))
            }
            Fetch::ImageData { image, access } => {
                let (image, access) = (image.clone(), access.clone());
                pending(fetch, async move {
                    Fact::Document(
                        told(registry.image_data(&image, &access).await)
                            .and_then(|data| data.map(|data| image_document(&data)).transpose()),
                    )
                })
            }
            Fetch::Proof { image, requirement, access, use_cache, trust } => {
                let registry = registry.with_trust(Arc::clone(trust));
                let trust = Arc::clone(trust);
                let (image, requirement, access) =
                    (image.clone(), Arc::clone(requirement), access.clone());
                let use_cache = *use_cache;
                pending(fetch, async move {
                    let proof = if use_cache {
                        registry.prove(&image, &requirement, &access, now()).await
                    } else {
                        let prover = Prover::new(image, requirement, now()).with_trust(trust);
                        registry.prove_once(prover, &access).await
                    };
                    Fact::Proof(Ok(Arc::new(proof)))
                })
            }
            Fetch::Addresses { host } => {
                let host = host.clone();
                pending(fetch, async move { Fact::Document(addresses(&host).await) })
            }
            Fetch::Namespace(_)
            | Fetch::Object(_)
            | Fetch::PublicKey { .. }
            | Fetch::Call(_)
            | Fetch::GlobalEntry { .. }
            | Fetch::Roles { .. } => self.objects.answer(fetch),
        }
    }
}

fn pending(fetch: Fetch, fact: impl Future<Output = Fact> + Send + 'static) -> Pending {
    let span = tracing::debug_span!(target: TRACE, "fetch", otel.name = name(&fetch));
    Box::pin(async move { (fetch, fact.await) }.instrument(span))
}

/// What a span of this fetch is called.
fn name(fetch: &Fetch) -> &'static str {
    match fetch {
        Fetch::Namespace(_) => "FETCH namespace",
        Fetch::Object(_) => "FETCH object",
        Fetch::PublicKey { .. } => "FETCH public key",
        Fetch::Call(_) => "FETCH call",
        Fetch::GlobalEntry { .. } => "FETCH global entry",
        Fetch::Addresses { .. } => "FETCH addresses",
        Fetch::Roles { .. } => "FETCH roles",
        Fetch::Tag { .. } => "FETCH tag",
        Fetch::ImageData { .. } => "FETCH image data",
        Fetch::Proof { .. } => "FETCH proof",
    }
}

fn told<T>(result: Result<T, FetchError>) -> Answer<T> {
    result.map_err(|error| error.cause())
}

/// What `context.imageRegistry` shows of an image.
fn image_document(data: &sigward_remote::ImageData) -> Answer<Value> {
    let parse = |bytes: &[u8]| {
        parse_json(bytes).map_err(|error| Cause {
            kind: CauseKind::Malformed,
            place: SmolStr::new(data.reference.to_string()),
            said: Some(error.message.into()),
        })
    };
    let index = data.index.as_deref().map(parse).transpose()?;
    Ok(Value::map([
        ("manifest".into(), parse(&data.manifest)?),
        ("manifestList".into(), index.unwrap_or(Value::NULL)),
        ("configData".into(), parse(&data.config)?),
    ]))
}

async fn addresses(host: &str) -> Answer<Option<Value>> {
    match tokio::net::lookup_host((host, 0)).await {
        Ok(found) => {
            Ok(Some(Value::list(found.map(|address| Value::string(&address.ip().to_string())))))
        }
        Err(error) => Err(Cause {
            kind: CauseKind::Unavailable,
            place: host.into(),
            said: Some(error.to_string().into()),
        }),
    }
}

/// The present; the engine itself reads no clock.
pub(crate) fn now() -> Timestamp {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Timestamp(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// Roles bound to a user by the bindings given: `{roles: [ns:name…], clusterRoles: [name…]}`.
pub(crate) fn roles_of<'v>(
    bindings: impl Iterator<Item = &'v Value>,
    username: &str,
    groups: &[SmolStr],
) -> Value {
    let (mut roles, mut cluster_roles) = (Vec::new(), Vec::new());
    for binding in bindings {
        let text =
            |path: &[&str]| binding.at_path(path).and_then(Value::as_str).unwrap_or_default();
        let subjects = binding.at_path(&["subjects"]).and_then(Value::as_list).unwrap_or_default();
        let bound = subjects
            .iter()
            .filter_map(Value::as_map)
            .any(|subject| is_user(subject, username, groups));
        if !bound {
            continue;
        }
        match text(&["roleRef", "kind"]) {
            "ClusterRole" => cluster_roles.push(text(&["roleRef", "name"]).to_owned()),
            "Role" => roles.push(format!(
                "{}:{}",
                text(&["metadata", "namespace"]),
                text(&["roleRef", "name"])
            )),
            _ => {}
        }
    }
    let list = |mut names: Vec<String>| {
        names.sort();
        names.dedup();
        Value::list(names.iter().map(|name| Value::string(name)))
    };
    Value::map([("roles".into(), list(roles)), ("clusterRoles".into(), list(cluster_roles))])
}

fn is_user(subject: Map<'_>, username: &str, groups: &[SmolStr]) -> bool {
    let text = |name: &str| subject.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("kind") {
        "User" => text("name") == username,
        "Group" => groups.iter().any(|group| group == text("name")),
        "ServiceAccount" => {
            username == format!("system:serviceaccount:{}:{}", text("namespace"), text("name"))
        }
        _ => false,
    }
}
