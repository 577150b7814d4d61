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
    fact::{Cause, CauseKind, Fact, Fetch},
    resolve::Pending,
};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// Answers as a cluster would, at once.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Objects from files.
    pub(crate) shelf: Shelf,
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

    /// What files say: of a live cluster only what they do hold.
    fn on_shelf(&self, fetch: &Fetch) -> Option<Fact> {
        let held = match fetch {
            Fetch::Namespace(name) => self.shelf.object("Namespace", "", name).is_some(),
            Fetch::Object(name) => {
                self.shelf.object(&name.kind, &name.namespace, &name.name).is_some()
            }
            Fetch::PublicKey { .. } | Fetch::Call(_) => false,
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
                answer.map(MockCall::fact).or_else(|| self.on_shelf(fetch))
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
