//! What goes wrong around the process: the API server leaves, comes late, certificates change under load.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use serde_json::json;

use super::Case;
use super::admission::{Webhook, inline, keys, policy};
use super::registry;
use super::scratch::Scratch;
use super::stage::{HOME, SOON, on_stage, signed_image};
use super::tools::Tool;
use super::world::World;
use crate::process;

/// The Secret with the serving certificate.
const PAIR: &str = "kyverno-svc.kyverno.svc.kyverno-tls-pair";

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &str, claim: &str, run: fn(&World, &Scratch) -> Result<()>| {
        Case::new(name, claim, run).needs(&["serve"]).alone()
    };
    vec![
        case(
            "an_api_server_that_leaves_finds_the_same_policies_in_force",
            "while it is away the last policies decide and readiness says so; when it is back nothing was lost",
            an_api_server_that_leaves_finds_the_same_policies_in_force,
        ),
        case(
            "a_process_that_starts_first_waits_for_the_api_server",
            "it does not give up, and serves as soon as there is somebody to ask",
            a_process_that_starts_first_waits_for_the_api_server,
        ),
        case(
            "a_certificate_that_changes_under_load_costs_no_request",
            "the Secret with the serving certificate is deleted while Pods come in",
            a_certificate_that_changes_under_load_costs_no_request,
        ),
    ]
}

fn an_api_server_that_leaves_finds_the_same_policies_in_force(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let host = world.docker()?.host();
    let signed = signed_image(world, scratch, host, "away/app:v1", &ours, Tool::Cosign3)?;
    let unsigned = registry::push(host, "away/unsigned", "v1", None)?;
    let policy = policy("away", &format!("{host}/away/*"), &json!([inline(&ours)?]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "away", &policy)?;
        let webhook = Webhook::find(stage, scratch)?;
        stage.stop_api_server()?;
        process::wait_for("readiness to say that the API server is away", SOON, || {
            let (status, text) = webhook.readiness()?;
            ensure!(status == 200, "readiness answered {status}: {text}");
            Ok(text.contains("last known policies"))
        })?;
        ensure!(webhook.admit(&signed, 1)?, "a signed image is refused");
        ensure!(!webhook.admit(&unsigned, 2)?, "an unsigned image is admitted");
        stage.start_api_server()?;
        process::wait_for("readiness to say that all is well", SOON, || {
            Ok(!webhook.readiness()?.1.contains("last known policies"))
        })?;
        stage.admits(scratch, "app", &signed)?;
        stage.refuses(scratch, "unsigned", &unsigned.by_tag(), &["no signatures found"])?;
        // The watches live again: what happens now is heard of.
        stage.kubectl(scratch, "delete clusterpolicy away")?.succeeded()?;
        stage.wait_until_clear(scratch)?;
        stage.run(scratch, "free", &unsigned.by_tag())?.succeeded()?;
        Ok(())
    })
}

fn a_process_that_starts_first_waits_for_the_api_server(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let host = world.docker()?.host();
    let unsigned = registry::push(host, "first/unsigned", "v1", None)?;
    let policy = policy("first", &format!("{host}/first/*"), &json!([inline(&ours)?]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "first", &policy)?;
        stage.stop()?;
        stage.stop_api_server()?;
        stage.start_process()?;
        process::wait_for("a word about the API server", SOON, || {
            Ok(stage.said().lines().any(|line| line.contains("the API server does not answer")))
        })?;
        thread::sleep(Duration::from_secs(1));
        ensure!(stage.is_running(), "the process gave up:\n{}", stage.said());
        stage.start_api_server()?;
        stage.wait_until_registered()?;
        process::wait_for("the policy to be enforced", SOON, || {
            let ran = stage.kubectl(
                scratch,
                &format!("run probe --dry-run=server --image={}", unsigned.by_tag()),
            )?;
            Ok(ran.said().contains("no signatures found"))
        })
    })
}

fn a_certificate_that_changes_under_load_costs_no_request(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let host = world.docker()?.host();
    let signed = signed_image(world, scratch, host, "renewed/app:v1", &ours, Tool::Cosign3)?;
    let policy = policy("renewed", &format!("{host}/renewed/*"), &json!([inline(&ours)?]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "renewed", &policy)?;
        let webhook = Webhook::find(stage, scratch)?;
        let uid = || -> Result<Option<String>> {
            let what = format!(
                "get secret {PAIR} --namespace {HOME} --ignore-not-found --output jsonpath={{.metadata.uid}}"
            );
            let said = stage.kubectl(scratch, &what)?.succeeded()?.stdout;
            Ok(Some(said).filter(|uid| !uid.is_empty()))
        };
        let before = uid()?;
        ensure!(before.is_some(), "there is no {PAIR}");
        let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            let load = || -> Result<()> {
                while !stop.load(Ordering::Relaxed) {
                    let number = answered.fetch_add(1, Ordering::Relaxed);
                    ensure!(webhook.admit(&signed, number)?, "request {number} was refused");
                }
                Ok(())
            };
            let clients = [scope.spawn(load), scope.spawn(load)];
            let renewed = || -> Result<()> {
                thread::sleep(Duration::from_millis(300));
                stage
                    .kubectl(scratch, &format!("delete secret {PAIR} --namespace {HOME}"))?
                    .succeeded()?;
                process::wait_for("another certificate", SOON, || {
                    let now = uid()?;
                    Ok(now.is_some() && now != before)
                })?;
                thread::sleep(Duration::from_secs(1));
                Ok(())
            };
            let renewed = renewed();
            stop.store(true, Ordering::Relaxed);
            for client in clients {
                client.join().map_err(|_| anyhow!("a client died"))??;
            }
            renewed
        })?;
        let answered = answered.load(Ordering::Relaxed);
        ensure!(answered >= 20, "only {answered} requests: that is no load");
        stage.admits(scratch, "app", &signed)
    })
}
