//! Validate and mutate rules through the API server: what users see, what is stored, what is told afterwards.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Case;
use super::admission::{inline, keys};
use super::scratch::{Ran, Scratch};
use super::stage::{SOON, Stage, on_stage, signed_image};
use super::tools::Tool;
use super::world::World;
use crate::process;

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &str, claim: &str, run: fn(&World, &Scratch) -> Result<()>| {
        Case::new(name, claim, run).needs(&["serve"]).alone()
    };
    vec![
        case(
            "a_validate_rule_denies_in_kyvernos_words",
            "pattern, anyPattern, deny and foreach, each with its text in the denial of the API server",
            a_validate_rule_denies_in_kyvernos_words,
        ),
        case(
            "an_audited_rule_warns_when_it_is_told_to_and_reports_always",
            "Audit admits; emitWarning warns; the report and the event hold the message",
            an_audited_rule_warns_when_it_is_told_to_and_reports_always,
        ),
        case(
            "a_blocked_resource_is_an_event_and_no_report",
            "the event on the policy says (blocked); nothing is reported of what does not exist",
            a_blocked_resource_is_an_event_and_no_report,
        ),
        case(
            "existing_violations_may_stay_until_the_rule_forbids_them",
            "an update of a Pod that violated before is let through; with allowExistingViolations: false it is not",
            existing_violations_may_stay_until_the_rule_forbids_them,
        ),
        case(
            "deletions_and_subresources_are_decided_too",
            "DELETE, scale and exec by their own kinds and operations",
            deletions_and_subresources_are_decided_too,
        ),
        case(
            "pod_security_standards_deny_by_level",
            "a baseline rule names the controls that a Pod breaks, and an excluded control is excluded",
            pod_security_standards_deny_by_level,
        ),
        case(
            "mutate_rules_of_all_three_forms_change_what_is_stored",
            "patchStrategicMerge, patchesJson6902 and foreach",
            mutate_rules_of_all_three_forms_change_what_is_stored,
        ),
        case(
            "mutate_rules_of_one_policy_run_before_the_verification_of_another",
            "a foreach moves every image to the mirror, and the mirror's signature is what counts",
            mutate_rules_of_one_policy_run_before_the_verification_of_another,
        ),
        case(
            "rules_that_wait_for_the_cluster_side_say_so_and_block_nothing",
            "generate rules and mutate.targets: a warning when the policy is made, its status afterwards",
            rules_that_wait_for_the_cluster_side_say_so_and_block_nothing,
        ),
    ]
}

/// A ClusterPolicy with these rules, as JSON.
pub(super) fn policy(name: &str, rules: &Value) -> Value {
    json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": { "name": name },
        "spec": { "background": false, "rules": rules },
    })
}

/// What a rule for Pods matches: those of the case itself, so that what the control plane makes is left alone.
pub(super) fn pods(pattern: &str) -> Value {
    json!({ "any": [{ "resources": { "kinds": ["Pod"], "names": [pattern] } }] })
}

/// A rule that wants the label `team`.
pub(super) fn wants_team(pattern: &str, action: &str) -> Value {
    json!({
        "name": "require-team",
        "match": pods(pattern),
        "validate": {
            "failureAction": action,
            "message": "label team is required",
            "pattern": { "metadata": { "labels": { "team": "?*" } } },
        },
    })
}

/// The words of the failure of [`wants_team`].
pub(super) const NO_TEAM: &str = "validation error: label team is required. rule require-team failed at path /metadata/labels/team/";

/// An image that nobody has to pull.
pub(super) const IMAGE: &str = "registry.example.test/app:v1";

/// Asks for a Pod, with further words of `kubectl run`.
pub(super) fn run(stage: &Stage, scratch: &Scratch, words: &str) -> Result<Ran> {
    stage.kubectl(scratch, &format!("run {words} --image={IMAGE}"))
}

fn a_validate_rule_denies_in_kyvernos_words(world: &World, scratch: &Scratch) -> Result<()> {
    let rules = json!([
        wants_team("words*", "Enforce"),
        {
            "name": "tagged",
            "match": pods("words*"),
            "validate": {
                "failureAction": "Enforce",
                "message": "a tag or a digest is required",
                "anyPattern": [
                    { "spec": { "containers": [{ "image": "*:v2" }] } },
                    { "spec": { "containers": [{ "image": "*@sha256:*" }] } },
                ],
            },
        },
        {
            "name": "no-bare-pods",
            "match": pods("words*"),
            "validate": {
                "failureAction": "Enforce",
                "message": "{{ request.object.metadata.name }} is a bare Pod",
                "deny": { "conditions": { "any": [{
                    "key": "{{ request.object.metadata.ownerReferences || `[]` | length(@) }}",
                    "operator": "Equals",
                    "value": 0,
                    "message": "it has no owner",
                }] } },
            },
        },
        {
            "name": "known-registries",
            "match": pods("words*"),
            "validate": {
                "failureAction": "Enforce",
                "message": "unknown registry",
                "foreach": [{
                    "list": "request.object.spec.containers",
                    "pattern": { "image": "ghcr.io/*" },
                }],
            },
        },
    ]);
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "words", &policy("words", &rules).to_string())?;
        run(stage, scratch, "words")?.refused(&[
            "admission webhook \"validate.kyverno.svc-fail\" denied the request",
            "resource Pod/default/words was blocked due to the following policies",
            &format!("require-team: '{NO_TEAM}'"),
            "validation error: a tag or a digest is required. rule tagged[0] failed at path /spec/containers/0/image/ rule tagged[1] failed at path /spec/containers/0/image/",
            "words is a bare Pod; it has no owner",
            "validation failure: validation error: unknown registry. rule known-registries failed at path /image/",
        ])?;
        // A Deployment is judged by what it would make.
        stage.kubectl(scratch, &format!("create deployment words --image={IMAGE}"))?.succeeded()?;
        Ok(())
    })
}

fn an_audited_rule_warns_when_it_is_told_to_and_reports_always(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let mut loud = policy("loud", &json!([wants_team("loud*", "Audit")]));
    set(&mut loud, "/spec", "emitWarning", json!(true))?;
    let quiet = policy("quiet", &json!([wants_team("quiet*", "Audit")]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "loud", &loud.to_string())?;
        stage.load(scratch, "quiet", &quiet.to_string())?;
        run(stage, scratch, "loud")?
            .succeeded()?
            .says(&[&format!("Warning: policy loud.require-team: {NO_TEAM}")])?;
        let said = run(stage, scratch, "quiet")?.succeeded()?;
        ensure!(!said.said().contains("Warning"), "a warning that nobody asked for:\n{said}");
        for name in ["loud", "quiet"] {
            let results = reported(stage, scratch, &format!("pod {name}"))?;
            let result = results.first().context("no result")?;
            let text = |key: &str| result.get(key).and_then(Value::as_str).unwrap_or_default();
            ensure!(
                (text("policy"), text("rule"), text("result"), text("message"))
                    == (name, "require-team", "fail", NO_TEAM),
                "{name} is reported as {result}"
            );
            event(stage, scratch, &format!("policy {name}/require-team fail: {NO_TEAM}"), "Pod")?;
            event(
                stage,
                scratch,
                &format!("Pod default/{name}: [require-team] fail; {NO_TEAM}"),
                "ClusterPolicy",
            )?;
        }
        run(stage, scratch, "quiet-good --labels=team=a")?.succeeded()?;
        let results = reported(stage, scratch, "pod quiet-good")?;
        let result = results.first().context("no result")?;
        ensure!(
            result.get("result").and_then(Value::as_str) == Some("pass")
                && result.get("message").and_then(Value::as_str)
                    == Some("validation rule 'require-team' passed."),
            "a good Pod is reported as {result}"
        );
        Ok(())
    })
}

fn a_blocked_resource_is_an_event_and_no_report(world: &World, scratch: &Scratch) -> Result<()> {
    let strict = policy("strict", &json!([wants_team("strict*", "Enforce")]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "strict", &strict.to_string())?;
        run(stage, scratch, "strict")?.refused(&[NO_TEAM])?;
        event(
            stage,
            scratch,
            &format!("Pod default/strict: [require-team] fail (blocked); {NO_TEAM}"),
            "ClusterPolicy",
        )?;
        let reports = stage.get(scratch, "policyreports --namespace default")?;
        let of_it = reports
            .pointer("/items")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter(|one| one.pointer("/scope/name").and_then(Value::as_str) == Some("strict"))
            .count();
        ensure!(of_it == 0, "a Pod that was never made has a report");
        Ok(())
    })
}

fn existing_violations_may_stay_until_the_rule_forbids_them(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let lenient = policy("stay", &json!([wants_team("stay*", "Enforce")]));
    let mut strict = lenient.clone();
    set(&mut strict, "/spec/rules/0/validate", "allowExistingViolations", json!(false))?;
    on_stage(world, scratch, |stage| {
        run(stage, scratch, "stay-old")?.succeeded()?;
        stage.load(scratch, "stay", &lenient.to_string())?;
        run(stage, scratch, "stay-good --labels=team=a,tier=web")?.succeeded()?;
        stage.kubectl(scratch, "label pod stay-old tier=web")?.succeeded()?;
        // What was good may not become bad.
        stage.kubectl(scratch, "label pod stay-good team-")?.refused(&[NO_TEAM])?;
        stage.load(scratch, "stay", &strict.to_string())?;
        stage.kubectl(scratch, "label pod stay-old tier=db --overwrite")?.refused(&[NO_TEAM])?;
        stage.kubectl(scratch, "label pod stay-old team=a")?.succeeded()?;
        Ok(())
    })
}

fn deletions_and_subresources_are_decided_too(world: &World, scratch: &Scratch) -> Result<()> {
    let denied = |name: &str, kind: &str, operation: &str, message: &str, condition: Value| {
        json!({
            "name": name,
            "match": { "any": [{ "resources": { "kinds": [kind], "operations": [operation] } }] },
            "validate": {
                "failureAction": "Enforce",
                "message": message,
                "deny": { "conditions": { "all": [condition] } },
            },
        })
    };
    let rules = json!([
        denied(
            "kept",
            "ConfigMap",
            "DELETE",
            "{{ request.oldObject.metadata.name }} is kept",
            json!({
                "key": "{{ request.oldObject.metadata.labels.keep || '' }}",
                "operator": "Equals",
                "value": "yes",
            }),
        ),
        denied(
            "not-too-many",
            "Deployment/scale",
            "UPDATE",
            "at most two replicas",
            json!({
                "key": "{{ request.object.spec.replicas }}",
                "operator": "GreaterThan",
                "value": 2,
            }),
        ),
        denied(
            "no-shells",
            "Pod/exec",
            "CONNECT",
            "no shells in {{ request.name }}",
            json!({
                "key": "{{ request.object.command[0] || '' }}",
                "operator": "Equals",
                "value": "sh",
            }),
        ),
    ]);
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "operations", &policy("operations", &rules).to_string())?;
        let kubectl = |words: &str| stage.kubectl(scratch, words);
        kubectl("create configmap precious")?.succeeded()?;
        kubectl("create configmap worthless")?.succeeded()?;
        kubectl("label configmap precious keep=yes")?.succeeded()?;
        kubectl("delete configmap worthless")?.succeeded()?;
        kubectl("delete configmap precious")?
            .refused(&["resource ConfigMap/default/precious was blocked", "precious is kept"])?;
        kubectl("label configmap precious keep-")?.succeeded()?;
        kubectl("delete configmap precious")?.succeeded()?;
        kubectl(&format!("create deployment operations --image={IMAGE}"))?.succeeded()?;
        kubectl("scale deployment operations --replicas=2")?.succeeded()?;
        kubectl("scale deployment operations --replicas=3")?.refused(&["at most two replicas"])?;
        run(stage, scratch, "operations")?.succeeded()?;
        // The API server asks before it looks for a kubelet, of which there is none here.
        kubectl("exec operations -- sh")?.refused(&["no shells in operations"])?;
        let other = kubectl("exec operations -- ls")?;
        ensure!(!other.said().contains("no shells"), "refused by the rule:\n{other}");
        Ok(())
    })
}

fn pod_security_standards_deny_by_level(world: &World, scratch: &Scratch) -> Result<()> {
    let rules = json!([{
        "name": "baseline",
        "match": pods("secure*"),
        "validate": {
            "failureAction": "Enforce",
            "podSecurity": {
                "level": "baseline",
                "version": "latest",
                "exclude": [{ "controlName": "Host Namespaces" }],
            },
        },
    }]);
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "secure", &policy("secure", &rules).to_string())?;
        run(stage, scratch, "secure-plain")?.succeeded()?;
        let with = |name: &str, spec: Value| {
            let overrides = json!({ "apiVersion": "v1", "spec": spec }).to_string();
            stage.kubectl_words(
                scratch,
                &[
                    "run",
                    name,
                    &format!("--image={IMAGE}"),
                    "--override-type=strategic",
                    &format!("--overrides={overrides}"),
                ],
            )
        };
        with("secure-host", json!({ "hostPID": true }))?.succeeded()?;
        let privileged = json!({
            "containers": [{ "name": "secure-bad", "securityContext": { "privileged": true } }],
        });
        with("secure-bad", privileged)?.refused(&[
            // A quotation mark inside YAML's own is doubled.
            "Validation rule ''baseline'' failed. It violates PodSecurity \"baseline:latest\":",
            "Forbidden reason: privileged, field error list: [spec.containers[0].securityContext.privileged is forbidden, forbidden values found: true]",
        ])?;
        Ok(())
    })
}

fn mutate_rules_of_all_three_forms_change_what_is_stored(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let rules = json!([
        {
            "name": "merge",
            "match": pods("changed*"),
            "mutate": { "patchStrategicMerge": {
                "metadata": { "labels": { "+(team)": "platform" } },
                "spec": { "containers": [{ "(name)": "*", "imagePullPolicy": "Always" }] },
            } },
        },
        {
            "name": "patch",
            "match": pods("changed*"),
            "mutate": { "patchesJson6902":
                "- op: add\n  path: /metadata/annotations/changed-by\n  value: \"{{ request.userInfo.username }}\"\n" },
        },
        {
            "name": "each",
            "match": pods("changed*"),
            "mutate": { "foreach": [{
                "list": "request.object.spec.containers",
                "patchStrategicMerge": { "spec": { "containers": [{
                    "name": "{{ element.name }}",
                    "image": "mirror.example.test/{{ images.containers.\"{{ element.name }}\".path }}:{{ images.containers.\"{{ element.name }}\".tag }}",
                }] } },
            }] },
        },
    ]);
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "changing", &policy("changing", &rules).to_string())?;
        run(stage, scratch, "changed")?.succeeded()?;
        let pod = stage.get(scratch, "pod changed")?;
        for (at, wanted) in [
            ("/metadata/labels/team", "platform"),
            ("/metadata/annotations/changed-by", "admin"),
            ("/spec/containers/0/imagePullPolicy", "Always"),
            ("/spec/containers/0/image", "mirror.example.test/app:v1"),
        ] {
            let found = pod.pointer(at).and_then(Value::as_str).unwrap_or_default();
            ensure!(found == wanted, "{at} is {found:?}, not {wanted:?}");
        }
        // A label that is there is left alone.
        run(stage, scratch, "changed-own --labels=team=mine")?.succeeded()?;
        let pod = stage.get(scratch, "pod changed-own")?;
        let team = pod.pointer("/metadata/labels/team").and_then(Value::as_str);
        ensure!(team == Some("mine"), "the label became {team:?}");
        Ok(())
    })
}

fn rules_that_wait_for_the_cluster_side_say_so_and_block_nothing(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let rules = json!([
        {
            "name": "makes",
            "match": pods("waiting*"),
            "generate": {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": "made",
                "namespace": "default",
                "data": { "data": { "of": "{{ request.object.metadata.name }}" } },
            },
        },
        {
            "name": "changes",
            "match": pods("waiting*"),
            "mutate": {
                "targets": [{ "apiVersion": "v1", "kind": "ConfigMap", "namespace": "default", "name": "kube-root-ca.crt" }],
                "patchStrategicMerge": { "metadata": { "labels": { "seen": "{{ request.object.metadata.name }}" } } },
            },
        },
    ]);
    on_stage(world, scratch, |stage| {
        let file = scratch.write("waiting.json", &policy("waiting", &rules).to_string())?;
        let file = file.display().to_string();
        let said = stage.kubectl_words(scratch, &["apply", "--filename", &file])?.succeeded()?;
        for words in ["the rule waits, and makes nothing", "the rule waits, and changes nothing"] {
            ensure!(said.stderr.contains(words), "no warning {words:?}: {}", said.stderr);
        }
        stage.wait_until_ready(scratch, "clusterpolicy waiting")?;
        let stored = stage.get(scratch, "clusterpolicy waiting")?;
        let status = stored.pointer("/status/conditions/0/message").and_then(Value::as_str);
        let status = status.unwrap_or_default();
        let wanted = "does nothing for rule makes (generate), rule changes (mutate.targets)";
        ensure!(status.ends_with(wanted), "the status says {status:?}");
        run(stage, scratch, "waiting")?.succeeded()?;
        stage.kubectl(scratch, "get configmap made")?.refused(&["not found"])?;
        Ok(())
    })
}

fn mutate_rules_of_one_policy_run_before_the_verification_of_another(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let host = world.docker()?.host();
    let signed = signed_image(world, scratch, host, "moved-by/app:v1", &ours, Tool::Cosign3)?;
    let unsigned = super::registry::push(host, "moved-by/unsigned", "v1", None)?;
    let moving = json!([{
        "name": "move",
        "match": pods("*"),
        "mutate": { "foreach": [{
            "list": "request.object.spec.containers",
            "patchStrategicMerge": { "spec": { "containers": [{
                "name": "{{ element.name }}",
                "image": format!("{host}/moved-by/{{{{ images.containers.\"{{{{ element.name }}}}\".path }}}}:v1"),
            }] } },
        }] },
    }]);
    let verifying = super::admission::policy(
        "verifying",
        &format!("{host}/moved-by/*"),
        &json!([inline(&ours)?]),
    );
    on_stage(world, scratch, |stage| {
        // The one that verifies is there first, and stands first in the alphabet of neither.
        stage.load(scratch, "verifying", &verifying)?;
        stage.load(scratch, "zz-moving", &policy("zz-moving", &moving).to_string())?;
        stage.run(scratch, "app", "elsewhere.example.test/app:v9")?.succeeded()?;
        let pod = stage.get(scratch, "pod app")?;
        let runs = pod.pointer("/spec/containers/0/image").and_then(Value::as_str);
        let pinned = format!("{}@{}", signed.by_tag(), signed.digest);
        ensure!(runs == Some(&pinned), "the Pod runs {runs:?}, not {pinned}");
        stage.refuses(
            scratch,
            "bad",
            "elsewhere.example.test/unsigned:v9",
            &[&unsigned.by_tag(), "no signatures found"],
        )?;
        Ok(())
    })
}

/// Sets a member of the object at a JSON pointer.
pub(super) fn set(value: &mut Value, at: &str, name: &str, member: Value) -> Result<()> {
    let object = value.pointer_mut(at).and_then(Value::as_object_mut);
    object.with_context(|| format!("nothing at {at}"))?.insert(name.to_owned(), member);
    Ok(())
}

/// The results of the report about an object, as soon as there are any.
pub(super) fn reported(stage: &Stage, scratch: &Scratch, what: &str) -> Result<Vec<Value>> {
    let object = stage.get(scratch, what)?;
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str).context("no uid")?;
    let mut results = Vec::new();
    process::wait_for(&format!("the report of {what}"), SOON, || {
        let ran = stage
            .kubectl(scratch, &format!("get policyreport {uid} --ignore-not-found -o json"))?;
        if ran.stdout.trim().is_empty() {
            return Ok(false);
        }
        let report: Value = serde_json::from_str(&ran.stdout)?;
        results = report.pointer("/results").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(!results.is_empty())
    })?;
    Ok(results)
}

/// Waits for an event with this note about an object of this kind, from the admission controller.
pub(super) fn event(stage: &Stage, scratch: &Scratch, note: &str, kind: &str) -> Result<()> {
    process::wait_for(&format!("the event {note:?}"), SOON, || {
        let events = stage.get(scratch, "events.events.k8s.io --all-namespaces")?;
        let text = |event: &Value, at: &str| {
            event.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let items = events.pointer("/items").and_then(Value::as_array);
        Ok(items.into_iter().flatten().any(|event| {
            text(event, "/note") == note
                && text(event, "/reason") == "PolicyViolation"
                && text(event, "/reportingController") == "kyverno-admission"
                && text(event, "/regarding/kind") == kind
        }))
    })
}
