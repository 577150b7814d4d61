//! The keyless chapter: a workflow signs with its identity, and admission asks nobody but the registry for it.
use super::{
    policies::{ISSUER_WORKFLOWS, PolicyFile},
    screen::Line,
    story::{Scribe, admitted, denied, outcome_of},
    world::{World, pod},
};
use crate::cli::cosign::Failure;
use serde_json::Value;
use sigward_testkit::{
    image,
    registry::Registry,
    signing::Place,
    sigstore::{Identity, Keyless, Service, Services, ServicesOptions, github_claims},
};
use std::{net::TcpStream, path::Path, time::Instant};

/// The workflow that is trusted, and one that is not.
const OURS: &str = "acme/app";
const THEIRS: &str = "stranger/app";

/// Starts a private Sigstore and writes what clients are given.
pub(super) fn start(folder: &Path) -> Result<Services, Failure> {
    let services = Services::start(ServicesOptions::default())?;
    let instance = services.instance();
    std::fs::write(folder.join("trusted-root.json"), instance.trusted_root().to_string())?;
    std::fs::write(folder.join("signing-config.json"), instance.signing_config(1).to_string())?;
    Ok(services)
}

/// The how-to's policy, with this issuer and this log.
pub(super) fn policy(registry: &str, services: &Services) -> PolicyFile {
    let urls = services.instance().urls();
    super::policies::keyless(registry, &urls.issuer, &urls.rekor)
}

pub(super) fn push_images(registry: &Registry) {
    image::build(13).push(registry, "ci/app", "v1");
    image::build(14).push(registry, "ci/app", "v2");
    image::build(15).push(registry, "ci/app", "stranger");
}

/// The chapter.
pub(super) async fn tell(scribe: &mut Scribe<'_>, world: &World) -> Result<(), Failure> {
    let image = |tag: &str| format!("{}/ci/app:{tag}", world.registry.host());
    sign(scribe, world, &image)?;
    verify(scribe, world, &image("v1"))?;

    let since = Instant::now();
    let asked = requests(&world.sigstore);
    let verdict = world.create(pod("app", "default", &image("v1"))).await?;
    let registry = world.registry.request_count();
    world.registry.reset_log();
    let others = requests(&world.sigstore).saturating_sub(asked);
    scribe.tell(
        "Deploy what the workflow signed",
        "policies/verify-keyless.yaml",
        since,
        registry,
        verdict.allowed && verdict.image().contains("@sha256:") && others == 0,
        vec![
            Line::Command(format!("kubectl run app --image={}", image("v1"))),
            admitted(
                &verdict,
                &format!("admitted, and pinned; certificate, log entry and certificate log checked with {others} requests to Sigstore"),
            ),
        ],
    );
    denied(
        scribe,
        world,
        "Signed by another workflow",
        pod("stranger", "default", &image("stranger")),
        &[THEIRS],
    )
    .await?;
    without_services(scribe, world, &image("v2")).await
}

/// Signs three images, two with the identity that the policy wants.
fn sign(
    scribe: &mut Scribe<'_>,
    world: &World,
    image: &dyn Fn(&str) -> String,
) -> Result<(), Failure> {
    let since = Instant::now();
    let instance = world.sigstore.instance();
    let issuer = instance.urls().issuer;
    for (tag, repository) in [("v1", OURS), ("v2", OURS), ("stranger", THEIRS)] {
        let claims = github_claims(repository, "release.yml", "refs/heads/main", "push");
        let place = Place::of(&world.registry, "ci/app", tag)?;
        Keyless::new(instance, Identity::of_claims(&issuer, &claims)).sign(&place)?;
    }
    world.registry.reset_log();
    let shown = world.cosign(&["download", "signature", &image("v1")])?;
    let bundle: Value = serde_json::from_str(shown.stdout.trim()).unwrap_or_default();
    let entry = bundle.pointer("/verificationMaterial/tlogEntries/0").cloned().unwrap_or_default();
    let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let logged = format!(
        "log entry {} ({}), logged at {}, with a promise and a proof of inclusion in a tree of {}",
        text("/logIndex"),
        text("/kindVersion/kind"),
        text("/integratedTime"),
        text("/inclusionProof/treeSize"),
    );
    let good = shown.success && !text("/logIndex").is_empty();
    let requests = world.registry.request_count();
    world.registry.reset_log();
    scribe.tell(
        "A workflow signs with its identity: there is no key to keep",
        "Fulcio, Rekor, certificate log, issuer and the workflow itself are played by this process",
        since,
        requests,
        good,
        vec![
            Line::Command(format!("cosign download signature {}", image("v1"))),
            if good { Line::Good(logged) } else { Line::Broken(shown.stderr) },
        ],
    );
    Ok(())
}

/// Who signed, by `cosign verify`.
fn verify(scribe: &mut Scribe<'_>, world: &World, image: &str) -> Result<(), Failure> {
    let since = Instant::now();
    let issuer = world.sigstore.instance().urls().issuer;
    let identity =
        format!("{ISSUER_WORKFLOWS}{OURS}/.github/workflows/release.yml@refs/heads/main");
    let flags = [
        "--trusted-root",
        "trusted-root.json",
        "--certificate-identity",
        &identity,
        "--certificate-oidc-issuer",
        &issuer,
    ];
    let ran = world.cosign(&[&["verify"], &flags[..], &[image]].concat())?;
    let requests = world.registry.request_count();
    world.registry.reset_log();
    scribe.tell(
        "Verify who signed",
        "",
        since,
        requests,
        ran.success,
        vec![
            Line::Command(format!("cosign verify {} {image}", flags.join(" "))),
            outcome_of(&ran, &format!("signed by {identity}")),
        ],
    );
    Ok(())
}

/// The same with every service but the registry stopped: an image that nobody has looked at before.
async fn without_services(
    scribe: &mut Scribe<'_>,
    world: &World,
    image: &str,
) -> Result<(), Failure> {
    for service in Service::ALL {
        world.sigstore.go_down(service);
    }
    let since = Instant::now();
    let gone = Service::ALL.iter().all(|service| {
        let url = world.sigstore.url(*service);
        TcpStream::connect(url.trim_start_matches("http://")).is_err()
    });
    let verdict = world.create(pod("next", "default", image)).await?;
    let requests = world.registry.request_count();
    world.registry.reset_log();
    scribe.tell(
        "Fulcio, the logs, the timestamp authority and the issuer are down",
        "",
        since,
        requests,
        gone && verdict.allowed,
        vec![
            Line::Command(format!("kubectl run next --image={image}")),
            admitted(&verdict, "admitted all the same: the proofs lie beside the image"),
        ],
    );
    for service in Service::ALL {
        world.sigstore.come_back(service)?;
    }
    Ok(())
}

/// How many requests all services have got.
fn requests(services: &Services) -> u64 {
    Service::ALL.iter().map(|service| services.count(*service)).sum()
}
