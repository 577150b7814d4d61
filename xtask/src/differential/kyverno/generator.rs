//! Inputs changed a little: fields dropped, types changed, names, labels and images varied, conditions and anchors turned.
use super::{
    case::{Case, name_of, renamed},
    place::{self, Place, Step},
    rng::Rng,
};
use sigward_document::{Map, SmolStr, Value, View, parse_json};

/// Texts that mean something to one rule or another.
const TEXTS: &[&str] = &[
    "",
    "*",
    "?*",
    "!*",
    "a",
    "A",
    "true",
    "false",
    "null",
    "0",
    "1",
    "-1",
    "1.5",
    "100Mi",
    "1Gi",
    "500m",
    "1h",
    "24h0m0s",
    ">1",
    "<=10",
    "1-5",
    "!a | !b",
    "a & b",
    "10Mi-1Gi",
    "1.2.3",
    ">=1.2.0",
    "2024-01-01T00:00:00Z",
    "10.0.0.0/8",
    "10.0.0.1",
    "default",
    "kube-system",
    "foo bar",
    "x/y",
    "ünï",
    "line\nline",
    "{{request.object.metadata.name}}",
    "{{ nope }}",
    "$(./name)",
    "0x10",
    "1e3",
];

/// References of images, sound and not.
const IMAGES: &[&str] = &[
    "nginx",
    "nginx:latest",
    "nginx:1.27",
    "ghcr.io/a/b:v1",
    "localhost:5000/x",
    "docker.io/library/busybox",
    "Nginx:1",
    "a//b",
    "registry.k8s.io/pause:3.9",
    "quay.io/o/i@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "x:1:2",
    "index.docker.io/y:latest",
    "a.b/c/d/e:tag",
];

/// Operators of conditions, old, new and none.
const OPERATORS: &[&str] = &[
    "Equals",
    "NotEquals",
    "In",
    "AnyIn",
    "AllIn",
    "NotIn",
    "AnyNotIn",
    "AllNotIn",
    "GreaterThan",
    "GreaterThanOrEquals",
    "LessThan",
    "LessThanOrEquals",
    "DurationGreaterThan",
    "DurationLessThanOrEquals",
    "Equal",
    "NotEqual",
];

/// Kinds as a match names them.
const KINDS: &[&str] = &[
    "Pod",
    "*",
    "Deployment",
    "apps/v1/Deployment",
    "apps/*/Deployment",
    "v1/Pod",
    "*/Pod",
    "Pod/*",
    "*/*",
    "Namespace",
    "CronJob",
    "batch/v1/CronJob",
    "ConfigMap",
    "Service",
    "StatefulSet",
    "v1/Secret",
    "Pod/status",
];

/// Parts of Pods that the controls of Pod security are about, and where they go.
const PARTS: &[(&str, &str)] = &[
    ("spec", r#"{"hostNetwork":true}"#),
    ("spec", r#"{"hostPID":true,"hostIPC":true}"#),
    (
        "spec",
        r#"{"securityContext":{"runAsNonRoot":true,"runAsUser":0,"seccompProfile":{"type":"Unconfined"}}}"#,
    ),
    (
        "spec",
        r#"{"securityContext":{"sysctls":[{"name":"kernel.msgmax","value":"1"}],"supplementalGroups":[0,100]}}"#,
    ),
    (
        "spec",
        r#"{"securityContext":{"seLinuxOptions":{"type":"container_t","user":"x"},"windowsOptions":{"hostProcess":true}}}"#,
    ),
    ("spec", r#"{"volumes":[{"name":"v","hostPath":{"path":"/etc"}},{"name":"w","emptyDir":{}}]}"#),
    (
        "spec",
        r#"{"serviceAccountName":"x","automountServiceAccountToken":false,"priorityClassName":"high"}"#,
    ),
    ("spec", r#"{"tolerations":[{"key":"a","operator":"Exists"}],"nodeSelector":{"a":"b"}}"#),
    (
        "spec",
        r#"{"initContainers":[{"name":"init","image":"busybox:1","securityContext":{"privileged":true}}]}"#,
    ),
    (
        "spec",
        r#"{"ephemeralContainers":[{"name":"debug","image":"busybox","securityContext":{"capabilities":{"add":["SYS_ADMIN"]}}}]}"#,
    ),
    ("containers", r#"{"securityContext":{"privileged":true,"allowPrivilegeEscalation":true}}"#),
    (
        "containers",
        r#"{"securityContext":{"capabilities":{"drop":["ALL"],"add":["NET_BIND_SERVICE","CHOWN"]},"procMount":"Unmasked"}}"#,
    ),
    (
        "containers",
        r#"{"securityContext":{"runAsNonRoot":false,"runAsUser":0,"readOnlyRootFilesystem":true}}"#,
    ),
    (
        "containers",
        r#"{"ports":[{"containerPort":80,"hostPort":80,"name":"http"}],"env":[{"name":"A","value":"b"}]}"#,
    ),
    (
        "containers",
        r#"{"resources":{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"memory":"0.5Gi"}}}"#,
    ),
    (
        "containers",
        r#"{"livenessProbe":{"exec":{"command":["jcmd"]}},"readinessProbe":{"httpGet":{"host":"1.2.3.4","port":80}}}"#,
    ),
    (
        "containers",
        r#"{"lifecycle":{"preStop":{"httpGet":{"host":"h","port":1}}},"volumeMounts":[{"name":"v","mountPath":"/v"}]}"#,
    ),
    ("metadata", r#"{"labels":{"app":"x","app.kubernetes.io/name":"y","foo":"bar"}}"#),
    (
        "metadata",
        r#"{"annotations":{"a":"b","container.apparmor.security.beta.kubernetes.io/c":"unconfined"}}"#,
    ),
    ("metadata", r#"{"ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n","uid":"u"}]}"#),
    ("metadata", r#"{"namespace":"kube-system"}"#),
    ("metadata", r#"{"deletionTimestamp":"2024-01-01T00:00:00Z"}"#),
    ("metadata", r#"{"generateName":"x-"}"#),
];

/// Material of one case: texts and values that its policies and resources speak of.
#[derive(Debug)]
pub(super) struct Pool {
    texts: Vec<String>,
    values: Vec<Value>,
}

impl Pool {
    /// Everything small that a case holds.
    pub(super) fn of(case: &Case) -> Self {
        let (mut texts, mut values) = (Vec::new(), Vec::new());
        for document in case.policies.iter().chain(&case.resources) {
            for place in place::all(document) {
                let Some(value) = place::get(document, &place) else { continue };
                match value.view() {
                    View::String(text) if text.len() < 80 => texts.push(text.to_owned()),
                    View::Map(_) | View::List(_) if value.to_json().len() < 400 => {
                        values.push(value.clone());
                    }
                    View::Null
                    | View::Bool(_)
                    | View::Int(_)
                    | View::Float(_)
                    | View::String(_)
                    | View::Map(_)
                    | View::List(_) => {}
                }
            }
        }
        Self { texts, values }
    }

    fn text(&self, rng: &mut Rng) -> String {
        if rng.chance(50)
            && let Some(text) = rng.pick(&self.texts)
        {
            return text.clone();
        }
        (*rng.pick(TEXTS).unwrap_or(&"")).to_owned()
    }
}

/// A resource with one to three changes. Kind, version and name stay, so that many fit into one file.
pub(super) fn resource(rng: &mut Rng, resource: &Value, pool: &Pool) -> Value {
    let mut changed = resource.clone();
    for _ in 0..=rng.below(3) {
        changed = if rng.chance(30) {
            add_part(rng, &changed)
        } else {
            vary(rng, &changed, pool, may_change)
        };
    }
    changed
}

/// The places that a resource keeps.
fn may_change(place: &[Step]) -> bool {
    let kept: [&[&str]; 4] = [&["apiVersion"], &["kind"], &["metadata"], &["metadata", "name"]];
    let names: Vec<&str> = place
        .iter()
        .filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::At(_) => None,
        })
        .collect();
    !kept.contains(&names.as_slice())
}

/// A document with something else at one place.
fn vary(rng: &mut Rng, document: &Value, pool: &Pool, may: impl Fn(&[Step]) -> bool) -> Value {
    let places: Vec<Place> = place::all(document).into_iter().filter(|place| may(place)).collect();
    let Some(place) = rng.pick(&places) else { return document.clone() };
    let Some(value) = place::get(document, place) else { return document.clone() };
    if rng.chance(25) {
        return place::with(document, place, None);
    }
    place::with(document, place, Some(other(rng, place, value, pool)))
}

/// Something else in the place of a value.
fn other(rng: &mut Rng, place: &[Step], value: &Value, pool: &Pool) -> Value {
    // The API server takes labels and annotations as maps of texts only.
    let is_text_map = place::passes(place, "labels") || place::passes(place, "annotations");
    if is_text_map && value.as_list().is_none() {
        let key = SmolStr::new(pool.text(rng));
        let text = Value::string(&pool.text(rng));
        return value.with_member(&key, text.clone()).unwrap_or(text);
    }
    let is_object_in_list = matches!(place.last(), Some(Step::At(_))) && value.as_map().is_some();
    if !is_object_in_list && rng.chance(12) {
        return of_another_type(rng, pool);
    }
    match value.view() {
        View::Null => of_another_type(rng, pool),
        View::Bool(is) => Value::bool(!is),
        View::Int(n) => match rng.below(6) {
            0 => Value::int(0),
            1 => Value::int(n.wrapping_add(1)),
            2 => Value::int(n.wrapping_neg()),
            3 => Value::float(1.5),
            4 => Value::string(&n.to_string()),
            _ => Value::int(1_000_000),
        },
        View::Float(n) => Value::float(n * 2.0),
        View::String(text) if place::key(place) == Some("image") => image(rng, text),
        View::String(text) => Value::string(&other_text(rng, text, pool)),
        View::List(items) => other_list(rng, items, pool),
        // Unknown fields there weaken nothing, and we say so and go on; items of lists stay what they are.
        View::Map(_) if ["match", "exclude"].iter().any(|name| place::passes(place, name)) => {
            value.clone()
        }
        View::Map(map) => {
            let key = SmolStr::new(pool.text(rng));
            if rng.chance(50) && !key.is_empty() {
                let text = Value::string(&pool.text(rng));
                return value.with_member(&key, text).unwrap_or_else(|| value.clone());
            }
            match rng.pick(&pool.values).filter(|other| other.as_map().is_some()) {
                Some(other) => Value::map(
                    map.members().chain(other.as_map().into_iter().flat_map(Map::members)).cloned(),
                ),
                None => Value::empty_map(),
            }
        }
    }
}

fn of_another_type(rng: &mut Rng, pool: &Pool) -> Value {
    match rng.below(8) {
        0 => Value::NULL,
        1 => Value::bool(rng.chance(50)),
        2 => Value::int(7),
        3 => Value::string(&pool.text(rng)),
        4 => Value::empty_list(),
        5 => Value::empty_map(),
        6 => Value::list([Value::string(&pool.text(rng))]),
        _ => rng.pick(&pool.values).cloned().unwrap_or(Value::NULL),
    }
}

fn image(rng: &mut Rng, text: &str) -> Value {
    let name = text.split([':', '@']).next().unwrap_or_default();
    let text = match rng.below(4) {
        0 => format!("{name}:latest"),
        1 => name.to_owned(),
        2 => format!("other.io/{name}:v2"),
        _ => (*rng.pick(IMAGES).unwrap_or(&"nginx")).to_owned(),
    };
    Value::string(&text)
}

fn other_text(rng: &mut Rng, text: &str, pool: &Pool) -> String {
    match rng.below(6) {
        0 => format!("{text}-x"),
        1 => text.to_uppercase(),
        2 => text.chars().skip(1).collect(),
        3 => format!("{text}*"),
        _ => pool.text(rng),
    }
}

fn other_list(rng: &mut Rng, items: &[Value], pool: &Pool) -> Value {
    let mut items = items.to_vec();
    match rng.below(5) {
        0 => items.reverse(),
        // Objects twice in a list are none that the API server has: they have a key in common.
        1 => items.extend(items.first().filter(|first| first.as_map().is_none()).cloned()),
        2 if items.first().is_none_or(|first| first.as_map().is_none()) => {
            items.push(of_another_type(rng, pool));
        }
        3 => items.clear(),
        _ => {
            items.pop();
        }
    }
    Value::list(items)
}

/// A resource with a part that controls are about, wherever its Pod is.
fn add_part(rng: &mut Rng, resource: &Value) -> Value {
    let Some((whereto, part)) = rng.pick(PARTS) else { return resource.clone() };
    let Ok(part) = parse_json(part.as_bytes()) else { return resource.clone() };
    let about = |place: &Place| match *whereto {
        "containers" => {
            matches!(place.as_slice(), [.., Step::Key(key), Step::At(_)] if key == "containers" || key == "initContainers")
        }
        "metadata" => {
            place::key(place) == Some("metadata") && matches!(place.last(), Some(Step::Key(_)))
        }
        _ => place::get(resource, place).is_some_and(|value| value.get("containers").is_some()),
    };
    let places: Vec<Place> = place::all(resource).into_iter().filter(about).collect();
    let Some(place) = rng.pick(&places) else { return resource.clone() };
    let Some(map) = place::get(resource, place).and_then(Value::as_map) else {
        return resource.clone();
    };
    let added = part.as_map().into_iter().flat_map(Map::members);
    place::with(resource, place, Some(Value::map(map.members().chain(added).cloned())))
}

/// A policy with one or two changes.
pub(super) fn policy(rng: &mut Rng, policy: &Value, pool: &Pool) -> Value {
    let mut changed = policy.clone();
    for _ in 0..=rng.below(2) {
        changed = match rng.below(10) {
            0 => setting(rng, &changed),
            1 | 2 => turn_named(rng, &changed, "operator", OPERATORS),
            3 => turn_named(rng, &changed, "kinds", KINDS),
            4 => turn_anchor(rng, &changed),
            5 => break_variable(rng, &changed),
            6 => pod_security(rng, &changed),
            _ => vary(rng, &changed, pool, in_a_rule),
        };
    }
    changed
}

/// What is inside of the rules, with the names of actions left alone mostly: a policy that is refused shows little.
fn in_a_rule(place: &[Step]) -> bool {
    let inner = [
        "pattern",
        "anyPattern",
        "conditions",
        "preconditions",
        "patchStrategicMerge",
        "patchesJson6902",
        "match",
        "exclude",
    ];
    let other = ["message", "foreach", "context", "podSecurity", "data", "deny"];
    let beyond = |name: &str| place::passes(place, name) && place::key(place) != Some(name);
    place.len() > 3 && inner.iter().chain(&other).any(|name| beyond(name))
}

/// A policy-wide or rule-wide setting, set to one of its values.
fn setting(rng: &mut Rng, policy: &Value) -> Value {
    let spec: &[(&str, &str)] = &[
        ("validationFailureAction", "\"Audit\""),
        ("validationFailureAction", "\"Enforce\""),
        ("background", "false"),
        ("background", "true"),
        ("applyRules", "\"One\""),
        ("failurePolicy", "\"Ignore\""),
        ("schemaValidation", "false"),
        ("emitWarning", "true"),
        ("admission", "false"),
        ("rules", "[]"),
        ("validationFailureActionOverrides", r#"[{"action":"Audit","namespaces":["default"]}]"#),
        ("validationFailureActionOverrides", r#"[{"action":"Enforce","namespaces":["*"]}]"#),
    ];
    let annotations: &[(&str, &str)] = &[
        ("pod-policies.kyverno.io/autogen-controllers", "\"none\""),
        ("pod-policies.kyverno.io/autogen-controllers", "\"Deployment,CronJob\""),
        ("pod-policies.kyverno.io/autogen-controllers", "\"all\""),
        ("policies.kyverno.io/scored", "\"false\""),
        ("policies.kyverno.io/severity", "\"high\""),
        ("policies.kyverno.io/category", "\"Other\""),
    ];
    let rule: &[(&str, &str)] = &[
        ("failureAction", "\"Audit\""),
        ("failureAction", "\"Enforce\""),
        ("allowExistingViolations", "false"),
        ("message", "\"{{request.object.metadata.name}} is {{ nope }}\""),
        ("message", "\"\""),
    ];
    let actions: Vec<Place> = place::all(policy)
        .into_iter()
        .filter(|place| matches!(place.as_slice(), [.., Step::At(_), Step::Key(key)] if key == "validate"))
        .collect();
    let (top, (key, value)) = match rng.below(4) {
        0 => (
            vec![Step::Key("metadata".into()), Step::Key("annotations".into())],
            rng.pick(annotations),
        ),
        1 if !actions.is_empty() => {
            (rng.pick(&actions).cloned().unwrap_or_default(), rng.pick(rule))
        }
        _ => (vec![Step::Key("spec".into())], rng.pick(spec)),
    }
    .map_second();
    let Ok(value) = parse_json(value.as_bytes()) else { return policy.clone() };
    let Some(map) = place::get(policy, &top) else { return policy.clone() };
    let changed = map.with_member(key, value).unwrap_or_else(|| map.clone());
    place::with(policy, &top, Some(changed))
}

/// A choice whose list was not empty.
trait MapSecond {
    fn map_second(self) -> (Place, (&'static str, &'static str));
}

impl MapSecond for (Place, Option<&(&'static str, &'static str)>) {
    fn map_second(self) -> (Place, (&'static str, &'static str)) {
        (self.0, self.1.copied().unwrap_or(("background", "true")))
    }
}

/// One text below a member of this name, turned into another of the list.
fn turn_named(rng: &mut Rng, policy: &Value, name: &str, into: &[&str]) -> Value {
    let is_text =
        |place: &Place| place::get(policy, place).is_some_and(|value| value.as_str().is_some());
    let places: Vec<Place> = place::all(policy)
        .into_iter()
        .filter(|place| place::key(place) == Some(name) && is_text(place))
        .collect();
    let (Some(place), Some(text)) = (rng.pick(&places), rng.pick(into)) else {
        return policy.clone();
    };
    place::with(policy, place, Some(Value::string(text)))
}

/// One key of a pattern with another anchor, or none.
fn turn_anchor(rng: &mut Rng, policy: &Value) -> Value {
    let patterns = ["pattern", "anyPattern", "patchStrategicMerge"];
    let in_pattern = |place: &Place| {
        matches!(place.last(), Some(Step::Key(_)))
            && patterns
                .iter()
                .any(|name| place::passes(place, name) && place::key(place) != Some(name))
    };
    let places: Vec<Place> = place::all(policy).into_iter().filter(in_pattern).collect();
    let Some(place) = rng.pick(&places) else { return policy.clone() };
    let (Some(Step::Key(key)), Some(value)) = (place.last(), place::get(policy, place)) else {
        return policy.clone();
    };
    let bare = key.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(key);
    let anchor = rng.pick(&["", "(", "=(", "^(", "X(", "<(", "+("]).copied().unwrap_or_default();
    let turned = if anchor.is_empty() { bare.to_owned() } else { format!("{anchor}{bare})") };
    let without = place::with(policy, place, None);
    let Some((_, parent)) = place.split_last() else { return policy.clone() };
    let Some(map) = place::get(&without, parent) else { return policy.clone() };
    place::with(&without, parent, map.with_member(&turned, value.clone()))
}

/// One variable that is misspelt, has a default or is something else.
fn break_variable(rng: &mut Rng, policy: &Value) -> Value {
    let has_variable = |place: &Place| {
        place::get(policy, place).and_then(Value::as_str).is_some_and(|text| text.contains("{{"))
    };
    let places: Vec<Place> = place::all(policy).into_iter().filter(has_variable).collect();
    let Some(place) = rng.pick(&places) else { return policy.clone() };
    let Some((before, rest)) =
        place::get(policy, place).and_then(Value::as_str).and_then(|text| text.split_once("{{"))
    else {
        return policy.clone();
    };
    let Some((inner, after)) = rest.split_once("}}") else { return policy.clone() };
    let inner = match rng.below(7) {
        0 => inner.replacen("object", "oldObject", 1),
        1 => format!("{inner} || 'x'"),
        2 => format!("{inner} | to_string(@)"),
        3 => format!("{} ", inner.trim().strip_suffix(|_: char| true).unwrap_or_default()),
        4 => "request.object.metadata.nope".to_owned(),
        5 => format!("length({})", inner.trim()),
        _ => format!("{}[0]", inner.trim()),
    };
    place::with(policy, place, Some(Value::string(&format!("{before}{{{{{inner}}}}}{after}"))))
}

/// Pod security at another level, of another version, or with other exclusions.
fn pod_security(rng: &mut Rng, policy: &Value) -> Value {
    let places: Vec<Place> = place::all(policy)
        .into_iter()
        .filter(|place| {
            place::key(place) == Some("podSecurity") && matches!(place.last(), Some(Step::Key(_)))
        })
        .collect();
    let Some(place) = rng.pick(&places) else { return setting(rng, policy) };
    let level = rng.pick(&["baseline", "restricted", "privileged"]).copied().unwrap_or_default();
    let version =
        rng.pick(&["latest", "v1.24", "v1.19", "v1.29", "v1.34"]).copied().unwrap_or_default();
    let excludes = [
        "[]",
        r#"[{"controlName":"Capabilities","images":["nginx*","*busybox*"]}]"#,
        r#"[{"controlName":"Seccomp"},{"controlName":"Seccomp","images":["*"]}]"#,
        r#"[{"controlName":"Running as Non-root","images":["*"],"restrictedField":"spec.containers[*].securityContext.runAsNonRoot","values":["false"]}]"#,
        r#"[{"controlName":"Host Namespaces"}]"#,
        r#"[{"controlName":"Volume Types","restrictedField":"spec.volumes[*].hostPath","values":["*"]}]"#,
        r#"[{"controlName":"Privilege Escalation","images":["nginx"]},{"controlName":"Running as Non-root"}]"#,
        r#"[{"controlName":"Capabilities","images":["*"],"restrictedField":"spec.containers[*].securityContext.capabilities.add","values":["CHOWN","SYS_*"]}]"#,
    ];
    let excluded = rng
        .pick(&excludes)
        .and_then(|text| parse_json(text.as_bytes()).ok())
        .unwrap_or(Value::NULL);
    let made = Value::build()
        .member("level", Value::string(level))
        .member("version", Value::string(version))
        .member("exclude", excluded)
        .finish();
    place::with(policy, place, Some(made))
}

/// Any document with one change anywhere but in what says what it is.
pub(super) fn document(rng: &mut Rng, document: &Value, pool: &Pool) -> Value {
    vary(rng, document, pool, may_change)
}

/// Mutants of the resources of a case, each under a name of its own or, sometimes, under the old one.
pub(super) fn resources(rng: &mut Rng, case: &Case, pool: &Pool, count: usize) -> Vec<Value> {
    let mut mutants = Vec::new();
    for at in 0..count {
        let Some(original) = rng.pick(&case.resources) else { break };
        let mutant = resource(rng, original, pool);
        let name = name_of(original);
        // Values and matches go by the name: the first of each name keeps it.
        let is_taken = mutants.iter().any(|other| name_of(other) == name);
        mutants.push(if is_taken { renamed(&mutant, &format!("{name}-{at}")) } else { mutant });
    }
    mutants
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case() -> Case {
        let of = |text: &str| parse_json(text.as_bytes()).unwrap();
        Case {
            policies: vec![of(
                r#"{"kind":"ClusterPolicy","metadata":{"name":"p","annotations":{}},"spec":{"rules":[{"name":"r",
                "match":{"any":[{"resources":{"kinds":["Pod"]}}]},"validate":{"message":"{{request.object.kind}}",
                "pattern":{"metadata":{"labels":{"a":"?*"}}}}}]}}"#,
            )],
            resources: vec![of(
                r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"nginx"}]}}"#,
            )],
            ..Case::default()
        }
    }

    #[test]
    fn a_round_makes_the_same_mutants_again_and_they_keep_what_they_are() {
        let case = case();
        let pool = Pool::of(&case);
        let mut changed = 0;
        for round in 0..200 {
            let mutants = resources(&mut Rng::new(1, round), &case, &pool, 4);
            assert_eq!(mutants, resources(&mut Rng::new(1, round), &case, &pool, 4));
            for mutant in &mutants {
                assert_eq!(mutant.str_at(&["kind"]), Some("Pod"));
                assert!(name_of(mutant).starts_with('a'));
                changed += usize::from(Some(mutant) != case.resources.first());
            }
        }
        assert!(changed > 600, "{changed}");
    }

    #[test]
    fn policies_are_changed_inside_of_their_rules() {
        let case = case();
        let pool = Pool::of(&case);
        let original = case.policies.first().unwrap();
        let mutants: Vec<Value> =
            (0..200).map(|round| policy(&mut Rng::new(1, round), original, &pool)).collect();
        assert!(mutants.iter().filter(|mutant| *mutant != original).count() > 120);
        assert!(mutants.iter().all(|mutant| name_of(mutant) == "p"));
    }
}
