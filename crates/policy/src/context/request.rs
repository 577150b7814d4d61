//! The variable `request`: the AdmissionRequest as policies have always read it.
use crate::{
    fact::{Facts, Roles},
    request::{Operation, Request},
    stop::{CauseText, RuleError, Stop},
};
use sigward_document::Value;
use smol_str::SmolStr;

/// The variable, with the object as earlier phases left it.
pub(crate) fn variable(request: &Request, object: &Value) -> Result<Value, Stop> {
    let old = request.old_object.value().map_err(|error| unreadable("oldObject", error))?;
    let options = request.options.value().map_err(|error| unreadable("options", error))?;
    // What is deleted is the old object; `{{ request.object }}` is read as that one before it comes here.
    let new = if request.operation == Operation::Delete { &Value::NULL } else { object };
    let kind = Value::map([
        ("group".into(), Value::string(&request.kind.group)),
        ("version".into(), Value::string(&request.kind.version)),
        ("kind".into(), Value::string(&request.kind.kind)),
    ]);
    let resource = Value::map([
        ("group".into(), Value::string(&request.resource.group)),
        ("version".into(), Value::string(&request.resource.version)),
        ("resource".into(), Value::string(&request.resource.resource)),
    ]);
    let mut pairs: Vec<(SmolStr, Value)> = vec![
        ("uid".into(), Value::string(&request.uid)),
        ("kind".into(), kind.clone()),
        ("resource".into(), resource.clone()),
        ("requestKind".into(), kind),
        ("requestResource".into(), resource),
        ("operation".into(), Value::string(request.operation.as_str())),
        ("userInfo".into(), user(request)),
        ("object".into(), new.clone()),
        ("oldObject".into(), old.clone()),
        ("dryRun".into(), Value::bool(request.dry_run)),
        ("options".into(), options.clone()),
    ];
    // Go leaves empty texts out, and policies test for the key.
    for (key, text) in [
        ("subResource", &request.sub_resource),
        ("requestSubResource", &request.sub_resource),
        ("name", &request.name),
        ("namespace", &request.namespace),
    ] {
        if !text.is_empty() {
            pairs.push((key.into(), Value::string(text)));
        }
    }
    Ok(Value::map(pairs))
}

fn user(request: &Request) -> Value {
    let Some(user) = &request.user else { return Value::map([]) };
    let mut pairs: Vec<(SmolStr, Value)> = Vec::new();
    if !user.username.is_empty() {
        pairs.push(("username".into(), Value::string(&user.username)));
    }
    if !user.uid.is_empty() {
        pairs.push(("uid".into(), Value::string(&user.uid)));
    }
    if !user.groups.is_empty() {
        pairs.push(("groups".into(), Value::list(user.groups.iter().map(|g| Value::string(g)))));
    }
    if !user.extra.is_null() {
        pairs.push(("extra".into(), user.extra.clone()));
    }
    Value::map(pairs)
}

/// `request.roles` and `request.clusterRoles`: looked up only when an expression names them.
pub(crate) fn with_roles(
    plain: &Value,
    request: &Request,
    facts: &mut Facts,
) -> Result<Value, Stop> {
    let Some(user) = &request.user else { return Ok(plain.clone()) };
    let query = Roles { username: user.username.clone(), groups: user.groups.clone() };
    match facts.ask(query)? {
        Ok(found) => {
            let list = |name: &str| {
                let found = found.as_ref().and_then(|f| f.get(name));
                found.cloned().unwrap_or_else(|| Value::list([]))
            };
            let with = plain
                .with_member("roles", list("roles"))
                .and_then(|v| v.with_member("clusterRoles", list("clusterRoles")));
            Ok(with.unwrap_or_else(|| plain.clone()))
        }
        Err(cause) => Err(RuleError::Unknown {
            what: format!("the roles of `{}`", user.username),
            cause: CauseText::new(&cause),
        }
        .into()),
    }
}

/// Namespace and name of the service account.
// COMPAT: Kyverno 1.19: the first 22 characters are cut off, whatever they are; test: the_service_account_is_cut_out_of_the_user_name
pub(crate) fn service_account(request: &Request) -> (&str, &str) {
    let username = request.user.as_ref().map_or("", |user| user.username.as_str());
    let rest = username.get("system:serviceaccount:".len()..).unwrap_or("");
    let mut parts = rest.split(':');
    match (parts.next(), parts.next()) {
        (Some(namespace), Some(name)) => (namespace, name),
        _ => ("", ""),
    }
}

fn unreadable(what: &str, error: &sigward_document::ParseError) -> Stop {
    RuleError::Object(format!("request.{what} cannot be read: {}", error.message)).into()
}
