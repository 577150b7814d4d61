//! What stands for a cluster: objects from files, and the answers that a test file makes up.
use super::{
    decode::{DecodeError, Fields},
    language,
    values::{UserInfo, Values},
};
use crate::{shelf::Shelf, sources::Objects};
use sigward_controller::cluster::Cluster;
use sigward_document::Value;
use sigward_policy::{
    fact::{Call, Cause, CauseKind, Fact, Fetch},
    request::plural,
    resolve::Pending,
};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// Answers as a cluster would, at once.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Objects from files.
    pub(crate) shelf: Shelf,
    /// Whether the files are all that there is: what they do not hold is absent, not unknown.
    pub(crate) is_whole: bool,
    /// `apiCallResponses`.
    pub(crate) calls: Vec<MockCall>,
    /// `globalContextEntries`, by entry and by `entry.projection`.
    pub(crate) entries: BTreeMap<String, Value>,
    /// The roles of a `UserInfo` document.
    pub(crate) roles: Option<Value>,
    /// Who is asked for what no file holds.
    pub(crate) cluster: Option<Arc<Cluster>>,
}

/// One of `apiCallResponses`.
#[derive(Clone, Debug)]
pub(crate) struct MockCall {
    url: String,
    post: bool,
    status: i64,
    body: Value,
}

impl MockCall {
    /// Reads one.
    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        let mut url = fields.text("url")?;
        if url.is_empty() {
            url = fields.required("urlPath")?;
        }
        let empty = Value::empty_map();
        let response = Fields::read(
            fields.get("response").unwrap_or(&empty),
            &fields.path_of("response"),
            &["statusCode", "body"],
        )?;
        let status = match response.get("statusCode") {
            Some(code) => code.as_i64().ok_or_else(|| DecodeError::Type {
                path: response.path_of("statusCode"),
                expected: "a number",
            })?,
            None => 200,
        };
        Ok(Self {
            url,
            post: fields.text("method")?.eq_ignore_ascii_case("POST"),
            status,
            body: response.get("body").cloned().unwrap_or(Value::NULL),
        })
    }

    fn fact(&self) -> Fact {
        if (200..300).contains(&self.status) {
            return Fact::Document(Ok(Some(self.body.clone())));
        }
        let said = format!("HTTP {}: {}", self.status, self.body.to_json());
        Fact::Document(Err(cause(CauseKind::Unavailable, &self.url, &said)))
    }
}

fn cause(kind: CauseKind, place: &str, said: &str) -> Cause {
    Cause { kind, place: place.into(), said: Some(SmolStr::new(said)) }
}

impl World {
    /// Puts the namespaces of a values file and the roles of a user on the shelf.
    pub(crate) fn tell(&mut self, values: &Values, user: Option<&UserInfo>) {
        for namespace in &values.namespaces {
            self.shelf.put(namespace);
        }
        self.roles = user.map(|info| info.roles.clone());
    }

    /// A reading call, where files hold objects of the kind that its path names: they stand for the cluster's.
    fn listed(&self, call: &Call) -> Option<Fact> {
        let path = call.url.split('?').next().unwrap_or_default();
        let path = ApiPath::parse(path).filter(|_| !call.post && self.cluster.is_none())?;
        let held: Vec<&Value> =
            self.shelf.objects().filter(|object| path.is_kind_of(object)).collect();
        if held.is_empty() && !self.is_whole {
            return None;
        }
        let text = |object: &Value, name: &str| {
            object.str_at(&["metadata", name]).unwrap_or_default().to_owned()
        };
        let mut inside = held.into_iter().filter(|object| {
            path.namespace.is_empty() || text(object, "namespace") == path.namespace
        });
        Some(Fact::Document(Ok(if path.name.is_empty() {
            let items = ("items".into(), Value::list(inside.cloned()));
            let kind = ("kind".into(), Value::string("List"));
            Some(Value::map([("apiVersion".into(), Value::string("v1")), items, kind]))
        } else {
            inside.find(|object| text(object, "name") == path.name).cloned()
        })))
    }

    /// What files say: of a live cluster only what they do hold.
    fn on_shelf(&self, fetch: &Fetch) -> Option<Fact> {
        let held = match fetch {
            Fetch::Namespace(name) => self.shelf.object("Namespace", "", name).is_some(),
            Fetch::Object(name) => {
                self.shelf.object(&name.kind, &name.namespace, &name.name).is_some()
            }
            Fetch::PublicKey { .. } => false,
            // A service is nobody's but a test file's.
            Fetch::Call(call) => call.url.contains("://"),
            Fetch::GlobalEntry { .. }
            | Fetch::Roles { .. }
            | Fetch::Addresses { .. }
            | Fetch::Tag { .. }
            | Fetch::ImageData { .. }
            | Fetch::Proof { .. } => true,
        };
        if self.cluster.is_some() && !held { None } else { self.shelf.peek(fetch) }
    }

    /// Puts one entry of the global context in, with its projections.
    ///
    /// # Errors
    /// A projection that cannot be evaluated over the data.
    pub(crate) fn put_entry(
        &mut self,
        name: &str,
        data: Value,
        projections: &[(String, String)],
    ) -> Result<(), String> {
        let functions = language::functions();
        for (projection, path) in projections {
            let value = language::search(path, &data, &functions)
                .map_err(|error| format!("projection {projection} of {name}: {error}"))?;
            self.entries.insert(format!("{name}.{projection}"), value);
        }
        self.entries.insert(name.to_owned(), data);
        Ok(())
    }
}

impl Objects for World {
    fn peek(&self, fetch: &Fetch) -> Option<Fact> {
        match fetch {
            Fetch::Call(call) => {
                let answer = self
                    .calls
                    .iter()
                    .find(|mock| mock.url == call.url.as_str() && mock.post == call.post);
                answer
                    .map(MockCall::fact)
                    .or_else(|| self.listed(call))
                    .or_else(|| self.on_shelf(fetch))
            }
            Fetch::GlobalEntry { name, projection } => {
                let name = match projection {
                    Some(projection) => format!("{name}.{projection}"),
                    None => name.to_string(),
                };
                let found = self.entries.get(&name).cloned();
                Some(Fact::Document(match found {
                    Some(value) => Ok(Some(value)),
                    None if self.entries.is_empty() => {
                        Err(cause(CauseKind::Forbidden, &name, "there is no cluster to ask"))
                    }
                    None => Ok(None),
                }))
            }
            Fetch::Roles { .. } if self.roles.is_some() => {
                Some(Fact::Document(Ok(self.roles.clone())))
            }
            Fetch::Namespace(_)
            | Fetch::Object(_)
            | Fetch::PublicKey { .. }
            | Fetch::Addresses { .. }
            | Fetch::Roles { .. }
            | Fetch::Tag { .. }
            | Fetch::ImageData { .. }
            | Fetch::Proof { .. } => self.on_shelf(fetch),
        }
    }

    fn answer(&self, fetch: Fetch) -> Pending {
        match (self.peek(&fetch), &self.cluster) {
            (None, Some(cluster)) => cluster.fetch(fetch),
            (fact, _) => {
                let fact = fact.unwrap_or(Fact::Document(Ok(None)));
                Box::pin(std::future::ready((fetch, fact)))
            }
        }
    }
}

/// A path of the API server that names objects.
#[derive(Debug, PartialEq, Eq)]
struct ApiPath<'p> {
    api_version: String,
    namespace: &'p str,
    resource: &'p str,
    /// Empty for a list.
    name: &'p str,
}

impl<'p> ApiPath<'p> {
    fn parse(path: &'p str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (api_version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ((*version).to_owned(), rest),
            ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
            _ => return None,
        };
        let (namespace, resource, name) = match rest {
            ["namespaces", namespace, resource, name] => (*namespace, *resource, *name),
            ["namespaces", namespace, resource] => (*namespace, *resource, ""),
            [resource, name] => ("", *resource, *name),
            [resource] => ("", *resource, ""),
            _ => return None,
        };
        Some(Self { api_version, namespace, resource, name })
    }

    fn is_kind_of(&self, object: &Value) -> bool {
        let text = |name: &str| object.str_at(&[name]).unwrap_or_default();
        text("apiVersion") == self.api_version && plural(text("kind")) == self.resource
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Option<[&str; 4]>) {
        let found = ApiPath::parse(path);
        let found =
            found.as_ref().map(|p| [p.api_version.as_str(), p.namespace, p.resource, p.name]);
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn a_path_names_one_object_or_a_list() {
        check("/api/v1/namespaces/n/pods/p", Some(["v1", "n", "pods", "p"]));
        check("/api/v1/namespaces/n", Some(["v1", "", "namespaces", "n"]));
        check("/apis/apps/v1/deployments", Some(["apps/v1", "", "deployments", ""]));
        check("/healthz", None);
        check("/api/v1/namespaces/n/pods/p/log", None);
    }
}
