//! What is shipped: the Helm chart against the manifests and a real API server, and the container image against registries.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize as _;
use serde_json::Value;

use super::Case;
use super::admission::keys;
use super::scratch::Scratch;
use super::stage::{HOME, Judging, SOON, install_crds, serve};
use super::world::World;
use crate::chart::CHART;
use crate::cluster::Cluster;
use crate::image::{Contents, assemble};
use crate::process;
use crate::workspace;

/// The account that the process and the clean-up run under.
const ACCOUNT: &str = "kyverno-admission-controller";

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "the_chart_renders_what_the_manifests_say",
            "with its defaults the chart is the manifests, and each value has its effect",
            the_chart_renders_what_the_manifests_say,
        ),
        Case::new(
            "the_chart_is_installed_serves_and_leaves_nothing_behind",
            "helm install, a process under its rights, the clean-up's command, helm uninstall",
            the_chart_is_installed_serves_and_leaves_nothing_behind,
        )
        .needs(&["serve", "uninstall"])
        .alone(),
        Case::new(
            "an_image_is_pushed_signed_and_verified_without_an_engine",
            "the layout that the image is built as is loaded and signed by sigward and verified by cosign",
            an_image_is_pushed_signed_and_verified_without_an_engine,
        )
        .needs(&["load", "sign"]),
    ]
}

/// Objects by kind and name, hooks apart.
type Objects = BTreeMap<String, Value>;

fn objects(text: &str) -> Result<Objects> {
    let mut objects = Objects::new();
    for document in serde_yaml_ng::Deserializer::from_str(text) {
        let object = Value::deserialize(document)?;
        let at = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        if !object.is_null() && at("/metadata/annotations/helm.sh~1hook").is_empty() {
            let name = format!("{} {}", at("/kind"), at("/metadata/name"));
            ensure!(objects.insert(name.clone(), object).is_none(), "{name} is there twice");
        }
    }
    Ok(objects)
}

/// The chart with these values, `key=value` each.
fn rendered(world: &World, scratch: &Scratch, namespace: &str, values: &[&str]) -> Result<String> {
    let mut helm = helm(world, scratch)?;
    helm.args(["template", "kyverno"]).arg(workspace::root().join(CHART));
    // Built from source, Helm does not know which Kubernetes it was made for.
    helm.args(["--namespace", namespace, "--kube-version", "1.36.0"]);
    for value in values {
        helm.args(["--set", value]);
    }
    scratch.succeed(&mut helm)
}

fn helm(world: &World, scratch: &Scratch) -> Result<Command> {
    Ok(scratch.command(world.peers().program("helm")?))
}

fn the_chart_renders_what_the_manifests_say(world: &World, scratch: &Scratch) -> Result<()> {
    let mut kubectl = scratch.command(world.peers().program("kubectl")?);
    kubectl.arg("kustomize").arg(workspace::root().join("deploy/manifests"));
    let mut manifests = objects(&scratch.succeed(&mut kubectl)?)?;
    // Helm makes the namespace itself.
    manifests.remove(&format!("Namespace {HOME}")).context("the manifests make no namespace")?;
    let chart = objects(&rendered(world, scratch, HOME, &[])?)?;
    let names = |objects: &Objects| objects.keys().cloned().collect::<Vec<_>>();
    ensure!(names(&chart) == names(&manifests), "{:?}\n{:?}", names(&chart), names(&manifests));
    for (name, object) in &manifests {
        ensure!(
            chart.get(name) == Some(object),
            "{name} differs:\n{object:#}\n{:#?}",
            chart.get(name)
        );
    }
    let text = rendered(
        world,
        scratch,
        "elsewhere",
        &[
            "replicas=3",
            "image.digest=sha256:abc",
            "features.policyExceptions.enabled=true",
            "features.policyExceptions.namespace=exceptions",
            "features.admissionReports.enabled=false",
            "features.logging.format=json",
            "features.omitEvents.eventTypes={PolicyViolation}",
            "features.registryClient.credentialHelpers={default,amazon}",
            "existingImagePullSecrets={one,two}",
            "extraArgs={--webhookTimeout=5}",
            "rbac.readSecrets=false",
            "rbac.view=false",
            "serviceAccount.annotations.role=r",
        ],
    )?;
    let chart = objects(&text)?;
    let get = |name: &str, at: &str| {
        chart.get(name).and_then(|object| object.pointer(at)).cloned().unwrap_or_default()
    };
    let container = "/spec/template/spec/containers/0";
    let deployment = format!("Deployment {ACCOUNT}");
    let args = serde_json::json!([
        "serve",
        "--enablePolicyException=true",
        "--exceptionNamespace=exceptions",
        "--admissionReports=false",
        "--loggingFormat=json",
        "--omitEvents=PolicyViolation",
        "--registryCredentialHelpers=default,amazon",
        "--imagePullSecrets=one,two",
        "--webhookTimeout=5",
    ]);
    ensure!(get(&deployment, &format!("{container}/args")) == args, "{text}");
    ensure!(
        get(&deployment, &format!("{container}/image")) == "ghcr.io/sigward/sigward@sha256:abc"
    );
    ensure!(get(&format!("PodDisruptionBudget {ACCOUNT}"), "/spec/minAvailable") == 1);
    ensure!(get(&format!("ServiceAccount {ACCOUNT}"), "/metadata/annotations/role") == "r");
    ensure!(!chart.contains_key("ClusterRoleBinding kyverno:admission-controller:view"));
    let rights = get("ClusterRole kyverno:admission-controller", "/rules").to_string();
    ensure!(!rights.contains("\"secrets\""), "Secrets of all namespaces may be read: {rights}");
    let settings = get("ConfigMap kyverno", "/data").to_string();
    ensure!(settings.contains("[Secret,elsewhere,kyverno-svc.elsewhere.svc.*]"), "{settings}");
    for object in chart.values() {
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
        ensure!(namespace.is_none_or(|name| name == "elsewhere"), "{object:#}");
    }
    Ok(())
}

fn the_chart_is_installed_serves_and_leaves_nothing_behind(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let program = world.sigward(&["serve", "uninstall"])?;
    let cluster = Cluster::start(world.peers(), &scratch.path("cluster"))?;
    let admin = format!("--kubeconfig={}", cluster.kubeconfig().display());
    let run = |words: &[&str]| scratch.run(cluster.kubectl().args(words));
    let mut install = helm(world, scratch)?;
    install.arg("install").arg("kyverno").arg(workspace::root().join(CHART)).args([
        "--namespace",
        HOME,
        "--create-namespace",
        &admin,
    ]);
    scratch.succeed(&mut install)?;
    install_crds(&cluster, scratch, false)?;
    let account = cluster.service_account_kubeconfig(HOME, ACCOUNT)?;
    let metrics = process::free_port()?;
    let mut sigward = serve(&program, &account, cluster.folder(), metrics, &Judging::Keys)?;
    let webhooks = || -> Result<usize> {
        let found = run(&[
            "get",
            "validatingwebhookconfigurations,mutatingwebhookconfigurations",
            "--output=name",
        ])?;
        Ok(found.succeeded()?.stdout.lines().count())
    };
    process::wait_for("the webhooks", SOON, || Ok(webhooks()? == 5))?;
    // What the hook's Job would do, where there were a kubelet to run it: with its rights, and with its words.
    let text = rendered(world, scratch, HOME, &["webhooksCleanup.enabled=true"])?;
    let mut hooks = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(&text) {
        let object = Value::deserialize(document)?;
        if object.pointer("/metadata/annotations/helm.sh~1hook").is_some() {
            hooks.push(object);
        }
    }
    let job = hooks
        .iter()
        .find(|object| object.pointer("/kind").and_then(Value::as_str) == Some("Job"))
        .context("the chart has no clean-up")?;
    let words = job.pointer("/spec/template/spec/containers/0/args").and_then(Value::as_array);
    let words: Vec<&str> = words.into_iter().flatten().filter_map(Value::as_str).collect();
    for object in hooks.iter().filter(|object| *object != job) {
        let file = scratch.write("hook.json", &object.to_string())?;
        run(&["apply", "--filename", &file.display().to_string()])?.succeeded()?;
    }
    let mut clean = scratch.command(&program);
    clean.args(&words).arg(format!("--kubeconfig={}", account.display()));
    clean.env("KYVERNO_NAMESPACE", HOME).env("KYVERNO_DEPLOYMENT", ACCOUNT);
    scratch.run(&mut clean)?.succeeded()?;
    let scaled = run(&["get", "deployment", ACCOUNT, "-n", HOME, "-o=jsonpath={.spec.replicas}"])?;
    ensure!(scaled.stdout == "0", "the Deployment has {} replicas", scaled.stdout);
    ensure!(sigward.stop()?, "the process did not end by itself with success");
    ensure!(webhooks()? == 0, "webhooks are left");
    let mut uninstall = helm(world, scratch)?;
    uninstall.args(["uninstall", "kyverno", "--no-hooks", "--namespace", HOME, &admin]);
    scratch.succeed(&mut uninstall)?;
    let left = run(&["get", "clusterrole,clusterrolebinding", "--output=name"])?.succeeded()?;
    ensure!(!left.stdout.contains("kyverno:"), "rights are left:\n{}", left.stdout);
    Ok(())
}

fn an_image_is_pushed_signed_and_verified_without_an_engine(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    // The least that counts as a static program: what is shown here is the way of the image, not its content.
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(64, 0);
    *program.get_mut(18).context("no header")? = 62;
    let image = assemble(&Contents {
        program,
        authorities: b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".to_vec(),
        version: "0.0.0".to_owned(),
        revision: String::new(),
    })?;
    let folder = scratch.path("layout");
    image.write(&folder)?;
    let ours = keys(world, scratch, "k")?;
    let name = format!("{}/sigward/sigward:v0", world.docker()?.host());
    let by_digest = format!("{name}@{}", image.digest());
    let sigward = world.sigward(&["load", "sign"])?;
    let mut load = scratch.command(&sigward);
    load.args(["load", "--dir"]).arg(&folder).arg(&name);
    scratch.run(&mut load)?.succeeded()?;
    let mut sign = scratch.command(&sigward);
    sign.args(["sign", "--tlog-upload=false", "--use-signing-config=false", "--yes", "--key"]);
    sign.arg(&ours.private).arg(&by_digest);
    scratch.run(&mut sign)?.succeeded()?;
    let mut verify = scratch.command(world.peers().program("cosign3")?);
    verify.args(["verify", "--insecure-ignore-tlog=true", "--key"]).arg(&ours.public).arg(&name);
    scratch.run(&mut verify)?.succeeded()?.says(&[image.digest()])?;
    Ok(())
}
