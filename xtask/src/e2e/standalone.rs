//! `sigward serve --policies`: the same webhook with no cluster, from files.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use base64::Engine as _;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sigward_testkit::registry::{self as testkit, Class, Effect, Fault, Registry};

use super::Case;
use super::registry::{self, Image};
use super::scratch::Scratch;
use super::stage::signed_image;
use super::tools::{self, Algorithm, Keys, Tool};
use super::wire;
use super::world::World;
use crate::process::{self, Service};

/// How long the process may take to start, or to notice that its files changed.
const LIMIT: Duration = Duration::from_secs(20);

/// On this machine there is no transparency log.
const NO_LOG: &str = "--insecure-ignore-tlog-for-keys";

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "serve_from_files_decides_without_a_cluster",
            "--policies and --secrets: signed is admitted and pinned, unsigned refused, /metrics counts both, SIGTERM ends it",
            serve_from_files_decides_without_a_cluster,
        )
        .needs(&["serve"]),
        Case::new(
            "serve_from_files_reads_them_again_on_sighup",
            "a changed key counts after SIGHUP; a broken file leaves what was read last in force",
            serve_from_files_reads_them_again_on_sighup,
        )
        .needs(&["serve"]),
        Case::new(
            "a_policy_that_demands_a_log_entry_is_refused_with_the_ways_out",
            "without the switch such a policy is not loaded; with rekor.ignoreTlog: true in it, it is and verifies",
            a_policy_that_demands_a_log_entry_is_refused_with_the_ways_out,
        )
        .needs(&["serve"]),
        Case::new(
            "sigterm_under_load_answers_what_was_asked_before",
            "requests that wait for a slow registry are answered, and then the process ends with success",
            sigterm_under_load_answers_what_was_asked_before,
        )
        .needs(&["serve"]),
    ]
}

/// A policy from a file that asks for the key in the Secret `cosign-pub-key`.
fn policy(reference: &str) -> String {
    json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": { "name": "from-a-file" },
        "spec": {
            "background": false,
            "rules": [{
                "name": "signed",
                "match": { "any": [{ "resources": { "kinds": ["Pod"] } }] },
                "verifyImages": [{
                    "imageReferences": [reference],
                    "failureAction": "Enforce",
                    "attestors": [{ "entries": [
                        { "keys": { "secret": { "name": "cosign-pub-key", "namespace": "kyverno" } } },
                    ] }],
                }],
            }],
        },
    })
    .to_string()
}

/// The webhook of files, as a process.
#[derive(Debug)]
struct Standalone {
    service: Service,
    webhook: String,
    metrics: String,
    authority: String,
}

impl Standalone {
    /// The command on the folders `policies` and `secrets` of the case, with ports of its own choice.
    fn command(world: &World, scratch: &Scratch) -> Result<Command> {
        let mut command = scratch.command(world.sigward(&["serve"])?);
        command
            .arg("serve")
            .arg("--policies")
            .arg(scratch.path("policies"))
            .arg("--secrets")
            .arg(scratch.path("secrets"))
            .arg("--ca-out")
            .arg(scratch.path("ca.pem"))
            .args(["--webhookServerHost=127.0.0.1", "--webhookServerPort=0"])
            .args(["--metricsHost=127.0.0.1", "--metricsPort=0"]);
        Ok(command)
    }

    /// Starts it and waits until it announces its addresses.
    fn start(world: &World, scratch: &Scratch, more: &[&str]) -> Result<Self> {
        let mut command = Self::command(world, scratch)?;
        command.args(more);
        let mut service = Service::start("sigward", &mut command, scratch.folder())?;
        let log = service.log().to_owned();
        service.wait_until(LIMIT, || announced(&log, "metrics").is_some())?;
        let address = |what| announced(&log, what).with_context(|| format!("no address of {what}"));
        Ok(Self {
            webhook: address("serving")?,
            metrics: address("metrics")?,
            authority: fs::read_to_string(scratch.path("ca.pem"))?,
            service,
        })
    }

    fn review(&self, image: &str) -> Result<Value> {
        review(&self.webhook, &self.authority, image)
    }

    fn admits(&self, image: &Image) -> Result<()> {
        let response = self.review(&image.by_tag())?;
        ensure!(allowed(&response), "should be admitted: {response}");
        let patch = response.pointer("/patch").and_then(Value::as_str).context("no patch")?;
        let patch = base64::engine::general_purpose::STANDARD.decode(patch)?;
        let patch = String::from_utf8(patch)?;
        let pinned = format!("{}@{}", image.by_tag(), image.digest);
        ensure!(patch.contains(&pinned), "the patch does not pin {pinned}: {patch}");
        Ok(())
    }

    fn refuses(&self, image: &Image, texts: &[&str]) -> Result<()> {
        let response = self.review(&image.by_tag())?;
        ensure!(!allowed(&response), "should be refused: {response}");
        let message =
            response.pointer("/status/message").and_then(Value::as_str).unwrap_or_default();
        for text in texts {
            ensure!(message.contains(text), "did not say \"{text}\": {message}");
        }
        Ok(())
    }
}

/// What the webhook says to a Pod with this image.
fn review(webhook: &str, authority: &str, image: &str) -> Result<Value> {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "00000000-0000-4000-8000-000000000001",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "name": "app",
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": { "username": "e2e", "groups": ["system:authenticated"] },
            "object": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": { "name": "app", "namespace": "default" },
                "spec": { "containers": [{ "name": "app", "image": image }] },
            },
        },
    })
    .to_string();
    let answer = wire::send_tls(
        webhook,
        authority,
        "POST",
        "/mutate/fail?timeout=10s",
        &[("Content-Type", "application/json")],
        review.as_bytes(),
    )?;
    ensure!(answer.status == 200, "the webhook answered {}", answer.status);
    let review: Value = serde_json::from_slice(&answer.body)?;
    review.pointer("/response").cloned().context("an answer without a response")
}

fn allowed(response: &Value) -> bool {
    response.pointer("/allowed").and_then(Value::as_bool) == Some(true)
}

/// The address that the log announces for `serving` or `metrics`.
fn announced(log: &Path, what: &str) -> Option<String> {
    let said = fs::read_to_string(log).ok()?;
    let line = said.lines().find(|line| line.contains(&format!(" {what} address=")))?;
    Some(line.split_once("address=")?.1.trim().to_owned())
}

/// Writes the Secret as `kubectl` makes it out of a file.
fn write_secret(world: &World, scratch: &Scratch, keys: &Keys) -> Result<()> {
    let mut create = scratch.command(world.peers().program("kubectl")?);
    create
        .args(["create", "secret", "generic", "cosign-pub-key", "--namespace", "kyverno"])
        .arg(format!("--from-file=cosign.pub={}", keys.public.display()))
        .args(["--dry-run=client", "--output=yaml"]);
    let secret = scratch.succeed(&mut create)?;
    scratch.write("secrets/key.yaml", &secret)?;
    Ok(())
}

fn prepare(world: &World, scratch: &Scratch, reference: &str, keys: &Keys) -> Result<()> {
    for folder in ["policies", "secrets"] {
        fs::create_dir(scratch.path(folder))?;
    }
    scratch.write("policies/signed.yaml", &policy(reference))?;
    write_secret(world, scratch, keys)
}

fn serve_from_files_decides_without_a_cluster(world: &World, scratch: &Scratch) -> Result<()> {
    let ours = tools::make_keys(world, scratch, Tool::Cosign3, Algorithm::P256, "cosign")?;
    let host = world.docker()?.host();
    let two = signed_image(world, scratch, host, "files/two:v1", &ours, Tool::Cosign2)?;
    let three = signed_image(world, scratch, host, "files/three:v1", &ours, Tool::Cosign3)?;
    let unsigned = registry::push(host, "files/unsigned", "v1", None)?;
    prepare(world, scratch, &format!("{host}/files/*"), &ours)?;
    let mut standalone = Standalone::start(world, scratch, &[NO_LOG])?;
    standalone.admits(&two)?;
    standalone.admits(&three)?;
    standalone.refuses(
        &unsigned,
        &[
            "resource Pod/default/app was blocked due to the following policies",
            "from-a-file",
            &format!("failed to verify image {}", unsigned.by_tag()),
            "no signatures found",
        ],
    )?;
    let ready = wire::send_tls(
        &standalone.webhook,
        &standalone.authority,
        "GET",
        "/health/readiness",
        &[],
        b"",
    )?;
    ensure!(ready.status == 200, "readiness answered {}", ready.status);
    let answer = wire::send(&standalone.metrics, "GET", "/metrics", &[], b"")?;
    ensure!(answer.status == 200, "/metrics answered {}", answer.status);
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    scratch.write("metrics.txt", &text)?;
    for (name, label, least) in [
        ("kyverno_admission_requests_total", "request_allowed=\"true\"", 2),
        ("kyverno_admission_requests_total", "request_allowed=\"false\"", 1),
        ("sigward_registry_requests_total", "", 3),
    ] {
        let counted = sum(&text, name, label);
        ensure!(counted >= least, "{name}{{{label}}} is {counted}, not at least {least}");
    }
    ensure!(standalone.service.stop()?, "SIGTERM does not end it with success");
    Ok(())
}

/// The sum of a counter over all lines that carry the label.
fn sum(text: &str, name: &str, label: &str) -> u64 {
    text.lines()
        .filter(|line| line.starts_with(name) && line.contains(label))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
        .sum()
}

fn serve_from_files_reads_them_again_on_sighup(world: &World, scratch: &Scratch) -> Result<()> {
    let key = |name: &str| tools::make_keys(world, scratch, Tool::Cosign3, Algorithm::P256, name);
    let (old, new) = (key("old")?, key("new")?);
    let host = world.docker()?.host();
    let by_old = signed_image(world, scratch, host, "again/old:v1", &old, Tool::Cosign3)?;
    let by_new = signed_image(world, scratch, host, "again/new:v1", &new, Tool::Cosign3)?;
    prepare(world, scratch, &format!("{host}/again/*"), &old)?;
    let standalone = Standalone::start(world, scratch, &[NO_LOG])?;
    standalone.admits(&by_old)?;
    standalone.refuses(&by_new, &["failed to verify image"])?;
    write_secret(world, scratch, &new)?;
    standalone.service.signal(Signal::SIGHUP)?;
    process::wait_for("the new key to count", LIMIT, || {
        Ok(allowed(&standalone.review(&by_new.by_tag())?))
    })?;
    standalone.refuses(&by_old, &["failed to verify image"])?;
    scratch.write("policies/broken.yaml", "kind: ClusterPolicy\nspec: [\n")?;
    standalone.service.signal(Signal::SIGHUP)?;
    process::wait_for("the complaint about a broken file", LIMIT, || {
        Ok(standalone.service.said().contains("could not be read again"))
    })?;
    standalone.admits(&by_new)?;
    standalone.refuses(&by_old, &["failed to verify image"])
}

fn a_policy_that_demands_a_log_entry_is_refused_with_the_ways_out(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let ours = tools::make_keys(world, scratch, Tool::Cosign3, Algorithm::P256, "cosign")?;
    let host = world.docker()?.host();
    let signed = signed_image(world, scratch, host, "log/app:v1", &ours, Tool::Cosign3)?;
    let reference = format!("{host}/log/*");
    prepare(world, scratch, &reference, &ours)?;
    let mut strict = Standalone::command(world, scratch)?;
    scratch.run(&mut strict)?.refused(&["ignoreTlog: true", "--insecure-ignore-tlog-for-keys"])?;
    let mut relaxed: Value = serde_json::from_str(&policy(&reference))?;
    relaxed
        .pointer_mut("/spec/rules/0/verifyImages/0/attestors/0/entries/0/keys")
        .and_then(Value::as_object_mut)
        .context("no keys")?
        .insert("rekor".to_owned(), json!({ "ignoreTlog": true }));
    scratch.write("policies/signed.yaml", &relaxed.to_string())?;
    let standalone = Standalone::start(world, scratch, &[])?;
    standalone.admits(&signed)
}

fn sigterm_under_load_answers_what_was_asked_before(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    const CROWD: usize = 16;
    let ours = tools::make_keys(world, scratch, Tool::Cosign3, Algorithm::P256, "cosign")?;
    // A registry of its own: its slowness is nobody else's.
    let registry = Registry::start(testkit::Options::default())?;
    let host = registry.host();
    let signed = signed_image(world, scratch, &host, "drain/app:v1", &ours, Tool::Cosign3)?;
    prepare(world, scratch, &format!("{host}/drain/*"), &ours)?;
    let mut standalone = Standalone::start(world, scratch, &[NO_LOG])?;
    registry.fault(
        Fault::new(Effect::Latency(Duration::from_secs(2)))
            .path("/v2/drain/*")
            .class(Class::Referrers),
    );
    registry.reset_log();
    let (webhook, stop) = (&standalone.webhook, &mut standalone.service);
    let authority = &standalone.authority;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CROWD)
            .map(|_| scope.spawn(|| review(webhook, authority, &signed.by_tag())))
            .collect();
        // Everyone has asked once the registry was asked, and a moment has passed.
        process::wait_for("the first question to the registry", LIMIT, || {
            Ok(registry.request_count() > 0)
        })?;
        thread::sleep(Duration::from_millis(700));
        let ended = stop.stop()?;
        for client in clients {
            let response = client.join().map_err(|_| anyhow!("a client died"))??;
            ensure!(allowed(&response), "should be admitted: {response}");
        }
        ensure!(ended, "SIGTERM does not end it with success");
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_added_up_over_the_lines_that_carry_the_label() {
        let text = "# HELP a_total x\na_total{ok=\"true\",kind=\"Pod\"} 2\na_total{ok=\"false\"} 5\na_total{ok=\"true\"} 3\n";
        assert_eq!(sum(text, "a_total", "ok=\"true\""), 5);
        assert_eq!(sum(text, "a_total", ""), 10);
        assert_eq!(sum(text, "b_total", ""), 0);
    }
}
