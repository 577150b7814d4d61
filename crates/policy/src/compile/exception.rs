//! `PolicyException` of `kyverno.io/v2`.
use super::{
    Exception, Sink, block, cluster_policy, conditions::compile as conditions, names::Scope,
    pod_security::exclusions,
};
use crate::snapshot::{PolicyName, Settings};
use sigward_api::{crd::Resource as _, kyverno::v2::PolicyException};
use sigward_document::Value;
use smol_str::SmolStr;

/// Compiles an exception. Where exceptions are not honoured it is admitted with a warning, as upstream.
pub(crate) fn compile(document: &Value, settings: &Settings, sink: &mut Sink) -> Option<Exception> {
    let read = sigward_api::read::<PolicyException>(document);
    // Whatever is passed over in an exception makes it wider.
    cluster_policy::findings(&read.findings, PolicyException::known_schema(), &|_| true, sink);
    let wire = read.value?;
    let name = PolicyName {
        namespace: SmolStr::new(&wire.metadata.namespace),
        name: SmolStr::new(&wire.metadata.name),
    };
    if !settings.exceptions_enabled {
        sink.warn("", "PolicyException resources would not be processed until it is enabled.");
    } else if settings.exception_namespace.is_empty() {
        sink.warn("", "The exceptionNamespace flag is not set");
    } else if settings.exception_namespace != "*" && settings.exception_namespace != name.namespace
    {
        sink.warn("", "PolicyException resource namespace must match the defined namespace.");
    }
    let background = wire.spec.effective_background();
    let pod_security = exclusions(&wire.spec.pod_security, "spec.podSecurity", sink);
    let matches = wire.spec.match_resources.as_ref();
    if matches.is_some_and(|m| {
        m.resources.is_some()
            || !m.roles.is_empty()
            || !m.cluster_roles.is_empty()
            || !m.subjects.is_empty()
    }) {
        sink.error("spec.match", "an exception matches by `any` or `all`");
    }
    let place = block::Place { namespaced: false, background, needs_kinds: false };
    let matches = matches.map(|m| block::compile(m, "spec.match", place, sink)).unwrap_or_default();
    if wire.spec.exceptions.is_empty() {
        sink.error("spec.exceptions", "an exception needs at least one policy");
    }
    let mut rules = Vec::new();
    for (i, exception) in wire.spec.exceptions.iter().enumerate() {
        if exception.policy_name.is_empty() || exception.rule_names.is_empty() {
            sink.error(
                &format!("spec.exceptions[{i}]"),
                "an exception needs `policyName` and `ruleNames`",
            );
        }
        let names = exception.rule_names.iter().map(SmolStr::new).collect();
        rules.push((SmolStr::new(&exception.policy_name), names));
    }
    let scope = Scope { background, ..Scope::default() };
    let wire = document.at_path(&["spec", "conditions"]);
    let conditions = conditions(wire, "spec.conditions", &scope, sink);
    Some(Exception { name, background, matches, conditions, rules, pod_security })
}
