//! Admission side by side: requests a second on one core, CPU, latencies, registry requests, memory, start.

mod contestants;
mod load;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use self::contestants::Contestant;
pub(super) use self::contestants::kyverno_version;
use self::load::Load;
use super::Options;
use crate::e2e::registry::{self, Image};
use crate::e2e::scratch::Scratch;
use crate::e2e::tools::{self, Algorithm, Format, Keys, Signing, Statement, Tool};
use crate::e2e::world::World;
use crate::workspace;

/// Namespaces of the reviews: no policy looks at the first, one policy at each of the others.
const NAMESPACES: [&str; 3] = ["bench-other", "bench-warm", "bench-cold"];
/// Where the API server posts what a policy with `failurePolicy: Fail` may change.
const MUTATE: &str = "/mutate/fail?timeout=30s";

/// One kind of work.
struct Work {
    name: &'static str,
    path: &'static str,
    /// One of [`NAMESPACES`].
    namespace: &'static str,
    by_tag: bool,
    /// Whether the answer has to hold a patch: proof that the image was looked at.
    patched: bool,
}

const WORKS: &[Work] = &[
    Work {
        name: "bare TLS and HTTP (`/health/liveness`)",
        path: "/health/liveness",
        namespace: NAMESPACES[0],
        by_tag: false,
        patched: false,
    },
    Work {
        name: "(a) a Pod that no policy matches",
        path: MUTATE,
        namespace: NAMESPACES[0],
        by_tag: true,
        patched: false,
    },
    Work {
        name: "(b) signed Pod by tag, warm",
        path: MUTATE,
        namespace: NAMESPACES[1],
        by_tag: true,
        patched: true,
    },
    Work {
        name: "(b) signed Pod by digest, warm",
        path: MUTATE,
        namespace: NAMESPACES[1],
        by_tag: false,
        patched: false,
    },
    Work {
        name: "(c) signed Pod by tag, cold (`useCache: false`)",
        path: MUTATE,
        namespace: NAMESPACES[2],
        by_tag: true,
        patched: true,
    },
];

/// What one webhook showed for one kind of work.
struct Figures {
    one: Load,
    sixteen: Load,
    /// Requests to the registry for each admission, at one connection.
    registry: f64,
}

/// Measures both webhooks and gives the tables.
pub(super) fn measure(world: &World, scratch: &Scratch, options: &Options) -> Result<String> {
    if workspace::find_program("wrk").is_none() {
        crate::peers::apt_install(&["wrk"])?;
    }
    keep_to_second_core()?;
    let host = world.docker()?.host().to_owned();
    let keys = tools::make_keys(world, scratch, Tool::Cosign3, Algorithm::P256, "webhook")?;
    let image = registry::push(&host, "bench/app", "v1", None)?;
    let by_digest = image.by_digest();
    let job = Signing {
        tool: Tool::Cosign3,
        key: &keys.private,
        format: Format::Legacy,
        statement: Statement::Signature,
        predicate: None,
        image: &by_digest,
    };
    tools::sign(world, scratch, &job)?.succeeded()?;
    let policies = policies(scratch, &host, &keys)?;
    let reviews = reviews(scratch, &image)?;

    let mut speeds = String::new();
    writeln!(
        speeds,
        "| work | webhook | requests/s, 16 connections | CPU each, 16 connections | p50 / p99, 1 connection | p50 / p99, 16 connections | registry requests each | CPU, of Kyverno's |"
    )?;
    writeln!(speeds, "|---|---|---|---|---|---|---|---|")?;
    let mut states = "\n| webhook | start to ready | resident, idle | resident, after the loads | program |\n|---|---|---|---|---|\n".to_owned();
    let mut columns = Vec::new();
    let names: &[&str] = if options.peers_only { &["Kyverno"] } else { &["Kyverno", "Sigward"] };
    for &name in names {
        let folder = world.folder().join("webhook").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let contestant = if name == "Sigward" {
            Contestant::sigward(world, &folder, &policies)?
        } else {
            Contestant::kyverno(world, scratch, &folder, &policies)?
        };
        // What is done at the start of a process is not what it holds when idle.
        thread::sleep(Duration::from_secs(2));
        let idle = load::resident(contestant.pid())?;
        let mut figures = Vec::new();
        for (work, review) in WORKS.iter().zip(&reviews) {
            let found = one_work(world, &contestant, work, review, options.seconds)
                .with_context(|| format!("{name}: {}", work.name))?;
            eprintln!("{name}: {}: {:.0} requests/s", work.name, found.sixteen.rate);
            figures.push(found);
        }
        writeln!(
            states,
            "| {name} | {:.0} ms | {idle:.1} MiB | {:.1} MiB | {:.1} MB |",
            contestant.ready.as_secs_f64() * 1e3,
            load::resident(contestant.pid())?,
            contestants::megabytes(&contestant.program)?,
        )?;
        columns.push((name, figures));
    }
    for (at, work) in WORKS.iter().enumerate() {
        let base = columns.first().and_then(|(_, figures)| figures.get(at));
        for (name, figures) in &columns {
            if let Some(found) = figures.get(at) {
                writeln!(speeds, "{}", line(work, name, found, base))?;
            }
        }
    }
    Ok(speeds + &states)
}

/// One kind of work on one webhook.
fn one_work(
    world: &World,
    contestant: &Contestant,
    work: &Work,
    review: &Review,
    seconds: u64,
) -> Result<Figures> {
    let url = format!("{}{}", contestant.url, work.path);
    let admitted = || -> Result<()> {
        if work.path != MUTATE {
            return Ok(());
        }
        let said = contestant.ask(work.path, &review.body)?;
        let answer: Value =
            serde_json::from_str(&said).with_context(|| format!("no review: {said}"))?;
        let response = answer.get("response").context("a review without a response")?;
        let allowed = response.get("allowed").and_then(Value::as_bool) == Some(true);
        let patched = response.get("patch").is_some();
        ensure!(allowed && (patched || !work.patched), "not what was expected: {said}");
        Ok(())
    };
    // The first request makes connections and fills caches; the second is as warm as the work allows.
    admitted()?;
    admitted()?;
    let before = logged(world)?;
    let one = load::post(contestant.pid(), &url, &review.script, 1, seconds)?;
    // The load ends with a request under way: one more or less does not show in thousands.
    let registry = f64::from(logged(world)? - before) / one.requests;
    let sixteen = load::post(contestant.pid(), &url, &review.script, 16, seconds)?;
    admitted()?;
    Ok(Figures { one, sixteen, registry })
}

/// Requests in the log of the registry.
fn logged(world: &World) -> Result<u32> {
    let log = world.folder().join("docker-registry/docker-registry.log");
    let text =
        fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))?;
    // Each request has one line of the access log beside those of the application.
    Ok(u32::try_from(text.lines().filter(|line| line.contains(" HTTP/1.1\" ")).count())?)
}

/// This process and all that it starts stay on the second core, and leave the first to the webhook.
fn keep_to_second_core() -> Result<()> {
    let own = std::process::id().to_string();
    workspace::output(Command::new("taskset").args(["-a", "-c", "-p", "1", &own]))?;
    Ok(())
}

fn line(work: &Work, name: &str, found: &Figures, base: Option<&Figures>) -> String {
    let ratio = base
        .map_or_else(String::new, |base| format!("1/{:.1}", base.sixteen.cpu / found.sixteen.cpu));
    let pair = |load: &Load| format!("{:.2} / {:.2} ms", load.p50 * 1e3, load.p99 * 1e3);
    format!(
        "| {} | {name} | {:.0} | {:.3} ms | {} | {} | {:.2} | {ratio} |",
        work.name,
        found.sixteen.rate,
        found.sixteen.cpu * 1e3,
        pair(&found.one),
        pair(&found.sixteen),
        found.registry,
    )
}

/// Two policies with a key, one for each of two namespaces: with and without the cache.
fn policies(scratch: &Scratch, host: &str, keys: &Keys) -> Result<PathBuf> {
    let folder = scratch.path("policies");
    fs::create_dir_all(&folder)?;
    let key = keys.pem()?;
    for (namespace, use_cache) in [(NAMESPACES[1], true), (NAMESPACES[2], false)] {
        let policy = json!({
            "apiVersion": "kyverno.io/v1",
            "kind": "ClusterPolicy",
            "metadata": { "name": namespace },
            "spec": {
                "background": false,
                "webhookTimeoutSeconds": 30,
                "rules": [{
                    "name": "signed",
                    "match": { "any": [{ "resources": { "kinds": ["Pod"], "namespaces": [namespace] } }] },
                    "verifyImages": [{
                        "imageReferences": [format!("{host}/*")],
                        "failureAction": "Enforce",
                        "useCache": use_cache,
                        "attestors": [{ "entries": [{ "keys": {
                            "publicKeys": key,
                            "rekor": { "ignoreTlog": true, "url": "https://rekor.sigstore.dev" },
                            "ctlog": { "ignoreSCT": true },
                        } }] }],
                    }],
                }],
            },
        });
        // JSON is YAML.
        fs::write(folder.join(format!("{namespace}.yaml")), policy.to_string())?;
    }
    Ok(folder)
}

/// One review as a file, and the script by which `wrk` posts it.
struct Review {
    body: PathBuf,
    script: PathBuf,
}

fn reviews(scratch: &Scratch, image: &Image) -> Result<Vec<Review>> {
    WORKS
        .iter()
        .enumerate()
        .map(|(at, work)| {
            let reference = if work.by_tag { image.by_tag() } else { image.by_digest() };
            let body = scratch.write(
                &format!("review-{at}.json"),
                &review(work.namespace, &reference).to_string(),
            )?;
            let script = scratch.write(&format!("review-{at}.lua"), &script(work, &body))?;
            Ok(Review { body, script })
        })
        .collect()
}

fn script(work: &Work, body: &Path) -> String {
    if work.path != MUTATE {
        return "wrk.method = \"GET\"\n".to_owned();
    }
    format!(
        "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\nwrk.body = io.open(\"{}\"):read(\"*a\")\n",
        body.display()
    )
}

/// A Pod of one container, as the API server would ask about it; dry run, so that no events and reports are written.
fn review(namespace: &str, image: &str) -> Value {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "app", "namespace": namespace, "labels": { "app": "app" } },
        "spec": {
            "containers": [{ "name": "app", "image": image, "imagePullPolicy": "IfNotPresent" }],
            "restartPolicy": "Always",
            "serviceAccountName": "default",
        },
    });
    let kind = json!({ "group": "", "version": "v1", "kind": "Pod" });
    let resource = json!({ "group": "", "version": "v1", "resource": "pods" });
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": "app",
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": { "username": "dev", "groups": ["system:authenticated"] },
            "object": pod,
            "oldObject": null,
            "dryRun": true,
            "options": { "apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions" },
        },
    })
}
