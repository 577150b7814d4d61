//! As much of an API server as the controller needs: objects, watches, conflicts, and going away.
use futures_util::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::{Client, client::Body};
use serde_json::{Value as Json, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::sync::{broadcast, watch};

/// A body: whole, or a stream without an end.
type Sent = UnsyncBoxBody<bytes::Bytes, std::io::Error>;

/// A resource (`/apis/apps/v1 deployments`), a namespace and a name.
type Place = (String, String, String);

#[derive(Default)]
struct Store {
    objects: BTreeMap<Place, Json>,
    version: u64,
    requests: Vec<String>,
}

/// Shared by all clients that are made of it.
#[derive(Clone)]
pub(super) struct Fake {
    store: Arc<Mutex<Store>>,
    changes: broadcast::Sender<(String, Json)>,
    away: Arc<watch::Sender<bool>>,
}

struct Asked {
    resource: String,
    namespace: String,
    name: Option<String>,
    sub_resource: Option<String>,
    query: BTreeMap<String, String>,
}

fn asked(uri: &http::Uri) -> Asked {
    let mut parts = uri.path().split('/').filter(|part| !part.is_empty()).map(str::to_owned);
    let root = parts.next().unwrap();
    let group = if root == "apis" {
        format!("/apis/{}", parts.next().unwrap_or_default())
    } else {
        "/api".to_owned()
    };
    let version = parts.next().unwrap_or_default();
    let mut rest: Vec<String> = parts.collect();
    let mut namespace = String::new();
    if rest.len() > 2 && rest[0] == "namespaces" {
        namespace = rest[1].clone();
        rest.drain(..2);
    }
    let query = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    Asked {
        resource: format!("{group}/{version} {}", rest.first().cloned().unwrap_or_default()),
        namespace,
        name: rest.get(1).cloned(),
        sub_resource: rest.get(2).cloned(),
        query: query.map(|(name, value)| (name.to_owned(), value.replace("%3D", "="))).collect(),
    }
}

fn answer(status: StatusCode, body: &Json) -> Response<Sent> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(
            Full::from(body.to_string().into_bytes())
                .map_err(|never| match never {})
                .boxed_unsync(),
        )
        .unwrap()
}

fn failure(status: StatusCode, reason: &str) -> Response<Sent> {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": status.as_u16(),
    });
    answer(status, &body)
}

/// The first webhook whose CEL this API server does not understand: `bad`.
fn bad_conditions(sent: &Json) -> Option<usize> {
    let is_bad = |webhook: &Json| webhook["matchConditions"][0]["expression"] == "bad";
    sent["webhooks"].as_array()?.iter().position(is_bad)
}

fn refusal(sent: &Json) -> Response<Sent> {
    let field = format!(
        "webhooks[{}].matchConditions[0].expression",
        bad_conditions(sent).unwrap_or_default()
    );
    let cause = json!({ "reason": "FieldValueInvalid", "message": "undeclared reference to 'bad'", "field": field });
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Invalid", "message": "is invalid", "code": 422,
        "details": { "causes": [cause] },
    });
    answer(StatusCode::UNPROCESSABLE_ENTITY, &body)
}

fn merge(into: &mut Json, patch: &Json) {
    let (Some(into), Some(patch)) = (into.as_object_mut(), patch.as_object()) else { return };
    for (name, value) in patch {
        match value {
            Json::Null => {
                into.remove(name);
            }
            Json::Object(_) => merge(into.entry(name).or_insert_with(|| json!({})), value),
            other @ (Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_)) => {
                into.insert(name.clone(), other.clone());
            }
        }
    }
}

impl Fake {
    pub(super) fn new() -> Self {
        let (changes, _) = broadcast::channel(4096);
        let (away, _) = watch::channel(false);
        Self { store: Arc::default(), changes, away: Arc::new(away) }
    }

    pub(super) fn client(&self) -> Client {
        let this = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let this = this.clone();
            async move { this.serve(request).await }
        });
        Client::new(service, "default")
    }

    /// Connections fail from now on, and open watches end.
    pub(super) fn go_away(&self, away: bool) {
        self.away.send_replace(away);
    }

    /// Creates or replaces an object, as somebody else would.
    pub(super) fn put(&self, resource: &str, object: Json) {
        let part = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        self.write((resource.to_owned(), part("namespace"), part("name")), object);
    }

    pub(super) fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Json> {
        let place = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        self.store.lock().unwrap().objects.get(&place).cloned()
    }

    pub(super) fn all(&self, resource: &str) -> Vec<Json> {
        let store = self.store.lock().unwrap();
        store
            .objects
            .iter()
            .filter(|((of, _, _), _)| of == resource)
            .map(|(_, object)| object.clone())
            .collect()
    }

    pub(super) fn remove(&self, resource: &str, namespace: &str, name: &str) -> Option<Json> {
        let place = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        let gone = self.store.lock().unwrap().objects.remove(&place)?;
        let _nobody = self.changes.send((place.0, json!({ "type": "DELETED", "object": gone })));
        Some(gone)
    }

    /// Requests other than reads, as `METHOD path`.
    pub(super) fn writes(&self) -> Vec<String> {
        self.store.lock().unwrap().requests.clone()
    }

    fn write(&self, place: Place, mut object: Json) -> Json {
        let mut store = self.store.lock().unwrap();
        store.version += 1;
        let known = store.objects.get(&place).map(|before| before["metadata"]["uid"].clone());
        let kind = if known.is_some() { "MODIFIED" } else { "ADDED" };
        object["metadata"]["resourceVersion"] = store.version.to_string().into();
        object["metadata"]["uid"] =
            known.unwrap_or_else(|| format!("uid-{}", store.version).into());
        store.objects.insert(place.clone(), object.clone());
        let _nobody = self.changes.send((place.0, json!({ "type": kind, "object": object })));
        object
    }

    async fn serve(&self, request: Request<Body>) -> Result<Response<Sent>, std::io::Error> {
        if *self.away.borrow() {
            return Err(std::io::Error::new(
                std::io::ErrorKind::ConnectionRefused,
                "nobody listens",
            ));
        }
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let sent: Json = serde_json::from_slice(&body).unwrap_or_default();
        if parts.method != Method::GET {
            self.store.lock().unwrap().requests.push(format!(
                "{} {}",
                parts.method,
                parts.uri.path()
            ));
        }
        if ["/api", "/apis"].contains(&parts.uri.path()) {
            return Ok(answer(StatusCode::OK, &discovery(parts.uri.path())));
        }
        if parts.uri.path() == "/version" {
            let version = json!({ "major": "1", "minor": "33", "gitVersion": "v1.33.0", "gitCommit": "", "gitTreeState": "",
                "buildDate": "", "goVersion": "", "compiler": "", "platform": "" });
            return Ok(answer(StatusCode::OK, &version));
        }
        let asked = asked(&parts.uri);
        let place = |name: &str| (asked.resource.clone(), asked.namespace.clone(), name.to_owned());
        Ok(match (parts.method, &asked.name) {
            (Method::GET, None)
                if asked.query.get("watch").is_some_and(|watch| watch == "true") =>
            {
                self.watch(&asked)
            }
            (Method::GET, None) => self.list(&asked),
            (Method::GET, Some(name)) => match self.get(&asked.resource, &asked.namespace, name) {
                Some(object) => answer(StatusCode::OK, &object),
                None => failure(StatusCode::NOT_FOUND, "NotFound"),
            },
            (Method::POST | Method::PUT, _) if bad_conditions(&sent).is_some() => refusal(&sent),
            (Method::POST, None) => {
                let name = sent["metadata"]["name"].as_str().unwrap().to_owned();
                if self.get(&asked.resource, &asked.namespace, &name).is_some() {
                    failure(StatusCode::CONFLICT, "AlreadyExists")
                } else {
                    answer(StatusCode::CREATED, &self.write(place(&name), sent))
                }
            }
            (Method::PUT, Some(name)) => match self.get(&asked.resource, &asked.namespace, name) {
                Some(stored)
                    if stored["metadata"]["resourceVersion"]
                        == sent["metadata"]["resourceVersion"] =>
                {
                    answer(StatusCode::OK, &self.write(place(name), sent))
                }
                Some(_) => failure(StatusCode::CONFLICT, "Conflict"),
                None => failure(StatusCode::NOT_FOUND, "NotFound"),
            },
            (Method::PATCH, Some(name)) => {
                match self.get(&asked.resource, &asked.namespace, name) {
                    Some(mut stored) => {
                        assert_eq!(asked.sub_resource.as_deref(), Some("status"));
                        merge(&mut stored, &sent);
                        answer(StatusCode::OK, &self.write(place(name), stored))
                    }
                    None => failure(StatusCode::NOT_FOUND, "NotFound"),
                }
            }
            (Method::DELETE, Some(name)) => {
                match self.remove(&asked.resource, &asked.namespace, name) {
                    Some(object) => answer(StatusCode::OK, &object),
                    None => failure(StatusCode::NOT_FOUND, "NotFound"),
                }
            }
            (method, _) => panic!("{method} {}", parts.uri),
        })
    }

    fn list(&self, asked: &Asked) -> Response<Sent> {
        let items: Vec<Json> =
            self.all(&asked.resource).into_iter().filter(|object| wanted(asked, object)).collect();
        let version = self.store.lock().unwrap().version.to_string();
        answer(
            StatusCode::OK,
            &json!({ "kind": "List", "metadata": { "resourceVersion": version }, "items": items }),
        )
    }

    /// Everything after the version that was asked for, for ever.
    fn watch(&self, asked: &Asked) -> Response<Sent> {
        let since: u64 = asked.query["resourceVersion"].parse().unwrap();
        let changes = self.changes.subscribe();
        let missed: Vec<Json> = self
            .all(&asked.resource)
            .into_iter()
            .filter(|object| version_of(object) > since)
            .map(|object| json!({ "type": "MODIFIED", "object": object }))
            .collect();
        let (namespace, resource) = (asked.namespace.clone(), asked.resource.clone());
        let selector = asked.query.get("fieldSelector").cloned();
        let away = self.away.subscribe();
        let frames = stream::unfold(
            (missed.into_iter(), changes, away),
            move |(mut missed, mut changes, mut away)| {
                let (namespace, resource, selector) =
                    (namespace.clone(), resource.clone(), selector.clone());
                async move {
                    let filter = Asked {
                        resource: resource.clone(),
                        namespace,
                        name: None,
                        sub_resource: None,
                        query: selector
                            .map(|selector| ("fieldSelector".to_owned(), selector))
                            .into_iter()
                            .collect(),
                    };
                    loop {
                        let event = if let Some(event) = missed.next() {
                            event
                        } else {
                            tokio::select! {
                                                            change = changes.recv() => match change {
                                                                Ok((of, event)) if of == resource => event,
                                                                Ok(_) => continue,
                                                                Err(_) => return None,
                                                            },
                                                            _ = away.wait_for(|away| *away) => return None,
                            }
                        };
                        if wanted(&filter, &event["object"]) {
                            let line = format!("{event}\n").into_bytes();
                            let frame = http_body::Frame::data(bytes::Bytes::from(line));
                            return Some((Ok::<_, std::io::Error>(frame), (missed, changes, away)));
                        }
                    }
                }
            },
        );
        Response::builder().status(200).body(StreamBody::new(frames).boxed_unsync()).unwrap()
    }
}

fn version_of(object: &Json) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn wanted(asked: &Asked, object: &Json) -> bool {
    let metadata = &object["metadata"];
    let named = asked
        .query
        .get("fieldSelector")
        .and_then(|selector| selector.strip_prefix("metadata.name="));
    (asked.namespace.is_empty() || metadata["namespace"] == asked.namespace.as_str())
        && named.is_none_or(|name| metadata["name"] == name)
}

fn discovery(path: &str) -> Json {
    let kind = |group: &str, version: &str, kind: &str, resource: &str| {
        json!({ "resource": resource, "scope": "Namespaced", "verbs": ["list"],
            "responseKind": { "group": group, "version": version, "kind": kind } })
    };
    let items = if path == "/api" {
        json!([{ "metadata": { "name": "" }, "versions": [{ "version": "v1", "resources": [kind("", "v1", "Pod", "pods")] }] }])
    } else {
        json!([{ "metadata": { "name": "apps" }, "versions": [
            { "version": "v1", "resources": [kind("apps", "v1", "Deployment", "deployments")] }
        ] }])
    };
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items })
}
