//! `--generate-exceptions`: an exception for each violation, so that what is there today can be cured later.
use super::print::Outcome;
use sigward_document::{
    Value,
    yaml::{YamlStyle, to_yaml_with},
};
use sigward_policy::decision::Status;
use smol_str::SmolStr;
use std::fmt::Write as _;

/// One document for each failure, each after a `---` line.
pub(super) fn render(outcomes: &[Outcome<'_>], ttl: &str) -> String {
    let mut text = String::new();
    for one in outcomes.iter().filter(|one| one.status == Status::Fail) {
        let document = to_yaml_with(&exception(one, ttl), YamlStyle::Kubernetes);
        // Writing to a String cannot fail.
        let _ = write!(text, "---\n{document}\n");
    }
    text
}

fn exception(one: &Outcome<'_>, ttl: &str) -> Value {
    let resource = &one.judged.subject.resource;
    let said = |path: &[&str]| resource.str_at(path).unwrap_or_default();
    let (kind, name, namespace) =
        (said(&["kind"]), said(&["metadata", "name"]), said(&["metadata", "namespace"]));
    let rule = one.rule.rule.as_str();
    let written = rule.strip_prefix("autogen-cronjob-").or_else(|| rule.strip_prefix("autogen-"));
    let mut rules = vec![rule];
    let mut kinds = vec![kind];
    let mut names = vec![name.to_owned()];
    if let Some(written) = written {
        rules.push(written);
        kinds.push("Pod");
        if kind == "CronJob" {
            rules.push("autogen-");
            kinds.push("Job");
        }
        names.push(format!("{name}-*"));
    }
    let mut rules: Vec<String> = rules
        .into_iter()
        .map(|rule| match (rule, written) {
            ("autogen-", Some(written)) => format!("autogen-{written}"),
            (rule, _) => rule.to_owned(),
        })
        .collect();
    rules.sort_unstable();
    kinds.sort_unstable();
    let texts = |items: &[String]| Value::list(items.iter().map(|item| Value::string(item)));
    let mut filter: Vec<(SmolStr, Value)> = vec![
        ("kinds".into(), Value::list(kinds.iter().map(|kind| Value::string(kind)))),
        ("names".into(), texts(&names)),
    ];
    if !namespace.is_empty() {
        filter.push(("namespaces".into(), texts(&[namespace.to_owned()])));
    }
    let matches = Value::map([(
        "all".into(),
        Value::list([Value::map([("resources".into(), Value::map(filter))])]),
    )]);
    let exempt = Value::map([
        ("policyName".into(), Value::string(&one.rule.policy.to_string())),
        ("ruleNames".into(), texts(&rules)),
    ]);
    let parts = [one.rule.policy.name.as_str(), rule, namespace, name];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let labels = Value::map([("cleanup.kyverno.io/ttl".into(), Value::string(ttl))]);
    Value::map([
        ("apiVersion".into(), Value::string("kyverno.io/v2beta1")),
        ("kind".into(), Value::string("PolicyException")),
        (
            "metadata".into(),
            Value::map([
                ("labels".into(), labels),
                ("name".into(), Value::string(&parts.join("-"))),
            ]),
        ),
        (
            "spec".into(),
            Value::map([("exceptions".into(), Value::list([exempt])), ("match".into(), matches)]),
        ),
    ])
}
