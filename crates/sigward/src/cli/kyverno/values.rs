//! Values files, `--set` and user information: what the command line says in place of a cluster and of a user.
use super::decode::{DecodeError, Fields};
use sigward_document::{Value, View};
use sigward_policy::request::{GroupVersionKind, Operation, Presets, RulePresets, User};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// A `Values` document and `--set`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    global: Vec<(String, Value)>,
    policies: BTreeMap<String, PolicyValues>,
    /// Namespace objects: those written out, and those of `namespaceSelector`.
    pub(crate) namespaces: Vec<Value>,
    /// Kinds that stand for a subresource of another.
    pub(crate) subresources: Vec<Subresource>,
    set: Vec<(String, Value)>,
}

#[derive(Clone, Debug, Default)]
struct PolicyValues {
    resources: BTreeMap<String, Vec<(String, Value)>>,
    rules: BTreeMap<SmolStr, RulePresets>,
}

/// `PodExecOptions` stands for `Pod/exec`.
#[derive(Clone, Debug)]
pub(crate) struct Subresource {
    /// The kind as the resource is written.
    pub(crate) kind: GroupVersionKind,
    /// The kind that it belongs to.
    pub(crate) parent: GroupVersionKind,
    /// `exec`.
    pub(crate) name: SmolStr,
}

/// What is said about one resource in one policy.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// What is being done; CREATE where nothing is said.
    pub(crate) operation: Operation,
    /// Laid over the object.
    pub(crate) object: Option<Value>,
    /// Laid over the old object.
    pub(crate) old_object: Option<Value>,
    /// For the engine; `None` when nothing is said.
    pub(crate) presets: Option<Arc<Presets>>,
}

const ROOT: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "globalValues",
    "policies",
    "namespaceSelector",
    "namespaces",
    "subresources",
];

impl Values {
    /// Reads a `Values` document.
    pub(crate) fn read(document: &Value, path: &str) -> Result<Self, DecodeError> {
        let root = Fields::read(document, path, ROOT)?;
        let mut values = Self { global: root.pairs("globalValues")?, ..Self::default() };
        for policy in root.maps("policies", &["name", "resources", "rules"])? {
            let own = values.policies.entry(policy.required("name")?).or_default();
            for resource in policy.maps("resources", &["name", "values"])? {
                own.resources
                    .entry(resource.required("name")?)
                    .or_default()
                    .extend(resource.pairs("values")?);
            }
            for rule in policy.maps("rules", &["name", "values", "foreachValues"])? {
                let presets = own.rules.entry(SmolStr::new(rule.required("name")?)).or_default();
                for (key, value) in rule.pairs("values")? {
                    presets.values = put(&presets.values, &key, value);
                }
                for (key, value) in rule.pairs("foreachValues")? {
                    let items = value.as_list().ok_or_else(|| DecodeError::Type {
                        path: format!("{}.{key}", rule.path_of("foreachValues")),
                        expected: "a list",
                    })?;
                    presets.foreach.insert(SmolStr::new(key), items.to_vec());
                }
            }
        }
        for entry in root.maps("namespaceSelector", &["name", "labels"])? {
            let labels = entry.get("labels").cloned().unwrap_or_else(Value::empty_map);
            values.namespaces.push(namespace(&entry.required("name")?, &labels));
        }
        for written in root.list("namespaces")? {
            let name = written.str_at(&["metadata", "name"]).unwrap_or_default();
            let labels = written.at_path(&["metadata", "labels"]).unwrap_or(&Value::NULL);
            let whole = namespace(name, labels);
            let metadata = merged(
                whole.get("metadata").unwrap_or(&Value::NULL),
                written.get("metadata").unwrap_or(&Value::NULL),
            );
            values.namespaces.push(whole.with_member("metadata", metadata).unwrap_or(whole));
        }
        for entry in root.maps("subresources", &["subresource", "parentResource"])? {
            values.subresources.push(subresource(&entry)?);
        }
        Ok(values)
    }

    /// Adds `--set name=value`.
    ///
    /// # Errors
    /// The text is not of that form.
    pub(crate) fn set(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("--set takes NAME=VALUE, found {text:?}"))?;
        self.set.push((name.trim().to_owned(), Value::string(value.trim())));
        Ok(())
    }

    /// What is said about a resource in a policy. An operation from elsewhere wins.
    pub(crate) fn said(&self, policy: &str, resource: &str, operation: Option<Operation>) -> Said {
        let own = self.policies.get(policy);
        let of_resource = own.and_then(|own| own.resources.get(resource));
        let pairs = self.global.iter().chain(of_resource.into_iter().flatten()).chain(&self.set);
        let mut variables = Value::NULL;
        for (key, value) in pairs {
            variables = put(&variables, key, value.clone());
        }
        let (said, is_known) = match variables.str_at(&["request", "operation"]) {
            Some("UPDATE") => (Operation::Update, true),
            Some("DELETE") => (Operation::Delete, true),
            Some("CONNECT") => (Operation::Connect, true),
            Some("CREATE") | None => (Operation::Create, true),
            // COMPAT: Kyverno 1.19: the variable says it all the same; test: an_operation_that_there_is_not_is_what_the_variable_says
            Some(_) => (Operation::Create, false),
        };
        let (object, old_object) = (
            variables.at_path(&["request", "object"]).cloned(),
            variables.at_path(&["request", "oldObject"]).cloned(),
        );
        // The request itself says these: a rule may be evaluated again for another operation or object.
        if let Some(mut request) =
            variables.get("request").filter(|r| r.as_map().is_some()).cloned()
        {
            for name in ["object", "oldObject"].into_iter().chain(is_known.then_some("operation")) {
                request = request.without_member(name).unwrap_or(request);
            }
            variables = variables.with_member("request", request).unwrap_or(variables);
        }
        let rules = own.map(|own| own.rules.clone()).unwrap_or_default();
        let presets = (!variables.is_null() || !rules.is_empty())
            .then(|| Arc::new(Presets { variables: variables.clone(), rules }));
        Said { operation: operation.unwrap_or(said), object, old_object, presets }
    }
}

/// A Namespace object, with the label that every namespace has.
fn namespace(name: &str, labels: &Value) -> Value {
    let own = Value::map([("kubernetes.io/metadata.name".into(), Value::string(name))]);
    let metadata =
        Value::map([("name".into(), Value::string(name)), ("labels".into(), merged(&own, labels))]);
    Value::map([
        ("apiVersion".into(), Value::string("v1")),
        ("kind".into(), Value::string("Namespace")),
        ("metadata".into(), metadata),
    ])
}

fn subresource(entry: &Fields<'_>) -> Result<Subresource, DecodeError> {
    let missing = |name: &str| DecodeError::Missing { path: entry.path_of(name) };
    let kind_of = |name: &str| -> Result<GroupVersionKind, DecodeError> {
        let resource = entry.get(name).ok_or_else(|| missing(name))?;
        let text = |key: &str| SmolStr::new(resource.str_at(&[key]).unwrap_or_default());
        Ok(GroupVersionKind { group: text("group"), version: text("version"), kind: text("kind") })
    };
    let written = entry.get("subresource").and_then(|value| value.str_at(&["name"]));
    let name = written.and_then(|name| name.split_once('/')).map(|(_, name)| SmolStr::new(name));
    Ok(Subresource {
        kind: kind_of("subresource")?,
        parent: kind_of("parentResource")?,
        name: name.ok_or_else(|| missing("subresource.name"))?,
    })
}

/// A dotted name as its parts; a part in double quotes may hold dots.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for character in name.chars() {
        match character {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            other => {
                if let Some(last) = parts.last_mut() {
                    last.push(other);
                }
            }
        }
    }
    parts
}

/// The tree with a value laid over it at a dotted name.
fn put(tree: &Value, name: &str, value: Value) -> Value {
    let over = parts(name)
        .into_iter()
        .rev()
        .fold(value, |below, part| Value::map([(SmolStr::new(part), below)]));
    merged(tree, &over)
}

/// Maps member by member, everything else replaced.
pub(crate) fn merged(under: &Value, over: &Value) -> Value {
    let (View::Map(_), View::Map(members)) = (under.view(), over.view()) else {
        return if over.is_null() { under.clone() } else { over.clone() };
    };
    members.iter().fold(under.clone(), |all, (key, value)| {
        let value = match all.get(key) {
            Some(below) => merged(below, value),
            None => value.clone(),
        };
        all.with_member(key, value).unwrap_or(all)
    })
}

/// A `UserInfo` document: who makes the requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserInfo {
    /// The user.
    pub(crate) user: User,
    /// `{roles, clusterRoles}` as the engine reads them.
    pub(crate) roles: Value,
}

impl UserInfo {
    /// Reads a `UserInfo` document.
    pub(crate) fn read(document: &Value) -> Result<Self, DecodeError> {
        let known = &["apiVersion", "kind", "metadata", "roles", "clusterRoles", "userInfo"];
        let root = Fields::read(document, "", known)?;
        let empty = Value::empty_map();
        let written = root.get("userInfo").unwrap_or(&empty);
        let info = Fields::read(written, "userInfo", &["username", "groups", "uid", "extra"])?;
        let texts = |names: Vec<String>| Value::list(names.iter().map(|name| Value::string(name)));
        Ok(Self {
            user: User {
                username: SmolStr::new(info.text("username")?),
                uid: SmolStr::new(info.text("uid")?),
                groups: info.texts("groups")?.into_iter().map(SmolStr::new).collect(),
                extra: info.get("extra").cloned().unwrap_or(Value::NULL),
            },
            roles: Value::map([
                ("roles".into(), texts(root.texts("roles")?)),
                ("clusterRoles".into(), texts(root.texts("clusterRoles")?)),
            ]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigward_document::parse_yaml;

    fn values(text: &str) -> Values {
        Values::read(&parse_yaml(text).unwrap().value, "").unwrap()
    }

    #[test]
    fn what_is_said_of_a_resource_wins_over_what_is_said_of_all() {
        let values = values(
            "globalValues: {request.operation: UPDATE, a.b: 1}\npolicies:\n- name: p\n  resources:\n  - name: r\n    values: {request.operation: DELETE}\n",
        );
        assert_eq!(values.said("p", "r", None).operation, Operation::Delete);
        assert_eq!(values.said("p", "s", None).operation, Operation::Update);
        assert_eq!(values.said("p", "r", Some(Operation::Create)).operation, Operation::Create);
        let said = values.said("p", "r", None).presets.unwrap();
        assert_eq!(said.variables.at_path(&["a", "b"]).unwrap().as_i64(), Some(1));
    }

    #[test]
    fn an_operation_that_there_is_not_is_what_the_variable_says() {
        let values = values("globalValues: {request.operation: BACKGROUND}\n");
        let said = values.said("p", "r", None);
        assert_eq!(said.operation, Operation::Create);
        let variables = &said.presets.unwrap().variables;
        assert_eq!(variables.str_at(&["request", "operation"]), Some("BACKGROUND"));
    }

    #[test]
    fn a_quoted_part_of_a_name_may_hold_dots() {
        assert_eq!(parts(r#"a."b.c".d"#), ["a", "b.c", "d"]);
    }

    #[test]
    fn a_namespace_keeps_its_annotations_and_gets_its_label() {
        let values = values(
            "namespaces:\n- metadata: {name: p, annotations: {x: z}}\nnamespaceSelector:\n- {name: m, labels: {l: v}}\n",
        );
        let [m, p] = values.namespaces.as_slice() else { panic!("{:?}", values.namespaces) };
        let own = "kubernetes.io/metadata.name";
        assert_eq!(m.str_at(&["metadata", "labels", "l"]), Some("v"));
        assert_eq!(p.str_at(&["metadata", "annotations", "x"]), Some("z"));
        assert_eq!(p.str_at(&["metadata", "labels", own]), Some("p"));
    }

    #[test]
    fn a_misspelt_field_of_a_values_file_is_refused() {
        let document = parse_yaml("globalValue: {}").unwrap().value;
        let error = Values::read(&document, "").unwrap_err().to_string();
        assert!(error.contains("did you mean `globalValues`?"), "{error}");
    }
}
