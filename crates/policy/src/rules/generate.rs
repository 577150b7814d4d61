//! `generate`: objects that are made because of others. What is made is a value; who writes it is not decided here.
use crate::{
    context::Context,
    fact::{Call, CallAnswer, Object, ObjectName},
    matching::selector::Selector,
    request::plural,
    stop::{RuleError, Stop},
    variables::Template,
};
use sigward_document::{Map, Value};
use smol_str::{SmolStr, format_smolstr};
use std::sync::Arc;

/// What is made.
#[derive(Clone, Debug)]
pub(crate) struct Generate {
    /// `apiVersion`, `kind`, `namespace` and `name` of the new object, in which variables may stand.
    pub(crate) which: Template,
    /// What it holds.
    pub(crate) source: Source,
}

/// What a new object holds.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// `data`.
    Data(Template),
    /// `clone`: `namespace` and `name` of an object of the same kind.
    Clone(Template),
    /// `cloneList`: objects of several kinds in one namespace.
    CloneList {
        /// Where they are.
        namespace: Template,
        /// `apiVersion` and kind of each.
        kinds: Vec<(SmolStr, SmolStr)>,
        /// By labels; all when there is none.
        selector: Option<Selector>,
    },
}

/// Who makes it, and because of what.
pub(crate) struct Cause<'c> {
    /// The rule.
    pub(crate) rule: &'c str,
    /// The trigger.
    pub(crate) object: &'c Value,
}

/// What an object has of the API server, and a copy has not.
const OF_THE_SERVER: [&str; 5] =
    ["uid", "selfLink", "creationTimestamp", "managedFields", "resourceVersion"];

impl Generate {
    /// The new objects.
    pub(crate) fn make(
        &self,
        cause: &Cause<'_>,
        context: &mut Context<'_>,
    ) -> Result<Vec<Value>, Stop> {
        let which = self.which.substitute(context)?;
        let text = |key: &str| SmolStr::new(which.str_at(&[key]).unwrap_or_default());
        let own = context.policy.name().namespace.clone();
        // A Policy makes objects in its own namespace, whatever is written.
        let namespace = if own.is_empty() { text("namespace") } else { own };
        let target = ObjectName {
            api_version: text("apiVersion"),
            kind: text("kind"),
            namespace,
            name: text("name"),
        };
        let labels = labels(cause, context);
        match &self.source {
            Source::Data(data) => {
                let data = data.substitute(context)?;
                Ok(vec![object(&data, &target, &labels)])
            }
            Source::Clone(from) => {
                let from = from.substitute(context)?;
                let text = |key: &str| SmolStr::new(from.str_at(&[key]).unwrap_or_default());
                let source = ObjectName {
                    namespace: text("namespace"),
                    name: text("name"),
                    ..target.clone()
                };
                if source == target {
                    return Ok(Vec::new());
                }
                let found = match context.facts.ask(Object(source.clone()))? {
                    Ok(Some(found)) => found,
                    Ok(None) => return Err(missing(&source)),
                    Err(cause) => {
                        let what = format!("{} {}/{}", source.kind, source.namespace, source.name);
                        let said = crate::message::cause(&cause);
                        return Err(RuleError::Object(format!("{what}: {said}")).into());
                    }
                };
                Ok(vec![object(&bare(&found, &target.namespace), &target, &labels)])
            }
            Source::CloneList { namespace, kinds, selector } => {
                let from = namespace.substitute(context)?;
                let from = SmolStr::new(from.as_str().unwrap_or_default());
                list(&from, kinds, selector.as_ref(), &target, &labels, context)
            }
        }
    }
}

/// Objects that one rule makes for one request.
const MAX_OBJECTS: usize = 1_000;

fn missing(source: &ObjectName) -> Stop {
    let ObjectName { kind, namespace, name, .. } = source;
    RuleError::Object(format!("the source {kind} {namespace}/{name} does not exist")).into()
}

/// A copy of an object without what only the original has.
fn bare(object: &Value, namespace: &str) -> Value {
    let Some(metadata) = object.get("metadata") else { return object.clone() };
    let elsewhere = metadata.str_at(&["namespace"]).unwrap_or_default() != namespace;
    let owners = elsewhere.then_some("ownerReferences");
    let kept = OF_THE_SERVER
        .into_iter()
        .chain(owners)
        .fold(metadata.clone(), |metadata, name| metadata.without_member(name).unwrap_or(metadata));
    object.with_member("metadata", kept).unwrap_or_else(|| object.clone())
}

/// The new object: what it holds, under its own name, with the labels of who made it.
fn object(data: &Value, target: &ObjectName, labels: &Value) -> Value {
    let mut object = if data.as_map().is_some() { data.clone() } else { Value::empty_map() };
    let mut all = object.at_path(&["metadata", "labels"]).cloned().unwrap_or(Value::NULL);
    if all.as_map().is_none() {
        all = Value::empty_map();
    }
    for (key, value) in labels.as_map().into_iter().flat_map(Map::members) {
        all = all.with_member(key, value.clone()).unwrap_or(all);
    }
    let text = |text: &SmolStr| (!text.is_empty()).then(|| Value::smol(text.clone()));
    let parts: [(&[&str], Option<Value>); 5] = [
        (&["apiVersion"], text(&target.api_version)),
        (&["kind"], text(&target.kind)),
        (&["metadata", "name"], text(&target.name)),
        (&["metadata", "namespace"], text(&target.namespace)),
        (&["metadata", "labels"], Some(all)),
    ];
    for (path, value) in parts {
        if let Some(value) = value {
            object = object.with_path(path, value).unwrap_or(object);
        }
    }
    object
}

/// Who made an object, and for what.
// COMPAT: Kyverno 1.19: the names of the labels, those without a value too; test: a_generated_object_says_who_made_it
fn labels(cause: &Cause<'_>, context: &Context<'_>) -> Value {
    let said = |path: &[&str]| cause.object.str_at(path).unwrap_or_default();
    let (group, version) =
        said(&["apiVersion"]).split_once('/').unwrap_or(("", said(&["apiVersion"])));
    let policy = context.policy.name();
    let pairs = [
        ("app.kubernetes.io/managed-by", "kyverno"),
        ("generate.kyverno.io/policy-name", &policy.name),
        ("generate.kyverno.io/policy-namespace", &policy.namespace),
        ("generate.kyverno.io/rule-name", cause.rule),
        ("generate.kyverno.io/trigger-group", group),
        ("generate.kyverno.io/trigger-kind", said(&["kind"])),
        ("generate.kyverno.io/trigger-namespace", said(&["metadata", "namespace"])),
        ("generate.kyverno.io/trigger-uid", said(&["metadata", "uid"])),
        ("generate.kyverno.io/trigger-version", version),
    ];
    Value::map(pairs.map(|(key, value)| (SmolStr::new(key), Value::string(value))))
}

/// Copies of the objects of several kinds in one namespace.
fn list(
    namespace: &SmolStr,
    kinds: &[(SmolStr, SmolStr)],
    selector: Option<&Selector>,
    target: &ObjectName,
    labels: &Value,
    context: &mut Context<'_>,
) -> Result<Vec<Value>, Stop> {
    let mut made = Vec::new();
    for (api_version, kind) in kinds {
        let root = if api_version.contains('/') { "/apis" } else { "/api" };
        let resource = plural(kind);
        let url = format_smolstr!("{root}/{api_version}/namespaces/{namespace}/{resource}");
        let call = Call { post: false, url: url.clone(), body: None };
        let found = match context.facts.ask(CallAnswer(Arc::new(call)))? {
            Ok(found) => found.unwrap_or(Value::NULL),
            Err(cause) => {
                let said = crate::message::cause(&cause);
                return Err(RuleError::Object(format!("{url}: {said}")).into());
            }
        };
        for source in found.get("items").and_then(Value::as_list).unwrap_or_default() {
            let own = source.at_path(&["metadata", "labels"]).unwrap_or(&Value::NULL);
            if selector.is_some_and(|selector| !selector.matches(own)) {
                continue;
            }
            if made.len() >= MAX_OBJECTS {
                let said = format!("more than {MAX_OBJECTS} objects would be made");
                return Err(RuleError::Object(said).into());
            }
            let name = SmolStr::new(source.str_at(&["metadata", "name"]).unwrap_or_default());
            let target = ObjectName {
                api_version: api_version.clone(),
                kind: kind.clone(),
                namespace: target.namespace.clone(),
                name,
            };
            if target.namespace != *namespace {
                made.push(object(&bare(source, &target.namespace), &target, labels));
            }
        }
    }
    Ok(made)
}
