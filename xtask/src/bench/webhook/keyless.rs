//! Images signed without a key of one's own, with a timestamp in place of a log entry: warm and cold.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sigward_testkit::image;
use sigward_testkit::registry::{Options as RegistryOptions, Registry};
use sigward_testkit::signing::Place;
use sigward_testkit::sigstore::{Identity, Instance, Keyless, Logged, Options as InstanceOptions};

use super::super::figures::Measured;
use super::super::{Bench, names};
use super::{
    MUTATE, NAMESPACES, Review, answer, contestant, loads, pod, prepare, review, speeds, whom,
};

const SIGNER: &str = "https://example.com/release";
const ISSUER: &str = "https://issuer.example.com";

/// Measures both webhooks on an image that a private authority's certificate signed.
pub(crate) fn measure(bench: &Bench<'_>) -> Result<Measured> {
    prepare()?;
    let instance = Instance::new(InstanceOptions::default())?;
    let registry = Registry::start(RegistryOptions { referrers_api: false, ..Default::default() })?;
    let digest = image::build(1).push(&registry, "bench/keyless", "v1");
    let other = image::build(2).push(&registry, "bench/keyless", "other");
    for (digest, signer) in [(&digest, SIGNER), (&other, "https://example.org/else")] {
        let mut keyless = Keyless::new(&instance, Identity::uri(signer, ISSUER));
        keyless.logged = Logged::Nowhere;
        keyless.stamped = true;
        keyless.sign_legacy(&Place::of(&registry, "bench/keyless", digest)?)?;
    }
    let policies = policies(bench, &instance, &registry.host())?;
    let works = [(names::KEYLESS_WARM, NAMESPACES[1]), (names::KEYLESS_COLD, NAMESPACES[2])];
    let mut measured = Measured::default();
    let mut columns = Vec::new();
    for &who in whom(bench.options) {
        let server = contestant(bench, who, &policies)?;
        let mut figures = Vec::new();
        for (work, namespace) in works {
            let of = |tag: &str| {
                review(&pod(namespace, &format!("{}/bench/keyless:{tag}", registry.host())))
            };
            let good = Review::write(bench.scratch, &format!("{namespace}-good"), &of("v1"), true)?;
            let bad =
                Review::write(bench.scratch, &format!("{namespace}-bad"), &of("other"), true)?;
            let judge = || -> Result<()> {
                let (admitted, response) = answer(&server, MUTATE, &good.body)?;
                ensure!(
                    admitted && response.get("patch").is_some(),
                    "the signed image: {response}"
                );
                let (admitted, response) = answer(&server, MUTATE, &bad.body)?;
                ensure!(!admitted, "the image of another signer: {response}");
                Ok(())
            };
            let requests = || Ok(u32::try_from(registry.request_count())?);
            let found = loads(&server, MUTATE, &good, bench.options.seconds, &judge, &requests)
                .with_context(|| format!("{who}: {work}"))?;
            eprintln!("{who}: {work}: {:.0} requests/s", found.sixteen.rate);
            figures.push(found);
        }
        columns.push((who, figures));
    }
    speeds(&mut measured, &works.map(|(work, _)| work), &columns)?;
    Ok(measured)
}

/// One policy for each namespace: what was verified is remembered in the first, and not in the second.
fn policies(bench: &Bench<'_>, instance: &Instance, host: &str) -> Result<PathBuf> {
    let folder = bench.scratch.path("policies");
    fs::create_dir_all(&folder)?;
    for (namespace, use_cache) in [(NAMESPACES[1], true), (NAMESPACES[2], false)] {
        let policy: Value = json!({
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
                        "attestors": [{ "entries": [{ "keyless": {
                            "issuer": ISSUER,
                            "subject": SIGNER,
                            "roots": instance.fulcio_pem(),
                            "rekor": { "ignoreTlog": true, "url": "https://rekor.sigstore.dev" },
                            "ctlog": { "ignoreSCT": true, "tsaCertChain": instance.timestamp_pem() },
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
