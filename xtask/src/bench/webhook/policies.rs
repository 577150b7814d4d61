//! Many policies about Pods: all 18 of the Pod Security Standards, 200 of which none matches, and none at all as the floor.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::super::figures::Measured;
use super::super::{Bench, names, pod_security};
use super::{Figures, MIB, Review, answer, contestant, load, loads, prepare, review, speeds, whom};

/// So many policies are loaded and none matches.
const MANY: u32 = 200;
/// Where the API server asks policies with `failurePolicy: Fail` that only judge.
const VALIDATE: &str = "/validate/fail?timeout=30s";
const NAMESPACE: &str = super::NAMESPACES[0];
/// A server has to have something to do: this one is never asked about Pods.
const ABOUT_OTHERS: &str = "apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: config-maps
spec:
  background: false
  rules:
  - name: labelled
    match:
      any:
      - resources:
          kinds: [ConfigMap]
    validate:
      failureAction: Enforce
      message: A label is missing.
      pattern:
        metadata:
          labels:
            app: \"?*\"
";

/// One set of policies.
struct Set {
    work: &'static str,
    policies: String,
    /// Whether a privileged Pod is refused.
    refuses: bool,
}

/// Measures both webhooks with each of the sets, each time a new process.
pub(crate) fn measure(bench: &Bench<'_>) -> Result<Measured> {
    prepare()?;
    let sets = [
        Set { work: names::FLOOR, policies: ABOUT_OTHERS.to_owned(), refuses: false },
        Set {
            work: names::POD_SECURITY,
            policies: pod_security::POLICIES.to_owned(),
            refuses: true,
        },
        Set {
            work: names::NONE_OF_MANY,
            policies: pod_security::for_other_namespaces(usize::try_from(MANY)?),
            refuses: false,
        },
    ];
    let good = Review::write(
        bench.scratch,
        "restricted",
        &review(&pod_security::pod(0, NAMESPACE)),
        true,
    )?;
    let bad = Review::write(
        bench.scratch,
        "privileged",
        &review(&pod_security::privileged(NAMESPACE)),
        true,
    )?;
    let mut measured = Measured::default();
    let mut columns = Vec::new();
    let mut memory = "\n| webhook | resident, idle, one policy | resident, idle, 200 policies | each policy |\n|---|---|---|---|\n".to_owned();
    for &who in whom(bench.options) {
        let mut figures: Vec<Figures> = Vec::new();
        let mut idle = Vec::new();
        for set in &sets {
            let folder = folder(bench, set)?;
            let server = contestant(bench, who, &folder)?;
            idle.push(load::resident(server.pid())?);
            let judge = || -> Result<()> {
                ensure!(answer(&server, VALIDATE, &good.body)?.0, "the restricted Pod is refused");
                let (admitted, response) = answer(&server, VALIDATE, &bad.body)?;
                ensure!(admitted != set.refuses, "the privileged Pod: {response}");
                Ok(())
            };
            let found = loads(&server, VALIDATE, &good, bench.options.seconds, &judge, &|| Ok(0))
                .with_context(|| format!("{who}: {}", set.work))?;
            eprintln!("{who}: {}: {:.0} requests/s", set.work, found.sixteen.rate);
            figures.push(found);
        }
        let (one, many) = (
            idle.first().context("no server ran")? * MIB,
            idle.last().context("no server ran")? * MIB,
        );
        let each = (many - one) / f64::from(MANY - 1);
        writeln!(
            memory,
            "| {who} | {:.1} MiB | {:.1} MiB | {:.1} KiB |",
            one / MIB,
            many / MIB,
            each / 1024.0
        )?;
        measured.figures.put(names::EACH_POLICY, who, "memory", each);
        columns.push((who, figures));
    }
    let works: Vec<&str> = sets.iter().map(|set| set.work).collect();
    speeds(&mut measured, &works, &columns)?;
    measured.tables += &memory;
    Ok(measured)
}

fn folder(bench: &Bench<'_>, set: &Set) -> Result<PathBuf> {
    let folder = bench.scratch.path("policies");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("policies.yaml"), &set.policies)?;
    Ok(folder)
}
