//! `validate.podSecurity`: verdicts on Pods and controllers, exceptions, reports, and upstream's own cases.
use crate::{
    articles::shared_root,
    validate::yaml,
    world::{World, request},
};
use sigward_document::Value;
use sigward_policy::{
    compile::Severity,
    decision::{Decision, Status},
    request::{Lazy, Operation, Request, Stage},
};
use std::{fs, path::Path};

fn policy(standard: &str) -> String {
    let text = format!(
        "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: p}}, spec: {{rules: \
         [{{name: r, match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}, validate: {{failureAction: Enforce, podSecurity: {standard}}}}}]}}}}"
    );
    yaml(&text).to_json()
}

fn exception(name: &str, controls: &str) -> String {
    let text = format!(
        "{{apiVersion: kyverno.io/v2, kind: PolicyException, metadata: {{name: {name}, namespace: ns}}, spec: {{match: {{any: \
         [{{resources: {{kinds: [Pod]}}}}]}}, exceptions: [{{policyName: p, ruleNames: ['*']}}], {controls}}}}}"
    );
    yaml(&text).to_json()
}

fn world(standard: &str, exceptions: &[String]) -> World {
    let mut world = World::new();
    world.policies.push(policy(standard));
    world.settings.exceptions_enabled = true;
    world.settings.exception_namespace = "*".into();
    world.exceptions.extend_from_slice(exceptions);
    world
}

fn create(kind: &str, spec: &str) -> Request {
    let object =
        yaml(&format!("{{apiVersion: v1, kind: {kind}, metadata: {{name: o}}, spec: {spec}}}"));
    request(kind, Stage::Validating, &object.to_json())
}

fn outcome(decision: &Decision) -> String {
    match decision.rules.as_slice() {
        [] => String::new(),
        [rule] => format!("{}: {}", rule.status.as_str(), rule.message),
        several => panic!("{several:#?}"),
    }
}

#[test]
fn a_pod_is_judged_in_the_words_of_upstream() {
    let world = world("{level: baseline, version: latest}", &[]);
    let bad = world.decide(create("Pod", "{hostPID: true, containers: [{name: a, image: nginx}]}"));
    assert!(!bad.allowed);
    assert_eq!(
        outcome(&bad),
        "fail: Validation rule 'r' failed. It violates PodSecurity \"baseline:latest\": (Forbidden reason: host namespaces, field error list: [spec.hostPID is forbidden, forbidden values found: true])"
    );
    let properties: Vec<&str> =
        bad.rules[0].properties.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(properties, ["standard", "version", "controls", "controlsJSON"]);
    let good = world.decide(create("Pod", "{containers: [{name: a, image: nginx}]}"));
    assert_eq!(outcome(&good), "pass: Validation rule 'r' passed.");
    assert!(good.allowed && good.rules[0].properties.is_empty());
}

#[test]
fn controllers_are_judged_by_their_pod_template() {
    let world = world("{level: baseline}", &[]);
    let template = "{spec: {hostPID: true, containers: [{name: a, image: nginx}]}}";
    let mut deployment = create("Deployment", &format!("{{template: {template}}}"));
    deployment.kind.group = "apps".into();
    let decision = world.decide(deployment);
    assert_eq!(decision.rules[0].rule, "autogen-r");
    assert!(outcome(&decision).ends_with("PodSecurity \"baseline:\": (Forbidden reason: host namespaces, field error list: [spec.template.spec.hostPID is forbidden, forbidden values found: true])"), "{}", outcome(&decision));
    let mut cron_job =
        create("CronJob", &format!("{{jobTemplate: {{spec: {{template: {template}}}}}}}"));
    cron_job.kind.group = "batch".into();
    let decision = world.decide(cron_job);
    assert_eq!(decision.rules[0].rule, "autogen-cronjob-r");
    assert!(!decision.allowed);
}

#[test]
fn what_is_deleted_is_not_judged_and_what_cannot_be_read_is_an_error() {
    let world = world("{level: baseline}", &[]);
    let bad = create("Pod", "{hostPID: true}");
    let old = bad.object.value().unwrap().clone();
    let delete = Request {
        operation: Operation::Delete,
        object: Lazy::empty(),
        old_object: Lazy::from_value(old),
        ..bad
    };
    assert_eq!(outcome(&world.decide(delete)), "");
    let decision = world.decide(create("Pod", "{hostPID: 'yes'}"));
    assert_eq!(
        outcome(&decision),
        "error: Error while getting new resource: spec.hostPID: expected a boolean, found string"
    );
    assert!(!decision.allowed);
}

#[test]
fn a_pod_that_broke_the_standard_before_may_be_updated() {
    let world = world("{level: baseline}", &[]);
    let update = |old: &str, new: &str| {
        let old = create("Pod", old).object.value().unwrap().clone();
        let new = create("Pod", new);
        outcome(&world.decide(Request {
            operation: Operation::Update,
            old_object: Lazy::from_value(old),
            ..new
        }))
    };
    assert_eq!(
        update("{hostIPC: true}", "{hostPID: true}"),
        "skip: skipping the rule evaluation as pre-existing violations are allowed"
    );
    assert!(update("{}", "{hostPID: true}").starts_with("fail: "));
}

#[test]
fn exceptions_of_controls_take_out_what_they_name() {
    let namespaces = exception("a", "podSecurity: [{controlName: Host Namespaces}]");
    let process = exception("b", "podSecurity: [{controlName: HostProcess}]");
    let plain = exception("c", "");
    let both = "{hostPID: true, securityContext: {windowsOptions: {hostProcess: true}}}";
    let decide = |exceptions: &[String], spec: &str| {
        let decision = world("{level: baseline}", exceptions).decide(create("Pod", spec));
        (outcome(&decision), decision.rules[0].exceptions.clone())
    };
    let (text, names) = decide(&[namespaces.clone(), process.clone()], both);
    assert_eq!(text, "skip: rule is skipped due to policy exceptions ns/a, ns/b");
    assert_eq!(names, ["ns/a", "ns/b"]);
    let (text, names) = decide(std::slice::from_ref(&process), both);
    assert!(text.contains("host namespaces") && !text.contains("hostProcess"), "{text}");
    assert!(names.is_empty());
    assert_eq!(
        decide(&[namespaces, plain], both).0,
        "skip: rule is skipped due to policy exception ns/c"
    );
    assert_eq!(decide(&[process], "{}").0, "pass: Validation rule 'r' passed.");
}

#[test]
fn two_exceptions_never_allow_what_neither_does() {
    let own = |name: &str| exception(name, "podSecurity: [{controlName: Seccomp}]");
    let context =
        "{allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: {drop: [ALL]}}";
    let spec = format!(
        "{{containers: [{{name: a, securityContext: {context}}}, {{name: b, securityContext: {context}}}]}}"
    );
    let decision = world("{level: restricted}", &[own("a"), own("b")]).decide(create("Pod", &spec));
    assert!(!decision.allowed, "{}", outcome(&decision));
}

#[test]
fn a_message_names_a_hundred_fields_of_a_check() {
    let containers = |count: usize| {
        let one = |i| format!("{{\"name\":\"c{i}\",\"securityContext\":{{\"privileged\":true}}}}");
        format!("{{containers: [{}]}}", (0..count).map(one).collect::<Vec<_>>().join(","))
    };
    let world = world("{level: baseline}", &[]);
    let text = outcome(&world.decide(create("Pod", &containers(103))));
    assert_eq!(text.matches("privileged is forbidden").count(), 100);
    assert!(text.ends_with(", and 3 more])"), "{text}");
    let text = outcome(&world.decide(create("Pod", &containers(100))));
    assert!(!text.contains("more"), "{text}");
}

#[test]
fn what_is_broken_is_told_in_one_order() {
    let world = world("{level: restricted}", &[]);
    let decide = || outcome(&world.decide(create("Pod", "{containers: [{name: a}]}")));
    let text = decide();
    let reasons = ["allowPrivilegeEscalation", "capabilities", "runAsNonRoot", "seccompProfile"];
    let places: Vec<usize> = reasons.iter().filter_map(|reason| text.find(reason)).collect();
    assert!(places.len() == reasons.len() && places.is_sorted(), "{text}");
    assert_eq!(decide(), text);
}

#[test]
fn exclusions_over_very_many_containers_take_linear_time() {
    let one = |i| format!("{{\"name\":\"c{i}\",\"image\":\"x\"}}");
    let containers = (0..50_000).map(one).collect::<Vec<_>>().join(",");
    let text = format!("{{\"kind\":\"Pod\",\"spec\":{{\"containers\":[{containers}]}}}}");
    let exclude = "[{controlName: Capabilities, images: ['*']}, {controlName: Privilege Escalation, images: [other]}]";
    let world = world(&format!("{{level: restricted, exclude: {exclude}}}"), &[]);
    let decision = world.decide(request("Pod", Stage::Validating, &text));
    let told = outcome(&decision);
    assert!(told.contains("and 49900 more") && !told.contains("capabilities"), "{told}");
}

#[test]
fn an_exception_of_controls_takes_out_no_other_rule() {
    let mut world = World::new();
    world.settings.exceptions_enabled = true;
    world.settings.exception_namespace = "*".into();
    let text = "{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {name: p}, spec: {rules: [{name: r, match: {any: \
                [{resources: {kinds: [Pod]}}]}, validate: {failureAction: Enforce, pattern: {spec: {hostPID: false}}}}]}}";
    world.policies.push(yaml(text).to_json());
    world.exceptions.push(exception("a", "podSecurity: [{controlName: Host Namespaces}]"));
    assert_eq!(world.decide(create("Pod", "{hostPID: true}")).rules[0].status, Status::Fail);
}

#[test]
fn exclusions_are_checked_when_the_policy_is_loaded() {
    let control =
        |control: &str| format!("{{level: baseline, exclude: [{{controlName: {control}}}]}}");
    let field = "restrictedField: 'spec.containers[*].securityContext.procMount'";
    let at = "spec.rules[0].podSecurity.exclude[0]";
    for (standard, path, message) in [
        (
            control("Volume Types"),
            format!("{at}.controlName"),
            "Invalid control name defined at the given level",
        ),
        (
            control("Running as Non-root"),
            format!("{at}.controlName"),
            "Invalid control name defined at the given level",
        ),
        (
            control("Capabilities"),
            format!("{at}.controlName"),
            "exclude.images must be specified for the container level control",
        ),
        (
            control("Sysctls, images: ['*']"),
            format!("{at}.controlName"),
            "exclude.images must not be specified for the pod level control",
        ),
        (
            control(&format!("/proc Mount Type, images: ['*'], {field}")),
            format!("{at}.values"),
            "values is required",
        ),
        (
            control("/proc Mount Type, images: ['*'], values: [x]"),
            format!("{at}.restrictedField"),
            "restrictedField is required",
        ),
    ] {
        let compiled = World::new().compiled(&policy(&standard));
        let errors: Vec<_> =
            compiled.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
        assert!(
            errors.iter().any(|d| d.path == path && d.message == message),
            "{standard}: {errors:#?}"
        );
    }
    for good in [
        "{level: baseline, exclude: [{controlName: Seccomp}]}",
        "{level: restricted, version: v1.19}",
        "{level: privileged}",
    ] {
        let compiled = World::new().compiled(&policy(good));
        assert!(compiled.value.is_some(), "{good}: {:#?}", compiled.diagnostics);
    }
    for bad in [
        "{level: hard}",
        "{level: baseline, version: '1.24'}",
        "{level: baseline, exclude: [{controlName: Fun}]}",
    ] {
        assert!(World::new().compiled(&policy(bad)).value.is_none(), "{bad}");
    }
}

fn documents(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    sigward_document::parse_yaml_stream(&text)
        .into_iter()
        .flatten()
        .map(|written| written.value)
        .collect()
}

/// One folder of upstream's: its policy and exceptions, and the Pods that they allow and refuse.
fn judge_folder(folder: &Path, judged: &mut usize) {
    let mut world = World::new();
    world.settings.exceptions_enabled = true;
    world.settings.exception_namespace = "*".into();
    let files: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    for document in files.iter().flat_map(|path| documents(path)) {
        match document.str_at(&["kind"]) {
            Some("ClusterPolicy") => world.policies.push(document.to_json()),
            Some("PolicyException") => world.exceptions.push(document.to_json()),
            _ => {}
        }
    }
    for path in &files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let allowed = ["good", "excluded", "allowed"].iter().any(|word| name.contains(word));
        let refused = ["bad", "rejected"].iter().any(|word| name.contains(word));
        if !allowed && !refused {
            continue;
        }
        for document in documents(path) {
            let kind = document.str_at(&["kind"]).unwrap().to_owned();
            let namespace = document.str_at(&["metadata", "namespace"]).unwrap_or("default").into();
            let mut request = request(&kind, Stage::Validating, &document.to_json());
            request.namespace = namespace;
            let decision = world.decide(request);
            assert_eq!(decision.allowed, allowed, "{}: {:#?}", path.display(), decision.rules);
            *judged += 1;
        }
    }
}

#[test]
fn upstreams_pods_are_allowed_and_refused_as_upstream_does() {
    let Some(root) = shared_root() else { return };
    let chainsaw = root.join("conformance/kyverno/test/conformance/chainsaw");
    let mut judged = 0;
    for parent in [
        "validate/clusterpolicy/standard/psa",
        "validate/clusterpolicy/standard/psa-deprecated",
        "validate/clusterpolicy/cornercases",
        "exceptions",
    ] {
        let Ok(folders) = fs::read_dir(chainsaw.join(parent)) else { continue };
        for folder in folders.flatten().map(|entry| entry.path()) {
            let policy = fs::read_to_string(folder.join("policy.yaml")).unwrap_or_default();
            if policy.contains("podSecurity:") {
                judge_folder(&folder, &mut judged);
            }
        }
    }
    assert!(judged > 40, "only {judged} Pods");
}
