//! The two articles that started the project, replayed: policies as printed, with host and keys replaced.
//!
//! The texts are read at test time from the reference beside the clone and are not part of the project.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Case;
use super::registry;
use super::scratch::Scratch;
use super::stage::{HOME, MUTATING, SOON, Stage, on_stage, signed_image};
use super::tools::{self, Algorithm, Format, Keys, Signing, Statement, Tool};
use super::world::{NotYet, World};
use crate::process;
use crate::workspace;

/// The host of the how-to's images.
pub(super) const PRINTED_HOST: &str = "registry.example.com";
/// The builder and the source that the how-to's provenance policy asks for.
pub(super) const BUILDER: &str = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@refs/tags/v1.4.0";
pub(super) const SOURCE: &str = "git+https://github.com/company/app@refs/heads/main";

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &str, claim: &str, run: fn(&World, &Scratch) -> Result<()>| {
        Case::new(name, claim, run).needs(&["serve"]).alone()
    };
    vec![
        case(
            "article_2021_steps_3_to_8_come_out_as_printed",
            "signed is admitted and pinned; unsigned and signed-by-someone-else are blocked, as Deployment and as Pod",
            article_2021_steps_3_to_8_come_out_as_printed,
        ),
        case(
            "article_2021_a_webhook_patched_by_hand_is_put_right",
            "step 2's patch of the webhook configuration is undone by the reconciler",
            article_2021_a_webhook_patched_by_hand_is_put_right,
        ),
        case(
            "howto_prerequisites_run_when_called_as_cosign",
            "generate-key-pair, sign and verify as printed, with our binary under the name cosign",
            howto_prerequisites_run_when_called_as_cosign,
        )
        .needs(&["generate-key-pair", "sign", "verify"]),
        case(
            "howto_basic_policy_admits_signed_and_refuses_unsigned",
            "the policy with an inline key",
            howto_basic_policy_admits_signed_and_refuses_unsigned,
        ),
        case(
            "howto_key_in_a_secret_is_used",
            "the secret made by kubectl from cosign.pub, and the policy that refers to it",
            howto_key_in_a_secret_is_used,
        ),
        case(
            "howto_each_registry_has_its_own_key",
            "company and vendor images are verified with their own keys only",
            howto_each_registry_has_its_own_key,
        ),
        case(
            "howto_provenance_must_come_from_the_trusted_builder",
            "attestations of type slsaprovenance with conditions over builder and source",
            howto_provenance_must_come_from_the_trusted_builder,
        ),
        case(
            "howto_a_critical_vulnerability_is_refused",
            "attestations of a scan: Trivy, finished, nothing critical",
            howto_a_critical_vulnerability_is_refused,
        ),
        case(
            "howto_production_requires_what_development_does_not",
            "the conditional policy by namespace labels, and the testing block's nginx in both",
            howto_production_requires_what_development_does_not,
        ),
        case(
            "howto_optimized_policy_still_refuses_unsigned",
            "failurePolicy Ignore lets nothing unsigned in while the registry answers",
            howto_optimized_policy_still_refuses_unsigned,
        ),
        case(
            "howto_keyless_policy_is_accepted_and_blocks",
            "a keyless attestor without its trust material blocks and says so",
            howto_keyless_policy_is_accepted_and_blocks,
        ),
        case(
            "howto_troubleshooting_commands_show_events_reports_and_keys",
            "kubectl get events, get policyreport -A, describe policyreport, get secret",
            howto_troubleshooting_commands_show_events_reports_and_keys,
        ),
    ]
}

/// A text of the articles.
pub(super) fn article(name: &str) -> Result<String> {
    let shared = workspace::shared()
        .ok_or_else(|| NotYet("the articles are not beside this clone".to_owned()))?;
    let path = shared.join("reference/articles").join(name);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The policy of that name out of the how-to, as printed.
pub(super) fn printed(name: &str) -> Result<String> {
    let text = article("how-to-verify-images.txt")?;
    fenced(&text, "yaml")
        .find(|block| block.lines().any(|line| line.trim() == format!("name: {name}")))
        .with_context(|| format!("the how-to prints no policy {name}"))
}

/// The fenced blocks of one language.
pub(super) fn fenced<'a>(text: &'a str, language: &'a str) -> impl Iterator<Item = String> + 'a {
    text.split("```").skip(1).step_by(2).filter_map(move |block| {
        let (first, body) = block.split_once('\n')?;
        (first.trim() == language).then(|| body.to_owned())
    })
}

/// Replaces whatever stands between the markers of a public key by a real one, at the same indentation.
pub(super) fn with_key(policy: &str, pem: &str) -> String {
    let body: Vec<&str> =
        pem.lines().filter(|line| !line.starts_with("-----") && !line.is_empty()).collect();
    let mut lines = Vec::new();
    let mut inside = false;
    for line in policy.lines() {
        if line.contains("-----END PUBLIC KEY-----") {
            inside = false;
        }
        if !inside {
            lines.push(line.to_owned());
        }
        if line.contains("-----BEGIN PUBLIC KEY-----") {
            inside = true;
            let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
            lines.extend(body.iter().map(|part| format!("{indent}{part}")));
        }
    }
    lines.join("\n") + "\n"
}

fn keys(world: &World, scratch: &Scratch, name: &str) -> Result<Keys> {
    tools::make_keys(world, scratch, Tool::Cosign3, Algorithm::P256, name)
}

fn article_2021_steps_3_to_8_come_out_as_printed(world: &World, scratch: &Scratch) -> Result<()> {
    let (ours, other) = (keys(world, scratch, "ours")?, keys(world, scratch, "other")?);
    let host = world.docker()?.host();
    let name = "kyverno/test-verify-image";
    let signed =
        signed_image(world, scratch, host, &format!("{name}:signed"), &ours, Tool::Cosign2)?;
    let unsigned = registry::push(host, name, "unsigned", None)?;
    let foreign = signed_image(
        world,
        scratch,
        host,
        &format!("{name}:signed-by-someone-else"),
        &other,
        Tool::Cosign2,
    )?;
    let policy = article("verify-image-2021.yaml")?.replace("ghcr.io", host);
    let policy = with_key(&policy, &ours.pem()?);
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "check-image", &policy)?;
        let create = |name: &str, image: &str| {
            stage.kubectl(scratch, &format!("create deployment {name} --image={image}"))
        };
        create("signed", &signed.by_tag())?.succeeded()?;
        let shown = stage.kubectl(scratch, "get deploy signed -o yaml")?.succeeded()?;
        shown.says(&[&format!("image: {}@{}", signed.by_tag(), signed.digest)])?;
        create("unsigned", &unsigned.by_tag())?.refused(&[
            "admission webhook \"mutate.kyverno.svc",
            "denied the request",
            "resource Deployment/default/unsigned was blocked due to the following policies",
            "autogen-check-image",
            &format!("failed to verify image {}", unsigned.by_tag()),
            "no signatures found",
        ])?;
        create("signed-other", &foreign.by_tag())?.refused(&[
            "resource Deployment/default/signed-other was blocked due to the following policies",
            "autogen-check-image",
            &format!("failed to verify image {}", foreign.by_tag()),
            "no matching signatures",
        ])?;
        stage.refuses(
            scratch,
            "unsigned",
            &unsigned.by_tag(),
            &[
                "resource Pod/default/unsigned was blocked due to the following policies",
                "check-image",
                "no signatures found",
            ],
        )?;
        // The rollout: the Pods that the controllers make of the Deployment carry the verified digest.
        process::wait_for("a Pod of the Deployment", SOON, || {
            let pods = stage.get(scratch, "pods --selector app=signed")?;
            let image = pods
                .pointer("/items/0/spec/containers/0/image")
                .and_then(Value::as_str)
                .map(str::to_owned);
            Ok(image.is_some_and(|image| image.ends_with(&signed.digest)))
        })
    })
}

fn article_2021_a_webhook_patched_by_hand_is_put_right(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let ours = keys(world, scratch, "ours")?;
    let policy = with_key(
        &article("verify-image-2021.yaml")?.replace("ghcr.io", world.docker()?.host()),
        &ours.pem()?,
    );
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "check-image", &policy)?;
        let patch = r#"[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"},{"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 15}]"#;
        stage
            .kubectl_words(
                scratch,
                &[
                    "patch",
                    "mutatingwebhookconfigurations",
                    MUTATING,
                    "--type",
                    "json",
                    "-p",
                    patch,
                ],
            )?
            .succeeded()?;
        process::wait_for("the patch to be undone", SOON, || {
            let found = stage.get(scratch, &format!("mutatingwebhookconfiguration {MUTATING}"))?;
            Ok(found.pointer("/webhooks/0/failurePolicy").and_then(Value::as_str) == Some("Fail"))
        })
    })
}

fn howto_prerequisites_run_when_called_as_cosign(world: &World, scratch: &Scratch) -> Result<()> {
    let program = world.sigward(&["generate-key-pair", "sign", "verify"])?;
    let cosign = scratch.path("cosign");
    symlink(program, &cosign)?;
    let image = registry::push(world.docker()?.host(), "howto/app", "v1.0.0", None)?;
    let by_tag = image.by_tag();
    let cosign = |words: &[&str]| scratch.run(scratch.command(&cosign).args(words));
    cosign(&["generate-key-pair"])?.succeeded()?;
    ensure!(
        scratch.path("cosign.key").is_file() && scratch.path("cosign.pub").is_file(),
        "no key pair was written"
    );
    cosign(&[
        "sign",
        "--key",
        "cosign.key",
        "--tlog-upload=false",
        "--use-signing-config=false",
        "-y",
        &by_tag,
    ])?
    .succeeded()?;
    let ran = cosign(&["verify", "--key", "cosign.pub", "--insecure-ignore-tlog", &by_tag])?
        .succeeded()?;
    let printed: Value =
        serde_json::from_str(ran.stdout.trim()).context("verify printed no JSON")?;
    let digest =
        printed.pointer("/0/critical/image/docker-manifest-digest").and_then(Value::as_str);
    ensure!(digest == Some(image.digest.as_str()), "verify printed another digest:\n{ran}");
    // Without the switch a log entry is demanded, and its absence is named.
    cosign(&["verify", "--key", "cosign.pub", &by_tag])?
        .refused(&["not enough verified log entries from transparency log: 0 < 1"])?;
    Ok(())
}

fn howto_basic_policy_admits_signed_and_refuses_unsigned(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let ours = keys(world, scratch, "cosign")?;
    let host = world.docker()?.host();
    let policy =
        with_key(&printed("verify-image-signatures")?.replace(PRINTED_HOST, host), &ours.pem()?);
    signed_and_unsigned(world, scratch, &ours, |stage| {
        stage.load(scratch, "verify-image-signatures", &policy)
    })
}

fn howto_key_in_a_secret_is_used(world: &World, scratch: &Scratch) -> Result<()> {
    let ours = keys(world, scratch, "cosign")?;
    let policy = printed("verify-with-secret-key")?.replace(PRINTED_HOST, world.docker()?.host());
    signed_and_unsigned(world, scratch, &ours, |stage| {
        stage.key_secret(scratch, "cosign-pub-key", &ours)?;
        stage.load(scratch, "verify-with-secret-key", &policy)
    })
}

fn howto_optimized_policy_still_refuses_unsigned(world: &World, scratch: &Scratch) -> Result<()> {
    let ours = keys(world, scratch, "cosign")?;
    let policy = printed("optimized-verification")?.replace(PRINTED_HOST, world.docker()?.host());
    signed_and_unsigned(world, scratch, &ours, |stage| {
        stage.key_secret(scratch, "cosign-pub-key", &ours)?;
        stage.load(scratch, "optimized-verification", &policy)
    })
}

/// An image of each cosign is admitted, one of nobody and one of somebody else are refused.
fn signed_and_unsigned(
    world: &World,
    scratch: &Scratch,
    ours: &Keys,
    load: impl FnOnce(&Stage) -> Result<()>,
) -> Result<()> {
    let host = world.docker()?.host();
    let other = keys(world, scratch, "other")?;
    let by_two = signed_image(world, scratch, host, "app/two:v1", ours, Tool::Cosign2)?;
    let by_three = signed_image(world, scratch, host, "app/three:v1", ours, Tool::Cosign3)?;
    let foreign = signed_image(world, scratch, host, "app/foreign:v1", &other, Tool::Cosign3)?;
    let unsigned = registry::push(host, "app/unsigned", "v1", None)?;
    on_stage(world, scratch, |stage| {
        load(stage)?;
        stage.admits(scratch, "two", &by_two)?;
        stage.admits(scratch, "three", &by_three)?;
        stage.refuses(
            scratch,
            "unsigned",
            &unsigned.by_tag(),
            &[&unsigned.by_tag(), "no signatures found"],
        )?;
        stage.refuses(
            scratch,
            "foreign",
            &foreign.by_tag(),
            &[&format!("failed to verify image {}", foreign.by_tag())],
        )?;
        // Whoever signs and tries again succeeds at once: a refusal is never cached.
        super::stage::sign_image(world, scratch, &unsigned, ours, Tool::Cosign3)?;
        stage.admits(scratch, "signed-now", &unsigned)
    })
}

fn howto_each_registry_has_its_own_key(world: &World, scratch: &Scratch) -> Result<()> {
    let (company, vendor) = (keys(world, scratch, "company")?, keys(world, scratch, "vendor")?);
    let (here, there) = (world.docker()?.host(), world.testkit()?.host());
    let policy = printed("verify-all-registries")?
        .replace("registry.company.com", here)
        .replace("vendor-registry.io", &there);
    let of_company = signed_image(world, scratch, here, "team/app:v1", &company, Tool::Cosign3)?;
    let of_vendor = signed_image(world, scratch, &there, "vendor/db:v1", &vendor, Tool::Cosign3)?;
    let mixed = signed_image(world, scratch, here, "team/mixed:v1", &vendor, Tool::Cosign3)?;
    on_stage(world, scratch, |stage| {
        stage.key_secret(scratch, "company-cosign-key", &company)?;
        stage.key_secret(scratch, "vendor-cosign-key", &vendor)?;
        stage.load(scratch, "verify-all-registries", &policy)?;
        stage.admits(scratch, "company", &of_company)?;
        stage.admits(scratch, "vendor", &of_vendor)?;
        stage.refuses(scratch, "mixed", &mixed.by_tag(), &["verify-company-images"])?;
        // `docker.io/library/*` does not match a plain `nginx`, whose normal form is `docker.io/nginx:latest`.
        stage.run(scratch, "public", "nginx")?.succeeded()?;
        Ok(())
    })
}

/// Pushes an image with one attestation.
fn attested(
    world: &World,
    scratch: &Scratch,
    name: &str,
    keys: &Keys,
    kind: &str,
    predicate: &str,
) -> Result<registry::Image> {
    let image = registry::push(world.docker()?.host(), &format!("attested/{name}"), "v1", None)?;
    let file = scratch.write(&format!("{name}.json"), predicate)?;
    let by_digest = image.by_digest();
    let job = Signing {
        tool: Tool::Cosign3,
        key: &keys.private,
        format: Format::Bundle,
        statement: Statement::Attestation,
        predicate: Some((kind, &file)),
        image: &by_digest,
    };
    tools::sign(world, scratch, &job)?.succeeded()?;
    Ok(image)
}

fn howto_provenance_must_come_from_the_trusted_builder(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let ours = keys(world, scratch, "cosign")?;
    let provenance = |builder: &str, source: &str| {
        serde_json::json!({
            "builder": { "id": builder },
            "buildType": "https://example.test/build",
            "invocation": { "configSource": { "uri": source } },
        })
        .to_string()
    };
    let attest = |name: &str, predicate: &str| {
        attested(world, scratch, name, &ours, "slsaprovenance", predicate)
    };
    let good = attest("good", &provenance(BUILDER, SOURCE))?;
    let builder = attest("builder", &provenance("https://builder.example.test", SOURCE))?;
    let branch = attest(
        "branch",
        &provenance(BUILDER, "git+https://github.com/company/app@refs/heads/dev"),
    )?;
    let nothing = registry::push(world.docker()?.host(), "attested/nothing", "v1", None)?;
    let policy = printed("verify-attestations")?.replace(PRINTED_HOST, world.docker()?.host());
    on_stage(world, scratch, |stage| {
        stage.key_secret(scratch, "cosign-pub-key", &ours)?;
        stage.load(scratch, "verify-attestations", &policy)?;
        stage.admits(scratch, "good", &good)?;
        stage.refuses(scratch, "builder", &builder.by_tag(), &["verify-provenance"])?;
        stage.refuses(scratch, "branch", &branch.by_tag(), &["verify-provenance"])?;
        stage.refuses(scratch, "nothing", &nothing.by_tag(), &["verify-provenance"])?;
        Ok(())
    })
}

fn howto_a_critical_vulnerability_is_refused(world: &World, scratch: &Scratch) -> Result<()> {
    let ours = keys(world, scratch, "cosign")?;
    let scan = |vendor: &str, severities: &[&str]| {
        let found: Vec<Value> =
            severities.iter().map(|severity| serde_json::json!({ "severity": severity })).collect();
        serde_json::json!({
            "scanner": { "vendor": vendor, "result": { "vulnerabilities": found } },
            "metadata": { "scanStartedOn": "2026-01-01T00:00:00Z", "scanFinishedOn": "2026-01-01T00:01:00Z" },
        })
        .to_string()
    };
    // The type's URI keeps the JSON as it is; cosign's `--type vuln` would drop `scanner.vendor`.
    let kind = "https://cosign.sigstore.dev/attestation/vuln/v1";
    let attest =
        |name: &str, predicate: &str| attested(world, scratch, name, &ours, kind, predicate);
    let clean = attest("clean", &scan("Trivy", &["LOW", "HIGH"]))?;
    let critical = attest("critical", &scan("Trivy", &["LOW", "CRITICAL"]))?;
    let unknown = attest("unknown", &scan("Somebody", &[]))?;
    let policy = printed("verify-scan-results")?.replace(PRINTED_HOST, world.docker()?.host());
    on_stage(world, scratch, |stage| {
        stage.key_secret(scratch, "cosign-pub-key", &ours)?;
        stage.load(scratch, "verify-scan-results", &policy)?;
        stage.admits(scratch, "clean", &clean)?;
        stage.refuses(scratch, "critical", &critical.by_tag(), &["check-vulnerabilities"])?;
        stage.refuses(scratch, "unknown", &unknown.by_tag(), &["check-vulnerabilities"])?;
        Ok(())
    })
}

fn howto_production_requires_what_development_does_not(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let ours = keys(world, scratch, "cosign")?;
    let host = world.docker()?.host();
    let signed = signed_image(world, scratch, host, "shop/web:v1", &ours, Tool::Cosign3)?;
    let unsigned = registry::push(host, "shop/rushed", "v1", None)?;
    let policy = printed("conditional-verification")?;
    on_stage(world, scratch, |stage| {
        stage.key_secret(scratch, "cosign-pub-key", &ours)?;
        stage.namespace(scratch, "prod", "environment=production")?;
        stage.namespace(scratch, "dev", "environment=development")?;
        stage.load(scratch, "conditional-verification", &policy)?;
        let run = |namespace: &str, name: &str, image: &str| {
            stage.kubectl(scratch, &format!("run {name} --image={image} --namespace {namespace}"))
        };
        run("prod", "web", &signed.by_tag())?.succeeded()?;
        run("prod", "rushed", &unsigned.by_tag())?
            .refused(&["require-signatures-production", "no signatures found"])?;
        run("dev", "rushed", &unsigned.by_tag())?.succeeded()?;
        // The testing block: its registry cannot be reached from here, which is neither signed nor unsigned.
        run("prod", "test-unsigned", "nginx:latest")?
            .refused(&["denied the request", "nginx:latest"])?;
        run("default", "test-signed", "nginx:latest")?.succeeded()?;
        stage.kubectl(scratch, "delete namespace prod dev --wait=false")?.succeeded()?;
        Ok(())
    })
}

fn howto_keyless_policy_is_accepted_and_blocks(world: &World, scratch: &Scratch) -> Result<()> {
    let host = world.docker()?.host();
    let image = registry::push(host, "keyless/app", "v1", None)?;
    let policy = printed("verify-keyless")?.replace(PRINTED_HOST, host);
    on_stage(world, scratch, |stage| {
        stage.load(scratch, "verify-keyless", &policy)?;
        stage.refuses(
            scratch,
            "keyless",
            &image.by_tag(),
            &["keyless-verification", "no trust material to judge by"],
        )?;
        Ok(())
    })
}

fn howto_troubleshooting_commands_show_events_reports_and_keys(
    world: &World,
    scratch: &Scratch,
) -> Result<()> {
    let ours = keys(world, scratch, "cosign")?;
    let host = world.docker()?.host();
    let signed = signed_image(world, scratch, host, "trouble/signed:v1", &ours, Tool::Cosign3)?;
    let unsigned = registry::push(host, "trouble/unsigned", "v1", None)?;
    let policy = printed("verify-with-secret-key")?.replace(PRINTED_HOST, host);
    on_stage(world, scratch, |stage| {
        stage.key_secret(scratch, "cosign-pub-key", &ours)?;
        stage.load(scratch, "verify-with-secret-key", &policy)?;
        stage.admits(scratch, "signed", &signed)?;
        stage.refuses(scratch, "unsigned", &unsigned.by_tag(), &["verify-images"])?;
        // What `kubectl logs` shows of a Pod.
        let reason = format!("failed to verify image {}", unsigned.by_tag());
        ensure!(stage.said().contains(&reason), "the process log does not say \"{reason}\"");
        process::wait_for("an event about image verification", SOON, || {
            let events =
                stage.kubectl(scratch, "get events --sort-by=.lastTimestamp")?.succeeded()?;
            Ok(events.stdout.to_lowercase().contains("image verification"))
        })?;
        process::wait_for("a report of the admitted Pod", SOON, || {
            let reports = stage.get(scratch, "policyreport -A")?;
            let items =
                reports.pointer("/items").and_then(Value::as_array).cloned().unwrap_or_default();
            Ok(items.iter().any(|report| {
                report.pointer("/scope/name").and_then(Value::as_str) == Some("signed")
                    && report.pointer("/results/0/result").and_then(Value::as_str) == Some("pass")
            }))
        })?;
        stage.kubectl(scratch, "get policyreport -A")?.succeeded()?.says(&["signed"])?;
        stage
            .kubectl(scratch, "describe policyreport --namespace default")?
            .succeeded()?
            .says(&["verify-with-secret-key"])?;
        stage
            .kubectl(scratch, &format!("get secret cosign-pub-key -n {HOME} -o yaml"))?
            .succeeded()?
            .says(&["cosign.pub:"])?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_key_is_replaced_at_its_indentation() {
        let policy = "key: |-\n    -----BEGIN PUBLIC KEY-----\n    OLD...\n    -----END PUBLIC KEY-----\nnext: 1\n";
        let pem = "-----BEGIN PUBLIC KEY-----\nAAA\nBBB\n-----END PUBLIC KEY-----\n";
        let expected = "key: |-\n    -----BEGIN PUBLIC KEY-----\n    AAA\n    BBB\n    -----END PUBLIC KEY-----\nnext: 1\n";
        assert_eq!(with_key(policy, pem), expected);
    }

    #[test]
    fn only_blocks_of_the_language_are_taken() {
        let text = "a\n```yaml\nx: 1\n```\nb\n```bash\nls\n```\n```yaml\ny: 2\n```\n";
        assert_eq!(fenced(text, "yaml").collect::<Vec<_>>(), ["x: 1\n", "y: 2\n"]);
    }

    #[test]
    fn every_policy_that_the_cases_name_is_printed_in_the_how_to() {
        if workspace::shared().is_none() {
            println!("skipped: the articles are not beside this clone");
            return;
        }
        let names = [
            "verify-image-signatures",
            "verify-with-secret-key",
            "verify-all-registries",
            "verify-attestations",
            "verify-scan-results",
            "verify-keyless",
            "conditional-verification",
            "optimized-verification",
        ];
        for name in names {
            assert!(printed(name).unwrap().contains("kind: ClusterPolicy"), "{name}");
        }
        let text = article("how-to-verify-images.txt").unwrap();
        assert_eq!(fenced(&text, "yaml").count(), names.len(), "a document has no case");
    }
}
