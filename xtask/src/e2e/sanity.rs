//! Cases without our binary: they show that the peers and the fixtures are what the other cases take them for.

use anyhow::{Result, ensure};

use super::Case;
use super::registry::{self, DockerRegistry};
use super::scratch::Scratch;
use super::stage;
use super::tools::{self, Algorithm, Format, Signing, Statement, Tool, Verifying};
use super::world::World;
use crate::cluster::Cluster;

/// User `dev`, password `letmein`, in the only form that docker-registry takes: bcrypt.
pub(super) const HTPASSWD: &str =
    "dev:$2b$05$D1mDwHwfo.9YXVjrfQW/IOQn6FUbgWMBcJ.ZDxDO.5YKRjSEPdtOy";
/// The same for clients.
pub(super) const LOGIN: (&str, &str) = ("dev", "letmein");

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "peers_refuse_what_nobody_signed",
            "cosign 2 and 3 refuse an unsigned image with exit code 10",
            peers_refuse_what_nobody_signed,
        ),
        Case::new(
            "peers_refuse_another_key",
            "cosign 3 refuses a signature made with another key",
            peers_refuse_another_key,
        ),
        Case::new(
            "a_private_registry_asks_for_a_login",
            "docker-registry with htpasswd refuses strangers and serves its user",
            a_private_registry_asks_for_a_login,
        ),
        Case::new(
            "a_control_plane_comes_up_and_enforces_rbac",
            "etcd, kube-apiserver and kube-controller-manager run; a service account may only do what RBAC grants",
            a_control_plane_comes_up_and_enforces_rbac,
        )
        .alone(),
        Case::new(
            "the_shipped_manifests_are_accepted",
            "a fresh API server takes everything under deploy/, and serves the kinds",
            the_shipped_manifests_are_accepted,
        )
        .alone(),
    ]
}

fn peers_refuse_what_nobody_signed(world: &World, scratch: &Scratch) -> Result<()> {
    let keys = tools::make_keys(world, scratch, Tool::Cosign3, Algorithm::P256, "k")?;
    let image = registry::push(world.docker()?.host(), "sanity/unsigned", "v1", None)?;
    for tool in [Tool::Cosign2, Tool::Cosign3] {
        let job = Verifying {
            tool,
            key: &keys.public,
            format: Format::Legacy,
            attestation: None,
            image: &image.by_digest(),
        };
        let ran = tools::verify(world, scratch, &job)?.refused(&["no signatures found"])?;
        ensure!(ran.code == 10, "the exit code should be 10:\n{ran}");
    }
    Ok(())
}

fn peers_refuse_another_key(world: &World, scratch: &Scratch) -> Result<()> {
    let ours = tools::make_keys(world, scratch, Tool::Cosign3, Algorithm::P256, "ours")?;
    let other = tools::make_keys(world, scratch, Tool::Cosign3, Algorithm::P256, "other")?;
    let image = registry::push(&world.testkit()?.host(), "sanity/other", "v1", None)?;
    let signing = Signing {
        tool: Tool::Cosign3,
        key: &other.private,
        format: Format::Bundle,
        statement: Statement::Signature,
        predicate: None,
        image: &image.by_digest(),
    };
    tools::sign(world, scratch, &signing)?.succeeded()?;
    let job = Verifying {
        tool: Tool::Cosign3,
        key: &ours.public,
        format: Format::Bundle,
        attestation: None,
        image: &image.by_digest(),
    };
    tools::verify(world, scratch, &job)?
        .refused(&["accepted signatures do not match threshold"])?;
    Ok(())
}

fn a_private_registry_asks_for_a_login(world: &World, scratch: &Scratch) -> Result<()> {
    let private = DockerRegistry::start(world.peers(), &scratch.path("registry"), Some(HTPASSWD))?;
    ensure!(
        registry::push(private.host(), "private/a", "v1", None).is_err(),
        "a stranger may push"
    );
    let image = registry::push(private.host(), "private/a", "v1", Some(LOGIN))?;
    let keys = tools::make_keys(world, scratch, Tool::Cosign3, Algorithm::P256, "k")?;
    let job = Verifying {
        tool: Tool::Cosign3,
        key: &keys.public,
        format: Format::Legacy,
        attestation: None,
        image: &image.by_digest(),
    };
    tools::verify(world, scratch, &job)?.refused(&["UNAUTHORIZED"])?;
    let mut as_user = tools::verification(world, scratch, &job)?;
    as_user.args(["--registry-username", LOGIN.0, "--registry-password", LOGIN.1]);
    scratch.run(&mut as_user)?.refused(&["no signatures found"])?;
    ensure!(private.requests() > 0, "the registry logs no requests");
    Ok(())
}

fn a_control_plane_comes_up_and_enforces_rbac(world: &World, scratch: &Scratch) -> Result<()> {
    let cluster = Cluster::start(world.peers(), &scratch.path("cluster"))?;
    for words in [
        "create namespace shop",
        "create serviceaccount reader --namespace shop",
        "create role reader --namespace shop --verb get,list --resource configmaps",
        "create rolebinding reader --namespace shop --role reader --serviceaccount shop:reader",
        "create configmap greeting --namespace shop --from-literal word=hello",
    ] {
        scratch.succeed(cluster.kubectl().args(words.split(' ')))?;
    }
    let kubeconfig = cluster.service_account_kubeconfig("shop", "reader")?;
    let kubectl = world.peers().program("kubectl")?;
    let as_reader = |words: &str| {
        let mut command = scratch.command(&kubectl);
        command.arg("--kubeconfig").arg(&kubeconfig).args(words.split(' '));
        scratch.run(&mut command)
    };
    as_reader("get configmap greeting --namespace shop")?.succeeded()?;
    as_reader("delete configmap greeting --namespace shop")?.refused(&["forbidden"])?;
    as_reader("get secrets --namespace shop")?.refused(&["forbidden"])?;
    scratch.succeed(cluster.kubectl().args(["delete", "namespace", "shop", "--timeout", "60s"]))?;
    Ok(())
}

fn the_shipped_manifests_are_accepted(world: &World, scratch: &Scratch) -> Result<()> {
    let cluster = Cluster::start(world.peers(), &scratch.path("cluster"))?;
    stage::install(&cluster, scratch)?;
    for kind in ["clusterpolicies.kyverno.io", "policies.kyverno.io", "policyexceptions.kyverno.io"]
    {
        scratch.succeed(cluster.kubectl().args(["get", kind, "--all-namespaces"]))?;
    }
    Ok(())
}
