//! Admission side by side: requests a second on one core, CPU, latencies, registry requests, memory, start.

mod contestants;
mod distinct;
pub(super) mod keyless;
mod load;
pub(super) mod policies;

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
use self::distinct::{Distinct, Images};
use self::load::Load;
use super::figures::Measured;
use super::names::{self, KYVERNO, SIGWARD};
use super::{Bench, Options};
use crate::e2e::registry::{self, Image};
use crate::e2e::scratch::Scratch;
use crate::e2e::tools::{self, Algorithm, Format, Signing, Statement, Tool};
use crate::e2e::world::World;
use crate::workspace;

/// Namespaces of the reviews: no policy looks at the first, one policy at each of the others.
const NAMESPACES: [&str; 4] = ["bench-other", "bench-warm", "bench-cold", "bench-many"];
/// Kyverno is asked about so many distinct images: enough for the cost of each.
const KYVERNO_DISTINCT: usize = 1_000;
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
        name: names::LIVENESS,
        path: "/health/liveness",
        namespace: NAMESPACES[0],
        by_tag: false,
        patched: false,
    },
    Work {
        name: names::NO_MATCH,
        path: MUTATE,
        namespace: NAMESPACES[0],
        by_tag: true,
        patched: false,
    },
    Work {
        name: names::WARM_TAG,
        path: MUTATE,
        namespace: NAMESPACES[1],
        by_tag: true,
        patched: true,
    },
    Work {
        name: names::WARM_DIGEST,
        path: MUTATE,
        namespace: NAMESPACES[1],
        by_tag: false,
        patched: false,
    },
    Work {
        name: names::COLD_TAG,
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
    /// Requests to the registry for each admission, at one connection and at sixteen: there, identical ones in flight may be
    /// joined.
    registry: (f64, f64),
}

/// Measures both webhooks and gives the tables.
pub(super) fn measure(bench: &Bench<'_>) -> Result<Measured> {
    let Bench { world, scratch, options } = *bench;
    prepare()?;
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
    let images = Images::make(options.distinct)?;
    let policies = policies(
        scratch,
        &[
            Policy { namespace: NAMESPACES[1], host: &host, key: &keys.pem()?, use_cache: true },
            Policy { namespace: NAMESPACES[2], host: &host, key: &keys.pem()?, use_cache: false },
            Policy {
                namespace: NAMESPACES[3],
                host: &images.host(),
                key: &images.public,
                use_cache: true,
            },
        ],
    )?;
    let reviews = reviews(scratch, &image)?;

    let mut measured = Measured::default();
    let mut states = "\n| webhook | start to ready | resident, idle | resident, after the loads | program |\n|---|---|---|---|---|\n".to_owned();
    let mut many = "\n| distinct images, each for the first time, one after the other | webhook | CPU each | wall each | registry requests each | resident afterwards |\n|---|---|---|---|---|---|\n".to_owned();
    let mut columns = Vec::new();
    for &who in whom(options) {
        let contestant = contestant(bench, who, &policies)?;
        let idle = load::resident(contestant.pid())?;
        let mut figures = Vec::new();
        for (work, review) in WORKS.iter().zip(&reviews) {
            let found = one_work(world, &contestant, work, review, options.seconds)
                .with_context(|| format!("{who}: {}", work.name))?;
            eprintln!("{who}: {}: {:.0} requests/s", work.name, found.sixteen.rate);
            figures.push(found);
        }
        writeln!(
            states,
            "| {who} | {:.0} ms | {idle:.1} MiB | {:.1} MiB | {:.1} MB |",
            contestant.ready.as_secs_f64() * 1e3,
            load::resident(contestant.pid())?,
            contestants::megabytes(&contestant.program)?,
        )?;
        columns.push((who, figures));
        let most = if who == SIGWARD { options.distinct } else { KYVERNO_DISTINCT };
        let found = images.admit(&contestant, scratch, most)?;
        eprintln!("{who}: {} distinct images", found.images);
        writeln!(many, "{}", distinct_line(who, &found))?;
        let keep = &mut measured.figures;
        keep.put(names::DISTINCT, who, "cpu 1", found.cpu);
        keep.put(names::DISTINCT, who, "requests 1", found.requests);
        keep.put(names::STATE, who, "ready", contestant.ready.as_secs_f64());
        keep.put(names::STATE, who, "idle", idle * MIB);
        keep.put(names::STATE, who, "after distinct", found.resident * MIB);
    }
    let works: Vec<&str> = WORKS.iter().map(|work| work.name).collect();
    speeds(&mut measured, &works, &columns)?;
    measured.tables += &(many + &states);
    Ok(measured)
}

/// Bytes, where the kernel's figures were turned into MiB.
const MIB: f64 = 1_048_576.0;

/// The load generator is there, and this process leaves the first core to the webhooks.
fn prepare() -> Result<()> {
    if workspace::find_program("wrk").is_none() {
        crate::peers::apt_install(&["wrk"])?;
    }
    keep_to_second_core()
}

/// Who is measured.
fn whom(options: &Options) -> &'static [&'static str] {
    if options.peers_only { &[KYVERNO] } else { &[KYVERNO, SIGWARD] }
}

/// Starts one of them over a folder of policies and waits until it is idle.
fn contestant(bench: &Bench<'_>, who: &str, policies: &Path) -> Result<Contestant> {
    let folder = bench.scratch.path(who);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let contestant = if who == SIGWARD {
        Contestant::sigward(bench.world, &folder, policies)?
    } else {
        Contestant::kyverno(bench.world, bench.scratch, &folder, policies)?
    };
    // What is done at the start of a process is not what it holds when idle.
    thread::sleep(Duration::from_secs(2));
    Ok(contestant)
}

/// The table of loads: for each work, each webhook. Keeps the numbers too.
fn speeds(
    measured: &mut Measured,
    works: &[&str],
    columns: &[(&'static str, Vec<Figures>)],
) -> Result<()> {
    writeln!(
        measured.tables,
        "| work | webhook | requests/s, 16 connections | CPU each, 1 / 16 connections | p50 / p99, 1 connection | p50 / p99, 16 connections | registry requests each, 1 / 16 connections | CPU, of Kyverno's, 1 / 16 connections |"
    )?;
    writeln!(measured.tables, "|---|---|---|---|---|---|---|---|")?;
    for (at, work) in works.iter().enumerate() {
        let base = columns.first().and_then(|(_, figures)| figures.get(at));
        for (who, figures) in columns {
            let Some(found) = figures.get(at) else { continue };
            writeln!(measured.tables, "{}", line(work, who, found, base))?;
            let keep = &mut measured.figures;
            keep.put(work, who, "cpu 1", found.one.cpu);
            keep.put(work, who, "cpu 16", found.sixteen.cpu);
            keep.put(work, who, "p99 1", found.one.p99);
            keep.put(work, who, "requests 1", found.registry.0);
        }
    }
    Ok(())
}

fn distinct_line(name: &str, found: &Distinct) -> String {
    format!(
        "| {} | {name} | {:.3} ms | {:.2} ms | {:.2} | {:.1} MiB |",
        found.images,
        found.cpu * 1e3,
        found.wall * 1e3,
        found.requests,
        found.resident
    )
}

/// One kind of work on one webhook.
fn one_work(
    world: &World,
    contestant: &Contestant,
    work: &Work,
    review: &Review,
    seconds: u64,
) -> Result<Figures> {
    let admitted = || -> Result<()> {
        if work.path != MUTATE {
            return Ok(());
        }
        let (allowed, response) = answer(contestant, work.path, &review.body)?;
        let patched = response.get("patch").is_some();
        ensure!(allowed && (patched || !work.patched), "not what was expected: {response}");
        Ok(())
    };
    loads(contestant, work.path, review, seconds, &admitted, &|| logged(world))
}

/// What a webhook answers to a review: whether it admits, and the whole response.
fn answer(contestant: &Contestant, path: &str, body: &Path) -> Result<(bool, Value)> {
    let said = contestant.ask(path, body)?;
    let answer: Value =
        serde_json::from_str(&said).with_context(|| format!("no review: {said}"))?;
    let response = answer.get("response").context("a review without a response")?;
    let allowed = response.get("allowed").and_then(Value::as_bool) == Some(true);
    Ok((allowed, response.clone()))
}

/// The load of one connection and of sixteen, between answers that were looked at.
fn loads(
    contestant: &Contestant,
    path: &str,
    review: &Review,
    seconds: u64,
    judge: &dyn Fn() -> Result<()>,
    registry: &dyn Fn() -> Result<u32>,
) -> Result<Figures> {
    let url = format!("{}{path}", contestant.url);
    // The first request makes connections and fills caches; the second is as warm as the work allows.
    judge()?;
    judge()?;
    let before = registry()?;
    let one = load::post(contestant.pid(), &url, &review.script, 1, seconds)?;
    // The load ends with a request under way: one more or less does not show in thousands.
    let between = registry()?;
    let sixteen = load::post(contestant.pid(), &url, &review.script, 16, seconds)?;
    let after = registry()?;
    judge()?;
    let registry =
        (f64::from(between - before) / one.requests, f64::from(after - between) / sixteen.requests);
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

fn line(work: &str, name: &str, found: &Figures, base: Option<&Figures>) -> String {
    let ratio = base.map_or_else(String::new, |base| {
        let times = |theirs: &Load, ours: &Load| theirs.cpu / ours.cpu;
        format!(
            "1/{:.1} / 1/{:.1}",
            times(&base.one, &found.one),
            times(&base.sixteen, &found.sixteen)
        )
    });
    let pair = |load: &Load| format!("{:.2} / {:.2} ms", load.p50 * 1e3, load.p99 * 1e3);
    format!(
        "| {work} | {name} | {:.0} | {:.3} / {:.3} ms | {} | {} | {:.2} / {:.2} | {ratio} |",
        found.sixteen.rate,
        found.one.cpu * 1e3,
        found.sixteen.cpu * 1e3,
        pair(&found.one),
        pair(&found.sixteen),
        found.registry.0,
        found.registry.1,
    )
}

/// What is asked of the Pods of one namespace.
struct Policy<'a> {
    namespace: &'a str,
    host: &'a str,
    /// PEM.
    key: &'a str,
    use_cache: bool,
}

/// Writes policies with a key into a folder.
fn policies(scratch: &Scratch, policies: &[Policy<'_>]) -> Result<PathBuf> {
    let folder = scratch.path("policies");
    fs::create_dir_all(&folder)?;
    for &Policy { namespace, host, key, use_cache } in policies {
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
            let review = review(&pod(work.namespace, &reference));
            Review::write(scratch, &at.to_string(), &review, work.path == MUTATE)
        })
        .collect()
}

impl Review {
    /// Writes the review and the script that posts it over and over, or one that only gets.
    fn write(scratch: &Scratch, name: &str, review: &Value, posted: bool) -> Result<Self> {
        let body = scratch.write(&format!("review-{name}.json"), &review.to_string())?;
        let script = if posted {
            format!(
                "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\nwrk.body = io.open(\"{}\"):read(\"*a\")\n",
                body.display()
            )
        } else {
            "wrk.method = \"GET\"\n".to_owned()
        };
        let script = scratch.write(&format!("review-{name}.lua"), &script)?;
        Ok(Self { body, script })
    }
}

/// A Pod of one container.
fn pod(namespace: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "app", "namespace": namespace, "labels": { "app": "app" } },
        "spec": {
            "containers": [{ "name": "app", "image": image, "imagePullPolicy": "IfNotPresent" }],
            "restartPolicy": "Always",
            "serviceAccountName": "default",
        },
    })
}

/// A Pod as the API server would ask about it; dry run, so that no events and reports are written.
fn review(pod: &Value) -> Value {
    let of_pod = |field: &str| pod.pointer(&format!("/metadata/{field}")).cloned();
    let (name, namespace) = (of_pod("name"), of_pod("namespace"));
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
            "name": name,
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
