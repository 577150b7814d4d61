//! A request as filters see it: the envelope at once, the rest when it is asked for.
use crate::{
    fact::{Facts, NamespaceObject, Roles},
    matching::subject::{BoundRoles, Candidate, Envelope},
    request::{Request, User},
    stop::{CauseText, RuleError, Stop},
};
use sigward_document::Value;
use smol_str::SmolStr;

/// A request, its object after earlier phases, and the facts.
pub(super) struct Asked<'a> {
    /// The request.
    pub(super) request: &'a Request,
    /// What is matched; the old object where the new one is gone.
    pub(super) object: &'a Value,
    /// What is known.
    pub(super) facts: &'a mut Facts,
}

/// An old object, as if it were made by nobody that a filter names.
// COMPAT: Kyverno 1.19: whoever asks now did not make the old object; test: a_rule_about_users_never_finds_an_existing_violation
pub(super) struct Prior<'a> {
    asked: Asked<'a>,
    nobody: User,
}

impl<'a> Prior<'a> {
    pub(super) fn new(request: &'a Request, object: &'a Value, facts: &'a mut Facts) -> Self {
        let username = SmolStr::new_static("kyverno:kyverno-invalid-controller");
        let nobody = User { username, ..User::default() };
        Self { asked: Asked { request, object, facts }, nobody }
    }
}

impl Candidate for Prior<'_> {
    fn envelope(&self) -> Envelope<'_> {
        Envelope { user: Some(&self.nobody), ..self.asked.envelope() }
    }
    fn generate_name(&mut self) -> Result<SmolStr, Stop> {
        self.asked.generate_name()
    }
    fn metadata(&mut self, member: &str) -> Result<Value, Stop> {
        self.asked.metadata(member)
    }
    fn namespace_labels(&mut self) -> Result<Value, Stop> {
        self.asked.namespace_labels()
    }
    fn roles(&mut self) -> Result<BoundRoles, Stop> {
        Ok(BoundRoles::default())
    }
}

/// The parts of a request that need no object.
pub(crate) fn envelope(request: &Request) -> Envelope<'_> {
    Envelope {
        operation: request.operation,
        kind: request.whole_kind(),
        sub_resource: &request.sub_resource,
        name: &request.name,
        namespace: &request.namespace,
        user: request.user.as_ref(),
    }
}

impl Candidate for Asked<'_> {
    fn envelope(&self) -> Envelope<'_> {
        envelope(self.request)
    }

    fn generate_name(&mut self) -> Result<SmolStr, Stop> {
        let name = self.object.str_at(&["metadata", "name"]).filter(|name| !name.is_empty());
        let name = name.or_else(|| self.object.str_at(&["metadata", "generateName"]));
        Ok(SmolStr::new(name.unwrap_or_default()))
    }

    fn metadata(&mut self, member: &str) -> Result<Value, Stop> {
        Ok(self.object.at_path(&["metadata", member]).cloned().unwrap_or(Value::NULL))
    }

    fn namespace_labels(&mut self) -> Result<Value, Stop> {
        namespace_labels(&self.request.namespace, self.facts)
    }

    fn roles(&mut self) -> Result<BoundRoles, Stop> {
        roles(self.request, self.facts)
    }
}

/// The labels of a namespace. That they cannot be read is an error, never "no labels".
// COMPAT: Kyverno 1.19: there the policy is passed over; test: a_namespace_that_cannot_be_read_is_an_error
pub(crate) fn namespace_labels(namespace: &SmolStr, facts: &mut Facts) -> Result<Value, Stop> {
    match facts.ask(NamespaceObject(namespace.clone()))? {
        Ok(Some(found)) => {
            Ok(found.at_path(&["metadata", "labels"]).cloned().unwrap_or(Value::NULL))
        }
        Ok(None) => {
            Err(RuleError::Object(format!("namespace `{namespace}` does not exist")).into())
        }
        Err(cause) => Err(RuleError::Unknown {
            what: format!("namespace `{namespace}`"),
            cause: CauseText::new(&cause),
        }
        .into()),
    }
}

/// The roles of the one who asks.
pub(super) fn roles(request: &Request, facts: &mut Facts) -> Result<BoundRoles, Stop> {
    let Some(user) = &request.user else { return Ok(BoundRoles::default()) };
    let query = Roles { username: user.username.clone(), groups: user.groups.clone() };
    match facts.ask(query)? {
        Ok(found) => {
            let names = |member: &str| {
                let list = found.as_ref().and_then(|f| f.get(member)).and_then(Value::as_list);
                let names = list.unwrap_or_default().iter().filter_map(Value::as_str);
                names.map(SmolStr::new).collect()
            };
            Ok(BoundRoles { roles: names("roles"), cluster_roles: names("clusterRoles") })
        }
        Err(cause) => Err(RuleError::Unknown {
            what: format!("the roles of `{}`", user.username),
            cause: CauseText::new(&cause),
        }
        .into()),
    }
}
