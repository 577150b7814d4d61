//! The steps, in order. Every line is the result of something that happened in this run.
use super::{
    keyless, policies,
    screen::{Line, Screen, Step, milliseconds},
    world::{Ran, Verdict, World, cosign, deployment, pod},
};
use crate::cli::cosign::Failure;
use serde_json::{Value, json};
use sigward_testkit::{image, registry::Registry};
use std::{path::Path, sync::Arc, time::Instant};

/// How many Pods come at once in the last step.
const CROWD: usize = 1000;

/// Notes what one step does, with its time and the registry's own count of requests.
pub(super) struct Scribe<'s> {
    screen: &'s mut Screen,
    number: usize,
}

impl Scribe<'_> {
    pub(super) fn tell(
        &mut self,
        title: &str,
        aside: &str,
        since: Instant,
        requests: u64,
        good: bool,
        lines: Vec<Line>,
    ) {
        self.number += 1;
        self.screen.tell(&Step {
            number: self.number,
            title: title.to_owned(),
            aside: aside.to_owned(),
            lines,
            as_expected: good,
            milliseconds: milliseconds(since.elapsed()),
            registry_requests: requests,
        });
    }
}

/// Tells the story; what runs at its end is returned, so that it can be kept.
pub(super) async fn tell(folder: &Path, screen: &mut Screen) -> Result<World, Failure> {
    let mut scribe = Scribe { screen, number: 0 };
    let program = std::env::current_exe()?;
    let run = |arguments: &[&str]| cosign(&program, folder, arguments);

    let since = Instant::now();
    let made = run(&["generate-key-pair"])?;
    let others = run(&["generate-key-pair", "--output-key-prefix", "vendor"])?;
    let good = made.success && others.success;
    scribe.tell(
        "A key pair, and somebody else's",
        "",
        since,
        0,
        good,
        vec![
            Line::Command("cosign generate-key-pair".into()),
            Line::Output("cosign.key  cosign.pub".into()),
            Line::Command("cosign generate-key-pair --output-key-prefix vendor".into()),
            Line::Output("vendor.key  vendor.pub".into()),
        ],
    );
    let key_pem = std::fs::read_to_string(folder.join("cosign.pub"))?;
    let vendor_pem = std::fs::read_to_string(folder.join("vendor.pub"))?;

    let since = Instant::now();
    let registry = World::registry()?;
    let host = registry.host();
    let (signed, unsigned) = push_images(&registry);
    keyless::push_images(&registry);
    registry.reset_log();
    scribe.tell(
        "Images in a registry",
        &format!("http://{host}"),
        since,
        0,
        true,
        vec![
            Line::Output(format!("shop/web:v1       {signed}")),
            Line::Output(format!("shop/web:rushed   {unsigned}   will stay unsigned")),
        ],
    );

    let web = format!("{host}/shop/web:v1");
    sign_and_verify(&mut scribe, &run, &registry, &web)?;

    let since = Instant::now();
    let sigstore = keyless::start(folder)?;
    let mut files = policies::all(&host, &key_pem);
    files.push(keyless::policy(&host, &sigstore));
    for file in &files {
        std::fs::write(folder.join("policies").join(format!("{}.yaml", file.name)), &file.text)?;
    }
    std::fs::write(
        folder.join("cluster").join("objects.yaml"),
        policies::objects(&key_pem, &vendor_pem),
    )?;
    let world = World::start(folder, registry, sigstore).await?;
    let mut lines: Vec<Line> = files
        .iter()
        .map(|file| Line::Command(format!("kubectl apply -f policies/{}.yaml", file.name)))
        .collect();
    lines.push(Line::Output(format!("served by this process on https://{}", world.webhook())));
    lines.push(Line::Output(
        "signatures made with keys need no transparency log entry here (--insecure-ignore-tlog-for-keys)".into(),
    ));
    scribe.tell(
        "Policies: only images signed with that key, or by that workflow",
        "policies/",
        since,
        0,
        true,
        lines,
    );

    article(&mut scribe, &world, &signed, &unsigned).await?;
    registries_and_namespaces(&mut scribe, &world).await?;
    attestations(&mut scribe, &world).await?;
    keyless::tell(&mut scribe, &world).await?;
    crowd(&mut scribe, world).await
}

fn push_images(registry: &Registry) -> (String, String) {
    let signed = image::build(1).push(registry, "shop/web", "v1");
    let unsigned = image::build(2).push(registry, "shop/web", "rushed");
    image::build(3).push(registry, "shop/web", "other");
    image::build(4).push(registry, "company/api", "v1");
    image::build(5).push(registry, "vendor/db", "v1");
    image::build(6).push(registry, "public/tool", "v1");
    image::build(7).push(registry, "apps/job", "v1");
    image::build(8).push(registry, "built/app", "v1");
    image::build(9).push(registry, "built/app", "laptop");
    image::build(10).push(registry, "scanned/app", "clean");
    image::build(11).push(registry, "scanned/app", "critical");
    image::build(12).push(registry, "shop/web", "crowd");
    (signed, unsigned)
}

type Run<'r> = dyn Fn(&[&str]) -> Result<Ran, Failure> + 'r;

fn sign_and_verify(
    scribe: &mut Scribe<'_>,
    run: &Run<'_>,
    registry: &Registry,
    web: &str,
) -> Result<(), Failure> {
    let since = Instant::now();
    let signed = run(&["sign", "--key", "cosign.key", "--tlog-upload=false", "-y", web])?;
    scribe.tell(
        "Sign the first",
        "",
        since,
        registry.request_count(),
        signed.success,
        vec![
            Line::Command(format!("cosign sign --key cosign.key --tlog-upload=false {web}")),
            outcome_of(&signed, "signed, stored beside the image as a Sigstore bundle"),
        ],
    );
    registry.reset_log();

    let since = Instant::now();
    let verified = run(&["verify", "--key", "cosign.pub", "--insecure-ignore-tlog", web])?;
    let requests = registry.request_count();
    scribe.tell(
        "Verify it",
        "",
        since,
        requests,
        verified.success && requests <= 4,
        vec![
            Line::Command(format!("cosign verify --key cosign.pub --insecure-ignore-tlog {web}")),
            outcome_of(
                &verified,
                "signed by cosign.pub · not looked for in a transparency log (asked for: no)",
            ),
            Line::Output(verified.stdout.trim().to_owned()),
        ],
    );
    registry.reset_log();
    Ok(())
}

pub(super) fn outcome_of(ran: &Ran, good: &str) -> Line {
    if ran.success {
        Line::Good(good.to_owned())
    } else {
        Line::Broken(ran.stderr.trim().to_owned())
    }
}

/// The 2021 article: deny, admit with the digest, tamper, deny, another key, deny.
async fn article(
    scribe: &mut Scribe<'_>,
    world: &World,
    signed: &str,
    unsigned: &str,
) -> Result<(), Failure> {
    let host = world.registry.host();
    let web = |tag: &str| format!("{host}/shop/web:{tag}");

    denied(
        scribe,
        world,
        "Deploy the unsigned image",
        deployment("rushed", &web("rushed")),
        &["no signatures found", unsigned],
    )
    .await?;

    let since = Instant::now();
    let verdict = world.create(deployment("web", &web("v1"))).await?;
    let pinned = format!("{host}/shop/web:v1@{signed}");
    let good = verdict.allowed && verdict.image() == pinned;
    let requests = world.registry.request_count();
    world.registry.reset_log();
    scribe.tell(
        "Deploy the signed image",
        "",
        since,
        requests,
        good,
        vec![
            Line::Command(format!("kubectl create deployment web --image={}", web("v1"))),
            admitted(&verdict, "admitted, and pinned to the digest that was verified"),
            Line::Output(format!("image: {}", verdict.image())),
        ],
    );

    denied(
        scribe,
        world,
        "A bare Pod with the unsigned image",
        pod("unsigned", "default", &web("rushed")),
        &["no signatures found"],
    )
    .await?;

    world.registry.set_tag("shop/web", "v1", unsigned);
    denied(
        scribe,
        world,
        "Somebody moves the tag v1 to the unsigned image",
        pod("web", "default", &web("v1")),
        &["no signatures found", unsigned],
    )
    .await?;
    world.registry.set_tag("shop/web", "v1", signed);

    let other = world.cosign(&[
        "sign",
        "--key",
        "vendor.key",
        "--tlog-upload=false",
        "-y",
        &web("other"),
    ])?;
    if !other.success {
        return Err(Failure::new(other.stderr));
    }
    world.registry.reset_log();
    denied(
        scribe,
        world,
        "Signed by somebody else",
        pod("other", "default", &web("other")),
        &["failed to verify image"],
    )
    .await
}

/// The how-to's Secrets, several registries, namespaces, and images that need no signature.
async fn registries_and_namespaces(scribe: &mut Scribe<'_>, world: &World) -> Result<(), Failure> {
    let host = world.registry.host();
    let (api, db, tool, job) = (
        format!("{host}/company/api:v1"),
        format!("{host}/vendor/db:v1"),
        format!("{host}/public/tool:v1"),
        format!("{host}/apps/job:v1"),
    );
    for (key, image) in [("cosign.key", &api), ("vendor.key", &db)] {
        let signed = world.cosign(&[
            "sign",
            "--key",
            key,
            "--tlog-upload=false",
            "--new-bundle-format=false",
            "-y",
            image,
        ])?;
        if !signed.success {
            return Err(Failure::new(signed.stderr));
        }
    }
    world.registry.reset_log();

    let since = Instant::now();
    let ours = world.create(pod("api", "default", &api)).await?;
    let theirs = world.create(pod("db", "default", &db)).await?;
    let public = world.create(pod("tool", "default", &tool)).await?;
    let good =
        ours.allowed && theirs.allowed && public.allowed && public.image().contains("@sha256:");
    let requests = world.registry.request_count();
    world.registry.reset_log();
    scribe.tell("Several registries, each with its key in a Secret", "policies/verify-all-registries.yaml", since, requests, good, vec![
        admitted(&ours, "company/api    signed with the key in kyverno/cosign-pub-key (the older .sig format)"),
        admitted(&theirs, "vendor/db      signed with the key in kyverno/vendor-cosign-key"),
        admitted(&public, "public/tool    needs no signature (required: false): pinned, and reported as not verified"),
    ]);

    let since = Instant::now();
    let development = world.create(pod("job", "development", &job)).await?;
    let production = world.create(pod("job", "production", &job)).await?;
    let good = development.allowed && !production.allowed;
    let requests = world.registry.request_count();
    world.registry.reset_log();
    scribe.tell(
        "Strict in production, lenient in development",
        "policies/conditional-verification.yaml",
        since,
        requests,
        good,
        vec![
            admitted(&development, "apps/job in `development`: admitted unsigned"),
            if production.allowed {
                Line::Broken("apps/job in `production` was admitted".into())
            } else {
                Line::Denied(format!(
                    "apps/job in `production`: denied\n{}",
                    production.message.trim()
                ))
            },
        ],
    );
    Ok(())
}

/// Provenance and scan results: signed statements, judged by what they say.
async fn attestations(scribe: &mut Scribe<'_>, world: &World) -> Result<(), Failure> {
    let host = world.registry.host();
    let slsa = "https://slsa.dev/provenance/v0.2";
    let vuln = "https://cosign.sigstore.dev/attestation/vuln/v1";
    let provenance = |builder: &str| {
        json!({
            "builder": { "id": builder },
            "buildType": "https://github.com/slsa-framework/slsa-github-generator/container@v1",
            "invocation": { "configSource": { "uri": policies::SOURCE, "digest": { "sha1": "0".repeat(40) } } },
        })
    };
    let scan = |findings: Value| {
        json!({
            "invocation": { "uri": "https://example.test/scans/1" },
            "scanner": { "uri": "pkg:github/aquasecurity/trivy", "vendor": "Trivy", "result": { "vulnerabilities": findings } },
            "metadata": { "scanStartedOn": "2026-01-01T00:00:00Z", "scanFinishedOn": "2026-01-01T00:00:05Z" },
        })
    };
    let critical = json!([{ "id": "CVE-2026-0001", "severity": "CRITICAL" }, { "id": "CVE-2026-0002", "severity": "LOW" }]);
    let minor = json!([{ "id": "CVE-2026-0002", "severity": "LOW" }]);
    for (tag, kind, predicate) in [
        ("built/app:v1", slsa, provenance(policies::BUILDER)),
        ("built/app:laptop", slsa, provenance("https://laptop.example.test")),
        ("scanned/app:clean", vuln, scan(minor)),
        ("scanned/app:critical", vuln, scan(critical)),
    ] {
        std::fs::write(world.folder.join("predicate.json"), predicate.to_string())?;
        let image = format!("{host}/{tag}");
        let attested = world.cosign(&[
            "attest",
            "--key",
            "cosign.key",
            "--tlog-upload=false",
            "-y",
            "--type",
            kind,
            "--predicate",
            "predicate.json",
            &image,
        ])?;
        if !attested.success {
            return Err(Failure::new(attested.stderr));
        }
    }
    std::fs::remove_file(world.folder.join("predicate.json"))?;
    world.registry.reset_log();

    for (title, repository, good_tag, bad_tag, file, fact) in [
        (
            "Provenance: built by the trusted builder from the main branch",
            "built/app",
            "v1",
            "laptop",
            "verify-attestations",
            "builder.id",
        ),
        (
            "Scan results: nothing critical",
            "scanned/app",
            "clean",
            "critical",
            "verify-scan-results",
            "CRITICAL",
        ),
    ] {
        let since = Instant::now();
        let good =
            world.create(pod("app", "default", &format!("{host}/{repository}:{good_tag}"))).await?;
        let bad =
            world.create(pod("app", "default", &format!("{host}/{repository}:{bad_tag}"))).await?;
        let requests = world.registry.request_count();
        world.registry.reset_log();
        scribe.tell(
            title,
            &format!("policies/{file}.yaml"),
            since,
            requests,
            good.allowed && !bad.allowed && bad.message.contains(fact),
            vec![
                admitted(&good, &format!("{repository}:{good_tag}")),
                if bad.allowed {
                    Line::Broken(format!("{repository}:{bad_tag} was admitted"))
                } else {
                    Line::Denied(format!("{repository}:{bad_tag}\n{}", bad.message.trim()))
                },
            ],
        );
    }
    Ok(())
}

/// A registry that is down, and a thousand Pods at once.
async fn crowd(scribe: &mut Scribe<'_>, world: World) -> Result<World, Failure> {
    let host = world.registry.host();
    let image = format!("{host}/shop/web:crowd");
    let signed =
        world.cosign(&["sign", "--key", "cosign.key", "--tlog-upload=false", "-y", &image])?;
    if !signed.success {
        return Err(Failure::new(signed.stderr));
    }
    world.registry.go_down();
    world.registry.reset_log();
    denied(
        scribe,
        &world,
        "The registry is down",
        pod("web", "default", &image),
        &["failed to verify image"],
    )
    .await?;
    world.registry.come_back()?;
    world.registry.reset_log();

    let since = Instant::now();
    let world = Arc::new(world);
    let mut pods = tokio::task::JoinSet::new();
    for number in 0..CROWD {
        let (world, image) = (Arc::clone(&world), image.clone());
        pods.spawn(
            async move { world.create(pod(&format!("web-{number}"), "default", &image)).await },
        );
    }
    let mut admitted = 0;
    while let Some(verdict) = pods.join_next().await {
        if verdict?.is_ok_and(|verdict| verdict.allowed) {
            admitted += 1;
        }
    }
    let requests = world.registry.request_count();
    let verifications = world.registry.count_of(sigward_testkit::registry::Class::Blob);
    scribe.tell(
        &format!("The same new Pod {CROWD} times at once"),
        "",
        since,
        requests,
        admitted == CROWD && verifications == 1,
        vec![Line::Good(format!(
            "{admitted} admitted, the signature fetched {verifications} time(s); every other request asked what the tag stands for"
        ))],
    );
    world.registry.reset_log();
    Arc::try_unwrap(world).map_err(|_shared| Failure::new("a request outlived its step"))
}

pub(super) fn admitted(verdict: &Verdict, good: &str) -> Line {
    if verdict.allowed {
        Line::Good(good.to_owned())
    } else {
        Line::Broken(verdict.message.trim().to_owned())
    }
}

/// One object that must be denied, with these words in its message.
pub(super) async fn denied(
    scribe: &mut Scribe<'_>,
    world: &World,
    title: &str,
    object: Value,
    words: &[&str],
) -> Result<(), Failure> {
    let name =
        object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let image = object
        .pointer("/spec/template/spec/containers/0/image")
        .or_else(|| object.pointer("/spec/containers/0/image"))
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let command = if object.pointer("/spec/template").is_some() {
        format!("kubectl create deployment {name} --image={image}")
    } else {
        format!("kubectl run {name} --image={image}")
    };
    let since = Instant::now();
    let verdict = world.create(object).await?;
    let requests = world.registry.request_count();
    world.registry.reset_log();
    let warnings = verdict.warnings.join("\n");
    let said = words.iter().all(|word| verdict.message.contains(word) || warnings.contains(word));
    let line = if verdict.allowed {
        Line::Broken("admitted".into())
    } else {
        Line::Denied(format!("denied\n{}\n\n{warnings}", verdict.message.trim()))
    };
    scribe.tell(
        title,
        "",
        since,
        requests,
        !verdict.allowed && said,
        vec![Line::Command(command), line],
    );
    Ok(())
}

/// An AdmissionReview to try with curl: the unsigned image.
pub(super) fn sample_review(host: &str) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "try-me",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "name": "rushed",
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": { "username": "you" },
            "object": pod("rushed", "default", &format!("{host}/shop/web:rushed")),
        },
    })
}
