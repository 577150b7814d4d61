//! `mutate.targets`: objects that exist already and are changed because of the request. What they become is a value;
//! who writes it is not decided here.
use super::Mutate;
use crate::{
    conditions::Conditions,
    context::{Context, entry::ContextEntry},
    fact::{Call, CallAnswer, Object, ObjectName},
    matching::selector::Selector,
    message,
    request::plural,
    stop::{RuleError, Stop},
    variables::Template,
};
use sigward_document::{Value, wildcard};
use smol_str::{SmolStr, format_smolstr};
use std::sync::Arc;

/// Objects that one rule may change for one request.
const MAX_TARGETS: usize = 1_000;

/// A rule that changes other objects than the request's.
#[derive(Clone, Debug)]
pub(crate) struct MutateExisting {
    /// Which objects, in the order written.
    pub(crate) targets: Vec<Target>,
    /// How each is changed.
    pub(crate) change: Mutate,
}

/// Which objects, and when.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// `apiVersion`, `kind`, `namespace`, `name` and `uid`, in which variables may stand.
    pub(crate) which: Template,
    /// By labels; all when there is none.
    pub(crate) selector: Option<Selector>,
    /// Data for each object.
    pub(crate) context: Vec<ContextEntry>,
    /// Objects for which they do not hold are left alone.
    pub(crate) preconditions: Conditions,
}

/// What came of one object.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// The object afterwards.
    Made(Value),
    /// Its preconditions do not hold, and what they say.
    Unwanted(String),
    /// It is already as it is to be.
    Nothing,
    /// It cannot be found, or not be changed.
    Failed(RuleError),
}

impl MutateExisting {
    /// What comes of each object. Those that cannot be told are each for itself.
    pub(crate) fn apply<'e>(&'e self, context: &mut Context<'e>) -> Result<Vec<Change>, Stop> {
        let mut changes = Vec::new();
        for target in &self.targets {
            let objects = match target.find(context) {
                Ok(objects) => objects,
                Err(Stop::Error(error)) => {
                    changes.push(Change::Failed(error));
                    continue;
                }
                Err(Stop::Suspended) => return Err(Stop::Suspended),
            };
            for object in objects {
                if changes.len() >= MAX_TARGETS {
                    let said = format!("more than {MAX_TARGETS} objects would be changed");
                    return Err(RuleError::Object(said).into());
                }
                changes.push(match self.one(target, &object, context) {
                    Ok(change) => change,
                    Err(Stop::Error(error)) => Change::Failed(error),
                    Err(Stop::Suspended) => return Err(Stop::Suspended),
                });
            }
        }
        Ok(changes)
    }

    fn one<'e>(
        &'e self,
        target: &'e Target,
        object: &Value,
        context: &mut Context<'e>,
    ) -> Result<Change, Stop> {
        context.set_target(object);
        context.with_entries(&target.context, |context| {
            let held = target.preconditions.evaluate(context)?;
            if !held.holds {
                return Ok(Change::Unwanted(held.message));
            }
            let changed = self.change.apply(object, context)?;
            Ok(if changed == *object { Change::Nothing } else { Change::Made(changed) })
        })
    }
}

impl Target {
    /// The objects that are there, in the order of the cluster.
    fn find(&self, context: &mut Context<'_>) -> Result<Vec<Value>, Stop> {
        let which = self.which.substitute(context)?;
        let text = |key: &str| SmolStr::new(which.str_at(&[key]).unwrap_or_default());
        let own = context.policy.name().namespace.clone();
        let name = ObjectName {
            api_version: text("apiVersion"),
            kind: text("kind"),
            // A Policy changes objects of its own namespace, whatever is written.
            namespace: if own.is_empty() { text("namespace") } else { own },
            name: text("name"),
        };
        let plain = |text: &str| !text.is_empty() && !wildcard::contains_wildcard(text);
        // COMPAT: Kyverno 1.19: only a name with its namespace is one object, which has to be there; all else is a
        // search; test: a_target_that_is_named_must_be_there_and_a_search_may_find_nothing
        let found = if plain(&name.name) && plain(&name.namespace) && self.selector.is_none() {
            one(&name, context)?
        } else {
            search(&name, context)?
        };
        let uid = text("uid");
        let fits = |object: &Value| {
            let text = |member| object.str_at(&["metadata", member]).unwrap_or_default();
            let pattern =
                |wanted: &str, found| wanted.is_empty() || wildcard::matches(wanted, found);
            let labels = object.at_path(&["metadata", "labels"]).unwrap_or(&Value::NULL);
            pattern(&name.name, text("name"))
                && pattern(&name.namespace, text("namespace"))
                && (uid.is_empty() || uid == text("uid"))
                && self.selector.as_ref().is_none_or(|selector| selector.matches(labels))
        };
        let fitting = found.into_iter().filter(fits);
        // The items of a list do not say what they are.
        let whole = fitting.map(|object| {
            [("apiVersion", &name.api_version), ("kind", &name.kind)].into_iter().fold(
                object,
                |object, (member, text)| match object.get(member) {
                    Some(_) => object,
                    None => object.with_member(member, Value::smol(text.clone())).unwrap_or(object),
                },
            )
        });
        Ok(whole.collect())
    }
}

fn one(name: &ObjectName, context: &mut Context<'_>) -> Result<Vec<Value>, Stop> {
    let failed = |said: String| Stop::from(RuleError::Object(said));
    match context.facts.ask(Object(name.clone()))? {
        Ok(Some(found)) => Ok(vec![found]),
        Ok(None) => Err(failed(format!("{} {:?} not found", plural(&name.kind), name.name))),
        Err(cause) => {
            let ObjectName { kind, namespace, name, .. } = name;
            Err(failed(format!("{kind} {namespace}/{name}: {}", message::cause(&cause))))
        }
    }
}

/// All objects of a kind, of one namespace where it is told.
fn search(name: &ObjectName, context: &mut Context<'_>) -> Result<Vec<Value>, Stop> {
    let ObjectName { api_version, kind, namespace, .. } = name;
    let root = if api_version.contains('/') { "/apis" } else { "/api" };
    let place = if namespace.is_empty() || wildcard::contains_wildcard(namespace) {
        SmolStr::default()
    } else {
        format_smolstr!("namespaces/{namespace}/")
    };
    let url = format_smolstr!("{root}/{api_version}/{place}{}", plural(kind));
    match context.facts.ask(CallAnswer(Arc::new(Call {
        post: false,
        url: url.clone(),
        body: None,
    })))? {
        // Nobody serves such a kind.
        Ok(None) => Ok(Vec::new()),
        Ok(Some(found)) => match found.get("items").map(|items| (items.as_list(), items)) {
            Some((Some(items), _)) => Ok(items.to_vec()),
            // An empty list of Go is null.
            Some((None, items)) if items.is_null() => Ok(Vec::new()),
            _ => Err(RuleError::Object(format!("{url}: the answer is no list")).into()),
        },
        Err(cause) => Err(RuleError::Object(format!("{url}: {}", message::cause(&cause))).into()),
    }
}
