//! Everything that brings a container into a cluster, and the ways around a policy that must not work.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Case;
use super::admission::{inline, keys, policy};
use super::registry;
use super::scratch::Scratch;
use super::stage::{Stage, on_stage, signed_image};
use super::tools::Tool;
use super::world::World;

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &str, claim: &str, run: fn(&World, &Scratch) -> Result<()>| {
        Case::new(name, claim, run).needs(&["serve"]).alone()
    };
    vec![
        case(
            "every_pod_controller_is_covered_by_autogen",
            "Deployment, StatefulSet, DaemonSet, Job, CronJob and ReplicationController: unsigned is refused, signed is pinned",
            every_pod_controller_is_covered_by_autogen,
        ),
        case(
            "later_changes_of_a_workload_are_verified_too",
            "set image and debug with an unsigned image are refused; scaling and labelling are not",
            later_changes_of_a_workload_are_verified_too,
        ),
        case(
            "a_forged_annotation_verifies_nothing",
            "an image marked as verified by the client is looked at all the same",
            a_forged_annotation_verifies_nothing,
        ),
        case(
            "a_namespaced_policy_governs_its_namespace_only",
            "a Policy in one namespace says nothing about another",
            a_namespaced_policy_governs_its_namespace_only,
        ),
        case(
            "a_policy_that_cannot_work_is_refused_and_names_the_field",
            "kubectl apply of a damaged policy fails with the place and the reason; a broken key is a warning, and nothing satisfies it",
            a_policy_that_cannot_work_is_refused_and_names_the_field,
        ),
        case(
            "failure_policy_decides_when_the_registry_is_down",
            "no connection: refused under Fail, admitted with a warning under Ignore",
            failure_policy_decides_when_the_registry_is_down,
        ),
    ]
}

/// The policy with one value set, by JSON pointer.
fn with(policy: &str, pointer: &str, value: Value) -> Result<Value> {
    let mut policy: Value = serde_json::from_str(policy)?;
    let (parent, name) = pointer.rsplit_once('/').context("no pointer")?;
    let parent = policy.pointer_mut(parent).and_then(Value::as_object_mut);
    parent.with_context(|| format!("nothing at {pointer}"))?.insert(name.to_owned(), value);
    Ok(policy)
}

/// Six kinds of workload with one container: kind, object, and where the image stands.
fn workloads(name: &str, image: &str) -> Vec<(&'static str, Value, &'static str)> {
    const TEMPLATE: &str = "/spec/template/spec/containers/0/image";
    const CRON_TEMPLATE: &str = "/spec/jobTemplate/spec/template/spec/containers/0/image";
    let labels = json!({ "app": name });
    let template = |restart: &str| {
        json!({
            "metadata": { "labels": labels },
            "spec": { "restartPolicy": restart, "containers": [{ "name": "app", "image": image }] },
        })
    };
    let made = |api: &str, kind: &'static str, spec: Value, at: &'static str| {
        let metadata = json!({ "name": name });
        let object = json!({ "apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec });
        (kind, object, at)
    };
    let selected = json!({ "selector": { "matchLabels": labels }, "template": template("Always") });
    let mut stateful = selected.clone();
    if let Some(spec) = stateful.as_object_mut() {
        spec.insert("serviceName".to_owned(), json!(name));
    }
    let controller = json!({ "replicas": 1, "selector": labels, "template": template("Always") });
    let job = json!({ "template": template("Never") });
    let cron = json!({ "schedule": "0 0 1 1 *", "jobTemplate": { "spec": job } });
    vec![
        made("apps/v1", "Deployment", selected.clone(), TEMPLATE),
        made("apps/v1", "StatefulSet", stateful, TEMPLATE),
        made("apps/v1", "DaemonSet", selected, TEMPLATE),
        made("v1", "ReplicationController", controller, TEMPLATE),
        made("batch/v1", "Job", job, TEMPLATE),
        made("batch/v1", "CronJob", cron, CRON_TEMPLATE),
    ]
}

fn every_pod_controller_is_covered_by_autogen(world: &World, scratch: &Scratch) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let host = world.docker()?.host();
    let signed = signed_image(world, scratch, host, "autogen/app:v1", &ours, Tool::Cosign3)?;
    let unsigned = registry::push(host, "autogen/unsigned", "v1", None)?;
    let policy = policy("autogen", &format!("{host}/autogen/*"), &json!([inline(&ours)?]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "autogen", &policy)?;
        let create = |workload: &Value| {
            let file = scratch.write("workload.json", &workload.to_string())?;
            stage.kubectl_words(
                scratch,
                &[
                    "create",
                    "--dry-run=server",
                    "--output=json",
                    "--filename",
                    &file.display().to_string(),
                ],
            )
        };
        for (kind, workload, at) in workloads("signed", &signed.by_tag()) {
            let made: Value = serde_json::from_str(&create(&workload)?.succeeded()?.stdout)?;
            let admitted = made.pointer(at).and_then(Value::as_str).unwrap_or_default();
            let pinned = format!("{}@{}", signed.by_tag(), signed.digest);
            ensure!(admitted == pinned, "{kind}: runs {admitted}");
        }
        for (kind, workload, _) in workloads("unsigned", &unsigned.by_tag()) {
            let rule = if kind == "CronJob" { "autogen-cronjob-signed" } else { "autogen-signed" };
            create(&workload)?.refused(&[
                &format!("resource {kind}/default/unsigned was blocked"),
                rule,
                "no signatures found",
            ])?;
        }
        Ok(())
    })
}

fn later_changes_of_a_workload_are_verified_too(world: &World, scratch: &Scratch) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let host = world.docker()?.host();
    let signed = signed_image(world, scratch, host, "later/app:v1", &ours, Tool::Cosign3)?;
    let unsigned = registry::push(host, "later/unsigned", "v1", None)?;
    let policy = policy("later", &format!("{host}/later/*"), &json!([inline(&ours)?]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "later", &policy)?;
        stage.admits(scratch, "app", &signed)?;
        let run = |words: &str| stage.kubectl(scratch, words);
        run(&format!("create deployment later --image={}", signed.by_tag()))?.succeeded()?;
        let bad = unsigned.by_tag();
        run(&format!("set image pod/app app={bad}"))?.refused(&["no signatures found"])?;
        run(&format!("set image deployment/later *={bad}"))?.refused(&["no signatures found"])?;
        run(&format!("debug app --image={bad} --attach=false --container=dbg"))?
            .refused(&["no signatures found"])?;
        run(&format!("debug app --image={} --attach=false --container=dbg", signed.by_tag()))?
            .succeeded()?;
        run("label pod app tier=web")?.succeeded()?;
        run("scale deployment later --replicas=2")?.succeeded()?;
        Ok(())
    })
}

fn a_forged_annotation_verifies_nothing(world: &World, scratch: &Scratch) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let host = world.docker()?.host();
    let unsigned = registry::push(host, "forged/app", "v1", None)?;
    let policy = policy("forged", &format!("{host}/forged/*"), &json!([inline(&ours)?]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "forged", &policy)?;
        let by_digest = format!("{}@{}", unsigned.by_tag(), unsigned.digest);
        let marks = json!({ by_digest.clone(): "pass" }).to_string();
        let annotations = format!("--annotations=kyverno.io/verify-images={marks}");
        let image = format!("--image={by_digest}");
        stage
            .kubectl_words(scratch, &["run", "forged", &image, &annotations])?
            .refused(&["no signatures found"])?;
        Ok(())
    })
}

fn a_namespaced_policy_governs_its_namespace_only(world: &World, scratch: &Scratch) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let host = world.docker()?.host();
    let unsigned = registry::push(host, "spaced/app", "v1", None)?;
    let policy = policy("spaced", &format!("{host}/spaced/*"), &json!([inline(&ours)?]));
    let policy = with(&policy, "/kind", json!("Policy"))?;
    let policy = with(&policy.to_string(), "/metadata/namespace", json!("spaced"))?;
    on_stage(world, scratch, |stage| {
        stage.namespace(scratch, "spaced", "")?;
        stage.load_as(
            scratch,
            "policy spaced --namespace spaced",
            "spaced",
            &policy.to_string(),
        )?;
        let run = |namespace: &str| {
            stage.kubectl(
                scratch,
                &format!("run app --image={} --namespace {namespace}", unsigned.by_tag()),
            )
        };
        run("spaced")?.refused(&["no signatures found"])?;
        run("default")?.succeeded()?;
        stage.kubectl(scratch, "delete namespace spaced --wait=false")?.succeeded()?;
        Ok(())
    })
}

fn a_policy_that_cannot_work_is_refused_and_names_the_field(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let sound = policy("damaged", "r.example/*", &json!([inline(&ours)?]));
    let damaged = |at: &str, value: Value| with(&sound, &format!("/spec/rules/0/{at}"), value);
    let unknown = json!([{ "key": "{{ nobody.knows }}", "operator": "Equals", "value": "x" }]);
    // The how-to prints a key that is cut off: such a policy is taken, with a warning, and no image satisfies it.
    let cut_off = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----";
    let count = damaged("verifyImages/0/attestors/0/count", json!(3))?;
    let variable = damaged("preconditions", json!({ "all": unknown }))?;
    let key = damaged(
        "verifyImages/0/attestors/0/entries",
        json!([{ "keys": { "publicKeys": cut_off } }]),
    )?;
    on_stage(world, scratch, |stage| {
        apply_refused(stage, scratch, &count, "count")?;
        apply_refused(stage, scratch, &variable, "nobody")?;
        let file = scratch.write("key.json", &key.to_string())?;
        let applied = stage
            .kubectl_words(scratch, &["apply", "--filename", &file.display().to_string()])?
            .succeeded()?
            .says(&[
                "Warning: spec.rules[0].verifyImages[0].attestors[0].entries[0].keys.publicKeys",
            ])?;
        // The schema's default is nobody's mistake.
        ensure!(
            !applied.said().contains("validationFailureAction"),
            "a needless warning:\n{applied}"
        );
        stage.wait_until_ready(scratch, "clusterpolicy damaged")?;
        stage.refuses(scratch, "app", "r.example/app:v1", &["failed to verify image"])?;
        Ok(())
    })
}

fn apply_refused(stage: &Stage, scratch: &Scratch, policy: &Value, says: &str) -> Result<()> {
    let file = scratch.write("damaged.json", &policy.to_string())?;
    stage
        .kubectl_words(scratch, &["apply", "--filename", &file.display().to_string()])?
        .refused(&["admission webhook", "spec.rules", says])?;
    Ok(())
}

fn failure_policy_decides_when_the_registry_is_down(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    // A port that was just free: nobody listens there.
    let down = format!("127.0.0.1:{}", crate::process::free_port()?);
    let policy = policy("down", &format!("{down}/*"), &json!([inline(&ours)?]));
    let of = |failure: &str| with(&policy, "/spec/failurePolicy", json!(failure));
    let (fail, ignore) = (of("Fail")?, of("Ignore")?);
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "down", &fail.to_string())?;
        let image = format!("{down}/app:v1");
        stage.refuses(scratch, "fail", &image, &["undetermined", "no connection"])?;
        stage.kubectl(scratch, "delete clusterpolicy down")?.succeeded()?;
        stage.wait_until_clear(scratch)?;
        stage.load(scratch, "down", &ignore.to_string())?;
        stage.run(scratch, "ignore", &image)?.succeeded()?.says(&["Warning:", "no connection"])?;
        Ok(())
    })
}
