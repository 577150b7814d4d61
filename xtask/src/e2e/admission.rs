//! Admission beyond the articles: accounts, credentials, keys that change, registries that hang, tags that move, crowds.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use serde_json::{Value, json};
use sigward_testkit::registry::{Class, Effect, Fault};

use super::Case;
use super::registry::{self, DockerRegistry, Image};
use super::sanity::{HTPASSWD, LOGIN};
use super::scratch::Scratch;
use super::stage::{HOME, MUTATING, SOON, Stage, on_stage, sign_image, signed_image};
use super::tools::{self, Algorithm, Keys, Tool};
use super::wire;
use super::world::World;
use crate::process;

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &str, claim: &str, run: fn(&World, &Scratch) -> Result<()>| {
        Case::new(name, claim, run).needs(&["serve"]).alone()
    };
    vec![
        case(
            "the_shipped_service_account_is_enough",
            "what the product does under its ServiceAccount meets no forbidden answer, and it may not do more",
            the_shipped_service_account_is_enough,
        ),
        case(
            "a_private_registry_needs_the_pods_pull_secret",
            "with imagePullSecrets the Pod is admitted; without, the answer is undetermined (denied), not unsigned",
            a_private_registry_needs_the_pods_pull_secret,
        ),
        case(
            "two_entries_refuse_until_both_keys_have_signed",
            "two entries with two keys are both asked for",
            two_entries_refuse_until_both_keys_have_signed,
        ),
        case(
            "what_a_mutate_rule_writes_is_what_is_verified",
            "a JSON patch that rewrites the registry runs before verification",
            what_a_mutate_rule_writes_is_what_is_verified,
        ),
        case(
            "a_changed_key_in_a_secret_changes_the_next_decision",
            "another key in the Secret: what was admitted is refused, and the other way round",
            a_changed_key_in_a_secret_changes_the_next_decision,
        ),
        case(
            "a_hanging_registry_is_answered_in_time_and_the_retry_is_a_hit",
            "the answer comes before the webhook's timeout, the work goes on, the retry asks the registry almost nothing",
            a_hanging_registry_is_answered_in_time_and_the_retry_is_a_hit,
        ),
        case(
            "a_thousand_simultaneous_pods_cost_one_verification",
            "by the registry's own count",
            a_thousand_simultaneous_pods_cost_one_verification,
        ),
        case(
            "a_tag_moved_after_admission_is_not_admitted",
            "what was verified was the digest, not the tag",
            a_tag_moved_after_admission_is_not_admitted,
        ),
        case(
            "metrics_count_admissions",
            "/metrics has Kyverno's names and ours",
            metrics_count_admissions,
        ),
        case(
            "a_restart_serves_the_same_policies",
            "after SIGTERM and a new start the policy is enforced as before",
            a_restart_serves_the_same_policies,
        ),
        case(
            "uninstalling_removes_the_webhooks",
            "when the Deployment is gone, ending the process leaves no webhook behind",
            uninstalling_removes_the_webhooks,
        ),
    ]
}

pub(super) fn keys(world: &World, scratch: &Scratch, name: &str) -> Result<Keys> {
    tools::make_keys(world, scratch, Tool::Cosign3, Algorithm::P256, name)
}

/// A policy that wants images like `reference` signed by all of the given attestor entries.
pub(super) fn policy(name: &str, reference: &str, entries: &Value) -> String {
    json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": { "name": name },
        "spec": {
            "background": false,
            "webhookTimeoutSeconds": 10,
            "rules": [{
                "name": "signed",
                "match": { "any": [{ "resources": { "kinds": ["Pod"] } }] },
                "verifyImages": [{
                    "imageReferences": [reference],
                    "failureAction": "Enforce",
                    "attestors": [{ "entries": entries }],
                }],
            }],
        },
    })
    .to_string()
}

pub(super) fn inline(keys: &Keys) -> Result<Value> {
    Ok(json!({ "keys": { "publicKeys": keys.pem()? } }))
}

fn the_shipped_service_account_is_enough(world: &World, scratch: &Scratch) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let host = world.docker()?.host();
    let signed = signed_image(world, scratch, host, "account/app:v1", &ours, Tool::Cosign3)?;
    let policy = policy("account", &format!("{host}/account/*"), &json!([inline(&ours)?]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "account", &policy)?;
        stage.admits(scratch, "app", &signed)?;
        // Reports and events are written after the answer.
        process::wait_for("a report of the admitted Pod", SOON, || {
            Ok(stage.kubectl(scratch, "get policyreport -A")?.stdout.contains("app"))
        })?;
        let forbidden: Vec<String> = stage
            .said()
            .lines()
            .filter(|line| line.contains("forbidden"))
            .map(str::to_owned)
            .collect();
        ensure!(forbidden.is_empty(), "something was forbidden:\n{}", forbidden.join("\n"));
        let subject = format!("system:serviceaccount:{HOME}:kyverno-admission-controller");
        for verb in [
            "delete namespaces",
            "create clusterrolebindings",
            "update roles --namespace kube-system",
        ] {
            stage
                .kubectl(scratch, &format!("auth can-i {verb} --as {subject}"))?
                .refused(&["no"])?;
        }
        Ok(())
    })
}

fn a_private_registry_needs_the_pods_pull_secret(world: &World, scratch: &Scratch) -> Result<()> {
    let private = DockerRegistry::start(world.peers(), &scratch.path("registry"), Some(HTPASSWD))?;
    let ours = keys(world, scratch, "k")?;
    let image = registry::push(private.host(), "private/app", "v1", Some(LOGIN))?;
    let mut sign = scratch.command(world.peers().program("cosign3")?);
    sign.arg("sign").arg("--key").arg(&ours.private);
    sign.args(["--tlog-upload=false", "--use-signing-config=false", "--yes"]);
    sign.args(["--registry-username", LOGIN.0, "--registry-password", LOGIN.1])
        .arg(image.by_digest());
    scratch.succeed(&mut sign)?;
    let policy = policy("private", &format!("{}/*", private.host()), &json!([inline(&ours)?]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "private", &policy)?;
        stage.refuses(scratch, "stranger", &image.by_tag(), &["undetermined (denied)"])?;
        let server = format!("--docker-server={}", private.host());
        let (user, password) =
            (format!("--docker-username={}", LOGIN.0), format!("--docker-password={}", LOGIN.1));
        stage
            .kubectl_words(
                scratch,
                &["create", "secret", "docker-registry", "regcred", &server, &user, &password],
            )?
            .succeeded()?;
        let overrides =
            r#"--overrides={"apiVersion":"v1","spec":{"imagePullSecrets":[{"name":"regcred"}]}}"#;
        let image_flag = format!("--image={}", image.by_tag());
        let ran = stage.kubectl_words(scratch, &["run", "member", &image_flag, overrides]);
        stage.kubectl(scratch, "delete secret regcred")?.succeeded()?;
        ran?.succeeded()?;
        let pod = stage.get(scratch, "pod member")?;
        let admitted =
            pod.pointer("/spec/containers/0/image").and_then(Value::as_str).unwrap_or_default();
        ensure!(admitted.ends_with(&image.digest), "the Pod runs {admitted}");
        Ok(())
    })
}

fn two_entries_refuse_until_both_keys_have_signed(world: &World, scratch: &Scratch) -> Result<()> {
    let (build, release) = (keys(world, scratch, "build")?, keys(world, scratch, "release")?);
    let host = world.docker()?.host();
    let image = signed_image(world, scratch, host, "both/app:v1", &build, Tool::Cosign3)?;
    let policy =
        policy("both", &format!("{host}/both/*"), &json!([inline(&build)?, inline(&release)?]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "both", &policy)?;
        stage.refuses(scratch, "early", &image.by_tag(), &["failed to verify image"])?;
        sign_image(world, scratch, &image, &release, Tool::Cosign3)?;
        stage.admits(scratch, "late", &image)
    })
}

fn what_a_mutate_rule_writes_is_what_is_verified(world: &World, scratch: &Scratch) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let host = world.docker()?.host();
    let image = signed_image(world, scratch, host, "mirror/app:v1", &ours, Tool::Cosign3)?;
    let rewriting = json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": { "name": "mirror" },
        "spec": {
            "background": false,
            "rules": [
                {
                    "name": "use-the-mirror",
                    "match": { "any": [{ "resources": { "kinds": ["Pod"] } }] },
                    "mutate": {
                        "patchesJson6902":
                            format!("- op: replace\n  path: /spec/containers/0/image\n  value: {}\n", image.by_tag()),
                    },
                },
                {
                    "name": "signed",
                    "match": { "any": [{ "resources": { "kinds": ["Pod"] } }] },
                    "verifyImages": [{
                        "imageReferences": [format!("{host}/mirror/*")],
                        "failureAction": "Enforce",
                        "attestors": [{ "entries": [inline(&ours)?] }],
                    }],
                },
            ],
        },
    });
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "mirror", &rewriting.to_string())?;
        stage.run(scratch, "app", "upstream.example.test/app:v1")?.succeeded()?;
        let pod = stage.get(scratch, "pod app")?;
        let admitted =
            pod.pointer("/spec/containers/0/image").and_then(Value::as_str).unwrap_or_default();
        ensure!(
            admitted == format!("{}@{}", image.by_tag(), image.digest),
            "the Pod runs {admitted}"
        );
        Ok(())
    })
}

fn a_changed_key_in_a_secret_changes_the_next_decision(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let (old, new) = (keys(world, scratch, "old")?, keys(world, scratch, "new")?);
    let host = world.docker()?.host();
    let by_old = signed_image(world, scratch, host, "rotate/old:v1", &old, Tool::Cosign3)?;
    let by_new = signed_image(world, scratch, host, "rotate/new:v1", &new, Tool::Cosign3)?;
    let secret = json!([{ "keys": { "secret": { "name": "rotated", "namespace": HOME } } }]);
    let policy = policy("rotate", &format!("{host}/rotate/*"), &secret);
    on_stage(world, scratch, |stage| {
        stage.key_secret(scratch, "rotated", &old)?;
        stage.load(scratch, "rotate", &policy)?;
        stage.admits(scratch, "old-before", &by_old)?;
        stage.refuses(scratch, "new-before", &by_new.by_tag(), &["failed to verify image"])?;
        let pem = base64::engine::general_purpose::STANDARD.encode(new.pem()?);
        let patch = json!({ "data": { "cosign.pub": pem } }).to_string();
        stage
            .kubectl_words(
                scratch,
                &[
                    "patch",
                    "secret",
                    "rotated",
                    "--namespace",
                    HOME,
                    "--type",
                    "merge",
                    "-p",
                    &patch,
                ],
            )?
            .succeeded()?;
        // The change travels through a watch.
        process::wait_for("the new key to count", SOON, || {
            Ok(stage
                .kubectl(
                    scratch,
                    &format!("run probe --dry-run=server --image={}", by_new.by_tag()),
                )?
                .code
                == 0)
        })?;
        stage.admits(scratch, "new-after", &by_new)?;
        stage.refuses(scratch, "old-after", &by_old.by_tag(), &["failed to verify image"])?;
        Ok(())
    })
}

fn a_hanging_registry_is_answered_in_time_and_the_retry_is_a_hit(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    const TIMEOUT: Duration = Duration::from_secs(10);
    let ours = keys(world, scratch, "k")?;
    let registry = world.testkit()?;
    let host = registry.host();
    let image = signed_image(world, scratch, &host, "slow/app:v1", &ours, Tool::Cosign3)?;
    let policy = policy("slow", &format!("{host}/slow/*"), &json!([inline(&ours)?]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "slow", &policy)?;
        // Longer than the webhook's timeout, shorter than the life of detached work.
        let late = TIMEOUT + Duration::from_secs(3);
        registry.fault(
            Fault::new(Effect::Latency(late)).path("/v2/slow/*").class(Class::Referrers).times(1),
        );
        let started = Instant::now();
        let refused = stage.refuses(scratch, "first", &image.by_tag(), &["undetermined"]);
        let took = started.elapsed();
        thread::sleep((late + Duration::from_secs(1)).saturating_sub(took));
        registry.clear_faults();
        let ran = refused?;
        ensure!(took < TIMEOUT, "the answer took {took:?}, longer than the webhook's timeout");
        // The API server's own words when a webhook did not answer.
        for words in ["failed calling webhook", "context deadline exceeded"] {
            ensure!(
                !ran.said().contains(words),
                "the API server gave up before we answered:\n{ran}"
            );
        }
        registry.reset_log();
        stage.admits(scratch, "second", &image)?;
        let asked = registry.request_count();
        ensure!(asked <= 1, "the retry is no hit: it made {asked} registry requests");
        Ok(())
    })
}

fn a_thousand_simultaneous_pods_cost_one_verification(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    const CROWD: usize = 1_000;
    let ours = keys(world, scratch, "k")?;
    let registry = world.testkit()?;
    let host = registry.host();
    let first = signed_image(world, scratch, &host, "crowd/first:v1", &ours, Tool::Cosign3)?;
    let second = signed_image(world, scratch, &host, "crowd/second:v1", &ours, Tool::Cosign3)?;
    let policy = policy("crowd", &format!("{host}/crowd/*"), &json!([inline(&ours)?]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "crowd", &policy)?;
        let webhook = Webhook::find(stage, scratch)?;
        // What one verification costs, beside finding out what the tag means.
        let cost = || {
            registry.request_count()
                - registry.count_of(Class::ManifestByTag)
                - registry.count_of(Class::Base)
        };
        registry.reset_log();
        ensure!(webhook.admit(&first, 0)?, "a single Pod is not admitted");
        let one = cost();
        registry.reset_log();
        let admitted = thread::scope(|scope| {
            let asked: Vec<_> = (0..CROWD)
                .map(|number| {
                    let (webhook, second) = (&webhook, &second);
                    thread::Builder::new()
                        .stack_size(256 << 10)
                        .spawn_scoped(scope, move || webhook.admit(second, number))
                })
                .collect();
            let mut admitted = 0;
            for answer in asked {
                match answer?.join() {
                    Ok(answer) => admitted += usize::from(answer?),
                    Err(_) => bail!("a client died"),
                }
            }
            Ok(admitted)
        })?;
        ensure!(admitted == CROWD, "{admitted} of {CROWD} were admitted");
        let all = cost();
        ensure!(all == one, "{CROWD} Pods cost {all} requests, one Pod costs {one}");
        Ok(())
    })
}

fn a_tag_moved_after_admission_is_not_admitted(world: &World, scratch: &Scratch) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let host = world.docker()?.host();
    let signed = signed_image(world, scratch, host, "moved/app:v1", &ours, Tool::Cosign3)?;
    let policy = policy("moved", &format!("{host}/moved/*"), &json!([inline(&ours)?]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "moved", &policy)?;
        stage.admits(scratch, "before", &signed)?;
        let evil = registry::push(host, "moved/app", "evil", None)?;
        registry::move_tag(&evil, "v1", None)?;
        stage.refuses(scratch, "after", &signed.by_tag(), &["no signatures found"])?;
        // The verified digest itself is as good as before.
        stage.run(scratch, "by-digest", &signed.by_digest())?.succeeded()?;
        Ok(())
    })
}

fn metrics_count_admissions(world: &World, scratch: &Scratch) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let host = world.docker()?.host();
    let signed = signed_image(world, scratch, host, "counted/app:v1", &ours, Tool::Cosign3)?;
    let policy = policy("counted", &format!("{host}/counted/*"), &json!([inline(&ours)?]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "counted", &policy)?;
        stage.admits(scratch, "app", &signed)?;
        process::wait_for("the metrics", SOON, || {
            let answer = wire::send(&stage.metrics(), "GET", "/metrics", &[], b"")?;
            ensure!(answer.status == 200, "/metrics answered {}", answer.status);
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            scratch.write("metrics.txt", &text)?;
            Ok([
                "kyverno_admission_requests",
                "kyverno_policy_results",
                "sigward_registry_requests",
            ]
            .iter()
            .all(|name| text.contains(name)))
        })
    })
}

fn a_restart_serves_the_same_policies(world: &World, scratch: &Scratch) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let host = world.docker()?.host();
    let signed = signed_image(world, scratch, host, "again/app:v1", &ours, Tool::Cosign2)?;
    let unsigned = registry::push(host, "again/unsigned", "v1", None)?;
    let policy = policy("again", &format!("{host}/again/*"), &json!([inline(&ours)?]));
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "again", &policy)?;
        stage.admits(scratch, "before", &signed)?;
        stage.restart()?;
        stage.wait_until_ready(scratch, "clusterpolicy again")?;
        stage.admits(scratch, "after", &signed)?;
        stage.refuses(scratch, "unsigned", &unsigned.by_tag(), &["no signatures found"])?;
        Ok(())
    })
}

fn uninstalling_removes_the_webhooks(world: &World, scratch: &Scratch) -> Result<()> {
    let ours = keys(world, scratch, "k")?;
    let host = world.docker()?.host();
    let policy = policy("leaving", &format!("{host}/leaving/*"), &json!([inline(&ours)?]));
    let mut stage = Stage::start(world, scratch)?;
    stage.load(scratch, "leaving", &policy)?;
    stage.kubectl(scratch, &format!("delete deployment --all --namespace {HOME}"))?.succeeded()?;
    ensure!(stage.stop()?, "the process did not end by itself with success");
    let left = stage.kubectl(
        scratch,
        "get mutatingwebhookconfigurations,validatingwebhookconfigurations --output name",
    )?;
    ensure!(left.stdout.trim().is_empty(), "webhooks are left:\n{}", left.stdout);
    // Nothing answers any more, and nothing is asked.
    stage.run(scratch, "free", "anything.example.test/app:v1")?.succeeded()?;
    Ok(())
}

/// Our webhook as the API server sees it, called directly.
#[derive(Debug)]
pub(super) struct Webhook {
    host: String,
    path: String,
    authority: String,
}

impl Webhook {
    /// The first webhook that the API server calls for resources, mutating side.
    pub(super) fn find(stage: &Stage, scratch: &Scratch) -> Result<Self> {
        let found = stage.get(scratch, &format!("mutatingwebhookconfiguration {MUTATING}"))?;
        let text = |path: &str| {
            found.pointer(path).and_then(Value::as_str).with_context(|| format!("no {path}"))
        };
        let url = text("/webhooks/0/clientConfig/url")?;
        let (host, path) = url
            .strip_prefix("https://")
            .and_then(|rest| rest.split_once('/'))
            .context("the address is not HTTPS")?;
        let bundle = base64::engine::general_purpose::STANDARD
            .decode(text("/webhooks/0/clientConfig/caBundle")?)?;
        Ok(Self {
            host: host.to_owned(),
            path: format!("/{path}"),
            authority: String::from_utf8(bundle)?,
        })
    }

    /// Status and text of the readiness probe.
    pub(super) fn readiness(&self) -> Result<(u16, String)> {
        let path = "/health/readiness";
        let answer = wire::send_tls(&self.host, &self.authority, "GET", path, &[], b"")?;
        Ok((answer.status, String::from_utf8_lossy(&answer.body).into_owned()))
    }

    /// Whether a Pod with this image is admitted.
    pub(super) fn admit(&self, image: &Image, number: usize) -> Result<bool> {
        let uid = format!("00000000-0000-4000-8000-{number:012}");
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": uid,
                "kind": { "group": "", "version": "v1", "kind": "Pod" },
                "resource": { "group": "", "version": "v1", "resource": "pods" },
                "requestKind": { "group": "", "version": "v1", "kind": "Pod" },
                "requestResource": { "group": "", "version": "v1", "resource": "pods" },
                "name": format!("pod-{number}"),
                "namespace": "default",
                "operation": "CREATE",
                "userInfo": { "username": "e2e", "groups": ["system:authenticated"] },
                "dryRun": true,
                "object": {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": { "name": format!("pod-{number}"), "namespace": "default" },
                    "spec": { "containers": [{ "name": "app", "image": image.by_tag() }] },
                },
            },
        })
        .to_string();
        let headers = [("Content-Type", "application/json")];
        let path = format!("{}?timeout=30s", self.path);
        let answer = wire::send_tls(
            &self.host,
            &self.authority,
            "POST",
            &path,
            &headers,
            review.as_bytes(),
        )?;
        ensure!(answer.status == 200, "the webhook answered {}", answer.status);
        let review: Value = serde_json::from_slice(&answer.body)?;
        ensure!(
            review.pointer("/response/uid").and_then(Value::as_str) == Some(&uid),
            "another uid came back"
        );
        review.pointer("/response/allowed").and_then(Value::as_bool).context("no verdict")
    }
}
