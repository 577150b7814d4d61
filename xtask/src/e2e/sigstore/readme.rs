//! What README.md tells users of cosign, typed as a new user would: only hosts, folders and the private trust are replaced.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sigward_testkit::sigstore::github_claims;

use super::super::Case;
use super::super::articles::fenced;
use super::super::registry::{self, DockerRegistry};
use super::super::sanity::{HTPASSWD, LOGIN};
use super::super::scratch::{PASSWORD, Ran, Scratch};
use super::super::tools::{Format, Tool};
use super::super::world::World;
use super::instances::Place;
use super::keyless::{self, How};
use crate::workspace;

/// The hosts of the page.
const PRINTED_HOST: &str = "registry.example.com";
const PRINTED_MIRROR: &str = "mirror.internal";
const PRINTED_ISSUER: &str = "https://token.actions.githubusercontent.com";
/// Where the page puts programs.
const PRINTED_BIN: &str = "/usr/local/bin";

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &str, claim: &str, run: fn(&World, &Scratch) -> Result<()>| {
        Case::new(name, claim, run).needs(&["generate-key-pair", "sign", "verify", "attest"])
    };
    vec![
        case(
            "sigstore_readme_keys_and_the_name_cosign",
            "keys, sign, verify, attest, and the link",
            keys_and_the_name_cosign,
        ),
        case(
            "sigstore_readme_an_identity_is_verified",
            "the identity by its expression and its issuer, offline and with a trusted root of one's own",
            an_identity_is_verified,
        ),
        case(
            "sigstore_readme_the_github_workflow_runs",
            "the step's script, with what GitHub puts into its environment",
            the_github_workflow_runs,
        ),
        case(
            "sigstore_readme_the_gitlab_job_runs",
            "the job's script, against a registry that wants a login",
            the_gitlab_job_runs,
        ),
        case(
            "sigstore_readme_an_air_gap_is_crossed",
            "save, verify where it lies, load elsewhere, verify there",
            an_air_gap_is_crossed,
        ),
    ]
}

/// A new user's shell: an empty folder, and `sigward` on the path.
struct Shell<'a> {
    world: &'a World,
    scratch: &'a Scratch,
}

impl<'a> Shell<'a> {
    fn new(world: &'a World, scratch: &'a Scratch) -> Result<Self> {
        let bin = scratch.path("bin");
        fs::create_dir(&bin)?;
        symlink(world.sigward(&[])?, bin.join("sigward"))?;
        Ok(Self { world, scratch })
    }

    /// With `cosign` on the path as well, as after the page's link.
    fn with_cosign(self) -> Result<Self> {
        symlink(self.world.sigward(&[])?, self.scratch.path("bin/cosign"))?;
        Ok(self)
    }

    /// Runs a script that stops at its first failure.
    fn run(&self, script: &str, environment: &[(&str, &str)]) -> Result<Ran> {
        let bin = self.scratch.path("bin").display().to_string();
        let script = script.replace(PRINTED_BIN, &bin);
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell: Command = self.scratch.command("bash");
        shell
            .args(["-euo", "pipefail", "-c", &script])
            .env("PATH", format!("{bin}:{path}"))
            .envs(environment.iter().copied());
        self.scratch.run(&mut shell)?.succeeded()
    }
}

/// The fenced block of the page with these words in it.
fn block(language: &'static str, words: &str) -> Result<String> {
    let page = fs::read_to_string(workspace::root().join("README.md"))?;
    fenced(&page, language)
        .find(|block| block.contains(words))
        .with_context(|| format!("README.md has no block of {language:?} with: {words}"))
}

/// What stands deeper than the line that begins so.
fn below(block: &str, start: &str) -> Result<String> {
    let mut lines = block.lines().skip_while(|line| !line.trim_start().starts_with(start));
    let first = lines.next().with_context(|| format!("no line begins with {start}"))?;
    let depth = |line: &str| line.len() - line.trim_start().len();
    // The key of a list's item stands behind its dash.
    let key = first.len() - first.trim_start_matches([' ', '-']).len();
    let deeper = lines.take_while(|line| depth(line) > key);
    Ok(deeper.map(str::trim).collect::<Vec<_>>().join("\n"))
}

fn keys_and_the_name_cosign(world: &World, scratch: &Scratch) -> Result<()> {
    let shell = Shell::new(world, scratch)?;
    let image = registry::push(&world.testkit()?.host(), "readme/app", "v1", None)?;
    scratch.write(
        "provenance.json",
        r#"{"builder":{"id":"https://builder.example"},"buildType":"t","invocation":{}}"#,
    )?;
    let script = block("", "sigward generate-key-pair")?;
    let here = script.replace(PRINTED_HOST, &format!("{}/readme", image.host));
    shell.run(&here, &[])?;
    shell.run(&block("", "ln -s \"$(command -v sigward)\" /usr/local/bin/cosign")?, &[])?;
    let verify =
        format!("cosign verify --key cosign.pub --insecure-ignore-tlog {}", image.by_tag());
    shell.run(&verify, &[])?.says(&[&image.digest])?;
    Ok(())
}

fn an_identity_is_verified(world: &World, scratch: &Scratch) -> Result<()> {
    let shell = Shell::new(world, scratch)?.with_cosign()?;
    let sigstore = world.sigstore()?;
    let place = Place::DoublesV1;
    let image = registry::push(&world.testkit()?.host(), "readme-identity/app", "v1", None)?;
    let claims = github_claims("example/app", "release.yml", "refs/heads/main", "push");
    let token = sigstore.doubles().instance().token(&claims)?;
    let how = How { signer: Tool::Cosign3, place, format: Format::Bundle };
    let digest = image.by_digest();
    keyless::sign_image_as(world, scratch, sigstore, how, None, &digest, &token)?;
    fs::copy(sigstore.trusted_root(place), scratch.path("trusted-root.json"))?;
    let here = |script: &str| {
        script
            .replace(PRINTED_HOST, &format!("{}/readme-identity", image.host))
            .replace(PRINTED_ISSUER, &sigstore.issuer())
    };
    // The public instance did not sign this: its root is replaced by the private one, where the page leaves it out.
    let public = block("", "--certificate-identity-regexp '^https://github.com/example/app/'")?;
    let private =
        public.replacen("cosign verify", "cosign verify --trusted-root trusted-root.json", 1);
    shell.run(&here(&private), &[])?.says(&[&image.digest])?;
    shell.run(&here(&block("", "cosign verify --offline")?), &[])?.says(&[&image.digest])?;
    Ok(())
}

fn the_github_workflow_runs(world: &World, scratch: &Scratch) -> Result<()> {
    let shell = Shell::new(world, scratch)?;
    let image = registry::push(&world.testkit()?.host(), "readme-github/app", "v1", None)?;
    // The program as the workflow finds it, and the key as the repository's secret holds it.
    fs::copy(world.sigward(&[])?, scratch.path("sigward"))?;
    shell.run("sigward generate-key-pair --output-key-prefix secret", &[])?;
    fs::copy(scratch.path("secret.pub"), scratch.path("cosign.pub"))?;
    scratch.write("images.txt", &image.by_digest())?;
    let key = fs::read_to_string(scratch.path("secret.key"))?;
    let name = format!("{}/{}", image.host, image.repository);
    let script = below(&block("yaml", "install -m 0755 sigward")?, "- run: |")?;
    let ran = shell.run(
        &script,
        &[
            ("IMAGE", &name),
            ("DIGEST", &image.digest),
            ("COSIGN_PRIVATE_KEY", &key),
            ("COSIGN_PASSWORD", PASSWORD),
        ],
    )?;
    let reports: Vec<Value> =
        ran.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let outcomes: Vec<&str> =
        reports.iter().filter_map(|one| one.get("outcome")?.as_str()).collect();
    ensure!(outcomes == ["verified"], "the report should hold one verified image:\n{ran}");
    Ok(())
}

fn the_gitlab_job_runs(world: &World, scratch: &Scratch) -> Result<()> {
    let shell = Shell::new(world, scratch)?.with_cosign()?;
    let private = DockerRegistry::start(world.peers(), &scratch.path("registry"), Some(HTPASSWD))?;
    let image = registry::push(private.host(), "group/app", "0123abcd", Some(LOGIN))?;
    let (user, password) = LOGIN;
    shell.run("cosign generate-key-pair", &[])?;
    scratch.write("scan.json", r#"{"scanner":{"vendor":"Trivy","result":{}}}"#)?;
    let login = format!("--registry-username {user} --registry-password {password}");
    let common = format!("{login} --key cosign.key --tlog-upload=false");
    shell.run(&format!("cosign sign -y {common} {}", image.by_digest()), &[])?;
    let attest = "cosign attest -y --type vuln --predicate scan.json";
    shell.run(&format!("{attest} {common} {}", image.by_digest()), &[])?;
    scratch.write(
        "policy.rego",
        "package signature\n\ndefault allow = false\n\nallow { input.predicateType }\n",
    )?;
    let key = fs::read_to_string(scratch.path("cosign.pub"))?;
    let name = format!("{}/{}", image.host, image.repository);
    let script = below(&block("yaml", "cosign login -u")?, "script:")?;
    let script = script.lines().map(|line| line.trim_start_matches("- ")).collect::<Vec<_>>();
    shell.run(
        &script.join("\n"),
        &[
            ("CI_REGISTRY", private.host()),
            ("CI_REGISTRY_USER", user),
            ("CI_REGISTRY_PASSWORD", password),
            ("CI_REGISTRY_IMAGE", &name),
            ("CI_COMMIT_SHA", &image.tag),
            ("COSIGN_PUBLIC_KEY", &key),
        ],
    )?;
    Ok(())
}

fn an_air_gap_is_crossed(world: &World, scratch: &Scratch) -> Result<()> {
    let shell = Shell::new(world, scratch)?.with_cosign()?;
    let image = registry::push(&world.testkit()?.host(), "readme-gap/app", "v1", None)?;
    shell.run("cosign generate-key-pair", &[])?;
    let sign = "cosign sign -y --key cosign.key --tlog-upload=false";
    shell.run(&format!("{sign} {}", image.by_digest()), &[])?;
    let elsewhere = world.docker()?.host();
    let script = block("", "cosign save --dir image")?
        .replace(PRINTED_HOST, &format!("{}/readme-gap", image.host))
        .replace(PRINTED_MIRROR, &format!("{elsewhere}/readme-gap"));
    shell.run(&script, &[])?;
    ensure!(Path::new(&scratch.path("image")).is_dir(), "nothing was saved");
    let there = format!("{elsewhere}/readme-gap/app:v1");
    let verify = format!("cosign verify --key cosign.pub --insecure-ignore-tlog {there}");
    shell.run(&verify, &[])?.says(&[&image.digest])?;
    Ok(())
}
