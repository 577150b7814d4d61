//! PolicyExceptions through the API server: each lets through what it names, and nothing beside it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Case;
use super::admission::{inline, keys};
use super::registry;
use super::rules::{IMAGE, NO_TEAM, pods, policy, reported, run, set, wants_team};
use super::scratch::Scratch;
use super::stage::{Stage, on_stage};
use super::world::World;
use crate::process;

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &str, claim: &str, run: fn(&World, &Scratch) -> Result<()>| {
        Case::new(name, claim, run).needs(&["serve"]).alone()
    };
    vec![
        case(
            "an_exception_lets_through_the_rule_and_the_pod_that_it_names",
            "another rule of the policy and another Pod are refused as before, and without the exception everything is",
            an_exception_lets_through_the_rule_and_the_pod_that_it_names,
        ),
        case(
            "an_exception_from_verification_lets_through_the_pod_that_it_names",
            "its unsigned image runs; the same image in another Pod does not",
            an_exception_from_verification_lets_through_the_pod_that_it_names,
        ),
        case(
            "an_exception_of_one_control_leaves_the_others",
            "podSecurity: a Pod that breaks the named control only is admitted",
            an_exception_of_one_control_leaves_the_others,
        ),
        case(
            "an_exception_that_cannot_work_is_refused",
            "background mode and user names do not go together",
            an_exception_that_cannot_work_is_refused,
        ),
    ]
}

/// An exception for Pods of one name.
fn exception(name: &str, policy: &str, rules: &[&str], pod: &str) -> Value {
    json!({
        "apiVersion": "kyverno.io/v2",
        "kind": "PolicyException",
        "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "exceptions": [{ "policyName": policy, "ruleNames": rules }],
            "match": pods(pod),
        },
    })
}

fn apply(stage: &Stage, scratch: &Scratch, object: &Value) -> Result<super::scratch::Ran> {
    let file = scratch.write("exception.json", &object.to_string())?;
    stage.kubectl_words(scratch, &["apply", "--filename", &file.display().to_string()])
}

/// Waits until a dry run is admitted (or refused): exceptions have no status that says when they are in force.
fn until_admitted(stage: &Stage, scratch: &Scratch, words: &str, wanted: bool) -> Result<()> {
    process::wait_for("the exception to be heard of", super::stage::SOON, || {
        Ok((stage.kubectl(scratch, &format!("run {words} --dry-run=server"))?.code == 0) == wanted)
    })
}

fn an_exception_lets_through_the_rule_and_the_pod_that_it_names(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let owner = json!({
        "name": "require-owner",
        "match": pods("exempt*"),
        "validate": {
            "failureAction": "Enforce",
            "message": "label owner is required",
            "pattern": { "metadata": { "labels": { "owner": "?*" } } },
        },
    });
    let rules = json!([wants_team("exempt*", "Enforce"), owner]);
    let named = exception("one-pod", "exempt", &["require-team"], "exempt-named");
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "exempt", &policy("exempt", &rules).to_string())?;
        run(stage, scratch, "exempt-named --labels=owner=me")?.refused(&[NO_TEAM])?;
        apply(stage, scratch, &named)?.succeeded()?;
        until_admitted(
            stage,
            scratch,
            &format!("exempt-named --labels=owner=me --image={IMAGE}"),
            true,
        )?;
        // Another rule of the same policy still holds for it.
        let refused = run(stage, scratch, "exempt-named")?.refused(&["label owner is required"])?;
        ensure!(!refused.said().contains("label team"), "the exempted rule spoke:\n{refused}");
        run(stage, scratch, "exempt-other --labels=owner=me")?.refused(&[NO_TEAM])?;
        run(stage, scratch, "exempt-named --labels=owner=me")?.succeeded()?;
        let results = reported(stage, scratch, "pod exempt-named")?;
        let skipped = results
            .iter()
            .find(|one| one.get("rule").and_then(Value::as_str) == Some("require-team"))
            .context("the exempted rule is not reported")?;
        let text = |at: &str| skipped.pointer(at).and_then(Value::as_str).unwrap_or_default();
        ensure!(
            text("/result") == "skip"
                && text("/message") == "rule is skipped due to policy exceptionsdefault/one-pod"
                && text("/properties/exceptions") == "one-pod",
            "the exempted rule is reported as {skipped}"
        );
        stage.kubectl(scratch, "delete policyexception one-pod")?.succeeded()?;
        stage.kubectl(scratch, "delete pod exempt-named --wait=false --force")?.succeeded()?;
        until_admitted(
            stage,
            scratch,
            &format!("exempt-again --labels=owner=me --image={IMAGE}"),
            false,
        )
    })
}

fn an_exception_from_verification_lets_through_the_pod_that_it_names(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let host = world.docker()?.host();
    let unsigned = registry::push(host, "excused/app", "v1", None)?;
    let policy =
        super::admission::policy("excused", &format!("{host}/excused/*"), &json!([inline(&ours)?]));
    let named = exception("unsigned", "excused", &["signed"], "excused");
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "excused", &policy)?;
        stage.refuses(scratch, "excused", &unsigned.by_tag(), &["no signatures found"])?;
        apply(stage, scratch, &named)?.succeeded()?;
        until_admitted(stage, scratch, &format!("excused --image={}", unsigned.by_tag()), true)?;
        stage.run(scratch, "excused", &unsigned.by_tag())?.succeeded()?;
        stage.refuses(scratch, "other", &unsigned.by_tag(), &["no signatures found"])?;
        stage
            .kubectl(scratch, &format!("create deployment excused --image={}", unsigned.by_tag()))?
            .refused(&["autogen-signed", "no signatures found"])?;
        Ok(())
    })
}

fn an_exception_of_one_control_leaves_the_others(world: &World, scratch: &Scratch) -> Result<()> {
    let rules = json!([{
        "name": "baseline",
        "match": pods("control*"),
        "validate": {
            "failureAction": "Enforce",
            "podSecurity": { "level": "baseline", "version": "latest" },
        },
    }]);
    let mut host_only = exception("host-namespaces", "control", &["baseline"], "control*");
    set(&mut host_only, "/spec", "podSecurity", json!([{ "controlName": "Host Namespaces" }]))?;
    let with = |name: &str, spec: Value| {
        let overrides = json!({ "apiVersion": "v1", "spec": spec }).to_string();
        format!("{name} --image={IMAGE} --override-type=strategic --overrides={overrides}")
    };
    let host = with("control-host", json!({ "hostPID": true }));
    let both = with(
        "control-both",
        json!({ "hostPID": true, "containers": [{ "name": "control-both", "securityContext": { "privileged": true } }] }),
    );
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "control", &policy("control", &rules).to_string())?;
        stage
            .kubectl(scratch, &format!("run {host}"))?
            .refused(&["Forbidden reason: host namespaces", "hostPID"])?;
        apply(stage, scratch, &host_only)?.succeeded()?;
        until_admitted(stage, scratch, &host, true)?;
        stage.kubectl(scratch, &format!("run {host}"))?.succeeded()?;
        let refused = stage
            .kubectl(scratch, &format!("run {both}"))?
            .refused(&["securityContext.privileged"])?;
        ensure!(!refused.said().contains("hostPID"), "the exempted control spoke:\n{refused}");
        Ok(())
    })
}

fn an_exception_that_cannot_work_is_refused(world: &World, scratch: &Scratch) -> Result<()> {
    let mut by_user = exception("by-user", "exempt", &["require-team"], "*");
    let me = json!([{ "kind": "User", "name": "me" }]);
    set(&mut by_user, "/spec/match/any/0", "subjects", me)?;
    on_stage(world, scratch, |stage| {
        apply(stage, scratch, &by_user)?.refused(&["admission webhook", "background"])?;
        Ok(())
    })
}
