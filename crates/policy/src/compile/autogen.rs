//! Rules for the controllers of Pods, made from the rules for Pods.
//!
//! All or nothing: one rule that names a Pod by its name keeps every rule of the policy from being generated.
//! Paths are shifted inside every text of a rule, messages and literals included, as upstream does.
mod wrap;

use crate::matching::kind;
use sigward_document::{Value, View};
use smol_str::SmolStr;

/// The annotation that replaces the set of controllers, or disables it with `none`.
pub(crate) const ANNOTATION: &str = "pod-policies.kyverno.io/autogen-controllers";
/// The longest name of a rule.
const MAX_NAME: usize = 63;

/// Controllers and how their kinds are written in generated rules.
const CONTROLLERS: [(&str, &str); 7] = [
    ("DaemonSet", "apps/v1/DaemonSet"),
    ("Deployment", "apps/v1/Deployment"),
    ("Job", "batch/v1/Job"),
    ("ReplicaSet", "apps/v1/ReplicaSet"),
    ("ReplicationController", "v1/ReplicationController"),
    ("StatefulSet", "apps/v1/StatefulSet"),
    ("CronJob", "batch/v1/CronJob"),
];

/// A rule that was made from another.
#[derive(Clone, Debug)]
pub(crate) struct Generated {
    /// The index of the rule it was made from.
    pub(crate) from: usize,
    /// The rule as a wire document.
    pub(crate) document: Value,
    /// The only kinds it is about, whatever its filters say.
    // COMPAT: Kyverno 1.19: rules are generated for the kind of the object alone; test: a_generated_rule_is_about_chosen_controllers_only
    pub(crate) kinds: Vec<SmolStr>,
}

/// What of the annotation names no controller: it has no effect.
pub(crate) fn unknown(annotation: &str) -> impl Iterator<Item = &str> {
    annotation
        .split(',')
        .filter(|word| *word != "none" && CONTROLLERS.iter().all(|(kind, _)| kind != word))
}

/// The generated rules. The annotation is taken as it is written: a space before a name makes it another name.
pub(crate) fn generate(rules: &[Value], annotation: Option<&str>) -> Vec<Generated> {
    let wanted: Vec<&str> = match annotation {
        Some(list) => list.split(',').collect(),
        None => CONTROLLERS.iter().map(|(kind, _)| *kind).collect(),
    };
    if !can_generate(rules) {
        return Vec::new();
    }
    let chosen =
        || CONTROLLERS.iter().filter(|(kind, _)| *kind != "CronJob" && wanted.contains(kind));
    let kinds: Vec<&str> = chosen().map(|(_, written)| *written).collect();
    let mut names: Vec<SmolStr> =
        rules.iter().filter_map(|rule| rule.str_at(&["name"]).map(SmolStr::new)).collect();
    let mut generated = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        if !is_for_pods(rule) {
            continue;
        }
        if !kinds.is_empty() {
            let shift = Shift { template: "spec.template", all_filters: false };
            generated.push(Generated {
                from: index,
                document: shift.rule(rule, "autogen-", &kinds, &mut names),
                kinds: chosen().map(|(kind, _)| SmolStr::new_static(kind)).collect(),
            });
        }
        if wanted.contains(&"CronJob") {
            let shift = Shift { template: "spec.jobTemplate.spec.template", all_filters: true };
            let cron_job = ["batch/v1/CronJob"];
            generated.push(Generated {
                from: index,
                document: shift.rule(rule, "autogen-cronjob-", &cron_job, &mut names),
                kinds: vec![SmolStr::new_static("CronJob")],
            });
        }
    }
    generated
}

/// Whether the policy as a whole allows it, and any rule asks for it.
fn can_generate(rules: &[Value]) -> bool {
    let mut needed = false;
    for rule in rules {
        if rule.get("generate").is_some_and(|g| !g.is_null()) {
            return false;
        }
        if let Some(mutate) = rule.get("mutate") {
            let patches = |v: &Value| {
                v.str_at(&["patchesJson6902"]).is_some_and(|patches| !patches.is_empty())
            };
            let foreach = mutate.get("foreach").and_then(Value::as_list).unwrap_or_default();
            if patches(mutate) || foreach.iter().any(patches) {
                return false;
            }
        }
        for block in ["match", "exclude"] {
            for resources in resources_of(rule.get(block)) {
                let has = |key: &str| {
                    resources.get(key).is_some_and(|v| match v.view() {
                        View::Null => false,
                        View::String(text) => !text.is_empty(),
                        View::List(items) => !items.is_empty(),
                        View::Map(_) | View::Bool(_) | View::Int(_) | View::Float(_) => true,
                    })
                };
                let kinds = kinds_of(resources);
                let mixed = kinds.len() > 1 && kinds.iter().any(|k| is_pod(k));
                if has("name") || has("names") || has("selector") || has("annotations") || mixed {
                    return false;
                }
                // COMPAT: Kyverno 1.19: `v1/Pod` alone is no reason to generate; test: a_kind_with_a_version_alone_generates_nothing
                needed |= kinds
                    .iter()
                    .any(|k| *k == "Pod" || CONTROLLERS.iter().any(|(kind, _)| kind == k));
            }
        }
    }
    needed
}

/// Whether rules are generated from this one.
fn is_for_pods(rule: &Value) -> bool {
    if rule.str_at(&["name"]).is_some_and(|name| name.starts_with("autogen-")) {
        return false;
    }
    let kinds = |block: &str| -> Vec<&str> {
        resources_of(rule.get(block)).into_iter().flat_map(kinds_of).collect()
    };
    let excluded = kinds("exclude");
    kinds("match").iter().any(|k| is_pod(k))
        && (excluded.is_empty() || excluded.iter().any(|k| is_pod(k)))
}

/// Every `resources` of a block, direct or in a list.
fn resources_of(block: Option<&Value>) -> Vec<&Value> {
    let Some(block) = block else { return Vec::new() };
    let lists = ["any", "all"].into_iter().filter_map(|key| block.get(key)?.as_list()).flatten();
    lists.chain([block]).filter_map(|filter| filter.get("resources")).collect()
}

fn kinds_of(resources: &Value) -> Vec<&str> {
    let kinds = resources.get("kinds").and_then(Value::as_list).unwrap_or_default();
    kinds.iter().filter_map(Value::as_str).collect()
}

fn is_pod(written: &str) -> bool {
    let pattern = kind::parse(written);
    pattern.kind == "Pod" && pattern.sub_resource.is_empty()
}

/// How a rule moves to a template.
#[derive(Clone, Copy)]
struct Shift {
    /// Where the template stands in the controller.
    template: &'static str,
    // COMPAT: Kyverno 1.19: for CronJobs the kinds of every filter are replaced, for the others only those of filters that name Pods; test: the_cron_job_rule_replaces_every_filter
    all_filters: bool,
}

impl Shift {
    fn rule(self, rule: &Value, prefix: &str, kinds: &[&str], names: &mut Vec<SmolStr>) -> Value {
        let View::Map(map) = rule.view() else { return rule.clone() };
        let name = unique(prefix, rule.str_at(&["name"]).unwrap_or_default(), names);
        let pairs = map.iter().filter(|(key, _)| *key != "imageExtractors").map(|(key, value)| {
            let value = match key {
                "name" => Value::string(&name),
                "match" | "exclude" => self.block(value, kinds),
                "validate" => self.texts(&wrap::validate(value, self.template)),
                "mutate" => self.texts(&wrap::mutate(value, self.template)),
                _ => self.texts(value),
            };
            (SmolStr::new(key), value)
        });
        Value::map(pairs)
    }

    fn block(self, block: &Value, kinds: &[&str]) -> Value {
        let View::Map(map) = block.view() else { return block.clone() };
        let pairs = map.iter().map(|(key, value)| {
            let value = match (key, value.view()) {
                ("any" | "all", View::List(filters)) => {
                    Value::list(filters.iter().map(|filter| self.filter(filter, kinds)))
                }
                ("resources", _) => self.resources(value, kinds),
                _ => value.clone(),
            };
            (SmolStr::new(key), value)
        });
        Value::map(pairs)
    }

    fn filter(self, filter: &Value, kinds: &[&str]) -> Value {
        let Some(resources) = filter.get("resources") else { return filter.clone() };
        let replaced = self.resources(resources, kinds);
        filter.with_member("resources", replaced).unwrap_or_else(|| filter.clone())
    }

    fn resources(self, resources: &Value, kinds: &[&str]) -> Value {
        let written = kinds_of(resources);
        let replace =
            !written.is_empty() && (self.all_filters || written.iter().any(|k| is_pod(k)));
        if !replace {
            return resources.clone();
        }
        let kinds = Value::list(kinds.iter().map(|k| Value::string(k)));
        resources.with_member("kinds", kinds).unwrap_or_else(|| resources.clone())
    }

    /// The same tree with the paths in its texts shifted.
    fn texts(self, value: &Value) -> Value {
        match value.view() {
            View::String(text) if text.contains("bject.") => Value::string(&self.text(text)),
            View::List(items) => Value::list(items.iter().map(|item| self.texts(item))),
            View::Map(map) => Value::map(
                map.iter().map(|(key, item)| (SmolStr::new(self.text(key)), self.texts(item))),
            ),
            View::String(_) | View::Null | View::Bool(_) | View::Int(_) | View::Float(_) => {
                value.clone()
            }
        }
    }

    fn text(self, text: &str) -> String {
        let mut text = text.to_owned();
        for object in ["request.object", "request.oldObject"] {
            for part in ["spec", "metadata"] {
                let from = format!("{object}.{part}");
                let to = format!("{object}.{}.{part}", self.template);
                text = text.replace(&from, &to);
            }
        }
        text
    }
}

/// The prefixed name, cut to what names may be; a cut that meets another name ends in a hash instead.
fn unique(prefix: &str, name: &str, names: &mut Vec<SmolStr>) -> SmolStr {
    let full = format!("{prefix}{name}");
    let cut: String = full.chars().take(MAX_NAME).collect();
    let chosen = if cut.len() < full.len() && names.iter().any(|n| *n == cut) {
        let hash = full.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, byte| {
            (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let kept: String = full.chars().take(MAX_NAME - 9).collect();
        format!("{kept}-{:08x}", hash & 0xffff_ffff)
    } else {
        cut
    };
    let chosen = SmolStr::new(chosen);
    names.push(chosen.clone());
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> Vec<Value> {
        let parsed = sigward_document::parse_json(json.as_bytes()).unwrap();
        parsed.as_list().unwrap().to_vec()
    }

    fn check(json: &str, annotation: Option<&str>, expected: &[&str]) -> Vec<Value> {
        let generated = generate(&rules(json), annotation);
        let names: Vec<_> =
            generated.iter().map(|g| g.document.str_at(&["name"]).unwrap().to_owned()).collect();
        assert_eq!(names, expected);
        generated.into_iter().map(|generated| generated.document).collect()
    }

    const POD: &str =
        r#"[{"name":"a","match":{"any":[{"resources":{"kinds":["Pod"]}}]},"verifyImages":[]}]"#;

    #[test]
    fn a_rule_for_pods_yields_two_more() {
        let rules = check(POD, None, &["autogen-a", "autogen-cronjob-a"]);
        assert_eq!(
            kinds_of(resources_of(rules[0].get("match"))[0]),
            [
                "apps/v1/DaemonSet",
                "apps/v1/Deployment",
                "batch/v1/Job",
                "apps/v1/ReplicaSet",
                "v1/ReplicationController",
                "apps/v1/StatefulSet"
            ]
        );
        assert_eq!(kinds_of(resources_of(rules[1].get("match"))[0]), ["batch/v1/CronJob"]);
    }

    #[test]
    fn the_annotation_chooses_controllers_or_none() {
        check(POD, Some("none"), &[]);
        check(POD, Some("Deployment"), &["autogen-a"]);
        check(POD, Some("CronJob"), &["autogen-cronjob-a"]);
        check(POD, Some(""), &[]);
        // Taken as written: the second name begins with a space.
        check(POD, Some("Deployment, CronJob"), &["autogen-a"]);
        assert_eq!(unknown("Deployment, CronJob,none").collect::<Vec<_>>(), [" CronJob"]);
    }

    #[test]
    fn a_kind_with_a_version_alone_generates_nothing() {
        check(&POD.replace("Pod", "v1/Pod"), None, &[]);
        let both = r#"[{"name":"a","match":{"any":[{"resources":{"kinds":["v1/Pod"]}},{"resources":{"kinds":["Pod"]}}]}}]"#;
        check(both, None, &["autogen-a", "autogen-cronjob-a"]);
    }

    #[test]
    fn a_filter_by_name_selector_or_other_kind_disables_the_whole_policy() {
        for filter in [
            r#""kinds":["Pod"],"names":["x"]"#,
            r#""kinds":["Pod"],"selector":{"matchLabels":{"a":"b"}}"#,
            r#""kinds":["Pod"],"annotations":{"a":"b"}"#,
            r#""kinds":["Pod","Service"]"#,
            r#""kinds":["Service"]"#,
        ] {
            check(&format!(r#"[{{"name":"a","match":{{"resources":{{{filter}}}}}}}]"#), None, &[]);
        }
        let selector = r#"[{"name":"a","match":{"resources":{"kinds":["Pod"],"namespaceSelector":{"matchLabels":{"a":"b"}}}}}]"#;
        check(selector, None, &["autogen-a", "autogen-cronjob-a"]);
    }

    #[test]
    fn a_json_patch_disables_the_whole_policy() {
        let with = r#"[{"name":"a","match":{"resources":{"kinds":["Pod"]}}},{"name":"m","match":{"resources":{"kinds":["Pod"]}},"mutate":{"patchesJson6902":"[]"}}]"#;
        check(with, None, &[]);
    }

    #[test]
    fn the_cron_job_rule_replaces_every_filter() {
        let two = r#"[{"name":"a","match":{"any":[{"resources":{"kinds":["Pod"]}},{"resources":{"kinds":["Service"]}}]}}]"#;
        let rules = check(two, None, &["autogen-a", "autogen-cronjob-a"]);
        assert_eq!(kinds_of(resources_of(rules[0].get("match"))[1]), ["Service"]);
        assert_eq!(kinds_of(resources_of(rules[1].get("match"))[1]), ["batch/v1/CronJob"]);
    }

    #[test]
    fn paths_in_texts_are_shifted_and_extractors_dropped() {
        let rule = r#"[{"name":"a","match":{"resources":{"kinds":["Pod"]}},"imageExtractors":{},
            "preconditions":{"all":[{"key":"{{ request.object.spec.x }} {{request.oldObject.metadata.labels}}","operator":"Equals","value":""}]}}]"#;
        let rules = check(rule, None, &["autogen-a", "autogen-cronjob-a"]);
        let key =
            |r: &Value| r.pointer("/preconditions/all/0/key").unwrap().as_str().unwrap().to_owned();
        assert_eq!(
            key(&rules[0]),
            "{{ request.object.spec.template.spec.x }} {{request.oldObject.spec.template.metadata.labels}}"
        );
        assert_eq!(
            key(&rules[1]),
            "{{ request.object.spec.jobTemplate.spec.template.spec.x }} {{request.oldObject.spec.jobTemplate.spec.template.metadata.labels}}"
        );
        assert!(rules[0].get("imageExtractors").is_none());
    }

    #[test]
    fn a_generated_name_is_cut_at_63_characters() {
        let name = |written: &str, controllers: &str| {
            let json =
                format!(r#"[{{"name":"{written}","match":{{"resources":{{"kinds":["Pod"]}}}}}}]"#);
            let generated = generate(&rules(&json), Some(controllers));
            generated[0].document.str_at(&["name"]).unwrap().to_owned()
        };
        assert_eq!(name("r", "Deployment"), "autogen-r");
        assert_eq!(name("r", "CronJob"), "autogen-cronjob-r");
        let fits = "n".repeat(63 - "autogen-".len());
        assert_eq!(name(&fits, "Deployment"), format!("autogen-{fits}"));
        let cut = name(&format!("{fits}x"), "Deployment");
        assert_eq!(cut, format!("autogen-{fits}"));
        assert_eq!(name(&"n".repeat(63), "CronJob").len(), 63);
    }

    #[test]
    fn long_names_that_would_meet_end_in_a_hash() {
        let long = "n".repeat(60);
        let json = format!(
            r#"[{{"name":"{long}xxa","match":{{"resources":{{"kinds":["Pod"]}}}}}},{{"name":"{long}xxb","match":{{"resources":{{"kinds":["Pod"]}}}}}}]"#
        );
        let names: Vec<String> = generate(&rules(&json), Some("Deployment"))
            .iter()
            .map(|g| g.document.str_at(&["name"]).unwrap().to_owned())
            .collect();
        assert!(names.iter().all(|n| n.len() == 63), "{names:?}");
        assert_ne!(names[0], names[1]);
    }
}
