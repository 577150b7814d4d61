//! Identities and log entries at admission: the how-to's keyless policy, and the articles' key policies by their default.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::json;
use sigward_testkit::sigstore::github_claims;

use super::super::Case;
use super::super::articles::{BUILDER, PRINTED_HOST, SOURCE, article, printed, with_key};
use super::super::registry::{self, Image};
use super::super::scratch::Scratch;
use super::super::stage::{Judging, Stage, on_stage, sign_image};
use super::super::tools::{self, Algorithm, Format, Keys, Tool};
use super::super::world::World;
use super::instances::{Place, SIGNER, Sigstore};
use super::keyless::{self, How};

/// What the how-to prints of an identity and its log.
const PRINTED_ISSUER: &str = "https://token.actions.githubusercontent.com";
const PRINTED_SUBJECT: &str = "https://github.com/company/workflows/*";
const PRINTED_LOG: &str = "https://rekor.sigstore.dev";
/// Its URI: under its short name cosign would drop the vendor.
const SCAN_TYPE: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &str, claim: &str, run: fn(&World, &Scratch) -> Result<()>| {
        Case::new(name, claim, run).needs(&["serve"]).alone()
    };
    let mut cases = vec![case(
        "sigstore_howto_keyless_policy_admits_and_denies",
        "the doubles' certificates, with their log: the workflow's images are admitted, others' are not, and nobody but \
             the registry is asked, so that it goes on with every other service stopped",
        howto_keyless_policy_admits_and_denies,
    )];
    for place in [Place::DoublesV1, Place::Real] {
        cases.push(
            Case::new(
                format!("sigstore_articles_key_policies_demand_a_log_entry_{}", place.name()),
                "as printed, with no switch: what is signed with the key and logged is admitted, what is not logged is not",
                move |world, scratch| key_policies_demand_a_log_entry(world, scratch, place),
            )
            .needs(&["serve"])
            .alone(),
        );
    }
    // The last one: it stops the real services.
    cases.push(case(
            "sigstore_howto_keyless_policy_with_the_real_fulcio",
            "without a certificate log it is refused for the missing SCT, and admitted with ctlog.ignoreSCT",
            howto_keyless_policy_with_the_real_fulcio,
        ));
    cases
}

/// Runs a case on the shared stage with our process judging by a trusted root.
fn judged_by(
    world: &World,
    scratch: &Scratch,
    root: PathBuf,
    act: impl FnOnce(&Stage) -> Result<()>,
) -> Result<()> {
    on_stage(world, scratch, |stage| {
        stage.judge_by(Judging::TrustedRoot(root))?;
        act(stage)?;
        stage.judge_by(Judging::Keys)
    })
}

/// The how-to's keyless policy with host, issuer, subject and log replaced.
fn keyless_policy(host: &str, issuer: &str, subject: &str, log: &str) -> Result<String> {
    Ok(printed("verify-keyless")?
        .replace(PRINTED_HOST, host)
        .replace(PRINTED_ISSUER, issuer)
        .replace(PRINTED_SUBJECT, subject)
        .replace(PRINTED_LOG, log))
}

fn howto_keyless_policy_admits_and_denies(world: &World, scratch: &Scratch) -> Result<()> {
    let sigstore = world.sigstore()?;
    let place = Place::DoublesV1;
    let host = world.docker()?.host();
    let workflow = |repository: &str| {
        let claims = github_claims(repository, "release.yml", "refs/heads/main", "push");
        sigstore.doubles().instance().token(&claims)
    };
    let (ours, theirs) = (workflow("company/workflows")?, workflow("stranger/workflows")?);
    let sign = |name: &str, signer: Tool, format: Format, token: &str| -> Result<Image> {
        let image = registry::push(host, &format!("keyless/{name}"), "v1", None)?;
        let how = How { signer, place, format };
        let digest = image.by_digest();
        keyless::sign_image_as(world, scratch, sigstore, how, None, &digest, token)?;
        Ok(image)
    };
    let three = sign("three", Tool::Cosign3, Format::Bundle, &ours)?;
    let two = sign("two", Tool::Cosign2, Format::Legacy, &ours)?;
    let later = sign("later", Tool::Cosign3, Format::Bundle, &ours)?;
    let later_two = sign("later-two", Tool::Cosign2, Format::Legacy, &ours)?;
    let stranger = sign("stranger", Tool::Cosign3, Format::Bundle, &theirs)?;
    let person = sign("person", Tool::Cosign3, Format::Bundle, &sigstore.token()?)?;
    let with_key = registry::push(host, "keyless/with-key", "v1", None)?;
    sign_image(world, scratch, &with_key, &keys(world, scratch)?, Tool::Cosign3)?;
    let unsigned = registry::push(host, "keyless/unsigned", "v1", None)?;

    let log = sigstore.urls(place).rekor;
    let policy = keyless_policy(host, &sigstore.issuer(), PRINTED_SUBJECT, &log)?;
    let root = sigstore.trusted_root(place);
    let acted = judged_by(world, scratch, root, |stage| {
        stage.load(scratch, "verify-keyless", &policy)?;
        let before = sigstore.requests();
        stage.admits(scratch, "three", &three)?;
        stage.admits(scratch, "two", &two)?;
        let refuses = |name: &str, image: &Image, words: &[&str]| {
            let words: Vec<&str> = [&["keyless-verification"], words].concat();
            stage.refuses(scratch, name, &image.by_tag(), &words).map(drop)
        };
        refuses("stranger", &stranger, &["stranger/workflows"])?;
        refuses("person", &person, &[SIGNER])?;
        refuses("with-key", &with_key, &[])?;
        refuses("unsigned", &unsigned, &["no signatures found"])?;
        let asked = sigstore.requests() - before;
        ensure!(asked == 0, "admission asked Sigstore's services {asked} times");
        sigstore.go_down();
        stage.admits(scratch, "later", &later)?;
        stage.admits(scratch, "later-two", &later_two)?;
        refuses("stranger-still", &stranger, &["stranger/workflows"])
    });
    sigstore.come_back()?;
    acted
}

fn howto_keyless_policy_with_the_real_fulcio(world: &World, scratch: &Scratch) -> Result<()> {
    let sigstore = world.sigstore()?;
    let place = Place::Real;
    let host = world.docker()?.host();
    let sign = |name: &str| -> Result<Image> {
        let image = registry::push(host, &format!("fulcio/{name}"), "v1", None)?;
        let how = How { signer: Tool::Cosign3, place, format: Format::Bundle };
        keyless::sign_image(world, scratch, sigstore, how, None, &image.by_digest())?;
        Ok(image)
    };
    let (now, later) = (sign("now")?, sign("later")?);
    let (issuer, log) = (sigstore.issuer(), sigstore.urls(place).rekor);
    let policy = keyless_policy(host, &issuer, SIGNER, &log)?;
    let ignoring = with_ignored_sct(&policy);
    ensure!(policy != ignoring, "the how-to prints no rekor block");
    let stranger = ignoring.replace(SIGNER, "other@example.test");
    let root = sigstore.trusted_root(place);
    let acted = judged_by(world, scratch, root, |stage| {
        stage.load(scratch, "verify-keyless", &policy)?;
        stage.refuses(scratch, "now", &now.by_tag(), &["keyless-verification", "SCT"])?;
        stage.load(scratch, "verify-keyless", &ignoring)?;
        stage.admits(scratch, "now", &now)?;
        sigstore.go_down();
        sigstore.stop_real()?;
        stage.admits(scratch, "later", &later)?;
        stage.load(scratch, "verify-keyless", &stranger)?;
        stage.refuses(scratch, "stranger", &now.by_tag(), &["keyless-verification", SIGNER])?;
        Ok(())
    });
    sigstore.come_back()?;
    acted
}

/// The policy with `ctlog.ignoreSCT: true` in its attestor, before `rekor`, at its indentation.
fn with_ignored_sct(policy: &str) -> String {
    let mut lines = Vec::new();
    for line in policy.lines() {
        if let Some(indent) = line.strip_suffix("rekor:") {
            lines.push(format!("{indent}ctlog:"));
            lines.push(format!("{indent}  ignoreSCT: true"));
        }
        lines.push(line.to_owned());
    }
    lines.join("\n") + "\n"
}

fn keys(world: &World, scratch: &Scratch) -> Result<Keys> {
    tools::make_keys(world, scratch, Tool::Cosign3, Algorithm::P256, "cosign")
}

/// Images in pairs: signed with the key and logged, and signed with the key alone.
struct Signer<'a> {
    world: &'a World,
    scratch: &'a Scratch,
    sigstore: &'a Sigstore,
    place: Place,
    keys: &'a Keys,
}

/// A pair of them.
struct Pair {
    logged: Image,
    unlogged: Image,
}

impl Signer<'_> {
    fn pair(&self, host: &str, repository: &str, said: Option<(&str, &str)>) -> Result<Pair> {
        let logged = registry::push(host, repository, "logged", None)?;
        let unlogged = registry::push(host, repository, "unlogged", None)?;
        let file = self.scratch.path("predicate.json");
        if let Some((_, predicate)) = said {
            self.scratch.write("predicate.json", predicate)?;
        }
        let said = said.map(|(kind, _)| (kind, file.as_path()));
        self.sign(&logged, said, true)?;
        self.sign(&unlogged, said, false)?;
        Ok(Pair { logged, unlogged })
    }

    fn sign(&self, image: &Image, said: Option<(&str, &Path)>, logged: bool) -> Result<()> {
        let verb = if said.is_some() { "attest" } else { "sign" };
        let mut command = self.scratch.command(self.world.peers().program("cosign3")?);
        command.arg(verb).arg("--yes").arg("--key").arg(&self.keys.private);
        if logged {
            command.arg("--signing-config").arg(self.sigstore.signing_config(self.place));
            command.arg("--trusted-root").arg(self.sigstore.trusted_root(self.place));
        } else {
            command.args(["--tlog-upload=false", "--use-signing-config=false"]);
        }
        if let Some((kind, file)) = said {
            command.args(["--type", kind, "--predicate"]).arg(file);
        }
        self.scratch.succeed(command.arg(image.by_digest()))?;
        Ok(())
    }
}

fn key_policies_demand_a_log_entry(world: &World, scratch: &Scratch, place: Place) -> Result<()> {
    let sigstore = world.sigstore()?;
    let keys = keys(world, scratch)?;
    let signer = Signer { world, scratch, sigstore, place, keys: &keys };
    let host = world.docker()?.host();
    let (provenance, scan) = (provenance(), scan());
    let app = signer.pair(host, "logged/app", None)?;
    let of_2021 = signer.pair(host, "kyverno/test-verify-image", None)?;
    let vendor = signer.pair(&world.testkit()?.host(), "logged/vendor", None)?;
    let built = signer.pair(host, "logged/built", Some(("slsaprovenance", &provenance)))?;
    let scanned = signer.pair(host, "logged/scanned", Some((SCAN_TYPE, &scan)))?;

    let here = |name: &str| -> Result<String> { Ok(printed(name)?.replace(PRINTED_HOST, host)) };
    let all_registries = printed("verify-all-registries")?
        .replace("registry.company.com", host)
        .replace("vendor-registry.io", &vendor.logged.host);
    let of_2021_text =
        with_key(&article("verify-image-2021.yaml")?.replace("ghcr.io", host), &keys.pem()?);
    let inline = with_key(&here("verify-image-signatures")?, &keys.pem()?);
    let policies: [(&str, String, &[&Pair]); 8] = [
        ("check-image", of_2021_text, &[&of_2021]),
        ("verify-image-signatures", inline, &[&app]),
        ("verify-with-secret-key", here("verify-with-secret-key")?, &[&app]),
        ("verify-all-registries", all_registries, &[&app, &vendor]),
        ("verify-attestations", here("verify-attestations")?, &[&built]),
        ("verify-scan-results", here("verify-scan-results")?, &[&scanned]),
        ("conditional-verification", here("conditional-verification")?, &[&app]),
        ("optimized-verification", here("optimized-verification")?, &[&app]),
    ];
    judged_by(world, scratch, sigstore.trusted_root(place), |stage| {
        for secret in ["cosign-pub-key", "company-cosign-key", "vendor-cosign-key"] {
            stage.key_secret(scratch, secret, &keys)?;
        }
        // Where the conditional policy looks; the others do not mind.
        stage.namespace(scratch, "logged", "environment=production")?;
        for (name, policy, pairs) in &policies {
            stage.load(scratch, name, policy)?;
            for (number, pair) in pairs.iter().enumerate() {
                let run = |pod: &str, image: &Image| {
                    let image = image.by_tag();
                    stage.kubectl(
                        scratch,
                        &format!("run {name}-{pod}-{number} --namespace logged --image={image}"),
                    )
                };
                run("logged", &pair.logged)?.succeeded()?;
                run("unlogged", &pair.unlogged)?.refused(&[
                    "denied the request",
                    name,
                    "transparency log: 0 < 1",
                ])?;
            }
            stage.kubectl(scratch, &format!("delete clusterpolicy {name}"))?.succeeded()?;
            stage.wait_until_clear(scratch)?;
        }
        stage.kubectl(scratch, "delete namespace logged --wait=false")?.succeeded()?;
        Ok(())
    })
}

/// What the how-to's provenance policy asks for.
fn provenance() -> String {
    json!({
        "builder": { "id": BUILDER },
        "buildType": "https://example.test/build",
        "invocation": { "configSource": { "uri": SOURCE } },
    })
    .to_string()
}

/// What the how-to's policy about scans asks for.
fn scan() -> String {
    json!({
        "invocation": { "uri": "https://example.test/scans/1" },
        "scanner": {
            "uri": "pkg:github/aquasecurity/trivy",
            "vendor": "Trivy",
            "result": { "vulnerabilities": [{ "id": "CVE-2026-0002", "severity": "LOW" }] },
        },
        "metadata": {
            "scanStartedOn": "2026-01-01T00:00:00Z",
            "scanFinishedOn": "2026-01-01T00:00:05Z",
        },
    })
    .to_string()
}
